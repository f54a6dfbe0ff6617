"""Convolutional net: the adjoint, the kernel that is not flipped, and digits."""
import data
import numpy as np
from rows import slow


def one(op, shape, *args, **more):
    return {"dtype": "float64", "inputs": {"x": ["B", *shape]}, "nodes": {"y": {"chain": [{op: list(args)}], "in": "x"}}, "outputs": ["y"], **more}


def exact(z):
    z.checked(z.put(dtype="float64"))
    net = z.put({"dtype": "float64", "inputs": {"x": ["B", 1, "L"]},
                 "nodes": {"y": {"op": "Conv1d", "in": "x", "out_channels": 1, "kernel_size": 3, "bias": False}}, "outputs": ["y"],
                 "params": {"y.weight": {"value": [[[1, 0, -1]]]}}}, label="flip")
    z.same("(1, 2, 3) with the kernel (1, 0, -1): not flipped", net.forward({"x": np.array([[[1.0, 2, 3]]])})["y"], [[[-2]]])


def exact_adjoint(z):
    """<conv(x), u> = <x, convT(u)>: backward is the transposed convolution."""
    random = z.random()
    for stride, padding, dilation, groups in ((1, 0, 1, 1), (2, 1, 1, 1), (3, 2, 2, 1), (2, 1, 1, 2)):
        what = f"stride {stride}, padding {padding}, dilation {dilation}, groups {groups}"
        conv = z.put(one("Conv2d", (4, 11, 11), 4, 6, 3, stride, padding, dilation, groups, False), label="conv")
        x = random.normal(size=(2, 4, 11, 11))
        y = conv.forward({"x": x})["y"]
        u, more = random.normal(size=y.shape), (11 + 2 * padding - dilation * 2 - 1) % stride
        back = z.put(one("ConvTranspose2d", (6, y.shape[2], y.shape[3]), 6, 4, 3, stride, padding, more, groups, False, dilation), label="back")
        back.set({"y.0.weight": conv.parameters()["y.0.weight"]})
        t = back.forward({"x": u})["y"]
        z.same(f"adjoint, {what}", np.sum(y * u), np.sum(x * t), 1e-12)
        z.same(f"backward = transposed, {what}", conv.backward({"x": x}, cotangents={"y": u}, wrt=["x"])[0]["x"], t, 1e-13)


@slow
def train(z):
    train, test = data.digits("train"), data.digits("test")
    x, y = np.array(train["x"], "f4").reshape(-1, 1, 8, 8), np.array(train["y"])
    net = z.put(label="net")
    tests = {"x": np.array(test["x"], "f4").reshape(-1, 1, 8, 8), "y": np.array(test["y"])}
    job = z.learn(net, {"x": x, "y": y}, "digits", tests, epochs=30, batch=32, optimizer={"Adam": {"lr": 3e-3}},
                  schedule={"linear": {"steps": 1350}}, validation={"accuracy": {"output": "logits", "target": "y"}})
    logits = net.forward({"x": tests["x"]}, outputs=["logits"])["logits"]
    z.keep("digits", filters=net.parameters()["logits.0.weight"])
    z.at_least(f"digits, {job.result['steps']} steps: test accuracy", np.mean(logits.argmax(1) == tests["y"]), 0.955)
