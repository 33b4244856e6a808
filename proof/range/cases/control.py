"""Control: who decides, records and merges; the operator's terminal; what outlives the session."""

import base64
import os
import signal
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

@case("private-root host-uid", user="private-root", host="ledger")
def forge_the_record(host):
    """Writes a line of its own into a session's record."""
    with open(host.path, "a") as file:
        file.write(host.nonce)


@case(host="planted-policy", word="--policy {workspace}/../policies/planted.yaml")
def planted_policy(host):
    """Lies in the workspace as a policy of its own, under every name that could be read."""
    with open(host.secret) as file:
        return file.read()


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
