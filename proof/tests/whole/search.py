"""Finds a key in processes and files, inside a cell and outside. What it looks for it is told with every byte turned, and it
turns what it reads in the same way: none of those who search holds what they look for, however often they read themselves."""

import base64
import http.client
import json
import os
import re
import ssl
import stat
import subprocess
import sys

TURN = bytes((byte + 77) % 256 for byte in range(256))
PIECE = 24
BLOCK, MOST = 1 << 20, 16 << 20


def spellings(key):
    """Pieces of a key as programs would spell them, turned; without the beginning, which every key of the kind has."""
    found = set()
    for at in range(14, len(key) - PIECE, PIECE):
        piece = key[at:at + PIECE]
        found |= {("plain", piece), ("reversed", piece[::-1])}
        found |= {("hex", piece.hex().encode()), ("hex", piece.hex().upper().encode())}
        for offset in range(3):
            # Beyond the edges a digit depends on what stands beside the piece.
            whole = base64.b64encode(b"x" * offset + piece + b"x" * (-offset % 3))
            inner = whole[4:-4] if offset else whole
            found |= {(f"base64+{offset}", inner), (f"base64+{offset}", inner.translate(bytes.maketrans(b"+/", b"-_")))}
    return sorted((name, text.translate(TURN).hex()) for name, text in found)


class Search:
    """What was found where, what could not be read, and how much was."""

    def __init__(self, turned):
        self.needles = [(which, name, bytes.fromhex(text)) for which in turned for name, text in turned[which]]
        self.found, self.closed, self.bytes = set(), set(), 0

    def look(self, place, text):
        self.bytes += len(text)
        text = text.translate(TURN)
        self.found |= {(which, name, place) for which, name, needle in self.needles if needle in text}

    def file(self, place, path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return self.closed.add(place)
        try:
            while text := os.read(descriptor, MOST):
                self.look(place, text)
        except OSError:
            self.closed.add(place)
        os.close(descriptor)

    def memory(self, place, pid):
        try:
            with open(f"/proc/{pid}/maps") as maps:
                ranges = re.findall(r"^(\w+)-(\w+) r\S+ \S+ \S+ \S+ *(.*)$", maps.read(), re.M)
            memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError:
            return self.closed.add(place)
        for start, end, _ in (one for one in ranges if not one[2].startswith("[v")):
            for at in range(int(start, 16), int(end, 16), BLOCK):
                try:
                    self.look(place, os.pread(memory, min(BLOCK + 4 * PIECE, int(end, 16) - at), at))
                except OSError:
                    pass  # Given back meanwhile, or not readable for anybody.
        os.close(memory)

    def process(self, pid, name):
        for part in ("environ", "cmdline", "status", "maps", "net/tcp", "net/unix", "mountinfo"):
            self.file(f"{name}: {part}", f"/proc/{pid}/{part}")
        self.memory(f"{name}: memory", pid)
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            return self.closed.add(f"{name}: descriptors")
        for path in (f"/proc/{pid}/fd/{number}" for number in numbers):
            try:
                leads = os.readlink(path)
                self.look(f"{name}: descriptors", os.fsencode(leads))
                # A namespace is called a file, too, and cannot be read.
                regular = leads.startswith("/") and stat.S_ISREG(os.stat(path).st_mode)
            except OSError:
                continue  # Closed meanwhile.
            if regular:
                self.file(f"{name}: descriptors", path)

    def tree(self, root, leave=()):
        for directory, below, files in os.walk(root, onerror=lambda error: self.closed.add(error.filename)):
            below[:] = [one for one in below if os.path.join(directory, one) not in leave]
            for path in (os.path.join(directory, name) for name in files):
                self.look(path, os.fsencode(path))
                kind = os.lstat(path).st_mode
                if stat.S_ISREG(kind):
                    self.file(path, path)
                elif stat.S_ISLNK(kind):
                    self.look(path, os.fsencode(os.readlink(path)))

    def told(self, **more):
        print(json.dumps({"found": sorted(self.found), "closed": sorted(self.closed), "bytes": self.bytes, **more}), flush=True)


def named(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


def ask(line, path):
    line.request("POST", f"/in/{path}", body="{}", headers={"Authorization": "Bearer mine", "X-Api-Key": "mine"})
    back = line.getresponse()
    print(path, back.status, back.reason, back.getheaders(), back.read(), flush=True)


def inside(place, directories):
    """Uses the key, plants another in every spelling, searches while the connection is kept, and does what it is told."""
    planted = os.environ["PLANTED"].encode()
    line = http.client.HTTPSConnection(place)
    # curl shows what comes before an answer; Python's library takes it for the answer.
    subprocess.run(["curl", "-si", f"https://{place}/in/early"])
    for path in ("echo", "error", "chunks", "odd", "coded", "cut", "echo"):
        try:
            ask(line, path)
        except (OSError, http.client.HTTPException) as error:
            print(path, repr(error))
            line.close()
    spelled = {"plain": planted, "reversed": planted[::-1], "hex": planted.hex().encode()}
    spelled |= {f"base64.{more}": base64.b64encode(b"x" * more + planted) for more in range(3)}
    for name, text in spelled.items():
        for directory in directories:
            with open(f"{directory}/planted.{name}", "wb") as file:
                file.write(text)
    os.write(os.memfd_create("hidden"), planted)
    other = subprocess.Popen(["sh", "-c", "sleep 60; : $0", planted])
    subprocess.run(["getent", "hosts", f"{planted[14:70].decode()}.example"])
    print(planted, file=sys.stderr)
    kept = line.sock
    with open("turned") as file:
        search = Search(json.load(file))
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    for pid in pids:
        search.process(pid, {1: "first", os.getpid(): "own", other.pid: "other"}.get(pid, "further"))
    for name in os.listdir("/proc") + [f"net/{name}" for name in os.listdir("/proc/net")]:
        # These wait for the kernel to say something, or hold every address there is.
        if os.path.isfile(f"/proc/{name}") and name not in ("kmsg", "kcore"):
            search.file(f"/proc/{name}", f"/proc/{name}")
    search.tree("/", ("/usr", "/proc", "/sys"))
    search.told(programs=sorted(named(pid) for pid in pids))
    sys.stdin.readline()
    ask(line, "echo")
    print("kept" if kept is not None and line.sock is kept else "lost", flush=True)
    sys.stdin.readline()
    ask(http.client.HTTPSConnection(place), "echo")
    other.kill()


def outside(room, pids):
    """Searches processes with all beneath them, and a directory."""
    search, cell, known, dumps = Search(json.load(sys.stdin)), [], {}, {}
    while pids:
        pid = pids.pop()
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                pids += file.read().split()
        with open(f"/proc/{pid}/status") as file:
            status = dict(re.findall(r"^(\w+):\t(.*)$", file.read(), re.M))
        name = status["Name"]
        if status["State"].startswith("Z"):
            continue  # It has ended and was not waited for.
        if len(status["NSpid"].split()) > 1:
            cell.append(name)
            search.process(pid, "cell")
            continue
        search.process(pid, name)
        with open(f"/proc/{pid}/limits") as file:
            known[name], dumps[name] = int(pid), re.search(r"core file size +(\S+)", file.read())[1]
    search.tree(room)
    search.told(programs=sorted(cell), pids=known, dumps=dumps)


if __name__ == "__main__":
    if sys.argv[1] == "spell":
        print(json.dumps({name: spellings(key.encode()) for name, key in json.load(sys.stdin).items()}))
    elif sys.argv[1] == "inside":
        inside(sys.argv[2], sys.argv[3:])
    else:
        outside(sys.argv[2], sys.argv[3:])
