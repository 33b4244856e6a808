"""Disks that are full: of the state, of the workspace, of the outcome."""

import contextlib
import json
import os
import subprocess
import tempfile
import time

import left
from case import case, require
from cases.family import ASK
from cases.questions import POLICY, Outside
from person import finish
from server import Echo


@contextlib.contextmanager
def disk(stage, size):
    """A small file system of the person's own, outside their base."""
    place = tempfile.mkdtemp(prefix="bastide-disk-", dir="/tmp")
    options = f"size={size},mode=0755,uid={stage.uid},gid={stage.gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "bastide-faults", place], check=True)
    try:
        yield place
    finally:
        left.survivors(8)
        subprocess.run(["umount", place], check=True)
        os.rmdir(place)


def fill(place, leave=0):
    """Writes until nothing more goes in, then gives `leave` bytes back."""
    path = os.path.join(place, "filler")
    filler = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with contextlib.suppress(OSError):
        while os.write(filler, b"x" * 4096):
            pass
    os.ftruncate(filler, max(0, os.fstat(filler).st_size - leave))
    os.close(filler)
    return path


@case("state-full-before")
def before(stage):
    with disk(stage, "2m") as place:
        stage.state = place
        filler = fill(place)
        stage.not_run(stage.cell("echo RAN"), "No space left")
        os.unlink(filler)
        require(stage.cell("echo RAN").code == 0, "cannot run after there is room again")
        filler = fill(place)
        stage.not_run(stage.cell("echo RAN"), "No space left")
        os.unlink(filler)
        stage.clean()
        stage.starts()


@case("state-full-at-start")
def at_start(stage):
    """Whatever the amount of room, either nothing was run or all was, and it is said."""
    seen = {}
    with disk(stage, "2m") as place:
        stage.state = place
        require(stage.cell("true").code == 0, "cannot run")
        for pages in range(0, 40, 1 if stage.rounds > 5 else 4):
            filler = fill(place, pages * 4096)
            done = stage.cell("echo RAN")
            os.unlink(filler)
            if "RAN" in done.out:
                require(done.code != 125, "told that nothing was run:", done)
            else:
                stage.not_run(done)
            word = f"{done.code}{' ran' if 'RAN' in done.out else ''}"
            seen[word] = seen.get(word, 0) + 1
            stage.clean(verify=False)
        stage.verify()
    return str(seen)


@case("state-full-during")
def during(stage):
    """The program fills the disk: what cannot be recorded is refused, and the end is told as it was."""
    with disk(stage, "3m") as place, Echo() as server:
        stage.state = place
        # What is left of the last page of a segment still takes a few events.
        script = (f"exec 2>&1; dd if=/dev/zero of=big bs=4k; for ((i = 0; i < 100; i++)); do"
                  f" (exec 3<>/dev/tcp/host.bastide/{server.port}) || break; done; echo $i; exit 3")
        done = stage.cell(script, *server.flag)
        require(done.out.strip().endswith(tuple("0123456789")), "the program did not end:", done)
        require(server.came < 100, "connections that no record holds:", done)
        require(done.code not in (0, 125, None), "the exit says that all is well, or that nothing was run:", done)
        flat = " ".join(done.err.split())
        require("could not be written" in flat, "not told:", done)
        upper = os.path.join(place, "bastide/sessions", os.listdir(f"{place}/bastide/sessions")[0], "changes/0/upper/big")
        os.unlink(upper)
        stage.clean()
        told = stage.json("show")["allowed"]
        recorded = sum(one["times"] for one in told)
        require(recorded >= server.came, f"{server.came} connections, {recorded} recorded")
        require(stage.sessions()[0]["state"] != "running", "still running")
        stage.starts()
        return f"exit {done.code}"


def full(done, *what):
    """Refused for that, in words."""
    require(done.code not in (0, None) and "error[" in done.err, *what, done)
    require("No space left" in " ".join(done.err.split()), *what, done)


def asking(stage, policy, outside):
    """A session whose program waits for the operator."""
    script = "curl -s -m 60 --noproxy '*' -o /dev/null -w '%{http_code}' http://one.example/; sleep 1000"
    argv = [stage.bastide, "run", "--name", "asks", "--patience", "60s", "--policy", policy, "--", "/bin/bash", "-c", script]
    return stage.spawn(argv, env={"https_proxy": f"http://127.0.0.1:{outside.port}"})


def waiting(stage, process):
    until = time.monotonic() + 20
    while not (cards := stage.json("approve")):
        require(time.monotonic() < until and process.poll() is None, "nothing was asked")
    return cards


@case("state-full-orders")
def orders(stage):
    """What the operator asks for meanwhile is refused, and nothing of it happens: an answer, another policy, a secret."""
    policy = stage.write("asks.yaml", POLICY, base=stage.home)
    secret = ["vault", "set", "key", "--to", "a.example"]
    with disk(stage, "3m") as place, Outside() as outside:
        stage.state = place
        keep = stage.write("first", "hunter2-the-first", base=stage.home)
        with open(keep, encoding="ascii") as file:
            done = stage.face(*secret, stdin=file)
        require(done.code == 0, "cannot keep a secret:", done)
        before = stage.json("vault", "list")
        process = asking(stage, policy, outside)
        cards = waiting(stage, process)
        filler = fill(place)
        with open(keep, encoding="ascii") as file:
            full(stage.face(*secret, stdin=file), "a secret without room for it:")
        full(stage.face("policy", "apply", "asks", "hardened"), "another policy without room for it:")
        stage.not_run(stage.cell("echo RAN"), "No space left")
        require(stage.json("show", "asks")["revision"] == 1, "another policy is in force, and not kept")
        # What is left of the record's last page may still take an answer.
        answered = stage.face("approve", cards[0]["id"], "--once")
        os.unlink(filler)
        require(stage.json("vault", "list") == before, "the vault is another one:", stage.json("vault", "list"))
        with contextlib.suppress(OSError):
            process.terminate()
        done = finish(process, time.monotonic(), 20)
        ruled = stage.face("log", "asks").out.count(": once, uid ")
        require(sum(outside.asked.values()) <= ruled, f"let through {outside.asked}, {ruled} answers recorded:", answered)
        require(answered.code == 0 or not outside.asked, "refused, and let through:", answered)
        with open(keep, encoding="ascii") as file:
            require(stage.face(*secret, stdin=file).code == 0, "cannot keep a secret when there is room")
        stage.clean()
        stage.starts()
        return f"the answer: exit {answered.code}; the session: exit {done.code}"


@case("state-full-unrecorded")
def unrecorded(stage):
    """The order that cannot be recorded is refused and ends the session; what waits for an answer is never let through."""
    policy = stage.write("asks.yaml", POLICY, base=stage.home)
    with disk(stage, "3m") as place, Outside() as outside:
        stage.state = place
        process = asking(stage, policy, outside)
        card, = waiting(stage, process)
        filler, orders = fill(place), 0
        while orders < 200:
            done = stage.face(("pause", "resume")[orders % 2], "asks")
            if done.code != 0:
                break
            orders += 1
        require("record" in " ".join(done.err.split()), "not refused for that:", done)
        answered = stage.face("approve", card["id"], "--once")
        require(answered.code != 0 and "error[" in answered.err, "an answer is taken that nothing holds:", answered)
        ended = finish(process, time.monotonic(), 20)
        os.unlink(filler)
        require(ended.code not in (0, 125, None), "the session went on without a record:", ended)
        require(not outside.asked, "let through:", outside.asked)
        stage.clean()
        stage.starts()
        return f"{orders} orders fitted"


AGENTS = "bastide: 1\nname: family\nextends: [hardened]\nagents: {children: 3, total: 9, rate: 100/s, tokens: 100}\n"


@case("state-full-spawn")
def spawn(stage):
    """A sub-agent that nothing can be kept of does not begin, and who asked is told; with room, one does."""
    policy = stage.write("family.yaml", AGENTS, base=stage.home)
    stage.write("ask.py", ASK)
    wish = json.dumps({"task": "t", "command": ["sh", "-c", "echo x > made"], "files": [{"path": ".", "access": "write"}],
                       "budget": {"tokens": 10}})
    script = 'echo go; read word; python3 ask.py spawn "$WISH"; python3 ask.py wait "{\\"seconds\\": 5}"; echo said; read word'
    told = {}
    for room in (0, 8192, 65536, None):
        with disk(stage, "3m") as place:
            stage.state = place
            argv = [stage.bastide, "run", "--policy", policy, "--env", f"WISH={wish}", "--", "/bin/bash", "-c", script]
            process = stage.spawn(argv, stdin=subprocess.PIPE)
            require(process.stdout.readline() == b"go\n", "it does not begin")
            filler = fill(place, room) if room is not None else None
            process.stdin.write(b"now\n")
            process.stdin.flush()
            time.sleep(0.1)
            done = finish(process, time.monotonic(), 60)
            if filler:
                os.unlink(filler)
            stage.clean()
            children = [session for session in stage.sessions() if session["parent"] is not None]
            require(all(one["state"] != "running" for one in children), "a child runs on:", children)
            began = '"spawned"' in done.out
            require(began or room is not None, "no sub-agent begins where there is room:", done)
            require(not began or children, "one is said to have begun and is not there:", done)
            told[room] = "spawned" if began else "refused" if '"denied"' in done.out else f"exit {done.code}"
            require(began or told[room] != "exit 0", "neither begun nor refused:", done)
            stage.starts()
    return str(told)


@case("state-full-at-apply")
def state_at_apply(stage):
    """A merge that cannot be recorded is not done."""
    with disk(stage, "3m") as place:
        stage.state = place
        stage.write("kept", "as it was\n")
        original = left.tree(stage.workspace)
        require(stage.cell("echo new > kept; echo new > made").code == 0, "cannot run")
        # Merges that are recorded fill what is left of the record's last page.
        filler = fill(place)
        done = stage.face("apply")
        require(done.code in (1, 125) and "No space left" in " ".join(done.err.split()), "not told:", done)
        require(left.tree(stage.workspace) == original, "merged without a record")
        os.unlink(filler)
        stage.clean()
        done = stage.face("apply")
        require(done.code == 0 and len(left.tree(stage.workspace)) == 2, "cannot be applied later:", done)
        stage.clean()


@case("workspace-full-at-apply")
def at_apply(stage):
    with disk(stage, "1m") as place:
        stage.workspace = place
        stage.write("kept", "as it was\n")
        original = left.tree(place)
        done = stage.cell("echo new > kept; for i in 1 2 3 4 5 6; do head -c 400000 /dev/urandom > f$i; done")
        require(done.code == 0, "the changes were not made:", done)
        done = stage.face("apply")
        require(done.code == 1 and "No space left" in " ".join(done.err.split()), "not told:", done)
        require(left.tree(place) == original, "half merged:", sorted(left.tree(place)))
        stage.clean()
        require(len(stage.changed()) == 7, "changes are lost")
        subprocess.run(["mount", "-o", "remount,size=8m", place], check=True)
        done = stage.face("apply")
        require(done.code == 0 and len(left.tree(place)) == 7, "cannot be applied later:", done)
        stage.clean()


@case("outcome-unwritable")
def outcome(stage):
    for bad in ("/nowhere/o.json", stage.workspace, "/proc/o.json"):
        stage.not_run(stage.cell("echo RAN", "--outcome", bad))
    with disk(stage, "1m") as place:
        filler = fill(place)
        path = os.path.join(place, "o.json")
        done = stage.cell("echo RAN; exit 4", "--outcome", path)
        require(done.code != 0 and "error[" in done.err, "not told:", done)
        require(not os.path.exists(path) or os.path.getsize(path) > 0, "half an outcome")
        os.unlink(filler)
    stage.clean()
    return f"exit {done.code} when there is no room at the end"
