//! Takes the lease from the plane. Nothing of it is kept in a file, and nothing else is ever taken.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};
use wire::{DESCRIPTORS, Decoder, Lease, MAX_LINES};

/// As many as the v4 pool has addresses.
const MAX_NAMES: usize = 1 << 17;
/// Lists that block advertisements have some 150,000.
const MAX_HOSTS: usize = 1 << 18;
/// The C library asks three.
const MAX_NAMESERVERS: usize = 64;

/// What rides with a lease, in the order that [`Lease`] documents.
#[derive(Debug)]
pub struct Descriptors {
    /// The segment, write-only.
    pub segment: File,
    /// What left in drops over all cells of the tree, write-only and read-only.
    pub drops: [File; 2],
    /// Listeners that the cell's connections are led to, v4 and v6.
    pub tcp: [OwnedFd; 2],
    /// Sockets that the cell's DNS datagrams are led to, v4 and v6.
    pub dns_udp: [OwnedFd; 2],
    /// Listeners that the cell's DNS connections are led to, v4 and v6.
    pub dns_tcp: [OwnedFd; 2],
    /// A sock_diag socket made in the cell's network namespace.
    pub diag: OwnedFd,
    /// The gate's end of the connect watcher.
    pub watcher: OwnedFd,
    /// Lines to servers in cells of their own.
    pub lines: Vec<OwnedFd>,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The channel cannot be read.
    #[error("the channel cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The channel ended first.
    #[error("the channel ended before a lease came")]
    Ended,
    /// The frame is no lease.
    #[error(transparent)]
    Frame(#[from] wire::FrameError),
    /// The lease is of another version.
    #[error(transparent)]
    Lease(#[from] wire::LeaseError),
    /// Another number of descriptors came along.
    #[error("{0} descriptors came along, not {DESCRIPTORS} and as many lines as the lease says")]
    Descriptors(usize),
    /// More of something than a gate holds.
    #[error("the lease holds more than {0} {1}")]
    TooMany(usize, &'static str),
    /// Something follows the lease.
    #[error("more than a lease was sent")]
    Trailing,
}

/// Waits for the lease.
///
/// # Errors
/// A [`TakeError`] when what comes is not exactly one lease with its descriptors.
pub fn take(channel: impl AsFd) -> Result<(Lease, Descriptors), TakeError> {
    let mut buffer = vec![0; 16 * 1024];
    let (mut length, rights) = first(&channel, &mut buffer)?;
    let descriptors = arrange(rights)?;
    let mut decoder = Decoder::new();
    loop {
        if length == 0 {
            return Err(TakeError::Ended);
        }
        let mut leases: Vec<Lease> = decoder.push(&buffer[..length])?;
        match (leases.pop(), leases.is_empty() && decoder.is_empty()) {
            (Some(lease), true) => {
                lease.check()?;
                if descriptors.lines.len() as u64 != u64::from(lease.lines) {
                    return Err(TakeError::Descriptors(DESCRIPTORS + descriptors.lines.len()));
                }
                return bounded(&lease).map(|()| (lease, descriptors));
            }
            (Some(_), false) => return Err(TakeError::Trailing),
            (None, _) => length = rustix::io::read(&channel, &mut buffer).map_err(io::Error::from)?,
        }
    }
}

/// What a frame could hold is more than a gate should go through at each connection.
fn bounded(lease: &Lease) -> Result<(), TakeError> {
    for (most, length, what) in [
        (MAX_NAMES, lease.names.len(), "names"),
        (MAX_HOSTS, lease.hosts.len(), "hosts"),
        (MAX_NAMESERVERS, lease.nameservers.len(), "nameservers"),
    ] {
        if length > most {
            return Err(TakeError::TooMany(most, what));
        }
    }
    Ok(())
}

/// The first bytes, and the descriptors that ride on them.
fn first(channel: impl AsFd, buffer: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), TakeError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS + MAX_LINES))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let got =
        rustix::net::recvmsg(channel, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC).map_err(io::Error::from)?;
    let mut rights = Vec::with_capacity(DESCRIPTORS + MAX_LINES);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            rights.extend(more);
        }
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        return Err(TakeError::Descriptors(DESCRIPTORS + MAX_LINES + 1));
    }
    Ok((got.bytes, rights))
}

fn arrange(mut rights: Vec<OwnedFd>) -> Result<Descriptors, TakeError> {
    let lines = rights.split_off(rights.len().min(DESCRIPTORS));
    let [segment, appends, reads, tcp4, tcp6, udp4, udp6, dns4, dns6, diag, watcher]: [OwnedFd; DESCRIPTORS] =
        rights.try_into().map_err(|rights: Vec<OwnedFd>| TakeError::Descriptors(rights.len()))?;
    Ok(Descriptors {
        segment: segment.into(),
        drops: [appends.into(), reads.into()],
        tcp: [tcp4, tcp6],
        dns_udp: [udp4, udp6],
        dns_tcp: [dns4, dns6],
        diag,
        watcher,
        lines,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    /// What taking these bytes gives, with as many descriptors as a lease has.
    fn told(bytes: &[u8]) -> Result<(Lease, Descriptors), TakeError> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let nothing = File::open("/dev/null").unwrap();
        let rights = [nothing.as_fd(); DESCRIPTORS];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&rights)));
        let slices = [io::IoSlice::new(bytes)];
        let sent = rustix::net::sendmsg(&theirs, &slices, &mut ancillary, rustix::net::SendFlags::empty()).unwrap();
        let rest = bytes[sent..].to_vec();
        let writing = std::thread::spawn(move || io::Write::write_all(&mut &theirs, &rest));
        let taken = take(&ours);
        drop(ours);
        let _ = writing.join().unwrap();
        taken
    }

    fn lease() -> Lease {
        Lease {
            version: wire::VERSION,
            session: "s1".into(),
            policy: policy::Conjunction::new(Vec::new()),
            nameservers: Vec::new(),
            hosts: Vec::new(),
            incarnation: 1,
            segment: None,
            names: Vec::new(),
            upstream_proxy: None,
            secrets: Vec::new(),
            lets_own: false,
            tls: None,
            credentials: Vec::new(),
            carried: Vec::new(),
            lacking: None,
            heard: Vec::new(),
            labelled: Vec::new(),
            granted: Vec::new(),
            endorsed: Vec::new(),
            suspected: Vec::new(),
            intent: Vec::new(),
            reserved: policy::Amounts::default(),
            lines: 0,
            paused: false,
            bounds: wire::Bounds::default(),
        }
    }

    #[test]
    fn a_channel_that_ends_or_lies_gives_no_lease() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(take(&ours), Err(TakeError::Descriptors(0))));
        let frame = wire::encode(&lease()).unwrap();
        assert!(told(&frame).is_ok());
        assert!(matches!(told(&[0xff; 8]), Err(TakeError::Frame(_))));
        assert!(matches!(told(&frame[..frame.len() - 1]), Err(TakeError::Ended)));
        assert!(matches!(told(&[&frame[..], b"x"].concat()), Err(TakeError::Trailing)));
        assert!(matches!(told(&[&frame[..], &frame].concat()), Err(TakeError::Trailing)));
        let other = Lease { version: wire::VERSION + 1, ..lease() };
        assert!(matches!(told(&wire::encode(&other).unwrap()), Err(TakeError::Lease(_))));
    }

    #[test]
    fn lists_without_end_are_not_taken() {
        let names = vec![String::new(); MAX_NAMES + 1];
        let nameservers = vec![([127, 0, 0, 1], 53).into(); MAX_NAMESERVERS + 1];
        let hosts = vec![(String::new(), [127, 0, 0, 1].into()); MAX_HOSTS + 1];
        for (lease, what) in [
            (Lease { names, ..lease() }, "names"),
            (Lease { nameservers, ..lease() }, "nameservers"),
            (Lease { hosts, ..lease() }, "hosts"),
        ] {
            assert!(matches!(bounded(&lease), Err(TakeError::TooMany(_, found)) if found == what), "{what}");
        }
        assert!(bounded(&lease()).is_ok());
    }
}
