//! Policies of another language: written in this one, and used as they are.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use plane::policy_file::read_policy;
use wire::command::{Checked, PolicyRequest, Reply, Request};

use crate::room::Room;

const PRESET: &str = "\
preset:
  name: registry
network_policies:
  registry:
    endpoints:
      - {host: registry.example, port: 443, protocol: rest, enforcement: audit, access: read-only}
      - {host: graph.example, port: 443, protocol: graphql, access: full}
      - {host: graph.example.net, port: 443, protocol: rest, access: full}
    binaries: [{path: /usr/bin/curl}]
";

fn file(room: &Room, text: &str) -> PathBuf {
    let path = room.path("p/preset.yaml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

/// The answer, and what was told before.
fn asked(room: &Room, request: PolicyRequest) -> (Checked, Vec<String>) {
    let (replies, last) = room.ask(Request::Policy(request));
    let told =
        replies.into_iter().filter_map(|reply| if let Reply::Notice { text } = reply { Some(text) } else { None });
    let Reply::Policy(checked) = last.unwrap() else { panic!() };
    (checked, told.collect())
}

#[test]
fn it_is_written_as_a_policy_that_says_the_same() {
    let room = Room::new();
    let path = file(&room, PRESET);
    let (written, told) = asked(&room, PolicyRequest::Import { file: path.clone(), name: Some("own".into()) });
    assert!(written.yes && written.text.starts_with("bastide: 1\nname: \"own\"\n"), "{}", written.text);
    let line =
        |words: &str| told.iter().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {told:#?}"));
    assert!(line("what `protocol: graphql` inspects").starts_with("7:9: not expressed: "));
    let audit = line("`enforcement: audit`");
    assert!(audit.starts_with("6:") && audit.contains(": reported: "), "{audit}");
    assert_eq!(written.data["policy"], serde_json::json!(written.text));
    assert!(written.data["notes"].as_array().unwrap().iter().any(|note| note["kind"] == "not-expressed"));
    let own = room.path("p/own.yaml");
    fs::write(&own, &written.text).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
    let read = |path: &Path| read_policy(Some(path), &room.place.home, room.store()).unwrap();
    let (imported, printed) = (read(&path), read(&own));
    assert_eq!((imported.name.as_str(), &imported.network), ("registry", &printed.network));
}

#[test]
fn it_is_checked_and_explained_as_it_is() {
    let room = Room::new();
    let path = file(&room, PRESET);
    let (checked, told) = asked(&room, PolicyRequest::Check { file: path.clone() });
    assert!(checked.yes && checked.text.contains("understood: policy `registry`"), "{}", checked.text);
    assert!(
        told.iter().any(|line| line.starts_with("imported; not expressed: ") && line.contains("policy import ")),
        "{told:?}"
    );
    for (request, yes) in
        [("GET registry.example:443/x", true), ("PUT registry.example:443/x", false), ("graph.example", false)]
    {
        let program = Some("/usr/bin/curl".into());
        let explain = PolicyRequest::Explain { file: path.clone(), request: request.into(), program };
        assert_eq!(asked(&room, explain).0.yes, yes, "{request}");
    }
    assert!(asked(&room, PolicyRequest::Show { file: Some(path) }).0.text.contains("registry.example:443"));
}

#[test]
fn what_is_wrong_has_its_place() {
    let room = Room::new();
    let path = file(&room, &PRESET.replace("access: read-only", "access: some"));
    let problem = room.no(Request::Policy(PolicyRequest::Import { file: path.clone(), name: None }));
    assert_eq!((problem.code.as_str(), problem.exit), ("E-POLICY-014", 1));
    assert!(problem.cause.contains("preset.yaml:6:"), "{problem}");
    assert_eq!(read_policy(Some(&path), &room.place.home, room.store()).unwrap_err().exit, 125);
    let path = file(&room, "bastide: 1\nname: own\n");
    let problem = room.no(Request::Policy(PolicyRequest::Import { file: path, name: None }));
    assert_eq!(problem.code, "E-POLICY-019");
}
