//! Where in the labelled texts a run of 32 folded characters stands: an index that takes one look per character.
//!
//! Every seventeenth run of a text is kept, and every run of the bytes that are looked at is looked up. So no shared
//! run of 48 characters is missed: among its seventeen runs of 32, one is kept. That is the promise of winnowing at half
//! its memory. The hash only finds candidates; whoever asks compares the characters.

/// Characters in one run.
pub(crate) const GRAM: usize = 32;

/// The distance of runs that are kept.
pub(crate) const GRID: usize = 17;

/// A run with fewer different characters says nothing: zeros, rulers, padding.
const VARIOUS: u32 = 6;

/// Places that are kept for one hash; of a text that repeats itself more often, the rest says nothing new.
const CROWD: usize = 64;

/// Characters that are looked up before what was hit is looked at.
const PIECE: usize = 16 << 10;

/// How a labelled text stands in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Reversed,
    Rot13,
}

/// A place in a labelled text, counted in the form's own direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) source: u32,
    pub(crate) form: Form,
    pub(crate) at: u32,
    /// There were more places with this hash than are kept.
    pub(crate) crowded: bool,
}

/// The index.
#[derive(Default)]
pub(crate) struct Grams {
    /// Two bits in one word for each hash that may be there: most characters end here, in the cache.
    maybe: Vec<u64>,
    /// The first entry of each bucket, counted from one; zero is none.
    heads: Vec<u32>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    place: Place,
    next: u32,
}

impl Grams {
    /// Keeps the runs of a folded text, which is given as it stands in `form`.
    pub(crate) fn add(&mut self, text: &[u8], source: u32, form: Form) {
        let mut hash = 0;
        for (end, &byte) in text.iter().enumerate() {
            hash = rolled(hash, byte);
            let Some(at) = (end + 1).checked_sub(GRAM) else { continue };
            if at % GRID == 0 && various(&text[at..=end]) {
                // A text is bounded below four GiB by the corpus.
                self.insert(hash, Place { source, form, at: at as u32, crowded: false });
            }
        }
    }

    /// Calls `see` with every place whose run may be the one at that offset, until it says no.
    pub(crate) fn each(&self, folded: &[u8], mut see: impl FnMut(usize, Place) -> bool) {
        let mut from = 0;
        while from + GRAM <= folded.len() && !self.entries.is_empty() {
            // In pieces, so that a text full of hits needs no list as long as itself.
            let piece = &folded[from..folded.len().min(from + PIECE + GRAM - 1)];
            for (at, hash) in self.hits(piece) {
                if !self.places(hash).all(|place| see(from + at, place)) {
                    return;
                }
            }
            from += PIECE;
        }
    }

    /// Offsets whose hash may be there. Apart from what follows a hit, or this loop would not stay in registers.
    fn hits(&self, folded: &[u8]) -> Vec<(usize, u64)> {
        let (maybe, shift) = (&self.maybe[..], 64 - self.maybe.len().ilog2());
        let mut hash = folded[..GRAM - 1].iter().fold(0, |hash, &byte| rolled(hash, byte));
        let mut hits = Vec::new();
        for (at, &byte) in folded[GRAM - 1..].iter().enumerate() {
            hash = rolled(hash, byte);
            let bits = bits(hash, shift);
            if maybe[(hash >> shift) as usize] & bits == bits {
                hits.push((at, hash));
            }
        }
        hits
    }

    fn places(&self, hash: u64) -> impl Iterator<Item = Place> {
        self.chain(hash).filter(move |entry| entry.hash == hash).map(|entry| entry.place)
    }

    fn chain(&self, hash: u64) -> impl Iterator<Item = Entry> {
        let mut next = self.heads[self.bucket(hash)];
        std::iter::from_fn(move || {
            let entry = *self.entries.get((next as usize).checked_sub(1)?)?;
            next = entry.next;
            Some(entry)
        })
    }

    fn insert(&mut self, hash: u64, place: Place) {
        if self.entries.len() >= self.heads.len() {
            self.grow();
        }
        let same = self.places(hash).count();
        if same < CROWD {
            let crowded = same + 1 == CROWD;
            self.entries.push(Entry { hash, place: Place { crowded, ..place }, next: 0 });
            self.link(self.entries.len() - 1);
        }
    }

    fn link(&mut self, index: usize) {
        let hash = self.entries[index].hash;
        let (bucket, shift) = (self.bucket(hash), 64 - self.maybe.len().ilog2());
        self.entries[index].next = std::mem::replace(&mut self.heads[bucket], index as u32 + 1);
        self.maybe[(hash >> shift) as usize] |= bits(hash, shift);
    }

    fn grow(&mut self) {
        let buckets = (self.heads.len() * 2).max(256);
        self.heads = vec![0; buckets];
        // Sixteen bits a bucket: one look in a hundred goes on in vain.
        self.maybe = vec![0; buckets / 4];
        (0..self.entries.len()).for_each(|index| self.link(index));
    }

    fn bucket(&self, hash: u64) -> usize {
        (hash >> (64 - self.heads.len().ilog2())) as usize
    }
}

/// The bits of a hash in its word, from the two groups of six below those that choose the word.
#[inline]
fn bits(hash: u64, shift: u32) -> u64 {
    1 << (hash >> (shift - 6) & 63) | 1 << (hash >> (shift - 12) & 63)
}

/// The hash of the last 32 bytes: each shifts the older ones by two bits, so that the oldest falls out by itself.
#[inline]
fn rolled(hash: u64, byte: u8) -> u64 {
    (hash << 2).wrapping_add(MIX[usize::from(byte)])
}

fn various(run: &[u8]) -> bool {
    let mut seen = [0u64; 4];
    run.iter().for_each(|byte| seen[usize::from(byte / 64)] |= 1 << (byte % 64));
    seen.iter().map(|bits| bits.count_ones()).sum::<u32>() >= VARIOUS
}

const MIX: [u64; 256] = mix();

/// Splitmix64 of each byte.
const fn mix() -> [u64; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut word = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
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

    #[test]
    fn any_shared_run_of_48_holds_a_run_that_is_kept() {
        let text: Vec<u8> = (0..400u32).map(|at| b'a' + (at * at % 23) as u8).collect();
        let mut grams = Grams::default();
        grams.add(&text, 0, Form::Plain);
        for from in 0..text.len() - 48 {
            let mut hits = 0;
            grams.each(&text[from..from + 48], |at, place| {
                hits += usize::from(place.at as usize == from + at);
                true
            });
            assert!(hits >= 1, "the run at {from}");
        }
    }

    #[test]
    fn runs_that_say_nothing_are_not_kept_and_crowds_are_bounded() {
        let mut grams = Grams::default();
        grams.add(&[b'0'; 1000], 0, Form::Plain);
        assert!(grams.entries.is_empty());
        grams.add(&b"abcdefghijklmnopq".repeat(1000), 0, Form::Plain);
        assert_eq!(grams.entries.len(), CROWD);
        assert!(grams.entries.last().is_some_and(|entry| entry.place.crowded));
    }

    #[test]
    fn the_hash_forgets_what_is_33_back() {
        let hash = |text: &[u8]| text.iter().fold(0, |hash, &byte| rolled(hash, byte));
        assert_eq!(hash(b"x0123456789abcdef0123456789abcdef"), hash(b"y0123456789abcdef0123456789abcdef"));
    }
}
