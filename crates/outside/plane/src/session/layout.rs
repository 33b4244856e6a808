//! The private root as steps: what the policy names, at the same names as on the host, and nothing else.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plan::{Access, Content, Owner, PathRule, Step};
use wire::command::Problem;

use super::children::Within;
use super::identity;
use super::paths::Paths;
use crate::problem::{NOT_RUN, problem};
use crate::store::TreeRecord;

/// Longest file that is copied, in bytes.
const MOST_COPIED: u64 = 16 * 1024;

/// The root of one cell while it is being laid out.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) steps: Vec<Step>,
    pub(super) rules: Vec<PathRule>,
    /// The host's trees and files that come in, each as it was when it was looked at.
    pub(super) seen: Vec<Seen>,
    paths: Paths,
    /// Trees and files that are visible inside.
    granted: HashSet<PathBuf>,
    /// Whether the cell is started by root, so that files need an owner inside.
    privileged: bool,
    /// The private root was left out: places of our own making then are the host's, and are not granted.
    hosts_root: bool,
    /// What files held that were read before: the same bytes are kept once.
    pub(super) known: Vec<Content>,
    /// What was read last.
    piece: Vec<u8>,
    /// Of a sub-agent: what its parent sees, and no more than that comes in.
    pub(super) within: Option<Within>,
    /// What stays hidden, under every name.
    pub(super) hidden: Vec<PathBuf>,
}

/// Which file or directory it is, and whose: device, inode, uid, gid.
pub(super) type Seen = (u64, u64, u32, u32);

/// Why a path comes in, which decides what happens when it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// A blueprint names it for hosts that have it.
    Generally,
    /// The operator named it: he expects it there.
    Expressly,
}

impl Layout {
    /// An empty root of what `paths` lead to; `privileged` as in [`plan::Identity`], `hosts_root` where the host's own is kept.
    pub(super) fn new(paths: Paths, privileged: bool, hosts_root: bool) -> Layout {
        Layout { paths, privileged, hosts_root, ..Layout::default() }
    }

    /// Whether a path is visible inside by what was granted so far.
    pub(super) fn shows(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.granted.contains(above))
    }

    /// Lets a host path be read and executed.
    ///
    /// # Errors
    /// When the operator named it and it does not exist, or is no file or directory.
    pub(super) fn read(&mut self, path: &Path, named: Named) -> Result<(), Problem> {
        if self.shows(path) || self.within.as_ref().is_some_and(|within| !within.allows(path)) {
            return Ok(());
        }
        let Ok(meta) = fs::symlink_metadata(path) else {
            return if named == Named::Generally { Ok(()) } else { Err(missing(path)) };
        };
        if meta.is_symlink() {
            return self.link(path, named);
        }
        let real = self.paths.real(path).ok_or_else(|| missing(path))?;
        if real != path {
            self.read(&real, named)?;
            return self.alias(path, &real);
        }
        match text(path) {
            Some(at) if meta.is_dir() => self.tree(at, &meta),
            Some(at) if meta.is_file() && named == Named::Generally && self.copy(&at, &meta) => {}
            Some(at) if meta.is_file() => self.file(at, &meta),
            _ if named == Named::Generally => {}
            _ => return Err(odd(path)),
        }
        Ok(())
    }

    /// A tree that only root changes is bound; any other comes through an overlay, in which a host socket, made now
    /// or later, does not answer. So does one in which something is hidden: what lies over a name in a bound tree is gone as
    /// soon as the host renames or replaces that.
    fn tree(&mut self, at: String, meta: &Metadata) {
        self.seen.push(seen(meta));
        let path = PathBuf::from(&at);
        let hides = self.hidden.iter().any(|hidden| hidden.starts_with(&path));
        let (step, access) = if self.is_system(&path, meta) && !hides {
            (bind(&at, false, Owner::Everybody), Access::System)
        } else {
            let owner = self.owner(&path);
            (Step::Overlay { source: at.clone(), at: at.clone(), changes: None, owner }, Access::Execute)
        };
        self.steps.push(step);
        self.grant(&path, access);
    }

    /// A small file of the system's configuration is copied rather than bound: a mount costs the start four times as
    /// much. Only what a blueprint names and everybody may read; what the operator names stays what it is on the host.
    fn copy(&mut self, at: &str, meta: &Metadata) -> bool {
        let path = Path::new(at);
        let open = meta.uid() == 0 && meta.mode() & 0o7_022 == 0 && meta.mode() & 0o004 != 0;
        if !path.starts_with("/etc") || !open || meta.len() > MOST_COPIED {
            return false;
        }
        // Room for the whole and the end: one read each.
        self.piece.clear();
        self.piece.reserve(usize::try_from(meta.len()).unwrap_or(0) + 1);
        let read = File::open(path).and_then(|file| file.take(MOST_COPIED + 1).read_to_end(&mut self.piece));
        if read.is_err() || self.piece.len() as u64 > MOST_COPIED {
            return false;
        }
        let known = self.known.iter().find(|known| known[..] == self.piece[..]);
        let content = known.cloned().unwrap_or_else(|| Content::from(&self.piece[..]));
        self.steps.push(Step::File { at: at.into(), content, mode: meta.mode() & 0o755 });
        self.grant(path, Access::Execute);
        true
    }

    /// Owned by root, and written by nobody else. Root of a user namespace that is an ordinary user owns nothing that the
    /// agent, who is the same to the kernel, does not own as well.
    fn is_system(&self, path: &Path, meta: &Metadata) -> bool {
        let below_system = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix"];
        let roots = meta.uid() == 0 && (self.privileged || !rustix::process::geteuid().is_root());
        roots && meta.mode() & 0o022 == 0 && below_system.iter().any(|tree| path.starts_with(tree))
    }

    fn file(&mut self, at: String, meta: &Metadata) {
        self.seen.push(seen(meta));
        let path = PathBuf::from(&at);
        let owner =
            if path.starts_with("/usr") || path.starts_with("/etc") { Owner::Everybody } else { self.owner(&path) };
        self.steps.push(bind(&at, false, owner));
        self.grant(&path, Access::Execute);
    }

    fn owner(&self, path: &Path) -> Owner {
        if self.privileged { identity::owner(path) } else { Owner::Everybody }
    }

    /// A symbolic link stays one; what it leads to comes in too when the operator named the link.
    fn link(&mut self, path: &Path, named: Named) -> Result<(), Problem> {
        let target = fs::read_link(path).map_err(|_| missing(path))?;
        self.alias(path, &target)?;
        match self.paths.real(path) {
            Some(real) if named == Named::Expressly => self.read(&real, named),
            _ => Ok(()),
        }
    }

    /// A symbolic link of the root's own, unless a tree already shows that place.
    pub(super) fn alias(&mut self, at: &Path, target: &Path) -> Result<(), Problem> {
        if self.shows(at) {
            return Ok(());
        }
        let (Some(at_text), Some(target)) = (text(at), text(target)) else { return Err(odd(at)) };
        self.steps.push(Step::Symlink { at: at_text, target });
        self.granted.insert(at.to_owned());
        Ok(())
    }

    /// A tree of the host, or a copy of one, seen copy-on-write, its changes kept in `changes`.
    pub(super) fn reviewed(&mut self, source: &Path, path: &Path, changes: Option<&Path>) -> Result<(), Problem> {
        let Some(from) = text(source) else { return Err(odd(source)) };
        let (Some(at), Some(changes)) = (text(path), changes.map_or(Some(None), |path| text(path).map(Some))) else {
            return Err(odd(path));
        };
        let writable = changes.is_some();
        let access = if writable { Access::Write } else { Access::Execute };
        // Also where a wider rule covers it: a look for rights ends at the first one, and else goes on over the mount.
        self.rules.push(PathRule { at: at.clone(), access });
        self.granted.insert(path.to_owned());
        self.steps.push(Step::Overlay { source: from, at, changes, owner: self.owner(source) });
        Ok(())
    }

    /// A directory of the plane's own that the agent may change for good.
    pub(super) fn own(&mut self, source: &Path, at: &Path) -> Result<(), Problem> {
        let (Some(source_text), Some(at_text)) = (text(source), text(at)) else { return Err(odd(at)) };
        let owner = self.owner(source);
        self.steps.push(Step::Bind {
            source: source_text,
            at: at_text,
            writable: true,
            executable: true,
            devices: false,
            owner,
        });
        // Not `granted`: what the host has there is not shown.
        self.made(at, Access::Write);
        Ok(())
    }

    /// A file of the plane's own, laid over what stands at a place.
    pub(super) fn cover(&mut self, source: &Path, at: &Path) -> Result<(), Problem> {
        let (Some(source_text), Some(at_text)) = (text(source), text(at)) else { return Err(odd(at)) };
        let owner = self.owner(source);
        self.steps.push(Step::Bind {
            source: source_text,
            at: at_text,
            writable: false,
            executable: false,
            devices: false,
            owner,
        });
        self.rule(at, Access::Read);
        Ok(())
    }

    /// A rule for a place of our own making.
    pub(super) fn made(&mut self, at: &Path, access: Access) {
        if !self.hosts_root {
            self.rule(at, access);
        }
    }

    /// An empty tree in memory.
    pub(super) fn scratch(&mut self, at: &str, bytes: u64, inodes: u64) {
        self.steps.push(Step::Tmpfs { at: at.into(), bytes, inodes, mode: 0o1777 });
        self.made(Path::new(at), Access::Write);
    }

    /// Hides what granted trees would show; gives what they would and the host does not have, which nothing can be laid over.
    pub(super) fn hide(&mut self) -> Vec<PathBuf> {
        let shown = self.hidden.iter().filter(|path| self.shows(path));
        let (there, absent): (Vec<_>, Vec<_>) = shown.partition(|path| fs::symlink_metadata(path).is_ok());
        self.steps.extend(there.into_iter().filter_map(|path| text(path)).map(|at| Step::Hide { at }));
        absent.into_iter().cloned().collect()
    }

    /// What of the host is seen, but for trees that may be changed.
    pub(super) fn shown(&self, trees: &[TreeRecord]) -> Within {
        let own = |path: &&PathBuf| !trees.iter().any(|tree| path.starts_with(&tree.path));
        Within { shown: self.granted.iter().filter(own).cloned().collect(), hidden: self.hidden.clone() }
    }

    fn grant(&mut self, path: &Path, access: Access) {
        self.rule(path, access);
        self.granted.insert(path.to_owned());
    }

    /// One rule for a tree serves all beneath it that need no more.
    pub(super) fn rule(&mut self, path: &Path, access: Access) {
        let Some(at) = text(path) else { return };
        let serves = |have: Access| {
            have == access
                || matches!((have, access), (Access::Execute, Access::System) | (Access::System, Access::Execute))
        };
        let covered = |rule: &PathRule| serves(rule.access) && path.starts_with(&rule.at);
        if !self.rules.iter().any(covered) {
            self.rules.push(PathRule { at, access });
        }
    }
}

fn seen(meta: &Metadata) -> Seen {
    (meta.dev(), meta.ino(), meta.uid(), meta.gid())
}

pub(super) fn bind(at: &str, devices: bool, owner: Owner) -> Step {
    Step::Bind { source: at.into(), at: at.into(), writable: false, executable: !devices, devices, owner }
}

pub(super) fn text(path: &Path) -> Option<String> {
    path.to_str().map(str::to_owned)
}

fn missing(path: &Path) -> Problem {
    problem("E-PLANE-040", format!("`{}` does not exist", path.display()), "check the path", NOT_RUN)
}

fn odd(path: &Path) -> Problem {
    problem(
        "E-PLANE-041",
        format!("`{}` cannot come in: it is no file or directory, or its name is no UTF-8", path.display()),
        "name a directory or a regular file",
        NOT_RUN,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_of_the_system_is_copied_unless_the_operator_named_it() {
        let path = Path::new("/etc/group");
        let step = |named| {
            let mut layout = Layout::new(Paths::default(), false, false);
            layout.read(path, named).expect("there on every host");
            layout.steps.pop()
        };
        let content = fs::read(path).expect("readable");
        let copied = Step::File { at: "/etc/group".into(), content: Content::from(&content[..]), mode: 0o644 };
        assert_eq!(step(Named::Generally), Some(copied));
        assert!(matches!(step(Named::Expressly), Some(Step::Bind { .. })));
        let mut layout = Layout::new(Paths::default(), false, false);
        layout.read(Path::new("/etc/shadow"), Named::Generally).expect("there on every host");
        assert!(matches!(layout.steps.pop(), Some(Step::Bind { .. })), "not everybody may read it");
    }

    #[test]
    fn a_system_tree_in_which_something_is_hidden_is_not_bound() {
        let step = |hidden: &str| {
            let mut layout = Layout::new(Paths::default(), true, false);
            layout.hidden = vec![hidden.into()];
            layout.read(Path::new("/usr"), Named::Generally).expect("there on every host");
            layout.steps.pop()
        };
        assert!(matches!(step("/usrx/share"), Some(Step::Bind { .. })));
        assert!(matches!(step("/usr/share/later"), Some(Step::Overlay { changes: None, .. })));
    }
}
