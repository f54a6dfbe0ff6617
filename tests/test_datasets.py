#!/usr/bin/env python3
"""Data sets over HTTP: every form a file comes in, what is said of it, pieces of it, what is refused and where, keys,
and kill -9 right after the 201."""
import gzip
import io
import json
import os
import pathlib
import struct
import tempfile
import unittest

from daemon import Daemon
from with_numpy import numpy as np

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parent.parent)
CSV, IDX, NPY, NPZ, SAFE, GZIP = ("text/csv", "application/x-idx", "application/x-npy", "application/x-npz",
                                  "application/x-safetensors", "application/gzip")
IDX_TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def npy(array):
    f = io.BytesIO()
    np.save(f, array)
    return f.getvalue()


def npz(compressed=False, **arrays):
    f = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(f, **arrays)
    return f.getvalue()


def load(body):
    with np.load(io.BytesIO(body)) as f:
        return {name: f[name] for name in f.files}


def idx(array):
    """As the files of MNIST are written."""
    head = bytes([0, 0, IDX_TYPES[array.dtype.str[1:]], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def safetensors(**arrays):
    """By hand: eight bytes of length, the header, the data."""
    names = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}
    header, data = {}, b""
    for name, a in arrays.items():
        header[name] = {"dtype": names[a.dtype.name], "shape": list(a.shape), "data_offsets": [len(data), len(data) + a.nbytes]}
        data += a.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Datasets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon("--workers", "2", "--limit-body", "4000000", "--limit-memory", "100000000").__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.__exit__()

    def tearDown(self):
        for d in self.ask("GET", "/v1/datasets?limit=1000").json()["datasets"]:
            self.ask("DELETE", f"/v1/datasets/{d['name']}")

    def ask(self, method, path, body=None, type_=None, accept=None):
        headers = {**({"Content-Type": type_} if type_ else {}), **({"Accept": accept} if accept else {})}
        return self.daemon.ask(method, path, body, headers)

    def put(self, body, type_, query="", name="d"):
        reply = self.ask("PUT", f"/v1/datasets/{name}{query}", body, type_)
        self.assertIn(reply.status, (200, 201), reply.body)
        return reply.json()

    def rows(self, query="?count=100000", name="d"):
        reply = self.ask("GET", f"/v1/datasets/{name}/rows{query}", accept=NPZ)
        self.assertEqual(reply.status, 200, reply.body)
        return load(reply.body)

    def same(self, want, got):
        self.assertEqual(list(want), list(got))
        for name, array in want.items():
            self.assertEqual(array.dtype, got[name].dtype, name)
            np.testing.assert_array_equal(array, got[name], name)

    def refused(self, body, type_, status, code, query="", pointer="", line=None, column=None):
        reply = self.ask("PUT", f"/v1/datasets/bad{query}", body, type_)
        problem = reply.json()
        place = "/" + problem["parameter"] if "parameter" in problem else problem.get("pointer", "")
        self.assertEqual((reply.status, problem["code"], place), (status, code, pointer), problem)
        if line:
            self.assertEqual((problem.get("line"), problem.get("column")), (line, column), problem)
        self.assertEqual(self.ask("GET", "/v1/datasets/bad").status, 404)
        return problem["detail"]


class Forms(Datasets):
    """The same numbers, brought in every form, come back the same."""

    x = np.arange(30, dtype="f4").reshape(5, 2, 3) / 7
    y = np.array([3, 1, 4, 1, 5])

    def test_npz(self):
        for compressed in (False, True):
            self.put(npz(compressed, x=self.x, y=self.y), NPZ)
            self.same({"x": self.x, "y": self.y}, self.rows())

    def test_npz_small_types(self):
        for kind in ("u1", "i1", "u2", "i2", "i4", "u4", "?", "f2", "f8", ">f8", ">i4"):
            a = np.array([0, 1, 1, 0]).astype(kind)
            self.put(npz(x=a), NPZ)
            want = "i8" if a.dtype.kind in "iub" else "f4" if a.itemsize == 2 else "f8"
            self.same({"x": a.astype(want)}, self.rows())

    def test_fortran_order(self):
        self.put(npz(x=np.asfortranarray(self.x)), NPZ)
        self.same({"x": self.x}, self.rows())

    def test_npy(self):
        self.put(npy(self.x), NPY)
        self.same({"x": self.x}, self.rows())
        self.put(npy(self.y), NPY, "?columns=label")
        self.same({"label": self.y}, self.rows())

    def test_safetensors(self):
        self.put(safetensors(x=self.x, y=self.y), SAFE)
        self.same({"x": self.x, "y": self.y}, self.rows())

    def test_safetensors_of_torch(self):
        try:
            from safetensors.numpy import load as read, save as write
        except ImportError:
            self.skipTest("no package safetensors")
        self.put(write({"x": self.x, "y": self.y}), SAFE)
        self.assertEqual(read(self.ask("GET", "/v1/datasets/d/rows", accept=SAFE).body)["x"].tolist(), self.x.tolist())

    def test_torch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("no torch")
        x = torch.linspace(-1, 1, 12).reshape(4, 3)
        self.put(npz(x=x.numpy(), y=torch.arange(4).numpy()), NPZ)
        self.assertTrue(torch.equal(torch.from_numpy(self.rows()["x"]), x))

    def test_idx(self):
        pictures = np.arange(2 * 3 * 4, dtype="u1").reshape(2, 3, 4) * 10
        classes = np.array([7, 255], "u1")
        both = idx(pictures) + idx(classes)
        want = {"x": pictures.astype("f4"), "y": classes.astype("i8")}
        for body in (both, gzip.compress(both), gzip.compress(idx(pictures)) + gzip.compress(idx(classes))):
            self.put(body, IDX)
            self.same(want, self.rows())
        self.put(gzip.compress(both), GZIP, "?columns=image,class")
        self.same({"image": want["x"], "class": want["y"]}, self.rows())

    def test_idx_types(self):
        for kind in ("u1", "i1", "i2", "i4", "f4", "f8"):
            a = np.array([[1, -2], [3, 100]]).astype(kind)
            self.put(idx(a), IDX)
            self.same({"x": a.astype({"i4": "i8", "f8": "f8"}.get(kind, "f4"))}, self.rows())
            self.put(idx(a[:, 0].copy()), IDX)
            self.same({"x": a[:, 0].astype({"f4": "f4", "f8": "f8"}.get(kind, "i8"))}, self.rows())

    def test_csv(self):
        text = "a,b\n1,0.5\n2,-1e-3\n3,7\n"
        want = {"a": np.array([1, 2, 3]), "b": np.array([0.5, -1e-3, 7])}
        for body in (text, text.replace("\n", "\r\n"), text[:-1], "\ufeff" + text, "\n \n" + text + "\n\n",
                     '"a" , "b"\n "1",0.5\n+2 ,-.001\n3.,"7"\n', gzip.compress(text.encode())):
            self.put(body.encode() if isinstance(body, str) else body, CSV)
            self.same(want, self.rows())

    def test_csv_names(self):
        self.put("1,2\n3,4\n", CSV)
        self.same({"column_0": np.array([1, 3]), "column_1": np.array([2, 4])}, self.rows())
        self.put("1,2\n3,4\n", CSV, "?header=true")
        self.same({"1": np.array([3]), "2": np.array([4])}, self.rows())
        self.put('"say ""x""","a,b"\n1,2\n', CSV)
        self.same({'say "x"': np.array([1]), "a,b": np.array([2])}, self.rows())

    def test_csv_columns(self):
        text = "px[0],px[1],px[2],px[3],a-b\n" + "".join(f"{i},{i + 1},{i + 2},{i + 3},{i % 2}\n" for i in range(6))
        x = np.arange(6)[:, None] + np.arange(4)
        y = np.arange(6) % 2
        for query in ("x:0-3,y:4", "x:px[0]-px[3],y:a-b", "x:0-px[3],y:4"):
            self.put(text, CSV, "?columns=" + query.replace("[", "%5B").replace("]", "%5D"))
            self.same({"x": x, "y": y}, self.rows())
        self.put(text, CSV, "?columns=y:4,x:1-2")
        self.same({"y": y, "x": x[:, 1:3]}, self.rows())
        self.put(text, CSV, "?columns=x:0-3,y:4&shape=x:1x2x2&divide=x:16")
        self.same({"x": x.reshape(6, 1, 2, 2) / 16, "y": y}, self.rows())

    def test_csv_of_numpy(self):
        a = np.random.default_rng(1).normal(size=(50, 7))
        f = io.StringIO()
        np.savetxt(f, a, delimiter=",")
        self.put(f.getvalue(), CSV, "?columns=x:0-6")
        self.same({"x": a}, self.rows())

    def test_json(self):
        self.put({"columns": {"x": self.x.astype("f8").tolist(), "y": self.y.tolist(), "b": [True, False, True, True, False]}}, None)
        self.same({"x": self.x.astype("f8"), "y": self.y, "b": np.array([1, 0, 1, 1, 0])}, self.rows())

    def test_digits(self):
        body = (TOP / "examples/digits/digits.csv.gz").read_bytes()
        d = self.put(body, CSV, "?columns=x:0-63,y:64")
        self.assertEqual(d["rows"], 1797)
        self.assertEqual([c["shape"] for c in d["columns"]], [[1797, 64], [1797]])
        x, y = d["columns"]
        self.assertEqual((x["min"], x["max"], y["classes"]), (0, 16, 10))
        self.assertAlmostEqual(x["mean"] * 1797 * 64, 561718, places=5)
        self.assertLess(d["size"], 1797 * 65 + 300)
        self.assertEqual(self.rows()["x"].sum(), 561718)

    def test_all_come_out_the_same(self):
        """One set, in all forms but those with types of their own: the same file, by its hash."""
        x, y = np.array([[0.5, 1], [2, 3]]), np.array([1, 0])
        hashes = {self.put(body, type_, query)["sha256"] for body, type_, query in (
            (npz(x=x, y=y), NPZ, ""), (safetensors(x=x, y=y), SAFE, ""), (idx(x) + idx(y.astype("u1")), IDX, ""),
            ("0.5,1,1\n2,3,0\n", CSV, "?columns=x:0-1,y:2"), (json.dumps({"columns": {"x": x.tolist(), "y": y.tolist()}}), None, ""))}
        self.assertEqual(len(hashes), 1)


class Looking(Datasets):
    def test_description(self):
        reply = self.ask("PUT", "/v1/datasets/d", npz(x=np.array([[1.5, 2], [3, -4]]), y=np.array([5, 5])), NPZ)
        self.assertEqual((reply.status, reply.headers["Location"]), (201, "/v1/datasets/d"))
        again = self.ask("GET", "/v1/datasets/d")
        self.assertEqual(reply.json(), again.json())
        self.assertEqual(again.headers["ETag"], f'"{again.json()["sha256"][:16]}"')
        self.assertEqual(again.json()["columns"],
                         [{"name": "x", "dtype": "float64", "shape": [2, 2], "min": -4, "max": 3, "mean": 0.625},
                          {"name": "y", "dtype": "int64", "shape": [2], "min": 5, "max": 5, "mean": 5, "classes": 1}])
        self.assertEqual(self.ask("PUT", "/v1/datasets/d", npz(x=np.array([1])), NPZ).status, 200)

    def test_post(self):
        self.assertEqual(self.ask("POST", "/v1/datasets?name=p", npz(x=np.array([1])), NPZ).status, 201)
        reply = self.ask("POST", "/v1/datasets?name=p", npz(x=np.array([1])), NPZ)
        self.assertEqual((reply.status, reply.json()["code"]), (409, "dataset_exists"))
        self.assertEqual(self.ask("POST", "/v1/datasets", npz(x=np.array([1])), NPZ).json()["parameter"], "name")

    def test_list(self):
        for i in range(5):
            self.put(npz(x=np.array([i])), NPZ, name=f"s{i}")
        page, names = "/v1/datasets?limit=2", []
        while page:
            reply = self.ask("GET", page).json()
            names += [d["name"] for d in reply["datasets"]]
            page = reply.get("next")
        self.assertEqual(names, [f"s{i}" for i in range(5)])

    def test_pieces(self):
        x = np.arange(1000.0).reshape(250, 4)
        self.put(npz(x=x), NPZ)
        reply = self.ask("GET", "/v1/datasets/d/rows?from=10&count=2").json()
        self.assertEqual(reply, {"from": 10, "count": 2, "columns": {"x": x[10:12].tolist()}})
        self.assertEqual(self.ask("GET", "/v1/datasets/d/rows").json()["count"], 100)
        self.same({"x": x[240:]}, self.rows("?from=240&count=50"))
        self.assertEqual(self.ask("GET", "/v1/datasets/d/rows?from=900").json(), {"from": 900, "count": 0, "columns": {"x": []}})
        self.assertEqual(np.load(io.BytesIO(self.ask("GET", "/v1/datasets/d/rows?count=3", accept=NPY).body)).tolist(), x[:3].tolist())
        self.assertEqual(self.ask("GET", "/v1/datasets/d/rows", accept="image/png").status, 406)
        for query in ("from=-1", "count=x", "from=1.5", "wrong=1", "count=99999999999999999999"):
            self.assertEqual(self.ask("GET", "/v1/datasets/d/rows?" + query).json()["code"], "bad_parameter")

    def test_delete(self):
        self.put(npz(x=np.array([1])), NPZ)
        self.assertEqual(self.ask("DELETE", "/v1/datasets/d").status, 204)
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/rows")):
            reply = self.ask(method, "/v1/datasets/d" + path)
            self.assertEqual((reply.status, reply.json()["code"]), (404, "unknown_dataset"))


class Refused(Datasets):
    def test_csv(self):
        bad = "bad_file", "bad_number"
        for text, code, line, column in (
                ("a,b\n1,2\n3\n", bad[0], 3, 2), ("a,b\n1,2\n3,4,5\n", bad[0], 3, 4), ("1,2\n\n3,x\n", bad[1], 3, 3),
                ("a,b\n1,NaN\n", bad[1], 2, 3), ("nan,1\n1,2\n", bad[1], 1, 1), ("1,2\n,4\n", bad[1], 2, 1),
                ("a,b\n1,1e999\n", bad[1], 2, 3), ("a,b\n1,0x10\n", bad[1], 2, 3), ("a,b\n1,2 3\n", bad[1], 2, 3),
                ('a,b\n1,"2\n', bad[0], 2, 3), ('a,b\n1,"2"x\n', bad[0], 2, 3), ("1,abc\n2,3\n", bad[1], 1, 3),
                ("a,b\n1,--2\n", bad[1], 2, 3), ("a,b\n1,inf\n", bad[1], 2, 3)):
            with self.subTest(text=text):
                self.refused(text, CSV, 400, code, line=line, column=column)
        self.refused("", CSV, 400, "bad_file")
        self.refused("a,b\n", CSV, 400, "shape_mismatch")
        self.refused("a,a\n1,2\n", CSV, 400, "name_clash", pointer="/a")

    def test_csv_query(self):
        for query in ("columns=x", "columns=x:9", "columns=x:1-0", "columns=x:0,x:1", "columns=x:0-1,y:1", "columns=:0",
                      "columns=", "columns=x:0,", "header=perhaps", "shape=z:1", "shape=a:2x2", "shape=a:", "shape=a",
                      "divide=a:0", "divide=a:nan", "divide=a:1x", "other=1", "name=d", "shape=a:1x1x1x1x1x1x1x1x1"):
            with self.subTest(query=query):
                self.refused("a,b\n1,2\n", CSV, 400, "bad_parameter", "?" + query, "/" + query.split("=")[0])

    def test_idx(self):
        good = idx(np.arange(6, dtype="u1").reshape(2, 3))
        for body in (b"", b"\0\0", b"\1\0\x08\1\0\0\0\1a", b"\0\0\x0a\1\0\0\0\1a", b"\0\0\x08\0", b"\0\0\x08\x09" + bytes(36), good[:-1],
                     good[:6], good + b"\0", b"\0\0\x08\3" + b"\xff" * 12, gzip.compress(good)[:-4], gzip.compress(good) + b"junk"):
            with self.subTest(body=body):
                self.refused(body, IDX, 400, "bad_file")
        self.refused(good, IDX, 400, "bad_parameter", "?columns=x,y", "/columns")
        self.refused(good + good, IDX, 400, "bad_parameter", "?columns=x", "/columns")
        self.refused(good + idx(np.array([1, 2, 3], "u1")), IDX, 400, "shape_mismatch", pointer="/y")
        self.assertIn("row 1, entry 0", self.refused(idx(np.array([[1], [np.nan]], "f8")), IDX, 400, "bad_number", pointer="/x"))

    def test_files(self):
        self.refused(b"junk", NPZ, 400, "bad_file")
        self.refused(b"junk", SAFE, 400, "bad_file")
        self.refused(b"junk", NPY, 400, "bad_file")
        self.refused(npz(x=np.array([1, 2]), y=np.array([1])), NPZ, 400, "shape_mismatch", pointer="/y")
        self.refused(npz(x=np.array(1)), NPZ, 400, "shape_mismatch", pointer="/x")
        self.refused(npz(x=np.zeros((0, 3))), NPZ, 400, "shape_mismatch")
        self.refused(npz(), NPZ, 400, "missing_key")
        self.assertIn("row 2, entry 1", self.refused(npz(x=np.array([[1, 2], [3, 4], [5, np.inf]])), NPZ, 400, "bad_number", pointer="/x"))
        self.refused(b"junk", "image/png", 415, "unsupported_media")

    def test_json(self):
        for body, code, pointer in (
                ({}, "missing_key", ""), ([], "missing_key", ""), ({"columns": {}}, "missing_key", ""), ({"columns": []}, "missing_key", ""),
                ({"columns": {"x": [[1, 2], [3]]}}, "bad_tensor", "/columns/x/1"), ({"columns": {"x": ["a"]}}, "bad_tensor", "/columns/x/0"),
                ({"columns": {"x": [1]}, "more": 1}, "unknown_key", "/more"), ({"columns": {"x": ["NaN"]}}, "bad_number", "/columns/x"),
                ({"columns": {"x": [1], "y": [1, 2]}}, "shape_mismatch", "/columns/y"), ({"columns": {"x": 1}}, "shape_mismatch", "/columns/x"),
                ({"columns": {"": [1]}}, "bad_name", "/columns/"), ({"columns": {"a\nb": [1]}}, "bad_name", "/columns/a\nb")):
            with self.subTest(body=body):
                self.refused(body, None, 400, code, pointer=pointer)

    def test_names(self):
        for name in ("a%20b", "..", "%2e", "x" * 65, "%C3%A4"):
            reply = self.ask("PUT", f"/v1/datasets/{name}", npz(x=np.array([1])), NPZ)
            self.assertIn(reply.status, (400, 404), name)

    def test_too_large(self):
        head = f"PUT /v1/datasets/bad HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {NPZ}\r\nContent-Length: 4000001\r\nConnection: close\r\n\r\n"
        self.assertIn(b'"body_too_large"', self.daemon.raw(head.encode()))
        self.refused(gzip.compress(bytes(200_000_000), 9), IDX, 413, "limit")
        self.refused(gzip.compress(b"\0\0\x08\2" + struct.pack(">2I", 9000, 9000) + bytes(81_000_000)), IDX, 413, "limit")

    def test_still_up(self):
        self.assertEqual(self.ask("GET", "/readyz").status, 200)


class Keys(unittest.TestCase):
    def test_scopes(self):
        with Daemon("--require-keys") as d:
            admin = pathlib.Path(d.data, "d/first-key").read_text().strip()
            bearer = lambda key: {"Authorization": f"Bearer {key}"}
            make = lambda scope: d.ask("POST", "/v1/keys", {"label": scope, "scopes": [scope]}, bearer(admin)).json()["key"]
            for scope, may in (("submit", False), ("check", False), ("backward", True), ("teach", True)):
                with self.subTest(scope=scope):
                    headers = bearer(make(scope))
                    status = [d.ask("PUT", "/v1/datasets/d", {"columns": {"x": [1]}}, headers).status]
                    status += [d.ask("GET", p, None, headers).status for p in ("/v1/datasets", "/v1/datasets/d", "/v1/datasets/d/rows")]
                    status += [d.ask("DELETE", "/v1/datasets/d", None, headers).status]
                    self.assertEqual(status, [201, 200, 200, 200, 204] if may else [403] * 5)
            self.assertEqual(d.ask("GET", "/v1/datasets").status, 401)


class Killed(unittest.TestCase):
    def test_what_was_acknowledged_is_there(self):
        with tempfile.TemporaryDirectory(prefix="nablad-") as data:
            for i in range(5):
                with Daemon(data=data) as d:
                    for k in range(i):
                        got = load(d.ask("GET", f"/v1/datasets/d{k}/rows?count=3000", None, {"Accept": NPZ}).body)
                        np.testing.assert_array_equal(got["x"], np.arange(3000) + k / 3)
                    body = npz(x=np.arange(3000) + i / 3)
                    self.assertEqual(d.ask("PUT", f"/v1/datasets/d{i}", body, {"Content-Type": NPZ}).status, 201)
                    d.kill()


if __name__ == "__main__":
    unittest.main()
