//! Reads what the cell did in a git directory and says what merging it would do. Writes nothing.

use super::super::refuse::git_alias;
use super::super::seal::{self, unhex};
use super::super::{Change, Conflict, Error, Kind, Node, Stamp, Tree};
use super::part::{Part, is_name, part};
use super::refs::{self, Refs};
use super::store::Objects;
use super::{Fault, Held, Move, Unit, index, inside, object, pack, walk};
use flate2::read::ZlibDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Reflogs that are looked through.
const LOGS: usize = 256;
/// Commits that are counted; more is shown as this many.
const COUNTED: usize = 10_000;

/// Builds the unit from the raw changes in one git directory, and finds what conflicts.
pub(super) fn build(
    upper: &Tree,
    lower: &Tree,
    root: &Path,
    raw: Vec<Change>,
    fresh: bool,
) -> Result<(Unit, Option<Conflict>), Error> {
    let mut sorted = Sorted { unit: Unit { fresh, ..Unit::default() }, ..Sorted::default() };
    for change in raw {
        sorted.take(lower, root, change)?;
    }
    sorted.pair();
    // Stamps come before values: what changes between the two is seen when the stamps are compared.
    sorted.unit.packed = Stamp::take(lower, &root.join("packed-refs"), false)?;
    let moved = sorted.moves(upper, lower, root);
    match moved {
        Err(error) => return Err(error),
        Ok(Err(fault)) => sorted.unit.fault = sorted.unit.fault.or(Some(fault)),
        Ok(Ok(moves)) => sorted.unit.moves = moves,
    }
    if sorted.unit.fault.is_none() {
        sorted.unit.fault = tips(upper, lower, root, &sorted.unit)?;
    }
    let conflict = sorted.conflict();
    let mut unit = sorted.unit;
    unit.ambiguous =
        refs::ambiguous(unit.moves.iter().filter(|m| m.new.is_some()).map(|m| m.name.as_str()), &sorted.all);
    unit.commits = commits(upper, root, &unit);
    judged(upper, lower, root, &mut unit)?;
    // Objects that no ref leads to are left: nobody reads them, and a later merge brings them.
    if unit.moves.is_empty() && unit.data.is_empty() {
        unit.imports.clear();
        unit.logs.clear();
        // Nor does a reflog say anything that was written anew, and goes on outside.
        let log = |(path, held): &(String, Held)| *held == Held::ChangedOutside && part(Path::new(path)) == Part::Log;
        unit.held.retain(|held| !log(held));
    }
    Ok((unit, conflict))
}

#[derive(Default)]
struct Sorted {
    unit: Unit,
    refs: BTreeMap<String, Change>,
    packed: Option<Change>,
    packs: BTreeMap<String, [Option<Change>; 2]>,
    /// All refs as they would be.
    all: Refs,
}

impl Sorted {
    fn take(&mut self, lower: &Tree, root: &Path, change: Change) -> Result<(), Error> {
        let directory = |stamp: &Option<Stamp>| stamp.as_ref().is_none_or(|stamp| stamp.node == Node::Directory);
        let Ok(path) = change.path.strip_prefix(root).map(Path::to_owned) else { return Ok(()) };
        if change.refusal.is_none() && directory(&change.before) && directory(&change.after) {
            return Ok(());
        }
        let file = change.kind == Kind::Removed || change.after.as_ref().is_some_and(|a| a.node == Node::File);
        let data = file && change.refusal.is_none();
        let part = part(&path);
        if let Some(held) = worktree(lower, root, &path)?.filter(|_| !matches!(part, Part::Unsafe(_))) {
            self.unit.held.push((inside(root, &change.path), held));
            return Ok(());
        }
        let shown = inside(root, &change.path);
        let reads = matches!(part, Part::Ref(_) | Part::PackedRefs | Part::Log | Part::Index | Part::State);
        let held = self.unit.held.len();
        let read = (seal::seal(&change.path), change.after.clone());
        match part {
            Part::Unsafe(fault) => self.fault(fault),
            Part::Held(held) => self.unit.held.push((shown, held)),
            Part::Derived => {}
            _ if !data => self.fault(Fault::NotData),
            Part::Loose(_) if change.kind == Kind::Created => self.unit.imports.push(change),
            Part::Pack { name, index } if change.kind == Kind::Created => {
                self.packs.entry(name).or_default()[usize::from(index)] = Some(change);
            }
            // Gone or packed again inside; the original keeps what it has.
            Part::Loose(_) | Part::Pack { .. } => {}
            Part::Ref(name) => {
                self.refs.insert(name, change);
            }
            Part::PackedRefs => self.packed = Some(change),
            Part::State if change.kind != Kind::Removed => self.unit.held.push((shown, Held::Todo)),
            Part::Index if change.kind == Kind::Removed => self.unit.held.push((shown, Held::Index)),
            Part::Log | Part::Index | Part::State if change.conflict.is_some() => {
                self.unit.held.push((shown, Held::ChangedOutside));
            }
            Part::Log if change.kind == Kind::Removed => {}
            Part::Log => self.unit.logs.push(change),
            Part::Index | Part::State => self.unit.data.push(change),
        }
        if reads && data && self.unit.held.len() == held {
            self.unit.read.push(read);
        }
        Ok(())
    }

    fn fault(&mut self, fault: Fault) {
        self.unit.fault = self.unit.fault.or(Some(fault));
    }

    /// A pack comes before its index, and neither comes alone.
    fn pair(&mut self) {
        for [pack, index] in std::mem::take(&mut self.packs).into_values() {
            if let (Some(pack), Some(index)) = (pack, index) {
                self.unit.imports.extend([pack, index]);
            }
        }
    }

    fn moves(&mut self, upper: &Tree, lower: &Tree, root: &Path) -> Result<Result<Vec<Move>, Fault>, Error> {
        let packed_path = root.join("packed-refs");
        let (loose, stamps) = refs::loose(lower, root)?;
        let packed = refs::packed(lower, &packed_path)?.unwrap_or_default();
        let mut after_packed = packed.clone();
        match &self.packed {
            Some(change) if change.kind == Kind::Removed => after_packed.clear(),
            Some(_) => match refs::packed(upper, &packed_path)? {
                Ok(refs) => after_packed = refs,
                Err(fault) => return Ok(Err(fault)),
            },
            None => {}
        }
        let mut after_loose = loose.clone();
        for (name, change) in &self.refs {
            if change.kind == Kind::Removed {
                after_loose.remove(name);
                continue;
            }
            let head = name == "HEAD" || name.starts_with("worktrees/");
            if !head && !refs::is_ref(name) {
                return Ok(Err(Fault::RefName));
            }
            match refs::value(upper, &change.path)? {
                Ok(value) if acceptable(name, &value) => after_loose.insert(name.clone(), value),
                Ok(_) => return Ok(Err(Fault::RefContent)),
                Err(fault) => return Ok(Err(fault)),
            };
        }
        self.all = joined(after_packed, after_loose);
        Ok(difference(&joined(packed, loose), &self.all, &stamps))
    }

    /// Whether the original's refs changed outside where the cell's moved.
    fn conflict(&self) -> Option<Conflict> {
        let moving = self.refs.iter().filter(|(name, _)| self.unit.moves.iter().any(|m| m.name == **name));
        let packed = self.packed.as_ref().filter(|_| !self.unit.moves.is_empty()).and_then(|change| change.conflict);
        moving.filter_map(|(_, change)| change.conflict).next().or(packed)
    }
}

/// Looks at what the unit would bring to life: the paths that its commits and its index change. An index that is not
/// understood stays in the cell.
fn judged(upper: &Tree, lower: &Tree, root: &Path, unit: &mut Unit) -> Result<(), Error> {
    let (mut objects, mut paths, mut held) = (Objects::of(upper, lower, root, unit), BTreeMap::new(), Vec::new());
    let (mut known, mut indexes) = (Vec::new(), BTreeMap::new());
    for change in unit.data.iter().filter(|change| index::is_index(root, &change.path)) {
        let old = index::read(lower, &change.path, None)?;
        let sum = change.after.as_ref().and_then(|after| after.sha256);
        let new = index::read(upper, &change.path, sum)?;
        if old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| old.same(new)) {
            known.push(change.path.clone());
            continue;
        }
        if let Some(new) = &new {
            indexes.insert(change.path.clone(), new.says());
        }
        match new.and_then(|new| index::staged(old.as_ref(), &new, &objects)) {
            Some(staged) => paths.extend(staged),
            None => held.push(change.path.clone()),
        }
    }
    let named = |value: &Option<String>| value.clone().filter(|value| is_name(value));
    let mut tips: Vec<String> = unit.moves.iter().filter_map(|m| named(&m.new)).collect();
    for log in unit.logs.iter().take(LOGS) {
        tips.extend(logged(upper, &log.path)?);
    }
    let own = unit.moves.iter().filter(|m| m.name.starts_with("refs/heads/") || !m.name.starts_with("refs/"));
    let ends: Vec<_> = own.filter_map(|m| named(&m.old).zip(named(&m.new))).collect();
    let found = walk::walk(&mut objects, tips, &ends);
    paths.extend(found.removed.into_iter().map(|path| (path, 0)).chain(found.paths));
    drop(objects);
    unit.partial = found.partial || unit.logs.len() > LOGS || paths.keys().any(|path| path.ancestors().any(git_alias));
    unit.paths = paths.into_iter().map(|(path, mode)| (seal::seal(&path), mode)).collect();
    unit.data.retain(|change| !held.contains(&change.path) && !known.contains(&change.path));
    unit.held.extend(held.iter().map(|path| (inside(root, path), Held::Index)));
    unit.says =
        unit.data.iter().chain(&unit.logs).map(|change| says(root, change, indexes.get(&change.path))).collect();
    Ok(())
}

/// What a file of the unit says, or that it is gone.
fn says(root: &Path, change: &Change, index: Option<&[u8; 32]>) -> (String, String) {
    let own = change.after.as_ref().and_then(|after| after.sha256.as_ref());
    (inside(root, &change.path), index.or(own).map_or_else(String::new, |hash| seal::hex(hash)))
}

/// Objects that a reflog names: `git reset` and `git stash` find them by it.
fn logged(upper: &Tree, path: &Path) -> Result<Vec<String>, Error> {
    let text = refs::bytes(upper, path, 16 << 20)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let pair = |line: &str| line.splitn(3, ' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    Ok(text.lines().flat_map(pair).filter(|name| is_name(name)).collect())
}

/// What belongs to a worktree that the original does not have.
fn worktree(lower: &Tree, root: &Path, path: &Path) -> Result<Option<Held>, Error> {
    if !path.starts_with("worktrees") {
        return Ok(None);
    }
    let own: PathBuf = path.iter().take(2).collect();
    Ok(lower.stat(&root.join(own))?.is_none().then_some(Held::NewWorktree))
}

/// A symbolic HEAD names a branch, a symbolic remote HEAD a branch of a remote; nothing else is symbolic.
fn acceptable(name: &str, value: &str) -> bool {
    match value.strip_prefix("ref: ") {
        None => true,
        Some(target) if name.ends_with("HEAD") && !name.starts_with("refs/") => target.starts_with("refs/heads/"),
        Some(target) => name.starts_with("refs/remotes/") && target.starts_with("refs/remotes/"),
    }
}

fn joined(mut packed: Refs, loose: Refs) -> Refs {
    packed.extend(loose);
    packed
}

fn difference(before: &Refs, after: &Refs, stamps: &BTreeMap<String, Stamp>) -> Result<Vec<Move>, Fault> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let moves: Vec<Move> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| Move {
            name: name.clone(),
            old: before.get(name).cloned(),
            new: after.get(name).cloned(),
            before: stamps.get(name).cloned(),
        })
        .collect();
    let headless = |m: &Move| m.new.is_none() && !m.name.starts_with("refs/");
    if moves.iter().any(|m| m.new.is_some() && refs::misleads(&m.name)) {
        return Err(Fault::RefName);
    }
    if moves.iter().any(headless) { Err(Fault::RefContent) } else { Ok(moves) }
}

/// Every ref that moves must name an object that is there, or comes along.
fn tips(upper: &Tree, lower: &Tree, root: &Path, unit: &Unit) -> Result<Option<Fault>, Error> {
    let packs = root.join("objects/pack");
    let indexes: Vec<PathBuf> = lower.names(&packs).unwrap_or_default().iter().map(|name| packs.join(name)).collect();
    let is_index = |path: &Path| path.extension().is_some_and(|e| e == "idx");
    for tip in unit.moves.iter().filter_map(|m| m.new.as_deref()).filter(|value| is_name(value)) {
        let loose = root.join("objects").join(&tip[..2]).join(&tip[2..]);
        let named = |tree: &Tree, path: &Path| {
            is_index(path) && tree.file(path).is_ok_and(|file| pack::names(&file, &unhex(tip).unwrap_or_default()))
        };
        let comes = unit.imports.iter().any(|change| change.path == loose || named(upper, &change.path));
        if !comes && lower.stat(&loose)?.is_none() && !indexes.iter().any(|path| named(lower, path)) {
            return Ok(Some(Fault::MissingObject));
        }
    }
    Ok(None)
}

/// How many loose commits the moved branches gained.
fn commits(upper: &Tree, root: &Path, unit: &Unit) -> usize {
    let new: std::collections::HashSet<&Path> = unit.imports.iter().map(|change| change.path.as_path()).collect();
    let mut todo: Vec<String> = unit.moves.iter().filter_map(|m| m.new.clone()).filter(|v| is_name(v)).collect();
    let mut seen = std::collections::HashSet::new();
    while let Some(name) = todo.pop() {
        let path = root.join("objects").join(&name[..2]).join(&name[2..]);
        if seen.len() >= COUNTED || seen.contains(&name) || !new.contains(path.as_path()) {
            continue;
        }
        if let Some(parents) = parents(upper, &path) {
            seen.insert(name);
            todo.extend(parents);
        }
    }
    seen.len()
}

/// The parents of a loose commit; `None` if it is none.
fn parents(upper: &Tree, path: &Path) -> Option<Vec<String>> {
    let mut inflated = ZlibDecoder::new(upper.file(path).ok()?).take(64 << 10);
    let (header, _) = object::header(&mut inflated)?;
    let mut text = Vec::new();
    inflated.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let named = |line: &str| line.strip_prefix("parent ").filter(|name| is_name(name)).map(str::to_owned);
    header.starts_with(b"commit ").then(|| text.lines().take_while(|line| !line.is_empty()).filter_map(named).collect())
}
