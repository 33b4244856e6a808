//! Bodies both ways: whole or not at all.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;

use super::{Scene, echo};
use crate::fake::http2::{hear, one, with};
use crate::fake::script::Step;

const LARGE: usize = 6 << 20;

/// A body that shows where it was cut.
fn large() -> Vec<u8> {
    (0..LARGE).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn play(case: &str, said: &[u8]) -> Vec<Step> {
    let say = |text: &str| Step::Say(text.as_bytes().to_vec());
    match case {
        "cut" => vec![say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal"), Step::Rest(20), Step::End],
        "torn" => {
            vec![
                say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhal\r\n"),
                Step::Rest(20),
                say("zz"),
                Step::End,
            ]
        }
        "reset" => vec![say("HTTP/1.1 200 OK\r\n\r\nhal"), Step::Rest(20), Step::Reset],
        "closes" => vec![say("HTTP/1.1 200 OK\r\n\r\nto the end"), Step::End],
        "silent" => vec![Step::Rest(20), Step::End],
        "chunks" => {
            let body = large();
            let chunks = body
                .chunks(70_001)
                .flat_map(|some| [format!("{:x}\r\n", some.len()).as_bytes(), some, b"\r\n"].concat());
            let trailers = "0\r\nX-Sum: 1\r\n\r\n";
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".iter().copied();
            vec![Step::Say(head.chain(chunks).chain(trailers.bytes()).collect())]
        }
        "early" => vec![say("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"), Step::End],
        "back" => {
            let body = &said[said.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4..];
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            vec![Step::Say([head.as_bytes(), body].concat())]
        }
        _ => vec![say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
    }
}

#[test]
fn large_bodies_go_both_ways_at_once() {
    let scene = Scene::staged(play, |_| {});
    let whole = large();
    let post = |length: bool| {
        let ask = scene.to().ask("POST", "/a/case-back");
        let ask = if length { ask.header("content-length", LARGE.to_string()) } else { ask };
        ask.body(whole.clone()).unwrap()
    };
    let answers = scene.say(vec![post(true), scene.get("/a/case-chunks"), post(true), scene.get("/a/case-chunks")]);
    for answer in answers {
        assert_eq!((answer.status, answer.broke, answer.body.len()), (200, None, LARGE));
        assert!(answer.body == whole, "another body came back");
    }
    // Without a length it goes out in chunks.
    let answer = &scene.say(vec![scene.to().ask("POST", "/a/case-back").body(b"hello".to_vec()).unwrap()])[0];
    assert_eq!(answer.text(), "5\r\nhello\r\n0\r\n\r\n");
}

#[test]
fn an_answer_that_is_cut_never_looks_whole() {
    let scene = Scene::staged(play, |_| {});
    let cases = ["cut", "torn", "reset", "closes", "silent", "usual"];
    let asked = cases.map(|case| scene.get(&format!("/a/case-{case}"))).to_vec();
    let mut answers = super::say(&scene.cell, &scene.to(), asked);
    for answer in answers.drain(..3) {
        // A reset may overtake what came before it.
        let (status, broke) = answer.map_or_else(|error| (200, error.reason()), |answer| (answer.status, answer.broke));
        assert_eq!((status, broke), (200, Some(h2::Reason::INTERNAL_ERROR)));
    }
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!((answers[0].text().as_str(), answers[0].broke), ("to the end", None));
    assert!(answers[1].status == 502 && answers[1].text().contains("bastide why g"), "{answers:?}");
    // The connection went on.
    assert_eq!(answers[2].text(), "ok");
}

#[test]
fn an_answer_may_come_before_its_request_is_whole() {
    let scene = Scene::staged(|case, _| if case == "early" { play("early", b"") } else { play(case, b"") }, |_| {});
    let to = scene.to();
    let answer = with(&scene.cell, &to.clone(), move |send| async move {
        let request = to.ask("POST", "/a/case-usual").header("content-length", "10").body(()).unwrap();
        let (response, mut stream) = send.clone().send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"12345"), false).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.send_data(Bytes::from_static(b"67890"), true).unwrap();
        hear(response).await.unwrap()
    });
    assert_eq!(answer.text(), "ok");
}

#[test]
fn a_body_that_is_not_what_its_head_says_reaches_no_server_whole() {
    let (scene, server) = Scene::serving(true, echo, |_| {});
    let to = scene.to();
    let broke = with(&scene.cell, &to.clone(), move |send| async move {
        let mut broke = Vec::new();
        for (said, sent) in [("3", "1234"), ("5", "1234"), ("0", "1")] {
            let request = to.ask("POST", "/a/x").header("content-length", said).body(()).unwrap();
            let (response, mut stream) = send.clone().send_request(request, false).unwrap();
            stream.send_data(Bytes::from(sent), true).unwrap();
            broke.push(hear(response).await.err().and_then(|error| error.reason()));
        }
        // Trailers say what nobody decided on.
        let request = to.ask("POST", "/a/x").body(()).unwrap();
        let (response, mut stream) = send.clone().send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"1"), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-method", "DELETE".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
        broke.push(hear(response).await.err().and_then(|error| error.reason()));
        // The connection goes on.
        assert_eq!(
            one(send.clone(), to.ask("GET", "/a/last").body(Vec::new()).unwrap()).await.unwrap().text(),
            "/a/last"
        );
        broke
    });
    use h2::Reason;
    assert_eq!(broke[..2], [Some(Reason::PROTOCOL_ERROR); 2]);
    assert!(broke[2..].iter().all(Option::is_some), "{broke:?}");
    let heads: Vec<String> =
        server.got().into_iter().map(|(head, _)| head).filter(|head| head.starts_with("POST")).collect();
    assert!(
        heads.iter().all(|head| head.contains("transfer-encoding: chunked") || head.contains("content-length: 0")),
        "{heads:?}"
    );
}

#[test]
fn a_program_that_waits_to_go_on_is_told() {
    let (scene, server) = Scene::serving(true, echo, |_| {});
    let ask = scene.to().ask("POST", "/a/x").header("expect", "100-continue").header("content-length", "5");
    // Whoever waits longer than a while goes on by itself, so that it does here.
    let answer = &scene.say(vec![ask.body(b"hello".to_vec()).unwrap()])[0];
    assert_eq!((answer.status, server.got()[0].1.as_str()), (200, "hello"));
}

#[test]
fn a_stream_that_does_not_go_on_ends_and_others_do_not() {
    let (scene, _server) = Scene::serving(true, echo, |leased| leased.bounds.idle = 1);
    let to = scene.to();
    let (slow, other) = with(&scene.cell, &to.clone(), move |send| async move {
        let request = to.ask("POST", "/a/slow").header("content-length", "5").body(()).unwrap();
        let (response, mut stream) = send.clone().send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"12"), false).unwrap();
        let slow = hear(response).await.unwrap();
        let other = one(send.clone(), to.ask("GET", "/a/x").body(Vec::new()).unwrap()).await.unwrap();
        (slow, other)
    });
    assert_eq!((slow.status, other.status), (408, 200), "{slow:?}");
    assert!(slow.text().contains("does not go on with its request"), "{slow:?}");
}

#[test]
fn a_stream_that_its_program_gives_up_ends_outside_too() {
    fn play(case: &str, said: &[u8]) -> Vec<Step> {
        match case {
            "hangs" => vec![Step::Hang],
            _ => super::bodies::play(case, said),
        }
    }
    let scene = Scene::staged(play, |_| {});
    let to = scene.to();
    with(&scene.cell, &to.clone(), move |send| async move {
        let request = to.ask("GET", "/a/case-hangs").body(()).unwrap();
        let (response, mut stream) = send.clone().send_request(request, true).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.send_reset(h2::Reason::CANCEL);
        assert!(hear(response).await.is_err());
        assert_eq!(one(send.clone(), to.ask("GET", "/a/x").body(Vec::new()).unwrap()).await.unwrap().text(), "ok");
    });
    scene.cell.wait_for("the program left, or broke its request off");
}
