//! What can be undone, and what of it a piece of bytes calls for.
//!
//! Every reader here is lenient and gives what it could read: a reader that wants a valid document is blind to what a
//! lenient one at the other end takes. None recurses; [`crate::scan`] does, within bounds.

mod digits;
mod dump;
mod escapes;
mod invisible;
mod multipart;
mod numbers;
mod pack;
mod pairs;
mod signs;
mod squeezed;
mod strings;
mod wide;

use std::fmt;
use std::ops::Range;

pub(crate) use escapes::percent;
pub(crate) use pairs::each_value;
pub(crate) use signs::{LEAST_DIGITS, Signs, character, is_digit};
use signs::{Marks, readable};
pub(crate) use strings::{looks_structured, strings};

use crate::{Beyond, Seal};

/// Something that had to be undone before a text was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// `%41`.
    Percent,
    /// The values of `a=…&b=…`, joined.
    Form,
    /// The strings of a JSON document, or of anything that quotes alike, joined.
    Json,
    /// The names of its fields, joined.
    JsonNames,
    /// `\n`, `\u0041`, `\x41`.
    Escapes,
    /// `&amp;`, `&#65;`.
    Entities,
    /// `=41`.
    QuotedPrintable,
    /// Base64, standard or for URLs.
    Base64,
    /// Base32.
    Base32,
    /// Hexadecimal digits, with or without something between the bytes.
    Hex,
    /// Binary digits, with or without something between the bytes.
    Bits,
    /// Bytes written as decimal numbers.
    Numbers,
    /// Gzip.
    Gzip,
    /// Zlib.
    Zlib,
    /// Deflate without a header.
    Deflate,
    /// The files of a zip archive.
    Zip,
    /// The objects of a git pack.
    GitPack,
    /// UTF-16.
    Utf16,
    /// Text between the tags of HTML, XML or what is written alike, joined.
    Markup,
    /// Characters that nobody sees and that stand for bytes: tags, variation selectors.
    Invisible,
    /// The bodies of a multipart body, joined.
    Multipart,
    /// Backwards.
    Reversed,
    /// Letters moved by thirteen.
    Rot13,
    /// The parts of one request, joined.
    Parts,
    /// Requests to one destination, joined.
    Requests,
    /// Drops that go on with each other in their source, wherever each was sent.
    Drops,
}

impl Coding {
    /// Whether it makes less of a text.
    pub(crate) const fn unpacks(self) -> bool {
        matches!(self, Coding::Gzip | Coding::Zlib | Coding::Deflate | Coding::Zip | Coding::GitPack)
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Coding::Percent => "percent-encoding",
            Coding::Form => "form values",
            Coding::Json => "JSON strings",
            Coding::JsonNames => "JSON names",
            Coding::Escapes => "backslash escapes",
            Coding::Entities => "HTML entities",
            Coding::QuotedPrintable => "quoted-printable",
            Coding::Base64 => "base64",
            Coding::Base32 => "base32",
            Coding::Hex => "hexadecimal",
            Coding::Bits => "binary digits",
            Coding::Numbers => "decimal numbers",
            Coding::Gzip => "gzip",
            Coding::Zlib => "zlib",
            Coding::Deflate => "deflate",
            Coding::Zip => "zip",
            Coding::GitPack => "a git pack",
            Coding::Utf16 => "UTF-16",
            Coding::Markup => "markup",
            Coding::Invisible => "invisible characters",
            Coding::Multipart => "multipart",
            Coding::Reversed => "reversed",
            Coding::Rot13 => "ROT13",
            Coding::Parts => "parts joined",
            Coding::Requests => "requests joined",
            Coding::Drops => "drops joined",
        })
    }
}

/// Takes what a reader has undone.
pub(crate) trait Take {
    /// Bytes that were encoded.
    fn layer(&mut self, how: &[Coding], bytes: &[u8]);
    /// Parts of what was encoded, joined: that these are without a pattern says nothing.
    fn parts(&mut self, how: &[Coding], bytes: &[u8]);
    /// The same text, read in another way.
    fn reading(&mut self, how: &[Coding], bytes: &[u8], new: New<'_>, reading: Reading);
    /// Reads what is left of noise, which was judged as it stood.
    fn remains(&mut self, read: &mut dyn FnMut(&mut dyn Take));
    /// Bytes that nothing undoes.
    fn sealed(&mut self, seal: Seal, size: usize);
    /// A reader met a bound.
    fn beyond(&mut self, beyond: Beyond);
    /// Bytes that may still be made.
    fn room(&self) -> usize;
}

/// How a text came to be read as it is, and so which ways to read it are still new: what was read as a document before its
/// escapes were undone is not read so once more after it, or every text would be read in every order of the ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Ways that lie behind it.
    ways: usize,
    document: bool,
    form: bool,
}

/// Ways to read one text, one after the other: a document in a document in a form, with escapes.
const WAYS: usize = 5;

impl Reading {
    /// Of bytes that came as they are, or were encoded.
    pub(crate) const NEW: Self = Self { ways: 0, document: true, form: true };

    fn next(self) -> Self {
        Self { ways: self.ways + 1, ..Self::NEW }
    }
}

/// What of a text is new, that was read from another which was looked at already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum New<'n> {
    All,
    /// What stands together only in it, over one of these places. All else stands in the other text as it does here.
    Near(&'n [usize], Runs),
}

/// How many runs of digits a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Runs {
    base64: usize,
    hexish: usize,
}

impl New<'_> {
    fn joints(&self) -> &[usize] {
        match self {
            New::All => &[],
            New::Near(edits, _) => edits,
        }
    }

    /// Whether the digits of a text are as they were: no run of them is new, and none is missing between others.
    fn has_digits(self, signs: &Signs) -> bool {
        let New::Near(edits, before) = self else { return true };
        let touched = |run: &Range<usize>| {
            edits.get(edits.partition_point(|edit| *edit < run.start)).is_some_and(|edit| *edit <= run.end)
        };
        before != Runs::of(signs) || signs.base64.iter().chain(&signs.hexish).any(touched)
    }
}

impl Runs {
    fn of(signs: &Signs) -> Runs {
        Runs { base64: signs.base64.len(), hexish: signs.hexish.len() }
    }
}

/// Undoes what the bytes call for, one layer of it. No kind rules out another: what looks like one can be the beginning of
/// something else.
pub(crate) fn undo(
    bytes: &[u8],
    signs: &Signs,
    (reading, new): (Reading, New<'_>),
    raw_deflate: bool,
    take: &mut dyn Take,
) {
    let text = !signs.binary || signs::is_text(bytes);
    if !text || raw_deflate {
        wide::undo(bytes, take);
        squeezed::undo(bytes, raw_deflate, take);
    }
    if signs.binary {
        invisible::undo(bytes, take);
    }
    if reading.ways < WAYS
        && let Some(bodies) = multipart::bodies(bytes)
    {
        take.reading(&[Coding::Multipart], &bodies, New::All, reading.next());
    }
    if text || readable(bytes) {
        undo_text(bytes, signs, (reading, new), take);
    } else {
        // Noise is full of what looks written out: only what reads like text is looked into further.
        let mut text = Vec::new();
        signs::legible(bytes, &mut text);
        take.remains(&mut |take| undo_text(&text, &Signs::of(&text), (reading, New::All), take));
    }
}

fn undo_text(bytes: &[u8], signs: &Signs, (reading, new): (Reading, New<'_>), take: &mut dyn Take) {
    if reading.ways < WAYS {
        read(bytes, signs, reading, take);
    } else if escapes::hide(bytes, signs.marks) {
        take.beyond(Beyond::Depth);
    }
    if new.has_digits(signs) {
        digits::undo(bytes, signs, new.joints(), take);
        take.layer(&[Coding::Numbers], &numbers::bytes(bytes, &signs.hexish));
        take.layer(&[Coding::Hex], &dump::bytes(bytes, &signs.hexish));
    }
}

/// Reads a text in every way that is new.
fn read(bytes: &[u8], signs: &Signs, reading: Reading, take: &mut dyn Take) {
    let (next, runs) = (reading.next(), Runs::of(signs));
    let document = reading.document && signs.quotes && looks_structured(bytes);
    let mut marks = signs.marks;
    if document {
        let found = strings(bytes);
        take.reading(&[Coding::Json], &found.values, New::Near(&found.edits, runs), next);
        take.reading(&[Coding::JsonNames], &found.names, New::All, next);
        // What is written out in the strings was undone with them, or is seen when they are.
        marks = Marks::of(&found.outside);
    }
    let escapes::Read { text, edits, how } = escapes::undone(bytes, marks);
    // What was written out may be anything; a backslash takes nothing from a document.
    let anything = how.iter().any(|coding| matches!(coding, Coding::Percent | Coding::Entities));
    let form = if marks.hold(Marks::EQUALS) && reading.form { pairs::joined(bytes) } else { Vec::new() };
    let after = |form| Reading { document: !document || anything, form: form || anything, ..next };
    take.reading(&[Coding::Form], &form, New::All, after(false));
    if !how.is_empty() {
        take.reading(&how, &text, New::Near(&edits, runs), after(form.is_empty()));
    }
}
