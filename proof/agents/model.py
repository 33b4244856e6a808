"""A scripted model on loopback, for agents that are to complete one turn without any outside network.

It speaks the three wires that coding agents use: Anthropic's messages, OpenAI's responses and OpenAI's chat
completions, each as server-sent events. To the first request that declares a shell tool it answers with one call of
that tool; once the tool's own result comes back holding the expected text, it answers with a closing word. It records
the paths asked, the names of the tools declared and what it saw, never a header. It judges nothing else, knows no
cell, and stops answering after a bounded number of requests.
"""

import argparse
import json
import os
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

MAX_BODY = 16 * 1024 * 1024
MAX_REQUESTS = 64
CLOSING = "the turn is complete"
CALL = "call_bastide_1"


class Script:
    """What to have run, what its result must hold, and what was seen so far."""

    def __init__(self, command, expected, status_file=None):
        self.command, self.expected, self.status_file = command, expected, status_file
        self.lock = threading.Lock()
        self.seen = {"requests": [], "tool": None, "called": 0, "result_seen": False, "closed": 0, "wrong_result": None}

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

    def step(self, tools, results):
        """Decides on one request: a (name, arguments) to call, or nothing for the closing word."""
        if any(self.expected in result for result in results):
            self.note(result_seen=True, closed=self.seen["closed"] + 1)
            return None
        if results:
            self.note(wrong_result=results[-1][:400], closed=self.seen["closed"] + 1)
            return None
        shell = next(((name, form) for name, form in tools if name.lower() in SHELLS), None)
        if shell is None or self.seen["called"]:
            return None
        self.note(called=1, tool=shell[0])
        return shell[0], arguments_for(shell[0], shell[1], self.command)


SHELLS = {"bash", "shell", "shell_command", "exec_command", "local_shell"}


def arguments_for(name, form, command):
    """The arguments in the form that the tool's own schema declares."""
    properties = form.get("properties", {}) if isinstance(form, dict) else {}
    if "cmd" in properties:
        return {"cmd": command}
    if properties.get("command", {}).get("type") == "array":
        return {"command": ["bash", "-c", command]}
    arguments = {"command": command}
    if "description" in properties:
        arguments["description"] = f"prove that {name} runs"
    return arguments


def text_of(content):
    """All text of a content that is a string, a block or a list of blocks."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(text_of(part) for part in content)
    if isinstance(content, dict):
        return text_of(content.get("text") or content.get("content") or content.get("output") or "")
    return ""


class Messages:
    """Anthropic's messages."""

    @staticmethod
    def tools(body):
        return [(tool.get("name", ""), tool.get("input_schema")) for tool in body.get("tools") or []]

    @staticmethod
    def results(body):
        blocks = [block for message in body.get("messages") or [] if isinstance(message.get("content"), list)
                  for block in message["content"] if isinstance(block, dict)]
        return [text_of(block.get("content")) for block in blocks if block.get("type") == "tool_result"]

    @staticmethod
    def answer(body, call):
        usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        message = {"id": "msg_bastide", "type": "message", "role": "assistant", "model": body.get("model", "m"),
                   "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        if call:
            block = {"type": "tool_use", "id": "toolu_bastide_1", "name": call[0], "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(call[1])}
        else:
            block, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": CLOSING}
        reason = "tool_use" if call else "end_turn"
        if not body.get("stream"):
            whole = {**block, "input": call[1]} if call else {"type": "text", "text": CLOSING}
            return {**message, "content": [whole], "stop_reason": reason}
        return [("message_start", {"message": message}),
                ("content_block_start", {"index": 0, "content_block": block}),
                ("content_block_delta", {"index": 0, "delta": delta}),
                ("content_block_stop", {"index": 0}),
                ("message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}),
                ("message_stop", {})]


class Responses:
    """OpenAI's responses."""

    @staticmethod
    def tools(body):
        return [(tool.get("name") or tool.get("type", ""), tool.get("parameters")) for tool in body.get("tools") or []]

    @staticmethod
    def results(body):
        items = body.get("input") if isinstance(body.get("input"), list) else []
        return [text_of(item.get("output")) for item in items if str(item.get("type", "")).endswith("_call_output")]

    @staticmethod
    def answer(_, call):
        if call:
            item = {"type": "function_call", "id": "fc_bastide_1", "call_id": CALL, "name": call[0],
                    "arguments": json.dumps(call[1]), "status": "completed"}
        else:
            item = {"type": "message", "id": "msg_bastide", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": CLOSING, "annotations": []}]}
        usage = {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
                 "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2}
        response = {"id": "resp_bastide", "object": "response", "created_at": 0, "model": "m", "output": []}
        done = {**response, "status": "completed", "output": [item], "usage": usage}
        return [("response.created", {"response": {**response, "status": "in_progress"}}),
                ("response.output_item.added", {"output_index": 0, "item": {**item, "status": "in_progress"}}),
                ("response.output_item.done", {"output_index": 0, "item": item}),
                ("response.completed", {"response": done})]


class Chat:
    """OpenAI's chat completions."""

    @staticmethod
    def tools(body):
        functions = [tool.get("function", {}) for tool in body.get("tools") or []]
        return [(function.get("name", ""), function.get("parameters")) for function in functions]

    @staticmethod
    def results(body):
        return [text_of(message.get("content")) for message in body.get("messages") or [] if message.get("role") == "tool"]

    @staticmethod
    def answer(body, call):
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            delta = {"role": "assistant", "tool_calls": [{"index": 0, "id": CALL, "type": "function", "function": function}]}
        else:
            delta = {"role": "assistant", "content": CLOSING}
        reason = "tool_calls" if call else "stop"
        chunk = {"id": "chat_bastide", "object": "chat.completion.chunk", "created": 0, "model": body.get("model", "m")}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return [(None, {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}),
                (None, {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}),
                (None, {**chunk, "choices": [], "usage": usage}),
                (None, None)]


WIRES = {"/v1/messages": Messages, "/v1/responses": Responses, "/v1/chat/completions": Chat}


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
        answer = wire.answer(body, self.script.step(tools, wire.results(body)))
        if isinstance(answer, dict):
            return self.reply(200, json.dumps(answer).encode())
        return self.reply(200, b"".join(map(event, answer)), "text/event-stream")

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


def event(named):
    """One server-sent event; Anthropic and responses name the type in both places, chat in none."""
    name, data = named
    if data is None:
        return b"data: [DONE]\n\n"
    if name is None:
        return f"data: {json.dumps(data)}\n\n".encode()
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # A client that goes away in the middle is the client's matter.


class Model:
    """A model served while the `with` block runs; `port` is its own on 127.0.0.1."""

    def __init__(self, script, port=0):
        self.script = script
        self.server = Server(("127.0.0.1", port), type("Bound", (Handler,), {"script": script}))
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def main():
    parser = argparse.ArgumentParser(description="serve a scripted model on 127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--command", required=True, help="what the agent's shell tool is to run")
    parser.add_argument("--expected", required=True, help="what the tool's result must hold")
    parser.add_argument("--status", required=True, help="JSON file that holds what was seen")
    parser.add_argument("--seconds", type=float, default=300, help="stop after this time")
    options = parser.parse_args()
    with Model(Script(options.command, options.expected, options.status), options.port) as model:
        print(model.port, flush=True)
        time.sleep(options.seconds)


if __name__ == "__main__":
    main()
