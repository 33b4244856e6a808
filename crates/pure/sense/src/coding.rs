//! What can be undone, and what of it a piece of bytes calls for.
//!
//! Every reader here is lenient and gives what it could read: a reader that wants a valid document is blind to what a
//! lenient one at the other end takes. None recurses; [`crate::scan`] does, within bounds.

mod alphabet;
mod digits;
mod dump;
mod edits;
mod escapes;
mod invisible;
mod legible;
mod lists;
mod multipart;
mod numbers;
mod pack;
mod pairs;
mod pieces;
mod signs;
mod silent;
mod squeezed;
mod strings;
mod wide;

use std::fmt;

pub(crate) use escapes::percent;
use legible::readable;
pub(crate) use legible::{character, plain};
pub(crate) use lists::may_hold as may_hold_lists;
pub(crate) use pack::head as object_head;
pub(crate) use pairs::each_value;
pub(crate) use pieces::{APART, Cut};
pub(crate) use signs::{LEAST_DIGITS, Marks, Signs, gathered, is_digit};
pub(crate) use squeezed::{Inflated, inflate};
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
    /// Bytes that read like text nowhere for long: they are compared as they are, and nothing in them is undone.
    fn scattered(&mut self, how: &[Coding], bytes: &[u8]);
    /// What may be pieces of something short, each encoded by itself, and what only seems to be.
    fn pieces(&mut self, how: &[Coding], pieces: &[Cut]);
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
    /// What begins nothing where the text was read from, away from its edits.
    tried: Marks,
    /// A line began like the head of a part there.
    heads: bool,
    /// Digits that say something were padded there.
    padded: bool,
}

/// Ways to read one text, one after the other: a document in a document in a form, with escapes.
const WAYS: usize = 5;

impl Reading {
    /// Of bytes that came as they are, or were encoded.
    pub(crate) const NEW: Self =
        Self { ways: 0, document: true, form: true, tried: Marks::NONE, heads: true, padded: true };

    fn next(self) -> Self {
        Self { ways: self.ways + 1, ..Self::NEW }
    }
}

/// What of a text is new, that was read from another which was looked at already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum New<'n> {
    All,
    /// What stands together only in it, over one of these places. All else stands in the other text as it does here. With
    /// the signs of the text, where the runs of digits are those of the other.
    Near(&'n [usize], Option<&'n Signs>),
}

impl<'n> New<'n> {
    /// The places over which something is new, unless all is.
    fn edits(self) -> Option<&'n [usize]> {
        match self {
            New::All => None,
            New::Near(edits, _) => Some(edits),
        }
    }

    /// The signs of the text, if no run of digits is new and none is missing between others.
    pub(crate) fn signs(self) -> Option<&'n Signs> {
        match self {
            New::Near(_, signs) => signs,
            New::All => None,
        }
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
    let text = !signs.binary || legible::is_text(bytes);
    if !text || raw_deflate {
        wide::undo(bytes, take);
        squeezed::undo(bytes, raw_deflate, take);
    }
    if signs.binary {
        invisible::undo(bytes, take);
    }
    let edits = new.edits().filter(|_| !reading.heads);
    let reading = Reading { heads: multipart::has_head(bytes, edits), ..reading };
    if reading.heads
        && reading.ways < WAYS
        && let Some(bodies) = multipart::bodies(bytes)
    {
        take.reading(&[Coding::Multipart], &bodies, New::All, reading.next());
    }
    if text || readable(bytes) {
        undo_text(bytes, signs, (reading, new), take);
    } else {
        // Noise is full of what looks written out: only what reads like text is looked into further.
        let mut text = Vec::new();
        legible::legible(bytes, &mut text);
        take.remains(&mut |take| undo_text(&text, &Signs::of(&text), (reading, New::All), take));
    }
}

fn undo_text(bytes: &[u8], signs: &Signs, (reading, new): (Reading, New<'_>), take: &mut dyn Take) {
    let edits = new.edits().filter(|_| !reading.padded);
    let padded = signs.marks.hold(Marks::EQUALS) && pieces::are_padded(bytes, edits, &alphabet::PADDED);
    let reading = Reading { padded, ..reading };
    if reading.ways < WAYS {
        read(bytes, signs, (reading, new), take);
    } else if escapes::hide(bytes, signs.marks) {
        take.beyond(Beyond::Depth);
    }
    if new.signs().is_none() {
        digits::undo(bytes, signs, new.edits().unwrap_or_default(), padded, take);
        take.layer(&[Coding::Numbers], &numbers::bytes(bytes, &signs.runs.hexish));
        take.layer(&[Coding::Hex], &dump::bytes(bytes, &signs.runs.hexish));
    } else if padded {
        digits::padded(bytes, take);
    }
    lists::undo(bytes, new.signs().and(new.edits()), take);
}

/// Reads a text in every way that is new.
fn read(bytes: &[u8], signs: &Signs, (reading, new): (Reading, New<'_>), take: &mut dyn Take) {
    let next = reading.next();
    let document = reading.document && signs.quotes && looks_structured(bytes);
    let mut marks = signs.marks;
    if document {
        let found = strings(bytes, signs.marks);
        let signs = found.edits.carry(signs, false, &found.values);
        take.reading(
            &[Coding::Json],
            &found.values,
            New::Near(&found.edits.at, signs.as_ref()),
            Reading { tried: Marks::BACKSLASH, heads: reading.heads, padded: reading.padded, ..next },
        );
        take.reading(&[Coding::JsonNames], &found.names, New::All, next);
        // What is written out in the strings was undone with them, or is seen when they are.
        marks = found.outside;
    }
    let tried = new.edits().map(|edits| (reading.tried, edits));
    let escapes::Read { text, edits, how } = escapes::undone(bytes, marks, tried);
    // What was written out may be anything; a backslash takes nothing from a document.
    let anything = how.iter().any(|coding| matches!(coding, Coding::Percent | Coding::Entities));
    let form = if marks.hold(Marks::EQUALS) && reading.form { pairs::joined(bytes) } else { Vec::new() };
    let after = |form| Reading {
        document: !document || anything,
        form: form || anything,
        tried: marks,
        heads: reading.heads,
        padded: reading.padded,
        ..next
    };
    take.reading(&[Coding::Form], &form, New::All, after(false));
    if !how.is_empty() {
        let signs = edits.carry(signs, true, &text);
        take.reading(&how, &text, New::Near(&edits.at, signs.as_ref()), after(form.is_empty()));
    }
}
