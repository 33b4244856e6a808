use policy::Rate;
use proptest::prelude::*;

use super::*;

fn at(at: u64, kind: Kind) -> Event {
    Event { seq: 1, at, cause: Vec::new(), kind }
}

fn reserved(child: u32, budget: Amounts) -> Kind {
    Kind::ChildReserved { child, task: String::new(), budget, below: 0, cut: Vec::new() }
}

fn ended(child: u32, used: Amounts) -> Kind {
    Kind::ChildEnded { child, session: None, exit: None, reason: String::new(), used, below: 0 }
}

fn amounts(tokens: u64, memory: u64) -> Amounts {
    Amounts { tokens: Some(tokens), memory: Some(memory), ..Amounts::default() }
}

fn agents(tokens: u64, memory: u64) -> Agents {
    let rate = Rate { count: 1_000, seconds: 1 };
    Agents { depth: 1, children: 3, total: 500, rate, most: amounts(tokens, memory) }
}

#[test]
fn what_is_used_stays_gone_and_what_was_held_comes_back() {
    let mut children = Children::default();
    let agents = agents(100, 10);
    children.take(&at(0, reserved(1, amounts(60, 10))));
    let full = Full::Spent { good: Good::Tokens, left: 40, wanted: 41 };
    assert_eq!(children.fits(&agents, &amounts(41, 0), 0), Err(full));
    assert!(matches!(children.fits(&agents, &amounts(40, 1), 0), Err(Full::Spent { good: Good::Memory, .. })));
    // What is told twice comes back once.
    for used in [amounts(25, 9), amounts(0, 0)] {
        children.take(&at(0, ended(1, used)));
    }
    assert_eq!(
        (children.left(&agents.most, Good::Tokens), children.left(&agents.most, Good::Memory)),
        (Some(75), Some(10))
    );
    assert_eq!(children.fits(&agents, &Amounts::default(), 0), Err(Full::Unbounded(Good::Tokens)));
}

#[test]
fn width_total_and_rate_are_kept() {
    let mut children = Children::default();
    let agents = Agents { rate: Rate { count: 2, seconds: 60 }, total: 3, ..agents(100, 100) };
    let minute = 60_000_000;
    children.take(&at(minute, reserved(1, amounts(1, 1))));
    children.take(&at(minute, reserved(2, amounts(1, 1))));
    assert_eq!(children.room(&agents, 2 * minute - 1), Err(Full::Rate(agents.rate)));
    // A clock that was set back makes nobody faster.
    assert_eq!(children.room(&agents, 0), Err(Full::Rate(agents.rate)));
    assert_eq!(children.room(&agents, 2 * minute), Ok(()));
    children.take(&at(2 * minute, reserved(children.next(), amounts(1, 1))));
    assert_eq!(children.room(&agents, 9 * minute), Err(Full::Width(3)));
    children.take(&at(0, ended(2, amounts(0, 0))));
    assert_eq!(children.room(&agents, 9 * minute), Err(Full::Total(3)));
}

/// A tree of any shape has no more sessions below its root than that allows, whoever begins and ends when.
#[test]
fn a_tree_has_no_more_than_its_root_allows() {
    let root =
        Agents { depth: 3, children: 3, total: 20, rate: Rate { count: 1000, seconds: 1 }, most: Amounts::default() };
    let moves = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..200);
    let mut most = 0;
    let counted = std::cell::RefCell::new(&mut most);
    let config = ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&moves, |moves| {
            // Each session: what it may begin, its children, its parent and number, whether it runs.
            let mut all = vec![(Some(root), Children::default(), None::<(usize, u32)>, true)];
            for (which, ends) in moves {
                let at = which.index(all.len());
                let running = all[at].3 && all.iter().all(|one| one.2.is_none_or(|(up, _)| up != at) || !one.3);
                if let (true, true, Some((up, number))) = (ends, running, all[at].2) {
                    let below = all[at].1.begun();
                    let used = Amounts::default();
                    let end = Kind::ChildEnded {
                        child: number,
                        session: None,
                        exit: None,
                        reason: String::new(),
                        used,
                        below,
                    };
                    all[up].1.take(&self::at(0, end));
                    all[at].3 = false;
                } else if let (true, Some(agents)) = (all[at].3, all[at].0) {
                    if all[at].1.room(&agents, u64::MAX).is_err() {
                        continue;
                    }
                    let child = agents.below(Amounts::default(), all[at].1.share_below(&agents));
                    let (number, budget) = (all[at].1.next(), Amounts::default());
                    let below = child.map_or(0, |child| child.total);
                    let reserved =
                        Kind::ChildReserved { child: number, task: String::new(), budget, below, cut: Vec::new() };
                    all[at].1.take(&self::at(0, reserved));
                    all.push((child, Children::default(), Some((at, number)), true));
                }
                prop_assert!(all.len() <= 21, "{} sessions", all.len());
            }
            let mut counted = counted.borrow_mut();
            **counted = (**counted).max(all.len());
            Ok(())
        })
        .expect("bounded");
    assert!(most > 15, "the bound was met: {most}");
}

/// What one of those who take part does next.
#[derive(Debug, Clone)]
enum Step {
    Spawn(u64, u64),
    /// This child ends, having used that many hundredths of what it might.
    End(prop::sample::Index, u64),
    /// Its end is told once more, and otherwise.
    Again(prop::sample::Index),
    /// The plane is killed, and all is read again.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..60u64, 0..8u64).prop_map(|(tokens, memory)| Step::Spawn(tokens, memory)),
        3 => (any::<prop::sample::Index>(), 0..=100u64).prop_map(|(which, used)| Step::End(which, used)),
        1 => any::<prop::sample::Index>().prop_map(Step::Again),
        1 => Just(Step::Crash),
    ]
}

/// However spawns, ends, crashes and refunds follow each other: what all used and may still use up is never more than
/// there was, and what is left and what is gone are together what there was.
#[test]
fn budgets_are_conserved() {
    let config = ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() };
    let (mut begun, mut refused) = (0u32, 0u32);
    let counted = std::cell::RefCell::new((&mut begun, &mut refused));
    proptest::test_runner::TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..60), |steps| {
            let agents = agents(200, 20);
            let (mut written, mut children) = (Vec::new(), Children::default());
            // Kept beside, by hand: what each may and did use.
            let mut book: Vec<(u64, u64, Option<u64>)> = Vec::new();
            for (now, step) in (0u64..).zip(steps) {
                let mut write = |kind: Kind, children: &mut Children| {
                    let event = at(now * 1_000_000, kind);
                    children.take(&event);
                    written.push(event);
                };
                match step {
                    Step::Spawn(tokens, memory) => {
                        let gone: u64 = book.iter().map(|(may, _, did)| did.unwrap_or(*may)).sum();
                        let held: u64 = book.iter().filter(|one| one.2.is_none()).map(|one| one.1).sum();
                        let alive = book.iter().filter(|one| one.2.is_none()).count();
                        let fits = gone + tokens <= 200 && held + memory <= 20 && alive < 3;
                        let budget = amounts(tokens, memory);
                        prop_assert_eq!(children.fits(&agents, &budget, now * 1_000_000).is_ok(), fits);
                        let mut counted = counted.borrow_mut();
                        if fits {
                            write(reserved(children.next(), budget), &mut children);
                            book.push((tokens, memory, None));
                            *counted.0 += 1;
                        } else {
                            *counted.1 += 1;
                        }
                    }
                    Step::End(which, used) if !book.is_empty() => {
                        let at = which.index(book.len());
                        let used = book[at].0 * used / 100;
                        write(ended(u32::try_from(at + 1).expect("few"), amounts(used, 0)), &mut children);
                        book[at].2.get_or_insert(used);
                    }
                    Step::Again(which) if !book.is_empty() => {
                        let at = which.index(book.len());
                        if book[at].2.is_some() {
                            write(ended(u32::try_from(at + 1).expect("few"), amounts(0, 0)), &mut children);
                        }
                    }
                    Step::Crash => {
                        children = Children::default();
                        written.iter().for_each(|event| children.take(event));
                    }
                    _ => {}
                }
                let gone: u64 = book.iter().map(|(may, _, did)| did.unwrap_or(*may)).sum();
                prop_assert_eq!(children.gone(Good::Tokens), gone);
                prop_assert!(gone <= 200);
                prop_assert_eq!(children.left(&agents.most, Good::Tokens), Some(200 - gone));
            }
            Ok(())
        })
        .expect("conserved");
    assert!(begun > 10_000 && refused > 10_000, "{begun} begun, {refused} refused");
}
