"""A client for nablad's probes: is this gradient right? The function stays here, only numbers travel.

    from probes import check
    verdict = check(function, gradient, inputs={"x": (5, 4), "w": (3, 4)}, outputs={"y": (5, 3)})

Needs the standard library and numpy. The service asks for the function's values at points of its choice, usually once;
it never sees the function itself.
"""
import json
import urllib.error
import urllib.request

import numpy as np

SERVICE = "http://127.0.0.1:8080"


class Refused(Exception):
    """The service said no; the text says why and where."""


# ---- numbers on their way ----------------------------------------------------------------------------------------


def plain(values):
    """An array as nested lists. JSON has no NaN and no infinities: they travel as text."""
    values = np.asarray(values, dtype=np.float64)
    if np.isfinite(values).all():
        return values.tolist()
    if values.ndim:
        return [plain(v) for v in values]
    return "NaN" if np.isnan(values) else "Infinity" if values > 0 else "-Infinity"


def named(tensors, names):
    """What the function returned, by name: a dictionary, or a single array if there is one name only."""
    if isinstance(tensors, dict):
        return tensors
    (name,) = names
    return {name: tensors}


def ask(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as e:
        problem = json.load(e)
        raise Refused(f"{problem['title']}, {problem.get('pointer') or 'the whole'}: {problem['detail']}") from None


# ---- questions and answers ---------------------------------------------------------------------------------------


def arrays(tensors):
    return {name: np.array(values, dtype=np.float64) for name, values in tensors.items()}


def points(asked):
    """All inputs at every probe: a base with some entries replaced."""
    bases = [arrays(base) for base in asked["bases"]]
    for probe in asked["probes"]:
        point = {name: values.copy() for name, values in bases[probe["base"]].items()}
        for name, index, value in probe.get("set", []):
            point[name][tuple(index)] = value
        yield point


def answer(asked, function, gradient):
    """One value of every output for each probe, one gradient of sum(cotangent * output) for each base that wants it."""
    names = asked["want"]["outputs"]
    values = [named(function(**point), names) for point in points(asked)]
    gradients = []
    for base in asked["want"]["gradients_at"]:
        claim = gradient(arrays(asked["bases"][base]), arrays(asked["cotangents"][base]))
        gradients.append({name: plain(claim[name]) for name in asked["want"]["gradients"]})
    return {
        "round": asked["round"],
        "outputs": {name: [plain(v[name]) for v in values] for name in names},
        "gradients": gradients,
    }


def check(function, gradient, inputs, outputs, service=SERVICE, intervals=None, **options):
    """The verdict on `gradient`, as the service gives it.

    function(**inputs) returns the outputs, gradient(inputs, cotangents) the gradient of sum(cotangent * output) with
    respect to every input asked about (options: wrt). inputs, outputs: name -> shape. intervals: name -> (from, to),
    where points are drawn. options: points, at, structure, seed, dtype, rho, r_max, kinks, detail.
    """
    question = {
        "function": {
            "inputs": {name: {"shape": list(shape)} for name, shape in inputs.items()},
            "outputs": {name: {"shape": list(shape)} for name, shape in outputs.items()},
        },
        **options,
    }
    for name, interval in (intervals or {}).items():
        question["function"]["inputs"][name]["interval"] = list(interval)
    if "at" in options:
        question["at"] = [{name: plain(values) for name, values in point.items()} for point in options["at"]]
    reply = ask(f"{service}/v1/probes", question)
    while reply["state"] == "asking":
        reply = ask(f"{service}/v1/probes/{reply['id']}/answers", answer(reply, function, gradient))
    return reply


# ---- for people --------------------------------------------------------------------------------------------------


def table(verdict):
    """The verdict as lines of text."""
    rows = [("", "verdict", "right", "wrong", "cannot tell", "silent", "would have caught")]
    for name, t in verdict["tensors"].items():
        counts = [str(t[key]) for key in ("right", "wrong", "cannot_tell", "silent")]
        power = f"{t['power']['worst']:.0e}" if "power" in t else "-"
        rows.append((name, t["verdict"].replace("_", " "), *counts, power))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [verdict["summary"]]
    for row in rows:
        first = f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}"
        lines.append("  " + first + "".join(f"  {text:>{width}}" for text, width in zip(row[2:], widths[2:])))
    lines += [f"  warning: {w['code']} at {w.get('where', 'all')}; hides {w['hides']}" for w in verdict["warnings"]]
    return "\n".join(lines)
