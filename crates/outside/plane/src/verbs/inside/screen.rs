//! The screen of a session's terminal, made of what its program printed. This is where hostile bytes are understood, in a
//! process of its own that holds nothing: were it to fail, one `attach` would end.

// Said in full for the fuzz target, which takes this file by its path.
#[path = "screen/bounds.rs"]
mod bounds;

use std::num::NonZero;

use bounds::Bounds;

use vt100::Parser;
use wire::command::Terminal;

/// A screen is no larger, whatever is asked: a cell takes 32 bytes of memory.
const MOST: u16 = 500;
/// Ends whatever sequence was cut off: a terminal then reads on as from the beginning.
const CANCEL: u8 = 0x18;

/// What a terminal shows.
pub(super) struct Screen {
    parser: Parser,
    bounds: Bounds,
}

impl Screen {
    /// An empty one.
    pub(super) fn new(size: Terminal) -> Screen {
        let (rows, columns) = bounded(size);
        Screen { parser: Parser::new(rows, columns, 0), bounds: Bounds::new(MOST) }
    }

    /// Takes what was printed.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.parser.process(&self.bounds.within(bytes));
    }

    /// Another size.
    pub(super) fn resize(&mut self, size: Terminal) {
        let (rows, columns) = bounded(size);
        self.parser.screen_mut().set_size(rows, columns);
    }

    /// What makes another terminal show the same, whatever it showed before.
    pub(super) fn draw(&self) -> Vec<u8> {
        let mut bytes = vec![CANCEL];
        let screen = self.parser.screen();
        if screen.alternate_screen() {
            bytes.extend_from_slice(b"\x1b[?1049h");
        }
        bytes.extend(screen.state_formatted().into_bytes());
        bytes
    }
}

fn bounded(size: Terminal) -> (NonZero<u16>, NonZero<u16>) {
    let within = |length: u16| NonZero::new(length.min(MOST)).unwrap_or(NonZero::<u16>::MIN);
    (within(size.rows), within(size.columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Terminal = Terminal { rows: 5, columns: 20 };

    #[test]
    fn what_is_drawn_shows_the_same_screen() {
        let mut screen = Screen::new(SIZE);
        screen.push(b"one\r\n\x1b[31mtwo\x1b[m\x1b[?1049h\x1b[2J\x1b[3;4Hfull\x1b[?2004h");
        let mut other = Screen::new(SIZE);
        other.push(b"something else\x1b]0;cut");
        other.push(&screen.draw());
        assert_eq!(other.parser.screen().contents(), screen.parser.screen().contents());
        assert_eq!(other.parser.screen().contents().trim(), "full");
        assert_eq!(other.parser.screen().cursor_position(), screen.parser.screen().cursor_position());
        assert!(other.parser.screen().alternate_screen() && other.parser.screen().bracketed_paste());
    }

    /// A letter that is repeated costs as much as one that is printed, and nine bytes ask for 65,535.
    #[test]
    fn it_takes_no_long_time_whatever_is_printed() {
        let mut screen = Screen::new(Terminal { rows: 24, columns: 80 });
        let begun = std::time::Instant::now();
        screen.push(&b"A\x1b[65535b".repeat(20_000));
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
        let row = "A".repeat(80);
        assert!(screen.parser.screen().rows(0, 80).take(23).all(|shown| shown == row));
    }

    /// Sizes that no terminal has, and sequences that ask for much.
    #[test]
    fn it_is_bounded_whatever_is_printed() {
        for size in [Terminal { rows: 0, columns: 0 }, Terminal { rows: u16::MAX, columns: u16::MAX }] {
            let mut screen = Screen::new(size);
            screen
                .push(b"\x1b[99999;99999H\x1b[99999L\x1b[99999P\x1b[99999@\x1b[99999S\x1b[99999T\xff\xfe\xf0\x9f\x98");
            screen.push(&[b'x'; 10_000]);
            screen.resize(Terminal { rows: 1, columns: 1 });
            screen.push("\u{1f600}\r\n\u{300}".as_bytes());
            screen.resize(Terminal { rows: 3, columns: 7 });
            screen.push(b"ok");
            assert!(screen.draw().len() < 4_000_000);
        }
    }
}
