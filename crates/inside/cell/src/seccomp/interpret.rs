//! A second reading of classic BPF, for the tests: what the kernel would answer to one call.

use super::compile::{AND, IF_AT_LEAST, IF_EQUAL, JUMP, LOAD, RETURN};
use libc::sock_filter;

/// One system call as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) number: u32,
    pub(crate) architecture: u32,
    pub(crate) arguments: [u64; 6],
}

impl Call {
    /// `struct seccomp_data`.
    fn bytes(&self) -> [u8; 64] {
        let mut data = [0; 64];
        data[..4].copy_from_slice(&self.number.to_le_bytes());
        data[4..8].copy_from_slice(&self.architecture.to_le_bytes());
        for (slot, argument) in data[16..].chunks_exact_mut(8).zip(self.arguments) {
            slot.copy_from_slice(&argument.to_le_bytes());
        }
        data
    }
}

/// Runs `program`; panics where the kernel would have refused to load it.
pub(crate) fn run(program: &[sock_filter], call: &Call) -> u32 {
    let (data, mut accumulator, mut at) = (call.bytes(), 0u32, 0usize);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let branch = |taken: bool| usize::from(if taken { jt } else { jf });
        match code {
            LOAD => {
                assert_eq!(k % 4, 0, "unaligned load");
                let word = &data[k as usize..k as usize + 4];
                accumulator = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            }
            AND => accumulator &= k,
            JUMP => at += k as usize,
            IF_EQUAL => at += branch(accumulator == k),
            IF_AT_LEAST => at += branch(accumulator >= k),
            RETURN => return k,
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}
