"""Residual net: with a last gain of 0 a block is the identity; 58 layers learn with the short cuts and not without."""
import data
import numpy as np
from rows import slow


def deep(graph, blocks, residual=True):
    """So many blocks; Linear as He et al. start it, the last gain of each block 0."""
    graph["nodes"]["net"]["chain"] = [{"Linear": [64, 32]}, "ReLU", *["Block"] * blocks, {"Linear": [32, 10]}]
    start = {"init": {"kaiming_normal": {"nonlinearity": "relu"}}}
    graph["params"] = {**{f"net.*.f.{i}.weight": start for i in (0, 3)}, **{f"net.*.f.{i}.bias": {"init": "zeros"} for i in (0, 3)},
                       **{f"net.{i}.weight": start for i in (0, blocks + 2)}, **{f"net.{i}.bias": {"init": "zeros"} for i in (0, blocks + 2)}}
    if residual:
        graph["params"]["net.*.f.4.weight"] = {"init": "zeros"}
    else:
        graph["modules"]["Block"]["nodes"]["y"] = {"expr": "relu(f)"}
    return graph


def beside_biases(z, net, what):
    """Batch norm takes away what a bias before it adds: of second derivatives that are 0 but for rounding nothing can be told."""
    z.checked(net, orders=(1,), what=what, mode="train")
    learned = [name for name in net.parameters() if name.endswith(("weight", "bias")) and not name.endswith(("f.0.bias", "f.3.bias"))]
    z.checked(net, orders=(2,), what=what, mode="train", wrt=[*learned, "x"])


def exact(z):
    graph = z.graph
    graph.pop("params")  # gains of 0 let no gradient through
    beside_biases(z, z.put(graph, dtype="float64"), "gradient check")
    block = {"dtype": "float64", "inputs": {"x": ["B", 32]}, "modules": z.graph["modules"], "nodes": {"b": {"op": "Block", "in": "x"}},
             "outputs": ["b"], "params": {"b.f.4.weight": {"init": "zeros"}}}
    net, x = z.put(block, label="block"), 0.1 + np.abs(z.random().normal(size=(7, 32)))
    g = z.random(1).normal(size=x.shape)
    gradients = net.backward({"x": x}, cotangents={"b": g}, wrt=["x"], mode="train")[0]
    z.same("a block of gain 0 is the identity", net.forward({"x": x}, mode="train")["b"], x)
    z.same("... backward too", gradients["x"], g)


def exact_convolutional(z):
    """Two convolutional blocks: a check with a fixed step of 1e-3 crosses kinks and is 0.4 % off; ours shrinks its steps."""
    graph = {"dtype": "float64", "inputs": {"x": ["B", 3, 5, 5]},
             "modules": {"Block": {"inputs": {"x": ["B", 3, "H", "W"]},
                                   "nodes": {"f": {"chain": [{"Conv2d": [3, 3, 3, 1, 1]}, "BatchNorm2d", "ReLU", {"Conv2d": [3, 3, 3, 1, 1]},
                                                             "BatchNorm2d"], "in": "x"},
                                             "y": {"expr": "relu(x + f)"}}, "outputs": ["y"]}},
             "nodes": {"net": {"chain": ["Block", "Block"], "in": "x"}}, "outputs": ["net"]}
    beside_biases(z, z.put(graph, label="convolutional"), "two convolutional blocks")


def learn_digits(z, blocks, residual):
    train, test = data.digits("train"), data.digits("test")
    net = z.put(deep(z.graph, blocks, residual), label="deep")
    columns = {"x": np.array(train["x"], "f4"), "y": np.array(train["y"])}
    job = z.learn(net, columns, f"{2 * blocks + 2}-layers-{'residual' if residual else 'plain'}", epochs=12, batch=64, optimizer={"Adam": {"lr": 1e-3}})
    y = net.forward({"x": np.array(test["x"], "f4")}, outputs=["net"])["net"].argmax(1)
    last = [point["losses"]["loss"] for point in job.result["curve"] if point["step"] > job.result["steps"] - 23]  # of the last epoch
    return np.mean(last), np.mean(y == np.array(test["y"]))


@slow
def train(z):
    for residual, near in ((True, 0.165), (False, 0.29)):
        loss, _ = learn_digits(z, 3, residual)
        z.near(f"8 layers, {'residual' if residual else 'plain'}: last training loss", loss, near, 0.1)
    loss, accuracy = learn_digits(z, 28, True)
    z.at_most("58 layers, residual: last training loss", loss, 0.1)
    z.at_least("... test accuracy", accuracy, 0.93)
    loss, accuracy = learn_digits(z, 28, False)
    z.at_least("58 layers, plain: last training loss", loss, 1.5)
    z.at_most("... test accuracy: chance", accuracy, 0.2)
