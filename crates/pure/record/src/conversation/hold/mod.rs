//! Holds the calls of a model back until they are whole and judged: each goes on as it came, or a text in its place, or the
//! whole answer ends with an error. Everything else goes on as soon as its event is whole, unless a held call stands before it.
//!
//! Bytes come in cut anywhere, and go out in the same wire. Never here: what speaks against a call. That is the judge's.

mod chat;
mod gemini;
mod messages;
mod ollama;
mod responses;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answer::{MAX_ANSWER, MAX_BODY};
use super::block::Block;
use super::bounded::json as parse;
use super::events::{Events, Framing};
use super::shape::{Blocks, Malformed};
use super::{Speaker, Wire};

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It goes on as it came.
    Pass,
    /// This text goes on in its place.
    Instead(String),
    /// The answer ends here, with this error.
    Refuse(String),
}

/// Judges a whole call before anybody can carry it out. Pure: what it knows was given to it.
pub trait Judge {
    /// What becomes of it.
    fn judge(&mut self, call: &Block) -> Ruling;
}

/// One answer on its way.
pub struct Sieve {
    wire: Wire,
    body: Body,
    hold: Box<dyn Hold>,
    /// Bytes of events that are held.
    held: usize,
    over: bool,
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
    /// What stands in the place of a call; nothing where it goes on.
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
    /// Begins with an answer of this wire. `streams` by its content type.
    #[must_use]
    pub fn new(wire: Wire, streams: bool) -> Self {
        let framing = if wire == Wire::Ollama { Framing::Lines } else { Framing::ServerSent };
        let body = if streams { Body::Stream(Events::new(framing)) } else { Body::Whole(Vec::new()) };
        let hold: Box<dyn Hold> = match wire {
            Wire::Messages => Box::<messages::Calls>::default(),
            Wire::Chat | Wire::Embeddings => Box::<chat::Calls>::default(),
            Wire::Responses => Box::<responses::Calls>::default(),
            Wire::Gemini => Box::<gemini::Calls>::default(),
            Wire::Ollama => Box::<ollama::Calls>::default(),
        };
        Self { wire, body, hold, held: 0, over: false }
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
        let Self { wire, body, hold, held, over } = self;
        match body {
            _ if *over => {}
            Body::Whole(body) if body.len() + bytes.len() > MAX_BODY => return Err(Malformed::LongAnswer),
            Body::Whole(body) => body.extend_from_slice(bytes),
            Body::Stream(events) => {
                let mut asks = Asks { judge };
                events.push(bytes, &mut |data| {
                    if !*over {
                        let said = take(hold.as_mut(), *wire, data, (&mut asks, held), &mut out);
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
                match self.hold.body(&mut body, &mut Asks { judge }) {
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
                let Self { wire, hold, held, over, .. } = self;
                let mut asks = Asks { judge };
                events.finish(&mut |data| {
                    // What was cut off is no JSON, and goes nowhere.
                    if is_end(data) || parse(data).is_ok() {
                        let said = take(hold.as_mut(), *wire, data, (&mut asks, held), &mut out);
                        *over = settle(*wire, said, &mut out)?;
                    }
                    Ok(())
                })?;
            }
        }
        Ok(out)
    }
}

fn is_end(data: &str) -> bool {
    data.trim() == "[DONE]"
}

/// One event's data.
fn take(
    hold: &mut dyn Hold,
    wire: Wire,
    data: &str,
    (asks, held): (&mut Asks<'_>, &mut usize),
    out: &mut String,
) -> Result<(), Stop> {
    let mut events = Vec::new();
    if is_end(data) {
        hold.ended(asks, &mut events)?;
        events.iter().for_each(|event| say(wire, event, out));
        out.push_str("data: [DONE]\n\n");
        return Ok(());
    }
    if data.trim().is_empty() {
        return Ok(());
    }
    let event = Event { value: parse(data)?, data: Some(data.to_owned()) };
    if hold.event(event, asks, &mut events)? {
        *held += data.len();
        if *held > MAX_ANSWER {
            return Err(Malformed::LongAnswer.into());
        }
    } else {
        *held = 0;
    }
    events.iter().for_each(|event| say(wire, event, out));
    Ok(())
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

/// An event as it stands in the stream.
fn say(wire: Wire, event: &Event, out: &mut String) {
    let data = event.data.clone().unwrap_or_else(|| event.value.to_string());
    if wire == Wire::Ollama {
        out.push_str(&data);
        out.push('\n');
        return;
    }
    if let (Wire::Messages | Wire::Responses, Some(name)) = (wire, event.value["type"].as_str()) {
        out.push_str("event: ");
        out.extend(name.chars().filter(|letter| !letter.is_control()));
        out.push('\n');
    }
    for line in data.split('\n') {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
}

/// An error in the words of a wire.
fn error(wire: Wire, why: &str) -> Value {
    match wire {
        Wire::Messages => json!({"type": "error", "error": {"type": "permission_error", "message": why}}),
        Wire::Responses => json!({"type": "error", "code": "bastide", "message": why, "param": null,
            "error": {"type": "permission_error", "code": "bastide", "message": why}}),
        Wire::Gemini => json!({"error": {"code": 403, "message": why, "status": "PERMISSION_DENIED"}}),
        Wire::Ollama => json!({"error": why}),
        Wire::Chat | Wire::Embeddings => {
            json!({"error": {"message": why, "type": "permission_error", "code": "bastide"}})
        }
    }
}

/// The members of a list that may be none.
fn items<'v>(holder: &'v mut Value, name: &str) -> impl Iterator<Item = &'v mut Value> {
    holder.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}
