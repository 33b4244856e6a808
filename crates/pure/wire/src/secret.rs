//! What looks like a secret, for client and plane alike: a hint for the honest mistake. It cannot know every secret.

/// Prefixes that only credentials have.
const PREFIXES: [&str; 15] = [
    "sk-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "hf_",
    "xox",
    "eyJ",
    "-----BEGIN",
];
/// Words in the name of a variable that announce one.
const NAMES: [&str; 6] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"];
/// A value with a known prefix is more than the prefix: by so many characters, or this long in all.
const MORE: usize = 4;
const LONG: usize = 12;
/// A value of a telling name up to this length may be an identifier.
const SHORT: usize = 16;

/// Whether a variable looks like a secret, by its value and by its name.
#[must_use]
pub fn looks_secret(name: &str, value: &str) -> bool {
    let (name, value) = (name.to_ascii_uppercase(), value.trim());
    let slack = value.strip_prefix("xox").is_some_and(|rest| rest.as_bytes().get(1) == Some(&b'-'));
    let known = |prefix: &&str| value.starts_with(*prefix) && (value.len() > prefix.len() + MORE || value.len() > LONG);
    slack
        || PREFIXES.iter().any(known)
        || (NAMES.iter().any(|word| name.contains(word)) && value.len() > SHORT && looks_random(value))
}

/// Digits or capitals among letters, and neither path, sentence nor address.
fn looks_random(value: &str) -> bool {
    let any = |kind: fn(&u8) -> bool| value.bytes().any(|byte| kind(&byte));
    let (digits, letters) = (any(u8::is_ascii_digit), any(u8::is_ascii_alphabetic));
    let mixed = any(u8::is_ascii_lowercase) && any(u8::is_ascii_uppercase);
    let mut seen = [false; 256];
    value.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    let various = seen.iter().filter(|seen| **seen).count() >= 8;
    let plain = value.contains(' ') || value.starts_with(['/', '.', '~']) || value.contains("://");
    // A slash may stand in Base64; without one, few different characters are enough.
    let simple = digits && !value.contains([' ', '/']);
    letters && (simple || (!plain && (digits || mixed) && various))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_prefixes_and_random_values_of_telling_names_are_secrets() {
        for (name, value) in [
            ("X", "sk-ant-api03-abcdef"),
            ("X", "ghp_0123456789abcdef"),
            ("X", "ghp_abcdefghijklmnop"),
            ("X", "github_pat_11ABCDEF"),
            ("X", "AKIAIOSFODNN7EXAMPLE"),
            ("X", "xoxb-123456-abc"),
            ("X", "xoxe.xoxp-1-abc"),
            ("X", "AIzaSyA-1234567"),
            ("X", "npm_abcdefghijk"),
            ("X", "hf_abcdefghijk"),
            ("X", "eyJhbGciOiJIUzI1NiJ9.e30.x"),
            ("X", "-----BEGIN OPENSSH PRIVATE KEY-----"),
            ("X", " sk-ant-api03-abcdef\n"),
            ("db_password", "hT7kQ93zLm2pWx81vB"),
            ("db_password", "hTkQzLmpWxvBnRtYsd"),
            ("MY_TOKEN", "0f3a9c7e51d24b68aa01"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("MY_TOKEN", "a1a1a1a1a1a1a1a1a1a1"),
            ("OPENAI_API_KEY", "a1b2c3d4e5f6a7b8c9d0"),
        ] {
            assert!(looks_secret(name, value), "{name}={value}");
        }
    }

    #[test]
    fn ordinary_values_are_none() {
        for (name, value) in [
            ("CI", "1"),
            ("PATH", "/usr/bin:/bin:/usr/local/bin0"),
            ("KEYBOARD", "us-intl"),
            ("TOKENIZERS_PARALLELISM", "false"),
            ("OPENAI_API_KEY", "unused"),
            ("SSH_KEY_PATH", "/home/me/.ssh/id_ed25519_2024"),
            ("TOKEN_URL", "https://id.example/oauth2/Token"),
            ("GREETING", "0f3a9c7e51d24b68aa01"),
            ("KEY_HELP", "press The 1 any key you like"),
            ("X", "sk-"),
        ] {
            assert!(!looks_secret(name, value), "{name}={value}");
        }
    }
}
