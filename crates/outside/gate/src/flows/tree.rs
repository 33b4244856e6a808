//! What left in drops, over all cells of a tree: one file, which every gate of it appends to before it lets a drop out, and
//! then reads as far as that.
//!
//! So nobody has to be asked, and there is no moment between two gates: the kernel puts what they append in one order, and of two that
//! tell of drops at once the later one reads the other's. A gate that takes over reads all of it. What cannot be told or read is
//! held. Nobody looks at it for a request without a drop.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};

use sense::{Corpus, Drips, Drops, Place, Scan, Speaker, TextId};
use wire::{Dropped, ENTRY, MAX_DROPS};

/// Entries that are read at once.
const AT_ONCE: usize = 64;

const FULL: &str = "more was said in drops than is kept account of";

/// The account of a tree, as one of its gates has it.
pub struct Tree {
    appends: File,
    reads: File,
    session: String,
    /// Sessions that said something, by their numbers here; this one is the first.
    cells: Vec<String>,
    numbers: HashMap<String, Speaker>,
    drips: Drips,
    /// The last request that was told of, and by whom: what is said in it does not go on with itself.
    last: (Vec<Place>, Speaker),
    /// Entries that were taken, and this cell's own of them.
    taken: usize,
    own: usize,
    /// What was read and not taken yet.
    rest: Vec<u8>,
    /// It holds what is no entry: whatever stands behind that cannot be read.
    damaged: bool,
}

/// This cell, in what was said.
const OWN: Speaker = Speaker(0);

impl std::fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Tree({} entries)", self.taken)
    }
}

#[cfg(test)]
impl Tree {
    /// Nobody else, and nothing said in drops.
    pub(crate) fn alone() -> Tree {
        let nothing = || File::options().read(true).write(true).open("/dev/null").expect("it is always there");
        Tree::new("alone", nothing(), nothing())
    }
}

impl Tree {
    /// That of a session: both are the same file, the second one read from its beginning.
    #[must_use]
    pub fn new(session: &str, appends: File, reads: File) -> Tree {
        Tree {
            appends,
            reads,
            session: session.to_owned(),
            cells: vec![session.to_owned()],
            numbers: HashMap::from([(session.to_owned(), OWN)]),
            drips: Drips::default(),
            last: (Vec::new(), OWN),
            taken: 0,
            own: 0,
            rest: Vec::new(),
            damaged: false,
        }
    }

    /// Tells the others of drops. What they go on with is known from then on, whoever said it.
    ///
    /// # Errors
    /// Why it is not: none of them may go out.
    pub(crate) fn tell(&mut self, drops: &Drops) -> Result<(), String> {
        let new = self.news(drops)?;
        if new.is_empty() { Ok(()) } else { self.append(&new) }
    }

    /// Those of them that were not told yet.
    fn news(&mut self, drops: &Drops) -> Result<Vec<Place>, String> {
        self.hear(usize::MAX)?;
        self.settle();
        Ok(drops.places().filter(|place| !self.drips.knows(place)).collect())
    }

    /// Appends them, and takes what others had told by then.
    fn append(&mut self, new: &[Place]) -> Result<(), String> {
        if self.taken + new.len() > MAX_DROPS {
            return Err(FULL.into());
        }
        let entry = |(at, place): (usize, &Place)| {
            let session = self.session.clone();
            Dropped { text: place.text.0, begin: place.begin, end: place.end, session, more: at > 0 }.encode()
        };
        let entries: Option<Vec<[u8; ENTRY]>> = new.iter().enumerate().map(entry).collect();
        let entries = entries.ok_or("no account can be kept for a session of that name")?.concat();
        // At once: what others append comes before or after it.
        match self.appends.write(&entries) {
            Ok(written) if written == entries.len() => {}
            Ok(_) => return Err("the account of drops could not be written whole".into()),
            Err(error) => return Err(format!("the account of drops cannot be written: {error}")),
        }
        // What stands behind it was told later, and is heard with the next one.
        let until = self.own + new.len();
        self.hear(until)?;
        if self.own == until { Ok(()) } else { Err("the account of drops does not hold what was told".into()) }
    }

    /// What was told so far counts as said before whatever comes.
    fn settle(&mut self) {
        let (places, by) = (std::mem::take(&mut self.last.0), self.last.1);
        self.drips.take(&places, by);
    }

    /// Adds what drops that were told come to, to what was found.
    pub(crate) fn evidence(&self, drops: &Drops, corpus: &Corpus, scan: &mut Scan) {
        drops.evidence(corpus, &self.drips, OWN, scan);
    }

    /// The session that said something.
    pub(crate) fn name(&self, cell: Speaker) -> &str {
        self.cells.get(usize::from(cell.0)).map_or("another", String::as_str)
    }

    /// Takes what was told since, as far as so many entries of its own.
    fn hear(&mut self, until: usize) -> Result<(), String> {
        let mut bytes = [0; AT_ONCE * ENTRY];
        loop {
            self.take(until);
            if self.damaged {
                return Err("the account of drops is damaged".into());
            }
            // A bound on what is kept, whatever others write.
            if self.taken > 2 * MAX_DROPS {
                return Err(FULL.into());
            }
            if self.own >= until {
                return Ok(());
            }
            match self.reads.read(&mut bytes) {
                Ok(0) => return Ok(()),
                Ok(length) => self.rest.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("the account of drops cannot be read: {error}")),
            }
        }
    }

    /// Takes what was read.
    fn take(&mut self, until: usize) {
        let rest = std::mem::take(&mut self.rest);
        let mut taken = 0;
        for entry in rest.as_chunks::<ENTRY>().0 {
            if self.own >= until {
                break;
            }
            let Some(Dropped { text, begin, end, session, more }) = Dropped::decode(entry) else {
                self.damaged = true;
                return;
            };
            let by = self.number(session);
            if !more || by != self.last.1 {
                self.settle();
                self.last.1 = by;
            }
            self.last.0.push(Place { text: TextId(text), begin, end });
            self.own += usize::from(by == OWN);
            taken += 1;
        }
        self.taken += taken;
        self.rest = rest[taken * ENTRY..].to_vec();
    }

    fn number(&mut self, session: String) -> Speaker {
        if let Some(number) = self.numbers.get(&session) {
            return *number;
        }
        let number = Speaker(u16::try_from(self.cells.len()).unwrap_or(u16::MAX));
        // Past as many, they have one name.
        if number.0 < u16::MAX {
            self.cells.push(session.clone());
        }
        self.numbers.insert(session, number);
        number
    }
}

#[cfg(test)]
mod tests;
