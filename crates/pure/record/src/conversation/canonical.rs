//! One spelling for JSON that means the same, so that what a model wrote equals what an agent parsed and wrote again.
//!
//! Keys are sorted, spaces left out, and numbers are what JavaScript makes of them: `1.0` is `1`, and integers are exact up
//! to 2^53. Never read back: it is hashed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

use super::bounded;
use crate::segment::Hash;

/// The SHA-256 of bytes.
pub(super) fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The one spelling of a tool's arguments: of the JSON that they are, else the text. No arguments are an empty object.
pub(super) fn arguments(text: &str) -> String {
    match bounded::json(text) {
        _ if text.trim().is_empty() => "{}".to_owned(),
        Ok(value) => json(&value),
        Err(_) => text.trim_end().to_owned(),
    }
}

/// The one spelling of a block that is not understood: without what agents add, move or leave out on its way back.
pub(super) fn unknown(text: &str) -> String {
    match bounded::json(text) {
        Ok(Value::Object(mut fields)) => {
            for name in ["cache_control", "id", "status"] {
                fields.remove(name);
            }
            json(&Value::Object(fields))
        }
        Ok(value) => json(&value),
        Err(_) => text.to_owned(),
    }
}

/// The one spelling of a value. Recurses as deep as the value is nested.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// The SHA-256 of a value, however it is spelt.
#[must_use]
pub fn digest(value: &Value) -> Hash {
    hash(json(value).as_bytes())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Number(number) => write_number(number, out),
        Value::Array(items) => {
            let mut mark = '[';
            for item in items {
                out.push(mark);
                write(item, out);
                mark = ',';
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(fields) => {
            // Sorted here: whether serde_json sorts is for any crate of the build to switch.
            let sorted: BTreeMap<&str, &Value> = fields.iter().map(|(name, field)| (name.as_str(), field)).collect();
            let mut mark = '{';
            for (name, field) in sorted {
                out.push(mark);
                let _ = write!(out, "{}:", Value::from(name));
                write(field, out);
                mark = ',';
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
        // Writing to a string cannot fail.
        plain => {
            let _ = write!(out, "{plain}");
        }
    }
}

/// A fraction is compared to 15 digits: readers differ in the last bit.
fn write_number(number: &Number, out: &mut String) {
    let _ = match number.as_f64() {
        Some(0.0) => write!(out, "0"),
        Some(double) if double.fract() == 0.0 => write!(out, "{double:e}"),
        Some(double) => write!(out, "{double:.14e}"),
        None => write!(out, "{number}"),
    };
}

/// Every key and value of JSON, one a line, as a reader would see them: nothing escaped. Text that is no JSON as it is.
pub(super) fn leaves(text: &str) -> String {
    let Ok(value) = bounded::json(text) else { return text.to_owned() };
    let mut out = String::with_capacity(text.len());
    gather(&value, &mut out);
    out
}

fn gather(value: &Value, out: &mut String) {
    let line = |out: &mut String, text: &str| {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(text);
    };
    match value {
        Value::String(text) => line(out, text),
        Value::Array(items) => items.iter().for_each(|item| gather(item, out)),
        Value::Object(fields) => {
            for (name, field) in fields {
                line(out, name);
                gather(field, out);
            }
        }
        Value::Null => {}
        scalar => line(out, &scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_the_same_is_spelt_the_same() {
        for (one, other) in [
            (r#"{"b": 1, "a": [true, null]}"#, r#"{"a":[true,null],"b":1.0}"#),
            (r#"{"n": 9007199254740993}"#, r#"{"n": 9007199254740992}"#),
            (r#"{"n": 0.12345678901234567891}"#, r#"{"n": 0.12345678901234568}"#),
            (r#"{"n": -0.0}"#, r#"{"n": 0}"#),
            (r#"{"t": "\u0041\/"}"#, r#"{"t": "A/"}"#),
            ("", "{}"),
            ("not json\n", "not json"),
        ] {
            assert_eq!(arguments(one), arguments(other));
        }
    }

    #[test]
    fn what_means_something_else_is_not() {
        for (one, other) in [
            (r#"{"a": 1}"#, r#"{"a": "1"}"#),
            (r#"{"a": []}"#, r#"{"a": {}}"#),
            (r#"{"a": null}"#, "{}"),
            (r#"{"a": 1.5}"#, r#"{"a": 1.6}"#),
            (r#"["a","b"]"#, r#"["a,b"]"#),
        ] {
            assert_ne!(arguments(one), arguments(other));
        }
    }

    #[test]
    fn leaves_are_what_is_said() {
        assert_eq!(leaves(r#"{"cmd": ["a\nb", 2], "x": {"k": null}}"#), "cmd\na\nb\n2\nx\nk");
    }
}
