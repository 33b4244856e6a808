"""Every way of starting something in a cell: how the client's stdio is made, and by what the cases are started inside."""

import dataclasses
import glob
import os
import shlex
import typing


@dataclasses.dataclass(frozen=True)
class Way:
    stdio: str = "pipes"           # pipes, null, pty, none (no terminal at all: a session of its own)
    flags: tuple[str, ...] = ()
    wrap: typing.Callable = lambda arena, inner: inner
    story: str = ""
    standby: bool = False          # in a cell that was made before the client came
    entered: bool = False          # by `exec`, in a cell that stood before
    below: bool = False            # in a sub-agent's cell, whose output is kept with its session


def shell(script: str, *more: str):
    """The cases' command as words of a shell script."""
    return lambda arena, inner: ["/bin/sh", "-c", script.replace("CASES", shlex.join(inner)), *more]


def script(arena, inner):
    path = f"{arena.workspace}/range/start"
    with open(path, "w") as file:
        file.write(f"#!/bin/sh\nexec {shlex.join(inner)}\n")
    os.chmod(path, 0o755)
    arena.give(path)
    return [path]


def python(line: str):
    return lambda arena, inner: ["/usr/bin/python3", "-S", "-c", f"import os,subprocess,sys;c={inner!r};{line}"]


# Has a sub-agent run the cases, in a copy of the whole workspace.
SPAWNS = """
import http.client, json, sys
def told(verb, body):
    one = http.client.HTTPConnection("bastide.internal", timeout=90)
    one.request("POST", verb, json.dumps(body), {"Content-Type": "application/json"})
    return json.loads(one.getresponse().read())
spawned = told("/spawn", {"task": "t", "command": sys.argv[1:], "files": [{"path": ".", "access": "write"}]})
print(spawned)
while told("/wait", {"child": spawned["child"], "seconds": 60})["children"][0]["standing"]["state"] != "ended": pass
"""


def earlier(prepare: str, start: typing.Callable, stands: typing.Callable):
    """A hostile session before this one prepares home and workspace; its workspace is applied. The cases must start by
    the same program: a home is kept for each program and workspace. Where what was prepared does not stand, the way
    would be as any other one, and shows nothing."""
    def wrap(arena, inner):
        done = arena.verb("run", "--", "/bin/sh", "-ec", prepare.replace("CASES", shlex.join(inner)))
        if done.returncode:
            raise RuntimeError(f"the preparing session: exit {done.returncode}: {done.stdout[-800:]}")
        # Most of what it made is never merged, which makes this end with 1.
        applied = arena.verb("apply")
        if not stands(arena):
            raise RuntimeError(f"what the first session prepared does not stand: {applied.stdout[-800:]}")
        return start(arena, inner)
    return wrap


def kept(holds: typing.Callable) -> typing.Callable:
    """Whether the one home that is kept for sh holds what it must by now."""
    def stands(arena) -> bool:
        homes = glob.glob(f"{arena.home}/.local/state/bastide/homes/sh-*")
        return len(homes) == 1 and holds(homes[0])
    return stands


# Names under which something is mounted or written at the next start.
TRAPS = ("cd ~; ln -s / .local; ln -s /etc/passwd .gitconfig; mkdir -p bin; ln -s / .config; ln -s / .cache;"
         "printf '#!/bin/sh\\nexit 3\\n' > bin/python3; chmod +x bin/python3; cp bin/python3 bin/sh;"
         "echo 'export LD_PRELOAD=/nowhere.so' > .bashrc; echo 'CASES' > .profile")
# What a case needs there may have one of these names already.
WORKSPACE = ("echo prepared > prepared; ln -s / root; ln -s /proc/1/root init; ln -s ~ home; mkdir -p .git/hooks; mkfifo fifo;"
             "printf '[core]\\nfsmonitor=/bin/false\\n' > .git/config; [ -e .bastide ] || ln -s / .bastide;"
             "[ -e .bastide.yaml ] || echo 'bastide: 1' > .bastide.yaml")

WAYS = {
    "pipes": Way(story="stdio are pipes, the cases are the command"),
    "pty": Way("pty", story="stdio are a terminal"),
    "null": Way("null", story="stdin is /dev/null"),
    "no-terminal": Way("none", story="the client leads a session without a terminal"),
    "child": Way(wrap=shell("CASES; true"), story="a shell's child"),
    "grandchild": Way(wrap=shell("sh -c 'sh -c \"CASES\"; true'; true"), story="a shell's grandchild"),
    "background": Way(wrap=shell("CASES & wait"), story="in the background"),
    "terminal-background": Way("pty", wrap=shell("set -m; CASES & wait"), story="a background job of a terminal"),
    "pipeline": Way(wrap=shell("true | CASES | cat"), story="in the middle of a pipeline"),
    "env": Way(wrap=lambda arena, inner: ["/usr/bin/env", "-i", *inner], story="env -i"),
    "xargs": Way(wrap=shell("echo CASES | xargs -n 9 env"), story="xargs"),
    "find": Way(wrap=lambda arena, inner: ["/usr/bin/find", "/", "-maxdepth", "0", "-exec", *inner, ";"],
                story="find -exec"),
    "script": Way(wrap=script, story="a script by its first line"),
    "loader": Way(wrap=lambda arena, inner: ["/lib64/ld-linux-x86-64.so.2", *inner], story="the dynamic linker by name"),
    "subprocess": Way(wrap=python("sys.exit(subprocess.run(c).returncode)"), story="Python's subprocess, vfork"),
    "fork": Way(wrap=python("p=os.fork();p or os.execv(c[0],c);os.waitpid(p,0)"), story="fork and exec"),
    "spawn": Way(wrap=python("os.waitpid(os.posix_spawn(c[0],c,os.environ),0)"), story="posix_spawn"),
    "setsid": Way(wrap=shell("setsid -w CASES"), story="a session of its own inside"),
    "daemon": Way(wrap=shell("(setsid CASES > /tmp/said 2>&1 &) ; while ! grep -q 'RANGE END' /tmp/said;"
                             "do sleep 0.1; done; cat /tmp/said"), story="a daemon, orphaned twice"),
    "trap": Way(wrap=shell("trap 'CASES' EXIT; exit 0"), story="the shell's exit trap"),
    "signal": Way(wrap=shell("trap 'CASES; exit' TERM; kill -TERM $$; sleep 1"), story="a signal handler"),
    "read-only": Way(flags=("--mode", "read-only"), story="--mode read-only"),
    "live": Way(flags=("--mode", "live"), story="--mode live"),
    "standby": Way(standby=True, story="a cell that `bastide standby` kept ready"),
    "exec": Way(entered=True, story="`bastide exec` in a session that stands"),
    "exec-pty": Way("pty", entered=True, story="the same on a terminal"),
    "sub-agent": Way(flags=("--policy", "{policies}/family.yaml"), below=True,
                     wrap=lambda arena, inner: ["/usr/bin/python3", "-S", "-c", SPAWNS, *inner], story="a sub-agent, in a cell of its own"),
    "fresh-home": Way(flags=("--fresh-home",), story="--fresh-home"),
    "second-home": Way(wrap=earlier(TRAPS, shell("exec CASES"), kept(lambda home: os.path.islink(f"{home}/.local"))),
                       story="a home that a hostile session prepared"),
    "login-shell": Way(wrap=earlier("echo CASES > ~/.profile", lambda arena, inner: ["/bin/sh", "-l", "-c", "true"],
                                    kept(lambda home: os.path.isfile(f"{home}/.profile"))),
                       story="by a planted .profile in the second session"),
    "second-workspace": Way(wrap=earlier(WORKSPACE, lambda arena, inner: inner,
                                         lambda arena: os.path.isfile(f"{arena.workspace}/prepared")),
                            story="a workspace that a hostile session prepared, then applied"),
}
