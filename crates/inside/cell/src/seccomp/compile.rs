//! A profile as classic BPF: check the architecture, then a binary search over ranges of numbers, then arguments.
//!
//! A tree and not a list: the kernel verifies and translates every instruction at each start of a cell, and ranges
//! of neighbours with one action need a single leaf. Every block ends in a return, so blocks are only ever joined.

use super::table::{Action, Condition, Profile, Rule, Width};
use libc::sock_filter;

#[cfg(target_arch = "x86_64")]
pub(crate) const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub(crate) const NATIVE: u32 = 0xc000_00b7;
/// Set in every number of the x32 ABI, which shares x86-64's architecture word.
#[cfg(target_arch = "x86_64")]
pub(crate) const X32: u32 = 0x4000_0000;

pub(crate) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(crate) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(crate) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(crate) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(crate) const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(crate) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// The kernel's bound (BPF_MAXINSNS).
const LONGEST: usize = 4096;

/// Offsets in `struct seccomp_data`; both supported machines are little-endian, so the low half comes first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Why a profile cannot become a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompileError {
    /// More instructions than the kernel takes.
    TooLong(usize),
    /// One rule's conditions are further than a conditional jump reaches.
    TooFar,
}

/// Compiles `profile` for this machine.
pub(crate) fn compile(profile: &Profile) -> Result<Vec<sock_filter>, CompileError> {
    let mut program =
        vec![step(LOAD, ARCHITECTURE), branch(IF_EQUAL, NATIVE, 1, 0), give(profile.foreign), step(LOAD, NUMBER)];
    #[cfg(target_arch = "x86_64")]
    program.extend([branch(IF_AT_LEAST, X32, 0, 1), give(profile.x32)]);
    program.extend(tree(&ranges(profile)?)?);
    match program.len() {
        length if length > LONGEST => Err(CompileError::TooLong(length)),
        _ => Ok(program),
    }
}

/// Numbers from `first` up to the next range share one block of code.
struct Range {
    first: u32,
    code: Vec<sock_filter>,
}

/// The whole number space, neighbours with equal code merged.
fn ranges(profile: &Profile) -> Result<Vec<Range>, CompileError> {
    let mut rules: Vec<&Rule> = profile.rules.iter().collect();
    // Stable: the rules of one number stay in their order.
    rules.sort_by_key(|rule| rule.number);
    let mut ranges = vec![Range { first: 0, code: vec![give(profile.default)] }];
    let mut calls = rules.chunk_by(|one, next| one.number == next.number).peekable();
    while let Some(call) = calls.next() {
        let number = call[0].number;
        push(&mut ranges, number, leaf(call, profile.default)?);
        if calls.peek().is_none_or(|next| next[0].number != number + 1) {
            push(&mut ranges, number + 1, vec![give(profile.default)]);
        }
    }
    Ok(ranges)
}

fn push(ranges: &mut Vec<Range>, first: u32, code: Vec<sock_filter>) {
    match ranges.last_mut() {
        Some(last) if same(&last.code, &code) => {}
        Some(last) if last.first == first => last.code = code,
        _ => ranges.push(Range { first, code }),
    }
}

/// `sock_filter` has no equality of its own.
fn same(one: &[sock_filter], other: &[sock_filter]) -> bool {
    let words = |i: &sock_filter| (i.code, i.jt, i.jf, i.k);
    one.iter().map(words).eq(other.iter().map(words))
}

/// One system call's rules in order, ended by the first without conditions, else by the default.
fn leaf(rules: &[&Rule], default: Action) -> Result<Vec<sock_filter>, CompileError> {
    let mut code = Vec::new();
    for rule in rules {
        code.extend(conditional(rule)?);
        if rule.when.is_empty() {
            return Ok(code);
        }
    }
    code.push(give(default));
    Ok(code)
}

/// Returns the rule's action, or falls through to what follows where one condition fails.
fn conditional(rule: &Rule) -> Result<Vec<sock_filter>, CompileError> {
    let mut code: Vec<sock_filter> = rule.when.iter().flat_map(compare).collect();
    code.push(give(rule.action));
    let end = code.len();
    for (at, instruction) in code.iter_mut().enumerate() {
        if instruction.code == IF_EQUAL {
            instruction.jf = u8::try_from(end - at - 1).map_err(|_| CompileError::TooFar)?;
        }
    }
    Ok(code)
}

/// The comparisons of one condition, half by half; the false side is aimed by `conditional`.
fn compare(condition: &Condition) -> Vec<sock_filter> {
    let offset = ARGUMENTS + 8 * u32::from(condition.argument);
    let mut code = half(offset, condition.mask as u32, condition.value as u32);
    if condition.width == Width::Long {
        code.extend(half(offset + 4, (condition.mask >> 32) as u32, (condition.value >> 32) as u32));
    }
    code
}

fn half(offset: u32, mask: u32, value: u32) -> Vec<sock_filter> {
    match mask {
        0 if value == 0 => vec![],
        u32::MAX => vec![step(LOAD, offset), branch(IF_EQUAL, value, 0, 0)],
        _ => vec![step(LOAD, offset), step(AND, mask), branch(IF_EQUAL, value, 0, 0)],
    }
}

/// Binary search: lower numbers first, higher ones behind them.
fn tree(ranges: &[Range]) -> Result<Vec<sock_filter>, CompileError> {
    if let [only] = ranges {
        return Ok(only.code.clone());
    }
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let pivot = above.first().map_or(0, |range| range.first);
    let (lower, higher) = (tree(below)?, tree(above)?);
    let mut code = match u8::try_from(lower.len()) {
        Ok(near) => vec![branch(IF_AT_LEAST, pivot, near, 0)],
        // Conditional jumps reach 255 instructions; the unconditional one has 32 bits.
        Err(_) => {
            let far = u32::try_from(lower.len()).map_err(|_| CompileError::TooLong(lower.len()))?;
            vec![branch(IF_AT_LEAST, pivot, 0, 1), step(JUMP, far)]
        }
    };
    code.extend(lower);
    code.extend(higher);
    Ok(code)
}

fn give(action: Action) -> sock_filter {
    step(RETURN, verdict(action))
}

/// The word that the kernel reads from a return.
pub(crate) fn verdict(action: Action) -> u32 {
    match action {
        Action::Allow => 0x7fff_0000,
        Action::Notify => 0x7fc0_0000,
        Action::Errno(errno) => 0x0005_0000 | u32::from(errno),
        Action::Kill => 0x8000_0000,
    }
}

fn step(code: u16, k: u32) -> sock_filter {
    branch(code, k, 0, 0)
}

fn branch(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}
