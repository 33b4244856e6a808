//! `vault`: what is kept, for whom, and what is refused without a word of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use wire::command::{Problem, Reply, Request, SecretText, VaultRequest};

use crate::room::Room;

const SECRET: &str = "ghp_hunter2-hunter2";

fn set(name: &str, to: &str, paths: &[&str], value: &str) -> Request {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let value = SecretText::from(value.to_owned());
    Request::Vault(VaultRequest::Set { name: name.into(), to: to.into(), paths, value, derives: None })
}

fn remove(name: &str) -> Request {
    Request::Vault(VaultRequest::Remove { name: name.into() })
}

fn refused(room: &Room, request: Request) -> Problem {
    let problem = room.no(request);
    assert!(problem.exit == 1 && problem.hint.is_some(), "{problem:?}");
    let told = format!("{problem:?}");
    assert!(!told.contains("hunter") && !problem.cause.chars().any(char::is_control), "{told}");
    problem
}

fn listed(room: &Room) -> Vec<wire::command::VaultEntry> {
    match room.yes(Request::Vault(VaultRequest::List)) {
        Reply::Vault { secrets } => secrets,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_secret_is_kept_listed_and_removed() {
    let room = Room::new();
    assert!(listed(&room).is_empty());
    let Reply::Text { text } = room.yes(set("github", "API.github.com:443", &["/a/**"], SECRET)) else { panic!() };
    assert!(text.contains("api.github.com:443") && !text.contains("hunter") && !text.contains("took"), "{text}");
    let Reply::Text { text } = room.yes(set("github", "api.github.com", &[], "another-value\n")) else { panic!() };
    assert!(text.contains("took the place") && text.contains("every path"), "{text}");
    let secrets = listed(&room);
    assert_eq!(secrets.len(), 1);
    assert_eq!((secrets[0].name.as_str(), secrets[0].to.as_deref()), ("github", Some("api.github.com")));
    assert!(secrets[0].since.is_some() && secrets[0].damaged.is_none() && secrets[0].paths.is_empty());
    assert!(matches!(room.yes(remove("github")), Reply::Text { .. }));
    assert_eq!(refused(&room, remove("github")).code, "E-PLANE-085");
}

#[test]
fn what_cannot_be_kept_is_refused_and_not_repeated() {
    let room = Room::new();
    for (code, request) in [
        ("E-PLANE-080", set("GHP_hunter2", "a.example", &[], SECRET)),
        ("E-PLANE-080", set("../x", "a.example", &[], SECRET)),
        ("E-PLANE-081", set("a", "https://a.example", &[], SECRET)),
        ("E-PLANE-081", set("a", "*.a.example", &[], SECRET)),
        ("E-PLANE-081", set("a", "10.0.0.0/8", &[], SECRET)),
        ("E-PLANE-081", set("a", "a\u{1b}[2J", &[], SECRET)),
        ("E-PLANE-082", set("a", "a.example", &["a"], SECRET)),
        ("E-PLANE-082", set("a", "a.example", &["/a/../b"], SECRET)),
        ("E-PLANE-083", set("a", "a.example", &[], "")),
        ("E-PLANE-083", set("a", "a.example", &[], "hunter")),
        ("E-PLANE-083", set("a", "a.example", &[], "hunter2\nhunter2\n")),
        ("E-PLANE-080", remove("A")),
    ] {
        let told = format!("{request:?}");
        assert_eq!(refused(&room, request).code, code, "{told}");
    }
    assert!(listed(&room).is_empty());
}

#[test]
fn a_vault_that_is_not_the_operators_alone_is_not_used() {
    let room = Room::new();
    room.yes(set("a", "a.example", &[], SECRET));
    let vault = room.store().vault();
    fs::set_permissions(vault.join("key"), fs::Permissions::from_mode(0o644)).unwrap();
    let problem = refused(&room, set("b", "a.example", &[], SECRET));
    assert_eq!(problem.code, "E-PLANE-084");
    assert!(problem.hint.unwrap().contains("chmod go= "));
    fs::remove_file(vault.join("key")).unwrap();
    assert_eq!(refused(&room, Request::Vault(VaultRequest::List)).code, "E-PLANE-087");
}

#[test]
fn a_damaged_secret_is_told_beside_the_others() {
    let room = Room::new();
    room.yes(set("a", "a.example", &[], SECRET));
    room.yes(set("b", "a.example", &[], SECRET));
    fs::write(room.store().vault().join("a.age"), "age-encryption.org/v1\n").unwrap();
    let secrets = listed(&room);
    assert!(secrets[0].damaged.is_some() && secrets[0].to.is_none(), "{secrets:?}");
    assert!(secrets[1].damaged.is_none() && secrets[1].to.is_some(), "{secrets:?}");
}
