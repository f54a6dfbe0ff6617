"""Denoising autoencoder: the Wiener filter is the best linear one; trained linear and with ReLU."""
import data
import numpy as np
from rows import slow

NOISE, BEST = 0.25, 1.2007195923214191

EXPECTED = {  # the expected error of a linear denoiser W, of the covariance C
    "dtype": "float64",
    "inputs": {"C": ["D", "D"], "N": ["D", "D"], "W": ["D", "D"]},
    "nodes": {"loss": {"expr": "sum(C*N) - 2*sum(W*C) + sum((W @ (C + noise))*W)"}, "noise": {"expr": "s2*N"},
              "s2": {"op": "Parameter", "shape": []}},
    "outputs": ["loss"],
}

SLOPE = {  # one dimension: the best denoiser, and the log-density of what it is given, but for a constant
    "dtype": "float64",
    "inputs": {"x": ["B"], "s": [], "sigma": []},
    "nodes": {"r": {"expr": "x*s**2/(s**2 + sigma**2)"}, "loss": {"expr": "-0.5*sum(x**2)/(s**2 + sigma**2)"}},
    "outputs": ["r", "loss"],
}


def digits(part="all"):
    return np.array(data.digits(part)["x"])


def expected(c, w, noise):
    return np.trace(c - 2 * w @ c + w @ (c + noise**2 * np.eye(len(c))) @ w.T)


def exact(z):
    z.checked(z.put(dtype="float64"))
    net = z.put(EXPECTED, label="expected")
    z.checked(net, what="expected error")
    c = np.cov(digits().T, bias=True)
    for what, c, noise, want in (("digits", c, NOISE, BEST), ("one dimension", np.array([[4.0]]), 1, 0.8)):
        w = c @ np.linalg.inv(c + noise**2 * np.eye(len(c)))
        net.set({"s2": np.array(noise**2, float)})
        gradients, outputs = net.backward({"C": c, "N": np.eye(len(c)), "W": w}, wrt=["W"])
        z.same(f"Wiener filter, {what}: error", outputs["loss"], want, 1e-12)
        z.same("... and no gradient", gradients["W"], np.zeros_like(w), 1e-14)


def exact_slope(z):
    x, s, sigma = z.random().normal(size=7), 2.0, 1.0
    score, out = z.put(SLOPE, label="slope").backward({"x": x, "s": s, "sigma": sigma}, loss="loss", wrt=["x"], outputs=["r"])
    z.same("one dimension: slope 0.8 for s = 2, sigma = 1", out["r"], 0.8 * x, 1e-15)
    z.same("... what it removes is the slope of the log-density", score["x"], (out["r"] - x) / sigma**2, 1e-15)


@slow
def train_linear(z):
    graph = z.graph
    graph["nodes"]["rec"] = {"op": "Linear", "in": "noisy", "out_features": 64}
    x, net = digits(), z.put(graph, label="linear")
    z.learn(net, {"x": x.astype("f4")}, "linear", steps=6000, batch=256, optimizer={"Adam": {"lr": 3e-3}}, schedule={"linear": {"steps": 6000}})
    p = {k: v.astype(float) for k, v in net.parameters().items()}
    mean, w = x.mean(0), p["rec.weight"]
    error = expected(np.cov(x.T, bias=True), w, NOISE) + np.sum((w @ mean + p["rec.bias"] - mean) ** 2)
    z.row("linear, 6000 steps: expected error / Wiener filter", f"{error / BEST:.5f}", ">= 1, < 1.01", 1 <= error / BEST < 1.01, "trained")


def wiener(x, test):
    """Expected error on the test images of the best linear filter of the training images."""
    mean, c = x.mean(0), np.cov(x.T, bias=True)
    w = c @ np.linalg.inv(c + NOISE**2 * np.eye(64))
    left = (np.eye(64) - w) @ (test - mean).T
    return np.mean(np.sum(left**2, 0)) + NOISE**2 * np.sum(w**2)


@slow
def train(z):
    x, test, net = digits("train").astype("f4"), digits("test").astype("f4"), z.put(label="net")
    job = z.learn(net, {"x": x}, epochs=150, batch=64, optimizer={"Adam": {"lr": 2e-3}})
    runs = [net.forward({"x": test}, outputs=["noisy", "rec", "loss"], seed=s) for s in range(1, 21)]
    error = np.mean([float(r["loss"]) for r in runs])
    z.keep("denoised", images=test[:10], noisy=runs[0]["noisy"][:10], reconstructed=runs[0]["rec"][:10])
    z.near("noisy test images: error", np.mean([np.sum((r["noisy"] - test) ** 2) / len(test) for r in runs]), 4.0, 0.05)
    z.near("Wiener filter of the training images: test error", wiener(x.astype(float), test.astype(float)), 1.224, 0.002)
    z.at_most(f"64-128-64 ReLU, {job.result['steps']} steps: test error", error, 1.10)
