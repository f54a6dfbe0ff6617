#!/usr/bin/env python3
"""The mistakes in the catalogue of modules, handed in as a student would: as formulas, and as code that answers probes. Each is
named by its own code. (As numbers, for every case of every module: test_mistakes.)"""
import copy
import math
import re
import unittest

from daemon import Daemon
from with_numpy import numpy as np

FORWARD = {
    "Tanh": np.tanh, "Sigmoid": lambda x: 1 / (1 + np.exp(-x)), "Exp": np.exp, "Sin": np.sin, "Cos": np.cos, "Square": np.square,
    "Atan": np.arctan, "Sinh": np.sinh, "Cosh": np.cosh, "Softplus": lambda x: np.log1p(np.exp(0.7 * x)) / 0.7,
    "SiLU": lambda x: x / (1 + np.exp(-0.7 * x)), "ReLU": lambda x: np.maximum(x, 0),
    "ELU": lambda x: np.where(x > 0, x, 1.7 * np.expm1(x)), "LeakyReLU": lambda x: np.where(x > 0, x, 0.13 * x), "Softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
}
NAMES = {
    "sigmoid": FORWARD["Sigmoid"], "exp": np.exp, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "log": np.log, "sign": np.sign,
    "relu": FORWARD["ReLU"], "abs": np.abs, "where": np.where, "pi": math.pi, "sqrt": np.sqrt, "sinh": np.sinh, "cosh": np.cosh,
    "sum": lambda x, dim=None, keepdim=0: np.sum(x, dim, keepdims=bool(keepdim)),
    "mean": lambda x, dim=None, keepdim=0: np.mean(x, dim, keepdims=bool(keepdim)),
}


ARGUMENTS = {"alpha": 1.7, "beta": 0.7, "negative_slope": 0.13}  # where the default would hide that one is forgotten


SHAPES = {"InstanceNorm1d": [3, 4], "InstanceNorm2d": [3, 2, 4], "InstanceNorm3d": [3, 2, 2, 3], "Softmax2d": [3, 2, 4], "GlobalMaxPool": [3, 4]}
NOT_A_STUDENTS = {"d", "weight", "share", "N", "channel"}  # words of the catalogue that formulas handed in do not have


def graph(module, arguments):
    node = {"op": module, "in": "x", **arguments}
    return {"inputs": {"x": ["n", *SHAPES.get(module, [4])]}, "dtype": "float64", "nodes": {"y": node}, "outputs": ["y"]}


def as_python(formula):
    return formula.replace("^", "**")


class Named(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon().__enter__()
        cls.mistakes = list(cls.usable())

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__(None, None, None)

    @classmethod
    def usable(cls):
        """Module, arguments, code and formula of mistakes in modules of one real input, with what arguments are without being said."""
        for m in cls.daemon.ask("GET", "/v1/modules").json()["modules"]:
            row = cls.daemon.ask("GET", "/v1/modules/" + m["type"]).json()
            arguments = {a["name"]: a.get("default") for a in row["arguments"]}
            one = [p["name"] for p in row.get("inputs", [])] == ["input"] and len(row.get("outputs", [1])) == 1
            if not one or any(a["required"] for a in row["arguments"]):
                continue
            for mistake in row.get("mistakes", []):
                words = set(re.findall(r"[A-Za-z_]\w*", mistake["formula"]))
                known = {k: v for k, v in arguments.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
                if words & NOT_A_STUDENTS or "of" in mistake or "mode" in mistake or (words & set(arguments)) - set(known):
                    continue  # it is made of the right derivative, or of more than the input
                chosen = {k: v for k, v in ARGUMENTS.items() if k in known}
                text = mistake["formula"]
                for k, v in {**known, **chosen}.items():
                    text = re.sub(rf"\b{k}\b(?!=)", f"({v})" if v < 0 and k != "dim" else str(v), text)
                yield row["type"], chosen, mistake["code"], text

    def grade(self, module, arguments, submission):
        reply = self.daemon.ask("POST", "/v1/grade", {"graph": graph(module, arguments), "points": {"x": 1}, "seed": "3", "submission": submission})
        self.assertEqual(reply.status, 200, (module, submission, reply.body))
        return reply.json()

    def assert_named(self, module, code, got):
        named = got["tensors"]["x"].get("diagnosis", {}).get("code")
        self.assertEqual((got["verdict"], named), ("wrong", code), (module, got["tensors"]["x"]))

    def test_as_formulas(self):
        for module, arguments, code, formula in self.mistakes:
            with self.subTest(module=module, code=code):
                self.assert_named(module, code, self.grade(module, arguments, {"form": "formulas", "expressions": {"x": formula}}))
        self.assertGreater(len(self.mistakes), 70)

    def probed(self, forward, backward):
        shape = {"shape": [5, 4]}
        q = self.daemon.ask("POST", "/v1/probes", {"function": {"inputs": {"x": shape}, "outputs": {"y": shape}}, "seed": "5"}).json()
        path = "/v1/probes/" + q["id"]
        while q["state"] == "asking":
            outputs = []
            for probe in q["probes"]:
                x = copy.deepcopy(q["bases"][probe["base"]]["x"])
                for _, index, value in probe.get("set", []):
                    x[index[0]][index[1]] = value
                outputs.append(forward(np.array(x)).tolist())
            answers = {"round": q["round"], "outputs": {"y": outputs}}
            if q["want"].get("gradients_at"):
                answers["gradients"] = [{"x": backward(np.array(q["bases"][b]["x"]), np.array(q["cotangents"][b]["y"])).tolist()}
                                        for b in q["want"]["gradients_at"]]
            reply = self.daemon.ask("POST", path + "/answers", answers)
            self.assertEqual(reply.status, 200, reply.body)
            q = reply.json()
        return path.rsplit("/", 1)[1]

    def test_as_code(self):
        tried = 0
        for module, arguments, code, formula in self.mistakes:
            if module not in FORWARD:
                continue
            forward = FORWARD[module]

            def backward(x, g, text=as_python(formula), of=forward):
                return np.broadcast_to(eval(text, {**NAMES, "x": x, "y": of(x), "g": g}), x.shape)  # a formula of our own catalogue
            with self.subTest(module=module, code=code):
                got = self.grade(module, arguments, {"form": "answers", "probes": self.probed(forward, backward)})
                self.assertEqual(got["forward"]["verdict"], "right")
                self.assert_named(module, code, got)
            tried += 1
        self.assertGreater(tried, 30)


if __name__ == "__main__":
    unittest.main()
