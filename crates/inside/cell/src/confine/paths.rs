//! Landlock: what the plan grants beneath paths inside, and nothing else, at the highest ABI there is.

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope,
};
use plan::{Access, PathRule};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};

/// The lowest ABI under which a cell may start: scopes of signals and abstract sockets. What an older
/// kernel lacks is a missing boundary, which the operator accepts by name or not at all.
const REQUIRED: ABI = ABI::V6;
/// The highest that this build knows; rights beyond the kernel's are left out.
const HIGHEST: ABI = ABI::V10;

/// Where audit is on, refusals of every program that the agent starts are told, and none of ours: what is tried before
/// the agent's first program, to measure the walls, is nobody's doing (`LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF` and
/// `…_LOG_NEW_EXEC_ON`, ABI 7).
const TELL_OF_THE_AGENTS_PROGRAMS: u32 = 1 | 1 << 1;

/// A ruleset that was built and waits to bind the calling thread.
pub(crate) struct Domain {
    ruleset: OwnedFd,
    flags: u32,
}

/// Landlock could not be built as the plan says.
#[derive(Debug)]
pub(crate) enum DomainError {
    /// The kernel has no Landlock.
    Missing,
    /// It refused.
    Refused(RulesetError),
}

impl std::fmt::Display for DomainError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DomainError::Missing => formatter.write_str("the kernel has no Landlock"),
            DomainError::Refused(error) => error.fmt(formatter),
        }
    }
}

impl<E> From<E> for DomainError
where
    RulesetError: From<E>,
{
    fn from(error: E) -> DomainError {
        DomainError::Refused(RulesetError::from(error))
    }
}

/// A ruleset that grows.
pub(crate) struct Rules {
    created: RulesetCreated,
    root: OwnedFd,
    /// Of what was not there.
    missed: Vec<PathRule>,
}

impl Rules {
    /// One that grants nothing yet, for paths in the root that lies at `place`, or the calling thread's. With `listable`,
    /// every directory can be listed (not read from): in a private root all that exists was named.
    ///
    /// # Errors
    /// When the kernel lacks the required ABI.
    pub(crate) fn begin(place: Option<BorrowedFd<'_>>, listable: bool) -> Result<Rules, DomainError> {
        let created = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(REQUIRED))?
            .scope(Scope::from_all(REQUIRED))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(HIGHEST))?
            .create()?;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let root = match place {
            Some(place) => rustix::io::fcntl_dupfd_cloexec(place, 3),
            None => rustix::fs::open("/", flags, Mode::empty()),
        };
        let root = root.map_err(|_| DomainError::Missing)?;
        let mut rules = Rules { created, root, missed: Vec::new() };
        if listable {
            let root = rustix::io::fcntl_dupfd_cloexec(&rules.root, 3).map_err(|_| DomainError::Missing)?;
            (&mut rules.created).add_rule(PathBeneath::new(root, AccessFs::ReadDir))?;
        }
        Ok(rules)
    }

    /// Grants more; paths that do not exist grant nothing.
    ///
    /// # Errors
    /// When the kernel refuses a rule.
    pub(crate) fn add(&mut self, rules: &[PathRule]) -> Result<(), DomainError> {
        for rule in rules {
            let (flags, within) = (OFlags::PATH | OFlags::CLOEXEC, ResolveFlags::IN_ROOT);
            match rustix::fs::openat2(&self.root, &rule.at, flags, Mode::empty(), within) {
                Ok(beneath) => {
                    (&mut self.created).add_rule(PathBeneath::new(beneath, granted(rule.access)))?;
                }
                Err(_) => self.missed.push(rule.clone()),
            }
        }
        Ok(())
    }

    /// Grants what was not there before, now that all of the root is.
    ///
    /// # Errors
    /// As [`Rules::add`].
    pub(crate) fn add_missed(&mut self) -> Result<(), DomainError> {
        let missed = std::mem::take(&mut self.missed);
        self.add(&missed)
    }

    /// The whole.
    ///
    /// # Errors
    /// When the kernel has no Landlock.
    pub(crate) fn domain(self) -> Result<Domain, DomainError> {
        let ruleset: Option<OwnedFd> = self.created.into();
        let ruleset = ruleset.ok_or(DomainError::Missing)?;
        // Out of the way of the low numbers, which the agent's process fills.
        let ruleset = rustix::io::fcntl_dupfd_cloexec(ruleset, 16).map_err(|_| DomainError::Missing)?;
        Ok(Domain::of(ruleset))
    }
}

impl Domain {
    /// One that was built before.
    pub(crate) fn of(ruleset: OwnedFd) -> Domain {
        Domain { ruleset, flags: if abi() >= 7 { TELL_OF_THE_AGENTS_PROGRAMS } else { 0 } }
    }

    /// The ruleset, to be handed to who enters the cell: the very one that binds the agent, since paths may have come to
    /// mean something else.
    pub(crate) fn ruleset(&self) -> BorrowedFd<'_> {
        self.ruleset.as_fd()
    }

    /// Binds the calling thread and all that it will start. Allocates nothing and keeps the descriptor.
    ///
    /// # Errors
    /// The kernel's, or when `no new privileges` was not set before by a caller without CAP_SYS_ADMIN.
    pub(crate) fn enter(&self) -> rustix::io::Result<()> {
        // SAFETY: takes a descriptor, which is open, and flags.
        let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.ruleset.as_raw_fd(), self.flags) };
        if result == 0 { Ok(()) } else { Err(super::last_error()) }
    }
}

/// The ABI that the kernel has; 0 without Landlock.
pub(crate) fn abi() -> u32 {
    const VERSION: libc::c_int = 1;
    // SAFETY: with this flag the call takes no ruleset and only returns a number.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    u32::try_from(answer).unwrap_or(0)
}

fn granted(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::Read => read,
        Access::Execute => read | AccessFs::Execute,
        Access::System => read | AccessFs::Execute | AccessFs::Truncate,
        // Everything but making device nodes, which no agent needs and no mount here would honour.
        Access::Write => AccessFs::from_all(HIGHEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev),
        Access::Device => read | AccessFs::WriteFile | AccessFs::IoctlDev,
    }
}
