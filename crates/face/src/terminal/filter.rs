//! Keeps a cell's output from making the operator's terminal act or answer.
//!
//! A terminal that answers a query types the answer as if the operator had, and a terminal that takes a
//! clipboard sequence hands data across the wall. Both are dropped here; everything else passes unchanged.
//! Only well-formed sequences are passed on: one that is malformed, aborted or too long is dropped from its
//! introducer on, so that the terminal can never read the rest in another way than this parser did.
//! The filter never allocates past [`LIMIT`] for what it holds back, and never looks at the clock or a file.

use super::{judge, mode};

/// The most bytes of one sequence that are held back; a longer one is dropped.
pub const LIMIT: usize = 8192;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    Csi,
    /// An operating system command, kept until it can be judged.
    Osc,
    /// A device control, privacy or application string: dropped whatever it says.
    Swallow,
}

/// One unit of a UTF-8 stream: a whole character, or a byte that belongs to none.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Ascii(u8),
    /// A C1 control, as a raw byte or as the character U+0080 to U+009F.
    Control(u8),
    Text,
}

/// A streaming output filter; chunks may be cut anywhere.
#[derive(Debug)]
pub struct Filter {
    state: State,
    /// An ESC was seen inside a string: `\` ends it, anything else aborts it.
    string_escape: bool,
    /// The sequence at hand is not to be passed whatever follows.
    poisoned: bool,
    sequence: Vec<u8>,
    character: Vec<u8>,
}

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter {
    /// A filter in the state of a freshly reset terminal.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Ground,
            string_escape: false,
            poisoned: false,
            sequence: Vec::new(),
            character: Vec::with_capacity(4),
        }
    }

    /// Appends to `out` what of `input` may reach the terminal.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for &byte in input {
            self.byte(byte, out);
        }
    }

    /// Ends the stream: a character that was cut off passes, an unfinished sequence does not.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.state == State::Ground {
            // A cut character may hold bytes that an 8-bit terminal takes for controls.
            out.extend(self.character.iter().filter(|byte| !is_c1(**byte)));
        }
        *self = Self::new();
    }

    /// How many bytes are held back now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.sequence.len() + self.character.len()
    }

    /// Assembles characters, so that a continuation byte is never taken for a control.
    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.character.is_empty() {
            if expected_length(byte) > 1 {
                self.character.push(byte);
            } else {
                self.unit(classify(&[byte]), &[byte], out);
            }
            return;
        }
        if !continues(&self.character, byte) {
            return self.broken_character(byte, out);
        }
        self.character.push(byte);
        if self.character.len() == expected_length(self.character[0]) {
            let character = std::mem::take(&mut self.character);
            self.unit(classify(&character), &character, out);
        }
    }

    /// Some terminals fall back to bytes for a broken character: each is judged alone.
    fn broken_character(&mut self, next: u8, out: &mut Vec<u8>) {
        for byte in std::mem::take(&mut self.character) {
            self.unit(classify(&[byte]), &[byte], out);
        }
        self.byte(next, out);
    }

    fn unit(&mut self, unit: Unit, bytes: &[u8], out: &mut Vec<u8>) {
        // CAN and SUB abort in every state, for every terminal; ENQ is a query by itself.
        if let Unit::Ascii(byte @ (0x18 | 0x1a)) = unit {
            self.ground();
            return out.push(byte);
        }
        match self.state {
            State::Osc | State::Swallow => self.in_string(unit, bytes, out),
            _ if matches!(unit, Unit::Ascii(0x05)) => {}
            _ if matches!(unit, Unit::Ascii(0x1b)) => self.begin(State::Escape, bytes),
            _ => self.outside_string(unit, bytes, out),
        }
    }

    fn outside_string(&mut self, unit: Unit, bytes: &[u8], out: &mut Vec<u8>) {
        match (self.state, unit) {
            (_, Unit::Control(control)) => self.control(control, bytes, out),
            (State::Ground, _) => out.extend_from_slice(bytes),
            (_, Unit::Text) => {
                self.ground();
                out.extend_from_slice(bytes);
            }
            // Terminals execute a control met inside a sequence before the sequence.
            (_, Unit::Ascii(byte)) if byte < 0x20 => out.push(byte),
            (_, Unit::Ascii(0x7f)) => {}
            (State::Escape, Unit::Ascii(byte)) => self.escape(byte, out),
            (_, Unit::Ascii(byte)) => self.csi(byte, out),
        }
    }

    fn control(&mut self, control: u8, bytes: &[u8], out: &mut Vec<u8>) {
        match control {
            0x9b => self.begin(State::Csi, bytes),
            0x9d => self.begin(State::Osc, bytes),
            0x90 | 0x98 | 0x9e | 0x9f => self.begin(State::Swallow, bytes),
            // DECID asks who the terminal is.
            0x9a => self.ground(),
            _ => {
                self.ground();
                // A raw one is no character to a UTF-8 terminal, but could complete one that was cut off before.
                if bytes.len() > 1 {
                    out.extend_from_slice(bytes);
                }
            }
        }
    }

    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.keep(&[byte]);
        let bare = self.sequence.len() == 2;
        match byte {
            0x20..=0x2f => {}
            b'[' if bare => self.state = State::Csi,
            b']' if bare => self.state = State::Osc,
            b'P' | b'X' | b'^' | b'_' if bare => self.begin(State::Swallow, &[]),
            _ => self.end(judge::escape(&self.sequence[1..]), out),
        }
    }

    fn csi(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.keep(&[byte]);
        if (0x40..=0x7e).contains(&byte) {
            let body = &self.sequence[2.min(self.sequence.len())..];
            // A raw C1 introducer is one byte long, every other is two.
            let body = if self.sequence[0] == 0x9b { &self.sequence[1..] } else { body };
            self.end(judge::csi(body), out);
        }
    }

    fn in_string(&mut self, unit: Unit, bytes: &[u8], out: &mut Vec<u8>) {
        if std::mem::take(&mut self.string_escape) {
            return self.after_escape(unit, bytes, out);
        }
        match unit {
            Unit::Ascii(0x1b) => self.string_escape = true,
            Unit::Ascii(0x07) if self.state == State::Osc => self.end_osc(bytes, true, out),
            Unit::Control(0x9c) => self.end_osc(bytes, false, out),
            // Terminals disagree on what a control inside a string does.
            Unit::Control(_) | Unit::Ascii(0..=0x1f | 0x7f) => self.poison(),
            _ if self.state == State::Osc => self.osc(bytes, out),
            _ => {}
        }
    }

    fn after_escape(&mut self, unit: Unit, bytes: &[u8], out: &mut Vec<u8>) {
        if matches!(unit, Unit::Ascii(b'\\')) {
            return self.end_osc(b"\x1b\\", true, out);
        }
        self.begin(State::Escape, b"\x1b");
        self.unit(unit, bytes, out);
    }

    fn osc(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.keep(bytes);
        // The Linux console's palette sequences have no terminator; every other terminal reads on.
        let palette = match self.sequence.as_slice() {
            b"\x1b]R" => true,
            [0x1b, b']', b'P', digits @ ..] => digits.len() == 7 && digits.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        };
        if palette {
            self.end(false, out);
        }
    }

    /// `common`: the terminator is one that every terminal knows.
    fn end_osc(&mut self, terminator: &[u8], common: bool, out: &mut Vec<u8>) {
        let start = if self.sequence.first() == Some(&0x9d) { 1 } else { 2 };
        let payload = self.sequence.get(start..).unwrap_or_default();
        let passes = self.state == State::Osc && judge::osc(payload, common);
        if passes && judge::recolours(payload) {
            mode::recoloured();
        }
        self.keep(terminator);
        self.end(passes, out);
    }

    fn begin(&mut self, state: State, introducer: &[u8]) {
        self.ground();
        self.state = state;
        self.sequence.extend_from_slice(introducer);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.sequence.len() + bytes.len() > LIMIT {
            self.poison();
        } else {
            self.sequence.extend_from_slice(bytes);
        }
    }

    fn poison(&mut self) {
        self.poisoned = true;
    }

    fn end(&mut self, passes: bool, out: &mut Vec<u8>) {
        if passes && !self.poisoned {
            out.extend_from_slice(&self.sequence);
        }
        self.ground();
    }

    fn ground(&mut self) {
        self.state = State::Ground;
        self.string_escape = false;
        self.poisoned = false;
        self.sequence.clear();
    }
}

fn is_c1(byte: u8) -> bool {
    (0x80..=0x9f).contains(&byte)
}

fn classify(bytes: &[u8]) -> Unit {
    match *bytes {
        [byte] if byte < 0x80 => Unit::Ascii(byte),
        [byte] | [0xc2, byte] if is_c1(byte) => Unit::Control(byte),
        _ => Unit::Text,
    }
}

fn expected_length(lead: u8) -> usize {
    match lead {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

/// Whether `byte` may follow; overlong forms, surrogates and values past U+10FFFF may not.
fn continues(character: &[u8], byte: u8) -> bool {
    let range = match *character {
        [0xe0] => 0xa0..=0xbf,
        [0xed] => 0x80..=0x9f,
        [0xf0] => 0x90..=0xbf,
        [0xf4] => 0x80..=0x8f,
        _ => 0x80..=0xbf,
    };
    range.contains(&byte)
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
