//! The indexed decision against a second matcher that shares no code with it and works on text.

use policy::{
    Conjunction, Decision, Default, Egress, Host, Network, Outcome, Policy, Rule, Target, decide, explain, suggest,
};
use proptest::prelude::*;

const RANK: [Outcome; 3] = [Outcome::Deny, Outcome::Ask, Outcome::Allow];

/// A rule as written: host pattern, port (0 any), programs.
type Written = (String, u16, Vec<String>);

fn names_host(pattern: &str, host: &str) -> bool {
    if let Some(zone) = pattern.strip_prefix('*') {
        return host.len() > zone.len() && host.ends_with(zone) && host != "host.bastide";
    }
    if let Some((network, prefix)) = pattern.split_once('/') {
        let bits = |text: &str| -> Option<String> {
            let parts: Vec<u8> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
            (parts.len() == 4).then(|| parts.iter().map(|part| format!("{part:08b}")).collect())
        };
        let prefix: usize = prefix.parse().expect("a prefix");
        return match (bits(network), bits(host)) {
            (Some(network), Some(host)) => network[..prefix] == host[..prefix],
            _ => false,
        };
    }
    pattern == host
}

fn naive(allow: &[Written], deny: &[Written], ask: bool, host: &str, port: u16, program: Option<&str>) -> usize {
    let fits =
        |rule: &Written| names_host(&rule.0, host) && (rule.1 == port || (rule.1 == 0 && host != "host.bastide"));
    if deny.iter().any(|rule| names_host(&rule.0, host) && (rule.1 == 0 || rule.1 == port)) {
        return 0;
    }
    let may =
        |rule: &Written| rule.2.is_empty() || program.is_some_and(|name| rule.2.iter().any(|other| other == name));
    if allow.iter().any(|rule| fits(rule) && may(rule)) { 2 } else { usize::from(ask) }
}

fn compile(allow: &[Written], deny: &[Written], ask: bool) -> Policy {
    let rules = |written: &[Written]| {
        written
            .iter()
            .map(|(host, port, programs)| {
                let text = if *port == 0 { host.clone() } else { format!("{host}:{port}") };
                let programs = programs.iter().map(|path| path.clone().try_into().expect("a path")).collect();
                Rule { programs, ..Rule::to(Target::parse(&text).expect("a target")) }
            })
            .collect()
    };
    let default = if ask { Default::Ask } else { Default::Deny };
    Policy { network: Network { default, allow: rules(allow), deny: rules(deny) }, ..Policy::default() }
}

fn rule() -> impl Strategy<Value = Written> {
    let host = prop_oneof![
        "[ab]\\.(com|bastide)",
        "\\*\\.([ab]\\.)?(com|bastide)",
        Just("host.bastide".to_owned()),
        "10\\.0\\.0\\.[0-3]",
        Just("10.0.0.0/31".to_owned()),
        Just("10.0.0.2/31".to_owned()),
        Just("0.0.0.0/0".to_owned()),
        Just("10.0.0.0/8".to_owned()),
    ];
    let programs = prop::collection::vec("/usr/bin/[xy]", 0..2);
    (host, 0..3u16, programs).prop_map(|(host, port, programs)| {
        let port = if host == "host.bastide" && port == 0 { 1 } else { port };
        (host, port, programs)
    })
}

fn member() -> impl Strategy<Value = (Vec<Written>, Vec<Written>, bool)> {
    (prop::collection::vec(rule(), 0..8), prop::collection::vec(rule(), 0..2), any::<bool>())
}

fn request() -> impl Strategy<Value = (String, u16, Option<String>)> {
    let host = prop_oneof!["([ab]\\.){0,2}(com|bastide)", Just("host.bastide".to_owned()), "10\\.0\\.0\\.[0-3]"];
    (host, 1..3u16, prop::option::of("/usr/bin/[xyz]"))
}

fn outcome(conjunction: &Conjunction, egress: &Egress<'_>) -> Outcome {
    match decide(conjunction, egress) {
        Decision::Allow(_) => Outcome::Allow,
        Decision::Ask(_) => Outcome::Ask,
        Decision::Deny(_) => Outcome::Deny,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decide_agrees_with_the_naive_matcher(members in prop::collection::vec(member(), 1..3), request in request()) {
        let (name, port, program) = request;
        let conjunction = Conjunction::new(members.iter().map(|(allow, deny, ask)| compile(allow, deny, *ask)).collect());
        let host = Host::parse(&name).expect("a host");
        let chain = program.clone().map(|name| vec![name]);
        let egress = Egress { host: &host, port, program: chain.as_deref() };
        let rank = members.iter().map(|(allow, deny, ask)| naive(allow, deny, *ask, &name, port, program.as_deref())).min().expect("a member");
        let decided = outcome(&conjunction, &egress);
        prop_assert_eq!(decided, RANK[rank]);
        prop_assert_eq!(explain(&conjunction, &egress).outcome, decided);
        // Soundness: whatever the whole allows, each of its heads allows.
        let parent = Conjunction::new(conjunction.policies().take(1).cloned().collect());
        prop_assert!(outcome(&parent, &egress) >= decided);
    }

    #[test]
    fn a_suggestion_allows_exactly_that_request(member in member(), asked in request(), other in request()) {
        let (allow, deny, ask) = member;
        let policy = compile(&allow, &deny, ask);
        let before = Conjunction::new(vec![policy.clone()]);
        let host = Host::parse(&asked.0).expect("a host");
        let chain = asked.2.clone().map(|name| vec![name]);
        let egress = Egress { host: &host, port: asked.1, program: chain.as_deref() };
        if let Some(suggestion) = suggest(&before, &egress) {
            let mut wider = policy;
            wider.network.allow.push(suggestion.rule);
            let after = Conjunction::new(vec![wider]);
            prop_assert_eq!(outcome(&after, &egress), Outcome::Allow);
            let other_host = Host::parse(&other.0).expect("a host");
            let other_chain = other.2.clone().map(|name| vec![name]);
            let different = Egress { host: &other_host, port: other.1, program: other_chain.as_deref() };
            let same = other.0 == asked.0 && other.1 == asked.1 && (asked.2.is_none() || asked.2 == other.2);
            if !same {
                prop_assert_eq!(outcome(&after, &different), outcome(&before, &different));
            }
        }
    }
}

#[test]
fn special_addresses_must_be_named() {
    let table = [
        (vec!["a.com"], "10.0.0.1", false),
        (vec!["a.com", "10.0.0.1"], "10.0.0.1", true),
        (vec!["a.com", "0.0.0.0/0"], "10.0.0.1", false),
        (vec!["a.com", "169.254.0.0/16"], "169.254.169.254", false),
        (vec!["a.com", "169.254.169.254:80"], "169.254.169.254", true),
        (vec!["a.com"], "8.8.8.8", true),
        (vec!["a.com"], "64:ff9b::8.8.8.8", false),
        (vec!["a.com"], "::ffff:127.0.0.1", false),
    ];
    for (rules, address, pins) in table {
        let allow: Vec<Written> = rules
            .iter()
            .map(|text| match text.split_once(':') {
                Some((host, port)) => (host.to_owned(), port.parse().expect("a port"), Vec::new()),
                None => ((*text).to_owned(), 0, Vec::new()),
            })
            .collect();
        let conjunction = Conjunction::new(vec![compile(&allow, &[], false)]);
        let host = Host::parse("a.com").expect("a host");
        let Decision::Allow(permit) = decide(&conjunction, &Egress { host: &host, port: 80, program: None }) else {
            panic!("not allowed")
        };
        assert_eq!(permit.pin(&[address.parse().expect("an address")]).is_ok(), pins, "{rules:?} {address}");
    }
}
