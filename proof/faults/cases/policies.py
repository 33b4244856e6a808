"""Policies that cannot be read, or may not count: a located error with a hint, and nothing is run."""

import os

from case import case, require

GOOD = "bastide: 1\nname: mine\nextends: [hardened]\n"
# What is wrong, and the line where it is found, if it has a place.
BAD = {
    "unknown key": (GOOD + "network:\n  allowed: []\n", 5),
    "unknown key at the top": (GOOD + "netwrok: {}\n", 4),
    "wrong type": (GOOD + "limits: {pids: many}\n", 4),
    "a list for a map": (GOOD + "files: [a, b]\n", 4),
    "duplicate key": (GOOD + "name: other\n", 4),
    "bad host": (GOOD + 'network: {allow: [{to: "exa mple..com"}]}\n', 4),
    "bad port": (GOOD + 'network: {allow: [{to: "a.example:99999"}]}\n', 4),
    "host with a scheme": (GOOD + 'network: {allow: [{to: "https://a.example/"}]}\n', 4),
    "wildcard in the middle": (GOOD + 'network: {allow: [{to: "a.*.example"}]}\n', 4),
    "relative path": (GOOD + "files: {read: [usr/share]}\n", 4),
    "climbing path": (GOOD + "files: {read: [/usr/../etc]}\n", 4),
    "unit that is none": (GOOD + "limits: {memory: 2gigs}\n", 4),
    "mode that is none": (GOOD + "files: {workspace: writable}\n", 4),
    "no version": ("name: mine\n", None),
    "another version": ("bastide: 7\nname: mine\n", 1),
    "no YAML": ("bastide: 1\nname: [\n", None),
    "empty": ("", None),
    "a NUL": ("bastide: 1\nname: a\0b\n", None),
    "two documents": (GOOD + "---\n" + GOOD, None),
    "an alias bomb": ("bastide: 1\na: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nname: x\n", None),
    "extends what is not there": ("bastide: 1\nname: m\nextends: [./nowhere.yaml]\n", 3),
    "extends an unknown blueprint": ("bastide: 1\nname: m\nextends: [softened]\n", 3),
    "latin-1": ("bastide: 1\nname: caf\xe9\n".encode("latin-1"), None),
}


def refused(stage, path, line=None, what=""):
    """Under `run` and under `policy check`."""
    done = stage.cell("echo RAN", "--policy", path)
    require(done.code == 125, f"{what}: expected exit 125:", done)
    stage.not_run(done)
    check = stage.face("policy", "check", path)
    require(check.code == 1, f"{what}: `policy check` should exit 1:", check)
    text = check.out + check.err
    require("error[" in text and "hint:" in text, f"{what}: no error with a hint:", check)
    if line:
        require(f":{line}:" in text, f"{what}: not at line {line}:", check)


@case("bad-policies")
def bad(stage):
    for what, (text, line) in BAD.items():
        refused(stage, stage.write("p.yaml", text, base=stage.home), line, what)
    require(not stage.sessions(), "a session was made:", stage.sessions())
    stage.clean()
    return f"{len(BAD)} policies"


@case("bad-policy-files")
def files(stage):
    home = stage.home
    good = stage.write("good.yaml", GOOD, base=home)
    require(stage.cell("echo RAN", "--policy", good).code == 0, "a good policy is refused")
    link = os.path.join(home, "link.yaml")
    os.symlink(good, link)
    refused(stage, link, what="a symlink")
    fifo = os.path.join(home, "fifo.yaml")
    os.mkfifo(fifo)
    stage.own(fifo)
    refused(stage, fifo, what="a FIFO")
    refused(stage, stage.write("huge.yaml", GOOD + "# " + "x" * (8 << 20) + "\n", base=home), what="huge")
    refused(stage, home, what="a directory")
    refused(stage, "/dev/zero", what="a device")
    refused(stage, os.path.join(home, "nowhere.yaml"), what="missing")
    stage.write("a.yaml", "bastide: 1\nname: a\nextends: [./b.yaml]\n", base=home)
    stage.write("b.yaml", "bastide: 1\nname: b\nextends: [./a.yaml]\n", base=home)
    refused(stage, os.path.join(home, "a.yaml"), what="a cycle")
    refused(stage, stage.write("self.yaml", "bastide: 1\nname: s\nextends: [./self.yaml]\n", base=home), what="itself")
    refused(stage, stage.write("wide.yaml", GOOD, 0o666, base=home), what="world-writable")
    if stage.uid:
        other = stage.write("other.yaml", GOOD, base=home)
        os.chown(other, 54321, 54321)
        refused(stage, other, what="somebody else's")
        closed = stage.write("closed.yaml", GOOD, 0o600, base=home)
        os.chown(closed, 0, 0)
        refused(stage, closed, what="unreadable")
    stage.clean()


@case("policy-in-the-workspace")
def workspace(stage):
    """Counts only when trusted, and only with the content that was trusted."""
    path = stage.write("p.yaml", GOOD)
    done = stage.cell("echo RAN", "--policy", path)
    stage.not_run(done, "bastide trust")
    require(stage.face("trust", path).code == 0, "cannot be trusted")
    done = stage.cell("echo RAN", "--policy", path)
    require(done.code == 0, "trusted and refused:", done)
    stage.write("p.yaml", GOOD + "limits: {pids: 99}\n")
    stage.not_run(stage.cell("echo RAN", "--policy", path), "bastide trust")
    # A policy elsewhere cannot bring in one of the workspace, either.
    outer = stage.write("outer.yaml", f"bastide: 1\nname: o\nextends: [{path}]\n", base=stage.home)
    stage.not_run(stage.cell("echo RAN", "--policy", outer))
    # A workspace of an earlier session is no better place than one of now.
    other = stage.directory("other")
    stage.not_run(stage.cell("echo RAN", "--policy", path, "--workspace", other))
    stage.clean()
