#!/usr/bin/python3
"""Gradient checks over HTTP beside torch.autograd.gradcheck (bench/gradcheck.py), on the same cases.

    bench/check.py NABLAD [PYTHON]     by itself, as a table
"""
import json
import os
import subprocess
import sys
import tempfile
import time

from process import Client, Process
from table import Row, head, line, median

HERE = os.path.dirname(os.path.abspath(__file__))
ALL_CORES = ",".join(map(str, sorted(os.sched_getaffinity(0))))
TORCH = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ENTRIES = ("90", "4 million", "268 million")


def mlp(widths, **more):
    layers = [layer for w in widths[1:] for layer in ({"Linear": {"out_features": w}}, "Tanh")][:-1]
    return {"dtype": "float64", "inputs": {"x": ["B", widths[0]], **more},
            "nodes": {"net": {"chain": layers, "in": "x"}}, "outputs": ["net"]}


def cases():
    """name -> request"""
    large = mlp([784, 256, 10], t={"shape": ["B"], "dtype": "int64"})
    large["nodes"]["ce"] = {"op": "CrossEntropyLoss", "in": ["net", "t"]}
    large["losses"] = {"loss": {"of": "ce"}}
    small = {"inputs": {"x": ["B", 2]}, "dtype": "float64",
             "nodes": {"net": {"chain": [{"Linear": [2, 2]}, "Tanh", {"Linear": [2, 1]}], "in": "x"}}, "outputs": ["net"]}
    return {"large": {"graph": large, "loss": "loss", "dims": {"B": 64}},
            "small": {"graph": mlp([20, 50, 50, 10]), "jacobian": True, "dims": {"B": 8}},
            "wide": {"graph": mlp([784, 64, 10]), "jacobian": True, "dims": {"B": 4}},
            "tiny": {"graph": small, "dims": {"B": 4}}}


def seconds(client, request, times):
    body, taken = json.dumps({**request, "seed": 1, "detail": "summary"}).encode(), []
    for _ in range(times):
        start = time.perf_counter()
        text = client.post("/v1/check", body)
        taken.append(time.perf_counter() - start)
    reply = json.loads(text)
    if reply["verdict"] != "right":
        raise RuntimeError(text[:500])
    return median(taken), reply


# ---- the smallest wrong entry -----------------------------------------------------------------------------------------

def linear(n, m):
    return {"op": "Linear", "in_features": n, "out_features": m, "bias": False, "in": "x"}


def smallest_caught(client, name, node, n):
    """One entry of the Jacobian off by a power of ten, in multiples of its true size (of 1, where it is 0): the gradient
    that follows from it is handed in."""
    graph = {"inputs": {"x": [n]}, "dtype": "float64", "nodes": {"y": node}, "outputs": ["y"]}
    client.post("/v1/graphs", {"name": name, "graph": graph, "seed": 1})
    # any numbers will do that are neither regular nor small
    x = [(i * 2654435761 % 1000 - 499.5) / 500 for i in range(n)]
    m = node.get("out_features", n)
    g = [(i * 40503 % 1000 + 500) / 1000 * (-1) ** (i % 3) for i in range(m)]
    point = {"inputs": {"x": x}, "cotangents": {"y": g}}

    def gradient(cotangent):
        reply = client.post(f"/v1/graphs/{name}/backward", {"inputs": {"x": x}, "cotangents": {"y": cotangent}, "wrt": ["x"]})
        return json.loads(reply)["gradients"]["x"]
    right, entry = gradient(g), gradient([0, 1] + [0] * (m - 2))[-1] or 1
    for power in range(-14, 7):
        wrong = right[:-1] + [right[-1] + g[1] * entry * 10.0 ** power]
        verdict = json.loads(client.post(f"/v1/graphs/{name}/check", {
            **point, "wrt": ["x"], "gradients": {"x": wrong}, "detail": "summary", "seed": 1}))["verdict"]
        if verdict == "wrong":
            return 10.0 ** power
    return float("inf")


# ---- both sides -------------------------------------------------------------------------------------------------------

def gradcheck(python):
    text = subprocess.run([python, f"{HERE}/gradcheck.py"], env={**os.environ, **TORCH}, check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return json.loads(text)


def measure_with(nablad, cores):
    """name -> (seconds, reply) of each case."""
    with tempfile.TemporaryDirectory() as data:
        command = lambda port: [nablad, "--port", str(port), "--data", data + "/d", "--workers", str(len(cores.split(",")))]
        with Process(command, cores=cores) as p:
            p.wait_until_up()
            client = Client(p.port)
            times = {"large": 3, "small": 21, "wide": 9, "tiny": 300}
            return {k: seconds(client, request, times[k]) for k, request in cases().items()}


def measure(nablad, python):
    with tempfile.TemporaryDirectory() as data:
        with Process(lambda port: [nablad, "--port", str(port), "--data", data + "/d"], cores=ALL_CORES) as p:
            p.wait_until_up()
            client = Client(p.port)
            caught = [smallest_caught(client, "a", linear(10, 9), 10), smallest_caught(client, "b", linear(2000, 2000), 2000),
                      smallest_caught(client, "c", {"op": "Tanh", "in": "x"}, 16384)]
    return {"one": measure_with(nablad, ALL_CORES.split(",")[0]), "all": measure_with(nablad, ALL_CORES), "caught": caught,
            "torch": gradcheck(python)}


def rows(m):
    def faster(case, cores):
        return m["torch"][case] / 1e3 / m[cores][case][0]
    cores = len(ALL_CORES.split(","))
    return [
        Row(f"full check of 784-256-10, batch 64, all {m['all']['large'][1]['certificate']['coverage']['entries']:,} entries, "
            f"{cores} cores", m["all"]["large"][0], 1, " s", at_most=True),
        Row(f"the same: speed over gradcheck's slow mode (from {m['torch']['perturbed']} of its coordinates)",
            faster("large", "all"), 1000),
        Row("whole Jacobian of 20-50-50-10, batch 8: the same, one core each", faster("small", "one"), 100),
        Row("whole Jacobian of 784-64-10, batch 4: the same, one core each", faster("wide", "one"), 300),
        *(Row(f"smallest wrong one of {n} Jacobian entries that is caught (gradcheck's fast mode: {theirs:g})", ours, 1e-6, "",
              at_most=True) for n, ours, theirs in zip(ENTRIES, m["caught"], m["torch"]["caught"])),
        Row("full checks of a net 2-2-1 a second, one connection", 1 / m["all"]["tiny"][0], 100, ""),
    ]


def table(m):
    out = head(["check, ms", "PyTorch, slow mode, one core", "nablad, one core", "nablad, all cores", "power",
                "the two oracles differ by at most"])
    names = {"large": "784-256-10, cross entropy, batch 64", "small": "20-50-50-10, batch 8, whole Jacobian",
             "wide": "784-64-10, batch 4, whole Jacobian", "tiny": "2-2-1, batch 4"}
    for k, name in names.items():
        seconds, reply = m["all"][k]
        gap = reply["self"]["worst_gap"]
        out.append(line([name, f"{m['torch'][k]:,.1f}" if k in m["torch"] else "", f"{m['one'][k][0] * 1e3:,.1f}",
                         f"{seconds * 1e3:,.1f}", f"{reply['power']['worst']:.1g}", f"{gap:.1g}"]))
    return out


if __name__ == "__main__":
    measured = measure(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else sys.executable)
    print("\n".join([*(line([r.what, r.aim_text(), r.cells()]) for r in rows(measured)), "", *table(measured)]))
