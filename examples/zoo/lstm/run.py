"""LSTM: equal to the built-in layer, the constant error carousel, the adding problem, embedded Reber strings."""
import data
import numpy as np
from rows import slow


def exact(z):
    z.checked(z.put(smaller(z), dtype="float64"))
    graph = net_with_start(z.graph)
    net = z.put(graph, dtype="float64", label="carousel")
    bias = np.zeros(128)
    bias[:32], bias[32:64] = -50, 50  # input gates shut, forget gates open
    net.set({"rnn.z.weight": np.zeros((128, 34)), "rnn.z.bias": bias})
    inputs = {"xs": z.random().normal(size=(2, 1000, 2)), "c0": z.random(1).normal(size=(2, 32))}
    gradient = net.backward(inputs, cotangents={"rnn.last.c": np.ones((2, 32))}, wrt=["c0"])[0]["c0"]
    z.same("constant error carousel: dc_T/dc_0 for T = 1000", gradient, np.ones((2, 32)))


def smaller(z):
    """In a hurry 5 units will do."""
    graph = z.graph
    item = graph["nodes"]["rnn"]["scan"]["Cell"]
    if z.fast:
        item["H"] = graph["nodes"]["yhat"]["in_features"] = 5
    return graph


def net_with_start(graph):
    """The same with a cell state that is given."""
    graph["inputs"] = {"xs": ["B", "T", 2], "c0": ["B", 32]}
    graph["nodes"] = {"rnn": {**graph["nodes"]["rnn"], "carry": {"h": "zeros", "c": "c0"}}}
    graph["outputs"] = ["rnn.last.c", "rnn.last.h"]
    graph.pop("params", None)
    return graph


def exact_built_in(z):
    scan = z.put(dtype="float64", label="scan")
    graph = {"dtype": "float64", "inputs": {"xs": ["B", "T", 2], "y": ["B", 1]},
             "nodes": {"rnn": {"op": "LSTM", "in": "xs", "hidden_size": 32, "batch_first": True},
                       "last": {"expr": "squeeze(rnn.h, 0)"}, "yhat": {"op": "Linear", "in": "last", "out_features": 1},
                       "loss": {"op": "MSELoss", "in": ["yhat", "y"]}}, "outputs": ["yhat", "loss"]}
    layer, p = z.put(graph, label="layer"), scan.parameters()
    w = p["rnn.z.weight"]
    layer.set({"rnn.weight_ih_l0": w[:, :2], "rnn.weight_hh_l0": w[:, 2:], "rnn.bias_ih_l0": p["rnn.z.bias"],
               "rnn.bias_hh_l0": np.zeros(128), "yhat.weight": p["yhat.weight"], "yhat.bias": p["yhat.bias"]})
    inputs = {"xs": z.random(1).normal(size=(3, 9, 2)), "y": z.random(2).normal(size=(3, 1))}
    (a, ya), (b, yb) = scan.backward(inputs), layer.backward(inputs)
    z.same("cell by cell = built-in LSTM: output", ya["yhat"], yb["yhat"], 1e-15)
    z.same("... gradient of the weights", a["rnn.z.weight"], np.hstack([b["rnn.weight_ih_l0"], b["rnn.weight_hh_l0"]]), 1e-14)
    z.same("... gradient of the bias", a["rnn.z.bias"], b["rnn.bias_hh_l0"], 1e-14)


def open_forget_gates(net, hidden):
    bias = net.parameters()["rnn.z.bias"].copy()
    bias[hidden : 2 * hidden] += 1
    net.set({"rnn.z.bias": bias})


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
    net = z.put(label="adding")
    open_forget_gates(net, 32)
    adding(z, net, 1500)


# ---- embedded Reber strings ------------------------------------------------------------------------------------------


def reber_graph(graph, hidden=16):
    graph["inputs"] = {"x": ["B", "T", 7], "y": {"shape": ["B", "T"], "dtype": "int64"}}
    item = next(iter(graph["nodes"]["rnn"]["scan"]))
    graph["nodes"] = {"rnn": {"scan": {item: {"I": 7, "H": hidden}}, "over": {"x": "x"}, "carry": {"h": "zeros", "c": "zeros"}},
                      "logits": {"op": "Linear", "in": "rnn.all.h", "out_features": 7},
                      "classes": {"expr": "transpose(logits, 1, 2)"}, "loss": {"op": "CrossEntropyLoss", "in": ["classes", "y"]}}
    graph["outputs"] = ["logits", "loss"]
    graph.pop("params", None)
    return graph


def legal_strings(net, test):
    """Where n letters may follow, the n most probable ones are these; at every place of a string."""
    order = np.argsort(-net.forward({"x": test["x"]}, outputs=["logits"])["logits"], -1)
    rank = np.argsort(order, -1)
    top = rank < test["legal"].sum(-1, keepdims=True)
    good = (top == (test["legal"] > 0)).all(-1) | (test["y"] < 0)
    return good.all(1).mean()


@slow
def train_reber(z):
    net = z.put(reber_graph(z.graph), label="reber", seed=3)
    open_forget_gates(net, 16)
    test, share = arrays(data.reber(300, 9999)), []
    while len(share) < 15 and (not share or share[-1] < 1):
        for i in range(100):
            batch = arrays(data.reber(16, 100 * len(share) + i))
            net.step({"x": batch["x"], "y": batch["y"]}, {"Adam": {"lr": 1e-2}}, clip={"norm": 1})
        share.append(legal_strings(net, test))
    z.keep("reber", legal=share)
    z.at_least(f"embedded Reber strings, {100 * len(share)} steps: legal", share[-1], 1)


def arrays(columns):
    return {k: np.array(v, "i8" if k in ("y", "length") else "f4") for k, v in columns.items()}
