//! What left in drops, as the gates of a session and of all that is below it tell one another: in one file, which each of them
//! appends to and reads. Places in texts that who reads has to know already; never words.

/// The file's name in the directory of the session that nobody spawned.
pub const DROPS: &str = "drops";

/// Bytes of one entry.
pub const ENTRY: usize = 64;

/// Entries that a gate takes: past them no drop is let out any more.
pub const MAX_DROPS: usize = 1 << 18;

/// The form that this build writes, and the only one it reads: of the first drop of a request, and of those behind it.
const FORMS: [[u8; 4]; 2] = [*b"drp1", *b"drp+"];
/// Longest name of a session.
const NAME: usize = ENTRY - 28;

/// A run of letters of a labelled text, about to be let out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The text: the beginning of the SHA-256 of its letters.
    pub text: [u8; 16],
    /// Where it begins and ends among the letters of the text.
    pub begin: u32,
    /// The end, which is not part of it.
    pub end: u32,
    /// Whose gate was to let it out.
    pub session: String,
    /// In the request of the entry before this one.
    pub more: bool,
}

impl Dropped {
    /// Whether entries can be written for a session of that name.
    #[must_use]
    pub fn names(session: &str) -> bool {
        (1..=NAME).contains(&session.len()) && session.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    /// The entry; none where it could not be read again.
    #[must_use]
    pub fn encode(&self) -> Option<[u8; ENTRY]> {
        if !Dropped::names(&self.session) || self.begin >= self.end {
            return None;
        }
        let mut entry = [0; ENTRY];
        entry[..4].copy_from_slice(&FORMS[usize::from(self.more)]);
        entry[4..20].copy_from_slice(&self.text);
        entry[20..24].copy_from_slice(&self.begin.to_le_bytes());
        entry[24..28].copy_from_slice(&self.end.to_le_bytes());
        entry[28..28 + self.session.len()].copy_from_slice(self.session.as_bytes());
        Some(entry)
    }

    /// Reads an entry; none where it is none.
    #[must_use]
    pub fn decode(entry: &[u8; ENTRY]) -> Option<Dropped> {
        let (form, rest) = entry.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_first_chunk::<16>()?;
        let (begin, rest) = rest.split_first_chunk::<4>()?;
        let (end, name) = rest.split_first_chunk::<4>()?;
        let length = name.iter().position(|byte| *byte == 0).unwrap_or(NAME);
        let session = std::str::from_utf8(&name[..length]).ok()?.to_owned();
        let (begin, end) = (u32::from_le_bytes(*begin), u32::from_le_bytes(*end));
        let dropped = Dropped { text: *text, begin, end, session, more: *form == FORMS[1] };
        // There is one way to write it.
        (dropped.encode()? == *entry).then_some(dropped)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_is_read_as_it_was_written(
            text: [u8; 16], begin in 0u32..u32::MAX, length: u32, session in "[0-9a-z]{1,36}", more: bool, at in 0..ENTRY, bit in 0u32..8,
        ) {
            let end = begin.saturating_add(length.max(1));
            let dropped = Dropped { text, begin, end, session, more };
            let mut entry = dropped.encode().expect("fits");
            prop_assert_eq!(Dropped::decode(&entry), Some(dropped.clone()));
            entry[at] ^= 1 << bit;
            // No two say the same.
            prop_assert_ne!(Dropped::decode(&entry), Some(dropped));
        }

        #[test]
        fn what_is_no_entry_is_none(bytes in proptest::collection::vec(any::<u8>(), ENTRY)) {
            let entry: [u8; ENTRY] = bytes.try_into().expect("as many");
            if let Some(dropped) = Dropped::decode(&entry) {
                prop_assert_eq!(dropped.encode(), Some(entry));
            }
        }
    }

    #[test]
    fn entries_that_were_shifted_are_none() {
        let session = || "06dxtt9yr1e".to_owned();
        let dropped = |begin| Dropped { text: [7; 16], begin, end: begin + 13, session: session(), more: begin > 1 };
        let two: Vec<u8> = [1, 2].into_iter().filter_map(|begin| dropped(begin).encode()).flatten().collect();
        for at in 1..ENTRY {
            let shifted = two[at..at + ENTRY].try_into().expect("as many");
            assert_eq!(Dropped::decode(&shifted), None, "{at}");
        }
        for session in ["", "a/b", &"x".repeat(NAME + 1)] {
            assert_eq!(Dropped { session: session.into(), ..dropped(1) }.encode(), None);
        }
    }
}
