"""A thousand sub-agents one after the other under one parent, and what is left of them: in processes, in the parent's plane and
gate, and on disk. As slow as petitions may come: four minutes."""

import json
import os
import time

import spawn
from figures import Figure
from memory import anonymous, beneath, marks, parents

COUNT = 1000
# What is told of the parent's planes begins behind these: tables and caches fill.
FIRST = 200


def measure(host, _rounds):
    person = host.people()[-1]
    before = marks()
    parent = spawn.Parent(host, person)
    known = parents()
    ours = {known[pid][1]: pid for pid in beneath(parent.process.pid, known) if known[pid][1] in ("bastided", "bastide-gate")}
    there, began = {}, time.monotonic()
    for number in range(1, COUNT + 1):
        one(parent)
        if number == FIRST:
            there = weigh(ours)
    took = time.monotonic() - began
    parent.ask("wait", {"child": COUNT, "seconds": 30})
    time.sleep(2)
    after, family = weigh(ours), beneath(parent.process.pid, parents())
    parent.end()
    for name in ours:
        descriptors, size = (b - a for a, b in zip(there[name], after[name]))
        note = f"from child {FIRST} to {COUNT}; {took:.0f} s"
        yield Figure("3.13", f"descriptors more, {name}", "fds", [descriptors], most=0, note=note)
        yield Figure("3.13", f"memory of each more, {name}", "KiB", [size * 1024 / (COUNT - FIRST)], most=4)
    yield spawn.left(person, family, before)
    listed = len(json.loads(person.output([host.bastide, "ls", "--json"])))
    yield Figure("3.13", "sessions that `ls` does not show", "sessions", [COUNT + 1 - listed], most=0)
    person.output([host.bastide, "gc", "--before", "0d"])
    left = os.listdir(os.path.join(person.state, "bastide/sessions"))
    yield Figure("3.13", "sessions that `gc` leaves", "sessions", [len(left)], most=0)
    person.forget_sessions()


def one(parent):
    """The next one, as soon as petitions may come again."""
    body = {"task": "t", "command": ["/bin/true"]}
    while True:
        _, answer = parent.ask("spawn", body)
        if answer.get("answer") == "spawned":
            return
        if answer.get("reason") != "too-much":
            raise RuntimeError(f"spawns: {answer}")
        time.sleep(0.25)


def weigh(processes):
    """Descriptors, and MiB that are no part of a file."""
    return {name: (len(os.listdir(f"/proc/{pid}/fd")), anonymous(pid)) for name, pid in processes.items()}
