//! Which names exist for a cell. What captures them needs root to be made.

use crate::fake::dns::{address, ask};
use crate::fake::{Cell, lease};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

#[test]
fn every_resolver_and_both_protocols_answer_alike_and_once_in_the_record() {
    let cell = Cell::new();
    let _gate = cell.start(&lease(&["web.example"]), 0).ready();
    let answers = cell.inside(|| {
        let ways = [("198.18.0.1:53", false), ("9.9.9.9:53", false), ("9.9.9.9:53", true), ("[2620:fe::fe]:53", false)];
        ways.map(|(server, stream)| {
            let named = ask(server, "web.example.", RecordType::A, stream).answers[0].data.clone();
            (named, ask(server, "other.example.", RecordType::A, stream).metadata.response_code)
        })
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].1, ResponseCode::NXDomain);
    assert_eq!(cell.record().matches("web.example").count(), 1);
    assert_eq!(cell.record().matches("other.example").count(), 1);
}

#[test]
fn names_that_would_be_asked_for_resolve_and_the_doors_own_are_there() {
    let cell = Cell::new();
    let mut asking = lease(&[]);
    let mut policies: Vec<policy::Policy> = asking.policy.policies().cloned().collect();
    policies[0].network.default = policy::Default::Ask;
    asking.policy = policy::Conjunction::new(policies);
    let _gate = cell.start(&asking, 0).ready();
    let found = cell.inside(|| ["any.example.", "host.bastide.", "proxy.bastide."].map(address));
    assert!(found.iter().all(|&address| gate::names::is_pool(address)), "{found:?}");
    assert!(cell.record().contains("\"asked\""), "{}", cell.record());
    drop(_gate);
    let cell = Cell::new();
    let _gate = cell.start(&lease(&["web.example"]), 0).ready();
    let answer = cell.inside(|| ask("198.18.0.1:53", "host.bastide.", RecordType::A, false));
    assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
}
