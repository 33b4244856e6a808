//! Every name that something has inside: what is hidden is hidden under each, and what is kept out is known by each. A link
//! gives a place a second name, and so does a bind mount.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::mounts::{self, under};
use super::paths::Paths;

/// What only the system's packages fill, and nobody's home lies in.
const SYSTEM: [&str; 7] = ["/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// The names of trees that come in.
#[derive(Debug, Default)]
pub(crate) struct Names {
    paths: Paths,
    /// A place in a tree, under the name that it has inside, and another name of that place.
    also: Vec<(PathBuf, PathBuf)>,
}

impl Names {
    /// Those of trees that come in at the names that they are given by.
    pub(crate) fn of<'t>(paths: &Paths, trees: impl Iterator<Item = &'t Path>) -> Names {
        let mut names = Names { paths: paths.clone(), also: Vec::new() };
        let own = trees.filter(|tree| !SYSTEM.iter().any(|system| tree.starts_with(system)));
        let real: Vec<(&Path, PathBuf)> = own.filter_map(|tree| Some((tree, paths.real(tree)?))).collect();
        for (tree, real) in real {
            let elsewhere = mounts::elsewhere(paths.mounts(), &real);
            names.also.extend(elsewhere.into_iter().filter(|(at, name)| is_same(at, name)));
            if tree != real {
                let given = |at: &Path| Some(under(tree, at.strip_prefix(&real).ok()?));
                let also: Vec<_> =
                    names.also.iter().filter_map(|(at, name)| Some((given(at)?, name.clone()))).collect();
                names.also.extend(also);
                names.also.push((tree.to_owned(), real));
            }
        }
        names
    }

    /// Every name of a tree: as it was given, and where it is by each mount.
    pub(crate) fn of_tree(&self, tree: &Path) -> Vec<PathBuf> {
        let real = self.paths.real_or_same(tree);
        let other = self.also.iter().filter(|(at, _)| *at == real).map(|(_, name)| name.clone());
        let mut all: Vec<PathBuf> = [tree.to_owned(), real.clone()].into_iter().chain(other).collect();
        all.dedup();
        all
    }

    /// The names of places in a tree, and of the tree itself: whoever sees it sees all of these.
    pub(crate) fn within(&self, tree: &Path) -> Vec<PathBuf> {
        let real = self.paths.real_or_same(tree);
        let beneath = self.also.iter().filter(|(at, _)| at.starts_with(&real)).map(|(_, name)| name.clone());
        [real.clone()].into_iter().chain(beneath).collect()
    }

    /// Every name by which a hidden place could be seen.
    pub(crate) fn of_hidden(&self, hidden: &Path) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self.paths.names(hidden).iter().flat_map(|name| self.with_others(name)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A name without a link on the way, and those that trees give the same place.
    pub(super) fn with_others(&self, name: &Path) -> Vec<PathBuf> {
        let other = |(at, other): &(PathBuf, PathBuf)| match name.strip_prefix(other) {
            Ok(rest) => Some(under(at, rest)),
            Err(_) => other.starts_with(name).then(|| at.clone()),
        };
        [name.to_owned()].into_iter().chain(self.also.iter().filter_map(other)).collect()
    }
}

/// Whether two names are of one place. What may not be looked at counts as it: it is then hidden twice.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::symlink_metadata(one), fs::symlink_metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_hidden_is_known_by_each_name_that_leads_to_it() {
        let room = tempfile::tempdir().expect("a directory");
        let room = room.path().canonicalize().expect("real");
        fs::create_dir_all(room.join("real/tree/vault")).expect("made");
        symlink("real", room.join("link")).expect("linked");
        symlink("vault", room.join("real/tree/to-vault")).expect("linked");
        let (real, given) = (room.join("real/tree"), room.join("link/tree"));
        // A tree that is written keeps the name that it was given by.
        let names = Names::of(&Paths::default(), [given.as_path()].into_iter());
        for hidden in [real.join("vault"), given.join("vault")] {
            assert_eq!(names.of_hidden(&hidden), [given.join("vault"), real.join("vault")], "{}", hidden.display());
        }
        let link = names.of_hidden(&given.join("to-vault"));
        for hidden in [real.join("vault"), real.join("to-vault"), given.join("vault")] {
            assert!(link.contains(&hidden), "{} in {link:?}", hidden.display());
        }
        assert_eq!(names.of_hidden(&given.join("later/on"))[1], real.join("later/on"), "also what is not there yet");
        assert_eq!(names.of_tree(&given), [given.clone(), real.clone()]);
        assert!(names.of_hidden(&room.join("real")).contains(&given), "all of it");
    }
}
