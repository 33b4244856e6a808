"""Raw system calls and numbers that Python does not name. x86-64."""

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long

NR = {
    "ioctl": 16, "shmget": 29, "clone": 56, "semget": 64, "semop": 65, "semctl": 66, "msgget": 68, "msgrcv": 70, "ptrace": 101,
    "syslog": 103, "rt_sigqueueinfo": 129, "personality": 135, "modify_ldt": 154, "pivot_root": 155, "acct": 163, "mount": 165, "umount2": 166, "swapon": 167,
    "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "quotactl": 179, "io_setup": 206, "remap_file_pages": 216, "mq_open": 240, "mq_timedreceive": 243, "kexec_load": 246, "add_key": 248,
    "request_key": 249, "keyctl": 250, "ioprio_set": 251, "unshare": 272, "perf_event_open": 298, "fanotify_init": 300,
    "prlimit64": 302, "name_to_handle_at": 303, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "renameat2": 316, "memfd_secret": 447, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "clone3": 435, "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442, "process_mrelease": 448,
}

AT_FDCWD, AT_RECURSIVE = -100, 0x8000
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUTS = 0x20000, 0x10000000, 0x40000000, 0x20000000, 0x4000000
MS_REMOUNT, MS_BIND, MS_PRIVATE, MNT_DETACH = 32, 4096, 1 << 18, 2


def call(name: str, *arguments) -> int:
    """A system call by name; raises OSError as the os module does."""
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = LIBC.syscall(ctypes.c_long(NR[name]), *words)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def vectors(name: str, pid: int, local, address: int, length: int) -> int:
    """process_vm_readv and process_vm_writev with one vector on each side."""
    class Vector(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
    here, there = Vector(ctypes.addressof(local), length), Vector(address, length)
    return call(name, pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def machine_code(code: bytes) -> int:
    """Runs bytes as a function without arguments, for entries that the C library does not offer."""
    import mmap
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    return function()


def uses_namespace(pid: int, kind: str, flag: int) -> None:
    """Enters another process's namespace."""
    descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
    try:
        call("setns", descriptor, flag)
    finally:
        os.close(descriptor)


def processes(name: str) -> list[int]:
    """Pids whose command has this name, as far as this /proc shows them."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/comm") as file:
                    if file.read().strip() == name:
                        found.append(int(entry))
            except OSError:
                pass
    return found
