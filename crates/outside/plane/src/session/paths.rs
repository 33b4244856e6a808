//! Where paths lead, each part of them looked at once in a session's preparation: dozens of paths are named, most of
//! them beneath the same few directories, and each is asked for more than once. What was decided by where a path leads
//! and what then comes in are so of one look.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use rustix::io::Errno;

use super::mounts::{self, Mount};

/// Links that are followed on one way, as the kernel does.
const MOST_LINKS: u32 = 40;

/// What was found out so far. Cheap to copy: all copies know the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paths(Rc<Known>);

#[derive(Debug, Default)]
struct Known {
    steps: RefCell<HashMap<PathBuf, Option<PathBuf>>>,
    mounts: OnceCell<Vec<Mount>>,
}

impl Paths {
    /// The real path that one leads to; none where it leads nowhere.
    pub(crate) fn real(&self, path: &Path) -> Option<PathBuf> {
        if !path.is_absolute() {
            return fs::canonicalize(path).ok();
        }
        let mut links = MOST_LINKS;
        let real = self.walk(Path::new("/"), path, &mut links)?;
        // The words of a link may go up from what is no directory, which leads nowhere.
        (real == path || fs::metadata(path).is_ok()).then_some(real)
    }

    /// The real path, or where it leads nowhere the path itself.
    pub(crate) fn real_or_same(&self, path: &Path) -> PathBuf {
        self.real(path).unwrap_or_else(|| path.to_owned())
    }

    /// The real path as far as there is one, then the names that are left: also of what is not there yet.
    pub(crate) fn leads(&self, path: &Path) -> PathBuf {
        let mut left = PathBuf::new();
        for above in path.ancestors() {
            if let Some(real) = self.real(above) {
                return if left.as_os_str().is_empty() { real } else { real.join(left) };
            }
            let Some(name) = above.file_name() else { break };
            left = if left.as_os_str().is_empty() { name.into() } else { Path::new(name).join(left) };
        }
        path.to_owned()
    }

    /// The mounts of this process's namespace.
    pub(super) fn mounts(&self) -> &[Mount] {
        self.0.mounts.get_or_init(mounts::all)
    }

    /// The names without a link on the way: where a path itself lies, and where it leads, which is elsewhere where it is a
    /// link.
    pub(crate) fn names(&self, path: &Path) -> Vec<PathBuf> {
        let leads = self.leads(path);
        match (path.parent(), path.file_name()) {
            (Some(above), Some(name)) => {
                let lies = self.leads(above).join(name);
                if lies == leads { vec![leads] } else { vec![lies, leads] }
            }
            _ => vec![leads],
        }
    }

    /// Goes on from a directory whose path is real.
    fn walk(&self, from: &Path, path: &Path, links: &mut u32) -> Option<PathBuf> {
        let mut at = from.to_owned();
        for part in path.components() {
            match part {
                Component::RootDir => at = PathBuf::from("/"),
                Component::ParentDir => drop(at.pop()),
                Component::CurDir => {}
                Component::Normal(name) => at = self.step(&at.join(name), links)?,
                Component::Prefix(_) => return None,
            }
        }
        Some(at)
    }

    /// Where a name in a directory leads, whose own path is real.
    fn step(&self, at: &Path, links: &mut u32) -> Option<PathBuf> {
        if let Some(known) = self.0.steps.borrow().get(at) {
            return known.clone();
        }
        let found = match fs::read_link(at) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => Some(at.to_owned()),
            Err(_) => None,
            Ok(target) => {
                *links = links.checked_sub(1)?;
                self.walk(at.parent()?, &target, links)
            }
        };
        self.0.steps.borrow_mut().insert(at.to_owned(), found.clone());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_lead_where_the_library_says() {
        let room = tempfile::tempdir().expect("a directory");
        let room = room.path().canonicalize().expect("real");
        fs::create_dir_all(room.join("a/b/c")).expect("made");
        fs::write(room.join("a/file"), "x").expect("written");
        for (target, link) in [
            ("a/b", "to-b"),
            ("to-b/c", "to-c"),
            ("../a/../a/b/./c", "a/dots"),
            ("to-b/..", "up"),
            ("nowhere", "dangling"),
            ("loop-2", "loop-1"),
            ("loop-1", "loop-2"),
            ("a/file/..", "through-a-file"),
            ("/etc", "absolute"),
        ] {
            symlink(target, room.join(link)).expect("linked");
        }
        let absolute = room.join("a/b/c");
        symlink(&absolute, room.join("a/absolute")).expect("linked");
        let names = [
            "",
            "a",
            "a/b",
            "to-b",
            "to-b/c",
            "to-c",
            "a/dots",
            "up",
            "up/file",
            "dangling",
            "dangling/x",
            "loop-1",
            "loop-2",
            "loop-1/x",
            "a/file",
            "a/file/x",
            "through-a-file",
            "absolute",
            "absolute/hostname",
            "a/absolute",
            "nothing",
            "nothing/x",
            "to-b/../file",
            "a/b/..",
            "a/file/..",
            "./a//b/",
        ];
        let paths = Paths::default();
        for _ in 0..2 {
            for name in names {
                let path = room.join(name);
                assert_eq!(paths.real(&path), fs::canonicalize(&path).ok(), "{name}");
            }
        }
        for (name, names) in [
            ("a/b", &["a/b"][..]),
            ("to-c", &["to-c", "a/b/c"]),
            ("to-b/c", &["a/b/c"]),
            ("to-b/later/on", &["a/b/later/on"]),
            ("dangling", &["dangling"]),
            ("nothing/x", &["nothing/x"]),
        ] {
            let names: Vec<PathBuf> = names.iter().map(|name| room.join(name)).collect();
            assert_eq!(paths.names(&room.join(name)), names, "{name}");
        }
        assert_eq!(paths.real(Path::new("/")), Some("/".into()));
        assert_eq!(paths.real_or_same(&room.join("nothing")), room.join("nothing"));
    }

    /// One that changes meanwhile is still what it was judged as.
    #[test]
    fn a_path_is_looked_at_once() {
        let room = tempfile::tempdir().expect("a directory");
        let room = room.path().canonicalize().expect("real");
        fs::create_dir(room.join("a")).expect("made");
        symlink("a", room.join("link")).expect("linked");
        let paths = Paths::default();
        let first = paths.real(&room.join("link"));
        fs::remove_file(room.join("link")).expect("removed");
        symlink("/etc", room.join("link")).expect("linked");
        assert_eq!((first, paths.real(&room.join("link/."))), (Some(room.join("a")), Some(room.join("a"))));
    }
}
