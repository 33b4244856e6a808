"""State that the disk damaged, as the operator meets it: the next run, what runs meanwhile, and what comes back from a copy."""

import os
import random
import shutil
import time

from case import case, require
from person import finish


def files(state):
    """Every file that says something, and is no session's output or change."""
    for directory, names, found in os.walk(os.path.join(state, "bastide")):
        names[:] = [name for name in names if name not in ("upper", "work", "homes")]
        for name in found:
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path):
                yield path


def damage(path):
    """Flips a bit, cuts, or takes away; how."""
    how = random.choice(["flipped", "cut", "gone"])
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        at = random.randrange(size)
        if how == "flipped":
            file.seek(at)
            byte = file.read(1)[0] ^ (1 << random.randrange(8))
            file.seek(at)
            file.write(bytes([byte]))
        elif how == "cut":
            file.truncate(at)
    if how == "gone":
        os.unlink(path)
    return f"{how} at {at} of {size}"


def keep(stage, name):
    with open(stage.write("value", "hunter2-" + name, base=stage.home), encoding="ascii") as file:
        done = stage.face("vault", "set", name, "--to", "a.example", stdin=file)
    require(done.code == 0, "cannot keep a secret:", done)


@case("state-damaged")
def damaged(stage):
    """A run begins in spite of it, or is refused in words that name the file; with the file from a copy all verifies."""
    keep(stage, "key")
    require(stage.cell("echo one > made; curl -s http://a.example/").code != 0, "the door is open")
    require(stage.cell("true", "--name", "named").code == 0, "cannot run")
    held = stage.write("held", stage.face("log", "checkpoint").out, base=stage.home)
    began = refused = 0
    ledger = os.path.join(stage.state, "bastide/ledger")
    for path in [path for path in files(stage.state) for _ in range(max(1, stage.rounds // 25))]:
        copy = stage.path("copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(ledger, os.path.join(copy, "ledger"))
        shutil.copy2(path, os.path.join(copy, "file"))
        told = f"{os.path.relpath(path, stage.state)} {damage(path)}"
        done = stage.cell("echo RAN")
        if done.code == 0:
            began += 1
        else:
            refused += 1
            require(done.code == 125 and "RAN" not in done.out and "error[" in done.err, f"{told}:", done)
        for words in (["ls"], ["vault", "list"], ["log", "verify"], ["metrics"], ["gc", "--dry-run"]):
            asked = stage.face(*words)
            require(asked.code in (0, 1, 125) and "panicked" not in asked.err, f"`{' '.join(words)}`, {told}:", asked)
        # Of the ledger always all: what was told meanwhile is told again.
        if path.startswith(ledger):
            shutil.copytree(os.path.join(copy, "ledger"), ledger, dirs_exist_ok=True)
        else:
            shutil.copy2(os.path.join(copy, "file"), path)
        for name in [path, *(os.path.join(ledger, name) for name in os.listdir(ledger))]:
            stage.own(name)
        stage.clean(verify=False)
        verified = stage.face("log", "verify", "--checkpoint", held)
        require(verified.code == 0, f"what is back does not verify, {told}:", verified)
        require(stage.json("vault", "list")[0]["to"] == "a.example", f"the secret is lost, {told}")
    stage.clean()
    stage.starts()
    return f"{began} runs began, {refused} were refused in words"


@case("state-restored")
def restored(stage):
    """A copy that is made while sessions begin and end serves in the state's place, and what it lacks is told by name."""
    keep(stage, "key")
    require(stage.cell("echo one > made").code == 0, "cannot run")
    state, copies = os.path.join(stage.state, "bastide"), []
    held = stage.write("before", stage.face("log", "checkpoint").out, base=stage.home)
    running = stage.spawn([stage.bastide, "run", "--name", "runs", "--", "/bin/sh", "-c", "while sleep 0.01; do /bin/true; done"])
    until = time.monotonic() + 30
    while "runs" not in {one["name"] for one in stage.sessions()}:
        require(time.monotonic() < until, "the session that is to run does not begin")
        time.sleep(0.05)
    for number in range(max(3, stage.rounds // 10)):
        others = [stage.spawn([stage.bastide, "run", "--", "/bin/sh", "-c", "echo x > made; /bin/true"]) for _ in range(3)]
        time.sleep(random.random() * 0.3)
        copy = stage.directory(f"copy{number}", 0o700)
        done = stage.run(["flock", os.path.join(state, "ledger"), "cp", "-a", state, copy])
        # A mark or a socket may go meanwhile; the kernel keeps its own directory of an overlay closed.
        odd = [line for line in done.err.splitlines() if "No such file" not in line and "/work/work" not in line]
        require(not odd, "it cannot be copied:", odd)
        copies.append(copy)
        for other in others:
            require(finish(other, time.monotonic(), 30).code == 0, "a run did not go well beside it")
    require(stage.cell("true").code == 0, "cannot run")
    later = stage.write("after", stage.face("log", "checkpoint").out, base=stage.home)
    running.kill()
    finish(running, time.monotonic(), 10)
    stage.clean()
    # Restored: it takes the place of the state, whose paths stand in it.
    aside = stage.path("aside")
    for copy in copies:
        os.rename(state, aside)
        os.rename(os.path.join(copy, "bastide"), state)
        stage.clean()
        proved = stage.face("log", "verify", "--checkpoint", held)
        require(proved.code == 0, "a copy does not hold what was there before it:", proved)
        missing = stage.face("log", "verify", "--checkpoint", later)
        # Cut short, or in the place of what came later stands how the session ended that ran.
        lacks = any(word in missing.out for word in ("truncated: ", "changed: "))
        require(missing.code == 1 and lacks, "what it lacks is not told:", missing)
        require(stage.json("vault", "list")[0]["to"] == "a.example", "the secret is lost")
        states = {one["name"]: one["state"] for one in stage.sessions()}
        require(states.get("runs") == "lost", "the session that ran:", states)
        stage.starts()
        shutil.rmtree(state)
        os.rename(aside, state)
    stage.starts()
    return f"{len(copies)} copies while sessions ran"
