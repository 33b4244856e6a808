"""A server whose streams can be timed, and a client of it: `stream.py serve` prints its port; `stream.py ask KIND PORT N` asks.

    first   N times a model's stream, one after another: how long its first token was on its way, in ms, a line each
    model   once a model's stream of N MiB
    plain   once a body of N MiB
    sockets N WebSockets at once; says when they are there, and sends a message on each for every line of input
"""

import http.server
import json
import os
import re
import socket
import sys
import time

# About what a model says at once.
PIECE = "word "


class Streams(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def begin(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, text):
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(event).encode() + b"\n\n"

    def do_POST(self):
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind, count = said["messages"][-1]["content"].split()
        self.begin("text/event-stream")
        # What a model does not say at once.
        time.sleep(0.005)
        if kind == "first":
            self.chunk(self.event(str(time.monotonic_ns())))
            time.sleep(0.005)
        else:
            events = self.event(PIECE) * 64
            for _ in range(1 + int(count) * (1 << 20) // len(events)):
                self.chunk(events)
        stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
        event = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [stop]}
        self.chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
        self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        if self.headers.get("Upgrade"):
            return self.socket()
        self.begin("application/octet-stream")
        for _ in range(int(self.path.rpartition("/")[2])):
            self.chunk(b"x" * (1 << 20))
        self.wfile.write(b"0\r\n\r\n")

    def socket(self):
        import base64
        import hashlib

        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.flush()
        # Each message of the client's is 4 masked bytes, and is answered by as many.
        while len(self.rfile.read(10)) == 10:
            self.wfile.write(b"\x82\x04pong")
            self.wfile.flush()


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 4096
    daemon_threads = True


def connect(host, port):
    # Whatever does not come within that does not come.
    stream = socket.create_connection((host, port), timeout=60)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def ask_model(host, port, to, text):
    """One question; gives the stream, whose answer has not been read."""
    body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}).encode()
    stream = connect(host, port)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    stream.sendall(head.encode() + body)
    return stream


def read_to_end(stream):
    total = 0
    while piece := stream.recv(1 << 16):
        total += len(piece)
    return total


def ask(kind, port, count):
    # In a cell a model is behind its own name; outside it is where it is.
    inside = os.path.exists("/proc/1/cmdline") and os.environ.get("BENCH_INSIDE")
    host, model = ("host.bastide", ("inference.bastide", 80)) if inside else ("127.0.0.1", ("127.0.0.1", port))
    if kind == "first":
        for _ in range(count):
            stream, got = ask_model(*model, model[0], "first 1"), b""
            while not (found := re.search(rb'"content": ?"(\d+)"', got)):
                piece = stream.recv(65536)
                now = time.monotonic_ns()
                got += piece or sys.exit(f"no token came: {got!r}")
            print((now - int(found[1])) / 1e6, flush=True)
            read_to_end(stream)
    elif kind == "model":
        print(read_to_end(ask_model(*model, model[0], f"long {count}")), flush=True)
    elif kind == "plain":
        stream = connect(host, port)
        stream.sendall(f"GET /plain/{count} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        print(read_to_end(stream), flush=True)
    else:
        sockets = [connect(host, port) for _ in range(count)]
        for one in sockets:
            one.sendall(f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        for one in sockets:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += one.recv(1) or sys.exit(f"no WebSocket: {head!r}")
            if b" 101 " not in head:
                sys.exit(f"no WebSocket: {head!r}")
        print(len(sockets), flush=True)
        for _ in sys.stdin:
            for one in sockets:
                one.sendall(b"\x82\x84\0\0\0\0ping")
            for one in sockets:
                got = b""
                while len(got) < 6:
                    got += one.recv(6 - len(got)) or sys.exit("a WebSocket ended")
            print("told", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        server = Server(("127.0.0.1", 0), Streams)
        print(server.server_address[1], flush=True)
        server.serve_forever()
    else:
        ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
