"""Events on their way into segments under a flood of requests, every sixteenth refused, and what proving them takes."""

import glob
import json
import os
import re
import time

import requests
from figures import Figure

# In all: what one cell may ask at once. Each that is allowed leaves an event; most of the refused ones are only counted.
REQUESTS = 1_040_000
CONNECTIONS = 16
ROUNDS = 5
# Seconds until a session that ended is in the ledger.
SETTLED = 60
POLICY = """bastide: 1
name: events
extends: [hardened]
network:
  default: deny
  allow: [{{to: "host.bastide:{plain}", methods: [GET], paths: ["/**"]}}]
"""


def measure(host, _rounds):
    person = host.people()[-1]
    with requests.Site(host) as site:
        told = flood(host, person, site)
    session, = glob.glob(os.path.join(person.state, "bastide/sessions/*"))
    found, segments = recorded(session)
    events = sum(segments.values())
    each = [told["seconds"] * 1e6 / segments["gate.segment"]]
    note = f"{segments['gate.segment'] / told['seconds']:,.0f} a second, {events:,} in all, of {REQUESTS:,} requests"
    yield Figure("3.14", "an event into a segment", "us", each, most=200, note=note)
    answered = {"allowed": told.get("200", 0), "refused": told.get("403", 0)}
    missing = sum(abs(answered[word] - found[word]) for word in answered) + abs(REQUESTS - sum(answered.values()))
    note = ", ".join(f"{count:,} {word}" for word, count in answered.items())
    yield Figure("3.14", "answers that no event tells of", "answers", [missing], most=0, note=note)
    yield from proved(host, person, session, events)


def flood(host, person, site):
    """What was answered, by a session that then ended."""
    person.put(host.program("flood"))
    policy = person.write("events.yaml", POLICY.format(plain=site.plain))
    argv = [host.bastide, "run", "--policy", policy, "--", "./flood", "host.bastide", site.plain, CONNECTIONS, REQUESTS]
    told = json.loads(person.output(list(map(str, argv))))
    until = time.monotonic() + SETTLED
    while person.running() and time.monotonic() < until:
        time.sleep(0.1)
    return told


def recorded(session):
    """Requests by their verdict, those that were only counted among them, and events by segment."""
    found, segments = {"allowed": 0, "refused": 0}, {}
    for name in ("plane.segment", "gate.segment"):
        with open(os.path.join(session, name), "rb") as file:
            count = 0
            for line in file:
                count += 1
                if b'"verdict":"refused"' in line:
                    more = re.search(rb"refused (\d+) more times", line)
                    found["refused"] += int(more[1]) if more else b'"kind":"request"' in line
                elif b'"kind":"request"' in line:
                    found["allowed"] += b'"verdict":"allowed"' in line
            segments[name] = count
    return found, segments


def proved(host, person, session, events):
    """`log verify` proves every event, and the ledger of all sessions knows of it; beside what hashing the same bytes takes."""
    proof, ours, peer = {}, [], []
    segments = [os.path.join(session, name) for name in ("plane.segment", "gate.segment")]
    for _ in range(ROUNDS):
        began = time.perf_counter()
        proof = json.loads(person.output([host.bastide, "log", "verify", "--json"]))
        between = time.perf_counter()
        person.output(["sha256sum", *segments])
        ours.append((between - began) * 1e6 / events)
        peer.append((time.perf_counter() - between) * 1e6 / events)
    proved = sum(one["events"] for one in proof["segments"])
    faults = len(proof["ledger"]["faults"]) + sum(one["broken"] is not None for one in proof["segments"])
    missing = abs(events - proved) + abs(events - proof["ledger"]["events"]) + faults
    note = f"{1e6 / min(ours):,.0f} a second"
    yield Figure("3.14", "proving an event", "us", ours, most=5, note=note)
    yield Figure("3.14", "the same", "us", ours, peer, "sha256sum")
    yield Figure("3.14", "events that the ledger does not hold", "events", [missing], most=0)
