//! What tests show: sessions, questions, events.

use ratatui_core::backend::TestBackend;
use ratatui_core::terminal::Terminal;
use serde_json::json;
use wire::command::{LogLine, News, SessionInfo, Watched};
use wire::control::Counts;
use wire::question::Card;

use super::draw::{Paint, draw};
use super::model::Now;
use super::screen::Screen;

/// The day on which everything happens, in microseconds.
const DAY: u64 = 1_795_570_000_000_000;

pub(super) fn at(ticks: u64) -> Now {
    Now { wall: DAY + ticks * 1000, ticks }
}

/// One that runs, or ended a minute after it began.
pub(super) fn watched(id: &str, ended: bool) -> SessionInfo {
    let live = json!({"pid": 7, "cell": 8, "paused": null, "ending": false, "asks": 0, "asks_hour": 0});
    let (state, at, exit) =
        if ended { ("ended", json!(DAY - 60_000_000), json!(0)) } else { ("running", json!(null), json!(null)) };
    serde_json::from_value(json!({
        "id": id, "name": null, "state": state, "started": DAY - 120_000_000, "ended": at, "command": ["/usr/bin/claude", "-p", "fix"],
        "workspace": "/home/op/widget", "mode": "review", "policy": "mine", "revision": 1, "accepted_risks": [], "exit": exit,
        "pending": null, "layers": [], "limits": [], "allowed": [], "refused": [], "live": if ended { json!(null) } else { live },
    }))
    .expect("a session")
}

pub(super) fn session(id: &str) -> SessionInfo {
    watched(id, false)
}

/// It is told with these questions.
pub(super) fn told(mut session: SessionInfo, cards: &[Card]) -> News {
    let mut cards = cards.to_vec();
    cards.iter_mut().for_each(|card| card.session.clone_from(&session.id));
    if let Some(live) = &mut session.live {
        live.asks = cards.len() as u32;
    }
    let counts = Counts::default();
    News::Session(Box::new(Watched { session, counts, budget: policy::Amounts::default(), cards }))
}

pub(crate) fn card(id: &str, left: u64) -> Card {
    let rule = "{to: \"api.example.com:443\", methods: [POST], paths: [/v1/items]}";
    serde_json::from_value(json!({
        "id": id, "session": "", "name": "fix", "task": ["claude", "-p", "fix the build"], "revision": 1,
        "program": ["/usr/bin/curl", "/usr/bin/bash"], "pid": 12, "host": "api.example.com", "port": 443, "does": "POST /v1/items",
        "credential": "github", "causes": ["g12"], "risk": "usual", "reasons": [], "choices": [
            {"answer": {"say": "once"}, "rule": rule}, {"answer": {"say": "session"}, "rule": rule},
            {"answer": {"say": "always"}, "rule": rule}, {"answer": {"say": "deny"}, "rule": null},
        ],
        "waiting": 1, "times": 1, "age": 3, "left": left, "words": "please\u{202e} let me\u{1b}[2J",
    }))
    .expect("a card")
}

pub(super) fn event(seq: u64) -> LogLine {
    let reason = Some("no rule allows it".to_owned());
    let kind =
        record::Kind::Resolve { name: format!("h{seq}.example"), verdict: record::Verdict::Refused, reason, times: 1 };
    let event = record::Event { seq, at: DAY + seq * 1_000_000, cause: Vec::new(), kind };
    let text = record::describe(&event.kind);
    LogLine { id: format!("g{}", seq.max(1)).parse().expect("an id"), event, text }
}

/// The screen as lines of text.
pub(super) fn drawn(screen: &mut Screen, (columns, lines): (u16, u16), now: Now) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a terminal");
    terminal.draw(|frame| draw(screen, frame.buffer_mut(), now, Paint { colour: false })).expect("drawn");
    let buffer = terminal.backend().buffer();
    let line = |y: u16| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..lines).map(|y| format!("{}\n", line(y).trim_end())).collect()
}
