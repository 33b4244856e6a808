"""What a session comes to, from end to end: modes, changes, homes, exit codes, outcomes."""

import json
import os
import subprocess
import time

import left
from case import case, require
from server import Echo


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def there(*parts):
    return os.path.lexists(os.path.join(*parts))


@case("review")
def review(stage):
    stage.write("kept", "one\n")
    stage.write("gone", "here\n")
    before = left.tree(stage.workspace)
    done = stage.cell("echo two >> kept; rm gone; mkdir -p sub; echo a > sub/a; echo b > sub/b; echo 'curl x|sh' > .envrc; "
                      "mkdir -p .vscode; echo {} > .vscode/tasks.json")
    require(done.code == 0 and left.tree(stage.workspace) == before, "the original changed before a merge:", done)
    text = stage.face("diff").out
    require("-here" in text and "+two" in text and "guarded" in text, "the diff does not tell:", text)
    stage.face("apply", "sub/a")
    require(read(stage.workspace, "sub/a") == "a\n" and not there(stage.workspace, "sub/b"), "apply takes more than its path")
    stage.face("discard", "sub/b")
    done = stage.face("apply")
    require(read(stage.workspace, "kept") == "one\ntwo\n" and not there(stage.workspace, "gone"), "not applied:", done)
    require(not there(stage.workspace, "sub/b"), "what was discarded came back")
    require(not there(stage.workspace, ".envrc") and not there(stage.workspace, ".vscode/tasks.json"), "guarded paths were merged")
    require(".envrc" in done.out + done.err, "what is held is not told:", done)
    done = stage.face("apply", ".envrc")
    require(there(stage.workspace, ".envrc"), "a guarded path that is named is not merged:", done)
    require(os.stat(os.path.join(stage.workspace, "kept")).st_uid == stage.uid, "the owner changed")
    stage.face("discard")
    require(not stage.changed(), "something is pending after discard:", stage.changed())
    stage.clean()


@case("git-commit")
def git(stage):
    quiet = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.example", "GIT_COMMITTER_NAME": "a",
             "GIT_COMMITTER_EMAIL": "a@b.example"}
    stage.write("f", "one\n")
    for words in (["init", "-q", "-b", "main"], ["add", "f"], ["commit", "-qm", "first"]):
        done = stage.run(["git", *words], env=quiet)
        require(done.code == 0, "git outside:", done)
    stage.write(".gitconfig", "[user]\n\tname = The Operator\n\temail = op@example.org\n", base=stage.home)
    done = stage.cell("echo two >> f && git commit -qam second && git branch topic && "
                      "printf '#!/bin/sh\\ntouch /tmp/owned\\n' > .git/hooks/post-checkout && chmod +x .git/hooks/post-checkout "
                      "&& git config core.fsmonitor ./evil && git status --short")
    require(done.code == 0, "git inside:", done)
    done = stage.face("apply")
    require(done.code == 0, "apply:", done)
    log = stage.run(["git", "log", "--format=%s %an"])
    require(log.out.split("\n")[:2] == ["second The Operator", "first a"], "the log outside:", log)
    require(read(stage.workspace, "f") == "one\ntwo\n", "the tree is not the commit's")
    require(not there(stage.workspace, ".git/hooks/post-checkout"), "a hook was merged")
    require("evil" not in read(stage.workspace, ".git/config"), "git's configuration was merged")
    state = stage.run(["git", "status", "--porcelain"])
    require(state.out == "", "the index does not fit:", state)
    check = stage.run(["git", "fsck", "--strict"])
    require(check.code == 0, "fsck:", check)
    stage.clean()


@case("read-only")
def read_only(stage):
    stage.write("kept", "one\n")
    before = left.tree(stage.workspace)
    done = stage.cell("echo x > kept || echo E1; rm kept || echo E2; mkdir d || echo E3; chmod 600 kept || echo E4; "
                      "truncate -s 0 kept || echo E5; ln kept l || echo E6; mv kept k2 || echo E7; cat kept; echo t > /tmp/t && echo TMP",
                      "--mode", "read-only")
    require(done.out.split() == ["E1", "E2", "E3", "E4", "E5", "E6", "E7", "one", "TMP"], "something was written:", done)
    require(left.tree(stage.workspace) == before and not stage.changed(), "the original changed")
    stage.clean()


@case("live")
def live(stage):
    stage.write("kept", "one\n")
    stage.write("both", "one\n")
    script = ("echo new > made; echo x > .envrc; echo READY; read x; echo inside > both; echo SET; read x;"
              " echo last > late; exit 4")
    process = stage.spawn([stage.bastide, "run", "--mode", "live", "--", "/bin/bash", "-c", script], stdin=subprocess.PIPE)
    require(process.stdout.readline() == b"READY\n", "not started")
    began = time.monotonic()
    while not there(stage.workspace, "made") and time.monotonic() < began + 6:
        time.sleep(0.02)
    seconds = time.monotonic() - began
    require(there(stage.workspace, "made") and seconds < 4, "nothing arrives while it runs")
    stage.write("both", "outside\n")
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()
    time.sleep(2.2)
    require(read(stage.workspace, "both") == "outside\n", "what changed outside was overwritten")
    require(not there(stage.workspace, ".envrc"), "a guarded path was merged")
    out, err = process.communicate(b"\n", timeout=20)
    require(process.returncode == 4 and not out, "the end:", process.returncode, out, err)
    require(read(stage.workspace, "late") == "last\n", "the last write did not arrive")
    require(read(stage.workspace, "both") == "outside\n", "what changed outside was overwritten at the end")
    changed = stage.changed()
    require(set(changed) == {".envrc", "both"}, "pending:", sorted(changed))
    require("changed outside" in json.dumps(changed["both"]) or "conflict" in json.dumps(changed["both"]), "not said:", changed)
    done = stage.face("apply")
    require(read(stage.workspace, "both") == "outside\n" and "both" in done.out + done.err, "the conflict is not told:", done)
    stage.clean()
    return f"arrived after {seconds:.1f} s"


@case("changed-on-both-sides")
def conflict(stage):
    for name in ("edited", "removed", "created-by-both"):
        if not name.startswith("created"):
            stage.write(name, "one\n")
    process = stage.spawn([stage.bastide, "run", "--", "/bin/bash", "-c",
                           "echo READY; read x; for f in edited removed created-by-both only; do echo inside > $f; done"],
                          stdin=subprocess.PIPE)
    require(process.stdout.readline() == b"READY\n", "not started")
    stage.write("edited", "outside\n")
    os.unlink(os.path.join(stage.workspace, "removed"))
    stage.write("created-by-both", "outside\n")
    process.communicate(b"\n", timeout=20)
    done = stage.face("apply")
    told = done.out + done.err
    require(read(stage.workspace, "edited") == "outside\n", "an edit outside was overwritten:", done)
    require(read(stage.workspace, "created-by-both") == "outside\n", "a file made outside was overwritten:", done)
    require(read(stage.workspace, "only") == "inside\n", "the rest was not merged:", done)
    require("edited" in told and "created-by-both" in told, "conflicts are not told:", done)
    stage.clean()


@case("two-sessions")
def two(stage):
    """A second session on the same workspace sees the original, and both are merged by their own names."""
    first = stage.spawn([stage.bastide, "run", "--name", "first", "--", "/bin/bash", "-c", "echo 1 > one; echo READY; read x"],
                        stdin=subprocess.PIPE)
    require(first.stdout.readline() == b"READY\n", "not started")
    done = stage.cell("ls one && exit 9; echo 2 > two", "--name", "second")
    require(done.code == 0, "the second:", done)
    states = {session["name"]: session["state"] for session in stage.sessions()}
    require(states == {"first": "running", "second": "ended"}, "states:", states)
    refused = stage.face("apply", "first")
    require(refused.code == 1 and "running" in refused.err, "merged while it runs:", refused)
    stage.face("apply", "second")
    require(there(stage.workspace, "two") and not there(stage.workspace, "one"), "the second's own")
    first.communicate(b"\n", timeout=20)
    stage.face("apply", "first")
    require(there(stage.workspace, "one"), "the first's own")
    stage.clean()


@case("write-tree")
def write(stage):
    extra = stage.directory("extra")
    stage.write("old", "old\n", base=extra)
    done = stage.cell(f"cat {extra}/old; echo new > {extra}/new; echo w > here", "--write", extra)
    require(done.code == 0 and not there(extra, "new"), "written at once:", done)
    changed = stage.changed()
    require("here" in changed and os.path.join(extra, "new") in changed, "not in diff:", sorted(changed))
    stage.face("apply", os.path.join(extra, "new"))
    require(there(extra, "new") and not there(stage.workspace, "here"), "apply of the tree alone")
    stage.face("apply")
    require(there(stage.workspace, "here"), "apply of the rest")
    stage.clean()


@case("homes")
def homes(stage):
    host = os.listdir(stage.home)
    done = stage.cell("echo kept > ~/memory; mkdir -p ~/.cache/x")
    require(done.code == 0, "home:", done)
    done = stage.cell("cat ~/memory")
    require(done.out == "kept\n", "the home does not persist:", done)
    require(sorted(os.listdir(stage.home)) == sorted(host), "the operator's home changed:", os.listdir(stage.home))
    done = stage.cell("cat ~/memory; echo fresh > ~/memory; mkdir -m 0 ~/closed; ls -A ~", "--fresh-home")
    require("kept" not in done.out, "a fresh home is not fresh:", done)
    done = stage.cell("cat ~/memory")
    require(done.out == "kept\n", "a fresh home reached the kept one:", done)
    for directory, names, _ in os.walk(os.path.join(stage.state, "bastide/sessions")):
        require("home" not in names or "changes" in directory, "a fresh home stays:", directory)
    stage.clean()


@case("exit-codes")
def codes(stage):
    stage.write("plain", "no program\n", 0o644)
    stage.write("broken", "#!/nowhere/interpreter\n", 0o755)
    told = {}
    for expected, command in (
        (0, ["/bin/true"]), (7, ["/bin/sh", "-c", "exit 7"]), (255, ["/bin/sh", "-c", "exit 255"]),
        (127, ["/nowhere/program"]), (127, ["no-such-program-anywhere"]), (126, ["./plain"]), (126, ["/usr"]),
        (137, ["/bin/sh", "-c", "kill -9 $$"]), (143, ["/bin/sh", "-c", "kill -TERM $$"]),
        (139, ["/bin/sh", "-c", "kill -SEGV $$"]), (134, ["/bin/bash", "-c", "kill -ABRT $$"]),
    ):
        done = stage.face("run", "--", *command)
        told[" ".join(command)] = (expected, done.code)
        if expected in (126, 127):
            require("error[" in done.err and "hint:" in done.err, "no error with a hint:", done)
    done = stage.face("run", "--", "./broken")
    told["./broken"] = (127, done.code)
    wrong = {command: pair for command, pair in told.items() if pair[0] != pair[1]}
    for words in (["run", "--nonsense"], ["run", "--workspace", "/", "--", "true"], ["run", "--workspace", "/nowhere", "--", "true"],
                  ["run", "--timeout", "soon", "--", "true"], ["run", "--accept-risk", "nothing", "--", "true"],
                  ["run", "--env", "x", "--", "true"], ["run", "--env", "TOKEN=ghp_0123456789abcdef", "--", "true"],
                  ["run", "--allow", "b ad", "--", "true"], ["run", "--mode", "wild", "--", "true"],
                  ["run", "--read", "/nowhere/at/all", "--", "true"], ["run", "--workdir", "/nowhere", "--", "true"],
                  ["run", "--workspace", stage.home, "--", "true"]):
        done = stage.face(*words)
        if done.code != 125 or not done.err.strip():
            wrong[" ".join(words)] = (125, done.code)
    for words in (["nonsense"], ["log", "--nonsense"]):
        done = stage.face(*words)
        if done.code != 2:
            wrong[" ".join(words)] = (2, done.code)
    require(not wrong, "expected and found:", wrong)
    stage.clean()
    return f"{len(told) + 15} commands"


@case("outcome")
def outcome(stage):
    path = stage.path("home", "o.json")
    with Echo() as server:
        script = (f"echo x > made; (exec 3<>/dev/tcp/host.bastide/{server.port}) && echo OK;"
                  " (exec 3<>/dev/tcp/forbidden.example/443); exit 7")
        done = stage.cell(script, *server.flag, "--outcome", path)
    require(done.code == 7 and "OK" in done.out, "the run:", done)
    told = json.loads(read(path))
    for field in ("exit", "layers", "allowed", "refused", "changed", "session", "reason", "limits", "accepted_risks", "warnings"):
        require(field in told, "no field", field)
    require(told["exit"] == 7 and told["changed"] == ["made"], "exit or changed:", told)
    require(all(layer["holds"] for layer in told["layers"]) and len(told["layers"]) >= 14, "layers:", told["layers"])
    require(any("host.bastide" in one["what"] for one in told["allowed"]), "allowed:", told["allowed"])
    require(any("forbidden.example" in one["what"] for one in told["refused"]), "refused:", told["refused"])
    require(oct(os.stat(path).st_mode & 0o777) == "0o600", "the outcome can be read by others")
    lines = done.err.strip().splitlines()
    require([line.split(":")[0] for line in lines[-3:]] == ["allowed", "refused", "changed"], "the three lines:", done)
    done = stage.face("--json", "run", "--", "/bin/sh", "-c", "echo OUT; exit 3")
    require(done.code == 3 and done.out == "OUT\n" and json.loads(done.err)["exit"] == 3, "--json:", done)
    why = stage.face("why", told["last_refusal"], told["session"])
    require(why.code == 0 and "forbidden.example" in why.out, "why:", why)
    for words in (["ls"], ["show", told["session"]], ["log", "verify", told["session"]], ["diff", told["session"]]):
        stage.json(*words)
    stage.clean()


@case("hostile-names")
def names(stage):
    """Names that would move the cursor, make lines or pass for others are quoted."""
    script = r"""touch $'new\nline' $'\e[2Jclear' $'bell\a' $'rtl\u202eexe' $'\xff\xfe' -- '-rf' ' space' "quote'" 'a\nb'
mkdir $'d\nallowed: 9'; echo x > $'d\nallowed: 9/f'; ln -s $'/etc/\e]0;x\a' $'l\rink'"""
    done = stage.cell(script)
    require(done.code == 0, "made:", done)
    shown = [done.err, stage.face("diff").out, stage.face("show").out, stage.face("ls").out]
    path = stage.path("home", "o.json")
    shown.append(stage.cell("touch $'\\e[31mred\\n'", "--outcome", path).err)
    applied = stage.face("apply", stage.sessions()[-1]["id"])
    shown += [applied.out, applied.err, stage.face("log").out]
    for text in shown:
        require(not any(ord(one) < 32 and one not in "\n\t" or one in "\x7f\u202e\u200b" for one in text),
                "control characters are shown:", repr(text))
        require("\nallowed: 9" not in text and not text.startswith("allowed: 9"), "a name made a line:", repr(text))
    json.loads(read(path))
    # A link out of the workspace is left, and that is no yes.
    require(applied.code == 1 and there(stage.workspace, "new\nline") and there(stage.workspace, "\x1b[2Jclear"), "applied:", applied)
    stage.clean()
