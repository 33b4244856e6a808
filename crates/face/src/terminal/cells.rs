//! Cells as bytes of a terminal: what changed since the last time, and nothing that a terminal would answer.

use std::fmt::Write as _;
use std::io;
use std::os::fd::OwnedFd;

use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};

use super::alternate::write;

/// Writes to a terminal. What is written goes out as one piece, with [`Backend::flush`].
#[derive(Debug)]
pub struct Cells {
    output: OwnedFd,
    pending: String,
}

impl Cells {
    /// Of this terminal.
    #[must_use]
    pub fn of(output: OwnedFd) -> Cells {
        Cells { output, pending: String::new() }
    }

    /// Gives a text to the terminal's clipboard, where it takes it: OSC 52.
    pub fn copy(&mut self, text: &str) {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        let _ = write!(self.pending, "\x1b]52;c;{text}\x1b\\");
    }
}

impl Backend for Cells {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let (mut last, mut look) = (None, None);
        for (x, y, cell) in content {
            if last.is_none_or(|(before, line): (u16, u16)| (before.wrapping_add(1), line) != (x, y)) {
                let _ = write!(self.pending, "\x1b[{};{}H", y + 1, x + 1);
            }
            last = Some((x, y));
            if look != Some((cell.fg, cell.modifier)) {
                look = Some((cell.fg, cell.modifier));
                self.pending.push_str(&dressed(cell.fg, cell.modifier));
            }
            self.pending.push_str(cell.symbol());
        }
        if look.is_some() {
            self.pending.push_str("\x1b[0m");
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.pending.push_str("\x1b[?25l");
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.pending.push_str("\x1b[?25h");
        Ok(())
    }

    /// A terminal that is asked where its cursor is answers as if by keys. It is not asked.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        let _ = write!(self.pending, "\x1b[{};{}H", y.saturating_add(1), x.saturating_add(1));
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, part: ClearType) -> io::Result<()> {
        self.pending.push_str(match part {
            ClearType::All => "\x1b[2J",
            ClearType::AfterCursor => "\x1b[0J",
            ClearType::BeforeCursor => "\x1b[1J",
            ClearType::CurrentLine => "\x1b[2K",
            ClearType::UntilNewLine => "\x1b[0K",
        });
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        let size = rustix::termios::tcgetwinsize(&self.output)?;
        // One that does not know its size has the usual one.
        let or = |told: u16, usual: u16| if told == 0 { usual } else { told };
        Ok(Size { width: or(size.ws_col, 80), height: or(size.ws_row, 24) })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        write(&self.output, pending.as_bytes())
    }
}

/// The eight colours of every terminal, and what is told apart without one.
fn dressed(colour: Color, modifier: Modifier) -> String {
    let mut text = String::from("\x1b[0");
    for (part, code) in
        [(Modifier::BOLD, "1"), (Modifier::DIM, "2"), (Modifier::UNDERLINED, "4"), (Modifier::REVERSED, "7")]
    {
        if modifier.contains(part) {
            text.push(';');
            text.push_str(code);
        }
    }
    text.push_str(match colour {
        Color::Red => ";31",
        Color::Green => ";32",
        Color::Yellow => ";33",
        _ => "",
    });
    text.push('m');
    text
}

#[cfg(test)]
mod tests {
    use ratatui_core::buffer::Buffer;
    use ratatui_core::layout::Rect;
    use ratatui_core::style::Style;

    use super::*;

    #[test]
    fn what_is_drawn_is_placed_dressed_and_makes_no_terminal_answer() {
        let (read, write) = rustix::pipe::pipe().expect("pipe");
        let mut cells = Cells::of(write);
        let before = Buffer::empty(Rect::new(0, 0, 9, 2));
        let mut after = before.clone();
        after.set_string(1, 1, "日a", Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD | Modifier::REVERSED));
        after.set_string(0, 0, "b", Style::new());
        cells.draw(before.diff(&after).into_iter()).expect("drawn");
        cells.copy("s1");
        cells.flush().expect("written");
        let mut bytes = [0; 256];
        let length = rustix::io::read(read, &mut bytes).expect("read");
        let told = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(told.starts_with("\x1b[1;1H\x1b[0mb\x1b[2;2H\x1b[0;1;7;33m日"), "{told:?}");
        assert!(told.ends_with("a\x1b[0m\x1b]52;c;czE=\x1b\\"), "{told:?}");
        // As the filter for an agent's output has it: nothing but the clipboard is taken out of it.
        let (mut filter, mut passed) = (super::super::filter::Filter::new(), Vec::new());
        filter.push(told.as_bytes(), &mut passed);
        assert_eq!(String::from_utf8_lossy(&passed), told.replace("\x1b]52;c;czE=\x1b\\", ""));
    }
}
