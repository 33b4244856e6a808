#!/usr/bin/env python3
"""Measures the promised figures, each beside a peer, and says which hold."""

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import answers  # noqa: E402
import build  # noqa: E402
import decide  # noqa: E402
import door  # noqa: E402
import events  # noqa: E402
import figures  # noqa: E402
import inside  # noqa: E402
import memory  # noqa: E402
import plane  # noqa: E402
import requests  # noqa: E402
import spawn  # noqa: E402
import spawns  # noqa: E402
import start  # noqa: E402
import streams  # noqa: E402
import watching  # noqa: E402
from host import HOUSE, Host  # noqa: E402

MEASURES = {"start": start, "inside": inside, "build": build, "memory": memory, "door": door, "decide": decide,
            "requests": requests, "streams": streams, "answers": answers, "plane": plane, "watch": watching, "events": events,
            "spawn": spawn, "spawns": spawns}

# Only where it is named: it takes minutes.
BY_NAME = {"spawns"}


def surroundings():
    memory_kib = int(open("/proc/meminfo").readline().split()[1])
    commit = subprocess.run(["git", "-C", HOUSE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": platform.release(), "cores": os.cpu_count(), "memory_gib": round(memory_kib / 2**20),
        "commit": commit.stdout.strip() or "unknown", "load": os.getloadavg()[0],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}; all by default")
    parser.add_argument("--rounds", type=int, default=100, help="interleaved rounds of start, inside and door (100); the others have their own")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in MEASURES]
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}")
    default = os.path.join(HOUSE, "target/x86_64-unknown-linux-gnu/release/bastide")
    bastide = os.path.abspath(os.environ.get("BASTIDE", default))
    if not os.path.exists(bastide):
        sys.exit(f"proof/bench: `{bastide}` is missing\nhint: make build")
    where, found, broken = surroundings(), [], []
    # Ended from outside, what was made is still removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    host = Host(bastide)
    try:
        for name in options.names or [name for name in MEASURES if name not in BY_NAME]:
            print(f"measuring {name} (load {os.getloadavg()[0]:.1f})", file=sys.stderr)
            try:
                for figure in MEASURES[name].measure(host, options.rounds):
                    found.append(figure)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                broken.append({"name": name, "error": str(error)})
                print(f"{name}: not measured to its end: {error}", file=sys.stderr)
    finally:
        host.end()
    where["load_after"] = os.getloadavg()[0]
    if options.json:
        print(json.dumps({"host": where, "figures": [one.json() for one in found], "broken": broken}, indent=1))
    else:
        print(", ".join(f"{key} {value}" for key, value in where.items()))
        print(figures.table(found))
    failed = [one for one in found if one.passes() is False]
    return 1 if failed or broken else 0


if __name__ == "__main__":
    sys.exit(main())
