//! Servers of MCP in cells of their own, as a policy says them: read, written back, compared, and spoken with by rules like any
//! other.

use policy::mcp::Message;
use policy::read::{Diagnostic, Source, blueprint, read};
use policy::{
    Conjunction, Decision, Egress, Host, Outcome, Policy, Request, Rule, Target, decide, diff, explain, may_resolve,
    run_tests,
};
use serde_json::json;

fn from(text: &str, widens: bool) -> Result<Policy, Diagnostic> {
    read(&Source { name: "test.yaml".into(), text: text.into(), widens }, Some("/home/u"), &mut blueprint)
}

fn policy(body: &str) -> Policy {
    from(&format!("bastide: 1\nname: mine\n{body}"), true).unwrap_or_else(|why| panic!("{why}: {body}"))
}

const FULL: &str = r#"
servers:
  - name: github
    command: [npx, -y, "@modelcontextprotocol/server-github"]
    read: [~/tools, /opt/mcp]
    env: {CI: "1", QUOTED: "a \"b\""}
    limits: {memory: 512MiB, pids: 64, required: [memory]}
    network:
      allow: [{to: api.github.com, methods: [GET], credential: github}]
      deny: [{to: api.github.com, paths: [/user/**]}]
    allow:
      - {tools: ["get_*"], arguments: {owner: [acme]}}
      - {tools: [search], rate: 5/m}
    deny: [{tools: [get_secret]}]
  - {name: files, command: [/opt/mcp/files, stdio]}
"#;

const HOST: &str = "github.mcp.bastide.internal";

fn call(host: &Host, policies: &[&Policy], tool: &str, owner: &str) -> Outcome {
    let arguments = json!({"owner": owner}).as_object().cloned();
    let message = Message::Tool { name: tool.into(), arguments };
    let request = Request::new("POST", "/mcp").expect("a request").saying(message);
    let conjunction = Conjunction::new(policies.iter().copied().cloned().collect());
    let egress = Egress { host, port: 80, program: None, request: Some(&request) };
    let outcome = match decide(&conjunction, &egress) {
        Decision::Allow(permit) => {
            assert_eq!(permit.credential(), None);
            match permit.server() {
                Some(_) => Outcome::Allow,
                None => Outcome::Deny,
            }
        }
        Decision::Read => Outcome::Read,
        Decision::Ask(_) => Outcome::Ask,
        Decision::Deny(_) => Outcome::Deny,
    };
    if outcome != Outcome::Deny {
        assert_eq!(explain(&conjunction, &egress).outcome, outcome);
    }
    outcome
}

#[test]
fn a_server_is_read_whole_and_printed_so_that_it_reads_back() {
    let read = policy(FULL);
    let [github, files] = &read.servers[..] else { panic!("{:?}", read.servers) };
    assert_eq!((github.name.as_str(), files.command[0].as_str()), ("github", "/opt/mcp/files"));
    assert_eq!(github.read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/home/u/tools", "/opt/mcp"]);
    assert_eq!(github.limits.memory, Some(512 << 20));
    let rule = &github.network.allow[0];
    assert_eq!(rule.credential.as_ref().map(|credential| credential.name.as_str()), Some("github"));
    // What may be said are rules like any other, and nothing else of the section is.
    let rules: Vec<String> = read.network.allow.iter().map(ToString::to_string).collect();
    assert_eq!(rules.len(), 2, "{rules:?}");
    assert!(rules[0].starts_with(&format!("{{to: \"{HOST}:80\", protocol: mcp, tools: [\"get_*\"]")), "{rules:?}");
    assert_eq!(read.network.deny.len(), 1);
    let again = from(&read.to_yaml(), true).unwrap_or_else(|why| panic!("{why}: {}", read.to_yaml()));
    assert_eq!(again, read, "{}", read.to_yaml());
}

#[test]
fn tools_and_arguments_are_judged_as_of_any_server() {
    let (read, host) = (policy(FULL), Host::parse(HOST).expect("a host"));
    for (tool, owner, outcome) in [
        ("get_issue", "acme", Outcome::Allow),
        ("get_issue", "other", Outcome::Deny),
        ("get_secret", "acme", Outcome::Deny),
        ("search", "anybody", Outcome::Allow),
        ("delete_repo", "acme", Outcome::Deny),
    ] {
        assert_eq!(call(&host, &[&read], tool, owner), outcome, "{tool} {owner}");
    }
    let tests = policy(&format!(
        "{FULL}tests:\n  - {{to: \"{HOST}:80/mcp\", tool: get_issue, arguments: {{owner: acme}}, expect: allow}}\n  - {{to: \
         \"{HOST}:80/mcp\", tool: wipe, expect: deny}}\n"
    ));
    let path = |text: &str| policy::CanonicalPath::parse(text).expect("a path");
    let (workspace, home) = (path("/work"), path("/home/u"));
    let place = policy::Place { workspace: &workspace, home: &home, mode: policy::WorkspaceMode::Review };
    let outcomes = run_tests(&tests, &place);
    assert!(outcomes.len() == 2 && outcomes.iter().all(|test| test.passed), "{outcomes:?}");
    let conjunction = Conjunction::new(vec![read]);
    let name = |text: &str| policy::DnsName::parse(text).expect("a name");
    assert_eq!(may_resolve(&conjunction, &name(HOST)), Outcome::Allow);
    // Without a word on what may be said, it is not there.
    assert_eq!(may_resolve(&conjunction, &name("files.mcp.bastide.internal")), Outcome::Deny);
    assert_eq!(may_resolve(&conjunction, &name("mcp.bastide.internal")), Outcome::Deny);
}

#[test]
fn a_child_speaks_to_a_server_only_where_all_mean_the_same_one() {
    let (read, host) = (policy(FULL), Host::parse(HOST).expect("a host"));
    let told = |policies: &[&Policy]| call(&host, policies, "get_issue", "acme");
    assert_eq!(told(&[&read, &read]), Outcome::Allow);
    let without = Policy { servers: Vec::new(), ..read.clone() };
    let mut other = read.clone();
    other.servers[0].command = vec!["/bin/other".into()];
    let mut wider = read.clone();
    wider.servers[0].network.allow.push(Rule::to(Target::parse("everything.example").expect("a target")));
    let mut silent = read.clone();
    silent.network.allow.clear();
    for policies in [[&without, &read], [&read, &without], [&other, &read], [&read, &wider], [&read, &silent]] {
        assert_eq!(told(&policies), Outcome::Deny);
    }
}

#[test]
fn only_the_operators_own_file_has_servers_and_a_change_is_told() {
    let plain = policy("");
    let read = policy(FULL);
    let changes = diff(&plain, &read);
    let added: Vec<_> = changes.iter().filter(|change| change.key == "servers").collect();
    assert!(added.len() == 2 && added.iter().all(|change| change.widens && !change.narrows), "{changes:?}");
    assert!(diff(&read, &plain).iter().any(|change| change.key == "servers" && change.narrows));
    let refused = from(&format!("bastide: 1\nname: theirs\n{FULL}"), false).expect_err("widens");
    assert_eq!(refused.code, "E-POLICY-007");
    // A variable's value may be a secret.
    assert!(!refused.message.contains("QUOTED") && !refused.message.contains("CI"), "{refused}");
    // One that is said anew is another one.
    let own = "bastide: 1\nname: own\nextends: [base]\nservers: [{name: files, command: [/bin/other]}]\n";
    let base = Source { name: "base".into(), text: format!("bastide: 1\nname: base\n{FULL}"), widens: true };
    let source = Source { name: "own".into(), text: own.into(), widens: true };
    let laid = read_with(&source, &base);
    let commands: Vec<_> =
        laid.servers.iter().map(|server| (server.name.as_str(), server.command[0].as_str())).collect();
    assert_eq!(commands, [("github", "npx"), ("files", "/bin/other")]);
}

fn read_with(source: &Source, base: &Source) -> Policy {
    read(source, Some("/home/u"), &mut |name| (name == "base").then(|| base.clone())).expect("good")
}
