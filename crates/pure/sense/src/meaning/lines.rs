//! Records as YAML writes them: `key: value` lines, items after `- `, text that goes on further in. A subset, and strict: where
//! one line does not fit, nothing of it is a record.

use std::borrow::Cow;
use std::collections::HashSet;

use super::results::Node;

/// Deepest nesting.
const DEPTH: usize = 16;
/// Longest key.
const KEY: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Line<'t> {
    indent: usize,
    text: &'t str,
}

impl Line<'_> {
    fn of(line: &str) -> Line<'_> {
        let line = line.trim_end();
        let indent = line.len() - line.trim_start_matches(' ').len();
        Line { indent, text: &line[indent..] }
    }
}

/// Reads a text that is records as a whole.
pub(super) fn read(text: &str) -> Option<Node<'_>> {
    let lines: Vec<Line<'_>> = text.lines().map(Line::of).collect();
    let first = lines.iter().position(|line| !line.text.is_empty())?;
    let mut reader = Reader { lines, at: first };
    let indent = reader.lines[first].indent;
    let node = reader.block(indent, DEPTH)?;
    reader.blank();
    (reader.at == reader.lines.len()).then_some(node)
}

struct Reader<'t> {
    lines: Vec<Line<'t>>,
    at: usize,
}

/// A key at the beginning of a line, and what follows it.
fn key(text: &str) -> Option<(&str, &str)> {
    let colon = text.match_indices(':').map(|(at, _)| at).find(|at| {
        let rest = &text[at + 1..];
        rest.is_empty() || rest.starts_with(' ')
    })?;
    let key = text[..colon].trim_matches(['\'', '"']);
    let plain = |letter: char| letter.is_alphanumeric() || "_-.@ '’&+/".contains(letter);
    (!key.is_empty() && key.len() <= KEY && key.chars().all(plain)).then(|| (key, text[colon + 1..].trim_start()))
}

/// Names that are compared one by one: most things have few.
const FEW: usize = 16;

impl<'t> Reader<'t> {
    fn blank(&mut self) {
        while self.lines.get(self.at).is_some_and(|line| line.text.is_empty()) {
            self.at += 1;
        }
    }

    fn block(&mut self, indent: usize, depth: usize) -> Option<Node<'t>> {
        let depth = depth.checked_sub(1)?;
        self.blank();
        let line = *self.lines.get(self.at)?;
        if line.text == "-" || line.text.starts_with("- ") {
            return self.list(indent, depth);
        }
        self.map(indent, depth)
    }

    fn list(&mut self, indent: usize, depth: usize) -> Option<Node<'t>> {
        let mut items = Vec::new();
        loop {
            self.blank();
            let Some(line) = self.lines.get(self.at).copied().filter(|line| line.indent == indent) else { break };
            let Some(rest) = line.text.strip_prefix('-').filter(|rest| rest.is_empty() || rest.starts_with(' ')) else {
                break;
            };
            let inner = rest.trim_start();
            let further = indent + (line.text.len() - inner.len()).max(2);
            if inner.is_empty() {
                self.at += 1;
                items.push(self.block(further, depth)?);
            } else if key(inner).is_some() || inner.starts_with("- ") {
                // What stands behind the mark is the first line of what is further in.
                self.lines[self.at] = Line { indent: further, text: inner };
                items.push(self.block(further, depth)?);
            } else {
                self.at += 1;
                items.push(self.scalar(inner, indent)?);
            }
        }
        Some(Node::List(items))
    }

    fn map(&mut self, indent: usize, depth: usize) -> Option<Node<'t>> {
        let (mut entries, mut names) = (Vec::<(Cow<'t, str>, Node<'t>)>::new(), HashSet::new());
        loop {
            self.blank();
            let Some(line) = self.lines.get(self.at).copied().filter(|line| line.indent == indent) else { break };
            let (name, rest) = key(line.text)?;
            // Which of two counts would be a guess.
            let known = entries.iter().take(FEW).any(|(other, _)| other == name);
            if known || entries.len() >= FEW && !names.insert(name) {
                return None;
            }
            self.at += 1;
            let node = if rest.is_empty() { self.beneath(indent, depth)? } else { self.scalar(rest, indent)? };
            entries.push((Cow::Borrowed(name), node));
        }
        (!entries.is_empty()).then_some(Node::Map(entries))
    }

    /// What stands beneath a key: further in, or items at its own height.
    fn beneath(&mut self, indent: usize, depth: usize) -> Option<Node<'t>> {
        self.blank();
        match self.lines.get(self.at).copied() {
            Some(line) if line.indent > indent => self.block(line.indent, depth),
            Some(line) if line.indent == indent && line.text.starts_with("- ") => self.list(indent, depth),
            _ => Some(Node::Scalar(Cow::Borrowed(""))),
        }
    }

    /// One value, which goes on in lines that stand further in, or until its quote ends.
    fn scalar(&mut self, first: &'t str, indent: usize) -> Option<Node<'t>> {
        if let Some(node) = super::literal::read(first) {
            return Some(node);
        }
        let quote = first.chars().next().filter(|letter| matches!(letter, '\'' | '"'));
        let mut value = Cow::Borrowed(first);
        let ended = |value: &str| match quote {
            Some(quote) => value.len() > 1 && ends(value, quote),
            None => false,
        };
        while !ended(&value) {
            match self.lines.get(self.at) {
                Some(line) if line.text.is_empty() => {
                    // Within a text each is a line of its own; behind it, nothing.
                    let next = (self.at..self.lines.len()).find(|at| !self.lines[*at].text.is_empty());
                    let Some(next) = next.filter(|at| quote.is_some() || self.lines[*at].indent > indent) else {
                        break;
                    };
                    value.to_mut().extend(std::iter::repeat_n('\n', next - self.at));
                    self.at = next;
                    continue;
                }
                Some(line) if line.indent > indent => {
                    let value = value.to_mut();
                    if value.ends_with('\\') && quote == Some('"') {
                        value.pop();
                    } else if !value.ends_with('\n') {
                        value.push(' ');
                    }
                    value.push_str(line.text);
                }
                _ => break,
            }
            self.at += 1;
        }
        let value = match quote {
            Some('\'') if ended(&value) => inner(value, "''", |text| text.replace("''", "'")),
            Some('"') if ended(&value) => inner(value, "\\", plain),
            // A quote that does not end is none that was written by a machine.
            Some(_) => return None,
            None => value,
        };
        Some(Node::Scalar(value))
    }
}

/// What stands in quotes, read where a mark stands in it.
fn inner<'t>(quoted: Cow<'t, str>, mark: &str, read: impl Fn(&str) -> String) -> Cow<'t, str> {
    let within = 1..quoted.len() - 1;
    match quoted {
        Cow::Borrowed(text) if !text[within.clone()].contains(mark) => Cow::Borrowed(&text[within]),
        text => Cow::Owned(read(&text[within])),
    }
}

/// Whether a quoted text ends here: not with an escaped quote.
fn ends(value: &str, quote: char) -> bool {
    let Some(inner) = value.strip_suffix(quote) else { return false };
    match quote {
        '\'' => (value[1..].len() - value[1..].trim_end_matches('\'').len()) % 2 == 1,
        _ => (inner.len() - inner.trim_end_matches('\\').len()) % 2 == 0,
    }
}

fn plain(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            letter => out.push(letter),
        }
    }
    out
}
