//! The language end to end: what is printed reads back, what is observed becomes a policy, examples are judged as a
//! cell is, and file answers agree with a second, naive reading of the policy.

use std::cell::Cell;

use policy::read::{Source, blueprint, read};
use policy::{
    Access, Agents, Amounts, CanonicalPath, Cidr, Conjunction, Decision, Default, Egress, Example, ExamplePath, Files,
    Host, HostPattern, Limit, Limits, Money, Network, Observed, Outcome, Place, Policy, ProgramPattern, Rate, Reading,
    Request, Rule, Stead, Target, WorkspaceMode, Writing, decide, diff, file, run_tests, suggest_policy,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

fn text(text: &str) -> Policy {
    read(&Source { name: "test".into(), text: text.into(), widens: true }, Some("/home/u"), &mut blueprint)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn path(text: &str) -> CanonicalPath {
    CanonicalPath::parse(text).expect("a path")
}

// What a policy may hold, odd characters included.

fn any_path() -> impl Strategy<Value = CanonicalPath> {
    "(/[a-c.#:'\"\\\\ äß*&!%@`~\u{202e}\u{85}-]{1,3}){1,3}"
        .prop_filter_map("canonical", |text| CanonicalPath::parse(&text).ok())
}

fn relative() -> impl Strategy<Value = String> {
    any_path().prop_map(|path| path.as_str()[1..].to_owned())
}

fn target() -> impl Strategy<Value = Target> {
    let host = "([ab]\\.com|\\*\\.a\\.com|\\+\\.a\\.com|x\\+\\.b\\.com|10\\.0\\.0\\.[0-9]|10\\.0\\.0\\.0/8|\\[fd00::[1-9]\\]|\\[fd00::/8\\]|host\\.bastide)";
    (host, 1..4u16, any::<bool>()).prop_map(|(host, port, every)| {
        let every = every && host != "host.bastide";
        Target::parse(&if every { host } else { format!("{host}:{port}") }).expect("a target")
    })
}

fn rules(programs: usize) -> impl Strategy<Value = Vec<Rule>> {
    let program = any_path().prop_filter_map("a pattern", |path| ProgramPattern::parse(path.as_str()).ok());
    let network = prop::sample::select(vec!["10.0.0.0/8", "10.1.0.0/16", "fd00::/8", "192.0.2.1/32"]);
    let addresses = prop::collection::vec(network.prop_map(|text| Cidr::parse(text).expect("a network")), 0..=programs);
    let rule = (target(), prop::collection::vec(program, 0..=programs), addresses);
    let rule = rule.prop_map(|(to, programs, addresses)| {
        let named = match &to.host {
            HostPattern::Exact(name) => !name.is_host_bastide(),
            HostPattern::Below(_) | HostPattern::Shaped(_) => true,
            _ => false,
        };
        let addresses = if named { unique(addresses) } else { Vec::new() };
        Rule { programs, addresses, ..Rule::to(to) }
    });
    prop::collection::vec(rule, 0..4).prop_map(unique)
}

fn unique<T: PartialEq>(items: Vec<T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}

fn limits() -> impl Strategy<Value = Limits> {
    let value = || prop::option::of(prop_oneof![1..5000u64, (1..9u64).prop_map(|gib| gib << 30), Just(u64::MAX)]);
    let required = prop::collection::btree_set(prop::sample::select(Limit::ALL.to_vec()), 0..3);
    let time = value().prop_map(|time| time.map(|seconds| seconds.min(policy::MOST_TIME)));
    (value(), value(), value(), time, value(), required).prop_map(|(memory, pids, cpu, time, disk, required)| Limits {
        memory,
        pids,
        cpu,
        time,
        disk,
        required,
    })
}

fn agents() -> impl Strategy<Value = Agents> {
    let value = || prop::option::of(prop_oneof![1..5000u64, Just(u64::MAX)]);
    let rate =
        (1..500u64, prop::sample::select(vec![1, 60, 3600])).prop_map(|(count, seconds)| Rate { count, seconds });
    let money =
        prop::option::of((1..9_999_999u64).prop_map(|micros| Money { micros, currency: "EUR".parse().expect("one") }));
    let most = (value(), value(), money, limits()).prop_map(|(tokens, requests, money, limits)| Amounts {
        tokens,
        requests,
        money,
        time: limits.time,
        memory: limits.memory,
        pids: limits.pids,
    });
    (1..=8u32, 1..=256u32, 1..=1_000_000u32, rate, most).prop_map(|(depth, children, total, rate, most)| Agents {
        depth,
        children,
        total,
        rate,
        most,
    })
}

fn example() -> impl Strategy<Value = Example> {
    let place = || {
        prop_oneof![
            any_path().prop_map(ExamplePath::Absolute),
            relative().prop_filter("not the home", |name| !name.starts_with('~')).prop_map(ExamplePath::Workspace)
        ]
    };
    let host = "(a\\.com|10\\.0\\.0\\.1|fd00::1)".prop_map(|text| Host::parse(&text).expect("a host"));
    let outcomes = prop::sample::select(vec![Outcome::Allow, Outcome::Ask, Outcome::Deny]);
    let readings = prop::sample::select(vec![Reading::Readable, Reading::Absent, Reading::Hidden]);
    let writings = prop::sample::select(vec![Writing::Writable, Writing::Guarded, Writing::Refused]);
    prop_oneof![
        (host, 1..9u16, prop::option::of(any_path()), outcomes)
            .prop_map(|(host, port, program, expect)| Example::Connect { host, port, program, expect }),
        (place(), readings).prop_map(|(path, expect)| Example::Read { path, expect }),
        (place(), writings).prop_map(|(path, expect)| Example::Write { path, expect }),
    ]
}

fn modes() -> impl Strategy<Value = WorkspaceMode> {
    prop::sample::select(vec![WorkspaceMode::ReadOnly, WorkspaceMode::Review, WorkspaceMode::Live])
}

fn policies() -> impl Strategy<Value = Policy> {
    let paths = || prop::collection::vec(any_path(), 0..3).prop_map(unique);
    let files = (modes(), paths(), paths(), paths(), prop::collection::vec(relative(), 0..3).prop_map(unique))
        .prop_map(|(workspace, read, write, hide, guard)| Files { workspace, read, write, hide, guard });
    let environment = prop::collection::btree_map("[A-Za-z_][A-Z0-9_]{0,3}", "[ -~äß\n\t\u{1b}\u{202e}]{0,9}", 0..3);
    let default = prop_oneof![Just(Default::Deny), Just(Default::Ask)];
    let network = (default, rules(2), rules(0)).prop_map(|(default, allow, deny)| Network { default, allow, deny });
    let name =
        "[a-z#:'\"\\\\ä*&!~-][ a-z#:'\"\\\\ä*&!~-]{0,9}".prop_filter("not blank", |name| !name.trim().is_empty());
    let tests = prop::collection::vec(example(), 0..3);
    (name, files, environment, limits(), network, tests, prop::option::of(agents())).prop_map(
        |(name, files, environment, limits, network, tests, agents)| Policy {
            name,
            files,
            environment,
            limits,
            network,
            agents,
            tests,
            ..Policy::default()
        },
    )
}

#[test]
fn a_printed_policy_reads_back_to_itself() {
    runner(3_000)
        .run(&policies(), |policy| {
            let printed = policy.to_yaml();
            let source = Source { name: "printed".into(), text: printed.clone(), widens: true };
            let back = read(&source, None, &mut |_| None)
                .map_err(|error| TestCaseError::fail(format!("{error}\n{printed}")))?;
            prop_assert!(diff(&policy, &back).is_empty(), "{}", printed);
            prop_assert_eq!(back, policy, "{}", printed);
            Ok(())
        })
        .expect("it reads back");
    for name in ["hardened", "strict"] {
        let policy = read(&blueprint(name).expect("there"), Some("/home/u"), &mut blueprint).expect("reads");
        assert_eq!(text(&policy.to_yaml()), policy);
    }
}

// What was observed.

fn observed() -> impl Strategy<Value = Observed> {
    let host =
        "([ab]\\.com|10\\.0\\.0\\.[12]|fd00::1|host\\.bastide)".prop_map(|text| Host::parse(&text).expect("a host"));
    let program = prop_oneof![
        Just(Vec::new()),
        prop::collection::vec("/usr/bin/[xy]", 1..3),
        Just(vec!["relative\n- {to: evil.com}".to_owned()]),
        Just(vec!["/a b/#'\"\\".to_owned()]),
    ];
    let outcome = prop::sample::select(vec![Outcome::Allow, Outcome::Ask, Outcome::Deny]);
    let request = prop::option::of(("GET|PUT|SOCKET", "(/(a|b|%61|a%2Fb)){1,2}/?"));
    (host, 1..3u16, program, request, outcome).prop_map(|(host, port, program, request, outcome)| Observed {
        host,
        port,
        program,
        request: request.map(|(method, path)| match method.as_str() {
            "SOCKET" => Request::new("GET", &path).expect("no odd request").for_websocket(),
            method => Request::new(method, &path).expect("no odd request"),
        }),
        outcome,
    })
}

fn allowed_by(whole: &Conjunction, request: &Observed) -> bool {
    let program = (!request.program.is_empty()).then_some(request.program.as_slice());
    let egress = Egress { host: &request.host, port: request.port, program, request: request.request.as_ref() };
    matches!(decide(whole, &egress), Decision::Allow(_) | Decision::Read)
}

#[test]
fn an_observed_run_is_allowed_and_nothing_else() {
    let strategy = (prop::collection::vec(observed(), 0..8), observed());
    let (inside, outside) = (Cell::new(0), Cell::new(0));
    runner(5_000)
        .run(&strategy, |(run, other)| {
            let printed = suggest_policy("a run\u{202e}", &run);
            prop_assert!(printed.starts_with("# observed, not judged"));
            let policy = text(&printed);
            let whole = Conjunction::new(vec![policy.clone()]);
            let allowed = |request: &Observed| allowed_by(&whole, request);
            let nameable = |request: &Observed| request.program.first().is_none_or(|name| name.starts_with('/'));
            // Where requests were read, connections were made for their sake.
            let read = |one: &Observed| {
                let here = |other: &&Observed| (&other.host, other.port) == (&one.host, one.port);
                run.iter().filter(here).any(|other| other.request.is_some())
            };
            let counts = |request: &Observed| nameable(request) && (request.request.is_some() || !read(request));
            for request in run.iter().filter(|request| counts(request)) {
                prop_assert!(allowed(request), "{:?}\n{}", request, printed);
            }
            let same =
                |request: &&Observed| (&request.host, request.port) == (&other.host, other.port) && nameable(request);
            let asked = |request: &Observed| match (&request.request, &other.request) {
                // A rule about bytes allows no WebSocket where requests are read.
                (None, other) => !read(request) && !other.as_ref().is_some_and(Request::is_websocket),
                (Some(_), None) => true,
                (Some(one), Some(other)) => {
                    let pure = |request: &Request| request.path().replace("%61", "a");
                    // `a%2Fb` may be taken for `a/b`, so that is allowed with it.
                    let taken = pure(one) == pure(other) || pure(one).replace("%2F", "/") == pure(other);
                    (one.method(), one.is_websocket()) == (other.method(), other.is_websocket()) && taken
                }
            };
            let covered = run
                .iter()
                .filter(same)
                .filter(|request| asked(request))
                .any(|request| request.program.is_empty() || request.program.first() == other.program.first());
            prop_assert_eq!(allowed(&other), covered, "{:?}\n{}", other, printed);
            let counted = if covered { &inside } else { &outside };
            counted.set(counted.get() + 1);
            // Smallest: without any one rule something of the run is refused.
            for index in 0..policy.network.allow.len() {
                let mut less = policy.clone();
                less.network.allow.remove(index);
                let less = Conjunction::new(vec![less]);
                prop_assert!(run.iter().any(|request| counts(request) && !allowed_by(&less, request)), "{}", printed);
            }
            Ok(())
        })
        .expect("it is exact");
    assert!(inside.get() > 200 && outside.get() > 1000, "{inside:?} {outside:?}");
}

#[test]
fn an_observed_run_is_told_as_it_was() {
    let request = |host: &str, program: &[&str], outcome| Observed {
        host: Host::parse(host).expect("a host"),
        port: 443,
        program: program.iter().map(|&name| name.to_owned()).collect(),
        request: None,
        outcome,
    };
    let read = |method: &str, path: &str, program: &str| Observed {
        request: Some(Request::new(method, path).expect("a request")),
        ..request("d.com", &[program], Outcome::Allow)
    };
    let run = [
        request("b.com", &[], Outcome::Ask),
        request("b.com", &["/usr/bin/x"], Outcome::Allow),
        request("a.com", &["/usr/bin/y", "/bin/sh"], Outcome::Allow),
        request("a.com", &["/usr/bin/x"], Outcome::Allow),
        request("c.com", &["x\ny"], Outcome::Allow),
        request("d.com", &["/usr/bin/x"], Outcome::Allow),
        read("GET", "/b", "/usr/bin/x"),
        read("GET", "/a", "/usr/bin/x"),
        read("GET", "/c", "/usr/bin/y"),
        read("PUT", "/a*", "/usr/bin/x"),
        Observed {
            request: Some(Request::new("GET", "/a").expect("a request").for_websocket()),
            ..read("GET", "/a", "/usr/bin/x")
        },
    ];
    let expected = "\
# observed, not judged: what one run asked for, whatever made it ask
bastide: 1
name: \"run\"
network:
  default: deny
  allow:
    - {to: \"a.com:443\", programs: [\"/usr/bin/x\", \"/usr/bin/y\"]}
    - {to: \"b.com:443\"} # refused in the run; program unknown: every program may
    - {to: \"d.com:443\", programs: [\"/usr/bin/x\"], methods: [GET], paths: [\"/a\", \"/b\"]}
    - {to: \"d.com:443\", programs: [\"/usr/bin/y\"], methods: [GET], paths: [\"/c\"]}
    - {to: \"d.com:443\", programs: [\"/usr/bin/x\"], methods: [PUT], paths: [\"/a%2A\"]}
    - {to: \"d.com:443\", programs: [\"/usr/bin/x\"], protocol: websocket, paths: [\"/a\"]}
# left out, no rule can name the executable: c.com:443 by \"x\\U0000000Ay\"
";
    assert_eq!(suggest_policy("run", &run), expected);
}

// Files.

/// What a path is, by a loop over its components: hide, own files, workspace, write, read, nothing.
fn naive(policy: &Policy, place: &Place<'_>, asked: &CanonicalPath) -> (Access, bool) {
    let split = |path: &CanonicalPath| {
        path.as_str().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let asked = split(asked);
    let within = |root: &CanonicalPath| asked.starts_with(&split(root));
    let above = |inner: &CanonicalPath| split(inner).starts_with(&asked);
    let any = |list: &[CanonicalPath]| list.iter().any(within);
    let roots: Vec<_> =
        std::iter::once(place.workspace).chain(&policy.files.write).filter(|root| within(root)).collect();
    let access = if any(&policy.files.hide) {
        Access::Hidden
    } else if policy::MADE.iter().any(|made| within(&path(made))) {
        Access::Absent
    } else if !roots.is_empty() {
        if place.mode == WorkspaceMode::ReadOnly { Access::Readable } else { Access::Writable }
    } else if any(&policy.files.read) {
        Access::Readable
    } else if within(place.home) || policy::SCRATCH.iter().any(|scratch| within(&path(scratch))) {
        Access::Absent
    } else if asked.is_empty()
        || [place.workspace, place.home].into_iter().any(above)
        || policy.files.read.iter().chain(&policy.files.write).any(above)
    {
        Access::Passage
    } else {
        Access::Absent
    };
    let guarded = access == Access::Writable
        && policy.files.guard.iter().any(|guard| {
            let held: Vec<String> = guard.split('/').map(str::to_owned).collect();
            let beneath = &asked[split(roots[0]).len()..];
            (0..beneath.len()).any(|at| beneath[at..].starts_with(&held))
        });
    (access, guarded)
}

#[test]
fn file_answers_agree_with_a_naive_reading() {
    let small = || "(/(a|b|ab|etc|home|w)){1,4}".prop_map(|text| path(&text));
    let list = || prop::collection::vec(small(), 0..3);
    let guard = prop::collection::vec("[ab](/[ab])?", 0..3);
    let asked = prop_oneof![
        8 => small(),
        1 => Just(path("/")),
        1 => prop::sample::select([policy::MADE, policy::SCRATCH].concat()).prop_map(path),
    ];
    let strategy = (modes(), list(), list(), list(), guard, asked, small(), small());
    let counts: [Cell<u32>; 5] = std::array::from_fn(|_| Cell::new(0));
    let guards = Cell::new(0);
    runner(20_000)
        .run(&strategy, |(mode, read, write, hide, guard, asked, workspace, other)| {
            let home = path("/home/a");
            let place = Place { workspace: &workspace, home: &home, mode };
            let mut policy = Policy { files: Files { workspace: mode, read, write, hide, guard }, ..Policy::default() };
            let answer = file(&policy, &place, &asked);
            let (access, guarded) = naive(&policy, &place, &asked);
            prop_assert_eq!((answer.access, answer.guarded.is_some()), (access, guarded));
            prop_assert_eq!(answer.rule.is_some(), !matches!(access, Access::Absent | Access::Passage));
            counts[access as usize].set(counts[access as usize].get() + 1);
            guards.set(guards.get() + u32::from(guarded));
            // What is suggested does it, and touches nothing outside that path.
            let before = policy.clone();
            for (suggested, wanted) in [(&answer.read, Access::Readable), (&answer.write, Access::Writable)] {
                let Some(named) = suggested else { continue };
                prop_assert_eq!(named, &asked);
                policy.clone_from(&before);
                let list = if wanted == Access::Readable { &mut policy.files.read } else { &mut policy.files.write };
                list.push(named.clone());
                prop_assert_eq!(file(&policy, &place, &asked).access, wanted);
                let (old, new) = (file(&before, &place, &other), file(&policy, &place, &other));
                let passage = new.access == Access::Passage && other.covers(&asked);
                prop_assert!(old.access == new.access || asked.covers(&other) || passage, "{} {:?}", other, new);
            }
            Ok(())
        })
        .expect("they agree");
    assert!(counts.iter().all(|count| count.get() > 100) && guards.get() > 20, "{counts:?} {guards:?}");
}

#[test]
fn a_path_is_answered_with_rule_and_remedy() {
    let policy =
        text("bastide: 1\nname: a\nextends: [hardened]\nfiles: {hide: [~/.ssh], read: [~/.rustup], guard: [x]}\n");
    let (workspace, home) = (path("/home/u/w"), path("/home/u"));
    let place = Place { workspace: &workspace, home: &home, mode: WorkspaceMode::Review };
    let table = [
        (
            "/home/u/.ssh/id_rsa",
            "`/home/u/.ssh/id_rsa` is hidden by `files.hide: /home/u/.ssh`; only removing that rule shows it",
        ),
        (
            "/home/u/.npmrc",
            "`/home/u/.npmrc` of the host is absent; the cell has a private home there; allowed by `--read /home/u/.npmrc` or `--write /home/u/.npmrc`",
        ),
        (
            "/etc/shadow",
            "`/etc/shadow` is absent: nothing names it; allowed by `--read /etc/shadow` or `--write /etc/shadow`",
        ),
        ("/etc/passwd", "`/etc/passwd` inside is the cell's own, not the host's"),
        ("/usr/bin/git", "`/usr/bin/git` is readable by `files.read: /usr`; allowed by `--write /usr/bin/git`"),
        ("/home/u/w/src", "`/home/u/w/src` is writable by `files.workspace: review`"),
        (
            "/home/u/w/x/y",
            "`/home/u/w/x/y` is writable by `files.workspace: review`; changes are held back by `files.guard: x`",
        ),
        (
            "/tmp/x",
            "`/tmp/x` of the host is absent; the cell has scratch space of its own there; allowed by `--read /tmp/x` or `--write /tmp/x`",
        ),
        (
            "/home",
            "`/home` is a directory that holds only what is named below it; allowed by `--read /home` or `--write /home`",
        ),
    ];
    for (asked, told) in table {
        assert_eq!(file(&policy, &place, &path(asked)).to_string(), told);
    }
    assert_eq!(file(&policy, &place, &path("/home/u/.npmrc")).stead, Some(Stead::Home));
    let fixed = Place { mode: WorkspaceMode::ReadOnly, ..place };
    assert_eq!(file(&policy, &fixed, &path("/home/u/w/src")).access, Access::Readable);
    assert_eq!(file(&policy, &fixed, &path("/opt/x")).write, None, "nothing is written in a read-only session");
}

#[test]
fn a_policys_own_tests_are_run() {
    let policy = text(
        "bastide: 1
name: a
extends: [hardened]
files: {hide: [~/.ssh]}
network:
  default: deny
  allow: [{to: 'api.github.com:443', programs: [/usr/bin/git]}, {to: 0.0.0.0/0}]
tests:
  - {connect: 'api.github.com:443', program: /usr/bin/git, expect: allow}
  - {connect: 'api.github.com:443', expect: deny}
  - {connect: '10.0.0.1:80', expect: deny}
  - {connect: '8.8.8.8:80', expect: allow}
  - {read: ~/.ssh/id_rsa, expect: absent}
  - {read: ~/.ssh/id_rsa, expect: hidden}
  - {read: ~/.aws, expect: absent}
  - {read: /usr/bin/git, expect: readable}
  - {write: src/main.rs, expect: writable}
  - {write: .git/hooks/post-commit, expect: guarded}
  - {write: deep/in/.Git/Hooks, expect: guarded}
  - {write: deep/hooks/.git, expect: writable}
  - {write: /usr/bin/git, expect: refused}
  - {connect: 'evil.com:443', expect: allow}
  - {read: ~/.aws, expect: hidden}
  - {write: .envrc, expect: writable}
",
    );
    let (workspace, home) = (path("/w"), path("/home/u"));
    let place = Place { workspace: &workspace, home: &home, mode: WorkspaceMode::Review };
    let outcomes = run_tests(&policy, &place);
    let failed: Vec<_> =
        outcomes.iter().filter(|one| !one.passed).map(|one| (one.example.as_str(), one.found.as_str())).collect();
    assert_eq!(outcomes.len(), 16);
    assert_eq!(
        failed,
        [
            ("{connect: \"evil.com:443\", expect: allow}", "deny"),
            ("{read: \"/home/u/.aws\", expect: hidden}", "absent"),
            ("{write: \".envrc\", expect: writable}", "guarded"),
        ]
    );
    assert!(outcomes.iter().all(|one| !one.text.is_empty()));
}

#[test]
fn the_blueprints_keep_what_they_say() {
    for (name, mode) in [("hardened", WorkspaceMode::Review), ("strict", WorkspaceMode::ReadOnly)] {
        let policy = read(&blueprint(name).expect("there"), Some("/home/u"), &mut blueprint).expect("reads");
        let (workspace, home) = (path("/home/u/w"), path("/home/u"));
        let outcomes = run_tests(&policy, &Place { workspace: &workspace, home: &home, mode });
        assert!(outcomes.len() > 3 && outcomes.iter().all(|one| one.passed), "{outcomes:#?}");
        let made = |made: &&str| policy.files.read.iter().any(|rule| rule.covers(&path(made)));
        assert!(!policy::MADE.iter().any(made), "what the cell makes is not named");
    }
}

/// What people write first, told in words of the file and not of a parser.
#[test]
fn a_wrong_shape_is_told_with_what_to_write() {
    let wrong = [
        ("extends: hardened", "a list is expected here", "`[one]`"),
        ("network: {allow: a.com}", "a list is expected here", "`[one]`"),
        ("network: [a]", "keys with values are expected here", "`key: value`"),
        (
            "limits: {time: 9223372036854775808}",
            "`9223372036854775808` is more than a hundred years",
            "leave `time` out",
        ),
        ("agents: {time: 876601h}", "`876601h` is more than a hundred years", "leave `time` out"),
        ("limits: {memory: [1]}", "one text is expected here", "one value"),
        ("env: {A: null}", "a text is missing here", "in quotes"),
        ("limits: {memory: }", "a value is missing here", "leave the key out"),
        ("network: {allow: [{to: *.a.com}]}", "a `*` begins an alias here", "`\"*.example.com\"`"),
        (
            "network: {allow: [{to: a.com, credential: {name: x, basic: 'a:b'}}]}",
            "its `basic` is no user",
            "without `:`",
        ),
        ("network: {allow: [{to: a.com, credential: {name: x, header: Host}}]}", "its `header` cannot be", "frames"),
        ("files: {read: &a [/x], write: *a}", "anchors and aliases are not read", "out"),
    ];
    for (line, message, hint) in wrong {
        let text = format!("bastide: 1\nname: x\n{line}\n");
        let source = Source { name: "p.yaml".into(), text, widens: true };
        let told = read(&source, Some("/home/u"), &mut blueprint).expect_err("refused");
        assert!(told.hint.as_deref().is_some_and(|told| told.contains(hint)), "{line}: {told:?}");
        let told = told.to_string();
        assert!(told.contains("p.yaml:3:") && told.contains(message), "{line}: {told}");
    }
}
