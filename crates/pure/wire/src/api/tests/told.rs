//! Whatever a plane replies, the command hears it as it was, however the bytes are cut.

use proptest::prelude::*;
use serde_json::to_value;

use super::super::*;
use crate::command::News;

fn reply() -> impl Strategy<Value = Reply> {
    let text = || "\\PC{0,12}|a\nb";
    prop_oneof![
        text().prop_map(|text| Reply::Notice { text }),
        text().prop_map(|text| Reply::Line { text }),
        any::<Vec<u8>>().prop_map(|bytes| Reply::Output { bytes }),
        text().prop_map(|session| Reply::News(News::Gone { session })),
        Just(Reply::News(News::Whole)),
    ]
}

fn problem() -> impl Strategy<Value = Reply> {
    ("\\PC{0,9}", any::<Option<String>>()).prop_map(|(cause, hint)| {
        Reply::Refused(Box::new(Problem { code: "E-PLANE-011".into(), cause, hint, exit: 3 }))
    })
}

fn last() -> impl Strategy<Value = Reply> {
    prop_oneof![problem(), Just(Reply::LogEnd)]
}

fn whole() -> impl Strategy<Value = Reply> {
    let sessions = Just(Reply::Sessions { sessions: Vec::new() });
    prop_oneof![problem(), sessions, "\\PC{0,9}".prop_map(|text| Reply::Text { text })]
}

/// What is told of them, as the plane does, and what is heard in pieces of this size.
fn carried(form: Form, replies: &[Reply], size: usize) -> Vec<Reply> {
    let mut telling = Telling::new(form);
    let mut bytes = if form == Form::Frames { upgraded() } else { Vec::new() };
    for reply in replies {
        bytes.extend(telling.say(reply).expect("said"));
    }
    let (mut hearing, mut heard) = (Hearing::default(), Vec::new());
    for piece in bytes.chunks(size) {
        heard.extend(hearing.push(piece).expect("heard"));
    }
    heard
}

fn values(replies: &[Reply]) -> Vec<serde_json::Value> {
    replies.iter().map(|reply| to_value(reply).expect("JSON")).collect()
}

proptest! {
    #[test]
    fn events_and_frames_arrive_as_they_were(
        mut replies in proptest::collection::vec(reply(), 0..6), last in last(), size in 1_usize..40, frames: bool,
    ) {
        replies.push(last);
        let form = if frames { Form::Frames } else { Form::Events };
        prop_assert_eq!(values(&carried(form, &replies, size)), values(&replies));
    }

    #[test]
    fn a_whole_answer_arrives_with_what_was_noticed(
        notices in proptest::collection::vec("\\PC{0,9}", 0..3), last in whole(), size in 1_usize..40,
    ) {
        let mut replies: Vec<Reply> = notices.into_iter().map(|text| Reply::Notice { text }).collect();
        replies.push(last);
        prop_assert_eq!(values(&carried(Form::Whole, &replies, size)), values(&replies));
    }

    #[test]
    fn whatever_comes_is_an_answer_or_none(bytes: Vec<u8>, cut in 0_usize..200) {
        let _ = Hearing::default().push(&bytes);
        let mut told = Telling::new(Form::Events).say(&Reply::Line { text: "x".into() }).expect("said");
        told.truncate(cut);
        told.extend(bytes);
        let _ = Hearing::default().push(&told);
    }
}

#[test]
fn other_programs_are_told_in_their_own_form() {
    let told = |form, replies: &[Reply]| {
        let mut telling = Telling::new(form);
        let bytes: Vec<u8> = replies.iter().flat_map(|reply| telling.say(reply).expect("said")).collect();
        String::from_utf8(bytes).expect("text").replace("\r\n", "\n")
    };
    let text = |text: &str| text.to_owned();
    let page = told(Form::Whole, &[Reply::Notice { text: text("n") }, Reply::Page { text: text("p 1\n") }]);
    assert!(page.starts_with("HTTP/1.1 200 OK\nContent-Type: text/plain; version=0.0.4"), "{page}");
    assert!(page.ends_with("Content-Length: 4\n\np 1\n"), "{page}");
    let lines =
        told(Form::Lines, &[Reply::Notice { text: text("n") }, Reply::Line { text: text("{}") }, Reply::LogEnd]);
    assert!(lines.contains("Transfer-Encoding: chunked\n\n3\n{}\n\n0\n\n"), "{lines}");
    let bytes = told(Form::Bytes, &[Reply::Output { bytes: b"abc".to_vec() }, Reply::LogEnd]);
    assert!(bytes.ends_with("\n\n3\nabc\n0\n\n"), "{bytes}");
    // A part does not pass for the whole.
    let problem = Reply::Refused(Box::new(Problem { code: "E".into(), cause: text("c"), hint: None, exit: 1 }));
    let broken = told(Form::Bytes, &[Reply::Output { bytes: b"abc".to_vec() }, problem.clone()]);
    assert!(broken.ends_with("\n\n3\nabc\n"), "{broken}");
    let refused = told(Form::Bytes, &[problem]);
    assert!(refused.starts_with("HTTP/1.1 409 Conflict\n"), "{refused}");
}

#[test]
fn what_says_how_to_ask_stands_in_the_head() {
    let problem = Problem { code: "E".into(), cause: "c".into(), hint: None, exit: 1 };
    let told = |unread: &Unread| String::from_utf8(unread_(unread, &problem)).expect("text");
    let unread_method = Unread::Method { method: "PUT".into(), takes: "GET" };
    assert!(told(&unread_method).contains("\r\nAllow: GET\r\n"));
    assert!(told(&Unread::Upgrade).starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
    assert!(told(&Unread::Upgrade).contains("\r\nUpgrade: bastide\r\n"));
    assert!(String::from_utf8(versions("1.2")).expect("text").ends_with(r#"{"api":["v1"],"build":"1.2"}"#));
}

fn unread_(unread: &Unread, problem: &Problem) -> Vec<u8> {
    super::super::unread(unread, problem)
}

#[test]
fn orders_may_be_said_once_it_carries_frames() {
    let mut hearing = Hearing::default();
    let head = upgraded();
    hearing.push(&head[..head.len() - 1]).expect("heard");
    assert!(!hearing.is_upgraded());
    hearing.push(b"\n").expect("heard");
    assert!(hearing.is_upgraded());

    assert_eq!(hearing.push(&crate::encode(&Reply::LogEnd).expect("a frame")).expect("heard").len(), 1);
}

/// Its end may come before that of a head: by then it is known.
#[test]
fn what_is_no_http_is_known_at_once() {
    for bytes in [b"\xff\xff\xff\xffx".as_slice(), b"HTTP/1.0", b"HTTP/1.1x"] {
        assert!(Hearing::default().push(bytes).is_err(), "{bytes:?}");
    }
    assert!(Hearing::default().push(b"HTTP/1.").is_ok_and(|replies| replies.is_empty()));
}
