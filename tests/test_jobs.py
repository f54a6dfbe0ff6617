#!/usr/bin/env python3
"""Long work as jobs: their life, their events, cancelling, kill -9 and what comes after, limits, who must not wait."""
import http.client
import json
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time
import unittest

from daemon import Daemon, read_all, wait_until

ASYNC = {"Prefer": "respond-async"}


def network(hidden):
    """A classifier; coordinate by coordinate 10 hidden units take a blink, 500 some seconds, 1000 four times as long."""
    return {
        "inputs": {"x": ["B", 20], "t": {"shape": ["B"], "dtype": "int64"}},
        "dtype": "float64",
        "nodes": {
            "a": {"op": "Linear", "in": "x", "out_features": hidden},
            "h": {"op": "Tanh", "in": "a"},
            "b": {"op": "Linear", "in": "h", "out_features": 10},
            "loss": {"op": "CrossEntropyLoss", "in": ["b", "t"]},
        },
        "outputs": ["loss"],
    }


def coordinates(hidden, batch=5):
    return batch * 20 + 20 * hidden + hidden + hidden * 10 + 10


def question(hidden, **more):
    return {"graph": network(hidden), "seed": "7", "method": "loop", **more}


SMALL, GIANT = question(10), question(500)


class Stream:
    """Server-sent events as a browser reads them."""

    def __init__(self, d, path, headers=None, timeout=60):
        self.connection = http.client.HTTPConnection(d.host, d.port, timeout=timeout)
        self.connection.request("GET", path + "/events", headers=headers or {})
        self.reply = self.connection.getresponse()
        self.comments, self.retry = 0, None

    def __iter__(self):
        """(id, event, data) until the stream ends."""
        event = {}
        for line in self.reply:
            line = line.decode().rstrip("\n")
            if not line:
                if "data" in event:
                    yield event.get("id"), event.get("event", "message"), json.loads(event["data"])
                event = {}
            elif line.startswith(":"):
                self.comments += 1
            else:
                key, _, value = line.partition(": ")
                event[key] = value
        self.close()

    def close(self):
        self.reply.close()
        self.connection.close()


class WithDaemon(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(*cls.options).__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.d.__exit__(None, None, None)

    def setUp(self):
        self.begun = []

    def tearDown(self):
        for path in self.begun:
            while self.d.ask("DELETE", path).status == 200:
                pass

    def begin(self, body, path="/v1/check", headers=ASYNC):
        reply = self.d.ask("POST", path, body, headers)
        self.assertEqual(reply.status, 202, reply.body)
        self.begun.append(reply.headers["Location"])
        return reply.headers["Location"]

    def job(self, path):
        reply = self.d.ask("GET", path)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()

    def until(self, path, *states, seconds=60):
        self.assertTrue(wait_until(lambda: self.job(path)["state"] in states, seconds), self.job(path))
        return self.job(path)

    def until_half_done(self, path, least=1):
        """Under way, and not over."""
        self.assertTrue(wait_until(lambda: self.job(path)["progress"]["done"] >= least, 60), self.job(path))
        job = self.job(path)
        self.assertEqual(job["state"], "running")
        return job

    def refused(self, reply, status, code):
        self.assertEqual(reply.status, status, reply.body[:500])
        self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        self.assertEqual(reply.json()["code"], code)
        return reply.json()


class Life(WithDaemon):
    def test_accepted(self):
        reply = self.d.ask("POST", "/v1/check", SMALL, ASYNC)
        self.assertEqual(reply.status, 202, reply.body)
        self.assertEqual(reply.headers["Preference-Applied"], "respond-async")
        self.assertEqual(reply.headers["Content-Type"], "application/json")
        job, path = reply.json(), reply.headers["Location"]
        self.begun.append(path)
        self.assertEqual(path, "/v1/jobs/" + job["id"])
        self.assertEqual(job["kind"], "check")
        self.assertEqual(job["target"], "/v1/check")
        self.assertEqual(job["state"], "queued")
        self.assertEqual(job["progress"], {"done": 0, "of": coordinates(10), "worst": 0})
        self.assertEqual(job["links"], {"self": path, "events": path + "/events"})
        self.assertNotIn("finished", job)

    def test_result_is_the_reply(self):
        """Byte for byte what the same request is answered when it waits."""
        path = self.begin(SMALL)
        job = self.until(path, "done")
        self.assertEqual(job["progress"]["done"], job["progress"]["of"])
        self.assertGreater(job["progress"]["worst"], 0)
        self.assertRegex(job["finished"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(job["links"]["result"], path + "/result")
        result, waited = self.d.ask("GET", path + "/result"), self.d.ask("POST", "/v1/check", SMALL)
        self.assertEqual(waited.status, 200)
        self.assertEqual(result.headers["Content-Type"], waited.headers["Content-Type"])
        self.assertTrue(result.body == waited.body)

    def test_seed_is_drawn_once(self):
        path = self.begin({k: v for k, v in SMALL.items() if k != "seed"})
        self.until(path, "done")
        result = self.d.ask("GET", path + "/result")
        again = self.d.ask("POST", "/v1/check", {**SMALL, "seed": result.json()["certificate"]["seed"]})
        self.assertTrue(result.body == again.body)

    def test_wrong_gradient(self):
        """The worst error so far is told on the way."""
        body = {**GIANT, "gradients": {"b.bias": [1e3] * 10}, "wrt": ["b.bias", "a.*"]}
        path = self.begin(body)
        self.assertTrue(wait_until(lambda: self.job(path)["progress"]["worst"] > 0.9, 60))

    def test_listed(self):
        paths = [self.begin(SMALL) for _ in range(3)]
        listed = [j["links"]["self"] for j in self.d.ask("GET", "/v1/jobs").json()["jobs"]]
        self.assertEqual([p for p in listed if p in paths], paths)

    def test_removed(self):
        path = self.begin(SMALL)
        self.until(path, "done")
        self.assertEqual(self.d.ask("DELETE", path).status, 204)
        for method, more in (("GET", ""), ("DELETE", ""), ("GET", "/result"), ("GET", "/events")):
            self.refused(self.d.ask(method, path + more), 404, "unknown_job")

    def test_preferences(self):
        for prefer in ("respond-async", "Respond-Async", "respond-async; wait=10", "wait=10, respond-async",
                       'x="a, b", respond-async', "handling=lenient,respond-async"):
            with self.subTest(prefer):
                self.begin(SMALL, headers={"Prefer": prefer})
        for prefer in ("", "respond-asynchronously", "respond-async=no", 'x="respond-async"', "x=respond-async", "wait=10"):
            with self.subTest(prefer):
                self.assertEqual(self.d.ask("POST", "/v1/check", SMALL, {"Prefer": prefer}).status, 200)
        several = (b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
                   b"Prefer: wait=5\r\nPrefer: respond-async\r\nPrefer: handling=strict\r\nContent-Length: %d\r\n\r\n%s")
        body = json.dumps(SMALL).encode()
        self.assertIn(b"202 Accepted", self.d.raw(several % (len(body), body)))
        # where nothing takes long it is not honoured
        reply = self.d.ask("POST", "/v1/forward", {"graph": network(3), "inputs": {"x": [[0] * 20], "t": [1]}}, ASYNC)
        self.assertEqual(reply.status, 200)
        self.assertNotIn("Preference-Applied", reply.headers)

    def test_bad_requests(self):
        """What is wrong is said at once, and leaves no job."""
        before = len(self.d.ask("GET", "/v1/jobs").json()["jobs"])
        for body, code in [
            ("{", "json_syntax"),
            ({"graph": network(3), "metod": "loop"}, "unknown_key"),
            ({"graph": {**network(3), "outputs": ["z"]}}, "unknown_reference"),
            ({"graph": network(3), "inputs": {"x": [[1, 2]], "t": [0]}}, "shape_mismatch"),
            ({"graph": network(3), "wrt": ["q.*"]}, "no_match"),
            ({"graph": network(3), "gradients": {"q": [1]}}, "unknown_reference"),
        ]:
            with self.subTest(code):
                self.refused(self.d.ask("POST", "/v1/check", body, ASYNC), 400, code)
        self.refused(self.d.ask("POST", "/v1/graphs/none/check", {}, ASYNC), 404, "unknown_graph")
        self.refused(self.d.ask("POST", "/v1/check", SMALL, {**ASYNC, "Accept": "text/html"}), 406, "not_acceptable")
        self.assertEqual(len(self.d.ask("GET", "/v1/jobs").json()["jobs"]), before)

    def test_unknown(self):
        for path in ("/v1/jobs/0", "/v1/jobs/" + "0" * 32, "/v1/jobs/..", "/v1/jobs/" + "x" * 500):
            for method, more in (("GET", ""), ("DELETE", ""), ("GET", "/result"), ("GET", "/events")):
                self.refused(self.d.ask(method, path + more), 404, "unknown_job")
        self.refused(self.d.ask("POST", "/v1/jobs", {}), 405, "method_not_allowed")
        self.refused(self.d.ask("PUT", "/v1/jobs/0", {}), 405, "method_not_allowed")

    def test_representations(self):
        path = self.begin(SMALL)
        self.until(path, "done")
        self.refused(self.d.ask("GET", path + "/result", headers={"Accept": "text/html"}), 406, "not_acceptable")
        self.refused(self.d.ask("GET", path + "/events", headers={"Accept": "application/json"}), 406, "not_acceptable")
        for kind in ("application/json", "image/svg+xml"):
            accept = {"Accept": kind}
            result = self.d.ask("GET", path + "/result", headers=accept)
            self.assertEqual(result.headers["Content-Type"], kind)
            self.assertTrue(result.body == self.d.ask("POST", "/v1/check", SMALL, accept).body)
        head = self.d.ask("HEAD", path + "/events")
        self.assertEqual((head.status, head.headers["Content-Type"], head.body), (200, "text/event-stream", b""))

    def test_safetensors(self):
        """Options that stand in the query come again with the job."""
        self.d.ask("PUT", "/v1/graphs/query", {"graph": network(3)})
        header = json.dumps({"inputs/x": {"dtype": "F64", "shape": [1, 20], "data_offsets": [0, 160]},
                             "inputs/t": {"dtype": "I64", "shape": [1], "data_offsets": [160, 168]}}).encode()
        header += b" " * (-len(header) % 8)
        body = len(header).to_bytes(8, "little") + header + bytes(160) + (3).to_bytes(8, "little")
        kind = {"Content-Type": "application/x-safetensors"}
        target = "/v1/graphs/query/check?wrt=a.*,b.bias&seed=12"
        reply = self.d.ask("POST", target, body, {**ASYNC, **kind})
        self.assertEqual(reply.status, 202, reply.body)
        path = reply.headers["Location"]
        self.assertEqual(self.job(path)["target"], target)
        self.assertEqual(self.until(path, "done")["progress"]["of"], 3 * 20 + 3 + 10)
        self.assertEqual(self.d.ask("GET", path + "/result").body, self.d.ask("POST", target, body, kind).body)


class Events(WithDaemon):
    def test_whole_stream(self):
        path = self.begin(question(120))
        stream = Stream(self.d, path)
        self.assertEqual(stream.reply.status, 200)
        self.assertEqual(stream.reply.headers["Content-Type"], "text/event-stream")
        self.assertEqual(stream.reply.headers["Cache-Control"], "no-store")
        events = list(stream)
        *progress, (last_id, last, job) = events
        self.assertTrue(progress)
        done = [data["done"] for _, _, data in progress]
        self.assertEqual(done, sorted(done))
        for event_id, event, data in progress:
            self.assertEqual(event, "progress")
            self.assertLessEqual({"state", "done", "of", "worst"}, data.keys())
            self.assertEqual(data["of"], coordinates(120))
            self.assertEqual(event_id, "queued" if data["state"] == "queued" else str(data["done"]))
        self.assertEqual((last_id, last), ("done", "done"))
        self.assertEqual(job, self.job(path))

    def test_late(self):
        """Who comes late is told at once how it stands; who comes after the end gets the end."""
        path = self.begin(GIANT)
        self.until_half_done(path)
        stream = Stream(self.d, path)
        _, event, data = next(iter(stream))
        self.assertEqual(event, "progress")
        self.assertGreater(data["done"], 0)
        stream.close()
        path = self.begin(SMALL)
        self.until(path, "done")
        self.assertEqual([event for _, event, _ in Stream(self.d, path)], ["done"])

    def test_last_event_id(self):
        path = self.begin(SMALL)
        self.until(path, "done")
        self.assertEqual(self.d.ask("GET", path + "/events", headers={"Last-Event-ID": "done"}).status, 204)
        for other in ("0", "cancelled", "", "x" * 1000):
            events = list(Stream(self.d, path, {"Last-Event-ID": other}))
            self.assertEqual([event for _, event, _ in events], ["done"], other)

    def test_nothing_twice(self):
        path = self.begin(GIANT)
        self.until_half_done(path)
        ids = []
        for event_id, _, _ in Stream(self.d, path):
            ids.append(event_id)
            if len(ids) == 2:
                break
        resumed = Stream(self.d, path, {"Last-Event-ID": ids[-1]})
        first, _, _ = next(iter(resumed))
        self.assertGreater(int(first), int(ids[-1]))

    def test_http_1_0(self):
        path = self.begin(SMALL)
        self.until(path, "done")
        got = self.d.raw(b"GET %s/events HTTP/1.0\r\nHost: localhost\r\n\r\n" % path.encode())
        self.assertIn(b"event: done\n", got)
        self.assertTrue(got.endswith(b"\n\n"))

    def test_cancelled_and_removed(self):
        path = self.begin(GIANT)
        seen = []
        watcher = threading.Thread(target=lambda: seen.extend(Stream(self.d, path)))
        watcher.start()
        self.until(path, "running")
        self.d.ask("DELETE", path)
        watcher.join(20)
        self.assertEqual(seen[-1][1], "cancelled")
        self.assertEqual(seen[-1][2]["state"], "cancelled")


class Cancelling(WithDaemon):
    options = ("--job-workers", "1")

    def test_running(self):
        path = self.begin(GIANT)
        self.until(path, "running")
        self.refused(self.d.ask("GET", path + "/result"), 409, "no_result")
        reply = self.d.ask("DELETE", path)
        self.assertEqual((reply.status, reply.json()["state"]), (200, "cancelled"))
        self.assertEqual(self.job(path)["state"], "cancelled")
        self.refused(self.d.ask("GET", path + "/result"), 409, "no_result")
        # the thread is free again
        self.until(self.begin(SMALL), "done", seconds=20)
        self.assertEqual(self.d.ask("DELETE", path).status, 204)
        self.refused(self.d.ask("DELETE", path), 404, "unknown_job")

    def test_waiting(self):
        first, second, third = (self.begin(GIANT) for _ in range(3))
        self.until(first, "running")
        self.assertEqual(self.job(second)["state"], "queued")
        self.assertEqual(self.d.ask("DELETE", second).json()["state"], "cancelled")
        self.assertEqual(self.d.ask("DELETE", second).status, 204)
        self.d.ask("DELETE", first)
        self.until(third, "running", seconds=20)

    def test_removed_while_it_stops(self):
        for _ in range(20):
            path = self.begin(GIANT)
            self.until(path, "running")
            self.assertEqual(self.d.ask("DELETE", path).status, 200)
            self.assertEqual(self.d.ask("DELETE", path).status, 204)
        self.until(self.begin(SMALL), "done")


class Limits(WithDaemon):
    options = ("--job-workers", "1", "--limit-jobs", "3", "--limit-results", "2", "--result-seconds", "2",
               "--limit-streams", "4")

    def test_waiting_jobs(self):
        for _ in range(3):
            self.begin(GIANT)
        reply = self.d.ask("POST", "/v1/check", GIANT, ASYNC)
        problem = self.refused(reply, 503, "busy")
        self.assertEqual((problem["limit"], problem["option"]), (3, "--limit-jobs"))
        self.assertEqual(reply.headers["Retry-After"], "1")
        self.d.ask("DELETE", self.begun[1])
        self.begin(GIANT)

    def test_results(self):
        paths = [self.begin(SMALL) for _ in range(3)]
        last = paths[-1]
        self.assertTrue(wait_until(lambda: self.job(last)["state"] == "done"))
        self.assertTrue(wait_until(lambda: self.d.ask("GET", paths[0]).status == 404))
        self.assertTrue(wait_until(lambda: self.d.ask("GET", last).status == 404, 20))
        self.assertEqual(self.d.ask("GET", "/v1/jobs").json()["jobs"], [])

    def test_streams(self):
        path = self.begin(GIANT)
        streams = [Stream(self.d, path) for _ in range(4)]
        for s in streams:
            self.assertEqual(next(iter(s))[1], "progress")
        reply = self.d.ask("GET", path + "/events")
        problem = self.refused(reply, 503, "busy")
        self.assertEqual((problem["limit"], problem["option"]), (4, "--limit-streams"))
        # one who leaves is noticed, though its connection sleeps
        streams.pop().close()

        def one_more():
            s = Stream(self.d, path)
            streams.append(s)
            return s.reply.status == 200

        self.assertTrue(wait_until(one_more))
        for s in streams:
            s.close()


class Failing(WithDaemon):
    options = ("--limit-memory", "2000000")

    def test_problem(self):
        """Sound to begin with; its reply does not fit into the memory of a request."""
        body = {"graph": network(100), "seed": "7", "detail": "all"}
        waited = self.d.ask("POST", "/v1/check", body)
        self.refused(waited, 413, "limit")
        path = self.begin(body)
        job = self.until(path, "failed")
        self.assertEqual(job["problem"]["code"], "limit")
        self.assertIn("memory", job["problem"]["detail"])
        self.assertEqual(job["problem"]["request_id"], job["id"])
        self.assertNotIn("result", job["links"])
        self.refused(self.d.ask("GET", path + "/result"), 409, "no_result")
        self.assertEqual([event for _, event, _ in Stream(self.d, path)], ["failed"])


class ManyWatchers(WithDaemon):
    options = ("--limit-streams", "300")

    def test_all_hear_the_end(self):
        """Three hundred streams sleep; short requests pass between them."""
        path = self.begin(GIANT)
        streams = [Stream(self.d, path) for _ in range(300)]
        threads = len(os.listdir(f"/proc/{self.d.process.pid}/task"))
        self.assertLess(threads, 40)
        for _ in range(50):
            self.assertEqual(self.d.ask("GET", "/livez").status, 200)
        self.d.ask("DELETE", path)
        for s in streams:
            *_, (_, event, _) = s
            self.assertEqual(event, "cancelled")
            s.close()


class Stored(WithDaemon):
    def test_snapshot(self):
        """A job is about the graph as it was: neither new parameters nor its end change what comes out."""
        ask = {k: v for k, v in SMALL.items() if k != "graph"}
        weights = os.path.join(self.d.data, "d", "weights")
        kept = os.listdir(weights)
        make = {"name": "short-lived", "graph": network(10), "seed": "3"}
        self.assertEqual(self.d.ask("POST", "/v1/graphs", make).status, 201)
        before = self.d.ask("POST", "/v1/graphs/short-lived/check", ask)
        path = self.begin(ask, "/v1/graphs/short-lived/check")
        self.d.ask("PATCH", "/v1/graphs/short-lived/parameters", {"parameters": {"b.bias": [5] * 10}})
        self.assertEqual(self.d.ask("DELETE", "/v1/graphs/short-lived").status, 204)
        self.until(path, "done")
        self.assertTrue(self.d.ask("GET", path + "/result").body == before.body)
        # its weights went with it
        self.assertTrue(wait_until(lambda: os.listdir(weights) == kept))

    def test_empty(self):
        """A batch of none has an end too, in every form."""
        self.d.ask("PUT", "/v1/graphs/odd", {"graph": network(3)})
        path = self.begin({"dims": {"B": 0}}, "/v1/graphs/odd/check")
        self.assertEqual(self.until(path, "done")["progress"]["of"], 3 * 20 + 3 + 3 * 10 + 10)


class Killed(unittest.TestCase):
    """kill -9 in the middle, and a new daemon on the same directory."""

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)

    def daemon(self, *options):
        return Daemon("--job-workers", "1", *options, data=self.directory.name)

    def wait_for(self, d, path, least, state="running"):
        def there():
            job = d.ask("GET", path).json()
            return job["state"] == state and job["progress"]["done"] >= least

        self.assertTrue(wait_until(there, 60), d.ask("GET", path).json())
        return d.ask("GET", path).json()["progress"]["done"]

    def journals(self):
        return sorted(pathlib.Path(self.directory.name, "d", "jobs").iterdir())

    def finish(self, d, path, want):
        self.assertTrue(wait_until(lambda: d.ask("GET", path).json()["state"] == "done", 120), d.ask("GET", path).json())
        self.assertTrue(d.ask("GET", path + "/result").body == want)
        self.assertEqual(self.journals(), [])

    def begin(self, d, body, path="/v1/check"):
        reply = d.ask("POST", path, body, ASYNC)
        self.assertEqual(reply.status, 202, reply.body)
        return reply.headers["Location"]

    def test_taken_up(self):
        body, half = question(300), coordinates(300) / 2
        with self.daemon() as d:
            want = d.ask("POST", "/v1/check", body).body
            path = self.begin(d, body)
            done = self.wait_for(d, path, 1)
            d.kill()
        kills = 1
        while True:
            with self.daemon() as d:
                first = d.ask("GET", path).json()
                self.assertIn(first["state"], ("queued", "running", "done"))
                if done > half:
                    self.finish(d, path, want)
                    break
                more = self.wait_for(d, path, done + 1)
                self.assertGreater(more, done)
                done = more
                d.kill()
                kills += 1
        print(f"\n{kills} kills", end=" ", file=sys.stderr)

    def test_does_not_start_at_zero(self):
        """Right after the start, before any thread may have taken it up."""
        body = question(1000)  # nobody is through with it so soon
        with self.daemon() as d:
            path = self.begin(d, body)
            done = self.wait_for(d, path, 1)
            time.sleep(1.5)  # a note is left once a second
            d.kill()
        with self.daemon() as d:
            job = d.ask("GET", path).json()
            self.assertGreaterEqual(job["progress"]["done"], done)
            stream = Stream(d, path)
            _, event, data = next(iter(stream))
            self.assertEqual(event, "progress")
            self.assertGreaterEqual(data["done"], done)
            d.ask("DELETE", path)
            stream.close()

    def test_damaged_journal(self):
        """A torn end, a flipped bit, nothing at all: what is not whole is computed again."""
        body = question(150)
        with self.daemon() as d:
            want = d.ask("POST", "/v1/check", body).body

        def torn(data):
            return data[:-7]

        def flipped(data):
            middle = len(data) // 2
            return data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1:]

        def more(data):
            return data + os.urandom(1000)

        for damage in (torn, flipped, more, lambda data: b"", lambda data: os.urandom(len(data))):
            with self.subTest(damage.__name__):
                with self.daemon() as d:
                    path = self.begin(d, body)
                    self.wait_for(d, path, 1)
                    d.kill()
                [journal] = self.journals()
                journal.write_bytes(damage(journal.read_bytes()))
                with self.daemon() as d:
                    self.finish(d, path, want)

    def test_another_machine(self):
        """Chunks of another BLAS core have other last digits: the job begins anew."""
        body = question(150)
        with self.daemon() as d:
            want = d.ask("POST", "/v1/check", body).body
        other = Daemon("--job-workers", "1", data=self.directory.name, environment={"OPENBLAS_CORETYPE": "Sandybridge"})
        with other as d:
            path = self.begin(d, body)
            self.wait_for(d, path, 1)
            d.kill()
        with self.daemon() as d:
            self.finish(d, path, want)

    def test_stored_graph(self):
        make = {"name": "g", "graph": network(150), "seed": "3"}
        ask = {"seed": "9", "method": "loop"}
        with self.daemon() as d:
            d.ask("POST", "/v1/graphs", make)
            want = d.ask("POST", "/v1/graphs/g/check", ask).body
            path = self.begin(d, ask, "/v1/graphs/g/check")
            self.assertEqual(d.ask("DELETE", "/v1/graphs/g").status, 204)
            self.wait_for(d, path, 1)
            d.kill()
        with self.daemon() as d:
            self.finish(d, path, want)
        self.assertEqual(os.listdir(os.path.join(self.directory.name, "d", "weights")), [])

    def test_nothing_acknowledged_is_lost(self):
        """Killed while jobs are being taken on, ended and removed."""
        body, many = question(4), ("--limit-jobs", "100000", "--limit-results", "100000")
        known = {}  # path -> what must be true of it
        for round_ in range(6):
            with self.daemon(*many) as d:
                stop = threading.Event()

                def client():
                    while not stop.is_set():
                        try:
                            path = self.begin(d, body)
                            known[path] = "there"
                            if len(known) % 3 == 0:
                                while d.ask("DELETE", path).status == 200:
                                    known[path] = "cancelled"
                                known[path] = "gone"
                        except (OSError, http.client.HTTPException):
                            return

                clients = [threading.Thread(target=client) for _ in range(3)]
                for c in clients:
                    c.start()
                time.sleep(0.2 + 0.1 * round_)
                d.kill()
                stop.set()
                for c in clients:
                    c.join()
        self.assertGreater(len(known), 20)
        with self.daemon(*many) as d:
            self.assertTrue(wait_until(lambda: all(
                j["state"] in ("done", "cancelled") for j in d.ask("GET", "/v1/jobs").json()["jobs"]), 60))
            jobs = {j["links"]["self"]: j["state"] for j in d.ask("GET", "/v1/jobs").json()["jobs"]}
            for path, state in known.items():
                if state == "there":
                    self.assertIn(path, jobs)
                if state == "gone":
                    self.assertNotIn(path, jobs)
                if state == "cancelled" and path in jobs:
                    self.assertEqual(jobs[path], "cancelled")
        print(f"\n{len(known)} jobs through 6 kills", end=" ", file=sys.stderr)

    def test_stopped_gently(self):
        """SIGINT: streams end, the work stops at its next chunk, and goes on with the next daemon."""
        body = question(300)
        with self.daemon() as d:
            path = self.begin(d, body)
            stream = Stream(d, path)
            done = self.wait_for(d, path, 1)
            d.process.send_signal(signal.SIGINT)
            events = [event for _, event, _ in stream]  # to its proper end, or this raises
            self.assertEqual(set(events), {"progress"})
        with self.daemon() as d:
            self.assertGreaterEqual(d.ask("GET", path).json()["progress"]["done"], done)
            self.wait_for(d, path, done + 1)
            d.ask("DELETE", path)

    def test_results_survive(self):
        body = question(10)
        with self.daemon() as d:
            path = self.begin(d, body)
            self.assertTrue(wait_until(lambda: d.ask("GET", path).json()["state"] == "done"))
            want, job = d.ask("GET", path + "/result").body, d.ask("GET", path).json()
            cancelled = self.begin(d, question(300))
            d.ask("DELETE", cancelled)
            d.kill()
        with self.daemon() as d:
            self.assertEqual(d.ask("GET", path).json(), job)
            self.assertTrue(d.ask("GET", path + "/result").body == want)
            self.assertEqual(d.ask("GET", cancelled).json()["state"], "cancelled")


class ShortRequests(WithDaemon):
    options = ("--workers", "1", "--long-workers", "1")
    forward = {"graph": network(3), "inputs": {"x": [[0.5] * 20], "t": [1]}}

    def test_forward_beside_a_giant_check(self):
        """Checks that are waited for and jobs fill all their threads; a forward passes them by. How fast is printed."""
        body = json.dumps(GIANT).encode()
        head = (b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body))
        waiting = [self.d.connect() for _ in range(3)]
        for s in waiting:
            s.sendall(head + body)
        for _ in range(3):
            self.begin(GIANT)
        times = []
        for _ in range(300):
            start = time.monotonic()
            self.assertEqual(self.d.ask("POST", "/v1/forward", self.forward).status, 200)
            times.append(time.monotonic() - start)
        times.sort()
        print(f"\nforward beside checks: median {times[150] * 1e3:.1f} ms, 99 % {times[297] * 1e3:.1f} ms", end=" ",
              file=sys.stderr)
        for s in waiting:
            s.close()

    def test_given_up(self):
        """Nobody waits for the reply any more: the only thread for checks is free again."""
        body = json.dumps(GIANT).encode()
        for _ in range(3):
            s = self.d.connect()
            s.sendall(b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                      b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.3)
            s.close()
        self.assertEqual(self.d.ask("POST", "/v1/check", SMALL, timeout=20).status, 200)

    def test_pipelined_is_not_gone(self):
        """Bytes behind the request are no sign of leaving."""
        body = json.dumps(question(100)).encode()
        got = self.d.raw(b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body) + body +
                         b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", timeout=60)
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 2)

    def test_queue_is_bounded(self):
        with Daemon("--long-workers", "1", "--limit-queue", "1") as d:
            body = json.dumps(GIANT).encode()
            head = b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            waiting = []
            for _ in range(2):
                waiting.append(d.connect())
                waiting[-1].sendall(head % len(body) + body)
                time.sleep(0.5)
            reply = d.ask("POST", "/v1/check", SMALL)
            self.assertEqual(self.refused(reply, 503, "busy")["option"], "--limit-queue")
            self.assertEqual(reply.headers["Retry-After"], "1")
            self.assertEqual(d.ask("POST", "/v1/forward", self.forward).status, 200)
            for s in waiting:
                s.close()


if __name__ == "__main__":
    unittest.main()
