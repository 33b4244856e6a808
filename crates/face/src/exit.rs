//! Exit codes: fixed, documented in `bastide --help`, tested.

/// Done.
pub const DONE: u8 = 0;
/// The answer to what was asked is no.
pub const NO: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// What was decided again comes out otherwise.
pub const DIFFERS: u8 = 5;
/// Nothing was run.
pub const NOT_RUN: u8 = 125;
/// The program was found but cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The program was not found inside.
pub const NOT_FOUND: u8 = 127;

/// The code for a program that signal `signal` ended.
#[must_use]
pub fn by_signal(signal: u8) -> u8 {
    128_u8.saturating_add(signal)
}
