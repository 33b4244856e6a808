//! What the sessions of one tree asked the operator, what he denied them and which of his written answers they used up, in one
//! file beside what they said in drops: a sub-agent is no second chance to ask, and many of them are no flood. Each plane takes the file for as long as it looks and
//! writes; what cannot be read or written refuses the question.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::{Digest, Sha256};
use wire::question::{LIFE, MOST_NEW, Ruling, WINDOW};

/// The file's name, in the directory of the session that nobody spawned.
pub(super) const NAME: &str = "asked";
/// Denials that are remembered, the newest.
const MOST_DENIED: usize = 256;
/// Written answers that are used up in one tree; more of them allow nothing.
const MOST_USED: usize = 1024;
/// Longest file that is read: all that is remembered is shorter.
const LONGEST: u64 = 256 << 10;

/// What is remembered of a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Family {
    /// When it asked something new, in milliseconds since the machine began.
    asked: Vec<u64>,
    denied: Vec<Denied>,
    /// Digests of written answers that held once, one for each time. They stay used up as long as the tree is there.
    used: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
struct Denied {
    at: u64,
    /// [`wire::question::Wanted::kind`] of what was denied.
    kind: String,
    /// The question's id.
    id: String,
}

impl Family {
    /// Looks at what is remembered at this path, and keeps what became of it.
    pub(super) fn at<T>(path: &Path, now: u64, look: impl FnOnce(&mut Family) -> T) -> io::Result<T> {
        let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        let mut family = Family::read(&mut file)?;
        family.forget(now);
        let seen = look(&mut family);
        let text = family.to_string();
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(u64::try_from(text.len()).unwrap_or(LONGEST))?;
        Ok(seen)
    }

    /// Something that no question of its own session is like becomes one, or why not.
    pub(super) fn ask(&mut self, now: u64, kind: &str) -> Option<Ruling> {
        if let Some(denied) = self.denied.iter().find(|one| one.kind == kind) {
            return Some(Ruling::denied(&denied.id));
        }
        if self.asked.iter().filter(|at| now.saturating_sub(**at) < WINDOW).count() >= MOST_NEW {
            return Some(Ruling::flood());
        }
        self.asked.push(now);
        None
    }

    pub(super) fn deny(&mut self, now: u64, kind: String, id: &str) {
        self.denied.push(Denied { at: now, kind, id: id.to_owned() });
        self.denied.drain(..self.denied.len().saturating_sub(MOST_DENIED));
    }

    /// Takes one of so many lines that say the same `once`; false where the tree used all of them.
    pub(super) fn use_up(&mut self, line: &str, lines: usize) -> bool {
        let digest: String = Sha256::digest(line).iter().map(|byte| format!("{byte:02x}")).collect();
        let left = self.used.iter().filter(|used| **used == digest).count() < lines && self.used.len() < MOST_USED;
        if left {
            self.used.push(digest);
        }
        left
    }

    fn forget(&mut self, now: u64) {
        self.asked.retain(|at| now.saturating_sub(*at) < WINDOW);
        self.denied.retain(|one| now.saturating_sub(one.at) < LIFE);
    }

    fn read(file: &mut File) -> io::Result<Family> {
        let mut text = String::new();
        file.take(LONGEST + 1).read_to_string(&mut text)?;
        let odd = || io::Error::new(io::ErrorKind::InvalidData, "what the tree asked is not as it was written");
        if text.len() as u64 > LONGEST {
            return Err(odd());
        }
        let mut family = Family::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let mut word = || words.next().ok_or_else(odd);
            match word()? {
                "asked" => family.asked.push(word()?.parse().map_err(|_| odd())?),
                "denied" => {
                    let at = word()?.parse().map_err(|_| odd())?;
                    family.denied.push(Denied { at, kind: word()?.to_owned(), id: word()?.to_owned() });
                }
                "used" => family.used.push(word()?.to_owned()),
                _ => return Err(odd()),
            }
        }
        Ok(family)
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for at in &self.asked {
            writeln!(formatter, "asked {at}")?;
        }
        for Denied { at, kind, id } in &self.denied {
            writeln!(formatter, "denied {at} {kind} {id}")?;
        }
        self.used.iter().try_for_each(|used| writeln!(formatter, "used {used}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_asks_as_often_as_one_session_and_what_was_denied_to_one_is_to_all() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(NAME);
        let ask = |now, kind: &str| Family::at(&path, now, |family| family.ask(now, kind)).expect("kept");
        let most = u64::try_from(MOST_NEW).expect("few");
        assert!((0..most).all(|at| ask(at, &format!("k{at}")).is_none()));
        let Some(Ruling::Refused { denied: false, .. }) = ask(most, "other") else { panic!("it floods") };
        assert!(ask(WINDOW, "other").is_none(), "the first had its minute");
        Family::at(&path, WINDOW, |family| family.deny(WINDOW, "k0".into(), "3fa9c1d2aa")).expect("kept");
        let Some(Ruling::Refused { why, denied: true }) = ask(WINDOW + LIFE - 1, "k0") else { panic!("it is asked") };
        assert!(why.contains("3fa9c1d2"), "{why}");
        assert!(ask(WINDOW + LIFE, "k0").is_none());
        // Two lines that say the same hold twice, whichever session they answer, and however long it is between.
        let used = |now| Family::at(&path, now, |family| family.use_up("{to: \"a:443\"}", 2)).expect("kept");
        assert!(used(WINDOW) && used(WINDOW + LIFE) && !used(WINDOW + LIFE) && !used(WINDOW + 9 * LIFE));
        // What somebody else wrote is not taken for nothing.
        std::fs::write(&path, "asked x\n").expect("written");
        assert!(Family::at(&path, 0, |_| ()).is_err());
    }
}
