//! Which parts of a file are secrets: the values of an `.env` file, the body of a private key.
//!
//! It errs towards a secret: a value that is none costs little, one that is missed is gone.

mod readings;

use readings::Value;

use crate::MIN_SECRET;

/// How a key in PEM form begins.
const BEGIN: &str = "-----BEGIN ";

/// Values that are none, whatever they are called.
const HARMLESS: [&str; 8] =
    ["localhost", "development", "production", "staging", "disabled", "required", "changeme", "us-east-1"];

/// The values of an `.env` file that are worth protecting, with their names, in their order: eight bytes or more, and no
/// plain word, number, path, or address without a password. Each as it is written and as each program that loads such files
/// reads it, and the lines of a private key by themselves.
///
/// ```
/// let found = sense::secrets_of_env("PORT=8080\nexport API_KEY='k9-Zt41pQx'\nHOME=/home/me/work\n");
/// assert_eq!(found, [("API_KEY".to_owned(), "k9-Zt41pQx".to_owned())]);
/// let found = sense::secrets_of_env("PASSWORD=\"k9\\\"Zt41pQx\"\n");
/// assert_eq!(found.iter().map(|one| &one.1[..]).collect::<Vec<_>>(), ["k9\\\"Zt41pQx", "k9\"Zt41pQx"]);
/// ```
#[must_use]
pub fn secrets_of_env(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let (mut at, mut around, mut until) = (0, "", 0);
    for line in text.split_inclusive('\n') {
        let begin = at;
        at += line.len();
        let Some((name, from)) = assignment(line) else { continue };
        let value = Value::at(&text[begin + from..]);
        // A value that goes on over lines is read line by line, too: who is wrong about its end would pass over what
        // follows. Its name stays that of the value, since what stands there may be secret.
        if begin >= until {
            around = name;
        }
        until = until.max(begin + from + value.length);
        for reading in value.readings() {
            let lines = reading.find(BEGIN).map(|at| secrets_of_key(&reading[at..])).unwrap_or_default();
            let whole = Some(reading).filter(|reading| worth(reading));
            for one in whole.into_iter().chain(lines) {
                if !found.iter().rev().take_while(|(name, _)| name == around).any(|(_, known)| *known == one) {
                    found.push((around.to_owned(), one));
                }
            }
        }
    }
    found
}

/// The name that a line gives a value, and where that begins. Some loaders take `NAME: value`, too.
fn assignment(line: &str) -> Option<(&str, usize)> {
    let start = line.len() - line.trim_start().len();
    let rest = line[start..].strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let rest = rest.unwrap_or(&line[start..]).trim_start();
    let is_name = |name: &str| name.chars().all(|letter| letter.is_alphanumeric() || "_.-".contains(letter));
    let colon = rest.split_once(':').filter(|(name, value)| is_name(name) && value.starts_with([' ', '\t']));
    let (name, value) = colon.or_else(|| rest.split_once('=')).filter(|_| !rest.starts_with('#'))?;
    Some((name.trim(), line.len() - value.len()))
}

/// Whether the text holds a private key in PEM form.
#[must_use]
pub fn is_key_file(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with(BEGIN) && line.contains("PRIVATE KEY"))
}

/// The secrets of a key file: each line of its base64 body that is long enough to be no other text.
#[must_use]
pub fn secrets_of_key(text: &str) -> Vec<String> {
    let mut within = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("-----") {
            within = line.starts_with(BEGIN) && line.contains("PRIVATE KEY");
        } else if within && line.len() >= 16 && !line.contains(':') {
            found.push(line.to_owned());
        }
    }
    found
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

    fn values(text: &str) -> Vec<String> {
        secrets_of_env(text).into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn a_value_is_what_any_loader_reads() {
        for (text, reading) in [
            (r#"DB="ab\"Cdef9ghijKLm""#, "ab\"Cdef9ghijKLm"),
            (r#"DB="ab\"Cdef9ghijKLm""#, r#"ab\"Cdef9ghijKLm"#),
            (r#"T="pre\$Zq9xW3vT7kL" # of the shop"#, "pre$Zq9xW3vT7kL"),
            (r"T='it\'s9xW3vT7kL'", "it's9xW3vT7kL"),
            (r"T='it'\''s9xW3vT7kL'", "it's9xW3vT7kL"),
            (r"T=$'\x61\u0062\143d\'9xW3v'", "abcd'9xW3v"),
            (r#"T="Ab9xW3vT"'7kL"q'"#, "Ab9xW3vT7kL\"q"),
            (r"T=Ab9x\ W3vT7kL", "Ab9x W3vT7kL"),
            ("T=Ab9xW3vT7kL; export T", "Ab9xW3vT7kL"),
            ("T=Ab9xW3#vT7kLmn", "Ab9xW3#vT7kLmn"),
            ("T=Ab9xW3vT#7kL", "Ab9xW3vT"),
            ("T=Ab9x #W3vT7kL", "Ab9x #W3vT7kL"),
            ("T=Ab9xW3vT\t# why", "Ab9xW3vT"),
            ("T: Ab9xW3vT", "Ab9xW3vT"),
            ("export\tT = `Ab9xW3\"vT'7` # why", "Ab9xW3\"vT'7"),
            (r#"DIR="C:\Keys\q8Zt41\""#, r"C:\Keys\q8Zt41\"),
            (r#"T="Ab9xW3\tvT""#, "Ab9xW3\tvT"),
            ("T=\"Ab9xW3\r\nvT7kL\"\r\n", "Ab9xW3\nvT7kL"),
        ] {
            let text = format!("A=1\n{text}\nLAST=Zz9-Another-1\n");
            let found = values(&text);
            assert!(found.iter().any(|value| value == reading), "{text}: {found:?}");
            assert_eq!(found.last().map(String::as_str), Some("Zz9-Another-1"), "{text}");
        }
    }

    #[test]
    fn the_lines_of_a_key_are_secrets_however_it_is_quoted() {
        let body = ["MIIEvQIBADANBgkqhkiG9w0B", "AQEFAASCBKcwggSjAgEAAoIB"];
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", body.join("\n"));
        let on_one = key.replace('\n', "\\n");
        for text in [
            format!("K=\"{on_one}\"\n"),
            format!("K='{{\"private_key\":\"{on_one}\\n\"}}'\n"),
            format!("K={on_one}\n"),
            format!("K=\"{key}\"\n"),
            format!("K='{}'\r\n", key.replace('\n', "\r\n")),
            format!("K={key}\nL=1"),
        ] {
            let found = secrets_of_env(&text);
            assert!(body.iter().all(|line| found.iter().any(|one| one.1 == *line)), "{text}: {found:?}");
            assert!(found.iter().all(|one| one.0 == "K"), "{text}: {found:?}");
        }
        assert!(values(&format!("K=\"{on_one}\"\n")).contains(&key));
    }

    #[test]
    fn what_is_within_a_value_gives_no_name() {
        let found = secrets_of_env("A=\"Ab9xW3vT\nSecret9=Zz9-Another-1\n\"\nB=Another9Value\n");
        assert_eq!(found.iter().map(|one| &one.0[..]).collect::<Vec<_>>(), ["A", "A", "B"]);
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
