//! What tools gave, as records with fields: what a machine wrote as a field is told from what people wrote in it. A text that is
//! no record is prose, and so is a field that people fill.

use std::collections::HashMap;

use policy::{Effect, Role, ToolRule};

use super::choice::plain;
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
pub(super) enum Node {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// One thing that a tool told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) fields: Vec<Field>,
}

/// One thing that is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
    /// The one spelling of it.
    pub(super) plain: String,
    /// People fill it, whoever they are.
    pub(super) prose: bool,
}

/// The records of a result; none where it is prose.
pub(super) fn records(tool: &str, text: &str, rules: &[ToolRule], left: &mut usize) -> Vec<Record> {
    let mut found = Vec::new();
    if *left == 0 || gives_documents(tool) && !rules.iter().any(|rule| rule.is_about(tool) && !rule.returns.is_empty())
    {
        return found;
    }
    let Some(node) = literal::read(text.trim()).or_else(|| lines::read(text)) else { return found };
    let mut reader = Reader { tool, rules, left, known: HashMap::new() };
    reader.gather(&node, &mut found);
    found
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
    tool: &'r str,
    rules: &'r [ToolRule],
    left: &'r mut usize,
    /// Names of fields, and whether people fill them: most things have the same.
    known: HashMap<String, bool>,
}

impl Reader<'_> {
    fn gather(&mut self, node: &Node, found: &mut Vec<Record>) {
        match node {
            Node::Scalar(value) => {
                let fields = self.field("", value).into_iter().collect();
                Self::push(fields, found);
            }
            Node::List(items) => items.iter().for_each(|item| self.gather(item, found)),
            Node::Map(entries) if entries.iter().all(|(name, _)| is_field(name)) => {
                let mut fields = Vec::new();
                self.fields(entries, &mut fields, found);
                Self::push(fields, found);
            }
            // Names of things, with what is said of each.
            Node::Map(entries) => {
                for (name, node) in entries {
                    let mut fields: Vec<Field> = self.field("name", name).into_iter().collect();
                    match node {
                        Node::Scalar(value) => fields.extend(self.field("value", value)),
                        Node::List(items) => self.listed("value", items, &mut fields, found),
                        Node::Map(inner) => self.fields(inner, &mut fields, found),
                    }
                    Self::push(fields, found);
                }
            }
        }
    }

    fn fields(&mut self, entries: &[(String, Node)], fields: &mut Vec<Field>, found: &mut Vec<Record>) {
        for (name, node) in entries {
            match node {
                Node::Scalar(value) => fields.extend(self.field(name, value)),
                Node::List(items) => self.listed(name, items, fields, found),
                Node::Map(inner) if inner.iter().all(|(name, _)| is_field(name)) => self.fields(inner, fields, found),
                Node::Map(inner) => {
                    for (key, _) in inner {
                        fields.extend(self.field(name, key));
                    }
                }
            }
        }
    }

    fn listed(&mut self, name: &str, items: &[Node], fields: &mut Vec<Field>, found: &mut Vec<Record>) {
        for item in items {
            match item {
                Node::Scalar(value) => fields.extend(self.field(name, value)),
                other => self.gather(other, found),
            }
        }
    }

    fn push(fields: Vec<Field>, found: &mut Vec<Record>) {
        if !fields.is_empty() {
            found.push(Record { fields });
        }
    }

    fn field(&mut self, name: &str, value: &str) -> Option<Field> {
        *self.left = self.left.checked_sub(1)?;
        let said = self.rules.iter().filter(|rule| rule.is_about(self.tool));
        let said: Vec<Role> =
            said.filter_map(|rule| rule.returns.get(name).or(rule.returns.get("*")).copied()).collect();
        let long = value.len() > SHORT.0 || value.contains('\n') || value.split_whitespace().count() > SHORT.1;
        let prose = match said.first() {
            Some(_) => said.contains(&Role::Content),
            None => long || self.is_filled(name) || is_sentence(value),
        };
        Some(Field { name: name.to_owned(), value: value.to_owned(), plain: plain(value), prose })
    }
}

impl Reader<'_> {
    /// Whether people fill fields of this name.
    fn is_filled(&mut self, name: &str) -> bool {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let filled = name != "value" && role::named(name).is_some_and(|(role, _)| role == Role::Content);
        self.known.insert(name.to_owned(), filled);
        filled
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
        let field = |field: &Field| format!("{}{}={}", if field.prose { "~" } else { "" }, field.name, field.value);
        records.iter().map(|record| record.fields.iter().map(field).collect::<Vec<_>>().join("; ")).collect()
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
