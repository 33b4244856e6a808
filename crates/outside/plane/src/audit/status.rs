//! Whether the host's audit is on, asked of the kernel. Nothing here changes it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, send};

use super::socket;

/// `AUDIT_GET` and the type of its answer.
const GET: u16 = 1000;
const REQUEST: u16 = 1;
/// The kernel answers in microseconds; it must not hold up a start for longer than this.
const WAIT: Duration = Duration::from_millis(100);
/// Messages that are looked at for the answer.
const MOST: usize = 4;

/// Whether audit is on; false as well when the kernel does not say.
pub(super) fn is_on() -> bool {
    ask().unwrap_or(false)
}

fn ask() -> Option<bool> {
    let asking: OwnedFd = socket::open(0).ok()?;
    send(&asking, &request(), SendFlags::empty()).ok()?;
    let wait = Timespec::try_from(WAIT).ok()?;
    let mut buffer = vec![0; socket::LONGEST];
    for _ in 0..MOST {
        if poll(&mut [PollFd::new(&asking, PollFlags::IN)], Some(&wait)).ok()? == 0 {
            return None;
        }
        let Some((kind, payload)) = socket::receive(&asking, &mut buffer, RecvFlags::DONTWAIT).ok()? else { continue };
        if kind == GET {
            return enabled(payload);
        }
        if kind == socket::ERROR {
            return None;
        }
    }
    None
}

/// A header alone: length, type, flags, number, port.
fn request() -> [u8; socket::HEADER] {
    let mut message = [0; socket::HEADER];
    message[..4].copy_from_slice(&16_u32.to_ne_bytes());
    message[4..6].copy_from_slice(&GET.to_ne_bytes());
    message[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    message[8..12].copy_from_slice(&1_u32.to_ne_bytes());
    message
}

/// The second number of `struct audit_status`: 0 off, 1 on, 2 on and locked.
fn enabled(payload: &[u8]) -> Option<bool> {
    let number = payload.get(4..8)?.try_into().ok()?;
    Some(u32::from_ne_bytes(number) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_answer_is_read() {
        // As Linux 6.18 gave it: off, backlog limit 64, features 0x7f.
        let mut answer = [0_u32, 0, 1, 0, 0, 64, 0, 0, 0x7f, 15_000, 0].map(u32::to_ne_bytes).concat();
        assert_eq!(enabled(&answer), Some(false));
        answer[4..8].copy_from_slice(&2_u32.to_ne_bytes());
        assert_eq!(enabled(&answer), Some(true));
        assert_eq!(enabled(&answer[..7]), None);
    }
}
