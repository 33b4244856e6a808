//! Keys and news, fed into the screen; what it looks like is in `draw_tests`.

use proptest::prelude::*;
use wire::command::Request;
use wire::question::Say;

use super::*;
use crate::watch::scene::{at, card, event, session, told, watched};

fn screen(sessions: &[News]) -> Screen {
    let mut screen = Screen::new(false, (80, 24));
    sessions.iter().for_each(|news| screen.news(news.clone(), at(0)));
    screen.news(News::Whole, at(0));
    screen
}

/// Presses keys one by one, each a second after the one before; tells what is to be done, and the time after.
fn press(screen: &mut Screen, keys: &str, from: u64) -> (Vec<Effect>, u64) {
    let mut effects = Vec::new();
    let mut ticks = from;
    for letter in keys.chars() {
        let key = match letter {
            '\n' => Key::Enter,
            '\x1b' => Key::Escape,
            letter => Key::Char(letter),
        };
        effects.extend(screen.keys(&[key], at(ticks)));
        let _ = crate::watch::scene::drawn(screen, (80, 24), at(ticks));
        screen.drawn(at(ticks));
        ticks += 1000;
    }
    (effects, ticks)
}

fn request(effects: &[Effect]) -> String {
    let said = |effect: &Effect| match effect {
        Effect::Act(act) => serde_json::to_string(act.request()).expect("JSON"),
        other => format!("{other:?}"),
    };
    effects.iter().map(said).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_answer_is_to_the_question_that_was_shown() {
    let mut screen = screen(&[told(session("s1"), &[card("aaaa1111", 100)])]);
    let (effects, ticks) = press(&mut screen, ":queue\na", 1000);
    assert!(effects.is_empty(), "{effects:?}");
    // Another one comes, with less time left: it stands above, and is not what the key is about.
    screen.news(told(session("s0"), &[card("bbbb2222", 5)]), at(ticks));
    let effects = screen.keys(&[Key::Char('o')], at(ticks));
    assert!(request(&effects).contains(r#""question":"aaaa1111","say":{"say":"once"}"#), "{effects:?}");
    assert!(screen.over.is_none() && screen.queue.chosen() == Some("aaaa1111"));
}

#[test]
fn an_answer_is_to_as_many_as_were_shown() {
    let waits = |waiting, newest| Card { waiting, newest: Some(newest), ..card("aaaa1111", 100) };
    let mut screen = screen(&[told(session("s1"), &[waits(1, 7)])]);
    let (_, ticks) = press(&mut screen, ":queue\na", 1000);
    screen.news(told(session("s1"), &[waits(31, 37)]), at(ticks));
    let shown = crate::watch::scene::drawn(&mut screen, (80, 24), at(ticks));
    assert!(shown.contains("question aaaa1111.7: 1 waits"), "{shown}");
    let effects = screen.keys(&[Key::Char('o')], at(ticks));
    assert!(request(&effects).contains(r#""question":"aaaa1111.7","say":{"say":"once"}"#), "{effects:?}");
    // Opened again it covers those that came.
    let (effects, _) = press(&mut screen, "a o", ticks + 1000);
    assert!(request(&effects).contains(r#""question":"aaaa1111.37""#), "{effects:?}");
}

#[test]
fn a_key_counts_when_its_card_stood_there_for_a_while() {
    let shown = |screen: &mut Screen| {
        let (_, ticks) = press(screen, ":queue\n", 1000);
        screen.keys(&[Key::Char('a')], at(ticks));
        ticks
    };
    for (after, counts) in [(0, false), (1, false), (299, false), (300, true), (5000, true)] {
        let mut screen = screen(&[told(session("s1"), &[card("aaaa1111", 100)])]);
        let ticks = shown(&mut screen) + 2000;
        // It is drawn two seconds after the key that asked for it: only from there on.
        let early = screen.keys(&[Key::Char('o')], at(ticks - 1500));
        assert!(early.is_empty());
        let _ = crate::watch::scene::drawn(&mut screen, (80, 24), at(ticks));
        assert!(screen.drawn(at(ticks)) && !screen.drawn(at(ticks + 1)), "told once");
        let effects = screen.keys(&[Key::Char('o')], at(ticks + after));
        assert_eq!(!effects.is_empty(), counts, "{after}");
    }
    // A key that is held down, and several at once.
    let mut screen = screen(&[told(session("s1"), &[card("aaaa1111", 100)])]);
    let (_, ticks) = press(&mut screen, ":queue\na", 1000);
    assert!(screen.keys(&[Key::Char('o'), Key::Char('o')], at(ticks + 1000)).is_empty());
    for repeat in 1..50 {
        assert!(screen.keys(&[Key::Char('o')], at(ticks + 1000 + repeat * 30)).is_empty());
    }
    assert!(!screen.keys(&[Key::Char('o')], at(ticks + 9000)).is_empty());
}

#[test]
fn the_next_card_has_to_stand_there_for_a_while_too() {
    let mut screen = screen(&[told(session("s1"), &[card("aaaa1111", 100), card("bbbb2222", 200)])]);
    let (_, ticks) = press(&mut screen, ":queue\na", 1000);
    screen.keys(&[Key::Char('n')], at(ticks));
    assert!(screen.keys(&[Key::Char('o')], at(ticks + 1000)).is_empty(), "it was not drawn");
    let (effects, _) = press(&mut screen, " s", ticks + 2000);
    assert!(request(&effects).contains("bbbb2222") && request(&effects).contains("session"), "{effects:?}");
}

#[test]
fn an_answer_that_is_not_offered_is_none() {
    let mut narrow = card("aaaa1111", 100);
    narrow.choices.retain(|choice| matches!(choice.answer, Say::Once | Say::Deny));
    let mut screen = screen(&[told(session("s1"), &[narrow])]);
    let (effects, ticks) = press(&mut screen, ":queue\naswaxz", 1000);
    assert!(effects.is_empty(), "{effects:?}");
    let (effects, _) = press(&mut screen, "d", ticks);
    assert!(request(&effects).contains("deny"), "{effects:?}");
}

#[test]
fn a_rule_for_good_is_asked_about_once_more() {
    let mut screen = screen(&[told(session("s1"), &[card("aaaa1111", 100)])]);
    // The key that opened the card is the key of `always`: held down, or pressed again, it makes no rule.
    let (effects, ticks) = press(&mut screen, ":queue\naaaaaa", 1000);
    assert!(effects.is_empty() && matches!(screen.over, Some(Over::Sure(_))), "{effects:?}");
    let (effects, ticks) = press(&mut screen, "n", ticks);
    assert!(effects.is_empty() && matches!(screen.over, Some(Over::Card(_))));
    let (effects, ticks) = press(&mut screen, "ay", ticks);
    assert!(request(&effects).contains(r#""say":"always""#), "{effects:?}");
    // Where the question goes meanwhile, a yes is to nothing.
    let (_, ticks) = press(&mut screen, "aa", ticks);
    screen.news(told(session("s1"), &[]), at(ticks));
    let (effects, _) = press(&mut screen, "yy", ticks);
    assert!(effects.is_empty() && matches!(screen.over, Some(Over::Sure(_))), "{effects:?}");
}

#[test]
fn a_question_that_waits_no_more_is_answered_by_no_key() {
    let mut screen = screen(&[told(session("s1"), &[card("aaaa1111", 100)])]);
    let (_, ticks) = press(&mut screen, ":queue\na", 1000);
    screen.news(told(session("s1"), &[card("bbbb2222", 100)]), at(ticks));
    let (effects, ticks) = press(&mut screen, "osd", ticks);
    assert!(effects.is_empty(), "{effects:?}");
    // Not even when one of that name comes back.
    screen.news(told(session("s1"), &[card("aaaa1111", 100)]), at(ticks));
    assert!(press(&mut screen, "o", ticks).0.is_empty());
}

#[test]
fn a_long_card_is_read_to_its_end_before_it_lets_something_through() {
    let mut long = card("aaaa1111", 100);
    long.does = Some(format!("GET /{}", "x".repeat(2000)));
    let mut screen = screen(&[told(session("s1"), &[long])]);
    let (effects, ticks) = press(&mut screen, ":queue\nao", 1000);
    assert!(effects.is_empty() && screen.message.as_deref().is_some_and(|text| text.contains("PageDown")));
    let mut other = ticks;
    for _ in 0..5 {
        screen.keys(&[Key::PageDown], at(other));
        let _ = crate::watch::scene::drawn(&mut screen, (80, 24), at(other));
        other += 1000;
    }
    assert!(!press(&mut screen, "o", other).0.is_empty());
    // What denies needs no reading.
    let mut long = card("bbbb2222", 100);
    long.does = Some(format!("GET /{}", "x".repeat(2000)));
    let mut screen = self::screen(&[told(session("s1"), &[long])]);
    assert!(request(&press(&mut screen, ":queue\nad", 1000).0).contains("deny"));
}

#[test]
fn a_session_is_stopped_after_a_yes_and_frozen_at_once() {
    let mut child = session("s2");
    child.parent = Some(wire::command::ParentInfo { session: "s1".into(), child: 1, server: None });
    let mut screen = screen(&[told(session("s1"), &[]), told(child, &[])]);
    let (effects, ticks) = press(&mut screen, "Kxn", 1000);
    assert!(effects.is_empty() && screen.over.is_none());
    let (_, ticks) = press(&mut screen, "K", ticks);
    assert!(crate::watch::scene::drawn(&mut screen, (80, 24), at(ticks)).contains("stop s1 and 1 below? y/n"));
    let (effects, ticks) = press(&mut screen, "y", ticks);
    let said = request(&effects);
    assert!(said.contains(r#""verb":"stop""#) && said.contains(r#""session":"s1""#), "{said}");
    // At once, and before it was drawn.
    let effects = screen.keys(&[Key::Char('K'), Key::Char('y')], at(ticks));
    assert!(effects.is_empty(), "{effects:?}");
    screen.keys(&[Key::Escape], at(ticks + 1000));
    let (effects, ticks) = press(&mut screen, "f", ticks + 2000);
    assert!(request(&effects).contains(r#""verb":"pause""#), "{effects:?}");
    let mut paused = session("s1");
    paused.live.as_mut().expect("it runs").paused = Some(wire::control::Means::ControlGroup);
    screen.news(told(paused, &[]), at(ticks));
    let (effects, _) = press(&mut screen, "f", ticks);
    assert!(request(&effects).contains(r#""verb":"resume""#), "{effects:?}");
}

/// Whatever comes or goes: what is frozen or stopped is what was chosen, or nothing.
#[test]
fn a_session_that_goes_leaves_nothing_chosen() {
    let mut screen = screen(&[told(session("s1"), &[]), told(session("s2"), &[])]);
    let (_, ticks) = press(&mut screen, "j", 1000);
    assert_eq!(screen.sessions.chosen(), Some("s1"));
    screen.news(told(session("s9"), &[]), at(ticks));
    let (effects, ticks) = press(&mut screen, "f", ticks);
    assert!(request(&effects).contains(r#""session":"s1""#), "{effects:?}");
    screen.news(News::Gone { session: "s1".into() }, at(ticks));
    let (effects, _) = press(&mut screen, "fKyaw", ticks);
    assert!(effects.is_empty() && screen.over.is_none(), "{effects:?}");
    assert!(screen.message.as_deref().is_some_and(|text| text.contains("nothing is chosen")));
}

#[test]
fn who_only_reads_can_say_nothing_that_acts() {
    let all = [told(session("s1"), &[card("aaaa1111", 100)]), told(session("s2"), &[])];
    let mut screen = Screen::new(true, (80, 24));
    all.iter().for_each(|news| screen.news(news.clone(), at(0)));
    for key in ["a", "f", "K"] {
        for before in ["", ":queue\n", ":timeline s1\n"] {
            let (effects, _) = press(&mut screen, &format!("{before}{key}"), 1000);
            assert!(!request(&effects).contains("verb"), "{before}{key}: {effects:?}");
            assert!(screen.message.as_deref().is_some_and(|text| text.contains("read-only")), "{before}{key}");
            press(&mut screen, ":sessions\n", 9000);
        }
    }
    // A card is read, and no key answers it.
    let (effects, _) = press(&mut screen, ":queue\n\nosad", 1000);
    assert!(!request(&effects).contains("verb") && screen.over.is_some(), "{effects:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Keys and news in any order, drawn on anything: nothing panics, who reads only never acts, and whoever acts was
    /// shown what he acts on for as long as it takes.
    #[test]
    fn whatever_is_pressed_an_act_is_on_what_was_shown(
        steps in proptest::collection::vec((0u8..14, 0usize..40, 0u64..700), 1..120),
        read_only: bool,
    ) {
        let mut screen = Screen::new(read_only, (80, 24));
        let (mut now, mut shown) = (1000, None::<(String, u64)>);
        for (what, which, passes) in steps {
            now += passes;
            let mut effects = Vec::new();
            match what {
                0 => screen.news(told(session(&format!("s{}", which % 4)), &[card(&format!("{:08x}", which % 5), 50 - which as u64)]), at(now)),
                1 => screen.news(told(session(&format!("s{}", which % 4)), &[]), at(now)),
                2 => screen.news(News::Gone { session: format!("s{}", which % 4) }, at(now)),
                3 => screen.event(event(which as u64)),
                4 => {
                    let size = [(80, 24), (40, 10), (200, 60), (12, 3)][which % 4];
                    crate::watch::scene::drawn(&mut screen, size, at(now));
                    screen.drawn(at(now));
                    let id = match &screen.over {
                        Some(Over::Card(asked)) => Some(asked.id.clone()),
                        Some(Over::Sure(Sure { of: Of::Always(id) | Of::Stop(id), .. })) => Some(id.clone()),
                        None => None,
                    };
                    // What is too small shows nothing.
                    let id = id.filter(|_| !screen.small());
                    shown = match (id, shown.take()) {
                        (Some(id), Some((same, since))) if id == same => Some((same, since)),
                        (id, _) => id.map(|id| (id, now)),
                    };
                }
                _ => {
                    let keys = ['a', 'o', 's', 'w', 'd', 'n', 'j', 'k', 'K', 'y', 'f', 'g', 'G', ':', '/', '?', 'q', ' '];
                    let special = [Key::Enter, Key::Escape, Key::Back, Key::PageDown, Key::PageUp, Key::End];
                    let key = keys.get(which).map_or(special[which % 6], |letter| Key::Char(*letter));
                    effects = screen.keys(&[key], at(now));
                }
            }
            for effect in &effects {
                let Effect::Act(act) = effect else { continue };
                prop_assert!(!read_only);
                let on = match act.request() {
                    Request::Answer { question, .. } => Some(question),
                    Request::Stop { select, .. } => select.session.as_ref(),
                    _ => None,
                };
                if let Some(on) = on {
                    let (id, since) = shown.clone().expect("it was shown");
                    prop_assert!(*on == id && now - since >= PAUSE, "{on} {id} {since} {now}");
                }
            }
        }
    }
}

#[test]
fn commands_lead_to_views_and_unknown_ones_say_what_there_is() {
    let mut named = session("s2");
    named.name = Some("fix".into());
    let mut screen = screen(&[told(session("s1"), &[]), told(named, &[])]);
    let (effects, ticks) = press(&mut screen, ":timeline fix\n", 1000);
    assert_eq!(request(&effects), r#"Follow("s2")"#);
    assert_eq!(screen.view, View::Timeline);
    let (effects, ticks) = press(&mut screen, ":detail s1\n", ticks);
    assert_eq!(request(&effects), r#"Look(Show("s1"))"#);
    let (effects, ticks) = press(&mut screen, ":sesions\n", ticks);
    let told = screen.message.clone().expect("told");
    assert!(effects.is_empty() && told.contains("'sesions'") && told.contains("hint: :sessions"), "{told}");
    let (_, ticks) = press(&mut screen, ":timeline nobody\n", ticks);
    assert!(screen.message.as_deref().is_some_and(|text| text.contains("'nobody'")));
    // Typed words are words: none of them is a key.
    let (effects, ticks) = press(&mut screen, ":Kaf\x1b", ticks);
    assert!(effects.is_empty() && screen.typed.is_none() && screen.over.is_none());
    assert!(matches!(press(&mut screen, ":q\n", ticks).0[..], [Effect::Quit]));
}

#[test]
fn a_filter_shows_less_and_escape_takes_it_away_first() {
    let mut screen = screen(&[told(session("s1"), &[]), told(session("s22"), &[])]);
    press(&mut screen, "/S22\n", 1000);
    assert_eq!(screen.session_ids(), ["s22"]);
    press(&mut screen, "\x1b", 9000);
    assert_eq!(screen.session_ids().len(), 2);
    press(&mut screen, "\n\x1b", 9900);
    assert_eq!(screen.view, View::Sessions);
}

#[test]
fn a_page_comes_to_who_still_waits_for_it() {
    let mut screen = screen(&[told(session("s1"), &[])]);
    let epoch = screen.epoch;
    press(&mut screen, "K", 1000);
    screen.page(epoch, Page::default());
    assert_eq!(screen.view, View::Sessions);
    press(&mut screen, "n:queue\n", 2000);
    screen.page(epoch, Page::default());
    assert_eq!(screen.view, View::Queue);
    let epoch = screen.epoch;
    screen.page(epoch, Page::default());
    assert!(matches!(screen.view, View::Page(_)));
}

#[test]
fn the_timeline_follows_until_something_else_is_chosen() {
    let mut screen = screen(&[told(session("s1"), &[])]);
    let (_, ticks) = press(&mut screen, "\n", 1000);
    (1..=100).for_each(|seq| screen.event(event(seq)));
    let (effects, ticks) = press(&mut screen, "w", ticks);
    assert_eq!(request(&effects), r#"Look(Why("s1", Some("g100")))"#);
    let (_, ticks) = press(&mut screen, "kk", ticks);
    screen.event(event(101));
    let (effects, ticks) = press(&mut screen, "w", ticks);
    assert_eq!(request(&effects), r#"Look(Why("s1", Some("g98")))"#);
    let (effects, _) = press(&mut screen, "Gwy", ticks);
    assert_eq!(request(&effects), r#"Look(Why("s1", Some("g101"))) Copy("g101")"#);
}

#[test]
fn only_an_id_is_copied() {
    let mut screen = screen(&[told(session("s1"), &[card("aaaa1111", 100)])]);
    assert_eq!(request(&press(&mut screen, "y", 1000).0), r#"Copy("s1")"#);
    assert_eq!(request(&press(&mut screen, ":queue\ny", 9000).0), r#"Copy("aaaa1111")"#);
    screen.news(told(session("x\x1b]52;"), &[]), at(9));
    assert!(
        press(&mut screen, ":sessions\nGgy", 20_000)
            .0
            .iter()
            .all(|effect| !matches!(effect, Effect::Copy(id) if id.len() > 8))
    );
}

#[test]
fn the_tree_has_each_below_its_parent_and_those_that_run_first() {
    let below = |id: &str, parent: &str, child| {
        let mut one = session(id);
        one.parent = Some(wire::command::ParentInfo { session: parent.into(), child, server: None });
        one
    };
    let ended = |id: &str| watched(id, true);
    let mut screen = screen(&[]);
    for one in
        [session("s1"), below("s5", "s1", 1), below("s6", "s1", 2), below("s7", "s5", 1), ended("s8"), session("s3")]
    {
        screen.news(told(one, &[]), at(0));
    }
    let tree: Vec<_> = screen.model.tree().iter().map(|(one, depth)| format!("{}{depth}", one.session.id)).collect();
    assert_eq!(tree, ["s30", "s10", "s51", "s72", "s61", "s80"]);
    assert_eq!((screen.model.below("s1"), screen.model.below("s5"), screen.model.below("s8")), (3, 1, 0));
    // Two that are each other's parent, in a state that somebody damaged.
    screen.news(told(below("x1", "x2", 1), &[]), at(0));
    screen.news(told(below("x2", "x1", 1), &[]), at(0));
    assert_eq!(screen.model.below("x1"), 0);
}
