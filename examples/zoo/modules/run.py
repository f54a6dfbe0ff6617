"""Modules of modules: nested and flat to the same bits, shared tensors, a wrong derivative located."""
import numpy as np


def linear(of, share=None):
    return {"op": "Linear", "in": of, "in_features": 4, "out_features": 4, **({"share": share} if share else {})}


def flat(graph):
    """The same without modules, but for the formula Mish."""
    nodes = {"l1": linear("x"), "u1": {"expr": "tanh(relu(l1))"}, "l2": linear("u1", "l1"), "v1": {"expr": "tanh(relu(l2))"},
             "w1": {"expr": "u1 + v1"}, "d": {"expr": "tanh(relu(w1))"},
             "l3": linear("d"), "u2": {"expr": "tanh(relu(l3))"}, "l4": linear("u2", "l3"), "v2": {"expr": "tanh(relu(l4))"},
             "e": {"expr": "u2 + v2"}, "m": {"op": "Mish", "in": "e"}, "loss": {"expr": "sum(m*m)/B"}}
    return {**graph, "modules": {"Mish": graph["modules"]["Mish"]}, "nodes": nodes}


NAMES = {"e.0.0.u.0.weight": "l1.weight", "e.0.0.u.0.bias": "l1.bias", "e.1.u.0.weight": "l3.weight", "e.1.u.0.bias": "l3.bias"}


def exact(z):
    net = z.put(dtype="float64")
    p = net.parameters()
    z.true("learned tensors are named by path", sorted(p) == sorted(NAMES))
    x = z.random().normal(size=(7, 4))
    plain = z.put(flat(z.graph), dtype="float64", label="flat")
    plain.set({NAMES[k]: v for k, v in p.items()})
    nested, straight = net.backward({"x": x}, loss="loss"), plain.backward({"x": x}, loss="loss")
    z.same("nested = flat, forward", nested[1]["m"], straight[1]["m"])
    for name in ("x", *NAMES):
        z.same(f"nested = flat, gradient of {name}", nested[0][name], straight[0][NAMES.get(name, name)])
    z.checked(net)
    levels(z)
    unshared(z, x, p, nested[0])


def levels(z):
    """Every module of the graph alone."""
    for name in ("A", "B1", "C", "D", "E"):
        graph = {**z.graph, "nodes": {"y": {"op": name, "in": "x"}}, "outputs": ["y"], "dtype": "float64"}
        z.checked(z.put(graph, label="level"), what=f"{name} alone")


def unshared(z, x, p, gradients):
    graph = z.graph
    del graph["modules"]["C"]["nodes"]["v"]["share"]
    net = z.put(graph, dtype="float64", label="unshared")
    net.set({k.replace(".u.", f".{use}."): v for k, v in p.items() for use in "uv"})
    apart = net.backward({"x": x}, loss="loss")[0]
    for name in NAMES:
        z.same(f"shared: {name}, sum of its uses", gradients[name], apart[name] + apart[name.replace(".u.", ".v.")], 1e-15)


FOUR_WAYS = {
    "nodes": {"r": {"op": "ReLU", "in": "x"}, "y": {"op": "Tanh", "in": "r"}},
    "a chain": {"y": {"chain": ["ReLU", "Tanh"], "in": "x"}},
    "a module": {"y": {"op": "A", "in": "x"}},
    "a formula": {"y": {"expr": "tanh(relu(x))"}},
}


def exact_four_ways(z):
    x = z.random(1).normal(size=(5, 3))
    seen = []
    for label, nodes in FOUR_WAYS.items():
        graph = {"inputs": {"x": ["B", 3]}, "modules": {"A": {"chain": ["ReLU", "Tanh"]}}, "outputs": ["y", "loss"],
                 "nodes": {**nodes, "loss": {"expr": "sum(y*y)"}}, "dtype": "float64"}
        gradients, outputs = z.put(graph, label="ways").backward({"x": x}, loss="loss")
        seen.append(np.stack([outputs["y"], gradients["x"]]))
        z.same(f"tanh(ReLU(x)) as {label}", seen[-1], seen[0])
    z.same("and as it should be", seen[0][0], np.tanh(np.maximum(x, 0)), 2e-16)


def mish(backward):
    graph = {"inputs": {"x": ["B", 3]}, "nodes": {"y": {"op": "Mish", "in": "x"}}, "outputs": ["y"], "dtype": "float64",
             "modules": {"Mish": {"inputs": {"x": ["..."]}, "expr": "x*tanh(softplus(x))"}}}
    if backward:
        graph["modules"]["Mish"]["backward"] = {"x": backward}
    return graph


def exact_mish(z):
    z.checked(z.put(mish(None), label="mish"), what="Mish, derived")
    given = z.graph["modules"]["Mish"]["backward"]["x"]
    z.checked(z.put(mish(given), label="mish"), what="Mish, given derivative")
    wrong = given.replace("x*sigmoid(x)", "sigmoid(x)")
    got = z.put(mish(wrong), label="mish").check(seed="2a")
    place = got["tensors"]["x"].get("place")
    z.row("Mish, a factor missing in its derivative", f"{got['verdict']}, {place}", "wrong, the formula",
          got["verdict"] == "wrong" and place == "/graph/modules/Mish/backward/x")
