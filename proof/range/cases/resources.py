"""Resources of the host: taking all of them, or more than one's turn."""

import ctypes
import mmap
import os
import signal
import time

import kernel
from case import case
from kernel import call

TIGHT = "--policy {policies}/tight.yaml"
WIDE = "--policy {policies}/wide.yaml"
MUCH = 160 << 20                   # bytes: past the tight policy, well within the wide one


def pages(view) -> str:
    """Touches every page."""
    for offset in range(0, MUCH, 4096):
        view[offset] = 1
    return f"{MUCH >> 20} MiB held"


@case(user=None, args=TIGHT, word=WIDE, alone=True, silence="RANGE BEGIN")
def memory(host):
    """Takes memory."""
    return pages(mmap.mmap(-1, MUCH))


@case(user=None, args=TIGHT, word=WIDE, alone=True, silence="RANGE BEGIN")
def memory_without_a_name(host):
    """Takes memory as a file without a name, which no limit on address space sees."""
    descriptor = os.memfd_create("range")
    os.ftruncate(descriptor, MUCH)
    return pages(mmap.mmap(descriptor, MUCH))


@case(args=TIGHT, word=WIDE, alone=True, silence="RANGE BEGIN")
def shared_memory(host):
    """Takes memory as a file in /dev/shm."""
    with open("/dev/shm/range", "wb") as file:
        for _ in range(MUCH >> 20):
            file.write(bytes(1 << 20))
    return "written"


@case(args=TIGHT, word=WIDE, alone=True, silence="RANGE BEGIN")
def scratch_space(host):
    """Takes memory as files in /tmp."""
    for number in range(MUCH >> 20):
        with open(f"/tmp/range-{number}", "wb") as file:
            file.write(bytes(1 << 20))
    return "written"


@case(args=TIGHT, word=WIDE, alone=True, silence="RANGE BEGIN")
def many_processes(host):
    """Forks and forks."""
    children = []
    try:
        for _ in range(150):
            child = os.fork()
            if child == 0:
                time.sleep(20)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
    return f"{len(children)} children"


@case(args=TIGHT, word=WIDE, alone=True, silence="RANGE BEGIN")
def many_threads(host):
    """Starts threads instead, which count no less."""
    import threading
    stop = threading.Event()
    threads = []
    try:
        for _ in range(150):
            one = threading.Thread(target=stop.wait)
            one.start()
            threads.append(one)
    except RuntimeError as error:
        raise BlockingIOError(11, str(error)) from None
    finally:
        stop.set()
    return f"{len(threads)} threads"


@case(args="--policy {policies}/short.yaml", word=WIDE, alone=True, silence="RANGE BEGIN")
def time_of_the_session(host):
    """Goes on after its time is over."""
    time.sleep(4)
    return "still here"


@case("private-root", user="private-root")
def many_terminals(host):
    """Takes more ptys than a cell has of its own."""
    held = []
    for _ in range(300):
        held += os.openpty()
        os.close(held.pop())
    return f"{len(held)} ptys"


@case("user-namespace capabilities", user=None)
def before_all_others(host):
    """Raises its own priority."""
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    return "priority -10"


@case("user-namespace capabilities", user=None)
def disk_before_all_others(host):
    """Puts its disk accesses before everybody's."""
    call("ioprio_set", 1, 0, 1 << 13)
    return "real-time disk"


@case("user-namespace capabilities", user=None)
def locked_memory(host):
    """Locks memory past its limit, so that it is never paged out."""
    import resource
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (4096, 4096))
    view = mmap.mmap(-1, 1 << 20)
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    if kernel.LIBC.mlock(ctypes.c_void_p(address), ctypes.c_size_t(1 << 20)):
        raise OSError(ctypes.get_errno(), "mlock")
    return "1 MiB locked"


@case("user-namespace capabilities", user=None)
def forced_buffer(host):
    """Makes a socket's buffer larger than anybody may."""
    import socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
        return f"{one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)} bytes"


@case("private-root host-uid", user=None, host="kernel-log")
def flood_the_kernel_log(host):
    """Writes into the kernel's log."""
    with open("/dev/kmsg", "w") as log:
        log.write(f"range {host.nonce}\n")


@case("private-root landlock", host="host-disk")
def fill_the_hosts_tmp(host):
    """Leaves files in the host's /tmp after its end."""
    with open(f"/tmp/range-left-{host.nonce}", "w") as file:
        file.write("left")


@case("seccomp")
def core_to_a_program(host):
    """Has its dumps of core handed to a program of the host's again: a limit of 1 stops that, one of 0 does not."""
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if resource.getrlimit(resource.RLIMIT_CORE) == (1, 1):
        raise OSError("the limit is 1 as before")
    return resource.getrlimit(resource.RLIMIT_CORE)


@case(host="operators-watches", control="", alone=True)
def all_watches(host):
    """Takes every group of watches on files that the kernel counts for the operator, and keeps them."""
    libc, held = kernel.LIBC, []
    while (descriptor := libc.inotify_init1(0)) >= 0:
        held.append(descriptor)
    time.sleep(4)
    return f"{len(held)} groups"


@case(host="operators-signals", control="", alone=True)
def all_waiting_signals(host):
    """Lets as many signals wait as the kernel counts for the operator, who could make no timer any more."""
    number, held = signal.SIGRTMIN + 5, 0
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    info = int(number).to_bytes(4, "little") + bytes(4) + (-1).to_bytes(4, "little", signed=True) + bytes(116)
    try:
        while True:
            call("rt_sigqueueinfo", os.getpid(), int(number), info)
            held += 1
    except OSError:
        time.sleep(4)
    return f"{held} signals"
