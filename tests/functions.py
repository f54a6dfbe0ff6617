#!/usr/bin/env python3
"""Functions stay small: median about a dozen lines, nine in ten under 40, none over 100."""
import os
import pathlib
import re
import statistics
import sys

top = pathlib.Path(os.environ.get("top_srcdir", "."))
sizes = []
for path in sorted([*top.glob("src/**/*.c"), *top.glob("src/**/*.h")]):
    start = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            sizes.append((number - start - 1, f"{path}:{start}"))
            start = None
lines = [n for n, _ in sizes]
ninety = sorted(lines)[len(lines) * 9 // 10]
print(f"{len(lines)} functions, median {statistics.median(lines)}, nine in ten up to {ninety}, longest {max(sizes)}")
bad = [where for n, where in sizes if n > 100]
if bad or statistics.median(lines) > 14 or ninety >= 40:
    sys.exit(f"too long: {bad}")
