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

/// The cell cuts an argument before anything here sees it.
#[test]
fn a_cut_secret_is_found_by_its_beginning() {
    let token = format!("ghp_{}", "0123456789abcdefghij".repeat(20));
    let redactor = knowing(&[("token", &token)]);
    let whole = format!("authorization: bearer {token}");
    for length in 0..whole.len() {
        let (cut, begun) = (&whole[..length], length.saturating_sub(whole.len() - token.len()));
        let out = redactor.text(cut, 999);
        if begun < MIN_BEGINNING {
            assert_eq!(out, cut);
        } else {
            assert_eq!(out, "authorization: bearer [redacted:token]", "{length}");
        }
    }
    assert_eq!(redactor.text(&format!("{}.", &token[..99]), 999), format!("{}.", &token[..99]), "it was not cut there");
    assert_eq!(redactor.text(&format!("{}\u{fffd}", &token.to_uppercase()[..99]), 999), "[redacted:token]");
    let odd = knowing(&[("odd", "ééééééééééééééééé")]);
    assert_eq!(odd.text("<éééééééééé\u{fffd}", 99), "<[redacted:odd]");
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
    let drawn_as_nothing =
        "\u{34f}\u{115f}\u{1160}\u{17b4}\u{180b}\u{180f}\u{3164}\u{fe0f}\u{ffa0}\u{1d173}\u{e0080}\u{e0fff}";
    for letter in drawn_as_nothing.chars() {
        assert_eq!(visible(&letter.to_string()), format!("\\u{{{:x}}}", u32::from(letter)));
    }
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
        prop_assert!(!out.contains(hidden));
        prop_assert_eq!(visible(&out), out.as_str());
    }
}
