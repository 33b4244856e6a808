"""Requests that are decided one by one, beside nginx as a reverse proxy: plain, within TLS, and what else they cost."""

import contextlib
import os
import re
import subprocess
import time

from figures import Figure
from memory import beneath, parents, pss

SECONDS = 2
ROUNDS = 7
WAITING = 20_000
SIZES = {"128 B": ("/s", 128), "1 MiB": ("/m", 1 << 20)}
POLICY = """bastide: 1
name: bench
extends: [hardened]
network:
  allow:
    - {{to: "host.bastide:{plain}", methods: [GET], paths: ["/**"]}}
    - {{to: "host.bastide:{tls}", methods: [GET], paths: ["/**"]}}
    - {{to: "host.bastide:{other}", methods: [GET], paths: ["/**"]}}
"""
# Both: one worker, connections that stay open, nothing logged.
NGINX = """worker_processes 1; daemon off; pid {place}/{name}.pid; error_log {place}/{name}.err crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 60s; sendfile on; tcp_nodelay on;
  client_body_temp_path {place}/{name}-body; proxy_temp_path {place}/{name}-proxy;
  fastcgi_temp_path {place}/{name}-f; uwsgi_temp_path {place}/{name}-u; scgi_temp_path {place}/{name}-s;
  proxy_buffering on; proxy_http_version 1.1;
  ssl_certificate {place}/cert.pem; ssl_certificate_key {place}/key.pem; ssl_session_cache shared:s:1m;
  {servers}
}}
"""
ORIGIN = "server {{ listen 127.0.0.1:{plain} backlog=4096; listen 127.0.0.1:{tls} ssl backlog=4096; root {place}/files; }}"
# As careful as a gate: it speaks TLS anew, verifies, and keeps connections outside open.
PROXY = """upstream plain {{ server 127.0.0.1:{to_plain}; keepalive 128; keepalive_requests 1000000000; }}
  upstream tls {{ server 127.0.0.1:{to_tls}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{plain} backlog=4096;
    location / {{ proxy_pass http://plain; proxy_set_header Connection ""; proxy_set_header Host $http_host; }} }}
  server {{ listen 127.0.0.1:{tls} ssl backlog=4096;
    location / {{ proxy_pass https://tls; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_ssl_name host.bastide; proxy_ssl_server_name on; proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {place}/cert.pem; proxy_ssl_session_reuse on; }} }}"""


def free_port():
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Site:
    """An origin, and nginx as its reverse proxy."""

    def __init__(self, host):
        self.place = host.directory("site")
        os.makedirs(os.path.join(self.place, "files"), exist_ok=True)
        for path, size in SIZES.values():
            with open(os.path.join(self.place, "files", path[1:]), "wb") as file:
                file.write(b"x" * size)
        self.certificate = os.path.join(self.place, "cert.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=host.bastide", "-addext", "subjectAltName=DNS:host.bastide", "-addext", "basicConstraints=critical,CA:FALSE",
             "-keyout", os.path.join(self.place, "key.pem"), "-out", self.certificate],
            check=True, capture_output=True,
        )
        os.chmod(self.certificate, 0o644)
        self.plain, self.tls, self.proxy_plain, self.proxy_tls = (free_port() for _ in range(4))
        self.servers = []

    def __enter__(self):
        self.begin("origin", ORIGIN.format(place=self.place, plain=self.plain, tls=self.tls))
        self.begin("proxy", PROXY.format(
            place=self.place, plain=self.proxy_plain, tls=self.proxy_tls, to_plain=self.plain, to_tls=self.tls))
        time.sleep(0.5)
        return self

    def begin(self, name, servers):
        config = os.path.join(self.place, f"{name}.conf")
        with open(config, "w") as file:
            file.write(NGINX.format(place=self.place, name=name, servers=servers))
        self.servers.append(subprocess.Popen(["nginx", "-c", config, "-p", self.place]))

    def proxy_pids(self):
        known = parents()
        return beneath(self.servers[1].pid, known)

    def __exit__(self, *_):
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(10)


class Cell:
    """A shell in a cell, and what its gate uses."""

    def __init__(self, person, site, policy):
        path = os.path.join(person.home, f"requests-{len(os.listdir(person.home))}.yaml")
        with open(path, "w") as file:
            file.write(policy.format(plain=site.plain, tls=site.tls, other=site.proxy_plain))
        loop = 'while read -r line; do eval "$line"; echo; echo END; done'
        self.process = person.start(
            [person.host.bastide, "run", "--policy", path, "--", "sh", "-c", loop], env={"SSL_CERT_FILE": site.certificate},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        )
        self.run("true")
        known = parents()
        self.gates = [pid for pid in beneath(self.process.pid, known) if known[pid][1] == "bastide-gate"]

    def run(self, command):
        self.process.stdin.write(command + "\n")
        lines = []
        for line in self.process.stdout:
            if line.strip() == "END":
                return "".join(lines)
            lines.append(line)
        raise RuntimeError(f"cell: {self.process.communicate()[1][-600:]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def processor(pids):
    """Seconds of processor time so far."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def wrk(connections, url, more=""):
    return f"wrk -t1 -c{connections} -d{SECONDS}s --latency {more} {url}"


def read(told):
    """Requests a second, and the 99th percentile in ms."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    slow = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", told)
    if not rate or "Non-2xx" in told:
        raise RuntimeError(f"wrk: {told[-600:]}")
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    return float(rate[1]), float(slow[1]) * unit[slow[2]] if slow else None


class Sides:
    """Both sides in turn, under one load: each in a cell of its own, since requests of one session come at a pace in the end."""

    def __init__(self, person, site):
        self.person, self.site = person, site

    def compare(self, scheme, path, connections, more=""):
        """Microseconds and processor microseconds a request, and ms of the 99th percentile, of both."""
        with Cell(self.person, self.site, POLICY) as cell:
            return self.within(cell, scheme, path, connections, more)

    def within(self, cell, scheme, path, connections, more):
        port, peer = (self.site.tls, self.site.proxy_tls) if scheme == "https" else (self.site.plain, self.site.proxy_plain)
        ours = lambda: cell.run(wrk(connections, f"{scheme}://host.bastide:{port}{path}", more))
        theirs = lambda: subprocess.run(
            wrk(connections, f"{scheme}://127.0.0.1:{peer}{path}", more + " -H 'Host: host.bastide'"),
            shell=True, capture_output=True, text=True, check=True).stdout
        sides = {"ours": (ours, cell.gates), "theirs": (theirs, self.site.proxy_pids())}
        took = {name: ([], [], []) for name in sides}
        for round in range(ROUNDS + 1):
            for name in list(sides)[:: 1 if round % 2 else -1]:
                run, pids = sides[name]
                before = processor(pids)
                rate, slow = read(run())
                spent = processor(pids) - before
                if round:
                    for kept, value in zip(took[name], (1e6 / rate, spent * 1e6 / (rate * SECONDS), slow)):
                        kept.append(value)
        return took["ours"], took["theirs"]


def measure(host, rounds):
    person = host.people()[0]
    with Site(host) as site:
        yield from kept(person, site)
        yield from compared(Sides(person, site))
        yield crowded(person, site)
    yield from labelled(host, person)
    person.forget_sessions()


def kept(person, site):
    """Memory of a gate that has nothing to do, and after many requests."""
    with Cell(person, site, POLICY) as cell:
        before = sum(pss(pid) for pid in cell.gates)
        yield Figure("2.18", "an idle gate", "MiB", [before], most=10)
        long = lambda: cell.run(wrk(16, f"http://host.bastide:{site.plain}/s").replace(f"-d{SECONDS}s", "-d10s"))
        long()
        before = sum(pss(pid) for pid in cell.gates)
        long()
        yield Figure("2.18", "memory grown in 10 s of requests", "MiB", [sum(pss(pid) for pid in cell.gates) - before], most=1)


def crowded(person, site):
    """New connections in a cell of many processes, and of many that are over but not forgotten; beside a new cell, in turn."""
    load = wrk(16, f"http://host.bastide:{site.plain}/s", "-H 'Connection: close'")
    waiting = "cat /proc/net/tcp /proc/net/tcp6 | grep -c ' 06 '"
    # To one port no more wait than half of those that connections begin from.
    other = load.replace(f":{site.plain}/", f":{site.proxy_plain}/")
    took = {"crowded": [], "new": []}
    with Cell(person, site, POLICY) as full:
        full.run("for n in $(seq 150); do sleep 1000 & done")
        for turn in range(20):
            if int(full.run(waiting)) >= WAITING:
                break
            full.run(other if turn % 2 else load)
        for turn in range(ROUNDS + 1):
            for name in list(took)[:: 1 if turn % 2 else -1]:
                with Cell(person, site, POLICY) if name == "new" else contextlib.nullcontext(full) as cell:
                    rate, _ = read(cell.run(load))
                if turn:
                    took[name].append(1e6 / rate)
        note = f"{int(full.run(waiting))} connections in TIME_WAIT"
        full.run("kill $(jobs -p)")
    return Figure("2.16", "new connections, crowded", "us a request", took["crowded"], took["new"], "a new cell", times=1.1, note=note)


def compared(sides):
    peer = "nginx as reverse proxy"
    for connections in (1, 16, 64):
        (took, spent, slow), (peer_took, peer_spent, peer_slow) = sides.compare("http", "/s", connections)
        yield Figure("2.16", f"128 B, {connections} at once", "us a request", took, peer_took, peer, times=1 / 0.6)
        yield Figure("2.16", f"its processor time, {connections} at once", "us", spent, peer_spent, peer, times=2)
        if connections == 16:
            yield Figure("2.16", "99th percentile, 16 at once", "ms", slow, peer_slow, peer, more=0.5)
    (took, _, _), (peer_took, _, _) = sides.compare("http", "/m", 16)
    yield Figure("2.16", "1 MiB, 16 at once", "us a request", took, peer_took, peer, times=1 / 0.6)
    (took, _, _), (peer_took, _, _) = sides.compare("http", "/s", 16, "-H 'Connection: close'")
    yield Figure("2.16", "new connections, 16 at once", "us a request", took, peer_took, peer, times=1 / 0.6)
    peer = "nginx, TLS to TLS"
    for size, connections, times in [("128 B", 16, 1 / 0.6), ("1 MiB", 16, 1 / 0.7)]:
        (took, _, _), (peer_took, _, _) = sides.compare("https", SIZES[size][0], connections)
        yield Figure("2.17", f"{size} within TLS, {connections} at once", "us a request", took, peer_took, peer, times=times)
    (took, _, _), (peer_took, _, _) = sides.compare("https", "/s", 16, "-H 'Connection: close'")
    yield Figure("2.17", "new connections within TLS", "us a request", took, peer_took, peer, times=2)


LABELLED = POLICY + """    - {{to: "host.bastide:1"}}
flows: [{{deny: "secret:*", to: network}}]
data: [{{label: "secret:x", files: [labelled.txt]}}]
"""


def labelled(host, person):
    """What a session that looks for labelled text adds to a small request."""
    text = os.path.join(person.workspace, "labelled.txt")
    with Site(host) as site:
        took = {}
        for name, policy in [("plain", POLICY), ("labelled", LABELLED)]:
            if name == "labelled":
                with open(text, "w") as file:
                    file.writelines(f"The quarterly margin of contract {n} is {n * 7919 % 1000} and stays inside.\n" for n in range(2500))
                person.own(text)
            with Cell(person, site, policy) as cell:
                url = f"http://host.bastide:{site.plain}/s?" + "q=words&" * 12
                rates = [read(cell.run(wrk(1, f"'{url}'")))[0] for _ in range(ROUNDS + 1)][1:]
                took[name] = [1e6 / rate for rate in rates]
        os.remove(text)
        yield Figure("2.18", "a request in a labelled session", "us", took["labelled"], took["plain"], "the same without labels", more=50)
