"""Events on their way into segments under a flood of requests, half of them refused, and what proving them takes."""

import collections
import glob
import json
import os
import time

import requests
from figures import Figure

# In all; each leaves two events where it is allowed, one where it is refused.
REQUESTS = int(os.environ.get("REQUESTS", 660_000))
CONNECTIONS = 16
ROUNDS = 5
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
    kinds, segments = recorded(session)
    events = sum(segments.values())
    each = [told["seconds"] * 1e6 / segments["gate.segment"]]
    note = f"{segments['gate.segment'] / told['seconds']:,.0f} a second, {events:,} in all, of {REQUESTS:,} requests"
    yield Figure("3.14", "an event into a segment", "us", each, most=200, note=note)
    answered = {"allowed": told.get("200", 0), "refused": told.get("403", 0)}
    missing = sum(abs(answered[word] - kinds["request", word]) for word in answered)
    missing += abs(REQUESTS - sum(answered.values()))
    yield Figure("3.14", "answers without an event, or otherwise", "events", [missing], most=0, note=str(answered))
    yield from proved(host, person, session, events)


def flood(host, person, site):
    """What was answered, by a session that then ended."""
    person.put(host.program("flood"))
    policy = person.write("events.yaml", POLICY.format(plain=site.plain))
    argv = [host.bastide, "run", "--policy", policy, "--", "./flood", "host.bastide", site.plain, CONNECTIONS, REQUESTS]
    return json.loads(person.output(list(map(str, argv))))


def recorded(session):
    """Requests by their verdict, and events by segment."""
    kinds, segments = collections.Counter(), {}
    for name in ("plane.segment", "gate.segment"):
        with open(os.path.join(session, name), "rb") as file:
            count = 0
            for line in file:
                count += 1
                if b'"kind":"request"' in line:
                    kinds["request", json.loads(line[65:])["verdict"]] += 1
            segments[name] = count
    return kinds, segments


def proved(host, person, session, events):
    """The ledger of all sessions knows every event, and proves it; beside what hashing the same bytes takes."""
    proof, ours, peer = {}, [], []
    segments = [os.path.join(session, name) for name in ("plane.segment", "gate.segment")]
    for _ in range(ROUNDS):
        began = time.perf_counter()
        proof = json.loads(person.output([host.bastide, "log", "verify", "--json"]))
        between = time.perf_counter()
        person.output(["sha256sum", *segments])
        ours.append((between - began) * 1e6 / events)
        peer.append((time.perf_counter() - between) * 1e6 / events)
    under, faults = proof["under"], proof["faults"]
    note = f"{1e6 / min(ours):,.0f} a second"
    yield Figure("3.14", "proving an event", "us", ours, most=5, note=note)
    yield Figure("3.14", "the same", "us", ours, peer, "sha256sum")
    yield Figure("3.14", "events that the ledger does not hold", "events", [events - under + len(faults)], most=0)
