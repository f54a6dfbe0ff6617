"""A server under test: started on one core, watched through /proc, ended."""
import http.client
import os
import socket
import subprocess
import time

SERVER_CORE, LOAD_CORE = "0", "1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(port, method, path, body=None, kind="application/json"):
    """Status and body of one request on a connection of its own."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        c.request(method, path, body, {"Content-Type": kind} if body is not None else {})
        r = c.getresponse()
        return r.status, r.read()
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
