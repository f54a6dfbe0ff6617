"""What a system's run.py works with: a client, the system's graph, and the rows of the table it reports."""
import copy
import json
import pathlib
import time

import numpy

ZOO = pathlib.Path(__file__).resolve().parent


def slow(function):
    """Marks an experiment that takes more than about a second: zoo.py --fast leaves it out."""
    function.slow = True
    return function


class System:
    """The z of exact(z) and train(z)."""

    def __init__(self, name, client, fast=False, note=None):
        self.name, self.client, self.fast, self.note = name, client, fast, note
        self.path = ZOO / name
        self.graph_text = (self.path / "graph.json").read_text()
        self.rows, self.pictures, self.curves, self.nets = [], {}, {}, []
        self.since = time.monotonic()

    # ---- graphs ----

    @property
    def graph(self):
        """graph.json, a copy to be changed at will."""
        return json.loads(self.graph_text)

    def put(self, graph=None, seed=1, dtype=None, label="net"):
        """Stores a graph (the system's own) and gives the Net. It goes away when the system is done."""
        graph = copy.deepcopy(graph) if graph is not None else self.graph
        if dtype:
            graph["dtype"] = dtype
        net = self.client.put(f"zoo-{self.name}-{label}", graph, seed)
        self.nets.append(net)
        return net

    def random(self, seed=0):
        return numpy.random.default_rng(seed)

    def batches(self, count, size, epochs, seed=0):
        """Row numbers, shuffled anew in every epoch, for steps one by one."""
        random = self.random(seed)
        for _ in range(epochs):
            order = random.permutation(count)
            for i in range(0, count, size):
                yield order[i : i + size]

    def learn(self, net, columns, label="net", tests=None, **terms):
        """Training as a job over the columns, which become a data set (and the tests another): what POST .../train tells.
        The curve that the job draws is kept as a picture."""
        parts = {"train": columns, **({"validation": tests} if tests else {})}
        names = {part: f"zoo-{self.name}-{part}" for part in parts}
        for part, name in names.items():
            self.client.dataset(name, parts[part])
        job = net.train(names, **terms)
        for name in names.values():
            self.client.ask("DELETE", f"/v1/datasets/{name}")
        self.curves[label] = job.picture
        return job

    # ---- rows ----

    def row(self, what, measured, wanted, ok, kind="exact"):
        """A line of the table. What is not a number is no good."""
        now = time.monotonic()
        row = {"system": self.name, "kind": kind, "what": what, "measured": measured, "wanted": wanted, "ok": bool(ok),
               "seconds": now - self.since}
        self.since = now
        self.rows.append(row)
        if self.note:
            self.note(row)
        return row["ok"]

    def same(self, what, got, want, tolerance=0.0):
        """Exact: the largest difference is at most so much (0: the same bits)."""
        got, want = numpy.asarray(got, float), numpy.asarray(want, float)
        error = numpy.inf if got.shape != want.shape else float(numpy.max(numpy.abs(got - want), initial=0))
        return self.row(what, f"error {error:.2g}", f"<= {tolerance:g}", error <= tolerance)

    def at_most(self, what, got, limit, kind="trained"):
        return self.row(what, f"{got:.6g}", f"<= {limit:g}", got <= limit, kind)

    def near(self, what, got, wanted, room, kind="trained"):
        """A number that is known roughly."""
        return self.row(what, f"{got:.5g}", f"{wanted:g} +- {room:g}", abs(got - wanted) <= room, kind)

    def at_least(self, what, got, limit, kind="trained"):
        return self.row(what, f"{got:.6g}", f">= {limit:g}", got >= limit, kind)

    def true(self, what, holds, measured=None, kind="exact"):
        return self.row(what, measured or ("yes" if holds else "no"), "yes", holds, kind)

    def checked(self, net, orders=(1, 2), what="gradient check", **terms):
        """The service's own check of the whole graph; order 2 where it is smooth."""
        for order in orders:
            got = net.check(order=order, **{"seed": "2a", **terms})
            self.row(f"{what}, order {order}", said(got), "right", is_right(got, order), "check")

    def keep(self, name, **arrays):
        """Numbers a picture can be made of: z.keep("loss", curve=losses)."""
        self.pictures[name] = {k: numpy.asarray(v) for k, v in arrays.items()}


def silent(got):
    """Tensors to which nothing reacts."""
    return [name for name, t in got["tensors"].items() if t.get("reason") == "silent"]


def is_right(got, order):
    """A second derivative may well be 0, as of a bias behind which all is linear: there is nothing to tell then."""
    rest = [t["verdict"] for name, t in got["tensors"].items() if order == 1 or name not in silent(got)]
    return got["verdict"] == "right" or (order == 2 and bool(rest) and all(v == "right" for v in rest))


def said(got):
    """The verdict of a check in a few words."""
    if got["verdict"] == "wrong" or (got["verdict"] != "right" and not is_right(got, 2)):
        return got.get("summary", got["verdict"])[:120]
    zero = silent(got)
    power = (got.get("power") or {}).get("worst")
    parts = ["right", f"power {power:.0e}" if power else "", f"0 in {len(zero)} of {len(got['tensors'])}" if zero else ""]
    return ", ".join(filter(None, parts))
