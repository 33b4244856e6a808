//! What leaves in drops: the new text of the last requests to one destination, joined.
//!
//! What requests repeat (names, models, fixed fields and lines) would stand between the drops and is left out, and so is a
//! value of fewer than eight letters: a counter, a date. A drop that is as short, out of its order, or beside a short line
//! that each request repeats, is not recognised. Of secrets it is known which bytes of them were said, however short the values
//! are, in any order and in whatever they were wrapped.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use crate::Bounds;
use crate::coding::{Coding, LEAST_DIGITS, is_digit};
use crate::corpus::Corpus;
use crate::evidence::{Found, Scan};
use crate::fold::fold;
use crate::matcher::LEAST;
use crate::plain::Plain;
use crate::scan::Walk;
use crate::torn::Runs;

/// Pieces that came lately; as many that came before those are known, too.
const PIECES: usize = 2048;

/// Bytes before and after the joint of two requests that a text which goes over it has at least eight and forty letters in.
const NEAR: usize = 1024;

/// Bytes of digits that are kept: several times a run that is told, in any of them.
const DIGITS: usize = 512;

/// Letters in the shortest piece that counts as repeated, or as a drop.
const DROP: usize = 8;

/// Bytes of new text behind which a piece of a secret is forgotten, however long it is.
const LASTS: usize = 64 << 10;

/// Pieces of secrets that are kept.
const KEPT: usize = 1024;

/// The last requests to one destination.
#[derive(Debug, Clone)]
pub struct Window {
    kept: usize,
    /// New text in its order, undone but not folded: a drop may be one of base64.
    text: Vec<u8>,
    /// Of it what is digits and nothing else, each piece apart: it may have been encoded by itself.
    digits: Vec<u8>,
    /// Hashes of pieces, the latest first. A piece that comes again is among the latest again.
    seen: [HashSet<u64>; 2],
    /// Pieces of secrets in the order in which they came.
    said: VecDeque<Said>,
    /// Bytes of new text so far.
    length: usize,
}

/// A run of a secret.
#[derive(Debug, Clone)]
struct Said {
    secret: u32,
    run: Range<usize>,
    /// Bytes of new text before it.
    at: usize,
}

/// What a request says that the ones before it to the same destination did not.
#[derive(Debug, Default)]
pub struct Fresh {
    text: Vec<u8>,
    digits: Vec<u8>,
    /// In the order in which they came.
    pieces: Vec<u64>,
    /// Those of them that did not come lately.
    known: HashSet<u64>,
    /// The pieces of secrets.
    runs: Runs,
    /// Bytes of the new text, and of values that are too short to be told from those before.
    length: usize,
    /// Space for the piece that is looked at.
    folded: Vec<u8>,
}

impl Window {
    /// Keeps so many bytes of new text. A run that leaves in drops is seen with one KiB; what has to be undone as a whole
    /// must fit in. Each scan costs in proportion.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { kept, text: Vec::new(), digits: Vec::new(), seen: Default::default(), said: VecDeque::new(), length: 0 }
    }

    /// Scans the parts of a request, and the new text of the requests before it with this one's joined. It counts as sent
    /// only when it is [kept](Self::keep).
    #[must_use]
    pub fn scan(&self, corpus: &Corpus, parts: &[&[u8]], bounds: &Bounds) -> (Scan, Fresh) {
        let (mut scan, fresh) = self.scan_alone(corpus, parts, bounds);
        self.join(corpus, bounds, &mut scan, &fresh);
        (scan, fresh)
    }

    /// The same without what it goes on with. That takes long where the parts are long, and may be done with a clone of the
    /// window; what is found is then [joined](Self::join) to what was said by then.
    #[must_use]
    pub fn scan_alone(&self, corpus: &Corpus, parts: &[&[u8]], bounds: &Bounds) -> (Scan, Fresh) {
        let plain = Plain::of(parts);
        let (scan, runs) = corpus.scan_plain(parts, &plain, bounds);
        let mut fresh = Fresh { runs, ..Fresh::default() };
        plain.pieces().for_each(|piece| self.gather(piece, &mut fresh));
        // The beginning goes on where the request before ended, and the end goes on in the next.
        if fresh.text.len() > 2 * self.kept {
            fresh.text.drain(self.kept..fresh.text.len() - self.kept);
        }
        fresh.digits.drain(..fresh.digits.len().saturating_sub(DIGITS));
        (scan, fresh)
    }

    /// Adds to what was found what stands in the new text of the requests before it with this one's joined.
    pub fn join(&self, corpus: &Corpus, bounds: &Bounds, scan: &mut Scan, fresh: &Fresh) {
        if !self.text.is_empty() && !fresh.text.is_empty() {
            let (joint, joined) = (self.text.len(), [&self.text[..], &fresh.text].concat());
            let near = joint.saturating_sub(NEAR)..joined.len().min(joint + NEAR);
            also(scan, corpus, bounds, &joined, near);
        }
        if !self.said.is_empty() && !fresh.runs.is_empty() {
            self.put_together(corpus, bounds, scan, fresh);
        }
        if !self.digits.is_empty() && !fresh.digits.is_empty() {
            also(scan, corpus, bounds, &[&self.digits[..], &fresh.digits].concat(), 0..0);
        }
    }

    /// Adds the secrets of which this request says a piece, and those before it the others.
    fn put_together(&self, corpus: &Corpus, bounds: &Bounds, scan: &mut Scan, fresh: &Fresh) {
        let length = self.length + fresh.length;
        let before = self.said.iter().map(|said| (said.secret, &said.run, length - said.at));
        let now = fresh.runs.each().map(|(secret, run)| (secret, run, fresh.length));
        let mut runs = Runs::default();
        for (secret, run, since) in before.filter(|(secret, ..)| fresh.runs.has(*secret)).chain(now) {
            if corpus.torn.counts(secret, run, since) {
                runs.add(secret, run.clone());
            }
        }
        let mut walk = Walk::new(corpus, bounds, 0);
        walk.whole(Coding::Requests, &runs);
        add(scan, walk.finish());
    }

    /// Takes the new text of a request that is let out.
    pub fn keep(&mut self, fresh: Fresh) {
        for (secret, run) in fresh.runs.each() {
            // What comes again came last.
            self.said.retain(|said| said.secret != secret || said.run.start < run.start || run.end < said.run.end);
            self.said.push_back(Said { secret, run: run.clone(), at: self.length });
        }
        self.length += fresh.length;
        let past = self.said.iter().take_while(|said| self.length - said.at > LASTS).count();
        self.said.drain(..past.max(self.said.len().saturating_sub(KEPT)));
        self.text.extend_from_slice(&fresh.text);
        self.text.drain(..self.text.len().saturating_sub(self.kept));
        self.digits.extend_from_slice(&fresh.digits);
        self.digits.drain(..self.digits.len().saturating_sub(DIGITS));
        for piece in fresh.pieces {
            if self.seen[0].len() >= PIECES && !self.seen[0].contains(&piece) {
                self.seen[1] = std::mem::take(&mut self.seen[0]);
            }
            self.seen[0].insert(piece);
        }
    }

    /// Takes the end of a request that was stopped for a run of text which it only goes on with. It is shorter than what
    /// is told, but the next drop goes on from there, and would pass as the first one did.
    pub fn keep_end(&mut self, scan: &Scan, fresh: &Fresh) {
        // A secret is told whole: kept, it would be found in whatever comes next.
        let goes_on = |found: &Found| found.how.first() == Some(&Coding::Requests) && !found.quoted.is_empty();
        if !scan.found.is_empty() && scan.found.iter().all(goes_on) {
            self.text.extend_from_slice(&fresh.text);
            self.text.drain(..self.text.len().saturating_sub(LEAST - 1));
            self.digits.extend_from_slice(&fresh.digits);
            self.digits.drain(..self.digits.len().saturating_sub(digits_of(LEAST - 1, &self.digits)));
        }
    }

    /// Takes of one value the lines that are new.
    fn gather(&self, value: &[u8], fresh: &mut Fresh) {
        let Some(whole) = fresh.piece(value) else { return fresh.length += value.len() };
        if !self.is_new(whole, fresh) {
            return;
        }
        for line in value.split(|&byte| byte == b'\n') {
            // A value of one line is known already.
            let piece = if line.len() < value.len() { fresh.piece(line) } else { None };
            let piece = piece.filter(|&piece| piece != whole);
            if piece.is_none_or(|piece| self.is_new(piece, fresh)) {
                fresh.text.extend_from_slice(line);
                fresh.length += line.len();
                if line.len() >= LEAST_DIGITS && line.iter().all(|&byte| is_digit(byte)) {
                    fresh.digits.extend_from_slice(line);
                    // What stands between bytes of no alphabet.
                    fresh.digits.push(b'|');
                }
            }
        }
    }

    /// Whether a piece has come neither lately nor in this request, where it has now.
    fn is_new(&self, piece: u64, fresh: &mut Fresh) -> bool {
        fresh.pieces.push(piece);
        !self.seen.iter().any(|seen| seen.contains(&piece)) && fresh.known.insert(piece)
    }
}

/// Adds what of the corpus stands in what was joined, where it was not known.
fn also(scan: &mut Scan, corpus: &Corpus, bounds: &Bounds, joined: &[u8], near: Range<usize>) {
    let mut walk = Walk::new(corpus, bounds, joined.len());
    walk.joined(Coding::Requests, joined, near);
    walk.torn(Coding::Requests, &[joined]);
    add(scan, walk.finish());
}

/// Adds what was found where it was not known.
fn add(scan: &mut Scan, joined: Scan) {
    let known = |label| scan.found.iter().any(|found| found.label == label);
    let new: Vec<_> = joined.found.into_iter().filter(|found| !known(found.label)).collect();
    scan.found.extend(new);
    scan.beyond = scan.beyond.or(joined.beyond);
}

/// Digits that so many letters are written in, by which digits those are.
fn digits_of(letters: usize, digits: &[u8]) -> usize {
    let all = |within: fn(&u8) -> bool| digits.iter().all(|byte| *byte == b'|' || within(byte));
    let small = all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'2'..=b'7' | b'='));
    let large = all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7' | b'='));
    if all(u8::is_ascii_hexdigit) {
        letters * 2
    } else if small || large {
        letters * 8 / 5
    } else {
        letters * 4 / 3
    }
}

impl Fresh {
    /// The new text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// What a piece is known by; none when it is too short to be one.
    fn piece(&mut self, text: &[u8]) -> Option<u64> {
        // Folding makes nothing longer.
        if text.len() < DROP {
            return None;
        }
        self.folded.clear();
        fold(text, &mut self.folded);
        let mut hasher = DefaultHasher::new();
        self.folded.hash(&mut hasher);
        (self.folded.len() >= DROP).then(|| hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Label;

    const SECRET: &str = "the blue heron lands at the old mill by midnight and waits for a lamp to be lit twice";

    fn found(requests: &[&[u8]]) -> bool {
        let mut corpus = Corpus::new();
        corpus.add(Label(1), SECRET.as_bytes()).expect("there is room");
        let mut window = Window::new(4096);
        requests.iter().any(|request| {
            let (scan, fresh) = window.scan(&corpus, &[request], &Bounds::USUAL);
            window.keep(fresh);
            scan.found.iter().any(|found| found.label == Label(1))
        })
    }

    #[test]
    fn drops_are_joined_without_what_repeats() {
        // What the first request says beside its drop is not known to repeat yet.
        let drops: Vec<&str> = SECRET.as_bytes().chunks(21).filter_map(|drop| std::str::from_utf8(drop).ok()).collect();
        let in_form = |form: &str| {
            let request = |(at, drop): (usize, &&str)| form.replace('#', &at.to_string()).replace('@', drop);
            let requests: Vec<String> = drops.iter().enumerate().map(request).collect();
            found(&requests.iter().map(String::as_bytes).collect::<Vec<_>>())
        };
        assert!(in_form("@"));
        assert!(in_form("Always the same first line of a prompt, and longer than any drop.\n@\n---"));
        assert!(in_form("/v1/log/#/@"));
        assert!(in_form("model=gpt-of-all-gpts&n=#&text=@&user=somebody"));
        assert!(in_form(
            r##"{"prompt":"Always the same prompt, said before each drop","n":"#","d":"@","end":"the very end"}"##
        ));
    }

    #[test]
    fn drops_that_were_encoded_by_themselves_are_joined() {
        let drops = |length: usize| SECRET.as_bytes().chunks(length);
        let hex = |drop: &[u8]| drop.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        for length in [9, 13, 20] {
            let requests: Vec<String> =
                drops(length).enumerate().map(|(at, drop)| format!("/v1/log?n={at}&id={}", hex(drop))).collect();
            assert!(found(&requests.iter().map(String::as_bytes).collect::<Vec<_>>()), "{length}");
        }
        // One digit too many before each: in one piece with the others no alignment would be right.
        let requests: Vec<String> = drops(20).map(|drop| format!("/v1/log/f{}", hex(drop))).collect();
        assert!(found(&requests.iter().map(String::as_bytes).collect::<Vec<_>>()));
    }

    #[test]
    fn what_is_not_kept_is_not_joined() {
        let mut corpus = Corpus::new();
        corpus.add(Label(1), SECRET.as_bytes()).expect("there is room");
        let mut window = Window::new(4096);
        let (first, _refused) = window.scan(&corpus, &[&SECRET.as_bytes()[..40]], &Bounds::USUAL);
        let (second, fresh) = window.scan(&corpus, &[&SECRET.as_bytes()[40..]], &Bounds::USUAL);
        window.keep(fresh);
        assert_eq!((first.found, second.found), (vec![], vec![]));
    }

    #[test]
    fn long_requests_are_joined_where_they_touch() {
        let long = "nothing of any interest to anybody, ".repeat(400);
        assert!(found(&[format!("{long}{}", &SECRET[..30]).as_bytes(), format!("{}{long}", &SECRET[30..]).as_bytes()]));
    }

    #[test]
    fn what_comes_again_stays_known() {
        let (mut window, corpus) = (Window::new(4096), Corpus::new());
        for count in 0..3 * PIECES {
            let (_, fresh) = window.scan(
                &corpus,
                &[b"a line that comes each time\nand", format!("a line that came {count}").as_bytes()],
                &Bounds::USUAL,
            );
            assert!(count == 0 || !fresh.text.starts_with(b"a line that comes"), "{count}");
            window.keep(fresh);
        }
        assert!(window.seen.iter().all(|seen| seen.len() <= PIECES));
    }
}
