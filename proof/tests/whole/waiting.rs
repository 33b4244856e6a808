//! A session that runs while its operator answers what it asks.
#![allow(dead_code)]

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Operator, Ran};

pub const LONG: Duration = Duration::from_secs(50);

/// A session that runs a script, with its operator.
pub struct Running<'o> {
    pub operator: &'o Operator,
    pub name: &'static str,
    pub child: Child,
}

impl<'o> Running<'o> {
    pub fn start(
        operator: &'o Operator,
        name: &'static str,
        outside: u16,
        options: &[&str],
        script: &str,
    ) -> Running<'o> {
        let begin = ["run", "--patience", "1m", "--name", name];
        let arguments: Vec<&str> =
            begin.into_iter().chain(options.iter().copied()).chain(["--", "bash", "-c", script]).collect();
        let mut command = operator.command(&arguments);
        command.env("https_proxy", format!("http://127.0.0.1:{outside}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { operator, name, child: command.spawn().expect("starts") }
    }

    pub fn cards(&self) -> Vec<Value> {
        let ran = self.operator.bastide(&["approve", "--json"]);
        let cards: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
        cards.as_array().expect("a list").clone()
    }

    /// The one question that waits, when it does.
    pub fn card(&mut self) -> Value {
        let until = Instant::now() + LONG;
        loop {
            let cards = self.cards();
            if let [card] = cards.as_slice() {
                return card.clone();
            }
            assert!(self.child.try_wait().expect("asked").is_none(), "it ended: {:?}", self.said());
            assert!(Instant::now() < until, "{cards:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The two that wait, when they do.
    pub fn both(&self) -> [Value; 2] {
        let until = Instant::now() + LONG;
        loop {
            let cards = self.cards();
            if let Ok(both) = <[Value; 2]>::try_from(cards.clone()) {
                return both;
            }
            assert!(Instant::now() < until, "{cards:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn answer(&self, card: &Value, how: &[&str]) -> Ran {
        let id = card["id"].as_str().expect("an id")[..8].to_owned();
        let arguments: Vec<&str> = ["approve", &id].into_iter().chain(how.iter().copied()).collect();
        self.operator.bastide(&arguments)
    }

    /// Waits for a question about this host, and answers it.
    pub fn asks(&mut self, host: &str, how: &[&str]) -> Value {
        let card = self.card();
        assert_eq!(card["host"], host, "{card}");
        let ran = self.answer(&card, how);
        assert_eq!(ran.exit, 0, "{ran:?} {card}");
        card
    }

    pub fn said(&mut self) -> (String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child.stdout.take().expect("piped").read_to_string(&mut out).expect("read");
        self.child.stderr.take().expect("piped").read_to_string(&mut err).expect("read");
        (out, err)
    }

    /// What it printed, when it has ended.
    pub fn ended(&mut self) -> Vec<String> {
        let (out, err) = self.said();
        assert!(self.child.wait().expect("waited").success(), "{out} {err}");
        out.lines().map(str::to_owned).collect()
    }

    pub fn log(&self) -> String {
        self.operator.bastide(&["log", self.name]).stdout
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
