//! Text by the columns that it takes, not by its letters: some take two, some none.

use ratatui_core::text::Span;

/// Columns of a text.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

fn wide(letter: char) -> usize {
    Span::raw(letter.encode_utf8(&mut [0; 4]) as &str).width()
}

/// The text, or as much of it as fits and `…`.
pub(super) fn fit(text: &str, room: u16) -> String {
    let room = usize::from(room);
    if Span::raw(text).width() <= room {
        return text.to_owned();
    }
    let (mut shown, mut used) = (String::new(), 0);
    for letter in text.chars() {
        if used + wide(letter) >= room {
            break;
        }
        used += wide(letter);
        shown.push(letter);
    }
    if room > 0 {
        shown.push('…');
    }
    shown
}

/// Lines that fit, each broken where it must be: nothing is hidden at an end.
pub(super) fn wrapped(text: &str, room: u16) -> Vec<String> {
    let room = usize::from(room.max(2));
    let mut lines = Vec::new();
    for line in text.lines() {
        let (mut shown, mut used) = (String::new(), 0);
        for letter in line.replace('\t', "    ").chars() {
            if used + wide(letter) > room {
                lines.push(std::mem::take(&mut shown));
                used = 0;
            }
            used += wide(letter);
            shown.push(letter);
        }
        lines.push(shown);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_than_its_room_and_nothing_is_lost() {
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!((fit("abc", 0), fit("abc", 1)), (String::new(), "…".to_owned()));
        proptest::proptest!(|(text: String, room in 0..90u16)| {
            let text = crate::words::plain(&text);
            proptest::prop_assert!(width(&fit(&text, room)) <= room);
            let lines = wrapped(&text, room);
            proptest::prop_assert!(lines.iter().all(|line| width(line) <= room.max(2)));
            let whole: String = text.lines().collect::<String>().replace('\t', "    ");
            proptest::prop_assert_eq!(lines.concat(), whole);
        });
    }
}
