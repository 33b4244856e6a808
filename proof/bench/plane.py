"""The plane with much in it: 1,000,000 events stored, and 100 sessions at once."""

import json
import os
import shutil
import subprocess
import time

import memory
from figures import Figure

SESSIONS = 1000
EVENTS = 1000
ROUNDS = 15
AT_ONCE = 100
# Seconds after which each has read its record for the ledger and looked at its disk: what it keeps for that is counted, as in a
# session that goes on for hours.
STANDING = 5
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def measure(host, rounds):
    person = host.people()[-1]
    yield from stored(host, person)
    person.forget_sessions()
    yield from at_once(host, person)


def fill(host, person):
    """One session that ran, and copies of it under other ids, which are listed and read like any; how many events."""
    script = f"i=0; while [ $i -lt {EVENTS} ]; do /bin/true; i=$((i+1)); done"
    person.output([host.bastide, "run", "--", "/bin/sh", "-c", script])
    sessions = os.path.join(person.state, "bastide/sessions")
    first, = os.listdir(sessions)
    source = os.path.join(sessions, first)
    events = 0
    for name in ("plane.segment", "gate.segment"):
        with open(os.path.join(source, name), "rb") as file:
            events += sum(1 for _ in file)
    with open(os.path.join(source, "session.json")) as file:
        record = json.loads(file.readline())
    for number in range(SESSIONS):
        # Older than the one that ran.
        ident = "0000" + first[4:-2] + DIGITS[number // 32] + DIGITS[number % 32]
        target = os.path.join(sessions, ident)
        shutil.copytree(source, target, symlinks=True, copy_function=shutil.copy)
        with open(os.path.join(target, "session.json"), "w") as file:
            json.dump({**record, "id": ident}, file)
        for top, _, files in os.walk(target):
            for path in [top, *(os.path.join(top, file) for file in files)]:
                person.own(path)
    return events * (SESSIONS + 1)


def milliseconds(work):
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def stored(host, person):
    events = fill(host, person)
    note = f"{events:,} events in {SESSIONS + 1} sessions"
    address = os.path.join(person.state, "bastide/api")

    def answers():
        """From the start of a daemon to its first answer."""
        daemon = person.start([host.bastide, "daemon"], **QUIET)
        try:
            # One that was killed leaves the socket: nobody answers there until the next one does.
            ask = ["curl", "-s", "-o", "/dev/null", "--unix-socket", address, "http://x/v1/version"]
            while person.run(ask).code:
                time.sleep(0.001)
        finally:
            daemon.kill()
            daemon.wait()

    begins = milliseconds(answers)
    lists = milliseconds(lambda: person.output([host.bastide, "ls", "--json"]))
    newest = milliseconds(lambda: person.output([host.bastide, "show", "--json"]))
    runs = milliseconds(lambda: person.output([host.bastide, "run", "--", "/bin/true"]))
    yield Figure("3.14", "a daemon's start to its first answer", "ms", begins, most=30, note=note)
    yield Figure("3.14", "`ls` of all", "ms", lists, note=note)
    yield Figure("3.14", "`show` of the newest", "ms", newest, note=note)
    yield Figure("3.14", "`run -- /bin/true` beside them", "ms", runs, note=note)


def at_once(host, person):
    """What stands in front of sessions that go on by themselves, and the processes that hold them."""
    seconds = f"{60000 + os.getpid()}"
    daemon = person.start([host.bastide, "daemon"], **QUIET)
    names = [f"at-once-{number}" for number in range(AT_ONCE)]
    try:
        for name in names:
            person.output([host.bastide, "run", "-d", "--name", name, "--", "/bin/sleep", seconds])
        memory.wait_for(seconds, AT_ONCE)
        time.sleep(STANDING)
        known = memory.parents()
        # One that waited and was taken stays a child of who kept it, and holds a session like any other.
        planes = [pid for pid, (_, name, _) in known.items() if name == "bastided" and holds_a_session(person, pid)]
        theirs = set().union(*(memory.beneath(pid, known) for pid in planes))
        in_front = {known[pid][1]: 0 for pid in memory.beneath(daemon.pid, known) - theirs}
        for pid in memory.beneath(daemon.pid, known) - theirs:
            in_front[known[pid][1]] += memory.pss(pid)
        each = [memory.pss(pid) for pid in planes]
    finally:
        for name in names:
            person.run([host.bastide, "stop", name, "--timeout", "1s"])
        daemon.kill()
        daemon.wait()
    if len(planes) != AT_ONCE:
        raise RuntimeError(f"plane: {len(planes)} processes hold {AT_ONCE} sessions")
    note = ", ".join(f"{name} {size:.1f}" for name, size in sorted(in_front.items()))
    whole = sum(in_front.values())
    yield Figure("3.14", f"what stands before {AT_ONCE} sessions", "MiB", [whole], most=25, note=note)
    yield Figure("3.14", "the process that holds one of them", "MiB", each)
    yield Figure(
        "3.14", "all of these", "MiB", [whole + sum(each)], most=25, note="each session has a process of its own"
    )


def holds_a_session(person, pid):
    """By the lock of its directory, which it has open."""
    sessions = os.path.join(person.state, "bastide/sessions") + "/"
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return any(link.startswith(sessions) and link.endswith("/lock") for link in links)
