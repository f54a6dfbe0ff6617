"""Autoencoder: principal components are the optimum, tied weights add their gradients, trained with and without bends."""
import data
import numpy as np
from rows import slow

LEFT = 1.530448187949126  # the eigenvalues behind the eighth


def digits(part="all"):
    return np.array(data.digits(part)["x"])


def untied(z):
    graph = z.graph
    graph.pop("params")
    return graph


def exact(z):
    z.checked(z.put(dtype="float64"))
    x = digits()
    mean, net = x.mean(0), z.put(untied(z), dtype="float64", label="untied")
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    u = vectors[:, ::-1][:, :8]
    net.set({"code.weight": u.T, "code.bias": -u.T @ mean, "rec.weight": u, "rec.bias": mean})
    gradients, outputs = net.backward({"x": x}, wrt=["code.*", "rec.*"])
    z.same("principal components: loss = the other eigenvalues", outputs["loss"], LEFT, 1e-13)
    z.same("... and no gradient", max(np.abs(g).max() for g in gradients.values()), 0, 1e-13)


def exact_tied(z):
    """The gradient of tied weights: the encoder's part and the decoder's, transposed."""
    x, tied, free = z.random().normal(size=(5, 64)), z.put(dtype="float64", label="tied"), z.put(untied(z), dtype="float64", label="free")
    p = tied.parameters()
    free.set({"code.weight": p["code.weight"], "code.bias": p["code.bias"], "rec.weight": p["code.weight"].T, "rec.bias": p["rec.bias"]})
    a, b = tied.backward({"x": x}, wrt=["code.*"])[0], free.backward({"x": x}, wrt=["*"])[0]
    z.same("tied: encoder's part + decoder's transposed", a["code.weight"], b["code.weight"] + b["rec.weight"].T, 1e-13)


@slow
def train_linear(z):
    x, net = digits().astype("f4"), z.put(untied(z), label="linear")
    job = z.learn(net, {"x": x}, "linear", steps=3000, optimizer={"Adam": {"lr": 5e-3}}, schedule={"linear": {"to": 2e-3, "steps": 3000}})
    ratio = float(net.forward({"x": x}, outputs=["loss"])["loss"]) / LEFT
    z.row(f"linear, {job.result['steps']} steps: loss / principal components", f"{ratio:.4f}", ">= 1, < 1.05", 1 <= ratio < 1.05, "trained")


@slow
def train_deep(z):
    graph = {"inputs": {"x": ["B", 64]},
             "nodes": {"code": {"chain": [{"Linear": [64, 64]}, "ELU", {"Linear": [64, 8]}], "in": "x"},
                       "rec": {"chain": [{"Linear": [8, 64]}, "ELU", {"Linear": [64, 64]}], "in": "code"},
                       "loss": {"expr": "sum(square(rec - x))/B"}}, "outputs": ["code", "rec", "loss"]}
    x, test, net = digits("train").astype("f4"), digits("test").astype("f4"), z.put(graph, label="deep")
    job = z.learn(net, {"x": x}, "deep", epochs=150, batch=64, optimizer={"Adam": {"lr": 3e-3}})
    got = net.forward({"x": test}, outputs=["rec", "loss"])
    z.keep("deep", images=test[:10], reconstructed=got["rec"][:10])
    z.at_most(f"64-64-8-64-64, {job.result['steps']} steps: test error", float(got["loss"]), 1.2)
