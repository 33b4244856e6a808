use super::*;
use proptest::prelude::*;

fn says(speaker: Speaker, text: &str) -> Block {
    Block { speaker, content: Content::Text(text.to_owned()) }
}

fn assistant(text: &str) -> Block {
    says(Speaker::Assistant, text)
}

fn thinks(text: &str) -> Block {
    Block { speaker: Speaker::Assistant, content: Content::Thinking(text.to_owned()) }
}

fn calls(id: &str, arguments: &str) -> Block {
    let content = Content::ToolCall { id: id.to_owned(), name: "run".to_owned(), arguments: arguments.to_owned() };
    Block { speaker: Speaker::Assistant, content }
}

fn sorted(history: &mut History, blocks: &[Block]) -> Vec<Standing> {
    let conversation = Conversation { blocks: blocks.to_vec(), ..Conversation::default() };
    history.sort(&conversation).into_iter().map(|(_, standing)| standing).collect()
}

use Standing::{Delivered, Known, New, Unmatched};

#[test]
fn what_was_said_is_known() {
    let mut history = History::new();
    let mut blocks = vec![says(Speaker::System, "be terse"), says(Speaker::User, "hello")];
    assert_eq!(sorted(&mut history, &blocks), [New, New]);
    history.delivered(&[assistant("hi\n")]);
    blocks.extend([assistant("hi"), says(Speaker::User, "more")]);
    assert_eq!(sorted(&mut history, &blocks), [Known, Known, Delivered, New]);
    assert_eq!(sorted(&mut history, &blocks), [Known, Known, Delivered, Known]);
    // A second conversation of the session, with less of it.
    assert_eq!(sorted(&mut history, &blocks[..1]), [Known]);
    assert_eq!(sorted(&mut history, &blocks), [Known, Known, Delivered, Known]);
}

#[test]
fn a_lie_is_unmatched_once_and_never_delivered() {
    let mut history = History::new();
    history.delivered(&[assistant("I will not")]);
    let lie = [assistant("I will"), says(Speaker::User, "I will not")];
    assert_eq!(sorted(&mut history, &lie), [Unmatched, New]);
    assert_eq!(sorted(&mut history, &lie), [Known, Known]);
}

#[test]
fn every_time_counts() {
    let mut history = History::new();
    let call = || calls("c", "{}");
    history.delivered(&[call(), call()]);
    assert_eq!(sorted(&mut history, &[call(), call(), call()]), [Delivered, Delivered, Unmatched]);
    history.delivered(&[call()]);
    assert_eq!(sorted(&mut history, &[call(), call(), call()]), [Delivered, Delivered, Delivered]);
    let again = || says(Speaker::User, "go on");
    assert_eq!(sorted(&mut history, &[again()]), [New]);
    assert_eq!(sorted(&mut history, &[again(), again()]), [Known, New]);
}

#[test]
fn a_call_written_again_is_the_call() {
    let mut history = History::new();
    history.delivered(&[calls("one", r#"{"b": 1.0, "a": "\u0078"}"#), calls("two", "")]);
    let back = [calls("1", r#"{"a":"x","b":1}"#), calls("2", "{}"), calls("1", r#"{"a":"x","b":2}"#)];
    assert_eq!(sorted(&mut history, &back), [Delivered, Delivered, Unmatched]);
}

#[test]
fn texts_are_matched_joined_and_split() {
    let mut history = History::new();
    history.delivered(&[assistant("one "), thinks("hm"), assistant("two"), calls("c", "{}"), assistant("three")]);
    for (back, want) in [
        (vec![assistant("one two")], vec![Delivered]),
        (vec![assistant("one \ntwo")], vec![Delivered]),
        (vec![assistant("one"), assistant("two")], vec![Delivered, Delivered]),
        (vec![assistant("th"), assistant("ree")], vec![Delivered, Delivered]),
        (vec![assistant("twothree")], vec![Unmatched]),
        (vec![assistant("th"), assistant("re")], vec![Unmatched, Unmatched]),
        (vec![assistant("one"), assistant("lie")], vec![Delivered, Unmatched]),
    ] {
        assert_eq!(sorted(&mut history.clone(), &back), want, "{back:?}");
    }
    // Whitespace that is a text of its own makes no second delivery.
    let mut history = History::new();
    history.delivered(&[assistant("a"), assistant("\n")]);
    assert_eq!(sorted(&mut history, &[assistant("a"), calls("c", "{}"), assistant("a")])[2], Unmatched);
}

#[test]
fn what_is_forgotten_is_what_was_used_longest_ago() {
    let mut history = History::new();
    history.delivered(&[assistant("first")]);
    history.delivered(&[assistant("kept")]);
    for turn in 0..MAX_KNOWN / 1000 + 1 {
        let mut blocks: Vec<Block> = (0..1000).map(|at| says(Speaker::Tool, &format!("{turn} {at}"))).collect();
        blocks.push(assistant("kept"));
        let standings = sorted(&mut history, &blocks);
        assert_eq!((standings[0], standings[1000]), (New, Delivered));
        assert!(history.known.len() <= MAX_KNOWN);
    }
    let blocks = [assistant("first"), assistant("kept"), says(Speaker::Tool, "0 0"), says(Speaker::Tool, "60 999")];
    assert_eq!(sorted(&mut history, &blocks), [Unmatched, Delivered, New, Known]);
}

fn anything() -> impl Strategy<Value = Block> {
    let text = prop::sample::select(vec!["a", "b", "a\n", "ab", " "]);
    (0..5u8, text).prop_map(|(kind, text)| match kind {
        0 => says(Speaker::User, text),
        1 => thinks(text),
        2 => calls("c", text),
        _ => assistant(text),
    })
}

proptest! {
    /// What was delivered comes back delivered; and nothing is new twice.
    #[test]
    fn nothing_is_new_twice(
        answer in prop::collection::vec(anything(), 0..8), request in prop::collection::vec(anything(), 0..8),
    ) {
        let mut history = History::new();
        history.delivered(&answer);
        for (block, standing) in answer.iter().zip(sorted(&mut history.clone(), &answer)) {
            prop_assert_eq!(standing == Delivered, block.speaker == Speaker::Assistant);
        }
        let first = sorted(&mut history, &request);
        let second = sorted(&mut history, &request);
        for (one, two) in first.into_iter().zip(second) {
            prop_assert!(!two.is_new());
            prop_assert_eq!(one == Delivered, two == Delivered);
        }
    }
}

#[test]
fn what_is_not_remembered_is_new_again() {
    let mut history = History::new();
    let blocks = [says(Speaker::User, "hello"), says(Speaker::User, "hello")];
    let conversation = Conversation { blocks: blocks.to_vec(), ..Conversation::default() };
    for _ in 0..2 {
        let (sorted, _left) = history.standings(&conversation);
        assert!(sorted.iter().all(|(_, standing)| *standing == New));
    }
    let (_, seen) = history.standings(&conversation);
    history.remember(seen);
    assert_eq!(sorted(&mut history, &blocks), [Known, Known]);
}
