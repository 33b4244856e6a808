//! Where four bytes in a row stand in what is looked for, in any ASCII case: what is looked at is first looked up by four bytes,
//! and nearly all of it stands nowhere.

use std::collections::HashMap;

/// Bytes that are looked up together.
pub(crate) const FOUR: usize = 4;

/// Sets the bit that tells upper from lower case in each of four bytes.
const CASE: u32 = 0x2020_2020;

/// Which texts have four bytes, and where; the caller says what a place is.
#[derive(Default, Clone)]
pub(crate) struct Fours {
    places: HashMap<u32, Vec<(u32, usize)>>,
    /// A bit for each key that may be there, 64 bits a key.
    maybe: Vec<u64>,
}

impl Fours {
    /// Takes four bytes and where they stand.
    pub(crate) fn insert(&mut self, four: &[u8], place: (u32, usize)) {
        let key = key(four);
        self.places.entry(key).or_default().push(place);
        self.mark(key);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.maybe.clear();
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where four bytes stand.
    pub(crate) fn of(&self, four: &[u8]) -> &[(u32, usize)] {
        self.by(key(four))
    }

    /// The same by their key.
    pub(crate) fn by(&self, key: u32) -> &[(u32, usize)] {
        self.places.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Of every so many bytes the offset and key of the first four, where those may stand anywhere. Apart from what follows a hit,
    /// or this loop would not stay in registers.
    pub(crate) fn hits(&self, bytes: &[u8], apart: usize) -> Vec<(usize, u32)> {
        let (maybe, shift) = (&self.maybe[..], 64 - self.maybe.len().ilog2());
        let mut hits = Vec::new();
        for at in (0..bytes.len().saturating_sub(FOUR - 1)).step_by(apart) {
            let Some(four) = bytes.get(at..at + FOUR) else { break };
            let key = key(four);
            let mixed = mixed(key);
            if maybe[(mixed >> shift) as usize] >> (mixed >> (shift - 6) & 63) & 1 == 1 {
                hits.push((at, key));
            }
        }
        hits
    }

    fn mark(&mut self, key: u32) {
        let words = (2 * self.places.len()).next_power_of_two().max(256);
        if words > self.maybe.len() {
            self.maybe = vec![0; words];
            let keys: Vec<u32> = self.places.keys().copied().collect();
            keys.into_iter().for_each(|key| self.set(key));
        }
        self.set(key);
    }

    fn set(&mut self, key: u32) {
        let (mixed, shift) = (mixed(key), 64 - self.maybe.len().ilog2());
        self.maybe[(mixed >> shift) as usize] |= 1 << (mixed >> (shift - 6) & 63);
    }
}

/// Four bytes in any case.
fn key(four: &[u8]) -> u32 {
    four.iter().fold(0, |key, &byte| key << 8 | u32::from(byte)) | CASE
}

fn mixed(key: u32) -> u64 {
    u64::from(key ^ key >> 15).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
