//! What a policy wants the operator asked: real programs in a cell wait, somebody else answers at another terminal, and what
//! he let through goes on; started by root and by an ordinary user.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::whole::outside::Outside;
use crate::whole::waiting::{LONG, Running};
use crate::whole::{Operator, Ran};
use serde_json::Value;

fn policy(operator: &Operator, rules: &str) -> String {
    let text = format!("bastide: 1\nname: asks\nextends: [hardened]\nnetwork:\n  default: ask\n{rules}");
    operator.write("home/policy.yaml", &text).to_string_lossy().into_owned()
}

/// Fetches from each host in turn and prints what came of it.
const FETCH: &str = "f() { curl -s --noproxy '*' -o /dev/null -w \"$1 %{http_code}\\n\" http://$1/; }; ";

#[test]
fn a_held_connection_goes_on_when_the_operator_lets_it_at_another_terminal() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let file = policy(&operator, "");
        let script = format!(
            "{FETCH} f one.example; f one.example; f one.example; f two.example; f two.example; f three.example; f three.example; f three.example"
        );
        let mut running = Running::start(&operator, "asks", outside.port, &["--policy", &file], &script);
        let card = running.asks("one.example", &["--once"]);
        assert_eq!(card["program"][0], "/usr/bin/curl", "{card}");
        assert_eq!((&card["port"], &card["waiting"], &card["name"]), (&80.into(), &1.into(), &"asks".into()), "{card}");
        assert!(card["task"].to_string().contains("bash"), "{card}");
        assert!(outside.asked().is_empty() || outside.asked()[0] == "CONNECT one.example:80", "{:?}", outside.asked());
        // It was once: the same again is another question, whose denial holds for the next.
        let again = running.asks("one.example", &["--deny"]);
        assert_ne!(again["id"], card["id"]);
        // The first card is of no use any more.
        let late = running.answer(&card, &["--session"]);
        assert!(late.exit == 1 && late.stderr.contains("E-PLANE-120"), "{late:?}");
        running.asks("two.example", &["--session"]);
        let third = running.card();
        let shown = operator.bastide(&["approve"]).stdout;
        assert!(shown.contains("three.example:80, a connection") && shown.contains("answers once"), "{shown}");
        // What the session cannot keep is not in force, and the record says so; the question waits on.
        let sessions = operator.room.join("state/bastide/sessions").join(third["session"].as_str().expect("an id"));
        fs::create_dir(sessions.join("policy.new")).expect("in the way");
        let refused = running.answer(&third, &["--always"]);
        assert!(refused.exit != 0 && running.log().contains("policy revision 2 not taken"), "{refused:?}");
        fs::remove_dir(sessions.join("policy.new")).expect("out of the way");
        let kept = running.answer(&third, &["--always"]);
        assert!(kept.exit == 0 && kept.stdout.contains("policy revision 2"), "{kept:?}");
        let printed = running.ended();
        let expected = ["one.example 200", "one.example 000", "one.example 000", "two.example 200", "two.example 200"];
        assert_eq!(printed[..5], expected);
        assert_eq!(printed[5..], ["three.example 200"; 3]);
        let connects = outside.asked().iter().filter(|line| line.starts_with("CONNECT ")).count();
        assert_eq!(connects, 6, "{:?}", outside.asked());
        // The record: each question before its answer, that before the connection; and who answered.
        let log = running.log();
        let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text}: {log}"));
        let id = &card["id"].as_str().expect("an id")[..8];
        assert!(
            at(&format!("question {id}: connection of `/usr/bin/curl`")) < at(&format!("question {id}: once, uid")),
            "{log}"
        );
        assert!(log.contains("three.example:80") && log.contains(": always, uid"), "{log}");
        let verified = operator.bastide(&["log", "verify", "asks"]);
        assert_eq!(verified.exit, 0, "{verified:?}");
    }
}

#[test]
fn requests_are_asked_about_one_by_one_and_a_program_is_told_in_words() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let place = format!("host.bastide:{}", outside.port);
        let rules = format!("  allow:\n    - {{to: \"{place}\", methods: [GET], paths: [/a/**]}}\n");
        let file = policy(&operator, &rules);
        let script = format!(
            "p() {{ curl -s --noproxy '*' -w ' %{{http_code}}\\n' -d x http://{place}$1 | tr '\\n' ' '; echo; }}; \
             p /b/c & p /b/d & wait; p /b/e; p /e; curl -s --noproxy '*' http://{place}/a/x; echo"
        );
        let mut running = Running::start(&operator, "reads", outside.port, &["--policy", &file], &script);
        let [card, other] = running.both();
        let does = [&card, &other].map(|card| card["does"].as_str().expect("a request").to_owned());
        assert!(does.contains(&"POST /b/c".into()) && does.contains(&"POST /b/d".into()), "{does:?}");
        assert!(card["host"] == "host.bastide" && card["choices"].to_string().contains("/b/**"), "{card}");
        // The wider rule lets the other one through as well.
        let ran = running.answer(&card, &["--for", "10m", "--wide"]);
        assert_eq!(ran.exit, 0, "{ran:?}");
        let card = running.card();
        assert_eq!(card["does"], "POST /e", "{card}");
        assert_eq!(running.answer(&card, &["--deny"]).exit, 0);
        let printed = running.ended();
        // Two of them print at once.
        assert_eq!(printed[..3].concat().matches("ok 200 ").count(), 3, "{printed:?}");
        let told = &printed[3];
        assert!(
            told.contains("the operator was asked") && told.contains("denied it") && told.contains(" 403 "),
            "{told}"
        );
        assert_eq!(printed[4], "ok");
        let mut asked = outside.asked();
        asked[..2].sort();
        assert_eq!(asked, ["POST /b/c", "POST /b/d", "POST /b/e", "GET /a/x"]);
        assert!(running.log().contains("session, by what was granted to another; uid"), "{}", running.log());
    }
}

/// Programs inside may know that somebody is about to answer: what they ask meanwhile is no part of what he was shown, and
/// leave for one request is none for another query or body.
#[test]
fn leave_for_what_was_shown_lets_out_nothing_that_came_after_it() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let place = format!("host.bastide:{}", outside.port);
        let file = policy(&operator, &format!("  allow:\n    - {{to: \"{place}\", methods: [GET], paths: [/a/**]}}\n"));
        let script = format!(
            "p() {{ curl -s --noproxy '*' -o /dev/null -w '%{{http_code}}\\n' -d \"$2\" \"http://{place}/notes?to=$1\"; }}; \
             p team weekly & read go; for n in 1 2 3; do p team weekly & done; p evil weekly & p team stolen & wait"
        );
        let mut running = Running::start(&operator, "later", outside.port, &["--policy", &file], &script);
        let shown = running.card();
        assert_eq!((&shown["does"], &shown["waiting"]), (&"POST /notes?to=team".into(), &1.into()), "{shown}");
        running.child.stdin.take().expect("piped").write_all(b"go\n").expect("said");
        let until = Instant::now() + LONG;
        let first =
            |cards: &[Value]| cards.iter().find(|card| card["id"] == shown["id"]).map(|one| one["waiting"].clone());
        while running.cards().len() != 3 || first(&running.cards()) != Some(4.into()) {
            assert!(Instant::now() < until, "{:?}", running.cards());
            std::thread::sleep(Duration::from_millis(20));
        }
        let reference = format!("{}.{}", &shown["id"].as_str().expect("an id")[..8], shown["newest"]);
        let ran = operator.bastide(&["approve", &reference, "--once"]);
        assert!(ran.exit == 0 && ran.stdout.contains("what came after it is asked about anew"), "{ran:?}");
        while running.cards().len() != 3 || first(&running.cards()).is_some() {
            assert!(Instant::now() < until, "{:?}", running.cards());
            std::thread::sleep(Duration::from_millis(20));
        }
        let cards = running.cards();
        let mut waiting: Vec<u64> = cards.iter().filter_map(|card| card["waiting"].as_u64()).collect();
        waiting.sort_unstable();
        assert_eq!(waiting, [1, 1, 3], "{cards:?}");
        for card in cards {
            assert_eq!(running.answer(&card, &["--deny"]).exit, 0);
        }
        let mut printed = running.ended();
        printed.sort();
        assert_eq!(printed, ["200", "403", "403", "403", "403", "403"], "{}", running.log());
        assert_eq!(outside.asked(), ["POST /notes?to=team"]);
        assert!(running.log().contains(": once, uid"), "{}", running.log());
    }
}

/// A sub-agent is no second chance to ask for what its parent was denied, and its card says whose it is. No policy of a family is
/// changed by an answer.
#[test]
fn a_tree_asks_as_one_and_keeps_its_policies() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let file = policy(&operator, "agents: {}\n");
        let kid = "c() { curl -s --noproxy * -o /dev/null http://$1/; }; c evil.example; c kid.example; sleep 60";
        let spawn = serde_json::json!({"task": "t", "command": ["sh", "-fc", kid], "network": ["*.example:80"]});
        operator.write("work/spawn.json", &spawn.to_string());
        let script = format!(
            "{FETCH} f evil.example; curl -s --noproxy '*' -H 'Content-Type: application/json' -d @spawn.json \
             http://bastide.internal/spawn; echo; f par.example"
        );
        let mut running = Running::start(&operator, "family", outside.port, &["--policy", &file], &script);
        running.asks("evil.example", &["--deny"]);
        let both = running.both();
        let of = |host: &str| both.iter().find(|card| card["host"] == host).unwrap_or_else(|| panic!("{both:?}"));
        let (kid, par) = (of("kid.example"), of("par.example"));
        assert_eq!((&kid["parent"], &par["parent"]), (&par["session"], &Value::Null), "{both:?}");
        let shown = operator.bastide(&["approve", kid["id"].as_str().expect("an id")]).stdout;
        assert!(shown.contains(&format!("beneath {}", par["session"].as_str().expect("an id"))), "{shown}");
        for card in &both {
            assert!(!card["choices"].to_string().contains("always"), "{card}");
            let refused = running.answer(card, &["--always"]);
            assert!(refused.exit == 1 && refused.stderr.contains("E-PLANE-121"), "{refused:?}");
            assert_eq!(running.answer(card, &["--once"]).exit, 0);
        }
        let printed = running.ended();
        assert_eq!((&*printed[0], printed.last().map(String::as_str)), ("evil.example 000", Some("par.example 200")));
        assert!(!running.log().contains("always"), "{}", running.log());
    }
}

/// By the explicit proxy a program is told, and by every way in the same words.
#[test]
fn answers_that_were_written_down_allow_what_they_name_and_nothing_else() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let file = policy(&operator, "");
        let answers = "bastide-answers: 1\nanswers:\n  - {to: \"good.example:80\", programs: [/usr/bin/curl], answer: session}\n  \
                       - {to: \"*.bad.example\", answer: deny}\n  - {to: \"once.other:80\", answer: once}\n  - {to: \"*.example:80\", programs: [/usr/bin/python3*], answer: once}\n";
        let answers = operator.write("home/answers.yaml", answers).to_string_lossy().into_owned();
        let script = format!(
            "{FETCH} f good.example; f good.example; f x.bad.example; f other.example; f once.other; f once.other; \
             curl -s -p -x http://proxy.bastide:3128 http://far.example/; \
             f once.other; f once.other; python3 -c \"import urllib.request as r; print(r.build_opener(r.ProxyHandler({{}})).open('http://py.example/').status)\""
        );
        let options = ["--policy", &file, "--answers", &answers];
        let mut running = Running::start(&operator, "written", outside.port, &options, &script);
        let printed = running.ended();
        assert_eq!(printed[..2], ["good.example 200"; 2]);
        assert_eq!(printed[2..4], ["x.bad.example 000", "other.example 000"]);
        // A line that says `once` is used up.
        assert_eq!(printed[4..6], ["once.other 200", "once.other 000"]);
        assert_eq!(printed.last().map(String::as_str), Some("200"), "{printed:?}");
        let asked = outside.asked();
        let connects: Vec<_> = asked.iter().filter(|line| line.starts_with("CONNECT ")).collect();
        let expected =
            ["CONNECT good.example:80", "CONNECT good.example:80", "CONNECT once.other:80", "CONNECT py.example:80"];
        assert_eq!(connects, expected, "{asked:?}");
        let log = running.log();
        assert!(log.contains("the answers in /") && log.contains("answers.yaml; 1 waited"), "{log}");
        // A file that says what is not understood is refused, and nothing runs.
        let odd =
            operator.write("home/odd.yaml", "bastide-answers: 1\nanswers:\n  - {to: a.example, answer: always}\n");
        let ran = operator.run(&["--policy", &file, "--answers", &odd.to_string_lossy()], "echo ran");
        assert!(ran.exit == 125 && ran.stderr.contains("odd.yaml:3") && !ran.stdout.contains("ran"), "{ran:?}");
    }
}

/// A sub-agent reads the file anew: what its parent used up is used up for it, and the other way round.
#[test]
fn a_written_answer_of_once_is_one_for_the_whole_tree() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let file = policy(&operator, "agents: {}\n");
        let answers = "bastide-answers: 1\nanswers:\n  - {to: \"par.example:80\", answer: once}\n  \
                       - {to: \"kid.example:80\", answer: once}\n  - {to: \"all.example:80\", answer: session}\n";
        let answers = operator.write("home/answers.yaml", answers).to_string_lossy().into_owned();
        let kid = "c() { curl -s --noproxy * -o /dev/null http://$1/; }; c par.example; c kid.example; c all.example";
        let spawn = serde_json::json!({"task": "t", "command": ["sh", "-fc", kid], "network": ["*.example:80"]});
        operator.write("work/spawn.json", &spawn.to_string());
        let script = format!(
            "a() {{ curl -s --noproxy '*' -H 'Content-Type: application/json' -d \"$2\" http://bastide.internal/$1; echo; }}; \
             {FETCH} f par.example; a spawn @spawn.json; a wait '{{\"child\": 1}}'; f kid.example; f all.example"
        );
        let options = ["--policy", &file, "--answers", &answers];
        let mut running = Running::start(&operator, "tree", outside.port, &options, &script);
        let printed = running.ended();
        let last = &printed[printed.len() - 2..];
        assert_eq!(
            (&*printed[0], last),
            ("par.example 200", &["kid.example 000".into(), "all.example 200".into()][..])
        );
        let asked = outside.asked();
        let connects: Vec<_> = asked.iter().filter_map(|line| line.strip_prefix("CONNECT ")).collect();
        assert_eq!(connects, ["par.example:80", "kid.example:80", "all.example:80", "all.example:80"], "{asked:?}");
    }
}

/// At a terminal: one card after the other, a key for each. What is typed before a card stands there answers nothing.
#[test]
fn cards_are_answered_by_single_keys_at_a_terminal() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let file = policy(&operator, "");
        let script = format!("{FETCH} f one.example & f two.example & wait");
        let mut running = Running::start(&operator, "keys", outside.port, &["--policy", &file], &script);
        running.both();
        let bastide = operator.command(&["approve"]).get_program().to_string_lossy().into_owned();
        let mut command = Command::new("script");
        operator.surround(&mut command);
        command.args(["-qefc", &format!("{bastide} approve"), "/dev/null"]);
        let mut terminal = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
        let (mut keys, mut screen) = (terminal.stdin.take().expect("piped"), terminal.stdout.take().expect("piped"));
        let (shows, comes) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut piece) {
                let _ = shows.send(String::from_utf8_lossy(&piece[..length]).into_owned());
            }
        });
        let read_for = |what: &str, shown: &mut String, patience: Duration| {
            while !shown.contains(what) {
                match comes.recv_timeout(patience) {
                    Ok(piece) => shown.push_str(&piece),
                    Err(_) => return false,
                }
            }
            true
        };
        let read_to = |what: &str, shown: &mut String| {
            assert!(read_for(what, shown, LONG), "`{what}` never came: {shown}");
        };
        // Typed ahead, before any card stands there.
        keys.write_all(b"dddd").expect("typed");
        // What is typed in a card's first moment is thrown away, and on a busy machine that lasts.
        let mut press = |key: &[u8], what: &str, shown: &mut String| {
            let pressed = (0..20).any(|_| {
                keys.write_all(key).expect("typed");
                read_for(what, shown, Duration::from_secs(2))
            });
            assert!(pressed, "`{what}` never came: {shown}");
        };
        let mut shown = String::new();
        read_to("q quit: ", &mut shown);
        std::thread::sleep(Duration::from_millis(600));
        assert_eq!(running.cards().len(), 2, "what was typed before has answered: {shown}");
        // A key that means nothing does nothing.
        press(b"xo", "allowed once", &mut shown);
        // What came with it may be the next card already.
        let mut rest = shown.split_off(shown.find("allowed once").expect("read"));
        read_to("q quit: ", &mut rest);
        press(b"d", "that was all", &mut rest);
        assert!(rest.contains("denied, 1 waited"), "{rest}");
        assert!(terminal.wait().expect("waited").success());
        let mut printed = running.ended();
        printed.sort_by_key(|line| line.ends_with("000"));
        assert!(printed[0].ends_with(" 200") && printed[1].ends_with(" 000"), "{printed:?}");
    }
}

/// A script is not there to be asked: it is refused at once, as the record says, and hangs nowhere.
#[test]
fn nothing_waits_where_nobody_is_there() {
    let operator = Operator::new(rustix::process::geteuid().as_raw());
    let (outside, file) = (Outside::new(), policy(&operator, ""));
    let mut command =
        operator.command(&["run", "--policy", &file, "--", "bash", "-c", &format!("{FETCH} f one.example")]);
    let ran =
        Ran::of(command.env("https_proxy", format!("http://127.0.0.1:{}", outside.port)).output().expect("starts"));
    assert_eq!(ran.stdout, "one.example 000\n", "{ran:?}");
    let why = operator.bastide(&["why"]).stdout;
    assert!(why.contains("operator asked") && why.contains("--allow one.example:80"), "{why}");
    assert!(outside.asked().is_empty() && !operator.bastide(&["log"]).stdout.contains("question"));
}

/// Processes of a session's plane that run this program.
fn children(plane: u64, program: &str) -> Vec<u64> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    let of = |pid: &u64| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let name = stat.contains(&format!("({program})"));
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
        name && parent == Some(plane)
    };
    numbers.filter(of).collect()
}

fn kill(pid: u64) {
    let ran = Command::new("kill").args(["-9", &pid.to_string()]).status().expect("starts");
    assert!(ran.success());
}

#[test]
fn a_gate_that_is_killed_takes_its_questions_with_it_and_the_next_one_asks_anew() {
    for operator in Operator::each() {
        let outside = Outside::new();
        let file = policy(&operator, "");
        let script = format!("{FETCH} f one.example; f one.example; read go; f one.example");
        let mut running = Running::start(&operator, "killed", outside.port, &["--policy", &file], &script);
        let first = running.card();
        let shown: Value = serde_json::from_str(&operator.bastide(&["show", "killed", "--json"]).stdout).expect("JSON");
        let plane = shown["live"]["pid"].as_u64().expect("a number");
        let gates = children(plane, "bastide-gate");
        assert_eq!(gates.len(), 1, "{gates:?}");
        kill(gates[0]);
        // What it held is reset; the program asks again, of the next gate, and that is another question.
        let until = Instant::now() + LONG;
        let second = loop {
            let cards = running.cards();
            match cards.as_slice() {
                [card] if card["id"] != first["id"] => break card.clone(),
                _ => assert!(Instant::now() < until, "{cards:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let late = running.answer(&first, &["--once"]);
        assert!(late.exit == 1 && late.stderr.contains("E-PLANE-120"), "{late:?}");
        assert_eq!(running.answer(&second, &["--session"]).exit, 0);
        // What was granted holds behind the next gate, too, and is asked about no more.
        while !outside.asked().iter().any(|line| line == "GET /") {
            assert!(Instant::now() < until, "{:?}", outside.asked());
            std::thread::sleep(Duration::from_millis(20));
        }
        let before = children(plane, "bastide-gate");
        kill(before[0]);
        while !children(plane, "bastide-gate").iter().any(|gate| !before.contains(gate)) {
            assert!(Instant::now() < until, "no other gate");
            std::thread::sleep(Duration::from_millis(20));
        }
        running.child.stdin.take().expect("piped").write_all(b"go\n").expect("said");
        assert_eq!(running.ended(), ["one.example 000", "one.example 200", "one.example 200"]);
        assert_eq!(running.log().matches("question ").count(), 4, "{}", running.log());
        assert!(running.log().contains(": withdrawn, the gate was lost"), "{}", running.log());
    }
}

#[test]
fn a_flood_of_questions_is_refused_in_words_and_hides_nobody_elses() {
    let operator = Operator::new(rustix::process::geteuid().as_raw());
    let outside = Outside::new();
    let file = policy(&operator, "");
    let flood = "for n in $(seq 40); do curl -s -m 40 -p -x http://proxy.bastide:3128 http://h$n.example/ -o /dev/null -w '%{http_code}\\n' & done; wait";
    let loud = Running::start(&operator, "loud", outside.port, &["--policy", &file], flood);
    let until = Instant::now() + LONG;
    while loud.cards().len() < 8 {
        assert!(Instant::now() < until, "{:?}", loud.cards());
        std::thread::sleep(Duration::from_millis(20));
    }
    let script = format!("{FETCH} f quiet.example");
    let mut quiet = Running::start(&operator, "quiet", outside.port, &["--policy", &file], &script);
    let card = loop {
        let cards = quiet.cards();
        let own = cards.iter().position(|card| card["name"] == "quiet");
        if let Some(at) = own {
            assert!(at <= 1, "it is not among the first: {cards:?}");
            assert_eq!(cards.len(), 9, "{cards:?}");
            break cards[at].clone();
        }
        assert!(Instant::now() < until, "{cards:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(quiet.answer(&card, &["--once"]).exit, 0);
    assert_eq!(quiet.ended(), ["quiet.example 200"]);
    let log = loud.log();
    assert!(log.contains("asked"), "{log}");
    let listed = operator.bastide(&["ls"]).stdout;
    assert!(listed.contains("8/h"), "{listed}");
}
