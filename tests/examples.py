#!/usr/bin/env python3
"""Runs the examples of api/openapi.yaml and of README.md against a daemon and compares what comes back.

    tests/examples.py            both, each against a daemon of its own, in the order of the file
    tests/examples.py api        only openapi.yaml
    tests/examples.py readme     only README.md

In openapi.yaml examples of one operation that have the same name belong together: a body, parameters and a reply. A
required parameter without an example of that name takes its first one. Numbers agree to 1e-6 of the larger; all else
is the same, except

    x-varies: [seed]     beside an example, or at the top for all: members, at any depth, left to the schema
    x-part: [modules]    beside an example: members, at any depth, of which the example shows only a part
    "..."                as a value: anything; at the end of a text: it goes on
    x-from: Location     beside the example of a parameter: the last step of the last such header of a 201 or 202 instead

In README.md every fenced block `sh` that has curl in it is run by bash, with the daemon's address in N. If the next
block is `json`, its members are in the reply, and the reply may have more; of several replies the last one counts. A
reply of 400 or more fails the block unless it is the one that is shown.
"""
import http.client
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from urllib.parse import quote, urlencode

from daemon import Daemon

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"skipped: {missing} (Debian: python3-yaml, python3-jsonschema)")
    sys.exit(77)

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parent.parent)
METHODS = ("get", "put", "post", "delete", "patch")
MISSING = object()


# ---- comparing ---------------------------------------------------------------------------------------------------


def brief(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 200 else text[:200] + "..."


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Comparison:
    """differences() yields a line for each place where the two are not the same."""

    def __init__(self, varies=(), part=()):
        self.varies, self.part = varies, part

    def differences(self, want, got, where="", part=False):
        if want == "..." or self.same(want, got):
            return
        if isinstance(want, dict) and isinstance(got, dict):
            yield from self.members(want, got, where, part)
        elif isinstance(want, list) and isinstance(got, list):
            yield from self.items(want, got, where, part)
        else:
            yield f"{where or 'the reply'}: {brief(want)} was expected, {brief(got)} came"

    def same(self, want, got):
        if is_number(want) and is_number(got):
            return math.isclose(want, got, rel_tol=1e-6)
        if isinstance(want, str) and isinstance(got, str):
            return want == got or (want.endswith("...") and got.startswith(want[:-3]))
        return type(want) is type(got) and not isinstance(want, (dict, list)) and want == got

    def members(self, want, got, where, part):
        for key in {**want, **got}:
            if key in self.varies:
                continue
            if key not in got:
                yield f"{where}/{key}: is missing"
            elif key in want:
                yield from self.differences(want[key], got[key], f"{where}/{key}", key in self.part)
            elif not part:
                yield f"{where}/{key}: {brief(got[key])} was not expected"

    def items(self, want, got, where, part):
        if part:
            for i, item in enumerate(want):
                if all(any(self.differences(item, other)) for other in got):
                    yield f"{where}/{i}: {brief(item)} is not there"
        elif len(want) != len(got):
            yield f"{where or 'the reply'}: {brief(want)} was expected, {brief(got)} came"
        else:
            for i, (a, b) in enumerate(zip(want, got)):
                yield from self.differences(a, b, f"{where}/{i}")


# ---- openapi.yaml ------------------------------------------------------------------------------------------------


class Description:
    def __init__(self, path):
        self.text = path.read_bytes()
        self.root = yaml.safe_load(self.text)
        self.varies = self.root["x-varies"]
        self.headers = {}  # of the last reply that made something
        self.key = {}  # the header that carries the key, once there is one

    def keep_key(self, reply):
        """Whoever makes the first key has to show it from then on."""
        made = reply.json() if reply.headers["Content-Type"] == "application/json" else {}
        if not self.key and "key" in made:
            self.key = {"Authorization": "Bearer " + made["key"]}

    def resolve(self, node):
        while "$ref" in node:
            target = self.root
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def breaches(self, schema, value):
        """Where a value is not what the schema says."""
        whole = {**schema, "components": self.root["components"]}
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
            yield f"not as its schema says, at /{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"

    def operations(self):
        for path, item in self.root["paths"].items():
            for method in item:
                if method in METHODS:
                    yield Operation(self, path, method, item[method], item.get("parameters", []))


class Operation:
    """One operation, and the exchanges that its examples make up."""

    def __init__(self, api, path, method, node, shared):
        self.api, self.path, self.method, self.node = api, path, method.upper(), node
        self.id = node["operationId"]
        own = {(p["name"], p["in"]): p for p in map(api.resolve, [*shared, *node.get("parameters", [])])}
        self.parameters = list(own.values())
        self.body = api.resolve(node.get("requestBody", {})).get("content", {})
        self.replies = {status: api.resolve(r) for status, r in node["responses"].items() if status != "default"}

    def exchanges(self):
        """(name, status, media type or None), as the examples of replies have it."""
        bodies = [name for media in self.body.values() for name in media.get("examples", {})]
        replies = {}
        for status, reply in self.replies.items():
            for media in reply.get("content", {}).values():
                replies.update((name, status) for name in media.get("examples", {}))
        good = next(status for status in self.replies if status < "300")
        for name in dict.fromkeys([*bodies, *replies]):
            yield from self.representations(name, replies.get(name, good))
        if good not in replies.values() and not bodies and not self.replies[good].get("content"):
            yield "", good, None

    def representations(self, name, status):
        """The media types that have this example, and those that have none at all, which are only asked for."""
        content = self.replies[status].get("content", {})
        for kind, media in content.items():
            if name in media.get("examples", {}) or "examples" not in media:
                yield name, status, kind
        if not content:
            yield name, status, None

    def value(self, parameter, name):
        """What a parameter is in the exchange of this name."""
        examples = parameter.get("examples", {})
        if name in examples:
            return self.sent(examples[name])
        if parameter.get("required"):
            return self.sent(next(iter(examples.values())))
        return MISSING

    def sent(self, example):
        header = self.api.headers.get(example.get("x-from", ""))
        return header.rsplit("/", 1)[1] if header else example["value"]

    def target(self, name):
        """The path with its query, and the headers."""
        path, query, headers = self.path, {}, {}
        for p in self.parameters:
            value = self.value(p, name)
            if value is MISSING:
                continue
            if p["in"] == "path":
                path = path.replace("{" + p["name"] + "}", quote(str(value), safe=","))
            elif p["in"] == "header":
                headers[p["name"]] = value
            elif isinstance(value, dict):
                query.update(value)
            else:
                query[p["name"]] = ",".join(value) if isinstance(value, list) else value
        return path + ("?" + urlencode(query) if query else ""), headers

    def run(self, d, name, status, kind):
        """Yields what is wrong with the reply to one exchange."""
        target, headers = self.target(name)
        headers["Accept"] = kind if kind and "problem" not in kind else "*/*"
        example = None
        for type_, media in self.body.items():
            if name in media.get("examples", {}):
                example, headers["Content-Type"] = media["examples"][name]["value"], type_
                yield from (f"the body is {breach}" for breach in self.api.breaches(media["schema"], example))
        reply = d.ask(self.method, target, example, {**headers, **self.api.key})
        if reply.status in (201, 202):
            self.api.headers = reply.headers
            self.api.keep_key(reply)
        if reply.status != int(status):
            yield f"status {status} was expected, {reply.status} came: {reply.body.decode(errors='replace')[:500]}"
        else:
            yield from self.judge(reply, status, name, kind)

    def judge(self, reply, status, name, kind):
        came = reply.headers["Content-Type"]
        if came != kind:
            yield f"Content-Type {kind} was expected, {came} came"
            return
        for header, about in self.replies[status].get("headers", {}).items():
            if self.api.resolve(about).get("required") and header not in reply.headers:
                yield f"the header {header} is missing"
        if kind:
            yield from self.judge_body(reply, self.replies[status]["content"][kind], name, kind)

    def judge_body(self, reply, media, name, kind):
        binary = "examples" not in media
        if binary:
            if not reply.body:
                yield "the body is empty"
            return
        value = reply.json() if kind.endswith("json") else reply.body.decode()
        yield from self.api.breaches(media["schema"], value)
        example = media["examples"][name]
        comparison = Comparison([*self.api.varies, *example.get("x-varies", [])], example.get("x-part", []))
        yield from comparison.differences(example["value"], value)


# ---- README.md ---------------------------------------------------------------------------------------------------

SHELL = """set -eu -o pipefail
curl() { command curl --silent --show-error --fail-with-body --max-time 60 "$@"; }
"""


def blocks(text):
    """(line, block, output or None) of every fenced sh block with curl."""
    fences = list(re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", text, re.M | re.S))
    for fence, after in zip(fences, [*fences[1:], None]):
        if fence[1] == "sh" and re.search(r"\bcurl\b", fence[2]):
            line = text.count("\n", 0, fence.start()) + 1
            yield line, fence[2], after[2] if after and after[1] == "json" else None


class Shown(Comparison):
    """Prose shows the members it speaks of."""

    def members(self, want, got, where, part):
        yield from super().members(want, got, where, True)


def last_json(text):
    """The last of the JSON values in a row."""
    value, decoder = MISSING, json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        text = text[end:]
    if value is MISSING:
        raise ValueError("nothing came")
    return value


def run_block(d, block, output, directory):
    """Yields what is wrong with one block."""
    environment = {**os.environ, "N": f"http://{d.host}:{d.port}", "no_proxy": "*"}
    command = ["bash", "-c", SHELL + block]
    ran = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)
    said = f"{ran.stdout[:500]}{ran.stderr[:500]}"
    want = None if output is None else json.loads(output)
    problem = isinstance(want, dict) and "code" in want
    if ran.returncode and not problem:
        yield f"exit status {ran.returncode}: {said}"
    elif output is not None:
        try:
            yield from Shown().differences(want, last_json(ran.stdout))
        except ValueError as e:
            yield f"not JSON ({e}): {said}"


def make_scene(directory):
    """A directory that looks like the tree, for blocks that read files of it and write their own."""
    for path in TOP.resolve().iterdir():
        os.symlink(path, os.path.join(directory, path.name))


# ---- running -----------------------------------------------------------------------------------------------------


class Count:
    def __init__(self):
        self.passed = self.failed = 0

    def note(self, what, wrong):
        wrong = list(wrong)
        self.passed += not wrong
        self.failed += bool(wrong)
        for line in wrong:
            print(f"{what}: {line}")


def same_file(api, d):
    """The daemon serves the very file, and both are of one version."""
    if d.ask("GET", "/openapi.yaml").body != api.text:
        yield "/openapi.yaml is not this file: build again"
    versions = api.root["info"]["version"], d.ask("GET", "/v1").json()["version"]
    if versions[0] != versions[1]:
        yield "info.version is {}, the daemon is {}".format(*versions)


def run_api(api, count):
    with Daemon() as d:
        count.note("openapi.yaml", same_file(api, d))
        for operation in api.operations():
            exchanges = list(operation.exchanges())
            if not exchanges:
                count.note(operation.id, ["has no example"])
            for name, status, kind in exchanges:
                what = " ".join(filter(None, (operation.id, name, status, kind)))
                count.note(what, operation.run(d, name, status, kind))


def run_readme(_, count):
    n = 0
    with Daemon() as d, tempfile.TemporaryDirectory() as directory:
        make_scene(directory)
        for line, block, output in blocks((TOP / "README.md").read_text()):
            count.note(f"README.md:{line}", run_block(d, block, output, directory))
            n += 1
    if not n:
        count.note("README.md", ["has no block with curl"])


def main(names):
    count, api = Count(), Description(TOP / "api" / "openapi.yaml")
    for name, run in (("api", run_api), ("readme", run_readme)):
        if name in names or not names:
            try:
                run(api, count)
            except (OSError, http.client.HTTPException) as e:
                count.note(name, [f"{type(e).__name__}: {e}"])
    print(f"{count.passed} passed, {count.failed} failed")
    return count.failed > 0 or count.passed == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
