#!/usr/bin/env python3
"""The data of the zoo: the digits, and everything that is made from a seed. Needs nothing but Python.

    data.py xor                            prints a data set as JSON, ready to be sent:
    data.py adding --count 1000 --steps 40 --seed 7 |
        curl -T - -H 'Content-Type: application/json' $N/v1/datasets/adding
    data.py digits --part train            pixels/16 and classes of the 1437 training images (test: the other 360)
    data.py check                          is the file of digits the right one?

As a module, each function below gives the columns as nested lists. What a seed gives stays the same."""
import argparse
import csv
import gzip
import itertools
import json
import math
import pathlib
import random
import sys

DIGITS = pathlib.Path(__file__).resolve().parent.parent / "digits" / "digits.csv.gz"
IGNORED = -100  # the class that CrossEntropyLoss passes over


# ---- the digits ---------------------------------------------------------------------------------------------------


def key(i):
    """SplitMix64."""
    mask = (1 << 64) - 1
    z = (i + 1) * 0x9E3779B97F4A7C15 & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return z ^ z >> 31


def split(images=1797, tests=360):
    """(train, test): numbers of images; those with the smallest keys are the test set."""
    order = sorted(range(images), key=key)
    return sorted(order[tests:]), sorted(order[:tests])


def raw_digits():
    """1797 rows of 64 pixels, 0 to 16, and the class."""
    with gzip.open(DIGITS, "rt", newline="") as f:
        return [[int(v) for v in row] for row in csv.reader(f)]


def digits(part="all", binarised=False):
    """x: [n, 64], pixels/16, or whether they are over a half; y: [n], classes."""
    rows = raw_digits()
    train, test = split(len(rows))
    rows = [rows[i] for i in {"all": range(len(rows)), "train": train, "test": test}[part]]
    pixel = (lambda v: int(v > 8)) if binarised else (lambda v: v / 16)
    return {"x": [[pixel(v) for v in row[:64]] for row in rows], "y": [row[64] for row in rows]}


# ---- points -------------------------------------------------------------------------------------------------------


def gate(name):
    """x: [4, 2], the four points in the order 00, 01, 10, 11; y: [4, 1], 0 or 1; sign: [4, 1], -1 or 1."""
    true = {"xor": (0, 1, 1, 0), "and": (0, 0, 0, 1), "or": (0, 1, 1, 1), "nand": (1, 1, 1, 0)}[name]
    return {"x": [[a, b] for a in (0, 1) for b in (0, 1)], "y": [[v] for v in true], "sign": [[2 * v - 1] for v in true]}


def separable(count=200, margin=0.1, dimensions=5, seed=0):
    """x: [count, 5], |x| <= 1; y: [count, 1], -1 or 1. And w, the unit vector behind it, with y w.x >= margin."""
    r = random.Random(seed)
    w = [r.gauss(0, 1) for _ in range(dimensions)]
    w = [v / math.hypot(*w) for v in w]
    x, y = [], []
    while len(x) < count:
        v = [r.gauss(0, 1) for _ in range(dimensions)]
        v = [a / max(1, math.hypot(*v)) for a in v]
        side = sum(a * b for a, b in zip(w, v))
        if abs(side) >= margin:
            x.append(v)
            y.append([1 if side > 0 else -1])
    return {"x": x, "y": y}, w


def ring(count=1000, modes=8, radius=2, deviation=0.02, seed=0):
    """x: [count, 2], normal clouds on a circle; mode: [count], which."""
    r = random.Random(seed)
    mode = [r.randrange(modes) for _ in range(count)]
    centre = [(radius * math.cos(2 * math.pi * k / modes), radius * math.sin(2 * math.pi * k / modes)) for k in range(modes)]
    return {"x": [[c + r.gauss(0, deviation) for c in centre[k]] for k in mode], "mode": mode}


def bars_and_stripes(side=4):
    """v: [30, 16], all patterns of full rows and of full columns, each once."""
    lines = list(itertools.product((0, 1), repeat=side))
    rows = {tuple(v for v in line for _ in range(side)) for line in lines}
    columns = {line * side for line in lines}
    return {"v": [list(p) for p in sorted(rows | columns)]}


# ---- sequences ----------------------------------------------------------------------------------------------------


def adding(count=1000, steps=40, seed=0):
    """xs: [count, steps, 2], (u, m), u in [0, 1), m = 1 once in each half; y: [count, 1], the sum of the marked u."""
    r = random.Random(seed)
    xs, y = [], []
    for _ in range(count):
        u = [r.random() for _ in range(steps)]
        marked = {r.randrange(steps // 2), r.randrange(steps // 2, steps)}
        xs.append([[v, int(t in marked)] for t, v in enumerate(u)])
        y.append([sum(u[t] for t in marked)])
    return {"xs": xs, "y": y}


LETTERS = "BTPSXVE"
REBER = {0: {"B": 1}, 1: {"T": 2, "P": 3}, 2: {"S": 2, "X": 4}, 3: {"T": 3, "V": 5}, 4: {"X": 3, "S": 6}, 5: {"P": 4, "V": 6},
         6: {"E": 7}}


def reber_string(r):
    """An embedded Reber string, and behind each of its letters but the last the letters that are legal next."""
    c, inner, state, legal = r.choice("TP"), "", 0, ["TP", "B"]
    while state != 7:
        letter = r.choice(sorted(REBER[state]))
        state, inner = REBER[state][letter], inner + letter
        legal.append("".join(sorted(REBER[state])) if state != 7 else c)
    return "B" + c + inner + c + "E", legal + ["E"]


def reber(count=256, seed=0):
    """x: [count, T, 7], letters as one-hot; y: [count, T], the next letter, -100 behind the end; legal: [count, T, 7],
    which letters might be next; length: [count]. T is that of the longest."""
    r = random.Random(seed)
    strings = [reber_string(r) for _ in range(count)]
    steps = max(len(s) for s, _ in strings) - 1
    one_hot = lambda letters: [int(a in letters) for a in LETTERS]
    pad = lambda row, with_: row + [with_] * (steps - len(row))
    return {"x": [pad([one_hot(a) for a in s[:-1]], [0] * 7) for s, _ in strings],
            "y": [pad([LETTERS.index(a) for a in s[1:]], IGNORED) for s, _ in strings],
            "legal": [pad([one_hot(l) for l in legal], [0] * 7) for _, legal in strings],
            "length": [len(s) - 1 for s, _ in strings]}


def copy(count=16, length=6, seed=0):
    """x: [count, 2L+1, 5], L rows of 4 random bits, a step with 1 in channel 4, then silence; y: [count, 2L+1, 4], the
    rows again while it is silent; mask: [count, 2L+1], 1 there."""
    r = random.Random(seed)
    x, y = [], []
    for _ in range(count):
        rows = [[r.randrange(2) for _ in range(4)] for _ in range(length)]
        x.append([row + [0] for row in rows] + [[0, 0, 0, 0, 1]] + [[0] * 5] * length)
        y.append([[0] * 4] * (length + 1) + rows)
    return {"x": x, "y": y, "mask": [[0] * (length + 1) + [1] * length] * count}


# ---- is it right? -------------------------------------------------------------------------------------------------


def check():
    """What zoo data must be; yields what is wrong. The eigenvalues need numpy."""
    rows = raw_digits()
    pixels = [row[:64] for row in rows]
    columns = list(zip(*pixels))
    count = lambda numbers: [sum(rows[i][64] == c for i in numbers) for c in range(10)]
    variance = sum(sum(v * v for v in c) / len(c) - (sum(c) / len(c)) ** 2 for c in columns) / 256
    train, test = split()
    for name, want, got in (
            ("images", 1797, len(rows)), ("key(0)", 0xE220A8397B1DCDAF, key(0)), ("sum", 561718, sum(map(sum, pixels))),
            ("classes", [178, 182, 177, 183, 181, 182, 181, 179, 174, 180], count(range(len(rows)))),
            ("zeros", 48.929, round(100 * sum(p.count(0) for p in pixels) / (64 * len(rows)), 3)),
            ("constant", [0, 32, 39], [i for i, c in enumerate(columns) if len(set(c)) == 1]),
            ("variance", 4.693276317822722, round(variance, 12)), ("train", 1437, len(train)),
            ("first test images", [2, 4, 6, 32, 33, 41, 42, 43, 49, 52], test[:10]),
            ("test classes", [34, 35, 36, 38, 39, 28, 39, 46, 37, 28], count(test))):
        if want != got and not (isinstance(want, float) and math.isclose(want, got, rel_tol=1e-12)):
            yield f"{name}: {want} was expected, {got} came"
    try:
        import numpy
    except ImportError:
        return
    values = numpy.linalg.eigvalsh(numpy.cov(numpy.array(pixels) / 16, rowvar=False, bias=True))[::-1][:9]
    want = [0.698857, 0.639167, 0.553553, 0.394704, 0.271385, 0.230764, 0.202561, 0.171838, 0.157377]
    if not numpy.allclose(values, want, rtol=0, atol=6e-7):
        yield f"eigenvalues: {want} was expected, {values} came"


# ---- from the shell -----------------------------------------------------------------------------------------------

MADE = {
    **{name: (lambda a, name=name: gate(name)) for name in ("xor", "and", "or", "nand")},
    "digits": lambda a: digits(a.part, a.binarised),
    "separable": lambda a: separable(a.count or 200, seed=a.seed)[0],
    "ring": lambda a: ring(a.count or 1000, seed=a.seed),
    "bars-and-stripes": lambda a: bars_and_stripes(),
    "adding": lambda a: adding(a.count or 1000, a.steps or 40, a.seed),
    "reber": lambda a: reber(a.count or 256, a.seed),
    "copy": lambda a: copy(a.count or 16, a.steps or 6, a.seed),
}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("name", choices=[*MADE, "check"])
    p.add_argument("--count", type=int, help="samples")
    p.add_argument("--steps", type=int, help="of adding; rows of copy")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--part", choices=["all", "train", "test"], default="all", help="of the digits")
    p.add_argument("--binarised", action="store_true", help="digits: 1 where pixel/16 > 0.5")
    a = p.parse_args()
    if a.name == "check":
        wrong = list(check())
        print("\n".join(wrong) or "the digits are right")
        sys.exit(bool(wrong))
    json.dump({"columns": MADE[a.name](a)}, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()
