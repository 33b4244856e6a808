//! Blueprints with arguments, such as `github:acme/widget`: the rules of one service, bound to one tenant of it.
//!
//! The rules are data (`blueprints/presets`). An argument is put into their text only when it has the form of its kind,
//! and no form holds a byte that means anything in YAML, in a pattern or in a path.

use super::Source;
use crate::print::visible;

/// A blueprint with arguments.
#[derive(Debug)]
pub struct Preset {
    /// What stands before the colon.
    pub name: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    /// What stands behind the colon, parted by `/`.
    pub arguments: &'static [Argument],
    text: &'static str,
}

/// One argument of a preset.
#[derive(Debug)]
pub struct Argument {
    /// What its text calls it.
    pub name: &'static str,
    /// What it may be, in words.
    pub form: &'static str,
    /// One that is taken.
    pub example: &'static str,
    takes: fn(&str) -> bool,
}

/// Why a preset was named wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PresetError {
    /// One line.
    pub message: String,
    /// How it is written.
    pub hint: String,
}

/// Every preset.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "github",
        about: "one repository of github.com: reading, issues, pull requests, contents, git over HTTPS",
        arguments: &[
            Argument {
                name: "owner",
                form: "1 to 39 letters, digits, `-` and `_`, a letter or digit first",
                example: "acme",
                takes: |text| word(text, 39, [u8::is_ascii_alphanumeric; 2], b"-_"),
            },
            Argument {
                name: "repository",
                form: "1 to 100 letters, digits, `.`, `-` and `_`, without `.git` or `.wiki` at the end",
                example: "widget",
                takes: is_repository,
            },
        ],
        text: include_str!("../../../../../blueprints/presets/github.yaml"),
    },
    Preset {
        name: "npm",
        about: "one scope of registry.npmjs.org: reading and publishing its packages",
        arguments: &[Argument {
            name: "scope",
            form: "`@`, then small letters, digits, `.`, `-` and `_`, a letter or digit first",
            example: "@acme",
            takes: |text| text.strip_prefix('@').is_some_and(|rest| word(rest, 200, [is_small; 2], b"-_.")),
        }],
        text: include_str!("../../../../../blueprints/presets/npm.yaml"),
    },
    Preset {
        name: "npm-read",
        about: "installing public packages of registry.npmjs.org",
        arguments: &[],
        text: include_str!("../../../../../blueprints/presets/npm-read.yaml"),
    },
    Preset {
        name: "pypi",
        about: "uploading to PyPI with the token of one project",
        arguments: &[Argument {
            name: "project",
            form: "the normalized name: 1 to 59 small letters, digits and single `-` between them",
            example: "widget",
            takes: |text| text.len() <= 59 && text.split('-').all(|part| word(part, 59, [is_small; 2], b"")),
        }],
        text: include_str!("../../../../../blueprints/presets/pypi.yaml"),
    },
    Preset {
        name: "pypi-read",
        about: "installing public packages of PyPI",
        arguments: &[],
        text: include_str!("../../../../../blueprints/presets/pypi-read.yaml"),
    },
    Preset {
        name: "crates-io",
        about: "publishing and yanking with the token of one crate of crates.io",
        arguments: &[Argument {
            name: "crate",
            form: "1 to 54 small letters, digits, `-` and `_`, a letter first",
            example: "widget",
            takes: |text| word(text, 54, [u8::is_ascii_lowercase, is_small], b"-_"),
        }],
        text: include_str!("../../../../../blueprints/presets/crates-io.yaml"),
    },
    Preset {
        name: "crates-io-read",
        about: "building with public crates of crates.io",
        arguments: &[],
        text: include_str!("../../../../../blueprints/presets/crates-io-read.yaml"),
    },
    Preset {
        name: "huggingface",
        about: "one model repository of huggingface.co: reading, and committing small files",
        arguments: &[
            Argument {
                name: "owner",
                form: "1 to 96 letters, digits, `.`, `-` and `_`, a letter or digit first, and no word of the site's own",
                example: "acme",
                takes: |text| is_model(text) && !HUB.iter().any(|own| own.eq_ignore_ascii_case(text)),
            },
            Argument {
                name: "repository",
                form: "1 to 96 letters, digits, `.`, `-` and `_`, a letter or digit first, without `.git` at the end",
                example: "widget",
                takes: is_model,
            },
        ],
        text: include_str!("../../../../../blueprints/presets/huggingface.yaml"),
    },
    Preset {
        name: "slack",
        about: "one channel of Slack: reading it and posting there, by GET",
        arguments: &[Argument {
            name: "channel",
            form: "a channel's id: `C`, `G` or `D`, then 8 to 20 capital letters and digits",
            example: "C0123456789",
            takes: |text| text.len() >= 9 && word(text, 21, [|byte| b"CGD".contains(byte), is_capital], b""),
        }],
        text: include_str!("../../../../../blueprints/presets/slack.yaml"),
    },
    Preset {
        name: "telegram",
        about: "sending to one chat as a Telegram bot, by GET",
        arguments: &[Argument {
            name: "chat",
            form: "a chat's id: 1 to 20 digits, perhaps after `-`; or `@` and the name of a public one",
            example: "-1001234567890",
            takes: |text| match text.strip_prefix('@') {
                Some(name) => {
                    name.len() >= 4 && word(name, 32, [u8::is_ascii_alphabetic, u8::is_ascii_alphanumeric], b"_")
                }
                None => is_number(text.strip_prefix('-').unwrap_or(text), 1),
            },
        }],
        text: include_str!("../../../../../blueprints/presets/telegram.yaml"),
    },
    Preset {
        name: "discord",
        about: "one channel of Discord as a bot: reading it and posting there",
        arguments: &[Argument {
            name: "channel",
            form: "a channel's id: 15 to 20 digits",
            example: "123456789012345678",
            takes: |text| is_number(text, 15),
        }],
        text: include_str!("../../../../../blueprints/presets/discord.yaml"),
    },
    Preset {
        name: "jira",
        about: "the issues of one project of a Jira Cloud site: reading, comments, edits, transitions",
        arguments: &[
            Argument {
                name: "site",
                form: "what stands before `.atlassian.net`: 1 to 60 small letters, digits and `-` between them",
                example: "acme",
                takes: |text| word(text, 60, [is_small; 2], b"-") && !text.ends_with('-'),
            },
            Argument {
                name: "project",
                form: "a project's key: 2 to 64 capital letters, digits and `_`, a letter first",
                example: "WID",
                takes: |text| text.len() >= 2 && word(text, 64, [u8::is_ascii_uppercase, is_capital], b"_"),
            },
            Argument {
                name: "user",
                form: "the e-mail address of the account whose token it is",
                example: "agent@acme.example",
                takes: |text| {
                    let name = |text: &str, marks| word(text, 120, [u8::is_ascii_alphanumeric; 2], marks);
                    text.split_once('@').is_some_and(|(user, host)| name(user, b".+-_") && name(host, b".-"))
                },
            },
        ],
        text: include_str!("../../../../../blueprints/presets/jira.yaml"),
    },
];

/// What is no owner at huggingface.co, but the first segment of other paths.
const HUB: [&str; 16] = [
    "api",
    "blog",
    "buckets",
    "chat",
    "collections",
    "datasets",
    "docs",
    "join",
    "login",
    "models",
    "oauth",
    "organizations",
    "papers",
    "settings",
    "spaces",
    "tasks",
];

/// The preset that a name means, filled in; none where it means no preset at all.
///
/// # Errors
/// [`PresetError`] where an argument is missing, one too many, or none of its kind.
#[must_use]
pub fn preset(name: &str) -> Option<Result<Source, PresetError>> {
    let (word, said) = name.split_once(':').map_or((name, None), |(word, said)| (word, Some(said)));
    let preset = PRESETS.iter().find(|preset| preset.name == word)?;
    let said: Vec<&str> = said.map(|said| said.split('/').collect()).unwrap_or_default();
    Some(preset.fill(&said).map(|text| Source { name: name.into(), text, widens: true }))
}

impl Preset {
    /// How it is written: `github:OWNER/REPOSITORY`.
    #[must_use]
    pub fn usage(&self) -> String {
        self.written(|argument| argument.name.to_ascii_uppercase())
    }

    /// One that is taken: `github:acme/widget`.
    #[must_use]
    pub fn example(&self) -> String {
        self.written(|argument| argument.example.into())
    }

    fn written(&self, say: impl Fn(&Argument) -> String) -> String {
        let said: Vec<String> = self.arguments.iter().map(say).collect();
        if said.is_empty() { self.name.into() } else { format!("{}:{}", self.name, said.join("/")) }
    }

    fn fill(&self, said: &[&str]) -> Result<String, PresetError> {
        if said.len() != self.arguments.len() {
            let (wanted, plural) = (self.arguments.len(), if self.arguments.len() == 1 { "" } else { "s" });
            let message = format!("`{}` takes {wanted} argument{plural}, and {} stand there", self.name, said.len());
            return Err(PresetError { message, hint: self.hint() });
        }
        let mut text = self.text.to_owned();
        for (argument, value) in self.arguments.iter().zip(said) {
            if !(argument.takes)(value) {
                let name = argument.name.to_ascii_uppercase();
                let message = format!("bad {name} `{}` of preset `{}`", visible(value), self.name);
                return Err(PresetError { message, hint: format!("{}; {name} is {}", self.hint(), argument.form) });
            }
            // No value holds a brace, so none is taken for another argument.
            text = text.replace(&format!("{{{}}}", argument.name), value);
        }
        Ok(text)
    }

    fn hint(&self) -> String {
        match self.arguments {
            [] => format!("write `{}`", self.name),
            _ => format!("write `{}`, such as `{}`", self.usage(), self.example()),
        }
    }
}

/// Whether a text is 1 to so many bytes: the first of one kind, the others of another or marks.
fn word(text: &str, most: usize, [first, others]: [fn(&u8) -> bool; 2], marks: &[u8]) -> bool {
    let plain = |byte: &u8| others(byte) || marks.contains(byte);
    text.len() <= most && text.as_bytes().first().is_some_and(first) && text.as_bytes()[1..].iter().all(plain)
}

/// A small letter or a digit.
fn is_small(byte: &u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// A capital letter or a digit.
fn is_capital(byte: &u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_number(text: &str, least: usize) -> bool {
    (least..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_repository(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let lower = text.to_ascii_lowercase();
    let other = matches!(text, "." | "..") || [".git", ".wiki"].iter().any(|end| lower.ends_with(end));
    (1..=100).contains(&text.len()) && text.bytes().all(plain) && !other
}

fn is_model(text: &str) -> bool {
    word(text, 96, [u8::is_ascii_alphanumeric; 2], b"._-") && !text.to_ascii_lowercase().ends_with(".git")
}
