"""What lasts: a model's first token on its way, long streams and many WebSockets, and the memory that they take."""

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time

from figures import Figure
from memory import beneath, parents, pss

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS = 200
STREAM = 100
SOCKETS = 2000
POLICY = """bastide: 1
name: streams
extends: [hardened]
inference:
  providers: {{local: {{wire: openai, url: "http://host.bastide:{port}/v1"}}}}
  routes: [{{models: ["*"], provider: local}}]
network:
  allow:
    - {{to: "host.bastide:{port}", methods: [GET], paths: ["/plain/**"]}}
    - {{to: "host.bastide:{port}", protocol: websocket, paths: ["/ws"]}}
"""


class Running:
    """One question, asked in a cell or outside of any."""

    def __init__(self, person, script, words, policy=None):
        argv, more = ["python3", script, "ask", *map(str, words)], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        if policy:
            argv = [person.host.bastide, "run", "--policy", policy, "--env", "BENCH_INSIDE=1", "--", *argv]
        self.process = person.start(argv, stderr=subprocess.PIPE, text=True, bufsize=1, **more)

    def gates(self):
        """Its gates, once there are any."""
        while self.process.poll() is None:
            known = parents()
            if gates := [pid for pid in beneath(self.process.pid, known) if known[pid][1] == "bastide-gate"]:
                return gates
            time.sleep(0.005)
        raise RuntimeError(f"streams: {self.process.communicate()[1][-1500:]}")

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"streams: {self.process.communicate()[1][-1500:]}")
        return line.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()


class Watched:
    """The most memory that a gate had while something went on."""

    def __init__(self, running):
        self.gates, self.seen, self.over = running.gates(), [], False
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.over:
            with contextlib.suppress(OSError):
                self.seen.append(sum(pss(pid) for pid in self.gates))
            time.sleep(0.02)

    def end(self):
        self.over = True
        self.thread.join()
        return max(self.seen) - self.seen[0]


def measure(host, rounds):
    person = host.people()[0]
    script = person.put(os.path.join(HERE, "stream.py"))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # As many connections on each side as there are WebSockets.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most[1], most[1]))
    server = subprocess.Popen([sys.executable, script, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        policy = os.path.join(person.home, "streams.yaml")
        with open(policy, "w") as file:
            file.write(POLICY.format(port=port))
        yield first(person, script, port, policy)
        for kind, name in [("model", "a model's stream"), ("plain", "a body")]:
            with Running(person, script, [kind, port, STREAM], policy) as running:
                watched = Watched(running)
                try:
                    if int(running.line()) < STREAM << 20:
                        raise RuntimeError("streams: it was not all there")
                finally:
                    grown = watched.end()
            yield Figure("2.18", f"grown by {name}, {STREAM} MiB", "MiB", [grown], most=8)
        yield from sockets(person, script, port, policy)
    finally:
        server.terminate()
        server.wait(10)
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    person.forget_sessions()


def first(person, script, port, policy):
    took = {}
    for name, cell in [("directly", None), ("ours", policy)]:
        with Running(person, script, ["first", port, TOKENS], cell) as running:
            took[name] = [float(running.line()) for _ in range(TOKENS)][TOKENS // 10:]
    return Figure("2.18", "a model's first token", "ms", took["ours"], took["directly"], "without a cell", more=1.0)


def sockets(person, script, port, policy):
    with Running(person, script, ["sockets", port, SOCKETS], policy) as running:
        gates = running.gates()
        before = sum(pss(pid) for pid in gates)
        running.line()
        idle = sum(pss(pid) for pid in gates)
        yield Figure("2.18", f"an idle WebSocket of {SOCKETS}", "KiB", [(idle - before) * 1024 / SOCKETS], most=32)
        for _ in range(3):
            running.process.stdin.write("\n")
            running.line()
        yield Figure("2.18", "grown by messages on each", "MiB", [sum(pss(pid) for pid in gates) - idle], most=2)
