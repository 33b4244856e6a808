use super::*;
use proptest::prelude::*;

fn knowing(secrets: &[(&str, &str)]) -> Redactor {
    let mut redactor = Redactor::new();
    for (name, value) in secrets {
        redactor.add(name, value).expect("long enough");
    }
    redactor
}

#[test]
fn a_secret_becomes_its_name() {
    let redactor = knowing(&[("key", "s3cr3t")]);
    assert_eq!(redactor.text("a=s3cr3t&b=S3CR3T", 99), "a=[redacted:key]&b=[redacted:key]");
}

#[test]
fn overlapping_secrets_leave_no_half() {
    let redactor = knowing(&[("one", "abcdef"), ("two", "defghi")]);
    assert_eq!(redactor.text("<abcdefghi>", 99), "<[redacted:one]>");
}

#[test]
fn a_secret_with_line_ends_is_found() {
    assert_eq!(knowing(&[("pem", "ab\ncd")]).text("x ab\ncd", 99), "x [redacted:pem]");
}

#[test]
fn a_short_secret_is_refused() {
    assert!(Redactor::new().add("pin", "123").is_err());
}

#[test]
fn deceptive_characters_are_written_out() {
    assert_eq!(visible("a\u{202e}b\u{1b}[2J\n"), "a\\u{202e}b\\u{1b}[2J\\n");
}

#[test]
fn debug_shows_no_secret() {
    assert!(!format!("{:?}", knowing(&[("key", "s3cr3t")])).contains("s3cr3t"));
}

proptest! {
    #[test]
    fn no_secret_is_left(
        secret in "[a-c\\[:\n\u{202e}]{4,6}|redacted|\\[redacted",
        other in "[a-cé]{4,6}",
        parts in prop::collection::vec("[a-c\\[\n]{0,5}", 0..6),
        limit in 0usize..64,
    ) {
        let redactor = knowing(&[("x", &secret), ("y", &other)]);
        for text in [parts.join(&secret), parts.join(&other)] {
            let out = redactor.text(&text, limit).to_ascii_lowercase();
            prop_assert!(!out.contains(&secret));
            prop_assert!(!out.contains(&other));
        }
    }

    #[test]
    fn any_text_comes_out_bounded_and_visible(text in any::<String>(), limit in 0usize..64) {
        let out = Redactor::new().text(&text, limit);
        prop_assert!(out.len() <= limit + 40);
        prop_assert!(!out.contains(deceives));
        prop_assert_eq!(visible(&out), out.as_str());
    }
}
