//! Frames of a WebSocket (RFC 6455), read strictly and however they are cut: what one reader takes for the end of a frame
//! must not be the middle of it to another.

/// Longest frame. None is held as a whole; this bounds what a peer may begin.
pub const MOST: u64 = 1 << 30;
/// Longest payload of a control frame.
const CONTROL: u64 = 125;
/// Longest head: two bytes, eight of length, four of the mask.
const HEAD: usize = 14;

/// Who says it: a program masks what it says, a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Side {
    Program,
    Server,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    /// More of a message that has begun.
    More = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A frame of a message begins.
    Begin {
        /// Not a control frame.
        kind: Kind,
        /// Of its payload.
        length: u64,
        /// The message ends with it.
        last: bool,
    },
    /// Bytes of its payload, without the mask: those that were taken.
    Payload,
    /// That frame ends.
    End {
        /// The message as well.
        last: bool,
    },
    /// A whole control frame.
    Control(Kind, Vec<u8>),
}

/// Why what was said is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // Each message says it.
pub enum FrameError {
    #[error("a reserved bit is set, and no extension was agreed on")]
    Reserved,
    #[error("its kind is none")]
    Kind,
    #[error("a message goes on that has not begun, or begins within another")]
    Order,
    #[error("a control frame is in parts, or longer than 125 bytes")]
    Control,
    #[error("a program's frame is not masked, or a server's is")]
    Mask,
    #[error("its length is not written in the shortest way")]
    Length,
    #[error("it is longer than a frame may be")]
    TooLong,
    #[error("what it closes with is no code")]
    Close,
    #[error("something follows the closing frame")]
    Closed,
}

/// Reads the frames of one side.
#[derive(Debug)]
pub struct Frames {
    side: Side,
    state: State,
    /// A message has begun and not ended.
    open: bool,
}

#[derive(Debug)]
enum State {
    Head { bytes: [u8; HEAD], have: usize },
    Data(Data),
    Control { kind: Kind, data: Data, payload: Vec<u8> },
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Data {
    left: u64,
    mask: Option<[u8; 4]>,
    /// Bytes of the payload so far: the mask goes round.
    at: usize,
    last: bool,
}

const FRESH: State = State::Head { bytes: [0; HEAD], have: 0 };

impl Frames {
    /// Nothing was said so far.
    #[must_use]
    pub const fn new(side: Side) -> Frames {
        Frames { side, state: FRESH, open: false }
    }

    /// Whether a frame of somebody else may stand here, as far as what was told goes: control frames are told whole.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        !matches!(self.state, State::Data(_))
    }

    /// Whether no message is under way either.
    #[must_use]
    pub const fn is_at_rest(&self) -> bool {
        self.is_between() && !self.open
    }

    /// Takes some of what was said, and tells how many bytes and what they are; nothing once all are taken. The mask is
    /// taken off where they stand.
    ///
    /// # Errors
    /// [`FrameError`] at the first byte that cannot stand there.
    pub fn next(&mut self, bytes: &mut [u8]) -> Result<(usize, Option<Piece>), FrameError> {
        match &mut self.state {
            State::Head { bytes: head, have } => {
                let mut taken = 0;
                while taken < bytes.len() {
                    head[*have] = bytes[taken];
                    (*have, taken) = (*have + 1, taken + 1);
                    let Some((kind, data)) = read(&head[..*have], self.side, self.open)? else { continue };
                    // What a control frame says is given whole: its payload may have come along.
                    return match self.begin(kind, data)? {
                        None => self.next(&mut bytes[taken..]).map(|(more, piece)| (taken + more, piece)),
                        piece => Ok((taken, piece)),
                    };
                }
                Ok((taken, None))
            }
            State::Data(Data { left: 0, last, .. }) => {
                let last = *last;
                self.state = FRESH;
                Ok((0, Some(Piece::End { last })))
            }
            State::Data(data) => {
                let taken = data.take(bytes);
                Ok((taken, (taken > 0).then_some(Piece::Payload)))
            }
            State::Control { kind, data, payload } => {
                let taken = data.take(bytes);
                payload.extend_from_slice(&bytes[..taken]);
                if data.left > 0 {
                    return Ok((taken, None));
                }
                let (kind, payload) = (*kind, std::mem::take(payload));
                Ok((taken, Some(self.control(kind, payload)?)))
            }
            State::Closed if bytes.is_empty() => Ok((0, None)),
            State::Closed => Err(FrameError::Closed),
        }
    }

    fn begin(&mut self, kind: Kind, data: Data) -> Result<Option<Piece>, FrameError> {
        if !kind.is_control() {
            self.open = !data.last;
            self.state = State::Data(data);
            return Ok(Some(Piece::Begin { kind, length: data.left, last: data.last }));
        }
        if data.left == 0 {
            return self.control(kind, Vec::new()).map(Some);
        }
        self.state = State::Control { kind, data, payload: Vec::new() };
        Ok(None)
    }

    fn control(&mut self, kind: Kind, payload: Vec<u8>) -> Result<Piece, FrameError> {
        self.state = FRESH;
        if kind == Kind::Close {
            let code = match payload[..] {
                [] => None,
                [high, low, ..] => Some(u16::from_be_bytes([high, low])),
                [_] => return Err(FrameError::Close),
            };
            if code.is_some_and(|code| !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)) {
                return Err(FrameError::Close);
            }
            self.state = State::Closed;
        }
        Ok(Piece::Control(kind, payload))
    }
}

impl Data {
    /// How many of these bytes are payload, without the mask then.
    fn take(&mut self, bytes: &mut [u8]) -> usize {
        let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        if let Some(key) = self.mask {
            mask(&mut bytes[..taken], key, self.at);
        }
        self.at = self.at.wrapping_add(taken);
        self.left -= taken as u64;
        taken
    }
}

impl Kind {
    const fn is_control(self) -> bool {
        self as u8 >= 8
    }

    const fn of(code: u8) -> Option<Kind> {
        Some(match code {
            0 => Kind::More,
            1 => Kind::Text,
            2 => Kind::Binary,
            8 => Kind::Close,
            9 => Kind::Ping,
            10 => Kind::Pong,
            _ => return None,
        })
    }
}

/// A head, once it is whole. What cannot be one is told as soon as it shows.
fn read(head: &[u8], side: Side, open: bool) -> Result<Option<(Kind, Data)>, FrameError> {
    let first = head[0];
    if first & 0x70 != 0 {
        return Err(FrameError::Reserved);
    }
    let (kind, last) = (Kind::of(first & 0x0f).ok_or(FrameError::Kind)?, first & 0x80 != 0);
    match kind {
        Kind::More if !open => return Err(FrameError::Order),
        Kind::Text | Kind::Binary if open => return Err(FrameError::Order),
        _ if kind.is_control() && !last => return Err(FrameError::Control),
        _ => {}
    }
    let Some(&second) = head.get(1) else { return Ok(None) };
    let (masked, short) = (second & 0x80 != 0, u64::from(second & 0x7f));
    if masked != (side == Side::Program) {
        return Err(FrameError::Mask);
    }
    if kind.is_control() && short > CONTROL {
        return Err(FrameError::Control);
    }
    let long = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(digits) = head.get(2..2 + long) else { return Ok(None) };
    let length = if long == 0 { short } else { digits.iter().fold(0, |all, digit| all << 8 | u64::from(*digit)) };
    if long == 2 && length < 126 || long == 8 && length <= u64::from(u16::MAX) {
        return Err(FrameError::Length);
    }
    if length > MOST {
        return Err(FrameError::TooLong);
    }
    if !masked {
        return Ok(Some((kind, Data { left: length, mask: None, at: 0, last })));
    }
    let Some(key) = head.get(2 + long..2 + long + 4) else { return Ok(None) };
    let key = [key[0], key[1], key[2], key[3]];
    Ok(Some((kind, Data { left: length, mask: Some(key), at: 0, last })))
}

/// Puts a mask on bytes that begin at `at` of a payload, or takes it off.
pub fn mask(bytes: &mut [u8], key: [u8; 4], at: usize) {
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte ^= key[at.wrapping_add(index) % 4];
    }
}

/// The head of a frame, with a mask or without.
#[must_use]
pub fn head(kind: Kind, last: bool, length: u64, key: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if key.is_some() { 0x80 } else { 0 };
    let mut head = vec![kind as u8 | if last { 0x80 } else { 0 }];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..126), _) => head.push(masked | short),
        (_, Ok(long)) => {
            head.push(masked | 126);
            head.extend(long.to_be_bytes());
        }
        _ => {
            head.push(masked | 127);
            head.extend(length.to_be_bytes());
        }
    }
    head.extend(key.into_iter().flatten());
    head
}

/// A whole frame, its message's only one.
#[must_use]
pub fn whole(kind: Kind, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = head(kind, true, payload.len() as u64, key);
    let from = frame.len();
    frame.extend_from_slice(payload);
    if let Some(key) = key {
        mask(&mut frame[from..], key, 0);
    }
    frame
}

#[cfg(test)]
mod tests;
