"""GAN: the best discriminator, who gets which gradient, eight modes on a ring."""
import data
import numpy as np
from rows import slow

ADAM = {"Adam": {"lr": 1e-3, "betas": [0.5, 0.99]}}
ROUNDS = 3000
CENTRES = 2 * np.array([[np.cos(a), np.sin(a)] for a in np.arange(8) * np.pi / 4])


def exact(z):
    """p = N(1,1) and q = N(-1,1) as weights on a grid; a convex problem in two numbers."""
    x = np.linspace(-8, 8, 2001)[:, None]
    p, q = np.exp(-((x - 1) ** 2) / 2), np.exp(-((x + 1) ** 2) / 2)
    p, q = p / p.sum(), q / q.sum()
    graph = {"inputs": {k: ["B", 1] for k in "xpq"}, "outputs": ["loss"], "dtype": "float64",
             "nodes": {"d": {"op": "Linear", "in": "x", "out_features": 1},
                       "loss": {"expr": "sum(p*softplus(-d)) + sum(q*softplus(d))"}}}
    net = z.put(graph, label="best")
    for _ in range(400):
        loss = net.step({"x": x, "p": p, "q": q}, {"SGD": {"lr": 4}})["loss"]
    best = net.parameters()
    z.same("best discriminator: slope 2, offset 0", [best["d.weight"][0, 0], best["d.bias"][0]], [2, 0], 1e-6)
    value = np.sum(p * np.log(p / (p + q)) + q * np.log(q / (p + q)))
    z.same("its value is 2 JSD - ln 4", -loss, value, 1e-10)
    z.same("which is known", value, -0.712632720426, 1e-11)


def exact_gradients(z):
    net = z.put(dtype="float64")
    random = z.random()
    point = {k: random.normal(size=(6, 2)) for k in ("x", "z", "n1", "n2", "n3")} | {"s": 0.3}
    of_d = net.backward(point, loss="D", wrt=["gen.*"])[0]
    z.same("L_D gives the generator no gradient", max(np.abs(g).max() for g in of_d.values()), 0)
    of_g = net.backward(point, loss="G", wrt=["gen.*"])[0]
    z.true("L_G gives all of the generator one", len(of_g) == 6 and all(np.abs(g).max() > 0 for g in of_g.values()))
    for loss in "GD":  # with ReLU: not smooth
        z.checked(net, orders=(1,), what=f"gradient check, L_{loss}", loss=loss, inputs=point)


@slow
def train(z):
    net, losses = z.put(), []
    x = np.float32(data.ring(100000, seed=3)["x"])
    rate = {"formula": f"min(1, 2*(1 - i/{ROUNDS}) + 0.02)"}
    for i in range(ROUNDS):
        batch = {"x": x[z.random(i).integers(len(x), size=128)], "s": np.float32(0.5 * max(0, 1 - i / 2400))}
        losses.append([net.step(batch, ADAM, loss=loss, schedule=rate, seed=2 * i + k)["loss"] for k, loss in enumerate("DG", 1)])
    samples = net.forward({"z": np.float32(z.random(1).normal(size=(2500, 2)))}, outputs=["gen"])["gen"]
    near = np.linalg.norm(samples[:, None] - CENTRES, axis=2) < 0.06
    z.keep("ring", loss=losses, samples=samples, data=x[:2500])
    z.at_least(f"ring, {ROUNDS} rounds: modes with 20 samples", int(np.sum(near.sum(0) >= 20)), 8)
    z.at_least("ring: share of samples at a mode", near.any(1).mean(), 0.5)
