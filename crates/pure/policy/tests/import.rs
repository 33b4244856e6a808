//! Policies of the other language: what its documentation says of each key, row by row, and what is told where it cannot
//! be said here.

use policy::import::{Imported, NoteKind, import, is_foreign};
use policy::read::{CODES, Diagnostic, Source, blueprint, read};
use policy::{
    Access, CanonicalPath, Conjunction, Decision, Egress, Host, Outcome, Place, Policy, Request, WorkspaceMode, decide,
    explain, file,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

fn source(text: &str) -> Source {
    Source { name: "/etc/agent/team.yaml".into(), text: text.into(), widens: true }
}

fn imported(text: &str) -> Imported {
    import(&source(text), None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// One entry for curl, with these endpoints.
fn entry(endpoints: &str) -> String {
    let head = "version: 1\nlandlock: {compatibility: hard_requirement}\nnetwork_policies:\n  one:\n    endpoints:\n";
    let lines: String = endpoints.lines().map(|line| format!("      - {}\n", line.trim())).collect();
    format!("{head}{lines}    binaries: [{{path: /usr/bin/curl}}]\n")
}

/// What comes of `HOST:PORT` or `METHOD HOST:PORT/PATH`, by `PROGRAM` after ` by `, else by curl.
fn outcome(conjunction: &Conjunction, asked: &str) -> Outcome {
    let (asked, program) = asked.split_once(" by ").unwrap_or((asked, "/usr/bin/curl"));
    let chain = (program != "unknown").then(|| vec![program.to_owned(), "/usr/bin/bash".to_owned()]);
    let socket = asked.starts_with("WS ");
    let (host, port, request) = match Request::parse_at(&asked.replacen("WS ", "GET ", 1)) {
        Ok((host, port, request)) => (host, port, Some(if socket { request.for_websocket() } else { request })),
        Err(_) => {
            let (host, port) = Host::parse_with_port(asked).unwrap_or_else(|error| panic!("{asked}: {error}"));
            (host, port, None)
        }
    };
    let port = port.unwrap_or_else(|| panic!("{asked}: no port"));
    let egress = Egress { host: &host, port, program: chain.as_deref(), request: request.as_ref() };
    let decided = match decide(conjunction, &egress) {
        Decision::Allow(_) => Outcome::Allow,
        Decision::Read => Outcome::Read,
        Decision::Ask(_) => Outcome::Ask,
        Decision::Deny(_) => Outcome::Deny,
    };
    assert_eq!(explain(conjunction, &egress).outcome, decided, "{asked}");
    decided
}

/// Endpoints, what comes of requests, and words that stand in notes.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

const REST: &str = "protocol: rest, enforcement: enforce";

/// `REST` stands for an inspected endpoint that enforces.
const TABLE: &[Row] = &[
    // Presets of methods.
    (
        "{host: a.example.com, port: 443, REST, access: read-only}",
        &[
            "read a.example.com:443",
            "allow GET a.example.com:443/x",
            "allow HEAD a.example.com:443/x/y",
            "allow OPTIONS a.example.com:443/",
            "deny POST a.example.com:443/x",
            "deny DELETE a.example.com:443/x",
            "deny GET a.example.com:80/x",
            "deny GET b.example.com:443/x",
        ],
        &[],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: read-write}",
        &[
            "allow GET a.example.com:443/x",
            "allow POST a.example.com:443/x",
            "allow PUT a.example.com:443/x",
            "allow PATCH a.example.com:443/x",
            "deny DELETE a.example.com:443/x",
        ],
        &[],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: full}",
        &["allow DELETE a.example.com:443/x", "allow PROPFIND a.example.com:443/x", "deny GET a.example.com:443/a%2Fb"],
        &[],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: full, allow_encoded_slash: true}",
        &["allow GET a.example.com:443/@scope%2Fname"],
        &[],
    ),
    // Who may.
    (
        "{host: a.example.com, port: 443, REST, access: full}",
        &[
            "deny GET a.example.com:443/x by /usr/bin/wget",
            "deny GET a.example.com:443/x by unknown",
            "deny a.example.com:443 by /usr/bin/wget",
        ],
        &["by its own executable or any parent's"],
    ),
    // Several ports.
    (
        "{host: a.example.com, ports: [80, 8443], REST, access: read-only}",
        &["allow GET a.example.com:80/", "allow GET a.example.com:8443/", "deny GET a.example.com:443/"],
        &[],
    ),
    // Rules: methods and globs of paths.
    (
        "{host: a.example.com, port: 443, REST, rules: [{allow: {method: get, path: /repos/**}}, {allow: {method: POST, path: '/repos/*/issues'}}]}",
        &[
            "allow GET a.example.com:443/repos/x",
            "allow GET a.example.com:443/repos/x/y/z",
            "allow GET a.example.com:443/repos/",
            "deny GET a.example.com:443/repos",
            "deny GET a.example.com:443/",
            "deny HEAD a.example.com:443/repos/x",
            "allow POST a.example.com:443/repos/x/issues",
            "deny POST a.example.com:443/repos/x/y/issues",
            "deny POST a.example.com:443/repos/x/issues/1",
            "deny GET a.example.com:443/REPOS/x",
        ],
        &["some versions let `GET` mean `HEAD`"],
    ),
    (
        "{host: a.example.com, port: 443, REST, rules: [{allow: {method: '*', path: '/**/info/refs*'}}, {allow: {method: '*', path: '/v[12]/x'}}]}",
        &[
            "allow GET a.example.com:443/a/b/info/refs",
            "allow DELETE a.example.com:443/a/info/refs2",
            "deny GET a.example.com:443/info/refs",
            "allow GET a.example.com:443/v1/x",
            "allow GET a.example.com:443/v2/x",
            "deny GET a.example.com:443/v3/x",
        ],
        &[],
    ),
    (
        "{host: a.example.com, port: 443, REST, rules: [{allow: {method: GET, path: '/v?'}}, {allow: {method: GET, path: /w}}]}",
        &["deny GET a.example.com:443/v1", "allow GET a.example.com:443/w"],
        &["the path `/v?`"],
    ),
    // Fields of a query.
    (
        "{host: a.example.com, port: 443, REST, rules: [{allow: {method: GET, path: /d, query: {tag: {any: ['v1.*', beta]}}}}]}",
        &[
            "allow GET a.example.com:443/d?tag=v1.2",
            "allow GET a.example.com:443/d?tag=beta&other=1",
            "deny GET a.example.com:443/d?tag=v1.2.3",
            "deny GET a.example.com:443/d?tag=v2",
            "deny GET a.example.com:443/d",
            "deny GET a.example.com:443/d?tag=beta&tag=v1.2",
        ],
        &["stops at a dot", "more than once"],
    ),
    (
        "{host: a.example.com, port: 443, REST, rules: [{allow: {method: GET, path: /d, query: {tag: '**'}}}]}",
        &["allow GET a.example.com:443/d?tag=1.2.3", "deny GET a.example.com:443/d"],
        &[],
    ),
    // What is denied wins.
    (
        "{host: a.example.com, port: 443, REST, access: full, deny_rules: [{method: '*', path: '/repos/*/*/hooks'}, {method: GET, path: /secret/**}]}",
        &[
            "allow GET a.example.com:443/repos/a/b/issues",
            "deny GET a.example.com:443/repos/a/b/hooks",
            "deny DELETE a.example.com:443/repos/a/b/hooks",
            "deny GET a.example.com:443/secret/x",
            "deny HEAD a.example.com:443/secret/x",
            "allow POST a.example.com:443/secret/x",
        ],
        &["denied to every program"],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: full, deny_rules: [{method: GET, path: /x, query: {force: 'tr*'}}]}",
        &[
            "deny GET a.example.com:443/x?force=true",
            "deny GET a.example.com:443/x?force=no&force=true",
            "allow GET a.example.com:443/x?force=no",
            "allow GET a.example.com:443/x",
        ],
        &[],
    ),
    // A deny rule holds wherever an allow rule stands.
    (
        "{host: a.example.com, port: 443, REST, access: full}\n{host: '*.example.com', port: 443, REST, access: read-only, deny_rules: [{method: '*', path: /admin/**}]}",
        &["deny GET a.example.com:443/admin/x", "allow POST a.example.com:443/x", "deny POST b.example.com:443/x"],
        &[],
    ),
    // Wildcards of hosts.
    (
        "{host: '*.example.com', port: 443, REST, access: read-only}",
        &[
            "allow GET a.example.com:443/",
            "deny GET a.b.example.com:443/",
            "deny GET example.com:443/",
            "deny GET aexample.com:443/",
        ],
        &[],
    ),
    (
        "{host: '**.Example.com', port: 443, REST, access: read-only}",
        &["allow GET a.example.com:443/", "allow GET a.b.example.com:443/", "deny GET example.com:443/"],
        &[],
    ),
    (
        "{host: '*-api.example.com', port: 443, REST, access: read-only}\n{host: 'api.*.example.net', port: 443, REST, access: read-only}",
        &[
            "allow GET eu-api.example.com:443/",
            "deny GET eu.example.com:443/",
            "deny GET x.eu-api.example.com:443/",
            "allow GET api.eu.example.net:443/",
            "deny GET api.example.net:443/",
            "deny GET api.a.b.example.net:443/",
        ],
        &[],
    ),
    ("{host: '*', port: 443, REST, access: full}", &["deny GET a.example.com:443/"], &["fewer than three labels"]),
    ("{host: '*.com', port: 443, REST, access: full}", &["deny GET a.com:443/"], &["fewer than three labels"]),
    // What is permissive by default.
    (
        "{host: a.example.com, port: 443, protocol: rest, access: read-only}",
        &["allow GET a.example.com:443/", "deny POST a.example.com:443/"],
        &["without `enforcement`, what breaks the rules passes"],
    ),
    (
        "{host: a.example.com, port: 443, protocol: rest, enforcement: audit, access: read-only}",
        &["allow GET a.example.com:443/", "deny POST a.example.com:443/"],
        &["`enforcement: audit` lets pass what breaks the rules"],
    ),
    (
        "{host: a.example.com, port: 443, access: read-only}",
        &["allow GET a.example.com:443/", "deny POST a.example.com:443/"],
        &["without `protocol`, `access` and `rules` have no effect"],
    ),
    // Without a protocol every request passes.
    (
        "{host: a.example.com, port: 443, access: full}",
        &["read a.example.com:443", "allow DELETE a.example.com:443/x", "deny GET a.example.com:443/a%2Fb"],
        &["without `protocol`, what is no HTTP/1.1 passes unread"],
    ),
    // Bytes, and TLS as it is.
    (
        "{host: db.example.com, port: 5432, protocol: tcp}",
        &["allow db.example.com:5432", "deny db.example.com:5433", "deny db.example.com:5432 by /usr/bin/wget"],
        &[],
    ),
    (
        "{host: a.example.com, port: 443, tls: skip}\n{host: '*.example.net', port: 443, tls: skip}",
        &["allow a.example.com:443", "deny GET a.example.com:443/x", "allow b.example.net:443"],
        &["what is no TLS passes as well"],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: read-only, tls: skip}",
        &["read a.example.com:443", "deny POST a.example.com:443/x"],
        &["`tls: skip` lets pass unread what is to be inspected"],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: read-only, tls: terminate}",
        &["allow GET a.example.com:443/x", "deny POST a.example.com:443/x"],
        &[],
    ),
    // Where one is inspected, what is not adds nothing.
    (
        "{host: a.example.com, port: 443, REST, access: read-only}\n{host: a.example.com, port: 443}",
        &["allow GET a.example.com:443/", "deny POST a.example.com:443/"],
        &["adds nothing for the programs of both"],
    ),
    // A path of its own: there one endpoint decides alone.
    (
        "{host: a.example.com, port: 443, REST, access: full}\n{host: a.example.com, port: 443, path: /v1/**, REST, access: read-only}",
        &[
            "allow POST a.example.com:443/x",
            "allow GET a.example.com:443/v1/x",
            "allow GET a.example.com:443/v1",
            "deny POST a.example.com:443/v1/x",
            "deny DELETE a.example.com:443/v1",
        ],
        &["decides alone there"],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: read-only}\n{host: a.example.com, port: 443, path: /graphql, protocol: graphql, enforcement: enforce, rules: [{allow: {operation_type: query}}]}",
        &["allow GET a.example.com:443/x", "deny GET a.example.com:443/graphql", "deny POST a.example.com:443/graphql"],
        &["what `protocol: graphql` inspects", "decides alone there"],
    ),
    (
        "{host: a.example.com, port: 443, path: /v1/**, REST, access: read-only}\n{host: a.example.com, port: 443, path: /v2/**, REST, rules: [{allow: {method: POST, path: /v2/x}}]}",
        &[
            "allow GET a.example.com:443/v1/x",
            "deny GET a.example.com:443/v2/x",
            "allow POST a.example.com:443/v2/x",
            "deny GET a.example.com:443/v3",
        ],
        &[],
    ),
    // Protocols that are not inspected here.
    // WebSockets.
    (
        "{host: a.example.com, port: 443, protocol: websocket, enforcement: enforce, access: full, deny_rules: [{method: WEBSOCKET_TEXT, path: /admin/**}]}",
        &[
            "read a.example.com:443",
            "allow WS a.example.com:443/x",
            "deny GET a.example.com:443/x",
            "deny WS a.example.com:443/admin/x",
            "deny WS a.example.com:443/a%2Fb",
        ],
        &["denied to every program"],
    ),
    (
        "{host: a.example.com, port: 443, protocol: websocket, enforcement: enforce, rules: [{allow: {method: GET, path: /v1/**}}, {allow: {method: WEBSOCKET_TEXT, path: /v1/**}}, {allow: {method: GET, path: /mute}}, {allow: {method: '*', path: /both}}]}",
        &[
            "allow WS a.example.com:443/v1/x",
            "deny WS a.example.com:443/mute",
            "allow WS a.example.com:443/both",
            "deny WS a.example.com:443/v2",
        ],
        &["a WebSocket on which the program says nothing"],
    ),
    (
        "{host: a.example.com, port: 443, protocol: websocket, enforcement: enforce, access: read-only}",
        &["deny WS a.example.com:443/x"],
        &["on which the program says nothing"],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: full}\n{host: a.example.com, port: 443, path: /ws, protocol: websocket, enforcement: enforce, access: full}",
        &[
            "allow POST a.example.com:443/x",
            "allow WS a.example.com:443/ws",
            "deny POST a.example.com:443/ws",
            "deny WS a.example.com:443/x",
        ],
        &["decides alone there"],
    ),
    ("{host: a.example.com, port: 443}", &["allow WS a.example.com:443/x", "allow GET a.example.com:443/x"], &[]),
    (
        "{host: a.example.com, port: 443, protocol: mcp, mcp: {versions: ['2025-11-25']}, rules: [{allow: {method: initialize}}]}",
        &["deny POST a.example.com:443/mcp"],
        &["what `protocol: mcp` inspects", "`mcp` is about a protocol", "a rule of a protocol"],
    ),
    (
        "{host: a.example.com, port: 443, protocol: json-rpc, rules: [{allow: {method: x}}]}",
        &["deny a.example.com:443"],
        &["`protocol: json-rpc`"],
    ),
    // Addresses.
    (
        "{host: 10.1.2.3, port: 8080, REST, access: read-only}",
        &["allow GET 10.1.2.3:8080/", "deny GET 10.1.2.4:8080/"],
        &[],
    ),
    (
        "{allowed_ips: [10.20.0.0/16], port: 8080, REST, access: read-only}",
        &["allow GET 10.20.1.1:8080/", "deny GET 10.21.1.1:8080/", "deny GET a.example.com:8080/"],
        &["any name that leads to `allowed_ips`"],
    ),
    (
        "{host: 10.1.2.3, port: 80, REST, access: full, allowed_ips: [10.2.0.0/16]}",
        &["deny GET 10.1.2.3:80/"],
        &["outside its own `allowed_ips`"],
    ),
    (
        "{host: 169.254.169.254, port: 80, REST, access: full}",
        &["deny GET 169.254.169.254:80/"],
        &["never authorized there"],
    ),
    ("{host: 127.0.0.1, port: 80, REST, access: full}", &["deny GET 127.0.0.1:80/"], &["is no host here"]),
    (
        "{host: a.example.com, port: 80, REST, access: full, allowed_ips: [127.0.0.0/8]}",
        &["deny GET a.example.com:80/"],
        &["overlaps loopback"],
    ),
    (
        "{host: a.example.com, ports: [443, 6443], REST, access: full}",
        &["allow GET a.example.com:443/", "deny GET a.example.com:6443/"],
        &["port 6443 is a control plane's"],
    ),
    // Names of the host, and of the model.
    (
        "{host: host.openshell.internal, port: 11434, REST, access: full}",
        &["deny host.openshell.internal:11434", "deny host.bastide:11434"],
        &["is the host itself"],
    ),
    (
        "{host: inference.local, port: 443, REST, access: full}",
        &["deny inference.local:443"],
        &["is the model that was chosen there"],
    ),
    ("{host: host.bastide, port: 80, REST, access: full}", &["deny host.bastide:80"], &["means something else here"]),
    // Credentials stay where they are.
    (
        "{host: a.example.com, port: 443, REST, access: full, credential_binding: {provider: work}, request_body_credential_rewrite: true}",
        &["allow GET a.example.com:443/"],
        &["`credential_binding` lends", "`request_body_credential_rewrite` puts"],
    ),
    (
        "{host: a.example.com, port: 443, REST, access: full, credential_signing: sigv4, signing_service: s3}",
        &["deny GET a.example.com:443/"],
        &["`credential_signing` signs requests"],
    ),
    ("{host: a.example.com, port: 443, REST}", &["deny GET a.example.com:443/"], &["neither `access` nor `rules`"]),
    // What is about the content of a request: allowed by nothing, denied whatever it is.
    (
        "{host: a.example.com, port: 443, REST, rules: [{allow: {operation_type: query}}], deny_rules: [{method: POST, path: /x, tool: y}]}",
        &["deny POST a.example.com:443/y", "deny POST a.example.com:443/x"],
        &["`operation_type` is about what a request holds", "`tool` is about what a request holds"],
    ),
];

#[test]
fn endpoints_decide_as_documented() {
    let (mut decisions, mut told) = (0, 0);
    for (endpoints, cases, notes) in TABLE {
        let text = entry(&endpoints.replace("REST", REST));
        let found = imported(&text);
        let whole = Conjunction::new(vec![found.policy.clone()]);
        for case in *cases {
            let (expected, asked) = case.split_once(' ').expect("an outcome");
            assert_eq!(outcome(&whole, asked).name(), expected, "{endpoints}\n{case}\n{}", found.policy.to_yaml());
            decisions += 1;
        }
        for words in *notes {
            let said = |note: &policy::import::Note| note.to_string().contains(words);
            assert!(found.notes.iter().any(said), "{endpoints}: {words}\n{:#?}", found.notes);
            told += 1;
        }
        same_when_printed(&found.policy);
    }
    assert!(decisions > 120 && told > 35, "{decisions} decisions, {told} notes");
}

fn same_when_printed(policy: &Policy) {
    let printed = Source { name: "printed".into(), text: policy.to_yaml(), widens: true };
    let back = read(&printed, None, &mut |_| None).unwrap_or_else(|error| panic!("{error}\n{}", printed.text));
    assert_eq!(&back, policy, "{}", printed.text);
}

/// Entries by name: their endpoints and binaries.
fn entries(list: &[(&str, &str, &str)]) -> String {
    let one = |(name, endpoints, binaries): &(&str, &str, &str)| {
        format!("  {name}: {{endpoints: [{}], binaries: [{binaries}]}}\n", endpoints.replace("REST", REST))
    };
    format!("version: 1\nnetwork_policies:\n{}", list.iter().map(one).collect::<String>())
}

fn decides(text: &str, cases: &[&str]) -> Imported {
    let found = imported(text);
    let whole = Conjunction::new(vec![found.policy.clone()]);
    for case in cases {
        let (expected, asked) = case.split_once(' ').expect("an outcome");
        assert_eq!(outcome(&whole, asked).name(), expected, "{case}\n{}", found.policy.to_yaml());
    }
    same_when_printed(&found.policy);
    found
}

fn tells(found: &Imported, words: &str, kind: NoteKind) {
    let said = found.notes.iter().find(|note| note.to_string().contains(words));
    assert_eq!(said.map(|note| note.kind), Some(kind), "{words}\n{:#?}", found.notes);
}

#[test]
fn binaries_are_paths_and_patterns() {
    let text = entries(&[
        ("a", "{host: a.com, port: 443, REST, access: full}", "{path: /usr/bin/python3*}, {path: '/opt/**'}"),
        ("b", "{host: b.com, port: 443, REST, access: full}", "{path: '/**'}"),
        ("c", "{host: c.com, port: 443, REST, access: full}", ""),
        (
            "d",
            "{host: d.com, port: 443, REST, access: full}",
            "{path: curl}, {path: /usr/bin/git}, {path: '/usr/bin/x?'}",
        ),
        ("e", "{host: e.com, port: 443, REST, access: full}", "{path: '/usr/bin/py[23]', harness: true}"),
    ]);
    let found = decides(
        &text,
        &[
            "allow GET a.com:443/ by /usr/bin/python3",
            "allow GET a.com:443/ by /usr/bin/python3.12",
            "allow GET a.com:443/ by /opt/a/b",
            "deny GET a.com:443/ by /opt",
            "deny GET a.com:443/ by /usr/bin/python2",
            "deny GET a.com:443/ by unknown",
            "allow GET b.com:443/ by /any/where",
            "deny GET c.com:443/ by /usr/bin/curl",
            "deny GET c.com:443/ by unknown",
            "deny GET d.com:443/ by curl",
            "allow GET d.com:443/ by /usr/bin/git",
            "deny GET d.com:443/ by /usr/bin/x1",
            "allow GET e.com:443/ by /usr/bin/py3",
        ],
    );
    tells(&found, "every program, known or not", NoteKind::Reported);
    tells(&found, "without `binaries` matches no program", NoteKind::Reported);
    tells(&found, "`curl` is no executable here", NoteKind::NotExpressed);
}

/// A program that two entries name is inspected where either says so; one that only the other names is not.
#[test]
fn entries_meet_by_their_programs() {
    let text = entries(&[
        (
            "git",
            "{host: github.com, port: 443, REST, access: read-only}",
            "{path: /usr/bin/git}, {path: /usr/bin/node}",
        ),
        ("pip", "{host: github.com, port: 443}", "{path: /usr/bin/pip}, {path: /usr/bin/node}"),
    ]);
    let found = decides(
        &text,
        &[
            "allow GET github.com:443/x by /usr/bin/git",
            "deny POST github.com:443/x by /usr/bin/git",
            "allow POST github.com:443/x by /usr/bin/pip",
            "allow GET github.com:443/x by /usr/bin/node",
            "deny POST github.com:443/x by /usr/bin/node",
        ],
    );
    tells(&found, "those programs are left out of it", NoteKind::NotExpressed);
    let every = entries(&[
        ("a", "{host: a.com, port: 443, REST, access: read-only}", "{path: /usr/bin/git}"),
        ("b", "{host: a.com, port: 443}", "{path: '/**'}"),
    ]);
    decides(&every, &["deny POST a.com:443/ by /usr/bin/git", "deny GET a.com:443/ by /usr/bin/pip"]);
}

/// A name leads where `allowed_ips` says, to every address of it, and nowhere else.
#[test]
fn allowed_ips_bound_where_a_name_leads() {
    let found = imported(&entries(&[(
        "a",
        "{host: api.internal.example, port: 443, protocol: tcp, allowed_ips: [10.20.0.5/16, 203.0.114.7]}, {host: b.example, port: 443, protocol: tcp}",
        "{path: '/**'}",
    )]));
    same_when_printed(&found.policy);
    let whole = Conjunction::new(vec![found.policy]);
    for (name, at, reached) in [
        ("api.internal.example", &["10.20.9.9"][..], true),
        ("api.internal.example", &["203.0.114.7"], true),
        ("api.internal.example", &["10.20.9.9", "203.0.114.7"], true),
        ("api.internal.example", &["10.21.0.1"], false),
        ("api.internal.example", &["8.8.8.8"], false),
        ("api.internal.example", &["10.20.9.9", "8.8.8.8"], false),
        ("b.example", &["8.8.8.8"], true),
        ("b.example", &["10.20.9.9"], false),
    ] {
        let host = Host::parse(name).expect("a host");
        let egress = Egress { host: &host, port: 443, program: None, request: None };
        let Decision::Allow(permit) = decide(&whole, &egress) else { panic!("{name}") };
        let at: Vec<_> = at.iter().map(|text| text.parse().expect("an address")).collect();
        assert_eq!(permit.pin(&at).is_ok(), reached, "{name} {at:?}");
    }
    let direct = Host::parse("10.20.9.9").expect("a host");
    let egress = Egress { host: &direct, port: 443, program: None, request: None };
    assert!(matches!(decide(&whole, &egress), Decision::Deny(_)), "the address itself is not opened");
}

#[test]
fn middlewares_are_missed_and_so_nothing_passes() {
    let text = "version: 1\nnetwork_middlewares:\n  m: {middleware: x/redact, order: 1, config: {a: [b]}, on_error: fail_open, endpoints: {include: ['*.example.com'], exclude: [b.example.com]}}\n".to_owned()
        + "network_policies: {a: {endpoints: [{host: a.example.com, port: 443}, {host: c.com, port: 443}], binaries: [{path: /usr/bin/curl}]}}\n";
    let found = decides(&text, &["deny GET a.example.com:443/", "allow GET c.com:443/"]);
    tells(&found, "the middleware `x/redact`", NoteKind::NotExpressed);
    let all = text.replace("'*.example.com'", "'**'");
    decides(&all, &["deny GET c.com:443/"]);
}

#[test]
fn files_are_those_of_the_section() {
    let text = "version: 1\nfilesystem_policy:\n  include_workdir: true\n  read_only: [/usr, /etc, /proc, /dev/urandom, 'C:/x', /a/../b, /]\n  read_write: [/srv/data, /tmp, /dev/null]\n";
    let found = imported(text);
    same_when_printed(&found.policy);
    let path = |text: &str| CanonicalPath::parse(text).expect("a path");
    let (workspace, home) = (path("/w"), path("/home/u"));
    let place = Place { workspace: &workspace, home: &home, mode: found.policy.files.workspace };
    for (text, access) in [
        ("/usr/bin/git", Access::Readable),
        ("/lib64/x", Access::Readable),
        ("/etc/ssl/certs/x.pem", Access::Readable),
        ("/etc/shadow", Access::Absent),
        ("/srv/data/x", Access::Writable),
        ("/w/src", Access::Writable),
        ("/opt", Access::Absent),
        ("/home/u/.ssh", Access::Absent),
        ("/tmp/x", Access::Absent),
        ("/proc/1", Access::Absent),
    ] {
        assert_eq!(file(&found.policy, &place, &path(text)).access, access, "{text}");
    }
    assert_eq!(found.policy.files.workspace, WorkspaceMode::Review);
    for (words, kind) in [
        ("`C:/x`", NoteKind::NotExpressed),
        ("`/a/../b`", NoteKind::NotExpressed),
        ("all of an image", NoteKind::NotExpressed),
        ("all of /etc", NoteKind::NotExpressed),
        ("the cell has its own", NoteKind::NotExpressed),
        ("scratch space of its own", NoteKind::NotExpressed),
        ("changed at once", NoteKind::Reported),
        ("without `landlock`", NoteKind::Reported),
    ] {
        tells(&found, words, kind);
    }
    let closed = imported("version: 1\nfilesystem_policy: {read_only: [/usr]}\n");
    assert_eq!(closed.policy.files.workspace, WorkspaceMode::ReadOnly);
    tells(&closed, "the working directory is closed", NoteKind::NotExpressed);
    let image = imported("version: 1\nfilesystem_policy: {read_write: [/sandbox]}\n");
    assert_eq!(image.policy.files.workspace, WorkspaceMode::Review);
    let missing = imported("version: 1\n");
    assert_eq!(missing.policy.files.workspace, WorkspaceMode::Review);
    assert!(!missing.policy.files.guard.is_empty() && !missing.policy.flows.is_empty());
}

#[test]
fn landlock_and_the_process_are_told_of() {
    let best = imported(
        "version: 1\nlandlock: {compatibility: best_effort}\nprocess: {run_as_user: sandbox, run_as_group: 1500}\ninference: {allowed_routes: [local]}\n",
    );
    tells(&best, "best_effort` runs without the rules", NoteKind::Reported);
    let who = best.notes.iter().filter(|note| note.what.contains("`run_as_user` and `run_as_group`")).count();
    assert_eq!(who, 2);
    tells(&best, "`inference` says which routes", NoteKind::NotExpressed);
    let hard = imported("version: 1\nlandlock: {compatibility: hard_requirement}\n");
    assert!(!hard.notes.iter().any(|note| note.to_string().contains("landlock")), "{:?}", hard.notes);
}

#[test]
fn a_preset_stands_alone() {
    let text = "preset:\n  name: npm\n  description: \"the registry\"\nnetwork_policies:\n  npm:\n    name: npm\n    endpoints:\n      - host: registry.npmjs.org\n        port: 443\n        protocol: rest\n        enforcement: enforce\n        tls: terminate\n        rules:\n          - allow: { method: GET, path: \"/**\" }\n    binaries:\n      - { path: /usr/local/bin/npm }\n";
    let found = decides(
        text,
        &[
            "allow GET registry.npmjs.org:443/left-pad by /usr/local/bin/npm",
            "deny PUT registry.npmjs.org:443/left-pad by /usr/local/bin/npm",
            "deny GET registry.npmjs.org:443/left-pad by /usr/bin/curl",
            "deny GET example.com:443/ by /usr/local/bin/npm",
        ],
    );
    assert_eq!(found.policy.name, "npm");
    tells(&found, "a preset is laid over a policy there", NoteKind::NotExpressed);
    let hardened = read(&blueprint("hardened").expect("there"), None, &mut |_| None).expect("understood");
    assert_eq!(found.policy.files, hardened.files);
}

#[test]
fn a_file_is_known_by_its_keys() {
    for text in [
        "version: 1\n",
        "preset: {name: a}\n",
        "# x\n\nnetwork_policies: {\n",
        "{version: 1, landlock: {}}",
        "version: 2",
    ] {
        assert!(is_foreign(text), "{text}");
    }
    for text in
        ["bastide: 1\nname: a\n", "bastide: 1\nversion: 1\n", "name: a\n", "", "- version: 1", "a: {version: 1}"]
    {
        assert!(!is_foreign(text), "{text}");
    }
    assert_eq!(imported("version: 1").policy.name, "team");
    let named = import(&source("version: 1"), Some("other")).expect("understood");
    assert_eq!(named.policy.name, "other");
}

#[test]
fn what_could_mean_several_things_is_refused_with_its_place() {
    let endpoint = |keys: &str| entry(&format!("{{{keys}}}"));
    for (text, code, line, column) in [
        ("version: 2".to_owned(), "E-POLICY-003", 1, 10),
        ("landlock: {}".to_owned(), "E-POLICY-021", 0, 0),
        ("version: 1\ncolour: red".to_owned(), "E-POLICY-019", 2, 1),
        ("version: 1\nversion: 1".to_owned(), "E-POLICY-020", 2, 1),
        ("version: 1\nnetwork_policies: [a]".to_owned(), "E-POLICY-021", 2, 0),
        ("version: 1\nnetwork_policies: &a {}".to_owned(), "E-POLICY-009", 2, 0),
        ("version: 1\nlandlock: !x {}".to_owned(), "E-POLICY-009", 2, 0),
        ("preset: {}".to_owned(), "E-POLICY-021", 1, 0),
        (endpoint("host: a.com, port: 443, colour: red"), "E-POLICY-019", 6, 0),
        (endpoint("host: a.com, port: 70000"), "E-POLICY-021", 6, 0),
        (endpoint("host: a.com, port: 0"), "E-POLICY-027", 6, 0),
        (endpoint("host: a.com, port: 443, ports: [80]"), "E-POLICY-027", 6, 0),
        (endpoint("host: a.com"), "E-POLICY-027", 6, 9),
        (endpoint("port: 443"), "E-POLICY-027", 6, 9),
        (endpoint("host: a.com, port: 443, access: full, rules: []"), "E-POLICY-027", 6, 0),
        (endpoint("host: a.com, port: 443, access: some"), "E-POLICY-014", 6, 0),
        (endpoint("host: a.com, port: 443, protocol: ftp"), "E-POLICY-014", 6, 0),
        (endpoint("host: a.com, port: 443, tls: open"), "E-POLICY-014", 6, 0),
        (endpoint("host: a.com, port: 443, enforcement: maybe"), "E-POLICY-014", 6, 0),
        (endpoint("host: a.com, port: 443, deny_rules: null"), "E-POLICY-021", 6, 0),
        (endpoint("host: a.com, port: 443, rules: [{deny: {method: GET}}]"), "E-POLICY-019", 6, 0),
        (entry(&"{host: a.com, port: 443}\n".repeat(1001)), "E-POLICY-027", 1006, 9),
    ] {
        let error = import(&source(&text), None).expect_err(&text);
        let at = &error.location;
        assert_eq!((error.code.as_str(), at.line), (code, line), "{error}\n{text:.300}");
        assert!(column == 0 || at.column == column, "{error}");
        assert!(error.hint.is_some() && CODES.iter().any(|(known, _)| *known == error.code), "{error:?}");
    }
}

/// Small ones in the shape of those that are published: each is understood, keeps all that it can, and tells the rest.
#[test]
fn policies_in_the_shape_of_published_ones() {
    for (text, allow, notes) in SHAPES {
        let found = imported(text);
        same_when_printed(&found.policy);
        assert_eq!(
            (found.policy.network.allow.len(), found.notes.len()),
            (*allow, *notes),
            "{text}\n{}\n{:#?}",
            found.policy.to_yaml(),
            found.notes
        );
    }
}

/// A text, and how many rules and notes come of it.
const SHAPES: &[(&str, usize, usize)] = &[
    // A whole policy with files, an inspected provider and an inspected forge.
    (
        "version: 1\nfilesystem_policy:\n  include_workdir: true\n  read_only: [/usr, /lib, /proc, /dev/urandom, /app, /etc, /var/log]\n  read_write: [/sandbox, /tmp, /dev/null]\nlandlock:\n  compatibility: best_effort\nprocess:\n  run_as_user: sandbox\n  run_as_group: sandbox\nnetwork_policies:\n  agent:\n    name: agent\n    endpoints:\n      - { host: llm.example.com, port: 443, protocol: rest, enforcement: enforce, access: full, tls: terminate }\n      - { host: stats.example.com, port: 443 }\n    binaries:\n      - { path: /usr/local/bin/agent }\n      - { path: /usr/bin/node }\n  forge:\n    endpoints:\n      - host: forge.example.com\n        port: 443\n        protocol: rest\n        tls: terminate\n        enforcement: enforce\n        rules:\n          - allow: { method: GET, path: \"/**/info/refs*\" }\n          - allow: { method: POST, path: \"/**/git-upload-pack\" }\n    binaries:\n      - { path: /usr/bin/git }\n",
        5,
        17,
    ),
    // A preset for a service of the host, by the gateway's name.
    (
        "preset:\n  name: local-model\n  description: \"models of the host\"\nnetwork_policies:\n  local_model:\n    name: local_model\n    endpoints:\n      - host: host.openshell.internal\n        port: 11434\n        protocol: rest\n        enforcement: enforce\n        allowed_ips: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]\n        rules:\n          - allow: { method: GET, path: \"/**\" }\n          - allow: { method: POST, path: \"/v1/chat/completions\" }\n    binaries:\n      - { path: /opt/venv/bin/python3* }\n",
        0,
        5,
    ),
    // A preset for a chat service: requests by one way, a socket by another.
    (
        "preset:\n  name: chat\n  description: a chat service\nnetwork_policies:\n  chat:\n    name: chat\n    endpoints:\n      - host: chat.example.com\n        port: 443\n        protocol: rest\n        enforcement: enforce\n        request_body_credential_rewrite: true\n        rules:\n          - allow: { method: GET, path: \"/**\" }\n          - allow: { method: POST, path: \"/**\" }\n      - host: socket.example.com\n        port: 443\n        access: full\n        tls: skip\n      - host: \"*.gateway.example.com\"\n        port: 443\n        protocol: websocket\n        enforcement: enforce\n        websocket_credential_rewrite: true\n        rules:\n          - allow: { method: GET, path: \"/**\" }\n          - allow: { method: WEBSOCKET_TEXT, path: \"/**\" }\n    binaries:\n      - { path: /usr/local/bin/node }\n      - { path: \"/opt/tools/bin/*\" }\n",
        3,
        8,
    ),
    // A policy that only closes the working directory.
    (
        "version: 1\n\nfilesystem_policy:\n  include_workdir: false\n  read_only:\n    - \"C:/work/agent\"\n  read_write: []\n",
        0,
        4,
    ),
    // A deny-by-default policy with nothing in it.
    ("version: 1\nlandlock:\n  compatibility: hard_requirement\nnetwork_policies: {}\n", 0, 1),
];

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

/// Whatever is read: no panic, a known code or a policy that reads back to itself.
fn holds(text: &str) -> Result<bool, Diagnostic> {
    let found = import(&source(text), None)?;
    same_when_printed(&found.policy);
    assert!(found.notes.iter().all(|note| !note.what.is_empty() && !note.now.is_empty()));
    Ok(found.policy.network.default == policy::Default::Deny)
}

#[test]
fn any_text_is_read_or_refused() {
    let words = prop::sample::select(vec![
        "version",
        ": ",
        "1",
        "\n",
        "  ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "network_policies",
        "endpoints",
        "host",
        "a.example.com",
        "'*.example.com'",
        "port",
        "443",
        "protocol",
        "rest",
        "tcp",
        "access",
        "full",
        "rules",
        "allow",
        "method",
        "GET",
        "path",
        "/**",
        "'/a/*/b[0-9]?'",
        "deny_rules",
        "query",
        "any",
        "binaries",
        "/usr/bin/x*",
        "allowed_ips",
        "10.0.0.0/8",
        "tls",
        "skip",
        "preset",
        "name",
        "filesystem_policy",
        "read_only",
        "null",
        "true",
        "network_middlewares",
        "include",
        "&a",
        "*a",
        "\u{202e}",
        "\u{0}",
        "ä",
        "#",
    ]);
    let text = prop_oneof![
        1 => any::<String>(),
        4 => prop::collection::vec(words, 0..40).prop_map(|words| words.concat()),
    ];
    runner(2_000)
        .run(&text, |text| {
            let _ = is_foreign(&text);
            if let Err(error) = holds(&text) {
                prop_assert!(CODES.iter().any(|(known, _)| *known == error.code), "{:?}", error);
            }
            Ok(())
        })
        .expect("it holds");
}

/// Good files with some of their bytes changed, lines dropped or doubled.
#[test]
fn mutated_files_are_read_or_refused() {
    let mut seeds: Vec<String> = TABLE.iter().map(|row| entry(&row.0.replace("REST", REST))).collect();
    seeds.extend(SHAPES.iter().map(|shape| shape.0.to_owned()));
    let change = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8u8, "[ -~\n]{0,3}");
    let strategy = (prop::sample::select(seeds), prop::collection::vec(change, 1..3));
    let (mut read, mut refused) = (0, 0);
    let counts = std::cell::RefCell::new((&mut read, &mut refused));
    runner(3_000)
        .run(&strategy, |(mut text, changes)| {
            for (from, to, kind, with) in changes {
                let mut characters: Vec<char> = text.chars().collect();
                if characters.is_empty() {
                    break;
                }
                let (from, to) = (from.index(characters.len()), to.index(characters.len()));
                match kind {
                    0 => drop(characters.splice(from..=from, with.chars())),
                    1 => characters.swap(from, to),
                    2 => drop(characters.drain(from.min(to)..(from.min(to) + 4).min(characters.len()))),
                    3 => {
                        let copied: Vec<char> = characters[from.min(to)..=from.max(to)].to_vec();
                        characters.splice(to..to, copied);
                    }
                    // One letter for another leaves most files whole.
                    _ if characters[from].is_ascii_alphanumeric() => characters[from] = char::from(b'a' + kind * 3),
                    _ => {}
                }
                text = characters.into_iter().collect();
            }
            let mut counts = counts.borrow_mut();
            match holds(&text) {
                Ok(denies) => {
                    prop_assert!(denies);
                    *counts.0 += 1;
                }
                Err(error) => {
                    prop_assert!(CODES.iter().any(|(known, _)| *known == error.code), "{:?}", error);
                    *counts.1 += 1;
                }
            }
            Ok(())
        })
        .expect("it holds");
    assert!(read > 300 && refused > 300, "{read} read, {refused} refused");
}
