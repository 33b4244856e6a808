//! Stdio of the cell's own making. It is made inside, by pid 1 as the agent's uid, and handed outward: a
//! descriptor from the host could be reopened through /proc/self/fd with more rights than it was given, and
//! one that root owns could not be reopened as /dev/stdout at all.

use plan::{Stdio, Stream};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// Both sides of a cell's stdio.
pub(crate) struct Ends {
    /// For the plane, in the order of [`plan::Report::Stdio`].
    pub(crate) outer: Vec<OwnedFd>,
    /// For the agent: stdin, stdout, stderr.
    pub(crate) inner: [OwnedFd; 3],
}

/// Makes the pty, if any stream is one, and the pipes.
///
/// # Errors
/// The kernel's error.
pub(crate) fn make(stdio: &Stdio) -> rustix::io::Result<Ends> {
    let mut outer = Vec::with_capacity(4);
    let terminal = if stdio.streams.contains(&Stream::Terminal) {
        let (master, slave) = terminal(stdio)?;
        outer.push(master);
        Some(slave)
    } else {
        None
    };
    let mut inner = Vec::with_capacity(3);
    for (index, stream) in stdio.streams.iter().enumerate() {
        match (stream, &terminal) {
            (Stream::Terminal, Some(slave)) => inner.push(rustix::io::fcntl_dupfd_cloexec(slave, 3)?),
            _ => {
                let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
                let (ours, theirs) = if index == 0 { (write, read) } else { (read, write) };
                outer.push(ours);
                inner.push(theirs);
            }
        }
    }
    let inner = inner.try_into().map_err(|_| rustix::io::Errno::INVAL)?;
    Ok(Ends { outer, inner })
}

/// A pty of the /dev/pts that the calling process sees.
fn terminal(stdio: &Stdio) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
    let size = Winsize { ws_row: stdio.size.rows, ws_col: stdio.size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&slave, size)?;
    Ok((master, slave))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::WindowSize;

    #[test]
    fn pipes_run_the_right_way() {
        let size = WindowSize::default();
        let ends = make(&Stdio { streams: [Stream::Pipe; 3], size }).expect("makes");
        let mut byte = [0];
        rustix::io::write(&ends.outer[0], b"i").expect("into stdin");
        rustix::io::read(&ends.inner[0], &mut byte).expect("from stdin");
        assert_eq!(&byte, b"i");
        rustix::io::write(&ends.inner[2], b"e").expect("into stderr");
        rustix::io::read(&ends.outer[2], &mut byte).expect("from stderr");
        assert_eq!(&byte, b"e");
    }

    #[test]
    fn a_mixed_stdio_has_one_master_and_the_size_asked_for() {
        let streams = [Stream::Pipe, Stream::Terminal, Stream::Terminal];
        let ends = make(&Stdio { streams, size: WindowSize { rows: 24, columns: 80 } }).expect("makes");
        assert_eq!(ends.outer.len(), 2, "a master and the outer end of stdin");
        let size = rustix::termios::tcgetwinsize(&ends.inner[1]).expect("a terminal");
        assert_eq!((size.ws_row, size.ws_col), (24, 80));
        assert!(!rustix::termios::isatty(&ends.inner[0]));
    }
}
