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


def bastide(*words):
    """What `bastide WORDS` prints; it has to end well."""
    environment = {"HOME": str(ROOM / "home"), "XDG_STATE_HOME": str(ROOM / "state"), "PATH": os.environ["PATH"]}
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
        if faults:
            sys.exit(f"not OCSF: {line}\n" + "\n".join(faults))
    print("ocsf:", ", ".join(f"{count} of class {uid}" for uid, (_, count) in sorted(seen.items())))


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
