//! What stays hidden, whatever name it is called by and whatever the host does meanwhile: links, mounts, files that are
//! replaced. Real cells, started by root and by an ordinary user.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::children::{ASK, answer};
use crate::whole::{Operator, Ran};

const SECRET: &str = "CLIENTS-7f3a";

/// An operator whose HOME goes through a link, and what stands there.
struct Linked {
    operator: Operator,
    home: PathBuf,
}

impl Linked {
    fn each() -> Vec<Linked> {
        let linked = |operator: Operator| {
            let home = operator.room.join("link");
            symlink("home", &home).expect("linked");
            symlink("home/proj", operator.room.join("ws")).expect("linked");
            for file in ["home/proj/vault/s", "home/proj/s2", "home/app/secret", "home/out/secret"] {
                operator.write(file, SECRET);
            }
            for (file, text) in [("home/app/plain", "plain\n"), ("home/proj/ask.py", ASK)] {
                operator.write(file, text);
            }
            symlink("target", operator.room.join("home/app/to")).expect("linked");
            operator.write("home/app/target", SECRET);
            Linked { operator, home }
        };
        Operator::each().into_iter().map(linked).collect()
    }

    fn policy(&self, rest: &str) -> String {
        let room = self.operator.room.display();
        let text = format!("bastide: 1\nname: mine\nextends: [hardened]\n{rest}\n").replace("ROOM", &room.to_string());
        self.operator.write("policy.yaml", &text).to_string_lossy().into_owned()
    }

    fn bastide(&self, arguments: &[&str]) -> Ran {
        self.bastide_in("link/proj", arguments)
    }

    fn bastide_in(&self, directory: &str, arguments: &[&str]) -> Ran {
        let mut command = self.operator.command(arguments);
        command.env("HOME", &self.home).current_dir(self.operator.room.join(directory));
        Ran::of(command.output().expect("starts"))
    }
}

/// Only the workspace's path was resolved, what is hidden was not: all of it was shown, and `why` said that it was not.
#[test]
fn what_is_hidden_is_so_by_every_name() {
    for linked in Linked::each() {
        let policy = linked.policy(
            "files: {read: [ROOM/home/app], write: [~/out], hide: [~/proj/vault, ROOM/ws/s2, ~/app/secret, ~/app/to, ROOM/home/out/secret]}",
        );
        let room = linked.operator.room.display().to_string();
        let script = format!(
            "cat {room}/home/app/plain; for at in home link; do cat {room}/$at/proj/vault/s {room}/$at/proj/s2 \
             {room}/$at/app/secret {room}/$at/app/to {room}/$at/app/target {room}/$at/out/secret; done; cat vault/s s2; ls vault; true"
        );
        let ran = linked.bastide(&["run", "--policy", &policy, "--", "sh", "-c", &script]);
        assert_eq!((ran.exit, ran.stdout.as_str()), (0, "plain\n"), "{ran:?}");
        for (at, rule) in [
            ("home/proj/vault/s", "link/proj/vault"),
            ("link/proj/vault", "link/proj/vault"),
            ("home/proj/s2", "ws/s2"),
            ("home/app/secret", "link/app/secret"),
            ("link/out/secret", "home/out/secret"),
        ] {
            let rule = format!("files.hide: {room}/{rule}");
            let why = linked.bastide(&["why", "--file", &format!("{room}/{at}")]);
            assert!(why.stdout.contains("hidden") && why.stdout.contains(&rule), "{at}: {why:?}");
            let explained = linked.bastide(&["policy", "explain", &policy, &format!("{room}/{at}")]);
            assert!(explained.stdout.contains("hidden") && explained.stdout.contains(&rule), "{at}: {explained:?}");
        }
    }
}

#[test]
fn what_is_hidden_from_a_session_is_not_granted_by_it() {
    for linked in Linked::each() {
        let policy = linked.policy("files: {hide: [~/proj/vault]}\nagents: {}");
        let script = "ask() { printf '%s ' \"$1\"; python3 ask.py \"$1\" \"$2\"; }; \
             ask spawn '{\"task\": \"t\", \"command\": [\"sh\", \"-c\", \"cat vault/s; ls; true\"], \
             \"files\": [{\"path\": \"vault\", \"access\": \"read\"}, {\"path\": \".\", \"access\": \"read\"}]}'; \
             ask wait '{\"child\": 1}'; ask result '{\"child\": 1}'";
        let ran = linked.bastide(&["run", "--timeout", "120s", "--policy", &policy, "--", "sh", "-c", script]);
        assert_eq!(answer(&ran, "spawn")["cut"][0]["what"], "file vault", "{ran:?}");
        let result = answer(&ran, "result");
        assert!(result["words"].as_str().is_some_and(|words| words.contains("ask.py")), "{ran:?}");
        assert!(!ran.stdout.contains(SECRET), "{ran:?}");
    }
}

/// Every key of the vault was read by `--read` of a directory that the state lay in, by another name than HOME's.
#[test]
fn the_planes_state_is_kept_out_by_where_it_lies() {
    for linked in Linked::each() {
        let run = |directory: &str, arguments: &[&str]| {
            let mut command = linked.operator.command(arguments);
            command.env_remove("XDG_STATE_HOME").env("HOME", &linked.home);
            Ran::of(command.current_dir(linked.operator.room.join(directory)).output().expect("starts"))
        };
        let first = run("home/proj", &["run", "--", "true"]);
        assert_eq!(first.exit, 0, "{first:?}");
        linked.operator.write("home/.local/state/bastide/vault/key", SECRET);
        linked.operator.write("home/.local/state/beside", "beside\n");
        let state = linked.operator.room.join("home/.local");
        for read in [&state, &linked.operator.room.join("home")] {
            let read = read.to_string_lossy().into_owned();
            let script = format!("cat {0}/state/beside; cat {0}/state/bastide/vault/key", state.display());
            let ran = run("home/proj", &["run", "--read", &read, "--", "sh", "-c", &script]);
            assert!(ran.exit != 0 && !ran.stdout.contains(SECRET), "{ran:?}");
            assert!(ran.stdout.starts_with("beside"), "{ran:?}");
        }
        for workspace in ["home/.local", "home/.local/state/bastide/vault"] {
            let ran = run(workspace, &["run", "--", "true"]);
            assert!(ran.exit == 125 && ran.stderr.contains("E-PLANE-046"), "{workspace}: {ran:?}");
        }
    }
}

/// What lay over a name was gone as soon as the host replaced what it lay over.
#[test]
fn what_the_host_replaces_in_a_system_tree_stays_hidden() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for operator in Operator::each() {
        let tree = tempfile::Builder::new().prefix("bastide-hidden-").tempdir_in("/opt").expect("a directory");
        fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).expect("open to all");
        let at = tree.path().display().to_string();
        fs::create_dir(tree.path().join("sub")).expect("made");
        for (file, text) in [("secret", SECRET), ("sub/x", SECRET), ("plain", "plain\n")] {
            fs::write(tree.path().join(file), text).expect("written");
        }
        let files = format!("files: {{read: [{at}], hide: [{at}/secret, {at}/sub]}}");
        let policy = operator.write("policy.yaml", &format!("bastide: 1\nname: m\nextends: [hardened]\n{files}\n"));
        let script = format!("cat {at}/plain; read go; cat {at}/secret {at}/sub/x; true");
        let mut command = operator.command(&["run", "--policy", &policy.to_string_lossy(), "--", "sh", "-c", &script]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let (mut out, mut text) = (BufReader::new(child.stdout.take().expect("piped")), String::new());
        out.read_line(&mut text).expect("read");
        fs::write(tree.path().join("new"), SECRET).expect("written");
        fs::rename(tree.path().join("new"), tree.path().join("secret")).expect("replaced");
        fs::rename(tree.path().join("sub"), tree.path().join("old")).expect("moved");
        fs::create_dir(tree.path().join("sub")).expect("made");
        fs::write(tree.path().join("sub/x"), SECRET).expect("written");
        child.stdin.take().expect("piped").write_all(b"go\n").expect("told");
        out.read_to_string(&mut text).expect("read");
        assert!(child.wait().expect("ended").success());
        assert_eq!(text, "plain\n", "uid {}", operator.uid);
    }
}

#[test]
fn what_is_not_there_to_be_hidden_is_told() {
    for operator in Operator::each() {
        let policy =
            operator.write("policy.yaml", "bastide: 1\nname: m\nextends: [hardened]\nfiles: {hide: [~/a/late]}\n");
        operator.write("home/a/b", "");
        let (policy, read) = (policy.to_string_lossy(), operator.home().join("a"));
        let read = read.to_string_lossy();
        let arguments = ["--policy", &policy, "--read", &read];
        let ran = operator.run(&arguments, "true");
        let late = operator.home().join("a/late");
        let told = format!("not there, and seen inside if it is made while this runs: {}", late.display());
        assert!(ran.exit == 0 && ran.stderr.contains(&told), "{ran:?}");
        operator.write("home/a/late", "");
        let ran = operator.run(&arguments, "true");
        assert!(ran.exit == 0 && !ran.stderr.contains("seen inside if"), "{ran:?}");
    }
}

/// The second run with the same link was refused, and so was one after an agent had made a directory there; both with the
/// advice to do without the private root.
#[test]
fn what_lies_in_the_kept_home_chooses_no_advice() {
    for operator in Operator::each() {
        operator.write("data/file", "data\n");
        let link = operator.home().join("link");
        symlink(operator.room.join("data"), &link).expect("linked");
        let link = link.to_string_lossy().into_owned();
        for _ in 0..2 {
            let ran = operator.run(&["--read", &link], &format!("cat {link}/file"));
            assert_eq!((ran.exit, ran.stdout.as_str()), (0, "data\n"), "{ran:?}");
        }
        let made = operator.run(&[], &format!("rm {link}; mkdir {link}"));
        assert_eq!(made.exit, 0, "{made:?}");
        let ran = operator.run(&["--read", &link], "true");
        assert!(ran.exit != 0 && ran.stderr.contains("--fresh-home"), "{ran:?}");
        assert!(!ran.stderr.contains("--accept-risk"), "{ran:?}");
        assert_eq!(operator.run(&["--fresh-home", "--read", &link], "true").exit, 0);
    }
}

/// By a bind mount the home had a name that no check knew.
#[test]
fn a_mount_gives_the_home_no_other_name() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for operator in Operator::each() {
        for file in ["home/.ssh/id", "home/proj/vault/s"] {
            operator.write(file, SECRET);
        }
        let (home, alias) = (operator.home(), operator.room.join("alias"));
        fs::create_dir(&alias).expect("made");
        let policy =
            format!("bastide: 1\nname: m\nextends: [hardened]\nfiles: {{hide: [{}/proj/vault]}}\n", home.display());
        let policy = operator.write("policy.yaml", &policy).to_string_lossy().into_owned();
        let run = |mount: (&Path, &Path), directory: &Path, arguments: &[&str]| {
            let ordinary = operator.command(&[&["run"], arguments].concat());
            let mut command = Command::new("unshare");
            let script = "mount --bind \"$1\" \"$2\" && cd \"$3\" && id=$4 && shift 4 && \
                          exec setpriv --reuid $id --regid $id --clear-groups \"$@\"";
            command.args(["-m", "sh", "-c", script, "sh"]).args([mount.0, mount.1, directory]);
            command.arg(operator.uid.to_string()).arg(ordinary.get_program()).args(ordinary.get_args());
            command.env_clear().envs(ordinary.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command.env("XDG_STATE_HOME", home.join("state"));
            Ran::of(command.output().expect("starts"))
        };
        let (known, proj) = ((home.as_path(), alias.as_path()), home.join("proj"));
        for (workspace, code) in
            [(alias.clone(), "E-PLANE-046"), (alias.join("state"), "E-PLANE-046"), (alias.join(".ssh"), "E-PLANE-047")]
        {
            let ran = run(known, &workspace, &["--", "true"]);
            assert!(ran.exit == 125 && ran.stderr.contains(code), "{}: {ran:?}", workspace.display());
        }
        let read = alias.join(".ssh").to_string_lossy().into_owned();
        let ran = run(known, &proj, &["--read", &read, "--", "true"]);
        assert!(ran.exit == 125 && ran.stderr.contains("E-PLANE-047"), "{ran:?}");
        let ran = run(known, &alias.join("proj"), &["--policy", &policy, "--", "cat", "vault/s"]);
        assert!(ran.exit != 125 && !ran.stdout.contains(SECRET) && ran.stderr.contains("vault/s"), "{ran:?}");
        let read = alias.to_string_lossy().into_owned();
        let script = format!("ls -d {read}/proj; cat {read}/.ssh/id {read}/proj/vault/s; ls {read}/state/bastide");
        let ran = run(known, &proj, &["--policy", &policy, "--read", &read, "--", "sh", "-c", &script]);
        assert_eq!(ran.stdout, format!("{read}/proj\n"), "{ran:?}");
    }
}
