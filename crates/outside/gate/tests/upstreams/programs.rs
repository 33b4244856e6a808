//! Programs that are slow, or do not read.

use std::time::Instant;

use super::cuts::cutting;
use super::servers::misbehaving;
use super::*;

/// A program that says the first part at once, and the second with so many milliseconds before each byte.
type Drips = (Vec<u8>, Vec<u8>, u64);

/// What comes of each of these, all at once.
fn dripped(scene: &Scene, to: &To, programs: Vec<Drips>) -> Vec<Came> {
    let to = to.clone();
    scene.cell.inside(move || {
        let speaking = programs.into_iter().map(|(fast, slow, pause)| {
            let to = to.clone();
            std::thread::spawn(move || {
                let (begun, mut speaks) = (Instant::now(), to.connect().unwrap());
                let mut saying = || {
                    speaks.say(&fast)?;
                    slow.iter().try_for_each(|byte| {
                        std::thread::sleep(Duration::from_millis(pause));
                        speaks.say(&[*byte])
                    })
                };
                let said = saying().is_ok();
                let (bytes, clean) = speaks.hear_all();
                // A reset is told once: to the one who writes, if that is first.
                Came { clean: clean && (said || !bytes.is_empty()), bytes, took: begun.elapsed() }
            })
        });
        let speaking: Vec<_> = speaking.collect();
        speaking.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// The head of a request with a body that is to come.
pub(super) fn with_body_to_come(scene: &Scene, way: Way, framing: &str) -> Vec<u8> {
    let text = String::from_utf8(scene.request(way, "fine-0", false)).unwrap().replacen("GET", "POST", 1);
    let lines = text.split("\r\n\r\n").next().unwrap().lines();
    let head: Vec<&str> = lines.filter(|line| !line.starts_with("Content-Length")).collect();
    format!("{}\r\n{framing}\r\n\r\n", head.join("\r\n")).into_bytes()
}

#[test]
fn a_program_that_is_slow_is_told_and_nothing_waits_for_it() {
    for (watches, ways) in [(false, &PASSED[..]), (true, &READ)] {
        let scene = scene_with(cutting, watches, |_, _, _| {});
        let before = scene.gate.descriptors();
        let mut wrong = String::new();
        for way in ways {
            let whole = scene.request(*way, "fine-0", false);
            let length = with_body_to_come(&scene, *way, "Content-Length: 60");
            let chunks = with_body_to_come(&scene, *way, "Transfer-Encoding: chunked");
            // Where nobody looks, a body may take its time: it goes out as it comes.
            let (slow, stops, torn) = match watches {
                true => (Told("not there in time"), "not there in time", Told("cannot be told apart")),
                false => (Whole, "does not go on with its request", Cut("cannot be told apart")),
            };
            let some = |count: usize| vec![b'x'; count];
            // Longer than a gate waits, and not much: what is still said long after its answer has that lost.
            let drips = 36;
            let cases = [
                ("head drips", vec![], whole[..60].to_vec(), drips, Told("not whole in time")),
                ("head stops", whole[..30].to_vec(), vec![], 0, Told("not whole in time")),
                ("head is slow", whole[..30].to_vec(), whole[30..].to_vec(), 2, Whole),
                ("body drips", length.clone(), some(60), drips, slow),
                ("body stops", length, some(5), 1, Told(stops)),
                ("chunks torn", chunks, b"zz\r\nzz\r\n".to_vec(), 1, torn),
            ];
            let programs = cases.iter().map(|(_, fast, slow, pause, _)| (fast.clone(), slow.clone(), *pause)).collect();
            for ((name, _, _, _, wanted), came) in cases.iter().zip(dripped(&scene, &scene.to(*way), programs)) {
                let mut got = gets(&scene, "fine-0", &came);
                if let (Ok(Cut(_)), Cut(words)) = (&got, wanted) {
                    // Its connection names no case where it is decided as a whole.
                    got = Ok(Cut(if scene.cell.record().contains(words) { words } else { "" }));
                }
                if !fits(&got, *wanted) {
                    writeln!(wrong, "{way:?} {name}: {got:?}\n    not {wanted:?}").unwrap();
                }
            }
        }
        none(&wrong);
        scene.is_as_before(before, &[ways[0]]);
    }
}

#[test]
fn a_handshake_inside_that_does_not_go_on_is_ended() {
    let scene = scene(misbehaving);
    let before = scene.gate.descriptors();
    let mut to = scene.to(Way::Tls);
    to.tls = None;
    let hello = vec![22, 3, 1, 0, 200];
    for came in dripped(&scene, &to, vec![(hello.clone(), vec![], 0), (hello, vec![1; 100], 40)]) {
        assert!(came.bytes.is_empty() && !came.clean && came.took < BOUND, "{came:?}");
    }
    assert!(scene.cell.record().contains("the TLS handshake was not whole in time"));
    scene.is_as_before(before, &[Way::Tls]);
}

/// Says more than any buffer holds.
fn endless(case: &str, _: &[u8]) -> Vec<Step> {
    match case {
        "much" => vec![Say(answer(&format!("Content-Length: {}\r\n", 64 << 20), &"x".repeat(64 << 20))), Hang],
        _ => vec![Say(fine())],
    }
}

#[test]
fn a_program_that_does_not_read_is_cut_off() {
    for (watches, ways) in [(false, &PASSED[..]), (true, &[Way::Lent][..])] {
        let scene = scene_with(endless, watches, |_, _, _| {});
        let before = scene.gate.descriptors();
        for (count, way) in ways.iter().enumerate() {
            let (to, said) = (scene.to(*way), scene.request(*way, "much", false));
            let begun = Instant::now();
            // Open until the test ends.
            scene.cell.inside(move || {
                let mut speaks = to.connect().unwrap();
                speaks.say(&said).unwrap();
                std::mem::forget(speaks);
            });
            let unread = || scene.cell.record().matches("does not read its answer").count();
            while unread() <= count && begun.elapsed() < BOUND {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(unread(), count + 1, "{way:?}");
        }
        scene.is_as_before(before, &[ways[0]]);
    }
}
