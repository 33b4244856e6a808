//! Reading policy text, strictly: what is not understood is refused with its place, never skipped.

mod agents;
pub(crate) mod code;
mod endorse;
mod gitleaks;
mod layer;
mod mcp;
mod models;
mod nothing;
mod presets;
mod raw;
mod risk;
mod secrets;
mod servers;
mod text;
mod tools;
mod value;
mod written;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_saphyr::Location as Mark;

use crate::Policy;
use crate::print::visible;
pub use code::{CODES, explain_code};
use layer::Layer;
pub use presets::{Argument, PRESETS, Preset, PresetError, preset};
use raw::Text;
pub(crate) use text::plain;
use value::Scope;
pub use written::{MAX_ANSWERS, read_answers};

/// The default policy.
pub const HARDENED: &str = include_str!("../../../../../blueprints/hardened.yaml");
/// No network, nothing written.
pub const STRICT: &str = include_str!("../../../../../blueprints/strict.yaml");
/// Longest policy file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// Most bytes of a policy and all that it extends.
pub const MAX_TOTAL_BYTES: usize = 1024 * 1024;
/// Most policies in one chain of `extends`.
pub const MAX_DEPTH: usize = 8;
/// Most policies that make one.
pub const MAX_POLICIES: usize = 32;

/// One policy file.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name printed in diagnostics and used to tell policies apart.
    pub name: String,
    /// The text.
    pub text: String,
    /// It is the operator's own and may widen what it extends; any other may only narrow.
    pub widens: bool,
}

/// Why a policy was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {}:{}:{}: {message}", .location.file, .location.line, .location.column)]
pub struct Diagnostic {
    /// Stable code, for example `E-POLICY-003`; see [`explain_code`].
    pub code: String,
    /// One line.
    pub message: String,
    /// Where.
    pub location: Location,
    /// What to do instead.
    pub hint: Option<String>,
}

/// A place in a policy file, counted from 1; 0 when the whole file is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Location {
    pub file: String,
    pub line: u64,
    pub column: u64,
}

/// Where one value of a policy comes from. `key` and `value` are those of [`crate::Change`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Origin {
    pub key: String,
    pub value: String,
    pub location: Location,
}

/// The blueprint of that name, or the preset with its arguments.
#[must_use]
pub fn blueprint(name: &str) -> Option<Source> {
    let text = match name {
        "hardened" => HARDENED,
        "strict" => STRICT,
        _ => return preset(name).and_then(Result::ok),
    };
    Some(Source { name: name.into(), text: text.into(), widens: true })
}

/// Reads a policy and what it extends. `home` stands for a leading `~`; `resolve` finds an extended policy by its name, and a
/// file of rules by its name or absolute path.
///
/// # Errors
/// A located [`Diagnostic`]; nothing is then in force.
pub fn read(
    source: &Source,
    home: Option<&str>,
    resolve: &mut dyn FnMut(&str) -> Option<Source>,
) -> Result<Policy, Diagnostic> {
    read_located(source, home, resolve).map(|(policy, _)| policy)
}

/// [`read`], and where each value that is in force was first said.
///
/// # Errors
/// As [`read`].
pub fn read_located(
    source: &Source,
    home: Option<&str>,
    resolve: &mut dyn FnMut(&str) -> Option<Source>,
) -> Result<(Policy, Vec<Origin>), Diagnostic> {
    let (policy, origins) = (Policy::default(), Vec::new());
    let mut reader = Reader { home, resolve, open: Vec::new(), seen: BTreeSet::new(), bytes: 0, policy, origins };
    reader.add(source, None)?;
    Ok((reader.policy, reader.origins))
}

pub(crate) fn fail(file: &str, mark: Mark, code: &str, message: String, hint: &str) -> Diagnostic {
    let location = Location { file: file.into(), line: mark.line(), column: mark.column() };
    Diagnostic { code: code.into(), message, location, hint: (!hint.is_empty()).then(|| hint.into()) }
}

/// Lays file over file, what is extended first. A policy that is reached twice counts where it came first, so
/// that a second mention cannot undo what narrowed it in between.
struct Reader<'a> {
    home: Option<&'a str>,
    resolve: &'a mut dyn FnMut(&str) -> Option<Source>,
    open: Vec<String>,
    seen: BTreeSet<String>,
    bytes: usize,
    policy: Policy,
    origins: Vec<Origin>,
}

impl Reader<'_> {
    /// `from`: the file and place that extends it.
    fn add(&mut self, source: &Source, from: Option<(&str, Mark)>) -> Result<(), Diagnostic> {
        self.bound(source, from.unwrap_or((&source.name, Mark::UNKNOWN)))?;
        let raw = text::parse(source)?;
        self.open.push(source.name.clone());
        for name in &raw.extends {
            self.extend(source, name)?;
        }
        self.open.pop();
        let mut layer = Layer::compile(&Scope { file: &source.name, home: self.home }, &raw)?;
        let rules = secrets::said(source, &raw.secrets, &mut |name, mark| self.rules(&source.name, name, mark))?;
        layer.secrets(rules);
        self.lay(source, &layer)
    }

    /// A file of rules, which counts as what is extended does.
    fn rules(&mut self, file: &str, name: &str, mark: Mark) -> Result<Source, Diagnostic> {
        let found = secrets::path(name, self.home).and_then(|path| (self.resolve)(&path));
        let source = found.ok_or_else(|| secrets::missing(file, mark, name))?;
        self.bytes = self.bytes.saturating_add(source.text.len());
        if source.text.len() > MAX_BYTES || self.bytes > MAX_TOTAL_BYTES {
            let message = format!("`{}` and what is read with it come to too many bytes", visible(name));
            return Err(fail(file, mark, code::TOO_LARGE, message, "name fewer or shorter files"));
        }
        Ok(source)
    }

    fn bound(&mut self, source: &Source, (file, mark): (&str, Mark)) -> Result<(), Diagnostic> {
        self.seen.insert(source.name.clone());
        self.bytes = self.bytes.saturating_add(source.text.len());
        if self.seen.len() > MAX_POLICIES {
            let message = format!("more than {MAX_POLICIES} policies");
            return Err(fail(file, mark, code::TOO_MANY, message, "join layers into one file"));
        }
        if self.bytes > MAX_TOTAL_BYTES {
            let message = format!("more than {MAX_TOTAL_BYTES} bytes with what it extends");
            return Err(fail(file, mark, code::TOO_LARGE, message, "extend fewer or shorter policies"));
        }
        Ok(())
    }

    fn extend(&mut self, source: &Source, name: &Text) -> Result<(), Diagnostic> {
        let (file, mark, named) = (source.name.as_str(), name.referenced, preset(&name.value));
        if let Some(Err(wrong)) = &named {
            return Err(fail(file, mark, code::PRESET, wrong.message.clone(), &wrong.hint));
        }
        // A path is one of a file of rules alone: what is extended has a plain name.
        let found = if name.value.starts_with('/') { None } else { (self.resolve)(&name.value) };
        let mut next = found.ok_or_else(|| {
            let message = format!("no policy `{}`", visible(&name.value));
            let hint = "blueprints are `hardened` and `strict`, `bastide policy presets` lists those with arguments; a policy \
                        file is named as it is called, without a path, and lies beside this one";
            fail(file, mark, code::UNKNOWN_POLICY, message, hint)
        })?;
        // Which tenant it is for is said by whoever names it, and widens no further than they may.
        next.widens &= named.is_none() || source.widens;
        if self.open.contains(&next.name) {
            let way: Vec<_> = self.open.iter().chain([&next.name]).map(|name| format!("`{}`", visible(name))).collect();
            let message = format!("a policy extends itself: {}", way.join(" → "));
            return Err(fail(file, mark, code::CYCLE, message, "remove one `extends`"));
        }
        if self.open.len() >= MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} policies deep");
            return Err(fail(file, mark, code::CYCLE, message, "remove one `extends`"));
        }
        if self.seen.contains(&next.name) { Ok(()) } else { self.add(&next, Some((file, mark))) }
    }

    fn lay(&mut self, source: &Source, layer: &Layer) -> Result<(), Diagnostic> {
        let merged = layer.over(&self.policy);
        if let Some((route, message, hint)) = models::amiss(&merged.inference) {
            let said = route.to_string();
            let place = layer.places.iter().find(|(key, value, _)| key == "inference.routes" && *value == said);
            return Err(fail(&source.name, place.map_or(layer.name, |place| place.2), code::INFERENCE, message, hint));
        }
        if let Some((key, value, message, hint)) = models::mispriced(&merged.inference) {
            let place = layer.places.iter().find(|place| place.0 == key && place.1 == value);
            return Err(fail(&source.name, place.map_or(layer.name, |place| place.2), code::MONEY, message, hint));
        }
        if let Some((message, hint)) = merged.agents.as_ref().and_then(|own| agents::amiss(own, &merged.inference)) {
            let place = layer.places.iter().find(|place| place.0 == "agents.money");
            return Err(fail(&source.name, place.map_or(layer.name, |place| place.2), code::MONEY, message, hint));
        }
        let changes = crate::diff(&self.policy, &merged);
        if let Some(change) = changes.iter().find(|change| change.widens && !source.widens) {
            let says =
                |place: &&(String, String, Mark)| place.0 == change.key && Some(&place.1) == change.after.as_ref();
            let mark = layer.places.iter().find(says).map_or(layer.name, |place| place.2);
            let value = change.after.as_deref().unwrap_or("");
            // A variable's value may be a secret.
            let value = match change.key.as_str() {
                "env" => value.split('=').next().unwrap_or(""),
                "servers" => value.split(',').next().unwrap_or("").trim_start_matches('{'),
                _ => value,
            };
            let message = format!("`{}: {}` widens what came before", change.key, visible(value));
            return Err(fail(&source.name, mark, code::WIDENS, message, "only the operator's own file may widen"));
        }
        for change in &changes {
            // A replaced value is in force no more, and neither is its origin.
            self.origins.retain(|origin| origin.key != change.key || Some(&origin.value) != change.before.as_ref());
            let says =
                |place: &&(String, String, Mark)| place.0 == change.key && Some(&place.1) == change.after.as_ref();
            if let Some((key, value, mark)) = layer.places.iter().find(says) {
                let location = Location { file: source.name.clone(), line: mark.line(), column: mark.column() };
                self.origins.push(Origin { key: key.clone(), value: value.clone(), location });
            }
        }
        self.policy = merged;
        Ok(())
    }
}
