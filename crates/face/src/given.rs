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
    let seconds = seconds.filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    if seconds > policy::MOST_TIME {
        return Err("expected no more than a hundred years".to_owned());
    }
    Ok(Duration::from_secs(seconds))
}

/// A time that the plane takes where it takes no more than a day.
pub(crate) fn within_a_day(text: &str) -> Result<Duration, String> {
    let read = duration(text)?;
    if read.as_secs() > DAY { Err("expected no more than a day".to_owned()) } else { Ok(read) }
}

/// A moment of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The beginning of a day, in seconds since the Unix epoch.
    At(u64),
    /// So many seconds ago.
    Ago(u64),
}

const DAY: u64 = 86_400;

/// `YYYY-MM-DD`, or a number of days: `30d`.
pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let wrong = || "expected a day such as 2026-11-29, or an age such as 30d".to_owned();
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u64>().ok().filter(|_| plain)
    };
    if let Some(days) = text.strip_suffix('d') {
        return number(days).and_then(|days| days.checked_mul(DAY)).map(Moment::Ago).ok_or_else(wrong);
    }
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return Err(wrong()) };
    if [year.len(), month.len(), day.len()] != [4, 2, 2] {
        return Err(wrong());
    }
    let date = number(year).zip(number(month)).zip(number(day));
    let days = date.and_then(|((year, month), day)| days(year, month, day)).ok_or_else(wrong)?;
    Ok(Moment::At(days * DAY))
}

/// Days from the epoch to a day of the calendar; none before the epoch.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let months = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    if year < 1970 || !(1..=*months.get(before)?).contains(&day) {
        return None;
    }
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    Some(years + months[..before].iter().sum::<u64>() + day - 1)
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
        assert_eq!(within_a_day("24h"), Ok(Duration::from_secs(86_400)));
        assert!(within_a_day("86401").is_err() && within_a_day("0").is_err());
        assert_eq!(duration("876600h"), Ok(Duration::from_secs(policy::MOST_TIME)));
        for bad in
            ["0", "-1", "", "s", "1d", "1.5h", "99999999999999999999", "18446744073709551615h", "9223372036854775807s"]
        {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, seconds) in [("1970-01-01", 0), ("2000-02-29", 951_782_400), ("2026-11-25", 1_795_564_800)] {
            assert_eq!(moment(text), Ok(Moment::At(seconds)), "{text}");
        }
        assert_eq!(moment("30d"), Ok(Moment::Ago(30 * DAY)));
        for bad in [
            "",
            "d",
            "-1d",
            "30",
            "2026-13-01",
            "2026-02-29",
            "2026-00-01",
            "2026-1-1",
            "1969-12-31",
            "2026-11-25T",
            "+1-01-01",
        ] {
            assert!(moment(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_url_is_told_its_host() {
        assert_eq!(host("https://x:8443/y"), Err("a host, not a URL: `x:8443`".to_owned()));
        assert_eq!(host("x:1").as_deref(), Ok("x:1"));
        assert!(host("").is_err());
    }
}
