//! A profile as `build.rs` emits it: rules in the order of the file, first match wins, `default` where none does.

/// What the kernel does with a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Runs it.
    Allow,
    /// Returns this errno and runs nothing; 0 says that it was done.
    Errno(u16),
    /// Holds it until the watcher answers.
    Notify,
    /// Kills the whole process with SIGSYS.
    Kill,
}

/// How many bits of an argument the kernel itself looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// A C `int`: the kernel drops the upper half, so comparing it would let `1 << 32 | x` slip past.
    Int,
    /// All 64 bits.
    Long,
}

/// `argument & mask == value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Position, 0 to 5.
    pub(crate) argument: u8,
    /// Bits that count at all.
    pub(crate) width: Width,
    /// Bits that are compared.
    pub(crate) mask: u64,
    /// What they must be.
    pub(crate) value: u64,
}

/// One line of a rule file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// The system call's name, for messages.
    #[cfg_attr(not(test), allow(dead_code, reason = "read by the tests only"))]
    pub(crate) name: &'static str,
    /// Its number on this machine.
    pub(crate) number: u32,
    /// What happens where all conditions hold.
    pub(crate) action: Action,
    /// All must hold.
    pub(crate) when: &'static [Condition],
}

/// One rule file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// The file's stem.
    #[cfg_attr(not(test), allow(dead_code, reason = "read by the tests only"))]
    pub(crate) name: &'static str,
    /// For every call that no rule matches.
    pub(crate) default: Action,
    /// For calls through another architecture's entry (i386 on x86-64).
    pub(crate) foreign: Action,
    /// For calls with the x32 bit; unused elsewhere than on x86-64.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "x32 exists on x86-64 only"))]
    pub(crate) x32: Action,
    /// In the order of the file.
    pub(crate) rules: &'static [Rule],
}

#[allow(unused_imports)]
pub(crate) use shipped::{AGENT, PID1, WATCHER};

/// What `build.rs` wrote.
#[allow(clippy::unnecessary_cast, reason = "libc's constants have many types, the table one")]
mod shipped {
    use super::{Action, Condition, Profile, Rule, Width};
    include!(concat!(env!("OUT_DIR"), "/profiles.rs"));
}
