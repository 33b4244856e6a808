//! Where a guarded name really leads: the operator's own link in the original is guarded with what it points at.
//!
//! Looked for at the original's root and in every directory that the cell touched; never follows a link by the
//! kernel's means, and never leaves the original.

use super::{Node, Stamp, Tree};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The kernel's own bound on links in one path.
const LINKS: usize = 40;
/// Components of one lookup: links may repeat each other.
const STEPS: usize = 4096;

/// Adds to `found` the paths that a guard reaches through links when it is looked up in `dir`.
pub(super) fn reached(lower: &Tree, dir: &Path, guard: &Path, found: &mut BTreeSet<PathBuf>) {
    let (mut here, mut links) = (dir.to_owned(), 0);
    let mut rest: VecDeque<OsString> = guard.iter().map(OsString::from).collect();
    for _ in 0..STEPS {
        let Some(part) = rest.pop_front() else { break };
        match Path::new(&part).components().next() {
            Some(Component::Normal(name)) => here.push(name),
            Some(Component::ParentDir) if here.pop() => continue,
            Some(Component::CurDir) => continue,
            _ => return,
        }
        let Ok(Some(stamp)) = Stamp::take(lower, &here, false) else { break };
        if stamp.node != Node::Symlink {
            continue;
        }
        links += 1;
        let Some(target) = lower.link(&here).ok().filter(|_| links <= LINKS) else { return };
        found.insert(here.clone());
        let target = match (target.is_absolute(), lower.place()) {
            (false, _) => {
                here.pop();
                target
            }
            (true, Some(place)) => {
                here.clear();
                let Ok(inner) = target.strip_prefix(place) else { return };
                inner.to_owned()
            }
            (true, None) => return,
        };
        for part in target.iter().rev() {
            rest.push_front(part.to_owned());
        }
    }
    if links > 0 {
        // What is not there yet is guarded by its name.
        found.insert(rest.into_iter().fold(here, |path, part| path.join(part)));
    }
}

/// Whether a change touches what was reached: the path itself, what lies in it, or a thing where its directory is.
pub(super) fn touches(reached: &BTreeSet<PathBuf>, path: &Path, directory: bool) -> bool {
    let beneath = path.ancestors().any(|above| reached.contains(above));
    let above = || reached.range(path.to_owned()..).next().is_some_and(|next| next.starts_with(path));
    beneath || (!directory && above())
}
