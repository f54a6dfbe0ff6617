"""Modern Hopfield net: the step is the slope of the energy and attention; recall in one step."""
import numpy as np


def point(z, states=3, count=5, units=7):
    random = z.random()
    return {"s": random.normal(size=(states, units)), "X": random.normal(size=(count, units)), "beta": 0.7}


def exact(z):
    net, p = z.put(dtype="float64"), point(z)
    gradients, out = net.backward(p, loss="energy", wrt=["s"], outputs=["next", "energy"])
    z.same("dE/ds = s - next", gradients["s"], p["s"] - out["next"], 1e-14)
    energy = [float(out["energy"])]
    for _ in range(20):
        p["s"] = net.forward(p, outputs=["next"])["next"]
        energy.append(float(net.forward(p, outputs=["energy"])["energy"]))
    z.true("the energy never rises", max(np.diff(energy)) <= 1e-14 and energy[-1] < energy[0])
    z.checked(net, what="energy", loss="energy", wrt=["s", "X", "beta"], inputs=point(z))
    z.keep("energy", energy=energy)


def exact_attention(z):
    p = point(z)
    graph = {"inputs": {"s": ["B", "N"], "X": ["P", "N"]}, "outputs": ["y"], "dtype": "float64",
             "nodes": {"y": {"op": "ScaledDotProductAttention", "in": ["s", "X", "X"], "scale": p["beta"]}}}
    attention = z.put(graph, label="attention").forward({"s": p["s"], "X": p["X"]})["y"]
    z.same("a step is attention", z.put(dtype="float64").forward(p, outputs=["next"])["next"], attention, 1e-14)


def train(z):
    """Nothing is trained: 400 patterns in 64 units, six bits flipped, one step."""
    net, random = z.put(dtype="float64"), z.random()
    rows = random.choice([-1.0, 1.0], size=(400, 64))
    start = rows.copy()
    for s in start:
        s[random.choice(64, 6, replace=False)] *= -1
    end = net.forward({"s": start, "X": rows, "beta": 1.0}, outputs=["next"])["next"]
    z.keep("recall", pattern=rows[0], start=start[0], end=end[0])
    missing = 1 - np.mean(end * rows, axis=1)
    z.at_most("400 patterns, 6 flips, one step: 1 - overlap, median", np.median(missing), 1e-12)
    z.at_most("... the best quarter", np.quantile(missing, 0.25), 1e-13)
    z.at_most("... worst", np.max(missing), 1e-6)  # where two patterns are alike
    z.same("... all signs", np.sign(end), rows)
    again = net.forward({"s": end, "X": rows, "beta": 1.0}, outputs=["next"])["next"]
    z.at_most("... a second step: 1 - overlap, worst", np.max(1 - np.mean(again * rows, axis=1)), 1e-13)
