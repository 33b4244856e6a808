#!/usr/bin/env python3
"""Records what real clients say: npm, pip, cargo and git against servers on loopback that pass on to the registries that the
machine uses. Each request is one file, as it came. Bodies of files follow, said as programs say them, until there are as
many as asked for.

    record.py DIRECTORY COUNT TREE...
"""

import base64
import gzip
import hashlib
import http.server
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request

UPSTREAM = {
    "npm": "https://registry.npmjs.org",
    "pypi": "https://pypi.org/simple",
    "files": "https://files.pythonhosted.org",
    "index": "https://index.crates.io",
    "crates": "https://static.crates.io/crates",
}
REPLACED = {"https://registry.npmjs.org": "npm", "https://files.pythonhosted.org": "files"}
LONGEST = 8 << 20


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    out: pathlib.Path
    numbers = itertools.count()
    repositories: pathlib.Path

    def log_message(self, *_):
        pass

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        body = self.body()
        head = f"{self.command} {self.path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in self.headers.items())
        if len(body) <= LONGEST:
            client = re.split(r"[/ ]", self.headers.get("User-Agent", "other"))[0]
            name = f"{next(self.numbers):05}-{re.sub('[^a-z]', '', client.lower())}.request"
            (self.out / name).write_bytes(head.encode() + b"\r\n" + body)
        place, _, rest = self.path[1:].partition("/")
        try:
            if place == "git":
                self.git(rest, body)
            elif self.command in ("PUT", "POST"):
                self.answer(201, "application/json", b"{}")
            else:
                self.passed_on(place, rest)
        except OSError as error:
            self.answer(502, "text/plain", str(error).encode())

    do_GET = do_POST = do_PUT = do_HEAD = handle_any

    def passed_on(self, place, rest):
        here = f"http://{self.headers['Host']}"
        if place == "index" and rest == "config.json":
            return self.answer(200, "application/json", json.dumps({"dl": f"{here}/crates"}).encode())
        if place == "crates":
            # Cargo asks for CRATE/VERSION/download.
            crate, version = rest.split("/")[:2]
            rest = f"{crate}/{crate}-{version}.crate"
        asked = urllib.request.Request(f"{UPSTREAM[place]}/{rest}", headers={"Accept": self.headers.get("Accept", "*/*")})
        try:
            with urllib.request.urlopen(asked, timeout=60) as got:
                body, kind, status = got.read(), got.headers.get("Content-Type", "application/octet-stream"), got.status
        except urllib.error.HTTPError as error:
            body, kind, status = error.read(), "text/plain", error.code
        if "json" in kind or "html" in kind:
            for there, name in REPLACED.items():
                body = body.replace(there.encode(), f"{here}/{name}".encode())
        return self.answer(status, kind, body)

    def git(self, rest, body):
        path, _, query = rest.partition("?")
        environment = {
            "GIT_PROJECT_ROOT": str(self.repositories), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": "/" + path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "somebody", "PATH": os.environ["PATH"],
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=False)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.answer(int(fields.get("Status", "200").split()[0]), fields.get("Content-Type", "text/plain"), answer)


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **more)
    print(f"{' '.join(map(str, command[:3]))}: {done.returncode} {done.stderr.strip().splitlines()[-1:] if done.returncode else ''}", flush=True)


def npm(here, room):
    project = room / "npm"
    project.mkdir()
    (project / "package.json").write_text('{"name": "x", "version": "1.0.0"}')
    run("npm", "install", "--registry", f"{here}/npm/", "express", "eslint", "typescript", cwd=project)
    run("npm", "audit", "--registry", f"{here}/npm/", cwd=project)
    token = f"--//{here.removeprefix('http://')}/npm/:_authToken=npm_x"
    for package in sorted((project / "node_modules").glob("*/package.json"))[:120]:
        stood(Recorder.out, package.parent)
        run("npm", "publish", "--ignore-scripts", "--registry", f"{here}/npm/", token, cwd=package.parent)


def pip(here, room):
    index = ["--index-url", f"{here}/pypi/", "--trusted-host", "127.0.0.1", "--no-cache-dir"]
    run(sys.executable, "-m", "pip", "download", *index, "-d", room / "pip", "requests", "flask", "pytest", "attrs")


def stood(out, path):
    """A file as it stood in the workspace."""
    with (out / "stood.sha256").open("a") as hashes:
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and not file.is_symlink():
                hashes.write(hashlib.sha256(file.read_bytes()).hexdigest() + "\n")


def cargo(here, room):
    home, project = room / "cargo", pathlib.Path(__file__).resolve().parents[2]
    (room / "fetched").mkdir()
    home.mkdir()
    (home / "config.toml").write_text(
        f'[source.crates-io]\nreplace-with = "here"\n[source.here]\nregistry = "sparse+{here}/index/"\n')
    for name in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(project / "proof/fuzz" / name, room / "fetched")
    run("cargo", "fetch", "--manifest-path", project / "Cargo.toml", "--locked", env={**os.environ, "CARGO_HOME": str(home)})


def git(here, room, trees):
    """A repository of each package of the trees, pushed twice and cloned."""
    packages = [path for tree in trees for path in sorted(pathlib.Path(tree).glob("*")) if path.is_dir()][:150]
    own = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for package in packages:
        stood(Recorder.out, package)
        work, bare = room / "work", Recorder.repositories / f"{package.name}.git"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(package, work, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        quiet = {"cwd": work, "capture_output": True, "check": False}
        subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
        subprocess.run(["git", "-C", bare, "config", "http.receivepack", "true"], check=True)
        subprocess.run(["git", "init", "-q"], **quiet)
        for message, path in (("first", "."), ("second", ".")):
            subprocess.run(["git", "add", "-f", path], **quiet)
            subprocess.run(["git", *own, "commit", "-q", "-m", message], **quiet)
            subprocess.run(["git", "push", "-q", f"{here}/git/{package.name}.git", "HEAD:main"], **quiet)
            (work / "NOTES").write_text(f"{package.name} was looked at\n" * 3)
        subprocess.run(["git", "clone", "-q", f"{here}/git/{package.name}.git", room / "cloned" / package.name], capture_output=True, check=False)


def said(at, name, content):
    """A request of one of the kinds that programs say, about a file."""
    text = content.decode("utf-8", "replace")
    kind, body = [
        lambda: ("application/json", json.dumps({"model": "m-1", "max_tokens": 1024, "messages": [{"role": "user", "content": text}]}).encode()),
        lambda: ("text/plain", content),
        lambda: ("application/gzip", gzip.compress(content)),
        lambda: ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name.encode() + b'"\r\n\r\n' + content + b"\r\n--b--\r\n"),
        lambda: ("application/json", json.dumps({"message": f"add {name}", "content": base64.b64encode(content).decode()}).encode()),
        lambda: ("application/json", json.dumps({"model": "m-1", "messages": [{"role": "user", "content": [{"type": "tool_result", "content": json.dumps({"path": name, "text": text})}]}]}).encode()),
    ][at % 6]()
    head = f"POST /repos/acme/widget/contents/{name} HTTP/1.1\r\nUser-Agent: python-requests/2.32.3\r\nAccept: */*\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + body


def main():
    out, count, trees = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        room = pathlib.Path(scratch)
        Recorder.out, Recorder.repositories = out, room / "repositories"
        (room / "cloned").mkdir()
        Recorder.repositories.mkdir()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_address[1]}"
        for client in (npm, pip, cargo):
            client(here, room)
        git(here, room, trees)
        server.shutdown()
    recorded = next(Recorder.numbers)
    files = [path for tree in trees for path in sorted(pathlib.Path(tree).rglob("*")) if path.is_file() and 200 < path.stat().st_size < 1 << 20]
    step = max(len(files) // max(count - recorded, 1), 1)
    made = 0
    for path in files[::step]:
        if recorded + made >= count:
            break
        name = re.sub(r"[^A-Za-z0-9.]", "-", path.name)
        stood(out, path)
        (out / f"{recorded + made:05}-file.request").write_bytes(said(made, name, path.read_bytes()))
        made += 1
    print(f"{recorded} requests of clients, {made} about files")


if __name__ == "__main__":
    main()
