"""An attacker's name server: NAME.evil.test is whatever address stands in NAME, written a-b-c-d or as hex of 16 bytes."""

import ipaddress
import socket
import threading


def address_in(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    label, _, rest = name.lower().partition(".")
    if rest.rstrip(".") != "evil.test":
        return None
    if len(label) == 33 and label.startswith("x"):
        return ipaddress.IPv6Address(bytes.fromhex(label[1:]))
    return ipaddress.IPv4Address(label.replace("-", ".")) if label.count("-") == 3 else None


def name_of(address: str) -> str:
    """The name under which the server gives this address."""
    one = ipaddress.ip_address(address)
    label = str(one).replace(".", "-") if one.version == 4 else "x" + one.packed.hex()
    return f"{label}.evil.test"


# Every query that came, as it was written.
ASKED = bytearray()


def answer(query: bytes) -> bytes:
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    ASKED.extend(".".join(labels).encode() + b"\n")
    question, kind = query[12:at + 5], int.from_bytes(query[at + 1:at + 3], "big")
    one = address_in(".".join(labels))
    fits = one is not None and kind == (1 if one.version == 4 else 28)
    flags = b"\x81\x80" if one is not None else b"\x81\x83"
    head = query[:2] + flags + b"\x00\x01" + (b"\x00\x01" if fits else b"\x00\x00") + bytes(4)
    record = b"\xc0\x0c" + kind.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x05" if fits else b""
    return head + question + record + (len(one.packed).to_bytes(2, "big") + one.packed if fits else b"")


def serve() -> None:
    """On 127.0.0.1, for as long as this process lives."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 53))

    def loop():
        while True:
            query, who = one.recvfrom(4096)
            try:
                one.sendto(answer(query), who)
            except (IndexError, ValueError, OSError):
                pass
    threading.Thread(target=loop, daemon=True).start()
