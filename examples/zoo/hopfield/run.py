"""Hopfield net: energy, fixed points, capacity by three rules, recall."""
import math

import numpy as np
from rows import slow


def patterns(random, count, units):
    return random.choice([-1.0, 1.0], size=(count, units))


def hebb(rows):
    return hollow(rows.T @ rows / rows.shape[1])


def hollow(w):
    return w - np.diag(np.diag(w))


def storkey(rows):
    n = rows.shape[1]
    w = np.zeros((n, n))
    for s in rows:
        h = (w @ s)[:, None] - (w * s)  # h[i, j] without the term of j; the diagonal of w is 0
        w = hollow(w + (np.outer(s, s) - s[:, None] * h.T - h * s) / n)
    return w


def exact(z):
    net, random = z.put(dtype="float64"), z.random()
    w, b, s = hebb(patterns(random, 4, 24)), random.normal(size=24) / 5, patterns(random, 1, 24)[0]
    point = {"W": w, "b": b, "s": s}
    got, out = net.backward(point, loss="energy", wrt=["s"], outputs=["energy", "field"])
    z.same("dE/ds = -(W s + b)", got["s"], -out["field"], 1e-14)
    energy, changes = [float(out["energy"])], []
    for i in list(random.permutation(24)) * 3:
        h = net.forward(point, outputs=["field"])["field"]
        after = net.forward({**point, "order": np.array([i])}, outputs=["sweep.last.s"])["sweep.last.s"]
        changes.append(-(after[i] - s[i]) * h[i])
        s = point["s"] = after
        energy.append(float(net.forward(point, outputs=["energy"])["energy"]))
    z.same("a flip changes the energy by -(s' - s) h", np.diff(energy), changes, 3e-14)
    z.true("the energy never rises", max(np.diff(energy)) <= 1e-14 and energy[-1] < energy[0])
    all_units = np.arange(24)
    z.same("the end is a fixed point", net.forward({**point, "order": all_units}, outputs=["sweep.last.s"])["sweep.last.s"], s)
    z.checked(net, what="energy", loss="energy", wrt=["s", "W", "b"], inputs=point | {"s": random.normal(size=24)})
    z.keep("energy", energy=energy)


def exact_two_cycle(z):
    net, start, seen = z.put(dtype="float64"), np.array([1.0, -1]), []
    point = {"W": np.array([[0.0, 1], [1, 0]]), "b": np.zeros(2), "s": start}
    for _ in range(2):
        point["s"] = np.sign(net.forward(point, outputs=["field"])["field"])
        seen.append(point["s"])
    z.same("all units at once: a cycle of two", seen, [-start, start])
    one = net.forward({**point, "order": np.arange(2)}, outputs=["sweep.last.s"])["sweep.last.s"]
    z.same("one at a time: a fixed point", one, [-1, -1])


def fields(net, w, rows):
    """The field at each of the rows."""
    return net.forward({"s": rows, "W": w}, outputs=["field"])["field"]


def many(z):
    """The field alone, at many states at once."""
    return z.put({"inputs": {"s": ["B", "N"], "W": ["N", "N"]}, "nodes": {"field": {"expr": "s @ transpose(W)"}},
                  "outputs": ["field"], "dtype": "float64"}, label="many")


def exact_rules(z):
    """Share of patterns that are fixed points, 100 units, mean of some draws."""
    net = many(z)
    for count, wanted in ((20, ((0.40, 0.12), (1.0, 0.02), (1.0, 0))), (30, ((0.03, 0.06), (0.97, 0.03), (1.0, 0)))):
        stable = []
        for seed in range(10):
            rows = patterns(z.random(seed), count, 100)
            rules = hebb(rows), storkey(rows), np.linalg.pinv(rows) @ rows
            stable.append([np.mean(np.all(fields(net, w, rows) * rows > 0, axis=1)) for w in rules])
        for name, share, (want, room) in zip(("Hebb", "Storkey", "pseudo-inverse"), np.mean(stable, 0), wanted):
            z.near(f"N = 100, {count} patterns, {name}: fixed points", share, want, room, "exact")


@slow
def exact_capacity(z):
    """Wrong bits after one step from a stored pattern, 500 units."""
    net = many(z)
    for count in (50, 69, 100):
        wrong = []
        for seed in range(10):
            rows = patterns(z.random(seed), count, 500)
            wrong.append(np.mean(fields(net, hebb(rows), rows) * rows <= 0))
        theory = math.erfc(math.sqrt(500 / (2 * count))) / 2
        share = np.mean(wrong)
        z.row(f"N = 500, {count} patterns: wrong bits", f"{share:.5f}", f"{theory:.5f} +- 30 %", abs(share - theory) <= 0.3 * theory)


def recall(net, random, w, pattern, flipped, sweeps=60):
    """Sweeps in random orders until nothing changes; where nothing is stored any more that takes dozens."""
    units = len(pattern)
    s = pattern.copy()
    s[random.choice(units, flipped, replace=False)] *= -1
    path = [s]
    for _ in range(sweeps):
        after = net.forward({"s": s, "W": w, "b": np.zeros(units), "order": random.permutation(units)}, outputs=["sweep.last.s"])
        path.append(after["sweep.last.s"])
        if np.array_equal(path[-1], s):
            break
        s = path[-1]
    return s, path


@slow
def train_recall(z):
    """Nothing is trained by gradients: Hebb's rule, and a tenth of the bits flipped. The same sweep with a row gathered."""
    graph = z.graph
    graph["modules"]["Flip"]["nodes"]["row"] = {"op": "Gather", "in": ["W", "i"], "dim": 0}
    graph["modules"]["Flip"]["nodes"]["h"] = {"expr": "dot(row, s) + dot(m, b)"}
    net, random = z.put(graph, label="recall"), z.random()
    for count in (25, 100):
        overlaps = []
        for draw in range(3):
            rows = patterns(random, count, 500)
            w = np.float32(hebb(rows))
            for k in range(5):
                end, path = recall(net, random, w, np.float32(rows[k]), 50)
                overlaps.append(float(np.mean(end * rows[k])))
        z.keep(f"recall{count}", path=path, pattern=rows[k], overlaps=overlaps)
        exact_ones = sum(o == 1 for o in overlaps)
        if count == 25:
            z.at_least("25 patterns, 10 % flipped: recalled exactly, of 15", exact_ones, 15)
        else:
            z.near(f"100 patterns must fail, {exact_ones} exact: mean overlap", np.mean(overlaps), 0.45, 0.2)
