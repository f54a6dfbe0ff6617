#!/usr/bin/env python3
"""The client in examples/probes, and the block of README.md that uses it, against a daemon."""
import os
import pathlib
import re
import subprocess
import sys

from daemon import Daemon

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parent.parent).resolve()
CLIENT = TOP / "examples" / "probes"


def with_numpy():
    """A Python that has numpy: the one in the path, or the system's, which has Debian's packages."""
    for python in ("python3", "/usr/bin/python3"):
        if not subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode:
            return python
    print("skipped: no Python has numpy (Debian: python3-numpy)")
    sys.exit(77)


def run(python, *command, program=None):
    environment = {**os.environ, "PYTHONPATH": str(CLIENT), "PYTHONDONTWRITEBYTECODE": "1", "no_proxy": "*",
                   "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([python, *command], input=program, env=environment, capture_output=True, text=True, timeout=300)
    print(ran.stdout + ran.stderr)
    return ran


def block_of_readme(d):
    """The program and the output in the fenced block `python` that uses the client; its address is ours."""
    text = (TOP / "README.md").read_text()
    found = re.search(r"^```python\n(.*?^from probes import.*?)^```\n+```\n(.*?)^```$", text, re.M | re.S)
    assert found, "README.md has no block python with the client and its output"
    return found[1].replace("http://127.0.0.1:8080", f"http://{d.host}:{d.port}"), found[2]


def rounded(text):
    """Without the digits that depend on the machine's mathematics."""
    return re.sub(r"-?\d+\.\d+|\d+e-\d+", "#", text.strip())


def main():
    python, bad = with_numpy(), 0
    with Daemon() as d:
        demo = run(python, str(CLIENT / "demo.py"), f"http://{d.host}:{d.port}")
        bad += demo.returncode != 0 or "every verdict is the one it should be" not in demo.stdout
        program, shown = block_of_readme(d)
        readme = run(python, "-", program=program)
        if readme.returncode or rounded(readme.stdout) != rounded(shown):
            print(f"README.md shows\n{shown}")
            bad += 1
    return bad


if __name__ == "__main__":
    sys.exit(main())
