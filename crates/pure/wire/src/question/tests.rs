use std::collections::{BTreeMap, BTreeSet};

use policy::{Conjunction, Default, Policy, Rule, Target};
use proptest::prelude::*;

use super::queue::{LIFE, MOST_NEW, MOST_OPEN};
use super::*;

fn rule(to: &str) -> Rule {
    Rule::to(Target::parse(to).expect("a target"))
}

fn wanted(to: &str) -> Wanted {
    let target = Target::parse(to).expect("a target");
    let (host, port) = to.rsplit_once(':').expect("a port");
    Wanted {
        pid: Some(7),
        program: vec!["/usr/bin/curl".into()],
        host: Host::parse(host).expect("a host"),
        port: port.parse().expect("a port"),
        request: None,
        rule: Rule::to(target),
        causes: Vec::new(),
        call: None,
        words: String::new(),
    }
}

fn request(method: &str, target: &str) -> Wanted {
    let path = target.split('?').next().expect("a path");
    let rule = Rule {
        protocol: policy::Protocol::Http,
        methods: vec![policy::Method::parse(method).expect("a method")],
        paths: vec![policy::PathPattern::parse(path).expect("a path")],
        ..rule("a.example:80")
    };
    let line = Line { method: method.into(), target: target.into(), websocket: false, message: None, body: None };
    Wanted { request: Some(line), rule, ..wanted("a.example:80") }
}

/// A connection, or a call, of which the same number is the same question. Calls are all of one host.
fn anything(effect: u8) -> Wanted {
    match effect % 2 {
        0 => wanted(&format!("h{effect}.example:443")),
        _ => super::call::tests::calling(effect),
    }
}

fn queue() -> Queue {
    Queue::new([7; 32], 1)
}

/// One step of somebody in the world: a program, a gate, the operator, a clock.
#[derive(Debug, Clone)]
enum Step {
    Ask(u8),
    /// Which, what, whether under an old policy, and as of which it was shown: of the newest, so many before it.
    Answer(usize, u8, bool, u64),
    Left(usize),
    Lost,
    Revised,
    Reopen,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u8).prop_map(Step::Ask),
        6 => (any::<usize>(), 0..4_u8, any::<bool>(), 0..3_u64)
            .prop_map(|(at, say, old, before)| Step::Answer(at, say, old, before)),
        2 => any::<usize>().prop_map(Step::Left),
        1 => Just(Step::Lost),
        1 => Just(Step::Revised),
        1 => Just(Step::Reopen),
        3 => prop_oneof![1..1000_u64, Just(LIFE / 2), Just(LIFE), Just(60_000)].prop_map(Step::Wait),
    ]
}

/// What is known of an id, kept as simply as can be: when it was asked last, under what, and how often it may be let through.
#[derive(Debug, Default)]
struct Known {
    asked: u64,
    revision: u32,
    answered: Option<u64>,
    over: bool,
    allowed: usize,
    used: BTreeSet<u64>,
}

/// The world as a second reading of what the queue promises.
#[derive(Debug, Default)]
struct World {
    now: u64,
    revision: u32,
    number: u64,
    /// What is held, and as which question.
    held: BTreeMap<u64, String>,
    ids: BTreeMap<String, Known>,
    order: Vec<String>,
    /// Numbers that were told what becomes of them.
    told: BTreeSet<u64>,
}

impl World {
    fn ends(&mut self, number: u64) {
        assert!(self.told.insert(number), "{number} was told twice");
        self.held.remove(&number);
    }

    fn ruled(&mut self, number: u64, ruling: &Ruling) {
        self.ends(number);
        if let Ruling::Once { question, .. } = ruling {
            let known = self.ids.get_mut(question).expect("a question that was asked");
            known.used.insert(number);
            let since = known.answered.expect("let through without an answer");
            assert!(self.now < since + LIFE, "let through after its time");
            assert_eq!(known.revision, self.revision, "let through under another policy");
            assert!(known.used.len() <= known.allowed, "let through more often than was answered");
        }
    }

    fn over(&mut self, ids: &[String]) {
        for id in ids {
            let known = self.ids.get_mut(id).expect("a question that was asked");
            assert!(!std::mem::replace(&mut known.over, true), "ended twice");
        }
    }

    fn ask(&mut self, queue: &mut Queue, effect: u8) {
        self.number += 1;
        let number = self.number;
        match queue.ask(self.now, number, anything(effect)) {
            Joined::New(id) => {
                let known = Known { asked: self.now, revision: self.revision, ..Known::default() };
                assert!(self.ids.insert(id.clone(), known).is_none(), "an id stands for two questions");
                self.order.push(id.clone());
                self.held.insert(number, id);
            }
            Joined::Waits(id) => {
                let known = self.ids.get_mut(&id).expect("asked before");
                assert!(self.now < known.asked + LIFE && !known.over, "it waits as what is over");
                known.asked = self.now;
                self.held.insert(number, id);
            }
            Joined::Ruled(ruling) => self.ruled(number, &ruling),
            Joined::Flood(_) => self.ends(number),
        }
    }

    fn answer(&mut self, queue: &mut Queue, (id, newest): (&str, u64), say: Say, revision: u32) {
        let waiting: Vec<u64> = self.held.iter().filter(|(_, held)| *held == id).map(|(number, _)| *number).collect();
        let (now, current) = (self.now, self.revision);
        let known = self.ids.get_mut(id).expect("asked");
        let may = known.answered.is_none() && !known.over && now < known.asked + LIFE;
        let Ok(answered) = queue.answer(now, (id, Some(newest)), revision, say) else {
            assert!(!may || revision != current, "an answer was not taken that should be");
            return;
        };
        assert!(may && revision == current && known.revision == current, "an answer was taken that should not be");
        known.answered = Some(now);
        if say == Say::Always {
            assert!(answered.told.is_empty());
            return;
        }
        known.over = true;
        let (shown, later): (Vec<u64>, Vec<u64>) =
            waiting.into_iter().partition(|number| say != Say::Once || *number <= newest);
        if say == Say::Once {
            known.allowed = shown.len().max(1);
        }
        assert_eq!((&answered.told, &answered.rest), (&shown, &later), "not those that it was shown with are told");
        for number in answered.told {
            self.ruled(number, &answered.ruling);
        }
        later.into_iter().for_each(|number| self.ends(number));
    }

    fn run(&mut self, queue: &mut Queue, step: &Step) {
        match step {
            Step::Ask(effect) => self.ask(queue, *effect),
            Step::Answer(at, say, old, before) => {
                if self.order.is_empty() {
                    return;
                }
                let id = self.order[at % self.order.len()].clone();
                let session = Say::Session { seconds: None, wide: false };
                let say = [Say::Once, session, Say::Always, Say::Deny][usize::from(*say)];
                let revision = if *old { self.revision.wrapping_sub(1) } else { self.revision };
                let newest = queue.open().find(|one| one.id == id).and_then(Question::newest).unwrap_or_default();
                self.answer(queue, (&id, newest.saturating_sub(*before)), say, revision);
            }
            Step::Left(at) => {
                if self.number == 0 {
                    return;
                }
                let number = 1 + *at as u64 % self.number;
                queue.left(number);
                if self.held.remove(&number).is_some() {
                    self.told.insert(number);
                }
                // It was let through and never heard of it.
                self.ids.values_mut().for_each(|known| {
                    known.used.remove(&number);
                });
            }
            Step::Lost => {
                let ids = queue.lost();
                self.over(&ids);
                // Of an answer of `always` nothing is left but the record: the policy decides.
                self.ids.values_mut().filter(|known| known.answered.is_some()).for_each(|known| known.over = true);
                self.told.extend(std::mem::take(&mut self.held).into_keys());
            }
            Step::Revised => {
                self.revision += 1;
                let ids = queue.revised(self.revision);
                self.over(&ids);
                self.ids.values_mut().for_each(|known| known.over = true);
                self.told.extend(std::mem::take(&mut self.held).into_keys());
            }
            Step::Reopen => {
                queue.reopen();
                let open: BTreeSet<&str> = queue.open().map(|question| &*question.id).collect();
                for (id, known) in &mut self.ids {
                    if !known.over && open.contains(id.as_str()) {
                        known.answered = None;
                    }
                }
            }
            Step::Wait(millis) => {
                self.now += millis;
                for expired in queue.expire(self.now) {
                    self.over(std::slice::from_ref(&expired.id));
                    assert!(self.now >= self.ids[&expired.id].asked + LIFE, "it ended before its time");
                    for number in expired.waiting {
                        self.ends(number);
                    }
                }
            }
        }
        let open: Vec<_> = queue.open().collect();
        assert!(open.len() <= MOST_OPEN && queue.in_the_last_hour(self.now) <= 60 * MOST_NEW);
        for question in open {
            let held = self.held.values().filter(|id| **id == question.id).count();
            assert_eq!(question.waiting(), held, "what waits is not what is held");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Nothing is let through twice, or after it was withdrawn, expired, or asked under another policy; nothing that waits is
    /// forgotten.
    #[test]
    fn whatever_is_interleaved_the_queue_keeps_what_it_promises(steps in proptest::collection::vec(step(), 1..80)) {
        let (mut queue, mut world) = (queue(), World { revision: 1, ..World::default() });
        for step in &steps {
            world.run(&mut queue, step);
        }
        world.run(&mut queue, &Step::Wait(LIFE));
        prop_assert!(world.held.is_empty(), "held for ever: {:?}", world.held);
        prop_assert_eq!(world.told.len() as u64, world.number);
    }
}

#[test]
fn an_answer_holds_for_what_waits_and_a_repetition_is_the_same_question() {
    let mut queue = queue();
    let Joined::New(id) = queue.ask(0, 1, wanted("a.example:443")) else { panic!("not new") };
    assert_eq!(queue.ask(1, 2, wanted("a.example:443")), Joined::Waits(id.clone()));
    assert!(matches!(queue.ask(1, 3, wanted("b.example:443")), Joined::New(other) if other != id));
    let answered = queue.answer(2, (&id, Some(2)), 1, Say::Once).expect("taken");
    assert_eq!(answered.told, [1, 2]);
    assert_eq!(queue.answer(2, (&id, None), 1, Say::Deny), Err(Unanswered::Answered));
    // One of them had given up just then: one that follows takes its place, and no other.
    queue.left(2);
    assert!(matches!(queue.ask(3, 4, wanted("a.example:443")), Joined::Ruled(Ruling::Once { .. })));
    assert!(matches!(queue.ask(3, 5, wanted("a.example:443")), Joined::New(_)));
}

/// A program that knows that somebody is about to answer asks the same as often as it can.
#[test]
fn what_began_to_wait_after_a_card_was_shown_is_another_question() {
    let mut queue = queue();
    let Joined::New(id) = queue.ask(0, 1, wanted("a.example:443")) else { panic!("not new") };
    let newest = queue.open().next().and_then(Question::newest);
    (2..31).for_each(|number| assert_eq!(queue.ask(1, number, wanted("a.example:443")), Joined::Waits(id.clone())));
    let answered = queue.answer(2, (&id, newest), 1, Say::Once).expect("taken");
    assert_eq!((answered.told, answered.rest), (vec![1], (2..31).collect()));
    let Joined::New(other) = queue.ask(3, 31, wanted("a.example:443")) else { panic!("it goes out") };
    // Who says no number means one; a denial is of all.
    queue.ask(3, 32, wanted("a.example:443"));
    assert_eq!(queue.answer(4, (&other, None), 1, Say::Once).expect("taken").told, [31]);
    let Joined::New(third) = queue.ask(5, 33, wanted("a.example:443")) else { panic!("it goes out") };
    queue.ask(5, 34, wanted("a.example:443"));
    assert_eq!(queue.answer(6, (&third, Some(33)), 1, Say::Deny).expect("taken").told, [33, 34]);
    // Those that a card was shown with gave up, and one began anew: that takes their place.
    let mut queue = self::queue();
    let Joined::New(id) = queue.ask(0, 1, wanted("a.example:443")) else { panic!("not new") };
    queue.left(1);
    queue.ask(1, 2, wanted("a.example:443"));
    let answered = queue.answer(2, (&id, Some(1)), 1, Say::Once).expect("taken");
    assert_eq!((answered.told.len(), answered.rest), (0, vec![2]));
    assert!(matches!(queue.ask(3, 3, wanted("a.example:443")), Joined::Ruled(Ruling::Once { .. })));
    assert!(matches!(queue.ask(3, 4, wanted("a.example:443")), Joined::New(_)));
}

/// A rule is about a path; what goes out once is one request.
#[test]
fn leave_for_a_request_is_for_none_with_another_query_or_body() {
    let carrying = |target: &str, body: Option<&str>| {
        let mut one = request("POST", target);
        one.request.as_mut().expect("a request").body = body.map(str::to_owned);
        one
    };
    let mut queue = queue();
    let Joined::New(id) = queue.ask(0, 1, carrying("/notes?to=team", Some("a"))) else { panic!("not new") };
    let Joined::New(evil) = queue.ask(0, 2, carrying("/notes?to=evil", Some("a"))) else { panic!("it joins") };
    assert!(matches!(queue.ask(0, 3, carrying("/notes?to=team", Some("b"))), Joined::New(_)));
    assert!(matches!(queue.ask(0, 4, carrying("/notes?to=team", None)), Joined::New(_)));
    assert_eq!(queue.ask(0, 5, carrying("/notes?to=team", Some("a"))), Joined::Waits(id.clone()));
    assert_eq!(queue.answer(1, (&id, Some(5)), 1, Say::Once).expect("taken").told, [1, 5]);
    assert!(matches!(queue.ask(1, 6, carrying("/notes?to=team", Some("c"))), Joined::New(_)));
    // A denial is of all under its rule.
    queue.answer(1, (&evil, None), 1, Say::Deny).expect("taken");
    let told = queue.ask(2, 7, carrying("/notes?to=worse", Some("z")));
    assert!(matches!(told, Joined::Ruled(Ruling::Refused { denied: true, .. })), "{told:?}");
}

/// Sessions of a tree know by it what was denied to another.
#[test]
fn what_is_the_same_is_of_one_kind() {
    let all: Vec<Wanted> =
        (0..8).map(anything).chain(["/a?b=1", "/a?b=2", "/c"].map(|to| request("GET", to))).collect();
    for one in &all {
        for other in &all {
            assert_eq!(one.is_same(other), one.kind() == other.kind(), "{one:?} {other:?}");
        }
    }
}

/// Whose body nobody saw is equal to none beside it; said again, when it gave up, it is the same question.
#[test]
fn what_carries_something_unknown_goes_out_alone() {
    let mut queue = queue();
    let Joined::New(id) = queue.ask(0, 1, request("POST", "/notes")) else { panic!("not new") };
    let Joined::New(other) = queue.ask(0, 2, request("POST", "/notes")) else { panic!("it rides along") };
    assert_eq!(queue.answer(1, (&id, Some(2)), 1, Say::Once).expect("taken").told, [1]);
    queue.left(2);
    assert_eq!(queue.ask(2, 3, request("POST", "/notes")), Joined::Waits(other));
}

#[test]
fn a_reference_is_an_id_and_perhaps_a_number() {
    assert_eq!(referred("3fa9"), Some(("3fa9", None)));
    assert_eq!(referred("3fa9.17"), Some(("3fa9", Some(17))));
    for odd in ["3fa9.", "3fa9.x", "3fa9.+1", "3fa9.1.2", "3fa9.99999999999999999999"] {
        assert_eq!(referred(odd), None, "{odd}");
    }
}

#[test]
fn an_answer_while_nobody_waits_is_for_the_next_one() {
    let mut queue = queue();
    let Joined::New(id) = queue.ask(0, 1, wanted("a.example:443")) else { panic!("not new") };
    queue.left(1);
    assert!(queue.answer(1, (&id, None), 1, Say::Once).expect("taken").told.is_empty());
    assert!(queue.lost().is_empty());
    assert!(matches!(queue.ask(2, 2, wanted("a.example:443")), Joined::Ruled(Ruling::Once { .. })));
    assert!(matches!(queue.ask(2, 3, wanted("a.example:443")), Joined::New(_)));
}

#[test]
fn what_was_denied_stays_denied_for_its_time_and_is_asked_again_after_it() {
    let mut queue = queue();
    let Joined::New(id) = queue.ask(0, 1, wanted("a.example:443")) else { panic!("not new") };
    queue.answer(10, (&id, None), 1, Say::Deny).expect("taken");
    let Joined::Ruled(Ruling::Refused { why, denied: true }) = queue.ask(9 + LIFE, 2, wanted("a.example:443")) else {
        panic!("not denied")
    };
    assert!(why.contains(&id[..8]) && why.contains("do not ask again"), "{why}");
    assert!(queue.expire(10 + LIFE).is_empty());
    assert!(matches!(queue.ask(10 + LIFE, 3, wanted("a.example:443")), Joined::New(_)));
    assert_eq!(queue.denied().count(), 1);
}

#[test]
fn an_id_depends_on_all_that_is_asked_and_on_the_policy() {
    let id = |secret, revision, wanted| match Queue::new([secret; 32], revision).ask(0, 1, wanted) {
        Joined::New(id) => id,
        other => panic!("{other:?}"),
    };
    let plain = id(1, 1, wanted("a.example:443"));
    let said = Wanted { words: "please".into(), ..wanted("a.example:443") };
    let others = [id(2, 1, wanted("a.example:443")), id(1, 2, wanted("a.example:443")), id(1, 1, said)];
    assert!(plain.len() == 32 && others.iter().all(|other| *other != plain));
    assert_eq!(id(1, 1, wanted("a.example:443")), plain);
    let mut queue = queue();
    let Joined::New(old) = queue.ask(0, 1, wanted("a.example:443")) else { panic!("not new") };
    assert_eq!(queue.answer(1, (&old, None), 2, Say::Once), Err(Unanswered::Revision));
    assert_eq!(queue.revised(2), std::slice::from_ref(&old));
    assert_eq!(queue.answer(1, (&old, None), 2, Say::Once), Err(Unanswered::Unknown));
}

/// However much a cell asks, so many cards come of it, and what waits already is found again.
#[test]
fn a_flood_is_bounded_by_the_minute_and_in_all() {
    let mut queue = queue();
    let new = |queue: &mut Queue, now, of: std::ops::Range<u64>| {
        of.filter(|n| matches!(queue.ask(now, *n, wanted(&format!("h{n}.example:443"))), Joined::New(_))).count()
    };
    assert_eq!(new(&mut queue, 0, 0..1000), MOST_NEW);
    assert_eq!(queue.flooded(), 1000 - MOST_NEW as u64);
    assert!(matches!(queue.ask(1, 5000, wanted("h3.example:443")), Joined::Waits(_)));
    let more: usize =
        (1..10).map(|minute| new(&mut queue, minute * 60_000 / 2, minute * 1000..minute * 1000 + 50)).sum();
    assert_eq!(more + MOST_NEW, MOST_OPEN.min(MOST_NEW * 5));
    let Joined::Flood(Ruling::Refused { why, denied: false }) = queue.ask(270_001, 1, wanted("z.example:443")) else {
        panic!("not too many")
    };
    assert!(why.contains("ask later"), "{why}");
}

/// What a person sees in an hour in which an agent asks ten times a second, by what it varies and what he answers. These
/// figures stand in SECURITY-MODEL.md.
#[test]
fn an_attacker_who_tires_the_operator_for_an_hour() {
    /// What is asked the so-many-th time.
    type Asks = fn(u64) -> Wanted;
    let hour = |asks: Asks, say: Option<Say>| {
        let mut queue = queue();
        let (mut seen, mut told) = (0, 0);
        for at in 0..36_000_u64 {
            let now = at * 100;
            queue.expire(now);
            match queue.ask(now, at, asks(at)) {
                Joined::New(id) => {
                    seen += 1;
                    if let Some(say) = &say {
                        told += queue.answer(now, (&id, None), 1, *say).expect("it is open").told.len();
                    }
                }
                Joined::Ruled(Ruling::Once { .. }) => told += 1,
                _ => {}
            }
        }
        assert!(queue.in_the_last_hour(3_600_000) <= 60 * MOST_NEW);
        (seen, told)
    };
    let same: Asks = |_| wanted("a.example:443");
    let words: Asks = |at| Wanted { words: format!("please, for the {at}th time"), ..wanted("a.example:443") };
    let cause: Asks = |at| Wanted { pid: u32::try_from(at).ok(), ..wanted("a.example:443") };
    let query: Asks = |at| request("POST", &format!("/in?n={at}"));
    let path: Asks = |at| request("POST", &format!("/in/{at}"));
    let host: Asks = |at| wanted(&format!("h{at}.example:443"));
    // What is near enough to be the same is one card, until it was denied for five minutes.
    for asks in [same, words, cause] {
        assert_eq!(hour(asks, None).0, 1);
        assert_eq!(hour(asks, Some(Say::Deny)), (12, 12));
    }
    // Another query is another card, and denied with the first.
    assert_eq!((hour(query, None).0, hour(query, Some(Say::Deny))), (384, (12, 12)));
    // What differs is told eight times a minute, and where nobody answers 32 wait at most, for five minutes each.
    for asks in [path, host] {
        assert_eq!(hour(asks, Some(Say::Deny)), (480, 480));
        assert_eq!(hour(asks, None).0, 384);
    }
    // Of 36,000 asks none goes through that he did not answer so: each `once` is one.
    let (seen, told) = hour(host, Some(Say::Once));
    assert_eq!((seen, told), (480, 480));
}

fn asking(allow: &[Rule]) -> Conjunction {
    let mut policy = Policy::default();
    policy.network.default = Default::Ask;
    policy.network.allow = allow.to_vec();
    Conjunction::new(vec![policy])
}

fn stand<'a>(policy: &'a Conjunction, denied: &'a [&'a Wanted]) -> Stand<'a> {
    Stand {
        policy,
        granted: &[],
        endorsed: &[],
        today: policy::Day::of(0),
        denied,
        seen: true,
        alone: true,
        labels: &[],
    }
}

fn reading() -> Rule {
    let read = policy::PathPattern::parse("/read/**").expect("a pattern");
    Rule { protocol: policy::Protocol::Http, paths: vec![read], ..rule("a.example:80") }
}

#[test]
fn what_is_offered_lets_through_what_waits_and_nothing_that_was_denied() {
    let policy = asking(&[reading()]);
    let post = request("POST", "/team/docs/a?b=c");
    let offered = offer(&post, &stand(&policy, &[])).expect("something");
    assert!(offered.session && offered.always && offered.risk == Risk::Usual, "{offered:?}");
    let wide = offered.wide.expect("a wider rule");
    assert!(wide.to_string().contains("/team/docs/**") && wide.to_string().contains("POST"), "{wide}");
    // What lies beside it was denied: then nothing wider is offered.
    let denied = request("POST", "/team/docs/secret");
    let narrow = offer(&post, &stand(&policy, &[&denied])).expect("something");
    assert!(narrow.session && narrow.wide.is_none());
    // It was denied itself, and is asked again: that is offered.
    assert!(offer(&post, &stand(&policy, &[&post])).expect("something").session);
    // Beneath the root everything lies beside it.
    assert!(offer(&request("POST", "/a"), &stand(&policy, &[])).expect("something").wide.is_none());
}

#[test]
fn a_connection_that_would_carry_what_was_denied_is_allowed_once_at_most() {
    let policy = asking(&[]);
    let connection = wanted("a.example:80");
    let denied = request("POST", "/x");
    let offered = offer(&connection, &stand(&policy, &[&denied])).expect("something");
    assert!(!offered.session && !offered.always);
}

#[test]
fn what_is_denied_or_allowed_by_the_policy_is_no_question() {
    let mut denies = Policy::default();
    denies.network.default = Default::Ask;
    denies.network.deny = vec![rule("a.example")];
    let denies = Conjunction::new(vec![denies]);
    assert!(offer(&wanted("a.example:443"), &stand(&denies, &[])).is_none());
    let closed = Conjunction::new(vec![Policy::default()]);
    assert!(offer(&wanted("a.example:443"), &stand(&closed, &[])).is_none());
}

#[test]
fn what_wants_care_is_not_made_a_rule_for_ever() {
    let policy = asking(&[]);
    let usual = offer(&wanted("a.example:443"), &stand(&policy, &[])).expect("something");
    assert!(usual.always && usual.reasons.is_empty(), "{usual:?}");
    let unknown = Wanted { program: Vec::new(), ..wanted("a.example:443") };
    let labels = ["secret:env".to_owned()];
    let holds = Stand { seen: false, labels: &labels, ..stand(&policy, &[]) };
    for (wanted, stand, words) in [
        (wanted("93.184.216.34:443"), stand(&policy, &[]), "bare address"),
        (wanted("10.0.0.1:443"), stand(&policy, &[]), "no public network: private"),
        (wanted("169.254.169.254:80"), stand(&policy, &[]), "metadata service"),
        (wanted("host.bastide:5432"), stand(&policy, &[]), "your own machine"),
        (unknown, stand(&policy, &[]), "every program"),
        (wanted("a.example:443"), holds, "secret:env"),
        (wanted("github.com:443"), stand(&policy, &[]), "many tenants"),
        (wanted("x.s3.amazonaws.com:443"), stand(&policy, &[]), "many tenants"),
    ] {
        let found = offer(&wanted, &stand).expect("something");
        assert!(!found.always && found.reasons.iter().any(|reason| reason.contains(words)), "{words}: {found:?}");
    }
    // A rule beside the policy is one; one in the policy would have to be in those of a whole family.
    let family = offer(&wanted("a.example:443"), &Stand { alone: false, ..stand(&policy, &[]) }).expect("something");
    assert!(family.session && !family.always, "{family:?}");
    let odd = offer(&wanted("a.example:2222"), &Stand { seen: false, ..stand(&policy, &[]) }).expect("something");
    assert!(odd.always && odd.reasons.len() == 2, "{odd:?}");
}

#[test]
fn a_card_offers_what_may_be_answered_and_its_words_come_last() {
    let policy = asking(&[reading()]);
    let mut queue = queue();
    let post = Wanted { words: "do it".into(), ..request("POST", "/team/docs/a") };
    queue.ask(0, 1, post.clone());
    let offer = offer(&post, &stand(&policy, &[])).expect("something");
    let card = Card::of(queue.open().next().expect("one"), &offer, 1, 2500);
    assert!(card.offers(Say::Once) && card.offers(Say::Deny) && card.offers(Say::Always));
    assert!(card.offers(Say::Session { seconds: Some(60), wide: true }));
    assert_eq!((card.age, card.left, card.waiting, card.does.as_deref()), (2, 297, 1, Some("POST /team/docs/a")));
    let text = serde_json::to_string(&card).expect("JSON");
    assert!(text.find("\"host\"") < text.find("\"does\"") && text.ends_with("\"words\":\"do it\"}"), "{text}");
    assert_eq!(serde_json::from_str::<Card>(&text).expect("read"), card);
}

/// One that was meant for a while is not taken for one that has no end.
#[test]
fn an_answer_is_taken_with_what_belongs_to_it_and_nothing_else() {
    for say in [Say::Once, Say::Always, Say::Deny, Say::Session { seconds: Some(600), wide: true }] {
        let text = serde_json::to_string(&say).expect("JSON");
        assert_eq!(serde_json::from_str::<Say>(&text).expect("read"), say, "{text}");
    }
    let session: Say = serde_json::from_str(r#"{"say":"session"}"#).expect("read");
    assert_eq!(session, Say::Session { seconds: None, wide: false });
    for odd in [
        r#"{"say":"always","for":600}"#,
        r#"{"say":"once","wide":true}"#,
        r#"{"say":"once","once":true}"#,
        r#"{"say":"session","For":600}"#,
        r#"{"for":600}"#,
    ] {
        assert!(serde_json::from_str::<Say>(odd).is_err(), "{odd}");
    }
}

#[test]
fn a_rule_that_is_about_something_else_than_is_shown_is_no_question() {
    let post = request("POST", "/a");
    assert!(wanted("a.example:443").is_sound() && wanted("[2620:fe::fe]:443").is_sound() && post.is_sound());
    let curl = |path: &str| vec![policy::ProgramPattern::parse(path).expect("a program")];
    let own = |rule: Rule| Wanted { rule, ..wanted("a.example:443") };
    assert!(own(Rule { programs: curl("/usr/bin/curl"), ..rule("a.example:443") }).is_sound());
    // A request that is shown is a request that is granted: not all that may be said there.
    assert!(!Wanted { rule: rule("a.example:80"), ..post.clone() }.is_sound());
    for odd in [
        rule("b.example:443"),
        rule("*.example:443"),
        rule("a.example"),
        rule("a.example:80"),
        Rule { programs: curl("/usr/bin/git"), ..rule("a.example:443") },
        Rule { tls: policy::Tls::Pass, ..rule("a.example:443") },
        Rule { inference: true, ..rule("a.example:443") },
        Rule {
            addresses: vec![policy::Cidr::new([10, 0, 0, 0].into(), 8).expect("a network")],
            ..rule("a.example:443")
        },
        post.rule,
    ] {
        assert!(!own(odd.clone()).is_sound(), "{odd}");
    }
}

#[test]
fn what_is_too_long_to_be_shown_is_not_asked_about() {
    assert!(request("POST", "/a").fits());
    let long = "x".repeat(MOST_TARGET + 1);
    let mut one = request("POST", "/a");
    one.request.as_mut().expect("a request").target = long.clone();
    assert!(!one.fits());
    assert!(!Wanted { words: long, ..wanted("a.example:443") }.fits());
    assert!(!Wanted { program: vec!["/p".into(); MOST_CHAIN + 1], ..wanted("a.example:443") }.fits());
}
