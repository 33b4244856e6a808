//! A system call that the kernel holds until pid 1 answers, and the process that made it.

use crate::confine::last_error;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// `_IOWR('!', 0, struct seccomp_notif)`.
const RECEIVE: u64 = 0xc050_2100;
/// `_IOWR('!', 1, struct seccomp_notif_resp)`.
const SEND: u64 = 0xc018_2101;
/// `_IOW('!', 2, __u64)`.
const ID_VALID: u64 = 0x4008_2102;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;
/// `PIDFD_THREAD`: a pidfd of one thread, whose descriptors may be its own (Linux 6.9).
const PIDFD_THREAD: libc::c_uint = libc::O_EXCL as libc::c_uint;
/// `_IOWR(0xff, 11, struct pidfd_info)` at its first size (Linux 6.13).
const PIDFD_INFO: u64 = 0xc040_ff0b;

/// The kernel's `struct seccomp_notif`, with room for one that has grown.
#[repr(C, align(8))]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    architecture: u32,
    pointer: u64,
    arguments: [u64; 6],
    growth: [u64; 8],
}

/// A held call.
pub(super) struct Call {
    /// Which notification: what an answer names.
    pub(super) id: u64,
    /// The thread that made it.
    pub(super) thread: u32,
    /// The system call's number.
    pub(super) number: i32,
    /// Its arguments.
    pub(super) arguments: [u64; 6],
}

impl Call {
    /// Takes the next held call. After poll said that there is one, this does not block: a call whose process was
    /// killed meanwhile leaves `ENOENT` behind.
    pub(super) fn receive(listener: BorrowedFd<'_>) -> rustix::io::Result<Call> {
        // SAFETY: all zeroes is a valid value of plain numbers, and what the kernel demands.
        let mut held: Notification = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes its structure, which is no longer than ours, into memory that lives for the call.
        let result = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE as _, &raw mut held) };
        if result != 0 {
            return Err(last_error());
        }
        Ok(Call { id: held.id, thread: held.pid, number: held.number, arguments: held.arguments })
    }

    /// Whether the process still waits for the answer: what was read by its pid was then its own.
    pub(super) fn is_held(&self, listener: BorrowedFd<'_>) -> bool {
        // SAFETY: the kernel reads one number that lives for the call.
        unsafe { libc::ioctl(listener.as_raw_fd(), ID_VALID as _, &raw const self.id) == 0 }
    }

    /// Lets the kernel run the call.
    pub(super) fn go_on(&self, listener: BorrowedFd<'_>) {
        self.answer(listener, 0, CONTINUE);
    }

    /// Lets the call fail.
    pub(super) fn refuse(&self, listener: BorrowedFd<'_>, errno: Errno) {
        self.answer(listener, -errno.raw_os_error(), 0);
    }

    /// A process that is gone needs no answer, so an error is none.
    fn answer(&self, listener: BorrowedFd<'_>, error: i32, flags: u32) {
        #[repr(C)]
        struct Response {
            id: u64,
            value: i64,
            error: i32,
            flags: u32,
        }
        let response = Response { id: self.id, value: 0, error, flags };
        // SAFETY: the kernel reads its structure from memory that lives for the call.
        unsafe { libc::ioctl(listener.as_raw_fd(), SEND as _, &raw const response) };
    }
}

/// A process by a descriptor that no other process can take over.
pub(super) struct Process(OwnedFd);

/// Its ids in the cell.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    pub(super) process: u32,
    pub(super) parent: u32,
}

impl Process {
    /// The process of a thread.
    pub(super) fn of(thread: u32) -> rustix::io::Result<Process> {
        let open = |flags: libc::c_uint| {
            // SAFETY: takes plain numbers and returns a new descriptor.
            let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, thread, flags) };
            // SAFETY: as above: just made, and nobody else's.
            i32::try_from(fd).ok().filter(|fd| *fd >= 0).map(|fd| Process(unsafe { OwnedFd::from_raw_fd(fd) }))
        };
        open(PIDFD_THREAD).or_else(|| open(0)).ok_or_else(last_error)
    }

    /// A copy of one of its descriptors.
    pub(super) fn descriptor(&self, number: i32) -> rustix::io::Result<OwnedFd> {
        // SAFETY: takes plain numbers and returns a new descriptor, which is close-on-exec.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, self.0.as_raw_fd(), number, 0) };
        match i32::try_from(fd) {
            // SAFETY: as above: just made, and nobody else's.
            Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
            _ => Err(last_error()),
        }
    }

    /// Its ids, by one call where the kernel knows it (a thousandth of what /proc costs with many threads).
    pub(super) fn ids(&self) -> Option<Ids> {
        #[repr(C)]
        struct Info {
            mask: u64,
            cgroup: u64,
            pid: u32,
            process: u32,
            parent: u32,
            rest: [u32; 9],
        }
        // SAFETY: all zeroes is a valid value of plain numbers.
        let mut info: Info = unsafe { std::mem::zeroed() };
        info.mask = 1;
        // SAFETY: the request says the size of the structure, which lives for the call.
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), PIDFD_INFO as _, &raw mut info) };
        (result == 0).then_some(Ids { process: info.process, parent: info.parent })
    }
}

/// Processes that connected of late, by their threads: a descriptor is dear to make.
#[derive(Default)]
pub(super) struct Processes {
    kept: [Option<Caller>; Processes::KEPT],
    next: usize,
    /// The agent's program.
    pub(super) agent: Program,
}

/// A thread that connected, and what is known of its process.
pub(super) struct Caller {
    thread: u32,
    pub(super) process: Process,
    pub(super) program: Program,
}

/// The link to a process's program, found once. It leads to that very process or nowhere, whoever gets its number, and says
/// each time what it executes now.
#[derive(Default)]
pub(super) struct Program(Option<OwnedFd>);

impl Program {
    /// The link of this process, which lives since this was made: as a descriptor that opens nothing.
    pub(super) fn link(&mut self, process: u32, processes: BorrowedFd<'_>) -> Option<BorrowedFd<'_>> {
        if self.0.is_none() {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            self.0 = rustix::fs::openat(processes, format!("{process}/exe"), flags, Mode::empty()).ok();
        }
        self.0.as_ref().map(AsFd::as_fd)
    }
}

impl Processes {
    /// One program that connects often has a few threads.
    const KEPT: usize = 8;

    /// A thread that connects, and its ids. A number that was given to another thread meanwhile is noticed: the
    /// descriptor answers for the first thread alone, and all that was known goes with it.
    pub(super) fn of(&mut self, thread: u32) -> rustix::io::Result<(&mut Caller, Option<Ids>)> {
        let known = self.kept.iter().position(|kept| kept.as_ref().is_some_and(|kept| kept.thread == thread));
        let told = known.and_then(|at| self.kept[at].as_ref()?.process.ids());
        let at = match known {
            Some(at) if told.is_some() => at,
            _ => {
                let at = known.unwrap_or(self.next);
                self.next = (self.next + usize::from(known.is_none())) % Self::KEPT;
                self.kept[at] = None;
                at
            }
        };
        let caller = match &mut self.kept[at] {
            Some(kept) => kept,
            empty => empty.insert(Caller { thread, process: Process::of(thread)?, program: Program::default() }),
        };
        let ids = told.or_else(|| caller.process.ids());
        Ok((caller, ids))
    }
}

/// Reads memory of a process up to where it ends or cannot be read; how many bytes.
pub(super) fn read_memory(thread: u32, address: u64, into: &mut [u8]) -> usize {
    const PAGE: u64 = 4096;
    // The kernel copies whole pieces: cut where the next page, which may be missing, begins.
    let first = (PAGE - address % PAGE).min(into.len() as u64) as usize;
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let piece = |at: u64, length: usize| libc::iovec { iov_base: at as *mut libc::c_void, iov_len: length };
    let remote = [piece(address, first), piece(address.saturating_add(first as u64), into.len() - first)];
    // SAFETY: the kernel writes at most `into.len()` bytes into `into`; the remote addresses are the other
    // process's and are never touched here. A bad one ends the copy.
    let got = unsafe { libc::process_vm_readv(thread.cast_signed(), &raw const local, 1, remote.as_ptr(), 2, 0) };
    usize::try_from(got).unwrap_or(0)
}
