"""What listens on the host while cases run."""

import os
import selectors
import socket
import threading

from host import Fixture


class Ears:
    """Everything that listens on the host for one run: what was heard, whoever said it."""

    def __init__(self):
        self.heard, self.selector, self.open, self.tokens = b"", selectors.DefaultSelector(), True, b""
        self.wake, self.bell = os.pipe()
        self.selector.register(self.wake, selectors.EVENT_READ, "wake")
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def add(self, one: socket.socket, kind: str) -> socket.socket:
        one.setblocking(False)
        self.selector.register(one, selectors.EVENT_READ, kind)
        os.write(self.bell, b"x")
        return one

    def drop(self, one: socket.socket) -> None:
        try:
            self.selector.unregister(one)
        except (KeyError, ValueError):
            pass
        one.close()

    def listen(self) -> None:
        while self.open:
            for key, _ in self.selector.select(0.2):
                try:
                    self.serve(key)
                except OSError:
                    pass

    def serve(self, key) -> None:
        if key.data == "wake":
            os.read(self.wake, 64)
        elif key.data == "listening":
            accepted, _ = key.fileobj.accept()
            accepted.setblocking(False)
            self.selector.register(accepted, selectors.EVENT_READ, "connected")
        else:
            try:
                data = key.fileobj.recv(65536)
            except ConnectionError:
                data = b""
            self.heard += data
            if key.data == "connected" and data:
                body = b"heard " + self.tokens
                reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
                key.fileobj.send(reply)
            if key.data == "connected" and not data:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    def close(self) -> None:
        self.open = False
        os.write(self.bell, b"x")
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self.selector.close()
        os.close(self.wake)
        os.close(self.bell)


def has(family: int, kind: int, protocol: int) -> bool:
    try:
        socket.socket(family, kind, protocol).close()
    except OSError:
        return False
    return True


class Heard(Fixture):
    family = None                  # of a socket that not every kernel has: family, kind, protocol

    @classmethod
    def possible(cls) -> bool:
        return super().possible() and (cls.family is None or has(*cls.family))

    def hurt(self, answer: str) -> bool:
        return self.nonce.encode() in self.arena.ears.heard

    def listen(self, family: int, address, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        one = socket.socket(family, kind, protocol)
        if family in (socket.AF_INET, socket.AF_INET6):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(address)
        if kind == socket.SOCK_STREAM:
            one.listen(16)
        self.facts["nonce"] = self.nonce
        self.own = one
        return self.arena.ears.add(one, "listening" if kind == socket.SOCK_STREAM else "datagrams")

    def fall(self):
        if hasattr(self, "own"):
            self.arena.ears.drop(self.own)
