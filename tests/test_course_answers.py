#!/usr/bin/env python3
"""An assignment that is answered by code: the student's key opens a probe set for the challenge, answers it, and hands it in."""
import copy

import unittest

from test_answers import GRAPH, POINTS, backward, forward
from test_course import WithCourse, keys_of

TASK = {"name": "code", "graph": GRAPH, "points": POINTS, "forms": ["answers"], "hint_level": "formula", "tries": 5}


class CourseAnswers(WithCourse):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        teacher = {"Authorization": "Bearer " + cls.keys["teacher"]}
        made = cls.d.ask("POST", "/v1/assignments", TASK, teacher)
        assert made.status == 201, made.body
        numbers = cls.d.ask("POST", "/v1/assignments", {**TASK, "name": "numbers", "forms": ["numbers"]}, teacher)
        assert numbers.status == 201, numbers.body

    def challenge(self, who, task="code"):
        return self.good(self.ask(who, "POST", "/v1/challenges", {"assignment": task}))

    def probes(self, who, c, **slip):
        """Opens a set and answers it to its end."""
        q = self.good(self.ask(who, "POST", f"/v1/challenges/{c['challenge']}/probes"), 201)
        self.assertEqual(q["bases"][0]["x"], c["inputs"]["x"])
        self.assertEqual(q["bases"][0]["fc.weight"], c["parameters"]["fc.weight"])
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
                outputs.append(forward(point))
            answers = {"round": q["round"], "outputs": {"y": outputs}}
            if q["want"].get("gradients_at"):
                answers["gradients"] = [backward(q["bases"][b], q["cotangents"][b]["y"], **slip) for b in q["want"]["gradients_at"]]
            q = self.good(self.ask(who, "POST", path + "/answers", answers), 200)
        self.assertEqual(q, {"id": q["id"], "state": "done", "challenge": c["challenge"]})  # and nothing else
        self.assertEqual(self.good(self.ask(who, "GET", path)), q)
        return q["id"]

    def hand_in(self, who, c, probes):
        return self.ask(who, "POST", "/v1/submissions",
                        {"challenge": c["challenge"], "submission": {"form": "answers", "probes": probes}})

    def test_right(self):
        c = self.challenge("ada")
        probes = self.probes("ada", c)
        got = self.good(self.hand_in("ada", c, probes), 201)
        self.assertEqual((got["score"], got["verdict"]), (10, "right"), got)
        again = self.good(self.hand_in("ada", c, probes), 200)
        self.assertEqual(again["submission"], got["submission"])
        self.assertNotIn("expected", set(keys_of(got)))

    def test_wrong(self):
        c = self.challenge("bob")
        got = self.good(self.hand_in("bob", c, self.probes("bob", c, slope=lambda t: 1 - t)), 201)
        self.assertEqual(got["verdict"], "wrong")
        self.assertEqual({t["diagnosis"]["code"] for t in got["result"]["tensors"].values()}, {"tanh_square_missing"})

    def test_of_another_challenge(self):
        """A set serves the challenge it was opened for, and whom it was opened for."""
        ada, bob = self.challenge("ada"), self.challenge("bob")
        hers, his = self.probes("ada", ada), self.probes("bob", bob)
        self.refused(self.hand_in("ada", ada, his), 404, "unknown_probes", "/submission/probes")
        self.refused(self.ask("bob", "GET", "/v1/probes/" + hers), 404, "unknown_probes")
        self.refused(self.ask("bob", "POST", f"/v1/challenges/{ada['challenge']}/probes"), 403, "challenge_foreign")
        self.good(self.hand_in("ada", ada, hers), 201)
        self.refused(self.ask("ada", "POST", f"/v1/challenges/{ada['challenge']}/probes"), 409, "challenge_used")
        later = self.challenge("ada")
        self.refused(self.hand_in("ada", later, hers), 403, "challenge_foreign", "/submission/probes")

    def test_refused(self):
        c = self.challenge("ada", "numbers")
        self.refused(self.ask("ada", "POST", f"/v1/challenges/{c['challenge']}/probes"), 400, "bad_value")
        self.refused(self.hand_in("ada", c, "pr_x"), 400, "bad_value", "/submission/form")
        self.refused(self.ask("ada", "POST", "/v1/challenges/ch_x/probes"), 404, "unknown_challenge")
        self.refused(self.ask("ada", "POST", "/v1/probes", {"function": {"inputs": {}, "outputs": {}}}), 403, "scope_missing")
        code = self.challenge("ada")
        numbers = {"challenge": code["challenge"], "submission": {"form": "numbers", "gradients": {"fc.bias": [1.0]}}}
        self.refused(self.ask("ada", "POST", "/v1/submissions", numbers), 400, "bad_value", "/submission/form")

    def test_the_teacher_sees_the_verdict(self):
        c = self.challenge("ada")
        self.assertNotIn("verdict", self.good(self.ask("ada", "GET", "/v1/probes/" + self.probes("ada", c))))
        verdict = self.good(self.ask("root", "GET", "/v1/probes/" + self.probes("ada", c)))
        self.assertEqual(verdict["verdict"], "right")


if __name__ == "__main__":
    unittest.main()
