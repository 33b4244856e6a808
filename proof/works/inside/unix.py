"""Unix sockets: by path, abstract, datagram and seqpacket, with descriptors and credentials passed."""
import array
import os
import socket
import struct

# Natively the abstract name is the whole host's.
paths = [os.path.abspath("stream"), f"\0works-{os.getpid()}"]
for path in paths:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen(1)
        client.connect(path)
        peer, _ = server.accept()
        peer.sendall(b"met")
        assert client.recv(9) == b"met", path
        pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        assert pid == os.getpid(), path
        peer.close()

for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    one, two = socket.socketpair(socket.AF_UNIX, kind)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    read, write = os.pipe()
    one.sendmsg([b"fd"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [write]))])
    _, ancillary, _, _ = two.recvmsg(9, socket.CMSG_SPACE(4))
    passed = struct.unpack("i", ancillary[0][2])[0]
    os.write(passed, b"passed")
    assert os.read(read, 9) == b"passed"
    for fd in (read, write, passed):
        os.close(fd)
    one.close()
    two.close()
print("works")
