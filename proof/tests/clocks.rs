//! Who sets the host's clock sets no bound: how long an answer, a question, a grant, a token, a session or a rate holds goes by
//! a clock that nobody sets (`Instant`, `CLOCK_BOOTTIME`). The other one is read where it is told, and here stands what for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Files that read the wall clock, how often, and what a clock that was set wrong does there.
const READ: &[(&str, usize, &str)] = &[
    ("face/src/ask.rs", 2, "`gc`, `log prune`: `30d` ago is reckoned from it; what nobody reviewed stays all the same"),
    ("face/src/listen/directory.rs", 1, "how old a directory is that nobody holds, before it is taken away"),
    ("outside/gate/src/ledger.rs", 1, "times of events"),
    ("outside/gate/src/models/attempt.rs", 1, "`created` of a translated answer"),
    ("outside/gate/src/models/grounds.rs", 1, "whether the last day of an endorsement is over"),
    ("outside/gate/src/tls.rs", 1, "from when to when a certificate of a cell's host holds: else it is refused inside"),
    ("outside/plane/src/daemon/alone.rs", 1, "when a daemon that began by itself ends: nothing depends on it"),
    ("outside/plane/src/ledger/log.rs", 1, "the time in a signature of a checkpoint"),
    ("outside/plane/src/ledger/merge.rs", 1, "the time of an entry"),
    ("outside/plane/src/ledger/prune.rs", 1, "the time of an entry"),
    (
        "outside/plane/src/session/authority.rs",
        1,
        "from when to when a cell's authority holds: else it is refused inside",
    ),
    ("outside/plane/src/session/ending.rs", 1, "when a session ended"),
    ("outside/plane/src/session/prepare.rs", 1, "when one began; its id sorts after all before it whatever that is"),
    ("outside/plane/src/session/risk.rs", 5, "how old evidence is: set ahead, a risk falls early, set back, late"),
    ("outside/plane/src/session/serve/questions.rs", 1, "the last day of what is endorsed for good"),
    ("outside/plane/src/store/ahead.rs", 1, "the name of a directory that is nobody's yet"),
    ("outside/plane/src/store/ledger.rs", 2, "times of events; what the others here call"),
    ("outside/plane/src/store/repair.rs", 1, "when a session that was lost was found"),
    ("outside/plane/src/store/trust.rs", 1, "since when a file is trusted: shown"),
    ("outside/plane/src/verbs/labels.rs", 1, "when labels were taken away: shown"),
    ("outside/plane/src/workspace/apply.rs", 1, "a name that is used once"),
    ("outside/plane/src/workspace/baseline.rs", 1, "how far the clock was set back since the session began"),
    (
        "outside/plane/src/workspace/scan.rs",
        1,
        "whether a copy that was left as it was is old enough to be remembered: else a later merge does",
    ),
    ("outside/plane/src/workspace/times.rs", 1, "when merged files say that they were written, as all that is written"),
    ("outside/vault/src/store.rs", 2, "since when a secret is kept: shown"),
];

const CLOCKS: &[&str] = &["SystemTime::now()", "OffsetDateTime::now", "UtcDateTime::now", "ClockId::Realtime"];

#[test]
fn the_wall_clock_is_read_where_it_is_told_and_nowhere_else() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut found = BTreeMap::new();
    for file in sources(&crates) {
        let text = fs::read_to_string(&file).expect("text");
        // What tests do decides nothing.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let read: usize = text.lines().map(reads).sum();
        if read > 0 {
            let name = file.strip_prefix(&crates).expect("beneath").to_string_lossy().into_owned();
            found.insert(name, read);
        }
    }
    let told: BTreeMap<String, usize> = READ.iter().map(|(file, times, _)| ((*file).to_owned(), *times)).collect();
    assert_eq!(found, told, "hint: take `Instant`, or say here what a wrong clock does");
}

/// How often a line reads it, itself or by a function that is called `now`.
fn reads(line: &str) -> usize {
    let code = line.split("//").next().unwrap_or_default();
    let by_name = CLOCKS.iter().map(|clock| code.matches(clock).count()).sum::<usize>();
    let called = code.match_indices("now()").filter(|(at, _)| {
        let before = &code[..*at];
        !before.ends_with("fn ") && !before.ends_with(|last: char| last.is_alphanumeric() || ":._".contains(last))
    });
    by_name + called.count()
}

fn sources(crates: &Path) -> Vec<PathBuf> {
    let (mut files, mut todo) = (Vec::new(), vec![crates.to_owned()]);
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match path.is_dir() {
                true if !["tests", "target", "examples", "benches"].contains(&name.as_str()) => todo.push(path),
                false if name.ends_with(".rs") && name != "tests.rs" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files
}
