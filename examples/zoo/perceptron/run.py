"""Perceptron: logical gates with known ends, XOR for ever, separable points within the bound."""
import data
import numpy as np
from rows import slow

SGD = {"SGD": {"lr": 1}}


def epoch(net, x, y, **terms):
    """One sample at a time; how many mistakes."""
    return sum(net.step({"x": x[i : i + 1], "y": y[i : i + 1]}, SGD, **terms)["gradient_norm"] > 0 for i in range(len(x)))


def gates(z):
    graph = z.graph
    graph["inputs"]["x"] = ["B", 2]
    return z.put(graph, dtype="float64")


def weights(net):
    p = net.parameters()
    return [*p["s.bias"], *p["s.weight"][0]]


def exact(z):
    for name, updates, end in (("and", 18, (-4, 3, 2)), ("or", 9, (-1, 2, 2)), ("nand", 18, (4, -3, -2))):
        net, points, seen = gates(z), data.gate(name), []
        while len(seen) < 50 and (not seen or seen[-1]):
            seen.append(epoch(net, np.array(points["x"]), np.array(points["sign"])))
        z.same(f"{name.upper()}: updates", sum(seen), updates)
        z.same(f"{name.upper()}: bias and weights at the end", weights(net), end)
    net = z.put(dtype="float64")
    net.set({"s.weight": z.random().normal(size=(1, 5)), "s.bias": np.ones(1)})  # away from the kink at 0
    z.checked(net, orders=(1,), loss="loss", wrt=["s.*", "x"])


def exact_xor(z):
    net, points = gates(z), data.gate("xor")
    seen = [(epoch(net, np.array(points["x"]), np.array(points["sign"])), *weights(net)) for _ in range(20)]
    z.same(f"XOR, {len(seen)} epochs: 4 mistakes each, weights 0 again", seen, [(4, 0, 0, 0)] * len(seen))


@slow
def exact_xor_for_ever(z):
    """The same as a job: whole epochs between two points of the curve, so all of it is one value."""
    net, points = gates(z), data.gate("xor")
    columns = {"x": np.float64(points["x"]), "y": np.float64(points["sign"])}
    job = z.learn(net, columns, "xor", epochs=10000, batch=1, shuffle=False, optimizer=SGD)
    curve = [point["losses"]["loss"] for point in job.result["curve"]]
    z.same(f"XOR, {job.result['epochs']} epochs, a job: bias and weights", weights(net), [0, 0, 0])
    z.same("... and as many mistakes at the end as at the start", curve, [curve[0]] * len(curve))


def train(z):
    for seed in range(1 if z.fast else 5):
        points, w = data.separable(seed=seed)
        x, y = np.array(points["x"]), np.array(points["y"])
        net, seen = z.put(dtype="float64"), []
        while len(seen) < 50 and (not seen or seen[-1]):
            seen.append(epoch(net, x, y, wrt=["s.weight"]))
        bound = (np.max(np.linalg.norm(x, axis=1)) / np.min(y[:, 0] * (x @ w))) ** 2
        z.at_most(f"separable points, seed {seed}: updates in {len(seen)} epochs", sum(seen), round(bound, 1))
        z.same("and no mistake then", seen[-1], 0)
    z.keep("separable", x=x, y=y, w=weights(net)[1:], mistakes=seen)
