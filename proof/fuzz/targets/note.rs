//! Signed notes, keys and entries of a ledger, as they come from a file that was kept elsewhere or changed. What is read is
//! the one reading there is: printed again it is the same, and what one key opens no other does. No log panics, and its tree
//! is that of its lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use record::ledger::{Book, Checkpoint, MAX_NOTE, Note, PublicKey, Tree, signature_line, to_be_signed};

/// A signature that is the message itself: whoever changes the message is found out without any arithmetic.
fn check(_: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    message == signature
}

fn read(bytes: &[u8]) {
    let Ok(note) = Note::read(bytes) else { return };
    assert!(bytes.len() <= MAX_NOTE && bytes.starts_with(note.text().as_bytes()) && note.text().ends_with('\n'));
    assert!(note.signers().count() >= 1);
    for (name, _) in note.signers() {
        // Nobody signed for these keys.
        let key = PublicKey::new(name, [7; 32]).expect("a name that a note may hold");
        assert!(note.open(&key, |_, _, _| false).is_err());
    }
}

fn sign(text: &str, time: u64) {
    let [key, other] = [[1; 32], [2; 32]].map(|bytes| PublicKey::new("bastide/log/1", bytes).expect("a name"));
    let line = |time| signature_line(&key, time, &to_be_signed(text, time));
    let bytes = format!("{text}\n{}{}", line(None), line(Some(time)));
    let Ok(note) = Note::read(bytes.as_bytes()) else { return };
    assert!(note.open(&other, check).is_err(), "another key opens it");
    if note.text() != text {
        // It brought a blank line and signatures of its own: what stands before these is not what was signed.
        assert!(note.open(&key, check).is_err(), "opened, and not what was signed");
        return;
    }
    match (Checkpoint::read(note.text()), note.open(&key, check)) {
        (Ok(checkpoint), Ok(opened)) => {
            assert!(opened.checkpoint == checkpoint && opened.time == Some(time));
            assert!(text.starts_with(&checkpoint.to_string()), "read in another way than it is written");
        }
        (Err(_), Err(_)) => {}
        other => panic!("opened and read alike: {other:?}"),
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let time = bytes.iter().fold(0_u64, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    if let Ok(text) = std::str::from_utf8(bytes) {
        sign(text, time >> 1);
        if let Ok(key) = text.parse::<PublicKey>() {
            assert_eq!(key.to_string(), text);
        }
    }
    let (mut book, mut tree) = (Book::watching([1, 3]), Tree::new());
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let _ = book.line(line);
        tree.push(line.strip_suffix(b"\n").unwrap_or(line));
    }
    assert_eq!(*book.tree(), tree);
    assert_eq!(book.root_at(3).is_some(), tree.size() >= 3);
    for known in book.sessions().values() {
        assert!(known.cuts.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
});
