//! The house has few doors between its rooms; a new one is an architectural decision, so this test refuses it.
//!
//! It judges what the manifests declare (`cargo metadata --no-deps`), never what happens to be compiled.

use std::process::Command;

use serde_json::Value;

/// Which of our crates each of our crates may depend on. A crate that is missing here may not exist.
const ALLOWED: &[(&str, &[&str])] = &[
    ("bastide-policy", &[]),
    ("bastide-plan", &[]),
    ("bastide-record", &["bastide-policy"]),
    ("bastide-wire", &["bastide-policy", "bastide-record"]),
    ("bastide-sense", &["bastide-policy", "bastide-record"]),
    ("bastide-cell", &["bastide-plan"]),
    ("bastide-gate", &["bastide-policy", "bastide-record", "bastide-plan", "bastide-wire", "bastide-sense"]),
    ("bastide-vault", &["bastide-wire"]),
    (
        "bastide-plane",
        &["bastide-policy", "bastide-record", "bastide-plan", "bastide-wire", "bastide-sense", "bastide-vault"],
    ),
    ("bastide-face", &["bastide-policy", "bastide-record", "bastide-plan", "bastide-wire", "bastide-sense"]),
];

/// May depend on anything; nothing may depend on it.
const PROOF: &str = "bastide-proof";

/// Crates linked into the gate whose manifests could switch policy text reading on for it.
const UNDER_THE_GATE: &[&str] = &["bastide-gate", "bastide-record", "bastide-wire", "bastide-sense"];

/// What the cell must never hold: TLS, an async runtime, YAML, a database.
const NOT_IN_THE_CELL: &[&str] =
    &["tokio", "rustls", "tokio-rustls", "hyper", "serde-saphyr", "rusqlite", "hickory-proto"];

/// One dependency line of one manifest.
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    normal: bool,
    reads: bool,
}

fn edges(metadata: &Value) -> Vec<Edge<'_>> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages.iter().flat_map(edges_of).collect()
}

fn edges_of(package: &Value) -> impl Iterator<Item = Edge<'_>> {
    let from = package["name"].as_str().unwrap_or_default();
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    dependencies.iter().map(move |dependency| {
        let features = dependency["features"].as_array().map(Vec::as_slice).unwrap_or_default();
        Edge {
            from,
            to: dependency["name"].as_str().unwrap_or_default(),
            // Build scripts run on the builder's machine with what they link: they count like the program.
            normal: dependency["kind"].as_str() != Some("dev"),
            reads: dependency["uses_default_features"] == true || features.iter().any(|feature| feature == "read"),
        }
    })
}

fn allowed_from(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

/// Why this dependency line is refused, if it is.
fn refusal(edge: &Edge<'_>) -> Option<String> {
    let Edge { from, to, normal, reads } = *edge;
    if to == PROOF {
        return Some(format!("{from} depends on {to}: nothing may"));
    }
    if !normal || from == PROOF {
        return None;
    }
    if from == "bastide-cell" && NOT_IN_THE_CELL.contains(&to) {
        return Some(format!("{from} links {to}"));
    }
    if to == "bastide-policy" && reads && UNDER_THE_GATE.contains(&from) {
        return Some(format!("{from} enables `read` of {to}: what decides never parses"));
    }
    let ours = to.starts_with("bastide-");
    let allowed = allowed_from(from).is_some_and(|allowed| allowed.contains(&to));
    (ours && !allowed).then(|| format!("{from} depends on {to}"))
}

/// Every breach in the metadata, as lines for the reader.
fn breaches(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let strangers = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .filter(|name| *name != PROOF && allowed_from(name).is_none())
        .map(|name| format!("{name} is not a room of the house"));
    strangers.chain(edges(metadata).iter().filter_map(refusal)).collect()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// A workspace of one package with one dependency line, for the negative cases.
fn planted(from: &str, to: &str, kind: Option<&str>, features: &[&str]) -> Value {
    serde_json::json!({"packages": [{"name": from, "dependencies": [
        {"name": to, "kind": kind, "features": features, "uses_default_features": false}
    ]}]})
}

#[test]
fn manifests_hold_only_the_allowed_edges() {
    let metadata = metadata();
    assert!(edges(&metadata).iter().any(|edge| edge.from == "bastide-cell" && edge.to == "bastide-plan"));
    let found = breaches(&metadata);
    assert!(found.is_empty(), "edges that the design does not have:\n{}", found.join("\n"));
}

#[test]
fn the_rooms_exist() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    for room in ["policy", "record", "plan", "wire", "cell", "gate", "vault", "plane", "face"] {
        let name = format!("bastide-{room}");
        assert!(packages.iter().any(|package| package["name"] == name.as_str()), "{name} is missing");
    }
}

#[test]
fn a_forbidden_edge_is_refused() {
    for (from, to) in [
        ("bastide-cell", "bastide-policy"),
        ("bastide-gate", "bastide-plane"),
        ("bastide-gate", "bastide-vault"),
        ("bastide-face", "bastide-plane"),
        ("bastide-policy", "bastide-record"),
        ("bastide-plan", "bastide-policy"),
        ("bastide-cell", "tokio"),
        ("bastide-plane", PROOF),
        ("bastide-attic", "serde"),
    ] {
        assert!(!breaches(&planted(from, to, None, &[])).is_empty(), "{from} -> {to} was accepted");
    }
}

#[test]
fn nothing_depends_on_proof_even_in_tests() {
    assert!(!breaches(&planted("bastide-policy", PROOF, Some("dev"), &[])).is_empty());
}

#[test]
fn the_gate_cannot_read_policy_text() {
    for from in UNDER_THE_GATE {
        assert!(!breaches(&planted(from, "bastide-policy", None, &["read"])).is_empty(), "{from} may read");
        assert!(breaches(&planted(from, "bastide-policy", None, &[])).is_empty(), "{from} may not decide");
    }
    assert!(breaches(&planted("bastide-plane", "bastide-policy", None, &["read"])).is_empty());
}

/// What the manifests say, seen in the program: the reader's codes stand in the plane and nowhere in the gate.
#[test]
fn the_built_gate_holds_no_reader_of_policies() {
    let own = std::env::current_exe().expect("this test");
    let built = own.ancestors().nth(2).expect("the target directory");
    let reads = |program: &str| {
        let bytes =
            std::fs::read(built.join(program)).unwrap_or_else(|_| panic!("{program} is not built: `make debug`"));
        bytes.windows(11).any(|window| window == b"E-POLICY-01")
    };
    assert!(reads("bastided"), "the plane reads policies, or this test looks for the wrong words");
    assert!(!reads("bastide-gate"));
}
