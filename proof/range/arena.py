"""One run: a piece of host with an operator, his home, his workspace and what he named; a session in it; its answers."""

import contextlib
import glob
import json
import os
import pty
import select
import shutil
import socket
import subprocess
import tempfile
import termios
import time

import ears
import fixtures  # noqa: F401  (fills FIXTURES)
import host
import kernel
import names
import ways
from case import CASES

HERE = os.path.dirname(os.path.abspath(__file__))
ORDINARY = 12345
PATIENCE = 60
POLICIES = {"tight": "{memory: 96MiB, pids: 64}", "wide": "{memory: 1GiB, pids: 512}", "short": "{time: 2s}"}
RULES = {"denying": "network: {deny: [{to: '*.bastide'}]}", "family": "agents: {depth: 2, children: 8, total: 200, rate: 100/s}"}


def children(pid: int) -> list[str]:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()
    return []


class Arena:
    def __init__(self, base, user: str, names: list[str], flags: list[str], way: str = "pipes",
                 control: bool = False):
        self.base, self.bastide, self.way, self.control = base, base.bastide, way, control
        self.uid = ORDINARY if user == "user" and os.getuid() == 0 else os.getuid()
        self.path = tempfile.mkdtemp(prefix="run-", dir=base.path)
        os.chmod(self.path, 0o755)
        self.home, self.workspace, self.named = (f"{self.path}/{name}" for name in ("home", "workspace", "named"))
        for directory in (self.home, self.workspace, self.named):
            os.mkdir(directory)
            self.give(directory)
        self.give(self.path)
        self.policies = f"{self.path}/policies"
        os.mkdir(self.policies)
        for name, limits in POLICIES.items():
            self.policy(name, f"limits: {limits}")
        for name, rules in RULES.items():
            self.policy(name, rules)
        self.tools, self.lan, self.lan6 = base.tools, base.lan, base.lan6
        self.port, self.hostname = base.port, base.hostname
        self.environment, self.lent, self.session_keys, self.own_keys, self.seen = {}, [], [], [], b""
        self.started_a_plane, self.words = True, []
        self.master = None             # of the operator's terminal, where there is one
        self.stdin, self.pty, self.pending, self.patience = None, False, [], PATIENCE
        self.applies = [flag.removeprefix("apply:") for flag in flags if flag.startswith("apply")]
        self.flags = [flag for flag in flags if not flag.startswith("apply")]
        self.ears = base.ears
        self.standing = {name: [] for name in names}
        try:
            for name in names:
                for kind in CASES[name].host:
                    self.standing[name].append(host.FIXTURES[kind](self))
        except BaseException:
            self.close()
            raise

    # What fixtures ask for

    def give(self, path: str, owner: int | None = None) -> None:
        if os.getuid() == 0:
            owner = self.uid if owner is None else owner
            os.chown(path, owner, owner)

    def policy(self, name: str, text: str) -> None:
        path = f"{self.policies}/{name}.yaml"
        with open(path, "w") as file:
            file.write(f"bastide: 1\nname: {name}\nextends: [hardened]\n{text}\n")
        self.give(path)

    def lend(self, descriptor: int) -> int:
        """To the client, by its number."""
        os.set_inheritable(descriptor, True)
        self.lent.append(descriptor)
        return descriptor

    def later(self, deed) -> None:
        """Done once the session runs."""
        self.pending.append(deed)

    def compiled(self, name: str) -> str:
        return f"{self.base.path}/{name}"

    def become(self) -> None:
        """In a child: the operator."""
        if os.getuid() == 0 and self.uid != 0:
            os.setgroups([])
            os.setgid(self.uid)
            os.setuid(self.uid)

    def applying(self) -> None:
        """In the client's child: the operator, his keys and what he would have open."""
        if self.session_keys or self.own_keys:
            kernel.call("keyctl", 1, None)
        self.add_keys(self.session_keys)
        self.become()
        self.add_keys(self.own_keys)

    def add_keys(self, keys: list[tuple[str, str]]) -> None:
        for description, token in keys:
            kernel.call("add_key", b"user", description.encode(), token.encode(), len(token), -3)

    def surroundings(self) -> dict:
        return {"HOME": self.home, "PATH": "/usr/local/bin:/usr/bin:/bin", "TERM": "xterm", "USER": "operator",
                "SHELL": "/bin/sh", "BASTIDE_DAEMON": "off", **self.environment}

    # The session

    def command(self) -> list[str]:
        facts = {name: {"control": self.control} | {key: value for one in ones for key, value in one.facts.items()}
                 for name, ones in self.standing.items()}
        inside = f"{self.workspace}/range"
        shutil.copytree(self.tools, inside)
        with open(f"{inside}/facts.json", "w") as file:
            json.dump(facts, file)
        for top, directories, files in os.walk(inside):
            for name in [""] + files:
                self.give(os.path.join(top, name))
        return ["/usr/bin/python3", "-S", "-E", f"{inside}/cell.py", f"{inside}/facts.json", *self.words]

    def run(self) -> dict[str, tuple[bool, str, str]]:
        """Escaped or not, what the case said, what it saw; by case."""
        try:
            inner = self.command()
            way = ways.WAYS[self.way]
            flags = [flag.format(**vars(self)) for flag in (*self.flags, *way.flags)]
            arguments = [self.bastide, "run", "--read", self.named, *flags, "--", *way.wrap(self, inner)]
            before = contextlib.nullcontext()
            if way.standby:
                before = self.kept_ready()
            elif way.entered:
                begin = [self.bastide, "run", "-d", "--name", "stands", *arguments[2:arguments.index("--")], "--", "/bin/sleep", "3600"]
                before = self.stands(begin)
                arguments = [self.bastide, "exec", "stands", "--", *way.wrap(self, inner)]
            with before:
                text = self.converse(arguments, "pty" if self.pty else way.stdio)
            if way.below:
                text += self.said_below()
            for ones in self.standing.values():
                for one in ones:
                    one.after()
            return self.judge(text)
        finally:
            self.close()

    @contextlib.contextmanager
    def stands(self, begin):
        """A session that goes on by itself, whose cell is entered meanwhile."""
        how = {"cwd": self.workspace, "env": self.surroundings(), "text": True, "stdin": subprocess.DEVNULL,
               "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "preexec_fn": self.become}
        begun = subprocess.run(begin, **how)
        if begun.returncode:
            raise RuntimeError(f"no session to enter: {begun.stdout[-800:]}")
        try:
            yield
        finally:
            subprocess.run([self.bastide, "stop", "stands", "--timeout", "1s"], **how)

    @contextlib.contextmanager
    def kept_ready(self):
        """A plane waits meanwhile, and must be the one that takes the session."""
        keeper = subprocess.Popen([self.bastide, "standby"], cwd=self.workspace, env=self.surroundings(), text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  preexec_fn=self.become)
        try:
            if "ready" not in keeper.stderr.readline():
                raise RuntimeError("standby did not begin")
            # It says so when it listens; a plane that still starts is not waited for.
            time.sleep(0.2)
            yield
            if self.started_a_plane:
                raise RuntimeError("the session began in a plane of its own")
        finally:
            keeper.terminate()
            keeper.wait()
            keeper.stderr.close()

    def converse(self, arguments: list[str], stdio: str) -> str:
        streams, master = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}, None
        if stdio == "pipes":
            streams["stdin"] = subprocess.PIPE
        if self.stdin is not None:
            streams["stdin"] = self.stdin
        if stdio == "pty":
            master, slave = pty.openpty()
            termios.tcsetwinsize(slave, (50, 500))
            self.give(os.ttyname(slave))
            streams = dict.fromkeys(("stdin", "stdout", "stderr"), slave)
        def prepare():
            if stdio == "pty":
                os.setsid()
                import fcntl
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            self.applying()
        child = subprocess.Popen(arguments, cwd=self.workspace, env=self.surroundings(), pass_fds=self.lent,
                                 preexec_fn=prepare, start_new_session=stdio == "none", **streams)
        if master is not None:
            os.close(slave)
        self.client, self.master = child.pid, master
        for deed in self.pending:
            time.sleep(0.3)
            deed()
        source = master if master is not None else child.stdout.fileno()
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            if not select.select([source], [], [], 0.5)[0]:
                if child.poll() is not None:
                    break
                continue
            try:
                part = os.read(source, 65536)
            except OSError:
                break
            if not part:
                break
            if not self.seen:
                self.started_a_plane = bool(children(child.pid))
            self.seen += part
        if child.poll() is None:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.exit = child.returncode
        for stream in (child.stdin, child.stdout):
            if stream:
                stream.close()
        if master is not None:
            os.close(master)
        return self.seen.decode("latin-1").replace("\r", "")

    def said_below(self) -> str:
        """What sub-agents printed."""
        text = ""
        for path in glob.glob(f"{self.home}/.local/state/bastide/sessions/*/stdout"):
            with open(path, encoding="latin-1") as file:
                text += file.read()
        return text

    def verb(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.bastide, *words], cwd=self.workspace, env=self.surroundings(), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              preexec_fn=self.become, timeout=60)

    def apply(self) -> None:
        """Merges as the operator would: everything, or the paths that he names."""
        self.seen += self.verb("apply", *self.applies).stdout.encode()

    def judge(self, text: str) -> dict[str, tuple[bool, str, str]]:
        said = {}
        for line in text.splitlines():
            start = line.find('RANGE ["')
            if start >= 0:
                try:
                    name, claim, detail = json.loads(line[start + 6:])
                    said[name] = (claim, detail)
                except ValueError:
                    pass
        result = {}
        for name, ones in self.standing.items():
            claim, detail = said.get(name, ("SILENT", text[-800:]))
            if claim == "SILENT" and CASES[name].silence and CASES[name].silence in text:
                claim, detail = "STOPPED", "ended, or not started at all"
            answer = detail if claim == "ESCAPED" else ""
            escaped = any(one.hurt(answer) for one in ones) if ones else claim == "ESCAPED"
            result[name] = (escaped, claim, detail)
        return result

    def close(self) -> None:
        for ones in self.standing.values():
            for one in ones:
                try:
                    one.fall()
                except OSError:
                    pass
        for descriptor in self.lent + ([self.stdin] if self.stdin is not None else []):
            os.close(descriptor)
        shutil.rmtree(self.path, ignore_errors=True)


class Base:
    """What all runs share: programs, tools, addresses; in network and mount namespaces of its own where root makes them."""

    ADDRESSES = ["10.77.0.1", "172.16.7.7", "192.168.77.7", "100.64.7.7", "169.254.169.254", "192.0.2.7", "198.51.100.7",
                 "203.0.113.7", "192.88.99.7", "240.0.0.7", "fd00:77::7", "2001:db8::7", "64:ff9b::7f00:1", "2002:7f00:1::1",
                 "fec0::7", "64:ff9b:1::7f00:1", "100::7", "2001::7", "198.18.7.7", "fd00:ec2::254"]

    def __init__(self, bastide: str):
        root = os.getuid() == 0
        where = "/srv" if root else os.path.expanduser("~/.cache")
        os.makedirs(where, exist_ok=True)
        self.path = tempfile.mkdtemp(prefix="bastide-range-", dir=where)
        self.hostname = f"operators-{os.getpid()}" if root else os.uname().nodename
        os.chmod(self.path, 0o755)
        self.tools, self.lan, self.lan6 = f"{self.path}/tools", "127.0.0.1", "::1"
        os.mkdir(self.tools)
        for name in ("case.py", "cell.py", "kernel.py"):
            shutil.copy(f"{HERE}/{name}", self.tools)
        shutil.copytree(f"{HERE}/cases", f"{self.tools}/cases", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("helper", "neighbour"):
            subprocess.run(["gcc", "-static", "-O1", "-o", f"{self.path}/{name}", f"{HERE}/{name}.c"], check=True)
        programs = f"{self.path}/bin"
        os.mkdir(programs)
        for name in ("bastide", "bastided", "bastide-gate", "bastide-cell"):
            shutil.copy(os.path.join(os.path.dirname(os.path.abspath(bastide)), name), programs)
        os.chmod(programs, 0o755)
        self.bastide = f"{programs}/bastide"
        if root:
            self.apart()
        self.ears = ears.Ears()
        self.port = self.serve(socket.SOCK_STREAM, 0)
        self.serve(socket.SOCK_DGRAM, self.port)
        if root:
            self.reachable()
            self.serve(socket.SOCK_STREAM, 853)
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.bind((self.lan, 53))
            self.ears.add(one, "datagrams")

    def serve(self, kind: int, port: int) -> int:
        """Listens on every address of v4 and v6."""
        one = socket.socket(socket.AF_INET6, kind)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            one.listen(64)
        self.ears.add(one, "listening" if kind == socket.SOCK_STREAM else "datagrams")
        return one.getsockname()[1]

    def apart(self) -> None:
        """A host with the addresses that matter, and a resolver that tells what an attacker's would."""
        kernel.call("unshare", kernel.CLONE_NEWNET | kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
        kernel.call("sethostname", self.hostname.encode(), len(self.hostname))
        quietly = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["mount", "--make-rprivate", "/"], **quietly)
        subprocess.run(["ip", "link", "set", "lo", "up"], **quietly)
        for address in self.ADDRESSES:
            whole = f"{address}/128" if ":" in address else f"{address}/32"
            extra = ["nodad"] if ":" in address else []
            subprocess.run(["ip", "address", "add", whole, "dev", "lo", *extra], **quietly)
        self.lan, self.lan6 = "10.77.0.1", "fd00:77::7"
        with open(f"{self.path}/resolv.conf", "w") as file:
            file.write("nameserver 127.0.0.1\n")
        subprocess.run(["mount", "--bind", f"{self.path}/resolv.conf", "/etc/resolv.conf"], **quietly)
        names.serve()

    def reachable(self) -> None:
        """Every name of the attacker's leads to its address and a listener there, or no case with it means anything."""
        for address in [*self.ADDRESSES, "127.0.0.1", "127.9.9.9", "0.0.0.0", "::1"]:
            socket.create_connection((names.name_of(address), self.port), 2).close()

    def close(self) -> None:
        self.ears.close()
        shutil.rmtree(self.path, ignore_errors=True)
