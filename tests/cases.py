#!/usr/bin/env python3
"""Runs tests/cases: every folder has a request and the reply it must get, from one daemon, in the order of the names.

    request     METHOD PATH, then headers, a blank line, the body (application/json unless a header says otherwise)
    reply       the status, then headers, a blank line, JSON

Of the reply every header and member given must be there; numbers agree to 1e-6 of their size; "*" is anything.
request.2 and reply.2, and so on, follow on the first. `cases.py NAME ...` runs some of them.
"""
import json
import os
import pathlib
import sys

from daemon import Daemon

here = pathlib.Path(os.environ.get("top_srcdir", pathlib.Path(__file__).parent.parent)) / "tests" / "cases"


def read(path):
    head, _, body = path.read_text().partition("\n\n")
    first, *headers = head.strip().split("\n")
    return first, dict(line.split(": ", 1) for line in headers), body


def close(wanted, got):
    return abs(wanted - got) <= 1e-6 * max(abs(wanted), abs(got))


def differences(wanted, got, place=""):
    """Sentences about what is not as wanted."""
    if wanted == "*":
        return
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key, value in wanted.items():
            if key in got:
                yield from differences(value, got[key], f"{place}/{key}")
            else:
                yield f"{place}/{key} is missing"
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for i, (w, g) in enumerate(zip(wanted, got)):
            yield from differences(w, g, f"{place}/{i}")
    elif isinstance(wanted, bool) or isinstance(got, bool) or not all(isinstance(v, (int, float)) for v in (wanted, got)):
        if wanted != got:
            yield f"{place or 'the body'} is {json.dumps(got)[:200]}, not {json.dumps(wanted)[:200]}"
    elif not close(wanted, got):
        yield f"{place} is {got!r}, not {wanted!r}"


def compare(reply, status, headers, body):
    if reply.status != int(status.split()[0]):
        yield f"the status is {reply.status}, not {status}: {reply.body[:500].decode(errors='replace')}"
        return
    for name, value in headers.items():
        if reply.headers[name] != value:
            yield f"{name} is {reply.headers[name]}, not {value}"
    if body.strip():
        yield from differences(json.loads(body), json.loads(reply.body))


def run(daemon, folder):
    for request in sorted(folder.glob("request*")):
        first, headers, body = read(request)
        method, path = first.split()
        reply = daemon.ask(method, path, body.encode() or None, headers)
        for sentence in compare(reply, *read(folder / request.name.replace("request", "reply"))):
            yield f"{folder.name}/{request.name}: {sentence}"


def main():
    folders = [here / name for name in sys.argv[1:]] or sorted(p for p in here.iterdir() if p.is_dir())
    with Daemon() as daemon:
        bad = [sentence for folder in folders for sentence in run(daemon, folder)]
    print(*bad, f"{len(folders)} cases, {len(bad)} differences", sep="\n")
    return 1 if bad or not folders else 0


if __name__ == "__main__":
    sys.exit(main())
