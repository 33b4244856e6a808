"""A scripted model on loopback, for agents that are to work without any outside network.

It answers each request that declares a shell tool with the next step of its script: a call of the agent's own tools,
once the result of the one before came back; after the last, a closing word. It takes the steps from how many results
the conversation holds, so an agent that asks again gets the same answer. It records the paths asked, the names of the
tools declared, whose key came and what it saw; it judges nothing else, knows no cell, and stops answering after a bounded
number of requests.
"""

import argparse
import json
import os
import shlex
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from wires import HALF, WIRES, Answer

MAX_BODY = 16 * 1024 * 1024
MAX_REQUESTS = 64
CLOSING = "the turn is complete"
SHELLS = {"bash", "shell", "shell_command", "exec_command", "local_shell"}
READERS = {"read", "read_file"}
# codex gives its newest models one tool, which takes a program that calls the others.
PROGRAMS = {"exec"}
# What takes longer it goes on with in the background, in milliseconds.
WAIT = 60_000


class Step:
    """A call of a tool, and what its result must hold. A file is read by the agent's own tool for it, else in its shell."""

    def __init__(self, expected, command=None, read=None):
        self.expected, self.command, self.read = expected, command, read

    def call(self, tools):
        """The name and the arguments, in the form that the tool's own schema declares."""
        reader = next(((name, form) for name, form in tools if name.lower() in READERS), None)
        if self.read and reader:
            return reader[0], {"file_path" if "file_path" in properties(reader[1]) else "path": self.read}
        name, form = next((name, form) for name, form in tools if name.lower() in SHELLS | PROGRAMS)
        command = self.command or f"cat {shlex.quote(self.read)}"
        if name.lower() in PROGRAMS and not properties(form):
            return name, f"text(await tools.exec_command({json.dumps({'cmd': command, 'yield_time_ms': WAIT})}));"
        if "cmd" in properties(form):
            return name, {"cmd": command}
        if properties(form).get("command", {}).get("type") == "array":
            return name, {"command": ["bash", "-c", command]}
        return name, {"command": command, **({"description": "go on"} if "description" in properties(form) else {})}


def properties(form):
    return form.get("properties", {}) if isinstance(form, dict) else {}


class Script:
    """The steps, each a `Step` or made from the system prompt's parts when it is due, and what was seen so far.

    With a `key`, a request without it is refused. `foreign` is a text that no request may hold anywhere. With `half`, an
    event, the closing word waits in the middle until somebody has seen its first half.
    """

    def __init__(self, steps, key=None, foreign=None, half=None, status_file=None):
        self.steps, self.key, self.foreign, self.half, self.status_file = steps, key, foreign, half, status_file
        self.lock = threading.Lock()
        self.seen = {"requests": [], "models": [], "tools": [], "right": [], "wrong": [], "results": [], "closed": 0,
                     "bad_keys": 0, "foreign": 0, "streamed": False}

    def note(self, **seen):
        with self.lock:
            self.seen.update(seen)
            if self.status_file:
                beside = f"{self.status_file}.{os.getpid()}"
                with open(beside, "w", encoding="utf-8") as file:
                    json.dump(self.seen, file, indent=1)
                os.replace(beside, self.status_file)

    def asked(self, method, path, tools):
        """Counts a request; false when the bound is reached."""
        with self.lock:
            requests = self.seen["requests"]
            if len(requests) >= MAX_REQUESTS:
                return False
            requests.append({"method": method, "path": path[:200], "tools": [str(tool)[:64] for tool in tools][:64]})
        self.note()
        return True

    def knows(self, headers, position, said):
        """Whether a request comes with the key, and says nothing foreign."""
        name, prefix = position
        if self.foreign and any(self.foreign in text for text in [said, *headers.values()]):
            self.note(foreign=self.seen["foreign"] + 1)
        if self.key is None or headers.get_all(name) == [prefix + self.key]:
            return True
        self.note(bad_keys=self.seen["bad_keys"] + 1)
        return False

    def next(self, body, wire):
        """What a request is answered."""
        tools, results = wire.tools(body), wire.results(body)
        if not any(name.lower() in SHELLS | PROGRAMS for name, _ in tools):
            return Answer(CLOSING)  # A question besides, for a title or a summary.
        right = [step.expected in result for step, result in zip(self.made(len(results), wire.system(body)), results)]
        wrong = [result[:400] for fits, result in zip(right, results) if not fits]
        models = sorted({*self.seen["models"], str(body.get("model"))})
        self.note(right=right, wrong=wrong, results=[result[:2000] for result in results], models=models)
        number = len(results)
        if number >= len(self.steps):
            self.note(closed=self.seen["closed"] + 1)
            return Answer(CLOSING, number=number)
        call = self.made(number + 1, wire.system(body))[number].call(tools)
        self.note(tools=[*self.seen["tools"][:number], call[0]])
        return Answer(f"Now comes step {number + 1}.", call, number)

    def made(self, count, system):
        """The first steps. One that depends on the system prompt is made once."""
        for index, step in enumerate(self.steps[:count]):
            if callable(step):
                self.steps[index] = step(system)
        return self.steps[:count]

    def through(self):
        """Whether every step was called and gave what it must, and the end was reached."""
        return self.seen["right"] == [True] * len(self.steps) and self.seen["closed"] > 0


class Handler(BaseHTTPRequestHandler):
    """One connection. What is no model's wire gets an empty answer, as a probe expects."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    script = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        if self.script.asked("HEAD", self.route(), []):
            self.reply(200, b"")

    def do_GET(self):
        if self.script.asked("GET", self.route(), []):
            self.reply(200, b'{"object": "list", "data": []}')

    def do_POST(self):
        body = self.body()
        wire = WIRES.get(self.route())
        tools = wire.tools(body) if wire and body is not None else []
        if body is None or not self.script.asked("POST", self.route(), [name for name, _ in tools]):
            self.close_connection = True
            return self.reply(413 if body is None else 429, b"{}")
        if wire is None:
            counted = self.route().endswith("/count_tokens")
            return self.reply(200 if counted else 404, b'{"input_tokens": 1}' if counted else b"{}")
        if not self.script.knows(self.headers, wire.KEY, json.dumps(body)):
            return self.reply(401, b'{"type": "error", "error": {"type": "authentication_error", "message": "wrong key"}}')
        answer = self.script.next(body, wire)
        events = wire.answer(body, answer)
        if isinstance(events, dict):
            return self.reply(200, json.dumps(events).encode())
        return self.stream(events, answer.call is None)

    def stream(self, events, closing):
        """Sends each event by itself, as it would come from a model."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            if event is not HALF:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                self.wfile.flush()
            elif closing and self.script.half:
                self.script.note(streamed=self.script.half.wait(10))
        self.wfile.write(b"0\r\n\r\n")

    def route(self):
        return self.path.split("?")[0]

    def body(self):
        """The body as JSON; nothing when it is too long, cut short or no object."""
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= MAX_BODY:
            return None
        try:
            value = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def reply(self, status, content, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # A client that goes away in the middle is the client's matter.


class Served:
    """Something served on 127.0.0.1 while the `with` block runs; `port` is its own."""

    def __init__(self, handler, port=0, **bound):
        self.server = Server(("127.0.0.1", port), type("Bound", (handler,), bound))
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Model(Served):
    """A model that follows a script."""

    def __init__(self, script, port=0):
        super().__init__(Handler, port, script=script)


def main():
    parser = argparse.ArgumentParser(description="serve a scripted model on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--command", required=True, help="what the agent's shell tool is to run")
    parser.add_argument("--expected", required=True, help="what the tool's result must hold")
    parser.add_argument("--status", required=True, help="JSON file that holds what was seen")
    parser.add_argument("--seconds", type=float, default=300, help="stop after this time")
    options = parser.parse_args()
    script = Script([Step(options.expected, options.command)], status_file=options.status)
    with Model(script, options.port) as model:
        print(model.port, flush=True)
        time.sleep(options.seconds)


if __name__ == "__main__":
    main()
