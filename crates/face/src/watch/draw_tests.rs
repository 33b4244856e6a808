//! Each view on a terminal of 80 by 24, pinned; and on others without a panic.

use std::path::Path;

use policy::Amounts;
use wire::command::{News, ParentInfo};
use wire::control::{Counts, Means};

use super::keys::Key;
use super::model::Now;
use super::scene::{at, card, drawn, event, session, told, watched};
use super::screen::{Page, Screen};

/// Compares with what is kept, or writes it.
fn pinned(name: &str, screen: &mut Screen, now: Now) {
    let shown = drawn(screen, (80, 24), now);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/watch-{name}.txt"));
    if std::env::var_os("BASTIDE_SNAPSHOTS").is_some_and(|value| value == "write") {
        std::fs::write(&file, &shown).expect("written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, kept, "{name}\n{shown}");
    assert!(!shown.chars().any(|letter| letter != '\n' && record::redact::hidden(letter)), "{name}");
    for size in [(40, 10), (200, 60), (80, 11), (41, 60), (1, 1), (0, 0)] {
        drawn(screen, size, now);
    }
    // What was drawn elsewhere changes nothing.
    screen.size = (80, 24);
}

fn press(screen: &mut Screen, keys: &str, now: Now) {
    for letter in keys.chars() {
        screen.keys(&[if letter == '\n' { Key::Enter } else { Key::Char(letter) }], now);
        drawn(screen, (80, 24), now);
    }
}

/// A family, one that asks, one that is paused, one that was lost, one that ended.
fn scene() -> Screen {
    let mut screen = Screen::new(false, (80, 24));
    let mut top = session("0k3xs5m2a00");
    top.name = Some("fix-the-build".into());
    let mut child = session("0k3xs5m2a01");
    child.parent = Some(ParentInfo { session: top.id.clone(), child: 1, server: None });
    child.command = vec!["codex".into()];
    let mut paused = session("0k3xs5m2a02");
    paused.live.as_mut().expect("it runs").paused = Some(Means::ControlGroup);
    // Words of somebody who would like to be a line of ours.
    paused.command = vec!["/opt/a\u{1b}[2J\u{202e}gent 日本".into()];
    let mut lost = watched("0k3xs5m2900", true);
    lost.state = wire::command::SessionState::Lost;
    let mut news = Vec::new();
    for (one, cards) in
        [(top, vec![card("3fa9c1d2aa", 231), card("77e0", 12)]), (child, vec![]), (paused, vec![]), (lost, vec![])]
    {
        news.push(told(one, &cards));
    }
    news.push(told(watched("0k3xs5m2800", true), &[]));
    for (one, (allowed, refused, tokens)) in
        news.iter_mut().zip([(1204, 7, 940_000), (3, 0, 20_000), (0, 12_345_678, 0), (9, 1, 0), (1, 0, 0)])
    {
        if let News::Session(one) = one {
            let used = Amounts { tokens: Some(tokens), ..Amounts::default() };
            one.counts = Counts { allowed, refused, behind: false, used };
            one.budget = Amounts { tokens: Some(1_000_000), ..Amounts::default() };
            if let Some(live) = &mut one.session.live {
                live.asks_hour = 12;
            }
        }
    }
    news.into_iter().chain([News::Whole]).for_each(|news| screen.news(news, at(0)));
    screen
}

#[test]
fn sessions() {
    let mut screen = scene();
    pinned("sessions", &mut screen, at(1000));
    press(&mut screen, "jK", at(2000));
    pinned("stop", &mut screen, at(3000));
    press(&mut screen, "n/codex", at(4000));
    pinned("filter", &mut screen, at(5000));
    press(&mut screen, "\n", at(6000));
    pinned("filtered", &mut screen, at(6000));
    pinned("none", &mut Screen::new(true, (80, 24)), at(0));
    let mut many = Screen::new(false, (80, 24));
    (0..100).for_each(|id| many.news(told(session(&format!("s{id:03}")), &[]), at(0)));
    many.news(News::Whole, at(0));
    press(&mut many, "G", at(1000));
    pinned("many", &mut many, at(2000));
}

#[test]
fn queue() {
    let mut screen = scene();
    press(&mut screen, ":queue\n", at(1000));
    pinned("queue", &mut screen, at(2000));
    press(&mut screen, "ja", at(3000));
    pinned("card", &mut screen, at(4000));
    screen.drawn(at(4000));
    press(&mut screen, "a", at(9000));
    pinned("always", &mut screen, at(9000));
    press(&mut screen, "n", at(10_000));
    screen.news(told(session("0k3xs5m2a00"), &[]), at(11_000));
    pinned("card-gone", &mut screen, at(12_000));
    press(&mut screen, "q", at(13_000));
    pinned("queue-empty", &mut screen, at(13_000));
}

/// A line that is cut took the no away.
#[test]
fn a_narrow_card_shows_how_to_deny() {
    let mut screen = scene();
    press(&mut screen, ":queue\nja", at(1000));
    let shown = drawn(&mut screen, (40, 24), at(4000));
    assert!(shown.contains("d deny, o once"), "{shown}");
}

#[test]
fn timeline() {
    let mut screen = scene();
    press(&mut screen, "\n", at(1000));
    pinned("timeline-empty", &mut screen, at(1000));
    (1..60).for_each(|seq| screen.event(event(seq)));
    pinned("timeline", &mut screen, at(2000));
    press(&mut screen, "kkk/h5\n", at(3000));
    pinned("timeline-filtered", &mut screen, at(3000));
    press(&mut screen, "\n", at(4000));
    pinned("event", &mut screen, at(4000));
}

#[test]
fn pages_and_messages() {
    let mut screen = scene();
    press(&mut screen, "?", at(1000));
    pinned("help", &mut screen, at(1000));
    let text: String = (1..50).map(|line| format!("line {line} {}\n", "x".repeat(90))).collect();
    let page = Page { title: "session 0k3xs5m2a00".into(), text, ..Page::default() };
    screen.page(screen.epoch, page);
    press(&mut screen, "jj", at(2000));
    pinned("page", &mut screen, at(2000));
    press(&mut screen, ":sesions\n", at(3000));
    pinned("unknown-command", &mut screen, at(3000));
    let mut reads = Screen::new(true, (80, 24));
    reads.news(told(session("s1"), &[]), at(0));
    reads.news(News::Whole, at(0));
    press(&mut reads, "f", at(1000));
    pinned("read-only", &mut reads, at(1000));
    screen.size = (30, 8);
    assert!(drawn(&mut screen, (30, 8), at(0)).contains("30x8 is too small"));
}
