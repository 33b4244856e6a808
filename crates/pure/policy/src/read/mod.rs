//! Reading policy text, strictly: what is not understood is refused with its place, never skipped.

mod raw;

use serde::{Deserialize, Serialize};
use serde_saphyr::{Location as Mark, Spanned};

use crate::{CanonicalPath, Default as Fallback, Limits, Network, Policy, Protocol, Rule, Target, WorkspaceMode};
use raw::{RawLimits, RawPolicy, RawRule, Text};

/// The default policy.
pub const HARDENED: &str = include_str!("../../../../../blueprints/hardened.yaml");
/// No network, nothing written.
pub const STRICT: &str = include_str!("../../../../../blueprints/strict.yaml");
/// Longest policy file, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// Most files in one chain of `extends`.
const MAX_DEPTH: usize = 8;

/// One policy file.
#[derive(Debug, Clone)]
pub struct Source {
    /// The name printed in diagnostics and used to detect cycles.
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
    /// Stable code, for example `E-POLICY-003`.
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

/// The blueprint of that name.
#[must_use]
pub fn blueprint(name: &str) -> Option<Source> {
    let text = match name {
        "hardened" => HARDENED,
        "strict" => STRICT,
        _ => return None,
    };
    Some(Source { name: name.into(), text: text.into(), widens: true })
}

/// Reads a policy and what it extends. `home` stands for a leading `~`; `resolve` finds an extended policy.
///
/// # Errors
/// A located [`Diagnostic`]; nothing is then in force.
pub fn read(
    source: &Source,
    home: Option<&str>,
    resolve: &mut dyn FnMut(&str) -> Option<Source>,
) -> Result<Policy, Diagnostic> {
    Reader { home, resolve, open: Vec::new() }.policy(source)
}

struct Reader<'a> {
    home: Option<&'a str>,
    resolve: &'a mut dyn FnMut(&str) -> Option<Source>,
    open: Vec<String>,
}

fn fail(file: &str, mark: Mark, code: &str, message: String, hint: &str) -> Diagnostic {
    let location = Location { file: file.into(), line: mark.line(), column: mark.column() };
    Diagnostic { code: code.into(), message, location, hint: (!hint.is_empty()).then(|| hint.into()) }
}

impl Reader<'_> {
    fn policy(&mut self, source: &Source) -> Result<Policy, Diagnostic> {
        let file = source.name.as_str();
        let raw = parse(source)?;
        self.open.push(file.into());
        let mut base: Option<Policy> = None;
        for name in &raw.extends {
            let next = (self.resolve)(&name.value).ok_or_else(|| {
                fail(
                    file,
                    name.referenced,
                    "E-POLICY-004",
                    format!("no policy `{}`", name.value),
                    "blueprints are `hardened` and `strict`",
                )
            })?;
            if self.open.contains(&next.name) || self.open.len() >= MAX_DEPTH {
                return Err(fail(
                    file,
                    name.referenced,
                    "E-POLICY-005",
                    format!("`{}` extends itself, or too deeply", name.value),
                    "remove one `extends`",
                ));
            }
            if base.is_some() {
                return Err(fail(
                    file,
                    name.referenced,
                    "E-POLICY-006",
                    "more than one policy in `extends` is not supported yet".into(),
                    "extend one policy, which may extend another",
                ));
            }
            base = Some(self.policy(&next)?);
        }
        self.open.pop();
        let own = self.compile(file, &raw)?;
        let Some(base) = base else { return Ok(own) };
        let merged = over(base.clone(), own, &raw);
        let wider = crate::diff(&base, &merged).into_iter().find(|change| change.widens);
        match wider {
            Some(change) if !source.widens => Err(fail(
                file,
                raw.name.referenced,
                "E-POLICY-007",
                format!("`{}` widens what this policy extends", change.key),
                "only the operator's own file may widen",
            )),
            _ => Ok(merged),
        }
    }

    fn compile(&self, file: &str, raw: &RawPolicy) -> Result<Policy, Diagnostic> {
        let paths = |list: &[Text]| list.iter().map(|text| self.path(file, text)).collect::<Result<Vec<_>, _>>();
        let rules =
            |list: &[RawRule], deny| list.iter().map(|rule| self.rule(file, rule, deny)).collect::<Result<Vec<_>, _>>();
        let mut policy =
            Policy { name: raw.name.value.clone(), limits: limits(file, &raw.limits)?, ..Policy::default() };
        let modes =
            [("read-only", WorkspaceMode::ReadOnly), ("review", WorkspaceMode::Review), ("live", WorkspaceMode::Live)];
        policy.files.workspace = choice(file, raw.files.workspace.as_ref(), &modes)?.unwrap_or_default();
        policy.files.read = paths(&raw.files.read)?;
        policy.files.write = paths(&raw.files.write)?;
        policy.files.hide = paths(&raw.files.hide)?;
        policy.files.guard = raw.files.guard.iter().map(|text| guard(file, text)).collect::<Result<_, _>>()?;
        policy.environment = raw.env.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect();
        let default = choice(file, raw.network.default.as_ref(), &[("deny", Fallback::Deny), ("ask", Fallback::Ask)])?
            .unwrap_or_default();
        policy.network =
            Network { default, allow: rules(&raw.network.allow, false)?, deny: rules(&raw.network.deny, true)? };
        Ok(policy)
    }

    fn path(&self, file: &str, text: &Text) -> Result<CanonicalPath, Diagnostic> {
        let full = match (text.value.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => text.value.clone(),
        };
        CanonicalPath::parse(&full).map_err(|error| {
            fail(
                file,
                text.referenced,
                "E-POLICY-010",
                format!("bad path `{}`: {error}", text.value),
                "write an absolute path, or one under `~/`",
            )
        })
    }

    fn rule(&self, file: &str, raw: &RawRule, deny: bool) -> Result<Rule, Diagnostic> {
        let to = Target::parse(&raw.to.value).map_err(|error| {
            fail(
                file,
                raw.to.referenced,
                "E-POLICY-011",
                format!("bad host `{}`: {error}", raw.to.value),
                "write `HOST[:PORT]`",
            )
        })?;
        if let Some(first) = raw.programs.first().filter(|_| deny) {
            return Err(fail(
                file,
                first.referenced,
                "E-POLICY-012",
                "a deny rule holds for every program".into(),
                "remove `programs`",
            ));
        }
        let programs = raw.programs.iter().map(|text| self.path(file, text)).collect::<Result<_, _>>()?;
        let protocol = choice(file, raw.protocol.as_ref(), &[("tcp", Protocol::Tcp)])?.unwrap_or_default();
        Ok(Rule { to, programs, protocol })
    }
}

fn parse(source: &Source) -> Result<RawPolicy, Diagnostic> {
    let file = source.name.as_str();
    if source.text.len() > MAX_BYTES {
        return Err(fail(file, Mark::UNKNOWN, "E-POLICY-001", format!("longer than {MAX_BYTES} bytes"), ""));
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let raw: RawPolicy = serde_saphyr::from_str_with_options(&source.text, options).map_err(|error| {
        let text = error.to_string();
        fail(
            file,
            error.location().unwrap_or(Mark::UNKNOWN),
            "E-POLICY-002",
            text.lines().next().unwrap_or("").into(),
            "`bastide policy show hardened` prints a policy that is understood",
        )
    })?;
    if raw.bastide.value != 1 {
        return Err(fail(
            file,
            raw.bastide.referenced,
            "E-POLICY-003",
            format!("unknown version `{}`", raw.bastide.value),
            "write `bastide: 1`",
        ));
    }
    match raw.later() {
        Some((key, mark)) => Err(fail(
            file,
            mark,
            "E-POLICY-008",
            format!("`{key}` is not enforced yet"),
            "remove it: nothing may stand in a policy that nothing enforces",
        )),
        None => Ok(raw),
    }
}

/// The file over what it extends: lists grow, what is stated replaces.
fn over(mut base: Policy, own: Policy, raw: &RawPolicy) -> Policy {
    base.name = own.name;
    if raw.files.workspace.is_some() {
        base.files.workspace = own.files.workspace;
    }
    if raw.network.default.is_some() {
        base.network.default = own.network.default;
    }
    append(&mut base.files.read, own.files.read);
    append(&mut base.files.write, own.files.write);
    append(&mut base.files.hide, own.files.hide);
    append(&mut base.files.guard, own.files.guard);
    append(&mut base.network.allow, own.network.allow);
    append(&mut base.network.deny, own.network.deny);
    base.environment.extend(own.environment);
    let (old, new) = (base.limits, own.limits);
    base.limits = Limits {
        memory: new.memory.or(old.memory),
        pids: new.pids.or(old.pids),
        cpu: new.cpu.or(old.cpu),
        time: new.time.or(old.time),
        disk: new.disk.or(old.disk),
    };
    base
}

fn append<T: PartialEq>(base: &mut Vec<T>, own: Vec<T>) {
    for item in own {
        if !base.contains(&item) {
            base.push(item);
        }
    }
}

fn guard(file: &str, text: &Text) -> Result<String, Diagnostic> {
    match CanonicalPath::parse(&format!("/{}", text.value)) {
        Ok(path) if path.as_str() != "/" => Ok(path.as_str()[1..].into()),
        _ => Err(fail(
            file,
            text.referenced,
            "E-POLICY-013",
            format!("bad guarded name `{}`", text.value),
            "write a relative path such as `.git/hooks`",
        )),
    }
}

fn choice<T: Copy>(file: &str, text: Option<&Text>, choices: &[(&str, T)]) -> Result<Option<T>, Diagnostic> {
    let Some(text) = text else { return Ok(None) };
    let names: Vec<_> = choices.iter().map(|pair| pair.0).collect();
    let found = choices.iter().find(|pair| pair.0 == text.value).map(|pair| Some(pair.1));
    found.ok_or_else(|| {
        fail(
            file,
            text.referenced,
            "E-POLICY-014",
            format!("unknown value `{}`", text.value),
            &format!("one of: {}", names.join(", ")),
        )
    })
}

fn limits(file: &str, raw: &RawLimits) -> Result<Limits, Diagnostic> {
    const BYTES: &[(&str, u64)] = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
    const TIME: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3600), ("", 1)];
    let read =
        |text: &Option<Spanned<String>>, units| text.as_ref().map(|text| quantity(file, text, units)).transpose();
    Ok(Limits {
        memory: read(&raw.memory, BYTES)?,
        pids: read(&raw.pids, &[("", 1)])?,
        cpu: read(&raw.cpu, &[("m", 1), ("", 1000)])?,
        time: read(&raw.time, TIME)?,
        disk: read(&raw.disk, BYTES)?,
    })
}

fn quantity(file: &str, text: &Text, units: &[(&str, u64)]) -> Result<u64, Diagnostic> {
    let parsed = units
        .iter()
        .find_map(|(unit, factor)| text.value.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*factor));
    parsed.filter(|&value| value > 0).ok_or_else(|| {
        fail(
            file,
            text.referenced,
            "E-POLICY-015",
            format!("bad quantity `{}`", text.value),
            "write a whole number with its unit, such as 2GiB, 90m or 256",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, widens: bool) -> Result<Policy, Diagnostic> {
        read(&Source { name: "test.yaml".into(), text: text.into(), widens }, Some("/home/u"), &mut blueprint)
    }

    #[test]
    fn blueprints_are_read() {
        let strict = read(&blueprint("strict").expect("exists"), None, &mut blueprint).expect("reads");
        assert_eq!(
            (strict.network.default, strict.files.workspace, strict.limits.memory),
            (Fallback::Deny, WorkspaceMode::ReadOnly, Some(2 << 30))
        );
        assert!(!strict.files.read.is_empty());
    }

    #[test]
    fn bad_text_is_refused_with_its_place() {
        let table = [
            ("colour: red", "002", 3),
            ("risk:", "008", 3),
            ("network: {allow: [{to: a.b, paths: null}]}", "008", 3),
            ("name: b", "002", 3),
            ("risk: {ask: 60}", "008", 3),
            ("network: {allow: [{to: 'a.b', methods: [GET]}]}", "008", 3),
            ("network: {allow: [{to: '0x7f.1'}]}", "011", 3),
            ("files: {read: [a]}", "010", 3),
            ("files: 7", "002", 3),
            ("extends: [test.yaml]", "004", 3),
            ("limits: {memory: lots}", "015", 3),
        ];
        for (line, code, at) in table {
            let error = check(&format!("bastide: 1\nname: a\n{line}\n"), true).expect_err(line);
            assert_eq!(
                (error.code.as_str(), error.location.line),
                (format!("E-POLICY-{code}").as_str(), at),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn only_the_operators_file_widens() {
        let text = "bastide: 1\nname: a\nextends: [hardened]\nfiles: {read: [~/.rustup]}\n";
        assert!(check(text, true).expect("reads").files.read.iter().any(|path| path.as_str() == "/home/u/.rustup"));
        assert_eq!(check(text, false).map_err(|error| error.code), Err("E-POLICY-007".into()));
    }

    #[test]
    fn a_cycle_is_refused() {
        let mut itself = |name: &str| {
            Some(Source { name: name.into(), text: format!("bastide: 1\nname: a\nextends: [{name}]\n"), widens: true })
        };
        let first = itself("a").expect("a source");
        assert_eq!(read(&first, None, &mut itself).map_err(|error| error.code), Err("E-POLICY-005".into()));
    }
}
