//! The indexed decision against a second matcher that shares no code with it and works on text: its own reading of
//! names, addresses and networks, its own loop over all rules.

use crate::naive_host::see;
use crate::naive_rules::{
    Lists, RANK, address, aimed, closed, compile, member, naive, name, outcome, rank, rank_where, reads, request, rule,
    runner, said, spellings,
};
use policy::{Conjunction, Egress, Host, Outcome, Policy, explain, suggest};
use proptest::prelude::*;

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
            let rank = rank(&members, &text, port, first, request.as_ref());
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
            let judge = |member: &Lists| match naive(member, &text, port, first, request.as_ref()) {
                1 if granted => 3,
                rank => rank,
            };
            let rank = rank_where(&members, &text, port, request.as_ref(), judge);
            let (was, is) = (outcome(&before, &egress), outcome(&after, &egress));
            prop_assert_eq!(is, RANK[rank]);
            prop_assert_eq!(explain(&after, &egress).outcome, is);
            if was != Outcome::Ask {
                prop_assert_eq!(was, is);
            } else if is != was {
                **counted.borrow_mut() += 1;
            }
            // It goes nowhere with the policies, and is gone when there is none.
            let travelled: Conjunction = after.policies().cloned().collect::<Vec<Policy>>().into();
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
