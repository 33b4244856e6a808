"""Petitions: who asks is the cell, whatever is said of it; and no verb reaches beyond what is its own."""

import http.client
import json
import os
import re
import socket

from case import case

NEIGHBOUR = {"host": "other-session", "control": "--policy {policies}/neighbour.yaml", "alone": True}


def register(name: str, story: str, attempt) -> None:
    attempt.__doc__, attempt.__module__ = story, __name__
    case(name=name, **NEIGHBOUR)(attempt)


def said(text: str, to=("bastide.internal", 80)) -> str:
    """What comes back for these very bytes."""
    try:
        with socket.create_connection(to, 3) as one:
            one.settimeout(5)
            one.sendall(text.encode())
            answer = b""
            while part := one.recv(65536):
                answer += part
    except OSError as error:
        return repr(error)
    return answer.decode(errors="replace")


def asked(verb: str, body: dict, **headers) -> str:
    one = http.client.HTTPConnection("bastide.internal", timeout=5)
    one.request("POST", verb, json.dumps(body), {"Content-Type": "application/json", **headers})
    return one.getresponse().read().decode(errors="replace")


def by_host(host) -> str:
    heads = []
    for name in (host.session, f"{host.session}.bastide.internal", f"bastide.internal@{host.session}"):
        heads += [f"GET /whoami HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n",
                  f"GET http://{name}/whoami HTTP/1.1\r\nHost: bastide.internal\r\nConnection: close\r\n\r\n",
                  f"GET http://bastide.internal/whoami HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"]
    return "".join(said(head) for head in heads)


def by_header(host) -> str:
    names = ("X-Bastide-Session", "Bastide-Session", "Session", "X-Forwarded-For", "Forwarded", "X-Real-IP", "Cookie",
             "Authorization", "Mcp-Session-Id")
    return "".join(asked("/whoami", {}, **{name: host.session}) for name in names)


def by_field(host) -> str:
    fields = ("session", "as", "id", "identity", "policy", "policies", "parent", "child", "who")
    return "".join(asked("/whoami", {name: host.session}) for name in fields)


def by_path(host) -> str:
    paths = ("/{}/whoami", "/whoami/{}", "/whoami?session={}", "/sessions/{}", "/v1/sessions/{}", "/../{}/whoami",
             "/%2e%2e/{}/whoami", "//{}/whoami")
    return "".join(said(f"GET {path.format(host.session)} HTTP/1.1\r\nHost: bastide.internal\r\nConnection: close\r\n\r\n")
                   for path in paths)


def by_address(host) -> str:
    answers = []
    for last in range(256):
        head = "GET /whoami HTTP/1.1\r\nHost: bastide.internal\r\nConnection: close\r\n\r\n"
        if last != 3:
            answers.append(said(head, (f"198.18.0.{last}", 80)))
    return "".join(answers)


def by_child(host) -> str:
    children = (host.session, f"../{host.session}", 0, 1, 4294967295, -1, [host.session], {"session": host.session})
    return "".join(asked(verb, {"child": child}) for verb in ("/result", "/wait", "/cancel") for child in children)


def by_message(host) -> str:
    calls = [{"name": "whoami", "arguments": {"session": host.session}},
             {"name": f"{host.session}/whoami", "arguments": {}},
             {"name": "whoami", "arguments": {}, "_meta": {"session": host.session}}]
    return "".join(asked("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}) for call in calls)


WAYS = {
    "host": ("says another session's name as the host", by_host),
    "header": ("claims to be another session in headers", by_header),
    "field": ("claims to be another session, or under another policy, in what it asks", by_field),
    "path": ("asks at the path of another session", by_path),
    "address": ("looks for another cell's petition at the addresses beside its own", by_address),
    "child": ("names another session as its child", by_child),
    "message": ("claims to be another session in a message of MCP", by_message),
}


def claims(way: str, story: str, others) -> None:
    def attempt(host):
        # In the control the cell is under that policy itself: then it is told so.
        told = others(host) + asked("/whoami", {})
        return " ".join(set(re.findall(r'"policy": ?"(\w+)"', told)))
    register(f"petition-{way}", f"{story[0].upper()}{story[1:]}.", attempt)


for key, (about, others) in WAYS.items():
    claims(key, about, others)


FAMILY = {"host": "family-secret", "args": "--policy {policies}/family.yaml", "alone": True,
          "control": "--policy {policies}/family.yaml --read {home}/kept"}


def told(verb: str, body: dict) -> str:
    one = http.client.HTTPConnection("bastide.internal", timeout=90)
    one.request("POST", verb, json.dumps(body), {"Content-Type": "application/json"})
    return one.getresponse().read().decode(errors="replace")


def born(**wish) -> str:
    """What a sub-agent that is asked for so comes to."""
    answer = told("/spawn", {"task": "t", **wish})
    child = json.loads(answer).get("child")
    if child is None:
        return answer
    told("/wait", {"child": child, "seconds": 60})
    return answer + told("/result", {"child": child})


def by_files(host) -> str:
    """What a sub-agent sees where it is granted the file, in every way of saying so."""
    place, name = os.path.split(host.secret)
    for link, to in (("way", place), ("file", host.secret), ("root", "/")):
        os.symlink(to, link)
    grants = [host.secret, "." * 2 + host.secret, "../../.." + host.secret, "way", "file", "root", f"way/{name}",
              "root" + host.secret, "./way", "way/../way", "way/", "."]
    script = f"cat {host.secret} way/{name} file root{host.secret} /proc/1/root{host.secret}"
    answers = "".join(born(command=["sh", "-c", script], files=[{"path": path, "access": "write"}]) for path in grants)
    return answers + born(command=["sh", "-c", script], files=[{"path": path, "access": "read"} for path in ("way", ".")])


def by_program(host) -> str:
    """What a sub-agent prints whose program is the file, or is found in its directory."""
    place, name = os.path.split(host.secret)
    wishes = [[host.secret], [f"/proc/self/root{host.secret}"], [f"../../..{host.secret}"], [name], ["cat", host.secret],
              ["/usr/bin/env", "cat", host.secret], ["sh", "-c", f"cd {place} && cat {name}"]]
    return "".join(born(command=wish) for wish in wishes)


def by_grandchild(host) -> str:
    """What a sub-agent of a sub-agent sees, asked for with more than the first has."""
    inner = {"task": "t", "command": ["cat", host.secret], "files": [{"path": ".", "access": "write"}],
             "network": ["host.bastide:1", "example.com"], "credentials": ["github"]}
    script = ("import http.client, json\n"
              "def told(verb, body):\n"
              "    one = http.client.HTTPConnection('bastide.internal', timeout=60)\n"
              "    one.request('POST', verb, json.dumps(body), {'Content-Type': 'application/json'})\n"
              "    return one.getresponse().read().decode()\n"
              f"print(told('/spawn', {inner!r}), told('/wait', {{}}), told('/result', {{'child': 1}}))\n")
    return born(command=["python3", "-c", script], files=[{"path": ".", "access": "read"}])


for key, attempt in (("files", by_files), ("program", by_program), ("grandchild", by_grandchild)):
    case(name=f"petition-spawn-{key}", **FAMILY)(attempt)
