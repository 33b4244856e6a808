"""One agent, one person, one workspace: how an agent is started natively and in a cell, and what is judged of each run."""

import codecs
import json
import os
import secrets

from agents import AGENTS, Task
from model import Model, Script, Step
from person import PATH

COMMAND = "tr 'a-z' 'n-za-m' <seed.txt | tee proof.txt"
WORDS = "Run the command that you were told to run, once, and then say that you are done."
SECONDS = 180
# Long enough for a first attempt; agents try again for minutes.
UNNAMED_SECONDS = 15
# What an agent may ask for although it was told to be quiet: refused, and no fault of the turn's.
TELEMETRY = ("api.anthropic.com", "statsig", "sentry", "datadoghq.com", "github.com", "chatgpt.com", "openai.com",
             "models.opencode.ai", "registry.npmjs.org", "pi.dev", "claude.ai", "claude.com")


class Turn:
    """The workspace holds a seed; its rot13 is what only a shell that really ran there can give."""

    def __init__(self, name, person, options, where):
        self.name, self.person, self.options = name, person, options
        self.workspace = person.directory(f"{where}-{name}")
        self.config = person.directory(f"{where}-{name}-config")
        self.outcome = os.path.join(person.directory(f"{where}-{name}-outcome"), "outcome.json")
        seed = secrets.token_hex(16).translate(str.maketrans("0123456789", "ghijklmnop"))
        self.expected = codecs.encode(seed, "rot13")
        person.write(os.path.join(self.workspace, "seed.txt"), seed + "\n")
        self.path = os.path.join(options.agents, "node_modules", ".bin") + ":" + PATH

    def script(self):
        return Script([Step(self.expected, COMMAND)])

    def prepare(self, url, words=WORDS, **told):
        """The command, its variables, and whether it reads a configuration."""
        argv, env, files = AGENTS[self.name](Task(url, self.config, words, **told))
        for path, text in files.items():
            self.person.write(path, text)
        return argv, env, bool(files)

    def natively(self):
        """Without a cell. Gives what went wrong, in words, nothing when it is right; and how it ended."""
        script = self.script()
        with Model(script) as model:
            argv, env, _ = self.prepare(f"http://127.0.0.1:{model.port}")
            done = self.person.run(argv, self.workspace, {**env, "PATH": self.path}, SECONDS)
        return [*turn_faults(done, script), *self.proof_faults()], done

    def on_a_terminal(self):
        """The turn in a cell, on a terminal."""
        return self.in_a_cell(self.person.run_on_terminal)

    def in_a_cell(self, start=None):
        """In a `hardened` cell, its changes then looked at and merged by the operator's commands."""
        script = self.script()
        with Model(script) as model:
            prepared = self.prepare(f"http://host.bastide:{model.port}")
            done = self.run(prepared, ["--allow", f"host.bastide:{model.port}"], start)
        faults = turn_faults(done, script) + summary_faults(done.err)
        return [*faults, *outcome_faults(self.outcome, model.port, ["proof.txt"]), *self.merge_faults()], done

    def unnamed(self):
        """A cell whose policy does not name the model: it is never reached, and the refusal is told."""
        script = self.script()
        with Model(script) as model:
            prepared = self.prepare(f"http://host.bastide:{model.port}")
            done = self.run(prepared, ["--timeout", f"{UNNAMED_SECONDS}s"])
        faults = ["the agent ended well without its model"] if done.code == 0 else []
        faults += [f"the model was asked: {script.seen['requests'][:3]}"] if script.seen["requests"] else []
        try:
            with open(self.outcome, encoding="utf-8") as file:
                refused = [one["what"] for one in json.load(file)["refused"]]
        except (OSError, ValueError, KeyError) as error:
            return [*faults, f"outcome: {error!r}: {done.tail()}"], done
        told = any("host.bastide" in what for what in refused)
        return faults + ([] if told else [f"the refusal is not told: {refused}"]), done

    def run(self, prepared, flags, start=None, **how):
        """Runs what was prepared in a cell."""
        argv, env, configured = prepared
        flags = ["--workspace", self.workspace, "--outcome", self.outcome, *flags]
        flags += [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
        flags += ["--read", self.config] if configured else []
        return self.bastide(["run", *flags, "--", *argv], start, **how)

    def bastide(self, words, start=None, **how):
        start = start or self.person.run
        return start([self.options.bastide, *words], self.workspace, {"PATH": self.path}, SECONDS, **how)

    def merge_faults(self):
        """proof.txt is in the changes, not in the workspace before the merge, and in it after."""
        early = os.path.exists(os.path.join(self.workspace, "proof.txt"))
        faults = ["proof.txt is in the workspace before the merge"] if early else []
        diff = self.bastide(["diff"])
        faults += [] if "proof.txt" in diff.out else [f"diff does not show proof.txt: {diff.tail(300)}"]
        applied = self.bastide(["apply"])
        faults += [] if applied.code == 0 else [f"apply: {applied.tail(300)}"]
        return faults + self.proof_faults()

    def proof_faults(self):
        try:
            with open(os.path.join(self.workspace, "proof.txt"), encoding="utf-8") as file:
                return [] if file.read().strip() == self.expected else ["proof.txt holds something else"]
        except OSError as error:
            return [f"proof.txt: {error.strerror}"]


def turn_faults(done, script):
    """The agent ended well, and every step gave what it must."""
    seen = script.seen
    faults = [] if done.code == 0 else [f"the agent: {done.tail()}"]
    if not seen["tools"]:
        faults.append(f"no tool was called; the model saw {json.dumps(seen['requests'][:8])}")
    elif not script.through():
        faults.append(f"of {len(script.steps)} steps came back {seen['right']}, wrong: {seen['wrong']!r}")
    return faults


def summary_faults(err):
    """Three lines end a session: allowed, refused, changed."""
    last = [line for line in err.splitlines() if line.strip()][-3:]
    words = ("allowed:", "refused:", "changed:")
    return [] if len(last) == 3 and all(map(str.startswith, last, words)) else [f"no three summary lines: {last}"]


def outcome_faults(path, port, changes, refusals=()):
    """Every layer holds, the model was reached, so much changed, and what was refused is known telemetry or meant to be."""
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
    faults += [] if all(name in changed for name in changes) else [f"changed: {changed}"]
    unknown = [what for what in refused if not any(host in what for host in (*TELEMETRY, *refusals))]
    return [*faults, f"refused what no agent is known to ask for: {unknown[:5]}"] if unknown else faults
