"""Where things are measured: programs in a directory of our own, and people with a home, a state and a workspace."""

import glob
import os
import shutil
import subprocess
import tempfile

from person import ORDINARY, Person

HERE = os.path.dirname(os.path.abspath(__file__))
HOUSE = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = ["bastide", "bastided", "bastide-cell", "bastide-gate"]
STATIC = {"inside", "relay"}


class Host:
    """The programs, ours and the peers', copied to where everybody may run them."""

    def __init__(self, bastide):
        self.root = tempfile.mkdtemp(prefix="bastide-bench.")
        os.chmod(self.root, 0o755)
        self.bin = self.directory("bin")
        for program in PROGRAMS:
            shutil.copy(os.path.join(os.path.dirname(bastide), program), self.bin)
        for name in ["launch", "inside", "connect", "echo", "relay", "spawn", "first", "flood"]:
            self.compile(f"{name}.c", name, ["-static"] if name in STATIC else [])
        self.compile("first.c", "bare", ["-DBARE", "-nostdlib", "-static", "-fno-stack-protector"])
        self.bastide = os.path.join(self.bin, "bastide")
        # The same programs with the C relay where the gate should be.
        self.relayed = self.directory("relayed")
        for program in PROGRAMS[:3]:
            os.link(os.path.join(self.bin, program), os.path.join(self.relayed, program))
        os.link(os.path.join(self.bin, "relay"), os.path.join(self.relayed, "bastide-gate"))

    def compile(self, source, name, options):
        subprocess.run(["gcc", "-O2", *options, "-o", self.program(name), os.path.join(HERE, source)], check=True)

    def directory(self, name):
        path = os.path.join(self.root, name)
        os.makedirs(path, mode=0o755, exist_ok=True)
        return path

    def program(self, name):
        return os.path.join(self.bin, name)

    def people(self):
        if os.geteuid() != 0:
            return [Measured(self, os.geteuid())]
        return [Measured(self, 0), Measured(self, ORDINARY)]

    def end(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Measured(Person):
    """Somebody for whom is measured, with a state and a workspace in their home."""

    def __init__(self, host, uid):
        super().__init__(uid, host.directory("root" if uid == 0 else "user"))
        self.host = host
        self.workspace = self.directory("home/work")
        self.state = os.path.join(self.home, "state")

    def environment(self, extra=None):
        return super().environment({"XDG_STATE_HOME": self.state, **(extra or {})})

    def put(self, source, name=None):
        """A file of this person's in the workspace."""
        path = os.path.join(self.workspace, name or os.path.basename(source))
        shutil.copy(source, path)
        self.own(path)
        return path

    def start(self, argv, **more):
        """Starts a command in the workspace, in the caller's session and with its streams unless said."""
        ours = {"stdin": None, "stdout": None, "stderr": None, "start_new_session": False}
        return self.spawn(argv, self.workspace, **{**ours, **more})

    def output(self, argv):
        """The output of a command that must succeed."""
        done = self.run(argv, self.workspace, seconds=None)
        if done.code:
            raise RuntimeError(f"{' '.join(argv)[:200]}: exit {done.code}: {done.err[-800:]}")
        return done.out

    def forget_sessions(self):
        """Past sessions are no part of what is measured."""
        shutil.rmtree(self.state, ignore_errors=True)

    def running(self):
        """What the state says is running or may need repair."""
        return glob.glob(os.path.join(self.state, "bastide", "running", "*"))
