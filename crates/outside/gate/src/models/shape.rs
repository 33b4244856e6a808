//! Whether a body looks like what is asked of a model, as a server that answers such would read it, wherever it goes.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use record::conversation::is_bounded;
use serde_json::Value;

/// Bytes of a body once it is undone.
const LONGEST: u64 = 32 << 20;
/// Codings on top of each other.
const MOST: usize = 4;

/// Why a body may not go where no route of the policy leads, given what its `Content-Encoding` says.
pub(crate) fn asks_a_model<'h>(body: &[u8], codings: impl Iterator<Item = &'h [u8]>) -> Option<&'static str> {
    let Some(plain) = undone(body, codings) else {
        return Some("its body is in a coding that is not looked into, and the policy routes models");
    };
    let text = in_utf8(&plain);
    if text.trim_ascii_start().first() == Some(&b'{') && !is_bounded(&text) {
        return Some("it may be JSON of more values than are looked into, so it is held back");
    }
    is_chat_shaped(&text).then_some("it has the shape of what a model is asked, and goes to no provider of the policy")
}

/// The body before it was compressed; none where that cannot be told.
fn undone<'b, 'h>(body: &'b [u8], codings: impl Iterator<Item = &'h [u8]>) -> Option<Cow<'b, [u8]>> {
    let each = codings.flat_map(|said| said.split(|byte| *byte == b','));
    let named = each.map(|one| one.trim_ascii().to_ascii_lowercase());
    let named: Vec<Vec<u8>> = named.filter(|one| !matches!(&one[..], b"" | b"identity")).take(MOST + 1).collect();
    if body.is_empty() || named.is_empty() {
        return Some(Cow::Borrowed(body));
    }
    if named.len() > MOST {
        return None;
    }
    let mut plain = Cow::Borrowed(body);
    for coding in named.iter().rev() {
        plain = Cow::Owned(match &coding[..] {
            b"gzip" | b"x-gzip" => read(MultiGzDecoder::new(&plain[..]))?,
            // Programs mean either of two by it.
            b"deflate" => read(ZlibDecoder::new(&plain[..])).or_else(|| read(DeflateDecoder::new(&plain[..])))?,
            _ => return None,
        });
    }
    Some(plain)
}

fn read(from: impl Read) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    let length = from.take(LONGEST + 1).read_to_end(&mut all).ok()?;
    (length as u64 <= LONGEST).then_some(all)
}

/// JSON may be in UTF-16 or UTF-32 with or without a mark: where the zeros of its first letters stand tells which.
fn in_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let wide = |unit: fn([u8; 2]) -> u16, from: usize| {
        let units = bytes[from..].chunks_exact(2).map(|two| unit([two[0], two[1]]));
        let text: String = char::decode_utf16(units).map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Cow::Owned(text.into_bytes())
    };
    let wider = |letter: fn([u8; 4]) -> u32, from: usize| {
        let letters = bytes[from..].chunks_exact(4).map(|four| letter([four[0], four[1], four[2], four[3]]));
        let text: String = letters.map(|one| char::from_u32(one).unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Cow::Owned(text.into_bytes())
    };
    match *bytes {
        [0xef, 0xbb, 0xbf, ..] => Cow::Borrowed(&bytes[3..]),
        [0xff, 0xfe, 0, 0, ..] => wider(u32::from_le_bytes, 4),
        [0, 0, 0xfe, 0xff, ..] => wider(u32::from_be_bytes, 4),
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes, 2),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes, 2),
        [0, 0, 0, _, ..] => wider(u32::from_be_bytes, 0),
        [_, 0, 0, 0, ..] => wider(u32::from_le_bytes, 0),
        [0, _, ..] => wide(u16::from_be_bytes, 0),
        [_, 0, ..] => wide(u16::from_le_bytes, 0),
        _ => Cow::Borrowed(bytes),
    }
}

fn is_chat_shaped(body: &[u8]) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return false };
    let any = |name: &str, holds: &dyn Fn(&Value) -> bool| {
        fields.get(name).and_then(Value::as_array).is_some_and(|items| items.iter().any(holds))
    };
    let text = |name: &str| fields.get(name).is_some_and(Value::is_string);
    let spoken = |item: &Value| item.get("role").is_some() && item.get("content").is_some();
    let asked = any("messages", &spoken)
        || text("prompt")
        || text("input")
        || any("input", &|item| item.is_string() || spoken(item));
    // Of whom it is asked, or, as Gemini is, in the path.
    text("model") && asked || any("contents", &|item| item.get("parts").is_some_and(Value::is_array))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};

    const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

    fn kept(body: &[u8], codings: &[&str]) -> Option<&'static str> {
        asks_a_model(body, codings.iter().map(|coding| coding.as_bytes()))
    }

    fn packed(mut from: impl Read) -> Vec<u8> {
        let mut all = Vec::new();
        from.read_to_end(&mut all).expect("packed");
        all
    }

    #[test]
    fn the_shapes_of_every_wire_are_known() {
        for body in [
            CHAT,
            r#"{"model":"m","input":"hi"}"#,
            r#"{"model":"m","input":["hi"]}"#,
            r#"{"model":"m","input":[{"role":"user","content":"hi"}]}"#,
            r#"{"model":"m","prompt":"hi"}"#,
            r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#,
            r#" {"contents":[{"role":"user","parts":[]}]}"#,
        ] {
            assert!(kept(body.as_bytes(), &[]).is_some(), "{body}");
        }
        for body in [
            "",
            "hi",
            "[]",
            r#"{"model":"m"}"#,
            r#"{"input":"hi"}"#,
            r#"{"model":3,"input":"hi"}"#,
            r#"{"model":"m","input":{"a":1}}"#,
            r#"{"messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"contents":[{"text":"hi"}]}"#,
        ] {
            assert_eq!(kept(body.as_bytes(), &[]), None, "{body}");
        }
    }

    #[test]
    fn a_body_is_read_as_a_server_reads_it() {
        let two = |unit: fn(u16) -> [u8; 2]| CHAT.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        let four = |letter: fn(u32) -> [u8; 4]| CHAT.chars().map(u32::from).flat_map(letter).collect::<Vec<u8>>();
        let marked = |mark: &[u8], text: Vec<u8>| [mark, &text].concat();
        for body in [
            marked(b"\xef\xbb\xbf", CHAT.into()),
            two(u16::to_le_bytes),
            two(u16::to_be_bytes),
            marked(b"\xff\xfe", two(u16::to_le_bytes)),
            marked(b"\xfe\xff", two(u16::to_be_bytes)),
            four(u32::to_le_bytes),
            four(u32::to_be_bytes),
            marked(b"\xff\xfe\0\0", four(u32::to_le_bytes)),
            marked(b"\0\0\xfe\xff", four(u32::to_be_bytes)),
        ] {
            assert!(kept(&body, &[]).is_some(), "{}", body.escape_ascii());
        }
        let (chat, level) = (CHAT.as_bytes(), Compression::fast());
        let gzip = packed(GzEncoder::new(chat, level));
        let halves = chat.split_at(20);
        let members = [packed(GzEncoder::new(halves.0, level)), packed(GzEncoder::new(halves.1, level))].concat();
        let (zlib, raw) = (packed(ZlibEncoder::new(chat, level)), packed(DeflateEncoder::new(chat, level)));
        let twice = packed(GzEncoder::new(&zlib[..], level));
        let cases: [(&[u8], &[&str]); 7] = [
            (&gzip, &["gzip"]),
            (&gzip, &["identity, X-GZIP"]),
            (&members, &["gzip"]),
            (&zlib, &["deflate"]),
            (&raw, &["Deflate"]),
            (&twice, &["deflate, gzip"]),
            (&twice, &["deflate", "gzip"]),
        ];
        for (body, codings) in cases {
            assert!(kept(body, codings).is_some_and(|why| why.contains("shape")), "{codings:?}");
        }
        let plain = packed(GzEncoder::new(&b"what is said to a server"[..], level));
        assert_eq!((kept(&plain, &["gzip"]), kept(b"", &["br"]), kept(b"x", &["identity"])), (None, None, None));
        // What nobody looked into does not go out, nor what would be endless.
        let zeros = packed(GzEncoder::new(std::io::repeat(0).take(LONGEST + 1), level));
        let unread: [(&[u8], &[&str]); 5] = [
            (b"x", &["br"]),
            (&gzip, &["zstd, gzip"]),
            (b"no gzip", &["gzip"]),
            (&zeros, &["gzip"]),
            (b"x", &["gzip"; 5]),
        ];
        for (body, codings) in unread {
            assert!(kept(body, codings).is_some_and(|why| why.contains("coding")), "{codings:?}");
        }
    }
}
