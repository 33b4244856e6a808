//! The values of `name=value` pairs: a form, the query of an address, cookies.

use super::{Coding, Take, percent};

/// Undoes pairs where that joins something, or where a `+` may be a space.
pub(super) fn undo(bytes: &[u8], take: &mut dyn Take) {
    if bytes.contains(&b'+') || bytes.iter().filter(|byte| **byte == b'=').count() > 1 {
        take.layer(&[Coding::Form], &values(bytes));
    }
}

/// The values, joined and percent-decoded. Pairs end at `&` or `;`, the first may follow a `?`.
pub(crate) fn values(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for pair in bytes.split(|byte| matches!(byte, b'&' | b';' | b'?')) {
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else { continue };
        out.extend_from_slice(&percent(&pair[equals + 1..], true));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_forms_queries_and_cookies_are_joined() {
        assert_eq!(values(b"a=one+&b=two%20&c&d=three=3"), b"one two three=3");
        assert_eq!(values(b"/path?q=x&r=y"), b"xy");
        assert_eq!(values(b"a=1; b=2"), b"12");
        assert_eq!(values(b"nothing"), b"");
    }
}
