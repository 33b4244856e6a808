//! The `secrets` section: files of rules, and which of them are left out.

use serde::Deserialize;
use serde_saphyr::{Location as Mark, Spanned};

use super::raw::Text;
use super::{Diagnostic, Source, code, fail, gitleaks};
use crate::print::visible;
use crate::secrets::{MOST_RULES, SecretRules};

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSecrets {
    rules: Spanned<RawFiles>,
    #[serde(default)]
    except: Vec<Text>,
}

/// One file, or some of which the later add to the earlier.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawFiles {
    One(String),
    Some(Vec<String>),
}

/// Files of one entry.
const MOST_FILES: usize = 8;

/// Reads the section: `open` gives the file of a name.
pub(super) fn said(
    source: &Source,
    raw: &[RawSecrets],
    open: &mut dyn FnMut(&str, Mark) -> Result<Source, Diagnostic>,
) -> Result<Vec<(SecretRules, Mark)>, Diagnostic> {
    let mut sets = Vec::new();
    for raw in raw {
        let mark = raw.rules.referenced;
        let refuse = |message: String, hint: &str| Err(fail(&source.name, mark, code::SECRETS, message, hint));
        if !source.widens {
            return refuse("only the operator's own policy names files of rules".into(), "name it in your own policy");
        }
        let files = match &raw.rules.value {
            RawFiles::One(one) => std::slice::from_ref(one),
            RawFiles::Some(some) => some,
        };
        if files.is_empty() || files.len() > MOST_FILES {
            return refuse(
                format!("`rules` names {} files", files.len()),
                "write for example `{rules: gitleaks.toml}`",
            );
        }
        let except: Vec<String> = raw.except.iter().map(|text| text.value.clone()).collect();
        let mut set: Option<SecretRules> = None;
        for (at, name) in files.iter().enumerate() {
            let file = open(name, mark)?;
            // What is left out may stand in any of them.
            let own: &[String] = if at + 1 == files.len() { &except } else { &[] };
            set = Some(gitleaks::read(&file, own, set.as_ref())?);
        }
        sets.extend(set.map(|set| (set, mark)));
    }
    if sets.iter().map(|(set, _)| set.rules.len()).sum::<usize>() > MOST_RULES {
        let mark = sets.last().map_or(Mark::UNKNOWN, |(_, mark)| *mark);
        let message = format!("more than {MOST_RULES} rules of secrets");
        return Err(fail(&source.name, mark, code::SECRETS, message, "name fewer files"));
    }
    Ok(sets)
}

/// Whether a name is one of a file that is found, and how it is looked for.
pub(super) fn path(name: &str, home: Option<&str>) -> Option<String> {
    let full = match (name.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => format!("{}/{rest}", home.trim_end_matches('/')),
        _ => name.to_owned(),
    };
    let fine = !full.is_empty() && !full.starts_with('~') && !full.chars().any(char::is_control);
    fine.then_some(full)
}

/// The words for a file that is not there.
pub(super) fn missing(file: &str, mark: Mark, name: &str) -> Diagnostic {
    let message = format!("no file of rules `{}`", visible(name));
    let hint = "write its path in full, under `~/`, or its plain name where it lies beside the policy";
    fail(file, mark, code::SECRETS, message, hint)
}
