//! Files of answers that were written down: what is refused has a known code and visible words; what is read never answers
//! with more than was asked, and denies what no line takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::read::{Source, explain_code, read_answers};
use policy::{Method, PathPattern, Protocol, Rule, Say, Target, written};

/// Some questions, as gates ask them.
fn asked() -> Vec<Rule> {
    let rule = |to: &str| Rule::to(Target::parse(to).expect("a target"));
    let request = |method: &str, path: &str| Rule {
        protocol: Protocol::Http,
        methods: vec![Method::parse(method).expect("a method")],
        paths: vec![PathPattern::parse(path).expect("a path")],
        ..rule("a.example:443")
    };
    vec![rule("a.example:443"), rule("192.0.2.1:80"), request("GET", "/a"), request("POST", "/a/b")]
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(source) = Source::from_bytes("answers.yaml", bytes, true) else { return };
    let lines = match read_answers(&source, Some("/home/u")) {
        Ok(lines) => lines,
        Err(error) => {
            let plain = |letter: char| !letter.is_control() && letter != '\u{202e}';
            assert!(explain_code(&error.code).is_some() && error.hint.is_some(), "{error:?}");
            assert!(error.message.len() < 4000 && error.message.chars().all(plain), "{error:?}");
            return;
        }
    };
    for asked in asked() {
        let is = |line: &policy::Written, by: &dyn Fn(&policy::Rule) -> bool| match &line.about {
            policy::About::Rule(rule) => by(rule),
            policy::About::Call(_) => false,
        };
        let allowing = |line: &&policy::Written| line.say != Say::Deny && is(line, &|rule| rule.grants(&asked));
        let said = written(&lines, &asked).map(|line| lines[line].say).unwrap_or(Say::Deny);
        match said {
            Say::Deny => {}
            say => assert_eq!(lines.iter().find(allowing).map(|line| line.say), Some(say)),
        }
        // A line that denies all of a host denies all of it, whatever stands beside.
        let denies = |line: &policy::Written| line.say == Say::Deny && is(line, &|rule| rule.covers(&asked));
        assert!(!lines.iter().any(denies) || said == Say::Deny);
    }
    assert_eq!(written(&[], &asked()[0]), None);
});
