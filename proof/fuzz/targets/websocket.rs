//! Frames of a WebSocket: read alike however they are cut, within their bounds, and written again as they came.
#![no_main]

use gate::websocket::frame::{FrameError, Frames, Kind, Piece, Side, head, mask};
use libfuzzer_sys::fuzz_target;

/// What is read of bytes that come in pieces: frames as they would be written without a mask, and how it ended.
fn read(side: Side, text: &[u8], sizes: impl Iterator<Item = usize>) -> (Vec<u8>, Result<(), FrameError>) {
    let (mut frames, mut written, mut from) = (Frames::new(side), Vec::new(), 0);
    // Bytes of the payload that has begun.
    let mut left = 0;
    for size in sizes {
        let mut bytes = text[from..text.len().min(from + size)].to_vec();
        from += bytes.len();
        let mut at = 0;
        loop {
            let (taken, piece) = match frames.next(&mut bytes[at..]) {
                Ok(next) => next,
                Err(error) => return (written, Err(error)),
            };
            let some = at..at + taken;
            at += taken;
            match piece {
                None => break,
                Some(Piece::Begin { kind, length, last }) => {
                    assert!((kind as u8) < 8 && left == 0);
                    left = length;
                    written.extend(head(kind, last, length, None));
                }
                Some(Piece::Payload) => {
                    left = left.checked_sub(taken as u64).expect("no more than was said");
                    written.extend_from_slice(&bytes[some]);
                }
                Some(Piece::End { .. }) => assert_eq!(left, 0),
                Some(Piece::Control(kind, payload)) => {
                    assert!(payload.len() <= 125 && matches!(kind, Kind::Close | Kind::Ping | Kind::Pong));
                    written.extend(head(kind, true, payload.len() as u64, None));
                    written.extend(payload);
                }
            }
        }
        assert_eq!(at, bytes.len(), "all is taken");
    }
    (written, Ok(()))
}

fuzz_target!(|bytes: &[u8]| {
    let [cut, text @ ..] = bytes else { return };
    for side in [Side::Program, Side::Server] {
        let whole = read(side, text, std::iter::once(text.len()));
        let size = usize::from(*cut % 16) + 1;
        let cut = read(side, text, std::iter::repeat_n(size, text.len().div_ceil(size)));
        assert_eq!(whole, cut, "the cut changes what is read");
        // What a server wrote is the only way to write it.
        if side == Side::Server && whole.1.is_ok() {
            assert!(text.starts_with(&whole.0) && text.len() - whole.0.len() < 140, "written otherwise");
        }
    }
    let (mut twice, key) = (text.to_vec(), [7, *cut, 9, 11]);
    mask(&mut twice, key, usize::from(*cut));
    mask(&mut twice, key, usize::from(*cut));
    assert_eq!(twice, text);
});
