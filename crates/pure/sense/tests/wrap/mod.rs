//! Every way to wrap a text that is undone, by name: the tests wrap with what is written here and nothing of the crate's.
#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod digits;
pub(crate) mod packed;
pub(crate) mod written;

use sense::Coding;

/// A labelled document of some 400 words.
pub(crate) const MEMO: &str = include_str!("memo.txt");

/// A sentence out of it: 80 bytes.
pub(crate) const SENTENCE: &str = "Mr Haddad has read all eleven and thinks that eight will agree for a year's rent";

/// A registered secret of 20 bytes.
pub(crate) const SECRET: &str = "sk-Vt93kQzr7LmXw2pB8";

type Wrap = fn(&[u8]) -> Vec<u8>;

/// A way to wrap a text, and what a scan says that it has undone to find a document in it.
pub(crate) struct Row(pub(crate) &'static str, pub(crate) Wrap, pub(crate) &'static [Coding]);

/// Every way.
pub(crate) const WRAPS: &[Row] = &[
    Row("plain", <[u8]>::to_vec, &[]),
    Row("within other text", written::within_text, &[]),
    Row("other case", written::other_case, &[]),
    Row("other spacing", written::other_spacing, &[]),
    Row("no spacing", written::no_spacing, &[]),
    Row("a mark after each letter", written::marked, &[]),
    Row("zero-width characters", written::zero_width, &[]),
    Row("tags between letters", written::tags_between, &[]),
    Row("look-alikes", written::lookalikes, &[]),
    Row("wide letters", written::wide, &[]),
    Row("bold letters", written::bold, &[]),
    Row("accents", written::accents, &[]),
    Row("reversed", written::reversed, &[Coding::Reversed]),
    Row("rot13", written::rot13, &[Coding::Rot13]),
    Row("in tags", written::in_tags, &[Coding::Invisible]),
    Row("variation selectors", written::in_selectors, &[Coding::Invisible]),
    Row("json", written::json, &[Coding::Json]),
    Row("json of many strings", written::json_list, &[Coding::Json]),
    Row("json names", written::json_names, &[Coding::JsonNames]),
    Row("json \\u", written::json_unicode, &[Coding::Json]),
    Row("backslash x", written::backslash_x, &[Coding::Escapes]),
    Row("octal", written::octal, &[Coding::Escapes]),
    Row("percent", written::percent, &[Coding::Percent]),
    Row("percent of all", written::percent_all, &[Coding::Percent]),
    Row("form", written::form, &[Coding::Form]),
    Row("entities", written::entities, &[Coding::Entities]),
    Row("entities without end", written::open_entities, &[Coding::Entities]),
    Row("hexadecimal entities", written::hex_entities, &[Coding::Entities]),
    Row("markup", written::markup, &[Coding::Markup]),
    Row("quoted-printable", written::quoted_printable, &[Coding::QuotedPrintable]),
    Row("multipart", written::multipart, &[Coding::Multipart]),
    // Comparing drops the zeros.
    Row("utf-16", written::utf16, &[]),
    Row("utf-16 big", written::utf16_big, &[]),
    Row("base64", digits::base64, &[Coding::Base64]),
    Row("base64 after one", digits::base64_after_one, &[Coding::Base64]),
    Row("base64 after two", digits::base64_after_two, &[Coding::Base64]),
    Row("base64 after a digit", digits::base64_after_a_digit, &[Coding::Base64]),
    Row("base64 url-safe", digits::base64_url, &[Coding::Base64]),
    Row("base64 in lines", digits::base64_lines, &[Coding::Base64]),
    Row("base64 in pieces", digits::base64_pieces, &[Coding::Base64]),
    Row("base64 of short stretches", digits::base64_stretches, &[Coding::Base64]),
    Row("base64 of utf-16 in a tar", digits::base64_wide, &[Coding::Base64]),
    Row("base32", digits::base32, &[Coding::Base32]),
    Row("base32 small", digits::base32_small, &[Coding::Base32]),
    Row("hex", digits::hex, &[Coding::Hex]),
    Row("hex upper", digits::hex_upper, &[Coding::Hex]),
    Row("hex with colons", digits::hex_colons, &[Coding::Hex]),
    Row("hex with 0x", digits::hex_array, &[Coding::Hex]),
    Row("hex of short stretches", digits::hex_stretches, &[Coding::Hex]),
    Row("hex with dots", digits::hex_dots, &[Coding::Hex]),
    Row("hex in quotes", digits::hex_quoted, &[Coding::Json, Coding::Hex]),
    Row("hex dump", digits::hex_dump, &[Coding::Hex]),
    Row("binary digits", digits::bits, &[Coding::Bits]),
    Row("decimal list", digits::decimal, &[Coding::Numbers]),
    Row("decimal with bars", digits::decimal_bars, &[Coding::Numbers]),
    Row("decimal in quotes", digits::decimal_quoted, &[Coding::Numbers]),
    Row("decimal in calls", digits::decimal_calls, &[Coding::Numbers]),
    Row("gzip", packed::gzip, &[Coding::Gzip]),
    Row("gzip in members", packed::gzip_members, &[Coding::Gzip]),
    Row("gzip cut off", packed::gzip_cut_off, &[Coding::Gzip]),
    Row("zlib", packed::zlib, &[Coding::Zlib]),
    Row("zlib within", packed::zlib_within, &[Coding::Zlib]),
    Row("zip", packed::zip, &[Coding::Zip]),
    Row("zip stored", packed::zip_stored, &[]),
    Row("tar", packed::tar, &[]),
    Row("git pack", packed::git_pack, &[Coding::GitPack]),
];

/// Wrappings that take any bytes.
pub(crate) const BINARY: &[&str] = &[
    "within other text",
    "variation selectors",
    "backslash x",
    "octal",
    "percent",
    "percent of all",
    "form",
    "base64",
    "base64 after one",
    "base64 after two",
    "base64 after a digit",
    "base64 url-safe",
    "base64 in lines",
    "base32",
    "base32 small",
    "hex",
    "hex upper",
    "hex with colons",
    "hex with 0x",
    "hex with dots",
    "hex in quotes",
    "hex dump",
    "binary digits",
    "decimal list",
    "decimal with bars",
    "decimal in quotes",
    "decimal in calls",
    "gzip",
    "gzip in members",
    "zlib",
    "zlib within",
    "zip",
    "zip stored",
    "tar",
    "git pack",
];

/// Wraps in the ways of those names, the outermost first.
pub(crate) fn wrapped(names: &[&str], text: &[u8]) -> Vec<u8> {
    let way =
        |name: &str| WRAPS.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("no way is called {name}")).1;
    names.iter().rev().fold(text.to_vec(), |text, name| way(name)(&text))
}
