//! What there is to say about a file that Landlock refused. The option is not checked against a policy: only the plane,
//! which has it, can say whether a rule hides the path.

use super::word;
use crate::event::Kind;
use crate::redact::visible;

/// The layer that refused.
pub(super) const LAYER: &str = "landlock";

/// What `--read` grants: a path there can also be executed.
const READING: [&str; 3] = ["read_file", "read_dir", "execute"];
/// What neither option grants.
const NEVER: [&str; 4] = ["make_char", "make_block", "ioctl_dev", "change_topology"];

/// The kernel's mark on a file without a name.
const DELETED: &str = " (deleted)";

/// The option of `run` that names the path; none where no option grants what was asked for, or where the path was not
/// recorded as it is.
#[must_use]
pub fn option(kind: &Kind) -> Option<String> {
    let Kind::FileRefused { path: Some(path), access, .. } = kind else { return None };
    // Written-out or blanked characters are no longer the file's name, and what was cut off ends in a mark.
    let whole = path.starts_with('/')
        && !path.contains(['\\', '\'', '…'])
        && !path.contains("[redacted")
        && !path.ends_with(DELETED);
    if !whole || visible(path) != path.as_str() || access.is_empty() {
        return None;
    }
    if access.iter().any(|one| NEVER.contains(&one.as_str())) {
        return None;
    }
    let reading = access.iter().all(|one| READING.contains(&one.as_str()));
    Some(format!("{} {}", if reading { "--read" } else { "--write" }, quoted(path)))
}

pub(super) fn reason(kind: &Kind) -> String {
    let Kind::FileRefused { access, .. } = kind else { return String::new() };
    format!("the cell may not {} there; `bastide why --file PATH` tells what the policy says", words(access))
}

pub(super) fn describe(kind: &Kind) -> String {
    let Kind::FileRefused { program, access, path, untold, .. } = kind else { return String::new() };
    let Some(path) = path else {
        return format!("files refused besides, not told one by one: {untold}");
    };
    let by = program.as_ref().map(|program| format!(" of `{}`", word(program))).unwrap_or_default();
    format!("access{by} to `{}` refused: {}", word(path), words(access))
}

fn words(access: &[String]) -> String {
    const SHOWN: usize = 16;
    let said: Vec<_> = access.iter().take(SHOWN).map(|one| word(&one.replace('_', " "))).collect();
    if said.is_empty() { "do what was asked".into() } else { said.join(", ") }
}

/// As a shell reads it back. The path holds no quote.
fn quoted(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.:@%+=,".contains(&byte);
    if path.bytes().all(plain) { path.to_owned() } else { format!("'{path}'") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventId, Segment, Verdict};
    use crate::redact::{Bounds, Redactor};
    use crate::{Entry, summarise, why};

    fn refused(path: Option<&str>, access: &[&str]) -> Kind {
        Kind::FileRefused {
            pid: Some(7),
            program: Some("/usr/bin/cat".into()),
            access: access.iter().map(|&one| one.to_owned()).collect(),
            path: path.map(str::to_owned),
            untold: 0,
        }
    }

    fn asked(kind: Kind) -> crate::Explanation {
        let id = EventId { segment: Segment::Plane, seq: 4 };
        why(&[Entry { id, event: Event { seq: 4, at: 5, cause: Vec::new(), kind } }], id).expect("held")
    }

    #[test]
    fn a_refused_file_names_the_layer_and_the_option() {
        let answer = asked(refused(Some("/etc/shadow"), &["read_file"]));
        assert_eq!(answer.what, "access of `/usr/bin/cat` to `/etc/shadow` refused: read file");
        assert_eq!((answer.verdict, answer.rule.as_deref()), (Some(Verdict::Refused), Some("landlock")));
        assert_eq!(answer.suggestion.as_deref(), Some("--read /etc/shadow"));
        assert_eq!(answer.program, ["/usr/bin/cat"]);
        assert!(answer.reason.is_some_and(|reason| reason.contains("bastide why --file")));
        let writing = asked(refused(Some("/srv/a b"), &["read_file", "write_file"]));
        assert_eq!(writing.suggestion.as_deref(), Some("--write '/srv/a b'"));
    }

    #[test]
    fn no_option_is_made_of_a_name_that_is_not_the_files() {
        let long = format!("/{}", "x".repeat(9000));
        for path in ["relative", "/a\u{1b}[2J", "/it's", "/gone (deleted)", "/a\u{202e}b", long.as_str()] {
            let kind = Redactor::new().kind(refused(Some(path), &["read_file"]), Bounds::USUAL);
            assert_eq!(option(&kind), None, "{path:.40}");
            assert_eq!(visible(&describe(&kind)), describe(&kind));
        }
        assert_eq!(option(&refused(Some("/dev/x"), &["ioctl_dev"])), None);
        assert_eq!(option(&refused(Some("/dev/x"), &[])), None);
    }

    #[test]
    fn a_secret_in_a_path_is_taken_out() {
        let mut redactor = Redactor::new();
        redactor.add("token", "hunter22").expect("long enough");
        let mut kind = refused(Some("/tmp/hunter22\n"), &["hunter22"]);
        if let Kind::FileRefused { program, .. } = &mut kind {
            *program = Some("/hunter22".into());
        }
        let kind = redactor.kind(kind, Bounds::USUAL);
        let json = serde_json::to_string(&kind).expect("json");
        assert!(!json.contains("hunter22") && json.contains(r"/tmp/[redacted:token]\\n"), "{json}");
        assert_eq!(option(&kind), None);
    }

    #[test]
    fn file_refusals_are_counted_apart() {
        let mut rest = refused(None, &[]);
        if let Kind::FileRefused { untold, .. } = &mut rest {
            *untold = 40;
        }
        assert_eq!(describe(&rest), "files refused besides, not told one by one: 40");
        let event = |kind| Event { seq: 1, at: 0, cause: Vec::new(), kind };
        let events = [event(refused(Some("/a"), &["read_file"])), event(rest)];
        assert!(events[0].is_refusal() && !events[1].is_refusal());
        let summary = summarise(&events);
        assert_eq!((summary.files_refused, summary.refused.len()), (41, 0));
    }

    #[test]
    fn the_line_reads_back() {
        let kind = refused(Some("/a"), &["read_file"]);
        let json = serde_json::to_string(&kind).expect("json");
        assert!(json.contains(r#""kind":"file-refused""#) && !json.contains("untold"), "{json}");
        assert_eq!(serde_json::from_str::<Kind>(&json).expect("read"), kind);
    }
}
