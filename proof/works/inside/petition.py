"""The official client of MCP, in both eras of the protocol, asks the planes outside for something."""

import asyncio
import os
import socket

from mcp import Client

URL = "http://bastide.internal/mcp"
EIGHT = {"whoami", "ask", "spawn", "wait", "send", "result", "cancel", "report"}


async def talk(mode):
    async with Client(URL, mode=mode) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == EIGHT, tools
        me = await client.call_tool("whoami", {})
        assert not me.is_error and "inside a cell of bastide" in me.content[0].text, me
        assert me.structured_content["policies"], me
        done = await client.call_tool("report", {"words": f"asked in the era of {mode}"})
        assert not done.is_error and done.structured_content["answer"] == "done", done
        refused = await client.call_tool("spawn", {"task": "help me", "command": ["/bin/true"]})
        assert refused.is_error and "grants no children; hint: " in refused.content[0].text, refused
        odd = await client.call_tool("spawn", {"task": "help me", "command": ["/bin/true"], "policy": "none"})
        assert odd.is_error and "unknown field" in odd.content[0].text, odd


async def main():
    for mode in ("legacy", "auto"):
        await talk(mode)


if os.environ["INSIDE"] == "yes":
    asyncio.run(main())
else:
    # Without a cell there is nobody of this name.
    try:
        raise AssertionError(socket.getaddrinfo("bastide.internal", 80))
    except socket.gaierror:
        pass
print("works")
