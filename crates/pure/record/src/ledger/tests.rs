use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::event::{Kind, Segment, Verdict};
use crate::redact::Redactor;
use crate::segment::{Head, Origin, Verifier, Writer, hex, unhex};

/// The trees of the RFC's own test log, as every implementation of Certificate Transparency has them.
const ROOTS: [(&[u8], &str); 8] = [
    (b"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    (b"\x00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    (b"\x10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    (b"\x20\x21", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (b"\x30\x31", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    (b"@ABC", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    (b"PQRSTUVW", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (b"`abcdefghijklmno", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
];

#[test]
fn a_tree_is_that_of_rfc_6962() {
    let mut tree = Tree::new();
    assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (leaf, root) in ROOTS {
        tree.push(leaf);
        assert_eq!(hex(&tree.root()), root);
    }
    assert!(Tree::of(3, tree.subtrees().to_vec()).is_err());
}

/// The RFC's definition, word for word.
fn defined(leaves: &[Vec<u8>]) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    match leaves.len() {
        0 => Sha256::digest([]).into(),
        1 => tree::leaf(&leaves[0]),
        n => {
            let k = (1..n).rev().find(|k| k.is_power_of_two()).expect("at least 1");
            let (left, right) = leaves.split_at(k);
            Sha256::new().chain_update([1]).chain_update(defined(left)).chain_update(defined(right)).finalize().into()
        }
    }
}

proptest! {
    #[test]
    fn a_tree_has_the_root_of_its_definition(leaves in prop::collection::vec(any::<Vec<u8>>(), 0..70)) {
        let mut tree = Tree::new();
        for (count, leaf) in leaves.iter().enumerate() {
            prop_assert_eq!(tree.root(), defined(&leaves[..count]));
            // One that was put away and taken out again grows on alike.
            tree = Tree::of(tree.size(), tree.subtrees().to_vec()).expect("its own");
            tree.push(leaf);
        }
        prop_assert_eq!(tree.root(), defined(&leaves));
    }
}

/// The key and the note of the package that the format comes from (golang.org/x/mod/sumdb/note).
const NEUMANN: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

#[test]
fn keys_are_those_of_signed_notes() {
    let key: PublicKey = NEUMANN.parse().expect("a key");
    assert_eq!((key.name(), key.id(SignatureKind::Plain)), ("PeterNeumann", 0xc74f_20a3));
    assert_eq!(key.to_string(), NEUMANN);
    for (bad, why) in [
        ("", BadKey::Form),
        ("PeterNeumann+c74f20a3", BadKey::Form),
        ("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BadKey::Form),
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW=", BadKey::Form),
        ("Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BadKey::Name),
        ("PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BadKey::Id),
        ("Mallory+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", BadKey::Id),
        ("PeterNeumann+c74f20a3+ARpc2QcU", BadKey::Kind),
    ] {
        assert_eq!(bad.parse::<PublicKey>(), Err(why), "{bad}");
    }
}

const TEXT: &str = "bastide/log/1\n2\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn key() -> PublicKey {
    PublicKey::new("bastide/log/1", [7; 32]).expect("a name")
}

/// Signs by writing the message itself: what is checked is then exactly what was signed.
fn signed(text: &str, time: Option<u64>) -> String {
    signature_line(&key(), time, &to_be_signed(text, time))
}

fn open(note: &str) -> Result<Opened, NotOpened> {
    Note::read(note.as_bytes()).expect("a note").open(&key(), |_, message, signature| message == signature)
}

#[test]
fn a_checkpoint_is_opened_by_the_key_that_signed_it() {
    let note = format!("{TEXT}\n{}{}", signed(TEXT, None), signed(TEXT, Some(1_800_000_000)));
    let opened = open(&note).expect("signed");
    assert_eq!((opened.checkpoint.size, opened.time), (2, Some(1_800_000_000)));
    assert_eq!(opened.checkpoint.to_string(), TEXT);
    // Others may sign it, too, and say nothing to us: also under our name with another key.
    let witness = signature_line(&PublicKey::new("witness.example/w", [9; 32]).expect("a name"), Some(1), b"x");
    let namesake = signature_line(&PublicKey::new("bastide/log/1", [9; 32]).expect("a name"), None, b"x");
    assert!(open(&format!("{note}{witness}{namesake}")).is_ok());
    assert_eq!(open(&format!("{TEXT}\n{witness}{namesake}")), Err(NotOpened::Unknown));
    // One signature under our name that is not ours, and all of it is refused.
    assert_eq!(open(&note.replace("log/1\n2\n", "log/1\n3\n")), Err(NotOpened::Forged));
    assert_eq!(open(&format!("{note}{}", signature_line(&key(), Some(5), b"forged"))), Err(NotOpened::Forged));
    assert_eq!(open(&format!("{note}{}", signature_line(&key(), Some(u64::MAX), b"x"))), Err(NotOpened::Forged));
    let words = "no checkpoint\n";
    assert_eq!(open(&format!("{words}\n{}", signed(words, None))), Err(BadCheckpoint::Lines.into()));
    // A blank line in the text belongs to it: the last one divides.
    let two = "a\n\nb\n";
    assert_eq!(Note::read(format!("{two}\n{}", signed(two, None)).as_bytes()).expect("a note").text(), two);
}

#[test]
fn a_note_that_could_be_read_in_two_ways_is_none() {
    let line = signed(TEXT, None);
    let good = format!("{TEXT}\n{line}");
    assert_eq!(Note::read(good.as_bytes()).expect("a note").signers().count(), 1);
    for (bad, why) in [
        (String::new(), BadNote::Unsigned),
        (TEXT.into(), BadNote::Unsigned),
        (format!("{TEXT}\n"), BadNote::Unsigned),
        (good.trim_end().into(), BadNote::Unsigned),
        (format!("{TEXT}{line}"), BadNote::Unsigned),
        (good.replace('\n', "\r\n"), BadNote::Text),
        (good.replace("log", "l\0g"), BadNote::Text),
        (format!("{good}words\n"), BadNote::Signature(2)),
        (good.replace("\u{2014} ", "- "), BadNote::Signature(1)),
        (good.replace("\u{2014} bastide", "\u{2014}  bastide"), BadNote::Signature(1)),
        (format!("{TEXT}\n\u{2014} a+b AAAAAAAA\n"), BadNote::Signature(1)),
        (format!("{TEXT}\n\u{2014} a AAAAAA==\n"), BadNote::Signature(1)),
        (format!("{TEXT}\n{}", line.repeat(65)), BadNote::TooMany),
        (format!("{}{good}", "x\n".repeat(MAX_NOTE / 2)), BadNote::TooLong),
    ] {
        assert_eq!(Note::read(bad.as_bytes()), Err(why), "{bad:.200}");
    }
    assert_eq!(Note::read(b"a\xff\n\n"), Err(BadNote::Text));
    for (bad, why) in [
        ("a\n1\n", BadCheckpoint::Lines),
        ("\n1\nAA==\n", BadCheckpoint::Lines),
        ("a\n1\nAA==", BadCheckpoint::Lines),
        ("a\n01\nAA==\n", BadCheckpoint::Size),
        ("a\n+1\nAA==\n", BadCheckpoint::Size),
        ("a\n18446744073709551616\nAA==\n", BadCheckpoint::Size),
        ("a\n1\nAA==\n", BadCheckpoint::Root),
        ("a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n", BadCheckpoint::Root),
    ] {
        assert_eq!(Checkpoint::read(bad), Err(why), "{bad}");
    }
    assert_eq!(Checkpoint::read("a\n0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nmore\n").map(|c| c.size), Ok(0));
    assert_eq!(unhex(&"0F".repeat(32)), None);
    assert_eq!(unhex("0f"), None);
}

/// A machine's state, whole: the log, and each session's segments.
#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    log: Vec<Vec<u8>>,
    segments: BTreeMap<(String, Segment), Vec<Vec<u8>>>,
}

fn origin(session: &str, segment: Segment) -> Origin {
    Origin { session: session.into(), segment }
}

/// Sessions that write by turns, each cut now and then and at the end.
fn state(turns: &[(u8, bool, u8, bool)]) -> State {
    let (mut state, mut writers) = (State::default(), BTreeMap::new());
    let redactor = Redactor::new();
    let cut = |writers: &BTreeMap<(String, Segment), Writer>, session: &String, at| {
        let end = |segment| match writers.get(&(session.clone(), segment)) {
            Some(writer) => Part(writer.head()),
            None => Part(Verifier::new(&origin(session, segment)).head()),
        };
        let cut = Cut { at, session: session.clone(), plane: end(Segment::Plane), gate: end(Segment::Gate) };
        Leaf::Cut(cut).line().expect("JSON")
    };
    for (at, &(session, gate, events, cuts)) in (1..).zip(turns) {
        let session = format!("s{}", session % 3);
        let segment = if gate { Segment::Gate } else { Segment::Plane };
        let key = (session.clone(), segment);
        let writer = writers.entry(key.clone()).or_insert_with(|| Writer::new(&origin(&session, segment)));
        for number in 0..events % 4 {
            let kind =
                Kind::Resolve { name: format!("n{number}.example"), verdict: Verdict::Refused, reason: None, times: 1 };
            let (_, line) = writer.append(&redactor, at, Vec::new(), kind).expect("written");
            state.segments.entry(key.clone()).or_default().push(line);
        }
        if cuts {
            state.log.push(cut(&writers, &session, at));
        }
    }
    let sessions: std::collections::BTreeSet<_> = writers.keys().map(|(session, _)| session.clone()).collect();
    state.log.extend(sessions.iter().map(|session| cut(&writers, session, 99)));
    state
}

/// What the operator keeps elsewhere.
fn held(state: &State) -> (u64, [u8; 32]) {
    let mut tree = Tree::new();
    state.log.iter().for_each(|line| tree.push(line.strip_suffix(b"\n").expect("an end")));
    (tree.size(), tree.root())
}

/// Verifies as the plane does, without files.
fn proves(state: &State, (size, root): (u64, [u8; 32])) -> bool {
    let mut book = Book::watching([size]);
    let sound = state.log.iter().all(|line| book.line(line).is_ok());
    let segment = |session: &str, segment, mut following: Following| {
        let mut verifier = Verifier::new(&origin(session, segment));
        let none = Vec::new();
        let lines = state.segments.get(&(session.to_owned(), segment)).unwrap_or(&none);
        following.at(verifier.head()).is_ok()
            && lines.iter().all(|line| verifier.line(line).is_ok() && following.at(verifier.head()).is_ok())
            && following.end(verifier.head().events).is_ok()
    };
    let each = |(session, known): (&String, &Known)| {
        [Segment::Plane, Segment::Gate].into_iter().all(|one| segment(session, one, known.following(one)))
    };
    sound && book.root_at(size) == Some(root) && book.sessions().iter().all(each)
}

fn turns() -> impl Strategy<Value = Vec<(u8, bool, u8, bool)>> {
    prop::collection::vec(any::<(u8, bool, u8, bool)>(), 1..12)
}

/// Writes a segment anew as a writer would that holds no secret: every line follows, and one event is another.
fn rewritten(lines: &[Vec<u8>], session: &str, segment: Segment, at: usize) -> Vec<Vec<u8>> {
    let (mut writer, redactor) = (Writer::new(&origin(session, segment)), Redactor::new());
    let each = lines.iter().enumerate().map(|(number, line)| {
        let entry = crate::read::decode(segment, 1, line).expect("an event");
        let kind = if number == at { Kind::GateLost } else { entry.event.kind };
        writer.append(&redactor, entry.event.at, Vec::new(), kind).expect("written").1
    });
    each.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_change_is_noticed_against_a_checkpoint_that_is_held(turns in turns(), how in 0..9_usize, seed in any::<usize>(), bit in 0..8) {
        let whole = state(&turns);
        let held = held(&whole);
        prop_assert!(proves(&whole, held));
        let mut changed = whole.clone();
        let mut texts: Vec<&mut Vec<Vec<u8>>> = changed.segments.values_mut().collect();
        texts.push(&mut changed.log);
        let chosen = seed % texts.len();
        let lines = &mut *texts[chosen];
        let at = seed / 7 % lines.len().max(1);
        match how {
            // A bit of any byte.
            0 | 1 => if let Some(line) = lines.get_mut(at) {
                let byte = seed / 11 % line.len();
                line[byte] ^= 1_u8 << bit;
            },
            2 => if at < lines.len() { drop(lines.remove(at)) },
            3 => lines.truncate(at),
            4 => lines.reverse(),
            5 => if let Some(line) = lines.get(at).cloned() { lines.insert(at, line) },
            // Whole segments: gone, another's, or written anew so that each chain is sound.
            6 => {
                let key = changed.segments.keys().nth(seed % changed.segments.len().max(1)).cloned();
                let _ = key.map(|key| changed.segments.remove(&key));
            }
            7 => {
                let other = changed.segments.values().next().cloned();
                if let (Some(other), Some(last)) = (other, changed.segments.values_mut().last()) { *last = other }
            }
            _ => {
                let key = changed.segments.keys().nth(seed % changed.segments.len().max(1)).cloned();
                if let Some((key, lines)) = key.and_then(|key| Some((key.clone(), changed.segments.get(&key)?.clone()))) {
                    let anew = rewritten(&lines, &key.0, key.1, seed / 7 % lines.len());
                    changed.segments.insert(key, anew);
                }
            }
        }
        // An entry more at the end is no change of what was held.
        let untouched = changed.segments == whole.segments && changed.log.starts_with(&whole.log);
        prop_assert_eq!(proves(&changed, held), untouched);
    }

    /// The state that was changed may have a log that fits it, made by whoever changed it: the checkpoint knows better.
    #[test]
    fn a_log_that_was_made_anew_has_another_root(turns in turns(), seed in any::<usize>()) {
        let whole = state(&turns);
        let mut other = turns.clone();
        let at = seed % other.len();
        other[at].2 = other[at].2.wrapping_add(1);
        let anew = state(&other);
        prop_assert!(proves(&anew, held(&anew)));
        prop_assert!(!proves(&anew, held(&whole)));
    }

    /// What came later takes nothing from what was held before.
    #[test]
    fn a_log_that_goes_on_still_proves_what_was_held(turns in turns(), more in turns()) {
        let before = state(&turns);
        let mut after = before.clone();
        let late = state(&more);
        let rename = |text: Vec<u8>| String::from_utf8(text).expect("text").replace("\"session\":\"s", "\"session\":\"t");
        after.log.extend(late.log.into_iter().map(|line| rename(line).into_bytes()));
        let mut book = Book::watching([held(&before).0]);
        prop_assert!(after.log.iter().all(|line| book.line(line).is_ok()));
        prop_assert_eq!(book.root_at(held(&before).0), Some(held(&before).1));
    }
}

fn cut(session: &str, events: u64, byte: u8) -> Leaf {
    let part = Part(Head { events, hash: [byte; 32] });
    Leaf::Cut(Cut { at: 5, session: session.into(), plane: part, gate: part })
}

fn pruned(session: &str) -> Leaf {
    Leaf::Pruned(Box::new(Pruned { at: 6, session: session.into(), counts: crate::metrics::Counts::default() }))
}

#[test]
fn a_log_that_no_plane_wrote_is_told_of() {
    let told = |leaves: &[Leaf]| {
        let mut book = Book::watching([0]);
        let each: Vec<_> = leaves.iter().map(|leaf| book.line(&leaf.line().expect("JSON"))).collect();
        each.into_iter().find_map(Result::err).map(|bad| (bad.entry, bad.why))
    };
    assert_eq!(told(&[cut("a", 2, 1), cut("b", 1, 1), cut("a", 2, 1), cut("a", 3, 2), pruned("a"), pruned("b")]), None);
    assert_eq!(told(&[cut("a", 2, 1), cut("a", 1, 1)]), Some((2, "a session goes back behind what was known of it")));
    assert_eq!(told(&[cut("a", 2, 1), cut("a", 2, 2)]), Some((2, "a session goes back behind what was known of it")));
    assert_eq!(
        told(&[cut("a", 2, 1), pruned("a"), cut("a", 3, 1)]),
        Some((3, "a session goes on after it was pruned"))
    );
    assert_eq!(told(&[pruned("a")]), Some((1, "a session is pruned that is not there")));
    let mut book = Book::default();
    assert!(book.line(b"{\"leaf\":\"cut\"}\n").is_err() && book.line(b"{}").is_err());
    assert!(book.line(&[&vec![b' '; MAX_LEAF][..], b"{}\n"].concat()).is_err());
    // A later version's entry is a leaf like any other.
    assert!(book.line(b"{\"leaf\":\"witnessed\",\"by\":\"x\"}\n").is_ok());
    assert_eq!((book.tree().size(), book.sessions().len()), (4, 0));
}

#[test]
fn what_strayed_is_told_with_its_place() {
    let mut known = Known::default();
    let end = |events, byte| Part(Head { events, hash: [byte; 32] });
    for (entry, plane) in [(3, end(2, 1)), (5, end(2, 1)), (8, end(5, 2))] {
        known.cuts.push((entry, Cut { at: 1, session: "s".into(), plane, gate: end(0, 0) }));
    }
    let head = |events, byte| Head { events, hash: [byte; 32] };
    let mut following = known.following(Segment::Plane);
    assert_eq!((following.under(2), following.under(3), following.under(7), following.under(8)), (0, 2, 2, 5));
    assert!(following.at(head(1, 9)).is_ok() && following.at(head(2, 1)).is_ok());
    assert_eq!(
        following.end(3).expect_err("short").to_string(),
        "truncated: entry 8 of the ledger holds 5 events, 3 are there: from p4 on"
    );
    assert_eq!(
        following.at(head(5, 3)).expect_err("changed").to_string(),
        "rewritten: entry 8 of the ledger holds another hash of p5; changed between p3 and p5"
    );
    assert!(following.at(head(5, 2)).is_ok() && following.end(5).is_ok());
}
