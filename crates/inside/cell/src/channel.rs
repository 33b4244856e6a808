//! The control socket on descriptor 0: the plan and orders come in, reports and descriptors go out.

use plan::Frame;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// Most descriptors that one report carries.
pub(crate) const MAX_DESCRIPTORS: usize = 8;

/// Reads one message; `None` at the end of the stream.
///
/// # Errors
/// The kernel's error, or `EBADMSG` for bytes that are no message.
pub(crate) fn receive<T: serde::de::DeserializeOwned>(socket: impl AsFd) -> rustix::io::Result<Option<T>> {
    Ok(receive_with(socket)?.map(|(message, _)| message))
}

/// Reads one message and the descriptors that ride with it.
///
/// # Errors
/// As [`receive`].
pub(crate) fn receive_with<T: serde::de::DeserializeOwned>(
    socket: impl AsFd,
) -> rustix::io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut prefix = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let mut parts = [IoSliceMut::new(&mut prefix)];
        match rustix::net::recvmsg(&socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    if got == 0 || (got < prefix.len() && !fill(&socket, &mut prefix[got..])?) {
        return if got == 0 { Ok(None) } else { Err(Errno::BADMSG) };
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let mut body = vec![0; Frame::length(prefix).map_err(|_| Errno::BADMSG)?];
    if !fill(&socket, &mut body)? && !body.is_empty() {
        return Err(Errno::BADMSG);
    }
    Frame::decode(&body).map(|message| Some((message, descriptors))).map_err(|_| Errno::BADMSG)
}

/// Fills the buffer; false when the stream ended before its first byte.
fn fill(socket: &impl AsFd, buffer: &mut [u8]) -> rustix::io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::net::recv(socket, &mut buffer[filled..], RecvFlags::empty()) {
            Ok((_, 0)) if filled == 0 => return Ok(false),
            Ok((_, 0)) => return Err(Errno::BADMSG),
            Ok((_, length)) => filled += length,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Sends one message; descriptors ride with its first byte.
///
/// # Errors
/// The kernel's error; `EPIPE` when the plane is gone (never a signal).
pub(crate) fn send<T: serde::Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let bytes = Frame::encode(message).map_err(|_| Errno::MSGSIZE)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::MSGSIZE);
    }
    let mut sent = rustix::net::sendmsg(&socket, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    while sent < bytes.len() {
        sent += rustix::net::send(&socket, &bytes[sent..], SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::{Order, Report};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::Write;

    fn pair() -> (rustix::fd::OwnedFd, rustix::fd::OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a pair")
    }

    #[test]
    fn an_order_arrives_and_the_end_is_none() {
        let (ours, theirs) = pair();
        send(&ours, &Order::Signal(2), &[]).expect("sends");
        drop(ours);
        assert_eq!(receive::<Order>(&theirs), Ok(Some(Order::Signal(2))));
        assert_eq!(receive::<Order>(&theirs), Ok(None));
    }

    #[test]
    fn a_frame_that_lies_about_its_length_is_refused() {
        let (ours, theirs) = pair();
        std::os::unix::net::UnixStream::from(ours).write_all(&[255; 16]).expect("writes");
        assert_eq!(receive::<Order>(&theirs), Err(Errno::BADMSG));
    }

    #[test]
    fn descriptors_ride_with_a_report() {
        let (ours, theirs) = pair();
        send(&ours, &Report::Door, &[ours.as_fd(), ours.as_fd()]).expect("sends");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [0; 64];
        rustix::net::recvmsg(&theirs, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
            .expect("receives");
        let carried: usize = ancillary
            .drain()
            .map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => descriptors.count(),
                _ => 0,
            })
            .sum();
        assert_eq!(carried, 2);
    }
}
