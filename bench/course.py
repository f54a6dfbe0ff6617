#!/usr/bin/python3
"""A course: submissions of a network 784-256-10 (tanh, cross entropy; 203,530 numbers each, every student at a point of their
own), one in five wrong, handed in as archives of npz files.

    bench/course.py NABLAD [STUDENTS]     by itself, as a table
"""
import io
import json
import os
import sys
import tempfile
import time
import zipfile

import numpy as np

from process import Client, Process
from table import Row, head, line

ALL_CORES = ",".join(map(str, sorted(os.sched_getaffinity(0))))
STUDENTS, TOGETHER, BATCH = 1000, 36, 64
GRAPH = {
    "inputs": {"x": ["B", 784], "t": {"shape": ["B"], "dtype": "int64"}}, "dtype": "float64",
    "nodes": {"a": {"op": "Linear", "in": "x", "out_features": 256}, "h": {"op": "Tanh", "in": "a"},
              "b": {"op": "Linear", "in": "h", "out_features": 10}, "l": {"op": "CrossEntropyLoss", "in": ["b", "t"]}},
    "outputs": ["b"], "losses": {"loss": {"of": "l"}},
}
TASK = {"name": "mlp", "graph": GRAPH, "dims": {"B": BATCH}, "loss": "loss",
        "points": {"a.weight": 4, "a.bias": 2, "b.weight": 4, "b.bias": 2}}


def solve(c):
    """By hand: the cross entropy is a mean over the batch."""
    x, t = c["inputs/x"], c["inputs/t"].astype(int)
    w, b, v, d = (c[f"parameters/{n}"] for n in ("a.weight", "a.bias", "b.weight", "b.bias"))
    h = np.tanh(x @ w.T + b)
    y = h @ v.T + d
    p = np.exp(y - y.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(t)), t] -= 1
    g = p / len(t)
    before = (g @ v) * (1 - h * h)
    return {"a.weight": before.T @ x, "a.bias": before.sum(0), "b.weight": g.T @ h, "b.bias": g.sum(0)}


def handed_in(client, i):
    """An npz as a student makes it."""
    c = np.load(io.BytesIO(client.post("/v1/challenges", {"assignment": "mlp", "student": f"s{i}"}, Accept="application/x-npz")))
    gradients = solve(c)
    if i % 5 == 0:
        gradients["a.weight"] = gradients["a.weight"] * BATCH  # forgot the mean, in one place
    f = io.BytesIO()
    np.savez(f, **gradients)
    return f.getvalue()


def archive(members):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w") as z:
        for name, content in members.items():
            z.writestr(name, content)
    return f.getvalue()


def measure(nablad, students=STUDENTS):
    """Seconds of grading, and the verdicts."""
    taken, verdicts = 0, {}
    with tempfile.TemporaryDirectory() as data:
        with Process(lambda port: [nablad, "--port", str(port), "--data", data + "/d"], cores=ALL_CORES) as p:
            p.wait_until_up()
            client = Client(p.port)
            client.post("/v1/assignments", TASK)
            for first in range(0, students, TOGETHER):
                body = archive({f"s{i}.npz": handed_in(client, i) for i in range(first, min(first + TOGETHER, students))})
                start = time.perf_counter()
                reply = json.loads(client.post("/v1/assignments/mlp/batch", body, "application/zip"))
                taken += time.perf_counter() - start
                verdicts.update({s["student"]: s for s in reply["submissions"]})
    for i in range(students):
        s = verdicts[f"s{i}"]
        if s.get("verdict") != ("right" if i % 5 else "wrong"):
            raise RuntimeError(f"{s}")
    return taken, students


def rows(measured):
    taken, students = measured
    return [Row(f"{students:,} submissions of 784-256-10 graded, each at a point of its own", taken, 60 * students / STUDENTS,
                " s", at_most=True)]


if __name__ == "__main__":
    measured = measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else STUDENTS)
    print("\n".join([*head(["", "aim", "here"]), *(line([r.what, r.aim_text(), r.cells()]) for r in rows(measured))]))
