//! Addresses: what only their own rule opens, what no rule opens, and that every answer about one is the same.

use std::net::IpAddr;

use policy::{
    Cidr, Conjunction, Decision, Default, Egress, Host, HostError, HostPattern, Outcome, Policy, Reason, Rule, Target,
    decide, explain, special, suggest, suggest_address, suggest_policy,
};
use proptest::prelude::*;

/// Every form in which the host's loopback, or a cell's own pool, could be written.
const CLOSED: &[&str] = &[
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "0.1.2.3",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "2002:7f00:1::1",
    "2001:0:1::80ff:fffe",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "::ffff:198.18.0.1",
    "fd62:6173:7469:6465::100",
];

fn policy(allow: &[&str], deny: &[&str]) -> Policy {
    let rules = |texts: &[&str]| texts.iter().map(|text| Rule::to(Target::parse(text).expect("a target"))).collect();
    let mut policy = Policy::default();
    (policy.network.allow, policy.network.deny) = (rules(allow), rules(deny));
    policy
}

fn whole(allow: &[&str]) -> Conjunction {
    Conjunction::new(vec![policy(allow, &[])])
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn pins(conjunction: &Conjunction, name: &str, at: &str) -> Result<(), Reason> {
    let host = Host::parse(name).expect("a host");
    match decide(conjunction, &Egress { host: &host, port: 80, program: None, request: None }) {
        Decision::Allow(permit) => permit.pin(&[address(at)]).map(drop).map_err(|refusal| refusal.reason),
        Decision::Read => unreachable!("no rule is about requests"),
        Decision::Ask(refusal) | Decision::Deny(refusal) => Err(refusal.reason),
    }
}

#[test]
fn special_addresses_must_be_named() {
    let table: &[(&[&str], &str, bool)] = &[
        (&["a.com"], "10.0.0.1", false),
        (&["a.com", "10.0.0.1"], "10.0.0.1", true),
        (&["a.com", "0.0.0.0/0"], "10.0.0.1", false),
        (&["a.com", "169.254.0.0/16"], "169.254.169.254", false),
        (&["a.com", "169.254.169.254:80"], "169.254.169.254", true),
        (&["a.com", "169.254.169.254:81"], "169.254.169.254", false),
        (&["a.com"], "8.8.8.8", true),
        (&["a.com"], "64:ff9b::8.8.8.8", false),
        (&["a.com", "[::/0]"], "200::1", false),
        (&["a.com", "[200::/7]"], "200::1", true),
        (&["a.com", "[2606:4700::/32]"], "2606:4700::5efe:10.0.0.1", false),
        (&["a.com", "2606:4700::5efe:10.0.0.1"], "2606:4700::5efe:10.0.0.1", true),
    ];
    for (rules, at, taken) in table {
        assert_eq!(pins(&whole(rules), "a.com", at).is_ok(), *taken, "{rules:?} {at}");
    }
}

/// What stands beside a name bounds where it leads, and names it: for that name, and for no other.
#[test]
fn a_name_leads_where_its_rule_says() {
    let led = |to: &str, addresses: &[&str]| Rule {
        addresses: addresses.iter().map(|text| Cidr::parse(text).expect("a network")).collect(),
        ..Rule::to(Target::parse(to).expect("a target"))
    };
    type Row = (&'static str, &'static [&'static str], &'static str, Result<(), Reason>);
    let table: &[Row] = &[
        ("a.com", &["10.20.0.0/16"], "10.20.1.2", Ok(())),
        ("a.com", &["10.20.0.0/16"], "10.21.0.1", Err(Reason::OtherAddress)),
        ("a.com", &["10.20.0.0/16"], "8.8.8.8", Err(Reason::OtherAddress)),
        ("a.com", &["8.8.0.0/16"], "8.8.8.8", Ok(())),
        ("+.com", &["10.0.0.0/8", "8.8.8.8/32"], "8.8.8.8", Ok(())),
        ("*.com", &["10.0.0.0/8"], "10.0.0.1", Ok(())),
        // A resolver that answers in mapped form is odd.
        ("*.com", &["10.0.0.0/8"], "::ffff:10.0.0.1", Err(Reason::SpecialRange)),
        // As wide as everything it names nothing.
        ("a.com", &["0.0.0.0/0"], "10.0.0.1", Err(Reason::SpecialRange)),
        ("a.com", &["169.254.0.0/16"], "169.254.169.254", Err(Reason::SpecialRange)),
        ("a.com", &["0.0.0.0/0"], "127.0.0.1", Err(Reason::Closed)),
    ];
    for (to, addresses, at, expected) in table {
        let mut policy = Policy::default();
        policy.network.allow = vec![led(to, addresses), Rule::to(Target::parse("b.com").expect("a target"))];
        let whole = Conjunction::new(vec![policy]);
        assert_eq!(pins(&whole, "a.com", at), *expected, "{to} {addresses:?} {at}");
        if special(address(at)).is_some() {
            assert!(pins(&whole, "b.com", at).is_err(), "another name does not lead there: {at}");
            let direct = Host::Address(address(at));
            let egress = Egress { host: &direct, port: 80, program: None, request: None };
            assert!(matches!(decide(&whole, &egress), Decision::Deny(_)), "nor does the address itself: {at}");
        }
    }
    let (bound, free) = (led("a.com", &["10.0.0.0/8"]), led("a.com", &[]));
    assert!(!bound.grants(&free) && !free.grants(&bound), "each allows what the other does not");
    assert!(led("a.com", &["10.0.0.0/8", "8.8.8.8/32"]).grants(&bound) && bound.grants(&bound));
}

/// The host's loopback has one way, by name; a synthetic address has none.
#[test]
fn a_closed_address_is_never_pinned() {
    let wide = whole(&["a.com", "0.0.0.0/0", "[::/0]", "0.0.0.0/1", "[fd00::/8]", "[64:ff9b::/96]", "[2002::/16]"]);
    for text in CLOSED {
        assert_eq!(pins(&wide, "a.com", text), Err(Reason::Closed), "a name that leads to {text}");
        let host = Host::Address(address(text));
        let egress = Egress { host: &host, port: 80, program: None, request: None };
        assert!(
            matches!(decide(&wide, &egress), Decision::Deny(refusal) if refusal.reason == Reason::Closed),
            "{text}"
        );
        assert!(suggest(&wide, &egress).is_none(), "no rule is offered for {text}");
        // Not even a rule that was built without being read.
        let mut policy = policy(&["a.com"], &[]);
        policy.network.default = Default::Ask;
        policy.network.allow.push(Rule::to(Target { host: HostPattern::Address(address(text)), port: None }));
        let built = Conjunction::new(vec![policy]);
        assert_eq!(pins(&built, "a.com", text), Err(Reason::Closed), "{text}");
        assert_eq!(explain(&built, &egress).outcome, Outcome::Deny, "{text}");
    }
    assert_eq!(pins(&whole(&["host.bastide:80"]), "host.bastide", "10.0.0.1"), Ok(()), "the one way");
}

#[test]
fn a_closed_address_cannot_be_written_in_a_rule() {
    let written = |text: &str, at: IpAddr| [text.to_owned(), format!("{}:80", Host::Address(at))];
    for text in CLOSED {
        for rule in written(text, address(text)) {
            assert!(matches!(Target::parse(&rule), Err(HostError::Loopback | HostError::Synthetic)), "{rule}");
        }
    }
    for network in ["127.0.0.0/8", "127.0.0.0/16", "0.0.0.0/8", "0.0.0.0/32", "[::1/128]:80", "::/128"] {
        assert_eq!(Target::parse(network), Err(HostError::Loopback), "{network}");
    }
    for network in ["198.18.0.0/15", "198.19.0.0/16", "[fd62:6173:7469:6465::/64]"] {
        assert_eq!(Target::parse(network), Err(HostError::Synthetic), "{network}");
    }
    for network in ["0.0.0.0/0", "0.0.0.0/1", "198.0.0.0/8", "[::/0]", "[fd62:6173:7469::/48]", "126.0.0.0/7"] {
        assert!(Target::parse(network).is_ok(), "{network} holds more");
    }
    assert!(HostError::Loopback.to_string().contains("`host.bastide:PORT`"));
    // Not that it has a bad one.
    assert_eq!(Target::parse("host.bastide"), Err(HostError::NoPort));
    assert_eq!(Target::parse("host.bastide:0"), Err(HostError::Port));
}

/// An observed run that went there is told, and what is printed still reads.
#[test]
fn a_closed_address_is_left_out_of_an_observed_policy() {
    let host = Host::Address(address("127.0.0.1"));
    let seen = policy::Observed { host, port: 80, program: Vec::new(), request: None, outcome: Outcome::Deny };
    let printed = suggest_policy("run", &[seen]);
    assert!(printed.contains("# left out, no rule opens the address: 127.0.0.1:80"), "{printed}");
    assert!(!printed.contains("to:"), "{printed}");
}

/// A wildcard opens no port of the host's loopback, and closes all that it covers.
#[test]
fn a_wildcard_denies_the_loopback_and_never_allows_it() {
    let decided = |allow: &[&str], deny: &[&str]| {
        let conjunction = Conjunction::new(vec![policy(allow, deny)]);
        let host = Host::parse("host.bastide").expect("a host");
        let egress = Egress { host: &host, port: 80, program: None, request: None };
        let found = matches!(decide(&conjunction, &egress), Decision::Allow(_));
        assert_eq!(explain(&conjunction, &egress).outcome == Outcome::Allow, found);
        found
    };
    assert!(decided(&["host.bastide:80"], &[]));
    assert!(decided(&["host.bastide:80"], &["*.bastide:81", "*.host.bastide"]));
    assert!(!decided(&["*.bastide"], &[]));
    assert!(!decided(&["host.bastide:80"], &["*.bastide"]));
    assert!(!decided(&["host.bastide:80"], &["*.bastide:80"]));
    // The difference between policies counts the same.
    let plain = policy(&["host.bastide:80"], &[]);
    let change =
        |other: &Policy| policy::diff(&plain, other).into_iter().map(|one| (one.widens, one.narrows)).collect();
    let denied: Vec<_> = change(&policy(&["host.bastide:80"], &["*.bastide"]));
    assert_eq!(denied, [(false, true)]);
    let opened = policy::diff(&policy(&["*.bastide"], &[]), &policy(&["*.bastide", "host.bastide:80"], &[]));
    assert!(opened.iter().any(|one| one.widens), "{opened:?}");
}

/// An address that only a wide network covers is refused for its range: the suggestion names it.
#[test]
fn a_special_address_is_suggested_by_itself() {
    let before = whole(&["0.0.0.0/0"]);
    let host = Host::parse("10.0.0.1").expect("a host");
    let suggestion =
        suggest(&before, &Egress { host: &host, port: 80, program: None, request: None }).expect("a suggestion");
    assert_eq!(suggestion.rule.to_string(), "{to: \"10.0.0.1:80\"}");
    let public = Host::parse("8.8.8.8").expect("a host");
    assert!(
        suggest(&before, &Egress { host: &public, port: 80, program: None, request: None }).is_none(),
        "allowed already"
    );
}

#[test]
fn an_allowed_name_with_a_special_address_is_suggested_the_address() {
    let host = Host::parse("inner.example").expect("a host");
    let chain = ["/usr/bin/git".to_owned()];
    let egress = Egress { host: &host, port: 80, program: Some(&chain), request: None };
    let (narrow, wide) = (policy(&["inner.example", "10.1.2.3"], &[]), policy(&["inner.example", "0.0.0.0/0"], &[]));
    let before = Conjunction::new(vec![narrow.clone(), Policy { name: "own".into(), ..wide.clone() }]);
    let found = suggest_address(&before, &egress, address("10.1.2.3")).expect("a suggestion");
    assert_eq!(found.rule.to_string(), "{to: \"10.1.2.3:80\", programs: [\"/usr/bin/git\"]}");
    assert_eq!((found.policies, found.every_program), (vec!["own".to_owned()], false));
    let mut own = wide.clone();
    own.network.allow.push(found.rule);
    let after = Conjunction::new(vec![narrow, own]);
    let Decision::Allow(permit) = decide(&after, &egress) else { panic!("still allowed") };
    assert!(permit.pin(&[address("10.1.2.3")]).is_ok());
    assert!(suggest_address(&after, &egress, address("10.1.2.3")).is_none(), "it is named already");
    for text in ["8.8.8.8", "127.0.0.1", "198.18.0.9"] {
        assert!(suggest_address(&before, &egress, address(text)).is_none(), "{text}: not needed, or of no use");
    }
    let denied = Conjunction::new(vec![policy(&["inner.example"], &["10.0.0.0/8"])]);
    assert!(suggest_address(&denied, &egress, address("10.1.2.3")).is_none(), "no allow rule lifts a deny rule");
    let unnamed = whole(&["other.example"]);
    assert!(suggest_address(&unnamed, &egress, address("10.1.2.3")).is_none(), "the name comes first");
}

/// An address near the ranges: any v4 or v6 one, and those that carry one.
fn anywhere() -> impl Strategy<Value = IpAddr> {
    let v4 = prop_oneof![
        any::<[u8; 4]>(),
        (prop::sample::select(vec![0u8, 10, 100, 127, 169, 172, 192, 198, 224, 255]), any::<[u8; 3]>())
            .prop_map(|(first, [b, c, d])| [first, b, c, d]),
        prop::sample::select(vec![[10, 0, 0, 1], [8, 8, 8, 8], [127, 0, 0, 1], [198, 18, 0, 9], [169, 254, 169, 254]]),
    ]
    .prop_map(u32::from_be_bytes);
    (v4, any::<u128>(), 0usize..7).prop_map(|(v4, v6, form)| {
        let low = u128::from(v4);
        match form {
            0 | 1 => IpAddr::V4(v4.into()),
            2 => IpAddr::V6(v6.into()),
            3 => IpAddr::V6((0xffff << 32 | low).into()),
            4 => IpAddr::V6((0x64_ff9b << 96 | low).into()),
            5 => IpAddr::V6((0xfd << 120 | v6 >> 8).into()),
            _ => IpAddr::V6(((v6 >> 64) << 64 | 0x5efe << 32 | low).into()),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is decided on a written address, what is explained, and what pinning it says are one.
    #[test]
    fn one_answer_for_an_address(
        at in anywhere(),
        rules in prop::collection::vec((anywhere(), 0u8..129), 0..5),
        wide in any::<bool>(),
        exact in any::<bool>(),
        ask in any::<bool>(),
    ) {
        let mut policy = policy(if wide { &["0.0.0.0/0", "[::/0]", "10.0.0.0/8", "[fd00::/8]"] } else { &[] }, &[]);
        policy.network.default = if ask { Default::Ask } else { Default::Deny };
        for (address, prefix) in rules.into_iter().chain(exact.then_some((at, 128))) {
            let address = address.to_canonical();
            let prefix = if prefix == 128 && address.is_ipv4() { 32 } else { prefix };
            let text = format!("{address}/{prefix}");
            policy.network.allow.extend(Target::parse(&text).ok().map(Rule::to));
        }
        let conjunction = Conjunction::new(vec![policy]);
        let host = Host::Address(at);
        let egress = Egress { host: &host, port: 80, program: None, request: None };
        let explained = explain(&conjunction, &egress).outcome;
        let decided = match decide(&conjunction, &egress) {
            Decision::Ask(_) => Outcome::Ask,
            Decision::Read => unreachable!("no rule is about requests"),
            Decision::Deny(_) => Outcome::Deny,
            Decision::Allow(permit) => match permit.pin(&[at]) {
                Ok(_) => Outcome::Allow,
                Err(refusal) => return Err(TestCaseError::fail(format!("allowed, then refused: {refusal}"))),
            },
        };
        prop_assert_eq!(explained, decided);
        let closed = special(at).is_some_and(|found| found.range.is_closed());
        prop_assert!(!closed || decided == Outcome::Deny, "{}", at);
    }
}

/// A name leads to an address where requests are decided, and on the name none is.
#[test]
fn a_name_is_no_way_around_what_is_decided_at_its_address() {
    let rule = |to: &str, methods: &[&str]| policy::Rule {
        protocol: if methods.is_empty() { policy::Protocol::Detect } else { policy::Protocol::Http },
        methods: methods.iter().map(|name| policy::Method::parse(name).expect("a method")).collect(),
        ..policy::Rule::to(policy::Target::parse(to).expect("a target"))
    };
    let host = Host::parse("a.corp.example").expect("a name");
    for (allow, deny, at) in [
        (vec![rule("*.corp.example:80", &[])], vec![rule("203.0.114.0/24:80", &["DELETE"])], "203.0.114.7"),
        (vec![rule("*.corp.example:80", &[]), rule("10.0.0.5:80", &["GET"])], Vec::new(), "10.0.0.5"),
    ] {
        let mut policy = Policy { name: "test".into(), ..Policy::default() };
        (policy.network.allow, policy.network.deny) = (allow, deny);
        let conjunction = Conjunction::new(vec![policy]);
        let connection = Egress { host: &host, port: 80, program: None, request: None };
        let Decision::Allow(permit) = decide(&conjunction, &connection) else { panic!("the name is allowed") };
        let refused = permit.pin(&[at.parse().expect("an address")]).expect_err("it leads where requests are decided");
        assert_eq!(refused.reason, policy::Reason::ReadThere, "{refused}");
        // Another address is as good as ever.
        let Decision::Allow(permit) = decide(&conjunction, &connection) else { panic!("the name is allowed") };
        assert!(permit.pin(&["8.8.8.8".parse().expect("an address")]).is_ok());
    }
}
