#!/usr/bin/env python3
"""What a grading tells at each hint level, and that it tells the same every time, in JSON, as a file and as a job."""
import concurrent.futures
import copy
import json
import struct
import time
import unittest

from daemon import Daemon

LINEAR = {
    "dtype": "float64",
    "inputs": {"x": ["n", 2]},
    "nodes": {"fc": {"op": "Linear", "in_features": 2, "out_features": 1, "in": "x"}},
    "outputs": ["fc"],
}
LEARNED = {"fc.weight": [[0.25, -0.75]], "fc.bias": [0.0]}
# dW = (-6.5, 3), db = 1.5; a sign is wrong, and a sum is missing
BODY = {
    "graph": LINEAR,
    "parameters": LEARNED,
    "inputs": {"x": [[1, 2], [3, -1], [-2, 0.5]]},
    "cotangents": {"fc": [[0.5], [-1], [2]]},
    "points": {"fc.weight": 4, "fc.bias": 2},
    "seed": "1",
    "submission": {"form": "numbers", "gradients": {"fc.weight": [[6.5, -3]], "fc.bias": [[0.5], [-1], [2]]}},
}
TANH = {
    "graph": {"inputs": {"x": ["n"]}, "nodes": {"y": {"op": "Tanh", "in": "x"}}, "outputs": ["y"]},
    "inputs": {"x": [0.5, -1.25, 2]},
    "cotangents": {"y": [1, -1, 0.5]},
    "seed": "2",
    "submission": {"form": "formulas", "expressions": {"x": "g*(1 - y)"}},
}
TRUTHS = ("-6.5", "1.5")  # no level shows them


def keys(value):
    """All keys, at any depth."""
    if isinstance(value, dict):
        yield from value
        for v in value.values():
            yield from keys(v)
    elif isinstance(value, list):
        for v in value:
            yield from keys(v)


def safetensors(tensors):
    header, data = {}, b""
    for name, (shape, numbers) in tensors.items():
        packed = struct.pack(f"<{len(numbers)}d", *numbers)
        header[name] = {"dtype": "F64", "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Grading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__(None, None, None)

    def ask(self, body, path="/v1/grade", headers=None):
        headers = {"Content-Type": "application/json", **(headers or {})}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.daemon.ask("POST", path, raw, headers)

    def graded(self, body=BODY, **more):
        r = self.ask({**body, **more})
        self.assertEqual(r.status, 200, r.body)
        return r.json()

    def told(self, level, **more):
        r = self.graded(hint_level=level, **more)
        return {k: v for k, v in r.items() if k != "certificate"}

    def test_levels_add_up(self):
        shown = [set(keys(self.told(level))) for level in ("verdict", "place", "pattern", "formula")]
        for less, more in zip(shown, shown[1:]):
            self.assertLess(less, more)
        self.assertFalse({"first_wrong", "got", "right", "wrong", "diagnosis", "because", "hint"} & shown[0])
        self.assertFalse({"diagnosis", "code", "because", "hint", "evidence"} & shown[1])
        self.assertIn("first_wrong", shown[1])
        self.assertIn("evidence", shown[2])
        self.assertNotIn("hint", shown[2])
        self.assertIn("hint", shown[3])

    def test_points_do_not_depend_on_the_level(self):
        all_points = {
            tuple((t["verdict"], t["points"], t["max_points"]) for t in self.told(level)["tensors"].values())
            for level in ("verdict", "place", "pattern", "formula")
        }
        self.assertEqual(len(all_points), 1)

    def test_truth_is_told_only_if_revealed(self):
        for level in ("verdict", "place", "pattern", "formula"):
            text = json.dumps(self.told(level))
            self.assertNotIn("expected\"", text)
            for truth in TRUTHS:
                self.assertNotIn(f": {truth}", text)
        self.assertEqual(self.told("place", reveal=True)["tensors"]["fc.weight"]["first_wrong"]["expected"], -6.5)

    def test_same_bytes(self):
        for body in (BODY, TANH):
            first = self.ask(body).body
            with concurrent.futures.ThreadPoolExecutor(8) as many:
                for reply in many.map(lambda _, b=body: self.ask(b).body, range(100)):
                    self.assertEqual(reply, first)

    def test_as_a_job(self):
        r = self.ask(BODY, headers={"Prefer": "respond-async"})
        self.assertEqual(r.status, 202)
        job = r.headers["Location"]
        while self.daemon.ask("GET", job).json()["state"] not in ("done", "failed"):
            time.sleep(0.05)
        self.assertEqual(self.daemon.ask("GET", job + "/result").json(), self.ask(BODY).json())

    def test_as_a_file(self):
        graph = json.dumps({"graph": LINEAR, "parameters": LEARNED}).encode()
        self.assertIn(self.daemon.ask("PUT", "/v1/graphs/levels", graph).status, (200, 201))
        tensors = {
            "inputs/x": ([3, 2], [1, 2, 3, -1, -2, 0.5]),
            "cotangents/fc": ([3, 1], [0.5, -1, 2]),
            "submission/fc.weight": ([1, 2], [6.5, -3]),
            "submission/fc.bias": ([3, 1], [0.5, -1, 2]),
        }
        kind = {"Content-Type": "application/x-safetensors"}
        query = "?points=fc.weight:4,fc.bias:2&seed=1"
        r = self.ask(safetensors(tensors), "/v1/graphs/levels/grade" + query, kind)
        self.assertEqual(r.status, 200, r.body)
        wanted = self.graded()
        self.assertEqual(r.json()["tensors"], wanted["tensors"])
        self.assertEqual(r.json()["score"], wanted["score"])
        bad = self.ask(safetensors(tensors), "/v1/graphs/levels/grade?points=fc.weight:-4", kind)
        self.assertEqual((bad.status, bad.json()["parameter"]), (400, "points/fc.weight"))
        del tensors["submission/fc.weight"], tensors["submission/fc.bias"]
        self.assertEqual(self.ask(safetensors(tensors), "/v1/graphs/levels/grade", kind).json()["code"], "missing_key")

    def test_every_mistake_of_a_body(self):
        """Whatever one member is replaced by, the answer is a grading or a 4xx with a place."""
        for key in ("graph", "parameters", "inputs", "cotangents", "points", "submission"):
            for value in (None, True, 3, "x", [], {}, [[1]], {"x": None}, {"x": {"y": 1}}, {"form": "numbers"}, -1e300):
                body = copy.deepcopy(BODY)
                body[key] = value
                r = self.ask(body)
                self.assertIn(r.status // 100, (2, 4), (key, value, r.body))
                if r.status >= 400:
                    self.assertIn("code", r.json())
        self.assertEqual(self.ask(BODY).status, 200)

    def test_too_large(self):
        formula = copy.deepcopy(TANH)
        formula["submission"]["expressions"]["x"] = "+".join("x" * 400000)
        self.assertEqual((self.ask(formula).status, self.ask(formula).json()["code"]), (413, "limit"))
        formula["submission"]["expressions"]["x"] = "(" * 10000 + "x" + ")" * 10000
        self.assertEqual((self.ask(formula).status, self.ask(formula).json()["code"]), (413, "limit"))


if __name__ == "__main__":
    unittest.main()
