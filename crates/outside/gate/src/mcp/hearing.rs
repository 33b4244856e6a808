//! Hears what a server says on its way to the program: each message whole, before any of it goes on. What it may not do, or
//! describes in another way than at first, goes on as an error in its place, which an agent can read.

use policy::mcp::{Id, Message, Rpc};
use serde_json::Value;

use super::events::{Event, Events, MAX_EVENT, Piece, one_line};
use super::heard::Judge;
use super::refusal::error;
use crate::collect::Heard;
use crate::judges::Judges;
use crate::look::{Turns, Unread, value};
use crate::turn::{Frame, Takes};

/// Bytes of what comes with an answer that is none.
const MAX_PROBLEM: usize = 64 << 10;
/// Headers of an answer that mean something to a program that speaks MCP.
const KEPT: [&str; 6] =
    ["Mcp-Session-Id", "MCP-Protocol-Version", "WWW-Authenticate", "Retry-After", "Location", "Allow"];

/// One answer that is heard.
pub(crate) struct Hearing<'h> {
    judge: Judge<'h>,
    /// What the answer is known by; none where the program only listens, or tells something.
    id: Option<Id>,
    /// The program listens to what the server says by itself.
    listens: bool,
    frame: Frame,
    room: Heard<'h>,
    status: u16,
    kept: Vec<String>,
    state: State,
    answered: bool,
    over: bool,
}

enum State {
    /// What comes with it is left out.
    Nothing,
    /// One message.
    Whole(Vec<u8>),
    /// Why there is none.
    Problem(Vec<u8>),
    Stream(Events),
}

impl<'h> Hearing<'h> {
    pub(crate) fn new(
        judge: Judge<'h>,
        (id, listens): (Option<Id>, bool),
        takes: Takes,
        room: Heard<'h>,
    ) -> Hearing<'h> {
        let state = State::Nothing;
        let (frame, kept) = (Frame::new(takes), Vec::new());
        Hearing { judge, id, listens, frame, room, status: 0, kept, state, answered: false, over: false }
    }

    /// The id of what was asked and not answered, where its answer came as a stream that can be gone on with.
    pub(crate) fn left(&self) -> Option<&Id> {
        self.id.as_ref().filter(|_| !self.answered && matches!(self.state, State::Stream(_)))
    }

    /// The error that goes on in the place of what was asked for.
    fn instead(&mut self, why: &super::refusal::Refused) -> String {
        self.answered = true;
        error(self.id.as_ref(), why).to_string()
    }

    /// What of a message goes on.
    fn message(&mut self, text: &str) -> Result<Option<String>, Unread> {
        let odd =
            |why: &dyn std::fmt::Display| Unread::Answer(format!("what a server of MCP says cannot be read: {why}"));
        let value = super::read(text.as_bytes()).map_err(|why| odd(&why))?;
        let message = Rpc::read(&value).map_err(|why| odd(&why))?;
        if self.answered {
            // The program was told already what came of it.
            return Ok(None);
        }
        match message {
            Rpc::Notification { method, params } => {
                return Ok(self.judge.is_told(method, params).then(|| one_line(text)));
            }
            Rpc::Request { id, method, .. } => match self.judge.asks(id, method)? {
                None => return Ok(Some(one_line(text))),
                Some(_) if self.id.is_none() => return Ok(None),
                // Nobody answers it, so what was asked for would not come to an end.
                Some(why) => {
                    self.over = true;
                    return Ok(Some(self.instead(&why)));
                }
            },
            Rpc::Result { ref id, .. } | Rpc::Error { id: Some(ref id), .. } => {
                let awaited = match &self.id {
                    Some(own) => own == id,
                    None => self.judge.is_resumed(id),
                };
                if !awaited {
                    return Err(odd(&"it answers what was not asked"));
                }
            }
            Rpc::Error { id: None, .. } => return Err(odd(&"it answers what was not asked")),
        }
        self.answered = self.id.is_some();
        let judged = match message {
            Rpc::Result { result, .. } => self.judge.result(result)?,
            Rpc::Error { error, .. } => self.judge.error(error)?.map_or(Ok(None), Err),
            Rpc::Request { .. } | Rpc::Notification { .. } => Ok(None),
        };
        Ok(Some(match judged {
            Ok(None) => one_line(text),
            Ok(Some(changed)) => replaced(&value, changed),
            Err(why) if self.id.is_some() => self.instead(&why),
            Err(why) => error(id_of(&value).as_ref(), &why).to_string(),
        }))
    }

    fn event(&mut self, event: &Event) -> Result<String, Unread> {
        let data = event.data.as_deref().filter(|data| event.is_message() && !data.trim().is_empty());
        let Some(data) = data else {
            return Ok(if event.is_message() { event.written(None) } else { String::new() });
        };
        let said = self.message(data)?;
        Ok(event.written(said.as_deref()))
    }

    fn pieces(&mut self, pieces: Vec<Piece>, out: &mut String) -> Result<(), Unread> {
        for piece in pieces {
            *out += &match piece {
                Piece::Comment => ":\n\n".to_owned(),
                Piece::Event(event) => self.event(&event).or_else(|why| self.unread(why))?,
            };
            if self.over {
                break;
            }
        }
        Ok(())
    }

    /// An error in the place of an answer that cannot be read, where one is waited for; else the stream is cut.
    fn unread(&mut self, why: Unread) -> Result<String, Unread> {
        if self.id.is_none() || self.answered {
            return Err(why);
        }
        self.over = true;
        let refused = self.judge.unread(&why);
        Ok(Event::default().written(Some(&self.instead(&refused))))
    }

    fn take(&mut self, carried: &[u8], end: bool) -> Result<String, Unread> {
        let mut out = String::new();
        match &mut self.state {
            State::Nothing => {}
            State::Problem(body) => {
                let room = MAX_PROBLEM - body.len();
                body.extend_from_slice(&carried[..carried.len().min(room)]);
                let body = if end { std::mem::take(body) } else { Vec::new() };
                out = self.judge.problem(&body).unwrap_or_default();
            }
            State::Whole(body) => {
                let length = body.len() + carried.len();
                if length > MAX_EVENT || !self.room.hold(length) {
                    return Err(Unread::Much);
                }
                body.extend_from_slice(carried);
                if end {
                    let body = std::mem::take(body);
                    let text = std::str::from_utf8(&body).map_err(|_| Unread::Answer("it is no UTF-8".into()))?;
                    out = self.message(text)?.unwrap_or_default();
                    if !self.answered {
                        return Err(Unread::Answer("it answers nothing that was asked".into()));
                    }
                }
            }
            State::Stream(events) => {
                let pieces = events.push(carried).map_err(|why| Unread::Answer(why.to_string()));
                if !self.room.hold(events.held()) {
                    return Err(Unread::Much);
                }
                match pieces {
                    Ok(pieces) => self.pieces(pieces, &mut out)?,
                    Err(why) => out += &self.unread(why)?,
                }
            }
        }
        Ok(out)
    }

    fn lines(&self) -> Vec<String> {
        let reason = if self.status < 300 { "OK" } else { "Error" };
        let mut lines = vec![format!("HTTP/1.1 {} {reason}", self.status)];
        match self.state {
            State::Nothing => {}
            State::Stream(_) => {
                lines.extend(["Content-Type: text/event-stream".into(), "Cache-Control: no-cache".into()]);
            }
            State::Whole(_) | State::Problem(_) => lines.push("Content-Type: application/json".into()),
        }
        lines.extend(self.kept.iter().cloned());
        lines
    }
}

impl Turns for Hearing<'_> {
    fn begin(&mut self, status: u16, head: &[u8]) -> Result<(u16, &'static str), Unread> {
        // One without a body would have one in a head of the gate's own.
        self.status = if matches!(status, 204 | 304) { 202 } else { status };
        self.kept = KEPT.iter().flat_map(|name| kept(head, name)).collect();
        let kind = value(head, "content-type").unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        let wanted = self.id.is_some() || self.listens;
        self.state = match (essence, status) {
            (_, 204 | 304) => State::Nothing,
            ("application/json", 300..) => State::Problem(Vec::new()),
            (_, 202 | 300..) => State::Nothing,
            _ if !wanted => State::Nothing,
            ("application/json", _) if self.id.is_some() => State::Whole(Vec::new()),
            ("text/event-stream", _) => State::Stream(Events::default()),
            _ => return Err(Unread::Answer("it is neither JSON nor a stream of events".into())),
        };
        self.frame.streams = matches!(self.state, State::Stream(_));
        Ok((self.status, if self.frame.streams { "text/event-stream" } else { "application/json" }))
    }

    fn pass(
        &mut self,
        carried: &[u8],
        judges: &mut Judges,
        _: &mut dyn FnMut(&[u8]) -> Result<(), Unread>,
        end: bool,
    ) -> Result<Vec<u8>, Unread> {
        let said = self.take(carried, end)?.into_bytes();
        let end = end || self.over;
        let said = judges.plain(said, end)?;
        self.kept.retain(|line| !judges.knows(line.as_bytes()));
        let lines = self.lines();
        Ok(self.frame.put(|| lines, &said, end))
    }

    fn is_over(&self) -> bool {
        self.over
    }
}

/// A header as it goes on; nothing where it stands twice, or holds what no header does.
fn kept(head: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(head).ok()?;
    let mut values = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let is = |(other, _): &(&str, &str)| other.eq_ignore_ascii_case(name);
    let (_, value) = values.find(is)?;
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (plain && !values.any(|one| is(&one))).then(|| format!("{name}: {}", value.trim()))
}

/// The same answer with another result.
fn replaced(value: &Value, result: Value) -> String {
    let mut value = value.clone();
    if let Some(place) = value.get_mut("result") {
        *place = result;
    }
    one_line(&value.to_string())
}

fn id_of(value: &Value) -> Option<Id> {
    match Rpc::read(value) {
        Ok(Rpc::Result { id, .. }) => Some(id),
        Ok(Rpc::Error { id, .. }) => id,
        _ => None,
    }
}

/// What a program listens for or ends says nothing.
pub(super) const SILENT: Message = Message::Plain { method: "" };
