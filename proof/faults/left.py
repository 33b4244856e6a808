"""What a session may not leave behind: processes, mounts, control groups, marks, half merged files.

Orphans come to this process (it is the subreaper), so that no process of a session escapes the count by losing its
parent, and nobody else's process is ever counted or ended.
"""

import contextlib
import ctypes
import hashlib
import os
import signal
import time

PR_SET_CHILD_SUBREAPER = 36
HIERARCHIES = ("memory", "pids", "cpu")


def adopt_orphans():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        below = children(todo.pop())
        found += below
        todo += below
    return found


def status(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    except OSError:
        return {}


def word(pid):
    """The first argument of a process, or nothing."""
    with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        return file.read().split("\0")[1]
    return ""


def told():
    """Each process below, and what it waits in: for a case that does not end."""
    lines = []
    for pid in descendants(os.getpid()):
        about, waits = status(pid), "?"
        with contextlib.suppress(OSError), open(f"/proc/{pid}/wchan", encoding="ascii") as file:
            waits = file.read()
        named = about.get("Name", "?"), about.get("State", "?")[0], about.get("PPid", "?")
        lines.append(f"  {pid} {' '.join(named)} {waits}")
    return "\n".join(lines)


def reap():
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def survivors(patience):
    """Waits until no process of the case is left; names those that are, and ends them."""
    until = time.monotonic() + patience
    while True:
        reap()
        alive = [pid for pid in descendants(os.getpid()) if status(pid).get("State", "Z")[0] not in "ZX"]
        if not alive:
            return []
        if time.monotonic() > until:
            break
        time.sleep(0.01)
    names = [f"{status(pid).get('Name')} ({pid})" for pid in alive]
    for pid in alive:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    reap()
    return names


def mounts(path):
    """Mounts of the host's namespace that lie beneath a path or name it."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line.strip() for line in file if path in line]


MOUNT = "/sys/fs/cgroup"


def own_groups():
    """The path of this process's group by controller; of version 2 by no name."""
    with contextlib.suppress(OSError), open("/proc/self/cgroup", encoding="ascii") as file:
        parts = [line.strip().split(":", 2) for line in file]
        return {name: path.rstrip("/") for _, names, path in parts for name in names.split(",")}
    return {}


class Groups:
    """Control groups of sessions. In version 1 they lie beneath a group of our own in each hierarchy, and all there are
    ours. In version 2 they lie as high as they may, among others' groups, and are known by a session's id."""

    def __init__(self):
        self.made, self.own = [], own_groups()
        for name in HIERARCHIES:
            path = f"{MOUNT}/{name}{self.own.get(name, '')}/bastide-faults-{os.getpid()}"
            with contextlib.suppress(OSError):
                os.mkdir(path)
                self.made.append(path)
                with open(f"{path}/cgroup.procs", "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))

    def __contains__(self, name):
        """Whether a session can be given a group with this controller."""
        return any(f"/{name}/" in path for path in self.made) or name in self.passed_on()

    def passed_on(self):
        """Controllers that a group of version 2 at or above our own gives to the groups in it."""
        place, passed = self.own.get(""), set()
        while place is not None:
            with contextlib.suppress(OSError), open(f"{MOUNT}{place}/cgroup.subtree_control", encoding="ascii") as file:
                passed |= set(file.read().split())
            place = place.rpartition("/")[0] if place else None
        return passed

    def left(self, ids=()):
        """Groups that sessions left: all beneath ours, and wherever one bears the name of one of these. Beneath those of
        another run, which may be beside us, a session of somebody else's can have the same name."""
        names = {f"bastide-{one}" for one in ids}
        found = {entry.path for path in self.made for entry in os.scandir(path) if entry.is_dir()}
        for directory, below, _ in os.walk(MOUNT):
            found |= {f"{directory}/{name}" for name in names.intersection(below)}
            below[:] = [name for name in below if not name.startswith("bastide-faults-")]
        return sorted(found)

    def clear(self, ids=()):
        for path in self.left(ids):
            with contextlib.suppress(OSError):
                os.rmdir(path)

    def remove(self):
        self.clear()
        for path in self.made:
            with contextlib.suppress(OSError):
                with open(f"{os.path.dirname(path)}/cgroup.procs", "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))
                os.rmdir(path)


def tree(path):
    """Every entry beneath a directory: kind, mode, content."""
    found = {}
    for directory, names, files in os.walk(path):
        for name in names + files:
            at = os.path.join(directory, name)
            meta = os.lstat(at)
            content = b""
            if os.path.islink(at):
                content = os.readlink(at).encode()
            elif os.path.isfile(at):
                with open(at, "rb") as file:
                    content = file.read()
            found[os.path.relpath(at, path)] = (oct(meta.st_mode), meta.st_uid, hashlib.sha256(content).hexdigest())
    return found


def marks(state):
    with contextlib.suppress(OSError):
        return os.listdir(os.path.join(state, "bastide/running"))
    return []


def ids(state):
    """Sessions that have a directory or a mark."""
    found = set(marks(state))
    with contextlib.suppress(OSError):
        found |= set(os.listdir(os.path.join(state, "bastide/sessions")))
    return found


def drafts(path):
    """Names of ours that may not stay in a workspace."""
    return [name for directory, names, files in os.walk(path) for name in names + files
            if name.startswith(".bastide-") or name.endswith(".new")]
