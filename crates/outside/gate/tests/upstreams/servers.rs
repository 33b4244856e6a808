//! Servers that answer, but not as they should.

use super::*;
use crate::fake::script::Step::{Drip, End};

pub(super) fn misbehaving(case: &str, _: &[u8]) -> Vec<Step> {
    let (whole, chunks) = (fine(), chunked());
    let half = |of: &[u8]| of[..of.len() - 60].to_vec();
    match case {
        "silent" => vec![Hang],
        "slow-head" => vec![Drip(whole[..60].to_vec(), 10), Say(whole[60..].to_vec())],
        "slow-body" => vec![Say(half(&whole)), Drip(whole[whole.len() - 60..].to_vec(), 10)],
        "dripping-head" => vec![Drip([&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'x'; 280]].concat(), 25), Hang],
        "reset" => vec![Reset],
        "leaves" => vec![Leave],
        "head-reset" => then(whole[..30].to_vec(), Reset),
        "head-leaves" => then(whole[..30].to_vec(), Leave),
        "body-reset" => then(half(&whole), Reset),
        "body-leaves" => then(half(&whole), Leave),
        "body-silent" => then(half(&whole), Hang),
        "chunk-reset" => then(half(&chunks), Reset),
        "chunk-leaves" => then(half(&chunks), Leave),
        "last-chunk-lacks" => then(chunks[..chunks.len() - 5].to_vec(), Leave),
        "last-line-lacks" => then(chunks[..chunks.len() - 2].to_vec(), Leave),
        "chunk-torn" => {
            let first = chunks.windows(6).position(|six| six == b"\r\n68\r\n").unwrap() + 2;
            [then(chunks[..first].to_vec(), Say(b"zz\r\nzz\r\n0\r\n\r\n".to_vec())), vec![Hang]].concat()
        }
        "to-the-end" => vec![Say(answer("", BODY)), End],
        "to-the-end-reset" => then(answer("", BODY), Reset),
        "long-head" => vec![Say(answer(&format!("X: {}\r\n", "x".repeat(1 << 20)), BODY)), Hang],
        "many-headers" => vec![Say(answer(&"X-1: y\r\n".repeat(10_000), BODY)), Hang],
        "endless-status" => vec![Say([b"HTTP/1.1 200 ", &b"x".repeat(1 << 20)[..]].concat()), Hang],
        "no-http" => vec![Say(b"SSH-2.0-OpenSSH_9\r\n".to_vec()), Hang],
        "noise" => vec![Say(vec![0xa5; 1000]), Hang],
        "hints" => vec![Say([&b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(3)[..], &whole].concat())],
        "hints-flood" => vec![Say(b"HTTP/1.1 102 Processing\r\n\r\n".repeat(50_000)), Hang],
        "goes-on" => vec![Say([&whole[..], b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"].concat()), Hang],
        "coded" => vec![Say(answer(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", BODY.len()), BODY))],
        "coded-twice" => {
            let coding = "Content-Encoding: identity\r\ncontent-encoding: br\r\n";
            vec![Say(answer(&format!("{coding}Content-Length: {}\r\n", BODY.len()), BODY))]
        }
        "two-lengths" => {
            vec![Say(answer(&format!("Content-Length: {0}\r\nContent-Length: {0}\r\n", BODY.len()), BODY))]
        }
        "bare-lines" => {
            vec![Say(format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{BODY}", BODY.len()).into_bytes())]
        }
        "bare-line" => {
            let length = BODY.len();
            vec![Say(answer(&format!("X: y\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n"), BODY))]
        }
        "extended" => {
            let text = String::from_utf8(chunks).unwrap();
            vec![Say(text.replace("32\r\n", "32;a=b\r\n").replace("0\r\n\r\n", "0\r\nX-Sum: 1\r\n\r\n").into_bytes())]
        }
        _ => vec![Say(whole)],
    }
}

/// What comes of each on a connection that nobody reads, and where the answer is read.
const MISBEHAVIOUR: [(&str, Gets, Gets); 32] = [
    ("silent", Told("does not answer"), Told("does not answer")),
    ("slow-head", Whole, Whole),
    ("slow-body", Whole, Whole),
    ("dripping-head", Told("head"), Told("head")),
    ("reset", Told("reset"), Told("reset")),
    ("leaves", Told("ended"), Told("ended")),
    ("head-reset", Told("reset"), Told("reset")),
    ("head-leaves", Told("ended"), Told("ended")),
    ("body-reset", Cut("reset"), Cut("reset")),
    ("body-leaves", Cut("ended"), Cut("ended")),
    ("body-silent", Cut("does not go on"), Cut("does not go on")),
    ("chunk-reset", Cut("reset"), Cut("reset")),
    ("chunk-leaves", Cut("ended"), Cut("ended")),
    ("last-chunk-lacks", Cut("ended"), Cut("ended")),
    ("last-line-lacks", Cut("ended"), Cut("ended")),
    ("chunk-torn", Cut("cannot be told"), Cut("cannot be told")),
    ("to-the-end", Whole, Whole),
    ("to-the-end-reset", Cut("reset"), Cut("reset")),
    ("long-head", Told("head"), Told("head")),
    ("many-headers", Told("head"), Told("head")),
    ("endless-status", Told("head"), Told("head")),
    ("no-http", Told("head"), Told("head")),
    ("noise", Told("head"), Told("head")),
    ("hints", Whole, Whole),
    ("hints-flood", Told("head"), Told("head")),
    ("goes-on", Whole, Whole),
    ("coded", Whole, Told("compressed")),
    ("coded-twice", Whole, Told("compressed")),
    ("two-lengths", Whole, Told("cannot be told")),
    ("bare-lines", Whole, Told("cannot be told")),
    ("bare-line", Whole, Told("cannot be told")),
    ("extended", Whole, Told("cannot be told")),
];

#[test]
fn a_server_that_fails_is_told_of_or_cut_and_nothing_of_it_passes_as_whole() {
    let cases = MISBEHAVIOUR.map(|(name, passed, _)| (name, passed));
    all_come_out(&scene(misbehaving), &PASSED, &cases);
}

#[test]
fn the_same_where_the_answer_is_read() {
    let cases = MISBEHAVIOUR.map(|(name, _, read)| (name, read));
    all_come_out(&watched(misbehaving), &READ, &cases);
}

/// Says more than it was asked for, a little later.
fn unasked(_: &str, _: &[u8]) -> Vec<Step> {
    let forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged".to_vec();
    vec![Say(fine()), Rest(50), Say(forged), Hang]
}

#[test]
fn what_nobody_asked_for_answers_nothing() {
    for (scene, ways) in [(scene(unasked), &[Way::Plain, Way::Tls][..]), (watched(unasked), &READ)] {
        let before = scene.gate.descriptors();
        for way in ways {
            let (to, said) = (scene.to(*way), scene.request(*way, "fine", true));
            let answers = scene.cell.inside(move || {
                let mut speaks = to.connect().unwrap();
                let asking = (0..3).map(|_| {
                    speaks.say(&said).unwrap();
                    let answer = speaks.hear();
                    std::thread::sleep(Duration::from_millis(150));
                    answer
                });
                asking.collect::<Vec<_>>()
            });
            assert_eq!(answers, vec![fine(); 3], "{way:?}");
        }
        scene.is_as_before(before, &[]);
    }
}
