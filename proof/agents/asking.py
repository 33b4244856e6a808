"""Agents that ask the planes outside for something, as the tools of a server of MCP which the petition is.

The model calls `report` with words that nobody else knows, then `spawn`, which this policy does not grant. What counts is
the record: the words stand there as reported, and the refusal came back to the model in words.
"""

import json

from model import Model, Script, Step
from turn import Turn, summary_faults, turn_faults

URL = "http://bastide.internal/mcp"
REFUSED = "this session's policy grants no children"
# How each is told of the server, and that it has no helpers of its own. pi speaks no MCP.
TOLD = {
    "claude": ["--mcp-config", json.dumps({"mcpServers": {"bastide": {"type": "http", "url": URL}}}), "--strict-mcp-config",
               "--allowedTools", "mcp__bastide__report,mcp__bastide__spawn", "--disallowedTools", "Task,Agent,Workflow"],
    "codex": ["-c", f'mcp_servers.bastide.url="{URL}"', "--disable", "multi_agent"],
}
OWN = {"task", "agent", "workflow", "spawn_agent"}


class Ask(Step):
    """A call of one of the petition's tools, however the agent calls it."""

    def __init__(self, expected, verb, **arguments):
        super().__init__(expected)
        self.verb, self.arguments = verb, arguments

    def call(self, tools):
        names = [name for name, _ in tools]
        whole = f"mcp__bastide__{self.verb}"
        if whole not in names and "exec" in names:
            return "exec", f"text(await tools.{whole}({json.dumps(self.arguments)}));"
        return next((name for name in names if name in (whole, self.verb)), whole), self.arguments


class Asking(Turn):
    def script(self):
        return Script([Ask("done", "report", words=f"so far {self.expected}"),
                       Ask(REFUSED, "spawn", task="help me", command=["/bin/true"])])

    def asks(self):
        done, script = self.told(super().script(), [])
        # The control: without the flags it has helpers of its own, in the same cell.
        faults = turn_faults(done, script) + ([] if OWN & declared(script) else ["it has no helpers of its own to take away"])
        done, script = self.told(self.script(), TOLD[self.name], "--name", "asking")
        faults += turn_faults(done, script) + summary_faults(done.err)
        faults += [f"it has helpers of its own: {sorted(OWN & declared(script))}"] if OWN & declared(script) else []
        shown = self.bastide(["show", "asking"])
        told = f"so far {self.expected}" in shown.out.rstrip().splitlines()[-1]
        faults += [] if told else [f"the report is not the last of the card: {shown.tail(600)}"]
        log = self.bastide(["log", "asking"])
        faults += [] if "petition `spawn`" in log.out and "grants no children" in log.out else [f"log: {log.tail(600)}"]
        return faults, done

    def told(self, script, words, *flags):
        """One run with these words on the agent's command line."""
        with Model(script) as model:
            argv, env, files = self.prepare(f"http://host.bastide:{model.port}")
            argv = [*argv[:-1], *words, argv[-1]] if self.name == "codex" else [*argv, *words]
            return self.run((argv, env, files), ["--allow", f"host.bastide:{model.port}", *flags]), script


def declared(script):
    """Names of all tools that the model was told of."""
    return {name.lower() for request in script.seen["requests"] for name in request["tools"]}
