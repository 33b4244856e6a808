//! How long one decision takes with 1,000 hosts, beside a scan over the same rules in the same run.
//!
//! `cargo run --release -p bastide-policy --example decide_bench`

use std::hint::black_box;
use std::time::Instant;

use policy::{Conjunction, Decision, Egress, Host, HostPattern, Policy, Rule, Target, decide};

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

/// The peer: every rule in turn, on the same canonical host.
fn scan(policy: &Policy, egress: &Egress<'_>) -> bool {
    let host = match egress.host {
        Host::Name(name) => HostPattern::Exact(name.clone()),
        Host::Address(address) => HostPattern::Address(*address),
    };
    let target = Target { host, port: Some(egress.port) };
    let takes = |rule: &Rule| rule.to.covers(&target) && rule.takes(egress.program);
    !policy.network.deny.iter().any(takes) && policy.network.allow.iter().any(takes)
}

fn measure(mut one: impl FnMut()) -> u128 {
    let start = Instant::now();
    (0..BATCH).for_each(|_| one());
    start.elapsed().as_nanos() / u128::from(BATCH)
}

fn main() {
    let policy = policy();
    let whole = Conjunction::new(vec![policy.clone()]);
    let chain = ["/usr/bin/git".to_owned()];
    println!(
        "{:<10} {:>10} {:>10} {:>10} {:>10}   ns, {ROUNDS} rounds of {BATCH}",
        "", "min", "median", "scan min", "median"
    );
    for (kind, name, allowed) in [
        ("exact", "host599.example.com", true),
        ("wildcard", "a.b.zone299.example.com", true),
        ("network", "10.99.1.2", true),
        ("deny", "nowhere.example.net", false),
    ] {
        let host = Host::parse(name).expect("a host");
        let egress = Egress { host: &host, port: 443, program: Some(&chain), request: None };
        assert_eq!(matches!(decide(&whole, &egress), Decision::Allow(_)), allowed, "{kind}");
        assert_eq!(scan(&policy, &egress), allowed, "{kind}");
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(measure(|| drop(black_box(decide(black_box(&whole), black_box(&egress))))));
            theirs.push(measure(|| assert_eq!(black_box(scan(black_box(&policy), black_box(&egress))), allowed)));
        }
        ours.sort_unstable();
        theirs.sort_unstable();
        let half = ROUNDS / 2;
        println!("{kind:<10} {:>10} {:>10} {:>10} {:>10}", ours[0], ours[half], theirs[0], theirs[half]);
    }
}
