"""Servers behind the door, which keep what reached them: one that answers, a model's provider, one that gives back what it is
told, one that reads nothing, and one of WebSockets."""

import base64
import gzip
import hashlib
import http.server
import json
import socketserver
import threading


class Server(socketserver.ThreadingTCPServer):
    """On a port of the host's loopback, for as long as the session."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, handler, **what):
        super().__init__(("127.0.0.1", 0), handler)
        self.port, self.got = self.server_address[1], bytearray()
        vars(self).update(what)
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    def get_request(self):
        one, who = super().get_request()
        # The handshake is made by whoever serves it, at his first read.
        secure = getattr(self, "secure", None)
        return (secure.wrap_socket(one, server_side=True, do_handshake_on_connect=False) if secure else one), who

    def handle_error(self, *_): ...

    def end(self):
        self.shutdown()
        self.server_close()


class Answering(http.server.BaseHTTPRequestHandler):
    """Keeps what it is told, and says what `answer` makes of it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_): ...

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.got += f"{self.path}\n{self.headers}".encode() + body
        headers, said = self.answer(body)
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST


class Modelling(Answering):
    """Answers as a model does, in the words of whoever asks."""

    def answer(self, body):
        if "responses" in self.path:
            text = {"type": "output_text", "text": "yes", "annotations": []}
            said = {"id": "r", "object": "response", "status": "completed", "model": "m",
                    "output": [{"type": "message", "id": "o", "role": "assistant", "status": "completed", "content": [text]}]}
        elif "messages" in self.path:
            said = {"id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                    "content": [{"type": "text", "text": "yes"}], "usage": {"input_tokens": 1, "output_tokens": 1}}
        else:
            # What it was told last.
            message = {"role": "assistant", "content": json.loads(body)["messages"][-1]["content"]}
            said = {"id": "x", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
        return {"Content-Type": "application/json"}, json.dumps(said).encode()


class Reflecting(Answering):
    """Gives back the one who asks what he is known by, as the path wants it."""

    def answer(self, body):
        known = (self.headers.get("Authorization") or f"Bearer {self.server.token}").encode()
        if self.path.endswith("/header"):
            return {"X-Known": known.decode()}, b"see the head"
        if self.path.endswith("/base64"):
            return {}, base64.b64encode(known)
        if self.path.endswith("/json"):
            return {"Content-Type": "application/json"}, json.dumps({"a": known.decode()}).encode()
        if self.path.endswith("/gzip"):
            return {"Content-Encoding": "gzip"}, gzip.compress(known)
        return {}, known


class Keeping(socketserver.BaseRequestHandler):
    """Keeps every byte, and is content with each."""

    def handle(self):
        while data := self.request.recv(4096):
            self.server.got += data
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Telling(Answering):
    """Says that it heard."""

    def answer(self, body):
        return {}, b"heard"


class Talking(socketserver.StreamRequestHandler):
    """Becomes a WebSocket, and keeps what it is told there, without its masks."""

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.readline() or b"\r\n\r\n"
        key = next(line[19:].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
        proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n")
        while head := self.rfile.read(2):
            length = head[1] & 127
            length = int.from_bytes(self.rfile.read(2), "big") if length == 126 else length
            mask = self.rfile.read(4)
            self.server.got += bytes(byte ^ mask[at % 4] for at, byte in enumerate(self.rfile.read(length)))
            self.wfile.write(b"\x81\x02ok")
