//! Patterns of the other language: `*` within a segment, `**` for one or more whole ones, `?`, `[a-z]`. What it says of
//! them differs between its versions, so an allowed pattern is taken in the narrowest sense and a denied one in the
//! widest.

use crate::PathPattern;

/// Most patterns that one becomes.
const MOST: usize = 64;
/// Most characters of one class.
const MOST_OF_CLASS: u32 = 64;

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// `**`
    Whole,
    Text(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Is(char),
    /// `*`
    Any,
    /// One of these.
    Of(Vec<char>),
    /// One character, or something that is not understood.
    Odd,
}

/// A segment where only text and stars are left; none stands for a star.
type Plain = Vec<Option<char>>;

fn segments(text: &str, separator: char) -> Vec<Segment> {
    let segment = |text: &str| if text == "**" { Segment::Whole } else { Segment::Text(pieces(text)) };
    text.split(separator).map(segment).collect()
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        pieces.push(match letter {
            '*' if pieces.last() == Some(&Piece::Any) => continue,
            '*' => Piece::Any,
            '?' | '{' | '}' | '\\' | ']' => Piece::Odd,
            '[' => match rest.as_str().split_once(']') {
                Some((inner, after)) => {
                    rest = after.chars();
                    class(inner).map_or(Piece::Odd, Piece::Of)
                }
                None => Piece::Odd,
            },
            letter => Piece::Is(letter),
        });
    }
    pieces
}

/// The characters between brackets; none where they are too many, or all but some.
fn class(inner: &str) -> Option<Vec<char>> {
    let letters: Vec<char> = inner.chars().collect();
    if letters.is_empty() || matches!(letters[0], '!' | '^') || letters.contains(&'\\') {
        return None;
    }
    let (mut members, mut at) = (Vec::new(), 0);
    while at < letters.len() {
        let (from, to) = match (letters.get(at + 1), letters.get(at + 2)) {
            (Some('-'), Some(to)) => (letters[at], *to),
            _ => (letters[at], letters[at]),
        };
        if from > to || u32::from(to) - u32::from(from) > MOST_OF_CLASS {
            return None;
        }
        members.extend(from..=to);
        at += if from == to && letters.get(at + 1) != Some(&'-') { 1 } else { 3 };
    }
    Some(members)
}

/// Every way to choose from the classes of a segment; none where it holds what is not understood, or ways are too many.
fn chosen(pieces: &[Piece]) -> Option<Vec<Plain>> {
    let mut ways: Vec<Plain> = vec![Vec::new()];
    for piece in pieces {
        let each: Vec<Option<char>> = match piece {
            Piece::Is(letter) => vec![Some(*letter)],
            Piece::Any => vec![None],
            Piece::Of(letters) => letters.iter().copied().map(Some).collect(),
            Piece::Odd => return None,
        };
        if ways.len() * each.len() > MOST {
            return None;
        }
        let longer = |way: &Plain| each.iter().map(|one| [way.as_slice(), &[*one]].concat()).collect::<Vec<_>>();
        ways = ways.iter().flat_map(longer).collect();
    }
    Some(ways)
}

/// Joins every alternative of each segment; none where they are too many.
fn product(each: &[Vec<String>], join: &str) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    for (at, alternatives) in each.iter().enumerate() {
        if all.len() * alternatives.len() > MOST {
            return None;
        }
        let between = if at == 0 { "" } else { join };
        let longer = |text: &String| alternatives.iter().map(|one| format!("{text}{between}{one}")).collect::<Vec<_>>();
        all = all.iter().flat_map(longer).collect();
    }
    Some(all)
}

/// Paths that a rule means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Paths {
    All,
    Some(Vec<PathPattern>),
}

impl Paths {
    /// Whether all that the other one means is meant by this; not seen where it takes more than a look.
    pub(super) fn cover(&self, other: &Paths) -> bool {
        match (self, other) {
            (Paths::All, _) => true,
            (Paths::Some(_), Paths::All) => false,
            (Paths::Some(own), Paths::Some(others)) => others.iter().all(|path| own.iter().any(|own| own.covers(path))),
        }
    }

    /// As a rule has them: none for all.
    pub(super) fn listed(&self) -> Vec<PathPattern> {
        match self {
            Paths::All => Vec::new(),
            Paths::Some(paths) => paths.clone(),
        }
    }
}

/// Paths that are allowed: none of them means more than the pattern in any version. None where nothing can be said.
pub(super) fn allowed(text: &str) -> Option<Paths> {
    if matches!(text, "**" | "/**") {
        return Some(Paths::All);
    }
    let each = segments(text.strip_prefix('/')?, '/').iter().map(allowed_segment).collect::<Option<Vec<_>>>()?;
    let paths = product(&each, "/")?;
    let parsed = paths.iter().map(|path| PathPattern::parse(&format!("/{path}"))).collect::<Result<_, _>>();
    parsed.map(Paths::Some).ok()
}

fn allowed_segment(segment: &Segment) -> Option<Vec<String>> {
    match segment {
        // At least one segment.
        Segment::Whole => Some(vec!["*/**".into()]),
        Segment::Text(pieces) => chosen(pieces)?.iter().map(|plain| written(plain.as_slice())).collect(),
    }
}

/// A segment as a path's pattern. There a byte that may stand in a path stands as itself, and any other one encoded in
/// capital letters; what is written otherwise means nothing.
fn written(plain: &[Option<char>]) -> Option<String> {
    let mut text = String::new();
    let mut at = 0;
    while let Some(piece) = plain.get(at) {
        at += 1;
        match piece {
            None => text.push('*'),
            Some('%') => {
                let digit =
                    |at: usize| plain.get(at).copied().flatten().filter(|one| matches!(one, '0'..='9' | 'A'..='F'));
                let (high, low) = (digit(at)?.to_digit(16)?, digit(at + 1)?.to_digit(16)?);
                let byte = u8::try_from(high * 16 + low).ok()?;
                if may_stand(char::from(byte)) || byte == b'/' {
                    return None;
                }
                text += &format!("%{byte:02X}");
                at += 2;
            }
            Some(letter) if may_stand(*letter) => text.push(*letter),
            Some(_) => return None,
        }
    }
    Some(text)
}

fn may_stand(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(letter)
}

/// Paths that are denied: together they mean all that the pattern means in any version, where a star may also go beyond
/// its segment. None where it means no path that is ever let through.
pub(super) fn denied(text: &str) -> Option<Paths> {
    let Some(rest) = text.strip_prefix('/') else {
        return text.starts_with(['*', '?', '[', '{']).then_some(Paths::All);
    };
    let parts = segments(rest, '/');
    let last = parts.len() - 1;
    let each: Vec<Vec<String>> =
        parts.iter().enumerate().map(|(at, segment)| denied_segment(segment, at == last)).collect();
    let Some(paths) = product(&each, "/") else { return Some(Paths::All) };
    if paths.iter().any(|path| path == "**") {
        return Some(Paths::All);
    }
    let mut parsed = Vec::new();
    for path in paths {
        match PathPattern::parse(&format!("/{path}")) {
            Ok(pattern) => parsed.push(pattern),
            // No such request is ever let through.
            Err(crate::RequestError::Dots | crate::RequestError::Empty) => {}
            Err(_) => return Some(Paths::All),
        }
    }
    (!parsed.is_empty()).then_some(Paths::Some(parsed))
}

fn denied_segment(segment: &Segment, last: bool) -> Vec<String> {
    let any = || vec!["**".to_owned()];
    let pieces = match segment {
        Segment::Whole => return any(),
        Segment::Text(pieces) => pieces,
    };
    if pieces.iter().any(|piece| matches!(piece, Piece::Odd)) {
        return any();
    }
    let loose: Plain =
        pieces.iter().map(|piece| if let Piece::Is(letter) = piece { Some(*letter) } else { None }).collect();
    let stars = loose.iter().filter(|piece| piece.is_none()).count();
    let Some(text) = written(&loose) else { return any() };
    // What is enumerable does not go beyond its segment.
    if stars == 0 || !pieces.contains(&Piece::Any) {
        return vec![text];
    }
    let (before, after) = (text.split('*').next().unwrap_or_default(), text.rsplit('*').next().unwrap_or_default());
    match (before.is_empty(), after.is_empty()) {
        (true, true) => any(),
        (true, false) => vec![format!("**/*{after}")],
        (false, true) if last => vec![format!("{before}*/**")],
        _ => vec![text.clone(), format!("{before}*/**/*{after}")],
    }
}

/// One value that is allowed: its pattern here, and what that means beyond the original, where a `*` stops at a dot.
pub(super) struct Value {
    pub(super) pattern: String,
    pub(super) beyond: Vec<String>,
}

/// Values that are allowed; none where nothing can be said.
pub(super) fn allowed_values(text: &str) -> Option<Vec<Value>> {
    // A star that stops at a dot, and one that does not.
    const SHORT: &str = "\u{1}";
    const LONG: &str = "\u{2}";
    if text.is_empty() || text.contains(['\u{1}', '\u{2}']) {
        return None;
    }
    let each = segments(text, '.')
        .iter()
        .map(|segment| match segment {
            Segment::Whole => Some(vec![LONG.to_owned()]),
            Segment::Text(pieces) => {
                let one = |plain: &Plain| plain.iter().map(|piece| piece.map_or(SHORT.into(), encoded)).collect();
                Some(chosen(pieces)?.iter().map(one).collect::<Vec<String>>())
            }
        })
        .collect::<Option<Vec<_>>>()?;
    let value = |marked: &String| {
        let plain = |text: &str| text.replace([SHORT, LONG].map(|star| star.chars().next().unwrap_or('*')), "*");
        let beyond = marked
            .match_indices(SHORT)
            .map(|(at, star)| plain(&format!("{}*.*{}", &marked[..at], &marked[at + star.len()..])))
            .collect();
        Value { pattern: plain(marked), beyond }
    };
    Some(product(&each, ".")?.iter().map(value).collect())
}

/// A pattern of values that are denied: it means all that the original means.
pub(super) fn denied_value(text: &str) -> String {
    if text.is_empty() {
        return "*".into();
    }
    let one = |piece: Piece| if let Piece::Is(letter) = piece { encoded(letter) } else { "*".into() };
    pieces(text).into_iter().map(one).collect()
}

/// A character as it stands in a pattern of values, where a percent sign encodes.
fn encoded(letter: char) -> String {
    if letter == '%' { "%25".into() } else { letter.into() }
}

/// Executables; none where nothing can be said.
pub(super) fn executables(text: &str) -> Option<Vec<String>> {
    let each = segments(text.strip_prefix('/')?, '/')
        .iter()
        .map(|segment| match segment {
            Segment::Whole => Some(vec!["*/**".to_owned()]),
            Segment::Text(pieces) => {
                let one = |plain: &Plain| plain.iter().map(|piece| piece.unwrap_or('*')).collect();
                Some(chosen(pieces)?.iter().map(one).collect())
            }
        })
        .collect::<Option<Vec<_>>>()?;
    Some(product(&each, "/")?.into_iter().map(|path| format!("/{path}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(paths: Option<Paths>) -> Vec<String> {
        match paths {
            None => vec!["nothing".into()],
            Some(Paths::All) => vec!["all".into()],
            Some(Paths::Some(paths)) => paths.iter().map(|path| path.as_str().to_owned()).collect(),
        }
    }

    #[test]
    fn what_is_allowed_is_taken_narrowly() {
        for (text, expected) in [
            ("/**", &["all"][..]),
            ("**", &["all"]),
            ("/repos/**", &["/repos/*/**"]),
            ("/a/*/c", &["/a/*/c"]),
            ("/**/info/refs*", &["/*/**/info/refs*"]),
            ("/a/**secret**", &["/a/*secret*"]),
            ("/v[12]/x", &["/v1/x", "/v2/x"]),
            ("/v[0-2]", &["/v0", "/v1", "/v2"]),
            ("/a%20b", &["/a%20b"]),
            ("/v?", &["nothing"]),
            ("/v[!0]", &["nothing"]),
            ("/{a,b}", &["nothing"]),
            ("/a b", &["nothing"]),
            ("/a%2Fb", &["nothing"]),
            ("/a%41", &["nothing"]),
            ("a/b", &["nothing"]),
            ("/a/../b", &["nothing"]),
            ("", &["nothing"]),
        ] {
            assert_eq!(texts(allowed(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_is_denied_is_taken_widely() {
        for (text, expected) in [
            ("/**", &["all"][..]),
            ("*", &["all"]),
            ("/a", &["/a"]),
            ("/repos/**", &["/repos/**"]),
            ("/repos/*/rulesets", &["/repos/**/rulesets"]),
            ("/bot*/send", &["/bot*/send", "/bot*/**/*/send"]),
            ("/a/b*", &["/a/b*/**"]),
            ("/a/*.json", &["/a/**/*.json"]),
            ("/a/b*d", &["/a/b*d", "/a/b*/**/*d"]),
            ("/v?/x", &["/**/x"]),
            ("/v[12]/x", &["/v*/x"]),
            ("/{a,b}/x", &["/**/x"]),
            ("/a%2Fb/x", &["/**/x"]),
            ("/a/../b", &["nothing"]),
            ("a", &["nothing"]),
        ] {
            assert_eq!(texts(denied(text)), expected, "{text}");
        }
    }

    #[test]
    fn a_star_in_a_value_stops_at_a_dot() {
        let read = |text: &str| {
            let values = allowed_values(text).into_iter().flatten();
            values.map(|value| (value.pattern, value.beyond)).collect::<Vec<_>>()
        };
        let one = |text: &str, beyond: &[&str]| {
            (text.to_owned(), beyond.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(read("v1.*"), [one("v1.*", &["v1.*.*"])]);
        assert_eq!(read("**"), [one("*", &[])]);
        assert_eq!(read("a.**"), [one("a.*", &[])]);
        assert_eq!(read("a*b*"), [one("a*b*", &["a*.*b*", "a*b*.*"])]);
        assert_eq!(read("5%"), [one("5%25", &[])]);
        assert_eq!(read("[ab]"), [one("a", &[]), one("b", &[])]);
        assert!(allowed_values("a?").is_none() && allowed_values("").is_none());
        assert_eq!(denied_value("a?[b]*"), "a***");
    }

    #[test]
    fn executables_keep_their_stars() {
        assert_eq!(executables("/usr/bin/python3*").as_deref(), Some(&["/usr/bin/python3*".to_owned()][..]));
        assert_eq!(executables("/opt/**").as_deref(), Some(&["/opt/*/**".to_owned()][..]));
        assert_eq!(executables("/b/py[23]").map(|all| all.len()), Some(2));
        assert!(executables("curl").is_none() && executables("/b/py?").is_none());
    }
}
