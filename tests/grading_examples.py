#!/usr/bin/env python3
"""The examples in examples/gradescope and examples/nbgrader against a daemon: one right student, five wrong ones, and what
can go wrong besides."""
import ast
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from daemon import Daemon

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parent.parent).resolve()
GRADESCOPE, CELL = TOP / "examples" / "gradescope", TOP / "examples" / "nbgrader" / "cell.py"
# what each student gets of 10 points, and the code of the mistake at a tensor
EXPECTED = {"right": (10, None, None), "mean_over_batch": (None, "l1.weight", "factor_batch"),
            "bias_not_summed": (None, "l2.bias", "not_summed_over_batch"), "transposed": (None, "l2.weight", "transposed"),
            "square_forgotten": (None, "l1.bias", None), "uphill": (None, "x", "sign")}


def with_numpy():
    for python in ("python3", "/usr/bin/python3"):
        if not subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode:
            return python
    print("skipped: no Python has numpy (Debian: python3-numpy)")
    sys.exit(77)


def environment(service, python, **more):
    path = f"{pathlib.Path(shutil.which(python)).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "NABLAD": service, "no_proxy": "*", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
            **more}


def autograder(folder, service, python, files, source=None, **more):
    """A folder as Gradescope has it; run_autograder; its results.json."""
    place = pathlib.Path(tempfile.mkdtemp(dir=folder))
    shutil.copytree(source or GRADESCOPE, place / "source")
    (place / "submission").mkdir()
    for name, content in files.items():
        (place / "submission" / name).write_bytes(content)
    ran = subprocess.run([place / "source" / "run_autograder"], env=environment(service, python, AUTOGRADER=str(place), **more),
                         capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads((place / "results" / "results.json").read_text())


def check_marks(name, results):
    score, tensor, code = EXPECTED[name]
    tests = {t["name"]: t for t in results["tests"]}
    total = sum(t["score"] for t in tests.values())
    assert sum(t["max_score"] for t in tests.values()) == 10 and len(tests) == 5
    print(f"{name}: {total:g} of 10; " + "; ".join(f"{k}: {t['output']}" for k, t in tests.items() if t["status"] != "passed"))
    if score is not None:
        assert total == score and all(t["status"] == "passed" for t in tests.values()), results
        return total
    assert 0 < total < 10 and tests[tensor]["status"] == "failed"
    assert len(tests[tensor]["output"]) > 10 and tests[tensor]["tags"] and code in (None, *tests[tensor]["tags"]), tests[tensor]
    return total


def students(folder, service, python):
    totals = {}
    for name in EXPECTED:
        results = autograder(folder, service, python, {"gradients.npz": (folder / f"{name}.npz").read_bytes()})
        totals[name] = check_marks(name, results)
        ran = subprocess.run([GRADESCOPE / "curl.sh", folder / f"{name}.json"], env=environment(service, python), capture_output=True,
                             timeout=60)
        by_curl = json.loads(ran.stdout)
        for r in (results, by_curl):
            for t in r["tests"]:
                t.pop("extra_data")  # the certificate names the seed, which is drawn
        assert by_curl == results, "curl gets something else"
    return totals


def notebook(folder, service, python, totals):
    """The cell as IPython runs it: its last expression is what is printed."""
    program = folder / "cell_runner.py"
    program.write_text("import ast, sys\nimport numpy as np\narrays = np.load(sys.argv[1])\n"
                       "v = {'dW1': arrays['l1.weight'], 'db1': arrays['l1.bias'], 'dW2': arrays['l2.weight'],\n"
                       "     'db2': arrays['l2.bias'], 'dx': arrays['x'] * float(sys.argv[3])}\n"
                       "tree = ast.parse(open(sys.argv[2]).read())\n"
                       "last = ast.Expression(tree.body.pop().value)\n"
                       "exec(compile(tree, 'cell', 'exec'), v)\nprint(repr(eval(compile(last, 'cell', 'eval'), v)))\n")
    assert isinstance(ast.parse(CELL.read_text()).body[-1], ast.Expr)

    def run(name, factor="1"):
        return subprocess.run([python, program, folder / f"{name}.npz", CELL, factor], env=environment(service, python), cwd=GRADESCOPE,
                              capture_output=True, text=True, timeout=60)
    for name, total in totals.items():
        ran = run(name)
        assert ran.returncode == 0 and "." in ran.stdout, ran.stderr
        assert abs(float(ran.stdout) - total) < 1e-3 and 0 < float(ran.stdout) <= 10, (name, ran.stdout)
    for factor in ("nan", "inf", "-inf"):
        ran = run("right", factor)
        assert ran.returncode == 0 and 0 < float(ran.stdout) < 10, (factor, ran.stdout, ran.stderr)
    nobody = subprocess.run([python, program, folder / "right.npz", CELL, "1"], env=environment("http://127.0.0.1:1", python),
                            cwd=GRADESCOPE, capture_output=True, text=True, timeout=60)
    assert nobody.returncode != 0 and not nobody.stdout, "no service, and yet points"


def misfortunes(folder, service, python):
    """There is a results.json whatever happens, and it says what."""
    good = (folder / "right.npz").read_bytes()
    pickled = folder / "pickled.npz"
    subprocess.run([python, "-c", "import numpy as np, sys; np.savez(sys.argv[1], x=np.array([{}], dtype=object))", pickled], check=True)
    for files, word in (({}, "missing"), ({"other.txt": b""}, "other.txt"), ({"gradients.npz": b"no zip"}, "numpy.savez"),
                        ({"gradients.npz": good[:300]}, "numpy.savez"), ({"gradients.npz": pickled.read_bytes()}, "numpy.savez")):
        results = autograder(folder, service, python, files)
        assert results["score"] == 0 and word in results["output"], results
    away = autograder(folder, "http://127.0.0.1:1", python, {"gradients.npz": good})
    assert away["score"] == 0 and "not your fault" in away["output"]
    broken = folder / "broken"
    for line, seconds in (("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "60"), ("import time; time.sleep(600)", "1"),
                          ("raise SystemExit(3)", "60")):
        shutil.copytree(GRADESCOPE, broken)
        (broken / "grade.py").write_text(line)
        results = autograder(folder, service, python, {"gradients.npz": good}, broken, SECONDS_ALLOWED=seconds)
        assert results["score"] == 0 and "did not finish" in results["output"]
        shutil.rmtree(broken)


def main():
    python = with_numpy()
    with tempfile.TemporaryDirectory() as place, Daemon() as d:
        folder, service = pathlib.Path(place), f"http://{d.host}:{d.port}"
        subprocess.run([python, GRADESCOPE / "students.py", folder], check=True, env=environment(service, python))
        totals = students(folder, service, python)
        assert len(set(totals.values())) > 2 and totals["right"] > max(v for k, v in totals.items() if k != "right")
        notebook(folder, service, python, totals)
        misfortunes(folder, service, python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
