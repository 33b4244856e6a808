//! Text written in another way: escapes, documents, odd letters.

/// What the text is as characters; what is wrapped already may be bytes.
fn characters(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn each(text: &[u8], write: impl Fn(char) -> String) -> Vec<u8> {
    characters(text).chars().map(write).collect::<String>().into_bytes()
}

fn bytes(text: &[u8], write: impl Fn(u8) -> String) -> Vec<u8> {
    text.iter().map(|&byte| write(byte)).collect::<String>().into_bytes()
}

pub(crate) fn within_text(text: &[u8]) -> Vec<u8> {
    [b"The weather was fine, and then: ", text, b" And after that it rained."].concat()
}

pub(crate) fn other_case(text: &[u8]) -> Vec<u8> {
    let turned =
        |(at, byte): (usize, &u8)| if at % 3 == 0 { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
    text.iter().enumerate().map(turned).collect()
}

pub(crate) fn other_spacing(text: &[u8]) -> Vec<u8> {
    each(text, |letter| if letter.is_whitespace() { "\u{a0}\r\n\t ".into() } else { letter.into() })
}

pub(crate) fn no_spacing(text: &[u8]) -> Vec<u8> {
    each(text, |letter| if letter.is_whitespace() { String::new() } else { letter.into() })
}

pub(crate) fn marked(text: &[u8]) -> Vec<u8> {
    each(text, |letter| format!("{letter}."))
}

pub(crate) fn zero_width(text: &[u8]) -> Vec<u8> {
    each(text, |letter| format!("{letter}\u{200b}\u{2060}"))
}

pub(crate) fn tags_between(text: &[u8]) -> Vec<u8> {
    each(text, |letter| format!("{letter}\u{e0078}"))
}

pub(crate) fn in_tags(text: &[u8]) -> Vec<u8> {
    let tags = |letter| char::from_u32(0xe0000 + u32::from(letter)).unwrap_or(letter);
    [b"Nothing to see.", &each(text, |letter| tags(letter).into())[..]].concat()
}

pub(crate) fn in_selectors(text: &[u8]) -> Vec<u8> {
    let selector = |byte: u8| if byte < 16 { 0xfe00 + u32::from(byte) } else { 0xe00f0 + u32::from(byte) };
    let hidden = bytes(text, |byte| char::from_u32(selector(byte)).expect("a character").into());
    [b"\xf0\x9f\x98\x80", &hidden[..], b"!"].concat()
}

pub(crate) fn lookalikes(text: &[u8]) -> Vec<u8> {
    let from = "aceiopsxyABCEHKMOPTX";
    let to = "асеіорѕхуАВСЕНКМОРТХ";
    each(text, |letter| from.find(letter).and_then(|at| to.chars().nth(at)).unwrap_or(letter).into())
}

pub(crate) fn wide(text: &[u8]) -> Vec<u8> {
    each(text, |letter| {
        char::from_u32(u32::from(letter) + 0xfee0).filter(|_| letter.is_ascii_graphic()).unwrap_or(letter).into()
    })
}

pub(crate) fn bold(text: &[u8]) -> Vec<u8> {
    let drawn = |letter: char| match letter {
        'A'..='Z' => char::from_u32(0x1d400 + u32::from(letter) - 65),
        'a'..='z' => char::from_u32(0x1d41a + u32::from(letter) - 97),
        '0'..='9' => char::from_u32(0x1d7ce + u32::from(letter) - 48),
        _ => None,
    };
    each(text, |letter| drawn(letter).unwrap_or(letter).into())
}

pub(crate) fn accents(text: &[u8]) -> Vec<u8> {
    each(
        text,
        |letter| {
            if "aeo".contains(letter) { format!("{letter}\u{301}") } else { letter.to_string().replace('u', "ü") }
        },
    )
}

pub(crate) fn reversed(text: &[u8]) -> Vec<u8> {
    text.iter().rev().copied().collect()
}

pub(crate) fn rot13(text: &[u8]) -> Vec<u8> {
    let turned = |byte: &u8| match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        other => *other,
    };
    text.iter().map(turned).collect()
}

fn quoted(text: &[u8]) -> String {
    let escaped = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        '\n' => "\\n".into(),
        control if control < ' ' => format!("\\u{:04x}", u32::from(control)),
        other => other.into(),
    };
    characters(text).chars().map(escaped).collect()
}

pub(crate) fn json(text: &[u8]) -> Vec<u8> {
    format!(r#"{{"model":"m-1","messages":[{{"role":"user","content":"{}"}}],"n":3}}"#, quoted(text)).into_bytes()
}

pub(crate) fn json_list(text: &[u8]) -> Vec<u8> {
    let words = characters(text);
    let strings: Vec<String> =
        words.split_inclusive(' ').map(|word| format!("\"{}\"", quoted(word.as_bytes()))).collect();
    format!("[{}]", strings.join(", ")).into_bytes()
}

pub(crate) fn json_names(text: &[u8]) -> Vec<u8> {
    let words = characters(text);
    let pieces: Vec<String> = words.as_bytes().chunks(60).map(|piece| format!("\"{}\": 1", quoted(piece))).collect();
    format!("{{{}}}", pieces.join(",")).into_bytes()
}

pub(crate) fn json_unicode(text: &[u8]) -> Vec<u8> {
    let units: String = characters(text).encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!(r#"{{"a":"{units}"}}"#).into_bytes()
}

pub(crate) fn backslash_x(text: &[u8]) -> Vec<u8> {
    bytes(text, |byte| format!("\\x{byte:02x}"))
}

pub(crate) fn octal(text: &[u8]) -> Vec<u8> {
    bytes(text, |byte| format!("\\{byte:03o}"))
}

pub(crate) fn percent(text: &[u8]) -> Vec<u8> {
    bytes(text, |byte| if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") })
}

pub(crate) fn percent_all(text: &[u8]) -> Vec<u8> {
    bytes(text, |byte| format!("%{byte:02x}"))
}

/// The fields of a form, each with a part of the text.
pub(crate) fn form(text: &[u8]) -> Vec<u8> {
    let pieces = text.chunks(text.len().div_ceil(4));
    let field = |(at, piece)| format!("field{at}={}", characters(&percent(piece)).replace("%20", "+"));
    pieces.enumerate().map(field).collect::<Vec<_>>().join("&").into_bytes()
}

pub(crate) fn entities(text: &[u8]) -> Vec<u8> {
    each(text, |letter| format!("&#{};", u32::from(letter)))
}

pub(crate) fn open_entities(text: &[u8]) -> Vec<u8> {
    each(text, |letter| format!("&#{} ", u32::from(letter)))
}

pub(crate) fn hex_entities(text: &[u8]) -> Vec<u8> {
    each(text, |letter| format!("&#x{:X};", u32::from(letter)))
}

/// Tags in the middle of words.
pub(crate) fn markup(text: &[u8]) -> Vec<u8> {
    let words = characters(text);
    let tagged = words.as_bytes().chunks(7).map(|piece| format!("<w:r a=\"b\"><w:t>{}</w:t></w:r>", characters(piece)));
    format!("<?xml version=\"1.0\"?><doc>{}</doc>", tagged.collect::<String>()).into_bytes()
}

pub(crate) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let lines = text
        .chunks(24)
        .map(|line| bytes(line, |byte| if byte % 3 == 0 { format!("={byte:02X}") } else { char::from(byte).into() }));
    lines.collect::<Vec<_>>().join(&b"=\r\n"[..])
}

/// The files of an upload, each with a part of the text.
pub(crate) fn multipart(text: &[u8]) -> Vec<u8> {
    let head =
        |at: usize| format!("--x9\r\nContent-Disposition: form-data; name=\"f{at}\"; filename=\"part{at}\"\r\n\r\n");
    let pieces = text.chunks(text.len().div_ceil(3)).enumerate();
    let mut body: Vec<u8> = pieces.flat_map(|(at, piece)| [head(at).as_bytes(), piece, b"\r\n"].concat()).collect();
    body.extend_from_slice(b"--x9--\r\n");
    body
}

pub(crate) fn utf16(text: &[u8]) -> Vec<u8> {
    characters(text).encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(crate) fn utf16_big(text: &[u8]) -> Vec<u8> {
    [b"\xfe\xff", &characters(text).encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>()[..]].concat()
}
