//! Secrets in what leaves, known by their form. The rules that ship are our own; a policy can bring others ([`policy::secrets`]).
//! What was found is told by its rule alone, never by its letters.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use policy::secrets::{Allow, Part, SecretRule, SecretRules};
use regex::{Regex, RegexBuilder};

use super::escaped::Unescaped;
use super::{Evidence, Found, Name};

/// Bytes of one compiled expression, as in `policy::read`, and what its search keeps at hand.
const SIZE: usize = 4 << 20;
const KEPT: usize = 256 << 10;
/// Matches of one rule that are looked at in one text.
const MATCHES: usize = 64;

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

/// The rules that hold. Each is compiled when a word of it stands in a text first.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    rules: Vec<Ready>,
    /// What holds for all rules of a file, by the file.
    allows: Vec<Vec<ReadyAllow>>,
    /// The words of all rules, and for each whose it is.
    words: Option<AhoCorasick>,
    whose: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Ready {
    rule: SecretRule,
    set: usize,
    regex: Lazy,
    path: Option<Lazy>,
    allows: Vec<ReadyAllow>,
}

#[derive(Debug, Clone)]
struct ReadyAllow {
    allow: Allow,
    regexes: Vec<Lazy>,
    words: OnceLock<Option<AhoCorasick>>,
}

/// An expression that is compiled when it is needed; none where it cannot be.
#[derive(Debug, Clone, Default)]
struct Lazy(OnceLock<Option<Regex>>);

impl Lazy {
    fn get(&self, text: &str) -> Option<&Regex> {
        let build = || RegexBuilder::new(text).size_limit(SIZE).dfa_size_limit(KEPT).build().ok();
        self.0.get_or_init(build).as_ref()
    }
}

fn ours((id, regex, keyword): &(&str, &str, &str)) -> SecretRule {
    SecretRule {
        id: (*id).to_owned(),
        regex: (*regex).to_owned(),
        // What is named by its letters needs no other sign; what only stands behind a name does.
        entropy: matches!(*id, "assigned-secret" | "openai-key").then_some(3_600_000),
        keywords: (!keyword.is_empty()).then(|| (*keyword).to_owned()).into_iter().collect(),
        ..SecretRule::default()
    }
}

/// Our own rules, as a file would have them.
fn known() -> SecretRules {
    let stopwords = ["example", "placeholder", "changeme", "xxxxxx", "your-", "your_", "redacted", "bastide:"];
    let allow = Allow { stopwords: stopwords.map(str::to_owned).into(), ..Allow::default() };
    SecretRules { rules: OURS.iter().map(ours).collect(), allows: vec![allow], ..SecretRules::default() }
}

impl Secrets {
    /// Our own rules, and those of a policy, which were tried when it was read.
    #[must_use]
    pub fn with<'s>(sets: impl IntoIterator<Item = &'s SecretRules>) -> Secrets {
        let mut secrets = Secrets::default();
        let mut words = Vec::new();
        secrets.add(&known(), &mut words);
        sets.into_iter().for_each(|set| secrets.add(set, &mut words));
        secrets.words = automaton(&words);
        secrets
    }

    fn add(&mut self, set: &SecretRules, words: &mut Vec<String>) {
        for rule in &set.rules {
            for word in &rule.keywords {
                words.push(word.clone());
                self.whose.push(self.rules.len());
            }
            self.rules.push(Ready {
                rule: rule.clone(),
                set: self.allows.len(),
                regex: Lazy::default(),
                path: rule.path.as_ref().map(|_| Lazy::default()),
                allows: rule.allows.iter().map(ReadyAllow::of).collect(),
            });
        }
        self.allows.push(set.allows.iter().map(ReadyAllow::of).collect());
    }

    /// Looks at a text as it is, and where it stands in the strings of a JSON text at what those say.
    pub(super) fn find(&self, text: &str, from: usize, found: &mut Found) {
        self.look(text, from, |span| span, found);
        if let Some(plain) = Unescaped::of(text) {
            self.look(&plain.text, from, |span| plain.place(&span), found);
        }
    }

    fn look(&self, text: &str, from: usize, place: impl Fn(Range<usize>) -> Range<usize>, found: &mut Found) {
        let mut may: Vec<bool> = self.rules.iter().map(|ready| ready.rule.keywords.is_empty()).collect();
        for word in self.words.iter().flat_map(|words| words.find_overlapping_iter(text)) {
            if let Some(may) = self.whose.get(word.pattern().as_usize()).and_then(|rule| may.get_mut(*rule)) {
                *may = true;
            }
        }
        for (ready, _) in self.rules.iter().zip(may).filter(|(_, may)| *may) {
            let tell = |span: Range<usize>, why: &str, quoted: String, found: &mut Found| {
                let span = place(span);
                let span = from + span.start..from + span.end;
                // What an earlier rule knows by its letters is not told again by its name.
                let known = found.0.iter().any(|one| one.span.start < span.end && span.start < one.span.end);
                if !known {
                    let (name, why) = (Name::Secret, format!("{why} `{}`", ready.rule.id));
                    found.push(Evidence { name, span, weight: Name::Secret.weight(), why, quoted });
                }
                !known
            };
            let Some(regex) = ready.regex.get(&ready.rule.regex) else {
                // It was compiled where the policy was read: what cannot be looked for is not taken to be absent.
                tell(0..text.len(), "what leaves cannot be looked at by rule", String::new(), found);
                continue;
            };
            for matched in regex.captures_iter(text).take(MATCHES) {
                let Some(whole) = matched.get(0) else { continue };
                let said = (1..matched.len()).filter_map(|group| matched.get(group)).find(|group| !group.is_empty());
                let secret = match ready.rule.group {
                    0 => said.unwrap_or(whole),
                    group => matched.get(group).unwrap_or(whole),
                };
                let of = Match { text, whole: whole.range(), secret: secret.as_str() };
                if self.means(ready, &of) {
                    let quoted = format!("{} characters", secret.as_str().chars().count());
                    if tell(secret.range(), "what leaves holds a secret, by rule", quoted, found) {
                        break;
                    }
                }
            }
        }
    }

    fn means(&self, ready: &Ready, of: &Match<'_>) -> bool {
        let enough = ready.rule.entropy.is_none_or(|least| entropy(of.secret) * 1e6 > f64::from(least));
        let about = |one: &&ReadyAllow| one.allow.rules.is_empty() || one.allow.rules.contains(&ready.rule.id);
        let mut allows = ready.allows.iter().chain(self.allows.get(ready.set).into_iter().flatten().filter(about));
        enough && ready.is_named(of.text) && !allows.any(|allow| allow.holds(of))
    }
}

/// A match of a rule.
struct Match<'t> {
    text: &'t str,
    whole: Range<usize>,
    secret: &'t str,
}

impl Ready {
    /// Whether what leaves names a file that the rule is about.
    fn is_named(&self, text: &str) -> bool {
        let (Some(path), Some(lazy)) = (&self.rule.path, &self.path) else { return true };
        let apart = |letter: char| letter.is_whitespace() || "\"'`()<>[]{},;=|&\\".contains(letter);
        lazy.get(path).is_none_or(|regex| text.split(apart).any(|word| !word.is_empty() && regex.is_match(word)))
    }
}

impl ReadyAllow {
    fn of(allow: &Allow) -> ReadyAllow {
        let regexes = allow.regexes.iter().map(|_| Lazy::default()).collect();
        ReadyAllow { allow: allow.clone(), regexes, words: OnceLock::new() }
    }

    fn holds(&self, of: &Match<'_>) -> bool {
        let part = match self.allow.of {
            Part::Secret => of.secret,
            Part::Match => &of.text[of.whole.clone()],
            Part::Line => lines(of.text, &of.whole),
        };
        let said = || {
            let mut regexes = self.regexes.iter().zip(&self.allow.regexes);
            regexes.any(|(lazy, text)| lazy.get(text).is_some_and(|regex| regex.is_match(part)))
        };
        let stopped = || {
            let words = self.words.get_or_init(|| automaton(&self.allow.stopwords));
            words.as_ref().is_some_and(|words| words.is_match(of.secret))
        };
        if self.allow.both { said() && stopped() } else { stopped() || said() }
    }
}

/// Finds any of some words, in letters of either case.
fn automaton(words: &[String]) -> Option<AhoCorasick> {
    if words.is_empty() {
        return None;
    }
    AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(words).ok()
}

/// The lines that a match stands in.
fn lines<'t>(text: &'t str, of: &Range<usize>) -> &'t str {
    let begins = text[..of.start].rfind('\n').map_or(0, |end| end + 1);
    let ends = text[of.end..].find('\n').map_or(text.len(), |end| of.end + end);
    &text[begins..ends]
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
