### BEGIN HIDDEN TESTS
import json
import math
import os
import urllib.request


def plain(v):  # JSON has no words for what is not finite; the service takes these
    if isinstance(v, list):
        return [plain(x) for x in v]
    return v if math.isfinite(v) else str(v).replace("inf", "Infinity").replace("nan", "NaN")


def points(task, gradients):
    """What nablad gives for these arrays: a float within (0, max]. It raises if that is nothing: whatever else nbgrader
    cannot read it takes for full marks, some versions a printed 0, too."""
    form = {"form": "numbers", "gradients": {name: plain(v.tolist()) for name, v in gradients.items()}}
    body = json.dumps({**json.load(open(task)), "submission": form}).encode()
    headers = {"Content-Type": "application/json"}
    if "NABLAD_KEY" in os.environ:
        headers["Authorization"] = "Bearer " + os.environ["NABLAD_KEY"]
    service = os.environ.get("NABLAD", "http://127.0.0.1:8080")
    request = urllib.request.Request(service + "/v1/grade?format=nbgrader", body, headers)
    return float(urllib.request.urlopen(request, timeout=60).read())


points("assignment.json", {"l2.weight": dW2, "l2.bias": db2, "l1.weight": dW1, "l1.bias": db1, "x": dx})
### END HIDDEN TESTS
