//! Messages of MCP, and the streams in which they come: what is taken is what a reader takes that knows no case of letters and
//! minds no name that stands twice; a stream is read alike however it is cut, and read back as it is written.
#![no_main]

use gate::mcp::events::{Events, Piece, one_line};
use gate::mcp::read;
use gate::stdio::lines::{Lines, MAX_MESSAGE};
use libfuzzer_sys::fuzz_target;
use policy::Request;
use policy::mcp::{Message, Rpc, Said, What, asks_in, offers, words};
use serde_json::{Map, Value};

/// The last field whose name is this in any case: what some servers take.
fn loosely<'v>(object: Option<&'v Map<String, Value>>, name: &str) -> Option<&'v Value> {
    let mut found = None;
    for (other, value) in object.into_iter().flatten() {
        if other.to_lowercase() == name.to_lowercase() {
            found = Some(value);
        }
    }
    found
}

fn said(value: &Value) {
    let request = Request::new("POST", "/mcp").expect("a request");
    let Ok(said) = Said::read(value, &request) else { return };
    let whole = value.as_object();
    let method = loosely(whole, "method").and_then(Value::as_str);
    let What::Message(message) = said.what else {
        assert!(method.is_none() && whole.is_some_and(|whole| whole.contains_key("result") || whole.contains_key("error")));
        return;
    };
    assert_eq!(method, Some(message.method()), "another method could be read");
    let params = loosely(whole, "params").and_then(Value::as_object);
    match &message {
        Message::Tool { name, arguments } => {
            assert_eq!(loosely(params, "name").and_then(Value::as_str), Some(name.as_str()));
            let read = loosely(params, "arguments").and_then(Value::as_object);
            assert_eq!(read.cloned().unwrap_or_default(), arguments.clone().expect("known"));
            for (name, value) in read.into_iter().flatten() {
                assert_eq!(loosely(read, name), Some(value), "another argument could be read");
            }
        }
        Message::Resource { uri, .. } if message.method() != "completion/complete" => {
            assert_eq!(loosely(params, "uri").and_then(Value::as_str), Some(uri.as_str()));
        }
        _ => {}
    }
    // By what the record says of it, it is the same.
    let arguments = message.arguments().map(|one| Value::Object(one.clone()).to_string());
    if message.method() != "completion/complete" {
        assert_eq!(Message::recorded(message.method(), message.name(), &arguments.unwrap_or_default()), Some(message));
    }
}

fn heard(value: &Value) {
    let Ok(Rpc::Result { result, .. }) = Rpc::read(value) else { return };
    let _ = words(result);
    if let Ok(found) = offers(result) {
        for list in ["tools", "prompts"] {
            let items = loosely(Some(result), list).and_then(Value::as_array);
            for item in items.into_iter().flatten() {
                let name = loosely(item.as_object(), "name").and_then(Value::as_str).expect("each has one");
                assert!(found.iter().any(|offer| offer.name == name && offer.value == item), "it is offered past us");
            }
        }
        let told = loosely(Some(result), "instructions").is_some();
        assert_eq!(told, found.iter().any(|offer| offer.name.is_empty()));
        if let Ok(wanted) = asks_in(result) {
            let read = loosely(Some(result), "inputRequests").and_then(Value::as_object);
            assert_eq!(wanted.len(), read.map_or(0, Map::len), "it is wanted past us");
        }
    }
}

fn stream(bytes: &[u8], size: usize) -> Option<Vec<Piece>> {
    let mut events = Events::default();
    let mut pieces = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        pieces.extend(events.push(piece).ok()?);
        assert!(events.held() <= bytes.len());
    }
    Some(pieces)
}

/// What a server on a line says, cut into pieces of this size.
fn lines(bytes: &[u8], size: usize) -> Option<Vec<Vec<u8>>> {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    for piece in bytes.chunks(size.max(1)) {
        lines.push(piece).ok()?;
        while let Some(line) = lines.next_line().ok()? {
            assert!(line.len() <= MAX_MESSAGE && !line.contains(&b'\n'));
            found.push(line);
        }
    }
    Some(found)
}

fuzz_target!(|bytes: &[u8]| {
    let [cut, text @ ..] = bytes else { return };
    let whole = stream(text, text.len());
    assert_eq!(whole, stream(text, usize::from(*cut % 16) + 1), "the cut changes what is read");
    let said_whole = lines(text, text.len());
    assert_eq!(said_whole, lines(text, usize::from(*cut % 16) + 1), "the cut changes what a line is");
    for line in said_whole.into_iter().flatten() {
        // Written anew it is one line, and says the same.
        if let Ok(value) = read(&line) {
            let written = value.to_string();
            assert!(!written.contains(['\n', '\r']));
            assert_eq!(read(written.as_bytes()), Ok(value));
        }
    }
    for piece in whole.into_iter().flatten() {
        let Piece::Event(event) = piece else { continue };
        let Some(data) = event.data.as_deref().filter(|_| event.is_message()) else { continue };
        let Ok(value) = read(data.as_bytes()) else { continue };
        let line = one_line(data);
        assert_eq!(read(line.as_bytes()), Ok(value), "it says another thing");
        assert!(!line.contains(['\n', '\r', '\u{b}', '\u{c}', '\u{1c}', '\u{85}', '\u{2028}', '\u{2029}']));
        let written = event.written(Some(&line));
        let back = stream(written.as_bytes(), 7).expect("it is a stream");
        let [Piece::Event(back)] = back.as_slice() else { panic!("another number of events: {written:?}") };
        assert_eq!((back.data.as_deref(), &back.id), (Some(line.as_str()), &event.id));
    }
    if let Ok(value) = read(text) {
        said(&value);
        heard(&value);
    }
});
