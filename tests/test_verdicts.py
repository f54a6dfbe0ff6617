#!/usr/bin/env python3
"""What a check says: entries, power and warnings, the certificate and its replay, the picture."""
import copy
import hashlib
import json
import re
import struct
import unittest
import xml.etree.ElementTree as ElementTree

from daemon import Daemon

TANH = {"inputs": {"x": ["n"]}, "dtype": "float64", "nodes": {"y": {"op": "Tanh", "in": "x"}}, "outputs": ["y"]}
# Tanh at x = (0.5, -1.25, 2) with cotangent (1, -1, 0.5); somebody claims g*(1 - tanh x).
CLAIM = {
    "graph": TANH,
    "inputs": {"x": [0.5, -1.25, 2.0]},
    "cotangents": {"y": [1, -1, 0.5]},
    "gradients": {"x": [0.5378828427399902, -1.8482836399575129, 0.01798620996209155]},
}
NET = {
    "inputs": {"x": ["B", 4], "t": ["B", 3]},
    "dtype": "float64",
    "nodes": {
        "net": {"chain": [{"Linear": [4, 6]}, "Tanh", {"Dropout": 0.3}, {"Linear": [6, 3]}], "in": "x"},
        "loss": {"expr": "sum(square(net - t))/B"},
    },
    "outputs": ["net"],
    "losses": {"loss": {"of": "loss"}},
}
SINGLE = {**NET, "dtype": "float32"}
SWISH = {
    "inputs": {"x": ["B", 3]},
    "dtype": "float64",
    "modules": {
        "Swish": {
            "inputs": {"x": ["..."]},
            "nodes": {"s": {"expr": "sigmoid(x)"}, "h": {"expr": "x*s"}},
            "outputs": ["h"],
            "backward": {"x": "g*s"},
        }
    },
    "nodes": {"y": {"op": "Swish", "in": "x"}},
    "outputs": ["y"],
}
RELU = {"inputs": {"x": ["n"]}, "dtype": "float64", "nodes": {"y": {"op": "ReLU", "in": "x"}}, "outputs": ["y"]}
POINT = {"x": [[1, -2, 0.5, 3], [0.25, 1.5, -1, 2]], "t": [[1, 0, 2], [0.5, 1, -1]]}

CHECKS = {
    "claim": CLAIM,
    "claim, all of it": {**CLAIM, "detail": "all"},
    "drawn": {"graph": NET, "seed": "5"},
    "drawn, all of it": {"graph": NET, "seed": "6", "detail": "all"},
    "without a seed": {"graph": NET},
    "half drawn": {"graph": NET, "inputs": {"x": POINT["x"]}},
    "loss": {"graph": NET, "inputs": POINT, "loss": "loss", "wrt": ["net.*"], "detail": "summary"},
    "noise": {"graph": NET, "inputs": POINT, "mode": "train", "seed": "7"},
    "sizes": {"graph": NET, "sample": {"batch": 3}, "dims": {}, "rho": 1e-8, "r_max": 1e-2},
    "float32": {"graph": SINGLE, "seed": "8"},
    "own backward": {"graph": SWISH, "seed": "9"},
    "kink": {"graph": RELU, "inputs": {"x": [0, 1, -1]}, "kinks": "convention"},
    "power": {"graph": NET, "seed": "10", "power": True},
    "complex": {"graph": NET, "seed": "11", "method": "complex"},
    "differences": {"graph": NET, "seed": "12", "method": "differences"},
    "loop": {"graph": NET, "seed": "13", "method": "loop"},
    "signed": {"graph": NET, "seed": "14", "coverage": "signed"},
    "sampled": {"graph": NET, "seed": "15", "coverage": "sampled"},
    "second order": {"graph": NET, "seed": "16", "order": 2, "loss": "loss"},
    "second order, all of it": {"graph": NET, "seed": "16", "order": 2, "loss": "loss", "wrt": ["x"], "detail": "all"},
    "half a direction": {"graph": NET, "inputs": POINT, "order": 2, "direction": {"x": POINT["x"]}, "wrt": ["x", "net.0.bias"]},
}
SENT = ("graph", "parameters", "inputs", "cotangents", "gradients", "direction")


def flat(tensor):
    return [x for row in tensor for x in flat(row)] if isinstance(tensor, list) else [tensor]


def shape(tensor):
    return [len(tensor), *shape(tensor[0])] if isinstance(tensor, list) else []


def lines(tensors):
    """As api/openapi.yaml says."""
    for name in sorted(tensors, key=str.encode):
        numbers = b"".join(struct.pack("<d", x) for x in flat(tensors[name]))
        sizes = ",".join(map(str, shape(tensors[name])))
        yield f"{name} [{sizes}] {hashlib.sha256(numbers).hexdigest()}\n"


def digest(tensors, before=""):
    return hashlib.sha256((before + "".join(lines(tensors))).encode()).hexdigest()


def leaves(tree, path=()):
    """Every place in a certificate that holds a word or a number, tensors left out."""
    for key, value in tree.items():
        if isinstance(value, dict) and key != "tensors":
            yield from leaves(value, (*path, key))
        elif not isinstance(value, dict):
            yield (*path, key)


def another(value):
    """A value like it that it is not."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return [*value, 1]
    return value[:-1] + ("0" if value[-1:] != "0" else "1")


def without(tree, path):
    tree = copy.deepcopy(tree)
    inner = tree
    for key in path[:-1]:
        inner = inner[key]
    return tree, inner


class WithDaemon(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def check(self, body, d=None, path="/v1/check", accept="*/*"):
        reply = (d or self.d).ask("POST", path, body, {"Accept": accept})
        self.assertEqual(reply.status, 200, reply.body[:500])
        return reply

    def refused(self, body, code, pointer, path="/v1/check"):
        reply = self.d.ask("POST", path, body)
        self.assertEqual(reply.status, 400, reply.body[:500])
        problem = reply.json()
        self.assertEqual((problem["code"], problem.get("pointer", "")), (code, pointer), problem["detail"])
        return problem["detail"]


class Entries(WithDaemon):
    def test_worked_example(self):
        reply = self.check(CLAIM).json()
        self.assertEqual(reply["verdict"], "wrong")
        self.assertTrue(reply["summary"].startswith("x: 3 of 3 entries wrong, worst at [1]: got -1.848"), reply["summary"])
        x = reply["tensors"]["x"]
        self.assertEqual([x[k] for k in ("shape", "right", "wrong", "cannot_tell", "silent")], [[3], 0, 3, 0, 0])
        self.assertAlmostEqual(x["power"]["worst"], 1e-9, delta=1e-12)
        self.assertEqual(reply["power"]["worst"], x["power"]["worst"])
        wanted = {0: (0.7864477329659277, 0.6839397, 7.9e-10), 1: (-0.28041486618043265, 6.591247, 1.8e-9),
                  2: (0.03532541242658225, 0.5091578, 3.5e-11)}
        self.assertEqual([e["index"] for e in x["entries"]], [[1], [2], [0]])
        for e in x["entries"]:
            expected, ratio, allowed = wanted[e["index"][0]]
            self.assertEqual(e["got"], CLAIM["gradients"]["x"][e["index"][0]])
            self.assertAlmostEqual(e["expected"], expected, delta=1e-14)
            self.assertAlmostEqual(e["ratio"], ratio, delta=1e-6)
            self.assertAlmostEqual(e["allowed"] / allowed, 1, delta=0.03)
            self.assertLess(e["error_bar"], 2e-14)
        oracles = x["entries"][0]["oracles"]
        self.assertAlmostEqual(oracles["differences"], oracles["complex"], delta=oracles["differences_bar"])

    def test_details(self):
        wrong = {**CLAIM, "gradients": {"x": [0.7864477329659277, -1, 0.03532541242658225]}}
        for detail, verdicts in {"summary": None, "wrong": ["wrong"], "all": ["right", "wrong", "right"]}.items():
            x = self.check({**wrong, "detail": detail}).json()["tensors"]["x"]
            self.assertEqual([e["verdict"] for e in x["entries"]] if verdicts else x.get("entries"), verdicts)
        many = {"graph": TANH, "dims": {"n": 301}, "gradients": {"x": [9] * 301}, "seed": "3"}
        entries = self.check(many).json()["tensors"]["x"]["entries"]
        errors = [abs(e["got"] - e["expected"]) / max(abs(e["got"]), abs(e["expected"])) for e in entries]
        self.assertEqual(len(entries), 100)
        self.assertEqual(errors, sorted(errors, reverse=True))
        self.assertEqual(len(self.check({**many, "detail": "all"}).json()["tensors"]["x"]["entries"]), 301)

    def test_shape(self):
        reply = self.check({**CLAIM, "gradients": {"x": [[1], [2], [3]]}}).json()
        self.assertEqual(reply["summary"], "x: wrong shape, got [3, 1], expected [3].")
        self.assertEqual(reply["tensors"]["x"]["got_shape"], [3, 1])

    def test_not_numbers(self):
        reply = self.check({**CLAIM, "gradients": {"x": ["NaN", "-Infinity", 0]}}).json()
        self.assertIn("got NaN", reply["summary"])
        self.assertEqual({e["got"] for e in reply["tensors"]["x"]["entries"]}, {"NaN", "-Infinity", 0})

    def test_sampled_says_so(self):
        big = {"inputs": {"x": ["B", 40]}, "dtype": "float64", "nodes": {"y": {"op": "Linear", "in": "x", "out_features": 50}},
               "outputs": ["y"]}
        reply = self.check({"graph": big, "coverage": "sampled", "detail": "all", "seed": "1"}).json()
        self.assertIn("not every coordinate was looked at", reply["summary"])
        covered = reply["certificate"]["coverage"]
        self.assertLess(covered["entries"], covered["of"])
        listed = sum(len(t["entries"]) for t in reply["tensors"].values())
        self.assertEqual(listed, covered["entries"])

    def test_sizes_by_sample(self):
        for sizes in ({"sample": {"B": 6}}, {"sample": {"batch": 6}}, {"sample": True, "dims": {"B": 6}}):
            reply = self.check({"graph": SWISH, **sizes}).json()
            self.assertEqual(reply["tensors"]["x"]["shape"], [6, 3])


class Certificates(WithDaemon):
    def replayed(self, body, certificate, d=None, path="/v1/check"):
        again = {key: body[key] for key in SENT if key in body}
        return self.check({**again, "certificate": certificate}, d, path)

    def test_digests(self):
        reply = self.check({**CLAIM, "detail": "all"}).json()
        c = reply["certificate"]
        for member, sent in ("point", "inputs"), ("cotangent", "cotangents"), ("candidate", "gradients"):
            self.assertEqual(c[member], {"from": "request", "sha256": digest(CLAIM[sent]), "tensors": CLAIM[sent]})
        compact = json.dumps(TANH, separators=(",", ":"))
        self.assertEqual(c["graph"], "sha256:" + digest({}, compact + "\n"))
        c = self.check(CHECKS["second order, all of it"]).json()["certificate"]
        self.assertEqual(c["direction"]["from"], "sample")
        self.assertEqual(c["direction"]["sha256"], digest(c["direction"]["tensors"]))
        for body in CHECKS["drawn, all of it"], {**CHECKS["float32"], "detail": "all"}:
            c = self.check(body).json()["certificate"]
            self.assertEqual([c[m]["from"] for m in ("point", "cotangent", "candidate")], ["sample", "sample", "backward"])
            for member in "point", "cotangent", "candidate":
                self.assertEqual(c[member]["sha256"], digest(c[member]["tensors"]))

    def test_digest_of_parameters(self):
        weights = {"net.0.weight": [[i * 6 + k + 0.5 for k in range(4)] for i in range(6)], "net.0.bias": [0.1] * 6,
                   "net.3.weight": [[1, 2, 3, 4, 5, 6]] * 3, "net.3.bias": [3, 2, 1]}
        c = self.check({"graph": NET, "parameters": weights}).json()["certificate"]
        self.assertEqual(c["graph"], "sha256:" + digest(weights, json.dumps(NET, separators=(",", ":")) + "\n"))

    def test_same_request_same_bytes(self):
        for name, body in CHECKS.items():
            with self.subTest(name):
                body = {"seed": "1234", **body}
                self.assertEqual(self.check(body).body, self.check(body).body)

    def test_replay(self):
        for name, body in CHECKS.items():
            with self.subTest(name):
                first = self.check(body)
                self.assertEqual(self.replayed(body, first.json()["certificate"]).body, first.body)

    def test_replay_by_another_process(self):
        with Daemon("--workers", "3") as other:
            for name, body in CHECKS.items():
                with self.subTest(name):
                    first = self.check(body)
                    self.assertEqual(self.replayed(body, first.json()["certificate"], other).body, first.body)

    def test_replay_through_other_eyes(self):
        """Clients write numbers and order members as they like."""
        first = self.check(CLAIM)
        c = json.loads(json.dumps(first.json()["certificate"], sort_keys=True))
        c["constants"]["K"] = 16.0
        self.assertEqual(self.replayed(CLAIM, c).body, first.body)

    def test_tensors_kept_in_the_certificate(self):
        first = self.check({**CLAIM, "detail": "all"})
        self.assertEqual(self.replayed({"graph": TANH}, first.json()["certificate"]).body, first.body)

    def test_stored_graph(self):
        self.d.ask("PUT", "/v1/graphs/net", {"graph": NET, "seed": "3"})
        path = "/v1/graphs/net/check"
        first = self.check({"seed": "4"}, path=path)
        c = first.json()["certificate"]
        self.assertEqual(self.replayed({}, c, path=path).body, first.body)
        self.d.ask("PATCH", "/v1/graphs/net/parameters", {"parameters": {"net.3.bias": [1, 2, 4]}})
        detail = self.refused({"certificate": c}, "certificate_mismatch", "/certificate/graph", path)
        self.assertIn(c["graph"][7:], detail)

    def test_elsewhere(self):
        first = self.check({**CLAIM, "detail": "all"}).json()
        c = copy.deepcopy(first["certificate"])
        c["nablad"], c["machine"]["core"] = "0.0.9", "Abacus"
        reply = self.replayed({"graph": TANH}, c).json()
        self.assertEqual(reply.pop("replay"), {"differs": ["/nablad", "/machine/core"]})
        self.assertEqual(reply, first)

    def test_another_core(self):
        core = self.d.ask("GET", "/v1").json()["blas"]["core"]
        with Daemon(environment={"OPENBLAS_CORETYPE": "Nehalem" if core != "Nehalem" else "Haswell"}) as other:
            for name in "claim", "drawn", "loss", "float32":
                with self.subTest(name):
                    first = self.check(CHECKS[name]).json()
                    there = self.replayed(CHECKS[name], first["certificate"], other).json()
                    if there["certificate"]["machine"]["core"] == core:
                        self.skipTest("this processor has one core type only")
                    self.assertIn("/machine/core", there["replay"]["differs"])
                    self.assertEqual(there["verdict"], first["verdict"])

    def test_every_change_is_noticed(self):
        """All members, one at a time: changed or taken away."""
        bodies = {**CLAIM, "kinks": "convention", "detail": "all", "seed": "77"}, {**CHECKS["loss"], "seed": "78"}
        for body in bodies:
            c = self.check(body).json()["certificate"]
            sent = {key: body[key] for key in SENT if key in body}
            for path in leaves(c):
                for take_away in False, True:
                    changed, inner = without(c, path)
                    inner[path[-1]] = another(inner[path[-1]])
                    if take_away:
                        del inner[path[-1]]
                    with self.subTest("/".join(path), take_away=take_away):
                        self.notice(sent, changed, path, take_away)

    def notice(self, sent, changed, path, take_away):
        reply = self.d.ask("POST", "/v1/check", {**sent, "certificate": changed})
        if path[0] == "machine" or path == ("nablad",) and not take_away:
            self.assertEqual(reply.status, 200, reply.body[:300])
            self.assertEqual(reply.json()["replay"]["differs"], ["/" + "/".join(path)])
        elif path[0] in ("asked", "seed") and reply.status == 200:  # another check, and that is what was done
            done, told = reply.json()["certificate"], copy.deepcopy(changed)
            for member in "point", "cotangent", "candidate":
                done[member].pop("tensors", None)
                told[member].pop("tensors", None)
            self.assertEqual(done, told)
        else:
            self.assertEqual(reply.status, 400, reply.body[:300])
            self.assertTrue(reply.json()["pointer"].startswith(("/certificate", "/inputs", "/cotangents", "/gradients")),
                            reply.body)

    def test_refused(self):
        c = self.check(CLAIM).json()["certificate"]
        sent = {key: CLAIM[key] for key in SENT if key in CLAIM}
        self.refused({**sent, "certificate": 3}, "wrong_type", "/certificate")
        self.refused({**sent, "certificate": {}}, "missing_key", "/certificate")
        self.refused({**sent, "certificate": {**c, "mood": 1}}, "unknown_key", "/certificate/mood")
        self.refused({**sent, "certificate": {**c, "seed": "x"}}, "bad_value", "/certificate/seed")
        self.refused({**sent, "certificate": {**c, "asked": {"detail": "x"}}}, "bad_value", "/certificate/asked/detail")
        self.refused({**sent, "certificate": {**c, "asked": {"seed": 1}}}, "unknown_key", "/certificate/asked/seed")
        self.refused({**sent, "certificate": c, "rho": 1e-9}, "unknown_key", "/rho")
        self.refused({"graph": TANH, "certificate": c}, "missing_key", "")
        drawn = self.check(CHECKS["drawn"]).json()["certificate"]
        self.refused({"graph": NET, "inputs": POINT, "certificate": drawn}, "certificate_mismatch", "/inputs")
        for member, key in ("point", "inputs"), ("cotangent", "cotangents"), ("candidate", "gradients"):
            name, = CLAIM[key]
            other = {**sent, key: {name: [1, 2, 3]}, "certificate": c}
            detail = self.refused(other, "certificate_mismatch", f"/certificate/{member}/sha256")
            self.assertIn(c[member]["sha256"], detail)
            self.assertIn(digest({name: [1, 2, 3]}), detail)


def safetensors(tensors):
    header, data = {}, b""
    for name, numbers in tensors.items():
        bytes_of = b"".join(struct.pack("<f", x) for x in flat(numbers))
        header[name] = {"dtype": "F32", "shape": shape(numbers), "data_offsets": [len(data), len(data) + len(bytes_of)]}
        data += bytes_of
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Binary(WithDaemon):
    """Options stand in the query; what came in single precision comes back, bit by bit, in a certificate in JSON."""

    def ask(self, query, tensors):
        self.d.ask("PUT", "/v1/graphs/tanh", {"graph": TANH})
        return self.d.ask("POST", "/v1/graphs/tanh/check" + query, safetensors(tensors),
                          {"Content-Type": "application/x-safetensors"})

    def test_options(self):
        query = "?method=loop&rho=1e-8&r_max=0.01&detail=all&power=true&kinks=convention&order=1&coverage=every&seed=5"
        tensors = {"inputs/x": [0.1, 0.2], "cotangents/y": [1, 0.3], "gradients/x": [0.9900663, 0.3]}
        reply = self.ask(query, tensors)
        self.assertEqual(reply.status, 200, reply.body)
        c = reply.json()["certificate"]
        self.assertEqual(c["asked"], {"method": "loop", "coverage": "every", "kinks": "convention", "rho": 1e-8,
                                      "r_max": 0.01, "power": True, "detail": "all"})
        self.assertEqual(c["point"]["tensors"]["x"], list(struct.unpack("<2f", struct.pack("<2f", 0.1, 0.2))))
        again = self.d.ask("POST", "/v1/graphs/tanh/check", {"certificate": c})
        self.assertEqual(again.body, reply.body)

    def test_refused(self):
        for query in "?method=guess", "?rho=small", "?order=2.5", "?power=1", "?rho=0.005", "?sample=true":
            reply = self.ask(query, {"x": [1]})
            self.assertEqual((reply.status, reply.json()["code"]), (400, "bad_parameter"), query)


SVG = "{http://www.w3.org/2000/svg}"


class Pictures(WithDaemon):
    def picture(self, body):
        reply = self.check(body, accept="image/svg+xml")
        self.assertEqual(reply.headers["Content-Type"], "image/svg+xml")
        self.assertEqual(reply.headers["Vary"], "Accept")
        return ElementTree.fromstring(reply.body)

    @staticmethod
    def texts(svg):
        return [t.text or "" for t in svg.iter(SVG + "text")]

    @staticmethod
    def squares(svg):
        """Class of each square of all maps: {"h2": [(column, row), ...]}, neighbours in a row taken apart."""
        found = {}
        for path in svg.iter(SVG + "path"):
            name = path.get("class").split()[0]
            if re.fullmatch(r"h\d", name):
                for column, row, n in re.findall(r"M(\d+) (\d+)h(\d+)v", path.get("d")):
                    found.setdefault(name, []).extend((int(column) + k, int(row)) for k in range(int(n)))
        return found

    def test_all(self):
        for name, body in CHECKS.items():
            with self.subTest(name):
                svg, said = self.picture({"seed": "5", **body}), self.check({"seed": "5", **body}).json()
                texts = self.texts(svg)
                self.assertIn(said["verdict"].replace("_", " ").upper(), texts)
                for tensor, about in said["tensors"].items():
                    words = ", ".join(map(str, about["shape"]))
                    self.assertIn(f"{tensor} [{words}]", texts)
                width, height = map(float, svg.get("viewBox").split()[2:])
                for t in svg.iter(SVG + "text"):
                    self.assertTrue(0 < float(t.get("x")) < width and 0 < float(t.get("y")) < height, t.text)

    def test_one_wrong_entry(self):
        body = {"graph": NET, "seed": "2", "wrt": ["net.3.weight"], "detail": "all"}
        gradient = self.check(body).json()["certificate"]["candidate"]["tensors"]["net.3.weight"]
        for factor, colour in (2, "h8"), (1.001, "h7"), (1 + 1e-7, "h6"):
            claim = copy.deepcopy(gradient)
            claim[1][4] *= factor
            svg = self.picture({**body, "gradients": {"net.3.weight": claim}})
            squares = self.squares(svg)
            self.assertEqual(squares.pop(colour), [(4, 1)])
            self.assertEqual(sum(map(len, squares.values())), 17)
            self.assertTrue(any(t.startswith("[1, 4] got ") for t in self.texts(svg)))

    def test_large(self):
        """A square stands for several entries and shows the worst."""
        wide = {"inputs": {"x": [64, 784]}, "dtype": "float64", "nodes": {"y": {"expr": "x*x"}}, "outputs": ["y"]}
        x = [[1 + (i * 784 + k) % 7 for k in range(784)] for i in range(64)]
        claim = [[2 * v for v in row] for row in x]
        claim[17][400] += 1
        body = {"graph": wide, "inputs": {"x": x}, "cotangents": {"y": [[1] * 784] * 64}, "gradients": {"x": claim}}
        svg = self.picture(body)
        down, across = (int(n) for n in re.search(r"\((\d+) × (\d+)\)", " ".join(self.texts(svg))).groups())
        squares = self.squares(svg)
        self.assertEqual(squares.pop("h8"), [(400 // across, 17 // down)])
        self.assertEqual(1 + sum(map(len, squares.values())), -(-64 // down) * -(-784 // across))

    def test_curve(self):
        """x^3: a central difference is off by the square of its step, which is a straight line of slope 2."""
        cube = {"inputs": {"x": []}, "dtype": "float64", "nodes": {"y": {"expr": "x*x*x"}}, "outputs": ["y"]}
        svg = self.picture({"graph": cube, "inputs": {"x": 1.3}, "cotangents": {"y": 1}})
        curve, = (p for p in svg.iter(SVG + "path") if "c0" in p.get("class").split())
        points = [tuple(map(float, p.split())) for p in re.split("[ML]", curve.get("d"))[1:]]
        self.assertEqual(len(points), 48)
        labels = {t.text: t for t in svg.iter(SVG + "text")}
        decade_x = (float(labels["10⁻²"].get("x")) - float(labels["10⁻⁴"].get("x"))) / 2
        decade_y = (float(labels["10⁻⁶"].get("y")) - float(labels["10⁻³"].get("y"))) / 3
        for (x0, y0), (x1, y1) in zip(points[:10], points[1:11]):
            self.assertAlmostEqual((y1 - y0) / decade_y / ((x0 - x1) / decade_x), 2, delta=0.05)
        floor = max(y for _, y in points)
        self.assertLess(points[-1][1], floor - 3 * decade_y)

    def test_json_is_the_same_beside_a_picture(self):
        body = {**CLAIM, "seed": "1"}
        before = self.check(body).body
        self.picture(body)
        self.assertEqual(self.check(body).body, before)


if __name__ == "__main__":
    unittest.main()
