//! Bounds of a rule on answers: which are let in, that policies in one cell join, that a layer only narrows, and that what
//! is printed reads back.
#![cfg(feature = "read")]

use policy::read::{Source, blueprint, read as compile};
use policy::{
    AnswerHead, Answers, Conjunction, Decision, Egress, Host, MediaPattern, Policy, Request, Rule, Target, Unfit,
    decide,
};
use proptest::prelude::*;

fn answers(size: Option<u64>, types: Option<&[&str]>) -> Answers {
    let types = types.map(|types| types.iter().map(|one| MediaPattern::parse(one).expect(one)).collect());
    Answers { size, types }
}

fn head(kind: Option<&str>) -> AnswerHead {
    AnswerHead { has_body: true, kind: kind.map(str::to_owned), length: None, coded: false }
}

#[test]
fn types_are_matched_by_what_is_said_without_parameters_and_case() {
    for (pattern, kind, taken) in [
        ("application/json", "application/json", true),
        ("application/json", "Application/JSON; charset=utf-8", true),
        ("application/json", " application/json ", true),
        ("application/json", "application/json5", false),
        ("application/json", "application/problem+json", false),
        ("application/*+json", "application/problem+json", true),
        ("application/*+json", "application/json", false),
        ("application/*+json", "application/+json", false),
        ("text/*", "text/html", true),
        ("text/*", "texts/html", false),
        ("text/*", "application/json", false),
        ("*/*", "image/png", true),
        // No type, and more than one: readers differ in which of them counts.
        ("*/*", "", false),
        ("*/*", "image", false),
        ("*/*", "image/", false),
        ("*/*", "a/b/c", false),
        ("text/*", "text/html, application/json", false),
        ("text/*", "text/html; x=a,application/json", false),
        ("*/*", "text/\u{e9}", false),
    ] {
        let judged = answers(None, Some(&[pattern])).admits(&head(Some(kind)));
        assert_eq!(judged.is_ok(), taken, "{pattern} {kind}: {judged:?}");
    }
    let bounds = answers(None, Some(&["text/*"]));
    assert_eq!(bounds.admits(&head(None)), Err(Unfit::Kindless("`text/*`".into())));
    // What a server says is told without what moves a cursor or ends a quote, and not at length.
    let odd = format!("a`\u{1b}[2J{}", "x".repeat(500));
    let Err(Unfit::Kind { said, .. }) = bounds.admits(&head(Some(&odd))) else { panic!("{odd} was let in") };
    assert!(said.starts_with("a[2Jxx") && said.len() == 80, "{said}");
    // An answer without a body needs none, and no length of it counts.
    let bare = AnswerHead { has_body: false, kind: None, length: Some(u64::MAX), coded: true };
    assert_eq!(answers(Some(1), Some(&["text/*"])).admits(&bare), Ok(()));
}

#[test]
fn sizes_are_judged_as_told_and_as_they_come() {
    let bounds = answers(Some(10), None);
    let told = |length, coded| bounds.admits(&AnswerHead { has_body: true, kind: None, length, coded });
    assert_eq!((told(Some(10), false), told(None, false)), (Ok(()), Ok(())));
    assert_eq!(told(Some(11), false), Err(Unfit::Long(10)));
    // How long it is when it is undone, its head does not tell.
    assert_eq!(told(Some(1), true), Err(Unfit::Coded));
    assert_eq!((bounds.holds(10), bounds.holds(11)), (Ok(()), Err(Unfit::Long(10))));
    assert_eq!(answers(None, Some(&["*/*"])).holds(u64::MAX), Ok(()));
}

const PATTERNS: [&str; 8] = [
    "*/*",
    "text/*",
    "text/html",
    "application/*",
    "application/json",
    "application/*+json",
    "application/*+ld+json",
    "application/problem+json",
];
const KINDS: [Option<&str>; 9] = [
    None,
    Some("text/html"),
    Some("text/csv"),
    Some("application/json"),
    Some("application/problem+json"),
    Some("application/x+ld+json"),
    Some("application/ld+json"),
    Some("image/png"),
    Some("nothing"),
];

fn some() -> impl Strategy<Value = Answers> {
    let types = prop::option::of(prop::sample::subsequence(&PATTERNS[..], 0..4));
    (prop::option::of(0u64..4), types).prop_map(|(size, types)| answers(size, types.as_deref()))
}

/// Which of a fixed list of answers are let in: a second reading of what bounds mean.
fn let_in(bounds: &Answers) -> Vec<bool> {
    let each = KINDS.iter().flat_map(|kind| (0u64..5).map(move |length| (*kind, length)));
    each.map(|(kind, length)| bounds.admits(&AnswerHead { length: Some(length), ..head(kind) }).is_ok()).collect()
}

fn rule(bounds: &Answers) -> Policy {
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    let to = Rule::to(Target::parse("a.example:443").expect("a target"));
    policy.network.allow = vec![Rule { protocol: policy::Protocol::Http, answers: bounds.clone(), ..to }];
    policy
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// A child's bounds join those of its parents: what all of them let in, and nothing else.
    #[test]
    fn a_conjunction_lets_in_what_every_member_does(members in prop::collection::vec(some(), 1..4)) {
        let all = Conjunction::new(members.iter().map(rule).collect());
        let (host, request) = (Host::parse("a.example").expect("a host"), Request::new("GET", "/").expect("a request"));
        let egress = Egress { host: &host, port: 443, program: None, request: Some(&request) };
        let Decision::Allow(permit) = decide(&all, &egress) else { panic!("it is allowed") };
        let joined = permit.answers();
        prop_assert_eq!(joined.is_some(), members.iter().any(Answers::is_some));
        let one_by_one = members.iter().map(let_in).reduce(|all, one| {
            all.into_iter().zip(one).map(|(left, right)| left && right).collect()
        });
        prop_assert_eq!(let_in(&joined.unwrap_or_default()), one_by_one.expect("members"));
    }

    /// A rule that covers another one lets in whatever that does.
    #[test]
    fn what_covers_is_no_narrower(wide in some(), narrow in some()) {
        let (own, other) = (rule(&wide), rule(&narrow));
        if own.network.allow[0].covers(&other.network.allow[0]) {
            let fits = let_in(&wide).into_iter().zip(let_in(&narrow)).all(|(wide, narrow)| wide || !narrow);
            prop_assert!(fits, "{wide:?} {narrow:?}");
        }
    }
}

fn read(text: &str) -> Policy {
    let source = Source { name: "test".into(), text: text.into(), widens: true };
    compile(&source, None, &mut blueprint).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_layer_that_is_not_the_operators_only_narrows_them() {
    let bounds = |text: &str| format!("network: {{allow: [{{to: \"a.example:443\"{text}}}]}}\n");
    let own = read(
        &("bastide: 1\nname: x\n".to_owned()
            + &bounds(", answers: {size: 10MiB, types: [application/json, \"text/*\"]}")),
    );
    let rule = &own.network.allow[0];
    assert_eq!(rule.protocol, policy::Protocol::Http);
    assert_eq!(rule.answers, answers(Some(10 << 20), Some(&["application/json", "text/*"])));
    assert_eq!(
        rule.to_string(),
        "{to: \"a.example:443\", answers: {size: 10MiB, types: [\"application/json\", \"text/*\"]}}"
    );
    assert_eq!(read(&own.to_yaml()), own);
    let wider = |answers: Answers| Rule { answers, ..rule.clone() };
    assert!(rule.covers(&wider(answers(Some(1 << 20), Some(&["text/html"])))));
    for wide in [
        answers(Some(1 << 30), Some(&["text/html"])),
        answers(None, Some(&["text/html"])),
        answers(Some(1), None),
        answers(Some(1), Some(&["*/*"])),
    ] {
        assert!(!rule.covers(&wider(wide.clone())), "{wide:?}");
    }
}
