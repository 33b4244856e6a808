"""kill -9 of the gate and of the plane at random moments while questions wait for the operator."""

import collections
import contextlib
import os
import random
import signal
import subprocess
import threading
import time

import parts
from case import case, require
from person import finish
from server import Echo

POLICY = "bastide: 1\nname: asks\nextends: [hardened]\nnetwork: {default: ask}\n"
# Four at a time, each for a host of its own, over and over: what is answered is told by what comes of it.
WORK = """for round in 1 2 3; do
  for host in one two three four; do
    curl -s -m 8 --noproxy '*' -o /dev/null -w "$host %{http_code}\\n" http://$host.example/ &
  done
  wait
done"""


class Outside(Echo):
    """A proxy that leads every name to one server, and counts which were asked for."""

    def __init__(self):
        self.asked = collections.Counter()
        super().__init__()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                byte = connection.recv(1)
                if not byte:
                    return
                head += byte
            self.asked[head.split()[1].split(b":")[0].decode()] += 1
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def answers(stage, asked, taken, until):
    """Answers each question once, as fast as it is seen: what was tried, and what was said to be taken."""
    while not until.is_set():
        with contextlib.suppress(Exception):
            for card in stage.json("approve"):
                if card["id"] not in asked[card["host"]]:
                    asked[card["host"]].add(card["id"])
                    done = stage.face("approve", card["id"], "--once")
                    if done.code == 0:
                        taken[card["host"]] += 1
        time.sleep(0.01)


def attempt(stage, part, outside, policy):
    """One session, one kill. Whether it was there to be killed."""
    asked, taken, over = collections.defaultdict(set), collections.Counter(), threading.Event()
    before = outside.asked.copy()
    env = {"https_proxy": f"http://127.0.0.1:{outside.port}"}
    argv = [stage.bastide, "run", "--patience", "60s", "--policy", policy, "--", "/bin/bash", "-c", WORK]
    process = stage.spawn(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started = time.monotonic()
    operator = threading.Thread(target=answers, args=[stage, asked, taken, over])
    operator.start()
    try:
        # The command's own plane is the client's child; those that answer `approve` are not.
        # Not before something waits, and soon after: what waits is answered at once.
        begun = time.monotonic() + 5
        while not asked and time.monotonic() < begun and process.poll() is None:
            time.sleep(0.002)
        time.sleep(random.random() * 0.2)
        pid = parts.find(part) if part == "gate" else plane(process.pid)
        hit = False
        if pid is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                hit = True
        done = finish(process, started, 60)
    finally:
        over.set()
        operator.join()
    for host, ids in asked.items():
        came = outside.asked[host] - before[host]
        require(came <= len(ids), f"{host} was let through {came} times, and asked {len(ids)} times:", done)
    require(not (set(outside.asked) - set(before)) - set(asked), "a host was reached that nobody was asked about")
    if part == "gate" and hit:
        require(done.code == 0, "the session did not go on:", done)
    log = stage.face("log").out
    ruled = log.count(": once, uid ")
    require(ruled >= sum(taken.values()), f"{sum(taken.values())} answers were taken, {ruled} are recorded:", log)
    return hit


def plane(client):
    """The process that holds the session of this client."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{client}/task/{client}/children", encoding="ascii") as file:
            for pid in file.read().split():
                if parts.name(int(pid)) == "plane":
                    return int(pid)
    return None


def killed(stage, part):
    policy = stage.write("asks.yaml", POLICY, base=stage.home)
    hit = tried = 0
    with Outside() as outside:
        while hit < max(4, stage.rounds // 5) and tried < 3 * max(4, stage.rounds // 5):
            tried += 1
            hit += attempt(stage, part, outside, policy)
            stage.clean(verify=False)
    require(hit * 2 >= max(4, stage.rounds // 5), f"only {hit} of {tried} kills hit")
    stage.verify()
    stage.starts()
    return f"{hit} kills, {sum(outside.asked.values())} connections let through"


@case("questions-gate-killed")
def gate(stage):
    return killed(stage, "gate")


@case("questions-plane-killed")
def plane_killed(stage):
    return killed(stage, "plane")
