"""What the walls cost a program inside: system calls and files, as a program there sees it."""

import json
import os
import statistics

from figures import Figure, Samples

OUTSIDE = "/usr/bin/true"


def measure(host, rounds):
    for person in host.people():
        yield from calls(host, person, rounds)


def calls(host, person, rounds):
    program, file = person.put(host.program("inside")), person.put(__file__, "file")
    layers = [person.directory(os.path.join(person.home, "bare", name)) for name in ("", "upper", "work", "merged")]
    mount = (
        f"mount -t overlay overlay -o userxattr,lowerdir={person.workspace},upperdir={layers[1]},workdir={layers[2]}"
        f" {layers[3]} && exec {layers[3]}/inside {OUTSIDE} {layers[3]}/file"
    )
    sides = {
        "native": [program, OUTSIDE, file],
        "cell": [host.bastide, "run", "--", program, OUTSIDE, file],
        "overlay": ["unshare", "-m" if person.uid == 0 else "-Urm", "sh", "-c", mount],
    }
    samples = {side: {} for side in sides}
    for round in range(rounds):
        order = list(sides)
        for side in order[round % 3 :] + order[: round % 3]:
            for name, (low, middle) in json.loads(person.output(sides[side])).items():
                samples[side].setdefault(name, []).append((low, middle))
    person.forget_sessions()

    def ns(side, name):
        # The least of all, and the median of medians: each round says its own.
        lows, middles = zip(*samples[side][name])
        return Samples(min(lows), statistics.median(middles), len(lows))

    def figure(label, name, peer, peer_name, **target):
        return Figure("1.13", f"{label}, {person.name}", "ns", ns("cell", name), ns(peer, name), peer_name, **target)

    yield figure("system call", "call", "native", "native", more=60)
    yield figure("open+close in /usr", "open outside", "native", "native", times=1.35)
    yield figure("stat in /usr", "stat outside", "native", "native", more=80)
    yield figure("open+close in workspace", "open workspace", "overlay", "a bare overlay", times=1.2)
    yield figure("stat in workspace", "stat workspace", "overlay", "a bare overlay", times=1.2)
