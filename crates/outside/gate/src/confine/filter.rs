//! The system calls that a running gate makes, and why. All others are refused with `EPERM`; a call of another
//! architecture ends the process.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// The filter cannot be built or installed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It cannot be compiled.
    #[error("{0}")]
    Compile(#[from] seccompiler::BackendError),
    /// The kernel did not take it.
    #[error("{0}")]
    Install(#[from] seccompiler::Error),
}

/// Calls that are harmless with any argument, given the descriptors that a gate holds.
const PLAIN: &[i64] = &[
    // The segment, and the answer to the plane; TLS. Not pwrite64, pwritev, pwritev2: only appending.
    libc::SYS_write,
    libc::SYS_writev,
    // The channel, what left in drops over all cells of a tree, and the wake-up of tokio's loop.
    libc::SYS_read,
    libc::SYS_close,
    // Connections and datagrams. No bind: nobody reaches the gate. No sendmsg and no recvmsg: no descriptor leaves or comes.
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    // Tokio's loop.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_restart_syscall,
    // The allocator, without memory that can be executed: see `install`.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Keys of hash tables and ids of DNS queries.
    libc::SYS_getrandom,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    // The end of a gate that aborts, and that one thing in `rules`. Where these failed, `abort` would come to an instruction
    // that faults, and Rust's handler, which could not take itself away, would return to it for ever.
    libc::SYS_rt_sigaction,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Compiles the filter.
pub(super) fn compile() -> Result<BpfProgram, FilterError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(
        rules()?,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        architecture,
    )?;
    Ok(filter.try_into()?)
}

/// Installs it on the calling thread.
pub(super) fn install(program: &BpfProgram) -> Result<(), FilterError> {
    Ok(seccompiler::apply_filter(program)?)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = PLAIN.iter().map(|&call| (call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_epoll_wait, Vec::new());
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![SeccompRule::new(vec![masked(2, libc::PROT_EXEC, 0)?])?]);
    }
    // Reading a descriptor's flags, as libraries do when they check themselves; setting them (F_SETFL) stays refused.
    let reads = [libc::F_GETFD, libc::F_GETFL].map(|command| SeccompRule::new(vec![equal(1, command)?]));
    rules.insert(libc::SYS_fcntl, reads.into_iter().collect::<Result<_, _>>()?);
    let mut sockets = Vec::new();
    for (family, kind) in [libc::AF_INET, libc::AF_INET6]
        .into_iter()
        .flat_map(|family| [libc::SOCK_STREAM, libc::SOCK_DGRAM].map(|kind| (family, kind)))
    {
        // The flags (close-on-exec, non-blocking) lie above the kind; protocol 0 leaves out MPTCP, UDP-Lite and SCTP.
        let whole = [equal(0, family)?, masked(1, 0xf, kind)?, equal(2, 0)?];
        sockets.push(SeccompRule::new(whole.to_vec())?);
    }
    rules.insert(libc::SYS_socket, sockets);
    // To itself alone. It is compiled by the process that it confines.
    let itself = i32::try_from(std::process::id()).unwrap_or_default();
    let aborts = SeccompRule::new(vec![equal(0, itself)?, equal(2, libc::SIGABRT)?])?;
    rules.insert(libc::SYS_tgkill, vec![aborts]);
    Ok(rules)
}

fn equal(argument: u8, value: i32) -> Result<SeccompCondition, seccompiler::BackendError> {
    let value = u64::from(value.unsigned_abs());
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: i32, value: i32) -> Result<SeccompCondition, seccompiler::BackendError> {
    let (mask, value) = (u64::from(mask.unsigned_abs()), u64::from(value.unsigned_abs()));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}
