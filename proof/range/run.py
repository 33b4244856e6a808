#!/usr/bin/env python3
"""The escape range: every case against the walls, with every layer on, its whole set off, and each of its set alone on.

Cases with the same layers off share one cell, as the deeds of one hostile program would."""

import argparse
import collections
import concurrent.futures
import dataclasses
import fnmatch
import hashlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import arena  # noqa: E402
import cases  # noqa: E402,F401
import host  # noqa: E402
from case import CASES, Case  # noqa: E402
from ways import WAYS  # noqa: E402

LAYERS = ("user-namespace host-uid private-root socket-shadow pid-namespace network-namespace ipc-namespace "
          "uts-namespace cgroup-namespace landlock seccomp capabilities no-new-privileges sealed-descriptors "
          "relayed-stdio").split()


@dataclasses.dataclass(frozen=True)
class Shot:
    """One case in one run."""
    case: Case
    user: str                      # root, user
    off: tuple[str, ...]
    flags: tuple[str, ...]
    way: str
    escapes: bool                  # what must come of it
    about: str                     # all on, all off, only LAYER on
    control: bool = False          # the one fact that stops it is another


def layers_of(case: Case, user: str) -> tuple[str, ...] | None:
    if user == "root":
        return case.layers if case.root else None
    return case.user


def matrix(case: Case, user: str) -> list[Shot]:
    """All on, the whole set off, each of the set alone on."""
    layers = layers_of(case, user)
    if layers is None:
        return []
    shots = [Shot(case, user, (), case.args, "pipes", False, "all on")]
    if case.word:
        return [*shots, Shot(case, user, (), case.word, "pipes", True, "allowed by the operator's word")]
    if case.control is not None:
        return [*shots, Shot(case, user, (), case.control, "pipes", True, "in its control", True)]
    shots.append(Shot(case, user, layers, case.args, "pipes", True, "whole set off"))
    if len(layers) > 1:
        shots += [Shot(case, user, tuple(one for one in layers if one != layer), case.args, "pipes", False,
                       f"only {layer} on") for layer in layers]
    return shots


def through(way: str, user: str, chosen: list[Case]) -> list[Shot]:
    return [Shot(case, user, (), case.args, way, False, f"way {way}") for case in chosen
            if layers_of(case, user) is not None and not case.alone and not case.args]


def grouped(shots: list[Shot]) -> list[list[Shot]]:
    groups = collections.defaultdict(list)
    for shot in shots:
        own = shot.case.name if shot.case.alone or shot.control else ""
        groups[shot.user, tuple(sorted(shot.off)), shot.flags, shot.way, shot.control, own].append(shot)
    return list(groups.values())


def fire(base: arena.Base, group: list[Shot]) -> list[tuple[Shot, bool, str, str]]:
    first = group[0]
    flags = [word for layer in first.off for word in ("--accept-risk", f"without-{layer}")] + list(first.flags)
    names = [shot.case.name for shot in group]
    one = arena.Arena(base, first.user, names, flags, first.way, first.control)
    answers = one.run()
    return [(shot, *answers[shot.case.name]) for shot in group]


def judged(shot: Shot, escaped: bool, claim: str) -> bool:
    return escaped == shot.escapes and claim != "SILENT"


def shoot(base: arena.Base, shots: list[Shot], parallel: int):
    groups = grouped(shots)
    begun, done = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        waiting = [pool.submit(fire, base, group) for group in groups]
        for future in concurrent.futures.as_completed(waiting):
            done += 1
            yield from future.result()
            if sys.stderr.isatty() or done % 50 == 0 or done == len(groups):
                end = "\r" if sys.stderr.isatty() and done < len(groups) else "\n"
                print(f"cell {done}/{len(groups)}, {time.monotonic() - begun:.0f} s", end=end, file=sys.stderr)


def sampled(case: Case) -> bool:
    """A third of the cases, always the same."""
    return hashlib.sha256(case.name.encode()).digest()[0] % 3 == 0


def report(results, arguments) -> int:
    rows = collections.defaultdict(list)
    for shot, escaped, claim, detail in results:
        rows[shot.case.name].append((shot, escaped, claim, detail))
    failures, table = 0, collections.defaultdict(lambda: [0, 0, 0])
    for name in sorted(rows, key=lambda name: (CASES[name].kind, name)):
        bad = [row for row in rows[name] if not judged(*row[:3])]
        case = CASES[name]
        counts = table[case.kind]
        counts[0], counts[1], counts[2] = counts[0] + 1, counts[1] + len(rows[name]), counts[2] + len(bad)
        failures += len(bad)
        opened = "word: " + " ".join(case.word) if case.word else "control"
        by = " ".join(case.layers) or " ".join(case.user or ()) or opened
        print(f"{'FAIL' if bad else 'ok  '} {case.kind:11} {name:34} {len(rows[name]):3} runs  {by}")
        for shot, escaped, claim, detail in bad:
            wanted = "escape" if shot.escapes else "be stopped"
            print(f"       as {shot.user}, {shot.about}: had to {wanted}, {'escaped' if escaped else claim.lower()}: "
                  f"{detail.strip()[-300:]!r}")
    print(f"\n{'class':12} cases  runs  failures")
    for kind, (count, runs, bad) in sorted(table.items()):
        print(f"{kind:12} {count:5} {runs:5} {bad:9}")
    total = [sum(column) for column in zip(*table.values())] or [0, 0, 0]
    print(f"{'all':12} {total[0]:5} {total[1]:5} {total[2]:9}")
    if arguments.json:
        facts = [{"case": shot.case.name, "class": shot.case.kind, "as": shot.user, "off": shot.off, "way": shot.way,
                  "about": shot.about, "escaped": escaped, "claim": claim, "detail": detail,
                  "pass": judged(shot, escaped, claim)} for shot, escaped, claim, detail in results]
        with open(arguments.json, "w") as file:
            json.dump(facts, file, indent=1)
    return 1 if failures or not rows else 0


def doctor(base: arena.Base, user: str) -> bool:
    """Another way of starting something: the probes in a throwaway cell must find every layer."""
    one = arena.Arena(base, user, [], [])
    try:
        done = one.verb("doctor")
        print(f"{'FAIL' if done.returncode else 'ok  '} doctor as {user}")
        if done.returncode:
            print(done.stdout[-2000:])
        return done.returncode == 0
    finally:
        one.close()


def measure(base, chosen, users, parallel) -> int:
    """Which single layers stop each case with all others off: what its set could be."""
    for user in users:
        # An ordinary user has no namespace at all without his own; a host's stdio would hide what a case says.
        possible = [layer for layer in LAYERS if layer != "user-namespace" or user == "root"]
        shots = []
        for case in chosen:
            ours = [layer for layer in possible if layer != "relayed-stdio" or layer in case.layers]
            for kept in ["", *ours] if not case.word and case.control is None else []:
                off = tuple(layer for layer in ours if layer != kept)
                shots.append(Shot(case, user, off, case.args, "pipes", True, kept))
        seen = collections.defaultdict(dict)
        for shot, escaped, claim, detail in shoot(base, shots, parallel):
            seen[shot.case.name][shot.about] = (escaped, claim, detail)
        for name, kept in sorted(seen.items()):
            escaped, claim, detail = kept.pop("")
            stops = " ".join(layer for layer in kept if not kept[layer][0]) if escaped else f"NEVER {claim} {detail!r}"
            print(f"{user} {name}: {stops}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bastide", default=f"{HERE}/../../target/x86_64-unknown-linux-gnu/debug/bastide")
    parser.add_argument("--as", dest="who", choices=["root", "user", "both"], default="both")
    parser.add_argument("--case", default="*", help="only cases of this name, a glob")
    parser.add_argument("--class", dest="kind", default="*", help="only cases of this class")
    parser.add_argument("--way", default="*", help="only these ways of starting, a glob; `none` for the matrix alone")
    parser.add_argument("--sample", action="store_true", help="every way, but the matrix of a third of the cases")
    parser.add_argument("--json", metavar="FILE", help="write every single run there")
    parser.add_argument("--list", action="store_true", help="list the cases and stop")
    parser.add_argument("--measure", action="store_true", help="print which layers alone stop each case")
    parser.add_argument("--parallel", type=int, default=4, help="cells at once, which mostly wait (4)")
    arguments = parser.parse_args()
    chosen = [case for case in CASES.values()
              if fnmatch.fnmatch(case.name, arguments.case) and fnmatch.fnmatch(case.kind, arguments.kind)]
    if arguments.list:
        for case in chosen:
            other = "word" if case.word else "control"
            theirs = "not" if case.user is None else " ".join(case.user) or other
            print(f"{case.kind:11} {case.name:34} {case.adversary}  {case.story}\n"
                  f"{'':11} root: {' '.join(case.layers) or other if case.root else 'not'}; user: {theirs}")
        print(f"{len(chosen)} cases")
        return 0
    users = {"both": ["root", "user"], "root": ["root"], "user": ["user"]}[arguments.who]
    if os.getuid() != 0:
        users = ["user"]
    missing = [case for case in chosen if not all(host.FIXTURES[kind].possible() for kind in case.host)]
    chosen = [case for case in chosen if case not in missing]
    for case in missing:
        print(f"not here, for want of a kernel feature or of root: {case.name}")
    base = arena.Base(arguments.bastide)
    try:
        if arguments.measure:
            return measure(base, chosen, users, arguments.parallel)
        shots = []
        for user in users:
            for case in chosen:
                whole = matrix(case, user)
                shots += whole[:1] if arguments.sample and not sampled(case) else whole
            for way in WAYS:
                if way != "pipes" and fnmatch.fnmatch(way, arguments.way):
                    shots += through(way, user, chosen)
        well = [doctor(base, user) for user in users if fnmatch.fnmatch("doctor", arguments.way)]
        return report(list(shoot(base, shots, arguments.parallel)), arguments) or (0 if all(well) else 1)
    finally:
        base.close()


if __name__ == "__main__":
    sys.exit(main())
