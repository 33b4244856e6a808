"""A server of MCP on standard input and output, by the official package."""

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("adds")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
async def count(to: int, context: Context) -> str:
    """Counts, and says how far it is."""
    for at in range(1, to + 1):
        await context.report_progress(at, to)
    return "counted"


@server.tool()
async def ask(context: Context) -> str:
    """Asks the program for the directories that it works in."""
    roots = await context.session.list_roots()
    return " ".join(str(root.uri) for root in roots.roots)


@server.tool()
def wipe(path: str) -> str:
    """Takes a file away."""
    return f"wiped {path}"


server.run()
