//! What a server says, line by line: one message each, of bounded length.

/// Most bytes of one message, both ways.
pub const MAX_MESSAGE: usize = 4 << 20;

/// A line is longer than a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it says more than {MAX_MESSAGE} bytes in one message")]
pub struct TooLong;

/// Takes bytes as they come. Holds at most one line that is not whole yet.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    /// So many of them were given as lines: they go at once, since to move the rest up for each line would take as long as the
    /// rest is long, however short the lines are.
    taken: usize,
    /// Of these and some behind them it is known that no further line ends there.
    looked: usize,
}

impl Lines {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`TooLong`], from which on nothing can be told apart.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let taken = std::mem::take(&mut self.taken);
        self.pending.drain(..taken);
        self.looked -= taken;
        self.pending.extend_from_slice(bytes);
        match self.end() {
            None if self.rest() > MAX_MESSAGE => Err(TooLong),
            _ => Ok(()),
        }
    }

    /// The next whole line, without its end; those that are empty are left out.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        while let Some(end) = self.end() {
            let line = &self.pending[self.taken..end];
            if line.len() > MAX_MESSAGE {
                return Err(TooLong);
            }
            let line = (!line.iter().all(u8::is_ascii_whitespace)).then(|| line.to_vec());
            self.taken = end + 1;
            self.looked = self.taken;
            if line.is_some() {
                return Ok(line);
            }
        }
        if self.rest() > MAX_MESSAGE { Err(TooLong) } else { Ok(None) }
    }

    /// Bytes that were not given yet.
    const fn rest(&self) -> usize {
        self.pending.len() - self.taken
    }

    fn end(&mut self) -> Option<usize> {
        let found = self.pending[self.looked..].iter().position(|byte| *byte == b'\n');
        match found {
            Some(at) => Some(self.looked + at),
            None => {
                self.looked = self.pending.len();
                None
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = b"{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\"";
        for size in 1..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.push(piece).unwrap();
                while let Some(line) = lines.next_line().unwrap() {
                    found.push(line);
                }
            }
            assert_eq!(found, [b"{\"a\":1}\r".to_vec(), b"{\"b\":2}".to_vec()], "{size}");
        }
    }

    /// What is given is not moved for each line: by count, since a clock would tell of the machine.
    #[test]
    fn however_many_lines_come_at_once_they_lie_where_they_came() {
        let mut lines = Lines::default();
        lines.push(&b"\n".repeat(32 << 10)).unwrap();
        lines.push(b"{}\n{").unwrap();
        let at = lines.pending.as_ptr();
        assert_eq!(lines.next_line(), Ok(Some(b"{}".to_vec())));
        assert_eq!((lines.pending.as_ptr(), lines.rest()), (at, 1));
        // And they go with the next ones: what a server says does not pile up.
        lines.push(b"}\n").unwrap();
        assert_eq!(lines.pending.len(), 3);
        assert_eq!((lines.next_line(), lines.next_line()), (Ok(Some(b"{}".to_vec())), Ok(None)));
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; MAX_MESSAGE / 4];
        (0..4).for_each(|_| lines.push(&piece).unwrap());
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"\n").unwrap();
        assert_eq!(lines.next_line().unwrap().map(|line| line.len()), Some(MAX_MESSAGE));
        (0..4).for_each(|_| lines.push(&piece).unwrap());
        assert_eq!(lines.push(b"x"), Err(TooLong));
        let mut lines = Lines::default();
        assert_eq!(lines.push(&[vec![b'x'; MAX_MESSAGE + 1], vec![b'\n']].concat()), Ok(()));
        assert_eq!(lines.next_line(), Err(TooLong));
    }
}
