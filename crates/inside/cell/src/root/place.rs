//! Places in the new root, reached beneath it and never through a symbolic link.

use super::{Result, doing};
use crate::confine::last_error;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

/// The directory at `at`, made with its parents where missing.
pub(super) fn directory(root: &OwnedFd, at: &str) -> Result<OwnedFd> {
    doing(|| format!("make the directory `{at}`"), directory_beneath(root, at))
}

fn directory_beneath(root: &OwnedFd, at: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let relative = relative(at);
    match beneath(root, relative, flags) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let mut place = beneath(root, ".", flags)?;
    for name in relative.split('/').filter(|name| !name.is_empty()) {
        match rustix::fs::mkdirat(&place, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        place = beneath(&place, name, flags)?;
    }
    Ok(place)
}

/// What lies at `at`, if anything does.
pub(super) fn existing(root: &OwnedFd, at: &str) -> Result<Option<OwnedFd>> {
    match beneath(root, relative(at), OFlags::PATH | OFlags::NOFOLLOW) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => doing(|| format!("look at `{at}`"), Err(errno)),
    }
}

/// An empty file to mount over; an existing one serves.
pub(super) fn empty_file(root: &OwnedFd, at: &str) -> Result<OwnedFd> {
    if let Some(place) = existing(root, at)? {
        return Ok(place);
    }
    file(root, at, b"", 0o644)?;
    doing(|| format!("open `{at}`"), beneath(root, relative(at), OFlags::PATH | OFlags::NOFOLLOW))
}

/// Something to mount a device over that no listing takes for a file; an existing thing serves.
pub(super) fn stand_in(root: &OwnedFd, at: &str) -> Result<OwnedFd> {
    if let Some(place) = existing(root, at)? {
        return Ok(place);
    }
    let (parent, name) = split(at);
    let parent = directory(root, parent)?;
    let made = rustix::fs::mknodat(&parent, name, FileType::Socket, Mode::from_raw_mode(0o600), 0);
    doing(|| format!("make `{at}`"), made)?;
    doing(|| format!("open `{at}`"), beneath(root, relative(at), OFlags::PATH | OFlags::NOFOLLOW))
}

/// A new file with this content.
pub(super) fn file(root: &OwnedFd, at: &str, content: &[u8], mode: u32) -> Result<()> {
    let (parent, name) = split(at);
    let parent = directory(root, parent)?;
    doing(|| format!("write `{at}`"), write_new(&parent, name, content, mode))
}

fn write_new(parent: &OwnedFd, name: &str, content: &[u8], mode: u32) -> rustix::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(mode))?;
    let mut rest = content;
    while !rest.is_empty() {
        rest = &rest[rustix::io::write(&file, rest)?..];
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
}

/// A symbolic link; one that leads there already serves, as an earlier session leaves it in the kept home.
pub(super) fn symlink(root: &OwnedFd, at: &str, target: &str) -> Result<()> {
    let (parent, name) = split(at);
    let parent = directory(root, parent)?;
    let made = match rustix::fs::symlinkat(target, &parent, name) {
        Err(Errno::EXIST) if leads_to(&parent, name, target) => Ok(()),
        other => other,
    };
    doing(|| format!("link `{at}`"), made)
}

/// Whether a name is a link with these very words.
fn leads_to(parent: &OwnedFd, name: &str, target: &str) -> bool {
    rustix::fs::readlinkat(parent, name, Vec::new()).is_ok_and(|words| words.as_bytes() == target.as_bytes())
}

/// Sets permission bits of a place that was opened by path only.
pub(super) fn set_mode(place: &OwnedFd, mode: u32) -> rustix::io::Result<()> {
    let here = beneath(place, ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
    rustix::fs::fchmod(&here, Mode::from_raw_mode(mode))
}

/// What the descriptor is.
pub(super) fn kind(place: &OwnedFd) -> rustix::io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(place)?.st_mode))
}

/// Sets mount attributes on a mount, with every mount beneath it if `recursive`.
pub(super) fn set_attributes(mount: &OwnedFd, flags: MountAttrFlags, recursive: bool) -> rustix::io::Result<()> {
    let attr_set = u64::from(flags.bits());
    set(mount, libc::mount_attr { attr_set, attr_clr: 0, propagation: libc::MS_PRIVATE, userns_fd: 0 }, recursive)
}

/// Maps the owner of a detached tree, with its submounts if `recursive`; `EINVAL` where the filesystem knows no
/// idmapped mounts.
pub(super) fn map_owner(tree: &OwnedFd, namespace: BorrowedFd<'_>, recursive: bool) -> rustix::io::Result<()> {
    let userns_fd = namespace.as_raw_fd() as u64;
    set(tree, libc::mount_attr { attr_set: libc::MOUNT_ATTR_IDMAP, attr_clr: 0, propagation: 0, userns_fd }, recursive)
}

fn set(mount: &OwnedFd, attributes: libc::mount_attr, recursive: bool) -> rustix::io::Result<()> {
    let at = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: neither libc nor rustix wraps mount_setattr; the path is a C string, the structure lives for
    // the call and its size is the one passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            at,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

fn beneath(root: &OwnedFd, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

fn relative(at: &str) -> &str {
    let path = at.trim_start_matches('/');
    if path.is_empty() { "." } else { path }
}

fn split(at: &str) -> (&str, &str) {
    at.rsplit_once('/').unwrap_or(("", at))
}
