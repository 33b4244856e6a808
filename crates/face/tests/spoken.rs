//! Every verb is a client of the HTTP API: what it says to the plane stands between the two as a request of a route that
//! docs/reference/api.yaml describes. Whoever adds a verb says here which, or why none.

mod fake;

use clap::CommandFactory;
use fake::{Beside, pty, understood};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

const API: &str = include_str!("../../../docs/reference/api.yaml");
const NO: &str = r#"{"reply":"refused","code":"E-PLANE-011","cause":"no","hint":null,"exit":1}"#;

/// Verbs, each with words that it takes, and the request that it says.
const SAID: [(&str, &[&str], &str); 58] = [
    ("run", &["run", "--", "true"], "POST /run"),
    ("run", &["run", "-d", "--", "true"], "POST /sessions"),
    ("up", &["up", "--", "true"], "POST /sessions"),
    ("attach", &["attach", "s1"], "POST /sessions/{session}/attach"),
    ("logs", &["logs"], "GET /sessions/{session}/output"),
    ("exec", &["exec", "s1", "--", "true"], "POST /sessions/{session}/exec"),
    ("cp", &["cp", "s1:/etc/hosts", "-"], "POST /sessions/{session}/file"),
    ("open", &["open", "s1", "80"], "POST /sessions/{session}/port"),
    ("doctor", &["doctor"], "POST /doctor"),
    ("standby", &["standby"], "POST /standby"),
    ("daemon", &["daemon"], "POST /daemon"),
    ("diff", &["diff"], "GET /sessions/{session}/changes"),
    ("diff", &["diff", "s1", "./a"], "POST /sessions/{session}/changes/diff"),
    ("apply", &["apply", "s1"], "POST /sessions/{session}/changes/apply"),
    ("discard", &["discard", "s1"], "POST /sessions/{session}/changes/discard"),
    ("ls", &["ls"], "GET /sessions"),
    ("watch", &["watch"], "GET /watch"),
    ("show", &["show", "a name/that.is none"], "GET /sessions/{session}"),
    ("stop", &["stop", "s1"], "POST /sessions/{session}/stop"),
    ("approve", &["approve"], "GET /questions"),
    ("approve", &["approve", "3fa9", "--once"], "POST /questions/{question}/answer"),
    ("pause", &["pause", "s1"], "POST /sessions/{session}/pause"),
    ("resume", &["resume", "s1"], "POST /sessions/{session}/resume"),
    ("rm", &["rm", "s1"], "POST /sessions/{session}/remove"),
    ("rm", &["rm", "s1", "s2"], "POST /gc"),
    ("gc", &["gc"], "POST /gc"),
    ("upgrade", &["upgrade", "--check"], "GET /upgrade"),
    ("log", &["log"], "GET /sessions/{session}/events"),
    ("log", &["log", "s1", "--follow"], "GET /sessions/{session}/events"),
    ("log verify", &["log", "verify"], "GET /sessions/{session}/verification"),
    ("log verify", &["log", "verify", "--key", "/dev/null"], "POST /ledger/verification"),
    ("log checkpoint", &["log", "checkpoint"], "GET /ledger/checkpoint"),
    ("log key", &["log", "key"], "GET /ledger/key"),
    ("log prune", &["log", "prune", "--keep", "1"], "POST /ledger/prune"),
    ("log export", &["log", "export", "--format", "ocsf"], "GET /sessions/{session}/export"),
    ("metrics", &["metrics"], "GET /metrics"),
    ("why", &["why"], "GET /sessions/{session}/why"),
    ("why", &["why", "g1"], "GET /sessions/{session}/why/{event}"),
    ("why", &["why", "--file", "/x"], "POST /sessions/{session}/why-file"),
    ("tools", &["tools"], "GET /sessions/{session}/tools"),
    ("graph", &["graph"], "GET /sessions/{session}/graph"),
    ("replay", &["replay"], "POST /sessions/{session}/replay"),
    ("policy check", &["policy", "check", "p"], "POST /policy"),
    ("policy show", &["policy", "show"], "POST /policy"),
    ("policy explain", &["policy", "explain", "p", "a.example"], "POST /policy"),
    ("policy diff", &["policy", "diff", "p", "q"], "POST /policy"),
    ("policy test", &["policy", "test", "p"], "POST /policy"),
    ("policy presets", &["policy", "presets"], "GET /policy/presets"),
    ("policy suggest", &["policy", "suggest"], "GET /sessions/{session}/policy/suggestion"),
    ("policy import", &["policy", "import", "p"], "POST /policy"),
    ("policy apply", &["policy", "apply", "s1", "p"], "POST /sessions/{session}/policy"),
    ("policy undo", &["policy", "undo", "s1"], "POST /sessions/{session}/policy/undo"),
    ("labels", &["labels"], "POST /labels"),
    ("declassify", &["declassify", "--home", "a.md"], "POST /labels/declassify"),
    ("trust", &["trust", "p"], "POST /trust"),
    ("vault list", &["vault", "list"], "GET /vault"),
    ("vault rm", &["vault", "rm", "a"], "POST /vault/{name}/remove"),
    ("help", &["help", "E-PLANE-001"], "GET /codes/{code}"),
];

/// Verbs that say nothing to a plane by themselves, and why.
const UNSAID: [(&str, &str); 3] = [
    ("gate", "it starts a gate of the operator's own, and no session"),
    ("tour", "it shows other verbs"),
    ("completions", "it is of the command line alone"),
];

/// Verbs without verbs below them, by their words.
fn verbs(command: &clap::Command, above: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for verb in command.get_subcommands() {
        let name = format!("{above}{}", verb.get_name());
        if !verb.has_subcommands() || !verb.is_subcommand_required_set() {
            all.insert(name.clone());
        }
        all.extend(verbs(verb, &format!("{name} ")));
    }
    all
}

/// Each method and path that is described.
fn described() -> BTreeSet<String> {
    let paths = API.split_once("\npaths:\n").and_then(|(_, rest)| rest.split_once("\ncomponents:\n")).expect("both").0;
    let (mut all, mut path) = (BTreeSet::new(), "");
    for line in paths.lines() {
        match line.strip_suffix(':') {
            Some(line) if line.starts_with("  /") => path = &line[2..],
            Some("    get") => drop(all.insert(format!("GET {path}"))),
            Some("    post") => drop(all.insert(format!("POST {path}"))),
            _ => {}
        }
    }
    all
}

/// Whether a request is of a route.
fn is_of(said: &[u8], route: &str) -> bool {
    let head = understood(said).0;
    let (method, path) = route.split_once(' ').expect("both");
    let target = head.target.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = target.split('/').skip(2).collect();
    let pattern: Vec<&str> = path[1..].split('/').collect();
    let means = |(own, segment): (&&str, &&str)| own.starts_with('{') || own == segment;
    head.method == method && pattern.len() == segments.len() && pattern.iter().zip(&segments).all(means)
}

/// What a verb says.
fn said(words: &[&str]) -> Vec<u8> {
    let beside = Beside::with(NO);
    std::fs::create_dir_all(beside.directory.path().join("work")).expect("made");
    let mut command = beside.command(words);
    let asked = beside.directory.path().join("script.asked");
    if words[0] == "watch" {
        let (_master, slave) = pty();
        let end = || Stdio::from(slave.try_clone().expect("slave"));
        command.env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let mut child = command.spawn().expect("starts");
        let until = Instant::now() + Duration::from_secs(20);
        while std::fs::read(&asked).map_or(true, |said| said.is_empty()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
    } else {
        let output = command.output().expect("starts");
        assert!(asked.exists(), "{words:?} said nothing: {output:?}");
    }
    beside.said()
}

#[test]
fn every_verb_says_requests_of_the_api_and_nothing_else() {
    let described = described();
    for (verb, words, route) in SAID {
        assert!(described.contains(route), "{route} of `{verb}` is not described");
        let said = said(words);
        assert!(is_of(&said, route), "`{verb}` said {:?}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn no_verb_is_left_out() {
    let mut told: BTreeSet<String> = SAID.iter().map(|(verb, ..)| (*verb).to_owned()).collect();
    told.extend(UNSAID.iter().map(|(verb, _)| (*verb).to_owned()));
    // Its value is read from a terminal or a pipe: `a_secrets_value_comes_from_stdin_alone` hears what it says.
    told.insert("vault set".to_owned());
    assert_eq!(verbs(&face::args::Bastide::command(), ""), told);
}
