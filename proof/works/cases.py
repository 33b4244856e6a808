"""The programs that must work inside, each as one case: what lies in its workspace, what is read in, what is run.

A case knows no cell: the same case is run natively first, as the control.
"""

import os
import shutil
import subprocess

from person import PATH
from serve import Registry, wheels

HERE = os.path.dirname(os.path.abspath(__file__))
HOUSE = os.path.dirname(os.path.dirname(HERE))
AGENTS = os.environ.get("BASTIDE_AGENTS", os.path.join(HOUSE, ".agents"))


class Case:
    """One program on one workspace. `local` is the name by which the program reaches the host's loopback."""

    def __init__(self, person, workspace, local):
        self.person, self.workspace, self.local = person, workspace, local
        self.argv, self.env, self.read, self.allow, self.path = [], {}, [], [], PATH
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
    case.env["REGISTRY"] = f"http://{case.local}:{registry.port}/"
    case.allow = [f"host.bastide:{registry.port}"]


def pip(case):
    shell(case, "pip.sh")
    directory = case.person.directory("wheels")
    wheels(directory)
    case.env["WHEELS"], case.read = directory, [directory]


def cargo(case):
    """The toolchain lies under the person's home as rustup lays it, with rustup's own stand-ins for the programs."""
    shell(case, "cargo.sh")
    home, name = case.person.home, "works"
    programs, toolchains = os.path.join(home, ".cargo", "bin"), os.path.join(home, ".rustup", "toolchains")
    if not os.path.exists(programs):
        os.makedirs(toolchains)
        os.makedirs(programs)
        sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True, cwd=HOUSE).strip()
        link_tree(os.path.realpath(sysroot), os.path.join(toolchains, name))
        shutil.copy(os.path.realpath(shutil.which("rustup")), os.path.join(programs, "rustup"))
        for program in ("cargo", "rustc", "rustdoc"):
            os.symlink("rustup", os.path.join(programs, program))
        settings = f'version = "12"\ndefault_toolchain = "{name}"\nprofile = "minimal"\n\n[overrides]\n'
        case.person.write(os.path.join(home, ".rustup", "settings.toml"), settings)
        owner = f"{case.person.uid}:{case.person.uid}"
        subprocess.run(["chown", owner, os.path.join(home, ".cargo"), programs, os.path.join(home, ".rustup"), toolchains], check=True)
    case.path = f"{programs}:{PATH}"
    case.read = [programs, os.path.join(home, ".rustup")]


def link_tree(source, target):
    """Hard links where the file system allows them, copies elsewhere."""
    if subprocess.run(["cp", "-al", source, target], stderr=subprocess.DEVNULL).returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", source, target], check=True)


def node(case):
    case.script("node.mjs", "node")
    case.path = os.path.join(AGENTS, "node24", "node_modules", ".bin") + ":" + PATH


def files(case):
    python(case, "files.py")
    case.person.write(os.path.join(case.workspace, "given.txt"), "given\n")
    inner = os.path.join(case.workspace, "given", "inner")
    os.makedirs(inner)
    for directory in (os.path.dirname(inner), inner):
        os.chown(directory, case.person.uid, case.person.uid)
    case.person.write(os.path.join(inner, "leaf"), "leaf\n")


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
    "chromium": chromium,
    "gdb": lambda case: shell(case, "gdb.sh"),
    "inotify": lambda case: python(case, "inotify.py"),
    "unix": lambda case: python(case, "unix.py"),
    "terminal": lambda case: python(case, "terminal.py"),
    "memory": lambda case: python(case, "memory.py"),
    "files": files,
    "processes": lambda case: python(case, "processes.py"),
}
