"""kill -9 of a gate, a pid 1 and a plane at random moments while requests go out that are counted: by a server, what was
let through is within every budget, all of it stands in the record, and what was used up stays used up."""

import collections
import contextlib
import http.server
import json
import random
import threading
import time

import parts
from case import case, require
from cases.killed import PATIENCE, shot
from person import finish

RATE, BYTES, BODY = 6, 2000, 150
# What one answer of the model uses, and what that costs in millionths.
INPUT, OUTPUT, COST = 10, 20, 10 * 1 + 20 * 10
THREADS = 4
# One bound each: tokens, requests, millionths.
BUDGETS = {"tokens": 200, "requests": 6, "money": 5000}
SAID = {"tokens": "tokens: 200", "requests": "requests: 6", "money": "money: 0.005 USD"}

# Each thread asks for all of it in turn, and says what came of each.
WORK = """import json, sys, threading, time, urllib.error, urllib.request
base, threads, until = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
def ask(path, body=None, kind=None):
    request = urllib.request.Request(base + path, body, {"Content-Type": kind} if kind else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as got:
            got.read()
            return got.status
    except urllib.error.HTTPError as no:
        return no.code
    except OSError:
        return 0
def work(me):
    number = 0
    while time.monotonic() < until:
        number += 1
        name = f"{me}-{number}"
        model = json.dumps({"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": name}]}).encode()
        for path, body, kind in ((f"/rate/{name}", None, None), (f"/bytes/{name}", b"x" * %d, "text/plain"),
                                 ("/v1/chat/completions", model, "application/json")):
            print(path.split("/")[1], name, ask(path, body, kind), flush=True)
for one in [threading.Thread(target=work, args=[me]) for me in range(threads)]:
    one.start()
""" % BODY


class Provider(http.server.ThreadingHTTPServer):
    """Answers everything, as a model too, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self):
        self.seen, self.lock = collections.defaultdict(list), threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        """A gate that is killed breaks its connections off."""

    def keep(self, kind, what):
        with self.lock:
            self.seen[kind].append(what)

    def take(self):
        with self.lock:
            seen, self.seen = self.seen, collections.defaultdict(list)
        return seen


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.keep("rate", self.path)
        self.answer(b"ok")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/bytes/"):
            self.server.keep("bytes", self.path)
            return self.answer(b"ok")
        self.server.keep("v1", json.loads(body)["messages"][0]["content"])
        usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
        choice = {"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}
        return self.answer(json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                                       "choices": [choice], "usage": usage}).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def policy(stage, port, bound):
    text = f"""bastide: 1
name: bounded
extends: [hardened]
network:
  allow:
    - {{to: "host.bastide:{port}", methods: [GET], paths: [/rate/**], rate: {RATE}/h}}
    - {{to: "host.bastide:{port}", methods: [POST], paths: [/bytes/**], budget: {BYTES}}}
inference:
  providers: {{local: {{wire: openai, url: "http://host.bastide:{port}/v1"}}}}
  routes: [{{models: ["*"], provider: local}}]
  prices: [{{models: ["*"], input: 1 USD, output: 10 USD}}]
  budget: {{{SAID[bound]}}}
"""
    return stage.write(f"{bound}.yaml", text, base=stage.home)


def told(done):
    """What the program says came of each request: by kind, number and status in the order of each thread."""
    for line in done.out.splitlines():
        with contextlib.suppress(ValueError):
            kind, name, status = line.split()
            yield kind, name, int(status)


def judge(stage, session, seen, done, bound, when):
    """What the server saw, what the program was told, and what stands in the record."""
    require(len(seen["rate"]) <= RATE, f"{len(seen['rate'])} requests of {RATE}, {when}:", done)
    require(len(seen["bytes"]) * BODY <= BYTES, f"{len(seen['bytes'])} bodies of {BODY} in {BYTES} bytes, {when}:", done)
    asked = len(seen["v1"])
    # Tokens are known when an answer ended: those that run side by side may go beyond.
    used = {"requests": asked, "money": asked * COST, "tokens": max(0, asked - (THREADS - 1)) * (INPUT + OUTPUT)}
    # The last that is let through may reach the budget.
    most = BUDGETS[bound] + (INPUT + OUTPUT - 1 if bound == "tokens" else 0)
    require(used[bound] <= most, f"{used[bound]} of {BUDGETS[bound]} {bound} in {asked} requests, {when}:", done)

    over = set()
    for kind, name, status in told(done):
        where = kind, name.split("-")[0]
        there = any(one.rpartition("/")[2] == name for one in seen[kind])
        # What money was taken out for and did not cost comes back.
        if status in (403, 429) and (kind, bound) != ("v1", "money"):
            over.add(where)
        require(where not in over or not there, f"{kind} {name} was let through after a refusal, {when}:", done)
        require(status != 200 or there, f"{kind} {name} was answered and did not reach the server, {when}:", done)

    events = [json.loads(line) for line in stage.face("log", session, "--json").out.splitlines()]
    let = [event for event in events if event.get("verdict") == "allowed"]
    targets = {event["target"] for event in let if event["kind"] == "request"}
    lost = [path for path in seen["rate"] + seen["bytes"] if path not in targets]
    require(not lost, f"the server saw what no record holds: {lost}, {when}")
    models = sum(event["kind"] == "model" for event in let)
    require(models >= asked, f"{asked} requests to the model, {models} are recorded, {when}")
    verified = stage.face("log", "verify", session)
    require(verified.code == 0, f"the record does not verify, {when}:", verified)


def killing(part):
    def run(stage):
        stage.write("work.py", WORK)
        seen, wanted = set(), max(4, stage.rounds // 5)
        killed = tried = let = 0
        with Provider() as server:
            def start(bound, seconds):
                words = [f"http://host.bastide:{server.server_port}", str(THREADS), str(seconds)]
                argv = [stage.bastide, "run", "--policy", policy(stage, server.server_port, bound), "--",
                        "/usr/bin/python3", "work.py", *words]
                return stage.spawn(argv)

            def new():
                ids = {session["id"] for session in stage.sessions()} - seen
                seen.update(ids)
                return ids

            for bound in BUDGETS:
                done = finish(start(bound, 1), time.monotonic(), 30)
                stage.clean(verify=False)
                reached = server.take()
                require(done.code == 0 and all(reached[kind] for kind in ("rate", "bytes", "v1")), "the work does not work:", done)
                require(len(reached["rate"]) == RATE, "fewer were let through than may be:", reached)
                judge(stage, new().pop(), reached, done, bound, "unharmed")
            span = done.seconds
            while killed < wanted and tried < PATIENCE * wanted:
                bound = random.choice(list(BUDGETS))
                tried += 1
                process = start(bound, 0.7)
                moment = random.uniform(0, span)
                time.sleep(moment)
                killed += shot(parts.find(part))
                done = finish(process, time.monotonic(), 30)
                when = f"{bound}, {part} killed at {moment:.3f} s"
                require(done.code is not None, f"the client hangs, {when}:", done)
                require(part != "gate" or done.code == 0, f"the session did not go on, {when}:", done)
                stage.clean(verify=False)
                reached, ids = server.take(), new()
                let += sum(len(one) for one in reached.values())
                require(ids or not any(reached.values()), f"the session is gone, {when}:", done)
                for session in ids:
                    judge(stage, session, reached, done, bound, when)
        stage.starts()
        require(killed * 2 >= wanted, f"only {killed} of {tried} kills hit, {wanted} were to")
        return f"{killed} kills hit of {tried}; {let} requests let through"
    return run


for one in ("gate", "pid1", "plane"):
    case(f"budgets-{one}-killed")(killing(one))
