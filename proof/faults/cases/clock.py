"""The wall clock jumps by a year, ahead and back, for all of a session's programs: nothing holds for longer or for less."""

import os
import subprocess
import time

from case import case, require
from cases.budgets import Provider
from cases.questions import Outside
from person import finish

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
YEAR = 366 * 86400
# How long what is granted holds, and the session.
GRANT, LIFE = 4, 20
# Obeys one word a line.
WORK = """while read -r word; do case $word in
  ask) curl -s -m 9 --noproxy '*' -o /dev/null -w '%{{http_code}}\\n' http://one.example/ ;;
  rate) curl -s -m 9 --noproxy '*' -o /dev/null -w '%{{http_code}}\\n' http://host.bastide:{port}/rate/x ;;
  date) date +%s ;;
esac; done; sleep 1000"""


def wrapper(stage):
    """Runs what follows by a clock of its own, and the file that sets that."""
    built = stage.path("clock")
    if not os.path.exists(built):
        subprocess.run(["cc", "-O1", "-o", built, os.path.join(HERE, "clock.c")], check=True)
        os.chmod(built, 0o755)
    offset = stage.path("offset")
    jump(offset, 0)
    return [built, offset, "--"], offset


def jump(offset, seconds):
    # One that is cut would say another time.
    with open(offset + ".new", "w", encoding="ascii") as file:
        file.write(str(seconds))
    os.rename(offset + ".new", offset)


class Inside:
    def __init__(self, process):
        self.process = process

    def tell(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def heard(self):
        return self.process.stdout.readline().decode().strip()

    def say(self, word):
        self.tell(word)
        return self.heard()


def grant(stage, wrap, seconds):
    """Answers what waits: for so long, or no more than this once."""
    until = time.monotonic() + 8
    while not (cards := stage.json("approve", wrap=wrap)):
        require(time.monotonic() < until, "nothing is asked")
    how = ["--for", f"{seconds}s"] if seconds else ["--once"]
    done = stage.face("approve", cards[0]["id"], *how, wrap=wrap)
    require(done.code == 0, "not answered:", done)
    return time.monotonic()


@case("clock-jumps")
def jumps(stage):
    wrap, offset = wrapper(stage)
    with Outside() as outside, Provider() as server:
        rule = f'{{to: "host.bastide:{server.server_port}", methods: [GET], paths: [/rate/**], rate: 2/h}}'
        policy = stage.write("clock.yaml", f"bastide: 1\nname: clock\nextends: [hardened]\nnetwork: {{default: ask, allow: [{rule}]}}\n",
                             base=stage.home)
        argv = [stage.bastide, "run", "--name", "jumps", "--timeout", f"{LIFE}s", "--patience", "8s", "--policy", policy, "--",
                "/bin/bash", "-c", WORK.format(port=server.server_port)]
        process = stage.spawn(argv, wrap=wrap, stdin=subprocess.PIPE, env={"https_proxy": f"http://127.0.0.1:{outside.port}"})
        inside, began = Inside(process), time.monotonic()
        now = int(inside.say("date"))
        rates = [inside.say("rate") for _ in range(3)]
        require(rates == ["200", "200", "429"], "the rate does not hold:", rates)
        for ahead in (YEAR, -YEAR):
            inside.tell("ask")
            granted = grant(stage, wrap, GRANT)
            require(inside.heard() == "200", "what is granted is not let through")
            jump(offset, ahead)
            told = int(inside.say("date"))
            require(abs(told - now - ahead) < 60, "the clock inside did not jump:", now, told, ahead)
            # Nothing more of what was used up, and nothing less of what is granted.
            require(inside.say("rate") == "429", f"a jump of {ahead} s gives back what was used up")
            require(inside.say("ask") == "200" or time.monotonic() > granted + GRANT, f"a jump of {ahead} s ends a grant")
            time.sleep(max(0, granted + GRANT + 0.2 - time.monotonic()))
            inside.tell("ask")
            grant(stage, wrap, None)
            require(inside.heard() == "200", "what is answered once is not let through")
            jump(offset, 0)
        jump(offset, -YEAR)
        done = finish(process, began, LIFE + 20)
    require(done.code in (137, 143) and LIFE - 1 < time.monotonic() - began < LIFE + 10, "it did not end in its time:", done)
    events = stage.face("log", "jumps").out
    # Two grants, and each was over when it was to be.
    require(events.count(f": session for {GRANT} s, uid ") == 2 and events.count(": once, uid ") == 2, "asked otherwise:", events)
    # A session of the year before is the newest all the same.
    require(stage.cell("true", "--name", "later", wrap=wrap).code == 0, "cannot run when the clock was set back")
    jump(offset, YEAR)
    require(stage.cell("true", "--name", "ahead", wrap=wrap).code == 0, "cannot run when the clock was set ahead")
    require(stage.cell("true", "--name", "last").code == 0, "cannot run afterwards")
    names = [session["name"] for session in stage.sessions()]
    require(names == ["last", "ahead", "later", "jumps"], "the order of sessions:", names)
    stage.clean()
    stage.starts()
    return f"four jumps; asked {sum(outside.asked.values())} times"
