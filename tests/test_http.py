#!/usr/bin/env python3
"""The HTTP face: what is refused and how, limits, slow and many clients, overload, stopping, options."""
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from daemon import Daemon, program, read_all, wait_until

RELU = {"inputs": {"x": ["B", 3]}, "nodes": {"h": {"op": "ReLU", "in": "x"}}, "outputs": ["h"]}
LINEAR = {
    "inputs": {"x": ["B", 2], "t": ["B"]},
    "nodes": {"fc": {"op": "Linear", "in": "x", "out_features": 1}, "loss": {"expr": "mean(square(fc))"}},
    "outputs": ["fc"],
    "params": {"fc.weight": {"value": [[1, -2]]}, "fc.bias": {"value": [0.5]}},
}
HOST = b"Host: localhost\r\n"


def slow_graph(products):
    """Some tenths of a second for each ten products, and nothing to send."""
    nodes = {"w": {"op": "Parameter", "shape": [1500, 1500], "init": "eye"}}
    last = "w"
    for i in range(products):
        nodes[f"m{i}"] = {"op": "MatMul", "in": [last, "w"]}
        last = f"m{i}"
    nodes["s"] = {"expr": f"sum({last})"}
    return {"inputs": {}, "nodes": nodes, "outputs": ["s"]}


class WithDaemon(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(*cls.options).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def refused(self, reply, status, code, pointer=None):
        """A problem of RFC 9457 with everything it must have."""
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        p = reply.json()
        self.assertEqual(p["code"], code, p)
        self.assertEqual(p["type"], "/v1/errors/" + code)
        self.assertEqual(p["status"], status)
        self.assertTrue(p["title"] and p["detail"])
        self.assertEqual(p["request_id"], reply.headers["X-Request-Id"])
        if pointer is not None:
            self.assertEqual(p.get("pointer", ""), pointer, p)
        return p

    def alive(self):
        self.assertEqual(self.d.ask("GET", "/livez").status, 200)


class Bodies(WithDaemon):
    """Bodies that cannot be meant."""

    def forward(self, body, **more):
        return self.d.ask("POST", "/v1/forward", body, **more)

    def test_not_json(self):
        for body in ['{"graph": {}', "[1,2", "hello", "", "{'graph': 1}", '{"graph": 01}', '{"a": NaN}', '{"graph": {},}']:
            with self.subTest(body):
                p = self.refused(self.forward(body), 400, "json_syntax")
                self.assertIn("line", p)
                self.assertIn("column", p)

    def test_not_an_object(self):
        self.refused(self.forward("[1, 2]"), 400, "wrong_type")

    def test_nul_bytes(self):
        for body in (b'{"graph"\0: 1}', b'{"inputs": {"x": [1\0]}}', b'{"inputs": {"x": [true\0]}}', b'{"a": "\0"}', b"{}\0"):
            with self.subTest(body):
                self.assertEqual(self.forward(body).status, 400)
        self.alive()

    def test_duplicate_keys(self):
        self.refused(self.forward('{"graph": {}, "graph": {}}'), 400, "duplicate_key")
        text = json.dumps({"graph": RELU})[:-1] + ', "inputs": {"x": [[1,2,3]], "x": [[1,2,3]]}}'
        self.refused(self.forward(text), 400, "duplicate_key")

    def test_unknown_key(self):
        self.refused(self.forward({"graph": RELU, "input": {}}), 400, "unknown_key", "/input")
        self.refused(self.forward({"graph": RELU, "wrt": []}), 400, "unknown_key", "/wrt")

    def test_missing_graph(self):
        self.refused(self.forward({"inputs": {}}), 400, "missing_key", "")

    def test_wrong_kinds(self):
        for body, pointer in [
            ({"graph": RELU, "outputs": "h"}, "/outputs"),
            ({"graph": RELU, "outputs": [3]}, "/outputs/0"),
            ({"graph": RELU, "inputs": [1]}, "/inputs"),
            ({"graph": RELU, "dims": [1]}, "/dims"),
            ({"graph": RELU, "dims": {"B": 1.5}}, "/dims/B"),
            ({"graph": RELU, "mode": 1}, "/mode"),
        ]:
            with self.subTest(pointer):
                self.refused(self.forward(body), 400, "wrong_type", pointer)

    def test_bad_values(self):
        for body, pointer in [
            ({"graph": RELU, "mode": "fast"}, "/mode"),
            ({"graph": RELU, "seed": "xyz"}, "/seed"),
            ({"graph": RELU, "seed": -1}, "/seed"),
            ({"graph": RELU, "seed": "0" * 33}, "/seed"),
            ({"graph": RELU, "outputs": ["h", "h"]}, "/outputs/1"),
        ]:
            with self.subTest(body):
                self.refused(self.forward(body), 400, "bad_value", pointer)

    def graph(self, nodes, **more):
        return {"graph": {"inputs": {"x": ["B", 4]}, "nodes": nodes, "outputs": ["h"], **more}, "inputs": {"x": [[1, 2, 3, 4]]}}

    def test_graphs(self):
        two = {"chain": ["ReLU", "C"]}, {"chain": ["A"]}
        split = {"op": "Split", "in": "x", "sizes": [1, 3], "ports": ["a", "b"]}
        for nodes, code, pointer, more in [
            ({"h": {"op": "Relu", "in": "x"}}, "unknown_module", "/graph/nodes/h/op", {}),
            ({"h": {"op": "ELU", "in": "x", "slope": 1}}, "unknown_argument", "/graph/nodes/h/slope", {}),
            ({"h": {"op": "ReLU", "in": "y"}}, "unknown_reference", "/graph/nodes/h/in", {}),
            ({"s": split, "h": {"op": "ReLU", "in": "s.c"}}, "unknown_port", "/graph/nodes/h/in", {}),
            ({"a": {"op": "ReLU", "in": "b"}, "b": {"op": "Tanh", "in": "a"}, "h": {"expr": "a + x"}}, "cycle",
             "/graph/nodes/a", {}),
            ({"h": {"op": "A", "in": "x"}}, "module_recursion", "/graph/modules/A", {"modules": {"A": two[0], "C": two[1]}}),
            ({"h": {"op": "Linear", "in": "x", "in_features": 100, "out_features": 2}}, "shape_mismatch",
             "/graph/nodes/h/in_features", {}),
        ]:
            with self.subTest(code):
                self.refused(self.forward(self.graph(nodes, **more)), 400, code, pointer)

    def test_data(self):
        two = {"inputs": {"x": ["B", 2], "y": ["B", 2]}, "nodes": {"h": {"expr": "x + y"}}, "outputs": ["h"]}
        classes = {"inputs": {"x": ["B", 3], "y": {"shape": ["B"], "dtype": "int64"}},
                   "nodes": {"h": {"op": "CrossEntropyLoss", "in": ["x", "y"]}}, "outputs": ["h"]}
        for graph, inputs, code, pointer in [
            (two, {"x": [[1, 2]]}, "missing_input", "/inputs/y"),
            (two, {"x": [[1, 2]], "y": [[1, 2]], "z": [1]}, "unknown_input", "/inputs/z"),
            (two, {"x": [[1, 2]], "y": [[1, 2], [3, 4]]}, "shape_mismatch", "/inputs/y"),
            (two, {"x": [[1, 2, 3]], "y": [[1, 2]]}, "shape_mismatch", "/inputs/x"),
            (two, {"x": [[1, 2], [3]], "y": [[1, 2]]}, "bad_tensor", None),
            (two, {"x": [[1, "a"]], "y": [[1, 2]]}, "bad_tensor", "/inputs/x/0/1"),
            (two, {"x": {"a": 1}, "y": [[1, 2]]}, "bad_tensor", "/inputs/x"),
            (classes, {"x": [[1, 2, 3]], "y": [3]}, "bad_index", "/inputs/y/0"),
            (classes, {"x": [[1, 2, 3]], "y": [-1]}, "bad_index", "/inputs/y/0"),
        ]:
            with self.subTest(pointer):
                p = self.refused(self.forward({"graph": graph, "inputs": inputs}), 400, code, pointer)
        self.assertEqual(p["pointer"], "/inputs/y/0")

    def test_numbers(self):
        text = json.dumps({"graph": RELU, "inputs": {"x": [[1, 2, 123456]]}})
        self.refused(self.forward(text.replace("123456", "1e999")), 400, "bad_number", "/inputs/x/0/2")
        for spelling in ("+1", "01", ".5", "1.", "0x10", "1e", "--1", "Infinity", "nan"):
            with self.subTest(spelling):
                self.assertEqual(self.forward(text.replace("123456", spelling)).status, 400)

    def test_nan_in_a_target(self):
        """Not an error: the answer says which results are not finite."""
        graph = {"inputs": {"x": ["B", 1], "t": ["B", 1]}, "nodes": {"loss": {"op": "MSELoss", "in": ["x", "t"]}},
                 "outputs": ["loss"]}
        r = self.forward({"graph": graph, "inputs": {"x": [[1]], "t": [["NaN"]]}})
        self.assertEqual(r.status, 200, r.body)
        self.assertEqual(r.json(), {"outputs": {"loss": "NaN"}, "not_finite": ["loss"]})
        graph["inputs"]["t"] = {"shape": ["B", 1], "dtype": "int64"}
        r = self.forward({"graph": graph, "inputs": {"x": [[1]], "t": [["NaN"]]}})
        self.assertEqual(r.status, 400)

    def test_huge_shapes(self):
        for shape in ([100000, 100000], [2**31, 2**31, 4], [2**62, 4], [10**30]):
            graph = {"inputs": {}, "nodes": {"h": {"op": "Parameter", "shape": shape}}, "outputs": ["h"]}
            with self.subTest(shape):
                self.assertIn(self.forward({"graph": graph}).status, (400, 413))
        graph = {"inputs": {"u": {"shape": ["N", "N"], "sample": "normal"}}, "nodes": {"h": {"expr": "u"}}, "outputs": ["h"]}
        self.assertIn(self.forward({"graph": graph, "dims": {"N": 10**6}}).status, (400, 413))
        self.alive()

    def test_deep(self):
        self.assertIn(self.forward('{"graph":' + "[" * 100000 + "]" * 100000 + "}").status, (400, 413))
        self.assertIn(self.forward('{"graph":' + '{"a":' * 10000 + "1" + "}" * 10001).status, (400, 413))
        self.assertIn(self.forward('{"inputs":{"x":' + "[" * 100000 + "]" * 100000 + "}}").status, (400, 413))
        self.alive()


class Protocol(WithDaemon):
    """Methods, paths, representations."""

    def test_methods(self):
        r = self.d.ask("DELETE", "/v1/graphs")
        self.refused(r, 405, "method_not_allowed")
        self.assertEqual(r.headers["Allow"], "GET, HEAD, POST, OPTIONS")
        r = self.d.ask("OPTIONS", "/v1/graphs/g")
        self.assertEqual((r.status, r.headers["Allow"]), (204, "GET, HEAD, PUT, DELETE, OPTIONS"))
        r = self.d.ask("BREW", "/v1")
        self.assertEqual(self.refused(r, 405, "method_not_allowed")["code"], "method_not_allowed")

    def test_head(self):
        r, g = self.d.ask("HEAD", "/v1"), self.d.ask("GET", "/v1")
        self.assertEqual((r.status, r.body), (200, b""))
        self.assertEqual(r.headers["Content-Length"], g.headers["Content-Length"])

    def test_paths(self):
        for path in ("/", "/v1/", "/v2", "/v1/../v1", "/v1/a/b/c/d/e/f/g", "//v1", "/V1", "/v1/errors/none"):
            with self.subTest(path):
                self.refused(self.d.ask("GET", path), 404, "unknown_path")
        for path in ("/v1/graphs/none", "/v1/graphs/", "/v1/graphs/%2e%2e", "/v1/graphs/a%2Fb"):
            with self.subTest(path):
                self.assertIn(self.d.ask("GET", path).status, (400, 404))

    def test_card(self):
        card = self.d.ask("GET", "/v1").json()
        self.assertEqual(card["name"], "nablad")
        self.assertTrue(card["version"] and card["blas"]["core"] and card["isa"])
        self.assertEqual(card["limits"]["nodes"], 10000)
        for link in card["links"].values():
            self.assertIn(self.d.ask("GET", link).status, (200, 405), link)

    def test_probes(self):
        self.assertEqual(self.d.ask("GET", "/livez").status, 200)
        r = self.d.ask("GET", "/readyz")
        self.assertEqual((r.status, r.json()["ready"]), (200, True))

    def test_modules(self):
        modules = self.d.ask("GET", "/v1/modules").json()["modules"]
        self.assertIn("ReLU", [m["type"] for m in modules])
        for m in modules:
            self.assertEqual(self.d.ask("GET", "/v1/modules/" + m["type"]).json(), m)
        self.refused(self.d.ask("GET", "/v1/modules/Relu"), 404, "unknown_path")

    def test_errors(self):
        self.assertEqual(self.d.ask("GET", "/v1/errors/cycle").json(),
                         {"code": "cycle", "status": 400, "title": "The nodes form a cycle"})

    def test_curves(self):
        for row in (m for m in self.d.ask("GET", "/v1/modules").json()["modules"] if m["curve"]):
            m = row["type"]
            needed = "".join(f"&{a['name']}=0.3" for a in row["arguments"] if a["required"])
            with self.subTest(m):
                c = self.d.ask("GET", f"/v1/modules/{m}/curve?points=21{needed}").json()
                self.assertEqual([len(c["x"]), len(c["curves"][0]["h"])], [21, 21])
                r = self.d.ask("GET", f"/v1/modules/{m}/curve?{needed[1:]}", headers={"Accept": "image/svg+xml"})
                self.assertEqual((r.status, r.headers["Content-Type"]), (200, "image/svg+xml"))
        c = self.d.ask("GET", "/v1/modules/ReLU,LeakyReLU/curve?from=-1&to=2&points=4&negative_slope=0.5").json()
        self.assertEqual(c["x"], [-1, 0, 1, 2])
        self.assertEqual([k["h"] for k in c["curves"]], [[0, 0, 1, 2], [-0.5, 0, 1, 2]])
        self.assertEqual([k["derivative"] for k in c["curves"]], [[0, 0, 1, 1], [0.5, 0.5, 1, 1]])
        self.assertEqual(c["curves"][1]["kinks"], [{"x": 0, "h": 0, "derivative": 0.5}])
        for query, name in (("from=a", "from"), ("points=1", "points"), ("points=1000000", "points"), ("slope=1", "slope"),
                            ("negative_slope=big", "negative_slope"), ("from=1&from=2", "from")):
            p = self.refused(self.d.ask("GET", "/v1/modules/LeakyReLU/curve?" + query), 400, "bad_parameter")
            self.assertEqual(p["parameter"], name)
        self.refused(self.d.ask("GET", "/v1/modules/Softmax/curve"), 404, "unknown_path")

    def test_media(self):
        body = json.dumps({"graph": RELU, "inputs": {"x": [[1, 2, 3]]}})
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            r = self.d.ask("POST", "/v1/forward", body, {"Content-Type": kind})
            self.refused(r, 415, "unsupported_media")
        r = self.d.ask("POST", "/v1/forward", body, {"Content-Type": "application/json; charset=utf-8"})
        self.assertEqual(r.status, 200)
        for accept, status in (("text/html", 406), ("*/*;q=0.1, text/html", 200), ("application/*", 200),
                               ("application/json;q=0", 406), ("application/json;q=0, */*", 200)):
            with self.subTest(accept):
                r = self.d.ask("POST", "/v1/forward", body, {"Accept": accept})
                self.assertEqual(r.status, status)
        r = self.d.ask("POST", "/v1/forward", body, {"Accept": "application/json;q=0.5, application/x-safetensors"})
        self.assertEqual(r.headers["Content-Type"], "application/x-safetensors")

    def test_query_with_json(self):
        p = self.refused(self.d.ask("POST", "/v1/forward?mode=train", {"graph": RELU}), 400, "bad_parameter")
        self.assertEqual(p["parameter"], "mode")

    def test_host(self):
        for host, status in (("localhost", 200), ("127.0.0.1:99", 200), ("[::1]:1", 200), ("evil.example", 400)):
            with self.subTest(host):
                self.assertEqual(self.d.ask("GET", "/livez", headers={"Host": host}).status, status)


class Graphs(WithDaemon):
    """The life of a stored graph."""

    def test_life(self):
        d = self.d
        r = d.ask("POST", "/v1/graphs", {"name": "g", "graph": LINEAR})
        self.assertEqual((r.status, r.headers["Location"], r.json()["revision"]), (201, "/v1/graphs/g", 1), r.body)
        self.refused(d.ask("POST", "/v1/graphs", {"name": "g", "graph": RELU}), 409, "graph_exists")
        self.assertIn("g", [g["name"] for g in d.ask("GET", "/v1/graphs").json()["graphs"]])
        g = d.ask("GET", "/v1/graphs/g")
        self.assertEqual(g.json()["graph"], LINEAR)
        self.assertEqual(d.ask("POST", "/v1/graphs/g/forward", {"inputs": {"x": [[3, 1]]}}).json(), {"outputs": {"fc": [[1.5]]}})
        b = d.ask("POST", "/v1/graphs/g/backward", {"inputs": {"x": [[3, 1]]}, "loss": "loss"}).json()
        self.assertEqual(b["loss"], 2.25)
        self.assertEqual(b["loss_name"], "loss")
        self.assertEqual(b["gradients"]["fc.weight"], [[9, 3]])
        self.assertEqual(d.ask("POST", "/v1/graphs/g/loss", {"inputs": {"x": [[3, 1]]}}).json(), {"loss": 2.25, "loss_name": "loss"})
        self.assertEqual(d.ask("DELETE", "/v1/graphs/g", headers={"If-Match": '"wrong"'}).status, 412)
        self.assertEqual(d.ask("DELETE", "/v1/graphs/g", headers={"If-Match": g.headers["ETag"]}).status, 204)
        self.refused(d.ask("GET", "/v1/graphs/g"), 404, "unknown_graph")
        self.refused(d.ask("POST", "/v1/graphs/g/forward", {"inputs": {}}), 404, "unknown_graph")

    def test_parameters(self):
        d = self.d
        self.assertEqual(d.ask("PUT", "/v1/graphs/p", {"graph": LINEAR}).status, 201)
        self.assertEqual(d.ask("PUT", "/v1/graphs/p", {"graph": LINEAR}).status, 200)
        p = d.ask("GET", "/v1/graphs/p/parameters")
        self.assertEqual(p.json()["parameters"], {"fc.weight": [[1, -2]], "fc.bias": [0.5]})
        r = d.ask("PATCH", "/v1/graphs/p/parameters", {"parameters": {"fc.bias": [7]}})
        self.assertEqual((r.status, r.json()["revision"]), (200, 3), r.body)
        self.assertEqual(d.ask("POST", "/v1/graphs/p/forward", {"inputs": {"x": [[3, 1]]}}).json(), {"outputs": {"fc": [[8]]}})
        r = d.ask("PATCH", "/v1/graphs/p/parameters", {"parameters": {"fc.bias": [1]}}, {"If-Match": p.headers["ETag"]})
        self.refused(r, 412, "precondition_failed")
        self.assertEqual(d.ask("PUT", "/v1/graphs/p/parameters", {"parameters": {"fc.bias": [1]}}).status, 400)
        self.assertEqual(d.ask("PATCH", "/v1/graphs/p/parameters", {"parameters": {"no": [1]}}).status, 400)
        file = d.ask("GET", "/v1/graphs/p/parameters", headers={"Accept": "application/x-safetensors"})
        self.assertEqual(file.headers["Content-Type"], "application/x-safetensors")
        r = d.ask("PUT", "/v1/graphs/p/parameters", file.body, {"Content-Type": "application/vnd.safetensors"})
        self.assertEqual(r.status, 200, r.body)
        self.assertEqual(d.ask("GET", "/v1/graphs/p/parameters").json()["parameters"], {"fc.weight": [[1, -2]], "fc.bias": [7]})

    def test_names(self):
        for name in ("", ".", "..", "a/b", "ä", "x" * 65, "a b"):
            with self.subTest(name):
                self.refused(self.d.ask("POST", "/v1/graphs", {"name": name, "graph": RELU}), 400, "bad_name", "/name")

    def test_fault_of_the_stored_graph(self):
        """A place in the stored description is not a place in the body."""
        graph = {"inputs": {"x": ["B", 3], "y": ["C", 3]}, "nodes": {"h": {"expr": "x + y"}}, "outputs": ["h"]}
        self.d.ask("PUT", "/v1/graphs/f", {"graph": graph})
        p = self.refused(self.d.ask("POST", "/v1/graphs/f/forward",
                                    {"inputs": {"x": [[1, 2, 3]] * 2, "y": [[1, 2, 3]] * 3}}), 400, "shape_mismatch", "")
        self.assertIn("in the stored graph at /graph/nodes/h/expr", p["detail"])

    def test_safetensors(self):
        self.d.ask("PUT", "/v1/graphs/s", {"graph": LINEAR})
        header = json.dumps({"x": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}}).encode()
        import struct
        body = struct.pack("<Q", len(header)) + header + struct.pack("<ff", 3, 1)
        kind = {"Content-Type": "application/x-safetensors"}
        r = self.d.ask("POST", "/v1/graphs/s/forward", body, kind)
        self.assertEqual(r.json(), {"outputs": {"fc": [[1.5]]}})
        r = self.d.ask("POST", "/v1/graphs/s/backward?loss=loss&wrt=fc.bias,x&mode=eval", body, kind)
        self.assertEqual(r.json()["gradients"], {"fc.bias": [3], "x": [[3, -6]]})
        r = self.d.ask("POST", "/v1/graphs/s/forward?outputs=loss", body, {**kind, "Accept": "application/x-safetensors"})
        n = struct.unpack("<Q", r.body[:8])[0]
        self.assertEqual(json.loads(r.body[8:8 + n])["loss"]["shape"], [])
        self.assertEqual(struct.unpack("<f", r.body[8 + n:]), (2.25,))
        p = self.refused(self.d.ask("POST", "/v1/graphs/s/forward?mode=slow", body, kind), 400, "bad_parameter")
        self.assertEqual(p["parameter"], "mode")
        self.refused(self.d.ask("POST", "/v1/graphs/s/forward", body[:-1], kind), 400, "bad_file")

    def test_picture(self):
        self.d.ask("PUT", "/v1/graphs/q", {"graph": LINEAR})
        r = self.d.ask("GET", "/v1/graphs/q/picture")
        self.assertEqual((r.status, r.headers["Content-Type"]), (200, "text/vnd.graphviz"))
        r = self.d.ask("GET", "/v1/graphs/q/picture", headers={"Accept": "image/svg+xml"})
        self.assertIn((r.status, r.headers["Content-Type"]),
                      ((200, "image/svg+xml"), (406, "application/problem+json")))

    def test_picture_without_graphviz(self):
        with Daemon("--dot", "/nowhere/dot") as d:
            d.ask("PUT", "/v1/graphs/q", {"graph": RELU})
            r = d.ask("GET", "/v1/graphs/q/picture", headers={"Accept": "image/svg+xml"})
            self.assertIn("text/vnd.graphviz", self.refused(r, 406, "not_acceptable")["detail"])

    def test_seed(self):
        noise = {"inputs": {"u": {"shape": [4], "sample": "normal"}}, "nodes": {"h": {"expr": "u"}}, "outputs": ["h"]}
        self.d.ask("PUT", "/v1/graphs/n", {"graph": noise})
        one = self.d.ask("POST", "/v1/graphs/n/forward", {"inputs": {}}).json()
        two = self.d.ask("POST", "/v1/graphs/n/forward", {"inputs": {}}).json()
        self.assertNotEqual(one["seed"], two["seed"])
        self.assertNotEqual(one["outputs"], two["outputs"])
        self.assertEqual(self.d.ask("POST", "/v1/graphs/n/forward", {"inputs": {}, "seed": one["seed"]}).json(), one)
        three = self.d.ask("POST", "/v1/graphs/n/forward", {"inputs": {}, "seed": 255}).json()
        self.assertEqual(three["seed"], "0" * 30 + "ff")


class Limits(WithDaemon):
    options = ("--limit-body", "100000", "--limit-nodes", "10")

    def test_declared(self):
        """413 comes before the body: nothing of it is ever sent."""
        for method, path in (("POST", "/v1/forward"), ("PATCH", "/v1/graphs/g/parameters")):
            head = f"{method} {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100001\r\n".encode()
            got = self.d.raw(head + HOST + b"\r\n")
            self.assertIn(b" 413 ", got)
            self.assertIn(b'"option":"--limit-body"', got)
            self.assertIn(b'"limit":100000', got)

    def test_expect(self):
        with self.d.connect() as s:
            s.sendall(b"POST /v1/forward HTTP/1.1\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n" + HOST + b"\r\n")
            got = read_all(s)
        self.assertTrue(got.startswith(b"HTTP/1.1 413 "), got)

    def test_whole_body_sent(self):
        r = self.d.ask("POST", "/v1/forward", " " * 100000)
        self.assertEqual(r.status, 400)

    def test_chunked(self):
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        head = b"POST /v1/forward HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n"
        got = self.d.raw(head.replace(b"HTTP/1.1", b"HTTP/1.1", 1) + chunk * 10 + b"0\r\n\r\nGET /livez HTTP/1.1\r\nConnection: close\r\n" +
                         HOST + b"\r\n")
        self.assertIn(b" 413 ", got)
        self.assertTrue(got.endswith(b'{"live":true}\n'), "the connection goes on after the whole body was passed over")
        body = json.dumps({"graph": RELU, "inputs": {"x": [[1, 2, 3]]}}).encode()
        pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
        got = self.d.raw(head.replace(b"\r\nHost", b"\r\nConnection: close\r\nHost") + pieces + b"0\r\n\r\n")
        self.assertTrue(got.endswith(b'{"outputs":{"h":[[1,2,3]]}}\n'), got)

    def test_get_with_a_body(self):
        self.assertEqual(self.d.ask("GET", "/v1", "{}").status, 413)

    def test_wrong_lengths(self):
        for length in (b"-1", b"+3", b"0x3", b"3, 3", b"99999999999999999999999", b"", b"a"):
            got = self.d.raw(b"POST /v1/forward HTTP/1.1\r\nContent-Length: " + length + b"\r\n" + HOST + b"\r\n{}")
            with self.subTest(length):
                self.assertRegex(got, rb"^HTTP/1.1 4\d\d ")
        self.alive()

    def test_header(self):
        got = self.d.raw(b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200000 + b"\r\n\r\n")
        self.assertRegex(got, rb"^HTTP/1.1 4\d\d ")
        self.alive()

    def test_limit_of_graphs(self):
        nodes = {f"n{i}": {"op": "ReLU", "in": "x"} for i in range(11)}
        p = self.refused(self.d.ask("POST", "/v1/forward", {"graph": {**RELU, "nodes": nodes, "outputs": ["n1"]}}), 413, "limit")
        self.assertEqual((p["limit"], p["option"]), (10, "--limit-nodes"))


class Guard(WithDaemon):
    """What the library lets through and a proxy might read in another way: one 400, then the end."""
    tail = b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n"

    def test_table(self):
        post, h = b"POST /v1/forward HTTP/1.1\r\n", HOST
        for name, request in {
            "two lengths": post + h + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(self.tail) + self.tail,
            "two lengths, the same": post + h + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "length and chunked": post + h + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + self.tail,
            "chunked and length": post + h + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + self.tail,
            "gzip, chunked": post + h + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + self.tail,
            "chunked, identity": post + h + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + self.tail,
            "identity": post + h + b"Transfer-Encoding: identity\r\n\r\n" + self.tail,
            "xchunked": post + h + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + self.tail,
            "two codings": post + h + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + self.tail,
            "blank before the colon": post + h + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + self.tail,
            "two hosts": b"GET /livez HTTP/1.1\r\n" + h + h + b"\r\n" + self.tail,
            "no host, 1.0": b"GET /livez HTTP/1.0\r\n\r\n",
            "bare CR in a value": b"GET /livez HTTP/1.1\r\n" + h + b"X: a\rY: b\r\n\r\n" + self.tail,
            "control character": b"GET /livez HTTP/1.1\r\n" + h + b"X: a\x01b\r\n\r\n" + self.tail,
            "%00": b"GET /livez%00 HTTP/1.1\r\n" + h + b"\r\n" + self.tail,
            "%00 in the query": b"GET /livez?a=%00 HTTP/1.1\r\n" + h + b"\r\n" + self.tail,
            "%zz": b"GET /livez%zz HTTP/1.1\r\n" + h + b"\r\n" + self.tail,
            "% at the end": b"GET /livez% HTTP/1.1\r\n" + h + b"\r\n" + self.tail,
            "HTTP/1.9": b"GET /livez HTTP/1.9\r\n" + h + b"\r\n" + self.tail,
            "bad name": b"GET /livez HTTP/1.1\r\n" + h + b"X(y): 1\r\n\r\n" + self.tail,
            "not UTF-8": b"GET /v1/graphs/%ff HTTP/1.1\r\nConnection: close\r\n" + h + b"\r\n",
            "another host": b"GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n" + self.tail,
        }.items():
            with self.subTest(name):
                got = self.d.raw(request)
                self.assertRegex(got, rb"^HTTP/1.[01] 400 ")
                self.assertEqual(got.count(b"\r\n\r\n"), 1, got)
                self.assertIn(b'"code":"bad_request"', got)
        self.alive()

    def test_by_the_library(self):
        """Its own refusals: not ours to word, but never a second answer to what stood behind."""
        for request in (b"GET /livez HTTP/1.1\r\n\r\n" + self.tail, b"GET /livez HTTP/2.0\r\n" + HOST + b"\r\n" + self.tail,
                        b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n" + self.tail, b"GARBAGE\r\n\r\n"):
            with self.subTest(request), self.d.connect() as s:
                s.sendall(request)
                self.assertNotIn(b'"live"', read_all(s))
        self.alive()

    def test_strange_targets(self):
        for target in (b"*", b"http://localhost/livez", b"/livez/..", b"/%2e/livez", b"livez"):
            got = self.d.raw(b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
            with self.subTest(target):
                self.assertRegex(got, rb"^HTTP/1.1 40[04] ")


class Slow(WithDaemon):
    """A byte now and then keeps nobody's attention for ever."""
    options = ("--header-seconds", "2", "--body-seconds", "2", "--reply-seconds", "2", "--smallest-rate", "100000000")

    def drip(self, first):
        start = time.monotonic()
        with self.d.connect() as s:
            s.sendall(first)
            s.settimeout(0.3)
            while time.monotonic() - start < 20:
                try:
                    if not s.recv(1000):
                        break
                except TimeoutError:
                    pass
                except ConnectionResetError:
                    break
                try:
                    s.sendall(b"a")
                except (BrokenPipeError, ConnectionResetError):
                    break
        return time.monotonic() - start

    def test_header(self):
        self.assertLess(self.drip(b"GET /livez HTTP/1.1\r\nX: "), 6)

    def test_request_line(self):
        self.assertLess(self.drip(b"GET /"), 6)

    def test_body(self):
        head = b"POST /v1/forward HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST
        self.assertLess(self.drip(head + b"Content-Length: 1000\r\n\r\n"), 6)

    def test_chunked_body(self):
        head = b"POST /v1/forward HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST
        self.assertLess(self.drip(head + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n"), 6)

    def test_short_body(self):
        """Fewer bytes than the length says, and then the end."""
        with self.d.connect() as s:
            s.sendall(b"POST /v1/forward HTTP/1.1\r\nContent-Length: 10\r\n" + HOST + b"\r\n{}")
            s.shutdown(socket.SHUT_WR)
            self.assertNotIn(b" 200 ", read_all(s))

    def test_reply(self):
        """A client that does not take its answer."""
        graph = {"inputs": {}, "nodes": {"h": {"op": "Parameter", "shape": [3000000]}}, "outputs": ["h"]}
        body = json.dumps({"graph": graph}).encode()
        with self.d.connect() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            s.sendall(b"POST /v1/forward HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body) +
                      HOST + b"\r\n" + body)
            time.sleep(5)
            got = b""
            try:
                while piece := s.recv(1 << 20):
                    got += piece
            except ConnectionResetError:
                pass
        self.assertLess(len(got), 6000000, "the rest was not sent")

    def test_idle(self):
        with self.d.connect(10) as s:
            self.assertEqual(read_all(s), b"")

    def test_kept_connection(self):
        with self.d.connect(10) as s:
            for _ in range(4): # over the time of one header altogether
                s.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
                self.assertIn(b'{"live":true}', s.recv(10000))
                time.sleep(0.8)


class Crowd(WithDaemon):
    def test_many_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        wanted = min(5000, hard - 200)
        crowd = []
        try:
            for i in range(wanted):
                s = self.d.connect()
                if i % 2: # half of them begin a request
                    s.sendall(b"GET /livez HTTP/1.1\r\n")
                crowd.append(s)
            start = time.monotonic()
            r = self.d.ask("POST", "/v1/forward", {"graph": RELU, "inputs": {"x": [[-1, 0, 2]]}}, timeout=10)
            self.assertEqual(r.json(), {"outputs": {"h": [[0, 0, 2]]}})
            self.assertLess(time.monotonic() - start, 5)
        finally:
            for s in crowd:
                s.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertTrue(wait_until(lambda: self.d.ask("GET", "/livez").status == 200))

    def test_idle_memory(self):
        for _ in range(50):
            self.d.ask("POST", "/v1/forward", {"graph": RELU, "inputs": {"x": [[-1, 0, 2]] * 10000}})
        time.sleep(3.5)
        proc = pathlib.Path("/proc") / str(self.d.process.pid)
        kib = int(re.search(r"VmRSS:\s*(\d+)", (proc / "status").read_text())[1])
        if not re.search("lib[at]san", (proc / "maps").read_text()): # whose shadow is memory too
            self.assertLess(kib, 32 * 1024)


class Overload(WithDaemon):
    options = ("--workers", "1", "--limit-queue", "1")

    def test_queue(self):
        replies = []
        body = {"graph": slow_graph(8)}
        threads = [threading.Thread(target=lambda: replies.append(self.d.ask("POST", "/v1/forward", body))) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.2)
        self.alive() # the polling threads are free
        for t in threads:
            t.join()
        statuses = sorted(r.status for r in replies)
        self.assertIn(200, statuses)
        self.assertIn(503, statuses)
        self.assertEqual(set(statuses), {200, 503}, statuses)
        for r in replies:
            if r.status == 503:
                self.refused(r, 503, "busy")
                self.assertEqual(r.headers["Retry-After"], "1")
        self.assertEqual(self.d.ask("POST", "/v1/forward", {"graph": RELU, "inputs": {"x": [[1, 2, 3]]}}).status, 200)


class Stopping(unittest.TestCase):
    def stop_during(self, products, *options):
        """SIGTERM while a request computes. Returns the reply, the seconds it took to end, and the status."""
        with Daemon("--workers", "1", *options) as d:
            replies = []
            t = threading.Thread(target=lambda: replies.append(d.ask("POST", "/v1/forward", {"graph": slow_graph(products)})))
            t.start()
            time.sleep(0.4)
            start = time.monotonic()
            d.process.send_signal(signal.SIGTERM)
            status = d.process.wait(60)
            seconds = time.monotonic() - start
            t.join()
        return replies[0], seconds, status

    def test_running_work_ends(self):
        reply, _, status = self.stop_during(6, "--stop-seconds", "60")
        self.assertEqual((reply.status, status), (200, 0))

    def test_who_comes_late_is_told(self):
        with Daemon("--workers", "1", "--stop-seconds", "60") as d:
            replies = []
            t = threading.Thread(target=lambda: replies.append(d.ask("POST", "/v1/forward", {"graph": slow_graph(20)})))
            t.start()
            time.sleep(0.4)
            d.process.send_signal(signal.SIGTERM)
            self.assertTrue(wait_until(lambda: d.ask("GET", "/readyz").status == 503, 5))
            late = d.ask("POST", "/v1/forward", {"graph": RELU, "inputs": {"x": [[1, 2, 3]]}})
            self.assertEqual((late.status, late.json()["code"], late.headers["Connection"]), (503, "stopping", "close"))
            t.join()
            self.assertEqual((replies[0].status, d.process.wait(60)), (200, 0))

    def test_long_work_is_left(self):
        reply, seconds, status = self.stop_during(4000, "--stop-seconds", "1")
        self.assertEqual((reply.status, status), (503, 0))
        self.assertEqual(json.loads(reply.body)["code"], "stopping")
        self.assertLess(seconds, 5)

    def test_idle(self):
        with Daemon() as d:
            kept = d.connect()
            kept.sendall(b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n")
            kept.recv(1000)
            start = time.monotonic()
            d.process.send_signal(signal.SIGTERM)
            self.assertEqual(d.process.wait(10), 0)
            self.assertLess(time.monotonic() - start, 3)
            kept.close()

    def test_delay(self):
        """Not ready at once, but still serving; a second signal cuts it short."""
        with Daemon("--stop-delay", "60") as d:
            d.process.send_signal(signal.SIGTERM)
            self.assertTrue(wait_until(lambda: d.ask("GET", "/readyz").status == 503, 5))
            self.assertEqual(d.ask("GET", "/livez").status, 200)
            self.assertEqual(d.ask("POST", "/v1/forward", {"graph": RELU, "inputs": {"x": [[1, 2, 3]]}}).status, 200)
            d.process.send_signal(signal.SIGTERM)
            self.assertEqual(d.process.wait(10), 0)


class Options(unittest.TestCase):
    def run_it(self, *options, **environment):
        return subprocess.run([program(), *options], capture_output=True, text=True, env={**os.environ, **environment})

    def config(self, *options, **environment):
        r = self.run_it("--print-config", *options, **environment)
        self.assertEqual(r.returncode, 0, r.stderr)
        return json.loads(r.stdout)

    def test_precedence(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump({"port": 1001, "workers": 3, "limit-nodes": 77, "log-requests": True}, f)
            f.flush()
            c = self.config("--config", f.name, "--port", "1003", NABLAD_PORT="1002", NABLAD_WORKERS="4")
            self.assertEqual((c["port"], c["workers"], c["limit-nodes"], c["log-requests"]), (1003, 4, 77, True))
            self.assertEqual(self.config(NABLAD_CONFIG=f.name)["port"], 1001)
        self.assertEqual(self.config(NABLAD_LIMIT_JSON_NESTING="9")["limit-json-nesting"], 9)
        self.assertEqual(self.config()["bind"], "127.0.0.1")

    def test_round_trip(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(self.config("--port", "99"), f)
            f.flush()
            self.assertEqual(self.config("--config", f.name), self.config("--port", "99"))

    def test_refusals(self):
        for options in (("--port", "70000"), ("--port", "x"), ("--nonsense",), ("file",), ("--config", "/nowhere"),
                        ("--limit-nodes", "0"), ("--workers", "-1")):
            with self.subTest(options):
                r = self.run_it(*options)
                self.assertEqual(r.returncode, 1)
                self.assertIn("nablad: ", r.stderr)
        self.assertEqual(self.run_it(NABLAD_PORT="no").returncode, 1)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            f.write('{"prot": 1}')
            f.flush()
            r = self.run_it("--config", f.name)
            self.assertEqual((r.returncode, "prot" in r.stderr), (1, True))

    def test_words(self):
        self.assertIn("--limit-json-nesting", self.run_it("--help").stdout)
        self.assertRegex(self.run_it("--version").stdout, r"^nablad \d")
        self.assertIn("forwardGraph", self.run_it("--routes").stdout)
        self.assertIn('- type: "ReLU"', self.run_it("--modules-yaml").stdout)
        self.assertIn('- code: "cycle"', self.run_it("--errors-yaml").stdout)

    def test_port_taken(self):
        with Daemon() as d, tempfile.TemporaryDirectory() as data:
            r = self.run_it("--port", str(d.port), "--data", data + "/d")
            self.assertEqual(r.returncode, 1)
            self.assertIn("another program listens", r.stderr)

    def test_log(self):
        with Daemon("--log-requests") as d:
            d.ask("GET", "/v1/nothing?%22%0a")
            d.process.send_signal(signal.SIGINT)
            d.process.wait(10)
            lines = [json.loads(line) for line in d.process.stderr.read().splitlines() if line.startswith(b"{")]
            self.assertEqual([(x["status"], x["code"]) for x in lines if "status" in x], [(404, "unknown_path")])

    def test_ipv6(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            return # none on this machine
        with Daemon("--bind", "::1") as d:
            self.assertEqual(d.ask("GET", "/livez").status, 200)


if __name__ == "__main__":
    unittest.main()
