//! Replies as the answer of an HTTP request: one whole answer, lines, events or bytes as they come, or the frames of an
//! upgraded connection.

use serde::{Deserialize, Serialize};

use super::head::PROTOCOL;
use super::{Form, Unread, VERSION, status};
use crate::command::{Problem, Reply};
use crate::frame::{FrameError, MAX_FRAME, encode};

pub(super) const JSON: &str = "application/json";
/// Of lines for a program: what Prometheus wants to hear, and true of any text.
pub(super) const PAGE: &str = "text/plain; version=0.0.4; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream";
/// Of what is said at once: a reply that fits in a frame, and notices beside it.
pub(super) const MOST: usize = MAX_FRAME + 64 * 1024;
const LINES: &str = "application/x-ndjson";
const BYTES: &str = "application/octet-stream";

/// What answers a request that was answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer<N, R> {
    /// Lines for the operator.
    pub(super) notices: N,
    /// The plane's last word.
    pub(super) answer: R,
}

/// What answers a request of which nothing was done.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    code: String,
    cause: String,
    hint: Option<String>,
    exit: u8,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notices: Vec<String>,
}

impl Refusal {
    fn new(problem: &Problem, notices: Vec<String>) -> Refusal {
        let Problem { code, cause, hint, exit } = problem.clone();
        Refusal { code, cause, hint, exit, notices }
    }

    pub(super) fn problem(self) -> Problem {
        Problem { code: self.code, cause: self.cause, hint: self.hint, exit: self.exit }
    }
}

/// The versions that there are.
#[derive(Debug, Serialize)]
struct Versions<'a> {
    api: [&'a str; 1],
    build: &'a str,
}

/// What is said on a connection, reply by reply.
#[derive(Debug)]
pub struct Telling {
    form: Form,
    /// The head was said.
    begun: bool,
    /// All was said.
    over: bool,
    notices: Vec<String>,
}

impl Telling {
    /// Answers in this form. Frames have no head here: [`upgraded`] says it.
    #[must_use]
    pub const fn new(form: Form) -> Telling {
        Telling { form, begun: false, over: false, notices: Vec::new() }
    }

    /// Whether nothing is to be said any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }

    /// The bytes that say a reply; none where it waits for the last, or is none of this form.
    ///
    /// # Errors
    /// When it is longer than anything that is said at once.
    pub fn say(&mut self, reply: &Reply) -> Result<Vec<u8>, FrameError> {
        if self.form == Form::Frames {
            return encode(reply);
        }
        if self.over {
            return Ok(Vec::new());
        }
        match self.form {
            Form::Whole => self.say_whole(reply),
            form => self.say_piece(reply, form),
        }
    }

    fn say_whole(&mut self, reply: &Reply) -> Result<Vec<u8>, FrameError> {
        let said = match reply {
            Reply::Notice { text } => {
                self.notices.push(text.clone());
                return Ok(Vec::new());
            }
            Reply::Refused(problem) => refused_after(status(reply), problem, self.notices.clone()),
            Reply::Page { text } => whole(200, PAGE, "", text.as_bytes()),
            reply if reply.is_last() => {
                let body = serde_json::to_vec(&Answer { notices: &self.notices, answer: reply })?;
                if body.len() > MOST {
                    return Err(FrameError::TooLong(body.len()));
                }
                whole(200, JSON, "", &body)
            }
            _ => return Ok(Vec::new()),
        };
        self.over = true;
        Ok(said)
    }

    /// What comes, as it comes. A refusal that is the first word is the whole answer.
    fn say_piece(&mut self, reply: &Reply, form: Form) -> Result<Vec<u8>, FrameError> {
        let mut said = Vec::new();
        if !self.begun {
            self.begun = true;
            if let Reply::Refused(problem) = reply {
                self.over = true;
                return Ok(refused(status(reply), problem));
            }
            let kind = match form {
                Form::Lines => LINES,
                Form::Bytes => BYTES,
                _ => EVENTS,
            };
            said = head(200, kind, "Transfer-Encoding: chunked\r\n");
        }
        let piece = match form {
            Form::Lines => line(reply)?,
            Form::Bytes => bytes(reply),
            _ => event(reply)?,
        };
        if piece.len() > MOST {
            return Err(FrameError::TooLong(piece.len()));
        }
        if !piece.is_empty() {
            said.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            said.extend_from_slice(&piece);
            said.extend_from_slice(b"\r\n");
        }
        self.over = reply.is_last();
        // A part must not pass for the whole: without this it is broken off.
        if self.over && (form == Form::Events || !matches!(reply, Reply::Refused(_))) {
            said.extend_from_slice(b"0\r\n\r\n");
        }
        Ok(said)
    }
}

/// A line of JSON. Words for the operator are none.
fn line(reply: &Reply) -> Result<Vec<u8>, FrameError> {
    let mut line = match reply {
        Reply::Event(line) => serde_json::to_vec(line)?,
        Reply::Line { text } => text.clone().into_bytes(),
        _ => return Ok(Vec::new()),
    };
    line.push(b'\n');
    Ok(line)
}

fn bytes(reply: &Reply) -> Vec<u8> {
    if let Reply::Output { bytes } = reply { bytes.clone() } else { Vec::new() }
}

/// A server-sent event. JSON holds no line end.
fn event(reply: &Reply) -> Result<Vec<u8>, FrameError> {
    let (name, text) = match reply {
        Reply::Event(line) => {
            let text = serde_json::to_string(line)?;
            return Ok(format!("id: {}\ndata: {text}\n\n", line.id).into_bytes());
        }
        Reply::Notice { text } => ("notice", serde_json::to_string(text)?),
        Reply::Line { text } => ("line", serde_json::to_string(text)?),
        Reply::Output { bytes } => ("output", serde_json::to_string(bytes)?),
        Reply::News(news) => ("news", serde_json::to_string(news)?),
        Reply::Refused(problem) => ("refused", serde_json::to_string(problem)?),
        _ => return Ok(Vec::new()),
    };
    Ok(format!("event: {name}\ndata: {text}\n\n").into_bytes())
}

/// That a connection carries frames from here on.
#[must_use]
pub fn upgraded() -> Vec<u8> {
    format!("HTTP/1.1 101 {}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n\r\n", reason(101)).into_bytes()
}

/// That the body may come.
#[must_use]
pub fn go_on() -> Vec<u8> {
    format!("HTTP/1.1 100 {}\r\n\r\n", reason(100)).into_bytes()
}

/// Which versions there are of this API, and that of the programs.
#[must_use]
pub fn versions(build: &str) -> Vec<u8> {
    let body = serde_json::to_vec(&Versions { api: [VERSION], build }).unwrap_or_default();
    whole(200, JSON, "", &body)
}

/// That nothing was done, and why.
#[must_use]
pub fn refused(status: u16, problem: &Problem) -> Vec<u8> {
    refused_after(status, problem, Vec::new())
}

/// That nothing was read that could be done.
#[must_use]
pub fn unread(unread: &Unread, problem: &Problem) -> Vec<u8> {
    let more = match unread {
        Unread::Method { takes, .. } => format!("Allow: {takes}\r\n"),
        Unread::Upgrade => format!("Upgrade: {PROTOCOL}\r\n"),
        _ => String::new(),
    };
    whole(unread.status(), JSON, &more, &serde_json::to_vec(&Refusal::new(problem, Vec::new())).unwrap_or_default())
}

fn refused_after(status: u16, problem: &Problem, notices: Vec<String>) -> Vec<u8> {
    whole(status, JSON, "", &serde_json::to_vec(&Refusal::new(problem, notices)).unwrap_or_default())
}

fn whole(status: u16, kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let mut said = head(status, kind, &format!("Content-Length: {}\r\n{more}", body.len()));
    said.extend_from_slice(body);
    said
}

/// One connection carries one request: what follows it is not read.
fn head(status: u16, kind: &str, more: &str) -> Vec<u8> {
    let reason = reason(status);
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\nConnection: close\r\n{more}\r\n"
    )
    .into_bytes()
}

const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}
