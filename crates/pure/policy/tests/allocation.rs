//! An allowed request is decided without touching the allocator, however many rules there are.

use policy::{Conjunction, Decision, Egress, Host, Policy, Rule, Target, decide};

fn rule(text: &str, programs: &[&str]) -> Rule {
    let programs = programs.iter().map(|path| (*path).to_owned().try_into().expect("a path")).collect();
    Rule { programs, ..Rule::to(Target::parse(text).expect("a target")) }
}

fn thousand() -> Policy {
    let mut policy = Policy { name: "thousand".into(), ..Policy::default() };
    for number in 0..500 {
        policy.network.allow.push(rule(&format!("host{number}.example.com:443"), &["/usr/bin/git"]));
        policy.network.allow.push(rule(&format!("*.zone{number}.example.com"), &[]));
        policy.network.deny.push(rule(&format!("bad{number}.example.org"), &[]));
    }
    policy.network.allow.push(rule("10.1.0.0/16", &[]));
    policy.network.allow.push(rule("[fd00::/8]", &[]));
    policy
}

#[test]
fn allowing_allocates_nothing() {
    let whole = Conjunction::new(vec![thousand(), thousand()]);
    let chain = ["/usr/bin/git".to_owned(), "/bin/sh".to_owned()];
    for name in ["host499.example.com", "a.b.c.zone499.example.com", "10.1.2.3", "fd00::1"] {
        let host = Host::parse(name).expect("a host");
        let egress = Egress { host: &host, port: 443, program: Some(&chain), request: None };
        let mut allowed = false;
        let info = allocation_counter::measure(|| allowed = matches!(decide(&whole, &egress), Decision::Allow(_)));
        assert!(allowed, "{name}");
        assert_eq!((info.count_total, info.bytes_total), (0, 0), "{name}");
    }
}

/// The counter counts: a refusal carries text.
#[test]
fn refusing_is_counted() {
    let whole = Conjunction::new(vec![thousand()]);
    let host = Host::parse("nowhere.example.net").expect("a host");
    let egress = Egress { host: &host, port: 443, program: None, request: None };
    let info = allocation_counter::measure(|| drop(decide(&whole, &egress)));
    assert!(info.count_total > 0);
}
