"""nablad at rest: from start to ready with a hundred stored graphs, and its memory then."""
import json
import time

from process import Process, ask
from table import Row, median

GRAPHS, STARTS = 100, 7


def store(setup, data):
    with open(f"{setup.model}/create.json") as f:
        body = json.load(f)
    with Process(lambda port: [setup.nablad, "--port", str(port), "--data", data]) as p:
        p.wait_until_up()
        for i in range(GRAPHS):
            status, reply = ask(p.port, "POST", "/v1/graphs", {**body, "name": f"net{i}"})
            if status != 201:
                raise RuntimeError(f"graph {i}: {status} {reply[:300]}")


def start_once(setup, data):
    """Milliseconds until /readyz says 200, and MiB a moment later."""
    with Process(lambda port: [setup.nablad, "--port", str(port), "--data", data]) as p:
        p.wait_until_up()
        status, _ = ask(p.port, "GET", "/readyz")
        ready = time.monotonic() - p.started
        if status != 200:
            raise RuntimeError(f"not ready: {status}")
        time.sleep(0.5)
        return ready * 1e3, p.rss_mib()


def measure(setup):
    data = f"{setup.scratch}/stored"
    store(setup, data)
    starts = [start_once(setup, data) for _ in range(STARTS)]
    return median(ms for ms, _ in starts), max(mib for _, mib in starts)


def rows(ready, rss):
    return [
        Row(f"start to ready with {GRAPHS} stored graphs of this net", ready, 50, " ms", at_most=True),
        Row("memory (RSS) then", rss, 20, " MiB", at_most=True),
    ]
