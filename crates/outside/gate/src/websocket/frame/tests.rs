use super::*;

const KEY: [u8; 4] = [1, 2, 3, 4];

/// What is read of bytes that come in pieces of this size, payloads gathered.
fn read_in(side: Side, text: &[u8], size: usize) -> Result<Vec<(Piece, Vec<u8>)>, FrameError> {
    let (mut frames, mut pieces) = (Frames::new(side), Vec::<(Piece, Vec<u8>)>::new());
    for piece in text.chunks(size) {
        let (mut bytes, mut at) = (piece.to_vec(), 0);
        loop {
            let (taken, piece) = frames.next(&mut bytes[at..])?;
            let some = at..at + taken;
            at += taken;
            match (piece, pieces.last_mut()) {
                (None, _) => break,
                (Some(Piece::Payload), Some((_, payload))) => payload.extend_from_slice(&bytes[some]),
                (Some(piece), _) => pieces.push((piece, Vec::new())),
            }
        }
        assert_eq!(at, bytes.len());
    }
    Ok(pieces)
}

/// The same at every cut.
fn read_all(side: Side, text: &[u8]) -> Result<Vec<(Piece, Vec<u8>)>, FrameError> {
    let once = read_in(side, text, text.len());
    for size in 1..text.len().min(64) {
        assert_eq!(read_in(side, text, size), once, "{size}");
    }
    once
}

fn part(kind: Kind, last: bool, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = whole(kind, payload, key);
    frame[0] = kind as u8 | if last { 0x80 } else { 0 };
    frame
}

#[test]
fn frames_are_read_however_they_are_cut() {
    let long = vec![b'x'; 70_000];
    for (side, key) in [(Side::Program, Some(KEY)), (Side::Server, None)] {
        let text = [
            part(Kind::Text, false, b"hel", key),
            whole(Kind::Ping, b"are you there", key),
            part(Kind::More, false, b"", key),
            part(Kind::More, true, b"lo", key),
            whole(Kind::Binary, &long[..126], key),
            whole(Kind::Binary, &long, key),
            whole(Kind::Pong, b"", key),
            whole(Kind::Close, b"\x03\xe8bye", key),
        ]
        .concat();
        let pieces = read_all(side, &text).expect("good frames");
        let payloads: Vec<&[u8]> = pieces.iter().map(|(_, payload)| payload.as_slice()).collect();
        let begins = |piece: &&(Piece, Vec<u8>)| matches!(piece.0, Piece::Begin { .. });
        assert_eq!(pieces.iter().filter(begins).count(), 5);
        assert_eq!((payloads[0], payloads[5], payloads[9].len()), (&b"hel"[..], &b"lo"[..], 70_000));
        assert_eq!(pieces[2].0, Piece::Control(Kind::Ping, b"are you there".to_vec()));
        assert_eq!(pieces.last().map(|piece| &piece.0), Some(&Piece::Control(Kind::Close, b"\x03\xe8bye".to_vec())));
    }
}

#[test]
fn what_readers_differ_on_is_refused_by_its_name() {
    use FrameError as E;
    for (side, text, error) in [
        (Side::Server, &b"\xc1\x00"[..], E::Reserved),
        (Side::Server, b"\xa1\x00", E::Reserved),
        (Side::Server, b"\x91\x00", E::Reserved),
        (Side::Server, b"\x83\x00", E::Kind),
        (Side::Server, b"\x8b\x00", E::Kind),
        (Side::Server, b"\x80\x00", E::Order),
        (Side::Server, b"\x01\x00\x01\x00", E::Order),
        (Side::Server, b"\x01\x00\x80\x00\x80\x00", E::Order),
        (Side::Server, b"\x09\x00", E::Control),
        (Side::Server, b"\x89\x7e\x00\x7e", E::Control),
        (Side::Server, b"\x88\x7f", E::Control),
        (Side::Server, b"\x81\x81abcd", E::Mask),
        (Side::Program, b"\x81\x01a", E::Mask),
        (Side::Program, b"\x89\x00", E::Mask),
        (Side::Server, b"\x82\x7e\x00\x7d", E::Length),
        (Side::Server, b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", E::Length),
        (Side::Server, b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", E::TooLong),
        (Side::Server, b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", E::TooLong),
        (Side::Server, b"\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x01", E::TooLong),
        (Side::Server, b"\x88\x01\x03", E::Close),
        (Side::Server, b"\x88\x02\x03\xed", E::Close),
        (Side::Server, b"\x88\x02\x00\x00", E::Close),
        (Side::Server, b"\x88\x02\x13\x88", E::Close),
        (Side::Server, b"\x88\x00\x81\x00", E::Closed),
    ] {
        assert_eq!(read_all(side, text), Err(error), "{}", text.escape_ascii());
    }
}

#[test]
fn nobody_else_speaks_within_a_frame() {
    let mut frames = Frames::new(Side::Server);
    let between = b"\x01\x02hi\x80\x00".map(|byte| {
        let (mut bytes, mut at) = ([byte], 0);
        while let (taken, Some(_)) = frames.next(&mut bytes[at..]).expect("a frame") {
            at += taken;
        }
        (frames.is_between(), frames.is_at_rest())
    });
    let (within, between_frames, rest) = ((false, false), (true, false), (true, true));
    assert_eq!(between, [rest, within, within, between_frames, between_frames, rest]);
}
