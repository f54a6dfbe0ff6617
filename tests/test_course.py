#!/usr/bin/env python3
"""A course: a teacher stores an assignment, students get challenges, hand in and read what came of it; what they must
not see, and everything that can go wrong between them."""
import copy
import hashlib
import io
import json
import pathlib
import random
import tempfile
import threading
import time
import unittest

from daemon import Daemon, wait_until

GRAPH = {
    "inputs": {"x": ["n", 2]},
    "dtype": "float64",
    "nodes": {"fc": {"op": "Linear", "in_features": 2, "out_features": 1, "in": "x"}},
    "outputs": ["fc"],
}
TASK = {"name": "hw1", "graph": GRAPH, "points": {"fc.weight": 4, "fc.bias": 2, "x": 4}, "hint_level": "formula"}


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def bearer(key):
    return {"Authorization": "Bearer " + key} if key else {}


def solve(c):
    """The gradients of the layer by hand: W^T g, g x^T, the sum of g."""
    x, weight, g = c["inputs"]["x"], c["parameters"]["fc.weight"], c["cotangents"]["fc"]
    return {
        "fc.weight": [[sum(g[i][0] * x[i][k] for i in range(len(x))) for k in range(2)]],
        "fc.bias": [sum(row[0] for row in g)],
        "x": [[row[0] * weight[0][k] for k in range(2)] for row in g],
    }


def numbers(gradients):
    return {"form": "numbers", "gradients": gradients}


def divided(gradients, tensor, by):
    """The mistake of a student who divides by the batch once more."""
    wrong = copy.deepcopy(gradients)
    wrong[tensor] = [[v / by for v in row] if isinstance(row, list) else row / by for row in wrong[tensor]]
    return wrong


def keys_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


class WithCourse(unittest.TestCase):
    options = ("--require-keys",)

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(*cls.options).__enter__()
        first = pathlib.Path(cls.d.data, "d", "first-key").read_text().strip()
        cls.keys = {"root": first}
        for label, scopes in (
            ("teacher", ["teach", "check", "backward"]),
            ("colleague", ["teach"]),
            ("ada", ["submit"]),
            ("bob", ["submit"]),
        ):
            made = cls.d.ask("POST", "/v1/keys", {"label": label, "scopes": scopes}, bearer(first))
            cls.keys[label] = made.json()["key"]
        cls.count = 0

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def ask(self, who, method, path, body=None, headers=None):
        return self.d.ask(method, path, body, {**bearer(self.keys[who]), **(headers or {})})

    def good(self, reply, *statuses):
        self.assertIn(reply.status, statuses or (200, 201), reply.body[:1000])
        return reply.json()

    def refused(self, reply, status, code, pointer=None):
        self.assertEqual(reply.status, status, reply.body[:1000])
        self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        problem = reply.json()
        self.assertEqual(problem["code"], code)
        if pointer:
            self.assertEqual(problem.get("pointer"), pointer)
        return problem

    def task(self, **more):
        type(self).count += 1
        name = more.pop("name", f"hw-{self.count}")
        self.good(self.ask("teacher", "POST", "/v1/assignments", {**TASK, "name": name, **more}))
        return name

    def challenge(self, who, name, **more):
        return self.good(self.ask(who, "POST", "/v1/challenges", {"assignment": name, **more}))

    def hand_in(self, who, c, gradients):
        return self.ask(who, "POST", "/v1/submissions", {"challenge": c["challenge"], "submission": numbers(gradients)})


class Way(WithCourse):
    """What works."""

    def test_all_the_way(self):
        name = self.task()
        seen = self.good(self.ask("ada", "GET", "/v1/assignments/" + name))
        self.assertEqual(seen["stage"], "open")
        self.assertEqual(seen["terms"]["points"], TASK["points"])
        self.assertEqual(seen["terms"]["graph"]["nodes"], GRAPH["nodes"])
        c = self.challenge("ada", name)
        self.assertRegex(c["challenge"], "^ch_[0-9a-f]{32}$")
        self.assertEqual(set(c["parameters"]), {"fc.weight", "fc.bias"})
        reply = self.hand_in("ada", c, solve(c))
        self.assertEqual(reply.status, 201)
        graded = reply.json()
        self.assertEqual((graded["score"], graded["max_score"], graded["verdict"]), (10, 10, "right"))
        self.assertEqual((graded["student"], graded["try"], graded["late"], graded["counted"]), ("ada", 1, False, True))
        self.assertEqual(self.good(self.ask("ada", "GET", reply.headers["Location"])), graded)

    def test_a_mistake_is_named(self):
        name = self.task()
        c = self.challenge("ada", name)
        n = len(c["inputs"]["x"])
        graded = self.good(self.hand_in("ada", c, divided(solve(c), "fc.weight", n)))
        tensor = graded["result"]["tensors"]["fc.weight"]
        self.assertEqual(tensor["verdict"], "wrong")
        self.assertEqual(tensor["diagnosis"]["code"], "factor_batch")
        self.assertIn(f"1/{n}", tensor["diagnosis"]["pattern"])
        self.assertEqual(graded["result"]["tensors"]["x"]["verdict"], "right")
        self.assertGreater(graded["score"], 6)
        self.assertLess(graded["score"], 10)

    def test_levels(self):
        """What a level does not show is not there, under no name."""
        seen = {}
        for level in ("verdict", "place", "pattern", "formula"):
            name = self.task(hint_level=level)
            c = self.challenge("bob", name)
            graded = self.good(self.hand_in("bob", c, divided(solve(c), "fc.weight", len(c["inputs"]["x"]))))
            seen[level] = set(keys_of(graded["result"]))
            self.assertEqual(graded["result"]["tensors"]["fc.weight"]["verdict"], "wrong")
        self.assertFalse({"first_wrong", "diagnosis", "hint"} & seen["verdict"])
        self.assertIn("first_wrong", seen["place"])
        self.assertFalse({"diagnosis", "hint"} & seen["place"])
        self.assertIn("pattern", seen["pattern"])
        self.assertNotIn("hint", seen["pattern"])
        self.assertIn("hint", seen["formula"])
        for keys in seen.values():
            self.assertFalse({"expected", "oracles", "ratio", "error_bar", "seed"} & keys)

    def test_teacher_sees_all(self):
        name = self.task(hint_level="verdict")
        c = self.challenge("ada", name)
        place = self.hand_in("ada", c, divided(solve(c), "fc.weight", len(c["inputs"]["x"]))).headers["Location"]
        whole = set(keys_of(self.good(self.ask("teacher", "GET", place))["result"]))
        self.assertTrue({"diagnosis", "hint", "expected", "seed"} <= whole, whole)

    def test_revealed_and_closed(self):
        name = self.task(reveal=True, closes=moment(3600))
        c = self.challenge("ada", name)
        place = self.hand_in("ada", c, divided(solve(c), "fc.weight", len(c["inputs"]["x"]))).headers["Location"]
        graded = self.good(self.ask("ada", "GET", place))
        self.assertAlmostEqual(
            graded["result"]["tensors"]["fc.weight"]["first_wrong"]["expected"], solve(c)["fc.weight"][0][0]
        )
        self.assertNotIn("seed", set(keys_of(graded["result"])))
        self.good(self.ask("teacher", "PATCH", "/v1/assignments/" + name, {"closes": moment(-5)}))
        self.assertIn("seed", self.good(self.ask("ada", "GET", place))["result"]["certificate"])

    def test_the_numbers_are_of_student_and_try(self):
        name = self.task(tries=5)
        ada, bob = self.challenge("ada", name), self.challenge("bob", name)
        self.assertNotEqual(ada["inputs"], bob["inputs"])
        self.assertNotEqual(ada["parameters"], bob["parameters"])
        self.assertNotEqual(ada["cotangents"], bob["cotangents"])
        self.assertEqual(self.challenge("ada", name), ada)  # it is still open
        self.good(self.hand_in("ada", ada, solve(ada)))
        second = self.challenge("ada", name)
        self.assertEqual(second["try"], 2)
        self.assertNotEqual(second["inputs"], ada["inputs"])

    def test_as_files(self):
        """The same numbers in every format, and back."""
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not there")
        name = self.task()
        c = self.challenge("ada", name)
        body = {"assignment": name}
        npz = self.ask("ada", "POST", "/v1/challenges", body, {"Accept": "application/x-npz"})
        self.assertEqual(npz.headers["Content-Type"], "application/x-npz")
        file = numpy.load(io.BytesIO(npz.body))
        for kind in ("inputs", "parameters", "cotangents"):
            for tensor, value in c[kind].items():
                self.assertTrue((file[f"{kind}/{tensor}"] == numpy.array(value)).all())
        made = io.BytesIO()
        numpy.savez(made, **{k: numpy.array(v) for k, v in solve(c).items()})
        reply = self.ask(
            "ada",
            "POST",
            "/v1/submissions?challenge=" + c["challenge"],
            made.getvalue(),
            {"Content-Type": "application/x-npz"},
        )
        self.assertEqual(self.good(reply)["score"], 10)
        tensors = self.ask("bob", "POST", "/v1/challenges", body, {"Accept": "application/x-safetensors"})
        size = int.from_bytes(tensors.body[:8], "little")
        header = json.loads(tensors.body[8 : 8 + size])
        self.assertEqual(header["__metadata__"]["challenge"], self.challenge("bob", name)["challenge"])
        self.assertIn("inputs/x", header)

    def test_for_somebody_else(self):
        """A platform's autograder has the teacher's key."""
        name = self.task()
        c = self.challenge("teacher", name, student="carla")
        graded = self.good(self.hand_in("teacher", c, solve(c)))
        self.assertEqual((graded["student"], graded["score"]), ("carla", 10))
        body = {"assignment": name, "student": "carla"}
        self.refused(self.ask("ada", "POST", "/v1/challenges", body), 403, "scope_missing", "/student")
        self.refused(self.ask("colleague", "POST", "/v1/challenges", body), 403, "scope_missing", "/student")

    def test_graph_of_the_store(self):
        self.good(self.ask("teacher", "POST", "/v1/graphs", {"name": "shared", "graph": GRAPH}))
        name = self.task(graph="shared")
        self.assertEqual(self.ask("teacher", "DELETE", "/v1/graphs/shared").status, 204)
        c = self.challenge("ada", name)
        self.assertEqual(self.good(self.hand_in("ada", c, solve(c)))["score"], 10)
        self.refused(
            self.ask("teacher", "POST", "/v1/assignments", {**TASK, "name": "no", "graph": "dome"}),
            404,
            "unknown_graph",
        )

    def test_formulas(self):
        """A derivation, at points the student has never seen; of the forms the assignment asks for."""
        name = self.task(
            graph={"inputs": {"x": ["n", 3]}, "nodes": {"t": {"op": "Tanh", "in": "x"}}, "outputs": ["t"]},
            points={"x": 3},
            forms=["formulas"],
            tries=3,
        )
        for text, score in (("g*(1-tanh(x)^2)", 3), ("g*(1-tanh(x))", None)):
            c = self.challenge("ada", name)
            body = {"challenge": c["challenge"], "submission": {"form": "formulas", "expressions": {"x": text}}}
            graded = self.good(self.ask("ada", "POST", "/v1/submissions", body))
            if score:
                self.assertEqual(graded["score"], score)
            else:
                self.assertLess(graded["score"], 3)
                self.assertEqual(graded["result"]["tensors"]["x"]["verdict"], "wrong")
        c = self.challenge("ada", name)
        body = {"challenge": c["challenge"], "submission": numbers({"x": c["inputs"]["x"]})}
        self.refused(self.ask("ada", "POST", "/v1/submissions", body), 400, "bad_value", "/submission/form")

    def test_selftest(self):
        """Every mistake that was planted is listed, caught and named."""
        made = self.good(self.ask("teacher", "POST", "/v1/assignments", {**TASK, "name": "tested"}))["selftest"]
        self.assertEqual(made["planted"], len(made["mistakes"]))
        self.assertGreater(made["planted"], 15)
        self.assertEqual(made["survivors"], 0)
        self.assertTrue(all(m["caught"] for m in made["mistakes"]))
        place = "/v1/assignments/tested"
        self.assertNotIn("selftest", self.good(self.ask("teacher", "PATCH", place, {"tries": 2})))
        self.assertIn("selftest", self.good(self.ask("teacher", "PATCH", place, {"points": {"x": 1}})))
        self.assertNotIn("selftest", self.good(self.ask("ada", "GET", place)))

    def test_reports(self):
        name = self.task(hint_level="place", title="Layers & <more>")
        for who, by in (("ada", 1), ("bob", 2)):
            c = self.challenge(who, name)
            place = self.hand_in(who, c, divided(solve(c), "x", by)).headers["Location"]
        for format, type in (
            ("json", "application/json"),
            ("gradescope", "application/json"),
            ("prairielearn", "application/json"),
            ("junit", "application/xml"),
            ("csv", "text/csv; charset=utf-8"),
            ("html", "text/html; charset=utf-8"),
        ):
            for who in ("bob", "teacher"):
                reply = self.ask(who, "GET", f"{place}/report?format={format}")
                self.assertEqual((reply.status, reply.headers["Content-Type"]), (200, type), reply.body[:300])
                if who == "bob":
                    self.assertNotIn(b"factor_2", reply.body)
        self.assertIn(b"factor_2", self.ask("teacher", "GET", place + "/report?format=csv").body)
        self.refused(self.ask("ada", "GET", place + "/report"), 404, "unknown_submission")
        path = f"/v1/assignments/{name}/report"
        lines = self.ask("teacher", "GET", path + "?format=csv").body.decode().splitlines()
        self.assertTrue(any(line.startswith("ada,") for line in lines))
        self.assertTrue(any(line.startswith("bob,") for line in lines))
        page = self.ask("teacher", "GET", path, headers={"Accept": "text/html"})
        self.assertIn(b"Layers &amp; &lt;more&gt;", page.body)
        self.refused(self.ask("colleague", "GET", path), 404, "unknown_assignment")
        self.refused(self.ask("ada", "GET", path), 403, "scope_missing")
        self.refused(self.ask("teacher", "GET", path + "?format=poem"), 400, "bad_parameter")

    def test_forward_if_the_teacher_says_so(self):
        closed, offered = self.task(), self.task(forward=True)
        body = {
            "inputs": {"x": [[1, 2]]},
            "parameters": {"fc.weight": [[3, 4]], "fc.bias": [5]},
        }
        reply = self.ask("ada", "POST", f"/v1/assignments/{offered}/forward", body)
        self.assertEqual(self.good(reply)["outputs"], {"fc": [[16]]})
        self.refused(self.ask("ada", "POST", f"/v1/assignments/{closed}/forward", body), 403, "scope_missing")
        self.good(self.ask("teacher", "POST", f"/v1/assignments/{closed}/forward", body))
        self.refused(
            self.ask("ada", "POST", f"/v1/assignments/{offered}/forward", {"inputs": body["inputs"]}),
            400,
            "missing_key",
        )
        self.refused(
            self.ask("ada", "POST", f"/v1/assignments/{offered}/forward", {**body, "cotangents": {}}),
            400,
            "unknown_key",
        )
        early = self.task(forward=True, opens=moment(3600))
        self.refused(self.ask("ada", "POST", f"/v1/assignments/{early}/forward", body), 403, "not_open_yet")

    def test_a_backward_of_the_teachers_is_not_shown(self):
        graph = {
            "inputs": {"x": ["n", 3]},
            "modules": {"square": {"inputs": {"x": ["n", 3]}, "expr": "x*x", "backward": {"x": "2*x*g"}}},
            "nodes": {"y": {"op": "square", "in": "x"}},
            "outputs": ["y"],
        }
        name = self.task(graph=graph, points={"x": 1})
        seen = self.good(self.ask("ada", "GET", "/v1/assignments/" + name))["terms"]["graph"]["modules"]["square"]
        self.assertEqual(seen, {"inputs": {"x": ["n", 3]}, "expr": "x*x"})
        kept = self.good(self.ask("teacher", "GET", "/v1/assignments/" + name))["terms"]["graph"]["modules"]["square"]
        self.assertIn("backward", kept)

    def test_pages(self):
        name = self.task(tries=50)
        for i in range(5):
            who = ("ada", "bob")[i % 2]
            c = self.challenge(who, name)
            self.good(self.hand_in(who, c, solve(c)))
        path, found = f"/v1/assignments/{name}/submissions?limit=2", []
        while path:
            page = self.good(self.ask("teacher", "GET", path))
            self.assertLessEqual(len(page["submissions"]), 2)
            found += page["submissions"]
            path = page.get("next")
        self.assertEqual([s["student"] for s in found], ["ada", "bob", "ada", "bob", "ada"])
        own = self.good(self.ask("bob", "GET", f"/v1/assignments/{name}/submissions"))["submissions"]
        self.assertEqual([s["student"] for s in own], ["bob", "bob"])
        self.assertEqual(self.good(self.ask("teacher", "GET", "/v1/assignments/" + name))["submissions"], 5)
        for query in ("limit=x", "limit=1001", "after=-1", "more=1"):
            self.refused(
                self.ask("teacher", "GET", f"/v1/assignments/{name}/submissions?{query}"), 400, "bad_parameter"
            )

    def test_commitment(self):
        name = self.task(commitment=True)
        self.refused(self.ask("ada", "POST", "/v1/challenges", {"assignment": name}), 400, "missing_key")
        code = hashlib.sha256(b"my code").hexdigest()
        for bad in (code[1:], code.upper(), "x" * 64):
            body = {"assignment": name, "commitment": bad}
            self.refused(self.ask("ada", "POST", "/v1/challenges", body), 400, "bad_value", "/commitment")
        c = self.challenge("ada", name, commitment=code)
        other = {"assignment": name, "commitment": "0" * 64}
        self.refused(self.ask("ada", "POST", "/v1/challenges", other), 409, "challenge_open")
        reply = self.hand_in("ada", c, solve(c))
        self.assertEqual(self.good(reply)["commitment"], code)
        self.assertEqual(self.good(self.ask("teacher", "GET", reply.headers["Location"]))["commitment"], code)


class Refused(WithCourse):
    """What does not work."""

    def test_mistakes_that_would_pass(self):
        """With one sample nobody can tell a mean from a sum."""
        body = {**TASK, "name": "alone", "dims": {"n": 1}}
        said = self.refused(self.ask("teacher", "POST", "/v1/assignments", body), 409, "survivors")["detail"]
        self.assertIn("factor_batch", said)
        self.refused(self.ask("teacher", "GET", "/v1/assignments/alone"), 404, "unknown_assignment")
        made = self.good(self.ask("teacher", "POST", "/v1/assignments", {**body, "accept_survivors": True}))
        missed = [m["code"] for m in made["selftest"]["mistakes"] if not m["caught"]]
        self.assertEqual(len(missed), made["selftest"]["survivors"])
        self.assertIn("factor_batch", missed)

    def test_a_body_over_its_limit(self):
        head = "POST /v1/submissions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        reply = self.d.raw(
            (head + f"Authorization: Bearer {self.keys['ada']}\r\nContent-Length: 20000000\r\n\r\n").encode()
        )
        self.assertTrue(reply.startswith(b"HTTP/1.1 413"), reply[:100])
        self.assertIn(b"--limit-submission", reply)

    def test_replayed(self):
        name = self.task(tries=3)
        c = self.challenge("ada", name)
        first = self.hand_in("ada", c, divided(solve(c), "x", 2))
        self.assertEqual(first.status, 201)
        again = self.hand_in("ada", c, divided(solve(c), "x", 2))
        self.assertEqual((again.status, again.json()), (200, first.json()))
        self.refused(self.hand_in("ada", c, solve(c)), 409, "challenge_used")
        self.assertEqual(self.good(self.ask("ada", "GET", "/v1/assignments/" + name))["tries_used"], 1)

    def test_expired(self):
        name = self.task(challenge_seconds=1, tries=1)
        c = self.challenge("ada", name)
        time.sleep(2)
        self.refused(self.hand_in("ada", c, solve(c)), 410, "challenge_expired")
        fresh = self.challenge("ada", name)
        self.assertNotEqual(fresh["inputs"], c["inputs"])

    def test_somebody_elses(self):
        name = self.task()
        c = self.challenge("ada", name)
        self.refused(self.hand_in("bob", c, solve(c)), 403, "challenge_foreign")
        self.refused(self.hand_in("teacher", c, solve(c)), 403, "challenge_foreign")
        place = self.hand_in("ada", c, solve(c)).headers["Location"]
        self.refused(self.hand_in("bob", c, solve(c)), 403, "challenge_foreign")
        self.refused(self.ask("bob", "GET", place), 404, "unknown_submission")
        self.refused(self.ask("colleague", "GET", place), 404, "unknown_submission")
        self.assertEqual(self.ask("root", "GET", place).status, 200)

    def test_unknown(self):
        for id in ("ch_" + "0" * 32, "nothing", ""):
            body = {"challenge": id, "submission": numbers({"x": 1})}
            self.refused(self.ask("ada", "POST", "/v1/submissions", body), 404, "unknown_challenge")
        self.refused(self.ask("ada", "GET", "/v1/submissions/su_0"), 404, "unknown_submission")
        self.refused(self.ask("ada", "GET", "/v1/assignments/nothing"), 404, "unknown_assignment")
        self.refused(self.ask("ada", "POST", "/v1/challenges", {"assignment": "nothing"}), 404, "unknown_assignment")

    def test_no_tries_left(self):
        name = self.task(tries=1)
        c = self.challenge("ada", name)
        self.good(self.hand_in("ada", c, solve(c)))
        self.refused(self.ask("ada", "POST", "/v1/challenges", {"assignment": name}), 403, "no_tries")
        self.challenge("bob", name)

    def test_opening_and_closing(self):
        early = self.task(opens=moment(3600))
        self.refused(self.ask("ada", "POST", "/v1/challenges", {"assignment": early}), 403, "not_open_yet")
        seen = self.good(self.ask("ada", "GET", "/v1/assignments/" + early))
        self.assertEqual(seen["stage"], "early")
        self.assertNotIn("terms", seen)
        closing = self.task(closes=moment(3))
        c = self.challenge("ada", closing)
        self.assertTrue(
            wait_until(lambda: self.ask("ada", "GET", "/v1/assignments/" + closing).json()["stage"] == "closed", 20)
        )
        self.refused(self.hand_in("ada", c, solve(c)), 403, "closed")
        self.refused(self.ask("bob", "POST", "/v1/challenges", {"assignment": closing}), 403, "closed")
        self.good(self.ask("teacher", "PATCH", "/v1/assignments/" + closing, {"closes": moment(3600)}))
        self.assertEqual(self.good(self.hand_in("ada", c, solve(c)))["late"], False)

    def test_late(self):
        name = self.task(closes=moment(2), late_until=moment(3600))
        c = self.challenge("ada", name)
        self.assertTrue(
            wait_until(lambda: self.ask("ada", "GET", "/v1/assignments/" + name).json()["stage"] == "late", 20)
        )
        self.assertEqual(self.good(self.hand_in("ada", c, solve(c)))["late"], True)

    def test_too_few_digits_cost_nothing(self):
        name = self.task(tries=1)
        c = self.challenge("ada", name)
        rounded = {
            k: [[float(f"{v:.1e}") for v in row] if isinstance(row, list) else float(f"{row:.1e}") for row in t]
            for k, t in solve(c).items()
        }
        said = self.good(self.hand_in("ada", c, rounded))
        self.assertTrue(said["resubmit"])
        self.assertEqual(set(said["again"].values()), {"too_few_digits"})
        # nor is it a free try for the other tensors
        mixed = {**divided(solve(c), "x", 2), "fc.weight": rounded["fc.weight"]}
        said = self.good(self.hand_in("ada", c, mixed))
        self.assertEqual(said["again"], {"fc.weight": "too_few_digits"})
        self.assertFalse({"submission", "score", "verdict", "result", "tensors"} & set(keys_of(said)))
        self.assertEqual(self.good(self.ask("ada", "GET", "/v1/assignments/" + name))["tries_left"], 1)
        self.assertEqual(self.good(self.hand_in("ada", c, solve(c)))["score"], 10)

    def test_bad_submissions(self):
        name = self.task()
        c = self.challenge("ada", name)
        right = solve(c)
        id = c["challenge"]
        for body, code, pointer in (
            ([], "wrong_type", None),
            ({"challenge": id}, "missing_key", None),
            ({"submission": numbers(right)}, "missing_key", None),
            ({"challenge": 7, "submission": numbers(right)}, "wrong_type", "/challenge"),
            ({"challenge": id, "submission": numbers(right), "score": 10}, "unknown_key", "/score"),
            ({"challenge": id, "submission": 7}, "wrong_type", "/submission"),
            ({"challenge": id, "submission": {"gradients": right}}, "missing_key", "/submission"),
            ({"challenge": id, "submission": {"form": "poem"}}, "bad_value", "/submission/form"),
            ({"challenge": id, "submission": numbers({})}, "bad_value", "/submission/gradients"),
            ({"challenge": id, "submission": numbers({"fc": [[1]]})}, "unknown_key", "/submission/gradients/fc"),
            ({"challenge": id, "submission": numbers({"x": "a"})}, "bad_tensor", "/submission/gradients/x"),
            ({"challenge": id, "submission": numbers({"x": [[1, 2], [3]]})}, "bad_tensor", None),
            ({"challenge": id, "submission": numbers({"x": True})}, "bad_dtype", "/submission/gradients/x"),
        ):
            with self.subTest(body=body):
                self.refused(self.ask("ada", "POST", "/v1/submissions", body), 400, code, pointer)
        deep = '{"challenge":"%s","submission":%s1%s}' % (id, "[" * 10000, "]" * 10000)
        self.assertEqual(self.ask("ada", "POST", "/v1/submissions", deep).status, 413)
        self.refused(self.ask("ada", "POST", "/v1/submissions", "{"), 400, "json_syntax")
        nan = divided(right, "fc.bias", 1)
        nan["fc.bias"] = ["NaN"]
        graded = self.good(self.hand_in("ada", c, nan))
        self.assertEqual(graded["result"]["tensors"]["fc.bias"]["verdict"], "wrong")

    def test_two_at_once(self):
        """Different answers at the same moment: one counts, the others hear that it does."""
        name = self.task(tries=1)
        c = self.challenge("ada", name)
        right, replies = solve(c), []
        bodies = [divided(right, "x", i + 2) for i in range(6)]
        threads = [
            threading.Thread(target=lambda b=b: replies.append(self.hand_in("ada", c, b))) for b in bodies + bodies
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        statuses = [r.status for r in replies]
        self.assertEqual(statuses.count(201), 1, statuses)
        self.assertEqual(statuses.count(200), 1, statuses)
        self.assertEqual(statuses.count(409), 10, statuses)
        self.assertEqual({r.json()["submission"] for r in replies if r.status < 300}.__len__(), 1)
        self.assertEqual({r.json()["code"] for r in replies if r.status == 409}, {"challenge_used"})

    def test_key_ended_in_the_middle(self):
        """What was begun ends; afterwards the student is nobody."""
        made = self.good(self.ask("root", "POST", "/v1/keys", {"label": "eve", "scopes": ["submit"]}))
        self.keys["eve"] = made["key"]
        name = self.task()
        c = self.challenge("eve", name)
        self.assertEqual(self.ask("root", "DELETE", "/v1/keys/" + made["id"]).status, 204)
        self.refused(self.hand_in("eve", c, solve(c)), 401, "key_refused")
        again = self.good(self.ask("root", "POST", "/v1/keys", {"label": "eve", "scopes": ["submit"]}))
        self.keys["eve"] = again["key"]
        self.refused(self.hand_in("eve", c, solve(c)), 403, "challenge_foreign")
        fresh = self.challenge("eve", name)
        self.assertEqual(self.good(self.hand_in("eve", fresh, solve(fresh)))["score"], 10)

    def test_bad_assignments(self):
        for change, code, pointer in (
            ({"name": "a/b"}, "bad_name", None),
            ({"name": "x" * 65}, "bad_name", None),
            ({"points": None}, "wrong_type", "/points"),
            ({"points": {}}, "bad_value", "/points"),
            ({"points": {"nothing": 1}}, "unknown_reference", "/points/nothing"),
            ({"points": {"x": -1}}, "bad_value", "/points/x"),
            ({"hint_level": "all"}, "bad_value", "/hint_level"),
            ({"tries": 0}, "bad_value", "/tries"),
            ({"opens": "soon"}, "bad_value", "/opens"),
            ({"opens": moment(60), "closes": moment(30)}, "bad_value", "/closes"),
            ({"late_until": moment(30)}, "bad_value", "/late_until"),
            ({"forms": ["poem"]}, "bad_value", "/forms/0"),
            ({"challenge_seconds": 0}, "bad_value", "/challenge_seconds"),
            ({"secret": "0"}, "unknown_key", "/secret"),
            ({"inputs": {"x": [[1, 2]]}}, "unknown_key", "/inputs"),
            ({"graph": {}}, "missing_key", "/graph"),
            ({"graph": 7}, "wrong_type", "/graph"),
        ):
            with self.subTest(change=change):
                body = {**TASK, "name": "bad", **change}
                self.refused(self.ask("teacher", "POST", "/v1/assignments", body), 400, code, pointer)
        name = self.task()
        self.refused(
            self.ask("teacher", "POST", "/v1/assignments", {**TASK, "name": name}), 409, "assignment_exists"
        )

    def test_changing(self):
        name = self.task(tries=1)
        place = "/v1/assignments/" + name
        self.assertEqual(self.good(self.ask("teacher", "PATCH", place, {"tries": 2}))["terms"]["tries"], 2)
        self.assertNotIn("tries", self.good(self.ask("teacher", "PATCH", place, {"tries": None}))["terms"])
        for change in ({"graph": {}}, {"name": "other"}, {"dims": {"n": 3}}):
            self.refused(self.ask("teacher", "PATCH", place, change), 400, "bad_value")
        for who in ("colleague",):
            self.refused(self.ask(who, "PATCH", place, {"tries": 9}), 404, "unknown_assignment")
            self.refused(self.ask(who, "DELETE", place), 404, "unknown_assignment")
        self.refused(self.ask("ada", "PATCH", place, {"tries": 9}), 403, "scope_missing")

    def test_removing(self):
        name = self.task()
        place = "/v1/assignments/" + name
        c = self.challenge("ada", name)
        mine = self.hand_in("ada", c, solve(c)).headers["Location"]
        self.refused(self.ask("teacher", "DELETE", place), 409, "assignment_in_use")
        self.refused(self.ask("teacher", "DELETE", place + "?submissions=keep"), 400, "bad_parameter")
        self.assertEqual(self.ask("teacher", "DELETE", place + "?submissions=delete").status, 204)
        self.refused(self.ask("ada", "GET", mine), 404, "unknown_submission")
        self.refused(self.hand_in("ada", c, solve(c)), 404, "unknown_challenge")

    def test_the_secret_stays(self):
        """Nor is it in anything a teacher sees."""
        name = self.task()
        for who in ("teacher", "root", "ada"):
            self.assertNotIn("secret", set(keys_of(self.good(self.ask(who, "GET", "/v1/assignments/" + name)))))


class Kept(unittest.TestCase):
    def test_nothing_acknowledged_is_lost(self):
        """Students hand in from several threads while the daemon is killed, again and again."""
        draw = random.Random(4)
        with tempfile.TemporaryDirectory() as data:
            acknowledged, name = {}, "hw"
            for round in range(6):
                with Daemon(data=data) as d:
                    if round == 0:
                        self.assertEqual(d.ask("POST", "/v1/assignments", {**TASK, "name": name}).status, 201)
                    self.check(d, acknowledged)
                    threads = [threading.Thread(target=self.work, args=(d, name, i, acknowledged)) for i in range(4)]
                    for t in threads:
                        t.start()
                    time.sleep(0.3 + draw.random())
                    d.kill()
                    for t in threads:
                        t.join()
            with Daemon(data=data) as d:
                self.check(d, acknowledged)
                listed, path = [], f"/v1/assignments/{name}/submissions?limit=1000"
                while path:
                    page = d.ask("GET", path).json()
                    listed += page["submissions"]
                    path = page.get("next")
            self.assertGreater(len(acknowledged), 10)
            self.assertTrue(set(acknowledged) <= {s["submission"] for s in listed})
            challenges = [s["challenge"] for s in listed]
            self.assertEqual(len(challenges), len(set(challenges)))
            print(f"{len(acknowledged)} acknowledged, {len(listed)} there, after 6 kills")

    def work(self, d, name, i, acknowledged):
        try:
            while True:
                student = f"s{i}-{d.port}"
                c = d.ask("POST", "/v1/challenges", {"assignment": name, "student": student}).json()
                reply = d.ask("POST", "/v1/submissions", {"challenge": c["challenge"], "submission": numbers(solve(c))})
                if reply.status == 201:
                    acknowledged[reply.json()["submission"]] = reply.json()
        except (OSError, ValueError, KeyError, __import__("http.client").client.HTTPException):
            return  # killed

    def check(self, d, acknowledged):
        for id, was in acknowledged.items():
            self.assertEqual(d.ask("GET", "/v1/submissions/" + id).json(), was)


if __name__ == "__main__":
    unittest.main()
