use std::collections::BTreeMap;

use policy::{
    Conjunction, Decision, Default as Otherwise, Egress, Flow, Grounding, Host, LabelPattern, Method, PathPattern,
    Policy, Protocol, Request, Rule, Sink, Target, ValuePattern, decide,
};
use proptest::prelude::*;

use super::*;
use crate::event::{Cause, Known};

fn policy(allow: &[Rule], deny: &[Rule], ask: bool) -> Conjunction {
    let mut policy = Policy { name: "p".into(), ..Policy::default() };
    (policy.network.allow, policy.network.deny) = (allow.to_vec(), deny.to_vec());
    policy.network.default = if ask { Otherwise::Ask } else { Otherwise::Deny };
    Conjunction::new(vec![policy])
}

fn rule(to: &str) -> Rule {
    Rule::to(Target::parse(to).expect("a target"))
}

fn about(to: &str, method: &str, path: &str) -> Rule {
    let methods = vec![Method::parse(method).expect("a method")];
    Rule { protocol: Protocol::Http, methods, paths: vec![PathPattern::parse(path).expect("a path")], ..rule(to) }
}

fn connect(host: &str, verdict: Verdict, rule: Option<&str>, reason: Option<&str>) -> Kind {
    Kind::Connect {
        pid: None,
        program: vec!["/usr/bin/x".into()],
        host: host.into(),
        address: None,
        port: 443,
        verdict,
        rule: rule.map(str::to_owned),
        reason: reason.map(str::to_owned),
        suggestion: None,
        times: 1,
    }
}

fn asks(
    host: &str,
    (method, target): (&str, &str),
    verdict: Verdict,
    rule: Option<&str>,
    reason: Option<&str>,
) -> Kind {
    Kind::Request {
        pid: None,
        program: vec!["/usr/bin/x".into()],
        host: host.into(),
        port: 443,
        method: method.into(),
        target: target.into(),
        websocket: false,
        does: None,
        verdict,
        rule: rule.map(str::to_owned),
        reason: reason.map(str::to_owned),
        suggestion: None,
    }
}

/// What a gate that decides by this records; nothing where it would read first.
fn written(by: &Conjunction, host: &str, request: Option<(&str, &str)>) -> Option<Kind> {
    let named = Host::parse(host).expect("a host");
    let program = ["/usr/bin/x".to_owned()];
    let read = request.map(|(method, target)| Request::new(method, target).expect("a request"));
    let egress = Egress { host: &named, port: 443, program: Some(&program), request: read.as_ref() };
    let (verdict, rule, reason) = match decide(by, &egress) {
        Decision::Allow(permit) => (Verdict::Allowed, Some(permit.rule().to_string()), None),
        Decision::Ask(refusal) => (Verdict::Asked, refusal.rule.clone(), Some(refusal.to_string())),
        Decision::Deny(refusal) => (Verdict::Refused, refusal.rule.clone(), Some(refusal.to_string())),
        Decision::Read => return None,
    };
    let (rule, reason) = (rule.as_deref(), reason.as_deref());
    Some(match request {
        Some(request) => asks(host, request, verdict, rule, reason),
        None => connect(host, verdict, rule, reason),
    })
}

fn entries(kinds: &[(Segment, Kind, Vec<Cause>)]) -> Vec<Entry> {
    let mut places = [0, 0];
    let one = |(at, (segment, kind, cause)): (usize, &(Segment, Kind, Vec<Cause>))| {
        let place = &mut places[usize::from(*segment == Segment::Gate)];
        *place += 1;
        let event = Event { seq: *place, at: at as u64, cause: cause.clone(), kind: kind.clone() };
        Entry { id: EventId { segment: *segment, seq: *place }, event }
    };
    kinds.iter().enumerate().map(one).collect()
}

fn replayed(entries: &[Entry], recorded: &BTreeMap<u32, Conjunction>, instead: Option<&Conjunction>) -> Vec<Again> {
    let mut heard = Heard::default();
    entries.iter().for_each(|entry| heard.take(entry));
    let instead: Option<BTreeMap<_, _>> =
        instead.map(|by| recorded.keys().map(|revision| (*revision, by.clone())).collect());
    let mut replay = Replay::new(&heard, Under { recorded, instead: instead.as_ref() });
    entries.iter().map(|entry| replay.decide(entry)).filter(|again| *again != Again::None).collect()
}

/// Of one event of a gate's, by one policy or another.
fn once(kind: Kind, causes: Vec<(Kind, Known)>, recorded: &Conjunction, instead: Option<&Conjunction>) -> Again {
    let mut kinds: Vec<(Segment, Kind, Vec<Cause>)> =
        causes.iter().map(|(kind, _)| (Segment::Gate, kind.clone(), Vec::new())).collect();
    let cause = |(at, (_, known)): (usize, &(Kind, Known))| Cause {
        id: EventId { segment: Segment::Gate, seq: at as u64 + 1 },
        known: *known,
    };
    kinds.push((Segment::Gate, kind, causes.iter().enumerate().map(cause).collect()));
    let recorded = BTreeMap::from([(1, recorded.clone())]);
    replayed(&entries(&kinds), &recorded, instead).pop().expect("a decision")
}

const HOSTS: [&str; 6] = ["a.example", "b.example", "x.a.example", "10.1.2.3", "93.184.216.1", "host.bastide"];

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let to = prop::sample::select(vec![
        "a.example",
        "b.example:443",
        "*.a.example",
        "b.example:80",
        "10.0.0.0/8",
        "10.1.2.3:443",
        "93.184.216.0/24",
        "host.bastide:443",
        "*.example",
    ]);
    let what =
        prop::option::of((prop::sample::select(vec!["GET", "PUT"]), prop::sample::select(vec!["/a", "/**", "/a/*"])));
    let one = (to, what).prop_map(|(to, what)| match what {
        Some((method, path)) => about(to, method, path),
        None => rule(to),
    });
    prop::collection::vec(one, 0..5)
}

fn policies() -> impl Strategy<Value = Conjunction> {
    let one = (rules(), prop::collection::vec(prop::sample::select(HOSTS.to_vec()), 0..2), any::<bool>());
    prop::collection::vec(one, 1..3).prop_map(|members| {
        let own = |(allow, deny, ask): (Vec<Rule>, Vec<&str>, bool)| {
            let deny: Vec<Rule> =
                deny.into_iter().map(|to| rule(if to == "host.bastide" { "host.bastide:443" } else { to })).collect();
            policy(&allow, &deny, ask).policies().next().cloned().expect("one")
        };
        Conjunction::new(members.into_iter().map(own).collect())
    })
}

type Asked<'a> = (&'a str, Option<(&'a str, &'a str)>);

fn asked() -> impl Strategy<Value = Asked<'static>> {
    let target = prop::sample::select(vec!["/a", "/b?x=1", "/a/b", "/"]);
    (prop::sample::select(HOSTS.to_vec()), prop::option::of((prop::sample::select(vec!["GET", "PUT"]), target)))
}

fn verdict(kind: &Kind) -> Verdict {
    told::said(kind).expect("a verdict").0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever was decided, by however many policies one after the other: nothing differs.
    #[test]
    fn the_policies_that_were_in_force_decide_as_they_did(
        each in prop::collection::vec((policies(), prop::collection::vec(asked(), 0..5)), 1..5)
    ) {
        let (mut kinds, mut recorded, mut written_down) = (Vec::new(), BTreeMap::new(), 0);
        for (at, (by, all)) in each.iter().enumerate() {
            let revision = at as u32 + 1;
            recorded.insert(revision, by.clone());
            if revision > 1 {
                kinds.push((Segment::Plane, Kind::Policy { revision, name: "p".into(), changes: Vec::new(), undoes: None }, Vec::new()));
                // What was on its way is decided by the policy before, after the plane recorded the next one.
                if let Some(late) = each[at - 1].1.first().and_then(|(host, request)| written(&each[at - 1].0, host, *request)) {
                    kinds.push((Segment::Gate, late, Vec::new()));
                    written_down += 1;
                }
                kinds.push((Segment::Gate, Kind::DecidesBy { revision }, Vec::new()));
            }
            for kind in all.iter().filter_map(|(host, request)| written(by, host, *request)) {
                kinds.push((Segment::Gate, kind, Vec::new()));
                written_down += 1;
            }
        }
        let again = replayed(&entries(&kinds), &recorded, None);
        prop_assert_eq!(again.len(), written_down);
        prop_assert!(again.iter().all(|one| *one == Again::Same), "{:?}", again);
    }

    /// Another policy differs where it decides otherwise, and only there.
    #[test]
    fn another_policy_differs_where_it_says_so(old in policies(), new in policies(), (host, request) in asked()) {
        let (Some(then), now) = (written(&old, host, request), written(&new, host, request)) else { return Ok(()) };
        let again = once(then.clone(), Vec::new(), &old, Some(&new));
        match now {
            None => prop_assert_eq!(again, Again::Left(Left::Unread)),
            Some(now) if verdict(&now) == verdict(&then) => prop_assert_eq!(again, Again::Same),
            Some(now) => {
                let Again::Differs(found) = again else { return Err(TestCaseError::fail(format!("{again:?}"))) };
                let (_, rule, _) = told::said(&now).expect("a rule");
                prop_assert_eq!((found.before, found.after, found.rule.as_deref()), (verdict(&then), verdict(&now), rule));
            }
        }
    }

    /// A record that was changed, or a build that decides otherwise, is found.
    #[test]
    fn a_verdict_that_no_policy_gave_is_found(by in policies(), (host, request) in asked()) {
        let Some(mut kind) = written(&by, host, request) else { return Ok(()) };
        let (now, words) = match verdict(&kind) {
            Verdict::Allowed => (Verdict::Refused, Some("`x` is allowed by no rule of policy `p`".to_owned())),
            _ => (Verdict::Allowed, None),
        };
        if let Kind::Connect { verdict, reason, rule, .. } | Kind::Request { verdict, reason, rule, .. } = &mut kind {
            (*verdict, *reason, *rule) = (now, words, None);
        }
        prop_assert!(matches!(once(kind, Vec::new(), &by, None), Again::Differs(_)));
    }
}

#[test]
fn a_policy_that_was_not_taken_decides_until_its_gate_is_gone() {
    let (old, new) = (policy(&[], &[], false), policy(&[rule("a.example")], &[], false));
    let of = |by| written(by, "a.example", None).expect("decided");
    let kinds = [
        (Segment::Plane, Kind::Policy { revision: 2, name: "p".into(), changes: Vec::new(), undoes: None }, Vec::new()),
        (Segment::Gate, Kind::DecidesBy { revision: 2 }, Vec::new()),
        (Segment::Gate, of(&new), Vec::new()),
        (Segment::Plane, Kind::PolicyNotTaken { revision: 2, reason: "x".into() }, Vec::new()),
        (Segment::Plane, Kind::GateStarted { incarnation: 2 }, Vec::new()),
        (Segment::Gate, of(&old), Vec::new()),
    ];
    let recorded = BTreeMap::from([(1, old), (2, new)]);
    assert_eq!(replayed(&entries(&kinds), &recorded, None), [Again::Same, Again::Same]);
    let kept = BTreeMap::from([(1, recorded[&1].clone())]);
    assert_eq!(replayed(&entries(&kinds), &kept, None), [Again::Left(Left::Policy), Again::Same]);
}

#[test]
fn an_answer_of_the_operators_is_no_rule() {
    let asks = policy(&[], &[], true);
    let let_through = connect("a.example", Verdict::Allowed, Some("{to: \"a.example:443\"}"), None);
    let ruled = Kind::Ruled {
        question: "q".into(),
        answer: "once".into(),
        who: "he".into(),
        rule: Some("{to: \"a.example:443\"}".into()),
        seconds: None,
        waiting: 1,
    };
    let denied = connect(
        "b.example",
        Verdict::Refused,
        None,
        Some(
            "`b.example:443` is named by no rule of policy `p`, which wants the operator asked; the operator denied it",
        ),
    );
    let kinds = [
        (Segment::Gate, let_through.clone(), Vec::new()),
        // By a clock that was set back the answer may stand behind.
        (Segment::Plane, ruled, Vec::new()),
        (Segment::Gate, denied, Vec::new()),
    ];
    let recorded = BTreeMap::from([(1, asks.clone())]);
    assert_eq!(replayed(&entries(&kinds), &recorded, None), [Again::Same, Again::Same]);
    let wider = policy(&[rule("a.example")], &[rule("b.example")], true);
    let again = replayed(&entries(&kinds), &recorded, Some(&wider));
    let verdicts = again.iter().map(|one| match one {
        Again::Differs(found) => (found.before, found.after),
        other => panic!("{other:?}"),
    });
    assert_eq!(verdicts.collect::<Vec<_>>(), [(Verdict::Asked, Verdict::Allowed), (Verdict::Asked, Verdict::Refused)]);
    // Without an answer nobody let it through.
    assert!(matches!(once(let_through, Vec::new(), &asks, None), Again::Differs(_)));
}

#[test]
fn a_connection_is_decided_by_the_request_that_it_is_made_for() {
    let reads = policy(&[about("a.example", "GET", "/a")], &[], false);
    let request = written(&reads, "a.example", Some(("GET", "/a"))).expect("decided");
    let made = connect("a.example", Verdict::Allowed, Some("x"), None);
    let both = |instead| once(made.clone(), vec![(request.clone(), Known::Observed)], &reads, instead);
    assert_eq!(both(None), Again::Same);
    let Again::Differs(found) = both(Some(&policy(&[about("a.example", "PUT", "/a")], &[], false))) else { panic!() };
    assert_eq!(found.after, Verdict::Refused);
    // Of a connection that nobody looked into the requests are not known.
    assert_eq!(
        once(made, Vec::new(), &policy(&[rule("a.example")], &[], false), Some(&reads)),
        Again::Left(Left::Unread)
    );
}

#[test]
fn where_a_name_led_is_judged_as_far_as_it_is_recorded() {
    let names = |also: &[&str]| {
        policy(&[&["a.example"], also].concat().iter().map(|to| rule(to)).collect::<Vec<_>>(), &[], false)
    };
    let to = |rule: Option<&str>, reason: &str| connect("a.example", Verdict::Refused, rule, Some(reason));
    let private = to(
        Some("10.1.2.3 (private)"),
        "`a.example:443` resolves to 10.1.2.3 (private), which policy `p` does not name",
    );
    assert_eq!(once(private.clone(), Vec::new(), &names(&[]), None), Again::Same);
    assert!(matches!(once(private, Vec::new(), &names(&[]), Some(&names(&["10.1.2.3"]))), Again::Differs(_)));
    let mut allowed = connect("a.example", Verdict::Allowed, Some("x"), None);
    if let Kind::Connect { address, .. } = &mut allowed {
        *address = Some("93.184.216.7".into());
    }
    let denies = policy(&[rule("a.example")], &[rule("93.184.216.7")], false);
    assert_eq!(once(allowed.clone(), Vec::new(), &names(&[]), None), Again::Same);
    assert!(matches!(once(allowed, Vec::new(), &names(&[]), Some(&denies)), Again::Differs(_)));
    let denied =
        to(Some("{to: \"93.184.216.7\"}"), "`a.example:443` is denied by `{to: \"93.184.216.7\"}` of policy `p`");
    assert_eq!(once(denied, Vec::new(), &denies, None), Again::Left(Left::Address));
    let nowhere = to(None, "`a.example` cannot be looked up: no answer");
    assert_eq!(once(nowhere, Vec::new(), &names(&[]), None), Again::Beside);
}

fn keeping(label: &str, to: Option<Sink>) -> Conjunction {
    let mut one = policy(&[rule("a.example")], &[], false).policies().next().cloned().expect("one");
    one.flows = vec![Flow { deny: LabelPattern::parse(label).expect("a label"), to }];
    Conjunction::new(vec![one])
}

#[test]
fn what_carried_a_label_is_judged_by_the_label() {
    let held = keeping("secret:*", None);
    let stopped = asks(
        "a.example",
        ("POST", "/x"),
        Verdict::Refused,
        Some("flows: {deny: \"secret:*\", to: \"*\"}"),
        Some("it carries `secret:x` of .env, and a flow rule keeps that from the network"),
    );
    let evidence = Kind::Evidence {
        what: "carries secret:x".into(),
        source: ".env".into(),
        how: String::new(),
        quoted: String::new(),
    };
    let by = |instead: Option<&Conjunction>| {
        once(stopped.clone(), vec![(evidence.clone(), Known::Observed)], &held, instead)
    };
    assert_eq!(by(None), Again::Same);
    assert_eq!(by(Some(&keeping("secret:x", Some(Sink::Network)))), Again::Same);
    let Again::Differs(found) = by(Some(&keeping("secret:y", None))) else { panic!() };
    assert_eq!((found.after, found.rule.as_deref()), (Verdict::Allowed, Some("{to: \"a.example\"}")));
    // What lets it out has to allow it, too.
    assert_eq!(by(Some(&policy(&[], &[], false))), Again::Same);
    // What it says is not recorded, so a rule that keeps more in cannot be asked.
    let open = policy(&[rule("a.example")], &[], false);
    let sent = written(&open, "a.example", Some(("POST", "/x"))).expect("decided");
    assert_eq!(once(sent, Vec::new(), &open, Some(&held)), Again::Left(Left::Bodies));
}

#[test]
fn what_is_recorded_in_part_is_counted_and_not_decided() {
    let open = policy(&[rule("a.example")], &[], false);
    let mut asking = about("a.example", "GET", "/x");
    asking.headers.insert("x-key".into(), ValuePattern::parse("*").expect("a pattern"));
    let headers = policy(&[asking], &[], false);
    let get = |target| asks("a.example", ("GET", target), Verdict::Allowed, Some("x"), None);
    assert_eq!(once(get("/x"), Vec::new(), &headers, None), Again::Left(Left::Headers));
    assert_eq!(once(get("/x?k=[redacted:key]"), Vec::new(), &open, None), Again::Left(Left::Cut));
    let mut grounded = open.policies().next().cloned().expect("one");
    grounded.grounding = Grounding::Deny;
    let grounded = Conjunction::new(vec![grounded]);
    // What a request does is judged by the operator's words, which are not kept.
    let acting = |verdict, rule: Option<&str>| {
        let mut kind = asks("a.example", ("POST", "/x"), verdict, rule, rule.map(|_| "it is not asked for"));
        if let Kind::Request { does, .. } = &mut kind {
            *does = Some("send: its method is `POST`".into());
        }
        kind
    };
    assert_eq!(
        once(acting(Verdict::Allowed, None), Vec::new(), &open, Some(&grounded)),
        Again::Left(Left::Conversation)
    );
    let kept = acting(Verdict::Refused, Some("grounding: deny"));
    assert_eq!(once(kept.clone(), Vec::new(), &grounded, None), Again::Left(Left::Conversation));
    assert!(matches!(once(kept, Vec::new(), &grounded, Some(&open)), Again::Differs(_)));
    let said = |standing: &str| Kind::Said {
        speaker: "assistant".into(),
        form: "tool-call".into(),
        tool: Some("t".into()),
        words: "t".into(),
        digest: String::new(),
        standing: standing.into(),
    };
    assert_eq!(once(said("delivered"), Vec::new(), &open, Some(&grounded)), Again::Left(Left::Conversation));
    let model = |rule: Option<&str>, reason: &str| Kind::Model {
        pid: None,
        program: Vec::new(),
        host: "inference.bastide".into(),
        asked: "POST /v1/messages".into(),
        model: "m".into(),
        provider: None,
        verdict: Verdict::Refused,
        rule: rule.map(str::to_owned),
        reason: Some(reason.into()),
    };
    let withheld = model(Some("grounding: deny"), "a call of a tool was taken out of the answer: x");
    assert_eq!(once(withheld.clone(), Vec::new(), &grounded, None), Again::Left(Left::Conversation));
    assert!(matches!(once(withheld, Vec::new(), &grounded, Some(&open)), Again::Differs(_)));
    assert_eq!(once(model(None, "web search is not granted"), Vec::new(), &open, None), Again::Left(Left::Models));
    let unrouted = model(None, "no route of the policy takes the model `m`");
    assert_eq!(once(unrouted, Vec::new(), &open, None), Again::Same);
}

#[test]
fn a_message_is_decided_by_its_arguments_where_they_are_whole() {
    let mut speaks = rule("a.example");
    speaks.protocol = Protocol::Mcp;
    let mcp = policy(&[speaks], &[], false);
    let call = |words: &str, verdict, reason: Option<String>| Kind::Mcp {
        pid: None,
        program: Vec::new(),
        host: "a.example".into(),
        port: 443,
        target: "/mcp".into(),
        method: "tools/call".into(),
        name: Some("read".into()),
        words: words.into(),
        server: false,
        verdict,
        rule: None,
        reason,
        suggestion: None,
    };
    assert_eq!(once(call("{\"a\":1}", Verdict::Allowed, None), Vec::new(), &mcp, None), Again::Same);
    let Again::Differs(_) = once(call("{}", Verdict::Allowed, None), Vec::new(), &mcp, Some(&policy(&[], &[], false)))
    else {
        panic!()
    };
    for cut in ["{\"a\":\"…[9 bytes more]", "[7 bytes, sha256:00]", "{\"a\":\"[redacted:key]\"}"] {
        let again = once(call(cut, Verdict::Allowed, None), Vec::new(), &mcp, None);
        assert_eq!(again, Again::Left(Left::Arguments), "{cut}");
    }
}
