"""kill -9 of the daemon at random moments while much goes on in front of it: runs that begin in what it made ahead, a session
that goes on by itself and one that is begun over its API, questions that wait for answers over it, requests, a stream of
events. No session depends on it, and the next one knows all of them."""

import contextlib
import json
import os
import random
import subprocess
import threading
import time

import left
from case import case, require
from cases.killed import PATIENCE, shot
from cases.questions import POLICY, Outside
from person import finish

HOSTS = ("one", "two", "three", "four")
# All at once, each let through as often as the operator says so.
ASKS = "".join(f"curl -s -m 60 --noproxy '*' -o /dev/null -w '{host} %{{http_code}}\\n' http://{host}.example/ & " for host in HOSTS)
HOLDS = "i=0; while :; do /bin/true; i=$((i+1)); sleep 0.05; done"


class Daemon:
    def __init__(self, stage):
        self.stage = stage
        self.process = stage.spawn([stage.bastide, "daemon"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        """The process that serves; the command that began it ends with it. Whether it was there."""
        hit = any([shot(pid) for pid in left.children(self.process.pid) if left.status(pid).get("Name") == "bastided"])
        self.process.wait()
        return hit

    def serves(self):
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            if ask(self.stage, "GET", "version")[0] == 200:
                return True
            time.sleep(0.01)
        return False


def curl(stage, method, target, *more):
    socket = os.path.join(stage.state, "bastide/api")
    return ["curl", "-sS", "-m", "20", "-X", method, "--unix-socket", socket, *more, f"http://x/v1/{target}"]


def ask(stage, method, target, body=None):
    """Status and what was said; 0 where there was no answer, or half of one."""
    more = ["--data-binary", json.dumps(body)] if body is not None else []
    done = stage.run(curl(stage, method, target, "-w", "\n%{http_code}", *more))
    text, _, status = done.out.rpartition("\n")
    if done.code != 0 or not status.isdigit():
        return 0, None
    try:
        return int(status), json.loads(text)
    except ValueError:
        require(False, f"{target} answers what is no JSON:", done)


class Load:
    """What goes on meanwhile, in threads; what went wrong in one of them is told at the end."""

    def __init__(self, stage):
        self.stage, self.over, self.wrong = stage, threading.Event(), []
        self.asked, self.runs, self.requests, self.events = set(), 0, 0, []
        works = (self.run, self.request, self.answer, self.follow)
        self.threads = [threading.Thread(target=self.repeat, args=[work]) for work in works]
        for thread in self.threads:
            thread.start()

    def repeat(self, work):
        while not self.over.is_set() and not self.wrong:
            try:
                work()
            except Exception as error:  # pylint: disable=broad-except
                self.wrong.append(error)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise self.wrong[0]

    def run(self):
        done = self.stage.cell("echo RAN")
        require(done.code == 0 and done.out == "RAN\n", "a run did not go well:", done)
        self.runs += 1

    def request(self):
        status, said = ask(self.stage, "GET", random.choice(["sessions", "metrics-of-none", "vault", "sessions/held"]))
        require(status in (0, 200, 404, 503), "an answer:", status, said)
        self.requests += status == 200

    def answer(self):
        """Each question once."""
        status, said = ask(self.stage, "GET", "questions")
        for card in said["answer"]["cards"] if status == 200 else []:
            if card["id"] not in self.asked and ask(self.stage, "POST", f"questions/{card['id']}/answer", {"say": "once"})[0]:
                self.asked.add(card["id"])
        time.sleep(0.02)

    def follow(self):
        """The events of one session, as far as the daemon told of them."""
        done = self.stage.run(curl(self.stage, "GET", "sessions/held/events?follow=true", "-N", "-m", "1"))
        ids = [line[4:] for line in done.out.splitlines() if line.startswith("id: ")]
        self.events = max(self.events, ids, key=len)


def asking(stage, outside, policy):
    env = {"https_proxy": f"http://127.0.0.1:{outside.port}"}
    argv = [stage.bastide, "run", "--patience", "60s", "--policy", policy, "--", "/bin/bash", "-c", ASKS + "wait"]
    return stage.spawn(argv, env=env)


def judge(stage, daemon, begun, when):
    """The next daemon knows what there is, and has it do what it is told."""
    require(daemon.serves(), f"the next daemon does not serve, {when}")
    status, said = ask(stage, "GET", "sessions")
    require(status == 200, f"it does not list, {when}:", said)
    running = {one["name"] for one in said["answer"]["sessions"] if one["state"] == "running"}
    require("held" in running, f"a session does not go on, {when}: {running}")
    name, status = begun
    if status == 200:
        require(name in running, f"one that it said was begun does not run, {when}: {running}")
    for order in ("pause", "resume"):
        status, said = ask(stage, "POST", f"sessions/held/{order}")
        require(status == 200, f"{order} by the next daemon, {when}:", status, said)
    if name in running:
        status, said = ask(stage, "POST", f"sessions/{name}/stop", {"grace": 100})
        require(status == 200, f"stop by the next daemon, {when}:", status, said)


def round_of(stage, daemon, outside, policy, number):
    """One kill. The next daemon, and whether it hit."""
    before = outside.asked.copy()
    process, begun = asking(stage, outside, policy), (f"n{number}", 0)
    moment = random.uniform(0, 0.8)
    when = f"killed {moment:.3f} s after the round began"

    def begin():
        nonlocal begun
        body = {"directory": stage.workspace, "name": begun[0], "command": ["sh", "-c", "sleep 1000"]}
        begun = begun[0], ask(stage, "POST", "sessions", body)[0]

    beginner = threading.Thread(target=begin)
    beginner.start()
    time.sleep(moment)
    hit = daemon.kill()
    following = Daemon(stage)
    beginner.join()
    judge(stage, following, begun, when)
    done = finish(process, time.monotonic(), 60)
    require(done.code == 0 and done.out.count(" 200\n") == len(HOSTS), f"not all were answered, {when}:", done)
    came = {host: outside.asked[f"{host}.example"] - before[f"{host}.example"] for host in HOSTS}
    require(all(times == 1 for times in came.values()), f"let through another time than it was answered, {when}: {came}")
    return following, hit


@case("daemon-killed")
def killed(stage):
    policy = stage.write("asks.yaml", POLICY, base=stage.home)
    wanted = max(6, stage.rounds // 5)
    hit = tried = 0
    with Outside() as outside:
        daemon = Daemon(stage)
        require(daemon.serves(), "it does not serve")
        body = {"directory": stage.workspace, "name": "held", "command": ["sh", "-c", HOLDS]}
        status, said = ask(stage, "POST", "sessions", body)
        require(status == 200, "no session begins:", said)
        load = Load(stage)
        try:
            while hit < wanted and tried < PATIENCE * wanted and not load.wrong:
                tried += 1
                daemon, struck = round_of(stage, daemon, outside, policy, tried)
                hit += struck
        finally:
            load.end()
        # Nobody is asked about the same twice: as many answers are recorded as were let through.
        ruled = sum(stage.face("log", one["id"]).out.count(": once, uid ") for one in stage.sessions())
        require(ruled == sum(outside.asked.values()), f"{ruled} answers, {sum(outside.asked.values())} let through")
        status, said = ask(stage, "POST", "sessions/held/stop", {"grace": 100})
        require(status == 200, "it cannot be stopped:", said)
    daemon.kill()
    log = [json.loads(line)["id"] for line in stage.face("log", "held", "--json").out.splitlines()]
    require(log[:len(load.events)] == load.events, "the stream told of other events than there are")
    stage.clean()
    stage.starts()
    require(hit * 2 >= wanted, f"only {hit} of {tried} kills hit")
    return (f"{hit} kills hit; {load.runs} runs, {load.requests} answers, {len(load.events)} events, "
            f"{sum(outside.asked.values())} questions")
