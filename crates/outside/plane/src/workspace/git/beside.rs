//! Commits of a git directory that both sides changed, brought in beside the original's own: their objects, each checked as
//! any import is, and a ref for each branch under a name that is nobody else's. What to make of both is then git's matter,
//! and the operator's.
//!
//! Nothing that stands there is touched, but such a ref of the same session; no index, reflog, tag or state comes along.

use super::super::{Error, Stamp, Tree};
use super::part::is_name;
use super::refs::{self, Refs};
use super::store::Objects;
use super::{Move, Unit, walk};
use std::path::Path;

/// Branches that are brought in.
const MOST: usize = 256;

/// What is, or would be, brought in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Refs that lead to the cell's commits, by their whole names.
    pub refs: Vec<String>,
    /// Why nothing is, where there would be something.
    pub why: Option<Unbrought>,
}

/// Why commits are not brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbrought {
    /// Something that they lead to is nowhere, is not what its name says, or there is more than is looked through.
    Incomplete,
    /// An object was not what its name says when it was copied, or somebody changed the repository meanwhile.
    Left,
}

/// What is to be brought in of a unit: refs that are there already, and a unit of objects and refs for the others.
pub(in super::super) fn beside(
    upper: &Tree,
    lower: &Tree,
    root: &Path,
    unit: &Unit,
    session: &str,
) -> Result<(Beside, Option<Unit>), Error> {
    let (space, packed) = (format!("refs/bastide/{session}/"), root.join("packed-refs"));
    // Before the values, as ever.
    let stamp = Stamp::take(lower, &packed, false)?;
    let mut known = refs::packed(lower, &packed)?.unwrap_or_default();
    known.extend(refs::loose(lower, root)?.0);
    let mut objects = Objects::of(upper, lower, root, unit);
    let (mut found, mut moves) = (Beside::default(), Vec::new());
    for (branch, tip) in tips(unit) {
        let name = format!("{space}{branch}");
        if known.get(&name) == Some(&tip) {
            found.refs.push(name);
        } else if objects.is_new(&tip) && moves.len() < MOST && fits(&name, &known) {
            let before = Stamp::take(lower, &root.join(&name), false)?;
            moves.push(Move { old: known.get(&name).cloned(), new: Some(tip), before, name });
        }
    }
    if moves.is_empty() {
        return Ok((found, None));
    }
    if !walk::is_whole(&mut objects, moves.iter().filter_map(|moved| moved.new.clone()).collect()) {
        found.why = Some(Unbrought::Incomplete);
        return Ok((found, None));
    }
    drop(objects);
    let imports = unit.imports.clone();
    Ok((found, Some(Unit { imports, moves, packed: stamp, ..Unit::default() })))
}

/// Branches that the cell set to commits, and where its HEAD stands where that is on none of them.
fn tips(unit: &Unit) -> Vec<(String, String)> {
    let named = |moved: &Move| Some((moved.name.clone(), moved.new.clone().filter(|value| is_name(value))?));
    let all: Vec<_> = unit.moves.iter().filter_map(named).collect();
    let branch = |(name, tip): &(String, String)| Some((name.strip_prefix("refs/heads/")?.to_owned(), tip.clone()));
    let mut tips: Vec<_> = all.iter().filter_map(branch).collect();
    let loose = all.into_iter().find(|(name, tip)| name == "HEAD" && tips.iter().all(|(_, known)| known != tip));
    tips.extend(loose);
    tips
}

/// Whether git would make a ref of this name beside those that are there, and whoever reads it takes it for what it is.
fn fits(name: &str, known: &Refs) -> bool {
    let below = format!("{name}/");
    let stands = |other: &String| other.starts_with(&below) || name.starts_with(&format!("{other}/"));
    refs::is_ref(name) && !refs::misleads(name) && !known.keys().any(stands)
}
