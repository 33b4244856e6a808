"""Agents that ask the planes outside for something, as the tools of a server of MCP which the petition is.

The model calls `report` with words that nobody else knows, then `spawn`, which this policy does not grant. What counts is
the record: the words stand there as reported, and the refusal came back to the model in words.
"""

import json

from model import Model, Script, Step, properties
from turn import Turn, summary_faults, turn_faults

URL = "http://bastide.internal/mcp"
REFUSED = "this session's policy grants no children"
VERBS = ("whoami", "spawn", "wait", "result", "report")
# How each is told of the server, and that it has no helpers of its own. pi speaks no MCP.
TOLD = {
    "claude": ["--mcp-config", json.dumps({"mcpServers": {"bastide": {"type": "http", "url": URL}}}), "--strict-mcp-config",
               "--allowedTools", ",".join(["Bash", "Read", *(f"mcp__bastide__{verb}" for verb in VERBS)]),
               "--disallowedTools", "Task,Agent,Workflow"],
    "codex": ["-c", f'mcp_servers.bastide.url="{URL}"', "--disable", "multi_agent"],
    # In its configuration.
    "openclaw": {"mcp": {"servers": {"bastide": {"url": URL, "transport": "streamable-http"}}},
                 "tools": {"deny": ["sessions_spawn", "sessions_send", "subagents"]}},
}
OWN = {"task", "agent", "workflow", "spawn_agent", "sessions_spawn", "sessions_send", "subagents"}


class Ask(Step):
    """A call of one of the petition's tools, however the agent calls it."""

    def __init__(self, expected, verb, **arguments):
        super().__init__(expected)
        self.verb, self.arguments = verb, arguments

    def call(self, tools):
        whole = f"mcp__bastide__{self.verb}"
        names = [name for name, _ in tools]
        known = [name for name in (whole, f"bastide__{self.verb}") if name in names]
        # Where one tool takes a program, that calls the others; it has a `wait` of its own.
        if not known and any(name == "exec" and not properties(form) for name, form in tools):
            return "exec", f"text(await tools.{whole}({json.dumps(self.arguments)}));"
        # Else in a namespace.
        return (known or [name for name in names if name == self.verb] or [whole])[0], self.arguments


class Asking(Turn):
    def script(self):
        return Script([Ask("done", "report", words=f"so far {self.expected}"),
                       Ask(REFUSED, "spawn", task="help me", command=["/bin/true"])])

    def asks(self):
        done, script = self.told(super().script(), False)
        # The control: without the flags it has helpers of its own, in the same cell.
        faults = turn_faults(done, script) + ([] if OWN & declared(script) else ["it has no helpers of its own to take away"])
        done, script = self.told(self.script(), True, "--name", "asking")
        faults += turn_faults(done, script) + summary_faults(done.err)
        faults += [f"it has helpers of its own: {sorted(OWN & declared(script))}"] if OWN & declared(script) else []
        shown = self.bastide(["show", "asking"])
        told = f"so far {self.expected}" in shown.out.rstrip().splitlines()[-1]
        faults += [] if told else [f"the report is not the last of the card: {shown.tail(600)}"]
        log = self.bastide(["log", "asking"])
        faults += [] if "petition `spawn`" in log.out and "grants no children" in log.out else [f"log: {log.tail(600)}"]
        return faults, done

    def told(self, script, told, *flags):
        """One run, told of the server or not."""
        with Model(script) as model:
            extra = {"settings": TOLD[self.name]} if told and self.name == "openclaw" else {}
            prepared = self.prepare(f"http://host.bastide:{model.port}", **extra)
            prepared = told_of_server(self.name, prepared) if told else prepared
            return self.run(prepared, ["--allow", f"host.bastide:{model.port}", *flags]), script


def told_of_server(name, prepared):
    """The same command line with the flags that tell of the server."""
    argv, env, configured = prepared
    words = TOLD[name] if isinstance(TOLD[name], list) else []
    argv = [*argv[:-1], *words, argv[-1]] if name == "codex" else [*argv, *words]
    return argv, env, configured


def declared(script):
    """Names of all tools that the model was told of."""
    return {name.lower() for request in script.seen["requests"] for name in request["tools"]}
