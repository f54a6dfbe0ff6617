"""Variational autoencoder: the linear one's bound is the likelihood; trained linear, and on binarised digits."""
import data
import numpy as np
from rows import slow

K = 8
LINEAR = {  # the expectation over the code is taken in closed form in `elbo`, by one draw in `loss`
    "inputs": {"x": ["B", 64], "eps": {"shape": ["B", K], "sample": "normal"}},
    "nodes": {
        "m": {"op": "Linear", "in": "x", "out_features": K},
        "lv": {"op": "Parameter", "shape": [K]},
        "ls2": {"op": "Parameter", "shape": [], "value": -2},
        "kl": {"op": "GaussianKL", "in": ["m", "spread"]},
        "spread": {"expr": "m*0 + lv"},
        "z": {"expr": "m + exp(0.5*lv)*eps"},
        "drawn": {"op": "Linear", "in": "z", "out_features": 64},
        "mean": {"op": "Linear", "in": "m", "out_features": 64, "share": "drawn"},
        "W": {"op": "Linear", "in": "unit", "out_features": 64, "share": "drawn"},
        "off": {"op": "Linear", "in": "none", "out_features": 64, "share": "drawn"},
        "unit": {"op": "Constant", "value": np.eye(K).tolist()},
        "none": {"op": "Constant", "value": [[0.0] * K]},
        "blur": {"expr": "sum(exp(lv)*sum(square(W - off), 1))"},
        "loss": {"expr": "0.5*(64*(log(2*pi) + ls2) + exp(-ls2)*sum(square(x - drawn))/B) + kl"},
        "elbo": {"expr": "-0.5*(64*(log(2*pi) + ls2) + exp(-ls2)*(sum(square(x - mean))/B + blur)) - kl"},
    },
    "outputs": ["loss", "elbo"],
}


def digits(part="all", **more):
    return np.array(data.digits(part, **more)["x"], float)


def exact(z):
    z.checked(z.put(dtype="float64"))
    z.same("KL at 0.7, -0.4", kl(z), 0.2801600230178197, 1e-14)
    x, net = digits(), z.put(LINEAR, dtype="float64", label="linear")
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    values, vectors, mean = values[::-1].clip(0), vectors[:, ::-1], x.mean(0)
    s2 = values[K:].mean()
    w = vectors[:, :K] * np.sqrt(values[:K] - s2)
    m = w.T @ w + s2 * np.eye(K)
    encoder = np.linalg.solve(m, w.T)
    net.set({"m.weight": encoder, "m.bias": -encoder @ mean, "lv": np.log(s2 / np.diag(m)), "ls2": np.log(s2),
             "drawn.weight": w, "drawn.bias": mean})
    elbo = net.forward({"x": x}, outputs=["elbo"])["elbo"]
    z.same("noise of probabilistic PCA", s2, 0.02732943192766298, 1e-15)
    z.same("linear: ELBO = log-likelihood", elbo, 14.209788316611, 1e-11)
    z.checked(net, what="linear", loss="loss")


def kl(z):
    graph = {"dtype": "float64", "inputs": {"mu": ["B", 1], "logvar": ["B", 1]},
             "nodes": {"y": {"op": "GaussianKL", "in": ["mu", "logvar"]}}, "outputs": ["y"]}
    return z.put(graph, label="kl").forward({"mu": np.array([[0.7]]), "logvar": np.array([[-0.4]])})["y"]


def likelihood(x, w, bias, s2):
    c = w @ w.T + s2 * np.eye(64)
    d = x - bias
    return -0.5 * (64 * np.log(2 * np.pi) + np.linalg.slogdet(c)[1] + np.mean(np.sum(d @ np.linalg.inv(c) * d, 1)))


@slow
def train_linear(z):
    x, net = digits(), z.put(LINEAR, label="learned")
    z.learn(net, {"x": x.astype("f4")}, "linear", steps=6000, batch=200, loss="loss", optimizer={"Adam": {"lr": 1e-2}},
            schedule={"linear": {"steps": 6000}})
    p = {k: v.astype(float) for k, v in net.parameters().items()}
    elbo = float(net.forward({"x": x.astype("f4")}, outputs=["elbo"])["elbo"])
    gap = likelihood(x, p["drawn.weight"], p["drawn.bias"], np.exp(p["ls2"])) - elbo
    z.row("linear, 6000 steps: likelihood - ELBO", f"{gap:.4f}", ">= 0, < 0.1", -1e-4 <= gap < 0.1, "trained")


@slow
def train(z):
    x, test, net = digits("train", binarised=True).astype("f4"), digits("test", binarised=True).astype("f4"), z.put(label="net")
    job = z.learn(net, {"x": x}, epochs=150, batch=64, loss="loss", optimizer={"Adam": {"lr": 2e-3}})
    draws = [net.forward({"x": test}, outputs=["a", "z", "enc.mu", "enc.logvar", "loss"], seed=s) for s in range(1, 201)]
    elbo = -np.mean([float(d["loss"]) for d in draws])
    bound = importance(test, draws)
    active = int(np.sum(draws[0]["enc.mu"].var(0) > 0.01))
    z.keep("digits", images=test[:10], reconstructed=1 / (1 + np.exp(-draws[0]["a"][:10])))
    z.at_least(f"binarised digits, {job.result['steps']} steps: test ELBO", elbo, -19.5)
    z.at_least("importance-weighted bound - ELBO", bound - elbo, 0)
    z.at_least("active units", active, 8)


def importance(x, draws):
    """ln mean of p(x|z) p(z)/q(z|x) over the draws, per image."""
    weights = []
    for d in draws:
        a, zs, mu, lv = (d[k].astype(float) for k in ("a", "z", "enc.mu", "enc.logvar"))
        log_p = np.sum(x * a - np.logaddexp(0, a), 1) - 0.5 * np.sum(zs**2, 1)
        weights.append(log_p + 0.5 * np.sum((zs - mu) ** 2 / np.exp(lv) + lv, 1))
    return np.mean(np.logaddexp.reduce(weights, 0) - np.log(len(draws)))
