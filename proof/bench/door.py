"""A connection through the door, beside the least relay in the same cell; the program known; nothing left behind."""

import contextlib
import json
import os
import subprocess
import time

from figures import Figure
from memory import beneath, parents

BATCH = 20
PROCESSES = 150
MANY = 10_000
POLICY = """bastide: 1
name: bench
extends: [hardened]
network:
  allow:
    - {{to: "host.bastide:{port}"{programs}}}
"""


class Client:
    """A cell with `connect` in it, told on stdin what to do."""

    def __init__(self, person, bastide, port, name, processes=1, programs=None):
        policy = os.path.join(person.home, f"{len(os.listdir(person.home))}.yaml")
        program = os.path.join(person.workspace, "connect")
        with open(policy, "w") as file:
            named = f", programs: [{program}]" if programs else ""
            file.write(POLICY.format(port=port, programs=named))
        argv = [bastide, "run", "--policy", policy, "--", program, name, str(port), str(processes)]
        self.process = person.start(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.connect(BATCH)

    def connect(self, times):
        """Microseconds of each of so many connections."""
        self.process.stdin.write(f"{times}\n")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"connect: {self.process.communicate()[1][-600:]}")
        return [one / 1000 for one in json.loads(line)]

    def family(self):
        known = parents()
        return {pid: known[pid][1] for pid in beneath(self.process.pid, known)}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextlib.contextmanager
def echo(person):
    server = person.start([person.host.program("echo")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield int(server.stdout.readline())
    finally:
        server.stdin.close()
        server.wait(10)


def measure(host, rounds):
    for person in host.people():
        person.put(host.program("connect"))
        with echo(person) as port:
            yield from compared(host, person, port, rounds)
        person.forget_sessions()


def compared(host, person, port, rounds):
    relayed = os.path.join(host.relayed, "bastide")
    with contextlib.ExitStack() as stack:
        def cell(bastide, name, **more):
            return stack.enter_context(Client(person, bastide, port, name, **more))

        # The relay answers no names: any address that is captured will do, it looks at the port alone.
        sides = {
            "gate": cell(host.bastide, "host.bastide"),
            "relay": cell(relayed, "198.18.0.9"),
            "plain": cell(host.bastide, "host.bastide", processes=PROCESSES),
            "known": cell(host.bastide, "host.bastide", processes=PROCESSES, programs=True),
        }
        took = {name: [] for name in sides}
        names = list(sides)
        for round in range(rounds):
            for name in names[round % 4 :] + names[: round % 4]:
                took[name] += sides[name].connect(BATCH)
        yield Figure(
            "1.15", f"a connection, {person.name}", "us", took["gate"], took["relay"],
            "a C relay in the same cell", times=1.3,
        )
        yield Figure(
            "1.15", f"program known, {person.name}", "us", took["known"], took["plain"],
            f"a rule without programs, {PROCESSES} processes", more=25,
        )
        yield from left(sides["gate"])


def held(client):
    """Descriptors and KiB of every process of ours that belongs to a cell."""
    descriptors, memory = 0, 0
    for pid, name in client.family().items():
        if not name.startswith("bastide"):
            continue
        descriptors += len(os.listdir(f"/proc/{pid}/fd"))
        with open(f"/proc/{pid}/status") as file:
            # The launcher, which ended and is not waited for yet, has none.
            memory += sum(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    return descriptors, memory


def left(client):
    client.connect(2000)
    time.sleep(2)
    descriptors, memory = held(client)
    client.connect(MANY)
    time.sleep(2)
    after = held(client)
    yield Figure("1.15", f"descriptors left by {MANY}", "fds", [after[0] - descriptors], most=0)
    yield Figure(
        "1.15", f"memory left by {MANY}", "KiB", [after[1] - memory], most=256,
        note=f"resident, all processes of the cell, {memory} KiB before; 256 is the allocator's noise",
    )
