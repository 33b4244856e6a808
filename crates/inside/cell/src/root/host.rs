//! The host's tree as it is, for a cell whose private root was switched off by name: only the workspace's and
//! other overlays, the cell's own /proc and files that exist (resolv.conf leads to the door) are laid over it.

use super::{Result, RootError, attach, clone_tree, doing, filesystem, overlay, place, tmpfs};
use crate::owner::Owners;
use plan::{Layer, LayerSet, Plan, Step};
use rustix::fd::OwnedFd;
use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

/// Lays over the host's tree what the plan changes in it; gives what overlays were made of.
pub(super) fn keep(plan: &Plan, owners: &Owners, processes: &OwnedFd) -> Result<Vec<OwnedFd>> {
    let mut parts = Vec::new();
    // Files are built in a tmpfs that nobody sees, attached where nothing is named from, and bound one by one.
    let shelf = tmpfs(16 << 20, 4096, 0o755)?;
    doing(|| "attach the shelf".into(), attach(&shelf, CWD, "/sys"))?;
    for step in &plan.root {
        match step {
            Step::Overlay { source, at, changes, owner }
                if changes.is_some() || !plan.without.contains(Layer::SocketShadow) =>
            {
                let (mount, made_of) = overlay::make(source, changes.as_deref(), *owner, owners)?;
                parts.extend(made_of);
                over(&mount, at)?;
            }
            Step::File { at, content, mode } if std::path::Path::new(at).is_file() => {
                place::file(&shelf, at, content, *mode)?;
                over(&clone_tree(&format!("/sys{at}"), false)?, at)?;
            }
            _ => {}
        }
    }
    let _ = rustix::mount::unmount("/sys", rustix::mount::UnmountFlags::DETACH);
    over(processes, "/proc")?;
    Ok(parts)
}

/// Attaches over a path of the host; one that does not exist is left out.
fn over(mount: &OwnedFd, at: &str) -> Result<()> {
    match attach(mount, CWD, at) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(RootError { doing: format!("attach `{at}`"), errno }),
    }
}

/// A detached /proc of the cell's own pid namespace, or the host's where that namespace is the host's.
pub(super) fn processes(without: LayerSet) -> Result<OwnedFd> {
    if without.contains(Layer::PidNamespace) {
        return clone_tree("/proc", true);
    }
    let flags =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    filesystem("proc", &[], flags)
}
