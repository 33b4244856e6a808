#!/usr/bin/env python3
"""Breaks what a session stands on, and checks what is left: one line per case, as root and as an ordinary user."""

import argparse
import concurrent.futures
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


def here(name, who, options):
    """Runs one case and says how it went. Whether all held."""
    # Users of their own: a limit on processes counts all that one user has, in the cases beside this one too.
    uid = 0 if who == "root" else ORDINARY + list(CASES).index(name) if os.geteuid() == 0 else os.geteuid()
    left.adopt_orphans()
    groups, started = left.Groups(), time.monotonic()
    try:
        wrong, measured = attempt(name, uid, options, groups)
    finally:
        groups.remove()
    word, text = ("FAIL", wrong) if wrong else ("PASS", measured or "")
    print(f"{word}  {who}  {name:34} {time.monotonic() - started:5.1f} s  {text}", flush=True)
    return wrong is None


def apart(name, who, options):
    """Runs one case in a process of its own, to which all comes that the case starts, and nothing of another one's."""
    words = ["--bastide", options.bastide, "--rounds", str(options.rounds), "--case", name, "--as", who, "--here"]
    done = subprocess.run([sys.executable, os.path.abspath(__file__), *words], stdout=subprocess.PIPE, text=True, check=False)
    # One that was ended itself has shown nothing.
    return done.returncode == 0, done.stdout or f"FAIL  {who}  {name}: ended with {done.returncode}\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bastide", default=BUILT, help="the program to break")
    parser.add_argument("--rounds", type=int, default=50, help="random moments of each kill (50)")
    parser.add_argument("--case", default="*", help="only these cases (a glob)")
    parser.add_argument("--as", dest="person", choices=["root", "user", "both"], default="both")
    parser.add_argument("--parallel", type=int, default=4, help="cases at once, which mostly wait (4)")
    parser.add_argument("--here", action="store_true", help="in this very process, one after the other")
    options = parser.parse_args()
    options.bastide = os.path.abspath(options.bastide)
    people = {"both": ["root", "user"], "root": ["root"], "user": ["user"]}[options.person] if os.geteuid() == 0 else ["user"]
    os.umask(0o022)
    jobs = [(name, who) for name in fnmatch.filter(CASES, options.case) for who in people if CASES[name][1] in (None, who)]
    if options.here:
        return 0 if all([here(*job, options) for job in jobs]) else 1
    passed = 0
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        for future in concurrent.futures.as_completed([pool.submit(apart, *job, options) for job in jobs]):
            held, text = future.result()
            passed += held
            print(text, end="", flush=True)
    print(f"faults: {passed} passed, {len(jobs) - passed} failed ({options.person})", flush=True)
    return 0 if jobs and passed == len(jobs) else 1


if __name__ == "__main__":
    sys.exit(main())
