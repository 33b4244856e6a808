"""kill -9 within a family of sessions at random moments: of the first plane, of a sub-agent's, of a gate, of a pid 1."""

import os
import random
import time

import left
import parts
from case import case, require
from cases.killed import PATIENCE, shot
from person import finish

TOKENS = 100
ASK = """import json, sys, urllib.error, urllib.request
verb, body = sys.argv[1], sys.argv[2].encode()
try:
    with urllib.request.urlopen(urllib.request.Request("http://bastide.internal/" + verb, body), timeout=60) as got:
        print(got.read().decode())
except urllib.error.HTTPError as no:
    print(no.read().decode())
except OSError as error:
    print(repr(error))
"""
# Three at once, each with a child of its own; what is asked for is more than there is.
CHILD = {"task": "t", "command": ["sh", "-c", "python3 ask.py spawn '{\"task\": \"t\", \"command\": [\"sleep\", \"0.1\"]}'; echo x >> made; sleep 0.1"],
         "files": [{"path": ".", "access": "write"}], "budget": {"tokens": 40}}
WORK = """for i in 1 2 3; do python3 ask.py spawn "$ASKED" & done; wait
python3 ask.py wait '{"child": 1, "seconds": 5}'; python3 ask.py spawn "$ASKED"; python3 ask.py wait '{"seconds": 5}'; echo done"""
POLICY = f"""bastide: 1
name: family
extends: [hardened]
agents: {{depth: 2, children: 3, total: 100, rate: 100/s, tokens: {TOKENS}}}
"""


def found(part):
    """The parts of that kind that there are, the first plane's first."""
    pids = [pid for pid in left.descendants(os.getpid()) if parts.name(pid) == part]
    return sorted(pids)


def victim(what):
    part, which = what
    pids = found(part)
    if which == "first":
        return pids[0] if pids else None
    return random.choice(pids[1:]) if len(pids) > 1 else None


def conserved(stage, seen, when):
    """Nobody's children may use up more than there is, and did not."""
    for session in stage.sessions():
        if session["id"] in seen:
            continue
        seen.add(session["id"])
        require(session["state"] != "running", f"session {session['id']} runs on, {when}")
        children = stage.json("show", session["id"])["children"]
        gone = [(one["used"] or one["budget"]).get("tokens", 0) for one in children]
        require(sum(gone) <= TOKENS, f"{gone} of {TOKENS} tokens are gone, {when}")
        if session["parent"] is None:
            require(all(one["used"] is not None or session["state"] == "lost" for one in children),
                    f"a child was not settled, {when}: {children}")


def killing(what):
    def run(stage):
        import json
        stage.write("ask.py", ASK)
        policy = stage.write("family.yaml", POLICY, base=stage.home)
        before = left.tree(stage.workspace)
        argv = [stage.bastide, "run", "--policy", policy, "--env", f"ASKED={json.dumps(CHILD)}", "--", "/bin/bash", "-c", WORK]
        done = stage.run(argv, seconds=60)
        require(done.code == 0 and done.out.count('"spawned"') >= 2, "the work does not work:", done)
        # Each takes more than a second: a third of what is asked for.
        seen, killed, tried, wanted = set(), 0, 0, max(4, stage.rounds // 3)
        conserved(stage, seen, "unharmed")
        while killed < wanted and tried < PATIENCE * wanted:
            tried += 1
            process = stage.spawn(argv)
            moment = random.uniform(0, done.seconds)
            time.sleep(moment)
            killed += shot(victim(what))
            ended = finish(process, time.monotonic(), 60)
            when = f"{' '.join(what)} killed at {moment:.3f} s"
            require(ended.code is not None, f"the client hangs, {when}:", ended)
            stage.clean(verify=False)
            require(left.tree(stage.workspace) == before, f"the original changed, {when}")
            conserved(stage, seen, when)
        stage.starts()
        require(killed * 2 >= wanted, f"only {killed} of {tried} kills hit, {wanted} were to")
        return f"{killed} kills hit of {tried}"
    return run


for one in (("plane", "first"), ("plane", "other"), ("gate", "first"), ("pid1", "other")):
    case(f"family-{one[0]}-{one[1]}")(killing(one))
