use super::*;
use crate::event::Kind;
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

const WORDS: &str = "the quick brown fox jumps over the lazy dog with the key s3cr3t in its mouth";

/// Every kind that tells what was said.
fn spoken(words: &str) -> [Kind; 4] {
    let said = |form: &str, tool: &str| Kind::Said {
        speaker: "assistant".into(),
        form: form.into(),
        tool: Some(tool.into()),
        words: words.into(),
        digest: "00".into(),
        standing: "new".into(),
    };
    let quoted = words.to_owned();
    let evidence = Kind::Evidence { what: "carries a".into(), source: "`b`".into(), how: String::new(), quoted };
    let answered = Kind::Answered {
        model: "g1".parse().expect("an id"),
        input: None,
        output: None,
        stop: Some(words.into()),
        whole: false,
        error: Some("the provider answers 400".into()),
        complaint: Some(words.into()),
        cost: None,
    };
    [said("tool-call", "bash"), said(words, words), evidence, answered]
}

fn kept(bodies: Bodies, bounds: Bounds, kind: &Kind) -> String {
    let mut redactor = knowing(&[("key", "s3cr3t")]);
    redactor.keep(bodies);
    serde_json::to_string(&redactor.kind(kind, bounds)).expect("JSON")
}

#[test]
fn where_bodies_are_hashed_nothing_of_their_text_is_left() {
    let masked = WORDS.replace("s3cr3t", "[redacted:key]");
    for kind in spoken(WORDS) {
        let hashed = kept(Bodies::Hash, Bounds::USUAL, &kind);
        assert!(hashed.contains(&bodies::mark(&masked)), "{hashed}");
        assert!(!["quick", "s3cr3t", "redacted:key"].iter().any(|word| hashed.contains(word)), "{hashed}");
        for bodies in [Bodies::Redacted, Bodies::Full] {
            let text = kept(bodies, Bounds::USUAL, &kind);
            assert!(text.contains(&masked) && !text.contains("s3cr3t"), "{text}");
        }
    }
    // What is called and how it ended are names, where they are no more than that.
    let call = kept(Bodies::Hash, Bounds::USUAL, &spoken("")[0]);
    assert!(call.contains("\"tool\":\"bash\"") && call.contains("\"words\":\"\""), "{call}");
}

#[test]
fn where_bodies_are_kept_their_bound_is_another_than_that_of_names() {
    let long = format!("<{}>", "s3cr3t ".repeat(2000));
    for kind in spoken(&long) {
        let full = kept(Bodies::Full, Bounds::FULL, &kind);
        assert!(full.contains("> ") || full.contains(">\""), "its end is kept");
        assert!(full.matches("[redacted:key]").count() >= 2000 && !full.contains("s3cr3t"));
        assert!(kept(Bodies::Redacted, Bounds::USUAL, &kind).contains("bytes more]"));
    }
}
