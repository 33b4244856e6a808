"""kill -9 of each of our programs at random moments: during setup, at work, merging, and ending."""

import contextlib
import os
import random
import signal
import time

import left
import parts
from case import case, require
from person import finish
from server import Echo

FILES = 12
# Writes a file, says so, starts a program and makes a connection; what was said is what it had written.
WORK = """mkdir -p d; echo more >> kept; rm gone
for ((i = 1; i <= {files}; i++)); do
  echo "data $i" > d/f$i; echo $i; /bin/true
  exec 3<>/dev/tcp/host.bastide/{port} && exec 3>&-
  sleep 0.01
done"""


def original(stage):
    stage.write("kept", "as it was\n")
    stage.write("gone", "here\n")
    stage.write("deep/er/file", "x" * 5000)
    return left.tree(stage.workspace)


# How many moments are tried for each kill that is to hit.
PATIENCE = 3


def shot(pid):
    """Kills a part that was found. Whether it was there to be killed."""
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def enough(stage, hit, tried):
    """Kills that came after the end broke nothing, and show nothing."""
    require(hit * 2 >= stage.rounds, f"only {hit} of {tried} kills hit, {stage.rounds} were to")


def kill(part, moment, process):
    """Kills one part at a moment of the session, or at once when it comes later. Whether it was there to be killed."""
    if part == "launcher":
        pid = parts.wait_for("launcher", 2)
        time.sleep(min(moment, 0.01) * random.random())
    else:
        time.sleep(moment)
        pid = parts.find(part)
        while pid is None and process.poll() is None:
            pid = parts.find(part)
    return shot(pid)


def killing(part):
    def run(stage):
        before = original(stage)
        with Echo() as server:
            argv = [stage.bastide, "run", *server.flag, "--", "/bin/bash", "-c",
                    WORK.format(files=FILES, port=server.port)]
            first, done = stage.run(argv), stage.run(argv)
            require(first.code == done.code == 0 and server.came == 2 * FILES, "the work does not work:", first, done)
            # On a busy machine one of them may take far longer than those that are to be hit.
            done = min(first, done, key=lambda one: one.seconds)
            require(done.seconds < 15, "the work takes far too long:", done)
            seen = {session["id"] for session in stage.sessions()}
            killed, tried, codes = 0, 0, {}
            # A moment after the end hits nothing: then another one is tried.
            while killed < stage.rounds and tried < PATIENCE * stage.rounds:
                tried += 1
                process = stage.spawn(argv)
                moment = random.uniform(0, done.seconds * 1.05)
                killed += kill(part, moment, process)
                ended = finish(process, time.monotonic(), 15)
                require(ended.code is not None, f"the client hangs after {part} was killed at {moment:.3f} s:", ended)
                # The launcher is gone before the program starts: without it nothing was run.
                require(part != "launcher" or ended.code in (0, 125), f"told that something was run, {moment:.3f} s:", ended)
                codes[ended.code] = codes.get(ended.code, 0) + 1
                judge(stage, before, ended, seen, f"{part} killed at {moment:.3f} s")
        stage.starts()
        enough(stage, killed, tried)
        return f"{killed} kills hit; exit codes {codes}"
    return run


def judge(stage, before, ended, seen, when):
    """What must hold after a kill."""
    stage.clean(verify=False)
    require(left.tree(stage.workspace) == before, f"the original changed, {when}")
    new = {session["id"] for session in stage.sessions()} - seen
    require(len(new) <= 1, f"{len(new)} new sessions, {when}")
    written = [line for line in ended.out.splitlines() if line.isdigit()]
    require(new or not written, f"the session is gone, {when}:", ended)
    for session in new:
        verified = stage.face("log", "verify", session)
        require(verified.code == 0, f"the record does not verify, {when}:", verified)
        changed = stage.changed(session)
        lost = [name for name in written if not any(path.endswith(f"d/f{name}") for path in changed)]
        require(not lost, f"lost what was written ({lost}), {when}; diff has {sorted(changed)}")
    seen |= new


for one in parts.PARTS:
    case(f"kill-{one}")(killing(one))

MANY = 60


@case("kill-apply")
def kill_apply(stage):
    """The original is as before or as after, whole, once the next command was given."""
    hit, number, outcomes = 0, 0, {"before": 0, "after": 0}
    span = None
    # The first one is not killed: it tells how long a merge takes.
    while hit < stage.rounds and number <= PATIENCE * stage.rounds:
        script = f"mkdir -p m; for ((i = 0; i < {MANY}; i++)); do echo {number} > m/f$i; done; rm -f m/old; echo {number} > same"
        stage.write("m/old", "old\n")
        before = left.tree(stage.workspace)
        done = stage.cell(script)
        require(done.code == 0, "the changes were not made:", done)
        process = stage.spawn([stage.bastide, "apply"])
        if span is not None:
            time.sleep(random.uniform(0, span))
            hit += shot(parts.find("plane" if number % 3 else "client"))
        ended = finish(process, time.monotonic(), 20)
        span = span or ended.seconds * 1.1
        stage.clean(verify=number % 10 == 0)
        after = left.tree(stage.workspace)
        new = sum(read(stage, f"m/f{index}") == f"{number}\n" for index in range(MANY))
        whole = new == MANY and read(stage, "same") == f"{number}\n" and "m/old" not in after
        require(whole or after == before, f"half merged: {new} of {MANY} files, after {ended}")
        outcomes["after" if whole else "before"] += 1
        if not whole:
            again = stage.face("apply")
            require(again.code == 0 and read(stage, "same") == f"{number}\n", "cannot be applied again:", again)
        number += 1
    stage.verify()
    enough(stage, hit, number - 1)
    return f"{hit} kills hit; {outcomes}"


def read(stage, name):
    with contextlib.suppress(OSError), open(os.path.join(stage.workspace, name), encoding="utf-8") as file:
        return file.read()
    return None


SIZE = 65536


@case("kill-live")
def kill_live(stage):
    """Merging while the session runs: what arrived is whole, and the rest waits in `diff`."""
    arrived, hit, number = 0, 0, 0
    while hit < stage.rounds and number < PATIENCE * stage.rounds:
        # Without pid 1 nothing more is started: a file that the program itself left short is none that it names.
        script = (f"set -o pipefail; mkdir -p l; for ((i = 0; i < 40; i++)); do"
                  f" head -c {SIZE} /dev/zero | tr '\\0' x > l/{number}-$i && echo $i; sleep 0.05; done")
        process = stage.spawn([stage.bastide, "run", "--mode", "live", "--", "/bin/bash", "-c", script])
        time.sleep(random.uniform(0.5, 3.2))
        hit += shot(parts.find(("plane", "client", "pid1")[number % 3]))
        ended = finish(process, time.monotonic(), 15)
        stage.clean(verify=False)
        changed = stage.changed()
        for name in ended.out.split():
            path = os.path.join(stage.workspace, f"l/{number}-{name}")
            merged = os.path.exists(path)
            require(merged or any(key.endswith(f"l/{number}-{name}") for key in changed), f"file {name} is lost: {ended}")
            require(not merged or os.path.getsize(path) == SIZE, f"file {name} is half merged: {ended}")
            arrived += merged
        number += 1
    stage.verify()
    stage.starts()
    enough(stage, hit, number)
    return f"{hit} kills hit; {arrived} files had arrived"
