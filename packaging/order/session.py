"""What is traced, of one person: starts, requests within TLS and without, a sub-agent, a terminal. session.py BASTIDE USER"""

import functools
import http.server
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time

SECONDS = 60
POLICY = """\
bastide: 1
name: order
extends: [hardened]
agents: {{}}
network:
  allow:
    - {{to: "host.bastide:{plain}", methods: [GET], paths: ["/**"]}}
    - {{to: "host.bastide:{tls}", methods: [GET], paths: ["/**"]}}
"""
WORK = """\
import json, urllib.request
for url in ["http://host.bastide:{plain}/policy.yaml", "https://host.bastide:{tls}/policy.yaml"] * 3:
    urllib.request.urlopen(url).read()
def asks(verb, **said):
    said = json.dumps(said).encode()
    asked = urllib.request.Request("http://bastide.internal/" + verb, said, {{"Content-Type": "application/json"}})
    return json.load(urllib.request.urlopen(asked))
asks("spawn", task="nothing", command=["/bin/true"])
asks("wait", child=1)
open("made", "w").write("by the program")
"""


class Origin:
    """Two servers of a directory's files, one of them within TLS."""

    def __init__(self, directory):
        self.certificate = os.path.join(directory, "cert.pem")
        key = os.path.join(directory, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
            + ["-subj", "/CN=host.bastide", "-addext", "subjectAltName=DNS:host.bastide", "-addext", "basicConstraints=critical,CA:FALSE"]
            + ["-keyout", key, "-out", self.certificate],
            check=True,
            capture_output=True,
        )
        os.chmod(self.certificate, 0o644)
        shown = os.path.join(directory, "shown")
        os.mkdir(shown, 0o755)
        handler = functools.partial(Quiet, directory=shown)
        servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        servers[1].socket = context.wrap_socket(servers[1].socket, server_side=True)
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.plain, self.tls = (server.server_address[1] for server in servers)
        self.policy = os.path.join(shown, "policy.yaml")
        with open(self.policy, "w") as file:
            file.write(POLICY.format(plain=self.plain, tls=self.tls))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def main():
    bastide, name = sys.argv[1:]
    user = int(name)
    root = tempfile.mkdtemp(prefix="bastide-order.")
    os.chmod(root, 0o755)
    try:
        origin = Origin(root)
        home = os.path.join(root, "home")
        work = os.path.join(home, "work")
        run = os.path.join(root, "run")
        for path in [home, work, run]:
            os.mkdir(path, 0o700)
            os.chown(path, user, user)
        environment = {"HOME": home, "PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": run, "TERM": "xterm"}
        environment["SSL_CERT_FILE"] = origin.certificate

        def runs(*argv):
            done = subprocess.run(
                argv, cwd=work, env=environment, user=user, group=user, extra_groups=[],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
            )
            if done.returncode:
                sys.exit(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr[-800:]}")

        for _ in range(3):
            # The second and third begin in what was made ahead.
            runs(bastide, "run", "--", "/bin/true")
            time.sleep(1)
        inside = WORK.format(plain=origin.plain, tls=origin.tls)
        runs(bastide, "run", "--policy", origin.policy, "--", "/usr/bin/python3", "-c", inside)
        runs("script", "-qec", f"{bastide} run -- /bin/true", "/dev/null")
        runs(bastide, "ls")
    finally:
        shutil.rmtree(root, ignore_errors=True)


main()
