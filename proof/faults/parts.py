"""Finds the parts of a running session among the processes that came from here."""

import os
import time

import left

PARTS = ("client", "plane", "launcher", "pid1", "gate")


def name(pid):
    """Which part a process is, or nothing."""
    told = left.status(pid)
    if told.get("State", "Z")[0] in "ZX":
        return None
    program, own = told.get("Name"), told.get("NSpid", "").split()
    if program == "bastided" and left.word(pid) in ("daemon", "wait"):
        # Of no session: one in front of all of them, and one that waits for the next.
        return None
    if program == "bastide-cell":
        # One number for each pid namespace from ours downwards: the launcher has ours alone, and pid 1's children,
        # before they become the agent, have another one than 1.
        if len(own) == len(left.status(os.getpid()).get("NSpid", "").split()):
            return "launcher"
        return "pid1" if own[-1:] == ["1"] else None
    return {"bastide": "client", "bastided": "plane", "bastide-gate": "gate"}.get(program)


def find(part):
    for pid in left.descendants(os.getpid()):
        if name(pid) == part:
            return pid
    return None


def wait_for(part, seconds=5, beside=None):
    """The pid of a part that is or comes to be; another one than `beside`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pid = find(part)
        if pid and pid != beside:
            return pid
    return None
