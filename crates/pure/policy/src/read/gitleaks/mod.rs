//! Rules of secrets from a file of gitleaks, version 8, as it is: TOML in, rules out that are ready to be compiled.
//!
//! Expressions are written anew where Go's differ ([`expression`]). A rule that cannot be had is refused by its name, all of
//! them at once, unless the policy leaves it out. What a rule says of files, paths and commits is not applied, since what
//! leaves is none of these; that only makes a rule hold more often, and is told.

mod expression;
mod raw;

use std::collections::BTreeSet;

use regex_automata::meta;
use toml::Spanned;

use super::{Diagnostic, Location, Source, code};
use crate::print::visible;
use crate::secrets::{Allow, MOST_RULES, Part, SecretRule, SecretRules};
use raw::{RawAllow, RawFile, RawRule, Text};

/// Bytes of one compiled expression, and of all of a file.
const SIZE: usize = 4 << 20;
const SIZES: usize = 32 << 20;
/// Expressions of what is no secret, in one file.
const MOST_ALLOWS: usize = 4096;
/// Longest name of a rule.
const LONGEST: usize = 128;
/// Rules that one refusal names.
const NAMED: usize = 12;
/// Keys that say nothing of what is found.
const WORDS: [&str; 5] = ["title", "description", "minVersion", "tags", "version"];

/// Reads a file, with the one that it adds to where there is one.
pub(super) fn read(source: &Source, except: &[String], base: Option<&SecretRules>) -> Result<SecretRules, Diagnostic> {
    let reader = Reader { source, except, bytes: 0, allows: 0, left: Vec::new(), bad: Vec::new() };
    reader.file(base)
}

struct Reader<'a> {
    source: &'a Source,
    except: &'a [String],
    /// Of what is compiled so far.
    bytes: usize,
    allows: usize,
    left: Vec<String>,
    /// What cannot be had: where, of which rule, and why.
    bad: Vec<(usize, String, String)>,
}

impl Reader<'_> {
    fn place(&self, at: usize) -> Location {
        let before = self.source.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() as u64 + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u64 + 1;
        Location { file: self.source.name.clone(), line, column }
    }

    fn fail(&self, at: Option<usize>, message: String, hint: &str) -> Diagnostic {
        let whole = Location { file: self.source.name.clone(), line: 0, column: 0 };
        let location = at.map_or(whole, |at| self.place(at));
        Diagnostic { code: code::SECRETS.into(), message, location, hint: Some(hint.into()) }
    }

    fn file(mut self, base: Option<&SecretRules>) -> Result<SecretRules, Diagnostic> {
        let file: RawFile = toml::from_str(&self.source.text).map_err(|error| {
            // What a parser says may quote the file, which may be no rules at all.
            let at = error.span().map(|span| span.start);
            let message = format!("no rules file of gitleaks: {}", visible(error.message()));
            self.fail(at, message, "write TOML as gitleaks version 8 takes it, with `[[rules]]`")
        })?;
        self.unknown("the file", file.rest.keys());
        let mut set = SecretRules {
            files: vec![self.source.name.clone()],
            except: self.except.to_vec(),
            ..SecretRules::default()
        };
        let disabled: &[String] = match (&file.extend, base) {
            (Some(extend), None) => {
                let hint = "name the file that it extends before it: `secrets: [{rules: [gitleaks.toml, own.toml]}]`";
                return Err(self.fail(Some(extend.span().start), "it extends a file that is not named".into(), hint));
            }
            (extend, _) => extend.as_ref().map_or(&[], |extend| &extend.get_ref().disabled),
        };
        let mut names: BTreeSet<String> = BTreeSet::new();
        if let Some(base) = base.cloned() {
            names.extend(base.rules.iter().map(|rule| rule.id.clone()));
            set.files = base.files.into_iter().chain(set.files).collect();
            (set.rules, set.allows, self.left) = (base.rules, base.allows, base.left);
            set.rules.retain(|rule| !disabled.contains(&rule.id) && !self.except.contains(&rule.id));
        }
        let before = set.rules.len();
        for raw in &file.rules {
            let id = self.id(raw)?;
            names.insert(id.clone());
            if self.except.contains(&id) {
                continue;
            }
            // In one file the last of a name holds. One of a file before is added to where this file extends it.
            let from = if file.extend.is_some() { 0 } else { before };
            let known = set.rules[from..].iter().position(|rule| rule.id == id).map(|at| from + at);
            let added = known.filter(|at| *at < before).map(|at| set.rules[at].clone());
            let Some(rule) = self.rule(id, raw, added) else { continue };
            match known {
                Some(at) => set.rules[at] = rule,
                None => set.rules.push(rule),
            }
        }
        for raw in file.allowlist.iter().chain(&file.allowlists) {
            set.allows.extend(self.allow("allowlist", raw));
        }
        if let Some(name) = self.except.iter().find(|name| !names.contains(*name)) {
            let message = format!("no rule `{}`, which the policy leaves out", visible(name));
            return Err(self.fail(None, message, "write the `id` of a rule that stands there"));
        }
        if set.rules.len() > MOST_RULES || self.allows > MOST_ALLOWS {
            let message = format!("more than {MOST_RULES} rules, or {MOST_ALLOWS} expressions of what is none");
            return Err(self.fail(None, message, "split the file, and keep what you need"));
        }
        if let Some((at, _, _)) = self.bad.first() {
            return Err(self.refused(*at));
        }
        if self.bytes > SIZES {
            let message = format!("its expressions come to {} MiB, more than {}", self.bytes >> 20, SIZES >> 20);
            return Err(self.fail(None, message, "leave rules out with `except`, or repeat less in them"));
        }
        set.left = self.left;
        Ok(set)
    }

    /// All that cannot be had, by name, at the place of the first.
    fn refused(&self, first: usize) -> Diagnostic {
        let mut said: Vec<String> = Vec::new();
        for (at, id, why) in self.bad.iter().take(NAMED) {
            said.push(format!("`{}` (line {}): {}", visible(id), self.place(*at).line, visible(why)));
        }
        if self.bad.len() > NAMED {
            said.push(format!("and {} more", self.bad.len() - NAMED));
        }
        let mut names: Vec<String> = self.bad.iter().map(|(_, id, _)| visible(id)).collect();
        names.dedup();
        names.truncate(NAMED);
        let hint = format!("mend them, or leave them out: `except: [{}]`", names.join(", "));
        self.fail(Some(first), format!("rules that cannot be used: {}", said.join("; ")), &hint)
    }

    /// Tells of keys that are not known.
    fn unknown<'k>(&mut self, whose: &str, keys: impl Iterator<Item = &'k String>) {
        for key in keys.filter(|key| !WORDS.iter().any(|word| word.eq_ignore_ascii_case(key))) {
            self.left.push(format!("{whose}: `{}` is not known", visible(key)));
        }
    }

    fn id(&self, raw: &Spanned<RawRule>) -> Result<String, Diagnostic> {
        let id = raw.get_ref().id.as_ref().map(|id| id.get_ref().as_str()).unwrap_or_default();
        let plain = !id.trim().is_empty()
            && id.len() <= LONGEST
            && !id.chars().any(|letter| letter.is_control() || letter == '`');
        match plain {
            true => Ok(id.to_owned()),
            false => Err(self.fail(
                Some(raw.span().start),
                "a rule has no plain `id`".into(),
                "write for example `id = \"acme-token\"`",
            )),
        }
    }

    /// One rule, what it adds to before it; none where it cannot be had or is not applied.
    fn rule(&mut self, id: String, raw: &Spanned<RawRule>, added: Option<SecretRule>) -> Option<SecretRule> {
        let (at, raw) = (raw.span().start, raw.get_ref());
        self.unknown(&format!("`{id}`"), raw.rest.keys());
        let adds = added.is_some();
        let mut rule = added.unwrap_or_default();
        rule.id.clone_from(&id);
        match &raw.regex {
            Some(text) => rule.regex = self.expression(&id, text)?,
            None if adds => {}
            None if raw.path.is_some() => {
                self.left.push(format!("`{id}`: it is about names of files alone, and nothing that leaves is a file"));
                return None;
            }
            None => {
                self.bad.push((at, id, "it has neither `regex` nor `path`".into()));
                return None;
            }
        }
        if raw.part {
            self.left.push(format!("`{id}`: it is only a part of others (`skipReport`)"));
            return None;
        }
        if !raw.required.is_empty() {
            self.left.push(format!("`{id}`: what it requires beside it is not looked for, so that it holds without"));
        }
        if let Some(text) = &raw.path {
            rule.path = Some(self.expression(&id, text)?);
        }
        if let Some(group) = &raw.group {
            rule.group = usize::try_from(*group.get_ref()).unwrap_or(usize::MAX);
        }
        if let Some(entropy) = &raw.entropy {
            let said = entropy.get_ref();
            let bits = said
                .as_float()
                .or_else(|| said.as_integer().and_then(|whole| i32::try_from(whole).ok()).map(f64::from));
            let Some(bits) = bits.filter(|bits| (0.0..=64.0).contains(bits)) else {
                self.bad.push((entropy.span().start, id, "its `entropy` is no number of bits from 0 to 64".into()));
                return None;
            };
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let millionths = (bits * 1e6).round() as u32;
            rule.entropy = Some(millionths).filter(|entropy| *entropy > 0);
        }
        if let Some(words) = &raw.keywords {
            let words = words.iter().filter(|word| !word.is_empty()).map(|word| word.to_lowercase());
            match adds {
                true => rule.keywords.extend(words),
                false => rule.keywords = words.collect(),
            }
        }
        for raw in raw.allowlist.iter().chain(&raw.allowlists) {
            rule.allows.extend(self.allow(&format!("`{id}`"), raw));
        }
        let groups = meta::Regex::new(&rule.regex).map_or(0, |regex| regex.captures_len());
        if rule.group >= groups.max(1) {
            self.bad.push((at, id, format!("it has no group {}", rule.group)));
            return None;
        }
        Some(rule)
    }

    /// What is no secret; none where that says nothing of what leaves.
    fn allow(&mut self, whose: &str, raw: &RawAllow) -> Option<Allow> {
        self.unknown(whose, raw.rest.keys());
        let word =
            |text: &Option<Text>| text.as_ref().map(|text| text.get_ref().to_ascii_lowercase()).unwrap_or_default();
        let at = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.span().start);
        let both = match word(&raw.condition).as_str() {
            "" | "or" | "||" => false,
            "and" | "&&" => true,
            other => {
                self.bad.push((at(&raw.condition), whose.into(), format!("`condition` is `{other}`, not OR or AND")));
                return None;
            }
        };
        let of = match word(&raw.target).as_str() {
            "" | "secret" => Part::Secret,
            "match" => Part::Match,
            "line" => Part::Line,
            other => {
                self.bad.push((
                    at(&raw.target),
                    whose.into(),
                    format!("`regexTarget` is `{other}`, not match or line"),
                ));
                return None;
            }
        };
        if !(raw.paths.is_empty() && raw.commits.is_empty()) {
            self.left.push(format!("{whose}: what it allows by path or commit is not allowed here"));
            if both {
                return None;
            }
        }
        let regexes = raw.regexes.iter().filter_map(|text| self.expression(whose, text)).collect::<Vec<_>>();
        self.allows += regexes.len();
        let stopwords: Vec<String> = raw.stopwords.iter().map(|word| word.to_lowercase()).collect();
        let both = both && !regexes.is_empty() && !stopwords.is_empty();
        let says = !regexes.is_empty() || !stopwords.is_empty();
        says.then(|| Allow { of, regexes, stopwords, both, rules: raw.rules.clone() })
    }

    /// An expression as it is compiled, which was tried.
    fn expression(&mut self, id: &str, text: &Text) -> Option<String> {
        let tried = expression::rewritten(text.get_ref()).and_then(|written| {
            let config = meta::Config::new().nfa_size_limit(Some(SIZE)).onepass(false).hybrid(false).dfa(false);
            let regex =
                meta::Builder::new().configure(config).build(&written).map_err(|error| match error.size_limit() {
                    Some(_) => format!("compiled it comes to more than {} MiB", SIZE >> 20),
                    None => error.syntax_error().map_or_else(|| error.to_string(), |error| last(&error.to_string())),
                })?;
            Ok((written, regex.memory_usage()))
        });
        match tried {
            Ok((written, bytes)) => {
                self.bytes += bytes;
                Some(written)
            }
            Err(why) => {
                self.bad.push((text.span().start, id.trim_matches('`').to_owned(), why));
                None
            }
        }
    }
}

/// The line of a message that says what is wrong.
fn last(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests;
