#!/usr/bin/env python3
"""Probe sets over HTTP: the rounds, both forms, what does not fit, how they end. The functions here have one input x."""
import json
import math
import struct
import sys
import threading
import unittest

from daemon import Daemon, wait_until

SAFETENSORS = "application/x-safetensors"


# ---- functions of a flat list, entry by entry, and their slopes ---------------------------------------------------


def square(x):
    return x * x


def twice(x):
    return 2 * x


def relu(x):
    return max(x, 0.0)


def step(x):
    return 1.0 if x > 0 else 0.0


def question(n=3, **more):
    return {"function": {"inputs": {"x": {"shape": [n]}}, "outputs": {"y": {"shape": [n]}}}, **more}


def plain(v):
    return v if math.isfinite(v) else "NaN" if math.isnan(v) else "Infinity" if v > 0 else "-Infinity"


def number(v):
    return complex(v["re"], v["im"]) if isinstance(v, dict) else v


def points(asked):
    """x at every probe."""
    for probe in asked["probes"]:
        x = list(asked["bases"][probe["base"]]["x"])
        for name, index, value in probe.get("set", []):
            assert name == "x"
            x[index[0]] = number(value)
        yield x


def answers(asked, f, slope, gradients=True):
    """The answers to the questions: y = f(x) entry by entry."""
    values = [[f(v) for v in x] for x in points(asked)]
    body = {"round": asked["round"], "outputs": {"y": [[plain(complex(v).real) for v in row] for row in values]}}
    if any(isinstance(v, complex) for row in values for v in row):
        body["imaginary"] = {"y": [[complex(v).imag for v in row] for row in values]}
    if gradients and asked["want"]["gradients_at"]:
        body["gradients"] = [
            {"x": [g * slope(x) for g, x in zip(asked["cotangents"][b]["y"], asked["bases"][b]["x"])]}
            for b in asked["want"]["gradients_at"]
        ]
    return body


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(*getattr(cls, "options", ()))
        cls.daemon.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()

    def ask(self, method, path, body=None, status=200, headers=None):
        reply = self.daemon.ask(method, path, body, headers)
        self.assertEqual(reply.status, status, reply.body[:500])
        return reply

    def problem(self, method, path, body, status, code, pointer=None):
        reply = self.ask(method, path, body, status).json()
        self.assertEqual((reply["code"], reply.get("pointer")), (code, pointer), reply)
        return reply

    def open(self, **more):
        reply = self.ask("POST", "/v1/probes", question(**more), 201)
        asked = reply.json()
        self.assertEqual(reply.headers["Location"], f"/v1/probes/{asked['id']}")
        return asked

    def answer(self, asked, body, status=200):
        return self.ask("POST", f"/v1/probes/{asked['id']}/answers", body, status).json()

    def judge(self, asked, f, slope):
        """All rounds, at most four; the verdict and how many."""
        rounds = 0
        while asked["state"] == "asking":
            rounds += 1
            self.assertEqual((asked["round"], asked["rounds_left"]), (rounds, 4 - rounds))
            asked = self.answer(asked, answers(asked, f, slope))
        return asked, rounds


class Rounds(Case):
    def test_right_in_one(self):
        done, rounds = self.judge(self.open(), square, twice)
        self.assertEqual((done["verdict"], rounds), ("right", 1))
        self.assertEqual(done["tensors"]["x"]["right"], 3)
        certificate = done["certificate"]
        self.assertEqual(certificate["method"], "probes")
        self.assertEqual(certificate["point"]["from"], "sample")
        self.assertEqual(certificate["coverage"]["points"], 3)
        self.assertEqual(self.ask("GET", f"/v1/probes/{done['id']}").json(), done)

    def test_wrong(self):
        done, rounds = self.judge(self.open(), square, lambda x: -2 * x)
        self.assertEqual((done["verdict"], rounds), ("wrong", 2))
        entry = done["tensors"]["x"]["entries"][0]
        self.assertAlmostEqual(entry["ratio"], -1, 6)
        self.assertIn(entry["point"], (0, 1, 2))

    def test_first_and_last_probe_is_the_base(self):
        asked = self.open(points=2)
        for b in (0, 1):
            probes = [p for p in asked["probes"] if p["base"] == b]
            self.assertEqual((probes[0], probes[-1]), ({"base": b}, {"base": b}))
        self.assertEqual(asked["want"], {"outputs": ["y"], "gradients": ["x"], "gradients_at": [0, 1]})

    def test_kink(self):
        at = [{"x": [0, -1, 2]}]
        for slope, verdict in ((step, "right"), (lambda x: 0.5 if x == 0 else step(x), "right"),
                               (lambda x: 1.2 if x == 0 else step(x), "wrong")):
            done, rounds = self.judge(self.open(at=at), relu, slope)
            self.assertEqual((done["verdict"], rounds), (verdict, 1))
            kink = done["certificate"]["kinks"][0]
            self.assertEqual((kink["node"], kink["index"], kink["value"]), ("x", 0, 0))
            self.assertEqual(sorted(abs(v) > 1e-9 for v in kink["interval"]), [False, True])
        done, _ = self.judge(self.open(at=at, kinks="convention"), relu, step)
        self.assertEqual(done["verdict"], "cannot_tell")

    def test_near_a_kink(self):
        done, rounds = self.judge(self.open(at=[{"x": [1e-6, -1e-9, 2]}]), relu, step)
        self.assertEqual((done["verdict"], done["tensors"]["x"]["wrong"], rounds), ("right", 0, 3))

    def test_complex(self):
        asked = self.open(complex=True)
        self.assertTrue(any(isinstance(e[2], dict) for p in asked["probes"] for e in p.get("set", [])))
        done, rounds = self.judge(asked, square, twice)
        self.assertEqual((done["verdict"], rounds), ("right", 1))
        self.assertLess(done["power"]["worst"], 1.1e-9)

    def test_structure(self):
        done, rounds = self.judge(self.open(n=20, structure={"x": "pointwise"}), square, twice)
        self.assertEqual((done["verdict"], rounds), ("right", 1))
        self.assertEqual(done["certificate"]["coverage"]["structure"][0]["colours"], 1)

    def test_overflow(self):
        def softplus(x):
            return math.log1p(math.exp(x)) if x < 700 else math.inf

        done, _ = self.judge(self.open(at=[{"x": [800, 1, 2]}]), softplus, lambda x: 1 / (1 + math.exp(-x)))
        self.assertEqual((done["verdict"], done["tensors"]["x"]["reason"]), ("cannot_tell", "forward_not_finite"))
        self.assertEqual(done["warnings"][0]["where"], "y[0] at point 0")

    def test_same_seed_same_questions(self):
        first, second = self.open(seed="7"), self.open(seed="7")
        self.assertNotEqual(first["id"], second["id"])
        for member in ("bases", "cotangents", "probes"):
            self.assertEqual(first[member], second[member])

    def test_same_answers_again(self):
        asked = self.open()
        body = answers(asked, square, lambda x: 3 * x)
        second, again = self.answer(asked, body), self.answer(asked, body)
        self.assertEqual(second["round"], 2)
        self.assertEqual(second, again)
        self.assertEqual(self.ask("GET", f"/v1/probes/{asked['id']}").json(), second)
        other = json.dumps(body) + " "
        reply = self.answer(asked, other, 409)
        self.assertEqual((reply["code"], reply["pointer"]), ("probe_round", "/round"))
        last = answers(second, square, twice)
        done = self.answer(asked, last)
        self.assertEqual(self.answer(asked, last), done)
        self.assertEqual(self.answer(asked, body, 409)["code"], "probe_round")

    def test_at_once(self):
        """The same answers from many at once: one verdict for all."""
        asked, replies = self.open(), []
        body = answers(asked, square, twice)
        threads = [threading.Thread(target=lambda: replies.append(self.answer(asked, body))) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(len(replies), 8)
        self.assertTrue(all(r == replies[0] and r["verdict"] == "right" for r in replies))

    def test_given_up(self):
        asked = self.open()
        path = f"/v1/probes/{asked['id']}"
        self.ask("DELETE", path, status=204)
        self.problem("GET", path, None, 404, "unknown_probes")
        self.problem("DELETE", path, None, 404, "unknown_probes")
        self.problem("POST", path + "/answers", answers(asked, square, twice), 404, "unknown_probes")

    def test_detail(self):
        done, _ = self.judge(self.open(detail="summary"), square, twice)
        self.assertNotIn("entries", done["tensors"]["x"])
        done, _ = self.judge(self.open(detail="all"), square, twice)
        self.assertEqual(len(done["tensors"]["x"]["entries"]), 3)
        self.assertEqual(len(done["certificate"]["point"]["tensors"]), 3)


    def test_points_that_show_little(self):
        done, _ = self.judge(self.open(at=[{"x": [0, 0, 0]}, {"x": [2, 2, 2]}]), square, twice)
        self.assertEqual([w["where"] for w in done["warnings"]], ["x"])
        done, _ = self.judge(self.open(at=[{"x": [2, 2, 2]}, {"x": [1, 2, 3]}]), square, twice)
        self.assertEqual(done["warnings"], [])

    def test_float(self):
        done, _ = self.judge(self.open(dtype="float32"), square, twice)
        self.assertEqual(done["certificate"]["dtype"], "float32")
        self.assertEqual(done["certificate"]["constants"]["rho"], 1e-4)


class Points(Case):
    """Form points: all inputs at all probes, in JSON or in a file of tensors."""

    def values(self, asked):
        return [[square(v) for v in x] for x in asked["inputs"]["x"]]

    def gradients(self, asked):
        return [[2 * g * x for g, x in zip(asked["cotangents"][b]["y"], asked["bases"][b]["x"])]
                for b in asked["want"]["gradients_at"]]

    def test_json(self):
        asked = self.open(form="points", seed="3")
        self.assertEqual(len(asked["inputs"]["x"]), asked["probes"])
        edits = self.open(form="edits", seed="3")
        self.assertEqual(list(points(edits)), asked["inputs"]["x"])
        done = self.answer(asked, {"round": 1, "outputs": {"y": self.values(asked)},
                                   "gradients": [{"x": g} for g in self.gradients(asked)]})
        self.assertEqual(done["verdict"], "right")

    def test_tensors(self):
        reply = self.ask("POST", "/v1/probes", question(form="points"), 201, {"Accept": SAFETENSORS})
        self.assertEqual(reply.headers["Content-Type"], SAFETENSORS)
        facts, tensors = read_tensors(reply.body)
        asked = json.loads(facts["questions"])
        rows, x, g = tensors["inputs/x"], tensors["bases/1/x"], tensors["cotangents/1/y"]
        self.assertEqual((len(rows[1]), len(x[1]), len(g[1])), (3 * rows[0][0], 3, 3))
        body = {"outputs/y": (rows[0], [v * v for v in rows[1]])}
        for i, b in enumerate(asked["want"]["gradients_at"]):
            at, cotangent = tensors[f"bases/{b}/x"][1], tensors[f"cotangents/{b}/y"][1]
            body[f"gradients/{i}/x"] = ([3], [2 * v * c for v, c in zip(at, cotangent)])
        path = f"/v1/probes/{asked['id']}/answers"
        file, kind = write_tensors(body), {"Content-Type": SAFETENSORS}
        self.assertEqual(self.ask("POST", path, file, 400, kind).json()["parameter"], "round")
        done = self.ask("POST", path + "?round=1", file, 200, kind).json()
        self.assertEqual(done["verdict"], "right")

    def test_tensors_of_no_use(self):
        asked = self.open(form="points")
        path, kind = f"/v1/probes/{asked['id']}/answers?round=1", {"Content-Type": SAFETENSORS}
        for name in ("y", "gradients/x", "gradients/99/x", "gradients//x"):
            reply = self.ask("POST", path, write_tensors({name: ([1], [0.0])}), 400, kind).json()
            self.assertEqual(reply["code"], "unknown_key")


def read_tensors(file):
    """Metadata, and name -> (shape, numbers)."""
    size = struct.unpack_from("<Q", file)[0]
    header, tensors = json.loads(file[8:8 + size]), {}
    facts = header.pop("__metadata__", {})
    for name, t in header.items():
        start, end = (8 + size + v for v in t["data_offsets"])
        tensors[name] = (t["shape"], list(struct.unpack(f"<{(end - start) // 8}d", file[start:end])))
    return facts, tensors


def write_tensors(tensors):
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        start = len(data)
        data += struct.pack(f"<{len(values)}d", *values)
        header[name] = {"dtype": "F64", "shape": shape, "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


class Faults(Case):
    def test_questions_that_cannot_be(self):
        f = question()["function"]
        tries = [
            ({}, "missing_key", None),
            ({"function": 1}, "wrong_type", "/function"),
            ({"function": {"inputs": f["inputs"]}}, "missing_key", "/function"),
            ({"function": {"inputs": {}, "outputs": f["outputs"]}}, "bad_value", "/function/inputs"),
            ({"function": {"inputs": {"x": {}}, "outputs": f["outputs"]}}, "missing_key", "/function/inputs/x"),
            ({"function": {"inputs": {"": {"shape": [1]}}, "outputs": f["outputs"]}}, "bad_name", "/function/inputs/"),
            ({"function": {"inputs": {"x": {"shape": [-1]}}, "outputs": f["outputs"]}}, "bad_dim",
             "/function/inputs/x/shape/0"),
            ({"function": {"inputs": {"x": {"shape": [3000000]}}, "outputs": f["outputs"]}}, "bad_value",
             "/function/inputs/x/shape"),
            ({"function": {"inputs": {"x": {"shape": [1] * 8}}, "outputs": f["outputs"]}}, "bad_value",
             "/function/inputs/x/shape"),
            ({"function": {"inputs": {"x": {"shape": [1], "interval": [1, 1]}}, "outputs": f["outputs"]}}, "bad_value",
             "/function/inputs/x/interval"),
            ({"function": {"inputs": {f"x{i}": {"shape": [1]} for i in range(65)}, "outputs": f["outputs"]}},
             "bad_value", "/function/inputs"),
            ({"function": f, "wrt": ["z"]}, "unknown_input", "/wrt/0"),
            ({"function": f, "wrt": []}, "bad_value", "/wrt"),
            ({"function": f, "points": 9}, "bad_value", "/points"),
            ({"function": f, "points": 0}, "bad_value", "/points"),
            ({"function": f, "points": 1, "at": [{"x": [1, 2, 3]}]}, "bad_form", "/points"),
            ({"function": f, "at": []}, "bad_value", "/at"),
            ({"function": f, "at": [[1]]}, "wrong_type", "/at/0"),
            ({"function": f, "at": [{"x": [1, 2]}]}, "shape_mismatch", "/at/0/x"),
            ({"function": f, "at": [{}]}, "missing_input", "/at/0"),
            ({"function": f, "at": [{"x": [1, 2, 3], "z": 1}]}, "unknown_input", "/at/0/z"),
            ({"function": f, "at": [{"x": [1, 2, "NaN"]}]}, "bad_value", "/at/0/x"),
            ({"function": f, "structure": {"z": "dense"}}, "unknown_input", "/structure/z"),
            ({"function": f, "structure": {"x": "sparse"}}, "bad_value", "/structure/x"),
            ({"function": f, "structure": 3}, "wrong_type", "/structure"),
            ({"function": f, "form": "files"}, "bad_value", "/form"),
            ({"function": f, "dtype": "float16"}, "bad_dtype", "/dtype"),
            ({"function": f, "complex": 1}, "wrong_type", "/complex"),
            ({"function": f, "rho": 2}, "bad_value", "/rho"),
            ({"function": f, "kinks": "none"}, "bad_value", "/kinks"),
            ({"function": f, "loss": "y"}, "unknown_key", "/loss"),
        ]
        for body, code, pointer in tries:
            with self.subTest(body=body):
                self.problem("POST", "/v1/probes", body, 400, code, pointer)
        other = {"inputs": f["inputs"], "outputs": {"y": {"shape": []}}}
        self.problem("POST", "/v1/probes", {"function": other, "structure": {"x": "pointwise"}}, 400, "bad_value",
                     "/structure/x")
        self.problem("POST", "/v1/probes?seed=1", question(), 400, "bad_parameter")

    def test_answers_that_do_not_fit(self):
        asked = self.open()
        path, good = f"/v1/probes/{asked['id']}/answers", answers(asked, square, twice)
        rows, gradients = good["outputs"]["y"], good["gradients"]
        tries = [
            ({"outputs": {"y": rows}, "gradients": gradients}, 400, "missing_key", None),
            ({**good, "round": 2}, 409, "probe_round", "/round"),
            ({**good, "outputs": {"y": rows[1:]}}, 400, "shape_mismatch", "/outputs/y"),
            ({**good, "outputs": {"y": [r[1:] for r in rows]}}, 400, "shape_mismatch", "/outputs/y"),
            ({**good, "outputs": {}}, 400, "missing_key", "/outputs"),
            ({**good, "outputs": {"y": rows, "z": 1}}, 400, "unknown_reference", "/outputs/z"),
            ({**good, "outputs": [1]}, 400, "wrong_type", "/outputs"),
            ({**good, "outputs": {"y": rows[:-1] + [[1, 2]]}}, 400, "bad_tensor", f"/outputs/y/{len(rows) - 1}"),
            ({**good, "imaginary": {"y": rows}}, 400, "unknown_key", "/imaginary"),
            ({**good, "gradients": gradients[1:]}, 400, "shape_mismatch", "/gradients"),
            ({**good, "gradients": gradients[1:] + [{}]}, 400, "missing_key", "/gradients/2"),
            ({**good, "gradients": gradients[1:] + [3]}, 400, "wrong_type", "/gradients/2"),
            ({**good, "gradients": [{**gradients[0], "z": 1}] + gradients[1:]}, 400, "unknown_reference",
             "/gradients/0/z"),
        ]
        for body, status, code, pointer in tries:
            with self.subTest(code=code, pointer=pointer):
                self.problem("POST", path, body, status, code, pointer)
        self.assertEqual(self.answer(asked, good)["verdict"], "right")  # nothing of that has hurt

    def test_shape_of_a_gradient(self):
        asked = self.open()
        body = answers(asked, square, twice)
        body["gradients"][1]["x"] = [body["gradients"][1]["x"]]
        done = self.answer(asked, body)
        self.assertEqual((done["verdict"], done["tensors"]["x"]["reason"]), ("wrong", "shape"))

    def test_later_gradients_may_be_absent(self):
        """A silent entry asks for one more point, and for its gradient; without it the point is dropped."""
        asked = self.open()
        asked = self.answer(asked, answers(asked, lambda x: 5.0, lambda x: 0.0))
        self.assertEqual((asked["state"], asked["want"]["gradients_at"]), ("asking", [3]))
        done = self.answer(asked, answers(asked, lambda x: 5.0, lambda x: 0.0, gradients=False))
        self.assertEqual((done["verdict"], done["tensors"]["x"]["reason"]), ("cannot_tell", "silent"))


class Limits(Case):
    options = ("--limit-probe-sets", "2", "--probe-idle-seconds", "1", "--limit-body", "20000", "--limit-probes", "500")

    def test_too_many(self):
        first = self.open(n=1)
        self.open(n=1)
        reply = self.ask("POST", "/v1/probes", question(n=1), 429)
        self.assertEqual((reply.json()["code"], reply.headers["Retry-After"]), ("too_many_probes", "1"))
        self.ask("DELETE", f"/v1/probes/{first['id']}", status=204)
        third = self.open(n=1)
        path = f"/v1/probes/{third['id']}"

        def gone():
            return self.daemon.ask("DELETE", "/v1/probes/none").status == 404 and \
                self.daemon.ask("POST", "/v1/probes", question(n=1)).status == 201

        self.assertTrue(wait_until(gone))  # they expire by themselves
        self.problem("POST", path + "/answers", answers(third, square, twice), 410, "probe_expired")
        self.problem("GET", path, None, 410, "probe_expired")

    def test_answers_must_fit_a_body(self):
        reply = self.problem("POST", "/v1/probes", question(n=300), 413, "limit", "/function")
        self.assertIn("numbers", reply["detail"])


class Memory(Case):
    options = ("--limit-probe-memory", "1048576")

    def test_too_large(self):
        many = {"inputs": {"x": {"shape": [50000]}}, "outputs": {"y": {"shape": []}}}
        reply = self.problem("POST", "/v1/probes", {"function": many}, 413, "limit")
        self.assertEqual(reply["option"], "--limit-probe-memory")
        self.assertEqual(self.judge(self.open(), square, twice)[0]["verdict"], "right")


if __name__ == "__main__":
    sys.exit(not unittest.main(exit=False).result.wasSuccessful())
