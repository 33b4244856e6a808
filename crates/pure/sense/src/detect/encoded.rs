//! Instructions in an encoding: base64, hexadecimal and percent-encoding are undone, once, and what comes out is judged.

use std::ops::Range;

use super::instruct::is_hidden_order;
use super::{Evidence, Found, Name, quoted};

/// The shortest run that is undone.
const SHORT: usize = 32;
/// Runs of one text that are undone, and bytes of one of them.
const RUNS: usize = 32;
const RUN: usize = 8 << 10;

pub(super) fn find(text: &str, from: usize, found: &mut Found) {
    let mut runs = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() && runs < RUNS {
        let begins = at;
        while at < bytes.len() && is_run(bytes[at]) {
            at += 1;
        }
        if at - begins >= SHORT {
            runs += 1;
            let run = &bytes[begins..at.min(begins + RUN)];
            if let Some((how, says)) = undone(run).filter(|(_, says)| is_hidden_order(says)) {
                tell(found, from + begins..from + at, how, &says);
            }
        }
        at = at.max(begins + 1);
    }
}

fn tell(found: &mut Found, span: Range<usize>, how: &str, says: &str) {
    found.push(Evidence {
        name: Name::EncodedInstruction,
        span,
        weight: Name::EncodedInstruction.weight(),
        why: format!("in {how} it reads like an order to the model"),
        quoted: quoted(says),
    });
}

const fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'%')
}

/// What a run says, and in which encoding it does.
fn undone(run: &[u8]) -> Option<(&'static str, String)> {
    if run.contains(&b'%') {
        return Some(("percent-encoding", readable(percent(run))?));
    }
    if run.iter().all(u8::is_ascii_hexdigit) {
        return Some(("hexadecimal", readable(hexadecimal(run))?));
    }
    Some(("base64", readable(base64(run))?))
}

/// As a text, where it is one.
fn readable(bytes: Vec<u8>) -> Option<String> {
    let length = bytes.len();
    // Where a run was cut the last character may be.
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.utf8_error().valid_up_to() + 4 > length => {
            let upto = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(upto);
            String::from_utf8(bytes).ok()?
        }
        Err(_) => return None,
    };
    let odd = text.chars().filter(|letter| letter.is_control() && !letter.is_whitespace()).count();
    (odd == 0 && text.contains(' ')).then_some(text)
}

fn base64(run: &[u8]) -> Vec<u8> {
    let (mut out, mut bits, mut held) = (Vec::with_capacity(run.len()), 0_u32, 0);
    for byte in run {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 255) as u8);
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn hexadecimal(run: &[u8]) -> Vec<u8> {
    run.chunks_exact(2).filter_map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn percent(run: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(run.len()), 0);
    while at < run.len() {
        let pair = run.get(at + 1).copied().and_then(digit).zip(run.get(at + 2).copied().and_then(digit));
        match (run[at], pair) {
            (b'%', Some((high, low))) => {
                out.push(high << 4 | low);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (other, _) => {
                out.push(other);
                at += 1;
            }
        }
    }
    out
}
