"""The gate dies while a session runs."""

import os
import signal
import subprocess
import time

import parts
from case import case, require
from person import finish
from server import Echo

# Obeys one word a line, and says what came of it and after how long.
TALK = """
import socket, sys, time
place = ("host.bastide", int(sys.argv[1]))
held = None
def talk(word):
    global held
    if word == "open":
        held = socket.create_connection(place, 5)
        held.sendall(b"x"); held.recv(1)
        return held.getpeername()[0]
    if word == "end":
        held.settimeout(10)
        return repr(held.recv(1))
    with socket.create_connection(place, 5) as one:
        one.settimeout(5)
        one.sendall(b"hello")
        return one.recv(5).decode() or "closed"
for line in sys.stdin:
    began = time.monotonic()
    try:
        said = talk(line.strip())
    except OSError as error:
        said = type(error).__name__
    print(said, round(time.monotonic() - began, 3), flush=True)
"""


class Talk:
    def __init__(self, stage, server):
        argv = [stage.bastide, "run", *server.flag, "--", "/usr/bin/python3", "-c", TALK, str(server.port)]
        self.process = stage.spawn(argv, stdin=subprocess.PIPE)

    def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()
        said, seconds = self.process.stdout.readline().decode().split()
        return said, float(seconds)

    def end(self):
        return finish(self.process, time.monotonic(), 20)


def kill_gate(previous=None):
    pid = parts.wait_for("gate", beside=previous)
    require(pid, "there is no gate")
    os.kill(pid, signal.SIGKILL)
    return pid


@case("gate-killed-once")
def once(stage):
    with Echo() as server:
        talk = Talk(stage, server)
        address, _ = talk.say("open")
        kill_gate()
        said, seconds = talk.say("end")
        require(said in ("ConnectionResetError", "b''") and seconds < 1, "the connection did not end:", said, seconds)
        ended = said
        said, first = talk.say("try")
        require(said == "hello" and first < 1, "no new connection within a second:", said, first)
        again, _ = talk.say("open")
        require(again == address, "the name has another address:", address, again)
        done = talk.end()
    require(done.code == 0, "the session did not go on:", done)
    stage.clean()
    return f"established: {ended} after {seconds} s; a new one after {first} s"


@case("gate-killed-at-birth")
def birth(stage):
    """Before it was leased, and so before the cell has a door: another one serves, or what asks is refused at once."""
    slowest = 0.0
    with Echo() as server:
        for _ in range(max(3, stage.rounds // 5)):
            talk = Talk(stage, server)
            kill_gate()
            said, seconds = talk.say("try")
            require(seconds < 2, "a connection hangs:", said, seconds)
            require(said in ("hello", "ConnectionRefusedError", "gaierror"), "neither served nor refused:", said, seconds)
            slowest = max(slowest, seconds)
            done = talk.end()
            require(done.code == 0, "the session did not go on:", done)
            stage.clean(verify=False)
    stage.verify()
    return f"the slowest after {slowest} s"


@case("gate-killed-20-times")
def twenty(stage):
    with Echo() as server:
        talk = Talk(stage, server)
        require(talk.say("try")[0] == "hello", "no connection")
        served, gate = 0, None
        for _ in range(20):
            gate = parts.wait_for("gate", 1, beside=gate)
            if gate is None:
                break
            os.kill(gate, signal.SIGKILL)
            served += talk.say("try")[0] == "hello"
        said, seconds = talk.say("try")
        require(gate is None, "gates are started without end")
        # A name that nobody looks up any more is refused before a connection is.
        require(said in ("ConnectionRefusedError", "gaierror") and seconds < 1, "not refused at once:", said, seconds)
        done = talk.end()
    require(done.code == 0, "the session did not go on:", done)
    require("no gate" in done.err or "no network" in done.err, "the operator is not told:", done)
    stage.clean()
    return f"{served} served by the next gate; then {said} after {seconds} s"
