"""Talking to the host's processes beside the network: sockets with and without a path, pipes, System V, keys, stdio."""

import ctypes
import os
import socket
import time

from case import case
from kernel import LIBC, call


def say(host, address, kind=socket.SOCK_STREAM) -> str:
    with socket.socket(socket.AF_UNIX, kind) as one:
        one.settimeout(2)
        one.connect(address)
        one.send(host.nonce.encode())
        time.sleep(0.2)
    return "said"


@case("private-root", host="tmp-socket")
def socket_in_tmp(host):
    """Connects to a Unix socket in the host's /tmp, as of an ssh-agent or an X server. Landlock has no word for it yet."""
    return say(host, host.path)


@case("private-root", host="run-socket")
def socket_in_run(host):
    """Connects to a Unix socket in /run, as of Docker or D-Bus."""
    return say(host, host.path)


@case("socket-shadow", host="named-socket")
def socket_in_named_tree(host):
    """Connects to a Unix socket in a tree that the operator named to be read."""
    return say(host, host.path)


@case("socket-shadow", host="late-socket", alone=True)
def socket_made_later(host):
    """The same with a socket made after the session began, when no mount can be laid over it any more."""
    end = time.monotonic() + 3
    while not os.path.exists(host.path) and time.monotonic() < end:
        time.sleep(0.05)
    return say(host, host.path)


@case("network-namespace landlock", host="abstract-socket")
def abstract_socket(host):
    """Connects to a Unix socket that has no path, as of X11."""
    return say(host, f"\0{host.path}")


@case("network-namespace landlock", host="abstract-datagram")
def abstract_datagram(host):
    """Sends a datagram to one without connecting."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(host.nonce.encode(), f"\0{host.path}")


@case("private-root landlock", host="tmp-fifo")
def fifo_in_tmp(host):
    """Writes into a named pipe in the host's /tmp."""
    descriptor = os.open(host.path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, host.nonce.encode())


@case("socket-shadow landlock", host="named-fifo")
def fifo_in_named_tree(host):
    """Writes into a named pipe in a tree that may only be read: a read-only mount does not stop that."""
    descriptor = os.open(host.path, os.O_WRONLY | os.O_NONBLOCK)
    os.write(descriptor, host.nonce.encode())


@case("private-root", host="shared-memory")
def posix_memory(host):
    """Opens POSIX shared memory of the host's in /dev/shm."""
    with open(host.public) as file:
        return file.read()


@case("ipc-namespace", host="sysv-memory")
def sysv_memory(host):
    """Attaches a System V shared memory segment of the host's by its key."""
    segment = call("shmget", host.key, 0, 0)
    LIBC.shmat.restype = ctypes.c_void_p
    address = LIBC.shmat(segment, None, 0o10000)
    return ctypes.string_at(address, 32)


@case("ipc-namespace", host="sysv-semaphore")
def sysv_semaphore(host):
    """Raises a System V semaphore of the host's."""
    semaphore = call("semget", host.key, 0, 0)
    call("semop", semaphore, bytes([0, 0, 1, 0, 0, 0]), 1)


@case("ipc-namespace", host="sysv-queue")
def sysv_queue(host):
    """Takes a message out of a System V queue of the host's."""
    queue = call("msgget", host.key, 0)
    text = ctypes.create_string_buffer(64)
    call("msgrcv", queue, text, 40, 0, 0o4000)
    return text.raw[8:]


@case("ipc-namespace seccomp landlock", host="posix-queue")
def posix_queue(host):
    """Takes a message out of a POSIX queue of the host's."""
    queue = call("mq_open", host.queue.encode(), os.O_RDWR | os.O_NONBLOCK, 0, 0)
    text = ctypes.create_string_buffer(8192)
    call("mq_timedreceive", queue, text, 8192, 0, 0)
    return text.raw[:32]


@case("seccomp", user="seccomp", host="session-key", alone=True)
def session_keyring(host):
    """Reads a key from the operator's session keyring, which his children inherit."""
    key = call("keyctl", 10, -3, b"user", host.description.encode(), 0)
    text = ctypes.create_string_buffer(64)
    call("keyctl", 11, key, text, 64)
    return text.raw


@case("seccomp", host="session-key", alone=True)
def requested_key(host):
    """The same by request_key, which searches every keyring of the process."""
    key = call("request_key", b"user", host.description.encode(), 0, 0)
    text = ctypes.create_string_buffer(64)
    call("keyctl", 11, key, text, 64)
    return text.raw


@case("private-root host-uid", user="private-root", host="listed-key", alone=True)
def listed_keys(host):
    """Reads in /proc/keys what the operator's keys are called."""
    with open("/proc/keys", "rb") as file:
        return file.read()


# What the operator's shell has open

@case("sealed-descriptors", host="open-file")
def inherited_file(host):
    """Reads a file that the operator's shell had open."""
    return os.read(host.descriptor, 100)


@case("sealed-descriptors landlock host-uid", user="sealed-descriptors landlock", host="open-directory")
def inherited_directory(host):
    """Opens a file beneath a directory that the operator's shell had open."""
    return os.read(os.open("secret", os.O_RDONLY, dir_fd=host.descriptor), 100)


@case("sealed-descriptors landlock host-uid", user="sealed-descriptors landlock", host="open-tree")
def inherited_directory_written(host):
    """Makes a file in a directory that the operator's shell had open."""
    os.close(os.open("planted", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=host.descriptor))


@case("sealed-descriptors", host="open-log")
def inherited_log(host):
    """Writes to a file that the operator's shell had open for writing."""
    os.write(host.descriptor, b"changed")


@case("sealed-descriptors", host="open-socket")
def inherited_connection(host):
    """Talks on a connection to a service of the host's that the operator's shell had open."""
    os.write(host.descriptor, host.nonce.encode())


@case("sealed-descriptors", host="open-listener")
def inherited_listener(host):
    """Answers the clients of a service whose listening socket was open."""
    one, _ = socket.socket(fileno=host.descriptor).accept()
    one.send(host.nonce.encode())
    time.sleep(0.2)


@case("relayed-stdio landlock host-uid", user="relayed-stdio landlock", host="stdin-file", alone=True)
def reopen_stdin(host):
    """Opens its stdin, a file of the operator's open for reading, a second time for writing."""
    with open("/proc/self/fd/0", "w") as file:
        file.write("changed")


@case("private-root host-uid", user="private-root", host="operator-terminal")
def another_terminal(host):
    """Writes to another terminal of the operator's."""
    with open(host.tty, "w") as tty:
        tty.write(host.nonce)


@case("user-namespace private-root seccomp capabilities", user=None, host="operator-terminal")
def type_into_a_terminal(host):
    """Types into another terminal of the operator's as if it were he."""
    import fcntl
    import termios
    tty = os.open(host.tty, os.O_RDWR | os.O_NOCTTY)
    for letter in host.nonce.encode():
        fcntl.ioctl(tty, termios.TIOCSTI, bytes([letter]))


@case("seccomp")
def line_discipline(host):
    """Gives a terminal another line discipline, for which the kernel loads a driver; here the one that it has."""
    import fcntl
    import termios
    leader, tty = os.openpty()
    fcntl.ioctl(tty, termios.TIOCSETD, (0).to_bytes(4, "little"))
    return "set"
