//! The value of a secret: from stdin, or typed at a terminal that shows nothing of it.
//!
//! It is passed on and wiped: never an argument, never printed, never judged here but for what a request cannot carry.

use crate::errors::Error;
use crate::terminal::mode::Unseen;
use crate::terminal::signals::{self, Signals};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::BorrowedFd;
use wire::command::SecretText;
use zeroize::Zeroizing;

/// The signal by which a stopped process goes on.
const CONTINUED: i32 = signal_hook::consts::SIGCONT;
/// A value, and the line's end behind it.
const MOST: usize = SecretText::MOST + 2;
/// Longest line that a terminal gives, its end included. What is typed beyond it is lost without a word.
const LINE: usize = 4096;

/// Reads the value of the secret `name`.
///
/// # Errors
/// When nothing can be read, it is too long or no text, or a signal ends the question.
pub(crate) fn read(name: &str) -> Result<SecretText, Error> {
    // Not through the library's own buffer, which nobody wipes.
    let stdin = rustix::stdio::stdin();
    let bytes = if stdin.is_terminal() {
        typed(name, stdin)?
    } else {
        piped(File::from(stdin.try_clone_to_owned().map_err(unread)?))?
    };
    text(&bytes)
}

fn unread(cause: std::io::Error) -> Error {
    Error::Host { what: "read the value", cause }
}

fn piped(input: impl Read) -> Result<Zeroizing<Vec<u8>>, Error> {
    // With room for one byte too many, by which too much is told: what grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST + 1));
    let limit = u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1);
    input.take(limit).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

fn text(bytes: &[u8]) -> Result<SecretText, Error> {
    if bytes.len() > MOST {
        return Err(Error::Value { cause: "it is longer than 64 KiB" });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Value { cause: "it is not UTF-8" })?;
    Ok(SecretText::from(text.to_owned()))
}

/// One line, while nothing that is typed is shown. A signal that would end us gives the terminal back first, so it is
/// caught before the terminal is changed.
fn typed(name: &str, terminal: BorrowedFd<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut signals = Signals::watch(&signals::ignored()).map_err(unread)?;
    let unseen = Unseen::enter(terminal).map_err(unread)?;
    let _ = write!(std::io::stderr(), "value of `{name}` (not shown): ");
    let line = line(terminal, unseen.as_ref(), &mut signals);
    drop(unseen);
    // The end of the line was not shown either.
    let _ = writeln!(std::io::stderr());
    line
}

fn line(terminal: BorrowedFd<'_>, unseen: Option<&Unseen>, signals: &mut Signals) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (mut bytes, mut filled) = (Zeroizing::new(vec![0; LINE]), 0);
    while filled < LINE {
        let readable = wait(terminal, signals).map_err(unread)?;
        for signal in signals.take() {
            if signals::ends(signal) {
                return Err(Error::Interrupted { signal: u8::try_from(signal).unwrap_or_default() });
            }
            // A shell may have set the terminal for itself while we were stopped.
            unseen.filter(|_| signal == CONTINUED).map_or(Ok(()), Unseen::again).map_err(unread)?;
        }
        if !readable {
            continue;
        }
        let read = match rustix::io::read(terminal, &mut bytes[filled..]) {
            Err(Errno::INTR | Errno::AGAIN) => continue,
            other => other.map_err(|error| unread(error.into()))?,
        };
        filled += read;
        if read == 0 || bytes[..filled].ends_with(b"\n") {
            break;
        }
    }
    if filled == LINE {
        return Err(Error::Value { cause: "it is as long as a line of a terminal can be, or longer" });
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Until the terminal has a line or a signal came; says whether there is a line.
fn wait(terminal: BorrowedFd<'_>, signals: &Signals) -> std::io::Result<bool> {
    let mut polled = [PollFd::from_borrowed_fd(terminal, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
    match poll(&mut polled, None) {
        Ok(_) => Ok(!polled[0].revents().is_empty()),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_piped_is_taken_as_it_is_and_bounded() {
        let taken = |bytes: &[u8]| piped(bytes).and_then(|bytes| text(&bytes)).map(|text| text.expose().to_owned());
        assert_eq!(taken(b"hunter2-hunter2\r\n").expect("text"), "hunter2-hunter2\r\n");
        assert!(taken(&vec![b'x'; MOST]).is_ok());
        assert!(matches!(taken(&vec![b'x'; MOST + 1]), Err(Error::Value { .. })));
        assert!(matches!(taken(&b"x".repeat(1 << 20)), Err(Error::Value { .. })));
        assert!(matches!(taken(b"hunter2\xff"), Err(Error::Value { .. })));
    }
}
