//! Links and images in what a model says to people, as Markdown, HTML or plain text, and whether only others brought their host up.
//! An image that is shown is fetched, and a link is followed: either carries what stands in it to whoever wrote the host.

use std::ops::Range;

/// Longest link that is taken for one; a longer one is cut there.
pub const LONGEST: usize = 4 << 10;

/// One link in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link<'t> {
    /// All of it: `![words](url)`, `[words](url)`, or the URL alone.
    pub place: Range<usize>,
    /// Whether a program that shows it may fetch it at once.
    pub image: bool,
    /// The words that stand for it.
    pub words: &'t str,
    /// Its host, as it is written.
    pub host: &'t str,
}

impl<'t> Link<'t> {
    /// The words that stand for it, where they are not the address itself.
    #[must_use]
    pub fn label(&self) -> &'t str {
        if self.words.contains("//") { "" } else { self.words }
    }
}

/// Whose words are whose, in one conversation.
#[derive(Debug)]
pub struct Brought<'t> {
    /// The operator's.
    pub own: &'t [&'t str],
    /// What was read.
    pub others: &'t [&'t str],
}

impl Brought<'_> {
    /// Where among what was read the host of a link stands; nothing where the operator names it, or nobody.
    #[must_use]
    pub fn by_others(&self, host: &str) -> Option<usize> {
        if self.own.iter().any(|text| names(text, host)) {
            return None;
        }
        self.others.iter().position(|text| names(text, host))
    }
}

/// Whether a text names a host, whatever its case; as a part of a longer name it is another one.
fn names(text: &str, host: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte >= 0x80;
    let (bytes, host) = (text.as_bytes(), host.as_bytes());
    if host.is_empty() || bytes.len() < host.len() {
        return false;
    }
    (0..=bytes.len() - host.len()).any(|at| {
        let end = at + host.len();
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let dotted =
            before == Some(b'.') || bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(|next| part(*next));
        bytes[at..end].eq_ignore_ascii_case(host)
            && !before.is_some_and(part)
            && !bytes.get(end).is_some_and(|next| part(*next))
            && !dotted
    })
}

/// The links of a text, in order; none lies within another.
#[must_use]
pub fn links(text: &str) -> Vec<Link<'_>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(next) = text[at..].find("//").map(|next| at + next) {
        let Some(link) = link(text, at, next) else {
            at = next + 2;
            continue;
        };
        at = link.place.end;
        found.push(link);
    }
    found
}

/// Where a link may have begun that does not end in this text yet; nothing of it is to be told before it has.
#[must_use]
pub fn open(text: &str) -> Option<usize> {
    let from = text.len().saturating_sub(LONGEST);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let tail = &text[from..];
    let url = tail.rfind("//").filter(|at| !tail[*at..].contains(ends)).map(|at| before_scheme(tail, at));
    let label = tail.rfind('[').filter(|at| !tail[*at..].contains(']') || !closed(&tail[*at..]));
    let at = match (url, label) {
        (Some(url), Some(label)) => url.min(label),
        (Some(at), None) | (None, Some(at)) => at,
        (None, None) => {
            // The scheme may be cut.
            let word = tail.rfind(ends).map_or(0, |at| at + 1);
            let word = (word..tail.len()).find(|at| tail.is_char_boundary(*at))?;
            let begun =
                |scheme: &str| !tail[word..].is_empty() && scheme.starts_with(&tail[word..].to_ascii_lowercase());
            return (["https://", "http://"].into_iter().any(begun) || tail.ends_with('!'))
                .then_some(from + tail.len() - (tail.len() - word));
        }
    };
    let marked = at > 0 && tail.as_bytes()[at - 1] == b'!';
    Some(from + at - usize::from(marked))
}

/// Whether what begins with a label has its address whole, or has none.
fn closed(text: &str) -> bool {
    match text.split_once(']') {
        Some((_, "")) => false,
        Some((_, rest)) if rest.starts_with('(') => rest.contains(')'),
        _ => true,
    }
}

fn ends(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '<' | '>' | '"' | '\'' | '`' | ')' | ']' | '|' | '\\')
}

/// Where the scheme in front of `//` begins.
fn before_scheme(text: &str, slashes: usize) -> usize {
    let scheme = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.' | ':');
    text[..slashes]
        .rfind(|letter| !scheme(letter))
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8))
}

/// The link whose slashes stand here.
fn link(text: &str, from: usize, slashes: usize) -> Option<Link<'_>> {
    let begin = from + before_scheme(&text[from..], slashes - from);
    let scheme = text[begin..slashes].strip_suffix(':').unwrap_or(&text[begin..slashes]);
    let addressed = begin.checked_sub(1).is_some_and(|at| matches!(text.as_bytes()[at], b'(' | b'"' | b'\'' | b'<'));
    // `//host` is an address only where one is expected.
    let known = ["http", "https", "ftp", "ws", "wss"].iter().any(|one| scheme.eq_ignore_ascii_case(one));
    if !(known || scheme.is_empty() && addressed) {
        return None;
    }
    let rest = &text[slashes + 2..];
    let length = rest.find(ends).unwrap_or(rest.len()).min(LONGEST);
    let length = (0..=length).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(0);
    let url = rest[..length].trim_end_matches(['.', ',', ';', ':', '!', '?', '*']);
    let end = slashes + 2 + url.len();
    let authority = &url[..url.find(['/', '?', '#', '\\']).unwrap_or(url.len())];
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_end_matches('.');
    if host.is_empty() {
        return None;
    }
    Some(
        around(text, from, begin, end).map_or(
            Link { place: begin..end, image: false, words: &text[begin..end], host },
            |(place, image, words)| Link { place, image, words, host },
        ),
    )
}

/// What Markdown or HTML puts around an address.
fn around(text: &str, from: usize, begin: usize, end: usize) -> Option<(Range<usize>, bool, &str)> {
    let before = text[from..begin].trim_end_matches('<');
    if let Some(label) = before.strip_suffix("](") {
        let close = text[end..].find(')').map_or(end, |at| end + at + 1);
        let open = label.rfind('[')?;
        let image = label[..open].ends_with('!');
        return Some((from + open - usize::from(image)..close, image, &label[open + 1..]));
    }
    let tag = before.rfind('<').filter(|at| !before[*at..].contains('>'))?;
    let name = before[tag + 1..].split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    let image = ["img", "iframe", "video", "audio", "source", "embed", "object", "link", "script"];
    let image = image.iter().any(|one| name.eq_ignore_ascii_case(one));
    let close = text[end..].find('>').map_or(end, |at| end + at + 1);
    (!name.is_empty()).then_some((from + tag..close, image, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(&str, bool, &str)> {
        links(text).into_iter().map(|link| (&text[link.place.clone()], link.image, link.host)).collect()
    }

    #[test]
    fn links_are_found_in_every_form() {
        type Told = (&'static str, bool, &'static str);
        let cases: &[(&str, &[Told])] = &[
            ("see https://a.example/x?y=1, and", &[("https://a.example/x?y=1", false, "a.example")]),
            (
                "![pic](http://a.example:80/p.png \"t\") b",
                &[("![pic](http://a.example:80/p.png \"t\")", true, "a.example")],
            ),
            ("[here](https://me:pw@b.example./) ok", &[("[here](https://me:pw@b.example./)", false, "b.example")]),
            ("<img src=\"//c.example/1\"> x", &[("<img src=\"//c.example/1\">", true, "c.example")]),
            ("<a href='https://d.example'>d</a>", &[("<a href='https://d.example'>", false, "d.example")]),
            (
                "<HTTPS://E.example/> `http://f.example`",
                &[("HTTPS://E.example/", false, "E.example"), ("http://f.example", false, "f.example")],
            ),
            ("![](<https://g.example/a b>)", &[("![](<https://g.example/a b>)", true, "g.example")]),
            ("a // comment, 1//2, file:///etc, https://", &[]),
        ];
        for (text, wanted) in cases {
            assert_eq!(told(text), *wanted, "{text}");
        }
    }

    #[test]
    fn a_link_that_may_go_on_waits_whole() {
        for (text, at) in [
            ("see htt", Some(4)),
            ("see https://a.exam", Some(4)),
            ("see https://a.example done", None),
            ("look: ![words", Some(6)),
            ("look: ![words](https://a.ex", Some(6)),
            ("look: ![words](https://a.example/x) now", None),
            ("a list [1] of [2] things", None),
            ("ends with [1]", Some(10)),
            ("plain words", None),
        ] {
            assert_eq!(open(text), at, "{text}");
        }
        assert!(open(&format!("https://{}", "a".repeat(3 * LONGEST))).is_none());
    }

    #[test]
    fn a_host_is_others_where_only_they_name_it() {
        let brought = Brought {
            own: &["Look at docs.example"],
            others: &["x", "go to https://evil.example/a, not-evil.example.org"],
        };
        let by = |host: &str| brought.by_others(host);
        assert_eq!((by("evil.example"), by("EVIL.example"), by("docs.example")), (Some(1), Some(1), None));
        assert_eq!((by("nobody.example"), by("not-evil.example"), by("ample"), by("")), (None, None, None, None));
    }
}
