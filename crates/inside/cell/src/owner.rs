//! User namespaces of a cell that root started: the agent's own, and those that idmapped mounts take their map from, one
//! per owner of trees. Each is made by a process that only holds it, since who enters one can no longer map another uid.
//!
//! In such a mount the owner's files are the cell's own, and what the cell
//! writes lies on the disk as the owner's again; the two ids change places, every other stays itself. The owner
//! must be on both sides of the map: an overlay makes its work files as whoever mounted it, which is root.

use crate::confine::last_error;
use plan::{Ground, Layer, Likely, Owner, Plan, Step};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};

/// The user namespaces of one launch: the agent's own, and one for each owner of trees.
#[derive(Default)]
pub(crate) struct Owners {
    /// What the agent's uid and gid are to the kernel.
    cell: (u32, u32),
    trees: Vec<((u32, u32), OwnedFd)>,
    /// With the uid and gid that it sees.
    agent: Option<((u32, u32), OwnedFd)>,
}

impl Owners {
    /// Makes what a plan needs and is not there yet: the agent's own namespace, and one for each owner whose files are
    /// not the cell's already. The caller is root in the host's user namespace; `processes` is a /proc that shows its
    /// children.
    ///
    /// # Errors
    /// The kernel's error.
    pub(crate) fn complete(&mut self, plan: &Plan, processes: BorrowedFd<'_>) -> rustix::io::Result<()> {
        if !plan.identity.privileged {
            return Ok(());
        }
        self.belong_to(crate::namespaces::kernel_ids(plan));
        if !plan.without.contains(Layer::UserNamespace) {
            self.agent((plan.identity.inside_uid, plan.identity.inside_gid), processes)?;
        }
        plan.root.iter().try_for_each(|step| match step {
            Step::Bind { owner: Owner::Agent { uid, gid }, .. }
            | Step::Overlay { owner: Owner::Agent { uid, gid }, .. } => self.tree((*uid, *gid), processes),
            _ => Ok(()),
        })
    }

    /// The same before there is a plan.
    ///
    /// # Errors
    /// The kernel's error.
    pub(crate) fn ahead(ground: &Ground, processes: BorrowedFd<'_>) -> rustix::io::Result<Owners> {
        let mut owners = Owners::default();
        if let Some(Likely { inside, host, owner }) = ground.likely {
            owners.belong_to(host);
            owners.agent(inside, processes)?;
            owners.tree(owner, processes)?;
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

    /// The agent's own namespace.
    pub(crate) fn agents(&self) -> Option<BorrowedFd<'_>> {
        self.agent.as_ref().map(|(_, namespace)| namespace.as_fd())
    }

    fn belong_to(&mut self, cell: (u32, u32)) {
        if self.cell != cell {
            *self = Owners { cell, ..Owners::default() };
        }
    }

    fn agent(&mut self, inside: (u32, u32), processes: BorrowedFd<'_>) -> rustix::io::Result<()> {
        if self.agent.as_ref().is_none_or(|(known, _)| *known != inside) {
            let line = |inside: u32, host: u32| [format!("{inside} {host} 1"), String::new()];
            let maps = [line(inside.0, self.cell.0), line(inside.1, self.cell.1)];
            self.agent = Some((inside, namespace(processes, maps)?));
        }
        Ok(())
    }

    fn tree(&mut self, owner: (u32, u32), processes: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let cell = self.cell;
        if owner != cell && self.find(owner).is_none() {
            let both = |owner, cell| [swapped(owner, cell), exchanged(owner, cell)];
            self.trees.push((owner, namespace(processes, [both(owner.0, cell.0), both(owner.1, cell.1)])?));
        }
        Ok(())
    }

    fn find(&self, owner: (u32, u32)) -> Option<BorrowedFd<'_>> {
        self.trees.iter().find(|(ids, _)| *ids == owner).map(|(_, namespace)| namespace.as_fd())
    }
}

/// A user namespace with these maps of uids and of gids, each the best and one to do with.
fn namespace(processes: BorrowedFd<'_>, [uids, gids]: [[String; 2]; 2]) -> rustix::io::Result<OwnedFd> {
    let mut stack = vec![0_u8; 16 * 1024];
    let holder = Holder::start(&mut stack)?;
    let open = |file: &str, flags| {
        rustix::fs::openat(processes, format!("{}/{file}", holder.0), flags | OFlags::CLOEXEC, Mode::empty())
    };
    let write = |file: &str, [best, other]: [String; 2]| {
        let file = open(file, OFlags::WRONLY)?;
        // In a container the ids beyond the two may not exist to be mapped: then they are nobody's, which
        // leaves what everybody may do.
        rustix::io::write(&file, best.as_bytes()).or_else(|_| rustix::io::write(&file, other.as_bytes())).map(drop)
    };
    write("uid_map", uids)?;
    write("gid_map", gids)?;
    open("ns/user", OFlags::RDONLY)
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
                std::ptr::without_provenance_mut(std::process::id() as usize),
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

/// Waits to be killed, by who made it or with him: it has his descriptors, and a plane that waits for their end.
extern "C" fn hold(maker: *mut libc::c_void) -> libc::c_int {
    // SAFETY: sets what is this process's own; no memory is touched.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: asks for a number.
    let parent = unsafe { libc::getppid() };
    // Who died before that was followed is followed now.
    while usize::try_from(parent) == Ok(maker.addr()) {
        // SAFETY: waits for nothing; no memory is touched.
        unsafe { libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0, 0) };
    }
    0
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
