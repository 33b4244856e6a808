//! The objects of a git pack, as a push sends them.

use super::squeezed::inflate;
use super::{Coding, Take};
use crate::Beyond;

/// The version of a pack and the number of its objects stand before them.
const HEAD: usize = 12;

/// Undoes the objects of the pack at the start, joined; the bytes that were read. Deltas are seen with their instructions:
/// what they insert stands in them plainly.
pub(super) fn undo(bytes: &[u8], take: &mut dyn Take) -> usize {
    let (mut at, mut all) = (HEAD, Vec::new());
    // It ends where no object follows: the number of them is the sender's to write.
    while let Some(head) = head(bytes.get(at..).unwrap_or_default()) {
        let object = inflate(&bytes[at + head..], true, take.room().saturating_sub(all.len()));
        if object.more {
            take.beyond(Beyond::Size);
        }
        all.extend_from_slice(&object.bytes);
        if !object.done {
            break;
        }
        at += head + object.used;
    }
    take.layer(&[Coding::GitPack], &all);
    at.min(bytes.len())
}

/// The length of an object's head: its kind and size, and what a delta is made from.
pub(crate) fn head(bytes: &[u8]) -> Option<usize> {
    let number =
        |from: usize| bytes.get(from..)?.iter().take(10).position(|byte| byte & 0x80 == 0).map(|last| from + last + 1);
    let after = number(0)?;
    match bytes[0] >> 4 & 7 {
        6 => number(after),
        7 => Some(after + 20),
        _ => Some(after),
    }
    .filter(|end| *end < bytes.len())
}
