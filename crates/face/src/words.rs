//! Words that an agent may have chosen, made safe to show: bounded, nothing hidden, nothing obeyed.

use record::redact::hidden;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// The most characters of one quoted name.
pub const NAME: usize = 200;

/// A file name in single quotes. Bytes that are no UTF-8 are shown as `\xNN`.
#[must_use]
pub fn name(name: &std::path::Path) -> String {
    quoted(name.as_os_str().as_bytes(), NAME)
}

/// `bytes` in single quotes, at most `limit` characters of it, then how many bytes were left out.
#[must_use]
pub fn quoted(bytes: &[u8], limit: usize) -> String {
    let mut shown = String::from("'");
    let (mut room, mut left) = (limit, bytes.len());
    'chunks: for chunk in bytes.utf8_chunks() {
        let text = chunk.valid().chars().map(|one| (one.len_utf8(), escaped(one)));
        let broken = chunk.invalid().iter().map(|byte| (1, format!("\\x{byte:02x}")));
        for (length, piece) in text.chain(broken) {
            let width = piece.chars().count();
            if width > room {
                break 'chunks;
            }
            shown.push_str(&piece);
            room -= width;
            left -= length;
        }
    }
    shown.push('\'');
    if left > 0 {
        let _ = write!(shown, "… ({left} more bytes)");
    }
    shown
}

/// Lines of text as they are, but with nothing in them that a terminal obeys or hides. Tabs and line ends stay.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ if hidden(character) => shown.push_str(&escaped(character)),
            _ => shown.push(character),
        }
    }
    shown
}

/// The same as one line, at most `limit` characters.
#[must_use]
pub fn line(text: &str, limit: usize) -> String {
    let shown = plain(text).replace('\n', "\\n").replace('\t', " ");
    match shown.char_indices().nth(limit) {
        None => shown,
        Some((end, _)) => format!("{}…", &shown[..end].trim_end()),
    }
}

/// A JSON document with the same meaning, in which nothing hides and nothing is obeyed: outside of its strings a document
/// is ASCII, and inside every character may be written as `\uXXXX`.
#[must_use]
pub fn json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for character in document.chars() {
        if character == '\n' || !hidden(character) {
            shown.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

fn escaped(character: char) -> String {
    match character {
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        '\'' | '\\' => format!("\\{character}"),
        _ if hidden(character) => format!("\\u{{{:x}}}", u32::from(character)),
        _ => character.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_stays_hidden() {
        assert_eq!(quoted(b"a\x1b[2J", 99), r"'a\u{1b}[2J'");
        assert_eq!(quoted("a\u{202e}b\u{200b}\u{9b}".as_bytes(), 99), r"'a\u{202e}b\u{200b}\u{9b}'");
        assert_eq!(quoted(b"it's\n\\", 99), r"'it\'s\n\\'");
        assert_eq!(quoted(b"\xff\xfe", 99), r"'\xff\xfe'");
        assert_eq!(quoted("é日🦀".as_bytes(), 99), "'é日🦀'");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(quoted(b"abcdef", 4), "'abcd'… (2 more bytes)");
        assert_eq!(quoted(b"abc\x1b", 4), "'abc'… (1 more bytes)");
    }

    #[test]
    fn text_keeps_its_lines_and_nothing_else_that_acts() {
        assert_eq!(plain("+a\tb\n-'c'\r\x1b[0m\u{202e}\n"), "+a\tb\n-'c'\\r\\u{1b}[0m\\u{202e}\n");
        assert_eq!(line("a\nb\tcdef", 6), "a\\nb c…");
    }

    #[test]
    fn json_means_the_same_and_hides_nothing() {
        proptest::proptest!(|(text: String)| {
            let text = text + "\u{9b}c\u{202e}\u{e0041}\u{7f}\n";
            let document = json(&serde_json::to_string_pretty(&[&text]).expect("JSON"));
            proptest::prop_assert!(!document.replace('\n', "").chars().any(hidden));
            proptest::prop_assert_eq!(serde_json::from_str::<[String; 1]>(&document).expect("JSON"), [text]);
        });
        assert_eq!(json("\"\u{9b}\u{e0041}é\""), r#""\u009b\udb40\udc41é""#);
    }

    #[test]
    fn every_name_is_one_bounded_line() {
        proptest::proptest!(|(bytes: Vec<u8>)| {
            let shown = quoted(&bytes, 40);
            proptest::prop_assert!(!shown.chars().any(hidden) && shown.chars().count() < 80);
        });
    }
}
