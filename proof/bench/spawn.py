"""A sub-agent from its petition to its first instruction, beside a plain spawn and bubblewrap; many of them; what they leave."""

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import time

from figures import Figure
from memory import anonymous, beneath, marks, parents, pss
from start import BWRAP, standby

# Most children of one session: it hears 64 petitions at once, and 4 a second, two for each child.
ROUNDS = 30
# Seconds between two rounds: what the one before still brings to disk, or makes ready, is in nobody's time.
PAUSE = 0.2
AT_ONCE = 50
SETTLED = 30
POLICY = """bastide: 1
name: spawn
extends: [hardened]
agents: {depth: 1, children: 60, total: 2000, rate: 1000/s}
"""
# With a C library, as programs are; and without one, which says what the rest of a start costs.
PROGRAMS = {"a C program": "first", "without a C library": "bare"}


class Driver:
    """Starts something for each line that it hears."""

    def __init__(self, process):
        self.process = process

    def says(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"spawn: {self.process.communicate()[1][-800:]}")
        return answer

    def end(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        if self.process.wait(60):
            raise RuntimeError(f"spawn: {self.process.stderr.read()[-800:]}")


def driver(person, argv):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return Driver(person.start(argv, text=True, **pipes))


def plain(host, person, argv):
    return driver(person, [host.program("spawn"), "plain", *argv])


class Parent(Driver):
    """A session that asks for sub-agents."""

    def __init__(self, host, person):
        person.put(host.program("spawn"))
        policy = person.write("spawn.yaml", POLICY)
        before = set(glob.glob(os.path.join(person.state, "bastide/sessions/*")))
        started = driver(person, [host.bastide, "run", "--policy", policy, "--", "./spawn", "ask"])
        super().__init__(started.process)
        self.sessions = os.path.join(person.state, "bastide/sessions")
        # It runs when it answers.
        self.ask("whoami", {})
        self.id = os.path.basename((set(glob.glob(f"{self.sessions}/*")) - before).pop())

    def ask(self, verb, body):
        asked, answer = self.says(f"{verb} {json.dumps(body)}").split(" ", 1)
        return int(asked), json.loads(answer)

    def spawn(self, command, files=()):
        """When it was asked for, which child it is, and the answer."""
        body = {"task": "t", "command": command, "files": [{"path": path, "access": "read"} for path in files]}
        asked, answer = self.ask("spawn", body)
        if answer.get("answer") != "spawned":
            raise RuntimeError(f"spawn: {answer}")
        return asked, answer["child"]

    def began(self):
        """When each child did, by its number."""
        found = {}
        for path in glob.glob(f"{self.sessions}/*/session.json"):
            with open(path) as file:
                parent = json.loads(file.readline()).get("parent")
            if parent and parent["session"] == self.id:
                with open(os.path.join(os.path.dirname(path), "stdout")) as file:
                    found[parent["child"]] = int(file.read())
        return found


def measure(host, rounds):
    rounds = min(rounds, ROUNDS)
    for person in host.people():
        yield from timed(host, person, ("cold", 10), rounds)
        with standby(host, person):
            yield from timed(host, person, ("made ahead", 5), rounds)
        person.forget_sessions()
    yield from many(host, host.people()[-1])


def timed(host, person, promised, rounds):
    how, times = promised
    for kind, program in PROGRAMS.items():
        own = host.program(program)
        person.put(own)
        bound = BWRAP[:-2] + ["--ro-bind", own, "/first", "--", "/first"]
        parent = Parent(host, person)
        sides = [plain(host, person, [own]), plain(host, person, bound)]
        native, bwrap, asked = [], [], {}
        for number in range(rounds):
            for turn in range(3):
                time.sleep(PAUSE)
                side = (number + turn) % 3
                if side == 2:
                    at, child = parent.spawn([f"./{program}"], [program])
                    asked[child] = at
                    parent.ask("wait", {"child": child, "seconds": 30})
                else:
                    begins, began = map(int, sides[side].says().split())
                    [native, bwrap][side].append((began - begins) / 1000)
        for one in (parent, *sides):
            one.end()
        began = parent.began()
        ours = [(began[child] - at) / 1000 for child, at in asked.items()]
        name = f"{how}: {kind}, {person.name}"
        yield Figure("3.13", f"spawn {name}", "us", ours, native, "a plain spawn of it", times=times)
        yield Figure("3.13", f"the same {name}", "us", ours, bwrap, "bwrap --unshare-all")


def many(host, person):
    """So many under one parent, each of which sleeps."""
    seconds = f"{90000 + os.getpid()}"
    before, parent = marks(), Parent(host, person)
    began = time.monotonic()
    for _ in range(AT_ONCE):
        parent.spawn(["/bin/sleep", seconds])
    took = time.monotonic() - began
    known = parents()
    alive = sum(argv == ["/bin/sleep", seconds] for _, _, argv in known.values())
    family = beneath(parent.process.pid, known)
    beside = sum(pss(pid) for pid in family if known[pid][2] != ["/bin/sleep", seconds]) / (AT_ONCE + 1)
    parent.process.send_signal(signal.SIGTERM)
    parent.process.wait(60)
    yield Figure("3.13", f"missing of {AT_ONCE} at once", "children", [AT_ONCE - alive], most=0)
    yield Figure("3.13", f"until {AT_ONCE} ran", "s", [took])
    yield Figure("3.13", "beside each of them", "MiB", [beside])
    yield left(person, family, before)
    person.forget_sessions()


def left(person, family, before):
    """What there is beside sessions that are listed, once all is on disk."""
    until = time.monotonic() + SETTLED
    while True:
        alive = [pid for pid in family if os.path.exists(f"/proc/{pid}")]
        after = marks()
        there = [*alive, *(after["groups"] - before["groups"]), *person.running(), *strays(person)]
        count = len(there) + max(0, after["mounts"] - before["mounts"])
        if not count or time.monotonic() > until:
            note = "processes, groups, mounts, sockets, files beside sessions"
            return Figure("3.13", "left of them", "things", [count], most=0, note=note)
        time.sleep(0.5)


def strays(person):
    """Files of the state that belong to no session that is listed, and sockets."""
    root = os.path.join(person.state, "bastide")
    listed = {one["id"] for one in json.loads(person.output([person.host.bastide, "ls", "--json"]))}
    there = set(os.listdir(os.path.join(root, "sessions")))
    sockets = [path for path in glob.glob(f"{root}/**", recursive=True) if not os.path.islink(path) and is_socket(path)]
    return [*(there - listed), *sockets, *glob.glob(f"{root}/ahead/*")]


def is_socket(path):
    import stat

    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False
