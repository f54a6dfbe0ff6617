#!/usr/bin/env python3
"""A whole course at once: lines of JSON, archives of npz files, jobs that are followed, interrupted and taken up again, and
grading anew."""
import io
import json
import tempfile
import unittest
import zipfile

from daemon import Daemon, wait_until
from test_course import TASK, divided, numbers, solve
from with_numpy import numpy

LINES, ZIP = {"Content-Type": "application/x-ndjson"}, {"Content-Type": "application/zip"}


def lines(objects):
    return "".join(json.dumps(o) + "\n" for o in objects).encode()


def npz(gradients):
    f = io.BytesIO()
    numpy.savez(f, **{k: numpy.array(v) for k, v in gradients.items()})
    return f.getvalue()


def archive(members):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w") as z:
        for name, content in members.items():
            z.writestr(name, content)
    return f.getvalue()


class Batch(unittest.TestCase):
    """Without keys: who asks is everybody, and the teacher."""

    def setUp(self):
        self.d = Daemon().__enter__()
        self.addCleanup(self.d.__exit__, None, None, None)
        self.good(self.d.ask("POST", "/v1/assignments", TASK))

    def good(self, reply, *statuses):
        self.assertIn(reply.status, statuses or (200, 201, 202), reply.body[:1000])
        return reply.json()

    def challenge(self, student):
        return self.good(self.d.ask("POST", "/v1/challenges", {"assignment": "hw1", "student": student}))

    def batch(self, body, kind=LINES, **headers):
        return self.d.ask("POST", "/v1/assignments/hw1/batch", body, {**kind, **headers})

    def course(self, n):
        """Every third divides by the batch, every fifth leaves a tensor out."""
        solved = {}
        for i in range(n):
            name = f"student {i}"
            c = self.challenge(name)
            right = solve(c)
            if i % 3 == 1:
                right = divided(right, "fc.weight", len(c["inputs"]["x"]))
            if i % 5 == 4:
                del right["x"]
            solved[name] = right
        return solved

    def assert_scores(self, got, n):
        self.assertEqual([s["student"] for s in got], [f"student {i}" for i in range(n)])
        for i, s in enumerate(got):
            wanted = 10 - (i % 3 == 1) * 1.75 - (i % 5 == 4) * 4
            self.assertEqual((s["score"], s["max_score"]), (wanted, 10), s)
            self.assertEqual(s["verdict"], "right" if wanted == 10 else "wrong", s)

    def test_lines(self):
        solved = self.course(70)
        got = self.good(self.batch(lines({"student": s, "submission": numbers(g)} for s, g in solved.items())))
        self.assertEqual((got["graded"], got["refused"]), (70, 0))
        self.assert_scores(got["submissions"], 70)
        kept = self.good(self.d.ask("GET", "/v1/assignments/hw1/submissions?limit=1000"))["submissions"]
        self.assertEqual({s["submission"] for s in kept}, {s["submission"] for s in got["submissions"]})

    def test_archive(self):
        solved = self.course(40)
        body = archive({f"{s}.npz": npz(g) for s, g in solved.items()})
        got = self.good(self.batch(body, ZIP))
        self.assert_scores(got["submissions"], 40)

    def test_faults_in_their_places(self):
        solved = self.course(1)["student 0"]
        c = self.challenge("ada")
        self.challenge("bob")
        body = lines([
            {"student": "nobody", "submission": numbers({})},
            {"submission": numbers(solved)},
            {"student": "bob", "submission": numbers({"y": [1.0]})},
            {"challenge": c["challenge"], "submission": numbers(solve(c))},
        ]) + b"this is no JSON\n\n  \n" + lines([{"student": "student 0", "submission": numbers(solved), "more": 1},
                                                 {"student": "student 0", "submission": numbers(solved)}])
        got = self.good(self.batch(body))
        codes = [s.get("problem", {}).get("code") for s in got["submissions"]]
        self.assertEqual(codes, ["unknown_challenge", "missing_key", "unknown_key", None, "json_syntax", "unknown_key", None])
        self.assertEqual((got["graded"], got["refused"]), (2, 5))
        self.assertEqual(got["submissions"][3]["student"], "ada")

    def test_faulty_archives(self):
        self.course(2)
        got = self.good(self.batch(archive({"student 0.npz": b"no archive", "readme.txt": b"hello"}), ZIP))
        self.assertEqual([s["problem"]["code"] for s in got["submissions"]], ["bad_file"] * 2)
        self.assertEqual(self.batch(b"no archive", ZIP).json()["code"], "bad_file")
        self.assertEqual(self.batch(archive({"../student 0.npz": b""}), ZIP).status, 400)
        self.assertEqual(self.batch(b"{}", {"Content-Type": "text/plain"}).status, 415)

    def test_again(self):
        solved = self.course(3)
        body = lines({"student": s, "submission": numbers(g)} for s, g in solved.items())
        first, second = self.good(self.batch(body)), self.good(self.batch(body))
        self.assertEqual([s["submission"] for s in first["submissions"]], [s["submission"] for s in second["submissions"]])
        self.assertTrue(all(s["again"] for s in second["submissions"]))
        other = lines([{"student": "student 0", "submission": numbers({"x": solved["student 0"]["x"]})}])
        self.assertEqual(self.good(self.batch(other))["submissions"][0]["problem"]["code"], "challenge_used")

    def test_lines_as_a_reply(self):
        solved = self.course(4)
        reply = self.batch(lines({"student": s, "submission": numbers(g)} for s, g in solved.items()), Accept="application/x-ndjson")
        self.assert_scores([json.loads(line) for line in reply.body.splitlines()], 4)

    def follow(self, job):
        wait_until(lambda: self.d.ask("GET", job).json()["state"] in ("done", "failed", "cancelled"), 60)
        return self.d.ask("GET", job).json()

    def test_as_a_job(self):
        solved = self.course(50)
        body = lines({"student": s, "submission": numbers(g)} for s, g in solved.items())
        job = self.good(self.batch(body, Prefer="respond-async"), 202)
        self.assertEqual((job["kind"], job["progress"]["of"]), ("batch", 50))
        over = self.follow(job["links"]["self"])
        self.assertEqual((over["state"], over["progress"]["done"]), ("done", 50))
        self.assert_scores(self.d.ask("GET", over["links"]["result"]).json()["submissions"], 50)

    def test_regrade(self):
        solved = self.course(40)
        self.good(self.batch(lines({"student": s, "submission": numbers(g)} for s, g in solved.items())))
        self.good(self.d.ask("PATCH", "/v1/assignments/hw1", {"slip_credit": 0, "points": {"fc.weight": 8, "x": 2, "fc.bias": 2}}))
        got = self.good(self.d.ask("POST", "/v1/assignments/hw1/regrade"))["submissions"]
        self.assertEqual(len(got), 40)
        for s in got:
            i = int(s["student"].split()[1])
            self.assertEqual(s["score"], 12 - (i % 3 == 1) * 7 - (i % 5 == 4) * 2, s)
            self.assertEqual(s["was"], 10 - (i % 3 == 1) * 1.75 - (i % 5 == 4) * 4, s)
        kept = self.good(self.d.ask("GET", "/v1/assignments/hw1/submissions?limit=1000"))["submissions"]
        self.assertEqual({s["submission"]: s["score"] for s in kept}, {s["submission"]: s["score"] for s in got})

    def test_unknown_assignment(self):
        for path in ("batch", "regrade"):
            reply = self.d.ask("POST", f"/v1/assignments/nope/{path}", b"" if path == "batch" else None, LINES if path == "batch" else {})
            self.assertEqual((reply.status, reply.json()["code"]), (404, "unknown_assignment"))


class Interrupted(unittest.TestCase):
    def test_taken_up_again(self):
        """Killed in the middle: what is kept stays, the job goes on, and nobody is graded twice."""
        with tempfile.TemporaryDirectory() as data:
            first = Daemon(data=data).__enter__()
            self.assertEqual(first.ask("POST", "/v1/assignments", TASK).status, 201)
            entries = []
            for i in range(300):
                c = first.ask("POST", "/v1/challenges", {"assignment": "hw1", "student": f"s{i}"}).json()
                entries.append({"student": f"s{i}", "submission": numbers(solve(c))})
            job = first.ask("POST", "/v1/assignments/hw1/batch", lines(entries), {**LINES, "Prefer": "respond-async"}).json()
            wait_until(lambda: first.ask("GET", "/v1/assignments/hw1").json()["submissions"] > 0, 60)
            first.kill()
            first.__exit__(None, None, None)
            with Daemon(data=data) as second:
                path = job["links"]["self"]
                wait_until(lambda: second.ask("GET", path).json()["state"] == "done", 60)
                got = second.ask("GET", path + "/result").json()
                self.assertEqual((got["graded"], got["refused"]), (300, 0))
                self.assertEqual(second.ask("GET", "/v1/assignments/hw1").json()["submissions"], 300)
                self.assertEqual(len({s["submission"] for s in got["submissions"]}), 300)


if __name__ == "__main__":
    unittest.main()
