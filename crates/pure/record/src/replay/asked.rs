//! What was asked, out of what the record says of it.

use policy::mcp::{Grant, Message};
use policy::{Host, Request};

use super::Left;
use crate::event::Kind;

/// One thing that was asked, as a policy decides it.
pub(super) struct Asked {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) program: Option<Vec<String>>,
    pub(super) request: Option<Request>,
}

/// Whether a text stands in the record as it was.
pub(super) fn is_whole(text: &str) -> bool {
    !(text.contains("[redacted") || text.ends_with(" bytes more]") && text.contains("…["))
}

/// What an event says was asked; nothing of one that could not be read.
///
/// # Errors
/// When the record does not hold all of it.
pub(super) fn asked(kind: &Kind) -> Result<Option<Asked>, Left> {
    let (host, port, program, request) = match kind {
        Kind::Connect { host, port, program, .. } => (host, port, program, None),
        Kind::Request { host, port, program, method, target, .. } => {
            if !is_whole(target) {
                return Err(Left::Cut);
            }
            let Some(request) = request(kind) else { return Ok(None) };
            debug_assert_eq!(request.method().as_str(), method);
            (host, port, program, Some(request))
        }
        Kind::Mcp { host, port, program, target, .. } => {
            if !is_whole(target) {
                return Err(Left::Cut);
            }
            (host, port, program, message(kind)?)
        }
        _ => return Ok(None),
    };
    if !is_whole(host) || !program.iter().all(|name| is_whole(name)) {
        return Err(Left::Cut);
    }
    let Ok(host) = Host::parse(host) else { return Ok(None) };
    let program = (!program.is_empty()).then(|| program.clone());
    Ok(Some(Asked { host, port: *port, program, request }))
}

fn request(kind: &Kind) -> Option<Request> {
    let Kind::Request { method, target, websocket, .. } = kind else { return None };
    let request = Request::new(method, target).ok()?;
    Some(if *websocket { request.for_websocket() } else { request })
}

/// A message of MCP as it was said, or as what a server may do is decided.
fn message(kind: &Kind) -> Result<Option<Request>, Left> {
    let Kind::Mcp { target, method, name, words, server, .. } = kind else { return Ok(None) };
    // Of what it describes in another way the method tells where.
    let method = if *server && name.is_some() { Grant::Changes.method() } else { method };
    let said = !words.is_empty() && method == "tools/call";
    let bounded = is_whole(words) && name.as_deref().is_none_or(is_whole);
    let whole = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(words).is_ok();
    if said && !(bounded && whole()) {
        return Err(Left::Arguments);
    }
    // Where the program answers what a server asked, nothing is named.
    let message = match method {
        "" => Some(Message::Plain { method: "" }),
        method => Message::recorded(method, name.as_deref(), words),
    };
    let Some(message) = message else { return Ok(None) };
    Ok(Request::new("POST", target).ok().map(|request| request.saying(message)))
}
