#!/usr/bin/python3
"""Short requests beside giant checks: every thread for long work has a check of 203,530 parameters, coordinate by
coordinate, and one client after the other asks for small forwards.

    bench/starve.py NABLAD [REQUESTS]     by itself, as a table
"""
import json
import os
import socket
import sys
import tempfile
import time

from process import Client, Process
from table import Row, head, line

ALL_CORES = ",".join(map(str, sorted(os.sched_getaffinity(0))))
REQUESTS, JOBS = 3000, 2
GIANT = {
    "graph": {
        "inputs": {"x": ["B", 784], "t": {"shape": ["B"], "dtype": "int64"}},
        "dtype": "float64",
        "nodes": {"a": {"op": "Linear", "in": "x", "out_features": 256}, "h": {"op": "Tanh", "in": "a"},
                  "b": {"op": "Linear", "in": "h", "out_features": 10},
                  "loss": {"op": "CrossEntropyLoss", "in": ["b", "t"]}},
        "outputs": ["loss"],
    },
    "method": "loop", "dims": {"B": 64},
}
SMALL = {"inputs": {"x": ["B", 2]}, "nodes": {"net": {"chain": [{"Linear": [2, 2]}, "ReLU", {"Linear": [2, 1]}], "in": "x"}},
         "outputs": ["net"]}
INPUTS = {"inputs": {"x": [[0, 0], [0, 1], [1, 0], [1, 1]]}}


def times(client, path, body, n):
    """Milliseconds of n requests, sorted."""
    taken = []
    for _ in range(n):
        start = time.perf_counter()
        status, reply = client.ask("POST", path, body)
        taken.append((time.perf_counter() - start) * 1e3)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {reply[:300]}")
    return sorted(taken)


def quantiles(taken):
    n = len(taken)
    return taken[n // 2], taken[n * 99 // 100], taken[-1]


def load(port, waited):
    """Checks that somebody waits for, and jobs; returns when all of them compute."""
    body = json.dumps(GIANT).encode()
    head_ = f"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(waited)]
    for s in sockets:
        s.sendall(head_.encode() + body)
    client = Client(port)
    paths = [json.loads(client.post("/v1/check", GIANT, Prefer="respond-async"))["links"]["self"]
             for _ in range(JOBS)]
    while any(json.loads(client.ask("GET", p)[1])["state"] != "running" for p in paths):
        time.sleep(0.1)
    time.sleep(1)
    return sockets, paths


def measure(nablad, n=REQUESTS):
    """name -> (median, 99 %, worst) at rest and beside the checks."""
    kinds = {"stored graph, on the polling thread": ("/v1/graphs/small/forward", INPUTS),
             "graph in the body, on a worker": ("/v1/forward", {"graph": SMALL, **INPUTS})}
    with tempfile.TemporaryDirectory() as data:
        command = lambda port: [nablad, "--port", str(port), "--data", data + "/d", "--job-workers", str(JOBS),
                                "--stop-seconds", "1"]
        with Process(command, cores=ALL_CORES) as p:
            p.wait_until_up()
            client = Client(p.port)
            client.ask("POST", "/v1/graphs", {"name": "small", "graph": SMALL})
            rest = {k: quantiles(times(client, *kinds[k], n)) for k in kinds}
            kept = load(p.port, 2 * os.cpu_count())
            beside = {k: quantiles(times(client, *kinds[k], n)) for k in kinds}
            for s in kept[0]:
                s.close()
            for path in kept[1]:
                client.ask("DELETE", path)
    return {k: (rest[k], beside[k]) for k in kinds}


def rows(measured):
    return [Row(f"small forward ({k}) beside giant checks on all threads, 99 %", beside[1], 20, " ms", at_most=True)
            for k, (_, beside) in measured.items()]


def table(measured):
    out = head(["small forward, ms", "at rest: median", "99 %", "worst", "beside giant checks: median", "99 %", "worst"])
    for k, (rest, beside) in measured.items():
        out.append(line([k, *(f"{t:.2f}" for t in (*rest, *beside))]))
    return out


if __name__ == "__main__":
    print("\n".join(table(measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else REQUESTS))))
