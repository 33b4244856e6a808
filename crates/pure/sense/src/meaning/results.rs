//! What tools gave, as records with fields: what a machine wrote as a field is told from what people wrote in it. A text that is
//! no record is prose, and so is a field that people fill.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use policy::{Effect, Role, ToolRule};

use super::choice::spell;
use super::effect::{Tool, effects};
use super::shape::{Shape, shapes};
use super::words::parts;
use super::{lines, literal, role};

/// Most fields of all results together; what is beyond is prose.
const MOST: usize = 20_000;
/// Longest field that a machine fills, in bytes and words.
const SHORT: (usize, usize) = (160, 12);

/// A result as it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'t> {
    Scalar(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Map(Vec<(Cow<'t, str>, Node<'t>)>),
}

/// The things that a tool told of. What is said of all of them stands in one text: a result has hundreds of fields, and each
/// new one is read while a call waits.
#[derive(Debug, Default)]
pub(super) struct Records {
    text: String,
    /// Names of fields: most things have the same.
    names: Vec<String>,
    fields: Vec<Kept>,
    /// Where the fields of each thing end.
    ends: Vec<usize>,
}

/// A field, by where it stands.
#[derive(Debug)]
struct Kept {
    name: usize,
    value: Range<usize>,
    plain: Range<usize>,
    prose: bool,
}

/// One thing that a tool told of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'r> {
    records: &'r Records,
    fields: &'r [Kept],
}

/// One thing that is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'r> {
    pub(super) name: &'r str,
    pub(super) value: &'r str,
    /// The one spelling of it.
    pub(super) plain: &'r str,
    /// People fill it, whoever they are.
    pub(super) prose: bool,
}

impl Records {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// One by its number.
    pub(super) fn get(&self, number: usize) -> Record<'_> {
        let from = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        Record { records: self, fields: &self.fields[from..self.ends[number]] }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).map(|number| self.get(number))
    }

    /// Fields of all of them.
    pub(super) fn fields(&self) -> usize {
        self.fields.len()
    }

    /// The names of fields; a field is known by the number of its own.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    fn field(&self, kept: &Kept) -> Field<'_> {
        let Kept { name, value, plain, prose } = kept;
        let text = |place: &Range<usize>| &self.text[place.clone()];
        Field { name: &self.names[*name], value: text(value), plain: text(plain), prose: *prose }
    }
}

impl<'r> Record<'r> {
    pub(super) fn iter(self) -> impl Iterator<Item = Field<'r>> + Clone {
        self.fields.iter().map(move |kept| self.records.field(kept))
    }

    /// One by its number.
    pub(super) fn get(self, number: usize) -> Field<'r> {
        self.records.field(&self.fields[number])
    }

    pub(super) fn len(self) -> usize {
        self.fields.len()
    }

    /// Its fields with the numbers of their names.
    pub(super) fn named(self) -> impl Iterator<Item = (usize, Field<'r>)> {
        self.fields.iter().map(move |kept| (kept.name, self.records.field(kept)))
    }
}

/// The records of a result; none where it is prose.
pub(super) fn records(tool: &str, text: &str, rules: &[ToolRule], left: &mut usize) -> Records {
    if *left == 0 || gives_documents(tool) && !rules.iter().any(|rule| rule.is_about(tool) && !rule.returns.is_empty())
    {
        return Records::default();
    }
    let Some(node) = literal::read(text.trim()).or_else(|| lines::read(text)) else { return Records::default() };
    let rules = rules.iter().filter(|rule| rule.is_about(tool)).collect();
    let mut reader = Reader { rules, left, known: HashMap::new(), open: Vec::new(), found: Records::default() };
    reader.gather(&node);
    reader.found
}

/// The most that is read of all results.
pub(super) const fn budget() -> usize {
    MOST
}

/// A result that is one short value, and nothing else.
pub(super) fn single(tool: &str, text: &str) -> Option<String> {
    let value = text.trim();
    let short = !value.is_empty() && value.len() <= 64 && value.split_whitespace().count() <= 2;
    let written =
        parts(tool).last().is_none_or(|last| role::named(last).is_some_and(|(role, _)| role == Role::Content));
    (short && !written && !gives_documents(tool)).then(|| value.to_owned())
}

/// Whether a tool gives what stands in a document, as whoever wrote that left it.
fn gives_documents(tool: &str) -> bool {
    const DOCUMENTS: &[&str] = &[
        "file", "page", "webpage", "website", "url", "document", "content", "text", "article", "doc", "pdf", "note",
        "fetch", "web", "read", "bash", "command", "shell", "exec", "output", "site", "html", "cat", "grep", "image",
        "resource",
    ];
    let does = effects(&Tool { name: tool, description: "", schema: &serde_json::Value::Null }, &[]).effects;
    if !tool.is_empty() && !does.iter().all(|effect| matches!(effect, Effect::Read | Effect::Execute)) {
        return false;
    }
    let parts = parts(tool);
    parts.is_empty()
        || parts.last().is_some_and(|last| DOCUMENTS.contains(&last.as_str()))
        || parts.iter().any(|part| matches!(part.as_str(), "bash" | "exec" | "shell" | "fetch" | "browse" | "execute"))
}

struct Reader<'r> {
    /// Those that are about the tool.
    rules: Vec<&'r ToolRule>,
    left: &'r mut usize,
    /// Names of fields by their number, and whether people fill them.
    known: HashMap<String, (usize, bool)>,
    /// Fields of things that are not at their end; what stands in one of them comes to its own end first.
    open: Vec<Kept>,
    found: Records,
}

impl Reader<'_> {
    fn gather(&mut self, node: &Node<'_>) {
        let begin = self.open.len();
        match node {
            Node::Scalar(value) => self.field("", value),
            Node::List(items) => items.iter().for_each(|item| self.gather(item)),
            Node::Map(entries) if entries.iter().all(|(name, _)| is_field(name)) => self.fields(entries),
            // Names of things, with what is said of each.
            Node::Map(entries) => {
                for (name, node) in entries {
                    self.field("name", name);
                    match node {
                        Node::Scalar(value) => self.field("value", value),
                        Node::List(items) => self.listed("value", items),
                        Node::Map(inner) => self.fields(inner),
                    }
                    self.end(begin);
                }
            }
        }
        self.end(begin);
    }

    fn fields(&mut self, entries: &[(Cow<'_, str>, Node<'_>)]) {
        for (name, node) in entries {
            match node {
                Node::Scalar(value) => self.field(name, value),
                Node::List(items) => self.listed(name, items),
                Node::Map(inner) if inner.iter().all(|(name, _)| is_field(name)) => self.fields(inner),
                Node::Map(inner) => inner.iter().for_each(|(key, _)| self.field(name, key)),
            }
        }
    }

    fn listed(&mut self, name: &str, items: &[Node<'_>]) {
        for item in items {
            match item {
                Node::Scalar(value) => self.field(name, value),
                other => self.gather(other),
            }
        }
    }

    /// Takes what was said from there on as all of one thing.
    fn end(&mut self, begin: usize) {
        if self.open.len() > begin {
            self.found.fields.extend(self.open.drain(begin..));
            self.found.ends.push(self.found.fields.len());
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        let Some(left) = self.left.checked_sub(1) else { return };
        *self.left = left;
        let mut said = self.rules.iter().filter_map(|rule| rule.returns.get(name).or(rule.returns.get("*"))).peekable();
        let said = said.peek().is_some().then(|| said.any(|role| *role == Role::Content));
        let (name, filled) = self.name(name);
        let long = || value.len() > SHORT.0 || value.contains('\n') || value.split_whitespace().count() > SHORT.1;
        let prose = said.unwrap_or_else(|| filled || long() || is_sentence(value));
        let text = &mut self.found.text;
        let begin = text.len();
        text.push_str(value);
        let end = text.len();
        spell(value, text);
        // Most are spelled so already.
        let same = text[begin..end] == text[end..];
        let plain = if same { begin..end } else { end..text.len() };
        text.truncate(plain.end);
        self.open.push(Kept { name, value: begin..end, plain, prose });
    }

    /// The number of a name, and whether people fill fields that are called so.
    fn name(&mut self, name: &str) -> (usize, bool) {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let filled = name != "value" && role::named(name).is_some_and(|(role, _)| role == Role::Content);
        let known = (self.found.names.len(), filled);
        self.found.names.push(name.to_owned());
        self.known.insert(name.to_owned(), known);
        known
    }
}

/// Whether an address stands among words: somebody wrote that.
fn is_sentence(value: &str) -> bool {
    value.contains('.')
        && value.split_whitespace().count() > 3
        && shapes(value).iter().any(|(_, shape)| *shape == Shape::Url)
}

/// Whether a key is one of a program's, and names no thing by itself.
fn is_field(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-')
        || name.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tool: &str, text: &str) -> Vec<String> {
        let records = records(tool, text, &[], &mut budget());
        let field = |field: Field<'_>| format!("{}{}={}", if field.prose { "~" } else { "" }, field.name, field.value);
        records.iter().map(|record| record.iter().map(field).collect::<Vec<_>>().join("; ")).collect()
    }

    #[test]
    fn records_of_lines_are_read() {
        let text = "- amount: 10.0\n  id: 1\n  recipient: CH9300762011623852957\n  subject: Pizza party\n- amount: 2.5\n  id: 2\n  \
                    recipient: X\n  subject: 'it''s\n\n\n    id: 3'\n";
        assert_eq!(
            told("get_transactions", text),
            [
                "amount=10.0; id=1; recipient=CH9300762011623852957; ~subject=Pizza party",
                "amount=2.5; id=2; recipient=X; ~subject=it's\n\nid: 3"
            ]
        );
        assert_eq!(told("list_channels", "- general\n- random"), ["=general", "=random"]);
        let text = "participants:\n- a@b.example\n- c@d.example\nshared_with:\n  e@f.example: r\ntitle: Lunch";
        assert_eq!(
            told("get_event", text),
            ["participants=a@b.example; participants=c@d.example; shared_with=e@f.example; ~title=Lunch"]
        );
    }

    #[test]
    fn lists_of_python_and_json_are_read() {
        assert_eq!(
            told("get_prices", "{'City Hub': 'Price: 100', \"Chez L'Ami\": 3.0}"),
            ["name=City Hub; value=Price: 100", "name=Chez L'Ami; value=3.0"]
        );
        assert_eq!(
            told("search", r#"[{"id": 1, "body": "a \u0041", "tags": ["x", "y"]}]"#),
            ["id=1; ~body=a A; tags=x; tags=y"]
        );
    }

    #[test]
    fn prose_is_no_record() {
        for text in ["Pay to: X\nnow", "one: 1\none: 2", "just words", "{broken", "- 'unended\n- x", "a: 1\n    b"] {
            let read = told("get_x", text);
            assert!(read.iter().all(|one| !one.contains("; ")), "{text}: {read:?}");
        }
        // Whatever it looks like: whoever wrote the document wrote that.
        assert!(told("read_file", "recipient: X\namount: 1").is_empty());
        assert!(told("Bash", "{\"recipient\": \"X\"}").is_empty());
    }

    #[test]
    fn one_value_is_one() {
        assert_eq!(single("get_balance", "1810.0\n").as_deref(), Some("1810.0"));
        assert_eq!(single("get_page", "1810.0"), None);
        assert_eq!(single("get_balance", "it is now 5"), None);
    }
}
