//! File systems that are mounted beneath a tree of the session: an overlay shows the directory under each, so that what
//! the operator sees there is not inside.

use std::fs;
use std::path::{Path, PathBuf};

/// How many are named.
const NAMED: usize = 3;

/// Says which mounts are not visible inside; nothing where there is none.
pub(super) fn unseen<'t>(trees: impl Iterator<Item = &'t Path> + Clone) -> Option<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let found = beneath(&text, trees);
    let more = match found.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named: Vec<String> = found.iter().take(NAMED).map(|path| path.to_string_lossy().into_owned()).collect();
    (!named.is_empty())
        .then(|| format!("not visible inside, since it is a mount of its own: {}{more}", named.join(", ")))
}

/// The first mount below one of these trees: for an ordinary user the kernel then lays no overlay over that tree.
pub(super) fn first<'t>(trees: impl Iterator<Item = &'t Path> + Clone) -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    beneath(&text, trees).into_iter().next()
}

/// A mount: its file system, the part of that which it shows, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    device: String,
    root: PathBuf,
    point: PathBuf,
}

/// All of this process's namespace, each after what it lies on.
pub(super) fn all() -> Vec<Mount> {
    parsed(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn parsed(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let mut parts = line.split(' ').skip(2);
        let device = parts.next()?.to_owned();
        Some(Mount { device, root: plain(parts.next()?), point: plain(parts.next()?) })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Other names of a tree, or of parts of it, by other mounts of the same file system: each time where it is in the tree,
/// and the other name. One that lies beneath a later mount is no name any more: the caller has to look.
pub(super) fn elsewhere(mounts: &[Mount], tree: &Path) -> Vec<(PathBuf, PathBuf)> {
    let above = |mount: &&Mount| tree.starts_with(&mount.point);
    let Some(own) = mounts.iter().filter(above).max_by_key(|mount| mount.point.components().count()) else {
        return Vec::new();
    };
    let Ok(rest) = tree.strip_prefix(&own.point) else { return Vec::new() };
    let lies = under(&own.root, rest);
    let others = mounts.iter().filter(|mount| mount.device == own.device && mount.point != own.point);
    let name = |mount: &Mount| match (lies.strip_prefix(&mount.root), mount.root.strip_prefix(&lies)) {
        (Ok(rest), _) => Some((tree.to_owned(), under(&mount.point, rest))),
        (_, Ok(rest)) => Some((under(tree, rest), mount.point.clone())),
        _ => None,
    };
    others.filter_map(name).collect()
}

/// What lies beneath a directory; nothing beneath it is the directory, without a slash at its end.
pub(super) fn under(directory: &Path, rest: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { directory.to_owned() } else { directory.join(rest) }
}

/// Mount points below the trees, but not the trees themselves.
fn beneath<'t>(mountinfo: &str, trees: impl Iterator<Item = &'t Path> + Clone) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(plain);
    let mut found: Vec<PathBuf> =
        points.filter(|point| trees.clone().any(|tree| point != tree && point.starts_with(tree))).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The kernel writes a space, a tab, a new line and a backslash as three octal digits.
fn plain(text: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    PathBuf::from(escapes.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_a_tree_is_found() {
        let info = "21 1 8:1 / / rw - ext4 /dev/a rw\n\
                    30 21 0:33 / /w rw - tmpfs t rw\n\
                    31 30 0:34 / /w/a\\040b rw - tmpfs t rw\n\
                    32 30 0:35 / /w/c rw - tmpfs t rw\n\
                    33 30 0:36 / /w/c rw - tmpfs t rw\n\
                    34 21 0:37 / /wide rw - tmpfs t rw\n";
        let trees = [Path::new("/w"), Path::new("/x")];
        assert_eq!(beneath(info, trees.into_iter()), [Path::new("/w/a b"), Path::new("/w/c")]);
        assert!(beneath(info, [Path::new("/w/c")].into_iter()).is_empty());
    }

    #[test]
    fn a_tree_has_a_name_by_each_mount_that_shows_it() {
        let mounts = parsed(
            "21 1 8:1 / / rw - ext4 /dev/a rw\n\
             30 21 8:1 /home/u /alias rw - ext4 /dev/a rw\n\
             31 21 8:2 / /data rw - ext4 /dev/b rw\n\
             32 21 8:2 /h\\040h /home/v rw - ext4 /dev/b rw\n",
        );
        for (tree, names) in [
            ("/alias/w", &[("/alias/w", "/home/u/w")][..]),
            ("/home/u/w", &[("/home/u/w", "/alias/w")]),
            ("/home", &[("/home/u", "/alias")]),
            ("/data", &[("/data/h h", "/home/v")]),
            ("/data/h h/x", &[("/data/h h/x", "/home/v/x")]),
            ("/srv", &[]),
        ] {
            let names: Vec<_> = names.iter().map(|(at, name)| (PathBuf::from(at), PathBuf::from(name))).collect();
            assert_eq!(elsewhere(&mounts, Path::new(tree)), names, "{tree}");
        }
    }
}
