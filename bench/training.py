#!/usr/bin/python3
"""A step of training over HTTP beside the same step inside the process (bench/step.c): the digits network, 64-100-10, Adam,
a batch of 32.

    bench/training.py NABLAD STEP [STEPS]     by itself, as a table
"""
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

from process import SERVER_CORE, Client, Process
from table import Row, head, line

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "digits")
STEPS, BATCH = 2000, 32


def batch():
    """Pixels and classes of the first images."""
    with gzip.open(f"{DIGITS}/digits.csv.gz", "rt") as f:
        rows = [[int(v) for v in next(f).split(",")] for _ in range(BATCH)]
    return [[v / 16 for v in row[:64]] for row in rows], [row[64] for row in rows]


def safetensors(x, y):
    data = struct.pack(f"<{64 * BATCH}f{BATCH}q", *(v for row in x for v in row), *y)
    at = 4 * 64 * BATCH
    header = json.dumps({"x": {"dtype": "F32", "shape": [BATCH, 64], "data_offsets": [0, at]},
                         "y": {"dtype": "I64", "shape": [BATCH], "data_offsets": [at, len(data)]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def measure(nablad, step, steps=STEPS):
    """name -> nanoseconds"""
    x, y = batch()
    with open(f"{DIGITS}/graph.json") as f:
        graph = json.load(f)
    bodies = {"batch.safetensors": safetensors(x, y),
              "batch.json": json.dumps({"inputs": {"x": x, "y": y}, "optimizer": {"Adam": {"lr": 1e-3}}}).encode()}
    with tempfile.TemporaryDirectory() as data:
        for name, body in bodies.items():
            with open(f"{data}/{name}", "wb") as f:
                f.write(body)
        with Process(lambda port: [nablad, "--port", str(port), "--data", data + "/d", "--workers", "1", "--pollers", "1"]) as p:
            p.wait_until_up()
            for name in ("safetensors", "json"):
                Client(p.port).post("/v1/graphs", {"name": name, "graph": graph, "seed": 1})
            text = subprocess.run(["taskset", "-c", SERVER_CORE, step, str(p.port), str(steps), f"{DIGITS}/graph.json",
                                   *(f"{data}/{name}" for name in bodies)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: float(ns) for name, ns in (row.split() for row in text.splitlines())}


def rows(ns):
    return [Row(f"a step of training the digits network over HTTP, {kind}: time of the step inside the process",
                ns[name] / ns["inside"], 1.3, at_most=True) for name, kind in (("safetensors", "safetensors"), ("json", "JSON"))]


def table(ns):
    return [*head(["a step of training, us", *ns]), line(["digits, 64-100-10, batch 32, Adam", *(f"{t / 1e3:.1f}" for t in ns.values())])]


if __name__ == "__main__":
    measured = measure(*sys.argv[1:3], *map(int, sys.argv[3:]))
    print("\n".join([*(line([r.what, r.aim_text(), r.cells()]) for r in rows(measured)), "", *table(measured)]))
