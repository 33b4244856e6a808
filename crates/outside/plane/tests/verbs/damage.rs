//! A state directory that the disk damaged: whatever file, wherever in it, what is asked then is answered as before, or is
//! refused or flagged by the name of what is lost; nothing else is hidden by it; and with that one file out of a backup
//! all is as it was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ::record::{Kind, Verdict};
use plane::store::{InForce, SessionDirectory, Trust, repair};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use vault::{Name, Vault};
use wire::command::{
    CheckpointInfo, LedgerRequest, LedgerVerify, Places, Problem, Reply, Request, SecretText, Select, VaultRequest,
};

use crate::ledgers::{checkpoint, merged};
use crate::merging::changed;
use crate::room::{Room, connect, select};

const SECRETS: [&str; 2] = ["github", "npm"];

/// A state with some of everything.
struct State {
    room: Room,
    ids: Vec<String>,
    held: CheckpointInfo,
}

impl State {
    fn new() -> State {
        let room = Room::new();
        let allowed = connect("a.example", 443, Verdict::Allowed);
        let ended = [merged(&room, "one", &[allowed.clone(), Kind::GateLost]), merged(&room, "two", &[allowed])];
        let next = InForce { revision: 2, earlier: vec![1], ..ended[0].in_force().unwrap() };
        ended[0].draft_policy(&next).unwrap().put_in_force(&[1]).unwrap();
        fs::create_dir(ended[0].path.join("output")).unwrap();
        fs::write(ended[0].path.join("output/0"), "printed\n").unwrap();
        let lost = changed(&room);
        plane::labels::attach(room.store(), &lost, &room.path("work"), &["kept.txt".into()]).unwrap();
        let mut ids: Vec<String> = ended.iter().map(|session| session.record.id.clone()).collect();
        ids.push(lost.record.id.clone());
        drop(lost);
        assert_eq!(repair(room.store()).len(), 1);
        for name in SECRETS {
            let value = SecretText::from(format!("value-of-{name}"));
            let (to, paths) = ("a.example".to_owned(), Vec::new());
            room.yes(Request::Vault(VaultRequest::Set { name: name.into(), to, paths, value, derives: None }));
        }
        Trust::add(room.store(), Path::new("/etc/trusted"), b"content").unwrap();
        // What was shown is kept, and so are counters.
        room.yes(Request::Diff(select(&ids[2])));
        room.yes(Request::Metrics);
        let held = checkpoint(&room);
        State { room, ids, held }
    }

    /// All that is asked, with what it is of.
    fn answers(&self) -> BTreeMap<String, String> {
        let mut answers = BTreeMap::new();
        let mut keep = |of: String, said: String| drop(answers.insert(of, said));
        let ask = |request| told(&self.room, request);
        for id in &self.ids {
            let whole = || Select { session: Some(id.clone()), ..Select::default() };
            keep(format!("{id} show"), ask(Request::Show(whole())));
            keep(format!("{id} log"), ask(Request::Log { select: whole(), follow: false }));
            keep(format!("{id} verify"), ask(Request::Verify(whole())));
            keep(format!("{id} diff"), ask(Request::Diff(whole())));
            keep(format!("{id} ledger"), ask(verify(Some(whole()), &self.held)));
            keep(format!("{id} policies"), self.policies(id));
        }
        for name in SECRETS {
            let secret = Vault::open(&self.room.store().vault()).unwrap();
            let secret = secret.get(&Name::parse(name).unwrap());
            keep(
                format!("{name} secret"),
                match secret {
                    Ok(entry) => format!("{}{:?}", entry.value().expose(), entry.paths()),
                    Err(error) => format!("REFUSED {error}"),
                },
            );
        }
        keep("all ls".into(), ask(Request::Ls));
        keep("all metrics".into(), ask(Request::Metrics));
        keep("all ledger".into(), ask(verify(None, &self.held)));
        keep("all own".into(), ask(Request::Ledger(LedgerRequest::Verify(LedgerVerify::default()))));
        keep("all checkpoint".into(), ask(Request::Ledger(LedgerRequest::Checkpoint)));
        keep("all labels".into(), ask(Request::Labels(Places { directory: "/".into(), ..Places::default() })));
        keep("all vault".into(), ask(Request::Vault(VaultRequest::List)));
        keep(
            "all trust".into(),
            match Trust::load(self.room.store()) {
                Ok(trust) => format!("{trust:?}"),
                Err(problem) => refused(&problem),
            },
        );
        answers
    }

    /// Those in force, and those before.
    fn policies(&self, id: &str) -> String {
        let session = match SessionDirectory::open(&self.room.store().sessions().join(id)) {
            Ok(session) => session,
            Err(problem) => return refused(&problem),
        };
        let read = |policy: Result<InForce, Problem>| {
            policy.map_or_else(|problem| refused(&problem), |one| format!("{one:?}"))
        };
        let earlier: Vec<String> = [1, 2].map(|number| read(session.policy_before(number))).into();
        format!("{}\n{}", read(session.in_force()), earlier.join("\n"))
    }

    /// Every file of it that has something to lose.
    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut todo) = (Vec::new(), vec![self.room.store().root().to_owned()]);
        while let Some(directory) = todo.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => todo.push(entry.path()),
                    kind if kind.is_file() && entry.metadata().unwrap().len() > 0 => files.push(entry.path()),
                    _ => {}
                }
            }
        }
        files.sort();
        files
    }
}

fn verify(select: Option<Select>, held: &CheckpointInfo) -> Request {
    let checkpoint = Some(held.note.clone());
    Request::Ledger(LedgerRequest::Verify(LedgerVerify { select, checkpoint, key: None }))
}

/// An answer with all that was said before it. No refusal is without a code that is explained.
fn told(room: &Room, request: Request) -> String {
    let (before, last) = room.ask(request);
    let before: String = before.iter().map(|reply| format!("{reply:?}\n")).collect();
    assert!(!before.contains('\u{1b}'), "{before}");
    match last {
        // It may be signed anew, at another time.
        Ok(Reply::Proved(mut proof)) => {
            proof.held.iter_mut().for_each(|held| held.time = None);
            format!("{proof:?}")
        }
        Ok(Reply::Page { text }) => text.lines().filter(|line| counts(line)).collect(),
        Ok(Reply::Checkpoint(info)) => format!("{} {} {}", info.origin, info.size, info.root),
        Ok(reply) => format!("{before}{reply:?}"),
        Err(problem) => format!("{before}{}", refused(&problem)),
    }
}

/// Whether a line is of sessions: gates of others may serve meanwhile, and a checkpoint be newer.
fn counts(line: &str) -> bool {
    !line.contains("checkpoint") && !line.contains("bastide_gate")
}

fn refused(problem: &Problem) -> String {
    assert!(plane::codes::explain(&problem.code).is_some(), "{problem:?}");
    assert!(!problem.cause.chars().any(char::is_control), "{problem:?}");
    format!("REFUSED {problem:?}")
}

/// Damages a file at a place in it, of 65,536.
fn damage(file: &Path, how: u8, place: Index) {
    let mut bytes = fs::read(file).unwrap();
    let at = place.index(bytes.len());
    match how {
        0..=7 => bytes[at] ^= 1 << how,
        8 => bytes.truncate(at),
        9 => bytes[at..].iter_mut().take(512).for_each(|byte| *byte = 0),
        10 => {
            bytes.remove(at);
        }
        _ => return fs::remove_file(file).unwrap(),
    }
    // In its place, as a disk does: with its mode.
    let there = fs::File::options().write(true).open(file).unwrap();
    there.set_len(0).unwrap();
    there.write_all_at(&bytes, 0).unwrap();
}

/// What is lost with a file, by the word that tells of it; none where nothing is: it is made anew, or only shown.
fn lost_with<'f>(state: &State, file: &'f Path) -> Option<&'f str> {
    let mut parts = file.strip_prefix(state.room.store().root()).unwrap().iter().map(|part| part.to_str().unwrap());
    match (parts.next().unwrap(), parts.next()) {
        ("sessions", Some(id)) => match parts.next().unwrap() {
            "counts.json" | "output" => None,
            // As if nobody had looked.
            "reviewed.json" if !file.exists() => None,
            // What the cell wrote is as the cell wrote it.
            "changes" if parts.nth(1) != Some("journal") => None,
            _ => Some(id),
        },
        ("vault", Some("key")) => Some("key"),
        // What is gone in whole is no more: it is not lent, and nothing is trusted.
        ("vault", Some(_)) if !file.exists() => Some("there is no secret"),
        ("vault", Some(name)) => name.strip_suffix(".age"),
        ("ledger", Some("tree")) => None,
        ("ledger", Some("key")) => Some("key"),
        ("ledger", Some("checkpoint")) => Some("checkpoint"),
        ("ledger", _) => Some("ledger"),
        ("trust.json", _) => Some(if file.exists() { "trust" } else { "Trust" }),
        ("labels", _) => Some(if file.exists() { "labels" } else { "Labels" }),
        ("newest" | "trees", _) => None,
        other => panic!("what is lost with {other:?}?"),
    }
}

/// Whether an answer has to be as it was: it is of something else than was damaged.
fn unconcerned(of: &str, lost: &str, file: &Path) -> bool {
    let (what, asked) = of.split_once(' ').unwrap();
    let place = file.to_string_lossy();
    match what {
        "all" if place.ends_with("trust.json") => asked != "trust",
        "all" if place.contains("/labels/") => asked != "labels",
        "all" if place.contains("/vault/") => asked != "vault",
        "all" => ["vault", "trust", "labels"].contains(&asked) || place.contains("/ledger/") && asked == "ls",
        // The ledger is one of all sessions.
        _ if place.contains("/ledger/") => !["ledger", "verify"].contains(&asked),
        _ if place.ends_with("/vault/key") => asked != "secret",
        _ if place.ends_with(".age") => !place.ends_with(&format!("/{what}.age")),
        _ => what != lost,
    }
}

#[test]
fn a_damaged_file_is_noticed_named_hides_nothing_and_comes_back_from_a_copy() {
    let state = State::new();
    let (whole, files) = (state.answers(), state.files());
    assert!(whole.values().all(|answer| !answer.contains("REFUSED") || answer.contains("E-PLANE-001")), "{whole:#?}");
    assert!(files.len() > 20, "{files:?}");
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let cases = (any::<Index>(), 0..12_u8, any::<Index>());
    let ran = runner.run(&cases, |(file, how, place)| {
        let file = &files[file.index(files.len())];
        let (copy, mode) = (fs::read(file).unwrap(), fs::metadata(file).unwrap().permissions());
        damage(file, how, place);
        let changed = fs::read(file).ok() != Some(copy.clone());
        // Cut off at just the line of its hash, it says what it said, as an older build wrote it.
        let said = copy.len().saturating_sub(66);
        let hash_alone =
            how == 8 && [said, said + 1].contains(&place.index(copy.len())) && copy.get(said) == Some(&b'\n');
        // The key is one line, with its end or without.
        let end_alone = file.ends_with("ledger/key")
            && fs::read(file).is_ok_and(|bytes| bytes.trim_ascii_end() == copy.trim_ascii_end());
        let lost = lost_with(&state, file).filter(|_| changed && !hash_alone && !end_alone);
        let after = state.answers();
        fs::write(file, &copy).unwrap();
        fs::set_permissions(file, mode).unwrap();
        let again = state.answers();
        let other: Vec<_> = whole.keys().filter(|of| whole[*of] != after[*of]).collect();
        let told = || other.iter().map(|of| format!("{of}: {}\n", after[*of])).collect::<String>();
        if let Some(lost) = lost {
            // Of a checkpoint's two signatures one is enough.
            let same = other.is_empty() && lost == "checkpoint";
            let noticed = other.iter().any(|of| after[*of].contains(lost));
            prop_assert!(noticed || same, "{file:?} unnoticed: {}", told());
            let hidden: Vec<_> = other.iter().filter(|of| unconcerned(of, lost, file)).collect();
            prop_assert!(hidden.is_empty(), "{file:?} hides {hidden:?}: {}", told());
        } else {
            // What a cell wrote is shown, and what it left is counted.
            let shown = |of: &str| [" diff", " show", " ls"].iter().any(|verb| of.ends_with(verb));
            let upper = file.iter().any(|part| part == "upper");
            prop_assert!(other.iter().all(|of| upper && shown(of)), "{file:?} changes {}", told());
        }
        let other = whole.keys().find(|of| whole[*of] != again[*of]);
        prop_assert!(other.is_none(), "{file:?} is back, and {:?}", other.map(|of| (of, &again[of])));
        Ok(())
    });
    ran.unwrap();
}
