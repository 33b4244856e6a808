//! The indexed decision against a second matcher that shares no code with it and works on text: its own reading of
//! names, addresses and networks, its own loop over all rules.

mod naive_host;

use naive_host::{Seen, see};
use policy::{
    Conjunction, Decision, Default, Egress, Host, Method, Network, Outcome, PathPattern, Policy, Protocol, Request,
    Rule, Target, decide, explain, suggest,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

const RANK: [Outcome; 4] = [Outcome::Deny, Outcome::Ask, Outcome::Read, Outcome::Allow];

/// A rule as written: host pattern, port (0 any), programs, and methods and paths where HTTP is read.
type Written = (String, u16, Vec<String>, Option<(Vec<String>, Vec<String>)>);

/// A request as written: host, port, program chain, and method and path where it is no mere connection.
type Asked = (String, u16, Option<Vec<String>>, Option<(String, String)>);

/// How many leading bits a rule's network must have to name the host; none for the closed ranges. Knows the ranges
/// that the generators meet, and no others.
fn needed(host: &Seen) -> Option<usize> {
    let Seen::Bits(bits) = host else { return Some(0) };
    if let Some(v4) = bits.strip_prefix(&format!("{:016b}{:016b}{}", 0x64, 0xff9b, "0".repeat(64))) {
        return needed(&Seen::Bits(v4.into())).map(|_| 128);
    }
    let within = |prefix: &str| bits.starts_with(prefix);
    match bits.len() {
        32 if within("00000000") || within("01111111") => None,
        32 if within("00001010") => Some(8),
        128 if within(&"0".repeat(127)) => None,
        128 if within("1111110") => Some(7),
        _ => Some(0),
    }
}

/// How many leading bits a pattern has.
fn width(pattern: &str) -> usize {
    pattern.trim_end_matches(']').split_once('/').map_or(128, |(_, prefix)| prefix.parse().expect("a prefix"))
}

fn names_host(pattern: &str, host: &Seen, allows: bool) -> bool {
    let bare = pattern.trim_start_matches('[').trim_end_matches(']');
    if pattern.contains('+') {
        let Seen::Name(name) = host else { return false };
        let pattern = pattern.to_lowercase().replace('+', "*");
        let (own, labels): (Vec<&str>, Vec<&str>) =
            (pattern.trim_end_matches('.').split('.').collect(), name.split('.').collect());
        let alike = own.iter().zip(&labels).all(|(own, label)| means(&[own], &[label]));
        return own.len() == labels.len() && alike && !(allows && name == "host.bastide");
    }
    match (pattern.strip_prefix("*."), bare.split_once('/'), host) {
        (Some(zone), _, Seen::Name(name)) => {
            let labels: Vec<&str> = name.split('.').collect();
            let zone = zone.to_lowercase();
            let zone: Vec<&str> = zone.trim_end_matches('.').split('.').collect();
            labels.len() > zone.len() && labels.ends_with(&zone) && !(allows && name == "host.bastide")
        }
        (Some(_), _, Seen::Bits(_)) | (None, Some(_), Seen::Name(_)) => false,
        (None, Some((network, prefix)), Seen::Bits(bits)) => match see(network) {
            Some(Seen::Bits(network)) => {
                let prefix: usize = prefix.parse().expect("a prefix");
                network.len() == bits.len() && network[..prefix] == bits[..prefix]
            }
            _ => false,
        },
        (None, None, host) => see(pattern).as_ref() == Some(host),
    }
}

/// Every spelling of a path that some server takes it for.
fn spellings(path: &str) -> Vec<String> {
    let plain = path.replace("%61", "a");
    let split = plain.replace("%2F", "/").replace("%5C", "/");
    let cut = |path: &str| {
        path.split('/').map(|part| part.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
    };
    vec![cut(&plain), cut(&split), plain, split]
}

/// Whether a pattern means a path, by trying everything.
fn means(pattern: &[&str], path: &[&str]) -> bool {
    fn text(pattern: &[u8], segment: &[u8]) -> bool {
        match pattern.split_first() {
            None => segment.is_empty(),
            Some((b'*', rest)) => (0..=segment.len()).any(|at| text(rest, &segment[at..])),
            Some((byte, rest)) => segment.first() == Some(byte) && text(rest, &segment[1..]),
        }
    }
    match pattern.split_first() {
        None => path.is_empty(),
        Some((&"**", rest)) => (0..=path.len()).any(|at| means(rest, &path[at..])),
        Some((one, rest)) => {
            path.first().is_some_and(|segment| text(one.as_bytes(), segment.as_bytes())) && means(rest, &path[1..])
        }
    }
}

/// Whether a pattern of executables means one.
fn is_program(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern[1..].split('/').collect(), path[1..].split('/').collect());
    means(&pattern, &path)
}

/// Whether a rule is about a request: in every spelling, or in some.
fn is_about(http: Option<&(Vec<String>, Vec<String>)>, (method, path): &(String, String), every: bool) -> bool {
    let Some((methods, paths)) = http else { return true };
    let taken = |spelling: &String| {
        let split = |text: &str| text[1..].split('/').map(str::to_owned).collect::<Vec<_>>();
        let path = split(spelling);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        paths.iter().any(|pattern| {
            let parts = split(pattern);
            means(&parts.iter().map(String::as_str).collect::<Vec<_>>(), &path)
        })
    };
    // A deny rule means a path with a slash at its end as without.
    let bare = |text: &str| if text.len() > 1 { text.trim_end_matches('/').to_owned() } else { text.to_owned() };
    let loosely = |spelling: &String| {
        let split = |text: &str| text[1..].split('/').map(str::to_owned).collect::<Vec<_>>();
        paths.iter().any(|pattern| {
            let (pattern, whole, short) = (split(&bare(pattern)), split(spelling), split(&bare(spelling)));
            let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
            [whole, short].iter().any(|path| means(&pattern, &path.iter().map(String::as_str).collect::<Vec<_>>()))
        })
    };
    let all = spellings(path).iter().all(taken);
    let any = spellings(path).iter().any(|path| taken(path) || loosely(path));
    (methods.is_empty() || methods.contains(method)) && (paths.is_empty() || if every { all } else { any })
}

type Lists = (Vec<Written>, Vec<Written>, bool);

/// Whether some rule has this destination read.
fn reads((allow, deny, _): &Lists, host: &Seen, port: u16) -> bool {
    let of = |rule: &Written, allows| {
        rule.3.is_some() && names_host(&rule.0, host, allows) && (rule.1 == 0 || rule.1 == port)
    };
    allow.iter().any(|rule| of(rule, true)) || deny.iter().any(|rule| of(rule, false))
}

fn naive(member: &Lists, host: &Seen, port: u16, program: Option<&str>, request: Option<&(String, String)>) -> usize {
    let (allow, deny, ask) = member;
    let loopback = *host == Seen::Name("host.bastide".into());
    let denies = |rule: &Written| match (request, &rule.3) {
        (Some(request), http) => is_about(http.as_ref(), request, false),
        (None, Some((methods, paths))) => methods.is_empty() && paths.is_empty(),
        (None, None) => true,
    };
    if deny.iter().any(|rule| names_host(&rule.0, host, false) && (rule.1 == 0 || rule.1 == port) && denies(rule)) {
        return 0;
    }
    let allows = |rule: &&Written| {
        let program =
            rule.2.is_empty() || program.is_some_and(|name| rule.2.iter().any(|other| is_program(other, name)));
        let asked = request.is_none_or(|request| is_about(rule.3.as_ref(), request, true));
        names_host(&rule.0, host, true) && (rule.1 == port || (rule.1 == 0 && !loopback)) && program && asked
    };
    let taking: Vec<_> = allow.iter().filter(allows).collect();
    match needed(host) {
        None => 0,
        Some(_) if taking.is_empty() => usize::from(*ask),
        Some(bits) => 3 * usize::from(taking.iter().any(|rule| width(&rule.0) >= bits)),
    }
}

fn compile(allow: &[Written], deny: &[Written], ask: bool) -> Policy {
    let rules = |written: &[Written]| {
        let rule = |(host, port, programs, http): &Written| {
            let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.clone() };
            let text = if *port == 0 { host } else { format!("{host}:{port}") };
            let programs = programs.iter().map(|path| path.clone().try_into().expect("a path")).collect();
            let rule = Rule { programs, ..Rule::to(Target::parse(&text).expect("a target")) };
            let Some((methods, paths)) = http else { return rule };
            let methods = methods.iter().map(|name| Method::parse(name).expect("a method")).collect();
            let paths = paths.iter().map(|text| PathPattern::parse(text).expect("a pattern")).collect();
            Rule { protocol: Protocol::Http, methods, paths, ..rule }
        };
        written.iter().map(rule).collect()
    };
    let default = if ask { Default::Ask } else { Default::Deny };
    Policy { network: Network { default, allow: rules(allow), deny: rules(deny) }, ..Policy::default() }
}

/// Names that collide often, in every spelling that is one of theirs.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "([ab]\\.){0,3}(com|bastide)",
        1 => "([aAbB]\\.){1,2}(COM|com|Com)\\.?",
        1 => "(xn--4ca|a-b|_a|a1)\\.com",
        1 => "(host|HOST|a\\.host)\\.bastide\\.?",
    ]
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "10\\.0\\.0\\.[0-7]",
        1 => "(::ffff:)10\\.0\\.0\\.[0-3]",
        1 => "\\[::ffff:a00:[0-3]\\]",
        1 => "(fd00::0{0,2}|fd00:0::|FD00::|fd00:0:0:0:0:0:0:)[0-3]",
        1 => "64:ff9b::10\\.0\\.0\\.[01]",
        1 => "8\\.8\\.8\\.8",
    ]
}

/// What no rule opens.
fn closed() -> impl Strategy<Value = String> {
    prop_oneof!["(127\\.0\\.0\\.[12]|::1|\\[::1\\]|0\\.0\\.0\\.0|64:ff9b::127\\.0\\.0\\.1)"]
}

fn rule() -> impl Strategy<Value = Written> {
    let network = prop_oneof![
        "10\\.0\\.0\\.[02468]/31",
        "10\\.0\\.0\\.[08]/29",
        "10\\.0\\.0\\.[0-3]/32",
        "(0\\.0\\.0\\.0/0|10\\.0\\.0\\.0/8|::/0|fd00::/8|\\[fd00::2/127\\]|fd00::/64|64:ff9b::/96)",
    ];
    let below = prop_oneof![
        3 => "\\*\\.([ab]\\.){0,2}(com|COM|bastide)\\.?",
        2 => "(\\+|a\\+|\\+b)\\.([ab+]\\.){0,2}(com|COM|bastide)\\.?",
        1 => Just("*.host.bastide".to_owned())
    ];
    let host = prop_oneof![3 => name(), 3 => below, 2 => address(), 2 => network];
    let paths = prop::collection::vec("(/(a|b|\\*|a\\*|\\*\\*)){1,3}/?", 0..3);
    let http = prop::option::weighted(0.3, (prop::collection::vec("GET|PUT", 0..2), paths));
    (host, 0..3u16, prop::collection::vec("/usr/bin/([xy]|\\*)|/usr/\\*\\*|/\\*\\*/x", 0..3), http).prop_map(
        |(host, port, programs, http)| {
            let loopback = host.to_lowercase().trim_end_matches('.') == "host.bastide";
            (host, if loopback { port.max(1) } else { port }, programs, http)
        },
    )
}

/// A path that servers read in one way or in several, and no odd one.
fn path() -> impl Strategy<Value = String> {
    "(/(a|b|ab|%61|a%2Fb|b%5Ca|a;b)){1,3}/?"
}

fn member() -> impl Strategy<Value = Lists> {
    let deny = rule().prop_map(|(host, port, _, http)| (host, port, Vec::new(), http));
    (prop::collection::vec(rule(), 0..8), prop::collection::vec(deny, 0..2), any::<bool>())
}

fn request() -> impl Strategy<Value = Asked> {
    let host = prop_oneof![4 => name(), 3 => address(), 1 => closed()];
    let request = prop::option::of(("GET|PUT", path()));
    (host, 1..3u16, prop::option::of(prop::collection::vec("/usr/bin/[xyz]", 1..3)), request)
}

/// The request, or one that the first policy's rule at `index` means.
fn aimed(members: &[Lists], asked: Asked, aim: Option<prop::sample::Index>) -> Asked {
    let (Some(index), Some((allow, ..))) = (aim, members.first()) else { return asked };
    if allow.is_empty() {
        return asked;
    }
    let (host, port, programs, _) = index.get(allow);
    let host = host.replace("*.", "b.a.").replace('+', "b");
    let host = host.split_once('/').map_or(host.as_str(), |(network, _)| network).trim_start_matches('[');
    let program = programs.first().map(|name| vec![name.replace('*', "x")]);
    (host.trim_end_matches(']').to_owned(), (*port).max(1), program, asked.3)
}

fn said(request: Option<&(String, String)>) -> Option<Request> {
    request.map(|(method, path)| Request::new(method, path).expect("no odd request"))
}

fn outcome(conjunction: &Conjunction, egress: &Egress<'_>) -> Outcome {
    match decide(conjunction, egress) {
        Decision::Allow(_) => Outcome::Allow,
        Decision::Read => Outcome::Read,
        Decision::Ask(_) => Outcome::Ask,
        Decision::Deny(_) => Outcome::Deny,
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

#[test]
fn decide_agrees_with_the_naive_matcher() {
    let mut seen = [0usize; 4];
    let counted = std::cell::RefCell::new(&mut seen);
    let members = prop_oneof![3 => prop::collection::vec(member(), 1), 1 => prop::collection::vec(member(), 2)];
    let strategy = (members, request(), prop::option::of(any::<prop::sample::Index>()));
    runner(20_000)
        .run(&strategy, |(members, asked, aim)| {
            let (name, port, program, request) = aimed(&members, asked, aim);
            let policies = members.iter().map(|(allow, deny, ask)| compile(allow, deny, *ask)).collect();
            let conjunction = Conjunction::new(policies);
            let host = Host::parse(&name).expect("a host");
            let whole = said(request.as_ref());
            let egress = Egress { host: &host, port, program: program.as_deref(), request: whole.as_ref() };
            let text = see(&name).expect("a host");
            let first = program.as_ref().and_then(|chain| chain.first()).map(String::as_str);
            let judge = |member| naive(member, &text, port, first, request.as_ref());
            let mut rank = members.iter().map(judge).min().expect("a member");
            if rank == 3 && request.is_none() && members.iter().any(|member| reads(member, &text, port)) {
                rank = 2;
            }
            counted.borrow_mut()[rank] += 1;
            let decided = outcome(&conjunction, &egress);
            prop_assert_eq!(decided, RANK[rank]);
            prop_assert_eq!(explain(&conjunction, &egress).outcome, decided);
            // Soundness: whatever the whole allows, each of its heads allows.
            let parent = Conjunction::new(conjunction.policies().take(1).cloned().collect());
            prop_assert!(outcome(&parent, &egress) >= decided);
            Ok(())
        })
        .expect("they agree");
    assert!(seen.iter().all(|&count| count > 1000), "each outcome was met: {seen:?}");
}

/// What the operator grants is looked at only where he is to be asked; all else is as it was before. A request's leave is
/// no connection's.
#[test]
fn a_grant_changes_only_what_would_be_asked() {
    let mut lifted = 0;
    let counted = std::cell::RefCell::new(&mut lifted);
    let members = prop::collection::vec(member(), 1..3);
    let strategy =
        (members, prop::collection::vec(rule(), 0..6), request(), prop::option::of(any::<prop::sample::Index>()));
    runner(20_000)
        .run(&strategy, |(members, grants, asked, aim)| {
            let (name, port, program, request) = aimed(&[(grants.clone(), Vec::new(), false)], asked, aim);
            let policies = members.iter().map(|(allow, deny, ask)| compile(allow, deny, *ask)).collect();
            let before = Conjunction::new(policies);
            let after = before.granting(&compile(&grants, &[], false).network.allow);
            let host = Host::parse(&name).expect("a host");
            let whole = said(request.as_ref());
            let egress = Egress { host: &host, port, program: program.as_deref(), request: whole.as_ref() };
            let text = see(&name).expect("a host");
            let first = program.as_ref().and_then(|chain| chain.first()).map(String::as_str);
            let fits = grants.iter().filter(|rule| request.is_some() || rule.3.is_none()).cloned().collect();
            let granted = naive(&(fits, Vec::new(), false), &text, port, first, request.as_ref()) == 3;
            let judge = |member| match naive(member, &text, port, first, request.as_ref()) {
                1 if granted => 3,
                rank => rank,
            };
            let mut rank = members.iter().map(judge).min().expect("a member");
            if rank == 3 && request.is_none() && members.iter().any(|member| reads(member, &text, port)) {
                rank = 2;
            }
            let (was, is) = (outcome(&before, &egress), outcome(&after, &egress));
            prop_assert_eq!(is, RANK[rank]);
            prop_assert_eq!(explain(&after, &egress).outcome, is);
            if was != Outcome::Ask {
                prop_assert_eq!(was, is);
            } else if is != was {
                **counted.borrow_mut() += 1;
            }
            // It goes nowhere with the policies, and is gone when there is none.
            let travelled: Conjunction = Vec::<Policy>::from(after.clone()).into();
            prop_assert_eq!(outcome(&travelled, &egress), was);
            prop_assert_eq!(outcome(&after.granting(&[]), &egress), was);
            Ok(())
        })
        .expect("only that");
    assert!(lifted > 500, "grants were met: {lifted}");
}

/// Any text at all: both take it for the same host, or both refuse it.
#[test]
fn both_read_the_same_hosts() {
    let text = prop_oneof![
        3 => name(),
        3 => address(),
        1 => closed(),
        2 => "[0-9]{1,3}(\\.[0-9]{1,3}){0,4}\\.?",
        2 => "(0x|0X)?[0-9a-f]{1,4}(\\.(0x)?[0-9a-f]{1,3}){0,3}",
        2 => "\\[?[0-9a-f:]{0,12}(::)?[0-9a-f:.]{0,10}\\]?",
        1 => "(fe80::1|::1)%(eth0|1|25)",
        1 => "[a-c.*äßé_ /@:\\[\\]-]{0,12}",
    ];
    let (mut taken, mut refused) = (0, 0);
    let counts = std::cell::RefCell::new((&mut taken, &mut refused));
    runner(20_000)
        .run(&text, |text| {
            let (ours, other) = (Host::parse(&text), see(&text));
            prop_assert_eq!(ours.is_ok(), other.is_some(), "{}: {:?} {:?}", text, ours, other);
            let mut counts = counts.borrow_mut();
            *(if ours.is_ok() { &mut *counts.0 } else { &mut *counts.1 }) += 1;
            if let Ok(host) = ours {
                // The canonical spelling reads back to the same, for us and for the other.
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host.clone()));
                prop_assert_eq!(see(&host.to_string()), other);
            }
            Ok(())
        })
        .expect("they agree");
    assert!(taken > 4000 && refused > 4000, "{taken} taken, {refused} refused");
}

/// A suggestion allows that host, port and executable and changes no other decision. Of an unknown program it says
/// that it holds for every program, and then it allows that host and port to each.
#[test]
fn a_suggestion_allows_exactly_that_request() {
    let (mut known, mut unknown) = (0, 0);
    let counts = std::cell::RefCell::new((&mut known, &mut unknown));
    let strategy = (prop::collection::vec(member(), 1..3), request(), prop::collection::vec(request(), 3));
    runner(20_000)
        .run(&strategy, |(members, asked, others)| {
            let policies: Vec<_> = members.iter().map(|(allow, deny, ask)| compile(allow, deny, *ask)).collect();
            let before = Conjunction::new(policies.clone());
            let host = Host::parse(&asked.0).expect("a host");
            let request = said(asked.3.as_ref());
            let egress = Egress { host: &host, port: asked.1, program: asked.2.as_deref(), request: request.as_ref() };
            let Some(suggestion) = suggest(&before, &egress) else { return Ok(()) };
            prop_assert_eq!(suggestion.every_program, asked.2.is_none());
            let mut counts = counts.borrow_mut();
            *(if suggestion.every_program { &mut *counts.1 } else { &mut *counts.0 }) += 1;
            let widened = policies.into_iter().map(|mut policy| {
                policy.network.allow.push(suggestion.rule.clone());
                policy
            });
            let after = Conjunction::new(widened.collect());
            prop_assert_eq!(outcome(&after, &egress), Outcome::Allow);
            let text = see(&asked.0).expect("a host");
            let read = members.iter().any(|member| reads(member, &text, asked.1));
            for (name, port, program, request) in others {
                // Half of the others differ in the program alone.
                let near = port == 1;
                let (name, port) = if near { (asked.0.clone(), asked.1) } else { (name, port) };
                let other = Host::parse(&name).expect("a host");
                let whole = said(request.as_ref());
                let different = Egress { host: &other, port, program: program.as_deref(), request: whole.as_ref() };
                let executable = |chain: &Option<Vec<String>>| chain.as_ref().and_then(|chain| chain.first().cloned());
                let same_program = suggestion.every_program || executable(&program) == executable(&asked.2);
                let same_request = match (&asked.3, &request) {
                    // It is about the connection, and so about all that is said on it.
                    _ if !read => true,
                    // What one path may be taken for is allowed with it.
                    (Some(one), Some(other)) => {
                        let taken = spellings(&one.1);
                        one.0 == other.0 && spellings(&other.1).iter().all(|path| taken.contains(path))
                    }
                    (None, None) => true,
                    // What is allowed may be asked for.
                    (Some(_), None) => continue,
                    (None, Some(_)) => true,
                };
                let expected = if other == host && port == asked.1 && same_program && same_request {
                    Outcome::Allow
                } else {
                    outcome(&before, &different)
                };
                prop_assert_eq!(outcome(&after, &different), expected);
            }
            Ok(())
        })
        .expect("it is exact");
    assert!(known > 3000 && unknown > 3000, "{known} of a known program, {unknown} of an unknown one");
}
