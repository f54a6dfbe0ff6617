#!/usr/bin/env python3
"""The zoo, as far as it is fast: every row holds. And rows can fail: with numbers that are slightly wrong, some do."""
import contextlib
import io
import json
import os
import pathlib
import sys

import with_numpy  # noqa: F401
import numpy

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parent.parent)
sys.path.insert(0, str(TOP / "examples" / "zoo"))
import client  # noqa: E402
import rows  # noqa: E402
import zoo  # noqa: E402


def all_hold(c):
    for name in zoo.names():
        z = zoo.run(name, c, fast=True)
        yield from (f"{name}: {row['what']}: {row['measured']}, wanted {row['wanted']}" for row in z.rows if not row["ok"])


def off(value):
    if isinstance(value, tuple):
        return tuple(map(off, value))
    if isinstance(value, dict):
        return {k: off(v) for k, v in value.items()}
    return value * (1 + 0.03 * numpy.cos(numpy.arange(value.size))).reshape(value.shape) if value.dtype.kind == "f" else value


@contextlib.contextmanager
def disturbed():
    """The entries of every tensor that comes back are up to 3 % off, each by another share."""
    kept = {name: getattr(client.Net, name) for name in ("forward", "backward", "parameters")}
    for name, method in kept.items():
        setattr(client.Net, name, lambda *a, method=method, **k: off(method(*a, **k)))
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(client.Net, name, method)


def a_wrong_number_shows(c):
    for name in zoo.names():
        quiet = io.StringIO()
        with disturbed(), contextlib.redirect_stdout(quiet):
            z = zoo.run(name, c, fast=True)
        if all(row["ok"] for row in z.rows):
            yield f"{name}: every reply was up to 3 % off, and no row failed"


def a_wrong_weight_shows(c):
    """One learned tensor of XOR by hand is another."""
    put = client.Net.set
    client.Net.set = lambda net, tensors: put(net, {k: v + 0.25 if k == "net.0.bias" else v for k, v in tensors.items()})
    with contextlib.redirect_stdout(io.StringIO()):
        z = zoo.run("mlp", c, fast=True)
    client.Net.set = put
    broken = [row["what"] for row in z.rows if not row["ok"]]
    if "XOR by hand" not in broken:
        yield f"mlp: a bias was changed, and only {broken} failed"


def no_number_is_no_success(_):
    z = rows.System("mlp", None)
    nan = float("nan")
    if z.same("nan", nan, 0) or z.at_most("nan", nan, 1) or z.at_least("nan", nan, 1) or z.same("shape", [1, 1], 1):
        yield "nan, or another shape, is taken for a success"


def the_program_has_them_all(c):
    """GET /v1/zoo lists the folders, with what stands in them; one call stores a graph."""
    listed = {s["name"]: s for s in c.ask("GET", "/v1/zoo")["systems"]}
    if sorted(listed) != zoo.names():
        yield f"the program has {sorted(listed)}, examples/zoo {zoo.names()}: mend examples/zoo/zoo.am"
    for name in set(listed) & set(zoo.names()):
        graph, about = (json.loads((zoo.ZOO / name / f).read_text()) for f in ("graph.json", "about.json"))
        if listed[name] != {"name": name, **about, "inputs": graph["inputs"]}:
            yield f"{name}: listed as {listed[name]}"
        c.ask("POST", f"/v1/zoo/{name}?name=test-{name}&seed=7")
        if c.ask("GET", f"/v1/graphs/test-{name}")["graph"] != graph:
            yield f"{name}: the program has another graph: build again"
        c.ask("DELETE", f"/v1/graphs/test-{name}")


def bad_requests(c):
    for path, code in (("dodo", "unknown_path"), ("mlp?nmae=x", "bad_parameter"), ("mlp?name=a/b", "bad_name"), ("mlp?seed=xyz", "bad_value")):
        try:
            c.ask("POST", f"/v1/zoo/{path}")
            yield f"POST /v1/zoo/{path} was taken"
        except client.Problem as problem:
            if problem.about["code"] != code:
                yield f"POST /v1/zoo/{path}: {problem}"


TESTS = (the_program_has_them_all, bad_requests, no_number_is_no_success, a_wrong_weight_shows, a_wrong_number_shows, all_hold)


def main():
    with zoo.service() as url, client.Client(url) as c:
        wrong = [line for test in TESTS for line in test(c)]
    print("\n".join(wrong) or "all good")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
