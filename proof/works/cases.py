"""The programs that must work inside, each as one case: what lies in its workspace, what is read in, what is run.

A case knows no cell: the same case is run natively first, as the control.
"""

import os
import shutil
import subprocess

from person import PATH
from serve import Registry, Tools, wheels

HERE = os.path.dirname(os.path.abspath(__file__))
HOUSE = os.path.dirname(os.path.dirname(HERE))
AGENTS = os.environ.get("BASTIDE_AGENTS", os.path.join(HOUSE, ".agents"))


class Case:
    """One program on one workspace, in a cell or natively."""

    def __init__(self, person, workspace, inside):
        self.person, self.workspace, self.inside = person, workspace, inside
        self.argv, self.env, self.read, self.allow, self.path = [], {}, [], [], PATH
        self.policy = None
        self.services = []

    def script(self, name, *interpreter):
        shutil.copy(os.path.join(HERE, "inside", name), os.path.join(self.workspace, name))
        os.chmod(os.path.join(self.workspace, name), 0o644)
        self.argv = [*interpreter, name]

    def host(self, *argv):
        """Runs a command of the preparation as the person."""
        done = self.person.run(argv, self.workspace, {"PATH": self.path})
        if done.code != 0:
            raise RuntimeError(f"cannot prepare {argv}: {done.tail()}")


def shell(case, name):
    case.script(name, "sh")


def python(case, name):
    case.script(name, "python3")


def git(case):
    shell(case, "git.sh")
    person = case.person
    person.write(os.path.join(person.home, ".gitconfig"),
                 "[user]\n\tname = Works Inside\n\temail = works@inside.example\n[init]\n\tdefaultBranch = main\n")
    origin = person.directory("origin.git")
    if not os.path.exists(os.path.join(origin, "HEAD")):
        seed = person.directory("origin-seed")
        person.write(os.path.join(seed, "story.txt"), "once\n")
        for words in (["init", "-q", seed], ["-C", seed, "add", "."], ["-C", seed, "commit", "-q", "-m", "tell it once"],
                      ["clone", "-q", "--bare", seed, origin]):
            case.host("git", *words)
    case.env["ORIGIN"], case.read = origin, [origin]


def npm(case):
    shell(case, "npm.sh")
    registry = Registry()
    case.services.append(registry)
    case.env["REGISTRY"] = f"http://{'host.bastide' if case.inside else '127.0.0.1'}:{registry.port}/"
    case.allow = [f"host.bastide:{registry.port}"]


def pip(case):
    shell(case, "pip.sh")
    directory = case.person.directory("wheels")
    wheels(directory)
    case.env["WHEELS"], case.read = directory, [directory]


def cargo(case):
    """The toolchain lies under the person's home as rustup lays it, with rustup's own stand-ins where there are any."""
    shell(case, "cargo.sh")
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True, cwd=HOUSE).strip()
    if os.path.realpath(sysroot) == "/usr":
        return  # A distribution's toolchain comes in with the system.
    home = case.person.home
    programs, toolchains = os.path.join(home, ".cargo", "bin"), os.path.join(home, ".rustup", "toolchains")
    if not os.path.exists(programs):
        lay_toolchain(case.person, sysroot, programs, toolchains)
    case.path = f"{programs}:{PATH}"
    case.read = [programs, os.path.join(home, ".rustup")]


def lay_toolchain(person, sysroot, programs, toolchains):
    for directory in (".cargo", ".cargo/bin", ".rustup", ".rustup/toolchains"):
        person.directory(os.path.join("home", directory))
    link_tree(os.path.realpath(sysroot), os.path.join(toolchains, "works"))
    rustup = shutil.which("rustup")
    if rustup:
        shutil.copy(os.path.realpath(rustup), os.path.join(programs, "rustup"))
        settings = 'version = "12"\ndefault_toolchain = "works"\nprofile = "minimal"\n\n[overrides]\n'
        person.write(os.path.join(os.path.dirname(toolchains), "settings.toml"), settings)
    for program in ("cargo", "rustc", "rustdoc"):
        os.symlink("rustup" if rustup else os.path.join(toolchains, "works", "bin", program), os.path.join(programs, program))


def link_tree(source, target):
    """Hard links where the file system allows them, copies elsewhere."""
    if subprocess.run(["cp", "-al", source, target], stderr=subprocess.DEVNULL).returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", source, target], check=True)


def node(case):
    case.script("node.mjs", "node")
    case.path = os.path.join(AGENTS, "node24", "node_modules", ".bin") + ":" + PATH


def mcp(case):
    """Client and server of the official package; a policy that allows some tools, and a server that describes one anew."""
    package = os.path.join(AGENTS, "mcp-2.3.0")
    case.script("tools.py", os.path.join(package, "bin", "python"))
    tools = Tools(os.path.join(package, "bin", "python"), os.path.join(HERE, "tools.py"))
    case.services.append(tools)
    place = f"{'host.bastide' if case.inside else '127.0.0.1'}:{tools.port}"
    case.env = {"URL": f"http://{place}", "INSIDE": "yes" if case.inside else "no"}
    case.read = [package]
    case.policy = case.person.write("mcp.yaml", f"""bastide: 1
name: tools
extends: [hardened]
network:
  allow:
    - {{to: "{place}", paths: ["/*/mcp"], tools: [add, ask, turn]}}
""")


def servers(case):
    """Client and server of the official package: in a cell the server is in one of its own, natively the client starts it."""
    package = os.path.join(AGENTS, "mcp-2.3.0")
    python = os.path.join(package, "bin", "python")
    case.script("servers.py", python)
    with open(os.path.join(HERE, "offers.py")) as file:
        program = case.person.write(os.path.join(case.person.directory("offers"), "offers.py"), file.read())
    case.env = {"INSIDE": "yes" if case.inside else "no", "PROGRAM": program}
    case.read = [package]
    case.policy = case.person.write("servers.yaml", f"""bastide: 1
name: servers
extends: [hardened]
servers:
  - name: adds
    command: ["{python}", "{program}"]
    read: ["{package}", "{os.path.dirname(program)}"]
    allow: [{{tools: [add], arguments: {{a: [1, 5], "*": ["*"]}}}}, {{tools: [count, ask]}}]
""")


def petition(case):
    """The official client asks the planes outside; the policy says nothing of it."""
    package = os.path.join(AGENTS, "mcp-2.3.0")
    case.script("petition.py", os.path.join(package, "bin", "python"))
    case.env = {"INSIDE": "yes" if case.inside else "no"}
    case.read = [package]


def files(case):
    python(case, "files.py")
    case.person.write(os.path.join(case.workspace, "given.txt"), "given\n")
    inner = os.path.join(case.workspace, "given", "inner")
    for directory in (os.path.dirname(inner), inner):
        case.person.directory(directory)
    case.person.write(os.path.join(inner, "leaf"), "leaf\n")


def namespaces(case):
    shell(case, "namespaces.sh")
    case.env["INSIDE"] = "yes" if case.inside else "no"
    case.read = ["/etc/chromium.d"]


def chromium(case):
    shell(case, "chromium.sh")
    # Debian's launcher reads its settings from here and ends when there are none.
    case.read = ["/etc/chromium.d"]


CASES = {
    "git": git,
    "npm": npm,
    "pip": pip,
    "cargo": cargo,
    "pytest": lambda case: shell(case, "pytest.sh"),
    "localhost": lambda case: python(case, "localhost.py"),
    "node": node,
    "mcp": mcp,
    "servers": servers,
    "petition": petition,
    "chromium": chromium,
    "gdb": lambda case: shell(case, "gdb.sh"),
    "inotify": lambda case: python(case, "inotify.py"),
    "unix": lambda case: python(case, "unix.py"),
    "terminal": lambda case: python(case, "terminal.py"),
    "memory": lambda case: python(case, "memory.py"),
    "files": files,
    "namespaces": namespaces,
    "processes": lambda case: python(case, "processes.py"),
}
