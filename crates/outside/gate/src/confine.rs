//! The gate's own walls. It parses what a hostile cell sends, so that whoever takes it over must find nothing: no
//! file, no program, no other process, no new kind of socket. Built once, whole or not at all.

mod filter;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use seccompiler::BpfProgram;

/// The newest Landlock that is asked for; a kernel that knows less gives what it has.
const NEWEST: ABI = ABI::V10;
/// Bytes of data before connections are counted: bodies that are looked at whole, and what is read of them.
const MEMORY: u64 = 320 << 20;
/// Bytes of data that one connection may come to.
const MEMORY_EACH: u64 = 192 << 10;

/// A wall that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// A resource limit, the dumpable flag or no-new-privileges.
    #[error("{0}: {1}")]
    Kernel(&'static str, rustix::io::Errno),
    /// Landlock.
    #[error("landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// The kernel has no Landlock, or has it switched off.
    #[error("landlock: this kernel enforces none of it")]
    NoLandlock,
    /// The system call filter.
    #[error("seccomp: {0}")]
    Seccomp(#[from] filter::FilterError),
    /// The second thread did not come to confine itself.
    #[error("the second thread ended before it was confined")]
    NoThread,
}

/// What can be made of the walls before they are built.
#[derive(Debug)]
pub struct Prepared(BpfProgram);

/// Compiles what takes a while.
///
/// # Errors
/// When the filter cannot be compiled.
pub fn prepare() -> Result<Prepared, ConfineError> {
    Ok(Prepared(filter::compile()?))
}

/// Confines the process and the calling thread for good; every other thread must have [confined itself](confine_thread).
/// Whatever is needed must be open.
///
/// # Errors
/// The first [`ConfineError`]. The process is then half confined and must end.
pub fn confine(prepared: &Prepared, descriptors: u64, connections: u64) -> Result<(), ConfineError> {
    lower("limit of descriptors", Resource::Nofile, descriptors)?;
    // Of 0 a host that hands dumps to a program takes no notice.
    lower("limit of core dumps", Resource::Core, 1)?;
    lower("limit of memory", Resource::Data, MEMORY + MEMORY_EACH * connections)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|errno| ConfineError::Kernel("dumpable", errno))?;
    confine_thread(prepared)
}

/// Confines the calling thread for good: what holds for each thread by itself.
///
/// # Errors
/// The first [`ConfineError`]. The process must then end.
pub fn confine_thread(prepared: &Prepared) -> Result<(), ConfineError> {
    rustix::thread::set_no_new_privs(true).map_err(|errno| ConfineError::Kernel("no-new-privileges", errno))?;
    landlock()?;
    Ok(filter::install(&prepared.0)?)
}

/// How many descriptors this process may hold at most.
#[must_use]
pub fn ceiling() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Lowers a limit and its ceiling; one that is lower already stays.
fn lower(what: &'static str, resource: Resource, to: u64) -> Result<(), ConfineError> {
    let least = getrlimit(resource).maximum.map_or(to, |maximum| maximum.min(to));
    let limit = Rlimit { current: Some(least), maximum: Some(least) };
    setrlimit(resource, limit).map_err(|errno| ConfineError::Kernel(what, errno))
}

/// No right to any file, and none to bind a TCP port; that no socket listens or is bound at all is the filter's part.
/// Connecting stays open, since that is the gate's work.
fn landlock() -> Result<(), ConfineError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(ConfineError::NoLandlock),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}
