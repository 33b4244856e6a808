//! A day, as an endorsement ends on one. The caller brings the clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Seconds of a day.
const SECONDS: u64 = 86_400;

/// A day of the common calendar in UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(u32);

impl Day {
    /// The day of a time in seconds since the Unix epoch.
    #[must_use]
    pub fn of(seconds: u64) -> Day {
        Day(u32::try_from(seconds / SECONDS).unwrap_or(u32::MAX))
    }

    /// So many days later.
    #[must_use]
    pub const fn after(self, days: u32) -> Day {
        Day(self.0.saturating_add(days))
    }

    /// Reads `2027-01-31`, and nothing else; from 1970 to 9999.
    #[must_use]
    pub fn parse(text: &str) -> Option<Day> {
        let (year, month, day) = (text.get(..4)?, text.get(5..7)?, text.get(8..)?);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() != 10 || !(digits(year) && digits(month) && digits(day)) {
            return None;
        }
        let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        let known = year >= 1970 && (1..=12).contains(&month) && (1..=length(year, month)).contains(&day);
        (text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-' && known).then(|| Day(count(year, month, day)))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut year, mut left) = (1970, self.0);
        while left >= days(year) {
            left -= days(year);
            year += 1;
        }
        let mut month = 1;
        while left >= length(year, month) {
            left -= length(year, month);
            month += 1;
        }
        write!(formatter, "{year:04}-{month:02}-{:02}", left + 1)
    }
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

const fn days(year: u32) -> u32 {
    if is_leap(year) { 366 } else { 365 }
}

const fn length(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn count(year: u32, month: u32, day: u32) -> u32 {
    let years: u32 = (1970..year).map(days).sum();
    let months: u32 = (1..month).map(|month| length(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_said_in_one_form() {
        for (text, seconds) in [("1970-01-01", 0), ("2000-02-29", 951_782_400), ("2027-01-31", 1_801_353_600)] {
            let day = Day::parse(text).expect(text);
            assert_eq!((day, day.to_string().as_str()), (Day::of(seconds + 86_399), text));
        }
        for odd in [
            "2027-1-31",
            "2027-02-29",
            "2027-13-01",
            "2027-00-01",
            "2027-01-00",
            "1969-12-31",
            "2027/01/31",
            "+027-01-31",
            "2027-01-311",
            "",
            "ab",
        ] {
            assert_eq!(Day::parse(odd), None, "{odd}");
        }
        let mut day = Day::of(0);
        for _ in 0..40_000 {
            assert_eq!(Day::parse(&day.to_string()), Some(day));
            day = day.after(1);
        }
    }
}
