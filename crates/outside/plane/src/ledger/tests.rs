//! The key and its notes are those of other programs, too.

use record::ledger::{Checkpoint, Note};

use super::*;

/// The key, and the signature by it, of the package that the format comes from (golang.org/x/mod/sumdb/note).
const SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const LINE: &str = "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_note_is_signed_as_others_sign_it() {
    let key = SigningKey::read(SECRET).expect("a key");
    assert_eq!(key.public().to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    assert_eq!(key.sign(TEXT, None), LINE);
    assert!(SigningKey::read(&SECRET.replace("c74f20a3", "c74f20a4")).is_none());
    assert!(SigningKey::read(&SECRET.replace("PRIVATE+KEY+", "")).is_none());
}

#[test]
fn a_checkpoint_is_opened_by_its_key_and_by_no_other() {
    let (one, other) = (SigningKey::read(SECRET).expect("a key"), tempfile::tempdir().expect("a directory"));
    let other = SigningKey::make(&other.path().join("key")).expect("made");
    let checkpoint = Checkpoint { origin: "a/b".into(), size: 7, root: [3; 32] };
    let text = one.note(&checkpoint, 1_800_000_000);
    let note = Note::read(text.as_bytes()).expect("a note");
    let opened = note.open(one.public(), is_signature).expect("signed");
    assert_eq!((opened.checkpoint, opened.time), (checkpoint, Some(1_800_000_000)));
    assert!(note.open(other.public(), is_signature).is_err());
    // Any bit of the text or of a signature, and it is refused.
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        let opened = Note::read(&changed).ok().and_then(|note| note.open(one.public(), is_signature).ok());
        // What is no longer signed by our name or id says nothing; the other signature still stands.
        let still = opened.is_none_or(|opened| opened.checkpoint.size == 7 && opened.checkpoint.root == [3; 32]);
        assert!(still, "bit of byte {at}");
    }
}

#[test]
fn a_key_is_its_operators_alone() {
    use std::os::unix::fs::PermissionsExt;
    let room = tempfile::tempdir().expect("a directory");
    let path = room.path().join("key");
    assert!(SigningKey::open(&path).expect("none").is_none());
    let made = SigningKey::make(&path).expect("made");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(SigningKey::open(&path).expect("read").expect("there").public(), made.public());
    let text = std::fs::read_to_string(&path).expect("text");
    for bad in [text.replacen("+A", "+B", 1), String::new(), "x".repeat(2000)] {
        std::fs::write(&path, &bad).expect("written");
        let error = SigningKey::open(&path).expect_err("damaged").to_string();
        assert!(!error.contains(&text[60..80]), "{error}");
    }
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("opened up");
    assert!(matches!(SigningKey::open(&path), Err(LedgerError::Key(_))));
}
