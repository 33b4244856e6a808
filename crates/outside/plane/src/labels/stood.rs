//! Files that stood in a workspace before a session, are as they were, and carry no label: what they hold was there before anything
//! was read inside.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use policy::{Conjunction, Data};
use record::segment::hex;
use sha2::{Digest, Sha256};
use wire::command::Problem;
use wire::{Stood, Whole};

use super::walk::files;
use super::{Place, Shelf, seen};
use crate::store::{SessionDirectory, Store};

/// Bytes of files that are read for one question.
const READ: u64 = 256 << 20;
/// Microseconds before the session's beginning from which on a change counts as its own: a file's time is as coarse as the
/// kernel's tick.
const COARSE: u64 = 1_000_000;
/// Bytes of a path that are told.
const PATH: usize = 256;

/// Where to look, and what does not count.
#[derive(Debug)]
pub struct Before {
    trees: Vec<PathBuf>,
    data: Vec<Data>,
    places: Vec<(PathBuf, Place)>,
    /// Microseconds since the Unix epoch.
    until: u64,
}

impl Before {
    /// What stood before a session; none where that cannot be told: it sees a copy of what another one wrote, or has no workspace.
    ///
    /// # Errors
    /// When what is labelled cannot be read.
    pub fn of(store: &Store, session: &SessionDirectory, policies: &Conjunction) -> Result<Option<Before>, Problem> {
        let record = &session.record;
        if record.parent.is_some() || record.trees.is_empty() {
            return Ok(None);
        }
        let trees: Vec<PathBuf> = record.trees.iter().map(|tree| tree.path.clone()).collect();
        let directories: Vec<&Path> = trees.iter().map(PathBuf::as_path).collect();
        let carried = seen(store, &Shelf::open(store)?, &record.id, None, &directories)?;
        let places = carried.places.into_iter().map(|(at, _, place)| (at, place)).collect();
        let data = policies.policies().flat_map(|policy| policy.data.iter().cloned()).collect();
        Ok(Some(Before { trees, data, places, until: record.started.saturating_sub(COARSE) }))
    }

    /// Those of some bytes that a file holds. A tree that is too large is looked through as far as it goes.
    #[must_use]
    pub fn look(&self, wholes: &[Whole]) -> Vec<Stood> {
        let mut wanted: HashMap<u64, Vec<u32>> = HashMap::new();
        for (at, whole) in (0..).zip(wholes) {
            wanted.entry(whole.size).or_default().push(at);
        }
        let (mut stood, mut room) = (Vec::new(), READ);
        for tree in &self.trees {
            // What could not be looked through did not stand there.
            let _ = files(tree, Path::new(""), &mut |path, file| {
                if wanted.is_empty() {
                    return Err("all of it is known".into());
                }
                let Some(size) = self.unlabelled(tree, path, &file) else { return Ok(()) };
                let Some(asked) = wanted.get_mut(&size) else { return Ok(()) };
                room = room.checked_sub(size).ok_or("more would be read than may be")?;
                let Ok(sha256) = hash(file, size) else { return Ok(()) };
                asked.retain(|&at| {
                    let same = wholes[at as usize].sha256 == sha256;
                    if same {
                        stood.push(Stood { whole: at, path: shown(path) });
                    }
                    !same
                });
                if asked.is_empty() {
                    wanted.remove(&size);
                }
                Ok(())
            });
        }
        stood
    }

    /// The size of a file that was not changed since, and that nothing labels.
    fn unlabelled(&self, tree: &Path, path: &Path, file: &File) -> Option<u64> {
        let meta = file.metadata().ok()?;
        // Whoever writes to a file cannot set this time.
        let micros = u64::try_from(meta.ctime()).ok()? * 1_000_000 + u64::try_from(meta.ctime_nsec()).ok()? / 1000;
        let by_policy = |name: &str| self.data.iter().flat_map(|data| &data.files).any(|pattern| pattern.takes(name));
        // A name that no pattern can be compared with may be meant by one.
        let named = !self.data.is_empty() && path.to_str().is_none_or(by_policy);
        let whole = tree.join(path);
        let marked = self.places.iter().any(|(at, place)| match whole.strip_prefix(at) {
            Ok(within) => place.at(within).next().is_some(),
            Err(_) => false,
        });
        (micros <= self.until && !named && !marked).then_some(meta.len())
    }
}

fn hash(file: File, size: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    let read = io::copy(&mut file.take(size + 1), &mut hash)?;
    if read == size { Ok(hex(&hash.finalize().into())) } else { Err(io::Error::other("it is being changed")) }
}

fn shown(path: &Path) -> String {
    let mut text = path.to_string_lossy().into_owned();
    text.truncate(text.floor_char_boundary(PATH));
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use policy::{FilePattern, Label};
    use record::Join;

    use super::*;

    fn whole(bytes: &[u8]) -> Whole {
        Whole { size: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes).into()) }
    }

    fn at(tree: &Path) -> Before {
        Before { trees: vec![tree.to_owned()], data: Vec::new(), places: Vec::new(), until: u64::MAX }
    }

    #[test]
    fn a_file_that_stood_there_is_known_by_all_of_it() {
        let tree = tempfile::tempdir().expect("a directory");
        fs::create_dir(tree.path().join("images")).expect("made");
        fs::write(tree.path().join("images/logo.png"), [7; 3000]).expect("written");
        fs::write(tree.path().join("other"), [8; 3000]).expect("written");
        let before = at(tree.path());
        let asked = [whole(&[9; 3000]), whole(&[7; 3000]), whole(&[7; 2999]), whole(&[7; 3000])];
        let told: Vec<_> = before.look(&asked).into_iter().map(|one| (one.whole, one.path)).collect();
        assert_eq!(told, [(1, "images/logo.png".into()), (3, "images/logo.png".into())]);
        // Changed since, labelled by the policy, or by what an earlier session left.
        let meta = fs::metadata(tree.path().join("images/logo.png")).expect("there");
        let changed = u64::try_from(meta.ctime()).expect("later than 1970") * 1_000_000;
        assert!(Before { until: changed - 1, ..at(tree.path()) }.look(&asked).is_empty());
        let label = Label::parse("secret:x").expect("a label");
        for (pattern, known) in [("images/**", 0), ("docs/**", 2)] {
            let files = vec![FilePattern::parse(pattern).expect("a pattern")];
            let data = vec![Data { label: label.clone(), files }];
            assert_eq!(Before { data, ..at(tree.path()) }.look(&asked).len(), known, "{pattern}");
        }
        let mut join = Join::default();
        join.add("secret:x");
        for (path, known) in [("images", 0), ("docs", 2)] {
            let mut place = Place::default();
            place.attach(("s", 1), &join, Some(&[path.into()]));
            let places = vec![(tree.path().to_owned(), place)];
            assert_eq!(Before { places, ..at(tree.path()) }.look(&asked).len(), known, "{path}");
        }
        std::os::unix::fs::symlink("images/logo.png", tree.path().join("link")).expect("linked");
        fs::remove_file(tree.path().join("images/logo.png")).expect("removed");
        assert!(before.look(&asked).is_empty());
    }
}
