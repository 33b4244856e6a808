//! The terminal's second screen, for what draws all of it; whatever ends the program gives the first one back.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;

use rustix::io::Errno;

use super::mode::{Kept, RawMode};

/// The second screen, empty, without a cursor; what is pasted is marked.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?25l\x1b[?2004h";
/// All that was set there, and the first screen with the cursor where it was. What a program of an agent's may have set
/// beside that never reached it.
const LEAVE: &[u8] = b"\x18\x1b[0m\x1b[?2004l\x1b[?1049l\x1b[?25h";

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// A terminal whose second screen is ours; dropping it gives the first one back.
pub struct Alternate {
    raw: RawMode,
    output: OwnedFd,
    hook: Arc<Hook>,
}

impl std::fmt::Debug for Alternate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Alternate").field("raw", &self.raw).finish_non_exhaustive()
    }
}

impl Alternate {
    /// Takes it; none where either is no terminal. A panic gives it back before it is told of: where a panic aborts, nothing
    /// is dropped.
    ///
    /// # Errors
    /// When the terminal does not take it.
    pub fn enter(input: impl AsFd, output: impl AsFd) -> io::Result<Option<Alternate>> {
        let output = output.as_fd().try_clone_to_owned()?;
        let kept = Kept::of(input.as_fd())?;
        let (Some(kept), true) = (kept, rustix::termios::isatty(&output)) else { return Ok(None) };
        let Some(raw) = RawMode::enter(input.as_fd())? else { return Ok(None) };
        let hook: Arc<Hook> = Arc::from(panic::take_hook());
        let (before, screen) = (Arc::clone(&hook), output.try_clone()?);
        panic::set_hook(Box::new(move |panic| {
            let _ = write(&screen, LEAVE);
            let _ = kept.restore();
            before(panic);
        }));
        let alternate = Alternate { raw, output, hook };
        write(&alternate.output, ENTER)?;
        Ok(Some(alternate))
    }

    /// Gives the terminal back for a while.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn leave(&self) -> io::Result<()> {
        write(&self.output, LEAVE)?;
        self.raw.restore()
    }

    /// Takes it again.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn again(&self) -> io::Result<()> {
        self.raw.again()?;
        write(&self.output, ENTER)
    }
}

impl Drop for Alternate {
    fn drop(&mut self) {
        // A terminal that hung up takes nothing, and nobody looks at it.
        let _ = write(&self.output, LEAVE);
        if !std::thread::panicking() {
            let hook = Arc::clone(&self.hook);
            panic::set_hook(Box::new(move |panic| hook(panic)));
        }
    }
}

/// Writes all of it.
///
/// # Errors
/// When the terminal takes no more.
pub fn write(output: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&output, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::termios::{LocalModes, tcgetattr};

    use super::*;
    use crate::terminal::mode::tests::pty;

    fn is_raw(terminal: &OwnedFd) -> bool {
        !tcgetattr(terminal).expect("attributes").local_modes.contains(LocalModes::ICANON)
    }

    fn written(master: &OwnedFd) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        let read = rustix::io::read(master, &mut bytes).expect("read");
        bytes.truncate(read);
        bytes
    }

    /// Where a panic aborts nothing is dropped: what is tried here is the hook.
    #[test]
    fn a_panic_gives_the_terminal_back_and_so_does_every_other_end() {
        let (master, terminal) = pty();
        let alternate = Alternate::enter(&terminal, &terminal).expect("entered").expect("a terminal");
        assert!(is_raw(&terminal) && written(&master) == ENTER);
        std::panic::catch_unwind(|| panic!("told to")).expect_err("it panics");
        assert!(!is_raw(&terminal) && written(&master) == LEAVE);
        alternate.again().expect("taken again");
        assert!(is_raw(&terminal) && written(&master) == ENTER);
        drop(alternate);
        assert!(!is_raw(&terminal) && written(&master) == LEAVE);
        let (read, write) = rustix::pipe::pipe().expect("pipe");
        assert!(Alternate::enter(&read, &write).expect("asked").is_none());
    }
}
