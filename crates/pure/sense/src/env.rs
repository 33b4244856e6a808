//! Which parts of a file are secrets: the values of an `.env` file, the body of a private key.
//!
//! It errs towards a secret: a value that is none costs little, one that is missed is gone.

use crate::MIN_SECRET;

/// Values that are none, whatever they are called.
const HARMLESS: [&str; 8] =
    ["localhost", "development", "production", "staging", "disabled", "required", "changeme", "us-east-1"];

/// The values of an `.env` file that are worth protecting, with their names, in their order: eight bytes or more, and no
/// plain word, number, path, or address without a password.
///
/// ```
/// let found = sense::secrets_of_env("PORT=8080\nexport API_KEY='k9-Zt41pQx'\nHOME=/home/me/work\n");
/// assert_eq!(found, [("API_KEY".to_owned(), "k9-Zt41pQx".to_owned())]);
/// ```
#[must_use]
pub fn secrets_of_env(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim_start().strip_prefix("export ").unwrap_or(line.trim_start());
        rest = after;
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else { continue };
        let value = match quoted(value, after) {
            Some((value, left)) => {
                rest = left;
                value
            }
            None => value.split(" #").next().unwrap_or_default().trim().to_owned(),
        };
        if worth(&value) {
            found.push((name.trim().to_owned(), value));
        }
    }
    found
}

/// Whether the text holds a private key in PEM form.
#[must_use]
pub fn is_key_file(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("-----BEGIN ") && line.contains("PRIVATE KEY"))
}

/// The secrets of a key file: each line of its base64 body that is long enough to be no other text.
#[must_use]
pub fn secrets_of_key(text: &str) -> Vec<String> {
    let mut within = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----") {
            within = line.starts_with("-----BEGIN ") && line.contains("PRIVATE KEY");
        } else if within && line.len() >= 16 && !line.contains(':') {
            found.push(line.to_owned());
        }
    }
    found
}

/// A value in quotes, which may go on over lines, and what follows its last line.
fn quoted<'t>(value: &'t str, after: &'t str) -> Option<(String, &'t str)> {
    let value = value.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'))?;
    if let Some((inner, _)) = value[1..].split_once(quote) {
        return Some((inner.to_owned(), after));
    }
    let (more, rest) = after.split_once(quote)?;
    let rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    Some((format!("{}\n{more}", &value[1..]), rest))
}

fn worth(value: &str) -> bool {
    let word = value.chars().all(|letter| letter.is_ascii_lowercase() || "-_. ".contains(letter));
    let number = value.chars().all(|letter| letter.is_ascii_digit() || ".,:-_ ".contains(letter));
    let path = value.starts_with(['/', '.', '~']) && !value.contains(' ') && value.matches('/').count() > 0;
    let reference = value.starts_with("${") && value.ends_with('}');
    let harmless = HARMLESS.iter().any(|one| value.eq_ignore_ascii_case(one));
    value.len() >= MIN_SECRET
        && !(word && !long_word(value) || number && value.len() < 16 || path || reference || harmless || address(value))
}

/// A word that no language has: a password may be all small letters.
fn long_word(value: &str) -> bool {
    value.split(['-', '_', '.', ' ']).any(|word| word.len() > 20)
}

/// An address without user and password, and without much in its query, where tokens are.
fn address(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    !host.contains('@') && rest.len() - host.len() < 24
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        secrets_of_env(text).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn values_that_could_be_secrets_are_kept() {
        let text = "A=hunter2hunter2\nB = \"two words, Two\" # why\nexport C='x9!aaaaa'\nD=postgres://u:p@db/x\n\
                    E=https://hooks.example/services/T00/B00/XXXXXXXXXXXX\nF=abcdefghijklmnopqrstuvwxyz\n";
        assert_eq!(names(text), ["A", "B", "C", "D", "E", "F"]);
    }

    #[test]
    fn harmless_values_are_left_out() {
        let text = "# K=s3cr3ts3cr3t\nA=true\nB=/usr/local/bin/x\nC=https://api.example/v1\nD=production\nE=8080\n\
                    F=plain-words only\nG=${OTHER_VALUE}\nH=\nI=2024-01-01\nnothing\n";
        assert_eq!(names(text), [""; 0]);
    }

    #[test]
    fn a_value_in_quotes_goes_on_over_lines() {
        let found = secrets_of_env("KEY=\"line One 1\nline two\"\nNEXT=Another9Value\n");
        assert_eq!(found[0], ("KEY".into(), "line One 1\nline two".into()));
        assert_eq!(found[1].0, "NEXT");
    }

    #[test]
    fn the_body_of_a_private_key_is_secret() {
        let text =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nshort\n-----END OPENSSH PRIVATE KEY-----\n";
        assert!(is_key_file(text));
        assert_eq!(secrets_of_key(text), ["b3BlbnNzaC1rZXktdjEAAAAA"]);
        assert!(!is_key_file("-----BEGIN PUBLIC KEY-----\n"));
    }
}
