//! How long one decision takes with 1,000 hosts, and with 1,000 rules about paths at one host, beside a scan over the same
//! rules in the same run.
//!
//! `cargo run --release -p bastide-policy --example decide_bench`

use std::hint::black_box;
use std::time::Instant;

use policy::{Conjunction, Decision, Egress, Host, HostPattern, PathPattern, Policy, Request, Rule, Target, decide};

const ROUNDS: usize = 2_000;
const BATCH: u32 = 50;

fn policy() -> Policy {
    let rule = |text: String| Rule::to(Target::parse(&text).expect("a target"));
    let mut policy = Policy { name: "bench".into(), ..Policy::default() };
    policy.network.allow.extend((0..600).map(|number| rule(format!("host{number}.example.com:443"))));
    policy.network.allow.extend((0..300).map(|number| rule(format!("*.zone{number}.example.com:443"))));
    policy.network.allow.extend((0..100).map(|number| rule(format!("10.{number}.0.0/16"))));
    policy
}

/// Rules about requests at one host, as an operator writes them for repositories.
fn paths() -> Policy {
    let rule = |text: String| Rule {
        protocol: policy::Protocol::Http,
        methods: vec![policy::Method::parse("GET").expect("a method")],
        paths: vec![PathPattern::parse(&text).expect("a path")],
        ..Rule::to(Target::parse("api.example.com:443").expect("a target"))
    };
    let mut policy = Policy { name: "bench".into(), ..Policy::default() };
    policy.network.allow.extend((0..500).map(|number| rule(format!("/repos/acme/part{number}/**"))));
    policy.network.allow.extend((0..500).map(|number| rule(format!("/v{}/*/items/{number}", number % 10))));
    policy
}

/// The peer: every rule in turn, on the same canonical host.
fn scan(policy: &Policy, egress: &Egress<'_>) -> bool {
    let host = match egress.host {
        Host::Name(name) => HostPattern::Exact(name.clone()),
        Host::Address(address) => HostPattern::Address(*address),
    };
    let target = Target { host, port: Some(egress.port) };
    let asks = |rule: &Rule| egress.request.is_none_or(|request| request.lies_in(&rule.paths));
    let takes = |rule: &Rule| rule.to.covers(&target) && rule.takes(egress.program) && asks(rule);
    !policy.network.deny.iter().any(takes) && policy.network.allow.iter().any(takes)
}

fn measure(mut one: impl FnMut()) -> u128 {
    let start = Instant::now();
    (0..BATCH).for_each(|_| one());
    start.elapsed().as_nanos() / u128::from(BATCH)
}

fn main() {
    println!(
        "{:<10} {:>10} {:>10} {:>10} {:>10}   ns, {ROUNDS} rounds of {BATCH}",
        "", "min", "median", "scan min", "median"
    );
    let hosts = policy();
    for (kind, name, allowed) in [
        ("exact", "host599.example.com", true),
        ("wildcard", "a.b.zone299.example.com", true),
        ("network", "10.99.1.2", true),
        ("deny", "nowhere.example.net", false),
    ] {
        compare(kind, &hosts, name, None, allowed);
    }
    let paths = paths();
    for (kind, target, allowed) in [
        ("path", "/repos/acme/part499/git/refs/heads/main?per_page=100", true),
        ("pattern", "/v9/anything/items/499", true),
        ("no-path", "/repos/acme/other/git/refs", false),
    ] {
        let request = Request::new("GET", target).expect("a request");
        compare(kind, &paths, "api.example.com", Some(&request), allowed);
    }
}

fn compare(kind: &str, policy: &Policy, name: &str, request: Option<&Request>, allowed: bool) {
    let whole = Conjunction::new(vec![policy.clone()]);
    let chain = ["/usr/bin/git".to_owned()];
    let host = Host::parse(name).expect("a host");
    let egress = Egress { host: &host, port: 443, program: Some(&chain), request };
    assert_eq!(matches!(decide(&whole, &egress), Decision::Allow(_)), allowed, "{kind}");
    assert_eq!(scan(policy, &egress), allowed, "{kind}");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(measure(|| drop(black_box(decide(black_box(&whole), black_box(&egress))))));
        theirs.push(measure(|| assert_eq!(black_box(scan(black_box(policy), black_box(&egress))), allowed)));
    }
    ours.sort_unstable();
    theirs.sort_unstable();
    let half = ROUNDS / 2;
    println!("{kind:<10} {:>10} {:>10} {:>10} {:>10}", ours[0], ours[half], theirs[0], theirs[half]);
}
