//! Which of our streams goes where: the pty first, then each piped stream's end, as the plane sent them.

use crate::errors::Error;
use crate::terminal::flow::Flow;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use wire::command::Stream;

/// The flows of a session, and its pty.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) flows: Vec<Flow>,
    pub(super) pty: Option<Rc<OwnedFd>>,
}

/// Joins our stdio with what came.
///
/// # Errors
/// When other descriptors came than the streams need, or ours cannot be kept.
pub(super) fn connect(streams: [Stream; 3], came: Vec<OwnedFd>) -> Result<Connected, Error> {
    let terminal = streams.contains(&Stream::Terminal);
    let pipes = streams.iter().filter(|stream| **stream == Stream::Pipe).count();
    if came.len() != usize::from(terminal) + pipes {
        return Err(Error::Language);
    }
    for end in &came {
        // Ours alone: a write that does not fit must not hold up signals.
        rustix::io::ioctl_fionbio(end, true).map_err(|error| kept(error.into()))?;
    }
    let mut came = came.into_iter().map(Rc::new);
    let pty = if terminal { came.next() } else { None };
    let mut ends = Vec::new();
    for stream in streams {
        ends.push(if stream == Stream::Pipe { came.next() } else { pty.clone() }.ok_or(Error::Language)?);
    }
    let [input, output, errors] = ours()?;
    let mut flows = vec![Flow::input(Rc::clone(&input), Rc::clone(&ends[0]))];
    match shown(streams) {
        Some(1) => flows.push(Flow::output(Rc::clone(&ends[1]), Rc::clone(&output))),
        Some(2) => flows.push(Flow::output(Rc::clone(&ends[2]), Rc::clone(&errors))),
        // Only the input is a terminal: its echo goes where the operator types.
        _ if terminal => flows.push(Flow::output(Rc::clone(&ends[0]), echo(input))),
        _ => {}
    }
    for (index, to) in [(1, output), (2, errors)] {
        if streams[index] == Stream::Pipe {
            flows.push(Flow::output(Rc::clone(&ends[index]), to));
        }
    }
    Ok(Connected { flows, pty })
}

/// One stream that is watched: what the program `shows` comes first. Our input goes there where it `types`.
///
/// # Errors
/// When another number of descriptors came, or ours cannot be kept.
pub(super) fn watch(came: Vec<OwnedFd>, shows: Vec<u8>, types: bool) -> Result<Vec<Flow>, Error> {
    let [stream] = <[OwnedFd; 1]>::try_from(came).map_err(|_| Error::Language)?;
    rustix::io::ioctl_fionbio(&stream, true).map_err(|error| kept(error.into()))?;
    let stream = Rc::new(stream);
    let [input, output, _] = ours()?;
    let mut flows = vec![Flow::output(Rc::clone(&stream), output).showing(&shows)];
    if types {
        flows.push(Flow::input(input, stream).until(super::watching::LEAVE));
    }
    Ok(flows)
}

/// Which of our streams shows what the pty says.
fn shown(streams: [Stream; 3]) -> Option<usize> {
    (1..3).find(|index| streams[*index] == Stream::Terminal)
}

fn echo(input: Rc<OwnedFd>) -> Rc<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).map_or(input, Rc::new)
}

/// Copies of our stdio, which a flow may close.
fn ours() -> Result<[Rc<OwnedFd>; 3], Error> {
    let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.as_fd().try_clone_to_owned().map(Rc::new).map_err(kept);
    Ok([copy(rustix::stdio::stdin())?, copy(rustix::stdio::stdout())?, copy(rustix::stdio::stderr())?])
}

fn kept(cause: std::io::Error) -> Error {
    Error::Host { what: "keep a descriptor", cause }
}
