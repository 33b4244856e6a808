"""Who runs a check: root or an ordinary user, each with a home and a scratch directory of their own.

Nobody's real home is touched, and only what was made here is removed again.
"""

import contextlib
import os
import pty
import select
import shutil
import subprocess
import tempfile
import time

ORDINARY = 12345
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def remove_unreadable(path):
    with contextlib.suppress(OSError):
        os.rmdir(path)


class Done:
    """How a command ended: its code (negative when a signal ended it, none on a time-out), output and seconds."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def tail(self, count=1500):
        ending = "timed out" if self.code is None else f"exit {self.code}"
        return f"{ending} after {self.seconds:.1f} s\n{self.out[-count:]}\n{self.err[-count:]}".strip()


class Person:
    """A user id with directories of its own, world-readable as a shared machine's are not: cells read them by bind."""

    def __init__(self, uid):
        self.uid = uid
        self.changes = os.geteuid() == 0
        self.gid = uid if self.changes else os.getegid()
        self.name = "root" if uid == 0 else f"uid {uid}"
        self.base = tempfile.mkdtemp(prefix="bastide-works-", dir="/var/tmp")
        os.chmod(self.base, 0o755)
        self.home = self.directory("home")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The kernel's own directory beneath an overlay's `work` is empty and unreadable.
        shutil.rmtree(self.base, onerror=lambda _, path, __: remove_unreadable(path))

    def directory(self, name):
        """A new directory that belongs to this person."""
        path = os.path.join(self.base, name)
        os.makedirs(path, mode=0o755, exist_ok=True)
        os.chown(path, self.uid, self.gid)
        return path

    def write(self, path, text, mode=0o644):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chown(path, self.uid, self.gid)
        os.chmod(path, mode)

    def environment(self, extra=None):
        """Nothing is inherited, so no variable of the caller's can decide a check."""
        plain = {"HOME": self.home, "PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb", "USER": f"u{self.uid}"}
        return {**plain, **(extra or {})}

    def run(self, argv, cwd, env=None, seconds=120):
        """Runs one command as this person, without standard input, and ends it with all it started when time is up."""
        started = time.monotonic()
        become = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.changes else {}
        process = subprocess.Popen(
            argv, cwd=cwd, env=self.environment(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True, **become)
        try:
            out, err = process.communicate(timeout=seconds)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            out, err = process.communicate()
            code = None
        return Done(code, out.decode(errors="replace"), err.decode(errors="replace"), time.monotonic() - started)

    def run_on_terminal(self, argv, cwd, env=None, seconds=120):
        """Runs one command as this person on a terminal of its own, at which nobody types."""
        started = time.monotonic()
        pid, fd = pty.fork()
        if pid == 0:
            self.become(argv, cwd, {**self.environment(env), "TERM": "xterm-256color"})
        out = b""
        while time.monotonic() < started + seconds:
            if select.select([fd], [], [], 1)[0]:
                try:
                    out += os.read(fd, 65536)
                except OSError:  # The other side closed the terminal.
                    break
        else:
            os.kill(pid, 9)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(fd)
        code = status if status != -9 else None
        text = out.decode(errors="replace").replace("\r\n", "\n")
        return Done(code, text, text, time.monotonic() - started)

    def become(self, argv, cwd, env):
        """In a forked child: never returns."""
        try:
            if self.changes:
                os.setgroups([])
                os.setgid(self.gid)
                os.setuid(self.uid)
            os.chdir(cwd)
            os.execvpe(argv[0], argv, env)
        finally:
            os._exit(127)
