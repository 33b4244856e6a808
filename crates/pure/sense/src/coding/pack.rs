//! The objects of a git pack, as a push sends them.

use super::squeezed::inflate;
use super::{Coding, Take};
use crate::Beyond;

/// Bytes before a pack: the commands of a push.
const BEFORE: usize = 64 << 10;

/// Undoes the objects of a pack. Deltas are seen with their instructions: what they insert stands in them plainly.
pub(super) fn undo(bytes: &[u8], take: &mut dyn Take) -> bool {
    let Some(begin) = begin(bytes) else { return false };
    take.layer(&[], &bytes[..begin]);
    let count = u32::from_be_bytes([bytes[begin + 8], bytes[begin + 9], bytes[begin + 10], bytes[begin + 11]]);
    let (mut at, mut all) = (begin + 12, Vec::new());
    for _ in 0..count {
        let Some(head) = head(&bytes[at..]) else { break };
        let object = inflate(&bytes[at + head..], true, take.room().saturating_sub(all.len()));
        if object.more {
            take.beyond(Beyond::Size);
            break;
        }
        if object.used == 0 {
            break;
        }
        all.extend_from_slice(&object.bytes);
        at += head + object.used;
    }
    take.layer(&[Coding::GitPack], &all);
    true
}

/// Where the pack begins.
fn begin(bytes: &[u8]) -> Option<usize> {
    let window = &bytes[..bytes.len().min(BEFORE)];
    let found = window.windows(8).position(|head| matches!(head, b"PACK\0\0\0\x02" | b"PACK\0\0\0\x03"));
    found.filter(|begin| begin + 12 < bytes.len())
}

/// The length of an object's head: its kind and size, and what a delta is made from.
fn head(bytes: &[u8]) -> Option<usize> {
    let number = |from: usize| bytes.get(from..)?.iter().position(|byte| byte & 0x80 == 0).map(|last| from + last + 1);
    let after = number(0)?;
    match bytes[0] >> 4 & 7 {
        6 => number(after),
        7 => Some(after + 20),
        _ => Some(after),
    }
    .filter(|end| *end < bytes.len())
}
