"""A server and clients of its own on both loopbacks: in one process, in another process, and UDP."""
import socket
import subprocess
import sys
import threading
import urllib.request

SERVER = """
import http.server, socket, sys
class Six(http.server.HTTPServer):
    address_family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
server = Six((sys.argv[1], 0), http.server.SimpleHTTPRequestHandler)
print(server.server_address[1], flush=True)
server.handle_request()
"""
open("page.txt", "w", encoding="utf-8").write("a page")

for address, shown in (("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("127.0.0.1", "localhost")):
    child = subprocess.Popen([sys.executable, "-c", SERVER, address], stdout=subprocess.PIPE, text=True)
    port = int(child.stdout.readline())
    with urllib.request.urlopen(f"http://{shown}:{port}/page.txt", timeout=20) as page:
        assert page.read() == b"a page", shown
    assert child.wait(20) == 0

for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as two:
        one.bind((address, 0))
        one.settimeout(20)
        two.sendto(b"datagram", one.getsockname())
        assert one.recv(99) == b"datagram", address

# A server on every address of the cell's own is met on loopback.
with socket.create_server(("", 0)) as server:
    threading.Thread(target=lambda: server.accept()[0].sendall(b"any"), daemon=True).start()
    with socket.create_connection(("127.0.0.1", server.getsockname()[1]), timeout=20) as client:
        assert client.recv(9) == b"any"

# Nobody listens: the refusal is the cell's own and comes at once.
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    try:
        socket.create_connection(free.getsockname(), timeout=20)
        sys.exit("a closed port answered")
    except ConnectionRefusedError:
        print("works")
