"""Who runs a check: root or an ordinary user, each with directories of their own.

Nobody's real home is touched, and only what was made here is removed again.
"""

import contextlib
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import time

ORDINARY = 12345
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Done:
    """How a command ended: its code (negative: a signal, none: it was still there when time was up), output, seconds."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def __str__(self):
        return f"exit {self.code} after {self.seconds:.1f} s; stdout {self.out[-300:]!r}; stderr {self.err[-500:]!r}"

    def tail(self, count=1500):
        ending = "timed out" if self.code is None else f"exit {self.code}"
        return f"{ending} after {self.seconds:.1f} s\n{self.out[-count:]}\n{self.err[-count:]}".strip()


def place(purpose, where="/tmp"):
    """A new directory that everybody may enter: cells of an ordinary user read in it."""
    path = tempfile.mkdtemp(prefix=f"bastide-{purpose}-", dir=where)
    os.chmod(path, 0o755)
    return path


class Person:
    """A user id with a home, and whatever else is made beneath `base`, which goes with them."""

    def __init__(self, uid, base):
        self.uid, self.base = uid, base
        self.changes = os.geteuid() == 0
        self.gid = uid if self.changes else os.getegid()
        self.name = "root" if uid == 0 else "user"
        self.home = self.directory("home")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        """The kernel's own directory beneath an overlay's `work` is empty and unreadable."""
        def again(_, path, __):
            with contextlib.suppress(OSError):
                os.chmod(os.path.dirname(path), 0o700)
            with contextlib.suppress(OSError):
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        shutil.rmtree(self.base, onerror=again)

    def directory(self, name, mode=0o755):
        """A directory of this person's, by an absolute path or beneath `base`."""
        path = os.path.join(self.base, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        self.own(path)
        return path

    def own(self, path):
        if self.changes:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def write(self, name, text, mode=0o644):
        """A file of this person's, by an absolute path or beneath `base`."""
        path = os.path.join(self.base, name)
        # What is there already is not touched again: a change of its owner is a change made outside.
        if not os.path.isdir(os.path.dirname(path)):
            self.directory(os.path.dirname(path))
        new = not os.path.exists(path)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        if new or os.stat(path).st_mode & 0o777 != mode:
            os.chmod(path, mode)
            self.own(path)
        return path

    def environment(self, extra=None):
        """Nothing is inherited, so no variable of the caller's can decide a check; one that is none is left out."""
        plain = {"HOME": self.home, "PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb", "USER": self.name,
                 # A daemon that began by itself would outlive the check, and be the plane of the next one.
                 "BASTIDE_DAEMON": "off", **(extra or {})}
        return {name: value for name, value in plain.items() if value is not None}

    def become(self):
        """How a child comes to be this person."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.changes and self.uid else {}

    def spawn(self, argv, cwd=None, env=None, **how):
        """Starts a command as this person, without standard input unless said, in a session of its own."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
               "start_new_session": True, **self.become(), **how}
        return subprocess.Popen(list(argv), cwd=cwd or self.base, env=self.environment(env), **how)

    def run(self, argv, cwd=None, env=None, seconds=120, **how):
        """Runs a command to its end, or ends it with what it started when time is up."""
        started = time.monotonic()
        return finish(self.spawn(argv, cwd, env, **how), started, seconds)

    def terminal(self, argv, cwd=None, env=None):
        """Starts a command on a terminal of its own; gives the pid and the master."""
        pid, master = pty.fork()
        if pid == 0:
            try:
                # A job in the background ignores these, and so would all that it starts.
                for number in (signal.SIGINT, signal.SIGQUIT):
                    signal.signal(number, signal.SIG_DFL)
                if self.become():
                    os.setgroups([])
                    os.setgid(self.gid)
                    os.setuid(self.uid)
                os.chdir(cwd or self.base)
                os.execvpe(argv[0], argv, self.environment({"TERM": "xterm-256color", **(env or {})}))
            finally:
                os._exit(127)
        return pid, master

    def run_on_terminal(self, argv, cwd=None, env=None, seconds=120):
        """Runs a command to its end on a terminal at which nobody types."""
        started = time.monotonic()
        pid, master = self.terminal(argv, cwd, env)
        out = b""
        while time.monotonic() < started + seconds:
            if select.select([master], [], [], 1)[0]:
                try:
                    out += os.read(master, 65536)
                except OSError:  # The other side closed the terminal.
                    break
        else:
            os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(master)
        code = status if status != -signal.SIGKILL else None
        text = out.decode(errors="replace").replace("\r\n", "\n")
        return Done(code, text, text, time.monotonic() - started)


def finish(process, started, seconds):
    """Waits for a command that was spawned."""
    try:
        out, err = process.communicate(timeout=seconds)
        code = process.returncode
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        code = None
    text = [(part or b"").decode(errors="replace") for part in (out, err)]
    return Done(code, *text, time.monotonic() - started)
