//! A secret in two or three pieces, which stand apart in one request, or in one after the other.

use serde_json::{Map, Value};

use super::{SECRET, Scene, scene};
use crate::fake::server::{request, say};

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
