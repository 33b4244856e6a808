//! Many connections on one pair of pipes, between the operator's client and the one program of a cell.

use std::io::{self, Read, Write};

/// Longest piece.
pub(super) const PIECE: usize = 32 * 1024;

/// One step of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// The cell is there; what its programs trust, as PEM.
    Ready(Vec<u8>),
    /// A new connection, to one of the door's two names.
    Open(u32, Door),
    /// Bytes of it.
    Bytes(u32, Vec<u8>),
    /// This side says no more.
    End(u32),
    /// It is gone.
    Gone(u32),
}

/// What of the door a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// The explicit proxy.
    Proxy,
    /// Models.
    Inference,
}

impl Frame {
    /// Writes it whole.
    ///
    /// # Errors
    /// When the other side is gone.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, id, bytes): (u8, u32, &[u8]) = match self {
            Frame::Ready(pem) => (0, 0, pem),
            Frame::Open(id, Door::Proxy) => (1, *id, b"p"),
            Frame::Open(id, Door::Inference) => (1, *id, b"i"),
            Frame::Bytes(id, bytes) => (2, *id, bytes),
            Frame::End(id) => (3, *id, b""),
            Frame::Gone(id) => (4, *id, b""),
        };
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut frame = vec![kind];
        frame.extend(id.to_be_bytes());
        frame.extend(length.to_be_bytes());
        frame.extend_from_slice(bytes);
        to.write_all(&frame)?;
        to.flush()
    }

    /// Reads the next one; none at the end.
    ///
    /// # Errors
    /// When what comes is none.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Frame>> {
        /// What a bundle of certificates may take.
        const MOST: u32 = 4 << 20;
        let odd = || io::Error::from(io::ErrorKind::InvalidData);
        let mut head = [0; 9];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (id, length) = (number(1), number(5));
        if length > MOST {
            return Err(odd());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        from.read_exact(&mut bytes)?;
        Ok(Some(match (head[0], bytes.as_slice()) {
            (0, _) => Frame::Ready(bytes),
            (1, b"p") => Frame::Open(id, Door::Proxy),
            (1, b"i") => Frame::Open(id, Door::Inference),
            (2, _) => Frame::Bytes(id, bytes),
            (3, b"") => Frame::End(id),
            (4, b"") => Frame::Gone(id),
            _ => return Err(odd()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written_and_nothing_else() {
        let frames = [
            Frame::Ready(b"pem".to_vec()),
            Frame::Open(1, Door::Proxy),
            Frame::Open(2, Door::Inference),
            Frame::Bytes(2, vec![7; 1000]),
            Frame::End(2),
            Frame::Gone(1),
        ];
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes).expect("memory"));
        let mut from = bytes.as_slice();
        for frame in frames {
            assert_eq!(Frame::read(&mut from).expect("a frame"), Some(frame));
        }
        assert_eq!(Frame::read(&mut from).expect("the end"), None);
        for odd in [&[9; 9][..], &[1, 0, 0, 0, 1, 0, 0, 0, 1, b'x'], &[2, 0, 0, 0, 1, 255, 0, 0, 0]] {
            assert!(Frame::read(&mut &odd[..]).is_err(), "{odd:?}");
        }
    }
}
