//! What leaves in drops. The first ones do, as long as they come to less than a run that is told; no more of a text does.

use super::spoken::name;
use super::{MEMO, Scene, scene, wrap};
use crate::fake::server::{request, say};
use crate::fake::socket::{Program, text};

/// Letters and digits of a text that may have left: one fewer than a run that is told.
pub(super) const MOST: usize = sense::LEAST - 1;

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The longest run of the document in what came, in letters and digits.
pub(super) fn longest(came: &str) -> usize {
    let (memo, came) = (letters(MEMO), letters(came));
    let mut longest = 0;
    for from in 0..came.len() {
        while from + longest < came.len() && memo.contains(&came[from..=from + longest]) {
            longest += 1;
        }
    }
    longest
}

/// The first part of the document, in pieces of so many bytes.
pub(super) fn drops(length: usize) -> Vec<String> {
    MEMO.as_bytes()[..600].chunks(length).map(|some| String::from_utf8(some.to_vec()).unwrap()).collect()
}

impl Scene {
    /// The bodies and the last words of the targets that came, in their order.
    fn came(&self) -> String {
        let got = self.sink.got();
        let target =
            |head: &str| head.split(' ').nth(1).and_then(|target| target.split("d=").nth(1)).map(str::to_owned);
        got.iter().map(|(head, body)| target(head).unwrap_or_default().replace("%20", " ") + body).collect()
    }
}

#[test]
fn drops_in_bodies_and_queries() {
    for length in [16, 24, 40] {
        let (bodies, queries) = (scene(), scene());
        for drop in drops(length) {
            let said = request("POST", "web.example", bodies.sink.port, "/in", "", &drop);
            let _ = say(&bodies.cell, None, "web.example", bodies.sink.port, &said);
            let target = format!("/in?d={}", super::escaped(drop.as_bytes()));
            let said = request("GET", "web.example", queries.sink.port, &target, "", "");
            let _ = say(&queries.cell, None, "web.example", queries.sink.port, &said);
        }
        let (body, query) = (longest(&bodies.came()), longest(&queries.came().replace("%0A", " ")));
        println!("drops of {length:>2} bytes: {body} letters in bodies, {query} in queries left");
        assert!(body <= MOST && query <= MOST, "drops of {length}: {body} and {query} letters");
        assert!(body > 0, "the first drop says nothing, and leaves");
    }
}

/// Each to another server, by another way, with other words between them.
#[test]
fn drops_over_several_destinations() {
    for length in [24, 40] {
        let scene = scene();
        let mut came = String::new();
        for (at, drop) in drops(length).into_iter().enumerate() {
            let host = ["web.example", "mcp.example"][at % 2];
            let other = format!("row {at} of nineteen oak chairs, in blue");
            let target = format!("/in?d={}", super::escaped(drop.as_bytes()));
            let said = match at % 3 {
                0 => request("GET", host, scene.sink.port, &target, "", ""),
                _ => request("POST", host, scene.sink.port, "/in", "", &drop),
            };
            let other = request("POST", host, scene.sink.port, "/in", "", &other);
            for (said, carries) in [(said, drop.as_str()), (other, "")] {
                let before = scene.sink.got.lock().unwrap().len();
                let _ = say(&scene.cell, None, host, scene.sink.port, &said);
                if scene.sink.got.lock().unwrap().len() > before {
                    came.push_str(carries);
                }
            }
        }
        let left = longest(&came);
        println!("drops of {length} bytes over two destinations: {left} letters left");
        assert!(left > 0 && left <= MOST, "drops of {length}: {left} letters: {came}");
    }
}

#[test]
fn drops_in_messages_of_a_websocket() {
    let scene = scene();
    for drop in drops(24) {
        let mut program = Program::open(&scene.cell, Some(&scene.cells), "web.example", scene.sockets.port, "/ws/echo");
        program.say(&text(&drop));
        let _ = program.hear();
    }
    let came: String = scene.sockets.frames().iter().map(|(_, payload)| super::text(payload)).collect();
    let left = longest(&came);
    println!("drops in messages: {left} letters left");
    assert!(left > 0 && left <= MOST, "{left} letters: {came}");
}

/// Beneath one zone, each in a name of its own, as letters and in base32.
#[test]
fn drops_in_names() {
    let ways: [fn(&str) -> Vec<u8>; 2] =
        [|drop| letters(drop).into_bytes(), |drop| wrap::digits::base32_small(letters(drop).as_bytes())];
    for (at, write) in ways.into_iter().enumerate() {
        let scene = scene();
        for drop in drops(25) {
            let mut digits = write(&drop);
            digits.retain(|digit| *digit != b'=');
            super::spoken::visit(&scene.cell, name(&digits, 63), scene.sink.port);
        }
        let mut names: Vec<String> = scene.names.lock().unwrap().clone();
        names.dedup();
        let left: usize = names.iter().map(|name| name.find(".drop.").unwrap()).sum();
        let letters = if at == 0 { left } else { left * 5 / 8 };
        println!("drops in names: {letters} letters left in {} names", names.len());
        assert!(letters > 0 && letters <= MOST, "{letters}: {names:?}");
    }
}
