use super::*;

const IBAN: &str = "GB29NWBK60161331926819";

fn source(sha256: &str) -> Source {
    Source { tool: "read_file".into(), places: vec!["./bill.txt".into()], sha256: sha256.into(), author: None }
}

fn doubt(role: Role, value: &str, sources: &[Source]) -> Doubt {
    Doubt {
        effect: None,
        argument: Some("x".into()),
        role: Some(role),
        value: value.into(),
        whole: true,
        why: "it stands there".into(),
        around: String::new(),
        sources: sources.to_vec(),
    }
}

fn asks(effect: Effect, sources: &[Source]) -> Doubt {
    Doubt { effect: Some(effect), argument: None, role: None, ..doubt(Role::Target, effect.name(), sources) }
}

fn call(effects: &[Effect], doubts: Vec<Doubt>) -> Doubted {
    Doubted { tool: "send_money".into(), effects: effects.iter().copied().collect(), doubts }
}

fn endorse(of: Endorsed, effects: &[Effect]) -> Endorsement {
    Endorsement { of, effects: effects.iter().copied().collect(), until: None }
}

fn from(source: Origin, targets: Option<&[&str]>) -> Endorsed {
    let literal = |target: &&str| TextPattern::parse(target).expect("a pattern");
    Endorsed::Source { source, targets: targets.map(|targets| targets.iter().map(literal).collect()) }
}

fn lifts(call: &Doubted, by: &[Endorsement]) -> bool {
    call.lifted(by, Day::of(0)).is_some()
}

#[test]
fn a_source_is_endorsed_for_its_effects_and_targets_and_no_later_content_is() {
    let there = source("aa");
    let pay = call(
        &[Effect::Spend],
        vec![
            asks(Effect::Spend, std::slice::from_ref(&there)),
            doubt(Role::Target, IBAN, std::slice::from_ref(&there)),
        ],
    );
    let exact = from(Origin::exactly(&there), Some(&[IBAN]));
    assert!(lifts(&pay, &[endorse(exact.clone(), &[Effect::Spend])]));
    assert!(!lifts(&pay, &[endorse(exact.clone(), &[Effect::Send])]), "another effect");
    assert!(
        !lifts(&pay, &[endorse(from(Origin::exactly(&source("ab")), Some(&[IBAN])), &[Effect::Spend])]),
        "another content"
    );
    assert!(
        !lifts(&pay, &[endorse(from(Origin::exactly(&there), Some(&["CH93"])), &[Effect::Spend])]),
        "another target"
    );
    assert!(!lifts(&pay, &[endorse(from(Origin::exactly(&there), Some(&[])), &[Effect::Spend])]), "no target");
    assert!(lifts(&pay, &[endorse(from(Origin::exactly(&there), None), &[Effect::Spend, Effect::Send])]));
    // All that it does has to be endorsed, by whatever speaks for any of it.
    let both = Doubted { effects: [Effect::Spend, Effect::Delete].into(), ..pay.clone() };
    assert!(!lifts(&both, &[endorse(exact.clone(), &[Effect::Spend]), endorse(exact, &[Effect::Delete])]));
    // One value more that stands elsewhere stays.
    let mut more = pay;
    more.doubts.push(doubt(Role::Amount, "9999", &[source("cc")]));
    assert!(!lifts(&more, &[endorse(from(Origin::exactly(&there), None), &[Effect::Spend])]));
}

#[test]
fn a_value_is_endorsed_as_what_it_is_and_whole() {
    let to = doubt(Role::Target, "bob@x.example", &[]);
    let of = |role, value: &str| Endorsed::Value { role, value: value.into() };
    let send = call(&[Effect::Send], vec![asks(Effect::Send, &[]), to.clone()]);
    assert!(lifts(&send, &[endorse(of(Role::Target, "bob@x.example"), &[Effect::Send])]));
    assert!(!lifts(&send, &[endorse(of(Role::Content, "bob@x.example"), &[Effect::Send])]));
    assert!(!lifts(&send, &[endorse(of(Role::Target, "bob@x.exampl"), &[Effect::Send])]));
    let cut = call(&[Effect::Send], vec![Doubt { whole: false, ..to }]);
    assert!(!lifts(&cut, &[endorse(of(Role::Target, "bob@x.example"), &[Effect::Send])]));
    // What nothing but an effect speaks against has no value that could be endorsed.
    let bare = call(&[Effect::Send], vec![asks(Effect::Send, &[])]);
    assert!(!lifts(&bare, &[endorse(of(Role::Target, "bob@x.example"), &[Effect::Send])]));
}

#[test]
fn what_could_not_be_looked_through_is_lifted_by_nothing_and_a_day_ends() {
    let there = source("aa");
    let all = Endorsement { until: Day::parse("2027-01-31"), ..endorse(from(Origin::default(), None), Effect::ALL) };
    let odd = Doubt { argument: None, role: None, ..doubt(Role::Target, "", std::slice::from_ref(&there)) };
    assert!(call(&[Effect::Send], vec![odd]).lifted([&all], Day::of(0)).is_none());
    assert!(call(&[Effect::Send], Vec::new()).lifted([&all], Day::of(0)).is_none(), "nothing is endorsed of nothing");
    let send = call(&[Effect::Send], vec![doubt(Role::Target, "bob", &[there])]);
    let last = Day::parse("2027-01-31").expect("a day");
    assert!(send.lifted([&all], last).is_some());
    assert!(send.lifted([&all], last.after(1)).is_none());
}

#[test]
fn a_source_is_meant_by_all_that_is_said_of_it() {
    let web = Source {
        tool: "fetch".into(),
        places: vec!["https://user@Docs.Acme.example:8443/a?b".into()],
        sha256: "aa".into(),
        author: Some("Bob <b@x.example>".into()),
    };
    let host = |host: &str| Origin { host: HostPattern::parse(host).ok(), ..Origin::default() };
    assert!(host("docs.acme.example").is(&web) && host("*.acme.example").is(&web));
    assert!(!host("acme.example").is(&web) && !host("user").is(&web) && !host("docs.acme.example").is(&source("aa")));
    let file = |file: &str| Origin { file: Some(file.into()), ..Origin::default() };
    assert!(file("bill.txt").is(&source("aa")) && file("./bill.txt").is(&source("aa")));
    assert!(!file("ill.txt").is(&source("aa")) && !file("/bill.txt").is(&source("aa")));
    let author = |author: &str| Origin { author: Some(author.into()), ..host("*.acme.example") };
    assert!(author(" bob <B@x.example>").is(&web) && !author("b@x.example").is(&web));
    assert!(!Origin { sha256: Some("ab".into()), ..author("bob <b@x.example>") }.is(&web));
}
