#!/usr/bin/env python3
"""POST .../diagnose against closed forms and against the same network in numpy; and its picture."""
import json
import math
import unittest
import xml.etree.ElementTree as ET

from daemon import Daemon
from with_numpy import numpy as np

SVG = {"Accept": "image/svg+xml"}


def chain(items, width, dtype="float64", **more):
    return {"dtype": dtype, "inputs": {"x": ["B", width]}, "nodes": {"net": {"chain": items, "in": "x"}}, "outputs": ["net"], **more}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Diagnose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("--workers", "1").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()

    def diagnose(self, graph, x, cotangent=None, **more):
        x = np.asarray(x, float)
        body = {"graph": graph, "inputs": {"x": x.tolist(), **more.pop("inputs", {})}, **more}
        if cotangent is not None:
            body["cotangents"] = {"net": np.asarray(cotangent).tolist()}
        reply = self.daemon.ask("POST", "/v1/diagnose", body)
        self.assertEqual(reply.status, 200, reply.body)
        picture = self.daemon.ask("POST", "/v1/diagnose", body, SVG)
        self.assertEqual(picture.status, 200)
        ET.fromstring(picture.body)
        self.assertNotIn(b"nan", picture.body.lower())
        reply = reply.json()
        return reply, {n["node"]: n for n in reply["nodes"]}

    def codes(self, node):
        return [a["code"] for a in node["advice"]]

    def test_ten_sigmoids(self):
        """At 0 the gradient that comes down is 3.875e-7, under the bound 4^-10."""
        reply, nodes = self.diagnose(chain(["Sigmoid"] * 10, 1), [[0]], [[1]])
        want, x = 1.0, 0.0
        for _ in range(10):
            y = sigmoid(x)
            want, x = want * y * (1 - y), y
        got = nodes["x"]["gradient"]
        self.assertAlmostEqual(got["mean_size"] / want, 1, places=12)
        self.assertAlmostEqual(got["mean_size"], 3.875e-7, delta=1e-10)
        self.assertLess(got["mean_size"], 4.0**-10)
        self.assertEqual((got["verdict"], reply["verdict"], reply["measured_by"]), ("vanishing", "vanishing", "net/9"))
        self.assertIn("vanishing", self.codes(nodes["x"]))
        self.assertEqual(nodes["net/9"]["gradient"], {"mean_size": 1, "ratio": 1, "verdict": "healthy"})

    def test_exploding(self):
        """x -> 100 x, twice over: 1e4."""
        graph = chain([{"Linear": [2, 2]}, {"Linear": [2, 2]}, {"Linear": [2, 2]}], 2,
                      params={f"net.{i}.weight": {"value": [[100, 0], [0, 100]]} for i in range(3)})
        reply, nodes = self.diagnose(graph, [[1, 2]], [[1, 1]])
        self.assertEqual(nodes["net/0"]["gradient"]["mean_size"], 1e4)
        self.assertEqual([nodes[n]["gradient"]["verdict"] for n in ("x", "net/0", "net/1", "net/2")],
                         ["exploding", "exploding", "healthy", "healthy"])
        self.assertEqual(reply["verdict"], "exploding")
        self.assertEqual(self.codes(nodes["net/0"]), ["exploding"])

    def test_all_dead(self):
        """With a very negative bias no unit ever gives anything, and nothing comes down."""
        graph = chain([{"Linear": [4, 8]}, "ReLU", {"Linear": [8, 1]}], 4, params={"net.0.bias": {"value": [-1000.0] * 8}})
        reply, nodes = self.diagnose(graph, np.random.default_rng(1).normal(size=(16, 4)), np.ones((16, 1)))
        self.assertEqual(nodes["net/1"]["dead"], {"units": 8, "dead_units": 8, "unit_share": 1, "entry_share": 1})
        self.assertEqual(nodes["net/0"]["gradient"]["mean_size"], 0)
        self.assertEqual(reply["verdict"], "vanishing")
        text = next(a["text"] for a in nodes["net/1"]["advice"] if a["code"] == "dead_units")
        self.assertIn("lower learning rate helps", text)

    def test_some_dead(self):
        x = np.random.default_rng(2).normal(size=(9, 5))
        x[:, 1] = -abs(x[:, 1])  # dead
        x[:, 2] = 0  # dead: the slope at 0 is 0
        x[1:, 3] = -1
        x[0, 3] = 1  # one sample keeps it alive
        for dtype in ("float64", "float32"):
            _, nodes = self.diagnose(chain(["ReLU"], 5, dtype), x, np.ones((9, 5)))
            dead = nodes["net/0"]["dead"]
            self.assertEqual((dead["units"], dead["dead_units"], dead["unit_share"]), (5, 2, 0.4))
            self.assertAlmostEqual(dead["entry_share"], (x <= 0).mean())
        for alive in ("LeakyReLU", "ELU", "SiLU", "GELU"):
            _, nodes = self.diagnose(chain([alive], 5), x, np.ones((9, 5)))
            self.assertEqual(nodes["net/0"]["dead"]["dead_units"], 0, alive)

    def test_channels(self):
        """Of pictures a unit is a channel: one entry alive keeps it alive."""
        x = -np.ones((2, 3, 4, 4))
        x[1, 2, 3, 3] = 1
        graph = {"inputs": {"x": ["B", 3, 4, 4]}, "nodes": {"net": {"op": "ReLU", "in": "x"}}, "outputs": ["net"]}
        _, nodes = self.diagnose(graph, x, np.ones(x.shape))
        self.assertEqual(nodes["net"]["dead"], {"units": 3, "dead_units": 2, "unit_share": 2 / 3, "entry_share": 95 / 96})

    def test_saturated(self):
        x = np.linspace(-6, 6, 200).reshape(20, 10)
        for type_, slope, steepest in (("Sigmoid", lambda v: sigmoid(v) * (1 - sigmoid(v)), 0.25), ("Tanh", lambda v: 1 - np.tanh(v) ** 2, 1)):
            reply, nodes = self.diagnose(chain([type_], 10), x, np.ones(x.shape))
            want = (slope(x) < reply["rules"]["saturated_below"] * steepest).mean()
            self.assertAlmostEqual(nodes["net/0"]["saturated"], want)
            self.assertEqual("saturated" in self.codes(nodes["net/0"]), want > 0.5)
        _, nodes = self.diagnose(chain([{"Clip": [-1, 1]}], 10), x, np.ones(x.shape))
        self.assertAlmostEqual(nodes["net/0"]["saturated"], (abs(x) > 1).mean())

    def test_softmax(self):
        x = np.array([[0, 0, 0], [10, 0, 0], [0, -20, 9], [0, 1, 0]])
        for type_ in ("Softmax", "LogSoftmax"):
            _, nodes = self.diagnose(chain([{type_: -1}], 3), x, np.ones(x.shape))
            self.assertEqual(nodes["net/0"]["saturated"], 0.5, type_)

    def test_centred(self):
        x = np.random.default_rng(3).normal(size=(50, 20))
        for type_, centred in (("Tanh", True), ("Sigmoid", False), ("ReLU", False)):
            _, nodes = self.diagnose(chain([type_], 20), x, np.ones(x.shape))
            self.assertEqual((nodes["net/0"]["activation"]["centred"], "not_centred" in self.codes(nodes["net/0"])), (centred, not centred))
        _, nodes = self.diagnose(chain(["Tanh"], 20), x + 3, np.ones(x.shape))
        self.assertFalse(nodes["net/0"]["activation"]["centred"])

    def test_against_numpy(self):
        """A trained-like network: every mean, spread and gradient."""
        rng = np.random.default_rng(4)
        x, t = rng.normal(size=(12, 6)), rng.normal(size=(12, 3))
        W1, b1, W2, b2 = rng.normal(size=(7, 6)), rng.normal(size=7), rng.normal(size=(3, 7)), rng.normal(size=3)
        graph = {"dtype": "float64", "inputs": {"x": ["B", 6], "t": ["B", 3]},
                 "nodes": {"net": {"chain": [{"Linear": [6, 7]}, "Tanh", {"Linear": [7, 3]}], "in": "x"},
                           "loss": {"op": "MSELoss", "in": ["net", "t"]}},
                 "outputs": ["net", "loss"],
                 "params": {"net.0.weight": {"value": W1.tolist()}, "net.0.bias": {"value": b1.tolist()},
                            "net.2.weight": {"value": W2.tolist()}, "net.2.bias": {"value": b2.tolist()}}}
        reply, nodes = self.diagnose(graph, x, inputs={"t": t.tolist()})
        a = x @ W1.T + b1
        h = np.tanh(a)
        y = h @ W2.T + b2
        gy = 2 * (y - t) / y.size
        gh = gy @ W2
        ga = gh * (1 - h * h)
        self.assertAlmostEqual(reply["loss"], ((y - t) ** 2).mean())
        for name, value, gradient in (("x", x, ga @ W1), ("net/0", a, ga), ("net/1", h, gh), ("net/2", y, gy)):
            activation = nodes[name]["activation"]
            self.assertAlmostEqual(activation["mean"], value.mean())
            self.assertAlmostEqual(activation["spread"], value.std())
            self.assertAlmostEqual(activation["min"], value.min())
            self.assertEqual(activation["histogram"], np.histogram(value, 24)[0].tolist())
            self.assertAlmostEqual(nodes[name]["gradient"]["mean_size"], abs(gradient).mean())
            self.assertAlmostEqual(nodes[name]["gradient"]["ratio"], abs(gradient).mean() / abs(gy).mean())
        self.assertEqual(nodes["loss"]["gradient"]["mean_size"], 1)
        self.assertEqual(nodes["loss"]["gradient"]["verdict"], "none")

    def test_through_time(self):
        """h <- x + s h: the gradient at step t is s^(T-1-t)."""
        for s, T, verdict in ((0.5, 8, "healthy"), (0.5, 12, "vanishing"), (2, 12, "exploding"), (1, 12, "healthy")):
            graph = {"dtype": "float64", "inputs": {"x": ["B", "T", 3]},
                     "modules": {"Cell": {"inputs": {"x": ["B", 3], "h": ["B", 3]}, "nodes": {"h1": {"expr": f"x + {s}*h"}}, "outputs": {"h": "h1"}}},
                     "nodes": {"net": {"scan": "Cell", "over": {"x": "x"}, "carry": {"h": "zeros"}}, "last": {"op": "Identity", "in": "net.last.h"}},
                     "outputs": ["last"]}
            x = np.random.default_rng(6).normal(size=(4, T, 3))
            body = {"graph": graph, "inputs": {"x": x.tolist()}, "cotangents": {"last": np.ones((4, 3)).tolist()}}
            reply = self.daemon.ask("POST", "/v1/diagnose", body).json()
            h1 = [n for n in reply["nodes"] if n["node"] == "net/h1" and n["type"] == "Add"][0]
            self.assertEqual(h1["gradient"]["steps"], T)
            self.assertAlmostEqual(h1["gradient"]["through_time"] / s ** (T - 1), 1)
            self.assertAlmostEqual(h1["gradient"]["mean_size"], sum(s**t for t in range(T)) / T)
            self.assertEqual(h1["gradient"]["verdict"], verdict)
            h, all_h = 0, []
            for t in range(T):
                h = x[:, t] + s * h
                all_h.append(h)
            self.assertAlmostEqual(h1["activation"]["mean"], np.mean(all_h))
            self.assertAlmostEqual(h1["activation"]["spread"], np.std(all_h))
            self.assertEqual(self.daemon.ask("POST", "/v1/diagnose", body, SVG).status, 200)

    def test_dead_inside(self):
        """A unit that is 0 at every step for every sample is dead; one that wakes once is not."""
        graph = {"dtype": "float64", "inputs": {"x": ["B", "T", 3]},
                 "modules": {"Cell": {"inputs": {"x": ["B", 3], "h": ["B", 3]},
                                      "nodes": {"r": {"op": "ReLU", "in": "x"}, "h1": {"expr": "r + h"}}, "outputs": {"h": "h1"}}},
                 "nodes": {"net": {"scan": "Cell", "over": {"x": "x"}, "carry": {"h": "zeros"}}, "last": {"op": "Identity", "in": "net.last.h"}},
                 "outputs": ["last"]}
        x = -np.ones((2, 5, 3))
        x[1, 3, 2] = 1
        x[:, :, 0] = 1
        reply = self.daemon.ask("POST", "/v1/diagnose", {"graph": graph, "inputs": {"x": x.tolist()}, "cotangents": {"last": np.ones((2, 3)).tolist()}}).json()
        r = [n for n in reply["nodes"] if n["node"] == "net/r"][0]
        self.assertEqual(r["dead"], {"units": 3, "dead_units": 1, "unit_share": 1 / 3, "entry_share": 19 / 30})

    def test_stored(self):
        graph = chain([{"Linear": [3, 4]}, "ReLU", {"Linear": [4, 2]}], 3)
        self.assertEqual(self.daemon.ask("POST", "/v1/graphs", {"name": "g", "graph": graph, "seed": "7"}).status, 201)
        body = {"inputs": {"x": [[1, 2, 3]]}, "cotangents": {"net": [[1, 1]]}}
        stored = self.daemon.ask("POST", "/v1/graphs/g/diagnose", body)
        here = self.daemon.ask("POST", "/v1/diagnose", {"graph": graph, "seed": "7", **body})
        self.assertEqual((stored.status, here.status), (200, 200))
        self.assertEqual(stored.json()["nodes"], here.json()["nodes"])

    def test_not_finite(self):
        graph = chain([{"Linear": [1, 1]}, "Exp"], 1, params={"net.0.weight": {"value": [[1000]]}, "net.0.bias": {"value": [0]}})
        body = {"graph": graph, "inputs": {"x": [[1]]}, "cotangents": {"net": [[1]]}}
        reply = self.daemon.ask("POST", "/v1/diagnose", body).json()
        self.assertEqual(reply["verdict"], "exploding")
        self.assertEqual(reply["nodes"][-1]["activation"]["not_finite"], 1)
        self.assertEqual(self.daemon.ask("POST", "/v1/diagnose", body, SVG).status, 200)

    def test_many_nodes(self):
        reply, nodes = self.diagnose(chain(["Tanh"] * 200, 2), [[1, -1]], [[1, 1]])
        self.assertEqual(len(nodes), 201)

    def test_refused(self):
        graph = chain(["ReLU"], 2)
        ask = lambda body: self.daemon.ask("POST", "/v1/diagnose", body).json()
        self.assertEqual(ask({"graph": graph, "inputs": {"x": [[1, 2]]}})["code"], "missing_key")
        self.assertEqual(ask({"graph": graph, "inputs": {"x": [[1]]}, "cotangents": {"net": [[1]]}})["code"], "shape_mismatch")
        self.assertEqual(ask({"graph": graph})["status"], 400)
        self.assertEqual(self.daemon.ask("POST", "/v1/graphs/nothing/diagnose", {}).status, 404)
        self.assertEqual(self.daemon.ask("POST", "/v1/diagnose", {"graph": graph}, {"Accept": "image/png"}).status, 406)


if __name__ == "__main__":
    unittest.main()
