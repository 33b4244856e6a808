"""What the sessions ask their operator, as the bench's operator reads it: `bastide approve --json`, and its answers."""

import asyncio
import json
import time

# Seconds for which one reading counts: a bench polls more often than a person looks.
FRESH = 0.2


class Questions:
    """The questions of calls that wait."""

    def __init__(self, bastide, environment, sessions):
        self.bastide, self.environment, self.sessions = bastide, environment, sessions
        self.read, self.at = [], 0.0
        self.turn = asyncio.Lock()

    async def bastide_says(self, *arguments):
        run = await asyncio.create_subprocess_exec(
            self.bastide, "approve", *arguments, env=self.environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
        out, _ = await run.communicate()
        return run.returncode, out.decode("utf-8", "replace")

    async def pending(self):
        async with self.turn:
            waits = any(one.turn.locked() for one in self.sessions.values())
            if not waits:
                return []
            if time.monotonic() - self.at > FRESH:
                _, out = await self.bastide_says("--json")
                self.read = [one for one in map(self.call, lines(out)) if one]
                self.at = time.monotonic()
            return self.read

    def call(self, card):
        """A card about a call, in the bench's form; nothing where it is about something else."""
        call = (card.get("wanted") or card).get("call")
        if not call:
            return None
        models = {one.name: one.model for one in self.sessions.values()}
        run = models.get(card.get("session_name") or card.get("name"), "")
        return {"id": card["id"], "run": run, "tool": call["tool"], "arguments": call.get("arguments", "")}

    async def answer(self, ident, approve):
        code, _ = await self.bastide_says(ident, "--once" if approve else "--deny")
        return code == 0


def lines(text):
    """JSON, whole or one object a line."""
    text = text.strip()
    if not text:
        return []
    try:
        read = json.loads(text)
        return read if isinstance(read, list) else read.get("questions", [read])
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
