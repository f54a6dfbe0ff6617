#!/usr/bin/env python3
"""Keys: who may ask for what. Every route is asked without a key, with a wrong one and with each kind of key, and what
comes is compared with the scopes that --routes tells."""
import json
import os
import pathlib
import re
import stat
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import Daemon, program, read_all, wait_until

SCOPES = ["submit", "check", "backward", "teach", "admin"]
GRAPH = {"inputs": {"x": ["B", 2]}, "nodes": {"h": {"op": "Tanh", "in": "x"}}, "outputs": ["h"]}
DENSE = {
    "inputs": {"x": ["B", 2]},
    "dtype": "float64",
    "nodes": {"h": {"op": "Linear", "in": "x", "out_features": 2}},
    "outputs": ["h"],
}


def routes():
    """(method, path, the scopes that open it or None if it takes no key)"""
    text = subprocess.run([program(), "--routes"], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return [(method, path, None if scopes == "-" else scopes.split(",")) for method, path, _, scopes in rows]


def bearer(key):
    return {"Authorization": "Bearer " + key} if key else {}


class Course(unittest.TestCase):
    """A daemon with a key of each kind."""

    options = ("--require-keys",)

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(*cls.options).__enter__()
        cls.first = pathlib.Path(cls.d.data, "d", "first-key").read_text().strip()
        cls.keys = {"first": cls.first}
        for scope in SCOPES:
            cls.keys[scope] = cls.make(scope, [scope])["key"]

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    @classmethod
    def make(cls, label, scopes, **more):
        reply = cls.d.ask("POST", "/v1/keys", {"label": label, "scopes": scopes, **more}, bearer(cls.first))
        if reply.status != 201:
            raise AssertionError(reply.body)
        return reply.json()

    def ask(self, who, method, path, body=None, headers=None):
        key = self.keys.get(who, who)
        return self.d.ask(method, path, body, {**bearer(key), **(headers or {})})

    def refused(self, reply, status, code):
        self.assertEqual(reply.status, status, reply.body[:500])
        self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        self.assertEqual(reply.json()["code"], code)
        return reply.json()


class Routes(Course):
    def walk(self, who, key, may):
        """Asks every route; `may` says of its scopes whether it must let them through."""
        asked = 0
        for method, path, scopes in routes():
            path = re.sub(r"\{\w+\}", "nothing-here", path)
            body = "{" if method in ("POST", "PUT", "PATCH") else None
            reply = self.d.ask(method, path, body, bearer(key))
            with self.subTest(who=who, method=method, path=path):
                if may(scopes):
                    self.assertNotIn(reply.status, (401, 403), reply.body)
                    self.assertNotIn("WWW-Authenticate", reply.headers)
                else:
                    self.assertIn(reply.status, (401, 403), reply.body)
                    self.assertTrue(reply.headers["WWW-Authenticate"].startswith("Bearer realm="))
                    self.assertNotIn(b"json_syntax", reply.body)
                    asked += 1
                yield method, path, scopes, reply
        self.assertGreater(asked + (who in ("admin", "first")), 0)

    def test_there_are_routes_of_every_kind(self):
        kinds = {tuple(scopes) if scopes else None for _, _, scopes in routes()}
        self.assertIn(None, kinds)
        self.assertIn(("admin",), kinds)
        for scope in SCOPES:
            self.assertTrue(any(kind and scope in kind for kind in kinds), scope)
            for _, _, scopes in routes():
                self.assertIn("admin", scopes or ["admin"])

    def test_what_is_open_is_little(self):
        self.assertEqual(
            {path for _, path, scopes in routes() if scopes is None},
            {"/v1", "/v1/errors/{code}", "/livez", "/readyz", "/openapi.yaml"},
        )

    def test_students_see_no_numbers(self):
        """Whatever computes, checks, or shows parameters or jobs is closed to them, also routes to come."""
        for method, path, scopes in routes():
            if path == "/v1/assignments/{assignment}/forward":
                continue  # if the teacher says so: test_course.py
            if path.startswith("/v1/probes/{probes}") or path == "/v1/challenges/{challenge}/probes":
                continue  # of their own challenge, and no verdict: test_course_answers.py
            if re.search(r"backward|check|step|parameters|jobs|probes|keys|forward|loss|grade|graphs|curve", path):
                self.assertNotIn("submit", scopes, path)

    def test_the_catalogue_does_not_do_homework(self):
        """What the slope is, and which mistakes are made, is not for who only hands in."""
        answers = {"derivative", "mistakes", "note"}
        whole, some = (self.ask(who, "GET", "/v1/modules/Tanh").json() for who in ("check", "submit"))
        self.assertTrue(answers <= set(whole))
        self.assertFalse(answers & set(some))
        self.assertEqual(some["formula"], whole["formula"])
        for module in self.ask("submit", "GET", "/v1/modules").json()["modules"]:
            self.assertFalse(answers & set(module), module["type"])

    def test_without_a_key(self):
        for method, path, scopes, reply in self.walk("nobody", None, lambda scopes: scopes is None):
            if scopes:
                self.refused(reply, 401, "key_missing")
                self.assertNotIn("error=", reply.headers["WWW-Authenticate"])

    def test_with_a_key_that_is_none(self):
        wrong = self.first[:-1] + ("0" if self.first[-1] != "0" else "1")
        for method, path, scopes, reply in self.walk("wrong", wrong, lambda scopes: scopes is None):
            if scopes:
                self.refused(reply, 401, "key_refused")
                self.assertIn('error="invalid_token"', reply.headers["WWW-Authenticate"])

    def test_with_each_kind_of_key(self):
        for kind in SCOPES + ["first"]:
            scope = "admin" if kind == "first" else kind
            for method, path, scopes, reply in self.walk(kind, self.keys[kind], lambda s: s is None or scope in s):
                if scopes and scope not in scopes:
                    said = self.refused(reply, 403, "scope_missing")["detail"]
                    for needed in scopes:
                        if scopes == ["admin"] or needed != "admin":
                            self.assertIn(needed, said)
                    self.assertIn('error="insufficient_scope"', reply.headers["WWW-Authenticate"])

    def test_head_and_options(self):
        self.assertEqual(self.ask(None, "HEAD", "/v1/graphs").status, 401)
        self.assertEqual(self.ask("submit", "HEAD", "/v1/graphs").status, 403)
        self.assertEqual(self.ask("check", "HEAD", "/v1/graphs").status, 200)
        self.assertEqual(self.ask(None, "OPTIONS", "/v1/graphs").status, 204)

    def test_refused_before_the_body_is_read(self):
        """A body that was announced is not waited for, whatever its size."""
        for head in (b"Content-Length: 60000000", b"Transfer-Encoding: chunked"):
            with self.d.connect() as s:
                s.sendall(b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
                self.assertTrue(read_all(s).startswith(b"HTTP/1.1 401"))

    def test_odd_headers(self):
        for value, code in (
            ("Basic YTpi", "key_missing"),
            ("Bearer", "key_missing"),
            ("Bearer ", "key_missing"),
            (self.first, "key_missing"),
            ("Bearer  x y", "key_refused"),
            ("Bearer " + "n" * 20000, "key_refused"),
            ("Bearer " + self.first + "0", "key_refused"),
            ("Bearer " + self.first.upper(), "key_refused"),
        ):
            reply = self.d.ask("GET", "/v1/graphs", headers={"Authorization": value})
            self.refused(reply, 401, code)
        self.assertEqual(self.d.ask("GET", "/v1/graphs", headers={"Authorization": "bearer  " + self.first}).status, 200)
        twice = self.d.raw(
            b"GET /v1/graphs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            + 2 * f"Authorization: Bearer {self.first}\r\n".encode()
            + b"\r\n"
        )
        self.assertTrue(twice.startswith(b"HTTP/1.1 400"), twice[:100])


class Life(Course):
    def test_made_listed_ended(self):
        made = self.make("ada@example.org", ["submit"])
        self.assertRegex(made["key"], "^nk_[0-9a-f]{64}$")
        self.assertEqual(made["scopes"], ["submit"])
        listed = self.ask("admin", "GET", "/v1/keys")
        self.assertNotIn(made["key"][3:].encode(), listed.body)
        entry = [k for k in listed.json()["keys"] if k["id"] == made["id"]]
        self.assertEqual(entry, [{k: v for k, v in made.items() if k != "key"}])
        self.assertEqual(self.ask(made["key"], "GET", "/v1/modules").status, 200)
        self.assertEqual(self.ask("admin", "DELETE", "/v1/keys/" + made["id"]).status, 204)
        self.refused(self.ask(made["key"], "GET", "/v1/modules"), 401, "key_refused")
        self.refused(self.ask("admin", "DELETE", "/v1/keys/" + made["id"]), 404, "unknown_access_key")

    def test_the_reply_is_not_to_be_kept(self):
        reply = self.ask("admin", "POST", "/v1/keys", {"label": "cached", "scopes": ["check"]})
        self.assertEqual(reply.headers["Cache-Control"], "no-store")

    def test_labels_are_of_one(self):
        made = self.make("twin", ["submit"])
        again = self.ask("admin", "POST", "/v1/keys", {"label": "twin", "scopes": ["submit"]})
        self.assertEqual(self.refused(again, 409, "label_taken")["pointer"], "/label")
        self.ask("admin", "DELETE", "/v1/keys/" + made["id"])
        self.make("twin", ["submit"])

    def test_expires(self):
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        made = self.make("short-lived", ["submit"], expires=soon)
        self.assertEqual(made["expires"], soon)
        self.assertTrue(wait_until(lambda: self.ask(made["key"], "GET", "/v1/modules").status == 401, 20))
        said = self.refused(self.ask(made["key"], "GET", "/v1/modules"), 401, "key_refused")
        self.assertIn("expired", said["detail"])
        self.assertTrue([k for k in self.ask("admin", "GET", "/v1/keys").json()["keys"] if k["id"] == made["id"]][0]["expired"])
        self.make("short-lived", ["submit"])

    def test_the_last_one_that_makes_keys_stays(self):
        with Daemon() as d:
            made = d.ask("POST", "/v1/keys", {"label": "me", "scopes": ["admin"]}).json()
            head = bearer(made["key"])
            self.refused(d.ask("DELETE", "/v1/keys/" + made["id"], headers=head), 409, "last_key")
            other = d.ask("POST", "/v1/keys", {"label": "other", "scopes": ["admin"]}, head).json()
            self.assertEqual(d.ask("DELETE", "/v1/keys/" + made["id"], headers=head).status, 204)
            self.assertEqual(d.ask("GET", "/v1/keys", headers=head).status, 401)
            self.assertEqual(d.ask("GET", "/v1/keys", headers=bearer(other["key"])).status, 200)

    def test_bad_requests(self):
        good = {"label": "x", "scopes": ["submit"]}
        for body, code, pointer in (
            ([], "wrong_type", None),
            ({"scopes": ["submit"]}, "missing_key", None),
            ({"label": "x"}, "missing_key", None),
            ({**good, "more": 1}, "unknown_key", "/more"),
            ({**good, "label": ""}, "bad_value", "/label"),
            ({**good, "label": "x" * 65}, "bad_value", "/label"),
            ({**good, "label": "a\nb"}, "bad_value", "/label"),
            ({**good, "label": 7}, "wrong_type", "/label"),
            ({**good, "scopes": []}, "bad_value", "/scopes"),
            ({**good, "scopes": ["root"]}, "bad_value", "/scopes/0"),
            ({**good, "scopes": ["submit", "submit"]}, "bad_value", "/scopes/1"),
            ({**good, "expires": "tomorrow"}, "bad_value", "/expires"),
            ({**good, "expires": "2026-02-30T00:00:00Z"}, "bad_value", "/expires"),
            ({**good, "expires": "2001-01-01T00:00:00+01:00"}, "bad_value", "/expires"),
            ({**good, "expires": 5}, "wrong_type", "/expires"),
        ):
            with self.subTest(body=body):
                self.assertEqual(self.refused(self.ask("admin", "POST", "/v1/keys", body), 400, code).get("pointer"), pointer)

    def test_ended_in_the_middle_of_a_request(self):
        """The request that is under way gets its answer; the next is refused."""
        made = self.make("leaver", ["check"])
        body = json.dumps({"graph": GRAPH, "inputs": {"x": [[1, 2]]}}).encode()
        with self.d.connect() as s:
            head = f"POST /v1/forward HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {made['key']}\r\n"
            s.sendall((head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body[:20])
            time.sleep(0.3)
            self.assertEqual(self.ask("admin", "DELETE", "/v1/keys/" + made["id"]).status, 204)
            s.sendall(body[20:])
            self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 200"))
            s.sendall((head + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode())
            self.assertTrue(read_all(s).startswith(b"HTTP/1.1 401"))


class Whose(Course):
    """What one made, others do not see."""

    def test_jobs(self):
        mine, other = (self.make(label, ["check"])["key"] for label in ("job-a", "job-b"))
        body = {"graph": DENSE, "seed": "1"}
        place = self.ask(mine, "POST", "/v1/check", body, {"Prefer": "respond-async"}).headers["Location"]
        self.assertTrue(wait_until(lambda: self.ask(mine, "GET", place).json()["state"] == "done", 60))
        for path in (place, place + "/result", place + "/events"):
            self.refused(self.ask(other, "GET", path), 404, "unknown_job")
        self.refused(self.ask(other, "DELETE", place), 404, "unknown_job")
        self.assertEqual(self.ask(other, "GET", "/v1/jobs").json()["jobs"], [])
        self.assertEqual(len(self.ask(mine, "GET", "/v1/jobs").json()["jobs"]), 1)
        self.assertEqual(self.ask("admin", "GET", place).status, 200)
        result = self.ask(mine, "GET", place + "/result").json()
        entries = [entry for t in result["tensors"].values() for entry in t["entries"]]
        self.assertTrue(entries)
        for entry in entries:
            self.assertFalse({"got", "expected", "ratio", "error_bar", "allowed", "oracles"} & set(entry), entry)

    def test_probes(self):
        mine, other = (self.make(label, ["check"])["key"] for label in ("probe-a", "probe-b"))
        body = {"function": {"inputs": {"x": {"shape": [2]}}, "outputs": {"y": {"shape": [2]}}}}
        reply = self.ask(mine, "POST", "/v1/probes", body)
        if reply.status != 201:
            self.fail(reply.body)
        place = reply.headers["Location"]
        self.refused(self.ask(other, "GET", place), 404, "unknown_probes")
        self.refused(self.ask(other, "POST", place + "/answers", {"round": 1}), 404, "unknown_probes")
        self.refused(self.ask(other, "DELETE", place), 404, "unknown_probes")
        self.assertEqual(self.ask("admin", "GET", place).status, 200)
        self.assertEqual(self.ask(mine, "DELETE", place).status, 204)


class Numbers(Course):
    """A key with check alone learns no gradient."""

    WRONG = {"graph": DENSE, "seed": "3", "parameters": {"h.weight": [[1, 2], [3, 4]], "h.bias": [0, 0]}}

    def keys_of(self, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from self.keys_of(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from self.keys_of(inner)

    def test_check_and_its_numbers(self):
        body = {
            **self.WRONG,
            "inputs": {"x": [[1, 2], [3, 5]]},
            "cotangents": {"h": [[1, 1], [1, 1]]},
            "wrt": ["x"],
            "gradients": {"x": [[4.25, 6], [4, 6]]},
        }
        both = self.make("both", ["check", "backward"])["key"]
        whole, bare = self.ask(both, "POST", "/v1/check", body).json(), self.ask("check", "POST", "/v1/check", body).json()
        hidden = {"expected", "ratio", "error_bar", "allowed", "oracles"}
        self.assertEqual(whole["verdict"], "wrong")
        self.assertEqual(bare["verdict"], "wrong")
        self.assertTrue(hidden <= set(self.keys_of(whole["tensors"])))
        self.assertFalse(hidden & set(self.keys_of(bare["tensors"])))
        self.assertIn("expected 4", whole["summary"])
        self.assertNotIn("expected", bare["summary"])
        self.assertIn("got 4.25", bare["summary"])
        self.assertEqual(bare["tensors"]["x"]["entries"][0]["got"], 4.25)

    def test_our_own_gradient_is_one(self):
        """Without gradients in the request the candidate is the service's own."""
        body = {**self.WRONG, "detail": "all"}
        for headers in (None, {"Accept": "application/json, image/svg+xml;q=0.1"}):
            bare = self.ask("check", "POST", "/v1/check", body, headers).json()
            self.assertNotIn("got", set(self.keys_of(bare["tensors"])))
            self.assertNotIn("tensors", bare["certificate"]["candidate"])
        self.refused(self.ask("check", "POST", "/v1/check", body, {"Accept": "image/svg+xml"}), 406, "not_acceptable")
        self.assertEqual(self.ask("admin", "POST", "/v1/check", body, {"Accept": "image/svg+xml"}).status, 200)


class Beginning(unittest.TestCase):
    def test_open_until_the_first_key(self):
        with Daemon() as d:
            self.assertEqual(d.ask("GET", "/v1/graphs").status, 200)
            self.assertEqual(d.ask("GET", "/v1/graphs", headers=bearer("nk_nonsense")).status, 200)
            bad = d.ask("POST", "/v1/keys", {"label": "s", "scopes": ["submit"]})
            self.assertEqual((bad.status, bad.json()["pointer"]), (400, "/scopes"))
            first = d.ask("POST", "/v1/keys", {"label": "me", "scopes": ["admin"]})
            self.assertEqual(first.status, 201)
            self.assertEqual(d.ask("GET", "/v1/graphs").status, 401)
            self.assertEqual(d.ask("GET", "/v1/graphs", headers=bearer(first.json()["key"])).status, 200)

    def test_the_first_key_is_in_a_file(self):
        with tempfile.TemporaryDirectory() as data:
            with Daemon("--require-keys", data=data) as d:
                path = os.path.join(data, "d", "first-key")
                key = pathlib.Path(path).read_text().strip()
                self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
                self.assertEqual(d.ask("GET", "/v1/graphs").status, 401)
                self.assertEqual(d.ask("GET", "/v1/keys", headers=bearer(key)).status, 200)
                self.assertIn(b"first-key", d.log)
                self.assertNotIn(key.encode(), d.log)
            os.remove(path)
            with Daemon("--require-keys", data=data) as d:  # no second one
                self.assertFalse(os.path.exists(path))
                self.assertEqual(d.ask("GET", "/v1/keys", headers=bearer(key)).status, 200)

    def test_create_key(self):
        with tempfile.TemporaryDirectory() as data:
            command = [program(), "--data", os.path.join(data, "d"), "--create-key"]
            made = subprocess.run(command + ["root"], capture_output=True, text=True, check=True)
            self.assertRegex(made.stdout, "^nk_[0-9a-f]{64}\n$")
            self.assertEqual(made.stderr, "")
            for bad in ("root", "", "x" * 65, b"\xff"):
                again = subprocess.run(command + [bad], capture_output=True, text=True)
                self.assertEqual((again.returncode, again.stdout), (1, ""))
            with Daemon(data=data) as d:
                self.assertEqual(d.ask("GET", "/v1/keys").status, 401)
                self.assertEqual(d.ask("GET", "/v1/keys", headers=bearer(made.stdout.strip())).status, 200)
                running = subprocess.run(command + ["other"], capture_output=True, text=True)
                self.assertEqual(running.returncode, 1)
                self.assertIn("another nablad", running.stderr)

    def test_kept_over_kill(self):
        """What was acknowledged is there, what was ended is not."""
        with tempfile.TemporaryDirectory() as data:
            with Daemon("--require-keys", data=data) as d:
                first = bearer(pathlib.Path(data, "d", "first-key").read_text().strip())
                made = [d.ask("POST", "/v1/keys", {"label": f"s{i}", "scopes": ["submit"]}, first).json() for i in range(20)]
                for k in made[::2]:
                    self.assertEqual(d.ask("DELETE", "/v1/keys/" + k["id"], headers=first).status, 204)
                d.kill()
            with Daemon(data=data) as d:
                for i, k in enumerate(made):
                    self.assertEqual(d.ask("GET", "/v1/modules", headers=bearer(k["key"])).status, 200 if i % 2 else 401)

    def test_nowhere_in_clear(self):
        """Neither the log nor the data directory has a key."""
        with tempfile.TemporaryDirectory() as data:
            d = Daemon("--require-keys", "--log-requests", data=data).__enter__()
            first = pathlib.Path(data, "d", "first-key").read_text().strip()
            made = d.ask("POST", "/v1/keys", {"label": "s", "scopes": ["submit"]}, bearer(first)).json()["key"]
            d.ask("GET", "/v1/modules", headers=bearer(made))
            d.ask("GET", "/v1/graphs", headers=bearer(made))
            d.ask("DELETE", "/v1/keys/" + made, headers=bearer(first))
            d.ask("GET", "/v1/modules?key=" + made, headers=bearer(made))
            d.ask("GET", "/v1/modules", headers=bearer(made + "x"))
            d.process.terminate()
            d.process.wait(30)
            log = d.log + d.process.stderr.read()
            d.__exit__(None, None, None)
            self.assertIn(b"listModules", log)
            self.assertIn(b"nk_*****", log)
            os.remove(os.path.join(data, "d", "first-key"))
            for key in (first, made):
                self.assertNotIn(key[3:40].encode(), log)
                for file in pathlib.Path(data).rglob("*"):
                    if file.is_file():
                        self.assertNotIn(key[3:40].encode(), file.read_bytes(), file)
                        self.assertNotIn(bytes.fromhex(key[3:]), file.read_bytes(), file)


if __name__ == "__main__":
    unittest.main()
