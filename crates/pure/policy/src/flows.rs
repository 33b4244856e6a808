//! Which data carries a label, and which label may not flow where.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::http::wild;

/// What a text is known as: `secret:clients`, `system-prompt`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

/// Which labels a flow rule means: one, those that begin so (`secret:*`), or all (`*`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelPattern(String);

/// Where data can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // Each is its own word.
pub enum Sink {
    Inference,
    Network,
    Tool,
    Human,
    Child,
    Workspace,
}

/// Files of the workspace that carry a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Data {
    /// The label.
    pub label: Label,
    /// Relative patterns, counted from the root of the workspace: `*` within a name, `**` any number of directories.
    pub files: Vec<FilePattern>,
}

/// Which files of a workspace a rule means.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePattern(String);

/// A flow that is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Flow {
    /// What may not flow.
    pub deny: LabelPattern,
    /// Where to; none is everywhere but to the model that the policy routes to.
    pub to: Option<Sink>,
}

/// A text is no label, no pattern of labels, or no pattern of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// No label.
    #[error("a label is words of `a` to `z`, `0` to `9`, `.`, `_` and `-`, parted by `:`, at most 128 bytes")]
    Label,
    /// No pattern of files.
    #[error("files are named by a relative path without `.` and `..`, with `*` within a name and `**` for directories")]
    Files,
}

/// The label of a conversation's system prompt.
pub const SYSTEM_PROMPT: &str = "system-prompt";

impl Label {
    /// A label, such as `secret:clients`.
    ///
    /// # Errors
    /// [`FlowError::Label`].
    pub fn parse(text: &str) -> Result<Label, FlowError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let word = |word: &str| !word.is_empty() && word.bytes().all(plain);
        if text.len() <= 128 && text.split(':').all(word) { Ok(Label(text.into())) } else { Err(FlowError::Label) }
    }

    /// The label of a system prompt.
    #[must_use]
    pub fn system_prompt() -> Label {
        Label(SYSTEM_PROMPT.into())
    }

    /// The label as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LabelPattern {
    /// A label, one that ends in `:*`, or `*`.
    ///
    /// # Errors
    /// [`FlowError::Label`].
    pub fn parse(text: &str) -> Result<LabelPattern, FlowError> {
        if text != "*" {
            Label::parse(text.strip_suffix(":*").unwrap_or(text))?;
        }
        Ok(LabelPattern(text.into()))
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means this label.
    #[must_use]
    pub fn takes(&self, label: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => label.starts_with(start),
            None => self.0 == label,
        }
    }
}

impl FilePattern {
    /// A relative pattern, such as `notes/clients/**`.
    ///
    /// # Errors
    /// [`FlowError::Files`].
    pub fn parse(text: &str) -> Result<FilePattern, FlowError> {
        let name = |name: &str| {
            let stars = name != "**" && name.contains("**");
            !name.is_empty() && name != "." && name != ".." && !stars && !name.chars().any(char::is_control)
        };
        if text.len() <= 1024 && text.split('/').all(name) {
            Ok(FilePattern(text.into()))
        } else {
            Err(FlowError::Files)
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means the file with this relative path.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        let (parts, names): (Vec<&str>, Vec<&str>) = (self.0.split('/').collect(), path.split('/').collect());
        wild(&parts, &names, |part| *part == "**", |part, name| named(part, name))
    }

    /// Whether it may mean a file beneath this directory.
    #[must_use]
    pub fn may_hold(&self, directory: &str) -> bool {
        let mut parts = self.0.split('/').peekable();
        for name in directory.split('/') {
            match parts.next() {
                Some("**") => return true,
                Some(part) if named(part, name) && parts.peek().is_some() => {}
                _ => return false,
            }
        }
        true
    }
}

/// Whether a pattern of one name means it.
fn named(part: &str, name: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
    wild(&pattern, &text, |letter| *letter == '*', |one, other| one == other)
}

impl Sink {
    /// Every kind, in the order of the language.
    pub const ALL: [Sink; 6] = [Sink::Inference, Sink::Network, Sink::Tool, Sink::Human, Sink::Child, Sink::Workspace];

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Sink::Inference => "inference",
            Sink::Network => "network",
            Sink::Tool => "tool",
            Sink::Human => "human",
            Sink::Child => "child",
            Sink::Workspace => "workspace",
        }
    }
}

impl Sink {
    /// Whether only a rule that names it means it: the model that is routed to is told what the agent reads, calls of tools
    /// are carried out inside, where their effects are judged, and words wait where a rule is about people.
    const fn is_named(self) -> bool {
        matches!(self, Sink::Inference | Sink::Tool | Sink::Human)
    }
}

impl Flow {
    /// Whether it refuses this label there.
    #[must_use]
    pub fn refuses(&self, label: &str, sink: Sink) -> bool {
        self.to.map_or(!sink.is_named(), |to| to == sink) && self.deny.takes(label)
    }

    /// Whether it refuses whatever the other one does.
    pub(crate) fn covers(&self, other: &Flow) -> bool {
        let to = self.to == other.to || self.to.is_none() && !other.to.is_some_and(Sink::is_named);
        let label = other.deny.0.strip_suffix('*').map_or(other.deny.0.as_str(), |start| start);
        to && (self.deny == other.deny || self.deny.0.ends_with('*') && self.deny.takes(label))
    }
}

impl Data {
    pub(crate) fn covers(&self, other: &Data) -> bool {
        self.label == other.label && other.files.iter().all(|file| self.files.contains(file))
    }
}

impl fmt::Display for Flow {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{deny: \"{}\", to: \"{}\"}}", self.deny.0, self.to.map_or("*", Sink::name))
    }
}

impl fmt::Display for Data {
    /// As it stands in a policy.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<String> = self.files.iter().map(|file| crate::print::quoted(&file.0)).collect();
        write!(formatter, "{{label: \"{}\", files: [{}]}}", self.label.0, files.join(", "))
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = FlowError;

            fn try_from(text: String) -> Result<Self, FlowError> {
                Self::parse(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.0
            }
        }
    )*};
}

as_text!(Label, LabelPattern, FilePattern);

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(deny: &str, to: Option<Sink>) -> Flow {
        Flow { deny: LabelPattern::parse(deny).expect("a pattern"), to }
    }

    #[test]
    fn everywhere_leaves_out_the_routed_model() {
        let all = flow("secret:*", None);
        assert!(all.refuses("secret:clients", Sink::Network) && all.refuses("secret:env", Sink::Workspace));
        assert!(!all.refuses("secret:clients", Sink::Inference) && !all.refuses("system-prompt", Sink::Network));
        assert!(flow("secret:*", Some(Sink::Inference)).refuses("secret:clients", Sink::Inference));
        assert!(
            !all.refuses("secret:env", Sink::Tool) && flow("*", Some(Sink::Tool)).refuses("secret:env", Sink::Tool)
        );
        assert!(!flow("*", None).covers(&flow("*", Some(Sink::Tool))));
        assert!(!all.refuses("secret:env", Sink::Human) && !flow("*", None).covers(&flow("*", Some(Sink::Human))));
        assert!(flow("*", Some(Sink::Human)).refuses("secret:env", Sink::Human));
        assert!(!flow("system-prompt", Some(Sink::Network)).refuses("system-prompt", Sink::Tool));
        assert!(flow("*", None).covers(&all) && !all.covers(&flow("*", None)));
        assert!(!all.covers(&flow("secret:env", Some(Sink::Inference))) && all.covers(&flow("secret:env", None)));
    }

    #[test]
    fn files_are_named_from_the_root_of_the_workspace() {
        for (pattern, path, takes) in [
            (".env", ".env", true),
            (".env", "app/.env", false),
            ("**/.env", "app/.env", true),
            ("**/.env", ".env", true),
            ("**/.env.*", "a/b/.env.local", true),
            ("notes/clients/**", "notes/clients/a/b.md", true),
            ("notes/clients/**", "notes/clients", true),
            ("notes/*.md", "notes/a.md", true),
            ("notes/*.md", "notes/a/b.md", false),
        ] {
            assert_eq!(FilePattern::parse(pattern).expect("a pattern").takes(path), takes, "{pattern} {path}");
        }
        for (pattern, directory, may) in [
            (".env", "app", false),
            ("*/.env", "app", true),
            ("*/.env", "app/src", false),
            ("notes/clients/**", "notes", true),
            ("notes/clients/**", "notes/clients/a/b", true),
            ("notes/clients/**", "src", false),
            ("**/.env", "a/b", true),
        ] {
            assert_eq!(
                FilePattern::parse(pattern).expect("a pattern").may_hold(directory),
                may,
                "{pattern} {directory}"
            );
        }
        for bad in ["", "/etc/passwd", "../x", "a//b", "a/./b", "a**", "a\nb"] {
            assert!(FilePattern::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "Secret", "secret:", "a b", "secret:*"] {
            assert!(Label::parse(bad).is_err(), "{bad}");
        }
    }
}
