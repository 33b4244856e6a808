//! Why the plane did not do what it was asked: each kind with its stable code, its hint and its exit code.

use std::fmt::Display;
use std::io::ErrorKind;

use wire::command::Problem;

/// Nothing was run.
pub const NOT_RUN: u8 = 125;
/// The program was not found inside.
pub const NOT_FOUND: u8 = 127;
/// The answer is no, or the request is wrong.
pub const NO: u8 = 1;

/// A problem with its hint.
#[must_use]
pub fn problem(code: &str, cause: impl Display, hint: &str, exit: u8) -> Problem {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    Problem { code: code.into(), cause: cause.to_string(), hint, exit }
}

/// The state directory or a file in it cannot be used.
#[must_use]
pub fn state(what: &str, path: &std::path::Path, error: &std::io::Error) -> Problem {
    let holding = shell(&holding(path).to_string_lossy());
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => format!("look whose it is, and who may write there: `ls -ld {holding}`"),
        ErrorKind::ReadOnlyFilesystem => format!("it is mounted read-only: `findmnt -T {holding}` says how"),
        _ => format!("look at the file system that holds it: `df -h {holding}`"),
    };
    problem("E-PLANE-001", format!("cannot {what} `{}`: {error}", path.display()), &hint, NOT_RUN)
}

/// The directory of a path that is there.
fn holding(path: &std::path::Path) -> &std::path::Path {
    path.ancestors().find(|above| above.is_dir()).unwrap_or(path)
}

/// Words of somebody else for a message: on one line, bounded, and nothing in them moves the cursor.
#[must_use]
pub fn quoted(text: &str) -> String {
    const MOST: usize = 4200;
    let shown = record::redact::visible(text);
    match shown.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown.into_owned(),
    }
}

/// A word as a shell takes it back unchanged.
#[must_use]
pub fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        // Such a word is written in the one form that says what is in it.
        let spelled: String = word.chars().map(spell).collect();
        return format!("$'{spelled}'");
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn spell(letter: char) -> String {
    match letter {
        '\'' | '\\' => format!("\\{letter}"),
        _ if letter.is_control() => format!("\\U{:08X}", u32::from(letter)),
        _ => letter.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_is_about_what_failed() {
        for (kind, hint) in [
            (ErrorKind::PermissionDenied, "ls -ld /"),
            (ErrorKind::ReadOnlyFilesystem, "findmnt -T /"),
            (ErrorKind::StorageFull, "df -h /"),
        ] {
            let told = state("write", std::path::Path::new("/nowhere/x"), &kind.into());
            assert!(told.hint.as_ref().is_some_and(|told| told.contains(&format!("`{hint}`"))), "{told:?}");
        }
    }

    #[test]
    fn words_come_back_from_a_shell_unchanged() {
        for word in ["plain", "a b", "it's", "$(x)", "tab\tand\u{1b}", "*", "\u{fc}\u{7f}"] {
            let command = format!("printf %s {}", shell(word));
            let printed = std::process::Command::new("bash").args(["-c", &command]).output().expect("bash");
            assert_eq!(String::from_utf8_lossy(&printed.stdout), word, "{command}");
            assert!(!shell(word).chars().any(char::is_control));
        }
    }
}
