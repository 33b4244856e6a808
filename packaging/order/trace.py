"""Which functions of the four programs run, in the order in which they first do: trace.py DIRECTORY COMMAND...

A breakpoint stands at each function of each, and is taken away where it is met. x86-64 alone. Each program's list is added to the
file of its name in DIRECTORY.
"""

import ctypes
import os
import signal
import struct
import subprocess
import sys

PROGRAMS = {"bastide", "bastided", "bastide-cell", "bastide-gate"}
# How long what the command left behind is looked at.
AFTER = 3
TRACEME, CONTINUE, GET_REGISTERS, SET_REGISTERS, SET_OPTIONS, EVENT_MESSAGE = 0, 7, 12, 13, 0x4200, 0x4201
FORK, VFORK, CLONE, EXEC = 1, 2, 3, 4
ALL_TASKS = 0x40000000
BREAKPOINT = 0xCC

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    """As of <sys/user.h>."""

    _fields_ = [
        (name, ctypes.c_ulonglong)
        for name in (
            "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax "
            "rip cs eflags rsp ss fs_base gs_base ds es fs gs"
        ).split()
    ]


class Program:
    """One program's functions by address, and its code with a breakpoint at each."""

    def __init__(self, path):
        with open(path, "rb") as file:
            image = file.read()
        self.movable = struct.unpack_from("<H", image, 16)[0] == 3
        table, count = struct.unpack_from("<Q", image, 32)[0], struct.unpack_from("<H", image, 56)[0]
        segments = (struct.unpack_from("<IIQQQQ", image, table + 56 * number) for number in range(count))
        offset, self.start, size = next((at, to, size) for kind, flags, at, to, _, size in segments if kind == 1 and flags & 1)
        self.code = image[offset : offset + size]
        self.names = {}
        for line in subprocess.run(["nm", "-S", path], capture_output=True, text=True, check=True).stdout.splitlines():
            fields = line.split()
            if len(fields) == 4 and fields[2] in "tTwWi" and 0 <= int(fields[0], 16) - self.start < size:
                self.names.setdefault(int(fields[0], 16), fields[3])
        stopped = bytearray(self.code)
        for address in self.names:
            stopped[address - self.start] = BREAKPOINT
        self.stopped = bytes(stopped)
        self.met = {}


class Trace:
    def __init__(self):
        self.programs = {}
        # Whose memory holds which program, and where.
        self.runs = {}
        # Tasks that were told of by who made them; and those that stopped before that, and wait for it.
        self.known, self.early = set(), set()

    def begins(self, process):
        path = os.readlink(f"/proc/{process}/exe")
        name = os.path.basename(path)
        self.runs.pop(process, None)
        if name not in PROGRAMS:
            return
        if name not in self.programs:
            self.programs[name] = Program(path)
        program = self.programs[name]
        base = lowest(process, path) if program.movable else 0
        with open(f"/proc/{process}/mem", "r+b", 0) as memory:
            memory.seek(base + program.start)
            memory.write(program.stopped)
        self.runs[process] = (program, base)

    def meets(self, task):
        """Whether a task that stopped had met a breakpoint of ours, which is gone then."""
        registers = Registers()
        libc.ptrace(GET_REGISTERS, task, None, ctypes.byref(registers))
        program, base = self.runs.get(group(task), (None, 0))
        address = registers.rip - 1 - base
        if program is None or address not in program.names:
            return False
        program.met.setdefault(program.names[address])
        with open(f"/proc/{task}/mem", "r+b", 0) as memory:
            memory.seek(base + address)
            memory.write(program.code[address - program.start :][:1])
        registers.rip -= 1
        libc.ptrace(SET_REGISTERS, task, None, ctypes.byref(registers))
        return True

    def stops(self, task, status):
        """Carries out what a task stopped for, and lets it go on."""
        event, number, given = status >> 16, os.WSTOPSIG(status), 0
        if event in (FORK, VFORK, CLONE):
            self.made(task)
        elif event == EXEC:
            self.begins(task)
        elif number == signal.SIGSTOP and task not in self.known:
            self.early.add(task)
            return
        elif not (number == signal.SIGSTOP or number == signal.SIGTRAP and self.meets(task)):
            given = number
        libc.ptrace(CONTINUE, task, None, given)

    def made(self, by):
        """A task made another, which has its memory, or a copy."""
        message = ctypes.c_ulong()
        libc.ptrace(EVENT_MESSAGE, by, None, ctypes.byref(message))
        task = message.value
        self.known.add(task)
        if group(by) in self.runs and group(task) == task:
            self.runs[task] = self.runs[group(by)]
        if task in self.early:
            self.early.remove(task)
            libc.ptrace(CONTINUE, task, None, None)

    def follow(self, command):
        child = os.fork()
        if child == 0:
            libc.ptrace(TRACEME, 0, None, None)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execvp(command[0], command)
        self.known.add(child)
        os.waitpid(child, 0)
        libc.ptrace(SET_OPTIONS, child, None, 1 << FORK | 1 << VFORK | 1 << CLONE | 1 << EXEC)
        libc.ptrace(CONTINUE, child, None, None)
        signal.signal(signal.SIGALRM, time_is_up)
        try:
            while True:
                task, status = os.waitpid(-1, ALL_TASKS)
                if os.WIFSTOPPED(status):
                    self.stops(task, status)
                    continue
                # The number may come again.
                self.known.discard(task)
                if task == child:
                    signal.alarm(AFTER)
        except (TimeoutError, ChildProcessError):
            return


def time_is_up(*_):
    raise TimeoutError


def group(task):
    try:
        with open(f"/proc/{task}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))
    except OSError:
        return task


def lowest(process, path):
    with open(f"/proc/{process}/maps") as file:
        return next(int(line.split("-")[0], 16) for line in file if line.rstrip().endswith(path))


def main():
    directory, command = sys.argv[1], sys.argv[2:]
    trace = Trace()
    trace.follow(command)
    for name, program in sorted(trace.programs.items()):
        path = os.path.join(directory, name)
        with open(path, "a+") as file:
            file.seek(0)
            known = set(file.read().split())
            file.writelines(f"{met}\n" for met in program.met if met not in known)
        print(f"{name}: {len(program.met)} of {len(program.names)} functions ran", flush=True)
    # What goes on is no longer traced, nor is it ours to end.
    os._exit(0)


main()
