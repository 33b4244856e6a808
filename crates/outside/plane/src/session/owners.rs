//! Whose files can be changed inside. A cell of an ordinary user knows one user and one group: what is of another shows as
//! nobody's, and the kernel copies none of it up for a change. Nothing of that is seen before a program fails, so a start looks
//! at a few and says it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use policy::WorkspaceMode;
use rustix::fs::Access;

use crate::problem::quoted;
use crate::store::{SessionRecord, TreeRecord};

/// Entries of a tree that are looked at: a start takes milliseconds, and a repository of a team shows it in a few.
const LOOKED_AT: usize = 64;

/// Says what of the trees cannot be changed or merged although the policy lets it be; nothing where nothing was found.
pub(super) fn unchangeable(record: &SessionRecord) -> Vec<String> {
    if record.mode == WorkspaceMode::ReadOnly {
        return Vec::new();
    }
    // What a sub-agent sees is a copy of ours.
    record.trees.iter().filter(|tree| tree.view.is_none()).flat_map(told).collect()
}

fn told(tree: &TreeRecord) -> Vec<String> {
    let (path, own) = (quoted(&tree.path.to_string_lossy()), Own::of(tree.owner));
    let mut words = Vec::new();
    if rustix::fs::access(&tree.path, Access::WRITE_OK).is_err() {
        words.push(format!("`{path}` cannot be written by you: nothing that is made there can be merged"));
    }
    let entries = fs::read_dir(&tree.path).into_iter().flatten().flatten().take(LOOKED_AT);
    let others = entries.filter_map(|entry| Some((entry.file_name(), own.lacks(&entry.path())?)));
    let mut others: Vec<_> = others.collect();
    others.sort();
    if let Some((name, whose)) = others.first() {
        let name = quoted(&name.to_string_lossy());
        let more = match others.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        words.push(format!("`{name}`{more} in `{path}` cannot be changed inside: {whose}"));
    }
    words
}

/// Who a program inside is to the host's files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    uid: u32,
    gid: u32,
    /// No other user or group is known inside, and nothing of theirs is copied up, whatever its mode allows.
    alone: bool,
}

impl Own {
    /// The owner of the tree where root began the cell, who meets others' files as anybody does; else the operator alone.
    pub(crate) fn of(owner: Option<(u32, u32)>) -> Own {
        match owner {
            Some((uid, gid)) => Own { uid, gid, alone: false },
            None => {
                let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
                Own { uid, gid, alone: true }
            }
        }
    }

    /// The same in a workspace that a session would begin on.
    pub(crate) fn at(workspace: &Path) -> Option<Own> {
        let meta = fs::metadata(workspace).ok()?;
        Some(Own::of(rustix::process::geteuid().is_root().then(|| (meta.uid(), meta.gid()))))
    }

    /// Whose a file is that cannot be changed inside, since it is another's.
    pub(crate) fn lacks(self, path: &Path) -> Option<String> {
        let meta = fs::symlink_metadata(path).ok()?;
        self.lacks_of((meta.uid(), meta.gid()), meta.mode())
    }

    fn lacks_of(self, (uid, gid): (u32, u32), mode: u32) -> Option<String> {
        let written = mode & 0o002 != 0 || (gid == self.gid && mode & 0o020 != 0);
        if uid != self.uid && (self.alone || !written) {
            return Some(format!("of user {uid}, and a program inside is user {}", self.uid));
        }
        (self.alone && gid != self.gid).then(|| format!("of group {gid}, and inside there is {} alone", self.gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_files_can_be_changed_depends_on_who_began_the_cell() {
        let (alone, any) = (Own { uid: 5, gid: 6, alone: true }, Own { uid: 5, gid: 6, alone: false });
        for (ids, mode, by_user, by_root) in [
            ((5, 6), 0o644, true, true),
            ((5, 9), 0o644, false, true),
            ((9, 6), 0o664, false, true),
            ((9, 6), 0o644, false, false),
            ((9, 9), 0o664, false, false),
            ((9, 9), 0o666, false, true),
        ] {
            assert_eq!(alone.lacks_of(ids, mode).is_none(), by_user, "{ids:?}");
            assert_eq!(any.lacks_of(ids, mode).is_none(), by_root, "{ids:?}");
        }
    }

    #[test]
    fn a_file_of_another_user_is_told_with_its_name() {
        let room = tempfile::tempdir().expect("a directory");
        let tree = |owner| TreeRecord { path: room.path().into(), changes: "/".into(), owner, view: None };
        for name in ["a", "b"] {
            fs::write(room.path().join(name), "x").expect("written");
        }
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(told(&tree(None)), Vec::<String>::new());
        let [words] = &told(&tree(Some((uid + 1, 0))))[..] else { panic!() };
        assert!(words.starts_with("`a` and 1 more in `") && words.contains(&format!("of user {uid}")), "{words}");
        assert_eq!(Own::of(None).lacks(&room.path().join("none")), None);
    }
}
