"""Credentials of the operator: in files, in environments, in agents that hold them."""

import os
import time

from case import case
from kernel import processes


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(4096)


def parent(pid: int) -> int:
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("PPid:")).split()[1])


def ancestor(name: str) -> int:
    """The nearest process above this one of that name, as far as this /proc shows it."""
    pid = os.getpid()
    while pid > 1:
        pid = parent(pid)
        if pid in processes(name):
            return pid
    raise ProcessLookupError(3, f"no {name} above")


# In files

@case("private-root host-uid landlock", user="private-root landlock", host="aws-login", adversary="A")
def aws(host):
    """Reads the operator's cloud login where it is always kept."""
    return read(os.path.expanduser("~/.aws/credentials"))


@case("private-root host-uid landlock", user="private-root landlock", host="netrc", adversary="A")
def netrc(host):
    """Reads ~/.netrc, as curl and git do."""
    return read(os.path.expanduser("~/.netrc"))


@case("private-root host-uid landlock", user="private-root landlock", host="history", adversary="A")
def history(host):
    """Reads the operator's shell history."""
    return read(os.path.expanduser("~/.bash_history"))


@case("private-root host-uid landlock", user="private-root landlock", host="git-login", adversary="A")
def git_login(host):
    """Lets git's own helper hand over the stored password."""
    import subprocess
    return subprocess.run(["git", "credential-store", "get"], input=b"protocol=https\nhost=github.com\n\n",
                          capture_output=True, timeout=4).stdout


@case(host="config-login", args="--read {home}/.config", word="--read {home}/.config --read {home}/.config/gh --accept-risk credential-inside={home}/.config/gh",
      adversary="A")
def in_a_named_directory(host):
    """Reads a login that lies in a directory which was named as a whole."""
    return read(os.path.expanduser("~/.config/gh/hosts.yml"))


@case(host="docker-login", args="--read {home}/.docker", word="--read {home}/.docker --accept-risk credential-inside",
      adversary="A", alone=True, silence="E-PLANE-047")
def in_a_named_login(host):
    """Reads a login directory that was named, where naming alone must not be enough."""
    return read(os.path.expanduser("~/.docker/config.json"))


# In environments and arguments

@case(host="variable", word="--env {variable}={token} --accept-risk credential-inside", adversary="A", alone=True)
def variable(host):
    """Looks for a token in its environment."""
    return os.environ.get(host.variable, "")


@case("user-namespace pid-namespace capabilities", user=None, host="neighbour")
def environment_of_a_process(host):
    """Reads the environment of a process of the operator's. CAP_PERFMON opens it past Landlock since Linux 6.16."""
    return read(f"/proc/{host.pid}/environ")


@case("pid-namespace", host="neighbour")
def arguments_of_a_process(host):
    """Reads a password in the arguments of a process, which everybody may."""
    return read(f"/proc/{host.pid}/cmdline")


@case("user-namespace pid-namespace capabilities", user=None, host="variable")
def environment_of_the_client(host):
    """Reads the environment of the operator's own `bastide`."""
    return read(f"/proc/{parent(ancestor('bastided'))}/environ")


# In what holds them

@case("private-root", host="agent-socket", user="private-root")
def agent_in_home(host):
    """Asks an agent of the operator's for his keys, at its socket in his home."""
    import socket
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(2)
        one.connect(host.path)
        one.send(host.nonce.encode())
        time.sleep(0.2)


@case("private-root landlock", host="tmp-socket")
def ssh_agent(host):
    """Finds an ssh-agent's socket by looking through /tmp, without SSH_AUTH_SOCK."""
    import glob
    import socket
    for path in glob.glob("/tmp/range-socket-*"):
        if path == host.path:
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(2)
                one.connect(path)
                one.send(host.nonce.encode())
                time.sleep(0.2)


@case("sealed-descriptors", host="open-file", alone=True)
def descriptor_of_a_key(host):
    """Looks through every number for a file that was left open: a key on `--password-fd`."""
    for number in range(3, 256):
        try:
            text = os.read(number, 100)
        except OSError:
            continue
        if len(text.strip()) == 32:
            return text
    raise OSError(9, "nothing open")
