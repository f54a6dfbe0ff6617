#!/usr/bin/env python3
"""What PyTorch computes gets full marks: 200 random graphs and points (tests/fixtures/submissions.json), in double, in float,
and as students print it; and the same with one mistake does not."""
import json
import os
import unittest

from daemon import Daemon

HERE = os.path.dirname(os.path.abspath(__file__))
JSON = {"Content-Type": "application/json"}


def cases():
    with open(os.path.join(HERE, "fixtures", "submissions.json"), encoding="ascii") as f:
        return json.load(f)


def flat(x):
    return [v for y in x for v in flat(y)] if isinstance(x, list) else [x]


class Printed(float):
    """A number as somebody prints it."""

    def __new__(cls, value, form):
        self = super().__new__(cls, value)
        self.text = form % value
        return self

    def __repr__(self):
        return self.text


def printed(x, form):
    return [printed(v, form) for v in x] if isinstance(x, list) else Printed(x, form)


def dumps(x):
    """json.dumps that prints Printed as it is."""
    if isinstance(x, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {dumps(v)}" for k, v in x.items()) + "}"
    if isinstance(x, list):
        return "[" + ", ".join(map(dumps, x)) + "]"
    return x.text if isinstance(x, Printed) else json.dumps(x)


class FullMarks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon().__enter__()
        cls.cases = cases()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__(None, None, None)

    def grade(self, c, gradients, dtype="float64"):
        body = {"graph": {**c["graph"], "dtype": dtype}, "parameters": c["parameters"], "inputs": c["inputs"],
                "cotangents": c["cotangents"], "mode": c["mode"], "hint_level": "formula", "reveal": True, "seed": 1,
                "submission": {"form": "numbers", "gradients": gradients}}
        reply = self.daemon.ask("POST", "/v1/grade", dumps(body).encode(), JSON)
        self.assertEqual(reply.status, 200, (c["name"], reply.body[:500]))
        return reply.json()

    def assert_full(self, c, got):
        wrong = {k: v for k, v in got["tensors"].items() if v["points"] != v["max_points"]}
        self.assertEqual(got["score"], got["max_score"], (c["name"], wrong))
        self.assertNotEqual(got["verdict"], "wrong", c["name"])
        self.assertFalse([v for v in got["tensors"].values() if "diagnosis" in v], c["name"])

    def untold(self, c, got):
        """Tensors that react to something and about which nothing can be said: full marks too, and they must be rare."""
        return [k for k, v in got["tensors"].items() if v["verdict"] != "right" and any(flat(c["gradients"][k]))]

    def all_full(self, key, dtype):
        untold = []
        for c in self.cases:
            got = self.grade(c, c[key], dtype)
            self.assert_full(c, got)
            untold += self.untold(c, got)
        return len(untold)

    def test_in_double(self):
        self.assertLess(self.all_full("gradients", "float64"), 5)

    def test_in_float(self):
        self.assertLess(self.all_full("gradients_in_float", "float32"), 25)

    def test_six_significant_decimals(self):
        for c in self.cases:
            self.assert_full(c, self.grade(c, {n: printed(g, "%.6e") for n, g in c["gradients"].items()}))

    def test_six_decimals(self):
        """Small numbers show too few digits then: asked for again, which costs nothing."""
        full = 0
        for c in self.cases:
            got = self.grade(c, {n: printed(g, "%.6f") for n, g in c["gradients"].items()})
            for name, t in got["tensors"].items():
                self.assertNotEqual(t["verdict"], "wrong", (c["name"], name, t))
                smallest = min((abs(v) for v in flat(c["gradients"][name]) if v), default=1)
                if smallest > 1e-2:
                    self.assertEqual(t["points"], t["max_points"], (c["name"], name, t))
                full += t["points"] == t["max_points"]
        self.assertGreater(full, 400)

    def test_one_entry_off(self):
        """A relative 1e-3 in one entry of one tensor is seen, in double and as printed."""
        for c in self.cases:
            name = max(c["gradients"], key=lambda n: max(map(abs, flat(c["gradients"][n])), default=0))
            values = json.loads(json.dumps(c["gradients"][name]))
            row = values
            while isinstance(row[0], list):
                row = max(row, key=lambda r: max(map(abs, flat(r))))
            at = max(range(len(row)), key=lambda i: abs(row[i]))
            row[at] *= 1.001
            for form in (None, "%.6e"):
                handed = {name: printed(values, form) if form else values}
                got = self.grade(c, handed)
                self.assertEqual(got["verdict"], "wrong", (c["name"], name, got))
                self.assertLess(got["score"], got["max_score"], c["name"])


    def test_one_of_a_hundred_thousand(self):
        """Points are rounded, but never up to all of them."""
        n, g = 317, 0.5
        c = {"graph": {"inputs": {"x": ["n", 317]}, "nodes": {"y": {"expr": "x*x"}}, "outputs": ["y"]}, "parameters": {}, "mode": "eval",
             "name": "large", "inputs": {"x": [[(i * n + k) % 1009 / 1009 + 0.25 for k in range(n)] for i in range(n)]},
             "cotangents": {"y": [[g] * n] * n}}
        handed = [[2 * v * g for v in row] for row in c["inputs"]["x"]]
        self.assertEqual(self.grade(c, {"x": handed})["score"], 1)
        handed[200][100] *= -1
        got = self.grade(c, {"x": handed})
        self.assertEqual((got["verdict"], got["score"], got["tensors"]["x"]["wrong"]), ("wrong", 0.9999, 1))


if __name__ == "__main__":
    unittest.main()
