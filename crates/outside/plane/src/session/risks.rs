//! Risks that the operator accepts by name. There is no other way to leave a layer out.

use plan::{Layer, LayerSet};
use wire::command::Problem;

use crate::problem::{NOT_RUN, problem};

/// What was accepted.
#[derive(Debug, Clone, Default)]
pub(super) struct Accepted {
    /// Layers that are not built.
    pub(super) without: LayerSet,
    /// One credential may come in: any, or the one of this name.
    pub(super) credential: Option<Credential>,
    /// The names as the operator gave them.
    pub(super) names: Vec<String>,
}

/// Which credential was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// The only one that is asked for.
    TheOnlyOne,
    /// The variable or directory of this name.
    Named(String),
}

/// Reads the names of `--accept-risk`.
pub(super) fn accept(names: &[String]) -> Result<Accepted, Problem> {
    let mut accepted = Accepted { names: names.to_vec(), ..Accepted::default() };
    for name in names {
        if let Some(layer) = name.strip_prefix("without-").and_then(Layer::named) {
            accepted.without.insert(layer);
        } else if name == "credential-inside" {
            accepted.credential = Some(Credential::TheOnlyOne);
        } else if let Some(which) = name.strip_prefix("credential-inside=") {
            accepted.credential = Some(Credential::Named(which.to_owned()));
        } else {
            return Err(unknown(name));
        }
    }
    Ok(accepted)
}

fn unknown(name: &str) -> Problem {
    let layers: Vec<_> = Layer::ALL.iter().map(|layer| format!("without-{}", layer.name())).collect();
    problem(
        "E-PLANE-020",
        format!("no risk is called `{name}`"),
        &format!("one of: credential-inside, {}", layers.join(", ")),
        NOT_RUN,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_exist_are_taken() {
        let names = ["without-landlock".to_owned(), "credential-inside=OPENAI_API_KEY".to_owned()];
        let accepted = accept(&names).expect("known");
        assert!(accepted.without.contains(Layer::Landlock) && !accepted.without.contains(Layer::Seccomp));
        assert_eq!(accepted.credential, Some(Credential::Named("OPENAI_API_KEY".into())));
        assert!(accept(&["without-everything".to_owned()]).is_err());
    }
}
