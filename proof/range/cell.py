"""Runs inside the cell: tries the cases named in a file of facts, each in a process of its own, and says how each ended.

One line per case: RANGE, name, ESCAPED or STOPPED, what was seen, as JSON."""

import errno
import json
import os
import signal
import sys
import time
import types

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import cases  # noqa: E402,F401  (fills CASES)
from case import CASES  # noqa: E402

PATIENCE = 6


def attempt(name: str, facts: dict) -> list:
    try:
        evidence = CASES[name].attempt(types.SimpleNamespace(**facts))
    except OSError as error:
        return ["STOPPED", errno.errorcode.get(error.errno or 0, str(error))]
    except Exception as error:  # a closed connection, an empty answer
        return ["STOPPED", f"{type(error).__name__}: {error}"]
    if isinstance(evidence, (bytes, bytearray)):
        evidence = bytes(evidence).decode("latin-1")
    return ["ESCAPED", str(evidence)[:2000]] if evidence else ["STOPPED", "nothing came of it"]


def supervised(name: str, facts: dict) -> list:
    """In a child with a pipe, so that a case which is killed or hangs ends only itself."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.setpgid(0, 0)
        os.write(write, json.dumps(attempt(name, facts)).encode())
        os._exit(0)
    os.close(write)
    said, deadline = b"", time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        import select
        if select.select([read], [], [], deadline - time.monotonic())[0]:
            part = os.read(read, 65536)
            said += part
            if not part:
                break
    os.close(read)
    if not said:
        try:
            os.killpg(child, signal.SIGKILL)
        except OSError:
            pass
    _, status = os.waitpid(child, 0)
    if said:
        return json.loads(said)
    if os.WIFSIGNALED(status):
        return ["STOPPED", f"killed by {signal.Signals(os.WTERMSIG(status)).name}"]
    return ["STOPPED", "no answer"]


def main() -> None:
    with open(sys.argv[1]) as file:
        wanted = json.load(file)
    print("RANGE BEGIN", flush=True)
    for name, facts in wanted.items():
        print("RANGE " + json.dumps([name, *supervised(name, facts)]), flush=True)
    print("RANGE END", flush=True)


if __name__ == "__main__":
    main()
