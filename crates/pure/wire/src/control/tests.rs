use super::*;

fn replacement() -> Replacement {
    let policy = Policy { name: "mine".into(), ..Policy::default() };
    let (credentials, labelled, changes) = (Vec::new(), Vec::new(), vec!["+ a".to_owned()]);
    Replacement { policy, credentials, labelled, changes, replaces: 2, undoes: true }
}

fn heard(reader: &mut Reader) -> Heard {
    reader.next_message().expect("understood").expect("whole")
}

fn frame(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("short");
    [&length.to_le_bytes()[..], text.as_bytes()].concat()
}

fn encoded<T: Serialize>(message: &T) -> Vec<u8> {
    crate::encode(message).expect("a frame")
}

fn greeted() -> Reader {
    let mut reader = Reader::default();
    reader.push(&encoded(&Hello::OURS));
    assert!(matches!(heard(&mut reader), Heard::Hello(VERSION)));
    reader
}

#[test]
fn every_order_is_heard_byte_by_byte() {
    let orders = [
        Order::State,
        Order::Replace(Box::new(replacement())),
        Order::Stop { signal: 15, grace: 3000 },
        Order::Pause,
        Order::Resume,
        Order::Events,
        Order::Questions,
        Order::Answer {
            question: "a".into(),
            revision: 2,
            newest: Some(3),
            say: Say::Session { seconds: Some(60), wide: true },
        },
    ];
    let asks = (1..).zip(orders).map(|(number, order)| Ask { number, order });
    let mut reader = greeted();
    for ask in asks {
        let bytes = encoded(&ask);
        for byte in &bytes {
            assert!(reader.next_message().expect("understood").is_none());
            reader.push(std::slice::from_ref(byte));
        }
        let Heard::Ask(read) = heard(&mut reader) else { panic!("{}", ask.order.name()) };
        assert_eq!((read.number, read.order.name()), (ask.number, ask.order.name()));
        if let Order::Replace(read) = read.order {
            assert_eq!((read.policy.name.as_str(), read.replaces, read.undoes), ("mine", 2, true));
        }
    }
    assert!(!reader.is_waiting());
}

#[test]
fn what_is_told_survives_the_frame_and_a_later_build_may_say_more() {
    let state = State {
        session: "s1".into(),
        name: None,
        pid: 7,
        cell: Some(8),
        started: 1,
        running: true,
        paused: Some(Means::Signal),
        ending: false,
        agent: "claude".into(),
        workspace: "/w".into(),
        mode: "review".into(),
        policy: "mine".into(),
        revision: 3,
        asks: 0,
        asks_hour: 0,
        risk: 40,
        narrowed: true,
        inherited: false,
        counts: Counts { allowed: 1, refused: 2, ..Counts::default() },
    };
    let problem = Problem { code: "E-PLANE-095".into(), cause: "no".into(), hint: None, exit: 1 };
    let answers = [Answer::State(Box::new(state)), Answer::Done, Answer::Refused(Box::new(problem.clone()))];
    let told = answers.into_iter().map(|answer| Told::Answer { number: 1, answer });
    let events = [Happened::Ended { exit: 1, reason: "x".into() }, Happened::Counted(Counts::default())];
    for told in told.chain(events.into_iter().map(|event| Told::Event { event })) {
        assert_eq!(crate::decode::<Told>(&encoded(&told)).expect("read"), told);
    }
    let later = r#"{"told":"event","event":{"event":"moved","to":"elsewhere"},"at":5}"#;
    let event = Happened::Unknown;
    assert_eq!(crate::decode::<Told>(&frame(later)).expect("read"), Told::Event { event });
    let greeting = r#"{"answer":"hello","version":2,"build":"9","more":1}"#;
    assert!(crate::decode::<Greeting>(&frame(greeting)).is_ok());
}

#[test]
fn versions_meet_at_the_newest_that_both_speak() {
    let agreed = |least, most| Hello { least, most }.agreed();
    assert_eq!(agreed(2, 2), Some(2));
    assert_eq!(agreed(1, 9), Some(VERSION));
    assert_eq!((agreed(1, 1), agreed(VERSION + 1, 9), agreed(9, 1)), (None, None, None));
}

/// The first version asked in one message, and its refusals had the form that a greeting's has.
#[test]
fn the_first_version_is_told_apart_and_can_read_why() {
    let first = r#"{"version":1,"order":{"order":"replace","policy":{},"x":1}}"#;
    let mut reader = Reader::default();
    reader.push(&frame(first));
    assert_eq!(reader.next_message().err(), Some(Unheard::Version { least: 1, most: 1 }));
    let problem = Problem { code: "E-PLANE-100".into(), cause: "no".into(), hint: None, exit: 1 };
    let greeting = encoded(&Greeting::Refused(Box::new(problem)));
    let text = String::from_utf8_lossy(&greeting[4..]).into_owned();
    assert_eq!(text, r#"{"answer":"refused","code":"E-PLANE-100","cause":"no","hint":null,"exit":1}"#);
}

#[test]
fn an_unknown_order_is_told_by_its_number_and_the_connection_goes_on() {
    let mut reader = greeted();
    let long = format!(r#"{{"number":3,"order":{{"order":"{}"}}}}"#, "x".repeat(100));
    for (text, number, order) in [
        (r#"{"number":7,"order":{"order":"spawn","task":"t"},"more":1}"#, 7, "spawn"),
        (r#"{"number":8,"order":{"order":"stop","signal":"hunter2"}}"#, 8, "stop"),
        (r#"{"number":9,"order":{"order":"state"},"more":1}"#, 9, "state"),
        (&long, 3, &"x".repeat(40)),
    ] {
        reader.push(&frame(text));
        let Heard::Unknown { number: read, order: name } = heard(&mut reader) else { panic!("{text}") };
        assert_eq!((read, name.as_str()), (number, order));
    }
    reader.push(&encoded(&Ask { number: 1, order: Order::Pause }));
    assert!(matches!(heard(&mut reader), Heard::Ask(Ask { number: 1, order: Order::Pause })));
}

#[test]
fn what_has_no_end_or_no_number_is_no_message() {
    let long = u32::try_from(MAX_HELLO).expect("short") + 1;
    for bytes in [&long.to_le_bytes()[..], &frame("{}"), &frame("\"hello\"")] {
        let mut reader = Reader::default();
        reader.push(bytes);
        assert_eq!(reader.next_message().err(), Some(Unheard::Nonsense));
    }
    for bytes in [&u32::MAX.to_le_bytes()[..], &frame("{}"), &frame(r#"{"number":1}"#), &encoded(&Hello::OURS)] {
        let mut reader = greeted();
        reader.push(bytes);
        assert_eq!(reader.next_message().err(), Some(Unheard::Nonsense));
    }
}
