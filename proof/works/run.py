#!/usr/bin/env python3
"""Programs that must work inside, each natively first (the control), then in a `hardened` cell; as root and as a user."""

import argparse
import concurrent.futures
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


def everything(uid, bastide, names):
    """All cases of one person, one after the other, beside another person's. Whether each works."""
    held = []
    with Person(uid, place("works", "/var/tmp")) as person:
        for name in names:
            for where in [None, bastide] if bastide else [None]:
                works, done = attempt(name, person, where)
                held.append(works)
                told = f"{'PASS' if works else 'FAIL'}  {name:10} {'cell' if where else 'native':7} {person.name:10} {done.seconds:5.1f} s\n"
                if not works:
                    told += "      " + done.tail().replace("\n", "\n      ") + "\n"
                print(told, end="", flush=True)
    return held


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
    with concurrent.futures.ThreadPoolExecutor(len(uids)) as pool:
        held = sum(pool.map(lambda uid: everything(uid, None if options.native else bastide, options.only or CASES), uids), [])
    print(f"works: {sum(held)} passed, {len(held) - sum(held)} failed")
    return 0 if held and all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
