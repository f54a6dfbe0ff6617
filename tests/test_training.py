#!/usr/bin/env python3
"""Training over HTTP: steps, what is kept, readers meanwhile, and the bad input there is."""
import shutil
import tempfile
import threading
import time

from daemon import Daemon

XOR = {"inputs": {"x": ["B", 2], "t": ["B", 1]},
       "nodes": {"net": {"chain": [{"Linear": [2, 8]}, "Tanh", {"Linear": [8, 1]}], "in": "x"},
                 "loss": {"op": "BCEWithLogitsLoss", "in": ["net", "t"]}},
       "outputs": ["net", "loss"]}
TABLE = {"x": [[0, 0], [0, 1], [1, 0], [1, 1]], "t": [[0], [1], [1], [0]]}
CHECKS = []


def check(f):
    CHECKS.append(f)
    return f


def make(d, name="g", graph=XOR, seed=7):
    r = d.ask("POST", "/v1/graphs", {"name": name, "graph": graph, "seed": seed})
    assert r.status == 201, r.body


def step(d, name="g", status=200, **body):
    r = d.ask("POST", f"/v1/graphs/{name}/step", {"inputs": TABLE, "optimizer": {"Adam": {"lr": 0.05}}, **body})
    assert r.status == status, (r.status, r.body)
    return r.json()


def parameters(d, name="g"):
    return d.ask("GET", f"/v1/graphs/{name}/parameters").json()


def refused(reply, status, code, pointer=None):
    got = reply.json() if hasattr(reply, "json") else reply
    assert (got["status"], got["code"], got.get("pointer")) == (status, code, pointer), got


# ---- steps -------------------------------------------------------------------------------------------------------


@check
def xor_is_learned(d):
    """Eight hidden units; every seed gets there in 2000 steps."""
    for seed in range(3):
        make(d, f"xor{seed}", seed=seed)
        for i in range(2000):
            got = step(d, f"xor{seed}")
            assert got["step"] == i + 1 and got["revision"] == i + 2
            if got["loss"] < 0.01:
                break
        assert got["loss"] < 0.01, got


@check
def no_step_is_lost(d):
    """Eight clients at once: every step counts once, and each has a revision of its own."""
    make(d)
    seen, lock = [], threading.Lock()

    def client():
        for _ in range(25):
            got = step(d)
            with lock:
                seen.append((got["step"], got["revision"]))

    threads = [threading.Thread(target=client) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(seen) == [(i + 1, i + 2) for i in range(200)], sorted(seen)[:5]


@check
def readers_see_whole_states(d):
    """Every tensor moves by exactly -0.5 a step: a torn state would show different numbers."""
    graph = {"inputs": {"x": ["B", 3]}, "nodes": {"a": {"op": "Parameter", "shape": [40]}, "b": {"op": "Parameter", "shape": [40]},
                                                 "loss": {"expr": "sum(a) + sum(b) + 0*sum(x)"}},
             "outputs": ["loss"], "params": {"*": {"init": "zeros"}}}
    make(d, "flat", graph)
    stop, seen = threading.Event(), []

    def reader():
        while not stop.is_set():
            got = parameters(d, "flat")
            values = {v for t in got["parameters"].values() for v in t}
            assert len(values) == 1, values
            assert values.pop() == -0.5 * (got["revision"] - 1), got["revision"]
            seen.append(1)

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for t in threads:
        t.start()
    for _ in range(200):
        step(d, "flat", inputs={"x": [[0, 0, 0]]}, optimizer={"SGD": {"lr": 0.5}})
    stop.set()
    for t in threads:
        t.join()
    assert len(seen) >= 3


@check
def other_changes_wait_their_turn(d):
    make(d)
    step(d)
    before = parameters(d)["parameters"]
    r = d.ask("PATCH", "/v1/graphs/g/parameters", {"parameters": {"net.2.bias": [0.25]}})
    assert r.status == 200 and r.json()["revision"] == 3
    assert step(d)["step"] == 2  # some parameters: the optimiser goes on
    r = d.ask("PUT", "/v1/graphs/g/parameters", {"parameters": before})
    assert r.status == 200
    assert step(d)["step"] == 1  # all: anew
    got = step(d, optimizer={"SGD": {"lr": 0.1}})
    assert got["step"] == 1 and got["forgotten"] == "Adam", got
    assert step(d, optimizer={"SGD": {"lr": 0.1}})["step"] == 2
    assert step(d, optimizer={"SGD": {"lr": 0.1}}, restart=True)["step"] == 1
    d.ask("PUT", "/v1/graphs/g", {"graph": XOR})
    assert step(d)["step"] == 1


@check
def the_etag_changes_with_every_step(d):
    make(d)
    tags = set()
    for _ in range(4):
        tags.add(d.ask("POST", "/v1/graphs/g/step", {"inputs": TABLE, "optimizer": "Adam"}).headers["ETag"])
        assert d.ask("GET", "/v1/graphs/g").headers["ETag"] in tags
    assert len(tags) == 4
    last = d.ask("GET", "/v1/graphs/g").headers["ETag"]
    time.sleep(1.5)  # written meanwhile: the same tag
    assert d.ask("GET", "/v1/graphs/g").headers["ETag"] == last
    assert d.ask("DELETE", "/v1/graphs/g", headers={"If-Match": '"4-0000000000000000"'}).status == 412
    assert d.ask("DELETE", "/v1/graphs/g", headers={"If-Match": last}).status == 204


@check
def bad_steps(d):
    make(d)
    before = parameters(d)
    refused(step(d, status=400, optimizer="Adamm"), 400, "bad_value", "/optimizer")
    refused(step(d, status=400, optimizer={"SGD": {}}), 400, "missing_argument", "/optimizer/SGD")
    refused(step(d, status=400, clip={"norm": -1}), 400, "bad_value", "/clip/norm")
    refused(step(d, status=400, schedule={"linear": {"steps": 0}}), 400, "bad_argument", "/schedule/linear/steps")
    refused(step(d, status=400, wrt=["net.*", "x"]), 400, "bad_value", "/wrt")
    refused(step(d, status=400, wrt=["nothing.*"]), 400, "no_match", "/wrt/0")
    refused(step(d, status=400, loss="other"), 400, "unknown_reference", "/loss")
    refused(step(d, status=400, inputs={"x": TABLE["x"]}), 400, "missing_input", "/inputs/t")
    refused(step(d, status=400, inputs={**TABLE, "t": [[1]]}), 400, "shape_mismatch", "/inputs/t")
    refused(step(d, status=400, mode="training"), 400, "bad_value", "/mode")
    refused(step(d, status=404, name="none"), 404, "unknown_graph")
    got = step(d, status=422, inputs={**TABLE, "x": [["NaN", 1]] * 4})
    refused(got, 422, "not_finite")
    assert "step 1:" in got["detail"], got
    got = step(d, status=422, optimizer={"SGD": {"lr": 1e308}}, inputs={**TABLE, "t": [[-1e30]] * 4})
    refused(got, 422, "not_finite")
    assert parameters(d) == before


def run():
    with Daemon() as d:
        for f in CHECKS:
            for g in d.ask("GET", "/v1/graphs").json()["graphs"]:
                d.ask("DELETE", f"/v1/graphs/{g['name']}")
            f(d)
            print("ok", f.__name__, flush=True)


# ---- what survives -----------------------------------------------------------------------------------------------


def survives_stop_and_kill():
    """After a stop everything is there, to the bit; after a kill the state of a step, with its memory."""
    data = tempfile.mkdtemp(prefix="nablad-")
    try:
        with Daemon(data=data) as d:
            make(d)
            make(d, "twin")
            for _ in range(5):
                step(d)
                step(d, "twin")
            kept = parameters(d)
        with Daemon(data=data) as d:
            assert parameters(d) == kept
            assert step(d)["step"] == 6
            time.sleep(2.2)
            for _ in range(50):
                step(d)
            d.kill()
        with Daemon(data=data) as d:
            n = step(d)["step"]
            assert 7 <= n <= 57, n
            for _ in range(n - 5):
                step(d, "twin")
            assert parameters(d)["parameters"] == parameters(d, "twin")["parameters"]
    finally:
        shutil.rmtree(data)
    print("ok survives_stop_and_kill", flush=True)


if __name__ == "__main__":
    run()
    survives_stop_and_kill()
