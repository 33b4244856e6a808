"""What the sessions ask their operator, as the bench's operator reads it: `bastide approve --json`, and its answers."""

import asyncio
import json
import time

# Seconds for which one reading counts, and for which a request is simply under way: a bench polls more often than a person looks.
FRESH = 0.2
SLOW = 0.4


class Questions:
    """The questions of calls that wait, and how a yes to one is given: `once`, or `source` where its card offers that."""

    def __init__(self, bastide, environment, sessions, grant="once"):
        self.bastide, self.environment, self.sessions, self.grant = bastide, environment, sessions, grant
        self.read, self.at = [], 0.0
        self.turn = asyncio.Lock()
        self.cards, self.answers = {}, []

    async def bastide_says(self, *arguments):
        run = await asyncio.create_subprocess_exec(
            self.bastide, "approve", *arguments, env=self.environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, said = await run.communicate()
        return run.returncode, out.decode("utf-8", "replace"), said.decode("utf-8", "replace")

    async def pending(self):
        async with self.turn:
            now = time.monotonic()
            waits = any(one.turn.locked() and now - one.used > SLOW for one in self.sessions.values())
            if waits and now - self.at > FRESH:
                _, out, _ = await self.bastide_says("--json")
                cards = [card for card in json.loads(out or "[]") if card.get("call")]
                self.cards.update((card["id"], card) for card in cards)
                self.read, self.at = [self.call(card) for card in cards], time.monotonic()
            return self.read if waits else []

    def call(self, card):
        """A card about a call, in the bench's form. Arguments that a card does not show whole are no JSON, and are some other call's."""
        models = {one.name: one.model for one in self.sessions.values()}
        return {"id": card["id"], "run": models.get(card["name"], ""), "tool": card["call"]["doubted"]["tool"],
                "arguments": card["words"]}

    async def answer(self, ident, approve):
        card = self.cards.get(ident, {})
        wide = any(choice["answer"].get("wide") for choice in card.get("choices", []))
        say = "--deny" if not approve else "--source" if self.grant == "source" and wide else "--once"
        code, _, said = await self.bastide_says(ident, say)
        if card:
            self.answers.append({"answer": say, "code": code, "said": said, "run": self.call(card)["run"], "card": card})
        return code == 0
