"""What `bastide watch` takes while nothing is pressed: over 100 sessions that run, beside 1,000 that ended."""

import fcntl
import os
import select
import signal
import struct
import termios
import time

import memory
import plane
from figures import Figure

ROUNDS = 3
SECONDS = 20
PATIENCE = 60


def measure(host, rounds):
    person = host.people()[-1]
    events = plane.fill(host, person)
    seconds = f"{70000 + os.getpid()}"
    names = [f"watched-{number}" for number in range(plane.AT_ONCE)]
    try:
        for name in names:
            person.output([host.bastide, "run", "-d", "--name", name, "--", "/bin/sleep", seconds])
        memory.wait_for(seconds, plane.AT_ONCE)
        yield from watched(host, person, f"{plane.AT_ONCE} running, {plane.SESSIONS + 1} ended, {events:,} events")
    finally:
        for name in names:
            person.run([host.bastide, "stop", name, "--timeout", "1s"])


def watched(host, person, note):
    unwatched = [taken_in(holders(), lambda: time.sleep(SECONDS)) for _ in range(ROUNDS)]
    before = time.perf_counter()
    pid, master = person.terminal([host.bastide, "watch"], person.workspace)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        seen = drain(master, PATIENCE, until=f"{plane.AT_ONCE} running".encode())
        shown = (time.perf_counter() - before) * 1000
        if seen is None:
            raise RuntimeError("the sessions never stood on the screen")
        drain(master, 2)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            family = memory.beneath(pid, memory.parents())
            sessions = holders(family)
            start = taken(family)
            theirs.append(taken_in(sessions, lambda: drain(master, SECONDS)))
            ours.append((taken(family) - start) / SECONDS * 100)
        held = sum(memory.pss(one) for one in family)
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(master)
    yield Figure("3.12", "`watch` until all stand on the screen", "ms", [shown], note=note)
    yield Figure("3.12", "`watch` and its plane, of one processor", "%", ours, most=1, note=note)
    yield Figure("3.12", "the processes that hold the sessions", "%", theirs, unwatched, "not watched", note="all together")
    yield Figure("3.12", "`watch` and its plane", "MiB", [held])


def drain(master, seconds, until=None):
    """What is drawn in this time, or until it is drawn; none where it never is."""
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([master], [], [], end - time.monotonic())[0]:
            seen = (seen + os.read(master, 65536))[-200_000:]
            if until and until in seen:
                return seen
    return None if until else seen


def holders(besides=frozenset()):
    """Processes that hold sessions."""
    return [pid for pid, (_, name, _) in memory.parents().items() if name == "bastided" and pid not in besides]


def taken_in(processes, work):
    """Percent of a processor that they take meanwhile."""
    start, since = taken(processes), time.monotonic()
    work()
    return (taken(processes) - start) / (time.monotonic() - since) * 100


def taken(processes):
    """Seconds of processor time."""
    ticks = 0
    for pid in processes:
        try:
            with open(f"/proc/{pid}/stat") as file:
                rest = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(rest[11]) + int(rest[12])
    return ticks / os.sysconf("SC_CLK_TCK")
