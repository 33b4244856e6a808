//! `bastide vault` with the real programs: what is kept, where it lies, and that a value is seen nowhere.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use crate::whole::{Operator, Ran};
use serde_json::Value;

const SECRET: &str = "ghp_hunter2-hunter2";

/// `bastide vault set …` with something on its stdin. No answer holds a value.
fn set(operator: &Operator, arguments: &[&str], stdin: &str) -> Ran {
    let arguments: Vec<&str> = ["vault", "set"].into_iter().chain(arguments.iter().copied()).collect();
    let mut command = operator.command(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("bastide starts");
    // One that refuses before it reads closes its end.
    let _ = child.stdin.take().map(|mut to| to.write_all(stdin.as_bytes()));
    quiet(Ran::of(child.wait_with_output().expect("ends")))
}

fn vault(operator: &Operator, arguments: &[&str]) -> Ran {
    quiet(operator.bastide(&["vault"].into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>()))
}

fn quiet(ran: Ran) -> Ran {
    assert!(!format!("{ran:?}").contains("hunter"), "{ran:?}");
    ran
}

/// Every file beneath, with its content.
fn files(directory: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if entry.file_type().expect("a kind").is_dir() {
            files(&path, found);
        } else {
            found.push((path.to_string_lossy().into_owned(), fs::read(&path).expect("readable")));
        }
    }
}

#[test]
fn a_secret_is_kept_for_one_destination_and_seen_nowhere() {
    for operator in Operator::each() {
        assert_eq!(vault(&operator, &["list"]).stdout, "no secrets; `bastide vault set NAME --to HOST` keeps one\n");
        let kept = set(&operator, &["github", "--to", "api.github.com:443", "--path", "/repos/acme/**"], SECRET);
        assert!(kept.exit == 0 && kept.stdout.contains("api.github.com:443"), "{kept:?}");
        assert_eq!(set(&operator, &["other", "--to", "a.example"], &format!("{SECRET}\n")).exit, 0);
        let listed = vault(&operator, &["list", "--json"]);
        let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
        assert_eq!(listed[0]["to"], "api.github.com:443");
        assert_eq!(listed[0]["paths"][0], "/repos/acme/**");
        assert!(listed[0]["since"].as_u64() > Some(1_700_000_000) && listed[1]["name"] == "other", "{listed}");
        let table = vault(&operator, &["list"]).stdout;
        assert!(table.lines().count() == 3 && table.lines().all(|line| line.chars().count() <= 80), "{table}");
        // Whatever a run leaves behind, too.
        operator.run(&[], "env; true");
        let place = operator.room.join("state/bastide/vault");
        for (file, mode) in [("", 0o40700), ("key", 0o100_600), ("github.age", 0o100_600), ("other.age", 0o100_600)] {
            let meta = fs::symlink_metadata(place.join(file)).expect("there");
            assert_eq!((meta.mode(), meta.uid()), (mode, operator.uid), "{file}");
        }
        let mut found = Vec::new();
        files(&operator.room, &mut found);
        assert!(found.len() >= 3);
        for (file, bytes) in found {
            assert!(!bytes.windows(6).any(|window| window == b"hunter"), "{file} holds the value");
        }
        assert_eq!(vault(&operator, &["rm", "github"]).exit, 0);
        let gone = vault(&operator, &["rm", "github"]);
        assert!(gone.exit == 1 && gone.stderr.contains("E-PLANE-085"), "{gone:?}");
        assert!(gone.stderr.contains("`bastide vault list`") && !place.join("github.age").exists(), "{gone:?}");
    }
}

#[test]
fn a_value_is_no_argument_and_no_empty_line() {
    for operator in Operator::each() {
        for arguments in [
            &["github", SECRET][..],
            &["github", "--to", "a.example", SECRET],
            &["github", "--to", "a.example", "--value=ghp_hunter2"],
            &["GHP_hunter2", "--to", "a.example"],
        ] {
            let refused = set(&operator, arguments, SECRET);
            assert!(refused.exit == 2 && refused.stderr.contains("hint: "), "{refused:?}");
        }
        for (arguments, stdin, code) in [
            (&["a", "--to", "a.example"][..], "", "E-PLANE-083"),
            (&["a", "--to", "a.example"], "hunter2\nhunter2\n", "E-PLANE-083"),
            (&["a", "--to", "*.example"], SECRET, "E-PLANE-081"),
            (&["a", "--to", "a.example", "--path", "b"], SECRET, "E-PLANE-082"),
        ] {
            let refused = set(&operator, arguments, stdin);
            assert!(refused.exit == 1 && refused.stderr.contains(code), "{refused:?}");
            assert_eq!(operator.bastide(&["help", code]).exit, 0);
        }
        let huge = set(&operator, &["a", "--to", "a.example"], &"hunter2-".repeat(1 << 17));
        assert!(huge.exit == 1 && huge.stderr.contains("longer than 64 KiB"), "{huge:?}");
        assert_eq!(vault(&operator, &["list", "--json"]).stdout, "[]\n");
    }
}

#[test]
fn a_key_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    for operator in Operator::each() {
        assert_eq!(set(&operator, &["a", "--to", "a.example"], SECRET).exit, 0);
        let key = operator.room.join("state/bastide/vault/key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("opened");
        for refused in [set(&operator, &["b", "--to", "a.example"], SECRET), vault(&operator, &["list"])] {
            assert!(refused.exit == 1 && refused.stderr.contains("E-PLANE-084"), "{refused:?}");
            assert!(refused.stderr.replace("\n  ", " ").contains("`chmod go= "), "{refused:?}");
        }
    }
}
