//! Whose files a tree holds: user namespaces that idmapped mounts take their map from, one per owner.
//!
//! Only for a cell that root started. In such a mount the owner's files are the cell's own, and what the cell
//! writes lies on the disk as the owner's again; the two ids change places, every other stays itself. The owner
//! must be on both sides of the map: an overlay makes its work files as whoever mounted it, which is root.

use crate::confine::last_error;
use plan::{Owner, Plan, Step};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};

/// The user namespaces of one launch, by owner.
#[derive(Default)]
pub(crate) struct Owners(Vec<((u32, u32), OwnedFd)>);

impl Owners {
    /// Makes a namespace for each owner of the plan whose files are not the cell's already. The caller is root in
    /// the host's user namespace and still in the host's pid namespace.
    ///
    /// # Errors
    /// The kernel's error.
    pub(crate) fn of(plan: &Plan) -> rustix::io::Result<Owners> {
        let mut owners = Owners::default();
        if !plan.identity.privileged {
            return Ok(owners);
        }
        let cell = crate::namespaces::kernel_ids(plan);
        for step in &plan.root {
            if let Step::Bind { owner: Owner::Agent { uid, gid }, .. }
            | Step::Overlay { owner: Owner::Agent { uid, gid }, .. } = step
                && (*uid, *gid) != cell
                && owners.find((*uid, *gid)).is_none()
            {
                owners.0.push(((*uid, *gid), namespace((*uid, *gid), cell)?));
            }
        }
        Ok(owners)
    }

    /// The namespace to map this owner's trees with; none where they are seen as they are.
    pub(crate) fn map_of(&self, owner: Owner) -> Option<BorrowedFd<'_>> {
        match owner {
            Owner::Everybody => None,
            Owner::Agent { uid, gid } => self.find((uid, gid)),
        }
    }

    fn find(&self, owner: (u32, u32)) -> Option<BorrowedFd<'_>> {
        self.0.iter().find(|(ids, _)| *ids == owner).map(|(_, namespace)| namespace.as_fd())
    }
}

/// A user namespace in which `owner` on the disk is `cell` to the kernel, and the other way round.
fn namespace(owner: (u32, u32), cell: (u32, u32)) -> rustix::io::Result<OwnedFd> {
    let mut stack = vec![0_u8; 16 * 1024];
    let holder = Holder::start(&mut stack)?;
    let write = |file: &str, maps: [String; 2]| {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(format!("/proc/{}/{file}", holder.0), flags, Mode::empty())?;
        let [whole, pair] = maps;
        // In a container the ids beyond the two may not exist to be mapped: then they are nobody's, which
        // leaves what everybody may do.
        rustix::io::write(&file, whole.as_bytes()).or_else(|_| rustix::io::write(&file, pair.as_bytes())).map(drop)
    };
    write("uid_map", [swapped(owner.0, cell.0), exchanged(owner.0, cell.0)])?;
    write("gid_map", [swapped(owner.1, cell.1), exchanged(owner.1, cell.1)])?;
    rustix::fs::open(format!("/proc/{}/ns/user", holder.0), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The map of all ids in which two change places.
fn swapped(one: u32, other: u32) -> String {
    let (low, high) = (one.min(other), one.max(other));
    // The highest id is the kernel's "nobody at all".
    let ranges = [
        (0, 0, low),
        (low, high, 1),
        (low + 1, low + 1, (high - low).saturating_sub(1)),
        (high, low, u32::from(high != low)),
        (high.saturating_add(1), high.saturating_add(1), (u32::MAX - 1).saturating_sub(high)),
    ];
    let lines = ranges.iter().filter(|(_, _, count)| *count > 0);
    lines.map(|(inside, outside, count)| format!("{inside} {outside} {count}\n")).collect()
}

/// The map of the two alone.
fn exchanged(one: u32, other: u32) -> String {
    if one == other { format!("{one} {one} 1\n") } else { format!("{one} {other} 1\n{other} {one} 1\n") }
}

/// A process that holds a user namespace open while its maps are written.
struct Holder(libc::pid_t);

impl Holder {
    fn start(stack: &mut [u8]) -> rustix::io::Result<Holder> {
        let top = stack.as_mut_ptr_range().end;
        let top = top.wrapping_sub(top as usize % 16);
        // SAFETY: the child shares our memory (copying it would cost more than the namespace), but runs `hold`
        // alone, on a stack of its own that outlives it: `Drop` waits for its end before the caller's buffer goes.
        let pid = unsafe {
            libc::clone(
                hold,
                top.cast(),
                libc::CLONE_VM | libc::CLONE_NEWUSER | libc::CLONE_UNTRACED,
                std::ptr::null_mut(),
            )
        };
        if pid > 0 { Ok(Holder(pid)) } else { Err(last_error()) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // SAFETY: the child is ours and not waited for yet, so its pid is still its own.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), libc::__WALL);
        }
    }
}

extern "C" fn hold(_: *mut libc::c_void) -> libc::c_int {
    loop {
        // SAFETY: waits for nothing; no memory is touched.
        unsafe { libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0, 0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_change_places_and_the_rest_stays() {
        assert_eq!(swapped(0, 9), "0 9 1\n1 1 8\n9 0 1\n10 10 4294967285\n");
        assert_eq!(swapped(1000, 1001), "0 0 1000\n1000 1001 1\n1001 1000 1\n1002 1002 4294966293\n");
        assert_eq!(exchanged(0, 9), "0 9 1\n9 0 1\n");
    }
}
