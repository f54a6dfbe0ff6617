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
    for loss in "GD":
        z.checked(net, what=f"gradient check, L_{loss}", loss=loss, inputs=point)


VARIANTS = {  # what else finds all eight
    "least squares": lambda g: g["nodes"].update(loss_d={"expr": "mean(square(d_real - 1)) + mean(square(d_fake))"},
                                                 loss_g={"expr": "mean(square(d_gen - 1))"}),
    "tanh": lambda g: g["modules"].update({k: swapped(g["modules"][k], "Tanh") for k in "GD"}),
    "z of 8": lambda g: (g["inputs"]["z"].update(shape=["B", 8]), g["modules"]["G"]["chain"][0].update(Linear=[8, 64])),
}


def swapped(module, bend):
    return {"chain": [item if "Linear" in item else bend for item in module["chain"]]}


def modes(samples):
    """How many clouds have 20 of 2500 samples within three deviations, and the share of samples that are at one."""
    near = np.linalg.norm(samples[:, None] - CENTRES, axis=2) < 0.06
    return int(np.sum(near.sum(0) >= 20)), near.any(1).mean()


def play(z, what, graph, batch=128):
    """A job: two losses that take turns, noise that fades. What it ends with."""
    net, x = z.put(graph, label="ring"), np.float32(data.ring(100000, seed=3)["x"])
    turn = {"optimizer": ADAM, "schedule": {"formula": f"min(1, 2*(1 - i/{ROUNDS}) + 0.02)"}}
    z.learn(net, {"x": x}, what.replace(" ", "-"), steps=ROUNDS, batch=batch, losses=[{"loss": loss, **turn} for loss in "DG"],
            scalars={"s": "0.5*max(0, 1 - i/2400)"})
    size = graph["inputs"]["z"]["shape"][1]
    samples = net.forward({"z": np.float32(z.random(1).normal(size=(2500, size)))}, outputs=["gen"])["gen"]
    found, share = modes(samples)
    z.row(f"{what}, {ROUNDS} rounds, a job: modes with 20 samples", f"{found}, {share:.0%} of the samples there", ">= 8", found >= 8, "trained")
    return samples, x[:2500], share


@slow
def train(z):
    samples, x, share = play(z, "ring", z.graph)
    z.at_least("... share of samples at a mode", share, 0.5)
    z.keep("ring", samples=samples, data=x)


@slow
def train_variants(z):
    for what, change in VARIANTS.items():
        graph = z.graph
        change(graph)
        z.keep(what, samples=play(z, what, graph)[0])
    play(z, "batches of 256", z.graph, 256)
