//! Raw mode, and putting the terminal back before the operator reads a line of ours.

use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Undoes what a program may have left on: an open string, the alternate screen, mouse, paste, colour and size
/// reports, key protocols, character sets, margins, colours, a hidden cursor, a link. It makes no terminal answer.
///
/// 1047 and not 1049, which would move the cursor of a terminal that never left its main screen.
pub const RESET: &[u8] =
    b"\x18\x1b\\\x1b[?1047l\x1b[?9;1000;1002;1003;1004;1005;1006;1015;1016;2004;2026;2031;2048;5522;9001l\
\x1b[2;20l\x1b[12h\x1b[<u\x1b[>4m\x1b[?1;5;6l\x1b>\x1b[?7h\x1b[4l\x1b(B\x0f\x1b7\x1b[r\x1b8\x1b[0m\x1b[?25h\x1b]8;;\x1b\\";

/// Undoes other colours of the palette, of text, background and cursor: in those of its choice a program could hide what we say
/// and ask.
const COLOURS: &[u8] = b"\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";

/// A program of this process's session chose colours. Else they are the operator's, who may have set them as programs do.
static RECOLOURED: AtomicBool = AtomicBool::new(false);

/// Remembers that a program chose colours.
pub(super) fn recoloured() {
    RECOLOURED.store(true, Ordering::Relaxed);
}

/// All that is to be undone.
fn whole_reset(recoloured: bool) -> Vec<u8> {
    if recoloured { [RESET, COLOURS].concat() } else { RESET.to_vec() }
}

/// The mode that a terminal had; dropping it gives that mode back.
#[derive(Debug)]
pub struct Kept {
    terminal: OwnedFd,
    saved: Termios,
}

impl Kept {
    /// Remembers the mode of `terminal`; `None` if it is not a terminal.
    pub fn of(terminal: BorrowedFd<'_>) -> std::io::Result<Option<Self>> {
        if !rustix::termios::isatty(terminal) {
            return Ok(None);
        }
        Ok(Some(Self { saved: tcgetattr(terminal)?, terminal: terminal.try_clone_to_owned()? }))
    }

    /// Gives that mode back.
    pub(super) fn restore(&self) -> std::io::Result<()> {
        // `Now`: a terminal stopped by ^S would never drain, and the operator would be left in raw mode.
        Ok(tcsetattr(&self.terminal, OptionalActions::Now, &self.saved)?)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // A terminal that hung up cannot be restored, and nobody looks at it.
        let _ = self.restore();
    }
}

/// A terminal in raw mode; dropping it restores the mode that it had.
#[derive(Debug)]
pub struct RawMode {
    kept: Kept,
}

impl RawMode {
    /// Makes `terminal` raw; `None` if it is not a terminal.
    pub fn enter(terminal: BorrowedFd<'_>) -> std::io::Result<Option<Self>> {
        let Some(kept) = Kept::of(terminal)? else { return Ok(None) };
        let guard = Self { kept };
        guard.again()?;
        Ok(Some(guard))
    }

    /// Makes the terminal raw again, after a stop and a continue.
    pub fn again(&self) -> std::io::Result<()> {
        let mut raw = self.kept.saved.clone();
        raw.make_raw();
        Ok(tcsetattr(&self.kept.terminal, OptionalActions::Drain, &raw)?)
    }

    /// Restores the mode that the terminal had.
    pub fn restore(&self) -> std::io::Result<()> {
        self.kept.restore()
    }
}

/// A terminal that shows nothing of what is typed; dropping it restores the mode that it had.
#[derive(Debug)]
pub struct Unseen {
    kept: Kept,
}

impl Unseen {
    /// Makes `terminal` show nothing; `None` if it is not a terminal.
    ///
    /// It cannot be stopped by a key meanwhile: whoever had the terminal next would not see what he types.
    pub fn enter(terminal: BorrowedFd<'_>) -> std::io::Result<Option<Self>> {
        let Some(kept) = Kept::of(terminal)? else { return Ok(None) };
        let guard = Self { kept };
        guard.again()?;
        Ok(Some(guard))
    }

    /// The same again, after a stop and a continue.
    pub fn again(&self) -> std::io::Result<()> {
        let mut unseen = self.kept.saved.clone();
        unseen.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        unseen.special_codes[SpecialCodeIndex::VSUSP] = 0;
        // What was typed before was shown, and was not meant for us.
        Ok(tcsetattr(&self.kept.terminal, OptionalActions::Flush, &unseen)?)
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // What was typed and not read would be shown by whoever reads next, and a shell would run it.
        let _ = tcflush(&self.kept.terminal, QueueSelector::IFlush);
    }
}

/// Whether the terminal takes sequences: one that is `dumb`, or has no name, prints them.
#[must_use]
pub fn is_drawn_on() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Whether it also shows colours, as far as the operator wants them.
#[must_use]
pub fn is_coloured() -> bool {
    is_drawn_on() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether it says of itself that it takes no sequence. One without a name may be any, and is reset like any.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Resets `output`, if it is a terminal that sequences mean anything to, so that lines of ours cannot be hidden or dressed up.
pub fn reset(output: impl AsFd) -> std::io::Result<()> {
    let output = output.as_fd();
    if is_dumb() || !rustix::termios::isatty(output) {
        return Ok(());
    }
    let whole = whole_reset(RECOLOURED.load(Ordering::Relaxed));
    let mut rest = whole.as_slice();
    while !rest.is_empty() {
        match rustix::io::write(output, rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_left_alone() {
        let (_read, write) = rustix::pipe::pipe().expect("pipe");
        assert!(RawMode::enter(write.as_fd()).expect("enter").is_none());
        reset(&write).expect("reset");
    }

    #[test]
    fn the_reset_passes_the_filter_as_it_is() {
        let (mut filter, mut out) = (super::super::filter::Filter::new(), Vec::new());
        filter.push(&whole_reset(true), &mut out);
        assert_eq!(out, whole_reset(true));
    }

    /// What is left in the terminal's state by all that passes, and would dress up what we say.
    #[test]
    fn a_link_that_was_left_open_ends_and_chosen_colours_go() {
        assert!(RESET.ends_with(b"\x1b]8;;\x1b\\"));
        for said in [&b"\x1b]11;#000000\x07"[..], b"\x1b]4;1;red\x1b\\", b"\x1b]10;red\x07"] {
            RECOLOURED.store(false, Ordering::Relaxed);
            super::super::filter::Filter::new().push(said, &mut Vec::new());
            assert!(RECOLOURED.load(Ordering::Relaxed), "{said:?}");
        }
        assert!(whole_reset(true).ends_with(b"\x1b]112\x1b\\") && whole_reset(false) == RESET);
    }

    pub(in crate::terminal) fn pty() -> (OwnedFd, OwnedFd) {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("openpt");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("ptsname");
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let terminal = rustix::fs::open(name.as_c_str(), flags, rustix::fs::Mode::empty()).expect("open");
        (master, terminal)
    }

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let (_master, terminal) = pty();
        let canonical = || tcgetattr(&terminal).expect("attributes").local_modes.contains(LocalModes::ICANON);
        let guard = RawMode::enter(terminal.as_fd()).expect("enter").expect("a terminal");
        assert!(!canonical());
        drop(guard);
        assert!(canonical());
    }

    #[test]
    fn what_is_typed_is_shown_again_when_the_guard_ends() {
        let (_master, terminal) = pty();
        let mode = || tcgetattr(&terminal).expect("attributes");
        let before = mode();
        let guard = Unseen::enter(terminal.as_fd()).expect("enter").expect("a terminal");
        assert!(!mode().local_modes.contains(LocalModes::ECHO) && mode().local_modes.contains(LocalModes::ICANON));
        drop(guard);
        assert_eq!(mode().local_modes, before.local_modes);
        assert_eq!(mode().special_codes[SpecialCodeIndex::VSUSP], before.special_codes[SpecialCodeIndex::VSUSP]);
        let (read, _write) = rustix::pipe::pipe().expect("pipe");
        assert!(Unseen::enter(read.as_fd()).expect("enter").is_none());
    }
}
