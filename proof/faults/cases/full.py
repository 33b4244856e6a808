"""Disks that are full: of the state, of the workspace, of the outcome."""

import contextlib
import os
import subprocess
import tempfile

import left
from case import case, require
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
