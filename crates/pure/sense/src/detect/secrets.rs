//! Secrets in what leaves, known by their form. The rules that ship are our own; others can be added.
//! What was found is told by its rule alone, never by its letters.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::{Evidence, Found, Name};

/// Rules beside our own.
pub(super) const MOST_RULES: usize = 1024;
/// Bytes of one compiled expression.
const SIZE: usize = 4 << 20;
/// Matches of one rule that are looked at in one text.
const MATCHES: usize = 64;

/// What a secret looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRule {
    /// What it is called.
    pub id: String,
    /// Its expression, in the syntax of RE2.
    pub regex: String,
    /// The group that is the secret; 0 for the whole match.
    pub group: usize,
    /// The least entropy of it, in bits a character.
    pub entropy: Option<f64>,
    /// Words of which one stands in every text that it may match, in lower case; none means in any.
    pub keywords: Vec<String>,
    /// What it is not: expressions on what each says, secret, match or line.
    pub allows: Vec<Allow>,
    /// Words that no such secret contains.
    pub stopwords: Vec<String>,
}

/// What is no secret after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// What is looked at.
    pub of: Part,
    /// Any of them.
    pub regexes: Vec<String>,
}

/// What an [`Allow`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The secret.
    Secret,
    /// The whole match.
    Match,
    /// Its line.
    Line,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// An expression is none.
    #[error("rule `{id}`: {why}")]
    Expression {
        /// Of which rule.
        id: String,
        /// In one line.
        why: String,
    },
    /// There are too many.
    #[error("there are more than {MOST_RULES} rules")]
    Many,
}

/// A form that we know ourselves: its name, its expression, and a word that stands in it.
const OURS: &[(&str, &str, &str)] = &[
    ("private-key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----", "private key"),
    ("age-key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b", "age-secret-key"),
    ("aws-key-id", r"\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})\b", "a"),
    ("github-token", r"\b(gh[pousr]_[0-9A-Za-z]{36,255})\b", "gh"),
    ("github-token-fine", r"\b(github_pat_[0-9A-Za-z_]{60,255})\b", "github_pat_"),
    ("gitlab-token", r"\b(gl(?:pat|ptt|rt|dt|cbt)-[0-9A-Za-z_-]{20,64})\b", "gl"),
    ("slack-token", r"\b(xox[abeoprs]-[0-9A-Za-z-]{20,250})\b", "xox"),
    ("slack-webhook", r"(hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z+/]{40,80})", "hooks.slack.com"),
    ("anthropic-key", r"\b(sk-ant-[a-z]+[0-9]{2}-[0-9A-Za-z_-]{60,140})", "sk-ant-"),
    ("openai-key", r"\b(sk-(?:proj-|svcacct-|admin-)?[0-9A-Za-z_-]{20,200})\b", "sk-"),
    ("google-api-key", r"\b(AIza[0-9A-Za-z_-]{35})\b", "aiza"),
    ("stripe-key", r"\b((?:sk|rk)_(?:live|test)_[0-9A-Za-z]{20,120})\b", "k_"),
    ("npm-token", r"\b(npm_[0-9A-Za-z]{36})\b", "npm_"),
    ("pypi-token", r"\b(pypi-AgE[0-9A-Za-z_-]{50,500})\b", "pypi-"),
    ("huggingface-token", r"\b(hf_[0-9A-Za-z]{30,60})\b", "hf_"),
    ("json-web-token", r"\b(eyJ[0-9A-Za-z_-]{10,500}\.eyJ[0-9A-Za-z_-]{10,2000}\.[0-9A-Za-z_-]{20,600})", "eyj"),
    ("password-in-url", r"[a-z][a-z0-9+.-]{1,16}://[^\s:/@]{1,64}:([^\s:/@]{6,128})@[0-9A-Za-z.-]{3,128}", "://"),
    (
        "assigned-secret",
        r#"(?i-u)(?:secret|token|passw(?:or)?d|api_?key|access_?key|auth)[a-z0-9_-]{0,20}["']?\s{0,3}(?:=|:|=>)\s{0,3}["']?([0-9A-Za-z+/_=.~-]{16,200})"#,
        "",
    ),
];

/// The rules that hold, made ready.
#[derive(Debug, Clone)]
pub struct Secrets(Vec<Ready>);

#[derive(Debug, Clone)]
struct Ready {
    rule: SecretRule,
    regex: Regex,
    allows: Vec<(Part, Vec<Regex>)>,
}

impl Default for Secrets {
    /// Our own alone.
    fn default() -> Self {
        Secrets::with(&[]).unwrap_or(Secrets(Vec::new()))
    }
}

fn ours((id, regex, keyword): &(&str, &str, &str)) -> SecretRule {
    SecretRule {
        id: (*id).to_owned(),
        regex: (*regex).to_owned(),
        group: usize::from(regex.contains('(') && !regex.starts_with("-----")),
        // What is named by its letters needs no other sign; what only stands behind a name does.
        entropy: matches!(*id, "assigned-secret" | "openai-key").then_some(3.6),
        keywords: (!keyword.is_empty()).then(|| (*keyword).to_owned()).into_iter().collect(),
        allows: Vec::new(),
        stopwords: ["example", "placeholder", "changeme", "xxxxxx", "your-", "your_", "redacted", "bastide:"]
            .map(str::to_owned)
            .into(),
    }
}

impl Secrets {
    /// Our own rules, and these.
    ///
    /// # Errors
    /// [`Unusable`]: the first that cannot be made ready.
    pub fn with(rules: &[SecretRule]) -> Result<Secrets, Unusable> {
        if rules.len() > MOST_RULES {
            return Err(Unusable::Many);
        }
        let all = OURS.iter().map(ours).chain(rules.iter().cloned());
        all.map(ready).collect::<Result<_, _>>().map(Secrets)
    }

    pub(super) fn find(&self, text: &str, from: usize, found: &mut Found) {
        let low = text.to_ascii_lowercase();
        for ready in self.0.iter().filter(|ready| ready.may(&low)) {
            for matched in ready.regex.captures_iter(text).take(MATCHES) {
                let Some(whole) = matched.get(0) else { continue };
                let secret = matched.get(ready.rule.group).unwrap_or(whole);
                let span = from + secret.start()..from + secret.end();
                // What an earlier rule knows by its letters is not told again by its name.
                if found.0.iter().any(|one| one.span.start < span.end && span.start < one.span.end) {
                    continue;
                }
                if ready.means(secret.as_str(), whole.as_str(), line(text, whole.start())) {
                    found.push(Evidence {
                        name: Name::Secret,
                        span,
                        weight: Name::Secret.weight(),
                        why: format!("what leaves holds a secret, by rule `{}`", ready.rule.id),
                        quoted: format!("{} characters", secret.as_str().chars().count()),
                    });
                    break;
                }
            }
        }
    }
}

impl Ready {
    fn may(&self, low: &str) -> bool {
        let keywords = &self.rule.keywords;
        keywords.is_empty() || keywords.iter().any(|word| low.contains(word.as_str()))
    }

    fn means(&self, secret: &str, whole: &str, line: &str) -> bool {
        let low = secret.to_ascii_lowercase();
        let stopped = self.rule.stopwords.iter().any(|word| low.contains(word.as_str()));
        let allowed = self.allows.iter().any(|(part, regexes)| {
            let text = match part {
                Part::Secret => secret,
                Part::Match => whole,
                Part::Line => line,
            };
            regexes.iter().any(|regex| regex.is_match(text))
        });
        !stopped && !allowed && self.rule.entropy.is_none_or(|least| entropy(secret) >= least)
    }
}

fn compiled(id: &str, text: &str) -> Result<Regex, Unusable> {
    RegexBuilder::new(text).size_limit(SIZE).dfa_size_limit(SIZE).build().map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim().to_owned();
        Unusable::Expression { id: id.to_owned(), why }
    })
}

fn ready(rule: SecretRule) -> Result<Ready, Unusable> {
    let regex = compiled(&rule.id, &rule.regex)?;
    if rule.group >= regex.captures_len() {
        return Err(Unusable::Expression { id: rule.id, why: format!("it has no group {}", rule.group) });
    }
    let allow = |allow: &Allow| {
        let regexes = allow.regexes.iter().map(|text| compiled(&rule.id, text)).collect::<Result<_, _>>()?;
        Ok((allow.of, regexes))
    };
    let allows = rule.allows.iter().map(allow).collect::<Result<_, _>>()?;
    Ok(Ready { regex, allows, rule })
}

fn line(text: &str, at: usize) -> &str {
    let begins = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let rest = &text[begins..];
    rest.split('\n').next().unwrap_or(rest)
}

/// Bits a character, by how often each stands in it.
fn entropy(text: &str) -> f64 {
    let mut counts: HashMap<char, u32> = HashMap::new();
    text.chars().for_each(|letter| *counts.entry(letter).or_default() += 1);
    let length = f64::from(counts.values().sum::<u32>());
    let mut counts: Vec<u32> = counts.into_values().collect();
    // Always in one order: so the sum is always the same.
    counts.sort_unstable();
    counts.into_iter().map(|count| f64::from(count) / length).map(|share| -share * share.log2()).sum()
}
