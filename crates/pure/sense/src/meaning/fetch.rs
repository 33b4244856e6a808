//! What Git asks with for what it lacks (gitprotocol-pack, gitprotocol-v2): lines that each say how long they are. It is
//! read because a path that is called as Git's is takes anything else as well.

use std::borrow::Cow;

use crate::coding::inflate;

/// What its first line begins with.
const BEGINS: [&[u8]; 2] = [b"want ", b"command="];
/// Most bytes once inflated: Git sends more than that in pieces, whose length nobody knows before.
const MOST: usize = 1 << 20;
/// How a member of gzip begins that has no name or comment, and what is behind it.
const GZIP: [u8; 4] = [0x1f, 0x8b, 8, 0];
const HEAD: usize = 10;
const TRAILER: usize = 8;
/// Longest line with its length, of four digits.
const LONGEST: usize = 65_520;

/// Whether this body is nothing else; `gzip` where its request says that it is compressed so.
#[must_use]
pub fn is_fetch(body: &[u8], gzip: bool) -> bool {
    let lines = if gzip { gunzip(body).map(Cow::Owned) } else { Some(Cow::Borrowed(body)) };
    lines.is_some_and(|lines| are_lines(&lines))
}

fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let within = body.starts_with(&GZIP).then(|| body.get(HEAD..body.len().checked_sub(TRAILER)?)).flatten()?;
    let inflated = inflate(within, false, MOST);
    (inflated.done && inflated.used == within.len()).then_some(inflated.bytes)
}

fn are_lines(mut rest: &[u8]) -> bool {
    let mut first = true;
    while !rest.is_empty() {
        let Some(length) = length(rest) else { return false };
        match length {
            // They part what belongs together: a flush, a delimiter, the end of an answer.
            0..=2 if !first => rest = &rest[4..],
            5..=LONGEST => {
                let Some(line) = rest.get(4..length) else { return false };
                if first && !BEGINS.iter().any(|begin| line.starts_with(begin)) {
                    return false;
                }
                (first, rest) = (false, &rest[length..]);
            }
            _ => return false,
        }
    }
    !first
}

fn length(rest: &[u8]) -> Option<usize> {
    let digits = rest.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION_0: &str = "003cwant 0123456789012345678901234567890123456789 ofs-delta\n00000009done\n";
    const VERSION_2: &str = "0014command=ls-refs\n0016object-format=sha10001";

    fn compressed(text: &str) -> Vec<u8> {
        let mut bytes = [&GZIP[..], &[0; 6]].concat();
        bytes.extend(miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 6));
        bytes.extend([0; TRAILER]);
        bytes
    }

    #[test]
    fn what_git_sends_is_told_from_what_others_do() {
        let protocol = format!("{VERSION_2}0009peel\n000csymrefs\n0000");
        for fetch in [VERSION_0, VERSION_2, &protocol] {
            assert!(is_fetch(fetch.as_bytes(), false), "{fetch}");
            assert!(is_fetch(&compressed(fetch), true) && !is_fetch(&compressed(fetch), false), "{fetch}");
        }
        for other in [
            "",
            "0000",
            "hello",
            "here is anything",
            "0009hello",
            "0014command=ls-refs\nand more",
            "0014command=ls-refs\n0003",
            "0014command=ls-refs\n0004",
            "0014command=ls-refs\n00ffhave",
            "+014command=ls-refs\n",
        ] {
            assert!(!is_fetch(other.as_bytes(), false) && !is_fetch(&compressed(other), true), "{other}");
        }
        let mut torn = compressed(VERSION_0);
        torn.push(0);
        assert!(!is_fetch(&torn, true) && !is_fetch(&torn[..12], true) && !is_fetch(VERSION_0.as_bytes(), true));
    }
}
