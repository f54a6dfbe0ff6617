"""A small client of nablad: one connection that stays open, tensors as numpy arrays.

    with Client("http://127.0.0.1:8080") as c:
        net = c.put("mlp", graph, seed=1)
        net.forward({"x": x})["p"]
        net.step({"x": x, "y": y}, {"Adam": {"lr": 1e-3}})["loss"]
        c.dataset("digits", {"x": x, "y": y})
        net.train("digits", epochs=60, batch=32, optimizer={"Adam": {"lr": 1e-3}}).result["curve"]

Tensors travel as safetensors (a header in JSON, then the numbers as they are); what a request asks for stands in the
query then. Checks and graphs are JSON."""
import http.client
import json
import socket
import struct
import urllib.parse

import numpy

TENSORS = "application/x-safetensors"
DTYPES = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "BOOL": "?", "U8": "u1"}


class Problem(Exception):
    """What the service refused, with its own words."""

    def __init__(self, about):
        super().__init__(f"{about.get('code')} at {about.get('pointer') or '/'}: {about.get('detail')}")
        self.about = about


def pack(tensors):
    header, data, at = {}, [], 0
    for name, values in tensors.items():
        array = numpy.ascontiguousarray(values)  # a number becomes one entry
        array = array.astype("<i8" if array.dtype.kind in "iub" else "<f4" if array.dtype == "f4" else "<f8", copy=False)
        kind = next(k for k, v in DTYPES.items() if array.dtype == v)
        header[name] = {"dtype": kind, "shape": numpy.shape(values), "data_offsets": [at, at + array.nbytes]}
        data.append(array.tobytes())
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(data)


def unpack(body):
    size = struct.unpack("<Q", body[:8])[0]
    header, data = json.loads(body[8 : 8 + size]), body[8 + size :]
    header.pop("__metadata__", None)
    return {name: numpy.frombuffer(data[slice(*t["data_offsets"])], DTYPES[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}


def lists(value):
    """The same for JSON."""
    if isinstance(value, dict):
        return {k: lists(v) for k, v in value.items()}
    return value.tolist() if isinstance(value, (numpy.ndarray, numpy.generic)) else value


def query(terms):
    """Names become a list with commas, all else that is no text JSON."""
    flat = {k: v if isinstance(v, str) else ",".join(v) if k in ("outputs", "wrt") else json.dumps(v)
            for k, v in terms.items() if v is not None}
    return "?" + urllib.parse.urlencode(flat) if flat else ""


class Wire(http.client.HTTPConnection):
    def connect(self):
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Client:
    def __init__(self, url, timeout=600):
        where = urllib.parse.urlsplit(url)
        self.wire = Wire(where.hostname, where.port or 80, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.wire.close()

    def ask(self, method, path, body=None, type_="application/json", accept="application/json", **headers):
        """The body of the reply, read; a Problem if the service refused."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(lists(body)).encode()
        self.wire.request(method, path, body, {"Content-Type": type_, "Accept": accept, **headers})
        reply = self.wire.getresponse()
        text = reply.read()
        kind = reply.headers.get("Content-Type") or ""
        if reply.status >= 400:
            raise Problem(json.loads(text))
        return unpack(text) if kind == TENSORS else json.loads(text) if "json" in kind else text

    def put(self, name, graph, seed=1):
        """Stores a graph; what has no value is drawn from the seed."""
        self.ask("PUT", f"/v1/graphs/{name}", {"graph": graph, "seed": f"{seed:x}"})
        return Net(self, name)

    def dataset(self, name, columns):
        """Brings what there is to learn from: named columns, a row for each sample."""
        self.ask("PUT", f"/v1/datasets/{name}", pack(columns), TENSORS)

    def events(self, path):
        """What is told on the way, to the end: (event, data) of each."""
        for block in self.ask("GET", path, accept="text/event-stream").decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "data" in fields:
                yield fields.get("event", "message"), json.loads(fields["data"])


class Job:
    """A job that has ended well: its result, its picture, and the events that told of it on the way."""

    def __init__(self, client, about):
        path = about["links"]["self"]
        self.events = list(client.events(about["links"]["events"]))
        self.about = client.ask("GET", path)
        if self.about["state"] != "done":
            raise Problem(self.about.get("problem") or {"code": self.about["state"], "detail": f"the job {self.about['id']}"})
        self.result = client.ask("GET", path + "/result")
        self.picture = client.ask("GET", path + "/result", accept="image/svg+xml").decode()


class Net:
    """A stored graph. `terms` are those of the API: loss, outputs, wrt, mode, seed, ..."""

    def __init__(self, client, name):
        self.client, self.name, self.path = client, name, f"/v1/graphs/{name}"

    def _tensors(self, what, inputs, terms):
        if "seed" in terms:
            terms["seed"] = f"{terms['seed']:x}"
        return self.client.ask("POST", f"{self.path}/{what}{query(terms)}", pack(inputs), TENSORS, TENSORS)

    def forward(self, inputs, **terms):
        """name -> array"""
        return self._tensors("forward", inputs, terms)

    def backward(self, inputs, **terms):
        """(gradients, outputs). With cotangents=, arrays by the names of outputs, of these; else of the loss."""
        cotangents = terms.pop("cotangents", None)
        if cotangents is not None:
            if "seed" in terms:
                terms["seed"] = f"{terms['seed']:x}"
            body = {"inputs": inputs, "cotangents": cotangents, **terms}
            got = self.client.ask("POST", f"{self.path}/backward", body)
            return tuple({k: numpy.array(v) for k, v in got[part].items()} for part in ("gradients", "outputs"))
        got = self._tensors("backward", inputs, terms)
        part = "gradients/"
        return ({name[len(part) :]: value for name, value in got.items() if name.startswith(part)},
                {name: value for name, value in got.items() if not name.startswith(part)})

    def step(self, inputs, optimizer, seed=None, **terms):
        """One step of training: the reply, with loss, step, lr, gradient_norm."""
        terms = {"optimizer": optimizer, "seed": None if seed is None else f"{seed:x}", **terms}
        return self.client.ask("POST", f"{self.path}/step{query(terms)}", pack(inputs), TENSORS)

    def train(self, data, seed=1, **terms):
        """Training over a data set, as a Job that is followed to its end."""
        body = {"data": data, "seed": f"{seed:x}", **terms}
        return Job(self.client, self.client.ask("POST", f"{self.path}/train", body, Prefer="respond-async"))

    def check(self, **terms):
        """Is the gradient right? The whole reply."""
        return self.client.ask("POST", f"{self.path}/check", {"detail": "summary", **terms})

    def parameters(self):
        return self.client.ask("GET", f"{self.path}/parameters", accept=TENSORS)

    def set(self, tensors):
        """Some learned tensors; the others stay."""
        self.client.ask("PATCH", f"{self.path}/parameters", pack(tensors), TENSORS)

    def delete(self):
        self.client.ask("DELETE", self.path)
