"""A real session of its own state, and its export, counters and checkpoint as others read them."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

ROOM = pathlib.Path(sys.argv[1])
SCRIPT = """
curl -sS -m 5 http://evil.test/x; curl -sS -m 5 http://192.0.2.1:81/y; getent hosts nowhere.test
python3 -c 'print(1)'; echo new >made.txt; true
"""

# Kinds that this run does not bring about. `log export` reads what stands there: it is `log verify` that proves.
OTHERS = [
    {"kind": "request", "pid": 7, "program": ["/usr/bin/curl", "/bin/sh"], "host": "a.example", "port": 443, "method": "POST",
     "target": "/v1?x=1", "verdict": "refused", "rule": "network.allow[0]", "reason": "no rule", "suggestion": "{to: a.example}"},
    {"kind": "request", "pid": None, "program": [], "host": "[2001:db8::1]", "port": 80, "method": "PROPFIND", "target": "*",
     "verdict": "asked", "rule": None, "reason": None, "suggestion": None},
    {"kind": "mcp", "pid": 7, "program": ["/a"], "host": "m.example", "port": 443, "target": "/mcp", "method": "tools/call",
     "name": "send", "words": "{}", "verdict": "allowed", "rule": None, "reason": None, "suggestion": None},
    {"kind": "model", "pid": 7, "program": ["/a"], "host": "api.example", "asked": "POST /v1/messages", "model": "m",
     "provider": "anthropic", "verdict": "allowed", "rule": None, "reason": None},
    {"kind": "answered", "model": "g4", "input": 3, "output": 4, "stop": "end_turn", "whole": True,
     "cost": {"micros": 5, "currency": "USD"}},
    {"kind": "evidence", "what": "secret:clients", "source": "notes/a.md", "how": "base64", "quoted": "the words"},
    {"kind": "close", "connect": "g1", "sent": 1, "received": 2, "address": "192.0.2.1", "note": "the second address"},
    {"kind": "connect", "pid": 9, "program": ["/usr/bin/nc"], "host": "b.example", "address": "192.0.2.2", "port": 22,
     "verdict": "allowed", "rule": "network.allow[1]", "reason": None, "suggestion": None},
    {"kind": "file-refused", "pid": 3, "program": "/bin/cat", "access": ["read_file"], "path": "/etc/shadow"},
    {"kind": "said", "speaker": "user", "form": "text", "words": "w", "digest": "d", "standing": "attested"},
]


def bastide(*words):
    """What `bastide WORDS` prints; it has to end well."""
    environment = {"HOME": str(ROOM / "home"), "XDG_STATE_HOME": str(ROOM / "state"), "PATH": os.environ["PATH"],
                   "BASTIDE_DAEMON": "off"}
    ran = subprocess.run([os.environ["BASTIDE"], *words], cwd=ROOM / "work", env=environment, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"bastide {' '.join(words)}: exit {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def ocsf(lines):
    """Every event against the schema of its class."""
    schema, seen = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.5.0")), {}
    for line in lines:
        event = json.loads(line)
        uid = event["class_uid"]
        if uid not in seen:
            of_class = schema.get_class_schema(class_name=schema.lookup_class_name_from_uid(uid), profiles=["host", "security_control"])
            seen[uid] = [Draft202012Validator(of_class), 0]
        seen[uid][1] += 1
        faults = [f"{'/'.join(map(str, fault.path))}: {fault.message[:300]}" for fault in seen[uid][0].iter_errors(event)]
        assert any(seen[uid][0].iter_errors({**event, "time": "now"})), "whatever is written there is taken for OCSF"
        if faults:
            sys.exit(f"not OCSF: {line}\n" + "\n".join(faults))
    print("ocsf:", ", ".join(f"{count} of class {uid}" for uid, (_, count) in sorted(seen.items())))
    return set(seen)


def signed(note, key):
    """The first signature by OpenSSL, which knows nothing of us."""
    text, signatures = note.rsplit("\n\n", 1)
    name, said, encoded = key.strip().split("+", 2)
    kind, public = base64.b64decode(encoded)[0], base64.b64decode(encoded)[1:]
    wanted = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]
    signature = base64.b64decode(signatures.splitlines()[0].split(" ")[2])
    assert (kind, wanted.hex(), signature[:4]) == (1, said, wanted), key
    # RFC 8410's header of a public key.
    (ROOM / "key.der").write_bytes(bytes.fromhex("302a300506032b6570032100") + public)
    (ROOM / "signature").write_bytes(signature[4:])
    (ROOM / "text").write_text(text + "\n")
    subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.der", "-keyform", "DER", "-rawin", "-in", "text", "-sigfile",
         "signature"], cwd=ROOM, check=True, stdout=subprocess.DEVNULL)
    print("checkpoint: signed by", name)


def root(note):
    """The root by RFC 6962's own words, over the log as it lies there."""
    def tree(leaves):
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + leaves[0]).digest()
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        return hashlib.sha256(b"\1" + tree(leaves[:k]) + tree(leaves[k:])).digest()
    leaves = (ROOM / "state/bastide/ledger/log").read_bytes().splitlines()
    _, size, said = note.splitlines()[:3]
    assert tree(leaves[:int(size)]) == base64.b64decode(said), "another root"
    print("checkpoint: the root of", size, "entries")


for part in ("home", "work", "state"):
    (ROOM / part).mkdir()
for _ in range(5):
    bastide("run", "--", "sh", "-c", SCRIPT)
bastide("discard")
time.sleep(2)
ocsf(bastide("log", "export", "--format", "ocsf").splitlines())
page = bastide("metrics")
subprocess.run(["promtool", "check", "metrics"], input=page, text=True, check=True)
print("metrics:", sum(not line.startswith("#") for line in page.splitlines()), "series")
note = bastide("log", "checkpoint")
signed(note, bastide("log", "key"))
root(note)
newest = max((ROOM / "state/bastide/sessions").iterdir())
with open(newest / "gate.segment", "ab") as segment:
    for number, event in enumerate(OTHERS):
        line = {"seq": 1000 + number, "at": 1_800_000_000_000_000 + number, "cause": [{"id": "p1", "known": "inferred"}], **event}
        segment.write(b"0" * 64 + b" " + json.dumps(line).encode() + b"\n")
classes = ocsf(bastide("log", "export", "--format", "ocsf").splitlines())
assert classes == {0, 1001, 1007, 2004, 4001, 4002, 4003, 6002, 6003}, classes
