"""A server under test: started on one core, asked, watched through /proc, ended."""
import http.client
import json
import os
import socket
import subprocess
import time

SERVER_CORE, LOAD_CORE = "0", "1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Client:
    """One connection that is kept. A body that is not bytes is sent as JSON."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method, path, body=None, kind="application/json", **headers):
        """Status and body of the reply."""
        if body is not None:
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = kind
        self.connection.request(method, path, body, headers)
        reply = self.connection.getresponse()
        return reply.status, reply.read()

    def post(self, path, body, *kind, **headers):
        """The body of the reply, which has to be a good one."""
        status, text = self.ask("POST", path, body, *kind, **headers)
        if status not in (200, 201, 202):
            raise RuntimeError(f"{path}: {status} {text[:300]}")
        return text

    def close(self):
        self.connection.close()


def ask(port, *request):
    """Status and body of one request on a connection of its own."""
    c = Client(port)
    try:
        return c.ask(*request)
    finally:
        c.close()


class Process:
    """with Process(lambda port: [...]) as p: p.wait_for("POST", "/forward", body)"""

    def __init__(self, command, environment=None, log=subprocess.DEVNULL, cores=SERVER_CORE):
        self.port, self.environment, self.log = free_port(), environment or {}, log
        self.command = ["taskset", "-c", cores, *command(self.port)]

    def __enter__(self):
        self.started = time.monotonic()
        self.child = subprocess.Popen(self.command, env={**os.environ, **self.environment}, stdin=subprocess.PIPE,
                                      stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *unused):
        self.child.stdin.close()
        self.child.terminate()
        try:
            self.child.wait(15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def wait_until_up(self, seconds=60):
        """Seconds from the start until the port takes connections."""
        while time.monotonic() - self.started < seconds and self.child.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return time.monotonic() - self.started
            except OSError:
                time.sleep(0.0005)
        raise RuntimeError(f"{self.command} did not start")

    def family(self):
        """The process and its children, for servers that fork."""
        pids = [self.child.pid]
        for p in pids:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    pids += map(int, f.read().split())
        return pids

    def cpu_seconds(self):
        """Of all threads, those that have ended too."""
        ticks = 0
        for pid in self.family():
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def rss_mib(self):
        total = 0
        for pid in self.family():
            with open(f"/proc/{pid}/status") as f:
                total += sum(int(row.split()[1]) for row in f if row.startswith("VmRSS:"))
        return total / 1024
