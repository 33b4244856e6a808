use std::collections::BTreeSet;

use policy::{Conjunction, Doubt, Host, Rule, Target};
use proptest::prelude::*;

use super::super::{Card, Joined, Queue, Say, Wanted, lets, offer};
use super::*;

fn source(number: u8) -> Source {
    let places = vec![format!("mail/{number}")];
    Source { tool: "read_mail".into(), places, sha256: format!("{number:064x}"), author: None }
}

fn doubt(role: Role, value: &str, sources: Vec<Source>) -> Doubt {
    Doubt {
        effect: None,
        argument: Some("to".into()),
        role: Some(role),
        value: value.into(),
        whole: true,
        why: "nothing chooses it".into(),
        around: "pay the bill".into(),
        sources,
    }
}

fn wanted(effects: &[Effect], request: u8, doubts: Vec<Doubt>) -> Wanted {
    let doubted = Doubted { tool: "act".into(), effects: effects.iter().copied().collect(), doubts };
    Wanted {
        pid: None,
        program: vec!["/usr/bin/agent".into()],
        host: Host::parse("inference.bastide").expect("a host"),
        port: 80,
        request: None,
        rule: Rule::to(Target::parse("inference.bastide:80").expect("a target")),
        causes: vec!["g1".into()],
        call: Some(Box::new(Calling { doubted, request: format!("{request:064x}"), long: false })),
        words: "{}".into(),
    }
}

/// A call to send something: the same number is the same one.
pub(in crate::question) fn calling(number: u8) -> Wanted {
    wanted(&[Effect::Send], number, vec![doubt(Role::Target, &format!("a{number}@x.example"), vec![source(number)])])
}

fn stand<'a>(policy: &'a Conjunction, denied: &'a [&'a Wanted]) -> Stand<'a> {
    Stand { policy, granted: &[], endorsed: &[], today: Day::of(0), denied, seen: true, alone: true, labels: &[] }
}

fn offered(wanted: &Wanted, denied: &[&Wanted]) -> (Offer, Endorses) {
    let policy = Conjunction::new(Vec::new());
    let offer = offer(wanted, &stand(&policy, denied)).expect("an offer");
    let endorses = offer.endorses.clone().expect("of a call");
    (offer, endorses)
}

#[test]
fn a_value_or_its_source_is_offered_and_each_lets_through_what_waits_alone() {
    let call = calling(1);
    assert!(call.fits() && call.is_sound() && call.does().as_deref() == Some("act to send"));
    let (offer, endorses) = offered(&call, &[]);
    assert!(offer.session && offer.always && offer.risk == Risk::Usual, "{offer:?}");
    let source = endorses.source.expect("a source");
    let standing = endorses.standing.expect("for a while");
    assert_eq!(standing.until, Some(Day::of(0).after(30)));
    let of = |wanted: &Wanted, by: &Endorsement| {
        wanted.call.as_ref().expect("a call").lifted(std::slice::from_ref(by), Day::of(0))
    };
    for by in [&endorses.values[0], &source, &standing] {
        assert!(of(&call, by) && !of(&calling(2), by), "{by}");
        // The same with another target; with another effect.
        let other = wanted(&[Effect::Send], 1, vec![doubt(Role::Target, "b@x.example", vec![self::source(1)])]);
        let deletes = wanted(
            &[Effect::Send, Effect::Delete],
            1,
            vec![doubt(Role::Target, "a1@x.example", vec![self::source(1)])],
        );
        assert!(!of(&other, by) && !of(&deletes, by), "{by}");
    }
    let card = card(&call);
    let text = serde_json::to_string(&card).expect("JSON");
    assert!(text.ends_with("\"words\":\"{}\"}"), "{text}");
    assert_eq!(serde_json::from_str::<Card>(&text).expect("read"), card);
    for say in [
        Say::Once,
        Say::Session { seconds: None, wide: false },
        Say::Session { seconds: Some(9), wide: true },
        Say::Always,
        Say::Deny,
    ] {
        assert!(card.offers(say), "{say:?}");
    }
    assert!(card.choices[2].rule.as_ref().is_some_and(|rule| rule.contains("sha256") && rule.contains("a1@x.example")));
    assert!(!lets(&Conjunction::new(Vec::new()), &call), "no rule of the network lets a call through");
}

fn card(call: &Wanted) -> Card {
    let mut queue = Queue::new([7; 32], 1);
    assert!(matches!(queue.ask(0, 1, call.clone()), Joined::New(_)));
    Card::of(queue.open().next().expect("one"), &offered(call, &[]).0, 1, 0)
}

#[test]
fn what_cannot_be_taken_back_is_answered_call_by_call() {
    for effect in [Effect::Spend, Effect::Delete, Effect::Publish, Effect::Spawn] {
        let call = wanted(&[effect], 1, vec![doubt(Role::Target, "a@x.example", vec![source(1)])]);
        let (offer, endorses) = offered(&call, &[]);
        assert!(!offer.session && !offer.always && offer.risk == Risk::High && endorses == Endorses::default());
        let card = card(&call);
        let offers: Vec<&str> = card.choices.iter().map(|choice| choice.answer.name()).collect();
        assert_eq!(offers, ["once", "deny"]);
    }
}

#[test]
fn what_stands_in_no_one_source_or_not_whole_or_was_denied_beside_it_is_offered_less() {
    let apart = wanted(
        &[Effect::Send],
        1,
        vec![doubt(Role::Target, "a@x.example", vec![source(1)]), doubt(Role::Content, "b", vec![source(2)])],
    );
    let (_, endorses) = offered(&apart, &[]);
    assert!(endorses.source.is_none() && endorses.values.len() == 2);
    let cut = wanted(&[Effect::Send], 1, vec![Doubt { whole: false, ..doubt(Role::Content, "a", vec![source(1)]) }]);
    let (_, endorses) = offered(&cut, &[]);
    assert!(endorses.source.is_some() && endorses.values.is_empty());
    // Another call of the same source was denied: that source is not endorsed, its value is.
    let call = wanted(&[Effect::Send], 1, vec![doubt(Role::Content, "a", vec![source(1)])]);
    let denied = wanted(&[Effect::Send], 2, vec![doubt(Role::Content, "b", vec![source(1)])]);
    let (_, endorses) = offered(&call, &[&denied]);
    assert!(endorses.source.is_none() && endorses.values.len() == 1);
    // The same call, asked again.
    assert!(offered(&call, &[&call]).1.source.is_some());
}

#[test]
fn what_is_too_much_to_be_shown_is_not_asked_about() {
    let with =
        |count: usize| wanted(&[Effect::Send], 1, vec![doubt(Role::Target, "a@x.example", vec![source(1)]); count]);
    assert!(with(MOST_DOUBTS).fits() && !with(MOST_DOUBTS + 1).fits() && !with(0).fits());
    let many = wanted(&[Effect::Send], 1, vec![doubt(Role::Target, "a", vec![source(1); MOST_PLACES + 1])]);
    let long = wanted(&[Effect::Send], 1, vec![doubt(Role::Target, &"a".repeat(MOST_TEXT + 1), vec![source(1)])]);
    assert!(!many.fits() && !long.fits());
}

fn any_call() -> impl Strategy<Value = Wanted> {
    let effect = prop_oneof![Just(Effect::Send), Just(Effect::Write), Just(Effect::Read), Just(Effect::Execute)];
    let role = prop_oneof![Just(Role::Target), Just(Role::Content), Just(Role::Reference)];
    let one = (role, "[ab]", proptest::collection::vec((0..3_u8).prop_map(source), 0..3))
        .prop_map(|(role, value, sources)| doubt(role, &value, sources));
    (proptest::collection::btree_set(effect, 1..3), 0..20_u8, proptest::collection::vec(one, 1..3)).prop_map(
        |(effects, request, doubts)| {
            let effects: Vec<Effect> = effects.into_iter().collect();
            wanted(&effects, request, doubts)
        },
    )
}

/// A second reading of what an answer's endorsements cover, kept as simply as can be.
fn covered(call: &Wanted, by: &Endorsement) -> bool {
    let doubted = &call.call.as_ref().expect("a call").doubted;
    let changes: BTreeSet<Effect> = doubted.effects.iter().copied().filter(|effect| *effect != Effect::Read).collect();
    let all = if changes.is_empty() { by.effects.contains(&Effect::Read) } else { changes.is_subset(&by.effects) };
    all && doubted.doubts.iter().all(|doubt| match &by.of {
        Endorsed::Value { role, value } => doubt.role == Some(*role) && doubt.value == *value,
        Endorsed::Source { source, targets } => {
            let hash = source.sha256.as_ref().expect("a hash");
            let named = targets.as_ref().expect("targets").iter().any(|target| target.as_str() == doubt.value);
            doubt.sources.iter().any(|one| one.sha256 == *hash) && (doubt.role != Some(Role::Target) || named)
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// An endorsement that an answer gives lets through what was asked, and of other calls those that it is about: never another
    /// content, effect or target.
    #[test]
    fn an_answer_covers_what_it_says(call in any_call(), others in proptest::collection::vec(any_call(), 1..6)) {
        let (_, endorses) = offered(&call, &[]);
        let one = |wanted: &Wanted, by: &Endorsement| wanted.call.as_ref().expect("a call").lifted(std::slice::from_ref(by), Day::of(0));
        if let Some(by) = &endorses.source {
            prop_assert!(one(&call, by));
            for other in &others {
                prop_assert_eq!(one(other, by), covered(other, by), "{} {:?}", by, other);
            }
        }
        for by in &endorses.values {
            for other in &others {
                prop_assert_eq!(one(other, by), covered(other, by), "{} {:?}", by, other);
            }
        }
    }
}
