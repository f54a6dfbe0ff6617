#!/usr/bin/env python3
"""The zoo: classical networks as graphs of modules, proven and trained through the HTTP API.

    zoo.py                     all systems, one table
    zoo.py --fast              without what takes more than about a second
    zoo.py mlp perceptron      only these
    zoo.py --list              their names
    zoo.py --save DIR          writes the numbers that pictures are made of, an npz for each system, the curves of jobs, and rows.json

Takes the service at $NABLAD_URL, or starts the program $NABLAD (./nablad) with a data directory of its own. A folder is
a system: graph.json, about.json (title, what it shows, thresholds), README.md and run.py, whose functions exact...(z) and
train...(z) report rows (rows.py). The exit status is 1 if any row fails."""
import argparse
import contextlib
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SYSTEM_PYTHON = "/usr/bin/python3"
try:
    import numpy
except ImportError:
    if os.path.realpath(sys.executable) != os.path.realpath(SYSTEM_PYTHON) and os.path.exists(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    print("skipped: no numpy (Debian: python3-numpy)")
    sys.exit(77)

ZOO = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ZOO))
from client import Client, Problem  # noqa: E402
from rows import System  # noqa: E402

COLUMNS = (("system", 24), ("what", 52), ("measured", 34), ("wanted", 22), ("seconds", 7), ("ok", 4))


# ---- the service ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def service():
    """The address of a service: the one that is given, or one of our own, which ends with us."""
    if os.environ.get("NABLAD_URL"):
        yield os.environ["NABLAD_URL"]
        return
    data = tempfile.mkdtemp(prefix="nablad-zoo-")
    command = [os.environ.get("NABLAD", "./nablad"), "--port", "0", "--data", os.path.join(data, "d")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        yield address(process)
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().decode(errors="replace")
        status = process.wait()
        shutil.rmtree(data, ignore_errors=True)
        if status:
            sys.exit(f"nablad ended with status {status}\n{rest}")


def address(process):
    for line in process.stderr:
        found = re.search(rb"listening on (http://\S+:\d+)", line)
        if found:
            return found[1].decode()
    sys.exit("nablad did not start")


# ---- the table -----------------------------------------------------------------------------------------------------


def line(cells):
    return "  ".join(str(cell).ljust(width) for cell, (_, width) in zip(cells, COLUMNS)).rstrip()


def show(row):
    what = row["what"] if row["kind"] == "exact" else f"{row['kind']}: {row['what']}"
    print(line([row["system"], what, row["measured"], row["wanted"], f"{row['seconds']:.1f}", "ok" if row["ok"] else "FAIL"]),
          flush=True)


# ---- systems -------------------------------------------------------------------------------------------------------


def names():
    return sorted(path.parent.name for path in ZOO.glob("*/run.py"))


def experiments(name):
    """The functions of a run.py, in the order they stand there."""
    spec = importlib.util.spec_from_file_location("zoo_" + name.replace("-", "_"), ZOO / name / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [f for key, f in vars(module).items() if re.match("exact|train", key) and f.__module__ == module.__name__]


def run(name, client, fast):
    z = System(name, client, fast, show)
    for experiment in experiments(name):
        if fast and getattr(experiment, "slow", False):
            continue
        try:
            experiment(z)
        except Problem as problem:
            z.row(experiment.__name__, "refused", str(problem), False)
        except Exception as error:  # a row that could not be made is a row that fails
            z.row(experiment.__name__, type(error).__name__, str(error)[:200], False)
    if not z.rows:
        z.row("rows", "none", "some", False)
    for net in {net.name: net for net in z.nets}.values():
        net.delete()
    return z


def save(systems, directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for z in systems:
        arrays = {f"{picture}/{key}": a for picture, more in z.pictures.items() for key, a in more.items()}
        numpy.savez_compressed(directory / f"{z.name}.npz", **arrays)
        for label, curve in z.curves.items():
            (directory / f"{z.name}-{label}-curve.svg").write_text(curve)
    (directory / "rows.json").write_text(json.dumps([row for z in systems for row in z.rows], indent=1) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--fast", action="store_true")
    p.add_argument("--list", action="store_true")
    p.add_argument("--save", metavar="DIR")
    p.add_argument("names", nargs="*", metavar="NAME")
    a = p.parse_args()
    unknown = set(a.names) - set(names())
    if unknown:
        p.error(f"{', '.join(sorted(unknown))}: there are {', '.join(names())}")
    if a.list:
        print("\n".join(names()))
        return 0
    start = time.monotonic()
    print(line([title for title, _ in COLUMNS]))
    with service() as url, Client(url) as client:
        systems = [run(name, client, a.fast) for name in a.names or names()]
    rows = [row for z in systems for row in z.rows]
    failed = sum(not row["ok"] for row in rows)
    print(f"{len(systems)} systems, {len(rows)} rows, {failed} failed, {time.monotonic() - start:.0f} s")
    if a.save:
        save(systems, a.save)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
