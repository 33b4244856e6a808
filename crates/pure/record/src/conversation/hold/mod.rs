//! Holds back what a model says until it is judged. A call waits until it is whole, and goes on as it came, or something else
//! in its place, or the whole answer ends with an error. Words wait as long as their judge wants, and go on with parts taken out.
//! Everything else goes on as soon as its event is whole, unless a held call stands before it.
//!
//! Bytes come in cut anywhere, and go out in the same wire. Never here: what speaks against a call or a word. That is the
//! judge's.

mod chat;
mod gemini;
mod judge;
mod messages;
mod ollama;
mod responses;
mod withheld;
mod words;
mod written;

use std::collections::BTreeSet;

use serde_json::Value;

use super::answer::{MAX_ANSWER, MAX_BODY};
use super::block::Block;
use super::events::{COMMENT, Events, Framing};
use super::shape::{Blocks, Malformed, count};
use super::unique::json as parse;
use super::{Speaker, Wire};
pub use judge::{Cut, Judge, Ruling, Said, Signed, Verdict, Wants};
pub use withheld::{WITHHELD, Withheld, restore};
use words::Texts;
use written::{error, say};

/// One answer on its way.
pub struct Sieve {
    wire: Wire,
    body: Body,
    stages: Stages,
    over: bool,
}

/// What an event goes through: words first, so that what stands in the place of a call is nobody's words.
struct Stages {
    words: Option<Texts>,
    calls: Option<Box<dyn Hold>>,
    /// Bytes of events that are held.
    held: usize,
}

enum Body {
    Whole(Vec<u8>),
    Stream(Events),
}

/// Why an answer goes on no further.
#[derive(Debug)]
enum Stop {
    Malformed(Malformed),
    Refused(String),
}

impl From<Malformed> for Stop {
    fn from(why: Malformed) -> Stop {
        Stop::Malformed(why)
    }
}

/// Events that wait until every call among them was ended.
#[derive(Default)]
struct Held {
    queue: Vec<Event>,
    open: BTreeSet<u64>,
}

/// What becomes of an event.
enum Step {
    Goes(Event),
    Waits,
    /// It and all that waited are to be judged.
    Over(Vec<Event>),
}

impl Held {
    /// Takes an event of the block with this number, which a call may begin or end with.
    fn take(&mut self, event: Event, index: Option<u64>, (begins, ends): (bool, bool)) -> Step {
        match index {
            Some(index) if begins => drop(self.open.insert(index)),
            _ if self.queue.is_empty() => return Step::Goes(event),
            _ => {}
        }
        self.queue.push(event);
        if let (true, Some(index)) = (ends, index) {
            self.open.remove(&index);
        }
        if self.open.is_empty() { Step::Over(self.end()) } else { Step::Waits }
    }

    /// All that waits but for what belongs to calls that did not end.
    fn ended(&mut self) -> Vec<Event> {
        let open = std::mem::take(&mut self.open);
        let ended = |event: &Event| count(&event.value, "output_index").is_none_or(|index| !open.contains(&index));
        self.end().into_iter().filter(ended).collect()
    }

    /// All that waits: nothing goes on with it.
    fn end(&mut self) -> Vec<Event> {
        self.open.clear();
        std::mem::take(&mut self.queue)
    }
}

/// One event of a stream.
#[derive(Debug, Clone)]
struct Event {
    /// As it came; none where it was changed, or is new.
    data: Option<String>,
    value: Value,
}

impl Event {
    const fn new(value: Value) -> Event {
        Event { data: None, value }
    }

    /// Its content, to be changed.
    fn change(&mut self) -> &mut Value {
        self.data = None;
        &mut self.value
    }
}

/// Asks about one call after another.
struct Asks<'j> {
    judge: &'j mut dyn Judge,
}

impl Asks<'_> {
    /// Says that a call stands in the place of one with this id; not where it has none.
    fn withhold(&mut self, id: &Value, call: &Value, told: &str) -> bool {
        let Some(id) = id.as_str().filter(|id| !id.is_empty()) else { return false };
        self.judge.withheld(Withheld { id: id.to_owned(), call: call.clone(), told: told.to_owned() });
        true
    }

    /// Why a call does not go on; nothing where it does.
    fn ask(&mut self, read: impl FnOnce(&mut Blocks) -> Result<(), Malformed>) -> Result<Option<String>, Stop> {
        let mut blocks = Blocks::default();
        read(&mut blocks)?;
        for block in blocks.0.iter().filter(|block| block.speaker == Speaker::Assistant) {
            match self.judge.judge(block) {
                Ruling::Pass => {}
                Ruling::Instead(text) => return Ok(Some(text)),
                Ruling::Refuse(why) => return Err(Stop::Refused(why)),
            }
        }
        Ok(None)
    }
}

/// One wire's way to hold calls.
trait Hold {
    /// Takes one event, gives what goes on by now. Tells whether anything is held.
    fn event(&mut self, event: Event, asks: &mut Asks<'_>, out: &mut Vec<Event>) -> Result<bool, Stop>;
    /// The stream says that it is over, where it does so by a word of its own.
    fn ended(&mut self, _asks: &mut Asks<'_>, _out: &mut Vec<Event>) -> Result<(), Stop> {
        Ok(())
    }
    /// Changes an answer that came whole. Tells whether it did.
    fn body(&mut self, body: &mut Value, asks: &mut Asks<'_>) -> Result<bool, Stop>;
}

impl Sieve {
    /// Begins with an answer of this wire, of which a judge wants this. `streams` by its content type.
    #[must_use]
    pub fn new(wire: Wire, streams: bool, wants: Wants) -> Self {
        let framing = if wire == Wire::Ollama { Framing::Lines } else { Framing::ServerSent };
        let body = if streams { Body::Stream(Events::new(framing).with_comments()) } else { Body::Whole(Vec::new()) };
        let hold: Box<dyn Hold> = match wire {
            Wire::Messages => Box::<messages::Calls>::default(),
            Wire::Chat | Wire::Embeddings => Box::<chat::Calls>::default(),
            Wire::Responses => Box::<responses::Calls>::default(),
            Wire::Gemini => Box::<gemini::Calls>::default(),
            Wire::Ollama => Box::<ollama::Calls>::default(),
        };
        let stages =
            Stages { words: wants.words.then(|| Texts::new(wire)), calls: Some(hold).filter(|_| wants.calls), held: 0 };
        Self { wire, body, stages, over: false }
    }

    /// Whether the answer was ended.
    #[must_use]
    pub const fn is_refused(&self) -> bool {
        self.over
    }

    /// Takes the next bytes, gives what goes on.
    ///
    /// # Errors
    /// When an event is not what the wire prescribes, or more is held than [`MAX_ANSWER`].
    pub fn push(&mut self, bytes: &[u8], judge: &mut dyn Judge) -> Result<String, Malformed> {
        let mut out = String::new();
        let Self { wire, body, stages, over } = self;
        match body {
            _ if *over => {}
            Body::Whole(body) if body.len() + bytes.len() > MAX_BODY => return Err(Malformed::LongAnswer),
            Body::Whole(body) => body.extend_from_slice(bytes),
            Body::Stream(events) => {
                events.push(bytes, &mut |data| {
                    if !*over {
                        let said = stages.take(*wire, data, judge, &mut out);
                        *over = settle(*wire, said, &mut out)?;
                    }
                    Ok(())
                })?;
            }
        }
        Ok(out)
    }

    /// The answer is over: what still goes on. A call that was cut off does not.
    ///
    /// # Errors
    /// As [`Sieve::push`]; an answer that came whole has to be JSON.
    pub fn finish(&mut self, judge: &mut dyn Judge) -> Result<String, Malformed> {
        let mut out = String::new();
        let framing = Events::new(Framing::Lines);
        match std::mem::replace(&mut self.body, Body::Stream(framing)) {
            _ if self.over => {}
            Body::Whole(bytes) if bytes.is_empty() => {}
            Body::Whole(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let mut body = parse(text.strip_prefix('\u{feff}').unwrap_or(&text))?;
                match self.stages.body(&mut body, judge) {
                    Ok(false) => out.push_str(&text),
                    Ok(true) => out.push_str(&body.to_string()),
                    Err(Stop::Malformed(why)) => return Err(why),
                    Err(Stop::Refused(why)) => {
                        self.over = true;
                        out.push_str(&error(self.wire, &why).to_string());
                    }
                }
            }
            Body::Stream(events) => {
                let Self { wire, stages, over, .. } = self;
                events.finish(&mut |data| {
                    // What was cut off is no JSON, and goes nowhere.
                    if is_end(data) || parse(data).is_ok() {
                        let said = stages.take(*wire, data, judge, &mut out);
                        *over = settle(*wire, said, &mut out)?;
                    }
                    Ok(())
                })?;
                if !*over {
                    let said = stages.over(*wire, judge, &mut out);
                    *over = settle(*wire, said, &mut out)?;
                }
            }
        }
        Ok(out)
    }
}

fn is_end(data: &str) -> bool {
    data.trim() == "[DONE]"
}

impl Stages {
    /// One event's data.
    fn take(&mut self, wire: Wire, data: &str, judge: &mut dyn Judge, out: &mut String) -> Result<(), Stop> {
        if is_end(data) {
            self.over(wire, judge, out)?;
            let mut events = Vec::new();
            if let Some(calls) = &mut self.calls {
                calls.ended(&mut Asks { judge }, &mut events)?;
            }
            events.iter().for_each(|event| say(wire, event, out));
            out.push_str("data: [DONE]\n\n");
            return Ok(());
        }
        // Whoever waits for what is held hears that somebody is still there.
        if data == COMMENT && wire != Wire::Ollama {
            out.push_str(":\n\n");
            return Ok(());
        }
        if data.trim().is_empty() {
            return Ok(());
        }
        let event = Event { value: parse(data)?, data: Some(data.to_owned()) };
        let mut events = Vec::new();
        match &mut self.words {
            Some(words) => words.event(event, judge, &mut events)?,
            None => events.push(event),
        }
        self.pass(wire, events, data.len(), judge, out)
    }

    /// Words that still wait go on: nothing follows them.
    fn over(&mut self, wire: Wire, judge: &mut dyn Judge, out: &mut String) -> Result<(), Stop> {
        let mut events = Vec::new();
        if let Some(words) = self.words.as_mut().filter(|words| words.waits()) {
            words.over(judge, &mut events)?;
        }
        self.pass(wire, events, 0, judge, out)
    }

    fn pass(
        &mut self,
        wire: Wire,
        events: Vec<Event>,
        bytes: usize,
        judge: &mut dyn Judge,
        out: &mut String,
    ) -> Result<(), Stop> {
        let Some(calls) = &mut self.calls else {
            events.iter().for_each(|event| say(wire, event, out));
            return Ok(());
        };
        for event in events {
            let mut passed = Vec::new();
            match calls.event(event, &mut Asks { judge }, &mut passed)? {
                true => self.held += bytes,
                false => self.held = 0,
            }
            if self.held > MAX_ANSWER {
                return Err(Malformed::LongAnswer.into());
            }
            passed.iter().for_each(|event| say(wire, event, out));
        }
        Ok(())
    }

    /// Changes an answer that came whole. Tells whether it did.
    fn body(&mut self, body: &mut Value, judge: &mut dyn Judge) -> Result<bool, Stop> {
        let words = self.words.as_mut().map_or(Ok(false), |words| words.body(body, judge))?;
        let calls = self.calls.as_mut().map_or(Ok(false), |calls| calls.body(body, &mut Asks { judge }))?;
        Ok(words || calls)
    }
}

/// Whether an answer was ended; its error is said then.
fn settle(wire: Wire, said: Result<(), Stop>, out: &mut String) -> Result<bool, Malformed> {
    match said {
        Ok(()) => Ok(false),
        Err(Stop::Malformed(why)) => Err(why),
        Err(Stop::Refused(why)) => {
            say(wire, &Event::new(error(wire, &why)), out);
            Ok(true)
        }
    }
}

/// The members of a list that may be none.
fn items<'v>(holder: &'v mut Value, name: &str) -> impl Iterator<Item = &'v mut Value> {
    holder.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}
