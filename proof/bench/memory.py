"""What stands beside an agent: memory of one cell, 200 cells at once, and what is left of them."""

import os
import signal
import subprocess
import time

from figures import Figure

CELLS = 200
SECONDS = 120
SETTLED = 20


def parents():
    """Every process's parent and command."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                text = file.read()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                argv = [word.decode(errors="replace") for word in file.read().split(b"\0")[:-1]]
        except OSError:
            continue
        rest = text.rpartition(")")[2].split()
        found[int(name)] = (int(rest[1]), text.partition("(")[2].rpartition(")")[0], argv)
    return found


def beneath(root, all_of_them):
    """A process and all that descend from it."""
    family, grew = {root}, True
    while grew:
        more = {pid for pid, (parent, _, _) in all_of_them.items() if parent in family} - family
        family |= more
        grew = bool(more)
    return family


def pss(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
    except ProcessLookupError:
        # The launcher, which ended and is not waited for yet, has no memory.
        return 0.0


def marks():
    """What a cell makes on the host beside processes."""
    groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path).startswith("bastide-")]
    with open("/proc/self/mountinfo") as file:
        mounts = sum(1 for _ in file)
    return {"groups": set(groups), "mounts": mounts}


def idle(host, person, seconds):
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return person.start([host.bastide, "run", "--", "/bin/sleep", seconds], **quiet)


def wait_for(seconds, count):
    """Until so many agents run; how many do."""
    until = time.monotonic() + SECONDS
    while True:
        found = sum(argv == ["/bin/sleep", seconds] for _, _, argv in parents().values())
        if found >= count or time.monotonic() > until:
            return found
        time.sleep(0.2)


def measure(host, rounds):
    for person in host.people():
        yield from one(host, person)
        yield from ready(host, person)
    yield from many(host, host.people()[-1])


def one(host, person):
    seconds = f"{80000 + os.getpid()}"
    beside, first = [], []
    for _ in range(5):
        cell = idle(host, person, seconds)
        try:
            if wait_for(seconds, 1) != 1:
                raise RuntimeError("no agent started")
            time.sleep(0.5)
            known = parents()
            ours = {pid for pid in beneath(cell.pid, known) if known[pid][2] != ["/bin/sleep", seconds]}
            beside.append(sum(pss(pid) for pid in ours))
            first.append(max(pss(pid) for pid in ours if known[pid][1] == "bastide-cell"))
        finally:
            cell.send_signal(signal.SIGTERM)
            cell.wait(30)
    person.forget_sessions()
    yield Figure("1.14", f"beside one agent, {person.name}", "MiB", beside, most=12)
    yield Figure("1.14", f"of it pid 1, {person.name}", "MiB", first, most=1)


def ready(host, person):
    """What stands where nothing runs: a daemon, and what it made ahead."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    daemon = person.start([os.path.join(host.bin, "bastided"), "daemon"], **quiet)
    try:
        until = time.monotonic() + SECONDS
        while len(beneath(daemon.pid, parents())) < 5 and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(0.5)
        family = beneath(daemon.pid, parents())
        whole, own = sum(pss(pid) for pid in family), sum(anonymous(pid) for pid in family)
    finally:
        daemon.terminate()
        daemon.wait(30)
        time.sleep(0.5)
    person.forget_sessions()
    yield Figure("3.13", f"a daemon and what it made ahead, {person.name}", "MiB", [whole])
    yield Figure("3.13", f"of it no part of a program's file, {person.name}", "MiB", [own])


def anonymous(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) / 1024
    except ProcessLookupError:
        return 0.0


def many(host, person):
    seconds = f"{70000 + os.getpid()}"
    before, began = marks(), time.monotonic()
    cells = [idle(host, person, seconds) for _ in range(CELLS)]
    try:
        running = wait_for(seconds, CELLS)
        took = time.monotonic() - began
        time.sleep(1)
        known = parents()
        family = set().union(*(beneath(cell.pid, known) for cell in cells))
        ours = [pid for pid in family if known.get(pid) and known[pid][2] != ["/bin/sleep", seconds]]
        beside = sum(pss(pid) for pid in ours) / CELLS
    finally:
        for cell in cells:
            if cell.poll() is None:
                cell.send_signal(signal.SIGTERM)
        for cell in cells:
            try:
                cell.wait(60)
            except subprocess.TimeoutExpired:
                cell.kill()
    # Planes bring their sessions to disk after the client was told.
    until = time.monotonic() + SETTLED
    while True:
        alive = [pid for pid in family if os.path.exists(f"/proc/{pid}")]
        after = marks()
        left = len(alive) + len(after["groups"] - before["groups"]) + max(0, after["mounts"] - before["mounts"])
        left += len(person.running())
        if not left or time.monotonic() > until:
            break
        time.sleep(0.5)
    person.forget_sessions()
    yield Figure("1.14", f"missing of {CELLS} cells at once", "cells", [CELLS - running], most=0)
    yield Figure("1.14", f"beside each of {CELLS}, {person.name}", "MiB", [beside], most=12)
    yield Figure("1.14", f"until {CELLS} agents ran", "s", [took])
    yield Figure(
        "1.14", "left of them", "things", [left], most=0, note="processes, control groups, mounts, sessions to repair"
    )
