//! Lists and mappings as JSON writes them, or Python: strings in either quotes, `True`, `None`. What is neither is nothing.

use std::borrow::Cow;

use super::results::Node;

/// Deepest nesting.
const DEPTH: usize = 24;

/// Reads one list or mapping that is all of a text.
pub(super) fn read(text: &str) -> Option<Node<'_>> {
    let mut reader = Reader { text, at: 0 };
    reader.space();
    if !matches!(reader.peek(), Some('{' | '[')) {
        return None;
    }
    let node = reader.value(DEPTH)?;
    reader.space();
    (reader.at == text.len()).then_some(node)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn takes(&mut self, letter: char) -> bool {
        self.space();
        let is = self.peek() == Some(letter);
        self.at += if is { letter.len_utf8() } else { 0 };
        is
    }

    fn value(&mut self, depth: usize) -> Option<Node<'t>> {
        self.space();
        let depth = depth.checked_sub(1)?;
        match self.peek()? {
            '[' => self.list(depth),
            '{' => self.map(depth),
            quote @ ('"' | '\'') => self.string(quote).map(Node::Scalar),
            _ => {
                let text = self.text;
                let rest = &text[self.at..];
                let word = &rest[..rest.find([',', ']', '}', '\n']).unwrap_or(rest.len())];
                self.at += word.len();
                let value = word.trim();
                (!value.is_empty() && !value.contains([':', '"', '\''])).then(|| Node::Scalar(value.into()))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Node<'t>> {
        self.next()?;
        let mut items = Vec::new();
        loop {
            if self.takes(']') {
                return Some(Node::List(items));
            }
            items.push(self.value(depth)?);
            if !self.takes(',') {
                return self.takes(']').then_some(Node::List(items));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Node<'t>> {
        self.next()?;
        let mut entries = Vec::new();
        loop {
            if self.takes('}') {
                return Some(Node::Map(entries));
            }
            self.space();
            let key = match self.peek()? {
                quote @ ('"' | '\'') => self.string(quote)?,
                _ => return None,
            };
            if !self.takes(':') {
                return None;
            }
            entries.push((key, self.value(depth)?));
            if !self.takes(',') {
                return self.takes('}').then_some(Node::Map(entries));
            }
        }
    }

    fn string(&mut self, quote: char) -> Option<Cow<'t, str>> {
        self.next()?;
        let text = self.text;
        let rest = &text[self.at..];
        let plain = rest.find([quote, '\\'])?;
        self.at += plain;
        if rest[plain..].starts_with(quote) {
            self.at += quote.len_utf8();
            return Some(Cow::Borrowed(&rest[..plain]));
        }
        let mut out = rest[..plain].to_owned();
        loop {
            match self.next()? {
                letter if letter == quote => return Some(Cow::Owned(out)),
                '\\' => match self.next()? {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'u' => out.push(self.code(4)?),
                    'x' => out.push(self.code(2)?),
                    other => out.push(other),
                },
                letter => out.push(letter),
            }
        }
    }

    /// A letter by its number; half of a pair is none.
    fn code(&mut self, digits: usize) -> Option<char> {
        let hex = self.text.get(self.at..self.at + digits)?;
        self.at += digits;
        let code = u32::from_str_radix(hex, 16).ok()?;
        Some(char::from_u32(code).unwrap_or('\u{fffd}'))
    }
}
