//! Presets: what each allows its tenant, and nothing of another's; arguments are names and never text of a policy.

use std::cell::Cell;

use policy::read::{PRESETS, Source, blueprint, preset, read};
use policy::{
    CanonicalPath, Conjunction, Decision, Egress, Host, HostPattern, Place, Policy, Position, Request, WorkspaceMode,
    decide, run_tests,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

fn filled(name: &str) -> Policy {
    let source = blueprint(name).unwrap_or_else(|| panic!("{name}: {:?}", preset(name)));
    read(&source, None, &mut blueprint).unwrap_or_else(|error| panic!("{error}"))
}

/// Whether a policy allows `METHOD HOST/PATH`, on the port of TLS.
fn allows(policy: &Policy, asked: &str) -> bool {
    let Ok((host, port, request)) = Request::parse_at(asked) else { return false };
    let conjunction = Conjunction::new(vec![policy.clone()]);
    let egress = Egress { host: &host, port: port.unwrap_or(443), program: None, request: Some(&request) };
    matches!(decide(&conjunction, &egress), Decision::Allow(_))
}

/// Names that YAML could take for something else, and the longest and shortest ones.
const OTHERS: &[&str] = &[
    "github:null/true",
    "github:0/1e3",
    "github:on/0x1f",
    "github:a_b-c/..a",
    "github:A/-",
    "npm:@0",
    "npm:@null",
    "pypi:0",
    "pypi:a-b-1",
    "crates-io:null",
    "crates-io:a_b-c",
    "huggingface:null/1.5",
    "slack:D01234567",
    "telegram:0",
    "telegram:@true",
    "discord:000000000000000",
    "jira:0/NO/0@1",
    "jira:a-b/A_1/a.b+c-d_e@x-y.example",
];

#[test]
fn every_preset_reads_and_keeps_what_it_says() {
    let longest = [
        format!("github:{}/{}", "a".repeat(39), "b".repeat(100)),
        format!("npm:@{}", "a".repeat(200)),
        format!("pypi:{}", "a".repeat(59)),
        format!("crates-io:{}", "a".repeat(54)),
        format!("jira:{}/{}/{}@{}", "a".repeat(60), "B".repeat(64), "c".repeat(120), "d".repeat(120)),
    ];
    let names = PRESETS.iter().map(|preset| preset.example());
    for name in names.chain(OTHERS.iter().map(ToString::to_string)).chain(longest) {
        let policy = filled(&name);
        let at = |path: &str| CanonicalPath::parse(path).unwrap();
        let (workspace, home) = (at("/w"), at("/home/u"));
        let place = Place { workspace: &workspace, home: &home, mode: WorkspaceMode::ReadOnly };
        let outcomes = run_tests(&policy, &place);
        let failed: Vec<_> = outcomes.iter().filter(|one| !one.passed).collect();
        assert!(outcomes.len() > 3 && failed.is_empty(), "{name}: {failed:#?}");
        let source = Source { name: "again".into(), text: policy.to_yaml(), widens: true };
        assert_eq!(read(&source, None, &mut |_| None).unwrap(), policy, "{name}");
    }
}

#[test]
fn a_preset_says_what_may_leave_and_nothing_else() {
    for preset in PRESETS {
        let policy = filled(&preset.example());
        let rest = Policy { network: policy.network.clone(), tests: policy.tests.clone(), ..Policy::default() };
        assert_eq!(Policy { name: String::new(), ..policy.clone() }, rest, "{}", preset.name);
        for rule in policy.network.allow.iter().chain(&policy.network.deny) {
            assert!(matches!(rule.to.host, HostPattern::Exact(_)) && rule.to.port == Some(443), "{rule}");
        }
        for rule in &policy.network.allow {
            assert!(!rule.methods.is_empty() && !rule.paths.is_empty(), "{rule}");
            assert_eq!(rule.credential.is_none(), preset.name.ends_with("-read"), "{rule}");
        }
        assert!(preset.arguments.iter().all(|argument| !argument.form.is_empty() && !argument.example.is_empty()));
        assert!(!preset.about.ends_with('.') && preset.about.len() < 100, "{}", preset.about);
    }
}

#[test]
fn a_tenant_is_bound_by_its_paths() {
    for (name, asked, expected) in [
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/", true),
        ("github:acme/widget", "HEAD api.github.com/repos/acme/widget/contents/a%2Fb", true),
        ("github:acme/widget", "DELETE api.github.com/repos/acme/widget/git/refs/heads/x", true),
        ("github:acme/widget", "GET api.github.com/repos/acme", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/other", false),
        ("github:acme/widget", "GET api.github.com/repos/evil/widget", false),
        ("github:acme/widget", "GET api.github.com/repos/acme%2Fwidget/issues", false),
        ("github:acme/widget", "GET api.github.com/repos/acme%5Cwidget/issues", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget%2F..%2Fother", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/../other", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/%2e%2E/other", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/..;/other", false),
        ("github:acme/widget", "GET api.github.com/repos/acme//widget", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/other;/widget", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget.git", false),
        ("github:acme/widget", "GET api.github.com/repos/Acme/Widget", false),
        ("github:acme/widget", "GET api.github.com/repositories/1/issues", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/HOOKS", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/hooks/", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/hooks;x/1", false),
        ("github:acme/widget", "GET api.github.com/repos/acme/widget/actions%2Fsecrets", false),
        ("github:acme/widget", "PUT api.github.com/repos/acme/widget/collaborators/evil", false),
        ("github:acme/widget", "PUT api.github.com/repos/acme/widget/branches/a/protection", false),
        ("github:acme/widget", "PUT api.github.com/repos/acme/widget/branches/a/b/protection", false),
        ("github:acme/widget", "POST api.github.com/repos/acme/widget/transfer", false),
        ("github:acme/widget", "DELETE api.github.com/repos/acme/widget/", false),
        ("github:acme/widget", "POST api.github.com/repos/acme/widget/dispatches", false),
        ("github:acme/widget", "POST api.github.com/repos/acme/widget/pulls/1/codespaces", false),
        ("github:acme/widget", "POST api.github.com/repos/acme/widget/forks", false),
        ("github:acme/widget", "OPTIONS api.github.com/repos/acme/widget", false),
        ("github:acme/widget", "GET github.com/acme/widget/info/refs?service=git-receive-pack", true),
        ("github:acme/widget", "POST github.com/acme/widget.git/git-upload-pack", true),
        ("github:acme/widget", "POST github.com/acme/widget.git/git-receive-pack/", false),
        ("github:acme/widget", "POST github.com/acme/widget.wiki.git/git-receive-pack", false),
        ("github:acme/widget", "POST github.com/acme/widget.git.git/git-receive-pack", false),
        ("github:acme/widget", "POST github.com/acme/widget.GIT/git-receive-pack", false),
        ("github:acme/widget", "POST github.com/acme/widget%2Egit/git-receive-pack", true),
        ("github:acme/widget", "POST github.com/acme/widget.git/info/lfs/objects/batch", false),
        ("github:acme/widget", "POST github.com/other/widget.git/git-receive-pack", false),
        ("github:acme/widget", "GET github.com:80/acme/widget/info/refs", false),
        ("github:acme/widget", "GET raw.githubusercontent.com/acme/widget/main/a", false),
        ("npm:@acme", "PUT registry.npmjs.org/@acme%2fwidget", true),
        ("npm:@acme", "PUT registry.npmjs.org/@acme%2Fwidget", true),
        ("npm:@acme", "PUT registry.npmjs.org/@acme/widget", true),
        ("npm:@acme", "PUT registry.npmjs.org/%40acme%2fwidget", true),
        ("npm:@acme", "PUT registry.npmjs.org/@acme%2fwidget%2f-rev%2f1", false),
        ("npm:@acme", "PUT registry.npmjs.org/@acme%2f..%2f@evil%2fwidget", false),
        ("npm:@acme", "PUT registry.npmjs.org/@acmex%2fwidget", false),
        ("npm:@acme", "PUT registry.npmjs.org/@acme", false),
        ("npm:@acme", "PUT registry.npmjs.org/@ACME%2fwidget", false),
        ("npm:@acme", "PUT registry.npmjs.org/acme", false),
        ("npm:@acme", "GET registry.npmjs.org/left-pad", false),
        ("npm:@acme", "DELETE registry.npmjs.org/-/package/@acme%2fwidget/dist-tags/old", true),
        ("npm:@acme", "PUT registry.npmjs.org/-/package/@evil%2fwidget/dist-tags/latest", false),
        ("npm:@acme", "PUT registry.npmjs.org/-/package/@acme%2fwidget%2faccess/dist-tags/x", false),
        ("npm:@acme", "POST registry.npmjs.org/-/package/@acme%2fwidget/trust", false),
        ("npm:@acme", "PUT registry.npmjs.org/-/user/org.couchdb.user:x", false),
        ("pypi:widget", "POST upload.pypi.org/legacy/", true),
        ("pypi:widget", "POST upload.pypi.org/legacy", false),
        ("pypi:widget", "PUT upload.pypi.org/legacy/", false),
        ("pypi:widget", "GET pypi.org/simple/widget/", false),
        ("crates-io:widget", "PUT crates.io/api/v1/crates/widget/1.0.0/unyank", true),
        ("crates-io:widget", "PUT crates.io/api/v1/crates/other/1.0.0/unyank", false),
        ("crates-io:widget", "DELETE crates.io/api/v1/crates/widget/owners", false),
        ("crates-io:widget", "GET crates.io/api/v1/crates/widget", false),
        ("huggingface:acme/widget", "POST huggingface.co/api/models/acme/widget/commit/refs%2Fpr%2F1", true),
        ("huggingface:acme/widget", "POST huggingface.co/api/datasets/acme/widget/commit/main", false),
        ("huggingface:acme/widget", "POST huggingface.co/api/models/acme/other/commit/main", false),
        ("huggingface:acme/widget", "POST huggingface.co/api/models/acme%2Fwidget/commit/main", false),
        ("huggingface:acme/widget", "GET huggingface.co/spaces/acme/widget/resolve/main/a", false),
        ("huggingface:acme/widget", "POST huggingface.co/api/repos/create", false),
        ("huggingface:acme/widget", "POST huggingface.co/api/models/acme/widget/user-access-request/grant", false),
        ("slack:C0123456789", "GET slack.com/api/chat.postMessage?channel=C0123456789&text=a+b", true),
        ("slack:C0123456789", "GET slack.com/api/chat.postMessage?channel=C0123456789&CHANNEL=C9", false),
        ("slack:C0123456789", "GET slack.com/api/chat.postMessage?channel=C0123456789;channel=C9", false),
        ("slack:C0123456789", "GET slack.com/api/chat.postMessage?channel=C0123456789&channel%5B%5D=C9", false),
        ("slack:C0123456789", "GET slack.com/api/chat.postMessage?channel=c0123456789", false),
        ("slack:C0123456789", "GET slack.com/api/search.messages?query=key", false),
        ("telegram:-100123", "GET api.telegram.org/botbastide-credential-telegram/sendMessage?chat_id=-100123", true),
        ("telegram:@acme", "GET api.telegram.org/bot1:x/sendMessage?chat_id=%40acme&text=a", true),
        ("telegram:-100123", "GET api.telegram.org/bot1/sendMessage?chat_id=100123", false),
        ("telegram:-100123", "GET api.telegram.org/bot1/sendMessage?chat_id=-100123&chat.id=5", false),
        ("telegram:-100123", "GET api.telegram.org/bot1/forwardMessage?chat_id=-100123&from_chat_id=5", false),
        ("telegram:-100123", "GET api.telegram.org/file/bot1/documents/a", false),
        ("telegram:-100123", "GET api.telegram.org/bot1/test/sendMessage?chat_id=-100123", false),
        ("telegram:-100123", "GET api.telegram.org/x/sendMessage?chat_id=-100123", false),
        ("discord:123456789012345678", "PATCH discord.com/api/v10/channels/123456789012345678/messages/9", true),
        ("discord:123456789012345678", "POST discord.com/api/v9/channels/123456789012345678/messages", false),
        ("discord:123456789012345678", "DELETE discord.com/api/v10/channels/123456789012345678/messages/9", false),
        ("discord:123456789012345678", "POST discord.com/api/v10/channels/123456789012345679/messages", false),
        ("discord:123456789012345678", "GET discord.com/api/v10/guilds/1/channels", false),
        ("jira:acme/WID/a@b.c", "PUT acme.atlassian.net/rest/api/3/issue/WID-12", true),
        ("jira:acme/WID/a@b.c", "PUT acme.atlassian.net/rest/api/3/issue/WID-12%2Fnotify", false),
        ("jira:acme/WID/a@b.c", "PUT acme.atlassian.net/rest/api/3/issue/WIDE-12", false),
        ("jira:acme/WID/a@b.c", "PUT acme.atlassian.net/rest/api/3/issue/wid-12", false),
        ("jira:acme/WID/a@b.c", "DELETE acme.atlassian.net/rest/api/3/issue/WID-12", false),
        ("jira:acme/WID/a@b.c", "PUT other.atlassian.net/rest/api/3/issue/WID-12", false),
        ("jira:acme/WID/a@b.c", "GET acme.atlassian.net/rest/api/3/search/jql?jql=project=WID&jql=project=X", false),
        ("jira:acme/WID/a@b.c", "GET acme.atlassian.net/rest/api/2/issue/WID-12", false),
        ("npm-read", "GET registry.npmjs.org/@acme%2fwidget", true),
        ("npm-read", "GET registry.npmjs.org/-/whoami", false),
        ("pypi-read", "GET pypi.org/simple/widget/", true),
        ("pypi-read", "POST upload.pypi.org/legacy/", false),
        ("crates-io-read", "GET index.crates.io/3/a/abc", true),
        ("crates-io-read", "PUT crates.io/api/v1/crates/new", false),
    ] {
        assert_eq!(allows(&filled(name), asked), expected, "{name}: {asked}");
    }
}

/// The position of each secret is the one that the service wants.
#[test]
fn a_secret_stands_where_its_service_wants_it() {
    let header = |prefix: &str| Position::Header { name: "authorization".into(), prefix: prefix.into() };
    let basic = |user: &str| Position::Basic { user: user.into() };
    for (name, expected) in [
        ("github:acme/widget", vec![("github", header("Bearer ")), ("github-git", basic("x-access-token"))]),
        ("npm:@acme", vec![("npm", header("Bearer "))]),
        ("pypi:widget", vec![("pypi-widget", basic("__token__"))]),
        ("crates-io:widget", vec![("crates-io-widget", header(""))]),
        ("huggingface:acme/widget", vec![("huggingface", header("Bearer "))]),
        ("slack:C0123456789", vec![("slack", header("Bearer "))]),
        ("telegram:1", vec![("telegram", Position::Segment { prefix: "bot".into() })]),
        ("discord:123456789012345678", vec![("discord", header("Bot "))]),
        ("jira:acme/WID/agent@acme.example", vec![("jira", basic("agent@acme.example"))]),
        ("npm-read", Vec::new()),
    ] {
        let mut found: Vec<_> = filled(name).network.allow.into_iter().filter_map(|rule| rule.credential).collect();
        found.sort();
        found.dedup();
        let found: Vec<_> = found.into_iter().map(|credential| (credential.name, credential.position)).collect();
        let expected: Vec<_> = expected.into_iter().map(|(name, position)| (name.to_owned(), position)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_its_form() {
    for (name, about) in [
        ("github", "takes 2 arguments"),
        ("github:", "takes 2 arguments"),
        ("github:acme", "takes 2 arguments"),
        ("github:acme/widget/issues", "takes 2 arguments"),
        ("github:/widget", "bad OWNER"),
        ("github:acme/", "bad REPOSITORY"),
        ("github:acme/..", "bad REPOSITORY"),
        ("github:../widget", "bad OWNER"),
        ("github:acme/widget.git", "bad REPOSITORY"),
        ("github:acme/Widget.WIKI", "bad REPOSITORY"),
        ("github:acme/*", "bad REPOSITORY"),
        ("github:*/widget", "bad OWNER"),
        ("github:acme/wid%67et", "bad REPOSITORY"),
        ("github:acme/%2e%2e", "bad REPOSITORY"),
        ("github:acme/a;b", "bad REPOSITORY"),
        ("github:acme/a b", "bad REPOSITORY"),
        ("github:acme/a?b", "bad REPOSITORY"),
        ("github:acme/widget\"], methods: [GET", "bad REPOSITORY"),
        ("github:acme/widget\n", "bad REPOSITORY"),
        ("github:acme/widget\\", "bad REPOSITORY"),
        ("github:{repository}/x", "bad OWNER"),
        ("github:acme/w\u{ef}dget", "bad REPOSITORY"),
        ("github: acme/widget", "bad OWNER"),
        ("github:-acme/widget", "bad OWNER"),
        ("npm:acme", "bad SCOPE"),
        ("npm:@", "bad SCOPE"),
        ("npm:@Acme", "bad SCOPE"),
        ("npm:@acme/widget", "takes 1 argument,"),
        ("npm:@acme%2Fwidget", "bad SCOPE"),
        ("npm:@.acme", "bad SCOPE"),
        ("npm-read:", "takes 0 arguments"),
        ("npm-read:@acme", "takes 0 arguments"),
        ("pypi:Widget", "bad PROJECT"),
        ("pypi:wid.get", "bad PROJECT"),
        ("pypi:wid--get", "bad PROJECT"),
        ("pypi:-widget", "bad PROJECT"),
        ("crates-io:1widget", "bad CRATE"),
        ("crates-io:Widget", "bad CRATE"),
        ("huggingface:datasets/acme", "bad OWNER"),
        ("huggingface:API/models", "bad OWNER"),
        ("huggingface:acme/widget.git", "bad REPOSITORY"),
        ("slack:general", "bad CHANNEL"),
        ("slack:#general", "bad CHANNEL"),
        ("slack:C012345*", "bad CHANNEL"),
        ("slack:U0123456789", "bad CHANNEL"),
        ("telegram:*", "bad CHAT"),
        ("telegram:--1", "bad CHAT"),
        ("telegram:-", "bad CHAT"),
        ("telegram:@a b c", "bad CHAT"),
        ("telegram:%40acme", "bad CHAT"),
        ("discord:1*", "bad CHANNEL"),
        ("discord:@me", "bad CHANNEL"),
        ("jira:acme/WID", "takes 3 arguments"),
        ("jira:acme.evil.example#/WID/a@b.c", "bad SITE"),
        ("jira:acme-/WID/a@b.c", "bad SITE"),
        ("jira:acme/wid/a@b.c", "bad PROJECT"),
        ("jira:acme/W/a@b.c", "bad PROJECT"),
        ("jira:acme/WID OR X/a@b.c", "bad PROJECT"),
        ("jira:acme/WID/a:b@c", "bad USER"),
        ("jira:acme/WID/a@b@c", "bad USER"),
        ("jira:acme/WID/nobody", "bad USER"),
    ] {
        let error = preset(name).unwrap().expect_err(name);
        assert!(error.message.contains(about), "{name}: {error}");
        let usage = PRESETS.iter().find(|one| name.split(':').next() == Some(one.name)).unwrap().usage();
        assert!(error.hint.contains(&usage), "{name}: {}", error.hint);
        assert!(!error.message.contains('\n') && blueprint(name).is_none(), "{name}");
        // Where a policy extends it, at its place.
        let text = format!("bastide: 1\nname: a\nextends: [hardened, {}]\n", serde_json::to_string(name).unwrap());
        let source = Source { name: "own.yaml".into(), text, widens: true };
        let error = read(&source, None, &mut blueprint).expect_err(name);
        let place = (error.location.file.as_str(), error.location.line, error.location.column);
        assert_eq!((error.code.as_str(), place), ("E-POLICY-028", ("own.yaml", 3, 21)), "{name}: {error}");
        assert!(error.hint.is_some_and(|hint| hint.contains(&usage)), "{name}");
    }
    assert!(preset("nothing:acme/widget").is_none() && preset("hardened").is_none() && preset("GitHub:a/b").is_none());
}

#[test]
fn presets_stand_beside_one_another() {
    let text = "bastide: 1\nname: both\nextends: [strict, \"github:acme/widget\", \"github:acme/other\", \"npm:@acme\", \"npm:@evil\", npm-read]\n";
    let source = Source { name: "own.yaml".into(), text: text.into(), widens: true };
    let policy = read(&source, None, &mut blueprint).unwrap();
    assert!(
        allows(&policy, "GET api.github.com/repos/acme/widget")
            && allows(&policy, "GET api.github.com/repos/acme/other")
    );
    assert!(!allows(&policy, "GET api.github.com/repos/acme/third"));
    assert!(!allows(&policy, "GET api.github.com/repos/acme/other/keys"));
    assert!(policy.files.workspace == WorkspaceMode::ReadOnly && !policy.files.read.is_empty());
    // A secret goes with what its tenant's rule takes, and with nothing that is public.
    let lent = |asked: &str| {
        let (host, _, request) = Request::parse_at(asked).unwrap();
        let conjunction = Conjunction::new(vec![policy.clone()]);
        match decide(&conjunction, &Egress { host: &host, port: 443, program: None, request: Some(&request) }) {
            Decision::Allow(permit) => permit.credential().map(|credential| credential.name.clone()),
            other => panic!("{asked}: {other:?}"),
        }
    };
    assert_eq!(lent("GET registry.npmjs.org/@acme%2fwidget").as_deref(), Some("npm"));
    assert_eq!(lent("GET registry.npmjs.org/@evil/widget").as_deref(), Some("npm"));
    assert_eq!((lent("GET registry.npmjs.org/left-pad"), lent("GET registry.npmjs.org/@types/node")), (None, None));
}

/// A layer that may only narrow names no tenant of its own.
#[test]
fn a_preset_widens_no_further_than_whoever_names_it() {
    let world = |name: &str| match name {
        "theirs" => {
            let text = "bastide: 1\nname: theirs\nextends: [\"github:evil/sink\"]\n".into();
            Some(Source { name: name.into(), text, widens: false })
        }
        _ => blueprint(name),
    };
    let own = |extends: &str| {
        let text = format!("bastide: 1\nname: own\nextends: [{extends}]\n");
        read(&Source { name: "own".into(), text, widens: true }, None, &mut { world })
    };
    assert_eq!(own("hardened, theirs").map_err(|error| error.code), Err("E-POLICY-007".into()));
    assert!(own("hardened, \"github:evil/sink\", theirs").is_ok());
}

// Whatever is written for a name, and whatever is asked: what is allowed lies within the tenant.

/// The tenants of presets that paths bind: host, and the segments that each path begins with.
fn tenants(name: &str, said: &[String]) -> Vec<(&'static str, Vec<String>)> {
    let path = |host, path: String| (host, path.split('/').map(str::to_owned).collect());
    match (name, said) {
        ("github", [owner, repository]) => vec![
            path("api.github.com", format!("repos/{owner}/{repository}")),
            path("github.com", format!("{owner}/{repository}")),
            path("github.com", format!("{owner}/{repository}.git")),
        ],
        ("npm", [scope]) => {
            vec![path("registry.npmjs.org", scope.clone()), path("registry.npmjs.org", format!("-/package/{scope}"))]
        }
        ("huggingface", [owner, repository]) => vec![
            path("huggingface.co", format!("api/models/{owner}/{repository}")),
            path("huggingface.co", format!("{owner}/{repository}")),
        ],
        ("discord", [channel]) => vec![path("discord.com", format!("api/v10/channels/{channel}"))],
        _ => panic!("{name}"),
    }
}

/// The segments of a path to a server that decodes first, and to one that cuts `;` off as well. Shares nothing with the
/// reader that is tested.
fn read_as(path: &str) -> [Vec<String>; 2] {
    let (mut text, mut rest) = (String::new(), path);
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        text.push(char::from(u8::from_str_radix(&rest[at + 1..at + 3], 16).unwrap()));
        rest = &rest[at + 3..];
    }
    text.push_str(rest);
    let segments: Vec<String> = text.replace('\\', "/").split('/').skip(1).map(str::to_owned).collect();
    let cut = segments.iter().map(|segment| segment.split(';').next().unwrap().to_owned()).collect();
    [segments, cut]
}

/// Mostly what is taken for a name of this preset, and what tries to be more.
fn argument(name: &str) -> BoxedStrategy<String> {
    let usual = match name {
        "npm" => "@[a-z0-9][a-z0-9._-]{0,5}",
        "discord" => "[0-9]{15,20}",
        _ => "[A-Za-z0-9][A-Za-z0-9._-]{0,5}",
    };
    let odd = vec!["..", ".", "**", "%2e%2e", "a%2fb", "api", "repos", "-", "@acme", "a;b", "a\\b", "{owner}"];
    prop_oneof![
        9 => usual,
        1 => "[a-z.%/*;{}\"'\\\\ @~?#\n-]{0,6}",
        1 => prop::sample::select(odd).prop_map(str::to_owned),
    ]
    .boxed()
}

/// What a rule has behind a tenant's own segments.
fn behind(host: &str, first: &str) -> [&'static str; 3] {
    match (host, first) {
        ("api.github.com", _) => ["", "issues/1", "contents/a/b"],
        ("github.com", _) => ["info/refs", "git-upload-pack", "git-receive-pack"],
        (_, "-") => ["widget/dist-tags", "widget/dist-tags/x", "widget/access"],
        ("registry.npmjs.org", _) => ["widget", "a", "widget/-/widget-1.tgz"],
        ("discord.com", _) => ["messages", "messages/1", ""],
        (_, "api") => ["", "tree/main", "commit/main"],
        _ => ["resolve/main/a", "raw/main/a", "resolve/main/b/c"],
    }
}

/// One change to a path: a segment in the place of another or before it, or another separator.
type Change = (usize, bool, String, &'static str);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let odd =
        vec!["..", ".", "%2e%2e", "", "x", "api", "models", "repos", "-", "package", "other", "%2e", "a;b", "..;"];
    let piece = prop_oneof![prop::sample::select(odd).prop_map(str::to_owned), "[a-z0-9.;%@_-]{0,4}"];
    let separator = prop::sample::select(vec!["/", "/", "/", "%2F", "%2f", "%5C", "//", ";/", ".git/", ";x/", "%252F"]);
    prop::collection::vec((0..8usize, any::<bool>(), piece, separator), 0..3)
}

/// The path with the changes in it.
fn changed(segments: Vec<String>, changes: &[Change]) -> String {
    let mut pieces: Vec<(&str, String)> = segments.into_iter().map(|segment| ("/", segment)).collect();
    for (at, instead, segment, separator) in changes {
        let at = at % pieces.len();
        pieces[at].0 = separator;
        if *instead {
            pieces[at].1.clone_from(segment);
        } else if !segment.is_empty() {
            pieces.insert(at, ("/", segment.clone()));
        }
    }
    // A path begins with a slash, whatever separates the rest.
    let rest: String = pieces.into_iter().map(|(separator, segment)| format!("{separator}{segment}")).collect();
    if rest.starts_with('/') { rest } else { format!("/{rest}") }
}

#[test]
fn no_name_lets_a_request_out_of_its_tenant() {
    let named = prop::sample::select(vec!["github", "npm", "huggingface", "discord"]).prop_flat_map(|name| {
        let count = PRESETS.iter().find(|preset| preset.name == name).unwrap().arguments.len();
        (Just(name), prop::collection::vec(argument(name), count))
    });
    let method = prop::sample::select(vec!["GET", "GET", "PUT", "POST", "PATCH", "DELETE"]);
    let (taken, allowed) = (Cell::new(0), Cell::new(0));
    let config = Config { cases: 6_000, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(
        &(named, method, changes(), 0..12usize),
        |((name, said), method, changes, which)| {
            let Some(Ok(source)) = preset(&format!("{name}:{}", said.join("/"))) else { return Ok(()) };
            let policy = read(&source, None, &mut blueprint)
                .map_err(|error| TestCaseError::fail(format!("{}: {error}", source.name)))?;
            taken.set(taken.get() + 1);
            let tenants = tenants(name, &said);
            let (host, prefix) = &tenants[which % tenants.len()];
            let behind =
                behind(host, &prefix[0])[which / 4].split('/').filter(|segment| !segment.is_empty()).map(str::to_owned);
            let asked = changed(prefix.iter().cloned().chain(behind).collect(), &changes);
            if !allows(&policy, &format!("{method} {host}{asked}")) {
                return Ok(());
            }
            allowed.set(allowed.get() + 1);
            for segments in read_as(&asked) {
                let within = |(other, prefix): &(&str, Vec<String>)| {
                    other == host && segments.len() >= prefix.len() && segments[..prefix.len()] == prefix[..]
                };
                prop_assert!(tenants.iter().any(within), "{}: {method} {host}{asked}", source.name);
                prop_assert!(!segments.iter().any(|segment| segment == ".." || segment == "."), "{asked}");
            }
            Ok(())
        },
    );
    run.unwrap();
    assert!(taken.get() > 3_000 && allowed.get() > 500, "{} {}", taken.get(), allowed.get());
}

/// No other host is opened, whoever it is for.
#[test]
fn a_preset_opens_its_own_hosts_alone() {
    for one in PRESETS {
        let policy = filled(&one.example());
        for host in ["example.com", "api.github.com.evil.example", "gist.github.com", "evil.atlassian.net", "10.0.0.1"]
        {
            let host = Host::parse(host).unwrap();
            let egress = Egress { host: &host, port: 443, program: None, request: None };
            let conjunction = Conjunction::new(vec![policy.clone()]);
            assert!(matches!(decide(&conjunction, &egress), Decision::Deny(_)), "{}: {host}", one.name);
        }
    }
}
