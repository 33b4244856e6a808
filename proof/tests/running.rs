//! `bastide run` as an operator uses it: every option, what comes in by itself, and what is refused.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::{Command, Stdio};

use crate::whole::{Operator, children, until};

#[test]
fn exit_codes_pass_through_and_ours_are_fixed() {
    for operator in Operator::each() {
        assert_eq!(operator.run(&[], "exit 0").exit, 0);
        assert_eq!(operator.run(&[], "exit 7").exit, 7);
        assert_eq!(operator.run(&[], "kill -9 $$").exit, 137);
        assert_eq!(operator.bastide(&["run", "--", "no-such-program"]).exit, 127);
        assert_eq!(operator.bastide(&["run", "--", "/etc/passwd"]).exit, 126);
        assert_eq!(operator.bastide(&["run", "--workspace", "/nowhere", "--", "true"]).exit, 125);
        let script = operator.write("work/script", "echo ran\n");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
        let ran = operator.bastide(&["run", "--", "./script"]);
        assert!(ran.exit == 126 && ran.stderr.contains("#!/bin/sh"), "{ran:?}");
    }
}

#[test]
fn paths_keep_their_names_and_the_workspace_is_where_it_was() {
    for operator in Operator::each() {
        operator.write("work/deep/file", "text");
        let here = operator.work();
        let ran = operator.run(&[], "pwd; cat deep/file; cd /; ls -d \"$HOME\"");
        assert_eq!(ran.stdout, format!("{}\ntext{}\n", here.display(), operator.home().display()));
        let deep = here.join("deep").to_string_lossy().into_owned();
        assert_eq!(operator.run(&["--workdir", &deep], "pwd").stdout, format!("{deep}\n"));
    }
}

#[test]
fn read_and_write_let_in_what_they_name() {
    for operator in Operator::each() {
        let read =
            operator.write("data/secret.txt", "seen").parent().expect("a directory").to_string_lossy().into_owned();
        let write = operator.write("more/old.txt", "old").parent().expect("a directory").to_string_lossy().into_owned();
        let script =
            format!("cat {read}/secret.txt; touch {read}/x 2>/dev/null && echo wrote; echo new > {write}/old.txt");
        let outside = operator.run(&[], &format!("cat {read}/secret.txt 2>/dev/null || echo absent"));
        assert_eq!(outside.stdout, "absent\n");
        let ran = operator.run(&["--read", &read, "--write", &write], &script);
        assert_eq!((ran.stdout.as_str(), ran.exit), ("seen", 0), "{ran:?}");
        assert_eq!(fs::read_to_string(operator.room.join("more/old.txt")).expect("there"), "old");
        assert!(ran.stderr.contains("old.txt"), "{}", ran.stderr);
        assert_eq!(operator.bastide(&["apply"]).exit, 0);
        assert_eq!(fs::read_to_string(operator.room.join("more/old.txt")).expect("there"), "new\n");
    }
}

#[test]
fn variables_come_by_name_and_secrets_do_not() {
    for operator in Operator::each() {
        let ran = operator
            .run(&["--env", "COLOUR=blue=green", "--env", "OPENAI_API_KEY=unused"], "echo $COLOUR $OPENAI_API_KEY");
        assert_eq!(ran.stdout, "blue=green unused\n", "{ran:?}");
        let secret = "OPENAI_API_KEY=sk-proj-a1b2c3d4e5f6a7b8c9d0";
        let refused = operator.run(&["--env", secret], "echo ran");
        assert_eq!((refused.exit, refused.stdout.as_str()), (125, ""));
        assert!(refused.stderr.contains("OPENAI_API_KEY") && !refused.stderr.contains("sk-proj"), "{}", refused.stderr);
        let accepted =
            operator.run(&["--env", secret, "--accept-risk", "credential-inside"], "echo ${#OPENAI_API_KEY}");
        assert_eq!((accepted.exit, accepted.stdout.as_str()), (0, "28\n"), "{accepted:?}");
        assert!(accepted.stderr.contains("credential-inside"), "{}", accepted.stderr);
    }
}

/// A plane gives back what a start needed, and what it starts is none the wiser.
#[test]
fn what_tells_a_plane_how_to_allocate_reaches_nothing_else() {
    let (name, value) = wire::ALLOCATOR;
    for operator in Operator::each() {
        let mut command =
            operator.command(&["run", "--", "sh", "-c", "cat /proc/self/environ /proc/1/environ; echo; cat"]);
        command
            .env(name, "glibc.malloc.arena_max=3")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut client = command.spawn().expect("starts");
        let mut inside = String::new();
        BufReader::new(client.stdout.take().expect("a pipe")).read_line(&mut inside).expect("it runs");
        let environ = |pid: u32| fs::read_to_string(format!("/proc/{pid}/environ")).unwrap_or_default();
        let planes = children(client.id());
        let [plane] = planes[..] else { panic!("{planes:?}") };
        let (own, beneath) = (environ(plane), children(plane).into_iter().map(environ).collect::<Vec<_>>());
        drop(client.stdin.take());
        assert!(client.wait().expect("waited for").success());
        // Some C libraries read it in place, and end each part with a NUL.
        assert!(own.replace('\0', ":").contains(&format!("{name}={value}:")), "{own}");
        assert!(beneath.len() >= 2 && beneath.iter().all(|one| !one.contains(name)), "{beneath:?}");
        assert!(inside.contains("HOME=") && !inside.contains(name), "{inside}");
    }
}

#[test]
fn a_login_directory_comes_in_only_by_name() {
    for operator in Operator::each() {
        let place = operator
            .write("home/.codex/auth.json", "token")
            .parent()
            .expect("a directory")
            .to_string_lossy()
            .into_owned();
        assert_eq!(operator.run(&["--read", &place], "true").exit, 125);
        let named = format!("credential-inside={place}");
        let ran = operator.run(&["--read", &place, "--accept-risk", &named], "cat ~/.codex/auth.json");
        assert_eq!((ran.stdout.as_str(), ran.exit), ("token", 0), "{ran:?}");
        assert!(ran.stderr.contains("credential-inside"), "{}", ran.stderr);
    }
}

#[test]
fn what_holds_everything_is_no_workspace() {
    for operator in Operator::each() {
        let home = operator.home().to_string_lossy().into_owned();
        let room = operator.room.to_string_lossy().into_owned();
        symlink("/", operator.room.join("home/root")).expect("linked");
        let link = operator.home().join("root").to_string_lossy().into_owned();
        for (place, word) in
            [("/", "/"), (home.as_str(), "home"), (room.as_str(), ""), (link.as_str(), "/"), ("/usr", "system")]
        {
            let ran = operator.bastide(&["run", "--workspace", place, "--", "true"]);
            assert_eq!(ran.exit, 125, "{place}: {ran:?}");
            assert!(ran.stderr.contains(word) && ran.stderr.contains("hint:"), "{}", ran.stderr);
        }
    }
}

/// With 077, as careful hosts set it for root, nothing in the private root could be entered.
#[test]
fn the_operators_mask_is_the_programs_and_no_hindrance() {
    for operator in Operator::each() {
        for (mask, file) in [("0077", "600"), ("0027", "640"), ("0000", "666")] {
            let mut shell = std::process::Command::new("sh");
            let run = operator.command(&[
                "run",
                "--",
                "sh",
                "-c",
                "umask; echo x >x; stat -c %a x; stat -c %a /etc; cat /etc/hostname",
            ]);
            shell.args(["-c", "umask $0; exec \"$@\"", mask]).arg(run.get_program()).args(run.get_args());
            let ran = operator.ran(shell);
            assert_eq!(ran.stdout, format!("{mask}\n{file}\n755\ncell\n"), "{ran:?}");
        }
    }
}

/// In a rootless container the operator is root by name. To the kernel he is not, unless real root made the namespace.
#[test]
fn root_of_a_user_namespace_is_an_ordinary_user_unless_it_is_the_kernels() {
    for operator in Operator::each() {
        let mut inside = std::process::Command::new("unshare");
        let run = operator.command(&["run", "--", "sh", "-c", "id -u; echo x >x; stat -c %u x"]);
        inside.args(["--user", "--map-root-user"]).arg(run.get_program()).args(run.get_args());
        let ran = operator.ran(inside);
        if operator.uid == 0 {
            assert_eq!((ran.exit, ran.stdout.as_str()), (125, ""), "{ran:?}");
            assert!(ran.stderr.contains("host-uid"), "{}", ran.stderr);
        } else {
            assert_eq!((ran.exit, ran.stdout.as_str()), (0, "1000\n1000\n"), "{ran:?}");
        }
    }
}

/// An overlay does not cross mounts: an empty directory stood there, or nothing was run for no reason that was told.
#[test]
fn what_is_mounted_beneath_the_workspace_is_told() {
    for operator in Operator::each() {
        operator.write("work/sub/note", "below");
        let mut inside = std::process::Command::new("unshare");
        let run = operator.command(&["run", "--", "ls", "-A", "sub"]);
        let user: &[&str] = if operator.uid == 0 { &[] } else { &["--user", "--map-root-user"] };
        let mounted = "mount -t tmpfs t sub && echo x >sub/above && exec \"$@\"";
        inside.args(user).args(["--mount", "sh", "-c", mounted, "sh"]).arg(run.get_program()).args(run.get_args());
        let ran = operator.ran(inside);
        assert!(ran.stderr.contains("not visible inside") && ran.stderr.contains("/sub\n"), "{}", ran.stderr);
        // Where the mount is another's, an ordinary user may not see what lies below it.
        let expected = if operator.uid == 0 { (0, "note\n") } else { (125, "") };
        assert_eq!((ran.exit, ran.stdout.as_str()), expected, "{ran:?}");
        assert_eq!(ran.stderr.contains("E-CELL-003"), operator.uid != 0, "{}", ran.stderr);
    }
}

/// A full disk lost the program's output, and the run ended with 0.
#[test]
fn output_that_cannot_be_delivered_is_no_success() {
    for operator in Operator::each() {
        for (script, exit) in [("echo lost", 1), ("echo lost; exit 7", 7)] {
            let mut shell = std::process::Command::new("sh");
            let run = operator.command(&["run", "--", "sh", "-c", script]);
            shell.args(["-c", "exec \"$@\" >/dev/full", "sh"]).arg(run.get_program()).args(run.get_args());
            let ran = operator.ran(shell);
            assert_eq!(ran.exit, exit, "{ran:?}");
            assert!(ran.stderr.contains("No space left") && ran.stderr.contains("hint:"), "{}", ran.stderr);
            assert!(ran.stderr.contains("\nchanged: nothing"), "{}", ran.stderr);
        }
        // A reader that has enough is no error.
        let mut shell = std::process::Command::new("bash");
        let run = operator.command(&["run", "--", "sh", "-c", "seq 100000; true"]);
        shell.args(["-c", "\"$@\" | head -1; echo ${PIPESTATUS[0]}", "sh"]).arg(run.get_program()).args(run.get_args());
        let ran = operator.ran(shell);
        assert_eq!(ran.stdout, "1\n0\n", "{ran:?}");
    }
}

#[test]
fn a_workspace_that_may_not_be_entered_is_called_so() {
    for operator in Operator::each().into_iter().filter(|operator| operator.uid != 0) {
        let closed = operator.write("closed/file", "x").parent().expect("a directory").to_owned();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).expect("closed");
        let ran = operator.bastide(&["run", "--workspace", &closed.to_string_lossy(), "--", "true"]);
        assert!(ran.exit == 125 && ran.stderr.contains("E-PLANE-045") && ran.stderr.contains("be entered"), "{ran:?}");
    }
}

#[test]
fn home_is_private_persists_and_knows_the_operators_name() {
    for operator in Operator::each() {
        operator.write(
            "home/.gitconfig",
            "[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n[alias]\n\tx = !evil\n",
        );
        operator.write("home/.bash_history", "private");
        let ran = operator.run(&[], "ls -A ~; git config --global user.name; git config --global user.email; git config --global alias.x; echo kept > ~/memory");
        assert_eq!(ran.stdout, ".gitconfig\nAda Lovelace\nada@example.org\n", "{ran:?}");
        assert_eq!(operator.run(&[], "cat ~/memory").stdout, "kept\n");
        assert_eq!(operator.run(&["--fresh-home"], "cat ~/memory 2>/dev/null || echo empty").stdout, "empty\n");
        assert!(!operator.home().join("memory").exists());
    }
}

/// What an agent does to its home is no reason to lock its operator out, or to keep it for ever.
#[test]
fn a_home_that_its_agent_closed_serves_again_and_goes() {
    for operator in Operator::each() {
        assert_eq!(operator.run(&[], "echo kept > ~/note; chmod 000 ~").exit, 0);
        let next = operator.run(&[], "cat ~/note; mkdir ~/in; chmod 000 ~/in ~");
        assert_eq!((next.exit, next.stdout.as_str()), (0, "kept\n"), "{next:?}");
        // A fresh one goes with its session.
        let fresh = operator.run(&["--fresh-home"], "mkdir ~/in; touch ~/in/file; chmod 000 ~/in ~");
        assert_eq!(fresh.exit, 0, "{fresh:?}");
        let list = operator.bastide(&["ls"]);
        assert!(list.exit == 0 && !list.stderr.contains("not in order"), "{list:?}");
        let homes = || fs::read_dir(operator.room.join("state/bastide/homes")).expect("there").count();
        assert_eq!(homes(), 1);
        let collected = || operator.bastide(&["gc", "--before", "0d", "--force"]);
        assert!(until(|| collected().exit == 0 && homes() == 0), "{:?}", collected());
    }
}

/// The cell sees its layer as the workspace itself, and can close it: what it changed is reviewed and merged all the same.
#[test]
fn a_workspace_that_its_agent_closed_is_reviewed() {
    for operator in Operator::each() {
        operator.write("work/there", "there\n");
        let before = fs::metadata(operator.work()).expect("there").permissions().mode();
        let ran = operator.run(&[], "echo made > made; echo more >> there; chmod 000 .");
        assert_eq!(ran.exit, 0, "{ran:?}");
        let diff = operator.bastide(&["diff"]);
        assert!(diff.stdout.contains("+made") && diff.stdout.contains("+more"), "{diff:?}");
        let applied = operator.bastide(&["apply"]);
        assert_eq!(applied.exit, 0, "{applied:?}");
        assert_eq!(fs::read_to_string(operator.work().join("made")).expect("merged"), "made\n");
        assert_eq!(fs::metadata(operator.work()).expect("there").permissions().mode(), before);
    }
}

/// Without the filter an agent can end pid 1 before that said that the program began: what ran is never called not run.
#[test]
fn what_may_have_run_is_not_called_not_run() {
    for operator in Operator::each() {
        for _ in 0..8 {
            let ran = operator.bastide(&[
                "run",
                "--accept-risk",
                "without-seccomp",
                "--",
                "prlimit",
                "--pid",
                "1",
                "--nofile=0:0",
            ]);
            assert!(ran.exit == 137 || ran.exit == 0, "{ran:?}");
            assert!(!ran.stderr.contains("E-CELL-002") && !ran.stderr.contains("from outside"), "{ran:?}");
        }
    }
}

/// Two cells that wrote to one directory could meet there, whatever their policies keep apart.
#[test]
fn a_home_is_one_sessions_at_a_time() {
    for operator in Operator::each() {
        let begun = operator.run(&["-d", "--name", "first"], "echo mine > ~/note; sleep 1000");
        assert_eq!(begun.exit, 0, "{begun:?}");
        assert!(until(|| operator.bastide(&["exec", "first", "--", "sh", "-c", "cat ~/note"]).stdout == "mine\n"));
        let other = operator.run(&[], "ls -A ~; echo other > ~/note");
        assert_eq!(other.stdout, "", "{other:?}");
        let told = other.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("another session of `sh` on this workspace has its home"), "{other:?}");
        let ended = operator.bastide(&["stop", "first", "--timeout", "1s"]);
        assert_eq!(ended.exit, 0, "{ended:?}");
        let next = operator.run(&[], "cat ~/note");
        assert!(next.stdout == "mine\n" && !next.stderr.contains("has its home"), "{next:?}");
    }
}

/// A tool as nvm installs one: a link in `bin`, a script in `lib/node_modules`, its interpreter beside it.
#[test]
fn a_command_brings_its_interpreter_and_its_package() {
    for operator in Operator::each() {
        operator.write("home/.nvm/v24/lib/node_modules/tool/cli.js", "#!/usr/bin/env fakenode\nconsole.log\n");
        operator.write("home/.nvm/v24/lib/node_modules/tool/data", "package data");
        operator.write(
            "home/.nvm/v24/bin/fakenode",
            "#!/bin/sh\necho interpreted; cat \"$(dirname \"$(readlink -f \"$1\")\")/data\"\n",
        );
        let bin = operator.room.join("home/.nvm/v24/bin");
        for file in ["bin/fakenode", "lib/node_modules/tool/cli.js"] {
            let path = operator.room.join("home/.nvm/v24").join(file);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        symlink("../lib/node_modules/tool/cli.js", bin.join("tool")).expect("linked");
        let mut command = operator.command(&["run", "--", "tool"]);
        let output = command.env("PATH", format!("{}:/usr/bin:/bin", bin.display())).output().expect("bastide starts");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(stdout, "interpreted\npackage data", "{stderr}");
        assert!(stderr.contains("read-only inside") && stderr.contains("node_modules"), "{stderr}");
    }
}

#[test]
fn it_ends_with_three_lines_and_an_outcome() {
    for operator in Operator::each() {
        let ran =
            operator.run(&[], "echo x > 'odd\nname'; getent hosts nowhere.example; curl -s -m 3 http://192.0.2.7:81/");
        let last: Vec<&str> = ran.stderr.lines().rev().take(3).collect();
        assert_eq!(last[2], "allowed: nothing", "{}", ran.stderr);
        assert!(last[1].starts_with("refused: ") && last[1].contains("192.0.2.7:81"), "{}", last[1]);
        assert!(last[0].starts_with("changed: 1: ") && last[0].contains(r"odd\nname"), "{}", last[0]);
        let outcome = operator.outcome(&["--name", "named"], "exit 5");
        for field in ["exit", "layers", "allowed", "refused", "changed"] {
            assert!(!outcome[field].is_null(), "{field}: {outcome}");
        }
        assert_eq!(outcome["exit"], 5);
        assert!(operator.bastide(&["ls"]).stdout.contains("named"));
    }
}

#[test]
fn a_time_limit_ends_what_ignores_it() {
    for operator in Operator::each() {
        let ran = operator
            .run(&["--timeout", "1s"], "trap '' TERM HUP INT; (trap '' TERM HUP; sleep 60) & sleep 60; sleep 60");
        assert_eq!(ran.exit, 137, "{ran:?}");
        let name = ran.stderr.lines().last().expect("lines").to_owned();
        assert!(name.starts_with("changed"), "{name}");
        assert!(ran.stderr.contains("warning: the time limit was reached"), "{ran:?}");
        let log = operator.bastide(&["log"]).stdout;
        assert!(log.contains("time limit"), "{log}");
    }
}

#[test]
fn a_disk_limit_is_told_to_whoever_ran_it() {
    for operator in Operator::each() {
        operator.write("home/p.yaml", "bastide: 1\nname: small\nextends: [hardened]\nlimits: {disk: 1MiB}\n");
        let policy = operator.home().join("p.yaml").to_string_lossy().into_owned();
        let ran = operator.run(&["--policy", &policy], "head -c 4000000 /dev/zero > big; sleep 60");
        assert_eq!(ran.exit, 143, "{ran:?}");
        assert!(ran.stderr.contains("warning: the disk limit was reached"), "{ran:?}");
    }
}

/// In a worktree of Git's no `git` works inside, unless its common directory is named: that is said, and then it does.
#[test]
fn a_worktree_says_what_it_lacks_and_works_with_it() {
    for operator in Operator::each() {
        let outside = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-euc", script]);
            let ran = operator.ran(command);
            assert_eq!(ran.exit, 0, "{ran:?}");
            ran.stdout
        };
        let (repository, tree) = (operator.home().join("a repo"), operator.work().join("tree"));
        let (repository, tree) = (repository.to_string_lossy(), tree.to_string_lossy());
        outside(&format!(
            "git config --global user.name n; git config --global user.email n@example.org; git init -q -b main '{repository}'; \
             cd '{repository}'; echo 1 > f; git add f; git commit -qm one; git worktree add -q -b topic '{tree}'"
        ));
        let common = format!("{repository}/.git");
        let ran = operator.run(&["--workspace", &tree], "git status");
        assert!(ran.exit != 0 && ran.stderr.contains("git does not work inside"), "{ran:?}");
        assert!(ran.stderr.replace("\n  ", " ").contains(&format!("--write {common}")), "{ran:?}");
        let ran = operator.run(&["--workspace", &tree, "--read", &common], "git log --format=%s");
        assert!(ran.stdout == "one\n" && !ran.stderr.contains("git does not work"), "{ran:?}");
        let script = "echo 2 > f; git -c user.name=n -c user.email=n@example.org commit -qam two";
        let ran = operator.run(&["--workspace", &tree, "--write", &common], script);
        assert!(ran.exit == 0 && !ran.stderr.contains("git does not work"), "{ran:?}");
        let ls = operator.bastide(&["ls", "--json"]).stdout;
        let sessions: serde_json::Value = serde_json::from_str(&ls).expect("JSON");
        let session = sessions[0]["id"].as_str().expect("an id").to_owned();
        let applied = operator.bastide(&["apply", &session]);
        assert_eq!(applied.exit, 0, "{applied:?}");
        assert_eq!(outside(&format!("cd '{tree}'; git log --format=%s; git status --porcelain")), "two\none\n");
        // One that takes another's objects lacks these.
        outside(&format!("git clone -q --shared '{repository}' shared"));
        let shared = operator.work().join("shared").to_string_lossy().into_owned();
        let ran = operator.run(&["--workspace", &shared], "git status");
        assert!(ran.stderr.replace("\n  ", " ").contains(&format!("--read {common}/objects")), "{ran:?}");
        let ran = operator.run(&["--workspace", &shared, "--read", &common], "git log --format=%s");
        assert!(ran.stdout == "one\n" && !ran.stderr.contains("git lacks"), "{ran:?}");
        // What was merged and went on outside is nobody's to review, and goes.
        outside(&format!("cd '{tree}'; echo 3 > f; git commit -qam three"));
        let gone = operator.bastide(&["rm", &session]);
        assert_eq!(gone.exit, 0, "{gone:?}");
    }
}

#[test]
fn stdio_is_relayed_byte_for_byte() {
    use std::io::Write;
    use std::process::Stdio;
    for operator in Operator::each() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut command = operator.command(&["run", "--", "cat"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let mut input = child.stdin.take().expect("stdin");
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || input.write_all(&sent));
        let output = child.wait_with_output().expect("ends");
        writer.join().expect("the writer").expect("written");
        assert!(output.status.success() && output.stdout == bytes);
    }
}

#[test]
fn state_is_the_operators_alone() {
    for operator in Operator::each() {
        assert_eq!(operator.run(&[], "echo x > y").exit, 0);
        let mut todo = vec![operator.room.join("state/bastide")];
        let mut seen = 0;
        while let Some(path) = todo.pop() {
            let meta = fs::symlink_metadata(&path).expect("there");
            // What the agent wrote keeps the modes that the agent gave; the directory above it is closed.
            if path.ends_with("upper")
                || path.ends_with("work")
                || path.parent().is_some_and(|above| above.ends_with("homes"))
            {
                continue;
            }
            seen += 1;
            assert_eq!(meta.permissions().mode() & 0o077, 0, "{}", path.display());
            if meta.is_dir() {
                todo.extend(fs::read_dir(&path).expect("listed").map(|entry| entry.expect("an entry").path()));
            }
        }
        assert!(seen > 8, "{seen}");
    }
}

/// Without a command: the installed agent, else the operator's shell.
#[test]
fn without_a_command_the_installed_agent_runs_else_a_shell() {
    for operator in Operator::each() {
        let shell = operator.command(&["run"]).env("SHELL", "/bin/sh").output().expect("bastide starts");
        assert_eq!((shell.status.code(), shell.stdout.as_slice()), (Some(0), &b""[..]), "a shell without input ends");
        let agent = operator.write("home/bin/codex", "#!/bin/sh\necho \"the agent runs in $PWD\"\n");
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("executable");
        let path = format!("{}:/usr/bin:/bin", operator.home().join("bin").display());
        let output = operator.command(&["run"]).env("PATH", path).output().expect("bastide starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text, format!("the agent runs in {}\n", operator.work().display()), "{output:?}");
    }
}

#[test]
fn certificate_roots_of_the_operators_own_are_trusted_inside() {
    for operator in Operator::each() {
        let own = "-----BEGIN CERTIFICATE-----\nQkFTVElERS1PV04tUk9PVA==\n-----END CERTIFICATE-----\n";
        let file = operator.write("home/company.pem", own).to_string_lossy().into_owned();
        let script = "grep -c BEGIN $SSL_CERT_FILE; grep -c QkFTVElERS1PV04tUk9PVA $SSL_CERT_FILE; \
                      test $NODE_EXTRA_CA_CERTS = $SSL_CERT_FILE && test $CODEX_CA_CERTIFICATE = $SSL_CERT_FILE && echo same";
        let output = operator.command(&["run", "--", "sh", "-c", script]).env("SSL_CERT_FILE", &file).output();
        let output = output.expect("bastide starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() == 3 && lines[1..] == ["1", "same"] && lines[0] != "0", "{output:?}");
        let key = operator.write("home/key.pem", "-----BEGIN PRIVATE KEY-----\n").to_string_lossy().into_owned();
        let refused = operator.command(&["run", "--", "true"]).env("SSL_CERT_FILE", key).output().expect("starts");
        assert_eq!(refused.status.code(), Some(125));
    }
}

#[test]
fn doctor_shows_every_layer_and_that_every_attempt_was_stopped() {
    for operator in Operator::each() {
        let ran = operator.bastide(&["doctor", "--json"]);
        let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        let all = |list: &str, field: &str| {
            let list = answer[list].as_array().expect("a list");
            (list.len(), list.iter().all(|one| one[field] == true))
        };
        assert_eq!(all("layers", "holds"), (15, true), "{answer}");
        let (probes, stopped) = all("probes", "stopped");
        assert!(probes >= 25 && stopped && ran.exit == 0, "{answer}");
        // The disk is looked at by the clock on every host, so it decides nothing, also when limits are asked about.
        let limits = answer["limits"].as_array().expect("a list");
        let disk = limits.iter().find(|limit| limit["name"] == "disk").expect("the limit on the disk");
        assert_eq!(disk["holds"], false, "{answer}");
        let enforced = limits.iter().filter(|limit| limit["name"] != "disk").all(|limit| limit["holds"] == true);
        assert_eq!(operator.bastide(&["doctor", "--limits"]).exit, i32::from(!enforced), "{answer}");
    }
}

#[test]
fn a_required_limit_that_the_host_does_not_enforce_refuses_the_run() {
    for operator in Operator::each() {
        let text = "bastide: 1\nname: mine\nextends: [hardened]\nlimits: {disk: 1GiB, required: [disk]}\n";
        let file = operator.write("home/policy.yaml", text).to_string_lossy().into_owned();
        let ran = operator.run(&["--policy", &file], "echo ran");
        assert_eq!((ran.exit, ran.stdout.as_str()), (125, ""), "{ran:?}");
        assert!(ran.stderr.contains("E-PLANE-049") && ran.stderr.contains("disk"), "{}", ran.stderr);
    }
}

#[test]
fn the_record_tells_a_session_from_its_start_to_its_merge() {
    for operator in Operator::each() {
        assert_eq!(operator.run(&[], "echo new > file; getent hosts refused.example; true").exit, 0);
        assert_eq!(operator.bastide(&["apply"]).exit, 0);
        let log = operator.bastide(&["log", "--json"]).stdout;
        let kinds: Vec<String> = log
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["kind"].to_string())
            .collect();
        for kind in [
            "session-start",
            "walls",
            "limits",
            "gate-started",
            "exec",
            "resolve",
            "workspace-change",
            "ended",
            "merge",
        ] {
            assert!(kinds.contains(&format!("\"{kind}\"")), "{kind} is missing: {kinds:?}");
        }
        assert_eq!(operator.bastide(&["log", "verify"]).exit, 0);
    }
}

/// What was let in by name must not stand in the record, whoever wrote it there.
#[test]
fn a_credential_that_was_let_in_is_in_no_segment() {
    const SECRET: &str = "sk-proj-9f8e7d6c5b4a39281706";
    for operator in Operator::each() {
        let variable = format!("API_TOKEN={SECRET}");
        let script = "/bin/echo $API_TOKEN >/dev/null; getent hosts $API_TOKEN.example; echo x > $API_TOKEN";
        let ran = operator.run(&["--env", &variable, "--accept-risk", "credential-inside"], script);
        assert!(ran.exit == 0 || ran.exit == 2, "{ran:?}");
        let sessions = operator.room.join("state/bastide/sessions");
        for session in fs::read_dir(sessions).expect("listed") {
            for name in ["plane.segment", "gate.segment", "session.json", "policy.json"] {
                let text =
                    fs::read_to_string(session.as_ref().expect("an entry").path().join(name)).unwrap_or_default();
                assert!(!text.contains(SECRET), "{name}");
            }
        }
    }
}

/// The kernel refuses it deep inside, and nothing said so before.
#[test]
fn what_is_anothers_is_told_before_a_program_meets_it() {
    for operator in Operator::each().into_iter().filter(|_| rustix::process::geteuid().is_root()) {
        operator.write("work/own", "");
        assert!(!operator.run(&[], "echo x >> own").stderr.contains("cannot be changed inside"));
        let file = operator.write("work/theirs", "");
        // Root's cell meets what others own as anybody does; that of a user knows no other group either.
        let ids = if operator.uid == 0 { (7, 7) } else { (operator.uid, 7) };
        chown(&file, Some(ids.0), Some(ids.1)).expect("given away");
        let ran = operator.run(&[], "echo x >> theirs");
        let told = format!("`theirs` in `{}` cannot be changed inside: of ", operator.work().display());
        assert!(ran.exit != 0 && ran.stderr.contains(&told), "{ran:?}");
        let why = operator.bastide(&["why", "--file", "theirs"]).stdout;
        assert!(why.contains("foreign"), "{why}");
        assert!(!operator.run(&["--mode", "read-only"], "true").stderr.contains(&told));
    }
}

/// Of the user who stands for unknown owners the kernel says that all which is root's is his, and nobody said why no cell begins.
#[test]
fn the_user_that_stands_for_unknown_owners_is_told_why_no_cell_begins() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let uid =
        std::fs::read_to_string("/proc/sys/kernel/overflowuid").expect("a number").trim().parse().expect("a number");
    let operator = Operator::new(uid);
    let ran = operator.run(&[], "true");
    assert!(ran.exit == 125 && ran.stderr.contains("useradd") && !ran.stderr.contains("--accept-risk"), "{ran:?}");
    let doctor = operator.bastide(&["doctor"]);
    let said = doctor.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        doctor.exit == 1 && said.contains("useradd") && said.contains(&format!("uid {uid} stands for")),
        "{doctor:?}"
    );
}

/// Commits made on both sides: what `diff` and `apply` tell to type is typed, and git has both.
#[test]
fn commits_of_both_sides_are_merged_by_what_is_told_to_type() {
    for operator in Operator::each() {
        let git = |script: &str| {
            let mut command = Command::new("sh");
            let own = "git() { command git -c user.name=o -c user.email=o@example.org \"$@\"; }; ";
            command.args(["-euc", &format!("{own}{script}")]);
            let ran = operator.ran(command);
            assert_eq!(ran.exit, 0, "{script}: {ran:?}");
            ran.stdout
        };
        git("git init -q -b main .; echo 1 > a; git add a; git commit -qm one");
        let ran = operator.run(
            &[
                "--env",
                "GIT_AUTHOR_NAME=a",
                "--env",
                "GIT_AUTHOR_EMAIL=a@b",
                "--env",
                "GIT_COMMITTER_NAME=a",
                "--env",
                "GIT_COMMITTER_EMAIL=a@b",
            ],
            "echo in > in && git add in && git commit -qm inside && git checkout -qb \"it's;x\" && echo more >> in && git commit -qam more",
        );
        assert_eq!(ran.exit, 0, "{ran:?}");
        git("echo out > out; git add out; git commit -qm outside");
        let told = |arguments: &[&str]| {
            let ran = operator.bastide(arguments);
            format!("{} {}", ran.stdout, ran.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let shown = told(&["diff"]);
        assert!(shown.contains("`apply .git` brings its commits in beside"), "{shown}");
        let answer = told(&["apply", ".git"]);
        let typed: Vec<&str> =
            answer.split('`').filter(|word| word.starts_with("git merge ") || word.starts_with("bastide ")).collect();
        assert!(typed.len() == 3 && typed[0].contains("'refs/bastide/"), "{answer}");
        git(&format!("{} --no-edit", typed[0]));
        assert_eq!(git("cat in out; git fsck --strict 2>&1; git status --porcelain"), "in\nmore\nout\n");
        let discard: Vec<&str> = typed[2].split(' ').skip(1).collect();
        let ran = operator.bastide(&discard);
        assert_eq!(ran.exit, 0, "{ran:?}");
        let log = told(&["log"]);
        assert!(log.contains("commits brought in beside"), "{log}");
        let shown = told(&["show"]);
        assert!(shown.contains("pending nothing"), "{shown}");
    }
}

/// What is let out is recorded each time, and nothing bounded how much that is.
#[test]
fn a_program_that_fills_the_record_meets_the_disk_limit() {
    const LOOP: &str = "python3 -c 'import socket\nwhile True:\n    one = socket.socket()\n    one.connect_ex((\"host.bastide\", 9))\n    one.close()'";
    for operator in Operator::each() {
        let text = "bastide: 1\nname: small\nextends: [hardened]\nlimits: {disk: 512KiB}\nnetwork: {allow: [{to: \"host.bastide:9\"}]}\n";
        let policy = operator.write("home/policy.yaml", text).to_string_lossy().into_owned();
        let ran = operator.run(&["--policy", &policy, "--timeout", "60s"], LOOP);
        assert!(ran.exit != 0 && ran.stderr.contains("the disk limit was reached"), "{ran:?}");
    }
}
