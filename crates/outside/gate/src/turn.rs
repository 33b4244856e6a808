//! Gives a program the answer of a provider that speaks another wire: piece by piece in the program's own, within a head of
//! the gate's own. What is masked and heard is what the program gets.

use record::conversation::Usage;
use record::conversation::translate::{Answering, Told, Way, problem};

use crate::look::{Turns, Unread, value};
use crate::reply::Part;
use crate::veil::Veil;

/// Bytes of a provider's own error that are read.
const MAX_PROBLEM: usize = 1 << 20;

/// How a program takes its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Takes {
    /// It speaks HTTP/1.0, and knows no chunks.
    pub(crate) old: bool,
    /// It says nothing more on its connection.
    pub(crate) last: bool,
}

/// One answer, turned into another wire.
pub(crate) struct Turn {
    way: Way,
    told: Told,
    frame: Frame,
    status: u16,
    /// When to ask again, in seconds.
    wait: Option<u64>,
    state: State,
}

enum State {
    Before,
    Stream(Answering),
    Whole(Answering),
    Problem(Vec<u8>),
}

impl Turn {
    pub(crate) const fn new(way: Way, told: Told, takes: Takes) -> Turn {
        Turn { way, told, frame: Frame::new(takes), status: 0, wait: None, state: State::Before }
    }

    /// What it cost, whether or not the program is told.
    pub(crate) fn usage(&self) -> Usage {
        match &self.state {
            State::Stream(answering) | State::Whole(answering) => answering.usage(),
            _ => Usage::default(),
        }
    }

    fn turn(&mut self, carried: &[u8], end: bool) -> Result<String, Unread> {
        match &mut self.state {
            State::Stream(answering) | State::Whole(answering) => {
                let unread = |why: record::conversation::translate::Untranslatable| Unread::Answer(why.to_string());
                let mut said = answering.push(carried).map_err(unread)?;
                if end {
                    said += &answering.finish().map_err(unread)?;
                }
                Ok(said)
            }
            State::Problem(body) => {
                let room = MAX_PROBLEM - body.len();
                body.extend_from_slice(&carried[..carried.len().min(room)]);
                Ok(if end { problem(self.way, self.status, body).to_string() } else { String::new() })
            }
            State::Before => Ok(String::new()),
        }
    }

    const fn kind(&self) -> &'static str {
        if matches!(self.state, State::Stream(_)) { "text/event-stream" } else { "application/json" }
    }

    fn framed(&mut self, said: &[u8], end: bool) -> Vec<u8> {
        self.frame.streams = matches!(self.state, State::Stream(_));
        if !end && said.is_empty() {
            return Vec::new();
        }
        let lines = vec![
            format!("HTTP/1.1 {} {}", self.status, if self.status < 300 { "OK" } else { "Error" }),
            format!("Content-Type: {}", self.kind()),
        ];
        let wait = self.wait.map(|seconds| format!("Retry-After: {seconds}"));
        self.frame.put(|| lines.into_iter().chain(wait).collect(), said, end)
    }
}

impl Turns for Turn {
    fn begin(&mut self, status: u16, head: &[u8]) -> Result<(u16, &'static str), Unread> {
        let (kind, wait) = (value(head, "content-type").unwrap_or_default(), value(head, "retry-after"));
        // There is nowhere else to go.
        self.status = if (300..400).contains(&status) { 502 } else { status };
        self.wait = wait.and_then(|seconds| seconds.parse().ok());
        let streams = kind.contains("event-stream");
        self.state = match status {
            300.. => State::Problem(Vec::new()),
            _ if streams => State::Stream(Answering::new(self.way, true, self.told)),
            _ => State::Whole(Answering::new(self.way, false, self.told)),
        };
        Ok((self.status, self.kind()))
    }

    fn pass(
        &mut self,
        carried: &[u8],
        veil: Option<&mut Veil>,
        hear: &mut dyn FnMut(&[u8]) -> Result<(), Unread>,
        end: bool,
    ) -> Result<Vec<u8>, Unread> {
        let said = self.turn(carried, end)?.into_bytes();
        let said = match veil {
            Some(veil) => veil.pass(&said, &[(Part::Body, 0..said.len())], end),
            None => said,
        };
        if !said.is_empty() {
            hear(&said)?;
        }
        Ok(self.framed(&said, end))
    }
}

/// An answer within a head of the gate's own: a stream in chunks as they come, anything else once it is whole.
#[derive(Debug)]
pub(crate) struct Frame {
    takes: Takes,
    pub(crate) streams: bool,
    headed: bool,
}

impl Frame {
    pub(crate) const fn new(takes: Takes) -> Frame {
        Frame { takes, streams: false, headed: false }
    }

    /// A piece of what it carries, behind its head where that did not go on before; `lines` are its own.
    pub(crate) fn put(&mut self, lines: impl FnOnce() -> Vec<String>, said: &[u8], end: bool) -> Vec<u8> {
        let mut out = Vec::new();
        if !end && !self.streams {
            return out;
        }
        if !std::mem::replace(&mut self.headed, true) {
            let mut lines = lines();
            match self.streams {
                false => lines.push(format!("Content-Length: {}", said.len())),
                true if self.takes.old => {}
                true => lines.push("Transfer-Encoding: chunked".into()),
            }
            if self.takes.last || self.takes.old {
                lines.push("Connection: close".into());
            }
            out.extend((lines.join("\r\n") + "\r\n\r\n").into_bytes());
        }
        match self.streams && !self.takes.old {
            true if said.is_empty() => {}
            true => out.extend([format!("{:x}\r\n", said.len()).as_bytes(), said, b"\r\n"].concat()),
            false => out.extend_from_slice(said),
        }
        if end && self.streams && !self.takes.old {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        out
    }
}
