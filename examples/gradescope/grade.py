#!/usr/bin/env python3
"""Grades SUBMISSION/gradients.npz by nablad and writes a results.json for Gradescope.

    grade.py SUBMISSION RESULTS.json

The service is at $NABLAD (http://127.0.0.1:8080), its key, if it wants one, in $NABLAD_KEY. Nothing but the standard
library and numpy; whatever happens there is a results.json."""
import http.client
import json
import math
import os
import pathlib
import sys
import traceback
import urllib.error
import urllib.request

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
SERVICE, KEY = os.environ.get("NABLAD", "http://127.0.0.1:8080"), os.environ.get("NABLAD_KEY")
LARGEST = 50_000_000  # bytes of a student's file
NUMBERS = "fiu"  # kinds of numpy


class NotReadable(Exception):
    """The student's file is at fault; says how."""


def read(folder):
    path = folder / "gradients.npz"
    if not path.is_file():
        raise NotReadable(f"gradients.npz is missing; there are: {', '.join(sorted(os.listdir(folder))) or 'no files'}")
    if path.stat().st_size > LARGEST:
        raise NotReadable(f"gradients.npz is larger than {LARGEST} bytes")
    try:
        with np.load(path, allow_pickle=False) as arrays:  # a pickle would run code of the student's
            tensors = {name: arrays[name] for name in arrays.files}
    except Exception as e:
        raise NotReadable(f"gradients.npz is not what numpy.savez writes: {e}") from e
    for name, v in tensors.items():
        if v.dtype.kind not in NUMBERS:
            raise NotReadable(f"{name} has the dtype {v.dtype}; real numbers are wanted")
    return tensors


def plain(v):
    """JSON has no words for what is not finite; the service takes these."""
    if isinstance(v, list):
        return [plain(x) for x in v]
    return v if math.isfinite(v) else str(v).replace("inf", "Infinity").replace("nan", "NaN")


def ask(gradients):
    task = json.loads((HERE / "assignment.json").read_text())
    form = {"form": "numbers", "gradients": {name: plain(v.tolist()) for name, v in gradients.items()}}
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {KEY}"} if KEY else {})}
    request = urllib.request.Request(f"{SERVICE}/v1/grade?format=gradescope", json.dumps({**task, "submission": form}).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def told(output):
    """Nothing could be graded: the reason in place of tests."""
    return {"score": 0, "output": output, "output_format": "text", "stdout_visibility": "hidden"}


def results(folder):
    try:
        return ask(read(folder))
    except NotReadable as e:
        return told(str(e))
    except urllib.error.HTTPError as e:
        print(e.read().decode(errors="replace"))  # for the teacher: what is printed is hidden from students
        return told(f"The grading service refused this request (status {e.code}). Please tell your teacher.")
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as e:
        print(e)
        return told("The grading service could not be asked. This is not your fault: please hand in again later.")


def main():
    folder, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    try:
        found = results(folder)
    except Exception:
        traceback.print_exc()
        found = told("The grader failed. This is not your fault: please tell your teacher.")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    partial.write_text(json.dumps(found))
    partial.replace(target)  # a results.json is whole or the old one


if __name__ == "__main__":
    main()
