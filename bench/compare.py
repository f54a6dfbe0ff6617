#!/usr/bin/python3
"""Everything in one run, as a table: bench/run.sh starts this with the paths of what it needs."""
import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile

import check
import course
import inside
import servers
import standing
import starve
import table
import training

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "..", "docs", "benchmarks.md")


def options():
    p = argparse.ArgumentParser()
    for name in ("nablad", "kernels", "step", "empty", "modules", "python"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int, default=5, help="of each kernel in each round")
    p.add_argument("--seconds", type=int, default=2, help="of each load")
    p.add_argument("--students", type=int, default=1000, help="in the course that is graded")
    p.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return p.parse_args()


def first_line(*command):
    """What a program says of itself: "# core NAME ..." as words."""
    return subprocess.run([*command, "0"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[1:]


def openblas(setup):
    """The core OpenBLAS chose: in nablad, which mends a bad choice, and in PyTorch."""
    return first_line(setup.kernels)[1], first_line(setup.python, f"{HERE}/kernels.py")[1]


def cpu():
    with open("/proc/cpuinfo") as f:
        text = f.read()
    model = {k: re.search(rf"^{k}\s*: (.*)$", text, re.M).group(1) for k in ("cpu family", "model", "model name")}
    return f"{model['model name']} (family {model['cpu family']}, model {model['model']})"


def one_pass(setup, name):
    """Rows for the table, and the lines of the numbers behind them."""
    print(f"{name}: kernels ...", file=sys.stderr)
    times, memory = inside.measure(setup), inside.measure_memory(setup)
    step = training.measure(setup.nablad, setup.step)
    print(f"{name}: servers ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as setup.scratch:
        cases, still = servers.measure(setup), standing.measure(setup)
    print(f"{name}: checks ...", file=sys.stderr)
    checks, beside = check.measure(setup.nablad, setup.python), starve.measure(setup.nablad)
    graded = course.measure(setup.nablad, setup.students)
    rows = [*inside.rows(*times), *inside.memory_rows(*memory), *training.rows(step), *servers.rows(cases),
            *standing.rows(*still), *check.rows(checks), *starve.rows(beside), *course.rows(graded)]
    return rows, ["", f"### The numbers behind it, {name}", "", *inside.times(*times, *memory), "",
                  *training.table(step), "", *servers.times(cases), "", *check.table(checks), "", *starve.table(beside)]


def report(setup):
    """As it comes; and once more with the same core for all, where OpenBLAS chose a bad one for PyTorch."""
    model = cpu()
    ours, theirs = openblas(setup)
    versions = " ".join(first_line(setup.kernels)[2:6] + first_line(setup.python, f"{HERE}/kernels.py")[2:])
    passes, detail = {}, []
    for core in [None] if ours == theirs else [None, ours]:
        name = f"OpenBLAS core {ours} for all" if core or ours == theirs else f"as it comes ({ours}; PyTorch {theirs})"
        if core:
            os.environ["OPENBLAS_CORETYPE"] = core
        passes[name], lines = one_pass(setup, name)
        detail += lines
    day = datetime.date.today().isoformat()
    machine = f"{day}: {os.cpu_count()} cores of {model}; {versions}; load before the end {os.getloadavg()[1]:.1f}."
    return [machine, "", *table.ratios(passes), *detail]


def write(lines):
    begin, end = "<!-- written by bench/run.sh --write -->", "<!-- end -->"
    with open(DOCUMENT) as f:
        before, rest = f.read().split(begin)
    with open(DOCUMENT, "w") as f:
        f.write("\n".join([before + begin, "", *lines, "", end]) + rest.split(end)[1])


def main():
    setup = options()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as setup.model:
        subprocess.run([setup.python, f"{HERE}/peers/model.py", setup.model], check=True, stdout=subprocess.DEVNULL)
        lines = report(setup)
    print("\n".join(lines))
    if setup.write:
        write(lines)


main()
