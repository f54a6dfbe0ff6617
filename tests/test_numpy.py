#!/usr/bin/env python3
"""npz and npy as numpy writes and reads them: bodies, replies, and what is refused."""
import io
import json
import random
import struct
import unittest
import warnings
import zipfile

from daemon import Daemon
from with_numpy import numpy

NPZ, ZIP, NPY = "application/x-npz", "application/zip", "application/x-npy"


def same(rank, dtype="float64"):
    """A graph that changes nothing."""
    return {"inputs": {"x": list("abcdef"[:rank])}, "dtype": dtype, "nodes": {"y": {"op": "Identity", "in": "x"}},
            "outputs": ["y"]}


NET = {
    "inputs": {"x": ["B", 3], "t": ["B", 2]},
    "dtype": "float64",
    "nodes": {"fc": {"op": "Linear", "in_features": 3, "out_features": 2, "in": "x"}, "loss": {"expr": "mean(square(fc - t))"}},
    "outputs": ["fc"],
    "losses": {"loss": {"of": "loss"}},
}
SCALE = {
    "inputs": {"x": ["n"], "z": ["n"]},
    "dtype": "float64",
    "nodes": {"s": {"op": "Parameter", "shape": [3]}, "y": {"expr": "s*x + z"}, "q": {"expr": "sum(y)"}},
    "outputs": ["y", "q"],
}


def npy(array, **options):
    f = io.BytesIO()
    numpy.save(f, array, **options)
    return f.getvalue()


def npz(compressed=False, **arrays):
    f = io.BytesIO()
    (numpy.savez_compressed if compressed else numpy.savez)(f, **arrays)
    return f.getvalue()


def load(body):
    with numpy.load(io.BytesIO(body)) as f:
        return {name: f[name] for name in f.files}


def archive(*members, method=zipfile.ZIP_STORED):
    f = io.BytesIO()
    with zipfile.ZipFile(f, "w", method) as z:
        for name, data in members:
            z.writestr(name, data)
    return f.getvalue()


def streamed(name, data, method):
    """As into a pipe: flags say that sums and sizes follow the data."""

    class Pipe:
        written = b""

        def write(self, data):
            self.written += bytes(data)
            return len(data)

        def flush(self):
            pass

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as z, z.open(name, "w", force_zip64=True) as member:
        member.write(data)
    return pipe.written


class WithDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = cls.enterClassContext(Daemon())
        graphs = {"net": NET, "scale": SCALE, "single": same(1, "float32"), **{f"same{i}": same(i) for i in range(7)}}
        for name, graph in graphs.items():
            reply = cls.d.ask("PUT", "/v1/graphs/" + name, {"graph": graph, "seed": "1"})
            assert reply.status == 201, reply.body

    def ask(self, method, path, body=None, status=200, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.d.ask(method, "/v1" + path, body, headers)
        self.assertEqual(reply.status, status, reply.body[:500])
        return reply

    def refused(self, path, body, status=400, code="bad_file", **headers):
        reply = self.ask("POST", path, body, status, **headers).json()
        self.assertEqual(reply["code"], code, reply)
        self.assertEqual(self.d.ask("GET", "/livez").status, 200)
        return reply


class Bodies(WithDaemon):
    def through(self, body, graph="same1", kind=NPZ):
        """What the graph that changes nothing makes of x."""
        return load(self.ask("POST", f"/graphs/{graph}/forward", body, Content_Type=kind, Accept=NPZ).body)["y"]

    def test_types(self):
        values = numpy.array([[0, 1, 2], [100, 101, 127]])
        for kind in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8".split():
            for order in "<>":
                x = values.astype(order + kind)
                for layout in (x, numpy.asfortranarray(x), x[:, ::-1].T):
                    for body in (npz(x=layout), npz(True, x=layout), npz(**{"inputs/x": layout})):
                        y = self.through(body, "same2")
                        self.assertEqual((y.dtype, y.shape), (numpy.float64, layout.shape), kind)
                        self.assertTrue((y == layout).all(), (kind, order))
        self.assertEqual(self.through(npz(x=values > 1), "same2").tolist(), (values > 1).tolist())
        x = numpy.float16([1 / 3, 65504, 6e-8, -0.0, numpy.inf, numpy.nan])
        self.assertEqual(self.through(npz(x=x)).tobytes(), x.astype("f8").tobytes())
        x = numpy.float32([1 / 3, 3e38, 1e-45, -0.0])
        self.assertEqual(self.through(npz(x=x), "single").tobytes(), x.tobytes())

    def test_random(self):
        draw = random.Random(5)
        for _ in range(150):
            shape = [draw.choice((1, 1, 2, 3, 5, 8)) for _ in range(draw.randrange(7))]
            x = numpy.random.default_rng(draw.randrange(10**9)).standard_normal(shape)
            x = x.astype(draw.choice(("f8", ">f8", "f4", ">f4", "f2", ">f2")))
            if draw.random() < 0.5:
                x = x.transpose(draw.sample(range(x.ndim), x.ndim))
            body, kind = draw.choice(((npz(x=x), NPZ), (npz(True, x=x), ZIP), (npy(x), NPY)))
            y = self.through(body, f"same{x.ndim}", kind)
            self.assertEqual((y.shape, y.tobytes()), (x.shape, x.astype("f8").tobytes()))

    def test_large(self):
        x = numpy.random.default_rng(1).standard_normal((1000, 784))
        self.assertTrue((self.through(npz(x=x), "same2") == x).all())
        self.assertTrue((self.through(npz(True, x=x.T), "same2") == x.T).all())

    def test_versions_of_the_header(self):
        for version in ((1, 0), (2, 0), (3, 0)):
            f = io.BytesIO()
            numpy.lib.format.write_array(f, numpy.arange(3.0), version=version)
            self.assertEqual(self.through(f.getvalue(), kind=NPY).tolist(), [0, 1, 2])

    def test_other_writers(self):
        x = npy(numpy.arange(3.0))
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.assertEqual(self.through(streamed("x.npy", x, method)).tolist(), [0, 1, 2])
            self.assertEqual(self.through(archive(("x.npy", x), method=method)).tolist(), [0, 1, 2])
        self.assertEqual(self.through(archive(("facts.json", "{}"), ("x.npy", x))).tolist(), [0, 1, 2])

    def test_options_in_the_query(self):
        body = npz(x=numpy.ones((2, 3)), t=numpy.zeros((2, 2)))
        reply = self.ask("POST", "/graphs/net/backward?loss=loss&wrt=fc.bias,x", body, Content_Type=NPZ).json()
        self.assertEqual(sorted(reply["gradients"]), ["fc.bias", "x"])
        reply = self.refused("/graphs/net/forward?mode=slow", body, 400, "bad_parameter", Content_Type=NPZ)
        self.assertEqual(reply["parameter"], "mode")

    def test_check(self):
        x, t = numpy.arange(6.0).reshape(2, 3) / 7, numpy.zeros((2, 2))
        given = {"inputs/x": x, "inputs/t": t}
        files = load(self.ask("POST", "/graphs/net/backward?loss=loss", npz(**given), Content_Type=NPZ, Accept=NPZ).body)
        right = {name: g for name, g in files.items() if name.startswith("gradients/")}
        self.assertEqual(len(right), 4)
        reply = self.ask("POST", "/graphs/net/check?loss=loss", npz(**given, **right), Content_Type=NPZ).json()
        self.assertEqual(reply["verdict"], "right")
        right["gradients/x"] = 2 * right["gradients/x"]
        reply = self.ask("POST", "/graphs/net/check?loss=loss", npz(True, **given, **right), Content_Type=ZIP).json()
        self.assertEqual(reply["verdict"], "wrong")
        reply = self.ask("POST", "/graphs/net/check?loss=loss", npz(True, **given, **right), 202, Content_Type=ZIP,
                         Prefer="respond-async")
        self.assertIn("location", [name.lower() for name in reply.headers])

    def test_grade(self):
        given = {"inputs/x": numpy.arange(6.0).reshape(2, 3) / 7, "inputs/t": numpy.zeros((2, 2))}
        files = load(self.ask("POST", "/graphs/net/backward?loss=loss", npz(**given), Content_Type=NPZ, Accept=NPZ).body)
        handed_in = {"submission/" + name[10:]: g for name, g in files.items() if name.startswith("gradients/")}
        reply = self.ask("POST", "/graphs/net/grade?loss=loss", npz(**given, **handed_in), Content_Type=NPZ).json()
        self.assertEqual((reply["verdict"], reply["score"]), ("right", 4))
        handed_in["submission/fc.weight"] = 2 * numpy.asfortranarray(handed_in["submission/fc.weight"])
        reply = self.ask("POST", "/graphs/net/grade?loss=loss", npz(**given, **handed_in), Content_Type=NPZ).json()
        self.assertEqual(reply["tensors"]["fc.weight"]["diagnosis"]["code"], "factor_2")

    def test_probes(self):
        function = {"inputs": {"x": {"shape": [3], "interval": [-1, 1]}}, "outputs": {"y": {"shape": [3]}}}
        question = {"function": function, "form": "points"}
        asked = self.ask("POST", "/probes", question, 201, Accept=NPZ)
        tensors = load(asked.body)
        told = json.loads(tensors["facts.json"])["questions"]
        x = tensors["inputs/x"]
        answer = {"outputs/y": x * x}
        for i, b in enumerate(told["want"]["gradients_at"]):
            answer[f"gradients/{i}/x"] = 2 * tensors[f"bases/{b}/x"] * tensors[f"cotangents/{b}/y"]
        done = self.ask("POST", f"/probes/{told['id']}/answers?round=1", npz(**answer), Content_Type=NPZ).json()
        self.assertEqual(done["verdict"], "right")


class Replies(WithDaemon):
    def test_parameters(self):
        reply = self.ask("GET", "/graphs/net/parameters", Accept=NPZ)
        self.assertEqual(reply.headers["Content-Type"], NPZ)
        self.assertEqual(reply.body, self.ask("GET", "/graphs/net/parameters", Accept=ZIP).body)
        in_json = self.ask("GET", "/graphs/net/parameters").json()
        got = load(reply.body)
        facts = json.loads(got.pop("facts.json"))
        self.assertEqual(facts, {"graph": "net", "revision": in_json["revision"]})
        self.assertEqual({name: v.tolist() for name, v in got.items()}, in_json["parameters"])
        with zipfile.ZipFile(io.BytesIO(reply.body)) as z:
            self.assertIsNone(z.testzip())
            self.assertEqual({m.date_time for m in z.infolist()}, {(1980, 1, 1, 0, 0, 0)})
        self.ask("PUT", "/graphs/net/parameters", reply.body, Content_Type=NPZ)  # facts.json is passed over
        self.ask("PATCH", "/graphs/net/parameters", npz(**{"parameters/fc.bias": [1.0, 2.0]}), Content_Type=NPZ)
        now = self.ask("GET", "/graphs/net/parameters").json()["parameters"]
        self.assertEqual(now, {**in_json["parameters"], "fc.bias": [1, 2]})
        reply = self.ask("PUT", "/graphs/net/parameters", npz(**{"fc.bias": [1.0, 2.0]}), 400, Content_Type=NPZ).json()
        self.assertNotEqual(reply["code"], "bad_file")

    def test_facts(self):
        body = npz(x=numpy.ones((2, 3)), t=numpy.zeros((2, 2)))
        got = load(self.ask("POST", "/graphs/net/backward?loss=loss", body, Content_Type=NPZ, Accept=NPZ).body)
        facts = json.loads(got["facts.json"])
        self.assertEqual(facts["loss_name"], "loss")
        self.assertAlmostEqual(facts["loss"], float((got["fc"] ** 2).mean()))
        numpy.testing.assert_allclose(got["gradients/t"], -got["fc"] / 2)
        with numpy.errstate(all="ignore"):
            huge = npz(x=numpy.full((1, 3), 1e300), t=numpy.zeros((1, 2)))
        got = load(self.ask("POST", "/graphs/net/loss", huge, Content_Type=NPZ, Accept=NPZ).body)
        self.assertEqual(float(json.loads(got["facts.json"])["loss"]), numpy.inf)

    def test_json_in_npz_out(self):
        reply = self.ask("POST", "/forward", {"graph": same(2), "inputs": {"x": [[1, 2], [3, 4]]}}, Accept=NPZ)
        self.assertEqual(load(reply.body)["y"].tolist(), [[1, 2], [3, 4]])

    def test_npy(self):
        x = numpy.arange(6.0).reshape(2, 3).T
        reply = self.ask("POST", "/graphs/same2/forward", npy(x), Content_Type=NPY, Accept=NPY)
        self.assertEqual(reply.headers["Content-Type"], NPY)
        self.assertEqual(numpy.load(io.BytesIO(reply.body)).tolist(), x.tolist())
        self.assertEqual(reply.body, npy(numpy.ascontiguousarray(x)))
        self.ask("PUT", "/graphs/scale/parameters", npy(numpy.float64([1, 2, 3])), Content_Type=NPY)
        reply = self.ask("GET", "/graphs/scale/parameters", Accept=NPY)
        self.assertEqual(numpy.load(io.BytesIO(reply.body)).tolist(), [1, 2, 3])
        reply = self.refused("/graphs/scale/forward", npy(x), 400, "bad_parameter", Content_Type=NPY)
        self.assertEqual(reply["parameter"], "tensor")
        reply = self.refused("/graphs/scale/forward?tensor=x", npy(numpy.ones(3)), 400, "missing_input",
                             Content_Type=NPY)
        self.assertEqual(reply["pointer"], "/inputs/z")
        both = npz(x=[1.0, 1, 1], z=[1.0, 0, 0])
        self.refused("/graphs/scale/forward", both, 406, "not_acceptable", Content_Type=NPZ, Accept=NPY)
        reply = self.ask("POST", "/graphs/scale/forward?outputs=q", both, Content_Type=NPZ, Accept=NPY)
        self.assertEqual(float(numpy.load(io.BytesIO(reply.body))), 7)


class Refusals(WithDaemon):
    def expect(self, body, says, pointer=None, kind=NPZ, code="bad_file", status=400):
        reply = self.refused("/graphs/same1/forward", body, status, code, Content_Type=kind)
        self.assertIn(says, reply.get("option") or reply["detail"])
        self.assertEqual(reply.get("pointer"), pointer)

    def test_types(self):
        for says, x in {"pickle": numpy.array([1, "a"], dtype=object), "complex": numpy.ones(2) + 1j,
                        "texts": numpy.array(["a"]), "structures": numpy.zeros(2, dtype=[("a", "f4"), ("b", "i4")]),
                        "dates": numpy.array(["2020-01-01"], dtype="M8[D]"), "floats of a size": numpy.longdouble([1]),
                        }.items():
            self.expect(npz(x=x), says, "/x.npy")
            self.expect(npz(True, **{"inputs/x": x}), says, "/inputs~1x.npy")
            self.expect(npy(x), says, None, NPY)

    def test_names(self):
        x = npy(numpy.ones(2))
        for name in ("../x.npy", "/x.npy", "a/../../x.npy", "..\\x.npy", "a//x.npy", "./x.npy", "a\x1b.npy"):
            self.expect(archive((name, x)), "a member's name", "/" + name.replace("/", "~1"))
        self.expect(archive(("n" * 300 + ".npy", x)), "has 304", "/" + "n" * 300 + ".npy")
        self.expect(archive(("x.txt", x)), "NAME.npy", "/x.txt")
        self.expect(archive(("d/", b""), ("x.npy", x)), "NAME.npy", "/d~1")
        foreign = archive(("\u00fcx.npy", x)).replace("\u00fc".encode(), b"\x81A").replace(b"\0\x08\0\0", b"\0\0\0\0")
        self.expect(foreign, "UTF-8", "/?Ax.npy")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.expect(archive(("x.npy", x), ("x.npy", x)), "twice")
        self.refused("/graphs/same1/forward", npz(x=[1.0], **{"inputs/x": [1.0]}), 400, "duplicate_key", Content_Type=NPZ)
        self.refused("/graphs/same1/forward", npz(**{"gradients/x": [1.0]}), 400, "unknown_key", Content_Type=NPZ)

    def test_archives(self):
        good = npz(x=numpy.arange(3.0))
        for body in (b"", b"{}", good[:-1], good + b"\0", b"\0" + good, good[:60], good[:-2] + b"\1\0c"):
            reply = self.refused("/graphs/same1/forward", body, Content_Type=NPZ)
            self.assertNotIn("pointer", reply)
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            self.expect(archive(("x.npy", npy(numpy.ones(2))), method=method), "neither stored nor deflated", "/x.npy")
        locked = bytearray(good)
        locked[6] |= 1
        locked[good.index(b"PK\1\2") + 8] |= 1
        self.expect(bytes(locked), "encrypted", "/x.npy")
        damaged = bytearray(good)
        damaged[180] ^= 1
        self.expect(bytes(damaged), "damaged", "/x.npy")
        for cut in range(0, len(good), 7):
            self.refused("/graphs/same1/forward", good[:cut], Content_Type=NPZ)

    def test_bombs(self):
        zeros = npy(numpy.zeros(100 << 17))
        bomb = archive(("x.npy", zeros), method=zipfile.ZIP_DEFLATED)
        self.assertLess(len(bomb), 200000)
        self.expect(bomb, "--limit-body", "/x.npy", code="limit", status=413)
        lies = bytearray(bomb)
        for at, offset in ((lies.index(b"PK\1\2"), 24), (0, 22)):
            lies[at + offset:at + offset + 4] = struct.pack("<I", 128)
        self.expect(bytes(lies), "it has more", "/x.npy")
        many = archive(*((f"{i}.npy", b"") for i in range(5000)))
        self.expect(many, "--limit-tensors", code="limit", status=413)
        declared = npy(numpy.zeros(1)).replace(b"(1,)", b"(9,)")
        self.expect(archive(("x.npy", declared)), "make 72 bytes of data, there are 8", "/x.npy")
        huge = bytearray(npz(x=numpy.ones(1)))
        count = struct.pack("<HH", 60000, 60000)
        huge[-14:-10] = count
        self.expect(bytes(huge), "60000 members")

    def test_where_files_are_not_taken(self):
        body = npz(x=numpy.ones(2))
        self.refused("/forward", body, 415, "unsupported_media", Content_Type=NPZ)
        self.refused("/graphs/same1/forward", body, 415, "unsupported_media", Content_Type="application/x-npz2")


if __name__ == "__main__":
    unittest.main()
