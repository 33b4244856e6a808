//! What can be undone, and what of it a piece of bytes calls for.
//!
//! Every reader here is lenient and gives what it could read: a reader that wants a valid document is blind to what a
//! lenient one at the other end takes. None recurses; [`crate::scan`] does, within bounds.

mod digits;
mod escapes;
mod multipart;
mod numbers;
mod pack;
mod pairs;
mod signs;
mod squeezed;
mod strings;
mod wide;

use std::fmt;

pub(crate) use escapes::percent;
pub(crate) use pairs::values as pair_values;
pub(crate) use signs::{Signs, readable};
pub(crate) use strings::{looks_structured, strings};

use crate::{Beyond, Bounds, Seal};

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
            Coding::Numbers => "decimal numbers",
            Coding::Gzip => "gzip",
            Coding::Zlib => "zlib",
            Coding::Deflate => "deflate",
            Coding::Zip => "zip",
            Coding::GitPack => "a git pack",
            Coding::Utf16 => "UTF-16",
            Coding::Multipart => "multipart",
            Coding::Reversed => "reversed",
            Coding::Rot13 => "ROT13",
            Coding::Parts => "parts joined",
            Coding::Requests => "requests joined",
        })
    }
}

/// Takes what a reader has undone.
pub(crate) trait Take {
    /// A layer that was inside.
    fn layer(&mut self, how: &[Coding], bytes: &[u8]);
    /// Bytes that nothing undoes.
    fn sealed(&mut self, seal: Seal, size: usize);
    /// A reader met a bound.
    fn beyond(&mut self, beyond: Beyond);
    /// Bytes that may still be made.
    fn room(&self) -> usize;
}

/// Undoes what the bytes call for, one layer of it.
pub(crate) fn undo(bytes: &[u8], signs: &Signs, bounds: &Bounds, take: &mut dyn Take) {
    if wide::undo(bytes, take) || pack::undo(bytes, take) {
        return;
    }
    squeezed::undo(bytes, signs, bounds, take);
    if readable(bytes) {
        return undo_text(bytes, signs, take);
    }
    // Noise is full of what looks written out: only what reads like text is looked into further.
    let mut text = Vec::new();
    signs::legible(bytes, &mut text);
    undo_text(&text, &Signs::of(&text), take);
}

fn undo_text(bytes: &[u8], signs: &Signs, take: &mut dyn Take) {
    if multipart::looks(bytes) {
        take.layer(&[Coding::Multipart], &multipart::bodies(bytes));
    }
    let mut backslash = signs.backslash;
    if signs.quotes && looks_structured(bytes) {
        let found = strings(bytes);
        take.layer(&[Coding::Json], &found.values);
        take.layer(&[Coding::JsonNames], &found.names);
        backslash = found.backslash_outside;
    }
    if signs.equals {
        pairs::undo(bytes, take);
    }
    escapes::undo(bytes, [signs.percent, backslash, signs.ampersand, signs.equals], take);
    digits::undo(bytes, signs, take);
    if signs.hexish >= numbers::LEAST {
        take.layer(&[Coding::Numbers], &numbers::bytes(bytes));
    }
}
