#!/usr/bin/env python3
"""Six students: what each hands in, written to FOLDER/NAME.npz (numpy.savez) and FOLDER/NAME.json (for curl).

    students.py FOLDER

The task: y = tanh(x W1' + b1) W2' + b2 and the gradient g that comes in at y are given; the gradients of W1, b1, W2, b2 and
x are wanted."""
import json
import pathlib
import sys

import numpy as np

TASK = json.loads((pathlib.Path(__file__).parent / "assignment.json").read_text())


def right(x, g, w1, b1, w2, b2):
    t = np.tanh(x @ w1.T + b1)
    d = (g @ w2) * (1 - t**2)
    return {"l2.weight": g.T @ t, "l2.bias": g.sum(0), "l1.weight": d.T @ x, "l1.bias": d.sum(0), "x": d @ w1}


def mean_over_batch(x, g, w1, b1, w2, b2):
    """Divides the gradients of the parameters by the number of samples."""
    return {k: v if k == "x" else v / len(x) for k, v in right(x, g, w1, b1, w2, b2).items()}


def bias_not_summed(x, g, w1, b1, w2, b2):
    """Forgets that one bias serves every sample."""
    return {**right(x, g, w1, b1, w2, b2), "l2.bias": g}


def transposed(x, g, w1, b1, w2, b2):
    """Exchanges rows and columns of a weight."""
    gradients = right(x, g, w1, b1, w2, b2)
    return {**gradients, "l2.weight": gradients["l2.weight"].T}


def square_forgotten(x, g, w1, b1, w2, b2):
    """Takes 1 - t for the slope of tanh; all below is right for that."""
    t = np.tanh(x @ w1.T + b1)
    d = (g @ w2) * (1 - t)
    return {"l2.weight": g.T @ t, "l2.bias": g.sum(0), "l1.weight": d.T @ x, "l1.bias": d.sum(0), "x": d @ w1}


def uphill(x, g, w1, b1, w2, b2):
    """Reverses the direction of everything."""
    return {k: -v for k, v in right(x, g, w1, b1, w2, b2).items()}


STUDENTS = [right, mean_over_batch, bias_not_summed, transposed, square_forgotten, uphill]


def gradients_of(student):
    p = {name: np.array(v) for name, v in TASK["parameters"].items()}
    return student(np.array(TASK["inputs"]["x"]), np.array(TASK["cotangents"]["l2"]), p["l1.weight"], p["l1.bias"], p["l2.weight"],
                   p["l2.bias"])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for student in STUDENTS:
        gradients = gradients_of(student)
        np.savez(folder / f"{student.__name__}.npz", **gradients)
        form = {"form": "numbers", "gradients": {name: v.tolist() for name, v in gradients.items()}}
        (folder / f"{student.__name__}.json").write_text(json.dumps(form))


if __name__ == "__main__":
    main()
