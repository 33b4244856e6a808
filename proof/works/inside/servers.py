"""The official client of MCP, with a server on standard input and output.

In a cell that server is in another one: some tools are not there and not called, and it asks for nothing. Without a cell, as the
control, the client starts it and it all happens.
"""

import asyncio
import os
import sys

import mcp_types as types
from mcp import Client, StdioServerParameters

INSIDE = os.environ["INSIDE"] == "yes"


def server():
    if INSIDE:
        return "http://adds.mcp.bastide.internal/mcp"
    return StdioServerParameters(command=sys.executable, args=[os.environ["PROGRAM"]])


async def roots(_context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///work")])


def words(result):
    return "".join(part.text for part in result.content)


async def tried(awaitable):
    """What came of it, and whether that was good."""
    try:
        result = await awaitable
    except Exception as error:  # Whatever the client makes of a refusal.
        return str(error), False
    return words(result), not getattr(result, "is_error", False)


async def main():
    # Where both eras are spoken, a server that is older than the second is spoken with in the first.
    for mode in ("legacy", "auto"):
        async with Client(server(), mode=mode, list_roots_callback=roots) as client:
            names = sorted(tool.name for tool in (await client.list_tools()).tools)
            assert names == (["add", "ask", "count"] if INSIDE else ["add", "ask", "count", "wipe"]), names
            assert words(await client.call_tool("add", {"a": 1, "b": 2})) == "3"
            said, good = await tried(client.call_tool("add", {"a": 2, "b": 2}))
            assert good != INSIDE and (not INSIDE or "bastide why g" in said), said
            said, good = await tried(client.call_tool("wipe", {"path": "/x"}))
            assert good != INSIDE and (not INSIDE or "bastide refused this" in said), said
            steps = []

            async def step(progress, total, message):
                steps.append((progress, total))
            assert words(await client.call_tool("count", {"to": 3}, progress_callback=step)) == "counted"
            assert steps == [(1, 3), (2, 3), (3, 3)], steps
            if mode == "legacy":
                said, good = await tried(client.call_tool("ask", {}))
                assert good != INSIDE and ("file:///work" in said) != INSIDE, said
    # Two at once do not hear each other.
    async with Client(server(), mode="legacy") as one, Client(server(), mode="legacy") as other:
        both = await asyncio.gather(*[client.call_tool("add", {"a": 5, "b": at})
                                      for at, client in enumerate([one, other] * 8)])
        assert [words(result) for result in both] == [str(5 + at) for at in range(16)]
    print("works")


asyncio.run(main())
