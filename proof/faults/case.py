"""What a case is, what it may use, and what must hold after each one whatever it did."""

import json
import os
import resource

import left
from person import Person, place

CASES = {}


class Fails(Exception):
    """A promise that did not hold."""


def case(name, only=None):
    """Registers a case; `only` names the person it is for."""
    def register(function):
        CASES[name] = (function, only)
        return function
    return register


def require(holds, *told):
    if not holds:
        raise Fails(" ".join(str(word) for word in told))


class Stage(Person):
    """One case: a person with a state and a workspace, both fresh, and the checks."""

    def __init__(self, uid, bastide, rounds, groups):
        super().__init__(uid, place("faults"))
        self.bastide, self.rounds, self.groups = bastide, rounds, groups
        self.state = self.directory("state", 0o700)
        self.workspace = self.directory("work")

    def write(self, name, text, mode=0o644, base=None):
        """In the workspace unless said."""
        return super().write(os.path.join(base or self.workspace, name), text, mode)

    def environment(self, extra=None):
        return super().environment({"XDG_STATE_HOME": self.state, **(extra or {})})

    def spawn(self, argv, cwd=None, env=None, wrap=(), limits=(), **how):
        """The wrapper runs as root, since it takes something from the host that only root can; then this person does."""
        if wrap:
            drop = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"] if self.uid else []
            argv, how = [*wrap, *drop, *argv], {"user": None, "group": None, "extra_groups": None, **how}
        if limits:
            how["preexec_fn"] = lambda: [resource.setrlimit(which, (value, value)) for which, value in limits]
        return super().spawn(argv, cwd or self.workspace, env, **how)

    def run(self, argv, cwd=None, env=None, seconds=30, **how):
        return super().run(argv, cwd, env, seconds, **how)

    def face(self, *words, **how):
        """`bastide WORDS`."""
        return self.run([self.bastide, *words], **how)

    def cell(self, script, *flags, **how):
        """`bastide run FLAGS -- bash -c SCRIPT`."""
        return self.face("run", *flags, "--", "/bin/bash", "-c", script, **how)

    def json(self, *words, **how):
        done = self.face("--json", *words, **how)
        try:
            return json.loads(done.out)
        except ValueError:
            raise Fails(f"`bastide --json {' '.join(words)}` gave no JSON: {done}") from None

    def sessions(self):
        return self.json("ls")

    def changed(self, session=None):
        """Paths of the workspace that differ."""
        words = ["diff", session] if session else ["diff"]
        told = self.json(*words)
        require("changes" in told, f"`bastide {' '.join(words)}` tells no changes: {told}")
        return {change["path"]: change for change in told["changes"]}

    def not_run(self, done, *words, code=125, hint=True):
        """Nothing was run, the code says so, the message names the cause and, where there is one, a remedy."""
        require(done.code == code, f"expected exit {code}:", done)
        require("RAN" not in done.out, "something was run:", done)
        require("error[" in done.err, "no error with a code:", done)
        require(not hint or "hint:" in done.err, "no hint:", done)
        flat = " ".join(done.err.split())
        for word in words:
            require(word in flat, f"the message does not say `{word}`:", done)

    def clean(self, patience=8, verify=True, repaired=True):
        """Nothing is left behind, and every record verifies. `repaired` lets the next start put things in order."""
        alive = left.survivors(patience)
        require(not alive, "processes survive:", alive)
        # Before the repair, which removes sessions in which nothing was run.
        ids = left.ids(self.state)
        if repaired:
            done = self.face("ls")
            require(done.code == 0, "`bastide ls` fails:", done)
        found = left.mounts(self.base)
        require(not found, "mounts stay:", found)
        groups = self.groups.left(ids)
        self.groups.clear(ids)
        require(not groups, "control groups stay:", groups)
        require(not left.marks(self.state), "marks stay:", left.marks(self.state))
        require(not left.drafts(self.workspace), "drafts stay:", left.drafts(self.workspace))
        held = [session["id"] for session in self.sessions() if session["state"] == "running"] if repaired else []
        require(not held, "nobody runs these, and they are held:", held)
        if verify:
            self.verify()

    def verify(self):
        for session in self.sessions():
            done = self.face("log", "verify", session["id"])
            require(done.code == 0, f"the record of {session['id']} does not verify:", done)

    def starts(self):
        """A next session starts and ends well."""
        done = self.cell("echo NEXT")
        require(done.code == 0 and "NEXT" in done.out, "the next session does not start:", done)

    def path(self, *parts):
        return os.path.join(self.base, *parts)
