//! Bytes that were written as digits: base64, base32, hexadecimal, found as runs inside other text.
//!
//! A run may begin in the middle of what it says, after letters that stand before it by chance, so every alignment is
//! decoded, and of each what reads like text is taken: the rest is noise. Runs of one
//! alignment are joined: a text that was encoded in pieces is whole again.

use std::ops::Range;

use super::alphabet::{Alphabet, BASE32, BASE64, BITS, HEX, NONE, PADDED, Read, runs};
use super::legible::{STRETCH, legible};
use super::pieces::{self, Cut};
use super::signs::{LEAST_DIGITS, Marks};
use super::{Signs, Take, signs, silent, squeezed};
use crate::entropy;

/// Undecodable bytes in one place that let a run begin elsewhere than it seems to.
const GAP: usize = 3;

/// Of so many bytes one may be undecodable: digits of another beginning read like text in places.
const LOST: usize = 8;

/// One digit of so many reads like text at one beginning where pieces stand together; of noise, one in a hundred does.
const READS: usize = 5;

/// Letters and digits in the shortest secret that is found with marks between them; texts need more.
pub(super) const LETTERS: usize = 16;

/// Undoes what the bytes hold of each; `pads` says whether anything short is padded.
pub(super) fn undo(bytes: &[u8], signs: &Signs, joints: &[usize], pads: bool, take: &mut dyn Take) {
    let runs = &signs.runs;
    let wide: Vec<Range<usize>> = runs.base64.iter().flat_map(|run| without_hex(bytes, run, joints)).collect();
    decode(bytes, &wide, &BASE64, pads, take);
    if runs.base64.is_empty() && bytes.len() >= BASE64.least && bytes.iter().all(|&byte| spaced(byte)) {
        // Digits in groups: no run is long, and yet there is nothing else.
        let digits: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pads = signs.marks.hold(Marks::EQUALS) && pieces::are_padded(&digits, None, &PADDED[..1]);
        decode(&digits, std::slice::from_ref(&(0..digits.len())), &BASE64, pads, take);
    }
    for alphabet in &BASE32 {
        decode(bytes, &narrower(bytes, &wide, alphabet), alphabet, pads, take);
    }
    decode(bytes, &runs.hexish, &HEX, false, take);
    let bits = |place: &&Range<usize>| {
        place.len() >= BITS.least && signs::count(&bytes[place.start..place.end], |byte| byte | 1 == b'1') >= BITS.least
    };
    decode(bytes, &runs.hexish.iter().filter(bits).cloned().collect::<Vec<_>>(), &BITS, false, take);
}

/// Reads short pieces that are padded, where no run of digits is new.
pub(super) fn padded(bytes: &[u8], take: &mut dyn Take) {
    for alphabet in PADDED {
        take.pieces(&[alphabet.coding], &pieces::among(bytes, Vec::new(), alphabet));
    }
}

/// Digits that are all of hexadecimal: so many of a wider alphabet are so by chance once in a hundred million.
const HEX_ALONE: usize = 20;

/// Whether a run is one of hexadecimal and of nothing else: checksums are most of what is written in digits.
fn is_hex(run: &[u8]) -> bool {
    run.len() >= HEX_ALONE && signs::all(run, |byte| byte.is_ascii_hexdigit())
}

/// A run without those pieces of it that are hexadecimal and nothing else: what was joined there stood by itself before.
fn without_hex(bytes: &[u8], run: &Range<usize>, joints: &[usize]) -> Vec<Range<usize>> {
    let first = joints.partition_point(|joint| *joint <= run.start);
    let within = joints[first..].iter().copied().take_while(|joint| *joint < run.end);
    let (mut kept, mut from): (Vec<Range<usize>>, usize) = (Vec::new(), run.start);
    for end in within.chain([run.end]) {
        let piece = std::mem::replace(&mut from, end)..end;
        if is_hex(&bytes[piece.clone()]) {
            continue;
        }
        match kept.last_mut().filter(|last| last.end == piece.start) {
            Some(last) => last.end = piece.end,
            None => kept.push(piece),
        }
    }
    kept.retain(|piece| piece.len() >= LEAST_DIGITS);
    kept
}

/// Undoes the runs of one alphabet, which are within those of a wider one, and pieces; `pads` says whether any may be padded.
fn decode(bytes: &[u8], within: &[Range<usize>], alphabet: &Alphabet, pads: bool, take: &mut dyn Take) {
    let how = [alphabet.coding];
    let Read { digits, mut runs, places } = runs(bytes, within, alphabet);
    if runs.is_empty() {
        if pads {
            take.pieces(&how, &pieces::among(bytes, Vec::new(), alphabet));
        }
        return;
    }
    let (several, mut raw) = (runs.len() > 1, Vec::new());
    let (mut whole, mut text, mut scattered) = (Vec::new(), Vec::new(), Vec::new());
    let mut best = vec![Best::default(); runs.len()];
    let mut runs: Vec<(usize, Range<usize>)> = runs.drain(..).enumerate().collect();
    let mut speaking = vec![silent::ANY; runs.len()];
    for skipped in 0..alphabet.alignments {
        text.clear();
        scattered.clear();
        // What reads like text from one end to the other begins nowhere else.
        runs.retain(|(number, run)| {
            let first = skipped == 0;
            if first {
                speaking[*number] = (alphabet.speaking)(&digits[run.clone()]);
            }
            // Most are names in programs and checksums.
            if speaking[*number] >> skipped & 1 == 0 && (!first || raw.is_empty()) {
                return speaking[*number] != 0;
            }
            (alphabet.pack)(&digits[(run.start + skipped).min(run.end)..run.end], &mut whole);
            if first && (!raw.is_empty() || squeezed::begins(&whole)) {
                raw.extend_from_slice(&whole);
            }
            let before = text.len();
            let gap = legible(&whole, &mut text);
            let lost = whole.len().saturating_sub(text.len() - before);
            let goes_on = gap > GAP || lost > GAP.min(whole.len() / LOST);
            if first && entropy::is_container(&whole) || squeezed::holds_mark(&whole) {
                take.layer(&how, &whole);
                // Text may begin like something compressed.
                if goes_on {
                    text.truncate(before);
                    return true;
                }
            } else if lost > 0 && holds_letters(&whole) {
                // Marks between few letters each leave no stretch of text.
                scattered.extend_from_slice(&whole);
            }
            best[*number].take(&text[before..], skipped, &whole);
            if first && goes_on {
                entropy::judge(&whole, &[], take);
            }
            goes_on
        });
        take.parts(&how, &text);
        take.scattered(&how, &scattered);
    }
    // What was compressed and then encoded in pieces shows its mark in the first one alone.
    if several {
        take.parts(&how, &raw);
    }
    // A letter stands before one of the pieces by chance, and not before the others.
    if several && best.iter().any(|one| one.skipped != 0 && !one.text.is_empty()) {
        take.parts(&how, &best.iter().flat_map(|one| &one.text).copied().collect::<Vec<u8>>());
    }
    let long = places.into_iter().zip(best).filter(|(place, _)| place.len() >= alphabet.least);
    let long = long.flat_map(|(place, best)| {
        let reads = best.text.len() * 8 / alphabet.bits * READS >= place.len();
        let parts = if reads { pieces::parted(bytes, place.clone(), alphabet) } else { Vec::new() };
        best.to_end.then_some(Cut { text: best.text, place }).into_iter().chain(parts)
    });
    let long: Vec<Cut> = long.collect();
    if pads || !long.is_empty() {
        take.pieces(&how, &pieces::among(bytes, long, alphabet));
    }
}

/// Whether there are as many letters as the shortest secret has that is found with marks between them.
fn holds_letters(bytes: &[u8]) -> bool {
    signs::count(bytes, |byte| byte.is_ascii_alphanumeric()) >= LETTERS
}

/// How a run reads most like text.
#[derive(Clone, Default)]
struct Best {
    text: Vec<u8>,
    skipped: usize,
    /// It is text where it ends: a checksum hardly ever is.
    to_end: bool,
}

impl Best {
    fn take(&mut self, text: &[u8], skipped: usize, whole: &[u8]) {
        if text.len() > self.text.len() {
            let to_end = whole.last_chunk::<STRETCH>().is_some_and(|end| text.ends_with(end));
            *self = Best { text: text.to_vec(), skipped, to_end };
        }
    }
}

/// Runs of an alphabet within those of a wider one.
fn narrower(bytes: &[u8], within: &[Range<usize>], alphabet: &Alphabet) -> Vec<Range<usize>> {
    let digit = |byte: u8| alphabet.values[usize::from(byte)] != NONE;
    let inside = |place: &Range<usize>| {
        let begin = place.start;
        let moved = move |run: Range<usize>| begin + run.start..begin + run.end;
        signs::runs(&bytes[place.clone()], alphabet.least, digit).into_iter().map(moved)
    };
    within.iter().flat_map(inside).collect()
}

fn spaced(byte: u8) -> bool {
    BASE64.values[usize::from(byte)] != NONE || byte == b'=' || byte.is_ascii_whitespace()
}
