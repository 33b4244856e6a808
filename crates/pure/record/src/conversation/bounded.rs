//! JSON that is read only where there is room for what it becomes. Read, `{"a":0}` takes a hundred times the room of its
//! letters: a text far below every bound of length could take all the memory of whoever reads it.

use serde_json::Value;

use super::shape::Malformed;

/// The most bytes that a text may come to when it is read.
pub const MAX_TREE: usize = 128 * 1024 * 1024;

/// What a value in a list comes to while that grows, and what a key does.
const VALUE: usize = 64;
/// What the first of a list makes room for.
const LIST: usize = 160;
/// The same of an object: eleven keys and values.
const OBJECT: usize = 700;

/// Whether reading this as JSON comes to no more than [`MAX_TREE`], beside the letters of its texts. What is no JSON is
/// estimated as if it were.
#[must_use]
pub fn is_bounded(text: &[u8]) -> bool {
    let (mut left, mut quoted, mut escaped) = (MAX_TREE, false, false);
    for byte in text {
        let costs = match byte {
            _ if std::mem::take(&mut escaped) => 0,
            b'"' => {
                quoted = !quoted;
                0
            }
            b'\\' if quoted => {
                escaped = true;
                0
            }
            _ if quoted => 0,
            b',' | b':' => VALUE,
            b'[' => LIST,
            b'{' => OBJECT,
            _ => 0,
        };
        match left.checked_sub(costs) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// Reads one text.
pub(super) fn json(text: &str) -> Result<Value, Malformed> {
    if !is_bounded(text.as_bytes()) {
        return Err(Malformed::TooLarge);
    }
    serde_json::from_str(text).map_err(|_| Malformed::NotJson)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_is_bounded_and_text_is_not() {
        for one in ["0,", "[],", "[0],", "{},", "{\"a\":0},"] {
            let many = |times: usize| format!("[{}0]", one.repeat(times));
            assert!(json(&many(10_000)).is_ok(), "{one}");
            assert_eq!(json(&many(4 << 20)), Err(Malformed::TooLarge), "{one}");
        }
        let text = format!("[\"{}\\\\\", \"{}\"]", "[{,\\\"".repeat(1 << 20), ":".repeat(16 << 20));
        assert!(json(&text).is_ok());
        assert_eq!(json("{"), Err(Malformed::NotJson));
    }
}
