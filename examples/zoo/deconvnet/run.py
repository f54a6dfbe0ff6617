"""Deconvolutional net: a kernel that is bilinear interpolation, unpooling with switches, what a unit sees, and training."""
import data
import numpy as np
from rows import slow


def images(part):
    return np.array(data.digits(part)["x"], "f4").reshape(-1, 1, 8, 8)


def exact(z):
    z.checked(z.put(dtype="float64"))
    graph = {"dtype": "float64", "inputs": {"x": ["B", 1, "H", "W"]},
             "nodes": {"up": {"op": "ConvTranspose2d", "in": "x", "out_channels": 1, "kernel_size": 4, "stride": 2, "padding": 1, "bias": False},
                       "smooth": {"op": "Upsample", "in": "x", "scale_factor": 2, "mode": "bilinear"}}, "outputs": ["up", "smooth"]}
    net = z.put(graph, label="up")
    k = np.array([1.0, 3, 3, 1])
    net.set({"up.weight": (np.outer(k, k) / 16)[None, None]})
    y = net.forward({"x": z.random().normal(size=(2, 1, 7, 5))})
    inside = np.s_[:, :, 1:-1, 1:-1]
    plane = lambda i, j: (3 * i[:, None] - 2 * j + 0.25)[None, None]  # linear: between the pixels as at them
    up = net.forward({"x": plane(np.arange(7.0), np.arange(5.0))})["up"]
    z.same("a plane becomes a plane", up[inside], plane(np.arange(14) / 2 - 0.25, np.arange(10) / 2 - 0.25)[inside], 1e-13)
    z.same("(1,3,3,1) x (1,3,3,1)/16 doubles as bilinear does", y["up"][inside], y["smooth"][inside], 1e-14)


def exact_switches(z):
    graph = {"dtype": "float64", "inputs": {"x": ["B", 2, 8, 8]},
             "nodes": {"pool": {"op": "MaxPool2d", "in": "x", "kernel_size": 2, "return_indices": True},
                       "back": {"op": "MaxUnpool2d", "in": ["pool.out", "pool.indices"], "kernel_size": 2},
                       "again": {"op": "MaxPool2d", "in": "back", "kernel_size": 2}}, "outputs": ["pool.out", "back", "again"]}
    net, x = z.put(graph, label="switches"), np.abs(z.random(1).normal(size=(3, 2, 8, 8)))
    got = net.forward({"x": x})
    z.same("pool(unpool(y)) = y for y >= 0", got["again"], got["pool.out"])
    back = net.backward({"x": x}, cotangents={"pool.out": got["pool.out"]}, wrt=["x"])[0]["x"]
    z.same("unpooling = backward of max pooling", back, got["back"])


def sees(rule):
    """The gradient of one unit of the code, ReLU's backward by a rule."""
    return {"inputs": {"x": ["B", 1, 8, 8]},
            "nodes": {"code": {"chain": [{"Conv2d": [1, 16, 3, 2, 1]}, {"ReLU": rule}, {"Conv2d": [16, 4, 3, 2, 1]}], "in": "x"}}, "outputs": ["code"]}


@slow
def train(z):
    x, test, net = images("train"), images("test"), z.put(label="net")
    job = z.learn(net, {"x": x}, epochs=80, batch=64, optimizer={"Adam": {"lr": 5e-3}}, schedule={"linear": {"to": 0.02, "steps": 1840}})
    got = net.forward({"x": test}, outputs=["rec", "loss"])
    z.keep("digits", images=test[:10, 0], reconstructed=got["rec"][:10, 0])
    z.at_most(f"a code of 16 numbers, {job.result['steps']} steps: test error", float(got["loss"]), 1.0)
    learned = {k: v for k, v in net.parameters().items() if k.startswith("code.")}
    for rule in ("plain", "deconvnet", "guided"):
        unit = z.put(sees(rule), label=rule)
        unit.set(learned)
        g = np.zeros((10, 4, 2, 2))
        g[:, 0, 0, 0] = 1
        z.keep(f"sees-{rule}", images=test[:10, 0], gradient=unit.backward({"x": test[:10]}, cotangents={"code": g}, wrt=["x"])[0]["x"][:, 0])
