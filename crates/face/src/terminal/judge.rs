//! Which complete terminal sequences may reach the operator's terminal.
//!
//! Operating system commands pass only where the list names them: each terminal has its own, and they act. Of escape
//! and control sequences the rules name what is refused and why; what is not named moves, colours or clears, and
//! passes. No state, no bytes kept.

/// Private modes that make a terminal speak by itself: 2031 tells of its colours, 2048 of its size, 5522 of pastes.
const SPEAKING: [u32; 3] = [2031, 2048, 5522];
/// The largest mode that is known. A larger number could wrap round to a small one.
const LARGEST_MODE: u32 = 9999;
/// Private modes in which a terminal reads by another grammar, or reports each key in another form: 2 is VT52 where it is reset, 38 is
/// Tektronix, 9001 is win32's input.
const OTHER: [u32; 2] = [38, 9001];
/// Modes that lock the keyboard (2), echo what is typed, passwords too (12), and that no program needs.
const LOCKING: [u32; 2] = [2, 12];

/// Whether an escape sequence passes; `body` is what follows ESC.
pub(super) fn escape(body: &[u8]) -> bool {
    match body {
        // DECID, and its VT52 form, ask who the terminal is.
        [.., b'Z'] => false,
        // rxvt answers with what it can draw.
        [b'G', ..] => false,
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
        // Media copy prints the screen, or all that follows it.
        (_, _, b'i') => false,
        // Setting a mode, or restoring one that was saved. Resetting these silences the terminal.
        (b"?", _, b'h' | b'r') => !holds(parameters, &SPEAKING) && !holds(parameters, &OTHER),
        (b"", b"", b'h') => !holds(parameters, &LOCKING[..1]),
        // Reset, this one makes a terminal show what is typed beside what the program says.
        (b"", b"", b'l') => !holds(parameters, &LOCKING[1..]),
        // The console of Linux turns to another screen, or blanks this one, or beeps for hours.
        (b"", b"", b']') => false,
        // VT52 mode has another grammar, in which this parser would be wrong.
        (b"?", _, b'l') => !holds(parameters, &[2]),
        (b"", b"", b't') => title_stack(parameters),
        // Modes of titles; of more parameters one terminal makes a picture of the screen.
        (b">", b"", b't') => {
            numbers(parameters).all(|number| matches!(number, Some(0..=3))) && !parameters.contains(&b';')
        }
        (_, b"", b't') => false,
        _ => true,
    }
}

/// Whether one of the parameters is such a mode, or could pass for one.
fn holds(parameters: &[u8], modes: &[u32]) -> bool {
    numbers(parameters).any(|number| number.is_none_or(|number| number > LARGEST_MODE || modes.contains(&number)))
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

/// Whether an operating system command passes; `common` says that its terminator is known everywhere. A terminal that
/// does not know it would read on, and take what follows for a part of the command.
///
/// Among those that do not pass: 7 names the directory of new windows, 9 notifies, 9;6 and 633 run or mark commands of
/// an editor's terminal, 46 opens a log file, 50 loads fonts, 51 runs an editor's commands, 52 and 5522 read and write
/// the clipboard, 60 and 61 ask for features, 99 and 777 notify, 1337 and 5113 move files.
pub(super) fn osc(payload: &[u8], common: bool) -> bool {
    let (code, text) = match payload.iter().position(|byte| *byte == b';') {
        Some(end) => (&payload[..end], &payload[end + 1..]),
        None => (payload, &[][..]),
    };
    common
        && match number(code) {
            // The titles of the window and its icon.
            Some(0..=2) => true,
            // One colour of the palette; those of text, background and cursor. A `?` asks.
            Some(4 | 10..=12) => !text.contains(&b'?'),
            // A link: it is followed only where the operator clicks.
            Some(8) => true,
            // How far a program came.
            Some(9) => text == b"4" || (text.starts_with(b"4;") && figures(text)),
            // The colours as they were.
            Some(104 | 110..=112) => figures(text),
            // Where a prompt, a command and its output begin, and its exit code.
            Some(133) => matches!(text, [b'A'..=b'D', rest @ ..] if figures(rest)),
            _ => false,
        }
}

/// Whether such a command gives the terminal other colours.
pub(super) fn recolours(payload: &[u8]) -> bool {
    let code = payload.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(number(code), Some(4 | 10..=12))
}

/// Nothing, or numbers between semicolons.
fn figures(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_digit() || *byte == b';')
}
