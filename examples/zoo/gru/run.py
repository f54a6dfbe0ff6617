"""GRU: both variants against the built-in layer, and the adding problem."""
import data
import numpy as np
from rows import slow


def variant(graph, cell):
    graph["nodes"]["gru"]["scan"] = {cell: [2, 32]}
    return graph


def layer(before):
    return {"dtype": "float64", "inputs": {"xs": ["B", "T", 2], "y": ["B", 1]},
            "nodes": {"gru": {"op": "GRU", "in": "xs", "hidden_size": 32, "batch_first": True, "linear_before_reset": 1 - before},
                      "last": {"expr": "squeeze(gru.h, 0)"}, "yhat": {"op": "Linear", "in": "last", "out_features": 1},
                      "loss": {"op": "MSELoss", "in": ["yhat", "y"]}}, "outputs": ["yhat", "loss"]}


def recurrent(p):
    """The recurrent weights and biases of either cell in the order r, z, n."""
    if "gru.u.weight" in p:
        return p["gru.u.weight"], p["gru.u.bias"]
    return tuple(np.concatenate([p[f"gru.{u}.{what}"] for u in ("ur", "uz", "un")]) for what in ("weight", "bias"))


def exact(z):
    inputs = {"xs": z.random(1).normal(size=(3, 7, 2)), "y": z.random(2).normal(size=(3, 1))}
    for before, cell in enumerate(("After", "Before")):
        scan, built_in = z.put(variant(z.graph, cell), dtype="float64", label=cell), z.put(layer(before), label="layer")
        small = variant(z.graph, cell)
        small["nodes"]["gru"]["scan"] = {cell: [2, 5 if z.fast else 32]}
        z.checked(z.put(small, dtype="float64", label="small"), what=f"gradient check, {cell}")
        p = scan.parameters()
        w, b = recurrent(p)
        built_in.set({"gru.weight_ih_l0": p["gru.a.weight"], "gru.bias_ih_l0": p["gru.a.bias"], "gru.weight_hh_l0": w,
                      "gru.bias_hh_l0": b, "yhat.weight": p["yhat.weight"], "yhat.bias": p["yhat.bias"]})
        (g, y), (h, v) = scan.backward(inputs), built_in.backward(inputs)
        z.same(f"{cell} = built-in GRU: output", y["yhat"], v["yhat"], 1e-15)
        z.same(f"{cell} = built-in GRU: gradient of W", g["gru.a.weight"], h["gru.weight_ih_l0"], 1e-14)
        z.same(f"{cell} = built-in GRU: gradient of R", recurrent(g)[0], h["gru.weight_hh_l0"], 1e-14)
    z.true("with the same weights the variants differ", differ(z, inputs) > 1e-6)


def differ(z, inputs):
    """How far the two are apart with the same weights."""
    a, b = z.put(layer(0), label="a"), z.put(layer(1), label="b")
    b.set(a.parameters())
    return np.abs(a.forward(inputs)["yhat"] - b.forward(inputs)["yhat"]).max()


def adding(z, net, most, every=100):
    """Fresh sequences of 40 steps; the test error after every so many steps, until it is good or time is up."""
    errors = []
    test = {k: np.array(v, "f4") for k, v in data.adding(1000, 40, 999).items()}
    while len(errors) * every < most and (not errors or errors[-1] >= 0.01):
        for i in range(every):
            batch = {k: np.array(v, "f4") for k, v in data.adding(64, 40, len(errors) * every + i).items()}
            net.step(batch, {"Adam": {"lr": 5e-3}}, clip={"norm": 1})
        errors.append(float(net.forward(test, outputs=["loss"])["loss"]))
    z.keep("adding", error=errors, every=every)
    z.at_most(f"adding problem, 40 steps of time, {len(errors) * every} steps: error", errors[-1], 0.01)


@slow
def train_adding(z):
    adding(z, z.put(label="adding"), 1000)
