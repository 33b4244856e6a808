"""The official client of MCP, by the handshake of before 2026 and by the protocol after it, with a server outside.

In a cell, whose policy allows one tool: the other one is not there and not called, the server asks for nothing, and what it
describes anew does not come in. Without a cell, as the control, it all happens.
"""

import asyncio
import os

import mcp_types as types
from mcp import Client

URL, INSIDE = os.environ["URL"], os.environ["INSIDE"] == "yes"


async def give(_context, _params):
    return types.ElicitResult(action="accept", content={"word": "secret"})


def words(result):
    return "".join(part.text for part in result.content)


async def tried(awaitable):
    """What came of it, and whether that was good."""
    try:
        result = await awaitable
    except Exception as error:  # Whatever the client makes of a refusal.
        return str(error), False
    return words(result) if hasattr(result, "content") else result, not getattr(result, "is_error", False)


async def main():
    for mode in ("legacy", "auto"):
        async with Client(f"{URL}/{mode}/mcp", mode=mode, elicitation_callback=give) as client:
            names = sorted(tool.name for tool in (await client.list_tools()).tools)
            assert names == (["add", "ask", "turn"] if INSIDE else ["add", "ask", "turn", "wipe"]), names
            assert words(await client.call_tool("add", {"a": 1, "b": 2})) == "3"
            said, good = await tried(client.call_tool("wipe", {"path": "/x"}))
            assert good != INSIDE and (not INSIDE or "bastide refused this" in said and "bastide why g" in said), said
            said, good = await tried(client.call_tool("ask", {}))
            assert good != INSIDE and ("secret" in said) != INSIDE, said
            assert words(await client.call_tool("turn", {})) == "turned"
        async with Client(f"{URL}/{mode}/mcp", mode=mode) as client:
            said, good = await tried(client.list_tools())
            assert good != INSIDE and (not INSIDE or "is not what it said at first" in said), said
    print("works")


asyncio.run(main())
