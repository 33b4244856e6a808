//! The ground that most sessions of an operator stand on: the first part of a root, which is the same whatever is run and
//! wherever. A cell that waits has made it already. Whether it is still what a session needs is not assumed: the session's
//! own root is laid out as ever, and must begin with the same steps, from the same files and directories, on a host
//! whose mounts have not changed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use plan::{Content, Ground, Likely, Plan, Step};
use policy::Policy;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::command::Problem;

use super::layout::{Layout, Named, Seen};
use super::paths::Paths;
use super::{identity, system};

/// What a policy lets be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reads<'a> {
    pub(super) policy: &'a Policy,
    pub(super) home: &'a Path,
    /// Paths that the operator named, rather than a blueprint.
    pub(super) expressly: &'a [PathBuf],
}

impl<'a> Reads<'a> {
    /// What lies under the home, which comes in when the private one stands.
    pub(super) fn under_home(self, layout: &mut Layout) -> Result<(), Problem> {
        self.come_in(layout, true)
    }

    fn come_in(self, layout: &mut Layout, under_home: bool) -> Result<(), Problem> {
        let beneath = |path: &Path| path.starts_with(self.home) && self.home != Path::new("/");
        for path in self.paths().filter(|path| beneath(path) == under_home) {
            let expressly = self.expressly.iter().any(|named| named == path);
            layout.read(path, if expressly { Named::Expressly } else { Named::Generally })?;
        }
        Ok(())
    }

    fn paths(self) -> impl Iterator<Item = &'a Path> {
        self.policy.files.read.iter().map(|path| Path::new(path.as_str()))
    }
}

/// Lays it out; `beside` are paths that come in later.
pub(super) fn lay<'a>(
    layout: &mut Layout,
    reads: Reads<'a>,
    beside: impl Iterator<Item = &'a Path>,
) -> Result<(), Problem> {
    let there = reads.paths().filter(|path| system::shares(path) && path.symlink_metadata().is_ok());
    let all: Vec<&Path> = beside.chain(there).chain([reads.home]).collect();
    system::kernel(layout, reads.policy.limits.memory, &all);
    reads.come_in(layout, false)
}

/// Ground as it was laid for a cell that waits.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) ground: Ground,
    seen: Vec<Seen>,
    mounts: Mounts,
}

impl Laid {
    /// That of sessions under a policy, with this home; `cell` is the kernel's uid of what runs there, where the plane is
    /// root.
    ///
    /// # Errors
    /// When the mounts cannot be watched, or the policy's paths cannot come in.
    pub(super) fn out(policy: &Policy, home: &Path, cell: Option<u32>) -> Result<Laid, Problem> {
        // First: what is mounted from here on is seen.
        let mounts = Mounts::watch().map_err(super::early::unstarted)?;
        let paths = Paths::default();
        let mut layout = Layout::new(paths.clone(), cell.is_some(), false);
        let hide = policy.files.hide.iter().map(|path| Path::new(path.as_str()));
        layout.hidden = hide.flat_map(|path| paths.names(path)).collect();
        lay(&mut layout, Reads { policy, home, expressly: &[] }, std::iter::empty())?;
        let inside = identity::inside();
        let likely = cell.map(|cell| Likely { inside, host: (cell, cell), owner: (0, 0) });
        let Layout { steps, rules, seen, .. } = layout;
        Ok(Laid { ground: Ground { steps, rules, join: Vec::new(), likely }, seen, mounts })
    }

    /// What its small files hold.
    pub(super) fn contents(&self) -> Vec<Content> {
        let content = |step: &Step| if let Step::File { content, .. } = step { Some(content.clone()) } else { None };
        self.ground.steps.iter().filter_map(content).collect()
    }

    /// Leaves what stands already out of a plan that was laid out from what was `seen`; false where the plan cannot stand
    /// on it.
    pub(super) fn serves(&self, plan: &mut Plan, seen: &[Seen]) -> bool {
        seen.starts_with(&self.seen) && !self.mounts.changed() && self.ground.leave_out_of(plan)
    }
}

impl AsFd for Laid {
    /// Where a change of the mounts is heard, as something urgent.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mounts.0.as_fd()
    }
}

/// The mounts of this process's namespace, from now on.
#[derive(Debug)]
struct Mounts(File);

impl Mounts {
    fn watch() -> io::Result<Mounts> {
        File::open("/proc/self/mountinfo").map(Mounts)
    }

    /// Whether something was mounted, moved or taken down since. What cannot be told has changed.
    fn changed(&self) -> bool {
        let mut heard = [PollFd::new(&self.0, PollFlags::PRI)];
        !matches!(poll(&mut heard, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
    }
}
