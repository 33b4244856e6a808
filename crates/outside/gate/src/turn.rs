//! Gives a program the answer of a provider that speaks another wire, or of which something is judged first: piece by piece
//! in the program's own, within a head of the gate's own. What is masked and heard is what the program gets.

use record::conversation::hold::{Judge, Sieve};
use record::conversation::translate::{Answering, Told, Way, problem};
use record::conversation::{Usage, Wire};

use std::future::Future;
use std::pin::Pin;

use crate::ahead::{Ahead, Piece};
use crate::judges::Judges;
use crate::look::{Turns, Unread, value};
use crate::models::Asker;

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

/// One answer, turned into another wire, or judged on its way, or both.
pub(crate) struct Turn<'j> {
    /// Into which other wire.
    other: Option<(Way, Told)>,
    /// What judges it, in the program's wire.
    judge: Option<(Wire, &'j mut dyn Judge)>,
    sieve: Option<Sieve>,
    /// Finds what the operator is to be asked about.
    ahead: Option<Ahead<'j>>,
    frame: Frame,
    status: u16,
    /// When to ask again, in seconds.
    wait: Option<u64>,
    /// Lines of the provider's head that mean something to a program.
    kept: Vec<String>,
    state: State,
}

/// Headers of providers that say which request it was, and how much may be asked.
const USEFUL: [&str; 8] = [
    "request-id",
    "x-request-id",
    "retry-after-ms",
    "x-should-retry",
    "openai-processing-ms",
    "openai-version",
    "openai-model",
    "cf-ray",
];
/// The same by how they begin.
const BEGIN: [&str; 4] = ["anthropic-ratelimit-", "x-ratelimit-", "ratelimit-", "x-codex-"];
/// Most of them, and bytes of one.
const MOST: (usize, usize) = (48, 512);

/// Lines of a head that a program makes use of, each once.
fn useful(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(head);
    let mut kept: Vec<(String, String)> = Vec::new();
    for (name, value) in text.split("\r\n").skip(1).filter_map(|line| line.split_once(':')) {
        let name = name.to_ascii_lowercase();
        let known = USEFUL.contains(&name.as_str()) || BEGIN.iter().any(|begin| name.starts_with(begin));
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if known && plain && name.len() + value.len() <= MOST.1 && kept.iter().all(|(other, _)| *other != name) {
            kept.push((name, value.trim().to_owned()));
        }
    }
    kept.truncate(MOST.0);
    kept.into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

enum State {
    Before,
    Stream(Answering),
    Whole(Answering),
    /// As it is; whether piece by piece.
    Same(bool),
    Problem(Vec<u8>),
}

impl<'j> Turn<'j> {
    pub(crate) fn new(other: Option<(Way, Told)>, judge: Option<(Wire, &'j mut dyn Judge)>, takes: Takes) -> Turn<'j> {
        Turn {
            other,
            judge,
            sieve: None,
            ahead: None,
            frame: Frame::new(takes),
            status: 0,
            wait: None,
            kept: Vec::new(),
            state: State::Before,
        }
    }

    /// The same for an answer of which calls may have to be asked about.
    pub(crate) fn asking(self, asker: Option<&'j Asker<'j>>) -> Turn<'j> {
        Turn { ahead: asker.map(Ahead::new), ..self }
    }

    /// What it cost, whether or not the program is told.
    pub(crate) fn usage(&self) -> Usage {
        match &self.state {
            State::Stream(answering) | State::Whole(answering) => answering.usage(),
            _ => Usage::default(),
        }
    }

    fn turn(&mut self, carried: &[u8], end: bool) -> Result<Vec<u8>, Unread> {
        let said = match &mut self.state {
            State::Stream(answering) | State::Whole(answering) => {
                let unread = |why: record::conversation::translate::Untranslatable| Unread::Answer(why.to_string());
                let mut said = answering.push(carried).map_err(unread)?;
                if end {
                    said += &answering.finish().map_err(unread)?;
                }
                said.into_bytes()
            }
            State::Same(_) => carried.to_vec(),
            State::Problem(body) => {
                let room = MAX_PROBLEM - body.len();
                body.extend_from_slice(&carried[..carried.len().min(room)]);
                return Ok(match self.other {
                    _ if !end => Vec::new(),
                    Some((way, _)) => problem(way, self.status, body).to_string().into_bytes(),
                    None => std::mem::take(body),
                });
            }
            State::Before => Vec::new(),
        };
        self.judged(said, end)
    }

    /// What of it goes on by what is judged.
    fn judged(&mut self, said: Vec<u8>, end: bool) -> Result<Vec<u8>, Unread> {
        if self.sieve.is_none() {
            return Ok(said);
        }
        match &mut self.ahead {
            Some(ahead) => {
                ahead.take(said, end);
                self.goes_on()
            }
            None => self.sieved(&said, end),
        }
    }

    /// All that may be judged by now: what waits for the operator, and what stands behind it, is not.
    fn goes_on(&mut self) -> Result<Vec<u8>, Unread> {
        let mut out = Vec::new();
        while let Some(ahead) = &mut self.ahead
            && let Some(piece) = ahead.next().map_err(|why| Unread::Answer(why.to_string()))?
        {
            out.extend(match piece {
                Piece::Bytes(bytes) => self.sieved(&bytes, false)?,
                Piece::End => self.sieved(&[], true)?,
            });
        }
        Ok(out)
    }

    fn sieved(&mut self, said: &[u8], end: bool) -> Result<Vec<u8>, Unread> {
        let (Some(sieve), Some((_, judge))) = (&mut self.sieve, &mut self.judge) else { return Ok(said.to_vec()) };
        let unread = |why: record::conversation::Malformed| Unread::Answer(why.to_string());
        let mut out = sieve.push(said, *judge).map_err(unread)?;
        if end {
            out += &sieve.finish(*judge).map_err(unread)?;
        }
        if sieve.is_refused() && !self.streams() {
            self.status = 403;
        }
        Ok(out.into_bytes())
    }

    /// Masked, heard and framed; `end` says that the answer is over.
    fn given(
        &mut self,
        said: Vec<u8>,
        judges: &mut Judges,
        hear: &mut dyn FnMut(&[u8]) -> Result<(), Unread>,
        end: bool,
    ) -> Result<Vec<u8>, Unread> {
        let end = end && !self.holds();
        let said = judges.plain(said, end)?;
        self.kept.retain(|line| !judges.knows(line.as_bytes()));
        if !said.is_empty() {
            hear(&said)?;
        }
        Ok(self.framed(&said, end))
    }

    const fn streams(&self) -> bool {
        matches!(self.state, State::Stream(_) | State::Same(true))
    }

    fn kind(&self) -> &'static str {
        let lines = matches!((&self.state, &self.judge), (State::Same(true), Some((Wire::Ollama, _))));
        match self.streams() {
            true if lines => "application/x-ndjson",
            true => "text/event-stream",
            false => "application/json",
        }
    }

    fn framed(&mut self, said: &[u8], end: bool) -> Vec<u8> {
        self.frame.streams = self.streams();
        if !end && said.is_empty() {
            return Vec::new();
        }
        let (status, kind, wait, kept) = (self.status, self.kind(), self.wait, &mut self.kept);
        let lines = || {
            let first = format!("HTTP/1.1 {status} {}", if status < 300 { "OK" } else { "Error" });
            let wait = wait.map(|seconds| format!("Retry-After: {seconds}"));
            let lines = [first, format!("Content-Type: {kind}")].into_iter().chain(wait);
            lines.chain(std::mem::take(kept)).collect()
        };
        self.frame.put(lines, said, end)
    }
}

impl Turns for Turn<'_> {
    fn begin(&mut self, status: u16, head: &[u8]) -> Result<(u16, &'static str), Unread> {
        let (kind, wait) = (value(head, "content-type").unwrap_or_default(), value(head, "retry-after"));
        // There is nowhere else to go.
        self.status = if (300..400).contains(&status) { 502 } else { status };
        self.wait = wait.and_then(|seconds| seconds.parse().ok());
        let streams = kind.contains("event-stream") || self.other.is_none() && kind.contains("ndjson");
        self.state = match (status, self.other) {
            (300.., _) => State::Problem(Vec::new()),
            (_, None) => State::Same(streams),
            (_, Some((way, told))) if streams => State::Stream(Answering::new(way, true, told)),
            (_, Some((way, told))) => State::Whole(Answering::new(way, false, told)),
        };
        self.sieve = self.judge.as_ref().map(|(wire, judge)| Sieve::new(*wire, streams, judge.wants()));
        // An error of the provider's holds no call.
        match (&mut self.ahead, &self.judge) {
            (Some(ahead), Some((wire, _))) if status < 300 => ahead.begin(*wire, streams),
            _ => self.ahead = None,
        }
        // Those of another wire mean nothing in the program's.
        self.kept = if self.other.is_none() { useful(head) } else { Vec::new() };
        Ok((self.status, self.kind()))
    }

    fn pass(
        &mut self,
        carried: &[u8],
        judges: &mut Judges,
        hear: &mut dyn FnMut(&[u8]) -> Result<(), Unread>,
        end: bool,
    ) -> Result<Vec<u8>, Unread> {
        let said = self.turn(carried, end)?;
        self.given(said, judges, hear, end)
    }

    fn holds(&self) -> bool {
        self.ahead.as_ref().is_some_and(Ahead::holds)
    }

    fn wait(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        match &mut self.ahead {
            Some(ahead) => ahead.wait(),
            None => Box::pin(std::future::ready(())),
        }
    }

    fn resume(
        &mut self,
        judges: &mut Judges,
        hear: &mut dyn FnMut(&[u8]) -> Result<(), Unread>,
        end: bool,
    ) -> Result<Vec<u8>, Unread> {
        let said = self.goes_on()?;
        self.given(said, judges, hear, end)
    }

    fn alive(&mut self) -> Vec<u8> {
        let lines = matches!(self.judge, Some((Wire::Ollama, _)));
        if lines || !self.streams() { Vec::new() } else { self.framed(b":\n\n", false) }
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
