"""Processes of the host and of the plane: signals, memory, identities; and the kernel surface that leads past the rest."""

import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct
import time

import kernel
from case import case
from kernel import CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER, call, machine_code, uses_namespace, vectors

SEES = "user-namespace pid-namespace landlock capabilities"


# Signals and scheduling

@case("pid-namespace host-uid landlock", user="pid-namespace landlock", host="neighbour")
def signal_a_process(host):
    """Sends a signal to a process of the operator's by its number."""
    os.kill(host.pid, signal.SIGUSR1)
    time.sleep(0.1)


@case("pid-namespace host-uid landlock", user="pid-namespace landlock", host="neighbour")
def signal_by_pidfd(host):
    """The same by a descriptor of the process."""
    descriptor = os.pidfd_open(host.pid)
    signal.pidfd_send_signal(descriptor, signal.SIGUSR2)
    time.sleep(0.1)


@case("pid-namespace host-uid landlock", user="pid-namespace landlock", host="neighbour")
def signal_by_ownership(host):
    """Lets the kernel send SIGURG for it, by making the process the owner of a socket."""
    here, there = socket.socketpair()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    fcntl.fcntl(server, fcntl.F_SETOWN, host.pid)
    client.send(b"!", socket.MSG_OOB)
    time.sleep(0.2)
    here.close()
    there.close()


@case("pid-namespace host-uid landlock", user="pid-namespace landlock", host="neighbour")
def signal_by_queue(host):
    """The same by rt_sigqueueinfo, which carries a value."""
    info = struct.pack("iii", int(signal.SIGUSR1), 0, -1) + bytes(116)
    if kernel.LIBC.syscall(129, host.pid, int(signal.SIGUSR1), info):
        raise OSError(ctypes.get_errno(), "rt_sigqueueinfo")
    time.sleep(0.1)


@case("pid-namespace host-uid landlock", user="pid-namespace landlock", host="neighbour")
def signal_a_thread(host):
    """The same by tgkill."""
    if kernel.LIBC.syscall(234, host.pid, host.pid, int(signal.SIGHUP)):
        raise OSError(ctypes.get_errno(), "tgkill")
    time.sleep(0.1)


@case("pid-namespace host-uid capabilities", user="pid-namespace", host="neighbour")
def slow_a_process(host):
    """Takes its share of the processor away: priority 19. Landlock has no word for it."""
    os.setpriority(os.PRIO_PROCESS, host.pid, 19)


@case("pid-namespace host-uid capabilities", user="pid-namespace", host="neighbour")
def pin_a_process(host):
    """Moves it to one processor."""
    os.sched_setaffinity(host.pid, {0})


@case("pid-namespace host-uid capabilities", user="pid-namespace", host="neighbour")
def starve_its_disk(host):
    """Puts its disk accesses last."""
    call("ioprio_set", 1, host.pid, 3 << 13)


@case("pid-namespace host-uid seccomp", user="pid-namespace seccomp", host="neighbour")
def limit_a_process(host):
    """Lowers how many files it may open, by prlimit."""
    call("prlimit64", host.pid, 7, struct.pack("QQ", 10, 10), 0)


@case("pid-namespace host-uid landlock", user="pid-namespace landlock", host="neighbour")
def offer_to_the_killer(host):
    """Names it as the first to be killed when memory is short."""
    with open(f"/proc/{host.pid}/oom_score_adj", "w") as file:
        file.write("1000")


# Memory

@case(SEES, user=None, host="neighbour")
def read_memory(host):
    """Reads a process's memory by process_vm_readv."""
    here = ctypes.create_string_buffer(64)
    vectors("process_vm_readv", host.pid, here, host.address, 64)
    return here.raw


@case(SEES, user=None, host="neighbour")
def write_memory(host):
    """Writes a process's memory by process_vm_writev."""
    here = ctypes.create_string_buffer(b"overwritten")
    vectors("process_vm_writev", host.pid, here, host.address, 11)


@case(SEES, user=None, host="neighbour")
def memory_file(host):
    """Writes it through /proc/PID/mem, past its protections."""
    with open(f"/proc/{host.pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(host.address)
        memory.write(b"overwritten")


@case(SEES, user=None, host="neighbour")
def attach(host):
    """Attaches as a debugger and reads a word."""
    call("ptrace", 16, host.pid, 0, 0)
    try:
        os.waitpid(host.pid, 0x40000000)
        words = b""
        for offset in range(0, 32, 8):
            word = ctypes.c_long()
            call("ptrace", 2, host.pid, host.address + offset, ctypes.byref(word))
            words += struct.pack("q", word.value)
        return words
    finally:
        call("ptrace", 17, host.pid, 0, 0)


@case("user-namespace pid-namespace landlock seccomp capabilities", user=None, host="neighbour")
def steal_a_descriptor(host):
    """Takes an open file out of a process by pidfd_getfd."""
    stolen = call("pidfd_getfd", os.pidfd_open(host.pid), host.descriptor, 0)
    return os.pread(stolen, 100, 0)


# The cell's own first process

@case("user-namespace capabilities landlock", user=None)
def memory_of_pid_1(host):
    """Opens the memory of the cell's first process, which holds the door's watcher and the plane's socket."""
    with open("/proc/1/mem", "rb", buffering=0):
        with open("/proc/1/comm") as file:
            return file.read()


@case("user-namespace capabilities", user=None)
def descriptors_of_pid_1(host):
    """Lists what the cell's first process has open."""
    return os.listdir("/proc/1/fd") + ["listed"]


@case("user-namespace capabilities landlock", user=None)
def attach_to_pid_1(host):
    """Becomes the debugger of the cell's first process."""
    call("ptrace", 0x4206, 1, 0, 0)
    return "seized"


@case("landlock")
def signal_pid_1(host):
    """May send a signal to the cell's first process."""
    os.kill(1, 0)
    return "may"


@case("seccomp")
def limit_pid_1(host):
    """Sets a limit of the cell's first process, which has the same user: one of descriptors or time would end it."""
    call("prlimit64", 1, 12, struct.pack("QQ", 0, 0), 0)
    return "limited"


@case("capabilities")
def slow_pid_1(host):
    """Has the cell's first process wait for all others, by each of the ways to say so."""
    os.sched_setaffinity(1, {min(os.sched_getaffinity(1))})
    os.setpriority(os.PRIO_PROCESS, 1, 1)
    os.sched_setscheduler(1, os.SCHED_BATCH, os.sched_param(0))
    return "slowed"


@case("user-namespace capabilities landlock seccomp", user=None)
def socket_of_pid_1(host):
    """Takes the plane's control socket out of the cell's first process."""
    stolen = call("pidfd_getfd", os.pidfd_open(1), 0, 0)
    return os.readlink(f"/proc/self/fd/{stolen}")


# Identities

@case("seccomp", name="user-namespace-by-unshare")
def user_namespace(host):
    """Makes a user namespace and is root in it, which opens half of the kernel's attack surface."""
    call("unshare", CLONE_NEWUSER)
    with open("/proc/self/status") as file:
        return "CapEff:\t0000000000000000" not in file.read() and "all capabilities in a namespace of its own"


@case("seccomp")
def user_namespace_by_clone(host):
    """The same by clone(2)."""
    child = call("clone", CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "cloned"


@case("seccomp")
def user_namespace_by_clone3(host):
    """The same by clone3, whose flags lie in memory where no filter sees them."""
    child = call("clone3", struct.pack("QQQQQQQQ", CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "cloned"


@case("user-namespace pid-namespace seccomp capabilities landlock", user=None, host="neighbour tcp-listener")
def hosts_network(host):
    """Enters the network of a process of the host and talks to a service there."""
    uses_namespace(host.pid, "net", CLONE_NEWNET)
    with socket.create_connection(("127.0.0.1", host.port), 2) as one:
        one.sendall(host.nonce.encode())
        time.sleep(0.3)
    return "said"


@case("user-namespace pid-namespace seccomp capabilities landlock", user=None, host="neighbour")
def hosts_processes(host):
    """Enters the pid namespace of a process of the host; a child of its own there sends a signal."""
    uses_namespace(host.pid, "pid", CLONE_NEWPID)
    if os.fork() == 0:
        os.kill(host.pid, signal.SIGUSR1)
        os._exit(0)
    time.sleep(0.2)


@case("user-namespace capabilities", user=None)
def become_root(host):
    """Becomes user 0."""
    os.setresuid(0, 0, 0)
    with open("/proc/self/uid_map") as file:
        return file.read().split()[:2] == ["0", "0"] and "root"


@case("user-namespace capabilities", user=None)
def become_another_user(host):
    """Becomes another user of the host."""
    os.setresuid(12399, 12399, 12399)
    return "another"


@case("user-namespace capabilities", user=None)
def join_a_group(host):
    """Joins the group of the disks."""
    os.setgroups([6])
    return "joined"


# Entries and surfaces

@case("seccomp network-namespace")
def old_entry(host):
    """Calls the kernel by the 32-bit entry, where other numbers mean other things."""
    if platform.machine() != "x86_64":
        raise OSError(38, "another machine")
    got = machine_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")     # mov eax, 20 (getpid); int 0x80; ret
    return got == os.getpid() and "getpid by int 0x80"


@case("seccomp")
def read_implies_exec(host):
    """Turns on an old personality that undoes hardening."""
    call("personality", 0x0400000)
    return "set"


@case("seccomp")
def io_uring(host):
    """Makes a ring, whose requests no filter sees."""
    return f"ring {call('io_uring_setup', 4, ctypes.create_string_buffer(120))}"


@case("seccomp")
def page_faults(host):
    """Handles page faults itself, which is how races in the kernel are won."""
    return f"userfaultfd {call('userfaultfd', 1)}"


@case("seccomp")
def counters(host):
    """Opens a performance counter on itself."""
    attributes = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(24) + struct.pack("Q", 0x61) + bytes(64))
    return f"counter {call('perf_event_open', attributes, 0, -1, -1, 0)}"


@case("seccomp user-namespace capabilities", user=None)
def programs_in_the_kernel(host):
    """Makes a BPF map."""
    return f"map {call('bpf', 0, ctypes.create_string_buffer(struct.pack('IIII', 2, 4, 8, 1) + bytes(112)), 128)}"


@case("seccomp")
def watch_a_mount(host):
    """Watches every file of a mount by fanotify."""
    return f"group {call('fanotify_init', 0x200, 0)}"


@case("seccomp user-namespace capabilities", user=None)
def kernel_ring_buffer(host):
    """Reads the kernel's log by syslog(2)."""
    text = ctypes.create_string_buffer(4096)
    return call("syslog", 3, text, 4096) > 0 and "read"


@case("seccomp user-namespace capabilities", user=None)
def accounting(host):
    """Turns process accounting off, which is off."""
    call("acct", 0)
    return "off"


@case("seccomp user-namespace capabilities", user=None)
def clock(host):
    """Adjusts the host's clock by nothing at all."""
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))
    return "set"


@case("seccomp user-namespace capabilities", user=None)
def swap(host):
    """Reaches the code that turns swap on, with a file that is none."""
    try:
        call("swapon", b"/dev/null", 0)
    except OSError as error:
        if error.errno == 22:
            return "refused only for what it is"
        raise
    return "on"


@case("seccomp user-namespace pid-namespace capabilities", user=None)
def reboot(host):
    """Sets what Ctrl-Alt-Del does, to what it does: the call that could also reboot."""
    call("reboot", 0xFEE1DEAD, 672274793, 0, 0)
    return "set"


# The rest of what a suite of escapes asks a kernel for

@case("user-namespace capabilities landlock", user=None)
def words_of_pid_1(host):
    """Reads the memory of the cell's first process by process_vm_readv, at the address where a program's head is mapped."""
    here = ctypes.create_string_buffer(4)
    with open("/proc/1/maps") as file:
        address = int(file.read().split("-")[0], 16)
    vectors("process_vm_readv", 1, here, address, 4)
    return here.raw


@case("user-namespace capabilities landlock", user=None)
def compare_with_pid_1(host):
    """Learns whether it shares open files with the cell's first process, by kcmp."""
    call("kcmp", os.getpid(), 1, 2, 0, 0)
    return "compared"


@case("user-namespace capabilities landlock", user=None)
def namespaces_of_pid_1(host):
    """Takes a namespace of the cell's first process by its pidfd, without a name in /proc."""
    return f"descriptor {fcntl.ioctl(os.pidfd_open(1), 0xFF04)}"


@case("seccomp capabilities")
def time_namespace(host):
    """Makes a time namespace, whose flag is a signal's number to clone."""
    call("unshare", 0x80)
    return "made"


@case("seccomp capabilities")
def mounts_by_clone(host):
    """Makes a mount namespace by clone(2), with the upper half of the flags set to hide them."""
    child = call("clone", 0x20000 | signal.SIGCHLD | 1 << 40, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "cloned"


@case("seccomp")
def segments(host):
    """Makes a segment of its own by modify_ldt, an old way to run other code than was looked at."""
    return call("modify_ldt", 0, ctypes.create_string_buffer(64), 64) >= 0 and "read"


@case("seccomp")
def old_mappings(host):
    """Maps a file's pages out of order by remap_file_pages, which the kernel keeps for nobody but exploits."""
    import mmap
    view = mmap.mmap(-1, 8192)
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    call("remap_file_pages", address, 4096, 0, 1, 0)
    return "mapped"


@case("seccomp")
def kernel_requests(host):
    """Makes a queue of the kernel's older asynchronous requests."""
    context = ctypes.c_ulong()
    call("io_setup", 1, ctypes.byref(context))
    return "made"


@case("seccomp")
def quotas(host):
    """Has the kernel write the quotas of every file system, which needs none to be named."""
    call("quotactl", 0x800001 << 8, 0, 0, 0)
    return "written"
