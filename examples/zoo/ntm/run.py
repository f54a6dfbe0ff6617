"""Neural Turing machine: a head stage by stage, a machine programmed by hand, copying learned."""
import data
import numpy as np
from rows import slow

ADAM = {"Adam": {"lr": 5e-3}}


def batch(count, length, seed):
    made = data.copy(count, length, seed)
    mask = np.repeat(np.array(made["mask"], "f4")[:, :, None], 4, axis=2)
    return {"xs": np.array(made["x"], "f4"), "target": np.array(made["y"], "f4"), "mask": mask}


def wrong_bits(net, tests):
    """Per sequence."""
    y = net.forward({"xs": tests["xs"]}, outputs=["run.all.y"])["run.all.y"]
    return np.sum(((y > 0) != (tests["target"] > 0.5)) * tests["mask"]) / len(y)


# ---- a head --------------------------------------------------------------------------------------------------------


def head(z):
    """One head alone, told directly: p = key, beta, gate, three shifts, gamma, all before their bends."""
    graph = z.graph
    return z.put({"inputs": {"p": ["B", 14], "mem": ["B", 12, 8], "w": ["B", 12]}, "outputs": ["head"], "dtype": "float64",
                  "modules": {"Head": sized(graph["modules"]["Head"])}, "nodes": {"head": {"op": "Head", "in": ["p", "mem", "w"]}}},
                 label="head")


def sized(module):
    """12 places of 8."""
    module["inputs"] = {"p": ["B", 14], "mem": ["B", 12, 8], "w": ["B", 12]}
    module["nodes"]["q"]["sizes"] = [8, 1, 1, 3, 1]
    return module


def told(key=np.zeros(8), beta=0.0, gate=0.0, shift=(0, 40, 0), gamma=-40.0):
    return np.concatenate([key, [beta, gate], shift, [gamma]])[None]


def exact_head(z):
    net, random = head(z), z.random()
    memory, spot = random.uniform(-0.9, 0.9, size=(1, 12, 8)), np.eye(12)
    ask = lambda w, **p: net.forward({"p": told(**p), "mem": memory, "w": w[None]})["head"][0]
    found = ask(spot[0], key=np.arctanh(memory[0, 7]), beta=1e4, gate=800)
    z.same("beta 1e4: one-hot at the place that matches", found, spot[7], 2e-11)
    on = [ask(spot[i], gate=-800, shift=(-800, -800, 800)) for i in range(12)]
    z.same("gate 0, shift +1: the next place, in a circle", on, np.roll(spot, 1, axis=1), 2e-11)  # + 1e-12 under the power
    z.same("beta 0: uniform", ask(spot[0], beta=-800, gate=800), np.full(12, 1 / 12), 1e-12)
    blurred = sharp = spot[0]
    for _ in range(20):
        blurred = ask(blurred, gate=-800, shift=np.log([0.1, 0.8, 0.1]))
        sharp = ask(sharp, gate=-800, shift=np.log([0.1, 0.8, 0.1]), gamma=19)
    z.same("shifts (0.1, 0.8, 0.1), 20 times: the largest weight", blurred.max(), 0.2025, 5e-5)
    z.same("and with gamma 20", sharp.max(), 1, 1e-9)


# ---- programmed by hand --------------------------------------------------------------------------------------------


def program(net, soft):
    """Hidden units: 0-3 the bits of x, 4 the marker, 5 whether a row was read (channel 4 of the memory), 6-9 its bits.

    The writer moves on and writes until rows are read; the reader waits at the last place, which is blank, until the marker
    and then moves on. What was read in one step is said in the next."""
    p = {k.removeprefix("run."): np.zeros_like(v) for k, v in net.parameters().items()}
    for unit, source, factor, bias in [(b, b, 2, -1) for b in range(5)] + [(5, 5 + 4, 2, -1)] + [(6 + b, 5 + b, 1, 0) for b in range(4)]:
        p["h.0.weight"][unit, source] = soft * factor
        p["h.0.bias"][unit] = soft * bias
    for name, stay in (("pw", {5: 1}), ("pr", {4: -1, 5: -1})):
        p[f"{name}.bias"][[9, 10, 13]] = -2 * soft, -4 * soft, soft  # where it was, never back, sharp
        for unit, sign in stay.items():
            p[f"{name}.weight"][11, unit] = soft * sign
            p[f"{name}.weight"][12, unit] = -soft * sign
    p["pr.bias"][[11, 12]] = -soft, soft  # either will do
    p["pw.bias"][14:22] = soft  # erase all
    p["pw.bias"][26] = soft  # the mark of a row
    for bit in range(4):
        p["pw.weight"][22 + bit, bit] = soft
        p["y.weight"][bit, 6 + bit] = 1
    for start in ("ww0", "wr0"):
        p[start][11] = 2 * soft
    return {k if k in ("mem0", "r0", "ww0", "wr0") else f"run.{k}": v for k, v in p.items()}


def exact_program(z):
    net, tests = z.put(dtype="float64", label="program"), {k: np.float64(v) for k, v in batch(50, 10, 4).items()}
    for soft, limit in ((5, 0.07), (10, 5e-4), (20, 4e-8), (40, 2e-15)):
        net.set(program(net, soft))
        y = net.forward({"xs": tests["xs"]}, outputs=["run.all.y"])["run.all.y"]
        error = np.max(np.abs(y - (2 * tests["target"] - 1)) * tests["mask"])
        z.same(f"programmed, softness {soft}: wrong bits of 2000", 50 * wrong_bits(net, tests), 0)
        z.at_most("... largest error", error, limit, "exact")


def exact(z):
    tests = {k: v[:2] for k, v in batch(2, 1, 0).items()}
    for what, graph in (("gradient check", z.graph), *([] if z.fast else [("LSTM controller", lstm(z.graph))])):
        z.checked(z.put(graph, dtype="float64", label="checked"), orders=(1,) if z.fast else (1, 2), what=what, inputs=tests, wrt=["*"])


# ---- learned -------------------------------------------------------------------------------------------------------


def lstm(graph):
    """The same machine with an LSTM as its controller."""
    cell = graph["modules"]["NTMCell"]
    cell["inputs"] |= {"ho": ["B", "H"], "co": ["B", "H"]}
    cell["nodes"] |= {
        "z": {"op": "Linear", "in": {"concat": ["x", "r", "ho"]}, "in_features": "I+M+H", "out_features": "4*H"},
        "gate": {"op": "Split", "in": "z", "sizes": ["H", "H", "H", "H"], "ports": ["i", "f", "g", "o"]},
        "c1": {"expr": "sigmoid(gate.f)*co + sigmoid(gate.i)*tanh(gate.g)"},
        "h": {"expr": "sigmoid(gate.o)*tanh(c1)"}}
    cell["outputs"] |= {"ho": "h", "co": "c1"}
    graph["nodes"]["run"]["carry"] |= {"ho": "zeros", "co": "zeros"}
    return graph


def learn(z, graph, what):
    """At most 5000 steps, at most three restarts: (net, losses)."""
    tests, restarts = batch(200, 6, 999983), range(1, 5)
    for seed in restarts:
        net, random, losses, wrong = z.put(graph, seed=seed, label="copy"), z.random(seed), [], 24
        while wrong > 0.1 and len(losses) < 5000:
            for _ in range(250):
                made = batch(16, int(random.integers(1, 7)), 10000 * seed + len(losses) + 1)
                losses.append(net.step(made, ADAM, clip={"value": 10})["loss"])
            wrong = wrong_bits(net, tests)
            if len(losses) >= 2500 and wrong > 4:
                break  # stuck
        if wrong <= 0.1:
            break
    z.at_most(f"copy, 6 rows, {what}, restarts {seed - 1}, {len(losses)} steps: wrong bits", wrong, 0.1)
    return net, losses


@slow
def train(z):
    longer, one = batch(200, 10, 999979), batch(1, 10, 5)
    for what, graph in (("32 tanh", z.graph), ("LSTM", lstm(z.graph))):
        net, losses = learn(z, graph, what)
        z.at_most("... 10 rows, never trained: wrong bits of 40, by chance 20", wrong_bits(net, longer), 10)
        seen = net.forward({"xs": one["xs"]}, outputs=["run.all.ww", "run.all.wr", "run.all.y"])
        z.keep(f"copy, {what}", loss=losses, write=seen["run.all.ww"][0], read=seen["run.all.wr"][0], y=seen["run.all.y"][0], x=one["xs"][0])
