//! Which complete terminal sequences may reach the operator's terminal.
//!
//! The rules name what is refused and why; what is not named passes. No state, no bytes kept.

/// Whether an escape sequence passes; `body` is what follows ESC.
pub(super) fn escape(body: &[u8]) -> bool {
    match body {
        // DECID, and its VT52 form, ask who the terminal is.
        [.., b'Z'] => false,
        // Leaving UTF-8 would turn later characters into 8-bit controls.
        [b'%', rest @ ..] => rest == b"G",
        _ => true,
    }
}

/// Whether a control sequence passes; `body` is what follows the introducer, the final byte included.
pub(super) fn csi(body: &[u8]) -> bool {
    let Some((&last, head)) = body.split_last() else { return false };
    let Some(Parts { private, parameters, intermediates }) = parts(head) else { return false };
    match (private, intermediates, last) {
        // DA1 to DA3, DSR in all forms, DECREQTPARM.
        (_, _, b'c' | b'n') | (_, b"", b'x') => false,
        // DECRQM, DECRQPSR, DECRQTSR, DECRQUPSS, DECRQKT.
        (_, b"$", b'p' | b'w' | b'u') | (_, b"&" | b",", b'u') => false,
        // DECRQCRA reads the screen back; DECRQDE, DECRQLP.
        (_, b"*", b'y') | (_, b"\"", b'v') | (_, b"'", b'|') => false,
        // XTREPORTSGR, XTREPORTCOLORS, XTTITLEPOS.
        (_, b"#", b'|' | b'R' | b'S') => false,
        // XTVERSION, and kitty's multiple-cursor queries.
        (b">", _, b'q') => false,
        // XTSMGRAPHICS, XTQMODKEYS, key format and kitty keyboard queries.
        (b"?", _, b'S' | b'm' | b'f' | b'g' | b'u') => false,
        // VT52 mode has another grammar, in which this parser would be wrong.
        (b"?", _, b'l') => !numbers(parameters).any(|number| number == Some(2)),
        (b"", b"", b't') => title_stack(parameters),
        (_, b"", b't') => private == b">",
        _ => true,
    }
}

/// Of window operations only pushing and popping the title passes: the others report or move the window.
fn title_stack(parameters: &[u8]) -> bool {
    let mut numbers = numbers(parameters);
    // Some terminals run every parameter as an operation of its own.
    matches!(numbers.next(), Some(Some(22 | 23))) && numbers.all(|number| matches!(number, Some(0..=2)))
}

struct Parts<'a> {
    private: &'a [u8],
    parameters: &'a [u8],
    intermediates: &'a [u8],
}

/// Splits in the one order the standard knows; `None` for any other.
fn parts(head: &[u8]) -> Option<Parts<'_>> {
    let (private, rest) = split(head, |byte| (0x3c..=0x3f).contains(&byte));
    let (parameters, intermediates) = split(rest, |byte| (0x30..=0x3b).contains(&byte));
    let ordered = intermediates.iter().all(|byte| (0x20..=0x2f).contains(byte));
    (ordered && private.len() <= 1).then_some(Parts { private, parameters, intermediates })
}

fn split(bytes: &[u8], first: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !first(*byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// The parameters as numbers: an empty one is 0, one that is none `None`.
fn numbers(parameters: &[u8]) -> impl Iterator<Item = Option<u32>> + '_ {
    parameters.split(|byte| matches!(byte, b';' | b':')).map(number)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether an operating system command passes; `common` says that its terminator is known everywhere.
pub(super) fn osc(payload: &[u8], common: bool) -> bool {
    let (code, text) = match payload.iter().position(|byte| *byte == b';') {
        Some(end) => (&payload[..end], &payload[end + 1..]),
        None => (payload, &[][..]),
    };
    match number(code) {
        // Titles, directory, links, progress, shell marks: shown, never answered.
        Some(0 | 1 | 2 | 6 | 7 | 8 | 9 | 133 | 633) => true,
        // 51: editors' terminals run it. 52, 5522: clipboard. 60, 61: feature queries. 99: notifications
        // that report back. 1337: clipboard, downloads, reports. 5113: file transfer.
        Some(51 | 52 | 60 | 61 | 99 | 1337 | 5113 | 5522) => false,
        // Colours, fonts and the rest ask by `?`. A terminal that does not know the terminator would
        // read on, and could find a `?` in what follows.
        Some(_) => common && !text.contains(&b'?'),
        None => false,
    }
}
