//! A second reading of rules that shares no code with ours and works on text, and cases to compare the two by.
#![allow(dead_code, missing_docs, unreachable_pub)]

use policy::{
    Conjunction, Decision, Default, Egress, Method, Network, Outcome, PathPattern, Policy, Protocol, Request, Rule,
    Target, decide,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::naive_host::{Seen, see};

pub const RANK: [Outcome; 4] = [Outcome::Deny, Outcome::Ask, Outcome::Read, Outcome::Allow];

/// A rule as written: host pattern, port (0 any), programs, and methods and paths where HTTP is read.
pub type Written = (String, u16, Vec<String>, Option<(Vec<String>, Vec<String>)>);

/// A request as written: host, port, program chain, and method and path where it is no mere connection.
pub type Asked = (String, u16, Option<Vec<String>>, Option<(String, String)>);

/// How many leading bits a rule's network must have to name the host; none for the closed ranges. Knows the ranges
/// that the generators meet, and no others.
pub fn needed(host: &Seen) -> Option<usize> {
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
pub fn width(pattern: &str) -> usize {
    pattern.trim_end_matches(']').split_once('/').map_or(128, |(_, prefix)| prefix.parse().expect("a prefix"))
}

pub fn names_host(pattern: &str, host: &Seen, allows: bool) -> bool {
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
pub fn spellings(path: &str) -> Vec<String> {
    let plain = path.replace("%61", "a");
    let split = plain.replace("%2F", "/").replace("%5C", "/");
    let cut = |path: &str| {
        path.split('/').map(|part| part.split(';').next().unwrap_or_default()).collect::<Vec<_>>().join("/")
    };
    vec![cut(&plain), cut(&split), plain, split]
}

/// Whether a pattern means a path, by trying everything.
pub fn means(pattern: &[&str], path: &[&str]) -> bool {
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
pub fn is_program(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern[1..].split('/').collect(), path[1..].split('/').collect());
    means(&pattern, &path)
}

/// Whether a rule is about a request: in every spelling, or in some.
pub fn is_about(http: Option<&(Vec<String>, Vec<String>)>, (method, path): &(String, String), every: bool) -> bool {
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

pub type Lists = (Vec<Written>, Vec<Written>, bool);

/// Whether some rule has this destination read.
pub fn reads((allow, deny, _): &Lists, host: &Seen, port: u16) -> bool {
    let of = |rule: &Written, allows| {
        rule.3.is_some() && names_host(&rule.0, host, allows) && (rule.1 == 0 || rule.1 == port)
    };
    allow.iter().any(|rule| of(rule, true)) || deny.iter().any(|rule| of(rule, false))
}

/// What all of these come to, as a place in [`RANK`]: the least of them. Where requests are read, the connection is open.
pub fn rank(
    members: &[Lists],
    host: &Seen,
    port: u16,
    first: Option<&str>,
    request: Option<&(String, String)>,
) -> usize {
    rank_where(members, host, port, request, |member| naive(member, host, port, first, request))
}

/// The same by another judge of one.
pub fn rank_where(
    members: &[Lists],
    host: &Seen,
    port: u16,
    request: Option<&(String, String)>,
    judge: impl Fn(&Lists) -> usize,
) -> usize {
    match members.iter().map(judge).min().expect("a member") {
        3 if request.is_none() && members.iter().any(|member| reads(member, host, port)) => 2,
        rank => rank,
    }
}

pub fn naive(
    member: &Lists,
    host: &Seen,
    port: u16,
    program: Option<&str>,
    request: Option<&(String, String)>,
) -> usize {
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

pub fn compile(allow: &[Written], deny: &[Written], ask: bool) -> Policy {
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
pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "([ab]\\.){0,3}(com|bastide)",
        1 => "([aAbB]\\.){1,2}(COM|com|Com)\\.?",
        1 => "(xn--4ca|a-b|_a|a1)\\.com",
        1 => "(host|HOST|a\\.host)\\.bastide\\.?",
    ]
}

pub fn address() -> impl Strategy<Value = String> {
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
pub fn closed() -> impl Strategy<Value = String> {
    prop_oneof!["(127\\.0\\.0\\.[12]|::1|\\[::1\\]|0\\.0\\.0\\.0|64:ff9b::127\\.0\\.0\\.1)"]
}

pub fn rule() -> impl Strategy<Value = Written> {
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
pub fn path() -> impl Strategy<Value = String> {
    "(/(a|b|ab|%61|a%2Fb|b%5Ca|a;b)){1,3}/?"
}

pub fn member() -> impl Strategy<Value = Lists> {
    let deny = rule().prop_map(|(host, port, _, http)| (host, port, Vec::new(), http));
    (prop::collection::vec(rule(), 0..8), prop::collection::vec(deny, 0..2), any::<bool>())
}

pub fn request() -> impl Strategy<Value = Asked> {
    let host = prop_oneof![4 => name(), 3 => address(), 1 => closed()];
    let request = prop::option::of(("GET|PUT", path()));
    (host, 1..3u16, prop::option::of(prop::collection::vec("/usr/bin/[xyz]", 1..3)), request)
}

/// The request, or one that the first policy's rule at `index` means.
pub fn aimed(members: &[Lists], asked: Asked, aim: Option<prop::sample::Index>) -> Asked {
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

pub fn said(request: Option<&(String, String)>) -> Option<Request> {
    request.map(|(method, path)| Request::new(method, path).expect("no odd request"))
}

pub fn outcome(conjunction: &Conjunction, egress: &Egress<'_>) -> Outcome {
    match decide(conjunction, egress) {
        Decision::Allow(_) => Outcome::Allow,
        Decision::Read => Outcome::Read,
        Decision::Ask(_) => Outcome::Ask,
        Decision::Deny(_) => Outcome::Deny,
    }
}

pub fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}
