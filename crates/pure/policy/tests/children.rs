//! What a child may do, its parent may: for random parents, wishes and ceilings, against the second reading of rules. And
//! what a child does not get of what was asked for is said.

use crate::naive_host::see;
use crate::naive_rules::{Lists, RANK, aimed, compile, member, outcome, rank, request, rule, runner, said};
use policy::agents::{Wish, ceiling, narrow};
use policy::{
    Agents, Amounts, Conjunction, Credential, Decision, Egress, Good, Host, Outcome, Policy, Position, Rate, Target,
    decide,
};
use proptest::prelude::*;

fn targets(written: &[crate::naive_rules::Written]) -> Vec<Target> {
    let text = |(host, port, ..): &crate::naive_rules::Written| {
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.clone() };
        if *port == 0 { host } else { format!("{host}:{port}") }
    };
    written.iter().map(|rule| Target::parse(&text(rule)).expect("a target")).collect()
}

/// The child of this parent that is asked for with this wish: the ceiling, the parent's policies, and what was asked.
fn child(parent: &Conjunction, wish: &Wish<'_>) -> (Conjunction, Vec<policy::agents::Left>) {
    let narrowed = narrow(parent, wish);
    let asked = Policy { network: narrowed.network, inference: narrowed.inference, ..Policy::default() };
    let own = parent.policies().last().expect("a policy");
    let above = std::iter::once(ceiling(own)).chain(parent.policies().cloned());
    (Conjunction::new(above.chain([asked]).collect()), narrowed.left)
}

/// Rules of one kind of the parent's, some with a secret.
fn lending(mut policy: Policy, every: usize) -> Policy {
    for (at, rule) in policy.network.allow.iter_mut().enumerate() {
        if rule.protocol.reads() && (every == 0 || at % 2 == 0) {
            rule.credential = Some(Credential { name: "key".into(), position: Position::bearer() });
        }
    }
    policy
}

#[test]
fn what_a_child_may_do_its_parent_may() {
    let mut seen = [0usize; 4];
    let (mut same, mut less, mut lent) = (0, 0, 0);
    let counted = std::cell::RefCell::new((&mut seen, &mut same, &mut less, &mut lent));
    let members = prop::collection::vec(member(), 1..4);
    let wish = prop::collection::vec(rule(), 0..4);
    // Half of the wishes are for what the parent has.
    let own = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let strategy = (members, wish, own, request(), any::<prop::sample::Index>(), any::<bool>(), 0..2usize);
    runner(20_000)
        .run(&strategy, |(members, mut wished, own, asked, aim, keyed, every)| {
            let last = members.last().expect("a member");
            if !last.0.is_empty() {
                wished.extend(own.iter().map(|index| index.get(&last.0).clone()));
            }
            let to: Lists = (wished.clone(), Vec::new(), false);
            let (name, port, program, request) = aimed(std::slice::from_ref(&to), asked, Some(aim));
            let policies =
                members.iter().map(|(allow, deny, ask)| lending(compile(allow, deny, *ask), every)).collect();
            let parent = Conjunction::new(policies);
            let network = targets(&wished);
            let credentials: &[&str] = if keyed { &["key"] } else { &[] };
            let wish = Wish { network: &network, credentials, ..Wish::default() };
            let (child, left) = child(&parent, &wish);
            let host = Host::parse(&name).expect("a host");
            let whole = said(request.as_ref());
            let egress = Egress { host: &host, port, program: program.as_deref(), request: whole.as_ref() };
            let text = see(&name).expect("a host");
            let first = program.as_ref().and_then(|chain| chain.first()).map(String::as_str);
            let rank = rank(&members, &text, port, first, request.as_ref());
            let may = outcome(&child, &egress);
            prop_assert!(may <= RANK[rank], "{:?} and its parent {:?}", may, RANK[rank]);
            // What was not asked for is not had.
            let any =
                |host: &str, at: u16| crate::naive_rules::names_host(host, &text, true) && (at == 0 || at == port);
            let named = wished.iter().any(|rule| any(&rule.0, rule.1));
            prop_assert!(named || may == Outcome::Deny, "{:?} and not asked for", may);
            let mut counted = counted.borrow_mut();
            counted.0[rank] += 1;
            // What was, and of which nothing is said, is had as the parent has it.
            let silent = |rule: &crate::naive_rules::Written| {
                let what = format!("network {}", targets(std::slice::from_ref(rule))[0]);
                any(&rule.0, rule.1) && !left.iter().any(|left| left.what == what)
            };
            if wished.iter().any(silent) {
                prop_assert_eq!(may, RANK[rank], "{:?}", left);
                *counted.1 += usize::from(may != Outcome::Deny);
            } else if may < RANK[rank] {
                *counted.2 += 1;
            }
            // A secret goes with a child's request only where it goes with its parent's.
            if let Decision::Allow(permit) = decide(&child, &egress)
                && let Some(credential) = permit.credential()
            {
                let Decision::Allow(above) = decide(&parent, &egress) else { return Err(TestCaseError::fail("wider")) };
                prop_assert_eq!(above.credential(), Some(credential));
                prop_assert!(keyed);
                *counted.3 += 1;
            }
            Ok(())
        })
        .expect("no wider");
    assert!(seen.iter().all(|&count| count > 300), "each outcome was met: {seen:?}");
    assert!(same > 1000 && less > 100 && lent > 30, "{same} as the parent has it, {less} less, {lent} with a secret");
}

/// The same over generations: each is no wider than the one before, and budgets only shrink.
#[test]
fn nor_does_any_generation_widen() {
    let generation = (prop::collection::vec(rule(), 0..4), prop::option::of(0..100u64));
    let strategy = (member(), prop::collection::vec(generation, 1..4), prop::collection::vec(request(), 4));
    let mut met = 0;
    let counted = std::cell::RefCell::new(&mut met);
    runner(4_000)
        .run(&strategy, |(root, generations, asked)| {
            let mut first = compile(&root.0, &root.1, root.2);
            let most = Amounts { tokens: Some(60), ..Amounts::default() };
            first.agents = Some(Agents { depth: 3, most, ..Agents::default() });
            let mut parent = Conjunction::new(vec![first]);
            let mut wished = root.0.clone();
            for (more, tokens) in generations {
                let Some(agents) = parent.agents() else { return Ok(()) };
                wished.extend(more);
                let network = targets(&wished);
                let narrowed = narrow(&parent, &Wish { network: &network, ..Wish::default() });
                let budget = agents.most.and(Amounts { tokens, ..Amounts::default() });
                let mut own = Policy {
                    network: narrowed.network,
                    agents: agents.below(budget, agents.total / 2),
                    ..Policy::default()
                };
                budget.bound(&mut own);
                let above = parent.policies().cloned();
                let child = Conjunction::new(above.chain([own]).collect());
                prop_assert!(child.model_budget().0 <= Some(60));
                prop_assert!(child.model_budget().0 <= parent.model_budget().0.or(Some(60)));
                if let Some(next) = child.agents() {
                    prop_assert!(next.depth < agents.depth);
                    prop_assert!(next.most.get(Good::Tokens) <= agents.most.get(Good::Tokens));
                }
                for (name, port, program, request) in &asked {
                    let host = Host::parse(name).expect("a host");
                    let whole = said(request.as_ref());
                    let egress =
                        Egress { host: &host, port: *port, program: program.as_deref(), request: whole.as_ref() };
                    let (may, above) = (outcome(&child, &egress), outcome(&parent, &egress));
                    prop_assert!(may <= above);
                    **counted.borrow_mut() += usize::from(may != Outcome::Deny);
                }
                parent = child;
            }
            Ok(())
        })
        .expect("no wider");
    assert!(met > 300, "{met}");
}

/// No pattern means the host's loopback, for a child as for its parent.
#[test]
fn a_wish_for_many_names_is_none_for_the_hosts_loopback() {
    let parent = Conjunction::new(vec![compile(&[("host.bastide".into(), 1, Vec::new(), None)], &[], false)]);
    for (wish, may) in
        [("*.bastide:1", Outcome::Deny), ("*.bastide", Outcome::Deny), ("host.bastide:1", Outcome::Allow)]
    {
        let network = [Target::parse(wish).expect("a target")];
        let (child, _) = child(&parent, &Wish { network: &network, ..Wish::default() });
        let host = Host::parse("host.bastide").expect("a host");
        assert_eq!(outcome(&child, &Egress { host: &host, port: 1, program: None, request: None }), may, "{wish}");
    }
}

/// What counts anew in a child would be had twice.
#[test]
fn a_rule_with_a_count_of_its_own_is_not_given_on() {
    let mut policy = compile(&[("a.com".into(), 0, Vec::new(), Some((Vec::new(), Vec::new())))], &[], false);
    let wish = targets(&[("a.com".into(), 1, Vec::new(), None)]);
    let left = |policy: &Policy| {
        let parent = Conjunction::new(vec![policy.clone()]);
        narrow(&parent, &Wish { network: &wish, ..Wish::default() }).left
    };
    assert_eq!(left(&policy), []);
    policy.network.allow[0].bounds.rate = Some(Rate { count: 1, seconds: 1 });
    assert!(left(&policy)[0].why.contains("not split"), "{:?}", left(&policy));
    policy.network.allow[0].bounds.rate = None;
    policy.network.allow[0].bounds.budget = Some(5);
    assert!(left(&policy)[0].why.contains("not split"), "{:?}", left(&policy));
}
