use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Barrier};

use policy::{Conjunction, Flow, Label, LabelPattern, Policy, Sink};
use sense::{Bounds, Fresh, Window};
use wire::Labelled;

use super::*;
use crate::flows::Flows;

const NOTE: &str = "the blue heron lands at the old mill by midnight and waits for a lamp to be lit twice";

fn tree(session: &str, at: &Path) -> Tree {
    let appends = File::options().append(true).create(true).mode(0o600).open(at).expect("opened");
    Tree::new(session, appends, File::open(at).expect("opened"))
}

/// A gate's own knowledge of the note.
fn corpus() -> Corpus {
    let mut corpus = Corpus::new();
    corpus.add(sense::Label(0), NOTE.as_bytes()).expect("there is room");
    corpus
}

fn drops(corpus: &Corpus, said: &str) -> Drops {
    let (_, fresh): (Scan, Fresh) = Window::new(4096).scan(corpus, &[said.as_bytes()], &Bounds::USUAL);
    Drops::of(corpus, &fresh, &Bounds::USUAL, |_| true)
}

/// Who said what this goes on with; none where it does with nothing.
fn told(tree: &mut Tree, said: &str) -> Result<Option<Vec<String>>, String> {
    let corpus = corpus();
    let (drops, mut scan) = (drops(&corpus, said), Scan::default());
    assert!(!drops.is_empty(), "{said}");
    tree.tell(&drops)?;
    tree.evidence(&drops, &corpus, &mut scan);
    Ok(scan.found.pop().map(|found| found.by.iter().map(|one| tree.name(*one).to_owned()).collect()))
}

#[test]
fn a_drop_goes_on_with_what_another_gate_told() {
    let room = tempfile::tempdir().expect("a directory");
    let at = room.path().join("drops");
    let (mut one, mut other, mut third) = (tree("aaa", &at), tree("bbb", &at), tree("ccc", &at));
    assert_eq!(told(&mut one, &NOTE[..24]), Ok(None));
    assert_eq!(told(&mut other, &NOTE[24..48]), Ok(None));
    assert_eq!(told(&mut third, &NOTE[48..75]), Ok(Some(vec!["aaa".into(), "bbb".into()])));
    // One that takes over has all of it, its own as well.
    let mut next = tree("bbb", &at);
    assert_eq!(told(&mut next, &NOTE[48..75]), Ok(Some(vec!["aaa".into()])));
    // What is said in one request does not go on with itself: there is something between.
    let mut alone = tree("ddd", &room.path().join("other"));
    assert_eq!(told(&mut alone, &format!("{} and {}", &NOTE[..37], &NOTE[37..59])), Ok(None));
    assert_eq!(told(&mut alone, &NOTE[59..]), Ok(None));
    assert_eq!(told(&mut alone, &NOTE[37..59]), Ok(None), "by itself it comes to too little");
    assert_eq!(told(&mut alone, &NOTE[59..]), Ok(Some(vec![])));
    // What is told twice is kept once.
    let before = std::fs::metadata(&at).expect("there").len();
    assert_eq!(told(&mut one, &NOTE[..24]), Ok(None));
    assert_eq!((before, std::fs::metadata(&at).expect("there").len()), (3 * ENTRY as u64, before));
}

/// One that was told after another gate had looked, and before that one told of its own, is not missed.
#[test]
fn there_is_no_moment_between_two_gates() {
    let room = tempfile::tempdir().expect("a directory");
    let at = room.path().join("drops");
    let (mut one, mut other, corpus) = (tree("aaa", &at), tree("bbb", &at), corpus());
    let (drops, mut scan) = (drops(&corpus, &NOTE[37..75]), Scan::default());
    let new = one.news(&drops).expect("heard");
    assert_eq!(told(&mut other, &NOTE[..37]), Ok(None));
    one.append(&new).expect("told");
    one.evidence(&drops, &corpus, &mut scan);
    let by: Vec<&str> = scan.found.iter().flat_map(|found| &found.by).map(|cell| one.name(*cell)).collect();
    assert_eq!(by, ["bbb"]);
}

/// Whichever of two that are told at once stands behind the other in the file, goes on with it.
#[test]
fn two_that_are_told_at_once_do_not_miss_each_other() {
    let room = tempfile::tempdir().expect("a directory");
    for round in 0..300 {
        let at = room.path().join(round.to_string());
        let (begin, pieces) = (Arc::new(Barrier::new(2)), [("aaa", &NOTE[..37]), ("bbb", &NOTE[37..75])]);
        let say = |(session, said): (&'static str, &'static str)| {
            let (mut tree, begin) = (tree(session, &at), Arc::clone(&begin));
            std::thread::spawn(move || {
                let corpus = corpus();
                let (drops, mut scan) = (drops(&corpus, said), Scan::default());
                begin.wait();
                tree.tell(&drops).expect("told");
                tree.evidence(&drops, &corpus, &mut scan);
                !scan.found.is_empty()
            })
        };
        let [first, second] = pieces.map(say).map(|saying| saying.join().expect("said"));
        let file = std::fs::read(&at).expect("there");
        let (entries, rest) = file.as_chunks::<ENTRY>();
        let order: Vec<String> = entries.iter().filter_map(|one| Some(Dropped::decode(one)?.session)).collect();
        assert!(order.len() == 2 && rest.is_empty() && !first, "{order:?}");
        assert!(second || order == ["bbb", "aaa"], "{round}: {order:?}");
    }
}

#[test]
fn what_cannot_be_told_or_read_is_held() {
    let room = tempfile::tempdir().expect("a directory");
    let at = room.path().join("drops");
    let full = || File::options().write(true).open("/dev/full").expect("opened");
    let mut unwritten = Tree::new("aaa", full(), File::open("/dev/null").expect("opened"));
    assert!(told(&mut unwritten, &NOTE[..24]).is_err_and(|why| why.contains("cannot be written")));
    let elsewhere = File::options().write(true).open("/dev/null").expect("opened");
    let mut lost = Tree::new("aaa", elsewhere, File::open("/dev/null").expect("opened"));
    assert!(told(&mut lost, &NOTE[..24]).is_err_and(|why| why.contains("does not hold")));
    let mut unread = Tree::new("aaa", full(), File::open("/").expect("opened"));
    assert!(told(&mut unread, &NOTE[..24]).is_err_and(|why| why.contains("cannot be read")));
    let mut nameless = tree("a/b", &at);
    assert!(told(&mut nameless, &NOTE[..24]).is_err());
    let (mut one, mut other) = (tree("aaa", &at), tree("bbb", &at));
    assert_eq!(told(&mut one, &NOTE[..24]), Ok(None));
    // What somebody wrote in part is in everybody's way.
    (&one.appends).write_all(b"dr").expect("written");
    assert_eq!(told(&mut one, &NOTE[..24]), Ok(None), "nothing follows it yet");
    for gate in [&mut other, &mut one] {
        assert!(told(gate, &NOTE[48..75]).is_err_and(|why| why.contains("damaged")));
    }
}

#[test]
fn a_full_account_holds_what_is_new_and_forgets_nothing() {
    let room = tempfile::tempdir().expect("a directory");
    let at = room.path().join("drops");
    let mut first = tree("aaa", &at);
    assert_eq!(told(&mut first, &NOTE[..37]), Ok(None));
    let other =
        |at: u32| Dropped { text: [9; 16], begin: at * 20, end: at * 20 + 13, session: "ccc".into(), more: false };
    let others = (1..MAX_DROPS as u32).filter_map(|at| other(at).encode()).collect::<Vec<_>>().concat();
    (&first.appends).write_all(&others).expect("written");
    let mut next = tree("bbb", &at);
    assert_eq!(told(&mut next, &NOTE[..37]), Ok(None), "it is known");
    assert_eq!(told(&mut next, &NOTE[37..75]), Err(FULL.into()));
    assert_eq!(std::fs::metadata(&at).expect("there").len(), (MAX_DROPS * ENTRY) as u64);
    // Whoever writes on does not make it grow here.
    (0..3).for_each(|_| (&first.appends).write_all(&others).expect("written"));
    assert_eq!(told(&mut next, &NOTE[..37]), Err(FULL.into()));
    assert!(next.taken <= 2 * MAX_DROPS + AT_ONCE);
}

#[test]
fn a_request_without_a_drop_asks_nobody() {
    let mut policy = Policy { name: "test".into(), ..Policy::default() };
    policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").expect("a pattern"), to: Some(Sink::Network) }];
    let label = Label::parse("secret:notes").expect("a label");
    let labelled = [Labelled { label, source: "a file".into(), text: NOTE.into(), exact: false }];
    // It can be neither written nor read.
    let full = File::options().write(true).open("/dev/full").expect("opened");
    let tree = Tree::new("aaa", full, File::open("/").expect("opened"));
    let flows = Flows::new(&Conjunction::new(vec![policy]), &labelled, true, tree);
    let judge = |said: &str| flows.judge("a:1", Sink::Network, &[said.as_bytes()], &Bounds::USUAL);
    assert_eq!(judge("nothing of any interest, and the old mill at that"), None);
    let held = judge(&NOTE[..24]).expect("held");
    assert!(held.rule.is_some() && held.evidence.is_empty() && held.reason.starts_with("held back"), "{held:?}");
    // Where it may go by the rules it is no drop.
    assert_eq!(flows.judge("a:1", Sink::Human, &[&NOTE.as_bytes()[..24]], &Bounds::USUAL), None);
    assert!(flows.judge_name(&format!("{}.drop.example", NOTE[..30].replace(' ', ""))).is_some());
}
