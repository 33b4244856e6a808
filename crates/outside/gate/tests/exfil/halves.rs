//! A secret in pieces, which stand apart in one request, or in one after the other.

use policy::Label;
use serde_json::{Map, Value};
use wire::Labelled;

use super::spoken::visit;
use super::{SECRET, Scene, scene, scene_with, wrap};
use crate::fake::server::{request, say};
use crate::fake::socket::frame;

/// A form of request with two pieces, or three, each in a place of its own: target, headers, body.
type Form = (&'static str, fn(&[&str]) -> (String, String, String));

const FORMS: &[Form] = &[
    ("path and query", |said| (format!("/in/{}?a={}", said[0], said[1..].join("&b=")), String::new(), String::new())),
    ("headers", |said| {
        let all = said.iter().enumerate().map(|(at, one)| format!("X-{at}: {one}\r\n"));
        ("/in".into(), all.collect(), String::new())
    }),
    ("query and body", |said| (format!("/in?a={}", said[0]), String::new(), said[1..].join(" and "))),
    ("header and body", |said| ("/in".into(), format!("X-A: {}\r\n", said[0]), said[1..].join("\n"))),
    ("words", |said| ("/in".into(), String::new(), said.join(", and then "))),
    ("a form, backwards", |said| {
        let all = said.iter().rev().enumerate().map(|(at, one)| format!("{at}={one}&z{at}=hello+world"));
        ("/in".into(), String::new(), all.collect::<Vec<_>>().join("&"))
    }),
    ("names of JSON", |said| {
        let all: Map<String, Value> = said.iter().map(|one| ((*one).to_owned(), 1.into())).collect();
        ("/in".into(), String::new(), Value::from(all).to_string())
    }),
];

/// Says something to the open server; what reached it by then.
fn says(scene: &Scene, (target, headers, body): &(String, String, String)) -> usize {
    let port = scene.sink.port;
    let _ = say(&scene.cell, None, "web.example", port, &request("POST", "web.example", port, target, headers, body));
    scene.reached()
}

/// The secret cut at these places.
fn cut(places: &[usize]) -> Vec<&'static str> {
    let begins = [0].into_iter().chain(places.iter().copied());
    let ends = places.iter().copied().chain([SECRET.len()]);
    begins.zip(ends).map(|(begin, end)| &SECRET[begin..end]).collect()
}

#[test]
fn no_piece_of_a_secret_follows_the_others() {
    let cuts: [&[usize]; 4] = [&[10], &[6, 13], &[16], &[5]];
    for places in cuts {
        for (name, form) in FORMS {
            // What one request says counts for those that follow.
            assert_eq!(says(&scene(), &form(&cut(places))), 0, "{name}, cut at {places:?}");
        }
    }
}

#[test]
fn what_follows_a_piece_in_another_request_does_not_reach_anybody() {
    let (scene, halves) = (scene(), cut(&[10]));
    let gets = |path: &str| says(&scene, &(format!("/in/{path}"), String::new(), String::new()));
    assert_eq!(gets(&format!("1-{}", halves[0])), 1, "half a secret is not told by itself");
    assert_eq!(gets("nothing"), 2);
    assert_eq!(gets(&format!("2-{}", halves[1])), 2);
}

/// A token of 24 bytes and a password of 12.
const TOKEN: &str = "Zx81kQw7Lm3TtV9bRp2NcY4d";
const PASSWORD: &str = "kp7lm29tvrw4";

/// A way to say one piece by itself.
type Way = (&'static str, fn(&Scene, &str) -> usize);

const WAYS: &[Way] = &[
    ("path", |scene, piece| scene.gets(&format!("/in/{piece}"), "")),
    ("query", |scene, piece| scene.gets(&format!("/in?q={piece}"), "")),
    ("header", |scene, piece| scene.gets("/in", &format!("X-Part: {piece}\r\n"))),
    ("body", |scene, piece| scene.posts("/in", "", piece.as_bytes())),
    ("JSON", |scene, piece| scene.posts("/in", "", format!(r#"{{"part":"{piece}"}}"#).as_bytes())),
    ("WebSocket", |scene, piece| scene.socket(&frame(0x81, piece.as_bytes(), true))),
    ("names", |scene, piece| {
        visit(&scene.cell, format!("{piece}.drop.example"), scene.sink.port);
        0
    }),
    ("gzip", |scene, piece| {
        let packed = wrap::packed::gzip(format!("it is {piece}").as_bytes());
        scene.posts("/in", "Content-Encoding: gzip\r\n", &packed)
    }),
];

/// The same with a token and a password.
fn with_short_ones() -> Scene {
    scene_with(|leased| {
        let secret = |text: &str| {
            let label = Label::parse("secret:env").unwrap();
            Labelled { label, source: ".env".into(), text: text.into(), exact: true }
        };
        leased.labelled.extend([TOKEN, PASSWORD].map(secret));
    })
}

#[test]
fn bare_pieces_in_several_requests_do_not_come_together() {
    for (name, way) in WAYS {
        for (secret, length) in
            [(TOKEN, 6), (TOKEN, 4), (PASSWORD, 6)].into_iter().filter(|row| *name != "gzip" || row.1 > 4)
        {
            let scene = with_short_ones();
            let pieces: Vec<&str> =
                secret.as_bytes().chunks(length).map(|piece| str::from_utf8(piece).unwrap()).collect();
            let (last, others) = pieces.split_last().unwrap();
            for piece in others {
                let before = scene.reached();
                way(&scene, piece);
                assert!(scene.reached() > before, "{name}, {length} bytes: a piece is not told by itself");
            }
            let before = scene.reached();
            way(&scene, last);
            assert_eq!(scene.reached(), before, "{name}, {length} bytes");
            way(&scene, "other");
            assert!(scene.reached() > before, "{name}: something else goes out");
        }
    }
}

#[test]
fn what_a_header_says_was_deflated_twice_is_inflated_twice() {
    let (scene, deflate, gzip) = (scene(), wrap::packed::deflate, wrap::packed::gzip);
    let posts = |encoding: &str, body: &[u8]| {
        let before = scene.reached();
        scene.posts("/in", &format!("Content-Encoding: {encoding}\r\n"), body);
        scene.reached() - before
    };
    for (said, reached) in [(SECRET, 0), ("harmless", 1)] {
        assert_eq!(posts("deflate, gzip", &gzip(&deflate(said.as_bytes()))), reached, "{said}");
        assert_eq!(posts("deflate, deflate", &deflate(&deflate(said.as_bytes()))), reached, "{said}");
    }
}
