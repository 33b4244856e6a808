//! Text by the columns that it takes, not by its letters: some take two, some none.

use ratatui_core::text::Span;

/// Columns of a text.
pub(crate) fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

fn wide(letter: char) -> usize {
    Span::raw(letter.encode_utf8(&mut [0; 4]) as &str).width()
}

/// The text, or as much of it as fits and `…`.
pub(crate) fn fit(text: &str, room: u16) -> String {
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

/// Before what goes on from the line above: no words of an agent stand where a line of ours begins.
const ON: &str = "↳ ";

/// Lines that fit, each broken where it must be: nothing is hidden at an end.
pub(crate) fn wrapped(text: &str, room: u16) -> Vec<String> {
    text.lines().flat_map(|line| broken(line, room)).collect()
}

/// One line in as many as it needs; each but the first begins with a mark.
pub(crate) fn broken(line: &str, room: u16) -> impl Iterator<Item = String> {
    let pieces = pieces(&line.replace('\t', "    "), usize::from(room.max(4)));
    let on = |(at, piece): (usize, String)| if at == 0 { piece } else { format!("{ON}{piece}") };
    pieces.into_iter().enumerate().map(on)
}

/// One line in pieces, behind a space where there is one near. All but the first leave room for what stands before them.
fn pieces(line: &str, room: usize) -> Vec<String> {
    let (mut pieces, mut piece, mut used, mut left) = (Vec::new(), String::new(), 0, room);
    for letter in line.chars() {
        if used + wide(letter) > left {
            let near =
                piece.rfind(' ').map(|at| at + 1).filter(|at| piece.len() - at < left / 3).unwrap_or(piece.len());
            let rest = piece.split_off(near);
            pieces.push(std::mem::replace(&mut piece, rest));
            used = Span::raw(piece.as_str()).width();
            left = room - 2;
        }
        used += wide(letter);
        piece.push(letter);
    }
    pieces.push(piece);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_than_its_room_and_nothing_is_lost() {
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!((fit("abc", 0), fit("abc", 1)), (String::new(), "…".to_owned()));
        assert_eq!(wrapped("one two three\n\nfour", 10), ["one two ", "↳ three", "", "four"]);
        proptest::proptest!(|(text: String, room in 0..90u16)| {
            let text = crate::words::plain(&text);
            proptest::prop_assert!(width(&fit(&text, room)) <= room);
            proptest::prop_assert!(wrapped(&text, room).iter().all(|line| width(line) <= room.max(4)));
            for line in text.lines() {
                proptest::prop_assert_eq!(pieces(line, usize::from(room.max(4))).concat(), line);
            }
        });
    }

    /// A piece of what an agent wrote that looks like a row of a card stands behind a mark.
    #[test]
    fn what_goes_on_is_marked() {
        let words = format!("  it says '{}  with    no credential'", "x".repeat(29));
        let lines = wrapped(&words, 40);
        assert!(lines.len() > 1 && lines[1..].iter().all(|line| line.starts_with(ON)), "{lines:?}");
    }
}
