//! Declassification: the operator takes labels from a place, or from paths of it, for what stands there now. It is recorded in the
//! sessions that left them before it counts.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use policy::Label;
use record::segment::hex;
use sha2::{Digest, Sha256};
use wire::command::Problem;

use super::walk::files;
use super::{Place, Release, Released, Shelf};
use crate::problem::{NO, problem, quoted};

/// Files whose contents are taken at once, and bytes of all of them.
const MOST: usize = 20_000;
const BYTES: u64 = 2 << 30;

/// One place that is declassified, as it stands.
#[derive(Debug)]
pub struct Declassifying {
    /// Where it lies.
    pub at: PathBuf,
    /// The name of its notes.
    pub name: String,
    /// What was noted.
    pub place: Place,
}

/// What is taken away.
#[derive(Debug)]
pub struct Taking {
    /// What is noted then.
    place: Place,
    /// Which labels.
    pub labels: Vec<Label>,
    /// Hashes of what stands there.
    contents: Vec<String>,
    /// Sessions that left them, the newest first.
    pub sessions: Vec<String>,
    paths: Vec<PathBuf>,
}

impl Declassifying {
    /// Looks at what is to be taken away, and changes nothing.
    ///
    /// # Errors
    /// When a session may still be writing there, nothing there carries such a label, or there is more than is looked at.
    pub fn look(&self, paths: &[PathBuf], labels: &[Label]) -> Result<Taking, Problem> {
        if let Some(session) = self.place.open.keys().next() {
            let cause = format!("session `{session}` may be writing in {}", quoted(&self.place.name()));
            let hint =
                format!("`bastide stop {session}`, or wait until it ends: what it reads comes to what it leaves");
            return Err(problem("E-PLANE-173", cause, &hint, NO));
        }
        let of = |path: &Path| {
            let own = self.place.marks.iter().filter(move |mark| {
                mark.covers(path) || mark.path.as_ref().is_some_and(|marked| marked.starts_with(path))
            });
            own.collect::<Vec<_>>()
        };
        let all = [PathBuf::new()];
        let meant = if paths.is_empty() { &all[..] } else { paths };
        let marks = meant.iter().flat_map(|path| of(path));
        let marks: Vec<_> = marks.filter(|mark| labels.is_empty() || labels.contains(&mark.label)).collect();
        let mut gone: Vec<Label> = marks.iter().map(|mark| mark.label.clone()).collect();
        gone.sort();
        gone.dedup();
        if gone.is_empty() {
            let cause = format!("nothing that was meant in {} carries such a label", quoted(&self.place.name()));
            return Err(problem("E-PLANE-172", cause, "`bastide labels` tells what does", NO));
        }
        let mut sessions: Vec<String> =
            marks.iter().flat_map(|mark| [mark.last.clone(), mark.session.clone()]).collect();
        sessions.sort();
        sessions.dedup();
        sessions.reverse();
        let contents = self.contents(meant)?;
        let mut place = self.place.clone();
        place.release(paths, labels);
        Ok(Taking { place, labels: gone, contents, sessions, paths: paths.to_vec() })
    }

    /// Hashes of the marked files beneath these paths.
    fn contents(&self, paths: &[PathBuf]) -> Result<Vec<String>, Problem> {
        let (mut found, mut left) = (Vec::new(), BYTES);
        let looked = paths.iter().try_for_each(|path| {
            files(&self.at, path, &mut |path, mut file| {
                if self.place.at(path).next().is_none() {
                    return Ok(());
                }
                let failed = |error: std::io::Error| format!("`{}`: {error}", path.display());
                let mut hash = Sha256::new();
                let bytes = std::io::copy(&mut (&mut file).take(left), &mut hash).map_err(failed)?;
                left -= bytes;
                if found.len() >= MOST
                    || left == 0 && file.stream_position().map_err(failed)? < file.metadata().map_err(failed)?.len()
                {
                    return Err(format!("there are more than {MOST} files, or {BYTES} bytes"));
                }
                found.push(hex(&hash.finalize().into()));
                Ok(())
            })
        });
        looked.map_err(|why| {
            let cause =
                format!("not all that stands in {} can be looked at: {}", quoted(&self.place.name()), quoted(&why));
            problem("E-PLANE-174", cause, "name the paths that are meant", NO)
        })?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Takes it away.
    ///
    /// # Errors
    /// When it cannot be written: then some of what stands there may carry the labels still, and none less than before.
    pub fn take(&self, shelf: &Shelf, mut taking: Taking, release: Release) -> Result<(), Problem> {
        let mut released = shelf.released(&self.name)?;
        for sha256 in taking.contents {
            let labels = taking.labels.clone();
            match released.iter_mut().find(|one| one.sha256 == sha256) {
                Some(known) => known
                    .labels
                    .extend(labels.into_iter().filter(|label| !known.labels.contains(label)).collect::<Vec<_>>()),
                None => released.push(Released { sha256, labels }),
            }
        }
        let first = released.len().saturating_sub(2 * MOST);
        released.drain(..first);
        shelf.keep_released(&self.name, &released)?;
        taking.place.note_release(release);
        shelf.keep(&self.name, &taking.place)
    }
}

impl Taking {
    /// Files whose content carries the labels no more.
    #[must_use]
    pub fn contents(&self) -> u64 {
        self.contents.len() as u64
    }

    /// As the operator named them.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }
}
