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


def coins(z, chains, units):
    return np.float32(z.random(5).random((chains, units)) < 0.5)


def walk(net, batches, steps, start):
    """PCD: the chains go on where they were. Rate 0.1 with linear decay."""
    rate = {"linear": {"steps": steps}}
    for i, v in zip(range(steps), batches):
        got = net.step({"v0": v, "start": start}, {"SGD": {"lr": 0.1}}, schedule=rate, seed=i + 1, outputs=["v1"])
        start = np.float32(got["outputs"]["v1"])


def longer(graph, steps):
    """CD-k: a scan of k Gibbs steps where the graph has one."""
    p = graph["inputs"]["start"]
    hidden, visible = graph["inputs"]["uh"]["shape"], graph["inputs"]["uv"]["shape"]
    noise = {name: {"shape": [steps, *shape], "sample": "uniform"} for name, shape in (("uh", hidden), ("uv", visible))}
    weights = {"W": [hidden[1], visible[1]], "b": [visible[1]], "c": [hidden[1]]}
    graph["modules"]["Gibbs"] = {
        "inputs": {"uh": hidden, "uv": visible, "v": p, **weights},
        "nodes": {"h": {"expr": "step(sigmoid(linear(v, W, c)) - uh)"},
                  "next": {"expr": "step(sigmoid(linear(h, transpose(W), b)) - uv)"}}, "outputs": {"v": "next"}}
    graph["inputs"] |= noise
    graph["nodes"] = {"pos": graph["nodes"]["pos"], "neg": graph["nodes"]["neg"], "loss": graph["nodes"]["loss"],
                      "chain": {"scan": "Gibbs", "over": {"uh": "uh", "uv": "uv"}, "dim": 0, "carry": {"v": "start"},
                                "in": {name: f"pos.{name}" for name in weights}},
                      "v1": {"expr": "chain.last.v"}}
    graph["outputs"] = ["loss", "v1"]
    return graph


def diverge(z, net, rows, label, batch, steps):
    """CD as a job: the chains start at the data. Rate 0.1 with linear decay."""
    z.learn(net, {"v": rows}, label, steps=steps, batch=batch, inputs={"v0": "v", "start": "v"}, optimizer={"SGD": {"lr": 0.1}},
            schedule={"linear": {"steps": steps}})


@slow
def train_bars(z):
    patterns = np.float32(data.bars_and_stripes()["v"])
    batch = np.tile(patterns, (4, 1))

    def fresh(graph):
        net = z.put(graph, label="bars")
        net.set({"pos.W": np.float32(z.random(3).normal(size=(16, 16)) * 0.1), "pos.b": np.zeros(16, "f4"), "pos.c": np.zeros(16, "f4")})
        return net

    net = fresh(machine(z.graph, 16, 16))
    z.near("bars and stripes, at the start: log-likelihood", likelihood(net, patterns), -11.18, 0.15)
    walk(net, itertools.repeat(batch), 8000, coins(z, 120, 16))
    found = likelihood(net, patterns)
    z.at_least("bars and stripes, PCD-1, 8000 steps: log-likelihood", found, -4.2)
    z.at_most("and no better than can be", found, -np.log(30), "exact")
    z.keep("bars", W=net.parameters()["pos.W"])
    for k, steps, known in ((1, 4000, -4.93), (10, 2000, -5.75)):
        net = fresh(machine(z.graph, 16, 16) if k == 1 else longer(machine(z.graph, 16, 16), k))
        diverge(z, net, batch, f"bars-CD-{k}", 120, steps)
        z.near(f"bars and stripes, CD-{k}, {steps} steps, a job: log-likelihood", likelihood(net, patterns), known, 0.4)


# ---- annealed importance sampling ----------------------------------------------------------------------------------


ANNEAL = {  # from independent pixels, whose ln Z is known, to the machine: chains that warm up, and the weights they collect
    "inputs": {"v": ["C", "V"], "lw": ["C"], "old": ["K"], "new": ["K"], "W": ["H", "V"], "b": ["V"], "c": ["H"], "base": ["V"]},
    "modules": {"Warm": {
        "inputs": {"uh": ["C", "H"], "uv": ["C", "V"], "old": [], "new": [], "v": ["C", "V"], "lw": ["C"],
                   "W": ["H", "V"], "b": ["V"], "c": ["H"], "base": ["V"]},
        "nodes": {
            "a": {"expr": "linear(v, W, c)"},
            "lw1": {"expr": "lw + (new - old)*sum(v*(b - base), -1) + sum(softplus(new*a), -1) - sum(softplus(old*a), -1)"},
            "h": {"expr": "step(sigmoid(new*a) - uh)"},
            "v1": {"expr": "step(sigmoid((1 - new)*base + new*linear(h, transpose(W), b)) - uv)"}},
        "outputs": {"v": "v1", "lw": "lw1"}}},
    "nodes": {"run": {"scan": "Warm", "over": {name: name for name in ("uh", "uv", "old", "new")}, "dim": 0,
                      "carry": {"v": "v", "lw": "lw"}, "in": {name: name for name in ("W", "b", "c", "base")}}},
    "outputs": ["run.last.v", "run.last.lw"],
}


def annealed(z, p, base, chains, temperatures, seed, piece=100):
    """An estimate of ln Z (Salakhutdinov, Murray 2008), so many temperatures in a request."""
    hidden, visible = p["pos.W"].shape
    noise = {name: {"shape": [piece, chains, size], "sample": "uniform"} for name, size in (("uh", hidden), ("uv", visible))}
    net = z.put({**ANNEAL, "inputs": ANNEAL["inputs"] | noise}, label="anneal")
    beta = np.linspace(0, 1, temperatures + 1, dtype="f4")
    fixed = {"W": p["pos.W"], "b": p["pos.b"], "c": p["pos.c"], "base": base}
    v, lw = np.float32(z.random(seed).random((chains, visible)) < sigmoid(base)), np.zeros(chains, "f4")
    for k in range(0, temperatures, piece):
        got = net.forward({**fixed, "v": v, "lw": lw, "old": beta[k : k + piece], "new": beta[k + 1 : k + piece + 1]}, seed=1000 * seed + k)
        v, lw = got["run.last.v"], got["run.last.lw"]
    known = np.logaddexp(0, base).sum() + hidden * np.log(2)
    return known + np.logaddexp.reduce(lw.astype(float)) - np.log(chains)


def exact_annealing(z):
    """A small machine: annealed importance sampling against all states."""
    random = z.random(4)
    p = {"pos.W": random.normal(size=(5, 9)), "pos.b": random.normal(size=9), "pos.c": random.normal(size=5)}
    got = annealed(z, p, np.zeros(9), 200, 200, 1)
    z.at_most("9 x 5 units: ln Z by annealed importance sampling, off by", abs(got - log_z(p)), 0.1, "exact")


def shuffled(z, rows):
    return (rows[k] for k in z.batches(len(rows), 100, 1000) if len(k) == 100)


@slow
def train_digits(z):
    train, test = (np.float32(data.digits(part, binarised=True)["x"]) for part in ("train", "test"))
    mean = np.clip(train.mean(0), 0.01, 0.99)
    for hidden, persistent, steps in ((14, True, 6000), (14, False, 6000), (64, False, 4000)):
        net = z.put(machine(z.graph, 64, hidden), label=f"digits{hidden}")
        net.set({"pos.b": np.log(mean / (1 - mean)), "pos.c": np.zeros(hidden, "f4")})
        name = "PCD-1" if persistent else "CD-1"
        if persistent:
            walk(net, shuffled(z, train), steps, coins(z, 100, 64))
        else:
            diverge(z, net, train, f"digits-{hidden}-hidden-{name}", 100, steps)
        if hidden == 14:
            z.at_least(f"digits, 14 hidden, {name}, {steps} steps: test log-likelihood", likelihood(net, np.float64(test)), -21)
        if persistent:
            z.keep(f"digits{hidden}", W=net.parameters()["pos.W"])
            p = net.parameters()
            off = [annealed(z, p, np.float32(np.log(mean / (1 - mean))), 200, 2000, seed) - log_z({k: np.float64(a) for k, a in p.items()})
                   for seed in range(1, 5)]
            z.at_most("... ln Z by annealed importance sampling, 4 runs, off by", np.abs(off).max(), 0.1)
        if hidden == 64:
            p = net.parameters()
            back = np.clip(sigmoid(sigmoid(test @ p["pos.W"].T + p["pos.c"]) @ p["pos.W"] + p["pos.b"]), 1e-7, 1 - 1e-7)
            z.at_most(f"digits, {hidden} hidden, CD-1: reconstruction, nats per pixel",
                      -np.mean(test * np.log(back) + (1 - test) * np.log(1 - back)), 0.20)
