//! Where in the labelled texts a run of 24 folded characters stands, in two steps.
//!
//! Of the texts every twelve characters in a row are marked in a set of bits, and of the bytes that are looked at twelve in
//! thirteen are looked up there, in one form for all three (forwards, backwards, in ROT13): most go no further, and no shared run of 24 holds none of
//! them. Around what is marked every run of 16 is looked up in an index that has every ninth run of the texts, by a hash
//! that is the same in all three forms. The hash only finds candidates; whoever asks compares the characters.

/// Characters in one run of the index.
pub(crate) const GRAM: usize = 16;

/// The distance of runs that are kept.
pub(crate) const GRID: usize = 9;

/// A shared run of so many is found.
pub(crate) const SHARED: usize = GRAM + GRID - 1;

/// Characters that are marked.
pub(crate) const MARK: usize = 12;

/// The distance of those that are looked up.
const STEP: usize = SHARED - MARK + 1;

/// Looks that are got ready together.
const PIECES: usize = 32;

/// A run with fewer different characters says nothing: zeros, rulers, padding.
const VARIOUS: u32 = 5;

/// Places that are kept for one hash; of a text that repeats itself more often, the rest says nothing new.
const CROWD: usize = 32;

/// A place in a labelled text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: u32,
    pub(crate) at: u32,
    /// There were more places with this hash than are kept.
    pub(crate) crowded: bool,
}

/// The index.
#[derive(Default, Clone)]
pub(crate) struct Grams {
    marks: Marks,
    /// The first entry of each bucket, counted from one; zero is none.
    heads: Vec<u32>,
    entries: Vec<Entry>,
}

/// One kept run.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    at: u32,
    /// The source, and in the highest bit whether it is crowded.
    source: u32,
    next: u32,
}

const CROWDED: u32 = 1 << 31;

impl Entry {
    fn place(self) -> Place {
        Place { source: self.source & !CROWDED, at: self.at, crowded: self.source & CROWDED != 0 }
    }
}

impl Grams {
    /// Keeps the runs of the last of some folded texts; those before it are known.
    pub(crate) fn add<'t>(&mut self, texts: impl DoubleEndedIterator<Item = &'t [u8]> + Clone, source: u32) {
        let Some(text) = texts.clone().next_back() else { return };
        self.marks.add(texts);
        let Some((first, rest)) = text.split_at_checked(GRAM) else { return };
        let mut rolling = Rolling::of(first);
        self.keep(&rolling, text, 0, source);
        for (at, &new) in rest.iter().enumerate() {
            rolling.step(text[at], new);
            if (at + 1).is_multiple_of(GRID) {
                self.keep(&rolling, text, at + 1, source);
            }
        }
    }

    fn keep(&mut self, rolling: &Rolling, text: &[u8], at: usize, source: u32) {
        if various(&text[at..at + GRAM]) {
            // A text is bounded below four GiB by the corpus.
            self.insert(rolling.hash(), source, at as u32);
        }
    }

    /// Where so many characters in a row may be of one text, as they are or in another form.
    pub(crate) fn rows(&self, folded: &[u8], least: usize) -> Vec<std::ops::Range<usize>> {
        let (mut rows, mut at) = (Vec::new(), 0);
        if self.marks.words.is_empty() {
            return rows;
        }
        while at + MARK <= folded.len() {
            let more = folded[at..].array_windows::<MARK>().take_while(|run| self.marks.holds(run)).count();
            if more > 0 && more + MARK > least {
                rows.push(at..at + more + MARK - 1);
            }
            at += more + 1;
        }
        rows
    }

    /// Whether what stands before a place is marked, or what stands after it.
    pub(crate) fn are_marked(&self, folded: &[u8], place: usize) -> bool {
        self.marks.beside(folded, place) != [false; 2]
    }

    /// Calls `see` with every place whose run may be the one at that offset, until it says no. With `edits` only of what
    /// is shared over one of those places, at its beginning or its end.
    pub(crate) fn each(&self, folded: &[u8], edits: Option<&[usize]>, mut see: impl FnMut(usize, Place) -> bool) {
        if self.entries.is_empty() {
            return;
        }
        let hits = edits.map_or_else(|| self.marks.hits(folded), |edits| self.marks.hits_at(folded, edits));
        let (mut next, mut passed) = (0, 0..0);
        for at in hits {
            // What stands within a row of marks needs no other.
            if !passed.contains(&at) {
                match self.marks.row(folded, at) {
                    Some(row) => passed = row,
                    None => continue,
                }
            }
            // A shared run that holds what is marked there holds a run of the index that begins in this range.
            let from = next.max(at.saturating_sub(SHARED - MARK));
            next = (at + GRID).min((folded.len() + 1).saturating_sub(GRAM)).max(from);
            if !self.around(folded, from..next, &mut see) {
                return;
            }
        }
    }

    /// Looks up every run that begins in the range.
    fn around(&self, folded: &[u8], range: std::ops::Range<usize>, see: &mut impl FnMut(usize, Place) -> bool) -> bool {
        if range.is_empty() {
            return true;
        }
        let mut rolling = Rolling::of(&folded[range.start..range.start + GRAM]);
        for at in range {
            if !self.places(rolling.hash()).all(|place| see(at, place)) {
                return false;
            }
            if let Some(&new) = folded.get(at + GRAM) {
                rolling.step(folded[at], new);
            }
        }
        true
    }

    fn places(&self, hash: u32) -> impl Iterator<Item = Place> {
        let mut next = self.heads.get(self.bucket(hash)).copied().unwrap_or_default();
        let chain = std::iter::from_fn(move || {
            let entry = *self.entries.get((next as usize).checked_sub(1)?)?;
            next = entry.next;
            Some(entry)
        });
        chain.filter(move |entry| entry.hash == hash).map(Entry::place)
    }

    fn insert(&mut self, hash: u32, source: u32, at: u32) {
        if self.entries.len() >= self.heads.len() {
            self.heads = vec![0; (self.heads.len() * 3 / 2).max(256)];
            (0..self.entries.len()).for_each(|index| self.link(index));
        }
        let same = self.places(hash).count();
        if same < CROWD {
            if self.entries.len() == self.entries.capacity() {
                // By a quarter, not twice: they are most of what a corpus takes.
                self.entries.reserve_exact((self.entries.len() / 4).max(64));
            }
            let crowded = if same + 1 == CROWD { CROWDED } else { 0 };
            self.entries.push(Entry { hash, at, source: source | crowded, next: 0 });
            self.link(self.entries.len() - 1);
        }
    }

    fn link(&mut self, index: usize) {
        let bucket = self.bucket(self.entries[index].hash);
        self.entries[index].next = std::mem::replace(&mut self.heads[bucket], index as u32 + 1);
    }

    fn bucket(&self, hash: u32) -> usize {
        (hash as usize * self.heads.len()) >> 32
    }
}

/// What stands in the texts in twelve characters, three bits in one word for each.
#[derive(Default, Clone)]
struct Marks {
    words: Vec<u64>,
    /// Runs that are marked.
    count: usize,
}

/// Runs for each word: one look in two hundred goes on in vain.
const LOAD: usize = 4;

impl Marks {
    /// Marks the last of the texts; all of them anew where there is no more room.
    fn add<'t>(&mut self, texts: impl DoubleEndedIterator<Item = &'t [u8]> + Clone) {
        let Some(text) = texts.clone().next_back() else { return };
        self.count += text.len();
        if self.count > self.words.len() * LOAD {
            // Half more than there is, so that each text is marked a few times at most.
            self.words = vec![0; (self.count / LOAD * 3 / 2).max(256)];
            texts.for_each(|text| self.mark(text));
        } else {
            self.mark(text);
        }
    }

    fn mark(&mut self, text: &[u8]) {
        for run in text.array_windows::<MARK>() {
            let (word, bits) = self.place(mixed(&run.map(halved)));
            self.words[word] |= bits;
        }
    }

    /// Offsets of what may be marked in any form. Apart from what follows a hit, or this loop would not stay in registers.
    fn hits(&self, folded: &[u8]) -> Vec<usize> {
        let mut hits = Vec::new();
        if self.words.is_empty() {
            return hits;
        }
        let mut halves = [0; STEP * PIECES];
        for (number, block) in folded.chunks(STEP * PIECES).enumerate() {
            halves.iter_mut().zip(block).for_each(|(half, byte)| *half = halved(*byte));
            for (count, piece) in halves[..block.len()].chunks(STEP).enumerate() {
                let Some(run) = piece.first_chunk() else { break };
                if self.holds_half(run) {
                    hits.push((number * PIECES + count) * STEP);
                }
            }
        }
        hits
    }

    /// What is marked in a row around a hit, and one more, if that is as many as a shared run has: most hits are by chance, or
    /// one long word.
    fn row(&self, folded: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
        let holds = |at: usize| folded.get(at..).and_then(|rest| rest.first_chunk()).is_some_and(|run| self.holds(run));
        let (mut first, mut last) = (at, at);
        while last - at < STEP && holds(last + 1) {
            last += 1;
        }
        while last - first + 1 < STEP && first > 0 && holds(first - 1) {
            first -= 1;
        }
        (last - first + 1 >= STEP).then_some(first..last + 1)
    }

    /// The same beside those places: of 24 characters over one of them, twelve stand on one side.
    fn hits_at(&self, folded: &[u8], places: &[usize]) -> Vec<usize> {
        let mut hits = Vec::new();
        for &place in places {
            let [before, after] = self.beside(folded, place);
            if before {
                hits.push(place - MARK);
            }
            if after {
                hits.push(place);
            }
        }
        hits.sort_unstable();
        hits
    }

    /// Whether what stands before a place is marked, and what stands after it.
    #[inline(always)]
    fn beside(&self, folded: &[u8], place: usize) -> [bool; 2] {
        let holds =
            |begin: usize| folded.get(begin..).and_then(|rest| rest.first_chunk()).is_some_and(|run| self.holds(run));
        if self.words.is_empty() { [false; 2] } else { [place >= MARK && holds(place - MARK), holds(place)] }
    }

    #[inline(always)]
    fn holds(&self, run: &[u8; MARK]) -> bool {
        self.holds_half(&run.map(halved))
    }

    #[inline(always)]
    fn holds_half(&self, run: &[u8; MARK]) -> bool {
        let (word, bits) = self.place(mixed(run));
        self.words[word] & bits == bits
    }

    #[inline(always)]
    fn place(&self, hash: u64) -> (usize, u64) {
        let word = ((hash >> 32) * self.words.len() as u64) >> 32;
        (word as usize, 1 << (hash >> 26 & 63) | 1 << (hash >> 20 & 63) | 1 << (hash >> 14 & 63))
    }
}

/// The same for a letter and for that thirteen further.
#[inline(always)]
const fn halved(letter: u8) -> u8 {
    if letter >= b'n' && letter <= b'z' { letter - 13 } else { letter }
}

/// A hash of twelve characters of half the alphabet that is the same forwards and backwards: by the first eight and the last eight.
#[inline(always)]
fn mixed(run: &[u8; MARK]) -> u64 {
    let eight = |eight: Option<&[u8; 8]>| eight.map_or(0, |eight| u64::from_le_bytes(*eight));
    let (first, last) = (eight(run.first_chunk()), eight(run.last_chunk()));
    let one = |first: u64, last: u64| {
        first.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ last.wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(32)
    };
    let both = one(first, last).wrapping_add(one(last.swap_bytes(), first.swap_bytes()));
    (both ^ both >> 29).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// The hash of the last 16 characters, forwards and backwards: each moves by one bit with every character that comes.
struct Rolling {
    forwards: u64,
    backwards: u64,
}

impl Rolling {
    fn of(run: &[u8]) -> Rolling {
        let mut rolling = Rolling { forwards: 0, backwards: 0 };
        for (at, &byte) in (0u32..).zip(run) {
            let mixed = MIX[usize::from(byte)];
            rolling.forwards ^= mixed.rotate_left(GRAM as u32 - 1 - at);
            rolling.backwards ^= mixed.rotate_left(at);
        }
        rolling
    }

    #[inline]
    fn step(&mut self, old: u8, new: u8) {
        let (old, new) = (MIX[usize::from(old)], MIX[usize::from(new)]);
        self.forwards = self.forwards.rotate_left(1) ^ new ^ old.rotate_left(GRAM as u32);
        self.backwards = (self.backwards ^ old).rotate_right(1) ^ new.rotate_left(GRAM as u32 - 1);
    }

    /// The same for a run and for the run backwards.
    #[inline]
    fn hash(&self) -> u32 {
        (self.forwards.wrapping_add(self.backwards).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }
}

fn various(run: &[u8]) -> bool {
    let mut seen = [0u64; 4];
    run.iter().for_each(|byte| seen[usize::from(byte / 64)] |= 1 << (byte % 64));
    seen.iter().map(|bits| bits.count_ones()).sum::<u32>() >= VARIOUS
}

const MIX: [u64; 256] = mix();

/// Splitmix64 of each character; the same for a letter and for that thirteen further.
const fn mix() -> [u64; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let letter = index as u8;
        let mut word = (halved(letter) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[index] = word ^ (word >> 31);
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needles::rot13;

    fn grams(text: &[u8]) -> Grams {
        let mut grams = Grams::default();
        grams.add([text].into_iter(), 0);
        grams
    }

    fn text() -> Vec<u8> {
        (0..400u32).map(|at| b'a' + (at * at % 23) as u8).collect()
    }

    #[test]
    fn any_shared_run_of_24_holds_a_run_that_is_kept() {
        let (text, grams) = (text(), grams(&text()));
        for (from, before) in (0..text.len() - 24).flat_map(|from| (0..30).map(move |before| (from, before))) {
            for after in [0, 1, 40] {
                let bytes = [&vec![b'-'; before], &text[from..from + 24], &vec![b'+'; after]].concat();
                let mut hits = 0;
                grams.each(&bytes, None, |at, place| {
                    hits += usize::from(place.at as usize + before == from + at);
                    true
                });
                assert!(hits >= 1, "the run at {from} after {before}");
            }
        }
    }

    #[test]
    fn a_run_is_found_in_every_form() {
        let (text, grams) = (text(), grams(&text()));
        let backwards: Vec<u8> = text.iter().rev().copied().collect();
        let rotated: Vec<u8> = text.iter().map(|&byte| rot13(byte)).collect();
        for (form, whole) in [("plain", &text), ("backwards", &backwards), ("rotated", &rotated)] {
            for from in 0..text.len() - 24 {
                let mut seen = false;
                grams.each(&whole[from..from + 24], None, |_, _| {
                    seen = true;
                    true
                });
                assert!(seen, "{form} at {from}");
            }
        }
    }

    #[test]
    fn runs_that_say_nothing_are_not_kept_and_crowds_are_bounded() {
        assert!(grams(&[b'0'; 1000]).entries.is_empty());
        // Of seventeen letters each run comes back after seventeen, and one in nine is kept.
        let grams = grams(&b"abcdefghijklmnopq".repeat(1000));
        assert_eq!(grams.entries.len(), 17 * CROWD);
        assert_eq!(grams.entries.iter().filter(|entry| entry.place().crowded).count(), 17);
    }

    #[test]
    fn texts_that_come_later_are_marked_beside_those_before() {
        let texts: Vec<Vec<u8>> =
            (0..40u32).map(|n| text().iter().map(|&byte| byte ^ (n % 7) as u8).collect()).collect();
        let mut grams = Grams::default();
        for count in 1..=texts.len() {
            grams.add(texts[..count].iter().map(Vec::as_slice), count as u32 - 1);
        }
        for text in &texts {
            let mut seen = 0;
            grams.each(&text[100..150], None, |_, _| {
                seen += 1;
                true
            });
            assert!(seen > 0);
        }
    }

    #[test]
    fn a_run_has_one_hash_in_every_form_and_forgets_what_came_before() {
        let run = b"attackatdawn0800";
        let backwards: Vec<u8> = run.iter().rev().copied().collect();
        let moved = run.map(rot13);
        let hash = |text: &[u8]| {
            let mut rolling = Rolling::of(&text[..GRAM]);
            (GRAM..text.len()).for_each(|at| rolling.step(text[at - GRAM], text[at]));
            rolling.hash()
        };
        for other in [&backwards[..], &moved, b"xattackatdawn0800", b"and yattackatdawn0800"] {
            assert_eq!(hash(other), hash(run), "{}", other.escape_ascii());
        }
        assert_ne!(hash(b"attackatdawn0801"), hash(run));
        assert_eq!(&b"az09nm\xe1-".map(halved), b"am09am\xe1-");
        let twelve = b"attackatdawn".map(halved);
        let back: [u8; MARK] = std::array::from_fn(|at| twelve[MARK - 1 - at]);
        assert_eq!((mixed(&twelve), twelve), (mixed(&back), b"attackatdawn".map(rot13).map(halved)));
        assert_ne!(mixed(&twelve), mixed(b"attackatdusk"));
    }
}
