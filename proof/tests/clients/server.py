"""A server of WebSockets outside. Its port, then all that reached it, comes out as lines of JSON; each message goes back."""

import json
import logging
import ssl
import sys

from websockets.sync.server import serve


def tell(**what):
    print(json.dumps(what), flush=True)


def talk(socket):
    tell(path=socket.request.path, authorization=socket.request.headers.get_all("Authorization"))
    for message in socket:
        tell(message=message)
        socket.send(message)


# A connection that ends early is no news.
logging.getLogger("websockets").setLevel(logging.CRITICAL)
context = None
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])
with serve(talk, "127.0.0.1", 0, ssl=context) as server:
    tell(port=server.socket.getsockname()[1])
    server.serve_forever()
