#!/usr/bin/python3
"""Everything in one run, as a table: bench/run.sh starts this with the paths of what it needs."""
import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile

import inside
import servers
import standing
import table

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "..", "docs", "benchmarks.md")


def options():
    p = argparse.ArgumentParser()
    for name in ("nablad", "kernels", "empty", "modules", "python"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--repeats", type=int, default=5, help="of each kernel in each round")
    p.add_argument("--seconds", type=int, default=2, help="of each load")
    p.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    return p.parse_args()


def facts(setup):
    """What `kernels` says of OpenBLAS: core, isa, configuration."""
    text = subprocess.run([setup.kernels, "0"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.match(r"# core (\S+) isa (\S+) (\S+ \S+)", text).groups()


def cpu():
    with open("/proc/cpuinfo") as f:
        text = f.read()
    model = {k: re.search(rf"^{k}\s*: (.*)$", text, re.M).group(1) for k in ("cpu family", "model", "model name")}
    flags = set(re.search(r"^flags\s*: (.*)$", text, re.M).group(1).split())
    return f"{model['model name']} (family {model['cpu family']}, model {model['model']})", "avx512f" in flags


def cores(found, avx512):
    """OpenBLAS's own choice; where it does not know the CPU, also the one it should have made."""
    return [None, "SkylakeX"] if found == "Prescott" and avx512 else [None]


def one_pass(setup, core):
    """Rows for the table, and the lines of the numbers behind them."""
    os.environ.pop("OPENBLAS_CORETYPE", None)
    if core:
        os.environ["OPENBLAS_CORETYPE"] = core
    name = facts(setup)[0]
    print(f"OpenBLAS core {name}: kernels ...", file=sys.stderr)
    ours, torch = inside.measure(setup)
    print("servers ...", file=sys.stderr)
    with tempfile.TemporaryDirectory() as setup.scratch:
        cases, still = servers.measure(setup), standing.measure(setup)
    rows = [*inside.rows(ours, torch), *servers.rows(cases), *standing.rows(*still)]
    return name, rows, [*inside.times(ours, torch), "", *servers.times(cases)]


def report(setup):
    model, avx512 = cpu()
    core, isa, blas = facts(setup)
    passes, detail = {}, []
    for wanted in cores(core, avx512):
        name, passes_rows, lines = one_pass(setup, wanted)
        passes[name] = passes_rows
        detail += ["", f"### The numbers behind it, OpenBLAS core {name}", "", *lines]
    day = datetime.date.today().isoformat()
    machine = f"{day}, {os.cpu_count()} cores of {model}, {blas}, vector code {isa}, load {os.getloadavg()[2]:.1f} (15 min)."
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
