"""Recurrent net: gradients through an orthogonal chain, the built-in layer, parity, and what it does not learn."""
import data
import numpy as np
from rows import slow

CHAIN = {
    "dtype": "float64",
    "inputs": {"xs": ["T", 1], "h0": [16], "Q": [16, 16], "s": []},
    "modules": {"Step": {"inputs": {"x": [1], "h": ["N"], "Q": ["N", "N"], "s": []},
                         "nodes": {"h1": {"expr": "s*(Q @ h) + 0*x"}}, "outputs": {"h": "h1"}}},
    "nodes": {"rnn": {"scan": "Step", "over": {"x": "xs"}, "dim": 0, "carry": {"h": "h0"}, "in": {"Q": "Q", "s": "s"}},
              "loss": {"expr": "sum(rnn.last.h)"}},
    "outputs": ["loss"],
}


def exact(z):
    z.checked(z.put(dtype="float64"))
    net, random = z.put(CHAIN, label="chain"), z.random()
    q = np.linalg.qr(random.normal(size=(16, 16)))[0]
    for s, want in ((0.9, 0.00515377520732012), (1, 1), (1.1, 117.390852879696)):
        inputs = {"xs": np.zeros((50, 1)), "h0": random.normal(size=16), "Q": q, "s": np.float64(s)}
        gradient = net.backward(inputs, wrt=["h0"])[0]["h0"]
        z.same(f"gradient through 50 steps of {s} Q, over {want:.3g}", np.linalg.norm(gradient) / 4 / want, 1, 1e-13)


def built_in(dtype):
    return {"dtype": dtype, "inputs": {"xs": ["B", "T", 2], "y": ["B", 1]},
            "nodes": {"rnn": {"op": "RNN", "in": "xs", "hidden_size": 32, "batch_first": True},
                      "last": {"expr": "squeeze(rnn.h, 0)"}, "yhat": {"op": "Linear", "in": "last", "out_features": 1},
                      "loss": {"op": "MSELoss", "in": ["yhat", "y"]}}, "outputs": ["yhat", "loss"]}


def exact_built_in(z):
    """The scan of a cell and the layer that is built in: one function, one gradient."""
    scan = z.put(dtype="float64", label="scan")
    layer, p = z.put(built_in("float64"), label="layer"), scan.parameters()
    names = {"rnn.weight_ih_l0": "rnn.a.weight", "rnn.bias_ih_l0": "rnn.a.bias", "rnn.weight_hh_l0": "rnn.r.weight",
             "rnn.bias_hh_l0": "rnn.r.bias", "yhat.weight": "yhat.weight", "yhat.bias": "yhat.bias"}
    layer.set({new: p[old] for new, old in names.items()})
    inputs = {"xs": z.random(1).normal(size=(3, 7, 2)), "y": z.random(2).normal(size=(3, 1))}
    (a, ya), (b, yb) = scan.backward(inputs), layer.backward(inputs)
    z.same("scan = built-in RNN: output", ya["yhat"], yb["yhat"], 1e-15)
    for new, old in names.items():
        z.same(f"scan = built-in RNN: gradient of {old}", a[old], b[new], 1e-14)


def train_parity(z):
    """Is the number of ones among the last two bits odd? At every step."""
    graph = z.graph
    graph["inputs"] = {"xs": ["B", "T", 1], "y": ["B", "T"]}
    graph["nodes"] = {"rnn": {"scan": {"Cell": [1, 16]}, "over": {"x": "xs"}, "carry": {"h": "zeros"}},
                      "a": {"op": "Linear", "in": "rnn.all.h", "out_features": 1}, "p": {"expr": "squeeze(a, -1)"},
                      "loss": {"op": "BCEWithLogitsLoss", "in": ["p", "y"]}}
    graph["outputs"] = ["p", "loss"]
    net, random = z.put(graph, label="parity"), z.random(3)

    def bits(n):
        x = random.integers(0, 2, (n, 20))
        return {"xs": x[..., None].astype("f4"), "y": (x ^ np.pad(x, ((0, 0), (1, 0)))[:, :-1]).astype("f4")}

    losses = [net.step(bits(32), {"Adam": {"lr": 1e-2}}, clip={"norm": 1})["loss"] for _ in range(300)]
    test = bits(200)
    right = (net.forward({"xs": test["xs"]}, outputs=["p"])["p"] > 0) == (test["y"] > 0)
    z.keep("parity", loss=losses)
    z.at_least("parity of the last two bits, 300 steps: accuracy", right.mean(), 1)


@slow
def train_adding(z):
    """A control that shows what LSTM and GRU are for: with the start that such a layer has it stays at the baseline."""
    test, errors = {k: np.array(v, "f4") for k, v in data.adding(1000, 40, 999).items()}, []
    batches = [{k: np.array(v, "f4") for k, v in data.adding(64, 40, i).items()} for i in range(1500)]
    for seed in (1, 2, 3):
        net, curve = z.put(built_in("float32"), seed=seed, label="adding"), []
        for i, batch in enumerate(batches):
            net.step(batch, {"Adam": {"lr": 5e-3}}, clip={"norm": 1})
            if i % 100 == 99:
                curve.append(float(net.forward(test, outputs=["loss"])["loss"]))
        errors.append(curve[-1])
        z.keep(f"adding, seed {seed}", error=curve)
    z.row("adding problem, 40 steps of time, 1500 steps, 3 seeds: error", f"{min(errors):.4f} to {max(errors):.4f}",
          "0.1 to 0.2, LSTM: <= 0.01", 0.1 <= min(errors) and max(errors) <= 0.2, "trained")  # a seed differs between CPUs
