"""An agent that has another one help it, each in a cell of its own and neither with a key: claude asks for codex, and codex
for claude, by the petition's tool of MCP.

The parent's model calls `spawn`, `wait` and `result`; the child's own model, at another provider, has it write a file and
report. Nothing is believed that an agent says: the providers saw which key came, the child's words hold what only a shell
in the child's cell could tell, and the rest is read from the record, the changes and what was merged.
"""

import json
import os
import secrets
from pathlib import Path

from agents import UNUSED
from asking import Ask, told_of_server
from model import Model, Script, Step
from routed import SEARCH, Routed, key_faults
from turn import outcome_faults, summary_faults, turn_faults
from wires import TOKENS

CHILD = {"claude": "codex", "codex": "claude"}
WIRES = {"claude": "anthropic", "codex": "openai"}
MODELS = {"claude": "claude-*", "codex": "gpt-*"}
TASK = "Have a helper turn the letters of seed.txt round, and tell me what came of it."
# What the child is asked to do, in its parent's words; the last of them nobody else says.
WORDS = "Turn the letters of seed.txt round by thirteen and write them to out/proof.txt."
COMMAND = "tr a-z n-za-m <seed.txt | tee out/proof.txt"
LOOK = f'echo "seen: $(echo $(ls)), $({SEARCH})"'
SEEN = "seen: out seed.txt, keys inside: 0"
ENDED = '"state":"ended"'


class Family(Routed):
    WIRE = WIRES

    def __init__(self, *turn):
        super().__init__(*turn)
        self.child = CHILD[self.name]
        self.below = "sk-vault-" + secrets.token_hex(24)
        self.mark = secrets.token_hex(8)
        self.person.write(os.path.join(self.workspace, "out/README"), "what comes of it\n")

    def helps(self):
        listed = []
        # Neither of the two is there to be had: what is cut is said, and the rest goes on.
        wish = {"agent": self.child, "task": f"{WORDS} {self.mark}", "inference": {"models": [MODELS[self.child]]},
                "files": [{"path": "seed.txt", "access": "read"}, {"path": "out", "access": "write"}],
                "credentials": ["github"], "tools": ["send_*"], "budget": {"tokens": 100_000}}

        def report(_):
            # The child lives: its operator sees the tree.
            listed.append(self.bastide(["ls"]))
            return Ask("done", "report", words=f"turned round: {self.expected}", result=True)

        above = Script([Ask("credential github", "spawn", **wish), Ask(ENDED, "wait", child=1, seconds=60),
                        Ask(f"turned round: {self.expected}", "result", child=1), Step("keys inside: 0", SEARCH)], self.key, UNUSED)
        below = Script([Step(self.expected, COMMAND), Step(SEEN, LOOK), report], self.below)
        with Model(above) as model, Model(below) as helper:
            faults = self.keep_key(model.port) + self.keep_key(helper.port, "below", self.below)
            prepared = told_of_server(self.name, self.prepare(self.URL, TASK))
            done = self.run(prepared, ["--name", "parent", "--policy", self.family_policy(model.port, helper.port)])
        faults += turn_faults(done, above) + summary_faults(done.err) + key_faults(above.seen)
        faults += [f"the child: {fault}" for fault in turn_faults(done, below) + key_faults(below.seen)]
        faults += outcome_faults(self.outcome, model.port, [])
        try:
            return [*faults, *self.tree_faults(listed), *self.record_of_two(below.seen), *self.merged_faults()], done
        except (ValueError, KeyError, IndexError, StopIteration) as error:
            return [*faults, f"the record: {error!r}"], done

    def family_policy(self, parent, child):
        """The shipped policy with sub-agents, and a provider for each of the two agents."""
        provider = {name: {"wire": WIRES[agent], "url": f"http://host.bastide:{port}", "credential": name}
                    for name, agent, port in (("scripted", self.name, parent), ("below", self.child, child))}
        routes = [{"models": [MODELS[agent]], "provider": name} for name, agent in (("scripted", self.name), ("below", self.child))]
        inference = {"providers": provider, "routes": routes, "budget": {"tokens": "1M", "requests": "64"}}
        text = f"bastide: 1\nname: family\nextends: [hardened]\nagents: {{}}\ninference: {json.dumps(inference)}\n"
        return self.person.write(self.workspace + ".yaml", text)

    def json(self, *words):
        return json.loads(self.bastide([*words, "--json"]).out)

    def events(self, session):
        return [json.loads(line) for line in self.bastide(["log", session, "--json"]).out.splitlines()]

    def two(self):
        """The ids of parent and child."""
        sessions = self.json("ls")
        sessions = sessions["sessions"] if isinstance(sessions, dict) else sessions
        child = next(one for one in sessions if one["parent"])
        return child["parent"]["session"], child["id"]

    def tree_faults(self, listed):
        """It was seen as a tree while it lived, and each of the two knows the other."""
        parent, child = self.two()
        seen = [done.out for done in listed if f"\n  {child}" in done.out and parent in done.out]
        faults = [] if seen else [f"no tree while the child lived: {[done.tail(400) for done in listed]}"]
        children = self.json("show", parent)["children"]
        faults += [] if [one["session"] for one in children] == [child] else [f"show: {children}"]
        shown = self.json("show", child)
        return faults + ([] if shown["state"] == "ended" and shown["exit"] == 0 else [f"the child: {shown}"])

    def record_of_two(self, seen):
        """The record of both is whole; what was used up is counted; what the child did leads up to the operator."""
        parent, child = self.two()
        faults = [] if self.bastide(["log", "verify"]).code == 0 else ["log verify"]
        used = self.json("show", parent)["children"][0]["used"]["tokens"]
        counted = [event for event in self.events(child) if event.get("kind") == "answered"]
        wanted = len(counted) * (TOKENS["asked"] + TOKENS["answered"])
        faults += [] if used == wanted > 0 else [f"the child used up {used} tokens, and was answered {len(counted)} times"]
        standing = {event["standing"] for event in self.events(child) if event.get("kind") == "said" and WORDS in event["words"]}
        faults += [f"the task is the operator's own to the child: {standing}"] if "attested" in standing or not standing else []
        keys = [path for path in self.recorded() if any(key in path.read_bytes() for key in (self.key.encode(), self.below.encode()))]
        faults += [f"a key is in {keys[:3]}"] if keys else []
        return faults + self.lineage_faults(child)

    def recorded(self):
        """Every file of the two sessions, and of the homes that they had."""
        state = Path(self.person.home, ".local/state/bastide")
        return [path for part in ("sessions", "homes") for path in (state / part).rglob("*") if path.is_file() and not path.is_symlink()]

    def lineage_faults(self, child):
        """From what the child did up to what the operator said to its parent: from its report; and from its shell, of which
        claude's begins with so much of its own that its command is beyond what is recorded of an argument."""
        events = self.events(child)
        done = {"report": next(event["id"] for event in events if event.get("kind") == "petition" and event["verb"] == "report")}
        if self.child == "codex":
            done["tee out/proof.txt"] = next(event["id"] for event in events if event.get("kind") == "exec"
                                             and COMMAND in " ".join(event["arguments"]))
        return [fault for words, event in done.items() for fault in self.why_of_child(words, event, child)]

    def why_of_child(self, words, event, child):
        told = self.json("why", event, child)
        calls = [cause["what"] for cause in told["explanation"]["causes"] if cause["part"] == "call"]
        above = told["above"][0]
        asked = [cause["what"] for cause in above["causes"] if cause["part"] == "call"]
        checks = {
            "the child's own call": any("call of `" in what and words in what for what in calls),
            "what it was begun for": self.mark in above["what"],
            "the parent's call": any("bastide__spawn" in what and WORDS[:16] in what for what in asked),
            "the petition": any("petition `spawn`" in (cause["what"] or "") for cause in above["causes"]),
            "the operator's task": TASK in (above["task"] or ""),
            "the same for people": TASK[:40] in self.bastide(["why", event, child]).out,
        }
        wrong = [name for name, holds in checks.items() if not holds]
        return [f"why {event} does not tell {', '.join(wrong)}: {json.dumps(told, indent=1)}"] if wrong else []

    def merged_faults(self):
        """The child's change is its operator's to look at and to merge, and in neither workspace before."""
        parent, child = self.two()
        proof = os.path.join(self.workspace, "out/proof.txt")
        faults = ["the child's file is in the workspace before the merge"] if os.path.exists(proof) else []
        faults += ["it is among its parent's changes"] if "proof.txt" in self.bastide(["diff", parent]).out else []
        diff = self.bastide(["diff", child])
        faults += [] if f"+{self.expected}" in diff.out else [f"diff: {diff.tail(400)}"]
        applied = self.bastide(["apply", child])
        faults += [] if applied.code == 0 else [f"apply: {applied.tail(300)}"]
        try:
            with open(proof, encoding="utf-8") as file:
                return faults + ([] if file.read().strip() == self.expected else ["out/proof.txt holds something else"])
        except OSError as error:
            return [*faults, f"out/proof.txt: {error.strerror}"]
