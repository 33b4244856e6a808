"""Terminals of the program's own: a shell on a pty, its size, job control and Ctrl-C."""
import fcntl
import os
import pty
import select
import struct
import termios
import time


def read_until(fd, wanted, seconds=20):
    text, end = "", time.monotonic() + seconds
    while wanted not in text:
        left = end - time.monotonic()
        assert left > 0 and select.select([fd], [], [], left)[0], f"no {wanted!r} in {text!r}"
        text += os.read(fd, 4096).decode()
    return text


pid, fd = pty.fork()
if pid == 0:
    os.execvp("bash", ["bash", "--norc", "-i"])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 40, 132, 0, 0))
os.write(fd, b"stty size; echo size-$((1+1))\n")
assert "40 132" in read_until(fd, "size-2")
# A job in the background, then one in the foreground that Ctrl-C ends.
os.write(fd, b"sleep 99 & jobs; kill %1; echo jobs-$((1+1))\n")
assert "sleep 99" in read_until(fd, "jobs-2")
os.write(fd, b"echo start-$((1+1)); sleep 99; echo status-$?\n")
read_until(fd, "start-2")
time.sleep(0.3)
os.write(fd, b"\x03")
os.write(fd, b"echo status-$?\n")
read_until(fd, "status-130")
os.write(fd, b"exit 3\n")
try:
    while os.read(fd, 4096):
        pass
except OSError:
    pass
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
print("works")
