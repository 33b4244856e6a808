//! The four programs as they are built: where they lie in memory, and what of them may be written or executed
//! (docs/decisions/0046).

use std::fs;

/// From the header of an ELF file of 64 bits.
const AT_ITS_ADDRESS: u16 = 2;
const ANYWHERE: u16 = 3;
/// Kinds of program headers.
const LOADED: u32 = 1;
const INTERPRETER: u32 = 3;
const STACK: u32 = 0x6474_e551;
const READ_ONLY_LATER: u32 = 0x6474_e552;
/// Flags of one.
const EXECUTED: u32 = 1;
const WRITTEN: u32 = 2;

/// Kind and flags of each program header, behind the kind of file.
fn headers(program: &str) -> (u16, Vec<(u32, u32)>) {
    let own = std::env::current_exe().expect("this test");
    let path = own.ancestors().nth(2).expect("the target directory").join(program);
    let bytes = fs::read(path).unwrap_or_else(|_| panic!("{program} is not built: `make debug`"));
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let table = usize::try_from(u64::from_le_bytes(bytes[32..40].try_into().expect("eight bytes"))).expect("fits");
    let (size, count) = (usize::from(half(54)), usize::from(half(56)));
    (half(16), (0..count).map(|one| table + one * size).map(|at| (word(at), word(at + 4))).collect())
}

#[test]
fn what_hostile_bytes_reach_first_lies_anywhere_and_nothing_is_both_written_and_executed() {
    for (program, lies) in [
        ("bastide-cell", ANYWHERE),
        ("bastide-gate", ANYWHERE),
        ("bastided", AT_ITS_ADDRESS),
        ("bastide", AT_ITS_ADDRESS),
    ] {
        let (kind, headers) = headers(program);
        assert_eq!(kind, lies, "{program}");
        let flags = |of: u32| headers.iter().filter(move |(kind, _)| *kind == of).map(|(_, flags)| *flags);
        assert!(flags(LOADED).count() >= 3 && flags(LOADED).all(|one| one & EXECUTED == 0 || one & WRITTEN == 0));
        assert!(flags(STACK).eq([4 | WRITTEN]), "{program}: its stack");
        assert_eq!(flags(READ_ONLY_LATER).count(), 1, "{program}: what points to code");
        assert_eq!(flags(INTERPRETER).count(), 0, "{program}: it needs no other file");
    }
}
