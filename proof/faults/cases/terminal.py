"""The operator's terminal: hang-up, keys, job control, and streams that are closed."""

import contextlib
import fcntl
import os
import random
import re
import select
import signal
import struct
import subprocess
import termios
import time

import left
from case import case, require


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, stage, argv):
        self.pid, self.master = stage.terminal(argv, stage.workspace)
        self.text, self.status = "", None

    def read(self, seconds=0.1):
        until = time.monotonic() + seconds
        while (left_over := until - time.monotonic()) > 0 and select.select([self.master], [], [], left_over)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            self.text += data.decode(errors="replace")

    def expect(self, text, seconds=10):
        until = time.monotonic() + seconds
        while text not in self.text:
            require(time.monotonic() < until, f"the terminal never showed {text!r}:", repr(self.text[-600:]))
            self.read(0.05)

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, seconds=10):
        """The exit code, or minus the signal."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        require(False, "the client does not end:", repr(self.text[-600:]))
        return None

    def hang_up(self):
        os.close(self.master)

    def close(self):
        with contextlib.suppress(OSError):
            os.close(self.master)


def bash(stage, script, *flags):
    return [stage.bastide, "run", *flags, "--", "/bin/bash", "-c", script]


@case("hang-up")
def hang_up(stage):
    """The terminal goes away, at setup and at work; each round at work waits for the grace that the program has."""
    for number in range(max(2, min(stage.rounds, 10))):
        terminal = Terminal(stage, bash(stage, "trap '' HUP; echo READY > seen; while :; do sleep 0.1; done"))
        time.sleep(random.uniform(0, 0.12) if number % 2 else 0.4)
        terminal.hang_up()
        until = time.monotonic() + 12
        while os.waitpid(terminal.pid, os.WNOHANG)[0] == 0:
            require(time.monotonic() < until, f"the client stays after a hang-up:\n{left.told()}")
            time.sleep(0.02)
        stage.clean(verify=False)
    stage.verify()
    stage.starts()


@case("interrupt-at-setup")
def interrupt(stage):
    """^C at many moments, by the operator's own shell, whose terminal stays as it was."""
    codes, more = {}, 0
    script = f"#!/bin/sh\necho BEGUN\nexec {stage.bastide} run -- /bin/bash -c 'sleep 20; echo LATE'\n"
    begin = stage.write("begin", script, 0o755, base=stage.home)
    for _ in range(max(4, stage.rounds)):
        shell = Terminal(stage, ["/bin/bash", "--norc", "-i"])
        shell.type("stty -g > ~/before; PS1='[$?]> '\n")
        shell.expect("[0]> ")
        shell.text = ""
        shell.type(f"{begin}\n")
        # Until the command speaks, a ^C can be the shell's own: it drops the line, or leaves what it just started.
        shell.expect("BEGUN")
        time.sleep(random.uniform(0, 0.25))
        shell.type("\x03")
        until, again = time.monotonic() + 8, time.monotonic() + 3
        while not (ended := PROMPT.findall(shell.text)):
            require(time.monotonic() < until, "^C does not end it:", repr(shell.text))
            shell.read(0.05)
            # One that comes in the microseconds in which its handler is made is lost: the operator types another.
            if time.monotonic() > again:
                shell.type("\x03")
                again, more = until, more + 1
        require("LATE" not in shell.text, "the program ran to its end")
        codes[ended[0]] = codes.get(ended[0], 0) + 1
        shell.type("stty -g > ~/after; exit\n")
        shell.end()
        shell.close()
        require(same(stage), "the terminal is not restored:", repr(shell.text))
        stage.clean(verify=False)
    stage.verify()
    require(set(codes) <= {"130", "125"}, "exit codes after ^C:", codes)
    require(more <= 1 + stage.rounds // 25, "a second ^C was needed too often:", more)
    return f"exit codes {codes}, a second ^C {more} times"


# The shell's next prompt, with the code of what ended.
PROMPT = re.compile(r"\[(\d+)\]> ")


def same(stage):
    read = []
    for name in ("before", "after"):
        with contextlib.suppress(OSError), open(os.path.join(stage.home, name), encoding="ascii") as file:
            read.append(file.read())
    return len(read) == 2 and read[0] == read[1] != ""


@case("keys")
def keys(stage):
    """^C to one that ignores it, resize, ^Z and fg, ^\\, and the terminal as before."""
    shell = Terminal(stage, ["/bin/bash", "--norc", "-i"])
    shell.type("stty -g > ~/before; echo IN-${X}PLACE\n")
    shell.expect("IN-PLACE")
    script = ("trap 'echo INT''ERRUPTED' INT; trap 'exit 131' QUIT; trap 'echo RE''SIZED \\$(stty size)' WINCH; echo RE''ADY;"
              " while :; do sleep 0.05; done")
    shell.type(f"{stage.bastide} run -- /bin/bash -c \"{script}\"\n")
    shell.expect("READY")
    shell.type("\x03")
    shell.expect("INTERRUPTED")
    fcntl.ioctl(shell.master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    shell.expect("RESIZED 33 77")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.type("stty -g > ~/after; echo WH${X}ILE\n")
    shell.expect("WHILE")
    require(same(stage), "the terminal is not restored while stopped")
    shell.text = ""
    shell.type("fg\n")
    time.sleep(0.3)
    shell.type("\x03")
    shell.expect("INTERRUPTED")
    shell.type("\x1c")
    time.sleep(0.5)
    shell.type("\n")
    shell.type("echo CODE-${X}IS $?; stty -g > ~/after\n")
    shell.expect("CODE-IS", 8)
    shell.read(0.3)
    shell.type("exit\n")
    shell.end()
    shell.close()
    require(same(stage), "the terminal is not restored")
    require(shell.text.split("CODE-IS")[1].split()[0] == "131", "^\\ did not arrive:", repr(shell.text[-300:]))
    stage.clean()
    stage.starts()


@case("streams-closed")
def streams(stage):
    """Streams that are closed, left early or missing."""
    os.makedirs(stage.home, exist_ok=True)

    def shell(text, seconds=20):
        return stage.run(["/bin/bash", "-c", text.replace("RUN", f"{stage.bastide} run --")], seconds=seconds)

    done = shell("RUN /bin/bash -c 'cat; echo END' <&-")
    require(done.code in (0, 125) and ("END" in done.out) == (done.code == 0), "stdin closed:", done)
    done = shell("RUN /bin/bash -c 'echo X; exit 3' >&-; echo $? >&2")
    require(done.code == 0 and done.err.strip().splitlines()[-1] in ("3", "1", "125", "141"), "stdout closed:", done)
    done = shell("RUN /bin/bash -c 'echo X >&2; exit 3' 2>&-")
    require(done.code in (3, 125), "stderr closed:", done)
    done = shell("RUN /bin/bash -c 'while echo y; do :; done' | head -1; echo ${PIPESTATUS[0]}")
    require(done.out.split()[:1] == ["y"] and done.code == 0, "a reader that leaves:", done)
    piped = done.out.split()[-1]
    done = shell("RUN /bin/cat < /dev/null")
    require(done.code == 0 and done.out == "", "no input:", done)
    done = shell("printf 'a\\nb\\n' | RUN /bin/cat")
    require(done.out == "a\nb\n", "piped input:", done)
    done = shell("RUN /bin/bash -c 'sleep 0.3; echo BEHIND; exit 5' & wait $!")
    require(done.code == 5 and "BEHIND" in done.out, "in the background:", done)
    done = shell("nohup setsid " + "RUN /bin/bash -c 'sleep 0.2; echo HELD' < /dev/null")
    require(done.code == 0 and "HELD" in done.out, "nohup:", done)
    stage.clean()
    stage.starts()
    return f"`| head -1` ends with {piped}"


@case("signals-to-the-client")
def signals(stage):
    """Signals are passed on, and end a session as they end its program; the end of the client ends it in any case."""
    told = {}
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        process = started(stage, "echo UP; exec sleep 60")
        process.send_signal(number)
        code = process.wait(8)
        require(code == 128 + number, f"{number!r}: exit code", code)
        told[signal.Signals(number).name] = code
        ended(stage, process)
    process = started(stage, "trap '' TERM HUP INT QUIT; echo UP; while :; do sleep 0.1; done")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        process.send_signal(number)
    time.sleep(0.5)
    require(process.poll() is None, "a program that ignores signals was ended by one")
    process.kill()
    process.wait()
    ended(stage, process)
    stage.verify()
    return str(told)


def started(stage, script):
    # Not bash: it ignores SIGQUIT until it becomes the program.
    process = stage.spawn([stage.bastide, "run", "--", "/bin/sh", "-c", script], stdout=subprocess.PIPE)
    require(process.stdout.readline() == b"UP\n", "not started")
    return process


def ended(stage, process):
    process.stdout.close()
    process.stderr.close()
    stage.clean(verify=False)
