"""What stands on the host while a case runs, and judges it: `hurt` is asked afterwards and looks at the host, or for a
token in the case's answer that could only have come from there. No token is in what the cell is told."""

import ctypes
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading

import kernel

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES: dict[str, type] = {}


def fixture(kind: type) -> type:
    """Files a class under its name in lower case with dashes."""
    name = "".join("-" + letter.lower() if letter.isupper() else letter for letter in kind.__name__).strip("-")
    FIXTURES[name] = kind
    return kind


class Fixture:
    """One thing on the host, for one case in one run. `facts` are what the attacker is taken to know."""

    def __init__(self, arena):
        self.arena, self.token, self.nonce, self.facts = arena, secrets.token_hex(16), secrets.token_hex(16), {}
        self.stand()

    for_root = False               # whether only root can make it stand

    @classmethod
    def possible(cls) -> bool:
        """Whether it can stand here."""
        return not cls.for_root or os.getuid() == 0

    def stand(self) -> None: ...

    def after(self) -> None:
        """Once the session is over."""

    def hurt(self, answer: str) -> bool:
        return self.token in answer

    def fall(self) -> None: ...

    def write(self, path: str, text: str, mode: int, owner: int | None = None) -> str:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        self.arena.give(os.path.dirname(path))
        self.arena.give(path, owner)
        return path


class Ears:
    """Everything that listens on the host for one run: what was heard, whoever said it."""

    def __init__(self):
        self.heard, self.selector, self.open, self.tokens = b"", selectors.DefaultSelector(), True, b""
        self.wake, self.bell = os.pipe()
        self.selector.register(self.wake, selectors.EVENT_READ, "wake")
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def add(self, one: socket.socket, kind: str) -> socket.socket:
        one.setblocking(False)
        self.selector.register(one, selectors.EVENT_READ, kind)
        os.write(self.bell, b"x")
        return one

    def drop(self, one: socket.socket) -> None:
        try:
            self.selector.unregister(one)
        except (KeyError, ValueError):
            pass
        one.close()

    def listen(self) -> None:
        while self.open:
            for key, _ in self.selector.select(0.2):
                try:
                    self.serve(key)
                except OSError:
                    pass

    def serve(self, key) -> None:
        if key.data == "wake":
            os.read(self.wake, 64)
        elif key.data == "listening":
            accepted, _ = key.fileobj.accept()
            accepted.setblocking(False)
            self.selector.register(accepted, selectors.EVENT_READ, "connected")
        else:
            try:
                data = key.fileobj.recv(65536)
            except ConnectionError:
                data = b""
            self.heard += data
            if key.data == "connected" and data:
                body = b"heard " + self.tokens
                reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
                key.fileobj.send(reply)
            if key.data == "connected" and not data:
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    def close(self) -> None:
        self.open = False
        os.write(self.bell, b"x")
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self.selector.close()
        os.close(self.wake)
        os.close(self.bell)


def has(family: int, kind: int, protocol: int) -> bool:
    try:
        socket.socket(family, kind, protocol).close()
    except OSError:
        return False
    return True


class Heard(Fixture):
    family = None                  # of a socket that not every kernel has: family, kind, protocol

    @classmethod
    def possible(cls) -> bool:
        return super().possible() and (cls.family is None or has(*cls.family))

    def hurt(self, answer: str) -> bool:
        return self.nonce.encode() in self.arena.ears.heard

    def listen(self, family: int, address, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        one = socket.socket(family, kind, protocol)
        if family in (socket.AF_INET, socket.AF_INET6):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(address)
        if kind == socket.SOCK_STREAM:
            one.listen(16)
        self.facts["nonce"] = self.nonce
        self.own = one
        return self.arena.ears.add(one, "listening" if kind == socket.SOCK_STREAM else "datagrams")

    def fall(self):
        if hasattr(self, "own"):
            self.arena.ears.drop(self.own)


# Files

@fixture
class Secret(Fixture):
    """A file of the operator's own, for him alone, outside of everything that was named."""

    def stand(self):
        place = f"{self.arena.path}/private-{self.nonce[:6]}/secret"
        self.facts["secret"] = self.write(place, self.token + "\n", 0o600)


@fixture
class HomeSecret(Fixture):
    """The same in his home, where the cell has a home of its own."""

    place = ".ssh/id_ed25519"

    def stand(self):
        self.facts["secret"] = self.write(f"{self.arena.home}/{self.place}", self.token + "\n", 0o600)


@fixture
class OthersSecret(Fixture):
    """A file of another user, for him alone."""

    def stand(self):
        place = f"{self.arena.path}/other-{self.nonce[:6]}/secret"
        self.facts["secret"] = self.write(place, self.token + "\n", 0o600, owner=12399)


@fixture
class StateSecret(Fixture):
    """Something in the plane's own state: policies, records, the future vault."""

    def stand(self):
        place = f"{self.arena.home}/.local/state/bastide/range-{self.nonce[:6]}"
        self.facts["secret"] = self.write(place, self.token + "\n", 0o600)
        for directory in (".local", ".local/state", ".local/state/bastide"):
            os.chmod(f"{self.arena.home}/{directory}", 0o700)
            self.arena.give(f"{self.arena.home}/{directory}")


@fixture
class PublicFile(Fixture):
    """A file in the host's /tmp that everybody there may read and write."""

    def stand(self):
        self.facts["public"] = f"/tmp/range-{self.nonce}"
        self.write_here()

    def write_here(self):
        with open(self.facts["public"], "w") as file:
            file.write(self.token)
        os.chmod(self.facts["public"], 0o666)

    def fall(self):
        os.unlink(self.facts["public"])


@fixture
class SharedMemory(PublicFile):
    """POSIX shared memory: a file in /dev/shm."""

    def stand(self):
        self.facts["public"] = f"/dev/shm/range-{self.nonce}"
        self.write_here()


class Watched(Fixture):
    """A tree that must be afterwards what it was before: names, contents, owners, modes, times, attributes."""

    def plant(self, directory: str):
        self.directory = directory
        self.facts["canary"] = self.write(f"{directory}/canary", "as it was\n", 0o644)
        self.facts["directory"] = directory
        self.before = self.look()

    def look(self):
        found = []
        for name in ["."] + sorted(os.listdir(self.directory)):
            path = f"{self.directory}/{name}"
            of = os.lstat(path)
            content = open(path, "rb").read() if os.path.isfile(path) and not os.path.islink(path) else b""
            attributes = [(key, os.getxattr(path, key)) for key in os.listxattr(path, follow_symlinks=False)
                          if key.startswith("user.")]
            times = (of.st_mtime_ns,) if name != "." else ()
            found.append((name, of.st_mode, of.st_uid, of.st_gid, of.st_nlink, times, content, attributes))
        return found

    def hurt(self, answer: str) -> bool:
        return self.look() != self.before


@fixture
class OutsideTree(Watched):
    """A directory of the operator's own that nobody named."""

    def stand(self):
        self.plant(f"{self.arena.path}/outside-{self.nonce[:6]}")


@fixture
class NamedTree(Watched):
    """A directory in the tree that the operator named with `--read`."""

    def stand(self):
        self.plant(f"{self.arena.named}/tree-{self.nonce[:6]}")


@fixture
class Startup(Fixture):
    """The operator's own .bashrc."""

    def stand(self):
        self.facts["startup"] = f"{self.arena.home}/.bashrc-{self.nonce[:6]}"
        self.facts["nonce"] = self.nonce
        self.write(self.facts["startup"], "# as it was\n", 0o644)

    def hurt(self, answer):
        return self.nonce in open(self.facts["startup"]).read()


@fixture
class Helper(Fixture):
    """A program that is setuid root, and a file of root's for it to print."""

    def stand(self):
        secret = self.write(f"{self.arena.path}/root-{self.nonce[:6]}/secret", self.token, 0o600, owner=0)
        os.chmod(os.path.dirname(secret), 0o755)
        directory = f"{self.arena.named}/setuid-{self.nonce[:6]}"
        os.makedirs(directory)
        self.facts["helper"] = f"{directory}/helper"
        subprocess.run(["cp", self.arena.compiled("helper"), self.facts["helper"]], check=True)
        self.facts["secret"] = secret
        os.chown(self.facts["helper"], 0, 0)
        os.chmod(self.facts["helper"], 0o4755)


@fixture
class WorkspaceLink(Secret):
    """A link in the workspace that leads out, as an earlier session could have left it."""

    def stand(self):
        super().stand()
        self.facts["link"] = f"{self.arena.workspace}/link-{self.nonce[:6]}"
        os.symlink(self.facts["secret"], self.facts["link"])


@fixture
class RootHandle(Secret):
    """The file's handle, which could also be guessed, and whether the file system takes handles."""

    def stand(self):
        super().stand()
        handle = ctypes.create_string_buffer(8 + 128)
        ctypes.memmove(handle, (128).to_bytes(4, sys.byteorder), 4)
        mount = ctypes.c_int()
        kernel.call("name_to_handle_at", kernel.AT_FDCWD, self.facts["secret"].encode(), handle, ctypes.byref(mount), 0)
        self.facts["handle"] = handle.raw[:8 + int.from_bytes(handle.raw[:4], sys.byteorder)].hex()


# Processes

@fixture
class Neighbour(Fixture):
    """A process of the operator's own: a token in its environment, arguments, memory, open file and directory."""

    def stand(self):
        secret = self.write(f"{self.arena.path}/cwd-{self.nonce[:6]}/secret", self.token, 0o600)
        environment = {"PATH": "/usr/bin:/bin", "SECRET": self.token}
        argv = [self.arena.compiled("neighbour"), secret, f"--password={self.token}"]
        self.child = subprocess.Popen(argv, env=environment, cwd=os.path.dirname(secret), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, preexec_fn=self.arena.become, text=True)
        address, descriptor = self.child.stdout.readline().split()
        self.facts.update(pid=self.child.pid, address=int(address), descriptor=int(descriptor), nonce=self.nonce,
                          uid=self.arena.uid)
        self.before = self.look()

    def look(self):
        pid = self.child.pid
        def limits():
            return open(f"/proc/{pid}/limits").read()
        return (os.getpriority(os.PRIO_PROCESS, pid), sorted(os.sched_getaffinity(pid)), limits(),
                open(f"/proc/{pid}/oom_score_adj").read(), kernel.LIBC.syscall(252, 1, pid))

    def hurt(self, answer):
        if self.token in answer:
            return True
        if self.child.poll() is not None or self.look() != self.before:
            return True
        try:
            self.child.stdin.write("?\n")
            self.child.stdin.flush()
            return self.child.stdout.readline().strip() != "untouched"
        except OSError:
            return True

    def fall(self):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


# Talking

@fixture
class TcpListener(Heard):
    """A service on every address of the host, v4 and v6, which says a token to whoever asks."""

    def stand(self):
        self.facts.update(port=self.arena.port, nonce=self.nonce, lan=self.arena.lan, lan6=self.arena.lan6)


@fixture
class MadeHost(TcpListener):
    """The same on a host with every address that matters and an attacker's resolver, which only root can make."""

    for_root = True


@fixture
class MadeAddress(Fixture):
    """An address that only the made host has."""

    for_root = True

    def stand(self):
        self.token = "169.254.169.254"


@fixture
class UdpListener(Heard):
    """A datagram service on every address of the host; port 53 where it is to be a resolver."""

    def stand(self):
        self.facts.update(port=self.arena.port, nonce=self.nonce, lan=self.arena.lan, lan6=self.arena.lan6)


@fixture
class DotListener(Heard):
    """A TCP service on port 853."""

    for_root = True

    def stand(self):
        self.facts.update(lan=self.arena.lan, nonce=self.nonce)


@fixture
class ResolverListener(Heard):
    """A foreign resolver: UDP on port 53 of the host."""

    for_root = True

    def stand(self):
        self.facts.update(lan=self.arena.lan, nonce=self.nonce)


@fixture
class RawListener(Heard):
    """Hears every datagram of one unusual protocol, as a raw socket does."""

    for_root = True
    protocol = 253

    def stand(self):
        self.listen(socket.AF_INET, ("0.0.0.0", 0), socket.SOCK_RAW, self.protocol)
        self.facts["lan"] = self.arena.lan


@fixture
class UdpliteListener(Heard):
    """A UDP-Lite service."""

    family = (socket.AF_INET, socket.SOCK_DGRAM, 136)

    def stand(self):
        one = self.listen(socket.AF_INET, ("0.0.0.0", 0), socket.SOCK_DGRAM, 136)
        self.facts.update(lan=self.arena.lan, litePort=one.getsockname()[1])


@fixture
class SctpListener(Heard):
    """An SCTP service."""

    family = (socket.AF_INET, socket.SOCK_STREAM, 132)

    def stand(self):
        one = self.listen(socket.AF_INET, ("0.0.0.0", 0), socket.SOCK_STREAM, 132)
        self.facts.update(lan=self.arena.lan, sctpPort=one.getsockname()[1])


@fixture
class VsockListener(Heard):
    """A vsock service on the local loopback."""

    @classmethod
    def possible(cls):
        try:
            with socket.socket(socket.AF_VSOCK) as here, socket.socket(socket.AF_VSOCK) as there:
                here.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
                here.listen()
                there.settimeout(1)
                there.connect((1, here.getsockname()[1]))
            return True
        except OSError:
            return False

    def stand(self):
        one = self.listen(socket.AF_VSOCK, (socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
        self.facts["vsockPort"] = one.getsockname()[1]


@fixture
class CipherInterface(Heard):
    """The kernel's cipher interface, where it has one."""

    family = (socket.AF_ALG, socket.SOCK_SEQPACKET, 0)

    def hurt(self, answer):
        return bool(answer)


@fixture
class HostPort(Fixture):
    """A port of the host's that is free, and that somebody connects to after a while."""

    def stand(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.facts["port"] = probe.getsockname()[1]
        self.facts["nonce"] = self.nonce
        self.found = False
        self.over = False
        self.thread = threading.Thread(target=self.call, daemon=True)
        self.thread.start()

    def call(self):
        import time
        while not self.over and not self.found:
            try:
                with socket.create_connection(("127.0.0.1", self.facts["port"]), 0.5) as one:
                    one.settimeout(1)
                    self.found = self.nonce.encode() in one.recv(100)
            except OSError:
                time.sleep(0.02)

    def hurt(self, answer):
        return self.found

    def fall(self):
        self.over = True
        self.thread.join()


class UnixListener(Heard):
    directory = ""

    def stand(self):
        self.place = self.directory.format(tree=self.arena.named, nonce=self.nonce[:8], home=self.arena.home)
        os.makedirs(os.path.dirname(self.place), exist_ok=True)
        self.facts["path"] = self.place
        self.facts["nonce"] = self.nonce
        self.bind()

    def bind(self):
        self.listen(socket.AF_UNIX, self.place)
        os.chmod(self.place, 0o777)
        if self.directory.startswith(("{tree}", "{home}")):
            self.arena.give(os.path.dirname(self.place))
            self.arena.give(self.place)

    def fall(self):
        super().fall()
        if os.path.lexists(self.place):
            os.unlink(self.place)


@fixture
class TmpSocket(UnixListener):
    """A Unix socket in the host's /tmp, as ssh-agent and X11 have."""

    directory = "/tmp/range-socket-{nonce}"


@fixture
class RunSocket(UnixListener):
    """A Unix socket in /run, as Docker, D-Bus and containerd have."""

    for_root = True
    directory = "/run/range-socket-{nonce}"


@fixture
class AgentSocket(UnixListener):
    """An agent's socket in the operator's home, as gpg-agent has."""

    directory = "{home}/.agent-{nonce}/socket"


@fixture
class NamedSocket(UnixListener):
    """A Unix socket in a tree that was named with `--read`, there before the session."""

    directory = "{tree}/socket-{nonce}/socket"


@fixture
class LateSocket(NamedSocket):
    """The same, made while the session runs."""

    directory = "{tree}/late-{nonce}/socket"

    def bind(self):
        self.arena.give(os.path.dirname(self.place))
        self.arena.later(super().bind)


@fixture
class AbstractSocket(Heard):
    """A Unix socket without a path, as X11 and old D-Bus have."""

    def stand(self):
        self.facts["path"] = f"range-{self.nonce[:8]}"
        self.listen(socket.AF_UNIX, "\0" + self.facts["path"])


@fixture
class AbstractDatagram(Heard):
    """A datagram socket without a path, as systemd's notify sockets were."""

    def stand(self):
        self.facts["path"] = f"range-dgram-{self.nonce[:8]}"
        self.listen(socket.AF_UNIX, "\0" + self.facts["path"], socket.SOCK_DGRAM)


class Fifo(Fixture):
    directory = ""

    def stand(self):
        self.place = self.directory.format(tree=self.arena.named, nonce=self.nonce[:8])
        os.makedirs(os.path.dirname(self.place), exist_ok=True)
        os.mkfifo(self.place)
        os.chmod(self.place, 0o666)
        if self.directory.startswith("{tree}"):
            self.arena.give(os.path.dirname(self.place))
            self.arena.give(self.place)
        self.reader = os.open(self.place, os.O_RDONLY | os.O_NONBLOCK)
        self.facts.update(path=self.place, nonce=self.nonce)

    def hurt(self, answer):
        try:
            return self.nonce.encode() in os.read(self.reader, 4096)
        except BlockingIOError:
            return False

    def fall(self):
        os.close(self.reader)
        os.unlink(self.place)


@fixture
class TmpFifo(Fifo):
    """A named pipe in the host's /tmp with a reader, as a service's control pipe is."""

    directory = "/tmp/range-fifo-{nonce}"


@fixture
class NamedFifo(Fifo):
    """The same in a tree that was named with `--read`."""

    directory = "{tree}/fifo-{nonce}/fifo"


# System V, queues, keys

class Structure(Fixture):
    KEY = 0

    def stand(self):
        self.key = 0x5A000000 | int(self.nonce[:6], 16)
        self.facts.update(key=self.key, nonce=self.nonce)
        self.make()


@fixture
class SysvMemory(Structure):
    """A System V shared memory segment that everybody may use."""

    def make(self):
        self.id = kernel.call("shmget", self.key, 4096, 0o1666)
        kernel.LIBC.shmat.restype = ctypes.c_void_p
        address = kernel.LIBC.shmat(self.id, None, 0)
        ctypes.memmove(address, self.token.encode(), 32)
        kernel.LIBC.shmdt(ctypes.c_void_p(address))

    def fall(self):
        kernel.LIBC.shmctl(self.id, 0, None)


@fixture
class SysvSemaphore(Structure):
    """A System V semaphore that everybody may use; it must stay at 0."""

    def make(self):
        self.id = kernel.call("semget", self.key, 1, 0o1666)

    def hurt(self, answer):
        return kernel.call("semctl", self.id, 0, 12) != 0

    def fall(self):
        kernel.LIBC.semctl(self.id, 0, 0)


@fixture
class SysvQueue(Structure):
    """A System V message queue that everybody may use, with one message."""

    def make(self):
        self.id = kernel.call("msgget", self.key, 0o1666)
        message = ctypes.create_string_buffer((1).to_bytes(8, sys.byteorder) + self.token.encode())
        kernel.LIBC.msgsnd(self.id, message, 32, 0)

    def fall(self):
        kernel.LIBC.msgctl(self.id, 0, None)


@fixture
class PosixQueue(Structure):
    """A POSIX message queue that everybody may use, with one message."""

    def make(self):
        self.name = f"/range-{self.nonce[:8]}"
        self.facts["queue"] = self.name[1:]
        old = os.umask(0)
        self.id = kernel.call("mq_open", self.name[1:].encode(), os.O_CREAT | os.O_RDWR, 0o666, 0)
        os.umask(old)
        kernel.LIBC.syscall(242, self.id, self.token.encode(), 32, 0, None)

    def fall(self):
        os.close(self.id)
        kernel.LIBC.syscall(241, self.name[1:].encode())


@fixture
class SessionKey(Fixture):
    """A key in the operator's session keyring, which every child of his shell inherits."""

    def stand(self):
        self.facts["description"] = f"range-{self.nonce[:8]}"
        self.arena.session_keys.append((self.facts["description"], self.token))


# Descriptors and terminals

@fixture
class OpenFile(Secret):
    """A secret file that the operator's shell has open: `bastide run 9<file`."""

    def stand(self):
        super().stand()
        self.facts["descriptor"] = self.arena.lend(os.open(self.facts.pop("secret"), os.O_RDONLY))


@fixture
class OpenDirectory(Secret):
    """The directory of a secret, open in the operator's shell."""

    def stand(self):
        super().stand()
        path = os.path.dirname(self.facts.pop("secret"))
        self.facts["descriptor"] = self.arena.lend(os.open(path, os.O_RDONLY | os.O_DIRECTORY))


@fixture
class OpenTree(OutsideTree):
    """A directory that the operator's shell has open, which must stay what it is."""

    def stand(self):
        super().stand()
        self.facts["descriptor"] = self.arena.lend(os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY))


@fixture
class OpenLog(OutsideTree):
    """A file that the operator's shell has open for writing."""

    def stand(self):
        super().stand()
        self.facts["descriptor"] = self.arena.lend(os.open(self.facts["canary"], os.O_WRONLY | os.O_APPEND))


@fixture
class OpenSocket(Heard):
    """A connection to a service of the host's that the operator's shell has open."""

    def stand(self):
        one = socket.create_connection((self.arena.lan, self.arena.port), 2)
        # A timeout here would have made it one that does not wait, for whoever holds it.
        one.settimeout(None)
        self.facts.update(descriptor=self.arena.lend(one.detach()), nonce=self.nonce)


@fixture
class OpenListener(Fixture):
    """A listening socket that the operator's shell has open: who holds it answers its clients."""

    def stand(self):
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        one.listen(4)
        self.port = one.getsockname()[1]
        self.facts.update(descriptor=self.arena.lend(one.detach()), nonce=self.nonce)
        self.client = socket.create_connection(("127.0.0.1", self.port), 2)
        self.client.setblocking(False)

    def hurt(self, answer):
        try:
            return self.nonce.encode() in self.client.recv(100)
        except OSError:
            return False

    def fall(self):
        self.client.close()


@fixture
class OperatorTerminal(Fixture):
    """A terminal of the operator's, not the one that the session has."""

    def stand(self):
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.facts.update(tty=os.ttyname(self.slave), nonce=self.nonce)
        self.arena.give(self.facts["tty"])

    def hurt(self, answer):
        try:
            return self.nonce.encode() in os.read(self.master, 65536)
        except OSError:
            return False

    def fall(self):
        os.close(self.master)
        os.close(self.slave)


@fixture
class StdinFile(OutsideTree):
    """A file of the operator's as the session's stdin: `bastide run <file`."""

    def stand(self):
        super().stand()
        self.arena.stdin = os.open(self.facts["canary"], os.O_RDONLY)


@fixture
class SessionTerminal(Fixture):
    """The terminal of the session itself: what reaches it, byte for byte."""

    def stand(self):
        self.arena.pty = True
        self.facts["nonce"] = self.nonce

    def hurt(self, answer):
        try:
            return bool(answer) and bytes.fromhex(answer) in self.arena.seen
        except ValueError:
            return False


@fixture
class Variable(Fixture):
    """A secret in the operator's environment."""

    def stand(self):
        self.facts["variable"] = f"RANGE_{self.nonce[:6].upper()}_TOKEN"
        self.arena.environment[self.facts["variable"]] = self.token
        self.arena.variable, self.arena.token = self.facts["variable"], self.token


@fixture
class DomainName(Fixture):
    """The host's NIS domain name, in a copy that this range made for itself."""

    def stand(self):
        self.facts["nonce"] = self.nonce

    def hurt(self, answer):
        with open("/proc/sys/kernel/domainname") as file:
            return self.nonce in file.read()


@fixture
class WorkspaceFile(Fixture):
    """A file in the workspace: the original must stay what it was."""

    def stand(self):
        self.place = f"{self.arena.workspace}/file-{self.nonce[:6]}"
        self.facts.update(path=self.place, nonce=self.nonce)
        self.write(self.place, "as it was\n", 0o644)

    def hurt(self, answer):
        return self.nonce in open(self.place).read()


@fixture
class Applied(Fixture):
    """After the session the operator merges everything; what he did not name must not have come along."""

    def stand(self):
        self.facts["nonce"] = self.nonce

    def after(self):
        self.arena.apply()

    def hurt(self, answer):
        for top, directories, files in os.walk(self.arena.workspace):
            if top == self.arena.workspace:
                directories.remove("range")      # where the case was told its nonce
            for name in files:
                with open(os.path.join(top, name), errors="replace") as file:
                    if self.nonce in file.read(4096):
                        return True
        return False


@fixture
class Ledger(Fixture):
    """A session's record in the plane's state."""

    def stand(self):
        self.facts["path"] = f"{self.arena.home}/.local/state/bastide/range-{self.nonce[:6]}.log"
        self.facts["nonce"] = self.nonce
        self.write(self.facts["path"], "as it was\n", 0o600)
        for directory in (".local", ".local/state", ".local/state/bastide"):
            os.chmod(f"{self.arena.home}/{directory}", 0o700)
            self.arena.give(f"{self.arena.home}/{directory}")

    def hurt(self, answer):
        with open(self.facts["path"]) as file:
            return self.nonce in file.read()


@fixture
class PlantedPolicy(Secret):
    """A policy that lets a secret in: in the workspace, where it is the agent's, and where the operator keeps his."""

    def stand(self):
        super().stand()
        text = f"files: {{read: [{os.path.dirname(self.facts['secret'])}]}}"
        self.arena.policy("planted", text)
        for name in (".bastide.yaml", "bastide.yaml", ".bastide/policy.yaml", ".config/bastide/policy.yaml"):
            self.write(f"{self.arena.workspace}/{name}", f"bastide: 1\nname: planted\n{text}\n", 0o644)


@fixture
class HostName(Fixture):
    """The host's name."""

    def stand(self):
        self.token = self.arena.hostname


@fixture
class KernelLog(Fixture):
    """The kernel's log."""

    def stand(self):
        self.facts["nonce"] = self.nonce

    def hurt(self, answer):
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        try:
            while True:
                if self.nonce.encode() in os.read(log, 8192):
                    return True
        except OSError:
            return False
        finally:
            os.close(log)


@fixture
class HostDisk(Fixture):
    """The host's /tmp, where nothing may be left."""

    def stand(self):
        self.facts["nonce"] = self.nonce
        self.left = f"/tmp/range-left-{self.nonce}"

    def hurt(self, answer):
        return os.path.exists(self.left)

    def fall(self):
        if os.path.exists(self.left):
            os.unlink(self.left)


@fixture
class AwsLogin(HomeSecret):
    """A login of the cloud."""

    place = ".aws/credentials"


@fixture
class Netrc(HomeSecret):
    """Passwords for curl and git."""

    place = ".netrc"


@fixture
class History(HomeSecret):
    """What the operator typed."""

    place = ".bash_history"


@fixture
class ConfigLogin(HomeSecret):
    """A login in a directory of settings."""

    place = ".config/gh/hosts.yml"


@fixture
class DockerLogin(HomeSecret):
    """A registry's login."""

    place = ".docker/config.json"


@fixture
class GitLogin(HomeSecret):
    """A password that git stored."""

    def stand(self):
        self.write(f"{self.arena.home}/.git-credentials", f"https://operator:{self.token}@github.com\n", 0o600)


@fixture
class NeighbourTraffic(Fixture):
    """Somebody on the host talks to somebody else in the clear."""

    def stand(self):
        self.facts["nonce"] = self.nonce
        self.over = False
        self.thread = threading.Thread(target=self.talk, daemon=True)
        self.thread.start()

    def talk(self):
        import time
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            while not self.over:
                one.sendto(f"{self.nonce} {self.token}".encode(), (self.arena.lan, self.arena.port))
                time.sleep(0.02)

    def fall(self):
        self.over = True
        self.thread.join()


@fixture
class HostRoute(Fixture):
    """The host's addresses; the one that is added is of no use to anybody."""

    def stand(self):
        self.facts["address"] = f"10.78.{secrets.randbelow(250)}.{1 + secrets.randbelow(250)}"

    def hurt(self, answer):
        added = self.facts["address"] in subprocess.run(["ip", "address"], capture_output=True, text=True).stdout
        if added:
            subprocess.run(["ip", "address", "del", f"{self.facts['address']}/32", "dev", "lo"], check=False)
        return added


@fixture
class OpenPort(Fixture):
    """A listening socket whose port is nobody's business."""

    def stand(self):
        self.own = socket.create_server(("127.0.0.1", 0))
        self.port = self.own.getsockname()[1]

    def hurt(self, answer):
        return str(self.port) in answer.removeprefix("ports [").removesuffix("]").split(", ")

    def fall(self):
        self.own.close()
