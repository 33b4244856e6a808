//! The agent's process between fork and exec: each step gives something up, the filters last. Then it tries two
//! things that must be refused, and waits to be measured. It drops nothing that pid 1 owns.

use crate::confine::{self, Domain};
use crate::launch::failed;
use crate::measure::Attempts;
use crate::seccomp;
use plan::{Failure, Layer, LayerSet};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use std::ffi::CString;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// The descriptor on which the process waits; exec closes it.
pub(crate) const WAITING: i32 = 3;

/// Everything that would allocate is made before the fork.
pub(super) struct Prepared {
    pub(super) program: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
    pub(super) directory: CString,
    pub(super) domain: Option<Domain>,
    pub(super) filter: Option<Vec<libc::sock_filter>>,
    pub(super) watcher: Option<Vec<libc::sock_filter>>,
    pub(super) without: LayerSet,
    pub(super) mask: Mode,
    pub(super) limits: Vec<(u32, u64)>,
    pub(super) oom_score_adj: i16,
    /// The cell stood before: pid 1 is not its parent, and others of the cell are alive.
    pub(super) entered: bool,
}

impl Prepared {
    /// How many filters the process will have.
    pub(super) fn filters(&self) -> u32 {
        u32::from(self.filter.is_some()) + u32::from(self.watcher.is_some())
    }
}

/// The step at which the child failed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    None,
    HandOver,
    Signals,
    Stdio,
    Descriptors,
    Limits,
    Directory,
    Capabilities,
    Privileges,
    Landlock,
    Seccomp,
    Wait,
    Execute,
}

type At<T> = Result<T, (Step, Errno)>;

/// What the child says: the step that failed and its error, or what it tried.
type Word = [u8; LENGTH];

const LENGTH: usize = 17;

fn word(step: Step, errno: i32, attempts: Attempts) -> Word {
    let mut word = [step as u8; LENGTH];
    word[1..5].copy_from_slice(&errno.to_le_bytes());
    word[5..9].copy_from_slice(&attempts.signal.to_le_bytes());
    word[9..13].copy_from_slice(&attempts.write.to_le_bytes());
    word[13..17].copy_from_slice(&rustix::process::getpid().as_raw_nonzero().get().to_le_bytes());
    word
}

fn number(word: &Word, at: usize) -> i32 {
    i32::from_le_bytes([word[at], word[at + 1], word[at + 2], word[at + 3]])
}

/// In the child: becomes the agent, or says why not and ends.
pub(super) fn run(prepared: &Prepared, stdio: &[OwnedFd; 3], status: &OwnedFd) -> ! {
    let Err((step, errno)) = become_agent(prepared, stdio, status);
    let word = word(step, errno.raw_os_error(), Attempts::default());
    // SAFETY: after the first step the socket is at its new number, before it at its old one; the other then is
    // no socket of ours and the send fails. The descriptor is borrowed for these calls only.
    for socket in [unsafe { BorrowedFd::borrow_raw(WAITING) }, status.as_fd()] {
        if rustix::net::send(socket, &word, SendFlags::NOSIGNAL).is_ok() {
            break;
        }
    }
    // SAFETY: ends the child without pid 1's exit handlers.
    unsafe { libc::_exit(125) }
}

fn become_agent(prepared: &Prepared, stdio: &[OwnedFd; 3], status: &OwnedFd) -> At<std::convert::Infallible> {
    let at = |step: Step| move |errno: Errno| (step, errno);
    let off = |layer| prepared.without.contains(layer);
    default_signals().map_err(at(Step::Signals))?;
    default_personality().map_err(at(Step::Signals))?;
    if !prepared.entered {
        // Pid 1 reads this process's /proc; nothing else of the cell is alive yet.
        dumpable().map_err(at(Step::Signals))?;
    }
    let status = take_stdio(stdio, status, !off(Layer::SealedDescriptors)).map_err(at(Step::Stdio))?;
    let enter_directory = || rustix::process::chdir(prepared.directory.as_c_str()).map_err(at(Step::Directory));
    if !prepared.entered {
        enter_directory()?;
    }
    limit(prepared)?;
    rustix::process::umask(prepared.mask);
    let kept = if off(Layer::NoNewPrivileges) { SYS_ADMIN } else { 0 };
    if off(Layer::Capabilities) {
        confine::keep_capabilities().map_err(at(Step::Capabilities))?;
    } else {
        confine::set_capabilities(kept).map_err(at(Step::Capabilities))?;
    }
    if prepared.entered {
        // The agent was there before: what it closed to itself is closed.
        enter_directory()?;
    }
    if !off(Layer::NoNewPrivileges) {
        confine::no_new_privileges().map_err(at(Step::Privileges))?;
    }
    if let Some(domain) = &prepared.domain {
        domain.enter().map_err(at(Step::Landlock))?;
    }
    if prepared.entered {
        // Who is alive in a cell that is entered is in another domain by now, and reads nothing.
        dumpable().map_err(at(Step::Signals))?;
    }
    if !off(Layer::SealedDescriptors) {
        confine::close_from(WAITING as u32 + 1).map_err(at(Step::Descriptors))?;
    }
    let listener = filter(prepared).map_err(at(Step::Seccomp))?;
    if kept != 0 && !off(Layer::Capabilities) {
        confine::set_capabilities(0).map_err(at(Step::Capabilities))?;
    }
    if let Some(listener) = listener {
        hand_over(status, &listener).map_err(at(Step::Wait))?;
    }
    wait_for_release(status).map_err(at(Step::Wait))?;
    execute(&prepared.program, &prepared.arguments, &prepared.environment)
}

/// Lets who may trace this process read its /proc.
fn dumpable() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
}

/// `CAP_SYS_ADMIN`: without `no new privileges` the kernel takes filters and domains from nobody else.
const SYS_ADMIN: u64 = 1 << 21;

/// Signals as a program expects them: pid 1 blocks some, its runtime ignores SIGPIPE, and whoever started the plane
/// may have ignored any. The raw call, since the C library keeps two for itself.
fn default_signals() -> rustix::io::Result<()> {
    // The kernel's structure: handler (0 is the default), flags, restorer, mask.
    let default = [0_u64; 4];
    let mask = 0_u64;
    // SAFETY: the kernel reads structures that live for the calls, of the sizes passed; the two signals that cannot
    // be set are refused.
    unsafe {
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null::<u64>(), 8);
        }
        let set =
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, std::ptr::null::<u64>(), 8);
        if set == 0 { Ok(()) } else { Err(confine::last_error()) }
    }
}

/// No old layout of memory: what the filter refuses is not inherited either.
fn default_personality() -> rustix::io::Result<()> {
    // SAFETY: takes a plain number.
    if unsafe { libc::personality(0) } < 0 { Err(confine::last_error()) } else { Ok(()) }
}

/// Puts stdio and the socket to pid 1 where they belong. Where descriptors are not sealed, 3 may be one that was
/// inherited, so the socket stays where it is.
fn take_stdio<'a>(stdio: &[OwnedFd; 3], status: &'a OwnedFd, sealed: bool) -> rustix::io::Result<BorrowedFd<'a>> {
    rustix::process::setpgid(None, None)?;
    rustix::stdio::dup2_stdin(&stdio[0])?;
    rustix::stdio::dup2_stdout(&stdio[1])?;
    rustix::stdio::dup2_stderr(&stdio[2])?;
    if !sealed {
        return Ok(status.as_fd());
    }
    if status.as_raw_fd() != WAITING {
        // SAFETY: plain numbers. Whatever owned the number in pid 1 is not dropped here: this process ends in
        // exec or _exit.
        if unsafe { libc::dup3(status.as_raw_fd(), WAITING, libc::O_CLOEXEC) } < 0 {
            return Err(confine::last_error());
        }
    }
    // SAFETY: open from here on, until exec closes it.
    Ok(unsafe { BorrowedFd::borrow_raw(WAITING) })
}

fn limit(prepared: &Prepared) -> At<()> {
    for (resource, value) in &prepared.limits {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure lives for the call. Where it fails the limit below is refused by the kernel too.
        let known = unsafe { libc::getrlimit(*resource, &raw mut limit) } == 0;
        // One that was inherited lower stays: nobody here may raise it.
        let value = if known { (*value).min(limit.rlim_max) } else { *value };
        limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the structure lives for the call; an unknown resource is refused by the kernel.
        if unsafe { libc::setrlimit(*resource, &raw const limit) } != 0 {
            return Err((Step::Limits, confine::last_error()));
        }
    }
    if prepared.oom_score_adj != 0 && !prepared.entered {
        // A hint to the kernel, no wall; a cell without /proc goes without.
        let _ = std::fs::write("/proc/self/oom_score_adj", prepared.oom_score_adj.to_string());
    }
    if prepared.entered || prepared.without.contains(Layer::PidNamespace) {
        // Nothing but this ends it with its parent then.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .map_err(|errno| (Step::Limits, errno))?;
    }
    Ok(())
}

/// The agent's filter, then the watcher's beside it, whose listener is pid 1's.
fn filter(prepared: &Prepared) -> rustix::io::Result<Option<OwnedFd>> {
    if let Some(filter) = &prepared.filter {
        seccomp::install(filter)?;
    }
    prepared.watcher.as_deref().map(seccomp::install_watcher).transpose()
}

/// Hands the listener to pid 1, who alone is to hold it.
fn hand_over(status: BorrowedFd<'_>, listener: &OwnedFd) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let word = word(Step::HandOver, 0, Attempts::default());
    rustix::net::sendmsg(status, &[IoSlice::new(&word)], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

/// Tells what was tried, and waits for the word to go on.
fn wait_for_release(status: BorrowedFd<'_>) -> rustix::io::Result<()> {
    rustix::net::send(status, &word(Step::None, 0, attempt()), SendFlags::NOSIGNAL)?;
    let mut go = [0];
    match rustix::net::recv(status, &mut go[..], RecvFlags::empty())? {
        (_, 1) => Ok(()),
        _ => Err(Errno::PIPE),
    }
}

/// Tries what the walls must refuse.
fn attempt() -> Attempts {
    let code = |failed: bool| if failed { confine::last_error().raw_os_error() } else { 0 };
    // Pid 1 is the parent, but of who entered: that has none that it could see.
    // SAFETY: signal 0 only asks whether one may be sent.
    let signal = code(unsafe { libc::kill(libc::getppid().max(1), 0) } != 0);
    // SAFETY: the path is a C string; the descriptor is closed by exec.
    let opened = unsafe { libc::open(c"/proc/self/comm".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    let write = code(opened < 0);
    if opened >= 0 {
        // SAFETY: just opened, and nobody else's.
        unsafe { libc::close(opened) };
    }
    Attempts { signal, write }
}

fn execute(program: &CString, arguments: &[CString], environment: &[CString]) -> At<std::convert::Infallible> {
    let pointers =
        |list: &[CString]| list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end in a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Err((Step::Execute, confine::last_error()))
}

/// In its parent: waits until the child is confined; what it tried, its number in the cell, and the listener of its
/// watcher.
pub(super) fn wait(status: &OwnedFd) -> Result<(Attempts, i32, Option<OwnedFd>), Failure> {
    let mut listener = None;
    loop {
        let mut word: Word = [0; LENGTH];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut word)];
        let got = rustix::net::recvmsg(status, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            .map_err(|errno| failed("wait for the agent's process", errno))?
            .bytes;
        if got == word.len() && word[0] == Step::None as u8 {
            let attempts = Attempts { signal: number(&word, 5), write: number(&word, 9) };
            return Ok((attempts, number(&word, 13), listener));
        }
        if got != word.len() || word[0] != Step::HandOver as u8 {
            return Err(refused(&word));
        }
        listener = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
            _ => None,
        });
    }
}

/// Lets the child go on to its exec.
pub(super) fn release(status: &OwnedFd) -> rustix::io::Result<()> {
    rustix::net::send(status, &[1], SendFlags::NOSIGNAL).map(drop)
}

/// After its release: none where exec closed the socket, else why there was no exec.
pub(super) fn outcome(status: &OwnedFd) -> Option<Failure> {
    let mut word: Word = [0; LENGTH];
    match rustix::net::recv(status, &mut word[..], RecvFlags::empty()) {
        Ok((_, LENGTH)) => Some(refused(&word)),
        _ => None,
    }
}

fn refused(word: &Word) -> Failure {
    let errno = number(word, 1);
    let errno = Errno::from_raw_os_error(if errno == 0 { libc::EIO } else { errno });
    let named = |layer: Layer| super::layer(layer, "confine the agent", errno);
    let is = |step: Step| word[0] == step as u8;
    let layers = [
        (Step::Stdio, Layer::RelayedStdio),
        (Step::Descriptors, Layer::SealedDescriptors),
        (Step::Capabilities, Layer::Capabilities),
        (Step::Privileges, Layer::NoNewPrivileges),
        (Step::Landlock, Layer::Landlock),
        (Step::Seccomp, Layer::Seccomp),
    ];
    if let Some((_, layer)) = layers.into_iter().find(|(step, _)| is(*step)) {
        return named(layer);
    }
    if is(Step::Execute) {
        let exit = if errno == Errno::NOENT { 127 } else { 126 };
        return Failure { exit, ..failed("execute the command", errno) };
    }
    let others = [
        (Step::Limits, "lower the resource limits"),
        (Step::Directory, "enter the working directory"),
        (Step::Signals, "reset the signals and the personality"),
    ];
    let doing = others.into_iter().find(|(step, _)| is(*step)).map_or("start the agent's process", |(_, doing)| doing);
    failed(doing, errno)
}
