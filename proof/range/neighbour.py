"""A process of the operator's own that the cases reach for. Says where its memory is, then answers whether it was touched."""

import ctypes
import os
import signal
import sys

secret = open(sys.argv[1])
os.set_inheritable(secret.fileno(), True)
token = secret.read()
memory = ctypes.create_string_buffer(token.encode() + bytes(96))
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1 & 0xFFFFFFFFFFFFFFFF), 0, 0, 0)
untouched = memory.raw
signals = []
for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGURG, signal.SIGHUP):
    signal.signal(number, lambda number, frame: signals.append(number))
print(ctypes.addressof(memory), secret.fileno(), flush=True)
for line in sys.stdin:
    print("untouched" if not signals and memory.raw == untouched else "touched", flush=True)
