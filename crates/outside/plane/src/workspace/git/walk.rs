//! What the new commits of a unit change, path by path: a checkout, a pull or a build of them trusts it later.
//!
//! Reads trees, never blobs. Bounded: what is not read is said.

use super::super::seal::hex;
use super::part::is_name;
use super::store::Objects;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Paths that are named, each once.
const PATHS: usize = 20_000;
/// Nested trees.
const DEPTH: usize = 128;
/// Parents of one commit that are compared.
const PARENTS: usize = 16;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Paths that were added or changed, with their modes as git writes them.
    pub(super) paths: BTreeMap<PathBuf, u32>,
    /// Paths that some commit removes.
    pub(super) removed: BTreeSet<PathBuf>,
    /// Something could not be read, or there is more.
    pub(super) partial: bool,
}

/// Walks the new commits that `tips` lead to, and compares the two ends of each of `moves` besides: a branch may be
/// set to what is old but was never its own.
pub(super) fn walk(objects: &mut Objects<'_>, tips: Vec<String>, moves: &[(String, String)]) -> Found {
    let mut walk = Walk { objects, found: Found::default() };
    let (mut todo, mut seen) = (tips, HashSet::new());
    while let Some(name) = todo.pop() {
        if !walk.objects.is_new(&name) || !seen.insert(name.clone()) {
            continue;
        }
        let Some((kind, content)) = walk.objects.read(&name) else {
            walk.found.partial = true;
            continue;
        };
        match kind.as_str() {
            "commit" => {
                let parents = fields(&content, "parent ");
                walk.commit(&content, &parents);
                todo.extend(parents);
            }
            "tag" => todo.extend(fields(&content, "object ").into_iter().take(1)),
            "tree" => walk.trees(Path::new(""), &[], &name, 0),
            _ => {}
        }
        if walk.found.partial {
            break;
        }
    }
    for (old, new) in moves {
        let ends = (walk.tree_of(old), walk.tree_of(new));
        match ends {
            (Some(old), Some(new)) => walk.trees(Path::new(""), &[old], &new, 0),
            _ => walk.found.partial = true,
        }
    }
    walk.found
}

/// Objects that are looked for.
const LOOKED_FOR: usize = 1_000_000;

/// Whether all that these commits lead to is there or comes along, each new commit and tree as its name says. What the original
/// has already is taken for whole.
pub(super) fn is_whole(objects: &mut Objects<'_>, tips: Vec<String>) -> bool {
    let (mut todo, mut seen, mut looked) = (Vec::new(), HashSet::new(), 0);
    todo.extend(tips.into_iter().map(|tip| (tip, "commit")));
    while let Some((name, wanted)) = todo.pop() {
        looked += 1;
        if looked > LOOKED_FOR || !objects.is_there(&name) {
            return false;
        }
        if wanted == "blob" || !seen.insert(name.clone()) || !objects.is_new(&name) {
            continue;
        }
        let Some((_, content)) = objects.read(&name).filter(|(kind, _)| kind == wanted) else { return false };
        if wanted == "commit" {
            let [tree] = &fields(&content, "tree ")[..] else { return false };
            todo.push((tree.clone(), "tree"));
            todo.extend(fields(&content, "parent ").into_iter().map(|parent| (parent, "commit")));
            continue;
        }
        let Some(entries) = parse(&content, name.len() / 2) else { return false };
        let kind = |mode| if mode == TREE { "tree" } else { "blob" };
        // A submodule's commit lies in another repository.
        let own = entries.into_values().filter(|(mode, _)| *mode != GITLINK);
        todo.extend(own.map(|(mode, id)| (id, kind(mode))));
    }
    true
}

struct Walk<'w, 'a> {
    objects: &'w mut Objects<'a>,
    found: Found,
}

impl Walk<'_, '_> {
    /// What a commit has that none of its parents has.
    fn commit(&mut self, content: &[u8], parents: &[String]) {
        let Some(tree) = fields(content, "tree ").pop() else { return self.stop() };
        let parents: Option<Vec<String>> = parents.iter().take(PARENTS).map(|parent| self.tree_of(parent)).collect();
        match parents {
            Some(parents) => self.trees(Path::new(""), &parents, &tree, 0),
            None => self.stop(),
        }
    }

    /// The tree of a commit, or of the commit that a tag names.
    fn tree_of(&mut self, name: &str) -> Option<String> {
        let mut name = name.to_owned();
        for _ in 0..8 {
            let (kind, content) = self.objects.read(&name)?;
            match kind.as_str() {
                "commit" => return fields(&content, "tree ").pop(),
                "tree" => return Some(name),
                "tag" => name = fields(&content, "object ").into_iter().next()?,
                _ => return None,
            }
        }
        None
    }

    fn trees(&mut self, at: &Path, old: &[String], new: &str, depth: usize) {
        if old.iter().any(|old| old == new) {
            return;
        }
        let olds: Option<Vec<Entries>> = old.iter().map(|old| self.entries(old)).collect();
        let (Some(olds), Some(news), true) = (olds, self.entries(new), depth < DEPTH) else { return self.stop() };
        for (name, (mode, id)) in &news {
            if self.found.partial {
                return;
            }
            let path = at.join(OsStr::from_bytes(name));
            if olds.iter().any(|old| old.get(name) == Some(&(*mode, id.clone()))) {
                continue;
            }
            if *mode != TREE {
                self.name(path, *mode);
                continue;
            }
            let below = olds.iter().filter_map(|old| old.get(name)).filter(|(mode, _)| *mode == TREE);
            let below: Vec<String> = below.map(|(_, id)| id.clone()).collect();
            self.trees(&path, &below, id, depth + 1);
        }
        if let Some(first) = olds.first() {
            let gone = first.keys().filter(|name| !news.contains_key(*name)).take(PATHS);
            self.found.removed.extend(gone.map(|name| at.join(OsStr::from_bytes(name))));
        }
    }

    fn entries(&mut self, name: &str) -> Option<Entries> {
        let (kind, content) = self.objects.read(name)?;
        (kind == "tree").then(|| parse(&content, name.len() / 2))?
    }

    fn name(&mut self, path: PathBuf, mode: u32) {
        self.found.paths.insert(path, mode);
        self.found.partial |= self.found.paths.len() > PATHS;
    }

    fn stop(&mut self) {
        self.found.partial = true;
    }
}

/// A tree's entries: mode and object by name.
type Entries = BTreeMap<Vec<u8>, (u32, String)>;

const TREE: u32 = 0o040_000;
const GITLINK: u32 = 0o160_000;

fn parse(mut content: &[u8], hash: usize) -> Option<Entries> {
    let mut entries = Entries::new();
    while !content.is_empty() {
        let space = content.iter().position(|b| *b == b' ')?;
        let end = space + content[space..].iter().position(|b| *b == 0)?;
        let mode = u32::from_str_radix(std::str::from_utf8(&content[..space]).ok()?, 8).ok()?;
        let id = hex(content.get(end + 1..end + 1 + hash)?);
        let name = &content[space + 1..end];
        // A name that is none would hide the others beneath it.
        if name.is_empty() || name.contains(&b'/') || name == b".." || name == b"." {
            return None;
        }
        if entries.insert(name.to_vec(), (mode, id)).is_some() {
            return None;
        }
        content = &content[end + 1 + hash..];
    }
    Some(entries)
}

/// The values of one field in the head of a commit or tag.
fn fields(content: &[u8], field: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(content);
    let named = |line: &str| line.strip_prefix(field).filter(|name| is_name(name)).map(str::to_owned);
    text.lines().take_while(|line| !line.is_empty()).filter_map(named).collect()
}
