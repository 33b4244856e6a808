//! Reads objects of a repository as it would be after the merge: what the cell brings, and what the original has.
//!
//! Nothing is believed: an object counts only if its hash is its name, so that what is read here is what would arrive.

use super::super::{Tree, seal::unhex};
use super::{Unit, object, pack};
use flate2::read::ZlibDecoder;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest commit, tree or tag that is read.
const LARGEST: u64 = 8 << 20;
/// Objects and bytes that one look at a unit reads: it is looked at again and again while a session runs.
const OBJECTS: usize = 20_000;
const BYTES: usize = 128 << 20;
/// Packs that are looked into.
const PACKS: usize = 256;

/// The objects of one repository.
pub(super) struct Objects<'a> {
    upper: &'a Tree,
    lower: &'a Tree,
    root: &'a Path,
    brought: std::collections::BTreeSet<&'a Path>,
    packs: Vec<(File, File, bool)>,
    objects: usize,
    bytes: usize,
}

impl<'a> Objects<'a> {
    pub(super) fn of(upper: &'a Tree, lower: &'a Tree, root: &'a Path, unit: &'a Unit) -> Self {
        let brought = unit.imports.iter().map(|change| change.path.as_path()).collect();
        let dir = root.join("objects/pack");
        let own = unit.imports.iter().map(|change| (upper, change.path.clone(), true));
        let old = lower.names(&dir).unwrap_or_default().into_iter().map(|name| (lower, dir.join(name), false));
        let open = |(tree, index, new): (&Tree, PathBuf, bool)| {
            let is_index = index.extension().is_some_and(|e| e == "idx");
            let pair = || Some((tree.file(&index).ok()?, tree.file(&index.with_extension("pack")).ok()?, new));
            is_index.then(pair)?
        };
        let packs = own.chain(old).filter_map(open).take(PACKS).collect();
        Self { upper, lower, root, brought, packs, objects: 0, bytes: 0 }
    }

    /// Whether the cell brings an object that the original does not have.
    pub(super) fn is_new(&self, name: &str) -> bool {
        let (path, bytes) = (self.loose(name), unhex(name).unwrap_or_default());
        let old = matches!(self.lower.stat(&path), Ok(Some(_)))
            || self.packs.iter().any(|(index, _, new)| !new && pack::names(index, &bytes));
        !old && self.is_there(name)
    }

    /// Whether an object would be there.
    pub(super) fn is_there(&self, name: &str) -> bool {
        let (path, bytes) = (self.loose(name), unhex(name).unwrap_or_default());
        self.brought.contains(path.as_path())
            || matches!(self.lower.stat(&path), Ok(Some(_)))
            || self.packs.iter().any(|(index, _, _)| pack::names(index, &bytes))
    }

    /// Reads an object: its kind and what it holds. `None` if it is not there, too large, too much, or not what its
    /// name says.
    pub(super) fn read(&mut self, name: &str) -> Option<(String, Vec<u8>)> {
        self.objects += 1;
        if self.objects > OBJECTS || self.bytes > BYTES {
            return None;
        }
        let (path, bytes) = (self.loose(name), unhex(name)?);
        let tree = if self.brought.contains(path.as_path()) { self.upper } else { self.lower };
        let (kind, content) = match tree.file(&path) {
            Ok(file) => loose(file)?,
            Err(_) => self.packs.iter().find_map(|(index, pack, _)| {
                let (kind, content) = pack::object(index, pack, &bytes, LARGEST)?;
                Some((kind.to_owned(), content))
            })?,
        };
        self.bytes += content.len();
        (pack::hashed(bytes.len(), &kind, &content) == bytes).then_some((kind, content))
    }

    fn loose(&self, name: &str) -> PathBuf {
        self.root.join("objects").join(&name[..2]).join(&name[2..])
    }
}

fn loose(file: File) -> Option<(String, Vec<u8>)> {
    let mut inflated = ZlibDecoder::new(file);
    let (header, size) = object::header(&mut inflated)?;
    let kind = String::from_utf8_lossy(&header).split(' ').next()?.to_owned();
    let mut content = Vec::new();
    inflated.take(LARGEST + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 == size && size <= LARGEST).then_some((kind, content))
}
