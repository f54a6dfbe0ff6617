#!/usr/bin/env python3
"""Code that the service never sees is graded by what it answered to a probe set."""
import copy
import json
import math
import unittest

from daemon import Daemon

GRAPH = {
    "dtype": "float64",
    "inputs": {"x": ["n", 2]},
    "nodes": {
        "fc": {"op": "Linear", "in_features": 2, "out_features": 1, "in": "x"},
        "y": {"op": "Tanh", "in": "fc"},
    },
    "outputs": ["y"],
}
FUNCTION = {
    "inputs": {"x": {"shape": [3, 2]}, "fc.weight": {"shape": [1, 2]}, "fc.bias": {"shape": [1]}},
    "outputs": {"y": {"shape": [3, 1]}},
}
POINTS = {"fc.weight": 4, "fc.bias": 2, "x": 4}


def forward(p, scale=1.0):
    w, b = p["fc.weight"][0], p["fc.bias"][0]
    return [[scale * math.tanh(r[0] * w[0] + r[1] * w[1] + b)] for r in p["x"]]


def backward(p, g, slope=lambda t: 1 - t * t, rows=1.0, scale=1.0):
    w, n = p["fc.weight"][0], range(len(p["x"]))
    d = [scale * g[i][0] * slope(t[0]) for i, t in enumerate(forward(p))]
    return {
        "fc.weight": [[sum(d[i] * p["x"][i][k] for i in n) / rows for k in range(2)]],
        "fc.bias": [sum(d)],
        "x": [[d[i] * w[k] for k in range(2)] for i in n],
    }


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__(None, None, None)

    def post(self, path, body, *statuses):
        r = self.daemon.ask("POST", path, body)
        self.assertIn(r.status, statuses or (200, 201), r.body)
        return r.json()

    def probed(self, scale=1.0, carry=None, **slip):
        """The id of a probe set whose questions are all answered. carry: what its backward keeps from call to call."""
        calls = []
        q = self.post("/v1/probes", {"function": FUNCTION, "seed": "5"})
        path = "/v1/probes/" + q["id"]
        while q["state"] == "asking":
            outputs = []
            for probe in q["probes"]:
                point = copy.deepcopy(q["bases"][probe["base"]])
                for name, index, value in probe.get("set", []):
                    place = point[name]
                    for i in index[:-1]:
                        place = place[i]
                    place[index[-1]] = value
                outputs.append(forward(point, scale))
            answers = {"round": q["round"], "outputs": {"y": outputs}}
            wanted = q["want"].get("gradients_at")
            if wanted:
                for b in wanted:
                    calls.append(backward(q["bases"][b], q["cotangents"][b]["y"], scale=scale, **slip))
                here = calls[-len(wanted):]
                answers["gradients"] = [carry(calls[: len(calls) - len(here) + i + 1]) for i in range(len(here))] if carry else here
            name, q = q["id"], self.post(path + "/answers", answers)
        return name

    def graded(self, probes, *statuses, graph=GRAPH, **more):
        body = {"graph": graph, "points": POINTS, "submission": {"form": "answers", "probes": probes}, **more}
        return self.post("/v1/grade", body, *statuses)

    def test_right(self):
        r = self.graded(self.probed())
        self.assertEqual((r["score"], r["verdict"], r["forward"]), (10, "right", {"verdict": "right"}))
        for t in r["tensors"].values():
            self.assertEqual(t["wrong"], 0)

    def test_slips_are_named(self):
        r = self.graded(self.probed(rows=3.0))
        self.assertEqual((r["verdict"], r["score"]), ("wrong", 8.25))
        self.assertEqual(r["tensors"]["fc.weight"]["diagnosis"]["code"], "factor_batch")
        self.assertEqual(r["tensors"]["x"]["verdict"], "right")
        r = self.graded(self.probed(slope=lambda t: 1 - t))
        self.assertEqual(r["tensors"]["x"]["diagnosis"]["code"], "tanh_square_missing")
        self.assertLess(r["score"], 6)

    def test_what_is_carried_over_is_named(self):
        def sums(calls):
            return {**calls[-1], "fc.bias": [sum(c["fc.bias"][0] for c in calls)]}

        def last_two(calls):
            return {**calls[-1], "fc.weight": [[sum(c["fc.weight"][0][k] for c in calls[-2:]) for k in range(2)]]}

        def first_for_ever(calls):
            return {**calls[-1], "x": calls[0]["x"]}

        def one_late(calls):
            return {**calls[-1], "x": calls[max(0, len(calls) - 2)]["x"]}

        for carry, tensor, code in ((sums, "fc.bias", "accumulated"), (last_two, "fc.weight", "accumulated"),
                                    (first_for_ever, "x", "stale_cache"), (one_late, "x", "stale_cache")):
            r = self.graded(self.probed(carry=carry))
            named = {k: v["diagnosis"]["code"] for k, v in r["tensors"].items() if "diagnosis" in v}
            self.assertEqual((r["verdict"], named), ("wrong", {tensor: code}), carry)
            self.assertLess(r["score"], 10)

    def test_another_forward(self):
        """What is computed is not the graph; its gradient is right for what it is, or not even that."""
        r = self.graded(self.probed(scale=2.0))
        self.assertEqual((r["forward"]["verdict"], r["forward"]["output"]), ("wrong", "y"))
        self.assertNotIn("expected", r["forward"])
        self.assertEqual(r["score"], 10)
        r = self.graded(self.probed(scale=2.0, slope=lambda t: 1 - t))
        self.assertEqual(r["forward"]["verdict"], "wrong")
        self.assertLess(r["score"], 2)
        self.assertEqual(set(self.graded(self.probed(scale=2.0), hint_level="verdict")["forward"]), {"verdict"})

    def test_refused(self):
        def refusal(*args, **more):
            r = self.graded(*args, 400, 404, 409, **more)
            return r["status"], r["code"], r.get("pointer")

        done = self.probed()
        asking = self.post("/v1/probes", {"function": FUNCTION})["id"]
        self.assertEqual(refusal("pr_x"), (404, "unknown_probes", "/submission/probes"))
        self.assertEqual(refusal(asking), (409, "probe_round", "/submission/probes"))
        self.assertEqual(refusal(3), (400, "wrong_type", "/submission/probes"))
        self.assertEqual(refusal(done, points={"q": 1}), (400, "unknown_reference", "/points/q"))
        other = json.loads(json.dumps(GRAPH).replace('"x"', '"z"'))
        self.assertEqual(refusal(done, graph=other), (400, "unknown_reference", "/submission/probes"))
        self.assertEqual(self.graded(done)["score"], 10)


if __name__ == "__main__":
    unittest.main()
