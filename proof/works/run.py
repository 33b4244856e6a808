#!/usr/bin/env python3
"""Programs that must work inside, each natively first (the control), then in a `hardened` cell; as root and as a user."""

import argparse
import contextlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.append(os.path.dirname(HERE))

from cases import CASES, HOUSE, Case  # noqa: E402
from person import ORDINARY, Person, place  # noqa: E402

SECONDS = 300


def attempt(name, person, bastide):
    """Runs one case, in a cell when `bastide` names the program. Gives what went wrong, or nothing, and the run."""
    where = "cell" if bastide else "native"
    workspace = person.directory(f"{where}-{name}")
    case = Case(person, workspace, bool(bastide))
    CASES[name](case)
    with contextlib.ExitStack() as stack:
        for service in case.services:
            stack.enter_context(service)
        if bastide:
            argv, env = cell(bastide, case), {"PATH": case.path}
        else:
            argv, env = case.argv, {**case.env, "PATH": case.path}
        done = person.run(argv, workspace, env, SECONDS)
    lines = [line.strip() for line in done.out.splitlines() if line.strip()]
    return done.code == 0 and lines[-1:] == ["works"], done


def cell(bastide, case):
    flags = ["--workspace", case.workspace]
    flags += [word for key, value in case.env.items() for word in ("--env", f"{key}={value}")]
    flags += [word for path in case.read for word in ("--read", path)]
    flags += [word for host in case.allow for word in ("--allow", host)]
    flags += ["--policy", case.policy] if case.policy else []
    return [bastide, "run", *flags, "--", *case.argv]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--native", action="store_true", help="the controls alone, without bastide")
    parser.add_argument("--only", choices=CASES, action="append", help="only this case (repeatable)")
    parser.add_argument("--user", choices=["root", "ordinary"], action="append", help="only this user (repeatable)")
    parser.add_argument("--bastide", default=os.path.join(HOUSE, "target/x86_64-unknown-linux-gnu/release/bastide"))
    options = parser.parse_args()
    bastide = os.path.abspath(options.bastide)
    uids = [{"root": 0, "ordinary": ORDINARY}[user] for user in options.user or ["root", "ordinary"]]
    if os.geteuid() != 0:
        uids = [os.geteuid()]
    passed = failed = 0
    for uid in uids:
        with Person(uid, place("works", "/var/tmp")) as person:
            for name in options.only or CASES:
                for where in [None] if options.native else [None, bastide]:
                    works, done = attempt(name, person, where)
                    passed, failed = passed + works, failed + (not works)
                    told = "cell" if where else "native"
                    print(f"{'PASS' if works else 'FAIL'}  {name:10} {told:7} {person.name:10} {done.seconds:5.1f} s", flush=True)
                    if not works:
                        print("      " + done.tail().replace("\n", "\n      "), flush=True)
    print(f"works: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
