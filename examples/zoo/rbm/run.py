"""Restricted Boltzmann machine: the identity behind contrastive divergence, enumeration, samples, likelihoods."""
import itertools
import json

import data
import numpy as np
from rows import slow


def machine(graph, visible, hidden):
    """The graph with other numbers of units."""
    sizes = {64: visible, 14: hidden}
    change = lambda x: [sizes.get(v, v) if isinstance(v, int) else v for v in x] if isinstance(x, list) else x
    for shapes in (graph["inputs"], graph["modules"]["F"]["inputs"]):
        for name, shape in shapes.items():
            shapes[name] = {**shape, "shape": change(shape["shape"])} if isinstance(shape, dict) else change(shape)
    for node in graph["modules"]["F"]["nodes"].values():
        if "shape" in node:
            node["shape"] = change(node["shape"])
    return json.loads(json.dumps(graph))


def states(units):
    return np.array(list(itertools.product((0.0, 1), repeat=units)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def free_energy(p, v):
    return -v @ p["pos.b"] - np.logaddexp(0, v @ p["pos.W"].T + p["pos.c"]).sum(1)


def log_z(p):
    """Over all hidden states."""
    hidden = states(len(p["pos.c"]))
    terms = hidden @ p["pos.c"] + np.logaddexp(0, hidden @ p["pos.W"] + p["pos.b"]).sum(1)
    return np.logaddexp.reduce(terms)


def likelihood(net, v):
    p = {k: np.float64(a) for k, a in net.parameters().items()}
    return -free_energy(p, v).mean() - log_z(p)


def phases(p, v, weights=None):
    """<h v^T>, <v>, <h> with the probabilities of h."""
    weights = np.full(len(v), 1 / len(v)) if weights is None else weights
    h = sigmoid(v @ p["pos.W"].T + p["pos.c"])
    return {"pos.W": (h * weights[:, None]).T @ v, "pos.b": weights @ v, "pos.c": weights @ h}


def exact(z):
    random = z.random()
    net = z.put(machine(z.graph, 9, 5), dtype="float64")
    net.set({"pos.W": random.normal(size=(5, 9)), "pos.b": random.normal(size=9), "pos.c": random.normal(size=5)})
    v = np.float64(random.random((6, 9)) < 0.5)
    point = {"v0": v, "start": v, "uh": random.random((6, 5)), "uv": random.random((6, 9))}
    got, out = net.backward(point, loss="loss", wrt=["pos.*"], outputs=["v1"])
    data_, model = phases(net.parameters(), v), phases(net.parameters(), out["v1"])
    for name in data_:
        z.same(f"CD-1, {name}: negative minus positive phase", got[name], model[name] - data_[name], 1e-15)
    z.checked(net, loss="loss", wrt=["pos.*"], inputs=point)


def exact_partition(z):
    """The log-likelihood itself, all hidden states in one formula."""
    random, units = z.random(1), 10 if z.fast else 16
    graph = {"inputs": {"v": ["B", units], "H": ["S", units]}, "outputs": ["loss"], "dtype": "float64",
             "nodes": {"W": {"op": "Parameter", "shape": [units, units]}, "b": {"op": "Parameter", "shape": [units]},
                       "c": {"op": "Parameter", "shape": [units]},
                       "lnz": {"expr": "logsumexp(H@c + sum(softplus(linear(H, transpose(W), b)), -1))"},
                       "loss": {"expr": "mean(sum(v*b, -1) + sum(softplus(linear(v, W, c)), -1)) - lnz"}}}
    net = z.put(graph, label="partition")
    p = {"W": random.normal(size=(units, units)) / 4, "b": random.normal(size=units) / 4, "c": random.normal(size=units) / 4}
    net.set(p)
    v = np.float64(random.random((20, units)) < 0.5)
    got = net.backward({"v": v, "H": np.float32(states(units))}, loss="loss", wrt=["W", "b", "c"], outputs=[])[0]
    p = {f"pos.{k}": a for k, a in p.items()}
    everything = states(units)
    energies = -free_energy(p, everything)
    weights = np.exp(energies - energies.max())
    model = phases(p, everything, weights / weights.sum())
    for name, positive in phases(p, v).items():
        z.same(f"{units} x {units} units, all states: gradient of {name}", got[name[4:]], positive - model[name], 1e-14)


@slow
def exact_samples(z):
    random = z.random(2)
    net = z.put(machine(z.graph, 3, 2), dtype="float64", label="small")
    net.set({"pos.W": random.normal(size=(2, 3)), "pos.b": random.normal(size=3), "pos.c": random.normal(size=2)})
    v, seen = np.float64(random.random((2000, 3)) < 0.5), np.zeros(8)
    for i in range(120):
        v = net.forward({"start": v}, outputs=["v1"], seed=i + 1)["v1"]
        if i >= 20:
            seen += np.bincount(np.int64(v @ [4, 2, 1]), minlength=8)
    p = np.exp(-free_energy(net.parameters(), states(3)))
    z.at_most("3 x 2 units, 2e5 sweeps: total variation", np.abs(seen / seen.sum() - p / p.sum()).sum() / 2, 0.01, "exact")


def walk(z, net, batches, steps, persistent, chains):
    """Rate 0.1 with linear decay."""
    rate, losses = {"linear": {"steps": steps}}, []
    start = np.float32(z.random(5).random((chains, len(net.parameters()["pos.b"]))) < 0.5) if persistent else None
    for i, v in zip(range(steps), batches):
        got = net.step({"v0": v, "start": start if persistent else v}, {"SGD": {"lr": 0.1}}, schedule=rate, seed=i + 1,
                       outputs=["v1"] if persistent else [])
        start = np.float32(got["outputs"]["v1"]) if persistent else None
        losses.append(got["loss"])
    return losses


@slow
def train_bars(z):
    patterns = np.float32(data.bars_and_stripes()["v"])
    batch, results = np.tile(patterns, (4, 1)), {}
    for name, steps, persistent in (("PCD-1", 8000, True), ("CD-1", 4000, False)):
        net = z.put(machine(z.graph, 16, 16), label="bars")
        net.set({"pos.W": np.float32(z.random(3).normal(size=(16, 16)) * 0.1), "pos.b": np.zeros(16, "f4"), "pos.c": np.zeros(16, "f4")})
        walk(z, net, itertools.repeat(batch), steps, persistent, 120)
        results[name] = likelihood(net, patterns)
        if persistent:
            z.at_least(f"bars and stripes, {name}, {steps} steps: log-likelihood", results[name], -4.2)
            z.at_most("and no better than can be", results[name], -np.log(30), "exact")
            z.keep("bars", W=net.parameters()["pos.W"])
    z.row("bars and stripes, CD-1, 4000 steps: log-likelihood", f"{results['CD-1']:.3f}", "shown, not judged", True, "trained")


def shuffled(z, rows):
    return (rows[k] for k in z.batches(len(rows), 100, 1000) if len(k) == 100)


@slow
def train_digits(z):
    train, test = (np.float32(data.digits(part, binarised=True)["x"]) for part in ("train", "test"))
    mean = np.clip(train.mean(0), 0.01, 0.99)
    for hidden, persistent, steps in ((14, True, 6000), (64, False, 4000)):
        net = z.put(machine(z.graph, 64, hidden), label=f"digits{hidden}")
        net.set({"pos.b": np.log(mean / (1 - mean)), "pos.c": np.zeros(hidden, "f4")})
        walk(z, net, shuffled(z, train), steps, persistent, 100)
        z.keep(f"digits{hidden}", W=net.parameters()["pos.W"])
        if persistent:
            z.at_least(f"digits, {hidden} hidden, PCD-1: test log-likelihood", likelihood(net, np.float64(test)), -21)
        else:
            p = net.parameters()
            back = np.clip(sigmoid(sigmoid(test @ p["pos.W"].T + p["pos.c"]) @ p["pos.W"] + p["pos.b"]), 1e-7, 1 - 1e-7)
            z.at_most(f"digits, {hidden} hidden, CD-1: reconstruction, nats per pixel",
                      -np.mean(test * np.log(back) + (1 - test) * np.log(1 - back)), 0.20)
