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
    "crates/inside",
    "crates/inside/cell",
    "crates/outside",
    "crates/outside/gate",
    "crates/outside/plane",
    "crates/face",
    "blueprints",
    "proof",
    "proof/agents",
    "proof/works",
    "proof/range",
    "proof/faults",
    "proof/bench",
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
];

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).lines().count()
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
