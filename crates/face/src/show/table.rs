//! Columns, and times as a person reads them.

/// The widest line.
const WIDTH: usize = 80;

/// Rows in aligned columns, two spaces apart; the last column takes what is left of the line, and is cut there.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - length(cell) + 2));
        }
        text.push_str(cut(line.trim_end(), WIDTH).trim_end());
        text.push('\n');
    }
    text
}

/// The text, or its beginning and `…`.
fn cut(text: &str, limit: usize) -> String {
    if length(text) <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// Microseconds since the Unix epoch as `2026-11-25 01:39:07Z`.
pub(crate) fn time(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The same without seconds.
pub(super) fn minute(micros: u64) -> String {
    let time = time(micros);
    time.rsplit_once(':').map_or_else(|| time.clone(), |(minute, _)| format!("{minute}Z"))
}

/// The civil date of a day since the epoch, by eras of 400 years that begin in March.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + carry, month, day_of_month)
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(time(951_782_400_000_000), "2000-02-29 00:00:00Z");
        assert_eq!(time(1_795_570_747_000_001), "2026-11-25 01:39:07Z");
        assert_eq!(time(1_798_761_599_999_999), "2026-12-31 23:59:59Z");
        assert_eq!(minute(1_795_570_747_000_001), "2026-11-25 01:39Z");
        assert!(time(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn columns_line_up_and_no_line_is_wider() {
        let rows = vec![vec!["A".to_owned(), "B".to_owned()], vec!["long".to_owned(), "x".repeat(200)]];
        let text = table(&rows);
        assert_eq!(text.lines().next(), Some("A     B"));
        assert!(text.lines().all(|line| length(line) <= WIDTH) && text.contains('…'));
    }
}
