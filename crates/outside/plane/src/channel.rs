//! The sockets of the plane: frames of JSON with the client and the gate, frames of postcard with the cell.
//! Descriptors ride with a frame's first byte.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use wire::command::{Reply, Request};
use zeroize::Zeroizing;

/// Most descriptors that one frame carries: a lease with its lines.
const MAX_DESCRIPTORS: usize = 32;
/// Bytes read at once: what is said is little, and the stack of a process that holds a session is never given back.
const PIECE: usize = 4 * 1024;

/// A stream socket pair, both ends closed on exec.
///
/// # Errors
/// The kernel's error.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Sends bytes; descriptors ride with the first. Waits as long as the peer does not read.
///
/// # Errors
/// The kernel's error; `EPIPE` when the peer is gone.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::MSGSIZE.into());
    }
    let mut sent =
        retry(|| rustix::net::sendmsg(&socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL))?;
    while sent < bytes.len() {
        sent += retry(|| rustix::net::send(&socket, &bytes[sent..], SendFlags::NOSIGNAL))?;
    }
    Ok(())
}

/// Sends bytes at once, all of them, or fails; descriptors ride with the first.
///
/// # Errors
/// The kernel's error: `EAGAIN` where the peer does not read.
pub fn send_now(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::MSGSIZE.into());
    }
    let sent = retry(|| rustix::net::sendmsg(&socket, &[IoSlice::new(bytes)], &mut ancillary, flags))?;
    if sent == bytes.len() { Ok(()) } else { Err(Errno::AGAIN.into()) }
}

/// Reads once: bytes are appended to `bytes`, descriptors to `descriptors`. False at the end of the stream.
///
/// # Errors
/// The kernel's error.
pub fn receive(socket: impl AsFd, bytes: &mut Vec<u8>, descriptors: &mut Vec<OwnedFd>) -> io::Result<bool> {
    let mut piece = [0; PIECE];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let read = match rustix::net::recvmsg(&socket, &mut [IoSliceMut::new(&mut piece)], &mut ancillary, flags) {
        Ok(message) => message.bytes,
        Err(Errno::INTR) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    bytes.extend_from_slice(&piece[..read]);
    Ok(read > 0)
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// The operator's client.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    gone: bool,
}

impl Client {
    /// Speaks on this socket.
    #[must_use]
    pub const fn new(socket: OwnedFd) -> Client {
        Client { socket, gone: false }
    }

    /// The request, and the descriptors that ride with its first byte. Orders may follow it at once, so no byte after
    /// it is read.
    ///
    /// # Errors
    /// When the stream ends, or holds no request.
    pub fn request(&mut self) -> io::Result<(Request, Vec<OwnedFd>)> {
        let mut prefix = [0; 4];
        let (read, descriptors) = self.begin(&mut prefix)?;
        self.fill(&mut prefix[read..])?;
        let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
        if length > wire::MAX_FRAME {
            return Err(io::Error::other("the request is too long"));
        }
        // It may hold a secret. Made whole at once: what grows leaves copies behind.
        let mut frame = Zeroizing::new(vec![0; 4 + length]);
        frame[..4].copy_from_slice(&prefix);
        self.fill(&mut frame[4..])?;
        Ok((wire::decode(&frame).map_err(io::Error::other)?, descriptors))
    }

    /// The first bytes, with what rides on them.
    fn begin(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let message = loop {
            match rustix::net::recvmsg(&self.socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        if message.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        Ok((message.bytes, descriptors))
    }

    fn fill(&mut self, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let (_, length) = retry(|| rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()))?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = &mut buffer[length..];
        }
        Ok(())
    }

    /// Answers; a client that is gone is no error here, the session sees its end elsewhere.
    pub fn reply(&mut self, reply: &Reply) {
        self.reply_with(reply, &[]);
    }

    /// Answers with descriptors.
    pub fn reply_with(&mut self, reply: &Reply, descriptors: &[BorrowedFd<'_>]) {
        let sent =
            wire::encode(reply).map_err(io::Error::other).and_then(|frame| send(&self.socket, &frame, descriptors));
        self.gone |= sent.is_err();
    }

    /// Whether an answer could not be sent.
    #[must_use]
    pub const fn is_gone(&self) -> bool {
        self.gone
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
