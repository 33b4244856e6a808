//! Requests of the API and their answers: whatever is said, it is one request or none; what was understood says itself again
//! and is understood as the same; and no bytes are an answer in two ways.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::api::{Asked, Head, Hearing, read, say};
use wire::command::{Request, Select};

fn value(request: &Request) -> serde_json::Value {
    serde_json::to_value(request).expect("JSON")
}

/// A session is named, or the newest of an absolute directory.
fn one(select: &Select) {
    assert!(select.session.as_ref().map_or(select.directory.is_absolute(), |session| !session.is_empty()));
    assert!(select.paths.iter().all(|path| path.is_absolute()));
}

fn request(method: &str, request: &Request) {
    match request {
        Request::Show(select) | Request::Verify(select) | Request::Diff(select) | Request::Log { select, .. } => one(select),
        Request::Apply { select, .. } | Request::Discard(select) | Request::Pause(select) | Request::Resume(select) => {
            assert_eq!(method, "POST");
            one(select);
        }
        Request::Run(run) => assert!(method == "POST" && run.directory.is_absolute()),
        _ => {}
    }
    // What is longer than a head is not said again.
    let Ok(said) = say(request) else { return };
    let bytes = said.bytes();
    let end = Head::end(&bytes).expect("a head");
    let head = Head::read(&bytes[..end]).expect("ours");
    match head.asks(&bytes[end..]) {
        Ok(Asked::Request(again, _)) => assert_eq!(value(&again), value(request)),
        other => panic!("{other:?}"),
    }
}

fn asked(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (method, target) = (text(), text());
    match read(&method, &target, parts.next().unwrap_or_default()) {
        Err(unread) => assert!((400..500).contains(&unread.status())),
        Ok(Asked::Version) => {}
        Ok(Asked::Request(read, _)) => request(&method, &read),
    }
}

fn head(data: &[u8]) {
    let Some(end) = Head::end(data) else { return };
    match Head::read(&data[..end]) {
        Err(unread) => assert!((400..=505).contains(&unread.status())),
        Ok(head) => {
            assert!(!head.target.contains([' ', '\r', '\n']) && !head.method.contains([' ', '\r', '\n']));
            let _ = head.asks(data.get(end..end + head.length).unwrap_or_default());
        }
    }
}

fn heard(pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<String>, bool) {
    let (mut hearing, mut all) = (Hearing::default(), Vec::new());
    for piece in pieces {
        match hearing.push(&piece) {
            Ok(replies) => all.extend(replies.iter().map(|reply| serde_json::to_string(reply).expect("JSON"))),
            Err(_) => return (all, false),
        }
    }
    (all, true)
}

fuzz_target!(|data: &[u8]| {
    asked(data);
    head(data);
    let whole = heard(std::iter::once(data.to_vec()));
    let cut = heard(data.chunks(3).map(<[u8]>::to_vec));
    // Of bytes that are no answer to their end, fewer are heard when more come at once.
    assert_eq!(whole.1, cut.1);
    assert!(cut.0.starts_with(&whole.0));
});
