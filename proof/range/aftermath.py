"""What is looked at once a session is over: what was merged, what the record says, what the next start did."""

import glob
import os
import signal
import subprocess
import time

import kernel
from host import Fixture, fixture


@fixture
class UnusableProxy(Fixture):
    """The operator's shell names a proxy that the gate cannot speak to; in the control, none."""

    def stand(self):
        if not self.arena.control:
            self.arena.environment["HTTPS_PROXY"] = "socks5://127.0.0.1:9"

    def hurt(self, answer):
        return False


@fixture
class StateFile(Fixture):
    """A file in the plane's state; in the control, beside it."""

    def stand(self):
        for directory in (".local", ".local/other", ".local/state", ".local/state/bastide"):
            os.makedirs(f"{self.arena.home}/{directory}", exist_ok=True)
            os.chmod(f"{self.arena.home}/{directory}", 0o700)
            self.arena.give(f"{self.arena.home}/{directory}")
        directory = "other" if self.arena.control else "state/bastide"
        path = f"{self.arena.home}/.local/{directory}/range-{self.nonce[:6]}"
        self.facts.update(path=self.write(path, self.token + "\n", 0o600), nonce=self.nonce)

    def after(self):
        self.arena.apply()

    def hurt(self, answer):
        with open(self.facts["path"]) as file:
            return self.token in answer or self.nonce in file.read()


class Recorded(Fixture):
    """The record of the session; what the agent's own home and changes hold is not of it."""

    def record(self) -> bytes:
        text = b""
        for top, directories, files in os.walk(f"{self.arena.home}/.local/state/bastide"):
            directories[:] = [one for one in directories if one not in ("homes", "changes", "home")]
            for name in files:
                with open(os.path.join(top, name), "rb") as file:
                    text += file.read()
        return text


@fixture
class LetInSecret(Recorded):
    """A secret in the cell's environment, let in expressly; in the control, a word that is none."""

    def stand(self):
        self.facts.update(variable=f"RANGE_{self.nonce[:6].upper()}_TOKEN")
        if self.arena.control:
            self.facts["word"] = self.token
        self.arena.variable, self.arena.token = self.facts["variable"], self.token

    def hurt(self, answer):
        return self.token.encode() in self.record()


@fixture
class FloodedRecord(Recorded):
    """The record, which holds one refusal some times and then its count; in the control, many different ones."""

    MOST = 100

    def stand(self):
        self.facts["nonce"] = self.nonce

    def hurt(self, answer):
        return self.record().count(self.nonce.encode()) > self.MOST


@fixture
class PlantedLink(Fixture):
    """The operator's name for commits, which each start writes into a home; no start may write it anywhere else. In the
    control nothing is planted, and the second start must write."""

    def stand(self):
        self.write(f"{self.arena.home}/.gitconfig", f"[user]\n\tname = {self.nonce}\n\temail = a@b.example\n", 0o644)
        self.outside = f"{self.arena.path}/outside-{self.nonce[:6]}/file"
        os.mkdir(os.path.dirname(self.outside))
        self.arena.give(os.path.dirname(self.outside))
        self.facts["outside"] = self.outside
        self.arena.later(self.start_again)

    def place(self) -> str:
        found = glob.glob(f"{self.arena.home}/.local/state/bastide/homes/python3-*")
        return f"{found[0]}/.gitconfig" if found else ""

    def start_again(self):
        begun, self.gone, self.ended = time.monotonic(), False, []
        while time.monotonic() < begun + 5 and not self.gone:
            place = self.place()
            self.gone = bool(place) and (os.path.islink(place) or not os.path.exists(place))
        for _ in range(1 if self.arena.control else 4):
            self.ended.append(self.arena.verb("run", "--", "/usr/bin/python3", "-S", "-c", "pass").returncode)

    def hurt(self, answer):
        if not self.gone or any(self.ended):
            return not self.arena.control      # no second session started: wrong either way
        if self.arena.control:
            try:
                with open(self.place()) as file:
                    return self.nonce in file.read()
            except FileNotFoundError:
                return False
        return os.path.lexists(self.outside)


@fixture
class StoppedGate(Fixture):
    """The session's gate, stopped where it is; the operator must not wait for it for ever. In the control it is his own
    client that is stopped, and he does wait."""

    def stand(self):
        self.stopped, self.arena.patience = 0, 15
        self.arena.later(self.stop)

    def children(self, parent: int, name: str) -> list[int]:
        found = []
        for pid in kernel.processes(name):
            try:
                with open(f"/proc/{pid}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) == parent:
                        found.append(pid)
            except FileNotFoundError:
                pass
        return found

    def stop(self):
        begun = time.monotonic()
        while time.monotonic() < begun + 5 and not self.stopped:
            gates = [gate for plane in self.children(self.arena.client, "bastided")
                     for gate in self.children(plane, "bastide-gate")]
            if gates:
                self.stopped = self.arena.client if self.arena.control else gates[0]
                os.kill(self.stopped, signal.SIGSTOP)

    def hurt(self, answer):
        if not self.stopped:
            return not self.arena.control
        return self.arena.exit == -signal.SIGKILL


class Guarded(Fixture):
    """A guarded path of the workspace, which must not come to hold what the agent wrote."""

    path = ""

    def stand(self):
        self.facts["nonce"] = self.nonce

    def after(self):
        self.arena.apply()

    def hurt(self, answer):
        try:
            with open(f"{self.arena.workspace}/{self.path}") as file:
                return self.nonce in file.read()
        except FileNotFoundError:
            return False


@fixture
class GuardedDirectory(Guarded):
    """A directory of hooks that is not there yet."""

    path = ".husky/pre-commit"


@fixture
class GuardedLink(Guarded):
    """A guarded name that is the operator's own link to a plain file."""

    path = ".envrc"

    def stand(self):
        super().stand()
        self.write(f"{self.arena.workspace}/env.sh", "as it was\n", 0o644)
        os.symlink("env.sh", f"{self.arena.workspace}/.envrc")


@fixture
class Repository(Guarded):
    """What git obeys when the operator works in a directory of his workspace. In the control the same files come under
    names that mean nothing to git, and are renamed afterwards."""

    NAMES = ("HEAD", "commondir", "objects", "refs", "config")

    def stand(self):
        super().stand()
        self.facts["names"] = {name: f"un{name}" if self.arena.control else name for name in self.NAMES}

    def hurt(self, answer):
        bare, common = f"{self.arena.workspace}/bare", f"{self.arena.workspace}/common"
        if not os.path.isdir(bare):
            return False
        for half in (bare, common):
            for name in self.NAMES:
                if os.path.exists(f"{half}/un{name}"):
                    os.rename(f"{half}/un{name}", f"{half}/{name}")
        said = subprocess.run(["git", "-C", bare, "config", "range.nonce"], env=self.arena.surroundings(), text=True,
                              preexec_fn=self.arena.become, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return self.nonce in said.stdout
