//! An imported policy against a second reading of the other language, which shares no code with it, works on text and
//! follows its documentation: whatever the import allows, that reading allows.

use policy::import::import;
use policy::read::Source;
use policy::{Conjunction, Decision, Egress, Host, Request, decide};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// One endpoint as written.
#[derive(Debug, Clone)]
struct Written {
    host: String,
    port: u16,
    protocol: &'static str,
    skip: bool,
    path: &'static str,
    access: &'static str,
    rules: Vec<Matcher>,
    denied: Vec<Matcher>,
    slash: bool,
}

/// A method, a path and perhaps a pattern for the field `q`.
type Matcher = (&'static str, &'static str, &'static str);

/// Endpoints and executables.
type Entry = (Vec<Written>, Vec<&'static str>);

fn yaml(entries: &[Entry]) -> String {
    let fields = |(method, path, query): &Matcher| {
        let query = if query.is_empty() { String::new() } else { format!(", query: {{q: '{query}'}}") };
        format!("{{method: '{method}', path: '{path}'{query}}}")
    };
    let list = |rules: &[Matcher], wrap: bool| {
        let one = |rule: &Matcher| if wrap { format!("{{allow: {}}}", fields(rule)) } else { fields(rule) };
        rules.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let endpoint = |written: &Written| {
        let mut keys = vec![format!("host: '{}'", written.host), format!("port: {}", written.port)];
        let mut key = |name: &str, value: &str, there: bool| {
            if there {
                keys.push(format!("{name}: {value}"));
            }
        };
        key("protocol", written.protocol, !written.protocol.is_empty());
        key("enforcement", "enforce", true);
        key("tls", "skip", written.skip);
        key("path", &format!("'{}'", written.path), !written.path.is_empty());
        key("access", written.access, !written.access.is_empty());
        key("rules", &format!("[{}]", list(&written.rules, true)), !written.rules.is_empty());
        key("deny_rules", &format!("[{}]", list(&written.denied, false)), !written.denied.is_empty());
        key("allow_encoded_slash", "true", written.slash);
        format!("{{{}}}", keys.join(", "))
    };
    let mut text = String::from("version: 1\nnetwork_policies:\n");
    for (at, (endpoints, binaries)) in entries.iter().enumerate() {
        let endpoints: Vec<String> = endpoints.iter().map(endpoint).collect();
        let binaries: Vec<String> = binaries.iter().map(|path| format!("{{path: '{path}'}}")).collect();
        text += &format!("  e{at}: {{endpoints: [{}], binaries: [{}]}}\n", endpoints.join(", "), binaries.join(", "));
    }
    text
}

/// A glob, by trying everything: `*` within a segment, `**` one or more whole ones.
fn glob(pattern: &str, text: &str, separator: char) -> bool {
    fn letters(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| letters(rest, &text[at..])),
            Some((one, rest)) => text.first() == Some(one) && letters(rest, &text[1..]),
        }
    }
    fn parts(pattern: &[&str], text: &[&str]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((&"**", rest)) => (1..=text.len()).any(|at| parts(rest, &text[at..])),
            Some((one, rest)) => {
                text.first().is_some_and(|part| letters(one.as_bytes(), part.as_bytes())) && parts(rest, &text[1..])
            }
        }
    }
    let split = |text: &'_ str| text.split(separator).map(str::to_owned).collect::<Vec<_>>();
    let (pattern, text) = (split(pattern), split(text));
    let (pattern, text): (Vec<&str>, Vec<&str>) =
        (pattern.iter().map(String::as_str).collect(), text.iter().map(String::as_str).collect());
    parts(&pattern, &text)
}

fn selects(selector: &str, path: &str) -> bool {
    match selector.strip_suffix("/**") {
        _ if selector.is_empty() => true,
        Some(above) => path == above || path.starts_with(&format!("{above}/")),
        None => path == selector,
    }
}

#[derive(Debug, Clone)]
struct Asked {
    host: String,
    port: u16,
    program: &'static str,
    method: &'static str,
    path: String,
    query: &'static str,
}

fn matches((method, path, query): &Matcher, asked: &Asked, denies: bool) -> bool {
    let like = |method: &str| method == asked.method || denies && method == "GET" && asked.method == "HEAD";
    let path = *path == "**" || glob(path.trim_start_matches('/'), asked.path.trim_start_matches('/'), '/');
    (*method == "*" || like(method))
        && path
        && (query.is_empty() || !asked.query.is_empty() && glob(query, asked.query, '.'))
}

fn allows(endpoint: &Written, asked: &Asked) -> bool {
    let preset = match endpoint.access {
        "full" => true,
        "read-only" => ["GET", "HEAD", "OPTIONS"].contains(&asked.method),
        "read-write" => ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"].contains(&asked.method),
        _ => false,
    };
    match endpoint.protocol {
        "rest" => preset || endpoint.rules.iter().any(|rule| matches(rule, asked, false)),
        // Before it is one, it is a request.
        "websocket" => asked.method == "GET" && !endpoint.access.is_empty(),
        _ => false,
    }
}

/// What the documentation says of a request: none where it passes unread.
fn naive(entries: &[Entry], asked: &Asked) -> Option<bool> {
    let named = |binaries: &[&str]| {
        binaries.iter().any(|path| glob(path.trim_start_matches('/'), asked.program.trim_start_matches('/'), '/'))
    };
    let meant: Vec<&Written> = entries
        .iter()
        .filter(|(_, binaries)| named(binaries))
        .flat_map(|(endpoints, _)| endpoints)
        .filter(|endpoint| endpoint.port == asked.port && glob(&endpoint.host, &asked.host, '.'))
        .collect();
    if meant.is_empty() {
        return Some(false);
    }
    let inspected = |endpoint: &&&Written| !matches!(endpoint.protocol, "" | "tcp");
    if !meant.iter().any(|endpoint| inspected(&endpoint)) {
        let unread = meant.iter().any(|endpoint| endpoint.skip || endpoint.protocol == "tcp");
        return if unread { None } else { Some(!asked.path.contains("%2F")) };
    }
    let about: Vec<&&Written> =
        meant.iter().filter(inspected).filter(|endpoint| selects(endpoint.path, &asked.path)).collect();
    // The most specific one decides, and of several as specific any.
    let longest = about.iter().map(|endpoint| endpoint.path.trim_end_matches("/**").len()).max();
    let chosen = about.iter().filter(|endpoint| Some(endpoint.path.trim_end_matches("/**").len()) == longest);
    let denied = about.iter().any(|endpoint| endpoint.denied.iter().any(|rule| matches(rule, asked, true)));
    let slash = asked.path.contains("%2F");
    Some(!denied && chosen.into_iter().any(|endpoint| allows(endpoint, asked) && (!slash || endpoint.slash)))
}

fn matcher() -> impl Strategy<Value = Matcher> {
    let method = prop::sample::select(vec!["GET", "POST", "DELETE", "*"]);
    let path = prop::sample::select(vec!["/**", "**", "/p", "/p/*", "/p/**", "/*/q", "/p*/q", "/**/q", "/p/q/r"]);
    (method, path, prop::sample::select(vec!["", "", "", "v*", "**", "v.*"]))
}

/// Mostly the same, so that endpoints meet.
fn port() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![1, 1, 1, 2])
}

fn endpoint() -> impl Strategy<Value = Written> {
    let host =
        prop::sample::select(vec!["a.x.com", "b.x.com", "*.x.com", "**.x.com", "a*.x.com", "a.*.com", "c.a.x.com"]);
    let protocol = prop::sample::select(vec!["rest", "rest", "rest", "rest", "", "", "tcp", "graphql", "websocket"]);
    let path = prop::sample::select(vec!["", "", "", "/p", "/p/**", "/p/q/**", "/r/**"]);
    let access = prop::sample::select(vec!["", "full", "read-only", "read-write"]);
    let rules = prop::collection::vec(matcher(), 1..4);
    let denied = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(matcher(), 1..2)];
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    (host, port(), protocol, path, access, rules, denied, flags).prop_map(
        |(host, port, protocol, path, access, rules, denied, (slash, skip))| {
            let asks = matches!(protocol, "rest" | "websocket");
            Written {
                host: host.into(),
                port,
                protocol,
                skip: skip && !asks && protocol != "graphql",
                path: if asks || protocol == "graphql" { path } else { "" },
                access: if asks { access } else { "" },
                rules: if protocol == "rest" && access.is_empty() { rules } else { Vec::new() },
                denied: if asks { denied } else { Vec::new() },
                slash,
            }
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let binary = prop::sample::select(vec!["/usr/bin/x", "/usr/bin/y", "/usr/bin/*", "/usr/**", "/opt/*/z"]);
    (prop::collection::vec(endpoint(), 1..4), prop::collection::vec(binary, 0..3))
}

fn asked() -> impl Strategy<Value = Asked> {
    let host = prop::sample::select(vec!["a.x.com", "b.x.com", "ab.x.com", "c.a.x.com", "x.com", "a.y.com"]);
    let program = prop::sample::select(vec!["/usr/bin/x", "/usr/bin/y", "/usr/bin/z", "/opt/a/z"]);
    let method = prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "PROPFIND"]);
    let path = prop_oneof![5 => "(/(p|q|r|pp)){1,3}", 1 => "/p/", 1 => "/p/q%2Fr", 1 => Just("/".to_owned())];
    let query = prop::sample::select(vec!["", "v1", "v.1", "v.1.2", "w"]);
    (host, port(), program, method, path, query).prop_map(|(host, port, program, method, path, query)| Asked {
        host: host.into(),
        port,
        program,
        method,
        path,
        query,
    })
}

fn rules(rules: &[policy::Rule]) -> Vec<String> {
    rules.iter().map(ToString::to_string).collect()
}

#[test]
fn an_import_allows_nothing_that_its_original_does_not() {
    let (mut both, mut neither, mut narrower) = (0_u32, 0_u32, 0_u32);
    let counts = std::cell::RefCell::new((&mut both, &mut neither, &mut narrower));
    let strategy = (prop::collection::vec(entry(), 1..4), prop::collection::vec(asked(), 12));
    TestRunner::new(ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() })
        .run(&strategy, |(entries, asked)| {
            let text = yaml(&entries);
            let source = Source { name: "test".into(), text: text.clone(), widens: true };
            let found = import(&source, None).unwrap_or_else(|error| panic!("{error}\n{text}"));
            let whole = Conjunction::new(vec![found.policy.clone()]);
            for asked in asked {
                let host = Host::parse(&asked.host).expect("a host");
                let target = if asked.query.is_empty() {
                    asked.path.clone()
                } else {
                    format!("{}?q={}", asked.path, asked.query)
                };
                let request = Request::new(asked.method, &target).expect("no odd request");
                let chain = [asked.program.to_owned()];
                let connection = Egress { host: &host, port: asked.port, program: Some(&chain), request: None };
                let egress = Egress { request: Some(&request), ..connection };
                // Where nothing is read, the connection is all that is decided.
                let ours = match decide(&whole, &connection) {
                    Decision::Allow(_) => true,
                    Decision::Read => matches!(decide(&whole, &egress), Decision::Allow(_)),
                    Decision::Ask(_) | Decision::Deny(_) => false,
                };
                let theirs = naive(&entries, &asked).unwrap_or(true);
                prop_assert!(
                    theirs || !ours,
                    "{asked:?}\n{text}\n{:#?}\n{:#?}",
                    rules(&found.policy.network.allow),
                    rules(&found.policy.network.deny)
                );
                let mut counts = counts.borrow_mut();
                match (ours, theirs) {
                    (true, _) => *counts.0 += 1,
                    (false, false) => *counts.1 += 1,
                    (false, true) => *counts.2 += 1,
                }
            }
            Ok(())
        })
        .expect("it is never wider");
    println!("{both} allowed by both, {neither} by neither, {narrower} by the original alone");
    assert!(
        both > 5_000 && neither > 20_000,
        "{both} allowed by both, {neither} by neither, {narrower} by the original alone"
    );
    assert!(narrower < both, "{narrower} narrower, {both} allowed by both");
}
