"""The plane with much in it: 1,000,000 events stored, 100 sessions at once, events verified."""

import json
import os
import shutil
import subprocess
import time

from figures import Figure

SESSIONS = 1000
EVENTS = 1000
ROUNDS = 15
AT_ONCE = 100


def stored(person, host):
    """A state with many sessions: one that ran, and copies of it. A copy has another id, so its chain is another's; it is
    read as any other is."""
    script = "i=0; while [ $i -lt %d ]; do /bin/true; i=$((i+1)); done" % EVENTS
    person.run([host.bastide, "run", "--", "/bin/sh", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sessions = os.path.join(person.state, "bastide/sessions")
    first, = os.listdir(sessions)
    with open(os.path.join(sessions, first, "session.json")) as file:
        record = json.load(file)
    events = sum(open(os.path.join(sessions, first, name)).read().count("\n") for name in ("plane.segment", "gate.segment"))
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    for number in range(SESSIONS - 1):
        ident = first[:-2] + digits[number // 32 % 32] + digits[number % 32]
        target = os.path.join(sessions, ident)
        if ident == first:
            continue
        shutil.copytree(os.path.join(sessions, first), target, symlinks=True)
        with open(os.path.join(target, "session.json"), "w") as file:
            json.dump({**record, "id": ident}, file)
    subprocess.run(["chown", "-R", str(person.uid), sessions], check=True)
    return events * len(os.listdir(sessions))


def milliseconds(work):
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return sorted(taken)


def first_answer(person, host):
    """From the start of a daemon to its first answer."""
    address = os.path.join(person.state, "bastide/api")
    daemon = person.start([host.bastide, "daemon"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while person.run(["curl", "-s", "-o", "/dev/null", "--unix-socket", address, "http://x/v1/version"]).returncode:
        pass
    daemon.kill()
    daemon.wait()
