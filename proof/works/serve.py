"""What the checks install, made here: an npm registry on the host's loopback and a directory of wheels. Nothing is fetched."""

import base64
import hashlib
import http.server
import io
import json
import os
import socket
import subprocess
import tarfile
import threading
import time
import zipfile

NPM = {
    "works-leaf": ({}, "module.exports = require('fs').readFileSync(__dirname + '/leaf', 'utf8')"),
    "works-top": ({"works-leaf": "^1.0.0"}, "module.exports = 'top of ' + require('works-leaf')"),
}


def npm_package(name):
    """A package as npm packs it. An install script makes what the leaf gives."""
    needs, code = NPM[name]
    manifest = {"name": name, "version": "1.0.0", "main": "index.js", "dependencies": needs}
    if not needs:
        manifest["scripts"] = {"install": "printf leaf >leaf"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, text in (("package.json", json.dumps(manifest)), ("index.js", code), ("leaf", "leaf")):
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size, entry.mode = len(text), 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return manifest, out.getvalue()


class Registry:
    """An npm registry while the `with` block runs; `port` is its own on 127.0.0.1."""

    def __init__(self):
        packages = {name: npm_package(name) for name in NPM}

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 30

            def log_message(self, *_):
                pass

            def do_GET(self):
                name = self.path.strip("/").removesuffix(".tgz")
                manifest, archive = packages.get(name, (None, b""))
                if manifest and self.path.endswith(".tgz"):
                    return self.reply(200, archive, "application/octet-stream")
                return self.reply(200 if manifest else 404, self.document(name, manifest, archive), "application/json")

            def do_POST(self):
                self.reply(404, b"{}", "application/json")

            def document(self, name, manifest, archive):
                if not manifest:
                    return b"{}"
                integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
                dist = {"tarball": f"http://{self.headers['Host']}/{name}.tgz", "integrity": integrity}
                versions = {"1.0.0": {**manifest, "dist": dist}}
                return json.dumps({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": versions}).encode()

            def reply(self, status, content, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Tools:
    """A server of MCP while the `with` block runs: a program of its own, on a port of 127.0.0.1."""

    def __init__(self, python, script):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.argv = [python, script, str(self.port)]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.process.kill()
        raise RuntimeError(f"the server does not begin: {self.argv}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def wheels(directory):
    """Writes two wheels: a command, and the module that it needs."""
    files = {
        "works_leaf": ({"works_leaf.py": "NAME = 'leaf'\n"}, ""),
        "works_top": ({"works_top.py": "import works_leaf\ndef main(): print('top of', works_leaf.NAME)\n"}, "Requires-Dist: works-leaf\n"),
    }
    for name, (modules, needs) in files.items():
        info = f"{name}-1.0.dist-info"
        content = {
            **modules,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\n{needs}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: works\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if needs:
            content[f"{info}/entry_points.txt"] = "[console_scripts]\nworks-top = works_top:main\n"
        record = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
        with zipfile.ZipFile(os.path.join(directory, f"{name}-1.0-py3-none-any.whl"), "w") as wheel:
            for path, text in {**content, f"{info}/RECORD": record}.items():
                wheel.writestr(path, text)
