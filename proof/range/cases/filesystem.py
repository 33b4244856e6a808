"""Files of the host: reading what nobody named, writing what was to be read only, leaving the root."""

import ctypes
import os
import shutil
import struct

from case import case
from kernel import (AT_FDCWD, AT_RECURSIVE, CLONE_NEWNS, MNT_DETACH, MS_BIND, MS_PRIVATE, MS_REMOUNT, call,
                    uses_namespace)


def read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(4096).decode("latin-1")


# Reading

@case("private-root host-uid landlock", user="private-root landlock", host="home-secret")
def file_in_home(host):
    """Opens a file in the operator's home, in whose place the cell has one of its own."""
    return read(host.secret)


@case("private-root host-uid landlock", user="private-root landlock", host="secret")
def operators_file(host):
    """Opens a file of the operator's own by its name."""
    return read(host.secret)


@case("user-namespace private-root landlock capabilities", user=None, host="others-secret")
def other_users_file(host):
    """As root's own process, opens a file that only another user may read."""
    return read(host.secret)


@case("private-root host-uid landlock", user=None)
def shadow(host):
    """Reads the password hashes."""
    return read("/etc/shadow")


@case("private-root host-uid landlock", user=None)
def ssl_private(host):
    """Lists the host's private TLS keys."""
    return os.listdir("/etc/ssl/private") + ["listed"]


@case("private-root host-uid landlock", user="private-root landlock", host="state-secret")
def plane_state(host):
    """Reads the plane's own state: policies, records, a vault."""
    return read(host.secret)


@case("private-root landlock", host="public-file")
def host_tmp(host):
    """Reads what others left in the host's /tmp."""
    return read(host.public)


@case("private-root host-uid landlock", user="private-root landlock", host="workspace-link")
def link_in_workspace(host):
    """Follows a link that an earlier session left in the workspace."""
    return read(host.link)


@case("private-root host-uid landlock", user="private-root landlock", host="secret")
def dots(host):
    """Climbs out with more `..` than there are directories."""
    return read("../" * 40 + host.secret.lstrip("/"))


@case("private-root host-uid landlock", user="private-root landlock", host="secret")
def through_proc_cwd(host):
    """Goes through /proc/self/root and /proc/self/cwd, which are links of the kernel's own."""
    return read(f"/proc/self/root/proc/self/cwd/{'../' * 40}{host.secret}")


@case("user-namespace pid-namespace landlock capabilities", user=None, host="neighbour secret")
def root_of_a_process(host):
    """Reads through /proc/PID/root, the root of a process of the host."""
    return read(f"/proc/{host.pid}/root/{host.secret}")


@case("user-namespace pid-namespace landlock capabilities", user=None, host="neighbour")
def directory_of_a_process(host):
    """Reads in the directory where another process stands, by /proc/PID/cwd."""
    return read(f"/proc/{host.pid}/cwd/secret")


@case("user-namespace pid-namespace landlock capabilities", user=None, host="neighbour")
def file_of_a_process(host):
    """Reopens a file that another process has open, by /proc/PID/fd."""
    return read(f"/proc/{host.pid}/fd/{host.descriptor}")


@case("user-namespace seccomp capabilities", user=None, host="root-handle")
def by_handle(host):
    """Opens a file by its handle, which needs no path at all, on the file system that /usr lies on."""
    mount = os.open("/usr", os.O_RDONLY)
    handle = ctypes.create_string_buffer(bytes.fromhex(host.handle))
    descriptor = call("open_by_handle_at", mount, handle, os.O_RDONLY)
    return os.read(descriptor, 100)


@case("user-namespace private-root capabilities", user=None)
def kernel_log(host):
    """Reads the kernel's log from its device."""
    descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    return os.read(descriptor, 8192)


# Writing

@case("private-root host-uid landlock", user="private-root landlock", host="startup")
def startup_file(host):
    """Appends to the operator's .bashrc, to be run at his next login."""
    with open(host.startup, "a") as file:
        file.write(f"# {host.nonce}\n")


@case("private-root host-uid landlock", user="private-root landlock", host="outside-tree")
def new_file(host):
    """Makes a file in a directory of the operator's."""
    open(f"{host.directory}/new", "x").close()


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def new_file_in_named(host):
    """Makes a file in a tree that may only be read."""
    open(f"{host.directory}/new", "x").close()


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def write_named(host):
    """Opens a file for writing that may only be read."""
    with open(host.canary, "r+") as file:
        file.write("changed")


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def truncate_named(host):
    """Empties a file that may only be read by truncate(2), which Landlock forgot before its third version."""
    os.truncate(host.canary, 0)


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def truncate_by_open(host):
    """Empties it by O_TRUNC with reading alone."""
    os.close(os.open(host.canary, os.O_RDONLY | os.O_TRUNC))


@case("private-root socket-shadow host-uid", user="private-root socket-shadow", host="named-tree")
def chmod_named(host):
    """Changes the mode of a file that may only be read; Landlock has no word for it."""
    os.chmod(host.canary, 0o4777)


@case("private-root socket-shadow host-uid", user="private-root socket-shadow", host="named-tree")
def time_named(host):
    """Sets its time back."""
    os.utime(host.canary, (1, 1))


@case("private-root socket-shadow host-uid", user="private-root socket-shadow", host="named-tree")
def attribute_named(host):
    """Gives it an extended attribute."""
    os.setxattr(host.canary, "user.range", b"changed")


@case("user-namespace private-root socket-shadow capabilities", user=None, host="named-tree")
def owner_named(host):
    """Gives it to another user."""
    os.chown(host.canary, 12398, 12398)


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def rename_named(host):
    """Renames it away."""
    os.rename(host.canary, f"{host.directory}/gone")


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def unlink_named(host):
    """Removes it."""
    os.unlink(host.canary)


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def link_named(host):
    """Gives it a second name."""
    os.link(host.canary, f"{host.directory}/second")


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def symlink_named(host):
    """Puts a symbolic link beside it."""
    os.symlink("/etc/passwd", f"{host.directory}/link")


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def nameless_file(host):
    """Makes a file without a name in the tree and gives it one afterwards."""
    descriptor = os.open(host.directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    libc = ctypes.CDLL(None, use_errno=True)
    source, target = f"/proc/self/fd/{descriptor}".encode(), f"{host.directory}/linked".encode()
    if libc.linkat(AT_FDCWD, source, AT_FDCWD, target, 0x400):
        raise OSError(ctypes.get_errno(), "linkat")


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def by_directory_descriptor(host):
    """Walks up from a directory it may enter and down again by descriptors."""
    top = os.open(host.directory, os.O_RDONLY | os.O_DIRECTORY)
    parent = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=top)
    again = os.open(os.path.basename(host.directory), os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    os.close(os.open("new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=again))


@case("private-root socket-shadow host-uid landlock", user="private-root socket-shadow landlock", host="named-tree")
def exchange_named(host):
    """Exchanges it with a file of its own in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = f"{host.directory}/own"
    shutil.copy(host.canary, own)
    if libc.renameat2(AT_FDCWD, own.encode(), AT_FDCWD, host.canary.encode(), 2):
        raise OSError(ctypes.get_errno(), "renameat2")


@case("private-root host-uid landlock", user=None)
def password_file(host):
    """Opens /etc/passwd for writing, and leaves it as it is."""
    os.close(os.open("/etc/passwd", os.O_WRONLY | os.O_APPEND))
    return "open for writing"


@case("private-root host-uid landlock", user=None)
def system_program(host):
    """Opens a program in /usr for writing, and leaves it as it is."""
    os.close(os.open("/usr/bin/env", os.O_RDWR))
    return "open for writing"


# The kernel's own files

def rewrite(path: str) -> str:
    """Writes what is there already: proves the way and changes nothing."""
    with open(path) as file:
        value = file.read()
    with open(path, "w") as file:
        file.write(value)
    return f"{path} written"


@case("host-uid landlock", user=None)
def core_pattern(host):
    """Writes core_pattern, which names a program that the kernel starts as root on the host."""
    return rewrite("/proc/sys/kernel/core_pattern")


@case("host-uid landlock", user=None)
def protections(host):
    """Writes the switch that guards links in shared directories."""
    return rewrite("/proc/sys/fs/protected_symlinks")


@case("private-root host-uid landlock", user=None)
def sys_files(host):
    """Writes a setting of the kernel's in /sys."""
    for path in ("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "/sys/kernel/profiling",
                 "/sys/power/pm_freeze_timeout", "/sys/module/kernel/parameters/panic"):
        if os.path.exists(path):
            return rewrite(path)
    raise FileNotFoundError(2, "nothing in /sys")


@case("private-root host-uid landlock", user=None)
def release_agent(host):
    """Writes a cgroup's release agent, a program that the kernel starts as root on the host."""
    for name in sorted(os.listdir("/sys/fs/cgroup")):
        path = f"/sys/fs/cgroup/{name}/release_agent"
        if os.path.exists(path):
            os.close(os.open(path, os.O_WRONLY))
            return f"{path} open for writing"
    raise FileNotFoundError(2, "no release agent")


@case("private-root host-uid landlock", user=None)
def leave_the_cgroup(host):
    """Moves itself into the host's own cgroup, out of every limit."""
    for place in ("/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/cgroup.procs"):
        if os.path.exists(place):
            with open(place, "w") as file:
                file.write("0")
            return "left"
    raise FileNotFoundError(2, "no cgroups")


# Mounts and roots

def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    text = [None if word is None else word.encode() for word in (source, target, kind)]
    call("mount", *[word if word is not None else 0 for word in text], flags, data.encode() if data else 0)


@case("user-namespace landlock seccomp capabilities", user="landlock seccomp capabilities", alone=True)
def mount_over(host):
    """Mounts a file system of its own over a directory of the system."""
    mount("none", "/usr/share", "tmpfs", 0)
    return not os.listdir("/usr/share") and "covered"


@case("user-namespace landlock seccomp capabilities", user="landlock seccomp capabilities", alone=True)
def bind_mount(host):
    """Binds a file of its own over one of the system's."""
    with open("/tmp/own", "w") as file:
        file.write("own")
    mount("/tmp/own", "/usr/bin/env", None, MS_BIND)
    return read("/usr/bin/env") == "own" and "replaced"


@case("user-namespace landlock seccomp capabilities", user="landlock seccomp capabilities", alone=True)
def remount_root(host):
    """Makes the sealed root writable."""
    mount("none", "/", None, MS_REMOUNT | MS_BIND)
    return "remounted"


@case("user-namespace landlock seccomp capabilities", user="landlock seccomp capabilities", alone=True)
def unmount(host):
    """Takes a mount away to see what lies below."""
    for place in ("/dev/shm", "/run", "/tmp", "/proc"):
        try:
            call("umount2", place.encode(), MNT_DETACH)
            return f"{place} taken away"
        except OSError as error:
            last = error
    raise last


@case("user-namespace landlock seccomp capabilities", user="landlock seccomp capabilities", alone=True)
def pivot(host):
    """Makes another root."""
    os.makedirs("/tmp/new", exist_ok=True)
    mount("none", "/tmp/new", "tmpfs", 0)
    os.makedirs("/tmp/new/old")
    call("pivot_root", b"/tmp/new", b"/tmp/new/old")
    return os.path.isdir("/old") and "pivoted"


@case("seccomp capabilities")
def change_root(host):
    """Changes its root, by which the names of files are no longer what Landlock's rules meant."""
    os.makedirs("/tmp/new-root", exist_ok=True)
    os.chroot("/tmp/new-root")
    return os.listdir("/") == [] and "another root"


@case("user-namespace seccomp capabilities", user="seccomp capabilities")
def clone_tree(host):
    """Takes a detached copy of the whole tree."""
    return f"descriptor {call('open_tree', AT_FDCWD, b'/', 1 | AT_RECURSIVE)}"


@case("user-namespace landlock seccomp capabilities", user="landlock seccomp capabilities", alone=True)
def new_file_system(host):
    """Makes a file system by the new calls, without mount(2)."""
    context = call("fsopen", b"tmpfs", 0)
    call("fsconfig", context, 6, 0, 0, 0)
    made = call("fsmount", context, 0, 0)
    call("move_mount", made, b"", AT_FDCWD, b"/tmp", 4)
    return "moved into place"


@case("user-namespace seccomp capabilities", user="seccomp capabilities", alone=True)
def mount_attributes(host):
    """Changes a mount by mount_setattr, without mount(2): only how it propagates, which harms nobody."""
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", 0, 0, MS_PRIVATE, 0))
    call("mount_setattr", AT_FDCWD, b"/proc", 0, attributes, 32)
    return "attributes set"


@case("seccomp capabilities", alone=True)
def own_mounts(host):
    """Makes a mount namespace of its own, in which to mount."""
    call("unshare", CLONE_NEWNS)
    return "unshared"


@case("user-namespace pid-namespace seccomp capabilities landlock", user=None, host="neighbour secret", alone=True)
def hosts_mounts(host):
    """Enters the mount namespace of a process of the host and reads there."""
    uses_namespace(host.pid, "mnt", CLONE_NEWNS)
    return read(host.secret)


@case("seccomp", host="lent-file", args="--read {home}/lent")
def lease_a_file(host):
    """Takes a lease on a file that the operator named, so that who writes it outside waits for the cell."""
    import fcntl
    import signal
    import time
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    with open(host.lent) as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        time.sleep(1)
    return "leased"


# Gaining by executing

@case("user-namespace private-root socket-shadow landlock no-new-privileges", user=None, host="helper")
def setuid_program(host):
    """Executes a program that is setuid root, in a tree that was named."""
    with os.popen(f"{host.helper} {host.secret}") as told:
        return told.read()


# What needs neither a right nor a writable mount

@case("private-root")
def time_of_a_device(host):
    """Sets the time of the host's /dev/null, which everybody may write to."""
    os.utime("/dev/null")
    return "set"


@case("seccomp")
def handle_of_a_directory(host):
    """Takes the handle of a directory, which means it to whoever may open by handles."""
    handle, mount_id = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(136)), ctypes.c_int()
    call("name_to_handle_at", AT_FDCWD, b"/usr", handle, ctypes.byref(mount_id), 0)
    return "taken"
