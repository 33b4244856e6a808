"""Where things are measured: programs in a directory of our own, and people with a home, a state and a workspace."""

import glob
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
HOUSE = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = ["bastide", "bastided", "bastide-cell", "bastide-gate"]
STATIC = {"inside", "relay"}
ORDINARY = 12345


class Host:
    """The programs, ours and the peers', copied to where everybody may run them."""

    def __init__(self, bastide):
        self.root = tempfile.mkdtemp(prefix="bastide-bench.")
        os.chmod(self.root, 0o755)
        self.bin = self.directory("bin")
        for program in PROGRAMS:
            shutil.copy(os.path.join(os.path.dirname(bastide), program), self.bin)
        for name in ["launch", "inside", "connect", "echo", "relay"]:
            static = ["-static"] if name in STATIC else []
            source = os.path.join(HERE, f"{name}.c")
            subprocess.run(["gcc", "-O2", *static, "-o", os.path.join(self.bin, name), source], check=True)
        self.bastide = os.path.join(self.bin, "bastide")
        # The same programs with the C relay where the gate should be.
        self.relayed = self.directory("relayed")
        for program in PROGRAMS[:3]:
            os.link(os.path.join(self.bin, program), os.path.join(self.relayed, program))
        os.link(os.path.join(self.bin, "relay"), os.path.join(self.relayed, "bastide-gate"))

    def directory(self, name):
        path = os.path.join(self.root, name)
        os.makedirs(path, mode=0o755, exist_ok=True)
        return path

    def program(self, name):
        return os.path.join(self.bin, name)

    def people(self):
        if os.geteuid() != 0:
            return [Person(self, os.geteuid(), "user")]
        return [Person(self, 0, "root"), Person(self, ORDINARY, "user")]

    def end(self):
        shutil.rmtree(self.root, ignore_errors=True)


class Person:
    def __init__(self, host, uid, name):
        self.host, self.uid, self.name = host, uid, name
        self.home = self.own(host.directory(name))
        self.workspace = self.own(os.path.join(self.home, "work"))
        self.state = os.path.join(self.home, "state")
        self.env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": self.home, "XDG_STATE_HOME": self.state,
            "LANG": "C.UTF-8", "USER": name,
        }

    def own(self, path):
        os.makedirs(path, mode=0o755, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.uid)
        return path

    def put(self, source, name=None):
        """A file of this person's in the workspace."""
        path = os.path.join(self.workspace, name or os.path.basename(source))
        shutil.copy(source, path)
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.uid)
        return path

    def how(self):
        if os.geteuid() == self.uid:
            return {}
        return {"user": self.uid, "group": self.uid, "extra_groups": []}

    def start(self, argv, **more):
        return subprocess.Popen(argv, cwd=self.workspace, env=self.env, **self.how(), **more)

    def run(self, argv, **more):
        """The output of a command that must succeed."""
        done = subprocess.run(
            argv, cwd=self.workspace, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            **self.how(), **more,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)[:200]}: exit {done.returncode}: {done.stderr[-800:]}")
        return done.stdout

    def forget_sessions(self):
        """Past sessions are no part of what is measured."""
        shutil.rmtree(self.state, ignore_errors=True)

    def running(self):
        """What the state says is running or may need repair."""
        return glob.glob(os.path.join(self.state, "bastide", "running", "*"))
