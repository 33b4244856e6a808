//! Requests and answers that come in pieces, cut at every byte.

use super::providers::{STOP, events, piece};
use super::*;

/// Answers in two pieces, cut where the case says; with what it was asked in it, or with a secret.
pub(super) fn cutting(case: &str, said: &[u8]) -> Vec<Step> {
    let (kind, at) = case.rsplit_once('-').unwrap_or((case, "0"));
    let whole = match kind {
        "chunks" => chunked(),
        "stream" => {
            let text = events(&[&piece("é"), STOP, "[DONE]"], "\r\n");
            let text = format!("5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &text[..5], text.len() - 5, &text[5..]);
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{text}")
                .into()
        }
        "secret" => {
            let text = format!("<{KEY}> {}{KEY}", &KEY[..9]);
            let chunks: String = text.as_bytes().chunks(7).fold(String::new(), |all, piece| {
                format!("{all}{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece))
            });
            format!("HTTP/1.1 200 OK\r\nX-Key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n").into()
        }
        "echo" => answer(&format!("Content-Length: {}\r\n", said.len()), &String::from_utf8_lossy(said)),
        "hints" => [&b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"[..], &fine()].concat(),
        _ => fine(),
    };
    match at.parse::<usize>() {
        Ok(at) if at > 0 && at < whole.len() => vec![Say(whole[..at].to_vec()), Rest(2), Say(whole[at..].to_vec())],
        _ => vec![Say(whole)],
    }
}

/// What comes back to each of these, said one after another on one connection, each in two pieces that are cut at a place.
fn one_by_one(scene: &Scene, way: Way, said: Vec<(Vec<u8>, usize)>) -> Vec<Vec<u8>> {
    let to = scene.to(way);
    // Side by side: most of the time they wait.
    let parts: Vec<Vec<_>> = said.chunks(said.len().div_ceil(8)).map(<[_]>::to_vec).collect();
    scene.cell.inside(move || {
        let asking = parts.into_iter().map(|part| {
            let to = to.clone();
            std::thread::spawn(move || {
                let mut speaks = None;
                let answers = part.into_iter().map(|(said, at)| {
                    let mut on = speaks.take().unwrap_or_else(|| to.connect().unwrap());
                    on.say_cut(&said, at).unwrap();
                    let answer = on.hear();
                    let last = matches!(way, Way::Forwarded | Way::Unread);
                    speaks = Some(on).filter(|_| !last);
                    answer
                });
                answers.collect::<Vec<_>>()
            })
        });
        let asking: Vec<_> = asking.collect();
        asking.into_iter().flat_map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn an_answer_is_the_same_wherever_it_is_cut() {
    let passed = PASSED.map(|way| (way, vec!["fine", "chunks", "hints"]));
    let read = [(Way::Lent, vec!["fine", "chunks", "secret"]), (Way::Model, vec!["fine", "stream"])];
    for (scene, ways) in [(scene(cutting), &passed[..]), (watched(cutting), &read)] {
        let before = scene.gate.descriptors();
        for (way, kinds) in ways {
            for kind in kinds {
                let [Say(whole)] = &cutting(&format!("{kind}-0"), b"")[..] else { panic!("one step") };
                let said = (0..whole.len()).map(|at| (scene.request(*way, &format!("{kind}-{at}"), true), 0));
                let answers = one_by_one(&scene, *way, said.collect());
                assert_eq!(answers.len(), whole.len());
                let first = String::from_utf8_lossy(&answers[0]).into_owned();
                assert!(*kind == "secret" || answers[0] == *whole, "{way:?} {kind}: {first}");
                let masked = first.contains("X-Key: ****") && !first.replace("\r\n", "").contains(&KEY[10..]);
                assert!(*kind != "secret" || masked, "{first}");
                for (at, answer) in answers.iter().enumerate() {
                    assert_eq!(String::from_utf8_lossy(answer), first, "{way:?} {kind} cut at {at}");
                }
            }
        }
        scene.is_as_before(before, &[ways[0].0]);
        let record = scene.cell.record();
        assert!(!record.contains("\"note\"") && !record.contains("\"whole\":false"), "nothing broke off");
    }
}

/// Requests with a body, as it is and in chunks.
fn with_bodies(scene: &Scene, way: Way) -> [Vec<u8>; 2] {
    let head = String::from_utf8(scene.request(way, "echo-0", true)).unwrap();
    let (head, body) = head.split_once("\r\n\r\n").unwrap();
    let body = if body.is_empty() { "what is said" } else { body };
    let head = head.replacen("GET", "POST", 1).replace(&format!("\r\nContent-Length: {}", body.len()), "");
    let length = body.len();
    let chunks = format!("3\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &body[..3], length - 3, &body[3..]);
    [
        format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes(),
        format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}").into_bytes(),
    ]
}

#[test]
fn a_request_is_the_same_wherever_it_is_cut() {
    for (scene, ways) in [(scene(cutting), &PASSED[..]), (watched(cutting), &READ)] {
        let before = scene.gate.descriptors();
        for way in ways {
            for said in with_bodies(&scene, *way) {
                let answers = one_by_one(&scene, *way, (0..said.len()).map(|at| (said.clone(), at)).collect());
                let first = String::from_utf8_lossy(&answers[0]).into_owned();
                // The server gives back what it was sent; what a model is asked is written anew.
                assert!(first.contains("t is said") || first.contains("gpt-case-echo-0"), "{way:?}: {first}");
                for (at, answer) in answers.iter().enumerate() {
                    assert_eq!(String::from_utf8_lossy(answer), first, "{way:?} cut at {at}");
                }
            }
        }
        scene.is_as_before(before, &[ways[0]]);
    }
}
