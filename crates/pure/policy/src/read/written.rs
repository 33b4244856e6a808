//! Reads answers that were written down, as strictly as a policy is read.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::raw::{self, Text};
use super::text::stated;
use super::value::Scope;
use super::{Diagnostic, Source, code};
use crate::{About, CallLine, Effect, Protocol, Rule, Say, Written};

/// The version of the form.
const VERSION: u32 = 1;
/// Most lines of a file.
pub const MAX_ANSWERS: usize = 1000;
const DEPTH: usize = 6;
const SAYS: &[(&str, Say)] =
    &[("once", Say::Once), ("session", Say::Session), ("source", Say::Source), ("deny", Say::Deny)];
const PROTOCOLS: &[(&str, Protocol)] =
    &[("http", Protocol::Http), ("websocket", Protocol::Websocket), ("mcp", Protocol::Mcp)];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWritten {
    #[serde(rename = "bastide-answers")]
    version: Spanned<u32>,
    answers: Vec<RawAnswer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    to: Option<Text>,
    tool: Option<Text>,
    #[serde(default, deserialize_with = "raw::stated")]
    effects: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "raw::stated")]
    targets: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "raw::stated")]
    programs: Option<Vec<Text>>,
    protocol: Option<Text>,
    #[serde(default, deserialize_with = "raw::stated")]
    methods: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "raw::stated")]
    paths: Option<Vec<Text>>,
    answer: Text,
}

/// Reads a file of answers.
///
/// # Errors
/// A located [`Diagnostic`]; nothing is then answered by it.
pub fn read_answers(source: &Source, home: Option<&str>) -> Result<Vec<Written>, Diagnostic> {
    let raw: RawWritten =
        stated(source, DEPTH, "`bastide-answers: 1`, and `answers`, each with `to` or `tool`, and `answer`")?;
    let scope = Scope { file: &source.name, home };
    if raw.version.value != VERSION {
        let message = format!("version {} of answers", raw.version.value);
        let hint = "write `bastide-answers: 1`, and use the program that the file was written for";
        return Err(scope.fail(raw.version.referenced, code::VERSION, message, hint));
    }
    if let Some(first) = raw.answers.get(MAX_ANSWERS) {
        let message = format!("more than {MAX_ANSWERS} answers");
        return Err(scope.fail(
            first.answer.referenced,
            code::TOO_LARGE,
            message,
            "use wildcards instead of long lists",
        ));
    }
    raw.answers.iter().map(|raw| answer(&scope, raw)).collect()
}

fn answer(scope: &Scope<'_>, raw: &RawAnswer) -> Result<Written, Diagnostic> {
    let Some(say) = scope.choice(Some(&raw.answer), SAYS)? else {
        return Err(scope.fail(
            raw.answer.referenced,
            code::SHAPE,
            "no `answer`".into(),
            "write once, session or deny",
        ));
    };
    let lists = [
        ("effects", &raw.effects),
        ("targets", &raw.targets),
        ("programs", &raw.programs),
        ("methods", &raw.methods),
        ("paths", &raw.paths),
    ];
    if let Some((key, _)) = lists.iter().find(|(_, list)| list.as_ref().is_some_and(Vec::is_empty)) {
        let message = format!("`{key}` is empty, and would say nothing");
        return Err(scope.fail(
            raw.answer.referenced,
            code::SHAPE,
            message,
            "write what it means, or leave the key out",
        ));
    }
    let to = match (&raw.to, &raw.tool) {
        (Some(to), None) => to,
        (None, Some(tool)) => return call(scope, raw, tool, say),
        _ => {
            let message = "an answer is about one of `to` and `tool`".into();
            return Err(scope.fail(raw.answer.referenced, code::SHAPE, message, "write one of them"));
        }
    };
    if say == Say::Source || raw.effects.is_some() || raw.targets.is_some() {
        let message = "`effects`, `targets` and `answer: source` are about calls".into();
        return Err(scope.fail(
            raw.answer.referenced,
            code::SHAPE,
            message,
            "write `tool` in place of `to`, or remove them",
        ));
    }
    if let (Say::Deny, Some(first)) = (say, raw.programs.iter().flatten().next()) {
        let message = "an answer that denies holds for every program".into();
        return Err(scope.fail(first.referenced, code::DENY_PROGRAMS, message, "remove `programs`"));
    }
    let said = scope.choice(raw.protocol.as_ref(), PROTOCOLS)?;
    let about = raw.methods.is_some() || raw.paths.is_some();
    let protocol = said.unwrap_or(if about { Protocol::Http } else { Protocol::default() });
    let programs = raw.programs.iter().flatten().map(|text| scope.program(text)).collect::<Result<_, _>>()?;
    let methods = raw.methods.iter().flatten().map(|text| scope.method(text)).collect::<Result<_, _>>()?;
    let paths = raw.paths.iter().flatten().map(|text| scope.pattern(text)).collect::<Result<_, _>>()?;
    let rule = Rule { programs, protocol, methods, paths, ..Rule::to(scope.target(to)?) };
    Ok(Written { about: About::Rule(Box::new(rule)), say })
}

/// A line about calls.
fn call(scope: &Scope<'_>, raw: &RawAnswer, tool: &Text, say: Say) -> Result<Written, Diagnostic> {
    if raw.programs.is_some() || raw.methods.is_some() || raw.paths.is_some() || raw.protocol.is_some() {
        let message = "`programs`, `protocol`, `methods` and `paths` are about connections and requests".into();
        return Err(scope.fail(tool.referenced, code::SHAPE, message, "write `to` in place of `tool`, or remove them"));
    }
    let known: Vec<_> = Effect::ALL.iter().map(|effect| (effect.name(), *effect)).collect();
    let effects =
        raw.effects.iter().flatten().map(|text| scope.choice(Some(text), &known)).collect::<Result<Vec<_>, _>>()?;
    let targets = raw.targets.iter().flatten().map(|text| scope.text(text)).collect::<Result<_, _>>()?;
    let line = CallLine { tool: scope.text(tool)?, effects: effects.into_iter().flatten().collect(), targets };
    Ok(Written { about: About::Call(line), say })
}
