//! What /proc says of one process.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags, RawDir};
use std::mem::MaybeUninit;

/// The longest file read here: status has about 1,500 bytes.
const LONGEST: usize = 8192;

/// `/proc/PID/status`.
pub(super) struct Status(String);

impl Status {
    /// Empty where it cannot be read.
    pub(super) fn read(processes: BorrowedFd<'_>, pid: i32) -> Status {
        Status(fact(processes, pid, "status"))
    }

    /// A field's value, empty where there is no such field.
    pub(super) fn of(&self, field: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }
}

/// A small file of a process, empty where it cannot be read.
pub(super) fn fact(processes: BorrowedFd<'_>, pid: i32, name: &str) -> String {
    let Ok(file) = open(processes, pid, name, OFlags::RDONLY) else { return String::new() };
    let mut bytes = vec![0; LONGEST];
    let length = rustix::io::read(&file, &mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// What a link of a process says.
pub(super) fn link(processes: BorrowedFd<'_>, pid: i32, name: &str) -> Option<String> {
    let link = rustix::fs::readlinkat(processes, format!("{pid}/{name}"), Vec::with_capacity(64)).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The numbers of a process's open descriptors, ascending.
pub(super) fn descriptors(processes: BorrowedFd<'_>, pid: i32) -> Vec<i32> {
    let Ok(directory) = open(processes, pid, "fd", OFlags::RDONLY | OFlags::DIRECTORY) else { return Vec::new() };
    let mut space = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(directory.as_fd(), &mut space);
    let mut numbers = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        numbers.extend(entry.file_name().to_str().ok().and_then(|name| name.parse::<i32>().ok()));
    }
    numbers.sort_unstable();
    numbers
}

/// Whether exec will close a descriptor.
pub(super) fn closes_on_exec(processes: BorrowedFd<'_>, pid: i32, number: i32) -> bool {
    let text = fact(processes, pid, &format!("fdinfo/{number}"));
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| i32::from_str_radix(octal.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC != 0)
}

fn open(processes: BorrowedFd<'_>, pid: i32, name: &str, flags: OFlags) -> rustix::io::Result<rustix::fd::OwnedFd> {
    rustix::fs::openat(processes, format!("{pid}/{name}"), flags | OFlags::CLOEXEC, Mode::empty())
}
