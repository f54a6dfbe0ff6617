"""Servers that answer POST JSON -> forward of 784-256-128-10 -> JSON, each on core 0, wrk on core 1, in turns."""
import contextlib
import json
import os
import subprocess
import time

from process import LOAD_CORE, Process, ask
from table import Row, head, line, median

HERE = os.path.dirname(os.path.abspath(__file__))
JSON, BINARY = "application/json", "application/x-safetensors"
CONNECTIONS = 8
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NODE_ENV": "production", "PYTHONDONTWRITEBYTECODE": "1"}


class Case:
    """One way to ask one server; `answer` takes the rows out of its reply, None: there is nothing to check."""

    def __init__(self, name, process, path, batches, answer, body="peer_{}.json", kind=JSON):
        self.name, self.process, self.path, self.batches = name, process, path, batches
        self.answer, self.body, self.kind = answer, body, kind
        self.runs = {b: [] for b in batches}

    def file(self, setup, batch):
        return f"{setup.model}/{self.body.format(batch)}"

    def check(self, setup, batch):
        with open(self.file(setup, batch), "rb") as f:
            status, reply = ask(self.process.port, "POST", self.path, f.read(), self.kind)
        if status != 200:
            raise RuntimeError(f"{self.name}: {status} {reply[:300]}")
        if not self.answer:
            return
        with open(f"{setup.model}/answer_{batch}.json") as f:
            wanted = json.load(f)
        got = self.answer(json.loads(reply))
        worst = max(abs(a - b) for g, w in zip(got, wanted, strict=True) for a, b in zip(g, w, strict=True))
        if not worst < 1e-5:
            raise RuntimeError(f"{self.name}, batch {batch}: off by {worst}")

    def load(self, setup, batch, seconds):
        command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s",
                   f"{HERE}/post.lua", f"http://127.0.0.1:{self.process.port}{self.path}"]
        before = self.process.cpu_seconds()
        text = subprocess.run(command, env={**os.environ, "BODY": self.file(setup, batch), "TYPE": self.kind}, check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        result = json.loads(text.strip().splitlines()[-1])
        spent = self.process.cpu_seconds() - before
        if result["errors"]:
            raise RuntimeError(f"{self.name}, batch {batch}: {result}")
        if not result["requests"]:
            return self.load(setup, batch, 2 * seconds)  # that was too short on this machine
        return {"rate": result["requests"] / result["seconds"], "cpu": spent / result["requests"] * 1e6,
                "p50": result["p50"], "p99": result["p99"], "rss": self.process.rss_mib()}

    def median(self, batch, what):
        return median(r[what] for r in self.runs[batch])


def prepare_nablad(setup, port):
    for method, path, name, kind in (("POST", "/v1/graphs", "create.json", JSON),
                                     ("PUT", "/v1/graphs/net/parameters", "net.safetensors", BINARY)):
        with open(f"{setup.model}/{name}", "rb") as f:
            status, reply = ask(port, method, path, f.read(), kind)
        if status not in (200, 201, 204):
            raise RuntimeError(f"nablad: {method} {path}: {status} {reply[:300]}")


def start(setup, stack):
    """All servers, up and ready to answer."""
    peers = f"{HERE}/peers"
    environment = {**ONE_THREAD, "MODEL": setup.model}

    def up(command, **more):
        p = stack.enter_context(Process(command, {**environment, **more}))
        p.wait_until_up()
        return p

    nablad = up(lambda port: [setup.nablad, "--port", str(port), "--workers", "1", "--pollers", "1", "--data",
                              f"{setup.scratch}/served"])
    prepare_nablad(setup, nablad.port)
    fastapi = up(lambda port: [setup.python, "-m", "uvicorn", "fastapi_peer:app", "--app-dir", peers, "--host", "127.0.0.1",
                               "--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log",
                               "--log-level", "warning"])
    empty = up(lambda port: [setup.empty, str(port)])
    fastify = Process(lambda port: ["node", f"{peers}/fastify_peer.js", str(port)], {**environment, "NODE_PATH": setup.modules})
    stack.enter_context(fastify).wait_until_up()

    def net(r):
        return r["outputs"]["y"]

    def plain(r):
        return r["y"]
    forward = "/v1/graphs/net/forward"
    return {
        "nablad": Case("nablad", nablad, forward, (1, 64), net, "nablad_{}.json"),
        "pydantic": Case("FastAPI + PyTorch, pydantic", fastapi, "/forward", (1, 64), plain),
        "tuned": Case("FastAPI + PyTorch, raw body and ujson", fastapi, "/tuned", (1, 64), plain),
        "fastify": Case("Fastify + onnxruntime", fastify, "/forward", (1, 64), plain),
        "empty": Case("libmicrohttpd, body drained, {}", empty, "/", (1, 64), None),
        "binary": Case("nablad, float32 as safetensors", nablad, forward, (64,), net, "nablad_{}.safetensors", BINARY),
    }


def measure(setup):
    """The cases with their runs."""
    with contextlib.ExitStack() as stack:
        cases = start(setup, stack)
        work = [(c, b) for b in (1, 64) for c in cases.values() if b in c.batches]
        for c, b in work:
            c.check(setup, b)
            c.load(setup, b, 1)  # warm: node's compiler, caches
        for _ in range(setup.rounds):
            for c, b in work:
                c.runs[b].append(c.load(setup, b, setup.seconds))
                time.sleep(0.2)
        for c, b in work:
            c.check(setup, b)
        time.sleep(3)
        for c in cases.values():
            c.rest = c.process.rss_mib()
        return cases


def rows(cases):
    def cheaper(peer, batch, ours="nablad"):
        """Requests per CPU-second, ours over theirs."""
        return cases[peer].median(batch, "cpu") / cases[ours].median(batch, "cpu")

    return [
        Row("batch 1 in JSON, requests per CPU-second: over FastAPI with pydantic", cheaper("pydantic", 1), 12),
        Row("the same: over FastAPI tuned", cheaper("tuned", 1), 3.5),
        Row("the same: over Fastify + onnxruntime", cheaper("fastify", 1), 2.5),
        Row("the same: share of an empty libmicrohttpd reply", 100 * cheaper("empty", 1), 30, " %"),
        Row("batch 64 in JSON, requests per CPU-second: over FastAPI with pydantic", cheaper("pydantic", 64), 35),
        Row("the same: over FastAPI tuned", cheaper("tuned", 64), 5),
        Row("the same: over Fastify + onnxruntime", cheaper("fastify", 64), 4),
        Row("batch 64 as safetensors: over Fastify + onnxruntime in JSON", cheaper("fastify", 64, "binary"), 10),
        Row("memory (RSS) 3 s after the load: share of FastAPI + PyTorch's",
            100 * cases["nablad"].rest / cases["pydantic"].rest, 10, " %", at_most=True),
    ]


def times(cases):
    out = []
    for batch in (1, 64):
        out += ["", *head([f"batch {batch}, {CONNECTIONS} connections", "requests/s", "CPU us/request", "p50 us", "p99 us",
                           "RSS then, MiB"])]
        for c in cases.values():
            if batch in c.batches:
                out.append(line([c.name, *(f"{c.median(batch, k):,.{d}f}" for k, d in
                                           (("rate", 0), ("cpu", 1), ("p50", 0), ("p99", 0), ("rss", 0)))]))
    return out[1:]
