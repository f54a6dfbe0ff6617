#!/usr/bin/env python3
"""The data of the zoo: the digits are those that are meant, with the published split and baselines; what is made is
made by its rules; all of it can be brought as a data set."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

from daemon import Daemon
from with_numpy import numpy as np

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parent.parent)
sys.path.insert(0, str(TOP / "examples/zoo"))
import data  # noqa: E402


def arrays(columns):
    return {name: np.array(v) for name, v in columns.items()}


class Digits(unittest.TestCase):
    def test_check(self):
        self.assertEqual(list(data.check()), [])

    def test_check_can_fail(self):
        rows = data.raw_digits()
        rows[0][0] += 1
        kept, data.raw_digits = data.raw_digits, lambda: rows
        try:
            self.assertIn("sum: 561718 was expected, 561719 came", list(data.check()))
        finally:
            data.raw_digits = kept

    def test_split_of_the_shell(self):
        printed = subprocess.run([TOP / "examples/digits/split"], capture_output=True, check=True, text=True).stdout
        self.assertEqual([int(i) for i in printed.split()], data.split()[1])

    def test_baselines(self):
        train, test = (arrays(data.digits(part))["x"] for part in ("train", "test"))
        mean = train.mean(0)
        self.assertAlmostEqual(((test - mean) ** 2).sum(1).mean(), 4.689, places=3)
        _, _, V = np.linalg.svd(train - mean, full_matrices=False)
        for k, want in ((8, 1.582), (16, 0.742)):
            rest = (test - mean) - (test - mean) @ V[:k].T @ V[:k]
            self.assertAlmostEqual((rest**2).sum(1).mean(), want, places=3)

    def test_independent_pixels(self):
        train, test = (arrays(data.digits(part, binarised=True))["x"] for part in ("train", "test"))
        self.assertEqual(set(np.unique(train)), {0, 1})
        nats = lambda p: (test * np.log(p) + (1 - test) * np.log(1 - p)).sum(1).mean()
        self.assertAlmostEqual(nats((train.sum(0) + 1) / (len(train) + 2)), -24.388, delta=0.005)

    def test_all_is_train_and_test(self):
        n = {part: len(data.digits(part)["y"]) for part in ("all", "train", "test")}
        self.assertEqual(n, {"all": 1797, "train": 1437, "test": 360})


class Made(unittest.TestCase):
    def test_gates(self):
        for name, rule in (("and", lambda a, b: a & b), ("or", lambda a, b: a | b), ("xor", lambda a, b: a ^ b), ("nand", lambda a, b: 1 - (a & b))):
            g = data.gate(name)
            self.assertEqual(g["x"], [[0, 0], [0, 1], [1, 0], [1, 1]])
            self.assertEqual([y[0] for y in g["y"]], [rule(*x) for x in g["x"]])
            self.assertEqual([s[0] for s in g["sign"]], [2 * y[0] - 1 for y in g["y"]])

    def test_separable(self):
        for seed in range(5):
            columns, w = data.separable(seed=seed)
            d = arrays(columns)
            self.assertEqual(d["x"].shape, (200, 5))
            self.assertAlmostEqual(np.linalg.norm(w), 1)
            self.assertGreaterEqual((d["y"][:, 0] * (d["x"] @ w)).min(), 0.1)
            self.assertLessEqual(np.linalg.norm(d["x"], axis=1).max(), 1 + 1e-12)

    def test_perceptron_on_separable(self):
        """Novikoff: at most (R/gamma)^2 updates."""
        columns, w = data.separable(seed=3)
        d, v, updates, wrong = arrays(columns), np.zeros(5), 0, True
        while wrong:
            wrong = False
            for x, y in zip(d["x"], d["y"][:, 0]):
                if y * (v @ x) <= 0:
                    v, updates, wrong = v + y * x, updates + 1, True
        margin = (d["y"][:, 0] * (d["x"] @ w)).min()
        self.assertLessEqual(updates, (np.linalg.norm(d["x"], axis=1).max() / margin) ** 2)

    def test_adding(self):
        d = arrays(data.adding(4000, 40, seed=1))
        u, m = d["xs"][..., 0], d["xs"][..., 1]
        self.assertTrue((m[:, :20].sum(1) == 1).all() and (m[:, 20:].sum(1) == 1).all())
        np.testing.assert_allclose((u * m).sum(1), d["y"][:, 0])
        self.assertAlmostEqual(((d["y"] - 1) ** 2).mean(), 1 / 6, delta=0.012)

    def test_reber(self):
        d = data.reber(300, seed=2)
        whole = re.compile(r"B([TP])B(T|P)[BTPSXVE]*E\1E")
        for x, y, legal, length in zip(d["x"], d["y"], d["legal"], d["length"]):
            letters = "B" + "".join(data.LETTERS[k] for k in y[:length])
            self.assertTrue(whole.fullmatch(letters), letters)
            self.assertEqual([row.index(1) for row in x[:length]], [data.LETTERS.index(a) for a in letters[:-1]])
            self.assertEqual(set(y[length:]), {data.IGNORED} if y[length:] else set())
            self.assertTrue(all(row[k] for row, k in zip(legal[:length], y)))
            self.assertEqual(sum(legal[0]), 2)
            self.assertEqual(legal[length - 2], [int(a == letters[1]) for a in data.LETTERS])
            state = 0
            for a in letters[2:-2]:
                state = data.REBER[state][a]
            self.assertEqual(state, 7)

    def test_reber_is_the_grammar(self):
        """The automaton of the book, written down once more as a regular expression."""
        behind = "T*V(?:PXT*V)*(?:V|PS)"  # from state 3 on
        grammar = re.compile(f"B(?:TS*X(?:S|X{behind})|P{behind})E")
        r = data.random.Random(5)
        for _ in range(2000):
            s, _ = data.reber_string(r)
            self.assertTrue(grammar.fullmatch(s[2:-2]), s)

    def test_bars_and_stripes(self):
        v = arrays(data.bars_and_stripes())["v"].reshape(-1, 4, 4)
        self.assertEqual(len({p.tobytes() for p in v}), 30)
        for p in v:
            self.assertTrue((p == p[0]).all() or (p.T == p.T[0]).all())

    def test_ring(self):
        d = arrays(data.ring(8000, seed=4))
        angle = d["mode"] * np.pi / 4
        off = d["x"] - 2 * np.stack([np.cos(angle), np.sin(angle)], 1)
        self.assertAlmostEqual(off.std(), 0.02, delta=0.0005)
        self.assertAlmostEqual(off.mean(), 0, delta=0.001)
        self.assertTrue((np.bincount(d["mode"], minlength=8) > 850).all())

    def test_copy(self):
        d = arrays(data.copy(20, 6, seed=5))
        self.assertEqual((d["x"].shape, d["y"].shape, d["mask"].shape), ((20, 13, 5), (20, 13, 4), (20, 13)))
        np.testing.assert_array_equal(d["x"][:, :6, :4], d["y"][:, 7:])
        self.assertTrue((d["x"][:, 6] == [0, 0, 0, 0, 1]).all() and not d["x"][:, 7:].any() and not d["x"][:, :6, 4].any())
        self.assertTrue((d["mask"] == [0] * 7 + [1] * 6).all())

    def test_seeds(self):
        self.assertEqual(data.adding(3, 8, 1), data.adding(3, 8, 1))
        self.assertNotEqual(data.adding(3, 8, 1), data.adding(3, 8, 2))


class Brought(unittest.TestCase):
    def test_all(self):
        """As the shell would: what data.py prints is a data set."""
        with Daemon("--workers", "1") as d:
            for name in data.MADE:
                text = subprocess.run([sys.executable, TOP / "examples/zoo/data.py", name], capture_output=True, check=True).stdout
                reply = d.ask("PUT", f"/v1/datasets/{name}", text)
                self.assertEqual(reply.status, 201, reply.body)
                want = json.loads(text)["columns"]
                self.assertEqual({c["name"]: c["shape"] for c in reply.json()["columns"]}, {k: list(np.shape(v)) for k, v in want.items()})
                got = d.ask("GET", f"/v1/datasets/{name}/rows?count=2").json()["columns"]
                self.assertEqual(got, {k: v[:2] for k, v in want.items()})


if __name__ == "__main__":
    unittest.main()
