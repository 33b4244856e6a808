//! What the programs that load an `.env` file take a value for: they end it in different places, and undo different escapes.
//! What any of them reads is what an agent has in its hands.

/// What `\` and a letter become, if a loader undoes that.
type Escape = fn(char) -> Option<Option<char>>;

/// What is undone by: none of them, node's, shells, Python's, those of Go and Ruby, and JSON and whoever undoes all.
const ESCAPES: [Escape; 6] = [|_| None, node, shell, python, others, all];

/// One value as it is written, in each way to end it.
pub(super) struct Value<'t> {
    pub(super) ways: Vec<&'t str>,
    /// What a shell makes of it where it is put together from several.
    word: Option<String>,
    /// Bytes it reaches over at most.
    pub(super) length: usize,
}

impl<'t> Value<'t> {
    /// The value that stands at the start of this text.
    pub(super) fn at(text: &'t str) -> Value<'t> {
        let line = text.lines().next().unwrap_or_default();
        let start = line.len() - line.trim_start().len();
        let (mut ways, mut length) = (Vec::new(), line.len());
        let quote = line[start..].chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'));
        let mut whole = false;
        if let Some(quote) = quote {
            let inner = &text[start + 1..];
            let ends = [end(inner, quote, true), end(inner, quote, false)];
            for at in ends.into_iter().flatten() {
                let after = inner[at + 1..].lines().next().unwrap_or_default();
                if is_blank(after) && !ways.contains(&&inner[..at]) {
                    ways.push(&inner[..at]);
                    length = length.max(start + 1 + at);
                    whole = true;
                }
            }
        }
        if !whole {
            let value = line.trim();
            // Behind a blank, it is a comment to some; without one behind it, hardly to whoever wrote it.
            let comment =
                value.match_indices('#').find(|(at, _)| value[..*at].ends_with([' ', '\t'])).map(|(at, _)| at);
            let cut = comment.map_or(value, |at| value[..at].trim_end());
            ways.push(cut);
            ways.extend(value.split('#').next().map(str::trim_end));
            if comment.is_some_and(|at| value[at + 1..].starts_with(|next: char| !next.is_whitespace() && next != '#'))
            {
                ways.push(value);
            }
            if value.starts_with("-----BEGIN ")
                && let Some(last) = text.find("-----END ")
            {
                length = last + text[last..].lines().next().map_or(0, str::len);
                ways.push(text[..length].trim());
            }
        }
        Value { ways, word: word(&text[start..]), length }
    }

    /// Everything that it may be.
    pub(super) fn readings(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut add = |one: String| {
            if one.contains("\r\n") {
                all.push(one.replace("\r\n", "\n"));
            }
            all.push(one);
        };
        for way in &self.ways {
            // Without one there is nothing to undo.
            let escapes = if way.contains('\\') { &ESCAPES[..] } else { &ESCAPES[..1] };
            escapes.iter().for_each(|escape| add(unescaped(way, *escape)));
        }
        self.word.iter().for_each(|word| add(word.clone()));
        let mut kept: Vec<String> = Vec::new();
        for one in all {
            if !kept.contains(&one) {
                kept.push(one);
            }
        }
        kept
    }
}

/// Where the quote ends: at the first one, or the first one that no `\` stands before.
fn end(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == quote && !escaped {
            return Some(at);
        }
        escaped = escapes && letter == '\\' && !escaped;
    }
    None
}

/// Whether nothing but a comment stands there.
fn is_blank(rest: &str) -> bool {
    let rest = rest.trim();
    rest.is_empty() || rest.starts_with(['#', ';', '&'])
}

fn node(letter: char) -> Option<Option<char>> {
    control(letter).filter(|_| matches!(letter, 'n' | 'r'))
}

fn shell(letter: char) -> Option<Option<char>> {
    match letter {
        '"' | '\\' | '$' | '`' => Some(Some(letter)),
        '\n' => Some(None),
        _ => None,
    }
}

fn python(letter: char) -> Option<Option<char>> {
    control(letter).or(matches!(letter, '\\' | '\'' | '"').then_some(Some(letter)))
}

fn others(letter: char) -> Option<Option<char>> {
    node(letter).or(Some(Some(letter)))
}

fn all(letter: char) -> Option<Option<char>> {
    control(letter).or(Some(Some(letter)))
}

fn control(letter: char) -> Option<Option<char>> {
    let controls = [('a', '\x07'), ('b', '\x08'), ('f', '\x0c'), ('n', '\n'), ('r', '\r'), ('t', '\t'), ('v', '\x0b')];
    controls.iter().find(|(name, _)| *name == letter).map(|(_, control)| Some(*control))
}

fn unescaped(text: &str, escape: Escape) -> String {
    let (mut out, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        let next = letters.clone().next().filter(|_| letter == '\\');
        match next.and_then(escape) {
            Some(made) => {
                out.extend(made);
                letters.next();
            }
            None => out.push(letter),
        }
    }
    out
}

/// The word a shell reads, where it holds a quote or a `\`: what is quoted in several ways stands in it without a gap. None if
/// more words follow, since they would be a command.
fn word(text: &str) -> Option<String> {
    let (mut out, mut rest, mut written) = (String::new(), text, false);
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        match letter {
            '\'' | '"' => {
                let at = end(after, letter, letter == '"')?;
                out += &unescaped(&after[..at], if letter == '"' { shell } else { |_| None });
                rest = &after[at + 1..];
                written = true;
            }
            '$' if after.starts_with('\'') => {
                let at = end(&after[1..], '\'', true)?;
                out += &numbered(&after[1..=at]);
                rest = &after[at + 2..];
                written = true;
            }
            '\\' => {
                let next = after.chars().next()?;
                out.extend(Some(next).filter(|next| *next != '\n'));
                rest = &after[next.len_utf8()..];
                written = true;
            }
            _ if letter.is_whitespace() || matches!(letter, ';' | '&' | '|') => break,
            _ => {
                out.push(letter);
                rest = after;
            }
        }
    }
    let line = rest.lines().next().unwrap_or_default();
    let ends = rest.starts_with('|') || is_blank(line);
    (ends && (written || !line.is_empty())).then_some(out)
}

/// What `$'...'` says, in which letters may be numbers.
fn numbered(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('\\') {
        out += &rest[..at];
        let after = &rest[at + 1..];
        let digits = |from: usize, most: usize, radix: u32| {
            let count = after[from..].chars().take(most).take_while(|digit| digit.is_digit(radix)).count();
            let number = u32::from_str_radix(&after[from..from + count], radix).ok().and_then(char::from_u32);
            number.map(|letter| (letter, from + count))
        };
        let made = match after.chars().next() {
            Some('x') => digits(1, 2, 16),
            Some('u') => digits(1, 4, 16),
            Some('U') => digits(1, 8, 16),
            Some('0'..='7') => digits(0, 3, 8),
            Some(letter) => all(letter).flatten().map(|made| (made, letter.len_utf8())),
            None => None,
        };
        let (letter, length) = made.unwrap_or(('\\', 0));
        out.push(letter);
        rest = &after[length..];
    }
    out + rest
}
