"""An answer of the operator's on its way to the request that waits for it: over the session's socket, and by the command."""

import glob
import http.server
import json
import os
import socket
import subprocess
import threading
import time

from figures import Figure

# As many new questions as a session may ask in a minute.
EACH = 8
SESSIONS = 12
POLICY = """bastide: 1
name: answers
extends: [hardened]
network:
  default: ask
  allow: [{{to: "host.bastide:{port}", methods: [GET]}}]
"""
ASKS = """
import http.client, sys
for number in range(int(sys.argv[2])):
    one = http.client.HTTPConnection("host.bastide", int(sys.argv[1]), timeout=60)
    one.request("POST", "/%d" % number, "x")
    assert one.getresponse().read() == b"ok"
"""


class Arrives(http.server.BaseHTTPRequestHandler):
    """Notes when each request came."""
    came = []

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.came.append(time.monotonic())
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


class Control:
    """A connection to a session's socket."""

    def __init__(self, directory):
        self.directory, self.number = os.open(directory, os.O_PATH), 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"/proc/self/fd/{self.directory}/control")
        self.say({"least": 2, "most": 2})
        self.hear()

    def say(self, message):
        data = json.dumps(message).encode()
        self.socket.sendall(len(data).to_bytes(4, "little") + data)

    def hear(self):
        length = int.from_bytes(self.socket.recv(4, socket.MSG_WAITALL), "little")
        return json.loads(self.socket.recv(length, socket.MSG_WAITALL))

    def ask(self, **order):
        self.number += 1
        self.say({"number": self.number, "order": order})
        return self.hear()["answer"]

    def card(self):
        """The one question that waits, when it does."""
        while not (cards := self.ask(order="questions")["cards"]):
            time.sleep(0.001)
        return cards[0]

    def close(self):
        self.socket.close()
        os.close(self.directory)


def sessions(person):
    return set(glob.glob(os.path.join(person.state, "bastide/sessions/*/control")))


def answer(person, policy, port, by_command):
    """How long each answer took in one session, in ms."""
    before = sessions(person)
    argv = [person.host.bastide, "run", "--patience", "60s", "--policy", policy, "--", "python3", "-c", ASKS, str(port), str(EACH)]
    process = person.start(argv, stderr=subprocess.PIPE, text=True)
    while not (new := sessions(person) - before):
        if process.poll() is not None:
            raise RuntimeError(f"answers: {process.communicate()[1][-1500:]}")
        time.sleep(0.005)
    control, took = Control(os.path.dirname(new.pop())), []
    for _ in range(EACH):
        card, count = control.card(), len(Arrives.came)
        # What was shown is being read: the session has nothing to do.
        time.sleep(0.02)
        began = time.monotonic()
        if by_command:
            person.output([person.host.bastide, "approve", card["id"], "--once"])
        else:
            control.ask(order="answer", question=card["id"], revision=card["revision"], say={"say": "once"})
        while len(Arrives.came) == count:
            time.sleep(0.0002)
        took.append((Arrives.came[count] - began) * 1000)
    control.close()
    if process.wait(30):
        raise RuntimeError(f"answers: {process.communicate()[1][-1500:]}")
    return took


def measure(host, _rounds):
    person = host.people()[0]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Arrives)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    policy = person.write("answers.yaml", POLICY.format(port=server.server_port))
    told, ran = [], []
    for _ in range(SESSIONS):
        told += answer(person, policy, server.server_port, False)
        ran += answer(person, policy, server.server_port, True)
    server.shutdown()
    person.forget_sessions()
    note = "recorded, told to the gate, decided, connected, received by the server"
    yield Figure("3.14", "an answer to the waiting request", "ms", told, most=5, note=note)
    yield Figure("3.14", "the same by `bastide approve`", "ms", ran, note="from the start of the command")
