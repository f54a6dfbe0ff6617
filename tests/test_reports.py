#!/usr/bin/env python3
"""Reports of random results, hostile texts included, against the rules of each format (docs/grading.md)."""
import copy
import csv
import io
import itertools
import json
import math
import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

from daemon import Daemon

HOSTILE = ["Ada", "", " ", "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'; rm -rf / #", "$(reboot)`reboot`",
           "=cmd()", "+1+1", "-2+3", "@SUM(A1)", "\uff1d1+1", "\t=1", "\r=1", "-3.5", "a,b\"c\"\r\nd", "\u202eevil \u05d0\u05d1\u05d2",
           "\U0001f600 \U0001f468\u200d\U0001f469", "x" * 5000, "]]>", "&amp;&lt;", "-->", "\x01\x02\x1b[31m\x7f\x85", "\ufffe\uffff",
           "a\nb\n.. raw:: html", "\u2028line\u2029", "%s%n%p", "</bdi></td>", "{\"scores\":{}}", "*", "_a_ `b` |c| **d**", "\\", "Å\u0301"]
LEVELS = ["verdict", "place", "pattern", "formula"]
CODES = ["sign", "factor_batch", "transposed", "entries", "zero"]
RUNNER = {"classroom": "c", "tag": "submit/2026", "commit": "https://x/1", "release": "https://x/2", "review": "https://x/3",
          "datetime": "2026-03-01T12:00:00Z"}
SECRET = 123.456789123  # every number of the reference
SINGLE = ["json", "html", "csv", "junit", "gradescope", "prairielearn", "autolab", "nbgrader", "coderunner", "inginious",
          "classroom50"]


class Writer:
    """tests/report_writer: a line of JSON in, a report out."""

    def __init__(self):
        program = os.environ.get("REPORT_WRITER") or os.path.join("tests", "report_writer")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, **job):
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        self.process.stdin.flush()
        head = self.process.stdout.readline().decode().split(" ", 2)
        if head[0] == "error":
            raise ValueError(" ".join(head[1:]))
        return self.process.stdout.read(int(head[1]))

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, "report_writer did not end well"


# ---- random results ------------------------------------------------------------------------------------------------------


def tensor(r):
    verdict = r.choices(["right", "wrong", "cannot_tell"], [5, 4, 1])[0]
    most = r.choice([0, 1, 2, 4, 10 / 3, 0.1])
    points = most if verdict != "wrong" else r.choice([0, most / 2, most / 3, most])
    rows = [{"row": "shape", "points": points / 8, "max_points": most / 8},
            {"row": "values", "points": points * 7 / 8, "max_points": most * 7 / 8}]
    t = {"verdict": verdict, "right": r.randint(0, 9), "wrong": r.randint(1, 9) if verdict == "wrong" else 0,
         "cannot_tell": int(verdict == "cannot_tell"), "silent": 0, "points": points, "max_points": most, "rows": rows,
         "power": {"worst": 1e-6, "median": 1e-7}}
    if verdict == "wrong":
        rows[1]["because"] = "slip_credit"
        t["diagnosis"] = {"code": r.choice(CODES), "evidence": {"c": 0.5, "expected": SECRET, "largest": SECRET, "text": r.choice(HOSTILE)},
                          "pattern": r.choice(HOSTILE), "hint": r.choice(HOSTILE)}
        t["first_wrong"] = {"index": [0, r.randint(0, 9)], "got": r.choice([1.5, "NaN", "-Infinity", -3]), "expected": SECRET}
        t["reason"] = r.choice(["shape", "too_few_digits", r.choice(HOSTILE), "values"])
        t["truth"] = [SECRET]
    if r.random() < 0.5:
        rows, columns = r.choice([(1, 1), (3, 5), (40, 100), (1, 200)])
        t["map"] = {"rows": rows, "columns": columns, "entries": "".join(r.choices("+x?.", k=rows * columns))}
    return t


def result(r):
    names = r.sample(HOSTILE + ["fc.weight", "fc.bias", "x", "h.0.weight"], r.choice([0, 1, 3, 8]))
    names = {line(name): name for name in names}.values()  # no two that are one when printed
    tensors = {name: tensor(r) for name in names}
    wrong = any(t["verdict"] == "wrong" for t in tensors.values())
    return {"score": sum(t["points"] for t in tensors.values()), "max_score": sum(t["max_points"] for t in tensors.values()),
            "verdict": "wrong" if wrong else "right", "review": r.random() < 0.2, "tensors": tensors,
            "warnings": [{"code": "one_branch", "value": SECRET}],
            "certificate": {"id": "ct_1", "seed": str(SECRET), "point": {"sha256": "ab", "inputs": {"x": [SECRET]}}}}


def report(r):
    return {"result": result(r), "student": r.choice(HOSTILE), "submission": r.choice(["sb_1", r.choice(HOSTILE)]),
            "assignment": r.choice(["as_1", r.choice(HOSTILE)]), "attempt": r.randint(0, 3), "level": r.choice(LEVELS),
            "wrong_shape": r.random() < 0.5, "runner": dict(RUNNER)}


# ---- what a reader may expect --------------------------------------------------------------------------------------------


def strict(data):
    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    def once(pairs):
        assert len({k for k, _ in pairs}) == len(pairs), "a key twice"
        return dict(pairs)
    return json.loads(data.decode(), parse_constant=refuse, object_pairs_hook=once)


def points(v):
    return round(v * 1e4) / 1e4


def near(a, b):
    assert math.isclose(a, b, rel_tol=0, abs_tol=1.01e-4), (a, b)


def fraction(res):
    return points(points(res["score"]) / points(res["max_score"])) if points(res["max_score"]) > 0 else float(res["verdict"] == "right")


def shown(t, level):
    """Of a tensor: what a student of this level has in a message."""
    return t.get("diagnosis") if LEVELS.index(level) >= 2 else None


def four_places(number):
    assert number == points(number), number


def check_json(data, job):
    got, res = strict(data), job["result"]
    assert got["score"] == res["score"] and got["max_score"] == res["max_score"]
    assert list(got["tensors"]) == list(res["tensors"])
    level = LEVELS.index(job["level"])
    for name, t in got["tensors"].items():
        assert t["verdict"] == res["tensors"][name]["verdict"]
        assert ("first_wrong" in t) == (level >= 1 and "first_wrong" in res["tensors"][name])
        assert ("diagnosis" in t) == (level >= 2 and "diagnosis" in res["tensors"][name])
        assert ("hint" in t.get("diagnosis", {})) == (level >= 3 and "diagnosis" in t)
        told = res["tensors"][name].get("reason")
        assert t.get("reason") == (told if level >= 1 or told in ("too_few_digits", "shape") else None)
    assert got["certificate"] == {"id": "ct_1", "point": {"sha256": "ab"}}


def check_gradescope(data, job):
    got, res = strict(data), job["result"]
    assert set(got) <= {"score", "execution_time", "output", "output_format", "test_output_format", "test_name_format",
                        "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"}
    assert ("score" in got) == (not got["tests"]), "a score at the top overrides the sum of the tests"
    assert got["visibility"] == "visible" and got["stdout_visibility"] == "hidden"
    assert len(got["tests"]) == len(res["tensors"])
    for test, (name, t) in zip(got["tests"], res["tensors"].items()):
        assert test["name"] == name and test["visibility"] == "visible" and test["output"]
        assert test["status"] == ("passed" if points(t["points"]) >= points(t["max_points"]) else "failed")
        assert test["output_format"] == "text" and all(isinstance(tag, str) for tag in test["tags"])
        assert 0 <= test["score"] <= test["max_score"] and test["score"] == points(t["points"])
        four_places(test["score"])


def check_prairielearn(data, job):
    got, res = strict(data), job["result"]
    again = {"too_few_digits"} | (set() if job["wrong_shape"] else {"shape"})
    assert got["gradable"] is (not any(t.get("reason") in again for t in res["tensors"].values()))
    assert len(data) < 1 << 20
    if not got["gradable"]:
        assert set(got) == {"gradable", "format_errors"} and all(isinstance(e, str) and e for e in got["format_errors"])
        assert got["format_errors"]
        return
    assert 0 <= got["score"] <= 1
    near(got["score"], fraction(res))
    four_places(got["score"])
    assert isinstance(got["message"], str) and isinstance(got["output"], str)
    for test in got["tests"]:
        assert set(test) == {"name", "description", "points", "max_points", "message", "output"}
        assert 0 <= test["points"] <= test["max_points"] and isinstance(test["message"], str)


def clean(text):
    """As it may stand in XML."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", "", text)


def line(text):
    return re.sub("[\t\n\u2028\u2029]", " ", clean(text))


def check_autolab(data, job):
    lines = data.decode().split("\n")
    assert lines[-1] == "" and len(lines) == len(job["result"]["tensors"]) + 3, "one line a tensor, and a headline"
    assert data.decode().splitlines()[-1] == lines[-2]
    last = strict(lines[-2].encode())
    assert set(last) == {"scores"}
    assert last["scores"] == {line(name): points(t["points"]) for name, t in job["result"]["tensors"].items()}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", data.decode())


def check_nbgrader(data, job):
    text, most = data.decode(), points(job["result"]["max_score"])
    assert text.endswith("\n") and text.count("\n") == 1
    if job["result"]["score"] > 5e-5:
        value = eval(text, {"__builtins__": {}})
        assert type(value) is float and 0 < value <= most and value == points(job["result"]["score"])
        return
    for attempt in (lambda: exec(text), lambda: float(text)):
        try:
            attempt()
        except (AssertionError, ValueError):
            continue
        raise AssertionError("no points, and it does not raise")


def check_coderunner(data, job):
    got = strict(data)
    assert set(got) == {"fraction", "prologuehtml", "testresults"}
    assert 0 <= got["fraction"] <= 1
    near(got["fraction"], fraction(job["result"]))
    header, *rows = got["testresults"]
    assert header == ["iscorrect", "Tensor", "Points", "Remark"] and len(rows) == len(job["result"]["tensors"])
    for row in rows:
        assert len(row) == 4 and row[0] in (0, 1) and all(isinstance(cell, str) for cell in row[1:])
    ElementTree.fromstring(got["prologuehtml"])


def check_classroom50(data, job):
    got, res = strict(data), job["result"]
    assert set(got) == {"schema", "classroom", "assignment", "submission", "commit", "release", "review", "datetime", "score",
                        "max-score", "tests"}
    assert got["schema"] == "classroom50/result/v1" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", got["datetime"])
    whole = all(float(points(v)).is_integer() for t in res["tensors"].values() for v in (t["points"], t["max_points"]))
    unit = 1 if whole and float(points(res["score"])).is_integer() else 1000
    for key, value in (("score", res["score"]), ("max-score", res["max_score"])):
        assert type(got[key]) is int and abs(got[key] - points(value) * unit) <= 0.5001
    for test, (name, t) in zip(got["tests"], res["tensors"].items()):
        assert test["test-name"] == name and type(test["passed"]) is bool
        assert type(test["score"]) is int and type(test["max-score"]) is int and 0 <= test["score"] <= test["max-score"]
    assert len(got["tests"]) == len(res["tensors"])


def check_junit(data, job):
    suite = ElementTree.fromstring(data).find("testsuite")
    assert suite.get("name") == re.sub(r"[\t\n]", " ", clean(job["assignment"]))
    cases = suite.findall("testcase")
    for attribute, found in (("tests", cases), ("failures", suite.findall("testcase/failure")),
                             ("errors", suite.findall("testcase/error")), ("skipped", suite.findall("testcase/skipped"))):
        assert int(suite.get(attribute)) == len(found), attribute
    untold = [t for t in job["result"]["tensors"].values() if t["verdict"] == "cannot_tell"]
    assert not suite.findall("testcase/error") and bool(untold) == bool(suite.findall("testcase/skipped"))
    rows = 2 if LEVELS.index(job["level"]) >= 1 else 1
    assert len(cases) == rows * len(job["result"]["tensors"])
    for case in cases:
        got = {p.get("name"): float(p.get("value")) for p in case.findall("properties/property")}
        assert set(got) == {"points", "max_points"} and 0 <= got["points"] <= got["max_points"]
    top = {p.get("name"): float(p.get("value")) for p in suite.findall("properties/property")}
    near(top["score"], job["result"]["score"])


def check_csv(data, job):
    text = data.decode()
    assert text.endswith("\r\n")
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert ",".join(header) == "student,submission,attempt,assignment,tensor,row,verdict,points,max_points,code,power"
    assert all(len(row) == len(header) for row in rows)
    for field in itertools.chain(*rows):
        if field[:1] and field[0] in "=+-@\t\r\uff1d\uff0b\uff0d\uff20":
            float(field)
    jobs = job.get("course") or [job]
    totals = [row for row in rows if row[4] == "*" and row[5] == ""and row[9] == "" and row[10] == ""]
    assert len(totals) >= len(jobs)
    if "course" not in job:
        assert rows[-1][4] == "*" and rows[-1][7] == f"{points(job['result']['score']):.4f}".rstrip("0").rstrip(".")
        assert {row[0].lstrip("'") for row in rows} == {clean(job["student"]).lstrip("'")}


def check_inginious(data, job):
    """What a shell makes of it: the words of each command, by a shell."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("feedback-result", "feedback-grade", "feedback-msg"):
            path = pathlib.Path(folder) / name
            path.write_text("#!/bin/sh\nprintf '%s\\0' " + name + " \"$@\" END\n")
            path.chmod(0o755)
        ran = subprocess.run(["/bin/sh", "-s"], input=data, capture_output=True, env={"PATH": folder}, cwd=folder)
        assert ran.returncode == 0 and not ran.stderr, ran.stderr
        assert sorted(os.listdir(folder)) == ["feedback-grade", "feedback-msg", "feedback-result"]
    words = [w.split("\0") for w in ran.stdout.decode().split("\0END\0") if w]
    res = job["result"]
    full = res["tensors"] and points(res["score"]) >= points(res["max_score"])
    assert words[0] == ["feedback-result", "success" if full else "failed"]
    assert words[1][0] == "feedback-grade" and 0 <= float(words[1][1]) <= 100
    near(float(words[1][1]) / 100, fraction(res))
    assert words[2][:2] == ["feedback-msg", "-m"]
    for command in words[3:]:
        assert command[:3] == ["feedback-msg", "-a", "-m"] and command[3].startswith("\n\n* ")
        body = command[3][4:]
        assert "\n" not in body and not re.search(r"(?<!\\)(?:\\\\)*[*_`|<>]", re.sub(r"\\[^\w\s]", "", body)), body
        assert len(command[3].encode()) < 1 << 17, "more than an argument may have"
    assert len(words) == 3 + len(res["tensors"])
    assert shlex.split(data.decode(), comments=False)[0] == "feedback-result"


XHTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "p", "h1", "h2", "span", "bdi", "code",
            "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "footer", "i", "dl", "dt", "dd", "strong"}
DRAWN = {"svg", "g", "path", "text", "rect", "line"}


def check_html(data, job):
    text = data.decode()
    assert text.startswith("<!DOCTYPE html>\n")
    root = ElementTree.fromstring(text)
    assert root.get("lang") == "en" and root.find(f"{XHTML}head/{XHTML}title").text is not None
    for node in root.iter():
        name = node.tag.replace(XHTML, "").replace(SVG, "")
        assert name in (DRAWN if node.tag.startswith(SVG) else ELEMENTS), node.tag
        for key, value in node.attrib.items():
            assert not key.startswith("on") and key not in ("src", "href", "srcset", "action"), key
            assert "url(" not in value and "javascript:" not in value
        if name == "th":
            assert node.get("scope") in ("row", "col")
        if name == "svg":
            assert node.get("role") == "img" and node.get("aria-label")
    style = "".join(root.find(f"{XHTML}head/{XHTML}style").itertext())
    assert "prefers-color-scheme:dark" in style and "@media print" in style and "url(" not in style and "@import" not in style
    for shown_text in ("".join(node.itertext()) for node in root.iter(f"{XHTML}bdi")):
        assert len(shown_text) <= 5001
    return root


CHECKS = {"json": check_json, "html": check_html, "csv": check_csv, "junit": check_junit, "gradescope": check_gradescope,
          "prairielearn": check_prairielearn, "autolab": check_autolab, "nbgrader": check_nbgrader, "coderunner": check_coderunner,
          "inginious": check_inginious, "classroom50": check_classroom50}


# ---- tests ---------------------------------------------------------------------------------------------------------------


def every_format(write, r):
    for number in range(60):
        job = report(r)
        for name in SINGLE:
            if name == "inginious" and number >= 15:
                continue
            data = write(format=name, **job)
            try:
                CHECKS[name](data, job)
            except Exception:
                print(f"{name} of {json.dumps(job)}\n{data.decode(errors='replace')}")
                raise
            assert data == write(format=name, **job), f"{name}: other bytes the second time"
            assert str(SECRET)[:7] not in data.decode().replace("123.456 ", ""), f"{name} shows the reference"


def revealed(write, r):
    """Expected values are there when they may be; everything is, for a teacher."""
    job = report(r)
    while not any("first_wrong" in t for t in job["result"]["tensors"].values()):
        job = report(r)
    job["level"] = "formula"
    for name in ("json", "html", "gradescope"):
        assert "123.456789" in write(format=name, reveal=True, **job).decode(), name
    full = strict(write(format="json", full=True, **job))
    assert full == job["result"], "a teacher sees all"
    assert "123.456789" not in write(format="gradescope", full=True, **job).decode(), "a platform's students do not"


def counts(write, r):
    """A page of a course counts as we do, whatever the order."""
    jobs = []
    for student, attempt in itertools.product(HOSTILE[:20], (1, 2)):
        job = report(r)
        jobs.append({**job, "student": student, "attempt": attempt, "submission": f"sb_{len(jobs)}"})
    course = {"course": jobs, "assignment": "as_1", "title": "<b>Homework</b>"}
    best = {}
    for job in jobs:
        old = best.get(job["student"])
        if not old or points(job["result"]["score"]) > points(old["result"]["score"]):
            best[job["student"]] = job
    got = strict(write(format="json", **course))
    assert got["students"] == len(best) and len(got["submissions"]) == len(jobs)
    near(got["mean"], sum(points(j["result"]["score"]) for j in best.values()) / len(best))
    mistakes = {}
    for name, job in best.items():
        for t in job["result"]["tensors"].values():
            if "diagnosis" in t:
                mistakes.setdefault(t["diagnosis"]["code"], []).append(name)
    assert {m["code"]: (m["students"], m["tensors"]) for m in got["mistakes"]} == \
        {code: (len(set(names)), len(names)) for code, names in mistakes.items()}
    order = [(-m["students"], -m["tensors"], m["code"]) for m in got["mistakes"]]
    assert order == sorted(order)
    for t, d in got["tensors"].items():
        parts = [j["result"]["tensors"][t] for j in best.values() if t in j["result"]["tensors"]]
        assert [d["right"], d["wrong"], d["cannot_tell"]] == \
            [sum(p["verdict"] == v for p in parts) for v in ("right", "wrong", "cannot_tell")]
    shuffled = {**course, "course": r.sample(jobs, len(jobs))}
    for name in ("json", "csv", "html"):
        assert write(format=name, **course) == write(format=name, **shuffled), f"{name}: the order counts"
    check_csv(write(format="csv", **course), course)
    root = check_html(write(format="html", **course), course)
    tables = list(root.iter(f"{XHTML}table"))
    assert len(tables) == 3 and len(tables[-1].findall(f"{XHTML}tbody/{XHTML}tr")) == len(best)
    bars = [float(n.text) for n in root.iter(f"{SVG}text") if n.get("class") == "m"]
    assert sum(bars) == len(best), "the columns of the histogram are all the students"


def nothing(write):
    """A course nobody has handed in for, a result with no tensors, a member of another type."""
    check_html(write(format="html", course=[], assignment="as_1"), {})
    assert write(format="csv", course=[]).count(b"\r\n") == 1
    odd = {"score": "NaN", "max_score": None, "tensors": {"x": {"points": "Infinity", "rows": 7, "diagnosis": [], "first_wrong": "no",
           "map": {"rows": 2, "columns": 2, "entries": "+"}, "verdict": 3}}, "certificate": [[[]]], "warnings": [[[1]]]}
    for name in SINGLE:
        data = write(format=name, result=odd, assignment="as_1", runner=RUNNER)
        if name in ("json", "gradescope", "prairielearn", "coderunner", "classroom50"):
            strict(data)
        if name == "html":
            check_html(data, {})


def refusals(write):
    res = {"score": 0, "max_score": 10, "verdict": "cannot_tell", "review": False, "tensors": {}, "warnings": [],
           "refused": {"code": "bad_tensor", "pointer": "/submission", "detail": "<b>not a tensor</b>"}}
    got = {name: write(format=name, result=res, assignment="as_1", runner=RUNNER).decode() for name in SINGLE}
    assert strict(got["prairielearn"].encode()) == {"gradable": False, "format_errors": ["<b>not a tensor</b>"]}
    assert strict(got["gradescope"].encode())["score"] == 0 and "not a tensor" in got["gradescope"]
    assert "raise" in got["nbgrader"] and "failed" in got["inginious"]
    suite = ElementTree.fromstring(got["junit"]).find("testsuite")
    assert suite.get("tests") == suite.get("failures") == "1"
    check_html(got["html"].encode(), {})


def faults(write):
    """Our own fault costs no attempt, and only the teacher is told which."""
    res = {"score": None, "max_score": 10, "verdict": "cannot_tell", "review": True, "tensors": {}, "warnings": [], "fault": "node h"}
    got = {name: write(format=name, result=res, assignment="as_1", runner=RUNNER).decode() for name in SINGLE}
    assert strict(got["prairielearn"].encode())["gradable"] is False and "crash" in got["inginious"]
    suite = ElementTree.fromstring(got["junit"]).find("testsuite")
    assert suite.get("tests") == suite.get("errors") == "1" and suite.find("testcase/error") is not None
    assert "node h" not in "".join(got.values()) and "node h" in write(format="junit", result=res, full=True).decode()


def large(write, r):
    """PrairieLearn's file stays below a megabyte."""
    job = report(r)
    job["result"]["tensors"] = {f"{'y' * 3000}{i}": {**tensor(r), "reason": None} for i in range(400)}
    for t in job["result"]["tensors"].values():
        t.pop("reason")
    data = write(format="prairielearn", **job)
    assert strict(data)["gradable"] and len(data) < 1 << 20


def missing(write, r):
    for key in RUNNER:
        job = report(r)
        del job["runner"][key]
        try:
            write(format="classroom50", **job)
        except ValueError as e:
            assert key in str(e)
        else:
            raise AssertionError(f"classroom50 without {key}")
    for course, name in ((False, "xls"), (True, "gradescope")):
        try:
            write(format=name, **({"course": []} if course else report(r)))
        except ValueError as e:
            assert "json, html, csv" in str(e)
        else:
            raise AssertionError(f"there is a format {name}")


def autolab_problem(write, r):
    job = report(r)
    job["runner"].update(problem="Gradients", scoreboard="true")
    last = strict(write(format="autolab", **job).decode().split("\n")[-2].encode())
    score = points(job["result"]["score"])
    assert last == {"scores": {"Gradients": score}, "scoreboard": [score]}


def the_checks_bite(write, r):
    """Reports with one thing wrong are found out."""
    broken = {"gradescope": (b'"visible"', b'"hidden"'), "prairielearn": (b'"gradable":', b'"gradeable":'),
              "coderunner": (b'"fraction":', b'"fraction":1'), "classroom50": (b'"score":', b'"score":0.'),
              "junit": (b'failures="', b'failures="1'), "csv": (b"student,", b"name,"), "html": (b"</main>", b"<script>1</script></main>"),
              "autolab": (b'{"scores"', b'x\n{"scores"'), "nbgrader": (b"", b"9"), "inginious": (b"feedback-grade '", b"feedback-grade '1")}
    for name, (old, new) in broken.items():
        job = report(r)
        while not 0 < job["result"]["score"] < job["result"]["max_score"]:
            job = report(r)
        job["wrong_shape"], job["level"] = True, "verdict"
        for t in job["result"]["tensors"].values():
            t.pop("reason", None)
        data = write(format=name, **job)
        CHECKS[name](data, job)
        try:
            CHECKS[name](data.replace(old, new, 1), job)
        except Exception:
            continue
        raise AssertionError(f"a broken {name} passes")


def contrast(write):
    """Letters stand out from what is behind them, light and dark (WCAG: 4.5 to 1; signs in squares 3 to 1)."""
    def luminance(colour):
        digits = colour if len(colour) == 6 else "".join(2 * c for c in colour)
        parts = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
        return sum(w * (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4) for w, c in zip((0.2126, 0.7152, 0.0722), parts))
    style = write(format="html", course=[]).decode()
    light, dark = (dict(re.findall(r"--([a-z-]+):#([0-9a-f]+)", block)) for block in re.findall(r":root\{(.*?)\}", style, re.S))
    pairs = [(a, b, 4.5) for a in ("ink", "quiet", "right", "wrong", "untold") for b in ("page", "card")]
    pairs += [(a, a + "-bg", 4.5) for a in ("right", "wrong", "untold")] + [("on-fill", "wrong-fill", 3)]
    for theme in (light, {**light, **dark}):
        for a, b, least in pairs:
            high, low = sorted((luminance(theme[a]), luminance(theme[b])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= least, (a, b, (high + 0.05) / (low + 0.05))


def dom(browser, page, width=1200):
    """A page as Chromium understands it, or None where it does not start."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "page.html"
        path.write_bytes(page)
        ran = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
                              f"--window-size={width},900", "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120)
    return None if ran.returncode or "<main>" not in ran.stdout else ran.stdout


MEASURE = b"""<script>document.title = [document.documentElement.scrollWidth, innerWidth].join(" of ")</script></body>"""


def in_a_browser(write, r):
    """Where Chromium is installed: nothing of a hostile page runs, and a telephone shows its whole width."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    job = report(r)
    while len(job["result"]["tensors"]) < 8:
        job = report(r)
    job.update(student="<img src=x onerror=document.title='hacked'>", assignment="<script>document.title='hacked'</script>")
    pages = [write(format="html", **job), write(format="html", course=[{**report(r), "student": s} for s in HOSTILE], title="x" * 300)]
    shown = browser and dom(browser, pages[0])
    if not shown:
        return print("Chromium is not here, or does not start: pages are only parsed")
    title = re.search(r"<title>(.*?)</title>", shown, re.S)[1]
    assert " of " in title and not re.search(r"<(script|img)", shown), title
    for page in pages:
        wide, room = map(int, re.search(r"<title>(\d+) of (\d+)<", dom(browser, page.replace(b"</body>", MEASURE), 500)).groups())
        assert wide <= room, f"{wide} pixels of {room}"


LINEAR = {"graph": {"inputs": {"x": ["n", 2]}, "nodes": {"fc": {"op": "Linear", "in_features": 2, "out_features": 1, "in": "x"}},
                    "outputs": ["fc"]},
          "parameters": {"fc.weight": [[0.25, -0.75]], "fc.bias": [0.0]}, "inputs": {"x": [[1, 2], [3, -1], [-2, 0.5]]},
          "cotangents": {"fc": [[0.5], [-1], [2]]}, "points": {"fc.weight": 4, "fc.bias": 2, "x": 4}, "seed": "1",
          "submission": {"form": "numbers", "gradients": {"fc.weight": [[-2.1666666666666665, 1.0]], "fc.bias": [[0.5], [-1.0], [2.0]],
                                                          "x": [[0.125, -0.375], [-0.25, 0.75], [0.5, -1.5]]}}}


def over_http(d):
    """The worked example, asked of a daemon in each format, by the query and by Accept."""
    full = d.ask("POST", "/v1/grade", {**LINEAR, "reveal": True}).json()
    assert full["score"] == 7.125 and full["tensors"]["fc.weight"]["first_wrong"]["expected"] == -6.5
    about = {"student": "Ada", "submission": "sb_1", "assignment": "hw", **RUNNER}
    query = "&".join(f"{k}={v}" for k, v in about.items())
    for level in LEVELS:
        body = {**LINEAR, "hint_level": level}
        job = {**about, "result": {**full, "tensors": full["tensors"]}, "level": level, "wrong_shape": False}
        for name in SINGLE[1:]:
            reply = d.ask("POST", f"/v1/grade?format={name}&{query}", body)
            assert reply.status == 200, reply.body
            if name not in ("csv", "junit"):  # these count rows, which right tensors are told without
                CHECKS[name](reply.body, job)
            assert reply.body == d.ask("POST", f"/v1/grade?format={name}&{query}", body).body
            assert b"-6.5" not in reply.body
    for kind, first in (("text/html", b"<!DOCTYPE"), ("text/csv", b"student,"), ("application/xml", b"<?xml"), ("*/*", b"{")):
        reply = d.ask("POST", "/v1/grade", LINEAR, {"Accept": kind})
        assert reply.status == 200 and reply.body.startswith(first) and reply.headers["Vary"] == "Accept"
    refused = d.ask("POST", "/v1/grade", LINEAR, {"Accept": "image/png"})
    assert refused.status == 406 and "text/csv" in refused.json()["detail"]
    for name, value in (("datetime", "yesterday"), ("datetime", "2026-02-30T12:00:00Z"), ("datetime", "2026-03-01T12:00:00+01:00"),
                        ("scoreboard", "yes"), ("colour", "red")):
        wrong = d.ask("POST", f"/v1/grade?format=autolab&{name}={value.replace('+', '%2B')}", LINEAR)
        assert wrong.status == 400 and wrong.json()["parameter"] == name, wrong.body
    wrong = d.ask("POST", "/v1/grade?format=xls", LINEAR)
    assert wrong.status == 400 and all(name in wrong.json()["detail"] for name in SINGLE)


def undecodable(d):
    """A platform gets its own answer to what cannot be read; everybody else a problem."""
    body = json.loads(json.dumps(LINEAR))
    body["submission"]["gradients"]["x"] = [["a", "b"]]
    assert d.ask("POST", "/v1/grade", body).json()["pointer"].startswith("/submission/gradients/x")
    assert d.ask("POST", "/v1/grade?format=csv", body).status == 400
    reply = d.ask("POST", "/v1/grade?format=prairielearn", body)
    assert reply.status == 200 and strict(reply.body)["gradable"] is False
    reply = d.ask("POST", "/v1/grade?format=gradescope", body)
    assert reply.status == 200 and strict(reply.body)["score"] == 0
    body = {**LINEAR, "inputs": {"x": "no"}}
    assert d.ask("POST", "/v1/grade?format=prairielearn", body).status == 400, "the teacher's part is wrong"


def maps(d):
    """A map says of each entry what the check says of it; of a large tensor the worst of each block."""
    def graded(wrong, n, columns):
        graph = {"inputs": {"x": ["n", columns]}, "nodes": {"y": {"op": "ReLU", "in": "x"}}, "outputs": ["y"], "dtype": "float64"}
        x = [[1 + i + k if (i + k) % 3 else -1 - i for k in range(columns)] for i in range(n)]
        gradient = [[float(v > 0) for v in row] for row in x]
        for i, k in wrong:
            gradient[i][k] += 0.5
        body = {"graph": graph, "inputs": {"x": x}, "cotangents": {"y": [[1] * columns] * n},
                "submission": {"form": "numbers", "gradients": {"x": gradient}}}
        return x, d.ask("POST", "/v1/grade", body).json()["tensors"]["x"].get("map")
    x, small = graded([(0, 1), (2, 3)], 3, 4)
    flat = [v for row in x for v in row]
    assert small["rows"] == 3 and small["columns"] == 4
    assert small["entries"] == "".join("x" if i in (1, 11) else "+" if v > 0 else "." for i, v in enumerate(flat)), small
    _, large = graded([(99, 249), (0, 0)], 100, 250)
    cells = large["entries"]
    assert large["rows"] <= 40 and large["columns"] <= 100 and len(cells) == large["rows"] * large["columns"]
    assert cells[0] == cells[-1] == "x" and cells.count("x") == 2 and set(cells) <= set("+x.")
    assert graded([], 3, 4)[1] is None, "nothing is wrong, nothing to show"


def shapes_on_prairielearn(d):
    ask = lambda **more: d.ask("POST", "/v1/grade?format=prairielearn", {**LINEAR, **more}).json()
    assert ask()["gradable"] is False
    counted = ask(wrong_shape="wrong")
    assert counted["gradable"] is True and counted["score"] == 0.7125


def answers(c, slip):
    """The gradients of LINEAR at the point of a challenge by hand, with or without a mistake."""
    x, w, g = c["inputs"]["x"], c["parameters"]["fc.weight"][0], [row[0] for row in c["cotangents"]["fc"]]
    of_weight = [sum(gi * row[k] for gi, row in zip(g, x)) for k in range(2)]
    if slip == "half":
        of_weight = [v / 2 for v in of_weight]
    of_bias = [[gi] for gi in g] if slip == "bias" else [sum(g)]
    return {"fc.weight": [of_weight], "fc.bias": of_bias, "x": [[gi * wk for wk in w] for gi in g]}


def a_course(d):
    """Stored submissions of students with hostile names: every format of each, and the course, as teacher and as student."""
    root = (pathlib.Path(d.data) / "d" / "first-key").read_text().strip()

    def ask(key, method, path, body=None, status=(200, 201), **headers):
        reply = d.ask(method, path, body, {"Authorization": f"Bearer {key}", **headers})
        assert reply.status in status, (path, reply.status, reply.body[:500])
        return reply

    def key_for(label, scope):
        return ask(root, "POST", "/v1/keys", {"label": label, "scopes": [scope]}).json()["key"]
    teacher = key_for("teacher", "teach")
    ask(teacher, "POST", "/v1/assignments", {"name": "hw", "title": "<b>Layers</b>", "graph": LINEAR["graph"],
                                             "points": LINEAR["points"], "hint_level": "pattern"})
    labels = [h for h in HOSTILE if 0 < len(h) <= 60 and h == line(h) and h.strip() == h]
    for i, label in enumerate(labels):
        student = key_for(label, "submit")
        c = ask(student, "POST", "/v1/challenges", {"assignment": "hw"}).json()
        form = {"form": "numbers", "gradients": answers(c, [None, "half", "bias"][i % 3])}
        place = ask(student, "POST", "/v1/submissions", {"challenge": c["challenge"], "submission": form}).headers["Location"]
        full = ask(teacher, "GET", place + "/report").json()
        job = {"result": full, "student": label, "assignment": "hw", "level": "pattern", "wrong_shape": False}
        query = "&".join(f"{k}={v}" for k, v in RUNNER.items())
        for name in SINGLE:
            if name == "json" or (name == "inginious" and i > 3):
                continue
            data = ask(student, "GET", f"{place}/report?format={name}&{query}").body
            if name not in ("csv", "junit"):
                CHECKS[name](data, job)
            assert data == ask(student, "GET", f"{place}/report?format={name}&{query}").body
    whole = ask(teacher, "GET", "/v1/assignments/hw/report").json()
    assert whole["students"] == len(labels) and {x["student"] for x in whole["submissions"]} == set(labels)
    assert {m["code"]: m["students"] for m in whole["mistakes"]} == \
        {"factor_2": len(labels[1::3]), "not_summed_over_batch": len(labels[2::3])}
    assert whole["full_marks"] == len(labels[0::3])
    for name in ("csv", "html"):
        check = CHECKS[name]
        check(ask(teacher, "GET", f"/v1/assignments/hw/report?format={name}").body,
              {"course": [{"result": x["result"]} for x in whole["submissions"]]})
    page = ask(teacher, "GET", "/v1/assignments/hw/report", Accept="text/html").body
    assert page == ask(teacher, "GET", "/v1/assignments/hw/report?format=html").body and b"<b>Layers" not in page
    ask(student, "GET", "/v1/assignments/hw/report", status=(403,))
    ask(teacher, "GET", "/v1/assignments/hw/report?format=gradescope", status=(400,))


def main():
    seed = int(os.environ.get("SEED", "20260301"))
    r, write = random.Random(seed), Writer()
    every_format(write, r)
    revealed(write, r)
    counts(write, r)
    nothing(write)
    refusals(write)
    faults(write)
    large(write, r)
    missing(write, r)
    autolab_problem(write, r)
    the_checks_bite(write, copy.copy(r))
    contrast(write)
    in_a_browser(write, r)
    write.close()
    with Daemon() as d:
        over_http(d)
        undecodable(d)
        maps(d)
        shapes_on_prairielearn(d)
    with Daemon("--require-keys") as d:
        a_course(d)
    print(f"{len(SINGLE)} formats, seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
