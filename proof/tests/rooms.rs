//! A reader who opens a room finds out in one screen what it is for, so each has a short README.

use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: &[&str] = &[
    "crates",
    "crates/pure",
    "crates/pure/policy",
    "crates/pure/record",
    "crates/pure/plan",
    "crates/pure/wire",
    "crates/pure/sense",
    "crates/inside",
    "crates/inside/cell",
    "crates/outside",
    "crates/outside/gate",
    "crates/outside/plane",
    "crates/outside/vault",
    "crates/face",
    "blueprints",
    "proof",
    "proof/agents",
    "proof/works",
    "proof/range",
    "proof/faults",
    "proof/hosts",
    "proof/meaning",
    "proof/bench",
    "proof/exfil",
    "docs",
];

const DOCUMENTS: &[&str] = &[
    "LICENSE",
    "README.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
    "SECURITY-MODEL.md",
    "SPECIFICATION.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/STATUS.md",
    "docs/BENCHMARKS.md",
    "docs/reference/owasp.md",
];

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).lines().count()
}

/// What a crate with `autotests = false` does not name would never run.
#[test]
fn every_file_of_tests_is_in_the_program_that_runs_them() {
    let programs = [
        ("crates/outside/gate", "gate"),
        ("crates/pure/policy", "tests"),
        ("crates/pure/record", "tests"),
        ("crates/pure/sense", "tests"),
        ("proof", "proof"),
    ];
    for (room, program) in programs {
        let tests = house().join(room).join("tests");
        let named = fs::read_to_string(tests.join(program).with_extension("rs")).expect("the program of the tests");
        for entry in fs::read_dir(&tests).expect("tests") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let is_module = path.extension().is_some_and(|end| end == "rs") || path.join("mod.rs").exists();
            if is_module && name != program {
                assert!(named.contains(&format!("\nmod {name};")), "{room}/tests/{program}.rs leaves out {name}");
            }
        }
    }
}

#[test]
fn every_room_has_a_readme_of_at_most_forty_lines() {
    for room in ROOMS {
        let lines = lines(&house().join(room).join("README.md"));
        assert!((1..=40).contains(&lines), "{room}/README.md has {lines} lines");
    }
}

#[test]
fn the_documents_are_there() {
    for document in DOCUMENTS {
        assert!(lines(&house().join(document)) > 0, "{document} is empty");
    }
    assert!(lines(&house().join("README.md")) <= 150, "README.md is longer than 150 lines");
}

#[test]
fn the_licence_is_apache() {
    let text = fs::read_to_string(house().join("LICENSE")).expect("LICENSE is readable");
    assert!(text.contains("Apache License") && text.contains("Version 2.0"));
}

/// Links in our documents lead somewhere.
#[test]
fn links_between_documents_lead_somewhere() {
    let readmes = ROOMS.iter().map(|room| format!("{room}/README.md"));
    for document in DOCUMENTS.iter().map(ToString::to_string).chain(readmes) {
        let path = house().join(&document);
        let text = fs::read_to_string(&path).unwrap_or_default();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let local = !target.contains("://") && !target.starts_with('#');
            let file = target.split('#').next().unwrap_or_default();
            let found = path.parent().is_some_and(|parent| parent.join(file).exists());
            assert!(!local || found, "{document} links to {target}, which is not there");
        }
    }
}

/// A test or a file that a document names in backticks exists: what was renamed since is no evidence.
#[test]
fn what_documents_name_is_there() {
    let mut sources = Sources::default();
    for tree in ["crates", "proof", "blueprints"] {
        sources.gather(&house().join(tree));
    }
    assert!(sources.names.len() > 200 && sources.text.len() > 100_000, "the sources are there");
    let readmes = ROOMS.iter().map(|room| format!("{room}/README.md"));
    for document in DOCUMENTS.iter().map(ToString::to_string).chain(readmes) {
        let text = fs::read_to_string(house().join(&document)).unwrap_or_default();
        for line in text.lines() {
            for named in line.split('`').skip(1).step_by(2) {
                assert!(sources.know(named), "{document} names `{named}`, which is not there");
            }
        }
    }
}

#[derive(Default)]
struct Sources {
    names: std::collections::BTreeSet<String>,
    text: String,
}

impl Sources {
    fn gather(&mut self, directory: &Path) {
        for entry in fs::read_dir(directory).expect("readable").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                self.gather(&path);
            } else if [".rs", ".py"].iter().any(|kind| name.ends_with(kind)) {
                self.text += &fs::read_to_string(&path).unwrap_or_default();
            }
            // Tests are called by their file, without its ending.
            self.names.extend([name.trim_end_matches(".rs").to_owned(), name]);
        }
    }

    /// Whether it is neither a file nor a test's name, or one that exists. `…` stands for the rest of a name.
    fn know(&self, named: &str) -> bool {
        let plain = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./:…".contains(letter));
        let last = named.rsplit(['/', ':']).next().unwrap_or(named);
        if !plain(named) || last.is_empty() {
            return true;
        }
        let file = [".rs", ".py"].iter().any(|kind| last.ends_with(kind));
        let test =
            last.matches('_').count() > 1 && last.chars().all(|one| one.is_ascii_lowercase() || "_…".contains(one));
        !(file || test) || self.names.contains(last) || self.text.contains(last.trim_end_matches('…'))
    }
}
