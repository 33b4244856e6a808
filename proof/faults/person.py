"""Who runs a case: root or an ordinary user, with a home, a state and a workspace of their own beneath /tmp."""

import contextlib
import os
import pty
import resource
import shutil
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


class Person:
    """A user id with directories of its own. Only what was made here is removed again."""

    def __init__(self, uid, bastide):
        self.uid, self.bastide = uid, bastide
        self.gid = uid if os.geteuid() == 0 else os.getegid()
        self.name = "root" if uid == 0 else "user"
        self.base = tempfile.mkdtemp(prefix="bastide-faults-", dir="/tmp")
        os.chmod(self.base, 0o755)
        self.home = self.directory("home")
        self.state = self.directory("state", 0o700)
        self.workspace = self.directory("work")

    def remove(self):
        """The kernel's own directory beneath an overlay's `work` is empty and unreadable."""
        def again(_, path, __):
            with contextlib.suppress(OSError):
                os.chmod(os.path.dirname(path), 0o700)
            with contextlib.suppress(OSError):
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        shutil.rmtree(self.base, onerror=again)

    def directory(self, name, mode=0o755):
        path = os.path.join(self.base, name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        self.own(path)
        return path

    def own(self, path):
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def write(self, name, text, mode=0o644, base=None):
        """A file of this person's, in the workspace unless said."""
        path = os.path.join(base or self.workspace, name)
        # What is there already is not touched again: a change of its owner is a change made outside.
        directory = os.path.dirname(path)
        if not os.path.isdir(directory):
            os.makedirs(directory)
            self.own(directory)
        new = not os.path.exists(path)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        if new or os.stat(path).st_mode & 0o777 != mode:
            os.chmod(path, mode)
            self.own(path)
        return path

    def environment(self, extra=None):
        plain = {"HOME": self.home, "XDG_STATE_HOME": self.state, "PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb"}
        return {name: value for name, value in {**plain, **(extra or {})}.items() if value is not None}

    def become(self, limits=()):
        if os.geteuid() == 0 and self.uid != 0:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
        for which, value in limits:
            resource.setrlimit(which, (value, value))

    def wrapped(self, argv, wrap):
        """The wrapper runs as root, since it takes something from the host that only root can; then this person does."""
        if not wrap:
            return argv
        drop = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"] if self.uid else []
        return [*wrap, *drop, *argv]

    def spawn(self, argv, cwd=None, env=None, wrap=(), limits=(), **streams):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        before = None if wrap else lambda: self.become(limits)
        return subprocess.Popen(self.wrapped(list(argv), list(wrap)), cwd=cwd or self.workspace,
                                env=self.environment(env), preexec_fn=before, start_new_session=True, **streams)

    def run(self, argv, cwd=None, env=None, seconds=30, wrap=(), limits=(), **streams):
        """Runs to the end; when time is up the client is ended and the code is none."""
        started = time.monotonic()
        process = self.spawn(argv, cwd, env, wrap, limits, **streams)
        return finish(process, started, seconds)

    def face(self, *words, **how):
        """`bastide WORDS`."""
        return self.run([self.bastide, *words], **how)

    def cell(self, script, *flags, **how):
        """`bastide run FLAGS -- bash -c SCRIPT`."""
        return self.face("run", *flags, "--", "/bin/bash", "-c", script, **how)

    def terminal(self, argv, env=None):
        """The same on a terminal of its own; gives the pid and the master."""
        pid, master = pty.fork()
        if pid == 0:
            try:
                self.become()
                os.chdir(self.workspace)
                os.execvpe(argv[0], argv, self.environment({"TERM": "xterm", **(env or {})}))
            finally:
                os._exit(127)
        return pid, master


def finish(process, started, seconds):
    try:
        out, err = process.communicate(timeout=seconds)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        code = None
    text = [(part or b"").decode(errors="replace") for part in (out, err)]
    return Done(code, *text, time.monotonic() - started)
