#!/usr/bin/env python3
"""Training over HTTP: steps, what is kept, readers meanwhile, and the bad input there is."""
import pathlib
import shutil
import sys
import tempfile
import threading
import time

from daemon import Daemon, wait_until

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


# ---- jobs --------------------------------------------------------------------------------------------------------

TOP = pathlib.Path(__file__).resolve().parent.parent
DIGITS = {"inputs": {"x": ["B", 64], "y": {"shape": ["B"], "dtype": "int64"}},
          "nodes": {"net": {"chain": [{"Linear": [64, 100]}, "ReLU", {"Linear": [100, 10]}], "in": "x"},
                    "loss": {"op": "CrossEntropyLoss", "in": ["net", "y"]}},
          "outputs": ["net", "loss"]}
NOISY = {"inputs": {"x": ["B", 2], "s": [], "z": {"shape": ["B", 2], "sample": "normal"}},
         "nodes": {"gen": {"chain": [{"Linear": [2, 8]}, "Tanh", {"Linear": [8, 2]}], "in": "z"},
                   "real": {"chain": [{"Linear": [2, 8]}, "Tanh", {"Linear": [8, 1]}], "in": "noisy"},
                   "noisy": {"expr": "x + s*z"},
                   "fake": {"chain": [{"Linear": [2, 8]}, "Tanh", {"Linear": [8, 1]}], "in": "gen", "share": "real"},
                   "ld": {"expr": "mean(softplus(-real)) + mean(softplus(fake))"},
                   "lg": {"expr": "mean(softplus(-fake))"}},
         "losses": {"D": {"of": "ld", "wrt": ["real.*"]}, "G": {"of": "lg", "wrt": ["gen.*"]}},
         "outputs": ["gen"]}
GAN = {"data": "ring", "batch": 16, "seed": 11, "scalars": {"s": "0.5*max(0, 1 - i/2400)"},
       "losses": [{"loss": k, "optimizer": {"Adam": {"lr": 0.001, "betas": [0.5, 0.99]}},
                   "schedule": {"formula": "min(1, 2*(1 - i/3000) + 0.02)"}} for k in "DG"]}


def data(d, name, **columns):
    r = d.ask("PUT", f"/v1/datasets/{name}", {"columns": columns})
    assert r.status in (200, 201), r.body


def digits(d):
    body = (TOP / "examples/digits/digits.csv.gz").read_bytes()
    r = d.ask("PUT", "/v1/datasets/digits?columns=x:0-63,y:64&divide=x:16", body, {"Content-Type": "text/csv"})
    assert r.status in (200, 201), r.body


def ring(d):
    data(d, "ring", x=[[2.0 - 0.1 * (i % 7), 0.25 * (i % 5) - 0.5] for i in range(60)])


def train(d, name="g", status=200, headers=None, **body):
    r = d.ask("POST", f"/v1/graphs/{name}/train", body, headers, timeout=300)
    assert r.status == status, (r.status, r.body)
    return r if headers else r.json()


def job(d, name="g", **body):
    return train(d, name, 202, {"Prefer": "respond-async"}, **body).json()["id"]


def ended(d, i, seconds=120):
    assert wait_until(lambda: d.ask("GET", f"/v1/jobs/{i}").json()["state"] not in ("queued", "running"), seconds)
    return d.ask("GET", f"/v1/jobs/{i}").json()


@check
def a_job_learns_xor(d):
    make(d)
    data(d, "xor", **TABLE)
    got = train(d, data={"train": "xor", "validation": "xor"}, steps=1000, optimizer={"Adam": {"lr": 0.05}},
                validation={"every": 100, "accuracy": {"output": "net", "target": "t"}},
                checkpoints={"best": "g.best", "latest": "g.latest", "every": 400})
    assert got["steps"] == 1000 and got["validation"][-1]["loss"] < 0.01 and got["best"]["accuracy"] == 1, got["best"]
    assert len(got["curve"]) == 200 and got["curve"][-1]["step"] == 1000
    loss = {"inputs": TABLE}
    assert d.ask("POST", "/v1/graphs/g.best/loss", loss).json()["loss"] < 0.01
    assert d.ask("POST", "/v1/graphs/g.latest/step", {**loss, "optimizer": "Adam"}).json()["step"] == 801
    picture = train(d, data="xor", steps=20, optimizer="Adam", headers={"Accept": "image/svg+xml"})
    assert picture.body.startswith(b"<svg") and b"Learning curve of g" in picture.body


@check
def a_job_is_its_steps(d):
    """Full batches without noise: the same bits as so many steps one by one, also where it goes on."""
    make(d)
    make(d, "twin")
    data(d, "xor", **TABLE)
    rule = {"optimizer": {"Adam": {"lr": 0.05}}, "schedule": {"exponential": {"gamma": 0.9}}, "clip": {"norm": 0.1}}
    for _ in range(7):
        step(d, "twin", **rule)
    train(d, data="xor", steps=4, **rule)
    train(d, data="xor", steps=3, **{**rule, "continue": True})
    assert parameters(d)["parameters"] == parameters(d, "twin")["parameters"]
    assert step(d, **rule)["step"] == 8
    train(d, data="xor", steps=3, **rule)  # without it: anew
    assert step(d, **rule)["step"] == 4


@check
def a_job_learns_digits(d):
    """Accuracy on a fifth held out; early stopping; events tell of it meanwhile."""
    make(d, graph=DIGITS)
    digits(d)
    i = job(d, data="digits", epochs=60, batch=32, seed=1, optimizer={"Adam": {"lr": 0.001}},
            validation={"share": 0.2, "accuracy": {"output": "net", "target": "y"}}, early_stopping={"patience": 8})
    events = d.ask("GET", f"/v1/jobs/{i}/events", timeout=200).body.decode()
    assert '"at":{"epoch":' in events and '"best_validation":' in events, events[:500]
    assert ended(d, i)["state"] == "done"
    got = d.ask("GET", f"/v1/jobs/{i}/result").json()
    assert got["best"]["accuracy"] >= 0.95, got["best"]
    assert d.ask("GET", f"/v1/jobs/{i}/result", headers={"Accept": "image/svg+xml"}).body.startswith(b"<svg")


@check
def losses_take_turns(d):
    """Two Adams, annealed noise, fresh z: the same seed, the same bits; another one, others."""
    ring(d)
    seen = []
    for seed in (11, 11, 12):
        make(d, f"n{len(seen)}", NOISY)
        got = train(d, f"n{len(seen)}", steps=30, **{**GAN, "seed": seed})
        assert set(got["curve"][0]["losses"]) == {"D", "G"}
        seen.append(parameters(d, f"n{len(seen)}")["parameters"])
    assert seen[0] == seen[1] != seen[2]


@check
def readers_while_a_job_runs(d):
    make(d)
    data(d, "xor", **TABLE)
    i = job(d, data="xor", steps=200000, optimizer={"Adam": {"lr": 0.01}})
    assert wait_until(lambda: d.ask("GET", f"/v1/jobs/{i}").json()["progress"]["done"] > 0)
    revisions = []
    assert wait_until(lambda: revisions.append(parameters(d)["revision"]) or revisions[-1] > revisions[0] + 100, 60)
    assert revisions == sorted(revisions)
    refused(train(d, status=409, data="xor", steps=1, optimizer="Adam"), 409, "graph_busy")
    refused(step(d, status=409), 409, "graph_busy")
    waits = job(d, data="xor", steps=1, optimizer="Adam", if_busy="wait")
    assert d.ask("PATCH", "/v1/graphs/g/parameters", {"parameters": {"net.2.bias": [0.25]}}).status == 200
    assert d.ask("DELETE", f"/v1/jobs/{i}").status == 200  # cancelled: what was learned stays
    assert ended(d, waits)["state"] == "done"
    assert step(d)["step"] == 2
    i = job(d, data="xor", steps=10000000, optimizer={"Adam": {"lr": 0.01}})
    assert wait_until(lambda: d.ask("GET", f"/v1/jobs/{i}").json()["progress"]["done"] > 0)
    d.ask("DELETE", "/v1/graphs/g")
    got = ended(d, i)
    assert got["state"] == "failed" and got["problem"]["code"] == "unknown_graph", got
    assert "deleted after" in got["problem"]["detail"], got


@check
def numbers_that_end(d):
    """A rate that grows until nothing is finite: the job says at which step, and the last good state stays."""
    make(d)
    data(d, "xor", **TABLE)
    i = job(d, data="xor", steps=5000, optimizer={"SGD": {"lr": 0.1}}, schedule={"exponential": {"gamma": 3}})
    got = ended(d, i)
    assert got["state"] == "failed" and got["problem"]["code"] == "not_finite", got
    n = int(got["problem"]["detail"].split(":")[0].removeprefix("step "))
    assert n == got["progress"]["done"] + 1 > 2, got
    assert parameters(d)["revision"] == n + 1  # made, cleared, n - 1 steps
    assert d.ask("POST", "/v1/graphs/g/loss", {"inputs": TABLE}).status == 200
    curve = d.ask("GET", got["links"]["result"]).json()
    assert curve["steps"] == n - 1 == len(curve["curve"]) and curve["failure"]["code"] == "not_finite", curve
    assert curve["failure"]["detail"] == got["problem"]["detail"]
    picture = d.ask("GET", got["links"]["result"], headers={"Accept": "image/svg+xml"}).body.decode()
    assert picture.startswith("<svg") and f"ended after step {n - 1}: not_finite" in picture and "nan" not in picture


@check
def cancelled_the_curve_stays(d):
    make(d)
    data(d, "xor", **TABLE)
    i = job(d, data="xor", steps=10000000, optimizer={"Adam": {"lr": 0.01}})
    assert wait_until(lambda: d.ask("GET", f"/v1/jobs/{i}").json()["progress"]["done"] > 0)
    refused(d.ask("GET", f"/v1/jobs/{i}/result"), 409, "no_result")
    assert d.ask("DELETE", f"/v1/jobs/{i}").json()["state"] == "cancelled"
    assert wait_until(lambda: "result" in d.ask("GET", f"/v1/jobs/{i}").json()["links"])
    got = d.ask("GET", f"/v1/jobs/{i}/result").json()
    assert got["failure"]["code"] == "cancelled" and got["steps"] == parameters(d)["revision"] - 2 > 0, got
    assert d.ask("DELETE", f"/v1/jobs/{i}").status == 204
    assert d.ask("GET", f"/v1/jobs/{i}/result").status == 404


@check
def the_same_graph_by_another_path(d):
    make(d)
    data(d, "xor", **TABLE)
    i = job(d, data="xor", steps=10000000, optimizer={"Adam": {"lr": 0.01}})
    ask = {"data": "xor", "steps": 1, "optimizer": "Adam"}
    for path in ("g", "%67"):
        for headers in (None, {"Prefer": "respond-async"}):
            refused(d.ask("POST", f"/v1/graphs/{path}/train", ask, headers), 409, "graph_busy")
    d.ask("DELETE", f"/v1/jobs/{i}")


@check
def bad_jobs(d):
    make(d)
    data(d, "xor", **TABLE)
    data(d, "short", x=[[0, 1]])
    data(d, "wrong", a=[[0, 1]], t=[[0]])
    data(d, "wide", x=[[0, 1, 2]], t=[[0]])
    make(d, "digits", DIGITS)
    data(d, "labels", x=[[0.5] * 64] * 3, y=[1, 2, 10])
    good = {"data": "xor", "steps": 3, "optimizer": "Adam"}
    for status, code, pointer, change in (
            (404, "unknown_dataset", "/data", {"data": "none"}),
            (404, "unknown_dataset", "/data/train", {"data": {"train": "none", "validation": "xor"}}),
            (404, "unknown_dataset", "/data/validation", {"data": {"train": "xor", "validation": "none"}}),
            (400, "wrong_type", "/data", {"data": 3}),
            (400, "missing_input", "/inputs/t", {"data": "short"}),
            (400, "shape_mismatch", "/inputs/x", {"data": "wide"}),
            (400, "missing_key", None, {"steps": None}),
            (400, "missing_key", None, {"epochs": 3}),
            (400, "missing_key", None, {"optimizer": None}),
            (400, "bad_value", "/batch", {"batch": 0}),
            (400, "bad_value", "/steps", {"steps": 2**31}),
            (400, "bad_value", "/steps", {"steps": 2**31 - 1}),
            (413, "limit", "/steps", {"steps": 10**8}),
            (400, "bad_value", "/epochs", {"steps": None, "epochs": 2**31 - 1}),
            (400, "unknown_reference", "/inputs/x", {"inputs": {"x": "y"}}),
            (400, "unknown_input", "/inputs/u", {"inputs": {"u": "x"}}),
            (400, "unknown_input", "/scalars/s", {"scalars": {"s": "1"}}),
            (400, "formula_syntax", "/scalars/s", {"scalars": {"s": "1 +"}}),
            (400, "bad_form", "/optimizer", {"losses": [{"optimizer": "Adam"}]}),
            (400, "missing_key", "/losses/0", {"losses": [{}], "optimizer": None}),
            (400, "wrong_type", "/losses", {"losses": [], "optimizer": None}),
            (400, "unknown_reference", "/losses/1/loss", {"losses": [{"loss": k, "optimizer": "Adam"} for k in ("loss", "G")], "optimizer": None}),
            (400, "no_match", "/losses/0/wrt/0", {"losses": [{"loss": "loss", "optimizer": "Adam", "wrt": ["gen.*"]}], "optimizer": None}),
            (400, "bad_argument", "/losses/0/optimizer/SGD/lr", {"losses": [{"loss": "loss", "optimizer": {"SGD": {"lr": -1}}}], "optimizer": None}),
            (400, "no_match", "/wrt/0", {"wrt": ["gen.*"]}),
            (400, "bad_value", "/wrt", {"wrt": []}),
            (400, "bad_value", "/early_stopping/patience", {"validation": {"share": 0.5}, "early_stopping": {"patience": 0}}),
            (400, "bad_value", "/checkpoints", {"validation": {"share": 0.5}, "checkpoints": {"best": "a", "latest": "a", "every": 1}}),
            (400, "bad_name", "/checkpoints/latest", {"checkpoints": {"latest": "a b", "every": 1}}),
            (400, "unknown_reference", "/validation/loss", {"validation": {"share": 0.5, "loss": "G"}}),
            (400, "unknown_reference", "/validation/accuracy/output", {"validation": {"share": 0.5, "accuracy": {"output": "o", "target": "t"}}}),
            (400, "unknown_input", "/validation/accuracy/target", {"validation": {"share": 0.5, "accuracy": {"output": "net", "target": "o"}}}),
            (400, "bad_value", "/validation/share", {"validation": {"share": 2}}),
            (400, "bad_value", "/validation/share", {"validation": {"share": 0.1}}),
            (400, "missing_key", "/validation", {"validation": {"every": 2}}),
            (400, "missing_key", "/early_stopping", {"early_stopping": {"patience": 2}}),
            (400, "missing_key", "/checkpoints", {"checkpoints": {"best": "b"}}),
            (400, "bad_value", "/checkpoints/latest", {"checkpoints": {"latest": "g", "every": 1}}),
            (400, "unknown_reference", "/loss", {"loss": "none"}),
            (400, "bad_value", "/if_busy", {"if_busy": "maybe"}),
            (400, "bad_argument", "/optimizer/Adam/lr", {"optimizer": {"Adam": {"lr": -1}}})):
        body = {k: v for k, v in {**good, **change}.items() if v is not None}
        for headers in (None, {"Prefer": "respond-async"}):
            r = d.ask("POST", "/v1/graphs/g/train", body, headers)
            try:
                refused(r, status, code, pointer)
            except (AssertionError, KeyError) as why:
                raise AssertionError(f"{change}: {why}") from None
    got = train(d, "g", 400, **{**good, "data": "wrong"})
    assert got["detail"].endswith("input x is needed and was not given; wrong has a, t"), got
    got = train(d, "digits", 400, data="labels", steps=2, batch=2, seed=5, optimizer="Adam")
    refused(got, 400, "bad_index", "/data")
    assert got["detail"].startswith("row 2 of labels, for the input y: class number 10"), got
    refused(train(d, "none", 404, **good), 404, "unknown_graph")


def run():
    only = sys.argv[1:]
    with Daemon() as d:
        for f in CHECKS:
            if only and f.__name__ not in only:
                continue
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


def taken_up_to_the_same_bits():
    """kill -9 in the middle, twice: the end is that of a job that was left alone, its learning curve too."""
    ask = {**GAN, "epochs": 700, "validation": {"share": 0.2, "every": 40}, "checkpoints": {"best": "best"}}
    with Daemon() as d:
        ring(d)
        make(d, graph=NOISY)
        wanted, result = job(d, **ask), None
        assert ended(d, wanted)["state"] == "done"
        result = d.ask("GET", f"/v1/jobs/{wanted}/result").json()
        wanted, best = parameters(d)["parameters"], parameters(d, "best")["parameters"]
    data_dir = tempfile.mkdtemp(prefix="nablad-")
    try:
        with Daemon(data=data_dir) as d:
            ring(d)
            make(d, graph=NOISY)
            i = job(d, **ask)
            time.sleep(0.5)
            d.kill()
        for _ in range(2):
            with Daemon(data=data_dir) as d:
                time.sleep(0.3)
                d.kill()
        with Daemon(data=data_dir) as d:
            assert ended(d, i)["state"] == "done", d.ask("GET", f"/v1/jobs/{i}").body
            got = d.ask("GET", f"/v1/jobs/{i}/result").json()
            assert parameters(d)["parameters"] == wanted and parameters(d, "best")["parameters"] == best
            for key in ("curve", "validation", "best", "steps"):
                assert got[key] == result[key], key
    finally:
        shutil.rmtree(data_dir)
    print("ok taken_up_to_the_same_bits", flush=True)


if __name__ == "__main__":
    run()
    if not sys.argv[1:]:
        survives_stop_and_kill()
        taken_up_to_the_same_bits()
