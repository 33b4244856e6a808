"""Limits that a program runs into: memory, processes, time, disk."""

import os
import time

import left
from case import case, require


def policy(stage, **limits):
    """A policy of the operator's own with these limits, outside the workspace."""
    text = "bastide: 1\nname: limited\nextends: [hardened]\nlimits: {" + ", ".join(f"{k}: {v}" for k, v in limits.items()) + "}\n"
    return "--policy", stage.write("limited.yaml", text, base=stage.home)


EAT = "python3 -c 'x = bytearray(1 << 30); print(len(x))'"


@case("out-of-memory", only="root")
def memory(stage):
    require("memory" in stage.groups, "no memory control group can be made here")
    done = stage.cell("exec " + EAT, *policy(stage, memory="64MiB"))
    require(done.code == 137, "not ended by the limit:", done)
    require("1073741824" not in done.out, "it got the memory:", done)
    named = "memory" in done.err.replace("limited in part", "")
    done = stage.cell(EAT + "; echo SHELL $?", *policy(stage, memory="64MiB"))
    require("SHELL 137" in done.out and done.code == 0, "more than the eater died:", done)
    stage.clean()
    stage.starts()
    require(named, "exit 137 and the next session are right, but no line says that the memory limit was reached")


@case("fork-bomb")
def forks(stage):
    """The bomb meets its limit, the session ends when its program does, and nobody else was hindered."""
    started = time.monotonic()
    script = "ulimit -c 0; :(){ :|:& }; : & sleep 1.5; exit 6"
    done = stage.cell(script, *policy(stage, pids=64), seconds=25)
    # The program itself may be refused the process that sleeps; bash then gives up or goes on.
    require(done.code in (6, 1, 254), "the session did not end with its program:", done)
    told = "the limit of processes was reached" in done.err
    require(told or stage.uid or "pids" not in stage.groups, "no line says that the limit was reached:", done)
    stage.clean()
    stage.starts()
    return f"exit {done.code} after {time.monotonic() - started:.1f} s"


@case("timeout")
def timeout(stage):
    """A program that listens ends at once, one that does not within the grace."""
    done = stage.cell("trap '' TERM HUP INT; while :; do sleep 0.2; done", "--timeout", "2s")
    require(done.code == 137 and done.seconds < 7, "not ended:", done)
    path = stage.path("home", "o.json")
    done = stage.cell("exec sleep 60", "--timeout", "1s", "--outcome", path)
    require(done.code == 143 and done.seconds < 3, "not asked to end:", done)
    with open(path, encoding="utf-8") as file:
        require("time limit" in file.read(), "the reason is not told")
    done = stage.cell("sleep 0.1; exit 3", "--timeout", "30s")
    require(done.code == 3 and done.seconds < 10, "a session that was in time:", done)
    stage.clean()


@case("disk-limit")
def disk(stage):
    """Polled every two seconds, so soft; it ends the session."""
    script = "i=0; while :; do head -c 4000000 /dev/zero > f$i; i=$((i+1)); sleep 0.3; [ $i -gt 60 ] && exit 0; done"
    path = stage.path("home", "o.json")
    done = stage.cell(script, *policy(stage, disk="10MiB"), "--outcome", path, seconds=40)
    require(done.code == 143 and done.seconds < 12, "not ended:", done)
    with open(path, encoding="utf-8") as file:
        require("disk limit" in file.read(), "the reason is not told")
    stage.clean()
    require(len(stage.changed()) > 2, "what was written is lost")
    return f"after {done.seconds:.1f} s"


@case("many-files-and-output")
def output(stage):
    """A flood of output and of files is carried whole."""
    done = stage.cell("seq 1 200000; for i in {1..3000}; do : > n$i; done; exit 7", seconds=40)
    require(done.code == 7 and done.out.count("\n") == 200000, "output is lost:", done.code, done.out.count("\n"))
    require(len(stage.changed()) == 3000, "changes are lost:", len(stage.changed()))
    stage.clean()
    os.sync()
    require(not left.drafts(stage.workspace), "drafts")
