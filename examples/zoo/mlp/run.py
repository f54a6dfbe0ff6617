"""Multi-layer perceptron: XOR by hand, tanh as a sigmoid net, XOR learned, digits learned."""
import data
import numpy as np
from rows import slow

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)


def chain(*items, **more):
    return {"inputs": {"x": ["B", items[0]["Linear"][0]]}, "nodes": {"net": {"chain": list(items), "in": "x"}},
            "outputs": ["net"], "dtype": "float64", **more}


def exact(z):
    z.checked(z.put(dtype="float64"))  # order 2 between the kinks of ReLU
    by_hand = z.put(chain({"Linear": [2, 2]}, "ReLU", {"Linear": [2, 1]}))
    by_hand.set({"net.0.weight": np.ones((2, 2)), "net.0.bias": np.array([0.0, -1]), "net.2.weight": np.array([[1.0, -2]]),
                 "net.2.bias": np.zeros(1)})
    z.same("XOR by hand", by_hand.forward({"x": XOR})["net"][:, 0], [0, 1, 1, 0])


def exact_tanh_is_sigmoid(z):
    """tanh(a) = 2 sigmoid(2 a) - 1: the layer before is doubled, the one behind doubled and moved."""
    tanh = z.put(chain({"Linear": [5, 7]}, "Tanh", {"Linear": [7, 3]}), label="tanh")
    sigmoid = z.put(chain({"Linear": [5, 7]}, "Sigmoid", {"Linear": [7, 3]}), label="sigmoid")
    p = tanh.parameters()
    sigmoid.set({"net.0.weight": 2 * p["net.0.weight"], "net.0.bias": 2 * p["net.0.bias"], "net.2.weight": 2 * p["net.2.weight"],
                 "net.2.bias": p["net.2.bias"] - p["net.2.weight"].sum(1)})
    x = z.random().normal(size=(50, 5))
    z.same("tanh net = sigmoid net", tanh.forward({"x": x})["net"], sigmoid.forward({"x": x})["net"], 1e-14)
    z.checked(tanh, what="tanh net")


def train_xor(z):
    graph = {"inputs": {"x": ["B", 2], "t": ["B", 1]},
             "nodes": {"net": {"chain": [{"Linear": [2, 8]}, "Tanh", {"Linear": [8, 1]}], "in": "x"},
                       "loss": {"op": "BCEWithLogitsLoss", "in": ["net", "t"]}},
             "outputs": ["net", "loss"]}
    steps, good, seeds = [], 0, 1 if z.fast else 50
    for seed in range(seeds):
        net, losses = z.put(graph, seed=seed, label="xor"), []
        while len(losses) < 2000 and (not losses or losses[-1] >= 0.01):
            losses.append(net.step({"x": XOR, "t": XOR.sum(1, keepdims=True) == 1}, {"Adam": {"lr": 0.05}})["loss"])
        good += losses[-1] < 0.01
        steps.append(len(losses))
    z.at_least(f"XOR, 2-8-1, {min(steps)} to {max(steps)} steps: seeds of {seeds} with loss < 0.01", good, seeds)
    z.keep("xor", loss=losses)


def digits(part):
    columns = data.digits(part)
    return {"x": np.array(columns["x"], "f4"), "y": np.array(columns["y"])}


@slow
def train_digits(z):
    train, test, net = digits("train"), digits("test"), z.put(label="digits")
    job = z.learn(net, train, "digits", test, epochs=60, batch=32, optimizer={"Adam": {"lr": 1e-3}},
                  validation={"accuracy": {"output": "p", "target": "y"}})
    accuracy = np.mean(net.forward({"x": test["x"]}, outputs=["p"])["p"].argmax(1) == test["y"])
    z.keep("digits", filters=net.parameters()["logits.0.weight"])
    z.at_least(f"digits, a job of {job.result['steps']} steps: test accuracy", accuracy, 0.95)
    z.same("... as the job says itself", job.result["validation"][-1]["accuracy"], accuracy, 1e-12)
    told = [about["done"] for name, about in job.events if name == "progress"]
    z.true("... and told on the way", told == sorted(told) and job.about["progress"]["done"] == 2700, f"{len(told)} events", "trained")
