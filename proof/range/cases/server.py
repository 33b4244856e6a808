"""Servers of MCP in cells of their own: only what rules allow reaches one, and it sees nothing that is not its own."""

import http.client
import json

from case import case
from cases.petition import said

SERVED = {"host": "served", "args": "--policy {policies}/served.yaml", "control": "--policy {policies}/served.yaml",
          "alone": True}
PLACE = "web.mcp.bastide.internal"
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "token", "arguments": {}}}


def asked(body, path="/mcp", method="POST", **headers) -> str:
    try:
        one = http.client.HTTPConnection(PLACE, timeout=5)
        one.request(method, path, body, {"Content-Type": "application/json", **headers})
        return one.getresponse().read().decode(errors="replace")
    except OSError as error:
        return repr(error)


def called(**changes) -> str:
    return asked(json.dumps({**CALL, **changes}))


def raw(*lines: str, body: str, to=(PLACE, 80)) -> str:
    """What comes back for these very lines."""
    return said("\r\n".join([*lines, "", ""]) + body, to)


@case(name="server-tool", **SERVED)
def tool(host):
    """Calls a tool of a server in a cell of its own that no rule names, in every form that a server might read so."""
    look = {"name": "look", "arguments": {}}
    texts = [
        json.dumps([CALL]),
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","name":"token"}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"token"},"params":{"name":"look"}}',
        json.dumps(CALL).replace('"name"', '"Name"'),
        json.dumps({**CALL, "params": {**look, "NAME": "token"}}),
        json.dumps({**CALL, "params": look}) + "\n" + json.dumps(CALL),
        json.dumps({**CALL, "params": look}) + "\\n" + json.dumps(CALL),
        json.dumps({**CALL, "params": {**look, "arguments": {"paths": ["x\n" + json.dumps(CALL) + "\n"]}}}),
        json.dumps({**CALL, "id": "1\n" + json.dumps(CALL)}),
        json.dumps({**CALL, "method": "tools/call\n"}),
        json.dumps({**CALL, "params": {"name": "tok\u0000en"}}),
        json.dumps({**CALL, "params": {"name": "TOKEN"}}),
        json.dumps({**CALL, "params": {"name": "look", "arguments": {}, "task": {"name": "token"}}}),
    ]
    answers = "".join(asked(text) for text in texts) + called() + called(id="a") + called(method="Tools/Call")
    answers += "".join(asked(json.dumps(CALL), path) for path in ("/", "/mcp/", "/MCP", "/mcp?x=1", "/%6dcp", "//mcp", "/mcp/../mcp"))
    answers += "".join(asked(json.dumps(CALL), method=method) for method in ("PUT", "PATCH", "GET", "DELETE", "post"))
    answers += asked(json.dumps(CALL), **{"Mcp-Method": "ping"}) + asked(json.dumps(CALL), **{"Mcp-Session-Id": "1-0-1"})
    body = json.dumps(CALL)
    head = ["Content-Type: application/json", "Connection: close", f"Content-Length: {len(body)}"]
    for name in (PLACE, PLACE.upper(), PLACE + ".", "bastide.internal", "127.0.0.1"):
        answers += raw("POST /mcp HTTP/1.1", f"Host: {name}", *head, body=body)
        answers += raw(f"POST http://{name}/mcp HTTP/1.1", f"Host: {name}", *head, body=body, to=("proxy.bastide", 3128))
    answers += raw("POST /mcp HTTP/1.1", f"Host: {PLACE}", "Content-Type: application/json", "Connection: close",
                   "Transfer-Encoding: chunked", body=f"{len(body):x}\r\n{body}\r\n0\r\n\r\n")
    return answers


@case(name="server-files", **SERVED)
def files(host):
    """Has a server in a cell of its own read the operator's files, and those of the agent's workspace."""
    places = [place for real in (host.secret, host.elsewhere) for place in
              (real, f"/proc/1/root{real}", f"/proc/self/root{real}", f"/proc/1/cwd/{real}", f"/../..{real}", f"//{real}")]
    call = {**CALL, "params": {"name": "look", "arguments": {"paths": places}}}
    return asked(json.dumps(call))
