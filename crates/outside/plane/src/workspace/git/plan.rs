//! Turns a unit into operations of the merge: directories, objects, refs, reflogs, state. In this order, so that no
//! ref ever names what is not there.

use super::super::journal::{Act, Op};
use super::super::seal::{seal, unseal};
use super::super::stage::{Source, Task};
use super::super::stamp::digest_of;
use super::super::{Change, Error, Kind, Node, Stamp, Tree};
use super::part::{Part, part};
use super::refs::bytes;
use super::{Move, Object, Unit, index, log};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Longest reflog that is appended to.
const LOG: u64 = 16 << 20;

/// What a repository that the original does not have gets for a config: the cell's is never taken.
const CONFIG: &str =
    "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n";

/// The operations of one unit; `temp` names the n-th staged copy, `first` is free.
pub(in super::super) fn plan(
    upper: &Tree,
    lower: &Tree,
    root: &Path,
    unit: &Unit,
    temp: &mut dyn FnMut(usize) -> String,
    first: usize,
) -> Result<Vec<Task>, Error> {
    let mut planner = Planner { upper, lower, root, temp, next: first, tasks: Vec::new() };
    planner.objects(&unit.imports)?;
    for moved in unit.moves.iter().filter(|m| m.new.is_none() && m.before.is_some()) {
        planner.push(Op::new(&root.join(&moved.name), Act::Remove, moved.before.clone(), None), Source::None);
    }
    if !planner.forget(unit)? && unit.moves.iter().any(|m| m.before.is_none()) {
        // A ref that was packed or absent is still what it was only if these are.
        planner.push(Op::new(&root.join("packed-refs"), Act::Expect, unit.packed.clone(), None), Source::None);
    }
    for moved in &unit.moves {
        planner.point(moved)?;
    }
    for change in &unit.data {
        planner.data(change)?;
    }
    if unit.fresh {
        planner.content(&root.join("config"), CONFIG.into(), None)?;
    }
    planner.logs(&unit.logs)?;
    for (path, read) in &unit.read {
        planner.push(Op::new(&unseal(path), Act::Settle, None, read.clone()), Source::None);
    }
    Ok(planner.finish(unit.fresh))
}

struct Planner<'a> {
    upper: &'a Tree,
    lower: &'a Tree,
    root: &'a Path,
    temp: &'a mut dyn FnMut(usize) -> String,
    next: usize,
    tasks: Vec<Task>,
}

impl Planner<'_> {
    fn staged(&mut self) -> String {
        self.next += 1;
        (self.temp)(self.next - 1)
    }

    fn push(&mut self, op: Op, source: Source) {
        let group = Some(seal(self.root));
        self.tasks.push(Task { op: Op { group, ..op }, source });
    }

    fn objects(&mut self, imports: &[Change]) -> Result<(), Error> {
        let mut pack = PathBuf::new();
        for change in imports {
            let Some(after) = &change.after else { continue };
            let temp = self.staged();
            let object = match part(change.path.strip_prefix(self.root).unwrap_or(&change.path)) {
                Part::Loose(name) => Object::Loose(name),
                Part::Pack { index: true, .. } => Object::Index(pack.clone()),
                Part::Pack { name, .. } => {
                    pack = unseal(&temp);
                    Object::Pack(name.trim_start_matches("pack-").to_owned())
                }
                _ => continue,
            };
            // Nobody writes to an object again.
            let after = Stamp { mode: 0o444, ..after.clone() };
            self.push(Op::new(&change.path, Act::Import { temp }, None, Some(after)), Source::Object(object));
        }
        Ok(())
    }

    /// Removes refs from packed-refs, with the lines that belong to them; says whether there were any.
    fn forget(&mut self, unit: &Unit) -> Result<bool, Error> {
        let gone: BTreeSet<&str> = unit.moves.iter().filter(|m| m.new.is_none()).map(|m| m.name.as_str()).collect();
        let path = self.root.join("packed-refs");
        let Some(text) = bytes(self.lower, &path, 64 << 20)?.filter(|_| !gone.is_empty()) else { return Ok(false) };
        let (mut kept, mut dropping) = (Vec::new(), false);
        for line in text.split_inclusive(|b| *b == b'\n') {
            let words = String::from_utf8_lossy(line);
            dropping = if words.starts_with('^') {
                dropping
            } else {
                words.trim_end().split_once(' ').is_some_and(|(_, name)| gone.contains(name))
            };
            if !dropping {
                kept.extend_from_slice(line);
            }
        }
        if kept == text {
            return Ok(false);
        }
        self.content(&path, kept, unit.packed.clone()).map(|()| true)
    }

    /// Points a ref at its new value, if the original's is still the old one.
    fn point(&mut self, moved: &Move) -> Result<(), Error> {
        match &moved.new {
            Some(value) => {
                let bytes = format!("{value}\n").into_bytes();
                self.content(&self.root.join(&moved.name), bytes, moved.before.clone())
            }
            None => Ok(()),
        }
    }

    fn data(&mut self, change: &Change) -> Result<(), Error> {
        if change.kind == Kind::Removed {
            self.push(Op::new(&change.path, Act::Remove, change.before.clone(), None), Source::None);
            return Ok(());
        }
        let sum = change.after.as_ref().and_then(|after| after.sha256);
        let old = index::read(self.lower, &change.path, None)?;
        match index::read(self.upper, &change.path, sum)?.filter(|_| sum.is_some()) {
            Some(new) => self.content(&change.path, index::rewritten(old.as_ref(), &new), change.before.clone()),
            // Another one than was reviewed: a stamp that nothing has stops the whole unit.
            None => {
                let never = Some(Stamp::of_content(b"", 0));
                self.push(Op::new(&change.path, Act::Expect, never, None), Source::None);
                Ok(())
            }
        }
    }

    fn content(&mut self, path: &Path, bytes: Vec<u8>, before: Option<Stamp>) -> Result<(), Error> {
        let mode = before.as_ref().map_or(0o644, |before| before.mode & 0o777);
        let after = Stamp::of_content(&bytes, mode);
        let temp = self.place(path)?;
        self.push(Op::new(path, Act::Put { temp }, before, Some(after)), Source::Content(bytes));
        Ok(())
    }

    /// git's own lock where there is a directory for it: whoever runs git outside waits for us, and we for him.
    fn place(&mut self, path: &Path) -> Result<String, Error> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let stands = Stamp::take(self.lower, parent, false)?.is_some_and(|stamp| stamp.node == Node::Directory);
        if !stands {
            return Ok(self.staged());
        }
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        Ok(seal(Path::new(&lock)))
    }

    /// What the cell added to reflogs. One that holds anything but lines is copied whole, and that it holds more is seen
    /// when the copy is looked at: it stops the unit.
    fn logs(&mut self, logs: &[Change]) -> Result<(), Error> {
        for change in logs {
            let Some(after) = change.after.as_ref().filter(|after| after.size <= LOG) else { continue };
            let old = bytes(self.lower, &change.path, LOG)?.unwrap_or_default();
            let new = bytes(self.upper, &change.path, LOG)?.filter(|new| Some(digest_of(new)) == after.sha256);
            let whole = new.and_then(|new| log::grown(&change.path, &old, &new));
            if whole.as_ref() == Some(&old) {
                continue;
            }
            let mode = change.before.as_ref().map_or(0o644, |before| before.mode & 0o777);
            let (after, source) = match whole {
                Some(whole) => (Stamp::of_content(&whole, mode), Source::Content(whole)),
                None => (Stamp { mode, ..after.clone() }, Source::Log(old)),
            };
            let temp = self.staged();
            self.push(Op::new(&change.path, Act::Put { temp }, change.before.clone(), Some(after)), source);
        }
        Ok(())
    }

    /// Puts the directories that are missing before everything, and their modes after it.
    fn finish(mut self, fresh: bool) -> Vec<Task> {
        let mut missing = BTreeSet::new();
        let extra = ["refs/heads", "refs/tags", "objects/info", "objects/pack"];
        let paths = self
            .tasks
            .iter()
            .map(|task| task.op.path())
            .chain(extra.iter().filter(|_| fresh).map(|dir| self.root.join(dir).join("x")));
        for path in paths {
            for dir in path.ancestors().skip(1).take_while(|dir| dir.starts_with(self.root) && *dir != Path::new("")) {
                if !matches!(Stamp::take(self.lower, dir, false), Ok(Some(stamp)) if stamp.node == Node::Directory) {
                    missing.insert(dir.to_owned());
                }
            }
        }
        let rest = std::mem::take(&mut self.tasks);
        let stamp = Stamp { node: Node::Directory, sha256: None, ..Stamp::of_content(b"", 0o755) };
        for dir in &missing {
            self.push(Op::new(dir, Act::Directory, None, Some(stamp.clone())), Source::None);
        }
        self.tasks.extend(rest);
        for dir in missing.iter().rev() {
            self.push(Op::new(dir, Act::Mode, None, Some(stamp.clone())), Source::None);
        }
        self.tasks
    }
}
