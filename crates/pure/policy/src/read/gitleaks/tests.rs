#![allow(clippy::unwrap_used)]

use super::*;

fn source(text: &str) -> Source {
    Source { name: "/etc/rules.toml".into(), text: text.into(), widens: true }
}

fn taken(text: &str) -> SecretRules {
    read(&source(text), &[], None).unwrap()
}

fn refused(text: &str) -> Diagnostic {
    read(&source(text), &[], None).unwrap_err()
}

const OWN: &str = include_str!("sample.toml");

#[test]
fn a_file_is_read_as_it_is() {
    let set = taken(OWN);
    let ids: Vec<&str> = set.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["acme-token", "acme-pair", "acme-line", "acme-path"]);
    let token = &set.rules[0];
    assert_eq!((token.group, token.entropy), (0, Some(3_250_000)));
    assert_eq!(token.keywords, ["acme_", "acme-"]);
    assert_eq!(set.rules[1].group, 2);
    assert_eq!(set.rules[3].path.as_deref(), Some(r"(?i)\x{2E}(?:tf|hcl)$"));
    // Three are told: a file's name alone, a path, a commit; and what nobody knows.
    let left = set.left.join("\n");
    for said in [
        "`acme-file`: it is about names",
        "`acme-line`: what it allows by path",
        "allowlist: what it allows by",
        "`colour` is not known",
    ] {
        assert!(left.contains(said), "{said}: {left}");
    }
    assert_eq!(set.left.len(), 4, "{left}");
    // An allowance that hangs on a path as well never holds; one that does not is kept.
    assert_eq!(set.rules[2].allows.len(), 1);
    assert_eq!((set.rules[2].allows[0].of, set.rules[2].allows[0].both), (Part::Line, true));
    assert_eq!(set.allows.len(), 2);
    assert_eq!(set.allows[1].rules, ["acme-token"]);
}

#[test]
fn every_rule_that_cannot_be_had_is_named_with_its_place() {
    let text = "[[rules]]\nid = 'a'\nregex = '''x(?=y)'''\n[[rules]]\nid = 'b'\nregex = '''(a)\\1'''\n[[rules]]\nid = 'c'\nregex = 'c'\n\
                [[rules]]\nid = 'd'\nregex = 'd'\nsecretGroup = 1\n[[rules]]\nid = 'e'\n[[rules]]\nid='f'\nregex='(?:a{1000}){1000}'\n";
    let found = refused(text);
    assert_eq!((found.code.as_str(), found.location.line, found.location.column), ("E-POLICY-056", 3, 9));
    for said in [
        "`a` (line 3)",
        "`b` (line 6)",
        "`d` (line 10): it has no group 1",
        "`e` (line 14): it has neither",
        "`f` (line 18): compiled it comes",
    ] {
        assert!(found.message.contains(said), "{said}: {}", found.message);
    }
    assert_eq!(found.hint.unwrap(), "mend them, or leave them out: `except: [a, b, d, e, f]`");
    let except: Vec<String> = ["a", "b", "d", "e", "f"].map(str::to_owned).into();
    let set = read(&source(text), &except, None).unwrap();
    assert_eq!(set.rules.len(), 1);
    assert_eq!(set.to_string(), "{rules: \"/etc/rules.toml\", except: [\"a\", \"b\", \"d\", \"e\", \"f\"]}");
}

#[test]
fn what_is_no_rules_file_is_refused_where_it_is_none() {
    for (text, says) in [
        ("[[rules]]\nid = 1\n", "no rules file"),
        ("a = [", "no rules file"),
        ("[[rules]]\nregex = 'a'\n", "no plain `id`"),
        ("[[rules]]\nid = 'a`b'\nregex = 'a'\n", "no plain `id`"),
        ("[[rules]]\nid = 'a'\nregex = 'a'\nentropy = -1\n", "`entropy` is no number"),
        (
            "[[rules]]\nid = 'a'\nregex = 'a'\n[[rules.allowlists]]\ncondition = 'XOR'\nregexes=['b']\n",
            "`condition` is `xor`",
        ),
        (
            "[[rules]]\nid = 'a'\nregex = 'a'\n[rules.allowlist]\nregexTarget = 'file'\nregexes=['b']\n",
            "`regexTarget` is `file`",
        ),
        ("[[rules]]\nid = 'a'\nregex = 'a'\n[rules.allowlist]\nregexes=['(']\n", "`a` (line 5)"),
        ("[extend]\nuseDefault = true\n", "not named"),
    ] {
        let found = refused(text);
        assert!(found.message.contains(says) && found.hint.is_some(), "{text}: {found:?}");
    }
    let many: String = (0..=MOST_RULES).map(|at| format!("[[rules]]\nid='r{at}'\nregex='r{at}'\n")).collect();
    assert!(refused(&many).message.contains("more than 1024 rules"));
    let large: String =
        (0..100).map(|at| format!("[[rules]]\nid='r{at}'\nregex='(?:[a-z]{{900}}[0-9]{{900}}){{10}}'\n")).collect();
    assert!(refused(&large).message.contains("come to"), "{:?}", refused(&large));
    assert!(
        read(&source("[[rules]]\nid='a'\nregex='a'\n"), &["b".into()], None)
            .unwrap_err()
            .message
            .contains("no rule `b`")
    );
}

#[test]
fn a_file_that_extends_another_adds_to_it() {
    let base = taken(OWN);
    let text = "[extend]\nuseDefault = true\ndisabledRules = ['acme-pair']\n[[rules]]\nid = 'acme-token'\n[[rules.allowlists]]\n\
                stopwords = ['Fake']\n[[rules]]\nid = 'new'\nregex = 'n'\n[allowlist]\nstopwords = ['demo']\n";
    let set = read(&source(text), &["acme-line".into()], Some(&base)).unwrap();
    let ids: Vec<&str> = set.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["acme-token", "acme-path", "new"]);
    assert_eq!(set.rules[0].regex, base.rules[0].regex);
    assert_eq!(set.rules[0].allows.last().unwrap().stopwords, ["fake"]);
    assert_eq!(set.allows.len(), base.allows.len() + 1);
    assert_eq!(set.files.len(), 2);
    // Without `extend` both stand beside each other, and nothing of the first is changed.
    let beside = read(&source("[[rules]]\nid = 'acme-token'\nregex = 'x'\n"), &[], Some(&base)).unwrap();
    assert_eq!(beside.rules.iter().filter(|rule| rule.id == "acme-token").count(), 2);
}

proptest::proptest! {
    /// Whatever the file is, it is read or refused.
    #[test]
    fn any_text(text in "\\PC{0,64}") {
        let _ = read(&source(&text), &[], None);
        let _ = read(&source(&format!("[[rules]]\nid='a'\nregex='''{}'''\n", text.replace('\'', ""))), &[], None);
    }
}
