//! Bytes of a terminal as keys. What is pasted and what the terminal answers is no key: nobody pressed it.

/// Longest sequence that means anything.
const LONGEST: usize = 32;
const PASTE: &[u8] = b"200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Escape,
    Back,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// ^C.
    Interrupt,
    /// ^L.
    Redraw,
    /// ^Z.
    Suspend,
}

/// Takes bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Keys {
    state: State,
    held: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Escape,
    Control,
    Function,
    /// An answer of the terminal's, until its end.
    Text,
    Paste,
}

impl Keys {
    /// The keys that these bytes complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Key> {
        bytes.iter().filter_map(|byte| self.byte(*byte)).collect()
    }

    /// Whether an escape waits for what may follow it.
    pub(super) fn waits(&self) -> bool {
        self.state == State::Escape
    }

    /// Nothing followed: it was the key.
    pub(super) fn settle(&mut self) -> Option<Key> {
        self.waits().then(|| {
            self.state = State::Plain;
            Key::Escape
        })
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        match self.state {
            State::Plain => return self.plain(byte),
            State::Escape => {
                self.held.clear();
                self.state = match byte {
                    b'[' => State::Control,
                    b'O' => State::Function,
                    b']' | b'P' | b'X' | b'^' | b'_' => State::Text,
                    0x1b => return Some(Key::Escape),
                    // With Alt: none of ours.
                    _ => State::Plain,
                };
            }
            State::Control => {
                if (0x40..=0x7e).contains(&byte) {
                    return self.controlled(byte);
                }
                self.hold(byte);
            }
            State::Function => {
                self.state = State::Plain;
                return moved(byte);
            }
            State::Text => {
                self.hold(byte);
                if byte == 0x07 || self.held.ends_with(b"\x1b\\") {
                    self.state = State::Plain;
                    self.held.clear();
                }
            }
            State::Paste => {
                self.hold(byte);
                if self.held.ends_with(PASTE_END) {
                    self.state = State::Plain;
                    self.held.clear();
                }
            }
        }
        None
    }

    fn plain(&mut self, byte: u8) -> Option<Key> {
        match byte {
            0x1b => {
                self.held.clear();
                self.state = State::Escape;
                None
            }
            b'\r' | b'\n' => Some(Key::Enter),
            0x7f | 0x08 => Some(Key::Back),
            0x03 => Some(Key::Interrupt),
            0x0c => Some(Key::Redraw),
            0x1a => Some(Key::Suspend),
            0..0x20 => None,
            _ => self.letter(byte),
        }
    }

    /// A letter may be of several bytes.
    fn letter(&mut self, byte: u8) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            self.held.clear();
        }
        self.held.push(byte);
        let letter = std::str::from_utf8(&self.held).ok().and_then(|text| text.chars().next());
        if letter.is_some() || self.held.len() >= 4 {
            self.held.clear();
        }
        letter.map(Key::Char)
    }

    fn controlled(&mut self, last: u8) -> Option<Key> {
        self.state = State::Plain;
        self.held.push(last);
        let sequence = std::mem::take(&mut self.held);
        match sequence.as_slice() {
            PASTE => {
                self.state = State::Paste;
                None
            }
            b"5~" => Some(Key::PageUp),
            b"6~" => Some(Key::PageDown),
            b"1~" | b"7~" => Some(Key::Home),
            b"4~" | b"8~" => Some(Key::End),
            [one] => moved(*one),
            _ => None,
        }
    }

    fn hold(&mut self, byte: u8) {
        if self.held.len() >= LONGEST {
            self.held.drain(..LONGEST - PASTE_END.len());
        }
        self.held.push(byte);
    }
}

fn moved(byte: u8) -> Option<Key> {
    Some(match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(bytes: &[u8]) -> Vec<Key> {
        // However the bytes come, they are the same keys.
        let whole = Keys::default().push(bytes);
        let mut keys = Keys::default();
        let single: Vec<Key> = bytes.iter().flat_map(|byte| keys.push(&[*byte])).collect();
        assert_eq!(whole, single, "{}", bytes.escape_ascii());
        whole
    }

    #[test]
    fn keys_are_what_was_pressed() {
        for (bytes, keys) in [
            (&b"jK"[..], &[Key::Char('j'), Key::Char('K')][..]),
            ("é日".as_bytes(), &[Key::Char('é'), Key::Char('日')]),
            (b"\x1b[A\x1b[B\x1bOA\x1b[5~\x1b[6~", &[Key::Up, Key::Down, Key::Up, Key::PageUp, Key::PageDown]),
            (b"\x1b[H\x1b[F\x1b[1~\x1b[4~", &[Key::Home, Key::End, Key::Home, Key::End]),
            (b"\r\n\x7f\x03\x0c\x1a", &[Key::Enter, Key::Enter, Key::Back, Key::Interrupt, Key::Redraw, Key::Suspend]),
            (b"\x1b\x1b[A", &[Key::Escape, Key::Up]),
            // With Alt or Shift, a function key, half a letter.
            (b"\x1bo\x1b[1;2A\x1b[15~\xff\xc3y", &[Key::Char('y')]),
        ] {
            assert_eq!(pressed(bytes), keys, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_nobody_pressed_is_no_key() {
        for bytes in [
            &b"\x1b[200~aoK:q\r\x1b[201~"[..],
            b"\x1b[200~\x1b[201\x1b[A~a\x1b[201~",
            b"\x1b]11;rgb:o/o/o\x07\x1b]52;c;ooo\x1b\\",
            b"\x1bP>|ooo\x1b\\\x1b[?62;c\x1b[1;1R\x1b[I\x1b[O",
            b"\x1b[<0;1;1M",
        ] {
            assert_eq!(pressed(bytes), [], "{}", bytes.escape_ascii());
        }
        // A long one does not end the paste that it is in.
        let long = [&b"\x1b[200~"[..], &[b'a'; 1000], b"\x1b[201~j"].concat();
        assert_eq!(pressed(&long), [Key::Char('j')]);
    }

    #[test]
    fn an_escape_alone_is_one_when_nothing_follows() {
        let mut keys = Keys::default();
        assert!(keys.push(b"\x1b").is_empty() && keys.waits());
        assert_eq!(keys.settle(), Some(Key::Escape));
        assert_eq!((keys.settle(), keys.push(b"[")), (None, vec![Key::Char('[')]));
    }
}
