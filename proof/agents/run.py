#!/usr/bin/env python3
"""Real agents against a scripted model on the host's loopback: natively, in a cell, and asking by the policy's route.

What an agent did is never taken from its own words: the model saw what came back, the sink what arrived, and the rest is
read from the workspace, the outcome and the record.
"""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
HOUSE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
sys.path.append(os.path.join(HOUSE, "proof"))

from agents import AGENTS  # noqa: E402
from asking import TOLD, Asking  # noqa: E402
from family import CHILD, Family  # noqa: E402
from person import ORDINARY, Person, place  # noqa: E402
from routed import FORMS, Inside, Routed, Translated  # noqa: E402
from turn import Turn  # noqa: E402
from withheld import Withheld  # noqa: E402

# Who takes a case, and what it is.
CASES = {
    "native": (Turn, Turn.natively),
    "cell": (Turn, Turn.in_a_cell),
    "terminal": (Turn, Turn.on_a_terminal),
    "unnamed": (Turn, Turn.unnamed),
    "asks": (Asking, Asking.asks),
    "family": (Family, Family.helps),
    "vendor": (Routed, Routed.works),
    "inside": (Inside, Inside.works),
    "translated": (Translated, Translated.works),
    "withheld": (Withheld, Withheld.goes_on),
    **{f"leaks-{form}": (Routed, lambda turn, form=form: turn.leaks(form)) for form in FORMS},
    **{f"kept-{form}": (Routed, lambda turn, form=form: turn.kept(form)) for form in FORMS},
}


# Who takes a case, where not all do.
ONLY = {"asks": TOLD, "family": CHILD}
# What is known of openclaw is how its own sub-agents are taken away: the rest is of agents that are used alone.
FEW = {"openclaw": ("native", "cell", "asks")}


def takes(agent, case):
    return agent in ONLY.get(case, AGENTS) and case in FEW.get(agent, CASES)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--native", action="store_true", help="the control alone, without bastide")
    parser.add_argument("--case", choices=CASES, action="append", help="only this case (repeatable)")
    parser.add_argument("--agent", choices=AGENTS, action="append", help="only this agent (repeatable)")
    parser.add_argument("--user", choices=["root", "ordinary"], action="append", help="only this user (repeatable)")
    parser.add_argument("--bastide", default=os.path.join(HOUSE, "target/x86_64-unknown-linux-gnu/release/bastide"))
    parser.add_argument("--agents", default=os.environ.get("BASTIDE_AGENTS", os.path.join(HOUSE, ".agents")))
    options = parser.parse_args()
    options.bastide, options.agents = os.path.abspath(options.bastide), os.path.abspath(options.agents)
    uids = [{"root": 0, "ordinary": ORDINARY}[user] for user in options.user or ["root", "ordinary"]]
    if os.geteuid() != 0:
        uids = [os.geteuid()]
    passed = failed = 0
    for uid in uids:
        with Person(uid, place("agents", "/var/tmp")) as person:
            for name in options.agent or AGENTS:
                for case in ["native"] if options.native else options.case or CASES:
                    kind, judge = CASES[case]
                    if not takes(name, case):
                        continue
                    faults, done = judge(kind(name, person, options, case))
                    passed, failed = passed + (not faults), failed + bool(faults)
                    verdict = "FAIL" if faults else "PASS"
                    print(f"{verdict}  {name:7} {case:12} {person.name:10} {done.seconds:5.1f} s", flush=True)
                    for fault in faults:
                        print("      " + fault.replace("\n", "\n      "), flush=True)
    print(f"agents: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
