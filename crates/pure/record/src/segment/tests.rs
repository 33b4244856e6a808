use super::*;
use crate::event::{Known, Verdict};
use crate::read::decode;
use proptest::prelude::*;

fn origin() -> Origin {
    Origin { session: "s1".into(), segment: Segment::Gate }
}

fn kind(number: u64) -> Kind {
    match number % 4 {
        0 => Kind::GateLost,
        1 => Kind::Close {
            connect: EventId { segment: Segment::Gate, seq: 1 },
            sent: number,
            received: 2,
            address: None,
            note: None,
        },
        2 => Kind::Resolve { name: format!("n{number}.example"), verdict: Verdict::Refused, reason: None, times: 1 },
        _ => Kind::Connect {
            pid: Some(7),
            program: vec!["/usr/bin/curl".into(), "/bin/sh".into()],
            host: format!("h{number}.example"),
            address: Some("192.0.2.1".into()),
            port: 443,
            verdict: Verdict::Allowed,
            rule: Some("network.allow[0]".into()),
            reason: None,
            suggestion: None,
            times: 1,
        },
    }
}

fn grow(writer: &mut Writer, count: u64) -> Vec<u8> {
    let redactor = Redactor::new();
    let cause = vec![Cause { id: EventId { segment: Segment::Plane, seq: 1 }, known: Known::Inferred }];
    (0..count)
        .flat_map(|number| writer.append(&redactor, number, cause.clone(), kind(number)).expect("written").1)
        .collect()
}

fn segment(count: u64) -> Vec<u8> {
    grow(&mut Writer::new(&origin()), count)
}

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_segment_verifies_only_as_itself() {
    let text = segment(9);
    assert_eq!(verify(&origin(), &text).map(|proof| proof.events), Ok(9));
    for other in [Origin { session: "s2".into(), ..origin() }, Origin { segment: Segment::Plane, ..origin() }] {
        assert_eq!(verify(&other, &text), Err(Broken { line: 1, cause: Fault::Mismatch }));
    }
}

/// A chain over any bytes, as a writer that was taken over makes it.
fn chained(texts: &[&str]) -> Vec<u8> {
    let mut head = Head { events: 0, hash: origin().genesis() };
    let mut whole = Vec::new();
    for json in texts {
        head = head.next(json.as_bytes());
        whole.extend(format!("{} {json}\n", head.hex()).into_bytes());
    }
    whole
}

#[test]
fn a_chain_of_what_is_no_event_or_claims_another_place_is_broken() {
    let (first, second) = (r#"{"seq":1,"at":5,"kind":"gate-lost"}"#, r#"{"seq":2,"at":5,"kind":"gate-lost"}"#);
    let later = r#"{"seq":3,"at":5,"kind":"telepathy","x":1}"#;
    assert_eq!(verify(&origin(), &chained(&[first, second, later])).map(|proof| proof.events), Ok(3));
    for (texts, line, cause) in [
        (vec![first, "not json"], 2, Fault::Malformed),
        (vec![""], 1, Fault::Malformed),
        (vec![first, "{}"], 2, Fault::Malformed),
        (vec![r#"{"seq":1,"at":5,"kind":"close"}"#], 1, Fault::Malformed),
        (vec![first, first], 2, Fault::Place),
        (vec![second], 1, Fault::Place),
        (vec![first, later], 2, Fault::Place),
    ] {
        let text = chained(&texts);
        assert_eq!(verify(&origin(), &text), Err(Broken { line, cause }), "{texts:?}");
        assert!(resume(&origin(), &text).is_err(), "nothing is appended to it: {texts:?}");
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let text = segment(5);
    for bit in 0..text.len() * 8 {
        let mut changed = text.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&origin(), &changed).is_err(), "bit {bit}");
    }
}

#[test]
fn a_cut_at_every_byte_resumes_to_a_segment_that_verifies() {
    let text = segment(5);
    for cut in 0..=text.len() {
        let (mut writer, keep) = resume(&origin(), &text[..cut]).expect("resumed");
        let mut whole = text[..keep].to_vec();
        whole.extend(grow(&mut writer, 2));
        let proof = verify(&origin(), &whole).expect("verifies");
        assert_eq!(proof.head, writer.head());
        for (place, line) in (1..).zip(lines(&whole)) {
            assert_eq!(decode(Segment::Gate, place, &line).expect("read").event.seq, place);
        }
    }
}

#[test]
fn an_event_of_excess_is_cut_to_fit() {
    let argument = "\"".repeat(9000);
    let kind =
        Kind::Exec { pid: 1, parent: 1, by: String::new(), claimed: argument.clone(), arguments: vec![argument; 1000] };
    let mut writer = Writer::new(&origin());
    let (_, line) = writer.append(&Redactor::new(), 0, Vec::new(), kind).expect("written");
    assert!(line.len() <= MAX_LINE);
    assert!(verify(&origin(), &line).is_ok());
    // It is cut twice, and what it says was left out is counted once, from the whole.
    let Kind::Exec { claimed, arguments, .. } = decode(Segment::Gate, 1, &line).expect("read").event.kind else {
        panic!("another event");
    };
    assert_eq!((arguments.len(), arguments[32].as_str()), (33, "…[968 more]"));
    let whole = format!("{}…[8744 bytes more]", "\"".repeat(256));
    assert!(claimed == whole && arguments[..32].iter().all(|argument| *argument == whole), "{claimed}");
}

#[test]
fn a_refused_event_does_not_advance_the_chain() {
    let mut writer = Writer::new(&origin());
    let before = writer.clone();
    let cause = Cause { id: EventId { segment: Segment::Plane, seq: 1 }, known: Known::Observed };
    assert!(writer.append(&Redactor::new(), 0, vec![cause; MAX_LINE / 8], Kind::GateLost).is_err());
    assert_eq!(writer, before);
}

#[test]
fn a_secret_is_gone_before_it_is_hashed() {
    let mut redactor = Redactor::new();
    redactor.add("token", "hunter22").expect("long enough");
    let kind = Kind::Resolve { name: "HUNTER22.example".into(), verdict: Verdict::Refused, reason: None, times: 1 };
    let (_, line) = Writer::new(&origin()).append(&redactor, 0, Vec::new(), kind).expect("written");
    assert!(String::from_utf8(line).expect("text").contains("[redacted:token].example"));
}

proptest! {
    #[test]
    fn a_removed_line_is_seen(count in 2u64..12, at in any::<prop::sample::Index>()) {
        let whole = segment(count);
        let mut list = lines(&whole);
        let at = at.index(list.len());
        list.remove(at);
        match verify(&origin(), &list.concat()) {
            Err(broken) => prop_assert_eq!(broken.line, at as u64 + 1),
            // The last line can only be missed by who kept the head.
            Ok(proof) => {
                prop_assert_eq!(at as u64, count - 1);
                prop_assert_ne!(proof.head, verify(&origin(), &whole).expect("whole").head);
            }
        }
    }

    #[test]
    fn a_moved_line_is_seen(count in 2u64..12, a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let mut list = lines(&segment(count));
        let (a, b) = (a.index(list.len()), b.index(list.len()));
        prop_assume!(a != b);
        list.swap(a, b);
        prop_assert_eq!(verify(&origin(), &list.concat()).map_err(|broken| broken.line), Err(a.min(b) as u64 + 1));
    }

    #[test]
    fn an_inserted_line_is_seen(count in 1u64..12, at in any::<prop::sample::Index>(), from in any::<prop::sample::Index>()) {
        let mut list = lines(&segment(count));
        let line = list[from.index(list.len())].clone();
        let at = at.index(list.len() + 1);
        list.insert(at, line);
        prop_assert!(verify(&origin(), &list.concat()).is_err());
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        prop_assert!(verify(&origin(), &bytes).is_err());
        for (place, line) in (1..).zip(lines(&bytes)) {
            prop_assert!(decode(Segment::Gate, place, &line).is_err());
        }
    }
}

fn said(words: String) -> Kind {
    let [speaker, form, standing] = ["user", "text", "new"].map(str::to_owned);
    Kind::Said { speaker, form, tool: None, words, digest: String::new(), standing }
}

#[test]
fn bodies_are_kept_whole_up_to_the_bounds_of_one_and_of_all() {
    let mut redactor = Redactor::new();
    redactor.keep(Bodies::Full);
    let mut writer = Writer::new(&origin());
    // What needs most room in a line is kept, too.
    let body = "\"\\".repeat(MAX_BODY / 2);
    let mut write = |body: &str| writer.append(&redactor, 1, Vec::new(), said(body.to_owned())).expect("written").1;
    let line = write(&body);
    assert!(!String::from_utf8_lossy(&line).contains("bytes more") && line.len() > 2 * MAX_BODY);
    let whole = (1..MAX_BODIES / MAX_BODY + 2).filter(|_| write(&body).len() > 2 * MAX_BODY).count();
    assert_eq!(1 + whole, MAX_BODIES / MAX_BODY);
    assert!(write(&body).len() < 3 * Bounds::USUAL.body, "of what follows the beginning is kept");
    let mut other = Writer::new(&origin());
    let line = other.append(&redactor, 1, Vec::new(), said(body.clone() + "and more")).expect("written").1;
    assert!(String::from_utf8_lossy(&line).contains("…[8 bytes more]"));
    // Who goes on does not know what was kept.
    let mut writer = Writer::after(Segment::Gate, writer.head());
    let line = writer.append(&redactor, 1, Vec::new(), said(body)).expect("written").1;
    assert!(line.len() < 3 * Bounds::USUAL.body);
}
