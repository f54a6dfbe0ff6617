"""A daemon of one's own for a test: on a free port, with a data directory that goes away with it."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time


def program():
    return os.environ.get("NABLAD", "./nablad")


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Daemon:
    """with Daemon("--workers", "1") as d: d.ask("GET", "/v1")

    With data=, a directory of the caller's, it finds there what an earlier one left."""

    def __init__(self, *options, environment=None, data=None):
        self.options, self.environment, self.given, self.killed = options, environment or {}, data, False

    def __enter__(self):
        self.data = self.given or tempfile.mkdtemp(prefix="nablad-")
        command = [program(), "--port", "0", "--data", os.path.join(self.data, "d"), *self.options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **self.environment})
        self.log = b""
        while b"listening on" not in self.log:
            line = self.process.stderr.readline()
            if not line:
                raise RuntimeError("the daemon did not start: " + self.log.decode())
            self.log += line
        self.host, port = re.search(rb"http://(.*):(\d+)", self.log).groups()
        self.host, self.port = self.host.decode().strip("[]"), int(port)
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = None
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        rest = self.process.stderr.read().decode(errors="replace")
        self.process.stderr.close()
        if not self.given:
            shutil.rmtree(self.data)
        if status != 0 and not self.killed:
            sys.stderr.write(rest)
            raise RuntimeError(f"the daemon ended with status {status}")

    def kill(self):
        """As a loss of power would, but for what the system still writes."""
        self.killed = True
        self.process.kill()
        self.process.wait()

    def connect(self, timeout=30):
        return socket.create_connection((self.host, self.port), timeout)

    def ask(self, method, path, body=None, headers=None, timeout=60):
        """One request on a connection of its own. A body that is not bytes or text is sent as JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        result = Reply(reply.status, reply.headers, reply.read())
        connection.close()
        return result

    def raw(self, request, timeout=10):
        """All bytes that come back until the server closes; b"..." and no end within the time is an error."""
        with self.connect(timeout) as s:
            s.sendall(request)
            return read_all(s)


def read_all(s):
    got = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return got
            got += piece
    except ConnectionResetError:
        return got


def wait_until(what, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False
