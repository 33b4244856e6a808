//! The private root: a tmpfs that holds only what the plan names. Everything else is absent.
//!
//! Every mount is made detached and moved into place through descriptors beneath the new root, so that no
//! path of the host is ever resolved inside a tree that somebody else could have prepared.

mod host;
mod overlay;
mod place;

use crate::owner::Owners;
use plan::{Layer, LayerSet, Plan, Step};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags,
};
use std::path::Path;

/// A step that failed: what was being done, and the kernel's error.
#[derive(Debug)]
pub(crate) struct RootError {
    /// For example "bind `/usr`".
    pub(crate) doing: String,
    /// The kernel's error.
    pub(crate) errno: rustix::io::Errno,
}

type Result<T> = std::result::Result<T, RootError>;

fn doing<T>(what: impl FnOnce() -> String, result: rustix::io::Result<T>) -> Result<T> {
    result.map_err(|errno| RootError { doing: what(), errno })
}

/// A root that is being built, or the host's where that is kept. The caller has unshared the mount namespace, owns
/// CAP_SYS_ADMIN over it, and sees the host's tree until it enters.
pub(crate) struct Root {
    /// None where the host's root is kept.
    place: Option<OwnedFd>,
    /// The cell's /proc.
    processes: OwnedFd,
    parts: Vec<OwnedFd>,
    /// The host's /sys, which the new root lies over.
    host: OwnedFd,
    /// Steps of the plan that were made ahead.
    made: usize,
}

impl Root {
    /// Begins an empty one.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(crate) fn begin(without: LayerSet) -> Result<Root> {
        doing(
            || "make mounts private".into(),
            rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC),
        )?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let host = doing(|| "open `/sys`".into(), rustix::fs::open(OVER, flags, Mode::empty()))?;
        let place = if without.contains(Layer::PrivateRoot) {
            None
        } else {
            let root = tmpfs(16 << 20, 4096, 0o755)?;
            // A mount must be attached before others go onto it. /sys exists everywhere and is never a source, so
            // covering it, in a namespace that only this process sees, hides nothing that a step names.
            doing(|| "attach the root".into(), attach(&root, CWD, OVER))?;
            Some(root)
        };
        Ok(Root { place, processes: host::processes(without)?, parts: Vec::new(), host, made: 0 })
    }

    /// Makes these steps.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn build(&mut self, steps: &[Step], without: LayerSet, owners: &Owners) -> Result<()> {
        let Root { place: Some(root), processes, parts, .. } = self else { return Ok(()) };
        let mut building = Building { without, owners, root, processes, parts };
        steps.iter().try_for_each(|step| build(&mut building, step))
    }

    /// Makes what of the plan is not made yet, and makes this the namespace's root, leaving the host's tree behind (or,
    /// where that was accepted, laying the workspace over it).
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) fn enter(mut self, plan: &Plan, owners: &Owners) -> Result<Entered> {
        self.build(plan.root.get(self.made..).unwrap_or_default(), plan.without, owners)?;
        let Root { place, processes, mut parts, .. } = self;
        match &place {
            Some(root) => pivot(root)?,
            None => parts.extend(host::keep(plan, owners, &processes)?),
        }
        Ok(Entered { processes, parts })
    }

    /// The first steps of the plan are made already.
    pub(crate) fn skip(&mut self, steps: usize) {
        self.made = steps;
    }

    /// The root's own top, where there is one yet.
    pub(crate) fn place(&self) -> Option<BorrowedFd<'_>> {
        self.place.as_ref().map(AsFd::as_fd)
    }

    /// The cell's /proc.
    pub(crate) fn processes(&self) -> BorrowedFd<'_> {
        self.processes.as_fd()
    }

    /// Writes a file beneath the host's /sys, as its path was on the host.
    pub(crate) fn write_on_host(&self, path: &str, text: &[u8]) -> rustix::io::Result<()> {
        let beneath = path.strip_prefix(OVER).and_then(|rest| rest.strip_prefix('/')).ok_or(Errno::NOENT)?;
        let file = rustix::fs::openat(&self.host, beneath, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, text).map(drop)
    }
}

/// Where the new root lies until it is entered.
const OVER: &str = "/sys";

/// What is left in hand of a root that was entered.
pub(crate) struct Entered {
    /// The cell's /proc, whether or not the plan shows it to the agent.
    pub(crate) processes: OwnedFd,
    /// What overlays were made of. To let go of it takes a while, and nothing needs it any more.
    pub(crate) parts: Vec<OwnedFd>,
}

/// What the steps are built from and into.
struct Building<'a> {
    without: LayerSet,
    owners: &'a Owners,
    root: &'a OwnedFd,
    processes: &'a OwnedFd,
    parts: &'a mut Vec<OwnedFd>,
}

fn build(building: &mut Building<'_>, step: &Step) -> Result<()> {
    let root = building.root;
    match step {
        Step::Tmpfs { at, bytes, inodes, mode } => {
            let place = place::directory(root, at)?;
            onto(&tmpfs(*bytes, *inodes, *mode)?, &place, at)
        }
        Step::Directory { at, mode } => {
            let place = place::directory(root, at)?;
            doing(|| format!("set the mode of `{at}`"), place::set_mode(&place, *mode))
        }
        Step::File { at, content, mode } => place::file(root, at, content, *mode),
        Step::Symlink { at, target } => place::symlink(root, at, target),
        Step::Bind { source, at, writable, executable, devices, owner } => {
            let mut flags = MountAttrFlags::MOUNT_ATTR_NOSUID;
            flags.set(MountAttrFlags::MOUNT_ATTR_RDONLY, !writable);
            flags.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, !executable);
            flags.set(MountAttrFlags::MOUNT_ATTR_NODEV, !devices);
            bind(building, (source, at), flags, *owner)
        }
        Step::Overlay { source, at, changes: None, owner } if building.without.contains(Layer::SocketShadow) => {
            let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
                | MountAttrFlags::MOUNT_ATTR_NODEV
                | MountAttrFlags::MOUNT_ATTR_RDONLY;
            bind(building, (source, at), flags, *owner)
        }
        Step::Overlay { source, at, changes, owner } => {
            let (mount, parts) = overlay::make(source, changes.as_deref(), *owner, building.owners)?;
            building.parts.extend(parts);
            onto(&mount, &place::directory(root, at)?, at)
        }
        Step::Proc => onto(building.processes, &place::directory(root, "/proc")?, "/proc"),
        Step::Terminals { max } => terminals(root, *max),
        Step::Hide { at } => hide(root, at),
        Step::Resize { at, bytes } => resize(&place::directory(root, at)?, at, *bytes),
    }
}

/// Gives a tmpfs another bound. What is no tmpfs has no such option, and fails.
fn resize(place: &OwnedFd, at: &str, bytes: u64) -> Result<()> {
    let what = || format!("resize `{at}`");
    let flags = FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH;
    let context = doing(what, rustix::mount::fspick(place, "", flags))?;
    doing(what, rustix::mount::fsconfig_set_string(context.as_fd(), "size", bytes.to_string()))?;
    doing(what, rustix::mount::fsconfig_reconfigure(context.as_fd()))
}

fn tmpfs(bytes: u64, inodes: u64, mode: u32) -> Result<OwnedFd> {
    filesystem(
        "tmpfs",
        &[("size", &bytes.to_string()), ("nr_inodes", &inodes.to_string()), ("mode", &format!("{mode:o}"))],
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )
}

/// A detached mount of a new filesystem. An option without a value is a flag.
fn filesystem(kind: &str, options: &[(&str, &str)], flags: MountAttrFlags) -> Result<OwnedFd> {
    let what = || format!("mount {kind}");
    let context = doing(what, rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC))?;
    for (key, value) in options {
        let set = if value.is_empty() {
            rustix::mount::fsconfig_set_flag(context.as_fd(), *key)
        } else {
            rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)
        };
        doing(|| format!("mount {kind} with {key}={value}"), set)?;
    }
    doing(what, rustix::mount::fsconfig_create(context.as_fd()))?;
    doing(what, rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags))
}

fn attach(mount: &OwnedFd, to: impl AsFd, path: &str) -> rustix::io::Result<()> {
    let mut flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    flags.set(MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH, path.is_empty());
    rustix::mount::move_mount(mount, "", to, path, flags)
}

fn onto(mount: &OwnedFd, place: &OwnedFd, at: &str) -> Result<()> {
    doing(|| format!("attach `{at}`"), attach(mount, place, ""))
}

fn clone_tree(source: &str, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    flags.set(OpenTreeFlags::AT_RECURSIVE, recursive);
    doing(|| format!("open `{source}`"), rustix::mount::open_tree(CWD, source, flags))
}

fn bind(building: &Building<'_>, (source, at): (&str, &str), flags: MountAttrFlags, owner: plan::Owner) -> Result<()> {
    let root = building.root;
    let tree = clone_tree(source, true)?;
    if let Some(namespace) = building.owners.map_of(owner) {
        doing(|| format!("map the owner of `{source}`"), place::map_owner(&tree, namespace, true))?;
    }
    doing(|| format!("restrict `{at}`"), place::set_attributes(&tree, flags, true))?;
    let place = match doing(|| format!("look at `{source}`"), place::kind(&tree))? {
        FileType::Directory => place::directory(root, at)?,
        // A directory's listing tells what lies beneath the mount: not a file that `find -type f` would read for ever.
        FileType::CharacterDevice => place::stand_in(root, at)?,
        _ => place::empty_file(root, at)?,
    };
    onto(&tree, &place, at)
}

fn terminals(root: &OwnedFd, max: u32) -> Result<()> {
    onto(&own_terminals(max)?, &place::directory(root, "/dev/pts")?, "/dev/pts")?;
    place::symlink(root, "/dev/ptmx", "pts/ptmx")
}

/// A detached mount of terminals that nobody else has.
fn own_terminals(max: u32) -> Result<OwnedFd> {
    let options = [("mode", "0620"), ("ptmxmode", "0666"), ("max", &max.to_string())];
    filesystem("devpts", &options, MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC)
}

/// Lays terminals that nobody else has over the cell's, in a cell that was entered; the caller's mounts are a copy by then.
///
/// # Errors
/// The kernel's error.
pub(crate) fn terminals_apart(max: u32) -> rustix::io::Result<()> {
    let terminals = own_terminals(max).map_err(|error| error.errno)?;
    attach(&terminals, CWD, "/dev/pts")
}

/// Lays something empty over a path, if it exists.
fn hide(root: &OwnedFd, at: &str) -> Result<()> {
    let Some(place) = place::existing(root, at)? else { return Ok(()) };
    let flags = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    if doing(|| format!("look at `{at}`"), place::kind(&place))? == FileType::Directory {
        let cover = tmpfs(4096, 1, 0o000)?;
        doing(|| format!("hide `{at}`"), place::set_attributes(&cover, flags, false))?;
        return onto(&cover, &place, at);
    }
    let cover = doing(
        || format!("hide `{at}`"),
        rustix::mount::open_tree(CWD, "/dev/null", OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC),
    )?;
    // A device node on a mount without devices opens for nobody.
    let closed = flags | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    doing(|| format!("hide `{at}`"), place::set_attributes(&cover, closed, false))?;
    onto(&cover, &place, at)
}

/// Makes the new root this namespace's root and lets go of the host's tree.
fn pivot(root: &OwnedFd) -> Result<()> {
    let what = || "leave the host's root".to_string();
    doing(what, rustix::process::fchdir(root))?;
    doing(what, rustix::process::pivot_root(".", "."))?;
    doing(what, rustix::mount::unmount(".", UnmountFlags::DETACH))?;
    doing(what, rustix::process::chdir("/"))?;
    let itself = doing(
        what,
        rustix::fs::openat(CWD, Path::new("/"), rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC, Mode::empty()),
    )?;
    doing(|| "seal the root".into(), place::set_attributes(&itself, MountAttrFlags::MOUNT_ATTR_RDONLY, false))
}

#[cfg(test)]
pub(crate) mod tests;
