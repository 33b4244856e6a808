//! What one word of the command line may be. An empty one is never meant: as a path it would mean everything.

use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The longest name of a session.
const NAME: usize = 64;

/// Any word.
pub(crate) fn word() -> impl TypedValueParser<Value = String> {
    NonEmptyStringValueParser::new()
}

/// Any word, of any bytes.
pub(crate) fn bytes() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|word| if word.is_empty() { Err("an empty word") } else { Ok(word) })
}

/// A path.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    bytes().map(PathBuf::from)
}

/// Whether a word could be a session: letters, digits, `.`, `_` and `-`, a letter or digit first.
pub(crate) fn is_plain(word: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    word.len() <= NAME && word.first().is_some_and(u8::is_ascii_alphanumeric) && word.iter().all(plain)
}

/// The name of a session.
pub(crate) fn name(text: &str) -> Result<String, String> {
    if is_plain(text.as_bytes()) {
        return Ok(text.to_owned());
    }
    Err(format!("expected at most {NAME} letters, digits, `.`, `_` and `-`, a letter or digit first"))
}

/// The name of a secret. No message repeats it: it may be the value, in the wrong place.
pub(crate) fn secret(text: &str) -> Result<String, String> {
    if policy::is_credential_name(text) {
        return Ok(text.to_owned());
    }
    Err("expected at most 64 of `a` to `z`, digits, `.`, `_` and `-`, a letter or digit first".to_owned())
}

/// A host. The plane reads it; only what is surely a URL is told apart here.
pub(crate) fn host(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some((_, rest)) => Err(format!("a host, not a URL: `{}`", rest.split(['/', '?', '#']).next().unwrap_or(rest))),
        None if text.is_empty() => Err("an empty word".to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// `K=V`. No message repeats the value.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected K=V")?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if key.is_empty() || key.starts_with(|first: char| first.is_ascii_digit()) || !key.bytes().all(plain) {
        return Err("expected K=V, K of letters, digits, `_`, `.` and `-`, no digit first".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// A time.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a positive number with s, m or h".to_owned();
    let unit = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit);
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(factor));
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_words() {
        for good in ["a", "fix-the_build.2", "20261125-a1b2", &"x".repeat(NAME)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", ".", "..", "-x", "_x", "a b", "a/b", "é", "a\n", &"x".repeat(NAME + 1)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn variables_have_plain_names() {
        assert_eq!(variable("A_1=b=c"), Ok(("A_1".into(), "b=c".into())));
        assert_eq!(variable("npm.x-y="), Ok(("npm.x-y".into(), String::new())));
        for bad in ["A B=x", "=x", "A", "1A=x", "A\n=x", "é=x", ""] {
            assert!(variable(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_positive() {
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for bad in ["0", "-1", "", "s", "1d", "1.5h", "99999999999999999999", "18446744073709551615h"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_url_is_told_its_host() {
        assert_eq!(host("https://x:8443/y"), Err("a host, not a URL: `x:8443`".to_owned()));
        assert_eq!(host("x:1").as_deref(), Ok("x:1"));
        assert!(host("").is_err());
    }
}
