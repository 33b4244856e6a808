#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn evidence() -> impl Strategy<Value = Vec<(u64, Name, u32)>> {
    let one = (0..4 * HALF, 0..Name::ALL.len(), 1..60_u32);
    proptest::collection::vec(one.prop_map(|(at, name, weight)| (at, Name::ALL[name], weight)), 0..400)
}

fn risk(all: &[(u64, Name, u32)]) -> Risk {
    let mut risk = Risk::default();
    all.iter().for_each(|(at, name, weight)| risk.count(*at, *name, *weight));
    risk
}

proptest! {
    #[test]
    fn more_evidence_never_lowers_it(all in evidence(), more in evidence(), now in 0..9 * HALF) {
        let before = risk(&all).score(now);
        let both: Vec<_> = all.into_iter().chain(more).collect();
        prop_assert!(risk(&both).score(now) >= before);
    }

    #[test]
    fn time_alone_never_raises_it(all in evidence(), now in 0..9 * HALF, later in 0..9 * HALF) {
        let risk = risk(&all);
        let after = 4 * HALF + now;
        prop_assert!(risk.score(after + later) <= risk.score(after));
    }

    #[test]
    fn what_is_told_of_it_is_within_bounds(all in evidence(), now in 0..9 * HALF) {
        let risk = risk(&all);
        prop_assert!(risk.score(now) <= MOST_RISK && risk.entries.len() <= KEPT);
        prop_assert!(risk.named(now).iter().all(|(_, score)| *score <= OF_ONE));
    }
}

#[test]
fn one_name_alone_reaches_no_more_than_half() {
    let mut risk = Risk::default();
    for content in 0..1000 {
        risk.add(0, Name::Instruction, 45, content);
    }
    assert_eq!(risk.score(0), OF_ONE);
    risk.add(0, Name::HiddenText, 40, 1);
    assert_eq!(risk.score(0), 90);
    assert_eq!(risk.named(0), [(Name::Instruction, 50), (Name::HiddenText, 40)]);
}

#[test]
fn what_is_read_again_counts_once() {
    let mut risk = Risk::default();
    assert!(risk.add(0, Name::Instruction, 25, 7));
    assert!(!risk.add(5, Name::Instruction, 25, 7));
    assert!(risk.add(5, Name::HiddenText, 40, 7));
    assert_eq!(risk.score(5), 64);
    risk.forgive();
    assert_eq!(risk.score(5), 0);
    assert!(!risk.add(6, Name::Instruction, 25, 7), "what the operator saw is not new when it is read again");
}

#[test]
fn it_is_half_after_a_while_and_none_in_the_end() {
    let mut risk = Risk::default();
    risk.add(0, Name::HiddenText, 40, 0);
    let at = |time| risk.score(time);
    assert_eq!([at(0), at(HALF / 2), at(HALF), at(2 * HALF), at(40 * HALF)], [40, 30, 20, 10, 0]);
}
