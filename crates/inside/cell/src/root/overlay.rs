//! Trees seen through an overlay: copy-on-write where there is a place for changes, else read-only.

use super::{Result, clone_tree, doing, filesystem, place, tmpfs};
use crate::owner::Owners;
use plan::Owner;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::mount::MountAttrFlags;

/// A detached overlay over `source`, and the trees that it was made of: to let go of one makes the kernel wait, so the
/// caller does that when nobody waits for it. The second, empty lower is what the kernel demands of an overlay without an
/// upper. Upper and work must lie in one mount, so the directory that holds both is mapped.
pub(super) fn make(
    source: &str,
    changes: Option<&str>,
    owner: Owner,
    owners: &Owners,
) -> Result<(OwnedFd, Vec<OwnedFd>)> {
    let mapped = |path: &str| -> Result<Option<OwnedFd>> {
        let Some(namespace) = owners.map_of(owner) else { return Ok(None) };
        let tree = clone_tree(path, false)?;
        doing(|| format!("map the owner of `{path}`"), place::map_owner(&tree, namespace, false))?;
        Ok(Some(tree))
    };
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let lower_tree = mapped(source)?;
    let lower = named(lower_tree.as_ref(), source);
    if let Some(changes) = changes {
        let changes_tree = mapped(changes)?;
        let changes = named(changes_tree.as_ref(), changes);
        let (upper, work) = (format!("{changes}/upper"), format!("{changes}/work"));
        // Without `volatile` the end of the cell writes the host's whole filesystem out, and waits for it. No overlay is
        // ever made twice over one upper, which a volatile one would refuse; a merge syncs what it copies itself.
        let options =
            [("userxattr", ""), ("volatile", ""), ("lowerdir+", &lower), ("upperdir", &upper), ("workdir", &work)];
        let made = filesystem("overlay", &options, flags)?;
        return Ok((made, lower_tree.into_iter().chain(changes_tree).collect()));
    }
    let empty_tree = tmpfs(4096, 2, 0o755)?;
    let empty = named(Some(&empty_tree), "");
    let options = [("userxattr", ""), ("lowerdir+", &lower), ("lowerdir+", &empty)];
    let made = filesystem("overlay", &options, flags | MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    Ok((made, lower_tree.into_iter().chain([empty_tree]).collect()))
}

/// A detached tree has no path of its own: it is named by descriptor.
fn named(tree: Option<&OwnedFd>, path: &str) -> String {
    tree.map_or_else(|| path.into(), |tree| format!("/proc/self/fd/{}", tree.as_raw_fd()))
}
