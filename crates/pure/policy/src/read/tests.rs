use std::collections::BTreeSet;

use super::*;
use crate::{Default as Fallback, Limit, WorkspaceMode};

fn check(text: &str, widens: bool) -> Result<Policy, Diagnostic> {
    read(&Source { name: "test.yaml".into(), text: text.into(), widens }, Some("/home/u"), &mut blueprint)
}

fn refused(lines: &str) -> Diagnostic {
    check(&format!("bastide: 1\nname: a\n{lines}\n"), true).expect_err(lines)
}

/// A world of policies by name; `own.yaml` and blueprints widen, others narrow only.
fn world(files: &[(&str, &str)]) -> Result<(Policy, Vec<Origin>), Diagnostic> {
    let source = |name: &str| {
        let (_, body) = files.iter().find(|file| file.0 == name)?;
        let text = format!("bastide: 1\nname: {name}\n{body}\n");
        Some(Source { name: name.into(), text, widens: name == "own.yaml" })
    };
    let own = source("own.yaml").expect("own.yaml is there");
    read_located(&own, Some("/home/u"), &mut |name| source(name).or_else(|| blueprint(name)))
}

/// Lines after the two of the head, the code, and where: every code that one file alone can have.
const BAD: &[(&str, &str, u64, u64)] = &[
    ("files:\n\tread: []", "002", 4, 0),
    ("files: {read: [", "002", 0, 0),
    ("files: {read: ['/a}", "002", 0, 0),
    ("files: {read: [a: b: c]}", "021", 3, 0),
    ("extends: [nowhere]", "004", 3, 11),
    ("risk:", "021", 3, 0),
    ("risk: {}", "038", 3, 7),
    ("risk: {ask: 0}", "015", 3, 13),
    ("risk: {ask: 101}", "038", 3, 13),
    ("risk: {ask: 80, freeze: 60}", "038", 3, 25),
    ("risk: {ask: 60, stop: 80}", "019", 3, 17),
    ("tools: [{match: a}]", "031", 3, 0),
    ("tools: [{match: '', effect: send}]", "031", 3, 0),
    ("tools: [{match: 'a***', effect: send}]", "031", 3, 0),
    ("tools: [{match: a, ground: {x: []}}]", "031", 3, 0),
    ("tools: [{match: a, effect: shout}]", "014", 3, 0),
    ("tools: [{match: a, roles: {x: whom}}]", "014", 3, 0),
    ("tools: [{effect: send}]", "021", 3, 0),
    ("tools: [{match: a, effect: send, colour: 1}]", "019", 3, 0),
    ("grounding: maybe", "014", 3, 0),
    ("endorse: [{source: {file: a}, effects: [send]}]", "021", 3, 0),
    ("endorse: [{source: {file: a}, effects: [send], until: 2027-02-30}]", "037", 3, 0),
    ("endorse: [{source: {file: a}, effects: [send], until: tomorrow}]", "037", 3, 0),
    ("endorse: [{source: {file: a}, effects: [], until: 2027-01-31}]", "037", 3, 0),
    ("endorse: [{source: {file: a}, effects: [shout], until: 2027-01-31}]", "014", 3, 0),
    ("endorse: [{source: {author: bob}, effects: [send], until: 2027-01-31}]", "037", 3, 0),
    ("endorse: [{source: {file: a, sha256: ab}, effects: [send], until: 2027-01-31}]", "037", 3, 0),
    ("endorse: [{source: {file: ''}, effects: [send], until: 2027-01-31}]", "037", 3, 0),
    ("endorse: [{source: {tool: 'a***'}, effects: [send], until: 2027-01-31}]", "037", 3, 0),
    ("endorse: [{source: {host: 'a b'}, effects: [send], until: 2027-01-31}]", "011", 3, 0),
    ("endorse: [{source: {file: a}, effects: [send], targets: [], until: 2027-01-31}]", "037", 3, 0),
    ("endorse: [{source: {path: a}, effects: [send], until: 2027-01-31}]", "019", 3, 0),
    ("intent: everybody", "014", 3, 0),
    ("foreign: {links: warn}", "014", 3, 0),
    ("foreign: {words: cut}", "019", 3, 0),
    ("agents: 2", "021", 3, 0),
    ("agents:", "021", 3, 0),
    ("agents: {colour: 1}", "019", 3, 0),
    ("agents: {depth: 9}", "015", 3, 17),
    ("agents: {children: 257}", "015", 3, 20),
    ("agents: {depth: 0}", "015", 3, 17),
    ("agents: {rate: 5}", "015", 3, 16),
    ("agents: {money: 5}", "030", 3, 17),
    ("agents: {money: 0 USD}", "030", 3, 17),
    ("agents: {money: 1 EUR}\ninference: {prices: [{models: [x], input: 1 USD, output: 2 USD}]}", "030", 3, 17),
    ("agents: {money: 1 USD}\ninference: {routes: [{models: [x], provider: openai}]}", "030", 3, 17),
    ("agents: {egress: 1MiB}", "019", 3, 0),
    ("network: {allow: [{to: a.b, credential: A}]}", "024", 3, 0),
    ("network: {allow: [{to: a.b, credential: {name: a, segment: ''}}]}", "024", 3, 0),
    ("network: {allow: [{to: a.b, credential: {name: a, segment: 'b/'}}]}", "024", 3, 0),
    ("network: {allow: [{to: a.b, credential: {name: a, segment: 'b%41'}}]}", "024", 3, 0),
    ("network: {allow: [{to: a.b, credential: {name: a, segment: b, basic: c}}]}", "024", 3, 0),
    ("inference: {providers: {x: {wire: openai, url: 'https://a.b', credential: {name: a, segment: b}}}}", "024", 3, 0),
    ("extends: [hardened, 'github:acme']", "028", 3, 21),
    ("extends: ['npm:acme']", "028", 3, 11),
    ("flows: [{deny: A, to: network}]", "025", 3, 0),
    ("flows: [{deny: system-prompt, to: workspace}]", "008", 3, 0),
    ("inference: {routes: [{models: [x], provider: nobody}]}", "026", 3, 0),
    ("inference: {budget: {money: 5}}", "030", 3, 29),
    ("inference: {budget: {money: $5}}", "030", 3, 29),
    ("inference: {budget: {money: 0 USD}}", "030", 3, 29),
    ("inference: {prices: [{models: [x], input: 1 USD, output: 2 EUR}]}", "030", 3, 0),
    ("inference: {prices: [{models: [x], input: 1 USD, output: 2 USD}], budget: {money: 1 EUR}}", "030", 3, 0),
    ("inference: {prices: [{models: [x], provider: y, input: 1 USD, output: 2 USD}]}", "030", 3, 0),
    ("inference: {prices: [{models: [], input: 1 USD, output: 2 USD}]}", "030", 3, 0),
    ("inference: {prices: [{models: [x], input: 1 USD}]}", "021", 3, 0),
    ("inference: {routes: [{models: [x], provider: openai}], budget: {money: 1 USD}}", "030", 3, 0),
    ("servers: [{name: A, command: [/x]}]", "036", 3, 18),
    ("servers: [{name: a.b, command: [/x]}]", "036", 3, 18),
    ("servers: [{name: a, command: []}]", "036", 3, 18),
    ("servers: [{name: a, command: [./x]}]", "036", 3, 31),
    ("servers: [{name: a, command: ['']}]", "036", 3, 31),
    ("servers: [{name: a}]", "021", 3, 0),
    ("servers: [{name: a, command: [x]}, {name: a, command: [y]}]", "036", 3, 43),
    ("servers: [{name: a, command: [x], network: {default: ask}}]", "036", 3, 54),
    (
        "servers: [{name: a, command: [x], network: {allow: [{to: b.mcp.bastide.internal, protocol: mcp}]}}]",
        "036",
        3,
        58,
    ),
    ("servers: [{name: a, command: [x], allow: [{}]}]", "036", 3, 0),
    ("servers: [{name: a, command: [x], allow: [{tools: [x], grant: [sampling]}]}]", "036", 3, 0),
    ("servers: [{name: a, command: [x], allow: [{tools: [x], credential: y}]}]", "019", 3, 0),
    ("servers: [{name: a, command: [x], deny: [{tools: []}]}]", "029", 3, 0),
    ("servers: [{name: a, command: [x], workspace: review}]", "019", 3, 0),
    ("servers: [{name: a, command: [x], limits: {memory: lots}}]", "015", 3, 52),
    ("servers: [{name: a, command: [x], env: {'A B': c}}]", "016", 3, 48),
    ("network: {allow: [{to: a.mcp.bastide.internal}]}", "036", 3, 24),
    ("network: {allow: [{to: 'a.mcp.bastide.internal:443', protocol: mcp}]}", "036", 3, 24),
    ("network: {allow: [{to: a.mcp.bastide.internal, protocol: mcp, credential: x}]}", "036", 3, 24),
    ("network: {allow: [{to: a.mcp.bastide.internal, grant: [roots]}]}", "036", 3, 24),
    ("files: &a {read: []}", "009", 3, 0),
    ("env: {A: *a}", "009", 3, 0),
    ("env: {<<: {A: b}}", "009", 3, 0),
    ("env: {A: !secret b}", "009", 3, 0),
    ("!x files: {}", "009", 3, 0),
    ("---\nbastide: 1", "009", 0, 0),
    ("risk: [[[[[[[[[[[[]]]]]]]]]]]]", "021", 3, 7),
    ("files: {read: [a]}", "010", 3, 16),
    ("files: {hide: [/a/../b]}", "010", 3, 16),
    ("files: {write: [~root/x]}", "010", 3, 17),
    ("tests: [{read: a/../b, expect: absent}]", "010", 3, 16),
    ("network: {allow: [{to: '0x7f.1'}]}", "011", 3, 24),
    ("network: {allow: [{to: 'a.b:0'}]}", "011", 3, 24),
    ("network: {allow: [{to: 'a.b:65536'}]}", "011", 3, 24),
    ("network: {allow: [{to: 'a.*.b'}]}", "011", 3, 24),
    ("network: {allow: [{to: '*'}]}", "011", 3, 24),
    ("network: {allow: [{to: 'a.b+'}]}", "011", 3, 24),
    ("network: {allow: [{to: a.b, addresses: [10.0.0.1/8]}]}", "011", 3, 41),
    ("network: {allow: [{to: a.b, addresses: [127.0.0.0/8]}]}", "011", 3, 41),
    ("network: {allow: [{to: a.b, addresses: []}]}", "023", 3, 24),
    ("network: {allow: [{to: 10.0.0.1, addresses: [10.0.0.1]}]}", "023", 3, 24),
    ("network: {deny: [{to: a.b, addresses: [10.0.0.1]}]}", "023", 3, 23),
    ("network: {allow: [{to: a.b, programs: [/a**]}]}", "010", 3, 40),
    ("network: {allow: [{to: '10.0.0.1/8'}]}", "011", 3, 24),
    ("network: {allow: [{to: host.bastide}]}", "011", 3, 24),
    ("tests: [{connect: a.b, expect: allow}]", "011", 3, 19),
    ("network: {deny: [{to: a.b, programs: [/x]}]}", "012", 3, 39),
    ("files: {guard: [/abs/../x]}", "013", 3, 17),
    ("files: {guard: ['']}", "013", 3, 17),
    ("files: {workspace: rw}", "014", 3, 20),
    ("network: {default: allow}", "014", 3, 20),
    ("network: {allow: [{to: a.b, protocol: udp}]}", "014", 3, 39),
    ("limits: {required: [colour]}", "014", 3, 21),
    ("network: {allow: [{to: a.b, programs: []}]}", "023", 3, 24),
    ("network: {allow: [{to: a.b, rate: }]}", "021", 3, 0),
    ("network: {allow: [{to: a.b, body: ~}]}", "021", 3, 35),
    ("network: {allow: [{to: a.b, methods: [GET], budget: null}]}", "021", 3, 53),
    ("network: {allow: [{to: a.b, answers: }]}", "021", 3, 0),
    ("network: {allow: [{to: a.b, credential: {name: a, basic: ~}}]}", "021", 3, 0),
    ("network: {allow: [{to: a.b, tls: ~, protocol: tcp}]}", "021", 3, 34),
    ("network: {default: }", "021", 3, 0),
    ("network: {deny: [{to: a.b, headers: {X-A: x, x_a: y}}]}", "020", 3, 51),
    ("limits:\n  memory:\n  pids: 9", "021", 4, 0),
    ("grounding:", "021", 3, 0),
    ("record: {bodies: ~}", "021", 3, 18),
    ("risk: {ask: 3, freeze: }", "021", 3, 0),
    ("foreign: {links: ~}", "021", 3, 18),
    ("agents: {tokens: ~}", "021", 3, 18),
    ("inference: {budget: {tokens: ~}}", "021", 3, 30),
    ("tests: [{connect: 'a.b:1', program: ~, expect: deny}]", "021", 3, 37),
    ("network: {allow: [{to: *.a.b}]}", "009", 3, 0),
    ("network: {allow: [{to: a.b, paths: null}]}", "021", 3, 0),
    ("network: {allow: [{to: a.b, methods: [get]}]}", "023", 3, 39),
    ("network: {allow: [{to: a.b, paths: [a]}]}", "023", 3, 37),
    ("network: {deny: [{to: a.b, paths: [/a/../b]}]}", "023", 3, 36),
    ("network: {allow: [{to: a.b, protocol: tcp, paths: [/a]}]}", "023", 3, 52),
    ("network: {allow: [{to: a.b, headers: {Host: x}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, methods: []}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, protocol: tcp, paths: []}]}", "023", 3, 0),
    ("network: {deny: [{to: a.b, query: {}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, query: {'a%20b': x}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, headers: null}]}", "021", 3, 0),
    ("network: {allow: [{to: a.b, query: {a: '%z'}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, protocol: tcp, rate: 1/s}]}", "023", 3, 0),
    ("network: {deny: [{to: a.b, body: 1KiB}]}", "023", 3, 0),
    ("network: {deny: [{to: a.b, answers: {size: 1KiB}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, answers: {}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, answers: {types: []}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, answers: {types: [json]}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, answers: {types: ['Text/html']}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, answers: {types: ['text/html; charset=utf-8']}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, answers: {types: ['*/html']}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, answers: {types: null}}]}", "021", 3, 0),
    ("network: {allow: [{to: a.b, answers: {size: big}}]}", "015", 3, 0),
    ("network: {allow: [{to: a.b, answers: {kinds: [a/b]}}]}", "019", 3, 0),
    ("network: {allow: [{to: a.b, protocol: tcp, answers: {size: 1KiB}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, tls: pass, answers: {size: 1KiB}}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, protocol: websocket, answers: {types: [a/b]}}]}", "023", 3, 0),
    ("network: {allow: [{to: '*.b', tls: pass}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, tls: pass, methods: [GET]}]}", "023", 3, 0),
    ("network: {deny: [{to: a.b, tls: pass}]}", "023", 3, 0),
    ("network: {allow: [{to: a.b, tls: open}]}", "014", 3, 0),
    ("network: {allow: [{to: a.b, rate: 0/s}]}", "015", 3, 0),
    ("network: {allow: [{to: a.b, rate: 10}]}", "015", 3, 0),
    ("network: {allow: [{to: a.b, budget: 0}]}", "015", 3, 0),
    ("tests: [{request: 'GET a.b/x', expect: allow}]", "011", 3, 19),
    ("tests: [{request: 'a.b:80/x', expect: allow}]", "023", 3, 19),
    ("tests: [{request: 'GET a.b:80//x', expect: allow}]", "023", 3, 19),
    ("tests: [{request: 'GET a.b:80/x', expect: readable}]", "014", 3, 43),
    ("tests: [{to: 'a.b:80/x', tool: t, expect: read}]", "014", 3, 0),
    ("tests: [{to: 'a.b/x', tool: t, expect: allow}]", "011", 3, 0),
    ("tests: [{to: 'a.b:80//x', tool: t, expect: allow}]", "023", 3, 0),
    ("tests: [{to: 'a.b:80/x', expect: allow}]", "022", 3, 0),
    ("tests: [{connect: 'a.b:80', tool: t, expect: allow}]", "022", 3, 0),
    ("tests: [{connect: 'a.b:80', arguments: {a: b}, expect: allow}]", "022", 3, 0),
    ("network: {allow: [{to: a.b, protocol: http, tools: [a]}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, protocol: tcp, grant: [sampling]}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, tools: ['']}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, tools: ['a***']}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, arguments: {}}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, arguments: {a: []}}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, arguments: {'': ['*']}}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, grant: []}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, grant: [tools]}]}", "014", 3, 0),
    ("network: {allow: [{to: a.b, tools: null}]}", "021", 3, 0),
    ("network: {deny: [{to: a.b, grant: [sampling]}]}", "029", 3, 0),
    ("network: {deny: [{to: a.b, tools: []}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, protocol: mcp, credential: {name: a, field: b}}]}", "029", 3, 0),
    ("network: {allow: [{to: a.b, protocol: mcp, tls: pass}]}", "023", 3, 0),
    ("tests: [{read: /a, expect: allow}]", "014", 3, 28),
    ("record: {bodies: some}", "014", 3, 18),
    ("record: {bodies: [hash]}", "021", 3, 18),
    ("record: {words: hash}", "019", 3, 10),
    ("limits: {memory: lots}", "015", 3, 18),
    ("limits: {memory: 0}", "015", 3, 18),
    ("limits: {memory: +1}", "015", 3, 18),
    ("limits: {memory: 1.5GiB}", "015", 3, 18),
    ("limits: {memory: 99999999999GiB}", "015", 3, 18),
    ("limits: {pids: 2k}", "015", 3, 16),
    ("env: {'A=B': c}", "016", 3, 0),
    ("env: {'': c}", "016", 3, 0),
    ("env: {1A: c}", "016", 3, 0),
    ("env: {A: \"b\\0\"}", "016", 3, 10),
    ("colour: red", "019", 3, 1),
    ("files: {reed: []}", "019", 3, 9),
    ("network: {upstream: http://proxy}", "019", 3, 11),
    ("tests: [{read: /a, expect: absent, when: now}]", "019", 3, 36),
    ("name: b", "020", 3, 1),
    ("env: {A: b, A: c}", "020", 3, 13),
    ("files: {read: [], read: []}", "020", 3, 19),
    ("files: 7", "021", 3, 8),
    ("files: {read: /usr}", "021", 3, 15),
    ("network: {allow: [a.b]}", "021", 3, 19),
    ("network: {allow: [{}]}", "021", 3, 0),
    ("network: {allow: [{to: \"127.0.0.1:80\"}]}", "011", 3, 24),
    ("network: {allow: [{to: \"localhost:8080\"}]}", "011", 3, 24),
    ("network: {deny: [{to: \"*.LocalHost.\"}]}", "011", 3, 23),
    ("network: {deny: [{to: 198.18.0.0/15}]}", "011", 3, 23),
    ("env: [A]", "021", 3, 6),
    ("tests: [{expect: allow}]", "022", 3, 9),
    ("tests: [{read: /a, write: /b, expect: absent}]", "022", 3, 9),
    ("tests: [{read: /a, program: /b, expect: absent}]", "022", 3, 9),
];

#[test]
fn bad_text_is_refused_with_its_place() {
    let wrong = |&&(lines, code, line, column): &&(&str, &str, u64, u64)| {
        let error = refused(lines);
        let place = error.location.line > 0
            && (line == 0 || error.location.line == line)
            && (column == 0 || error.location.column == column);
        error.code != format!("E-POLICY-{code}") || !place || error.hint.is_none()
    };
    let wrong: Vec<String> = BAD.iter().filter(wrong).map(|row| format!("{row:?}: {}", refused(row.0))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Faults of the head, of bytes and of several files.
fn others() -> Vec<(&'static str, Diagnostic)> {
    let head = |text: &str| check(text, true).expect_err("refused");
    let bytes = |bytes: &[u8]| Source::from_bytes("b", bytes, true).expect_err("refused");
    let big = "# 0123456789\n".repeat(MAX_BYTES / 10);
    let half = format!("# {}", "x".repeat(MAX_BYTES - 100));
    let many: Vec<String> = (0..MAX_POLICIES).map(|number| format!("p{number}")).collect();
    let all = format!("extends: [{}]", many.join(", "));
    let files: Vec<_> =
        [("own.yaml", all.as_str())].into_iter().chain(many.iter().map(|name| (name.as_str(), ""))).collect();
    let heavy: Vec<_> = [("own.yaml", "extends: [p0, p1, p2, p3, p4]")]
        .into_iter()
        .chain(many[..5].iter().map(|name| (name.as_str(), half.as_str())))
        .collect();
    let lines: Vec<String> = many.iter().skip(1).map(|name| format!("extends: [{name}]")).collect();
    let deep: Vec<_> = [("own.yaml", "extends: [p0]")]
        .into_iter()
        .chain(many.iter().zip(&lines).map(|(name, line)| (name.as_str(), line.as_str())))
        .collect();
    let many_error = |files: &[(&str, &str)]| world(files).expect_err("refused");
    let foreign = |text: &str| {
        let text = format!("version: 1\nnetwork_policies: {{a: {{endpoints: [{text}]}}}}\n");
        crate::import::import(&Source { name: "f".into(), text, widens: true }, None).expect_err("refused")
    };
    vec![
        ("001", head(&big)),
        ("001", bytes(big.as_bytes())),
        ("001", many_error(&heavy)),
        ("003", head("bastide: 2\nname: a\n")),
        ("005", many_error(&[("own.yaml", "extends: [own.yaml]")])),
        ("005", many_error(&[("own.yaml", "extends: [b]"), ("b", "extends: [c]"), ("c", "extends: [b]")])),
        ("005", many_error(&deep)),
        ("006", many_error(&files)),
        ("007", many_error(&[("own.yaml", "extends: [hardened, b]"), ("b", "\nfiles:\n  read: [/x]")])),
        ("056", many_error(&[("own.yaml", "secrets: [{rules: a.toml}]"), ("b", "")])),
        ("056", many_error(&[("own.yaml", "secrets: [{rules: []}]")])),
        ("009", head("\u{feff}bastide: 1\nname: a\n")),
        ("017", head("bastide: 1\nname: ''\n")),
        ("017", head(&format!("bastide: 1\nname: {}\n", "a".repeat(65)))),
        ("018", bytes(b"bastide: 1\nname: \xff\n")),
        ("027", foreign("{host: a.com}")),
        ("021", head("")),
        ("021", head("name: a\n")),
        ("021", head("bastide: one\nname: a\n")),
        ("021", head("[]\n")),
    ]
}

/// Told once by their names in the parser, or with a hint about something else.
#[test]
fn common_mistakes_are_told_in_words_of_the_file() {
    let two = check("bastide: 1\nname: a\n---\nbastide: 1\nname: b\n", true).expect_err("two");
    assert_eq!((two.code.as_str(), two.message.as_str()), ("E-POLICY-009", "a second document begins in the file"));
    let url = refused("network:\n  allow: [{to: \"https://example.com\"}]");
    assert!(url.message.contains("a host, not a URL"), "{url}");
    for named in ["./base.yaml", "sub/base.yaml", "~/base.yaml", "/abs/base.yaml", "hardend"] {
        let hint = refused(&format!("extends: [\"{named}\"]")).hint.unwrap_or_default();
        assert!(hint.contains("without a path, and lies beside this one") && hint.contains("`hardened`"), "{hint}");
    }
}

#[test]
fn faults_of_the_whole_are_refused_with_hints() {
    for (code, error) in others() {
        assert_eq!(error.code, format!("E-POLICY-{code}"), "{error}");
        assert!(error.hint.is_some(), "{error}");
    }
    let (_, error) = others().into_iter().find(|pair| pair.0 == "007").expect("there");
    assert_eq!((error.location.file.as_str(), error.location.line, error.location.column), ("b", 5, 10), "{error}");
    let (_, error) = others().into_iter().find(|pair| pair.0 == "018").expect("there");
    assert_eq!((error.location.line, error.location.column), (2, 7));
}

#[test]
fn every_code_is_explained_and_reached() {
    let reached: BTreeSet<String> = BAD.iter().map(|row| format!("E-POLICY-{}", row.1)).collect();
    let reached: BTreeSet<String> =
        reached.into_iter().chain(others().iter().map(|pair| format!("E-POLICY-{}", pair.0))).collect();
    let known: BTreeSet<String> = CODES.iter().map(|pair| pair.0.to_owned()).collect();
    assert_eq!(reached, known);
    assert_eq!(known.len(), CODES.len(), "no code twice");
    for (code, text) in CODES {
        assert_eq!(explain_code(code), Some(*text));
        assert!(text.len() > 40 && !text.contains("  "), "{code}");
    }
    assert_eq!(explain_code("E-POLICY-000"), None);
}

#[test]
fn hostile_text_in_a_message_is_bounded_and_visible() {
    let error = refused(&format!("files: {{read: [\"\\e]52;\\u202e{}\"]}}", "x".repeat(5000)));
    assert!(error.message.len() < 300, "{}", error.message.len());
    assert!(error.message.chars().all(|character| !character.is_control() && character != '\u{202e}'));
    let error = refused("network: {allow: [{to: 'b.c', \"\\e[31m\": 1}]}");
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
    let secret = check("bastide: 1\nname: a\nenv: {TOKEN: hunter2}\n", false).expect_err("widens");
    assert!(!secret.to_string().contains("hunter2"), "{secret}");
    let secret = refused("env: {TOKEN: hunter2, 'B C': hunter2}");
    assert!(!secret.to_string().contains("hunter2"), "{secret}");
}

#[test]
fn blueprints_are_read() {
    let strict = read(&blueprint("strict").expect("exists"), None, &mut blueprint).expect("reads");
    assert_eq!(
        (strict.network.default, strict.files.workspace, strict.limits.memory),
        (Fallback::Deny, WorkspaceMode::ReadOnly, Some(2 << 30))
    );
    assert!(!strict.files.read.is_empty());
    let hardened = read(&blueprint("hardened").expect("exists"), None, &mut blueprint).expect("reads");
    assert!(crate::diff(&hardened, &strict).iter().all(|change| !change.widens), "strict only narrows");
}

#[test]
fn several_parents_are_laid_in_order() {
    let files = [
        ("own.yaml", "extends: [a, b]\nlimits: {cpu: 1}"),
        ("a", "extends: [hardened]\nlimits: {memory: 1GiB, required: [memory]}\nnetwork: {default: deny}"),
        ("b", "extends: [hardened]\nfiles: {hide: [~/.ssh]}\nlimits: {pids: 8}"),
    ];
    let (policy, origins) = world(&files).expect("reads");
    assert_eq!(policy.name, "own.yaml");
    // `hardened` counts once, before `a`: its second mention does not bring `ask` and 4 GiB back.
    assert_eq!(policy.network.default, Fallback::Deny);
    assert_eq!((policy.limits.memory, policy.limits.pids, policy.limits.cpu), (Some(1 << 30), Some(8), Some(1000)));
    assert!(policy.limits.required.contains(&Limit::Memory));
    assert_eq!(policy.files.hide[0].as_str(), "/home/u/.ssh");
    let from = |key: &str| {
        origins.iter().filter(|origin| origin.key == key).map(|origin| origin.location.file.clone()).collect::<Vec<_>>()
    };
    assert_eq!((from("limits.memory"), from("limits.pids")), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert_eq!((from("files.hide"), from("network.default")), (vec!["b".to_owned()], vec!["a".to_owned()]));
    assert!(from("files.read").iter().all(|file| file == "hardened"));
}

#[test]
fn only_the_operators_file_widens() {
    let text = "bastide: 1\nname: a\nextends: [hardened]\nfiles: {read: [~/.rustup]}\n";
    assert!(check(text, true).expect("reads").files.read.iter().any(|path| path.as_str() == "/home/u/.rustup"));
    assert_eq!(check(text, false).map_err(|error| error.code), Err("E-POLICY-007".into()));
    // Alone, a layer has nothing to narrow: it grants nothing.
    for (line, narrows) in [
        ("files: {read: [/usr]}", false),
        ("files: {workspace: review}", false),
        ("env: {LD_PRELOAD: x}", false),
        ("network: {default: ask}", false),
        ("network: {allow: [{to: a.b}]}", false),
        ("network: {deny: [{to: a.b}]}", true),
        ("files: {hide: [/usr], guard: [x]}", true),
        ("limits: {memory: 1GiB}", true),
        ("record: {bodies: full}", false),
        ("record: {bodies: hash}", true),
    ] {
        let error = check(&format!("bastide: 1\nname: a\n{line}\n"), false);
        assert_eq!(error.is_ok(), narrows, "{line}");
    }
    // A rule inside one that is there widens nothing.
    let files = [("own.yaml", "extends: [a, b]\nnetwork: {allow: [{to: x.y}]}"), ("a", ""), ("b", "limits: {pids: 1}")];
    assert!(world(&files).is_ok());
}

#[test]
fn limits_and_quantities_have_one_meaning() {
    let text = "bastide: 1\nname: a\nlimits: {memory: 2GiB, pids: 256, cpu: 1500m, time: 90m, disk: 10KiB, required: [memory, disk]}\n";
    let limits = check(text, true).expect("reads").limits;
    assert_eq!(
        (limits.memory, limits.pids, limits.cpu, limits.time, limits.disk),
        (Some(2 << 30), Some(256), Some(1500), Some(5400), Some(10 << 10))
    );
    assert_eq!(limits.required.into_iter().collect::<Vec<_>>(), [Limit::Memory, Limit::Disk]);
}
