#!/usr/bin/env python3
"""Breaks what a session stands on, and checks what is left: one line per case, as root and as an ordinary user."""

import argparse
import fnmatch
import os
import signal
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
HOUSE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(HOUSE, "proof"))

import left  # noqa: E402
from case import CASES, Fails, Stage  # noqa: E402
from person import ORDINARY  # noqa: E402
import cases  # noqa: E402,F401

SECONDS_EACH = 400
BUILT = os.path.join(HOUSE, "target/x86_64-unknown-linux-gnu/debug/bastide")


def overdue(_number, frame):
    where = "".join(traceback.format_stack(frame)[-4:])
    raise Fails(f"still at it after {SECONDS_EACH} s, at:\n{where}{left.told()}")


def attempt(name, uid, options, groups):
    """Runs one case. Gives what went wrong, or nothing, and what it measured."""
    stage = Stage(uid, options.bastide, options.rounds, groups)
    signal.signal(signal.SIGALRM, overdue)
    signal.alarm(SECONDS_EACH)
    try:
        return None, CASES[name][0](stage)
    except Fails as failure:
        return str(failure), None
    except Exception:  # A case that breaks has shown nothing.
        return traceback.format_exc(), None
    finally:
        signal.alarm(0)
        left.survivors(2)
        groups.clear()
        stage.remove()


def beside(words):
    """Both people at once, each in a process of its own: cases mostly wait. The last word about a flag counts."""
    own = [sys.executable, os.path.abspath(__file__), *words, "--as"]
    running = [subprocess.Popen([*own, who]) for who in ("root", "user")]
    # A half that a signal ended has a negative code, and has shown nothing either.
    return 1 if any([process.wait() for process in running]) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bastide", default=BUILT, help="the program to break")
    parser.add_argument("--rounds", type=int, default=50, help="random moments of each kill (50)")
    parser.add_argument("--case", default="*", help="only these cases (a glob)")
    parser.add_argument("--as", dest="person", choices=["root", "user", "both"], default="both")
    options = parser.parse_args()
    options.bastide = os.path.abspath(options.bastide)
    people = {"root": [0], "user": [ORDINARY], "both": [0, ORDINARY]}[options.person]
    if os.geteuid() != 0:
        people = [os.geteuid()]
    os.umask(0o022)
    if len(people) > 1:
        return beside(sys.argv[1:])
    left.adopt_orphans()
    groups = left.Groups()
    passed = failed = 0
    try:
        for uid in people:
            who = "user" if uid else "root"
            for name in fnmatch.filter(CASES, options.case):
                if CASES[name][1] not in (None, who):
                    continue
                started = time.monotonic()
                wrong, told = attempt(name, uid, options, groups)
                passed, failed = passed + (wrong is None), failed + (wrong is not None)
                word, text = ("FAIL", wrong) if wrong else ("PASS", told or "")
                print(f"{word}  {who}  {name:34} {time.monotonic() - started:5.1f} s  {text}", flush=True)
    finally:
        groups.remove()
    print(f"faults: {passed} passed, {failed} failed ({options.person})", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
