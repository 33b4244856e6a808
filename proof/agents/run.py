#!/usr/bin/env python3
"""Real agents, one tool-call turn each: natively first, as the control, then in a cell.

The model is scripted and served on the host's loopback. The workspace holds a seed; the agent's own shell tool is
told to write the seed's rot13 into proof.txt and print it, so that only a shell that really ran on that workspace
can give the expected result, and only a model that got the result back can have seen it.
"""

import argparse
import codecs
import json
import os
import secrets
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HOUSE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.append(os.path.join(HOUSE, "proof"))

from agents import AGENTS, Task  # noqa: E402
from model import Model, Script  # noqa: E402
from person import ORDINARY, PATH, Person, place  # noqa: E402

COMMAND = "tr 'a-z' 'n-za-m' <seed.txt | tee proof.txt"
WORDS = "Run the command that you were told to run, once, and then say that you are done."
SECONDS = 180
# Long enough for a first attempt; agents try again for minutes.
UNNAMED_SECONDS = 15
# What an agent may ask for although it was told to be quiet: refused, and no fault of the turn's.
TELEMETRY = ("api.anthropic.com", "statsig", "sentry", "datadoghq.com", "github.com", "chatgpt.com", "openai.com",
             "models.opencode.ai", "registry.npmjs.org", "pi.dev", "claude.ai", "claude.com")


class Turn:
    """One agent, one person, one workspace, one seed."""

    def __init__(self, name, person, options, where):
        self.name, self.person, self.options = name, person, options
        self.workspace = person.directory(f"{where}-{name}")
        self.config = person.directory(f"{where}-{name}-config")
        seed = secrets.token_hex(16).translate(str.maketrans("0123456789", "ghijklmnop"))
        self.expected = codecs.encode(seed, "rot13")
        person.write(os.path.join(self.workspace, "seed.txt"), seed + "\n")
        self.path = os.path.join(options.agents, "node_modules", ".bin") + ":" + PATH

    def prepare(self, url):
        argv, env, files = AGENTS[self.name](Task(url, self.config, WORDS))
        for path, text in files.items():
            self.person.write(path, text)
        return argv, env, bool(files)

    def natively(self):
        """The same turn without a cell. Gives what went wrong, in words; nothing when it is right."""
        script = Script(COMMAND, self.expected)
        with Model(script) as model:
            argv, env, _ = self.prepare(f"http://127.0.0.1:{model.port}")
            done = self.person.run(argv, self.workspace, {**env, "PATH": self.path}, SECONDS)
        return [*self.turn_faults(done, script), *self.proof_faults()], done

    def on_a_terminal(self):
        """The turn in a cell, on a terminal."""
        return self.in_a_cell(self.person.run_on_terminal)

    def in_a_cell(self, start=None):
        """The turn in a `hardened` cell, its changes then looked at and merged by the operator's commands."""
        script = Script(COMMAND, self.expected)
        outcome = os.path.join(self.person.directory(f"outcome-{self.name}"), "outcome.json")
        with Model(script) as model:
            argv, env, configured = self.prepare(f"http://host.bastide:{model.port}")
            flags = ["--workspace", self.workspace, "--allow", f"host.bastide:{model.port}", "--outcome", outcome]
            flags += [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
            flags += ["--read", self.config] if configured else []
            done = self.bastide(["run", *flags, "--", *argv], start)
        faults = self.turn_faults(done, script)
        if os.path.exists(os.path.join(self.workspace, "proof.txt")):
            faults.append("proof.txt is in the workspace before the merge")
        faults += summary_faults(done.err) + outcome_faults(outcome, model.port)
        diff = self.bastide(["diff"])
        faults += [] if "proof.txt" in diff.out else [f"diff does not show proof.txt: {diff.tail(300)}"]
        applied = self.bastide(["apply"])
        faults += [] if applied.code == 0 else [f"apply: {applied.tail(300)}"]
        return [*faults, *self.proof_faults()], done

    def unnamed(self):
        """A cell whose policy does not name the model: it is never reached, and the refusal is told."""
        script = Script(COMMAND, self.expected)
        outcome = os.path.join(self.person.directory(f"unnamed-{self.name}"), "outcome.json")
        with Model(script) as model:
            argv, env, configured = self.prepare(f"http://host.bastide:{model.port}")
            flags = ["--workspace", self.workspace, "--outcome", outcome, "--timeout", f"{UNNAMED_SECONDS}s"]
            flags += [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
            flags += ["--read", self.config] if configured else []
            done = self.bastide(["run", *flags, "--", *argv])
        faults = ["the agent ended well without its model"] if done.code == 0 else []
        faults += [f"the model was asked: {script.seen['requests'][:3]}"] if script.seen["requests"] else []
        try:
            with open(outcome, encoding="utf-8") as file:
                refused = [one["what"] for one in json.load(file)["refused"]]
        except (OSError, ValueError, KeyError) as error:
            return [*faults, f"outcome: {error!r}: {done.tail()}"], done
        told = any("host.bastide" in what for what in refused)
        return faults + ([] if told else [f"the refusal is not told: {refused}"]), done

    def bastide(self, words, start=None):
        start = start or self.person.run
        return start([self.options.bastide, *words], self.workspace, {"PATH": self.path}, SECONDS)

    def turn_faults(self, done, script):
        seen = script.seen
        faults = [] if done.code == 0 else [f"the agent: {done.tail()}"]
        if not seen["called"]:
            faults.append(f"no shell tool was called; the model saw {json.dumps(seen['requests'][:8])}")
        elif not seen["result_seen"]:
            faults.append(f"the result did not come back: {seen['wrong_result']!r}")
        return faults

    def proof_faults(self):
        try:
            with open(os.path.join(self.workspace, "proof.txt"), encoding="utf-8") as file:
                return [] if file.read().strip() == self.expected else ["proof.txt holds something else"]
        except OSError as error:
            return [f"proof.txt: {error.strerror}"]


WAYS = {"native": Turn.natively, "cell": Turn.in_a_cell, "terminal": Turn.on_a_terminal, "unnamed": Turn.unnamed}


def summary_faults(err):
    """Three lines end a session: allowed, refused, changed."""
    last = [line for line in err.splitlines() if line.strip()][-3:]
    words = ("allowed:", "refused:", "changed:")
    return [] if len(last) == 3 and all(map(str.startswith, last, words)) else [f"no three summary lines: {last}"]


def outcome_faults(path, port):
    """Every layer holds, the model was reached, proof.txt changed, and what was refused is known telemetry."""
    try:
        with open(path, encoding="utf-8") as file:
            outcome = json.load(file)
        refused = [one["what"] for one in outcome["refused"]]
        allowed = [one["what"] for one in outcome["allowed"]]
        fallen = [layer["name"] for layer in outcome["layers"] if not layer["holds"]]
        changed = outcome["changed"]
    except (OSError, ValueError, KeyError) as error:
        return [f"outcome: {error!r}"]
    faults = [f"does not hold: {fallen}"] if fallen or not outcome["layers"] else []
    faults += [] if any(f"host.bastide:{port}" in what for what in allowed) else [f"allowed: {allowed}"]
    faults += [] if "proof.txt" in changed else [f"changed: {changed}"]
    unknown = [what for what in refused if not any(host in what for host in TELEMETRY)]
    return [*faults, f"refused what no agent is known to ask for: {unknown[:5]}"] if unknown else faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--native", action="store_true", help="the control alone, without bastide")
    parser.add_argument("--agent", choices=AGENTS, action="append", help="only this agent (repeatable)")
    parser.add_argument("--user", choices=["root", "ordinary"], action="append", help="only this user (repeatable)")
    parser.add_argument("--bastide", default=os.path.join(HOUSE, "target/x86_64-unknown-linux-gnu/release/bastide"))
    parser.add_argument("--agents", default=os.environ.get("BASTIDE_AGENTS", os.path.join(HOUSE, ".agents")))
    options = parser.parse_args()
    options.bastide, options.agents = os.path.abspath(options.bastide), os.path.abspath(options.agents)
    uids = [{"root": 0, "ordinary": ORDINARY}[user] for user in options.user or ["root", "ordinary"]]
    if os.geteuid() != 0:
        uids = [os.geteuid()]
    passed = failed = 0
    for uid in uids:
        with Person(uid, place("agents", "/var/tmp")) as person:
            for name in options.agent or AGENTS:
                for where in ["native"] if options.native else WAYS:
                    turn = Turn(name, person, options, where)
                    faults, done = WAYS[where](turn)
                    passed, failed = passed + (not faults), failed + bool(faults)
                    print(f"{'FAIL' if faults else 'PASS'}  {name:7} {where:8} {person.name:10} {done.seconds:5.1f} s", flush=True)
                    for fault in faults:
                        print("      " + fault.replace("\n", "\n      "), flush=True)
    print(f"agents: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
