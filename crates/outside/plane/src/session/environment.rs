//! The agent's environment: made new, never inherited. What decides how programs look and where they are found comes
//! from the operator; what could hold a secret comes only by name.

use std::collections::BTreeMap;

/// Variables of the operator's that are taken as they are.
const TAKEN: &[&str] = &["PATH", "TERM", "COLORTERM", "LANG", "TZ", "NO_COLOR", "EDITOR"];
/// Where programs are found when the operator has no PATH.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The whole environment as `K=V`.
pub(super) fn make(
    surroundings: &[(String, String)],
    policy: &BTreeMap<String, String>,
    asked: &[(String, String)],
    own: &[(&str, String)],
) -> Vec<Vec<u8>> {
    let mut variables: BTreeMap<&str, &str> = BTreeMap::from([("PATH", PATH), ("TERM", "dumb"), ("TMPDIR", "/tmp")]);
    let taken = |name: &str| TAKEN.contains(&name) || name.starts_with("LC_");
    variables.extend(surroundings.iter().filter(|(name, _)| taken(name)).map(|(name, value)| (&**name, &**value)));
    variables.extend(own.iter().map(|(name, value)| (*name, &**value)));
    variables.extend(policy.iter().map(|(name, value)| (&**name, &**value)));
    variables.extend(asked.iter().map(|(name, value)| (&**name, &**value)));
    variables.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_is_inherited_and_the_nearest_word_wins() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let host = [pair("PATH", "/x"), pair("AWS_SECRET_ACCESS_KEY", "s"), pair("LC_ALL", "C"), pair("HOME", "/h")];
        let policy = BTreeMap::from([pair("CI", "1"), pair("A", "policy")]);
        let made = make(&host, &policy, &[pair("A", "asked")], &[("HOME", "/inside".into())]);
        let text: Vec<_> = made.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect();
        assert_eq!(text, ["A=asked", "CI=1", "HOME=/inside", "LC_ALL=C", "PATH=/x", "TERM=dumb", "TMPDIR=/tmp"]);
    }
}
