//! The tests are two builds of many rooms each, and cargo unites features within one build. So what a room is tested with can be
//! more than it asks for: this test refuses that for all that the four programs name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who asks, whom.
type Edge = (String, String);

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rooms of each build of tests, as the Makefile has them.
fn builds() -> Vec<Vec<String>> {
    let makefile = fs::read_to_string(house().join("Makefile")).expect("the Makefile");
    let rooms = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    let of = |name: &str| makefile.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" := ")).map(rooms);
    ["DECIDES", "READS"]
        .into_iter()
        .map(|name| of(name).unwrap_or_else(|| panic!("no {name} in the Makefile")))
        .collect()
}

fn cargo(words: &[&str], rooms: &[String]) -> String {
    let packages = rooms.iter().flat_map(|room| ["-p".to_owned(), format!("bastide-{room}")]);
    let output =
        Command::new(env!("CARGO")).args(words).args(packages).current_dir(house()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo's answer")
}

/// The features of all that our crates name, in the build of these rooms together.
fn features(rooms: &[String], edges: &str) -> BTreeMap<Edge, BTreeSet<String>> {
    let tree = cargo(&["tree", "--frozen", "--prefix", "depth", "-f", "{p}|{f}", "-e", edges], rooms);
    let (mut above, mut found) = (Vec::<String>::new(), BTreeMap::<Edge, BTreeSet<String>>::new());
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let digits = line.find(|letter: char| !letter.is_ascii_digit()).expect("a package");
        let depth: usize = line[..digits].parse().expect("a depth");
        let (package, features) = line[digits..].split_once('|').expect("features");
        let package: Vec<&str> = package.split(' ').take(2).collect();
        above.truncate(depth);
        if let Some(parent) = above.last().filter(|parent| parent.starts_with("bastide-")) {
            let features = features.trim_end_matches(" (*)").split(',').filter(|feature| !feature.is_empty());
            let edge = (parent.clone(), package.join(" "));
            found.entry(edge).or_default().extend(features.map(str::to_owned));
        }
        above.push(package.join(" "));
    }
    found
}

#[test]
fn no_room_is_left_out_of_the_builds_of_tests() {
    let mut named: Vec<String> = builds().concat();
    named.sort();
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"], &[]);
    let metadata: serde_json::Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let room = |package: &serde_json::Value| package["name"].as_str().expect("a name").replacen("bastide-", "", 1);
    let mut there: Vec<String> = packages.iter().map(room).collect();
    there.sort();
    assert_eq!(named, there);
}

#[test]
fn the_gate_is_built_without_the_reader_of_policies() {
    let [decides, reads] = &builds()[..] else { panic!("two builds") };
    let read = |rooms: &[String]| {
        let found = features(rooms, "normal,dev");
        let of_policy = found.iter().filter(|((_, to), _)| to.starts_with("bastide-policy "));
        of_policy.flat_map(|(_, features)| features).any(|feature| feature == "read")
    };
    assert!(decides.contains(&"gate".to_owned()) && !read(decides));
    assert!(read(reads), "nothing reads policies, or this test looks for the wrong words");
}

/// A feature that another room asked for in the same build would hide that this one does not, until it is built alone.
#[test]
fn a_program_is_tested_with_the_features_that_it_is_built_with() {
    for build in builds() {
        let together = features(&build, "normal,dev");
        for program in build.iter().filter(|room| ["cell", "gate", "plane", "face"].contains(&room.as_str())) {
            let alone = features(std::slice::from_ref(program), "normal");
            assert!(!alone.is_empty(), "nothing is known of {program}");
            for (edge, features) in alone.iter().filter(|((_, to), _)| !to.starts_with("bastide-")) {
                let (from, to) = edge;
                assert_eq!(
                    together.get(edge),
                    Some(features),
                    "{from} asks {to} for less than the tests have: see Cargo.toml"
                );
            }
        }
    }
}
