//! Whatever the command can say is read back as it was, and each route is what some request is said by.

use std::collections::BTreeMap;
use std::path::PathBuf;

use policy::{Conjunction, Policy, WorkspaceMode};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use record::{EventId, Segment};
use serde_json::to_value;

use super::super::*;
use super::{Asks, segments};
use crate::command::*;
use crate::question::Say;

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9._~%/-]{1,8}", "\\PC{1,8}"]
}

fn path() -> impl Strategy<Value = PathBuf> {
    "/\\PC{0,12}".prop_map(PathBuf::from)
}

fn select() -> impl Strategy<Value = Select> {
    let named = |session| Select { session: Some(session), directory: "/".into(), paths: Vec::new() };
    prop_oneof![
        word().prop_map(named),
        path().prop_map(|directory| Select { session: None, directory, paths: Vec::new() })
    ]
}

fn changes() -> impl Strategy<Value = Select> {
    (select(), proptest::collection::vec(path(), 0..3)).prop_map(|(select, paths)| Select { paths, ..select })
}

fn terminal() -> impl Strategy<Value = Option<Terminal>> {
    proptest::option::of((any::<u16>(), any::<u16>()).prop_map(|(rows, columns)| Terminal { rows, columns }))
}

fn streams() -> impl Strategy<Value = [Stream; 3]> {
    prop_oneof![
        Just([Stream::Pipe; 3]),
        Just([Stream::Terminal; 3]),
        Just([Stream::Pipe, Stream::Terminal, Stream::Pipe])
    ]
}

fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    proptest::collection::btree_map("[a-z]{1,4}", "\\PC{0,4}", 0..3)
        .prop_map(|variables: BTreeMap<String, String>| variables.into_iter().collect())
}

fn command() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(prop_oneof![word().prop_map(String::into_bytes), any::<Vec<u8>>()], 0..3)
}

fn run() -> impl Strategy<Value = Run> {
    let mode = proptest::option::of(prop_oneof![Just(WorkspaceMode::Live), Just(WorkspaceMode::Review)]);
    let files = (path(), proptest::option::of(path()), proptest::option::of(path()), proptest::option::of(path()));
    let lists = (
        proptest::collection::vec(word(), 0..2),
        proptest::collection::vec(path(), 0..2),
        proptest::collection::vec(path(), 0..2),
    );
    let who = (
        proptest::option::of("[a-z0-9_][a-z0-9._-]{0,9}"),
        any::<[bool; 3]>(),
        proptest::option::of(0..=policy::MOST_TIME),
        any::<Option<u32>>(),
    );
    let look = (streams(), terminal(), variables(), variables());
    (command(), mode, files, lists, who, look).prop_map(|(command, mode, files, lists, who, look)| Run {
        command,
        mode,
        directory: files.0,
        policy: files.1.clone(),
        workspace: files.1,
        workdir: files.2,
        answers: files.3,
        allow: lists.0,
        read: lists.1,
        write: lists.2,
        unless_up: who.0.is_some() && who.1[0],
        name: who.0,
        detached: who.1[1],
        fresh_home: who.1[2],
        timeout: who.2,
        patience: who.3,
        streams: look.0,
        terminal: look.1,
        environment: look.2,
        surroundings: look.3,
        accept_risks: vec!["credential-inside=a".into()],
    })
}

fn event() -> EventId {
    EventId { segment: Segment::Gate, seq: 12 }
}

fn child(run: Run) -> Request {
    Request::Child(Box::new(ChildRun {
        run,
        parent: "p".into(),
        child: 2,
        event: event(),
        task: "t".into(),
        context: None,
        policies: Conjunction::new(vec![Policy::default()]),
        labels: Vec::new(),
        values: Vec::new(),
        lacking: None,
        heard: Vec::new(),
        labelled: Vec::new(),
        drops: "/d".into(),
        secrets: Vec::new(),
        intent: vec!["i".into()],
        view: View { lower: "/l".into(), upper: None, granted: Vec::new(), left_out: Vec::new(), most: None },
        within: Vec::new(),
    }))
}

fn server(run: Run) -> Request {
    let (policy, labelled, heard, secrets) = (Policy::default(), Vec::new(), Vec::new(), Vec::new());
    let (parent, server, drops) = ("p".into(), "s".into(), "/d".into());
    let event = event();
    Request::Server(Box::new(ServerRun { run, parent, server, event, policy, labelled, heard, drops, secrets }))
}

fn say_() -> impl Strategy<Value = Say> {
    let session = (any::<Option<u64>>(), any::<bool>()).prop_map(|(seconds, wide)| Say::Session { seconds, wide });
    prop_oneof![Just(Say::Once), session, Just(Say::Always), Just(Say::Deny)]
}

/// About a session.
fn of_a_session() -> BoxedStrategy<Request> {
    let follow = |make: fn(Select, bool) -> Request| (select(), any::<bool>()).prop_map(move |(of, on)| make(of, on));
    prop_oneof![
        changes().prop_map(Request::Diff),
        (changes(), proptest::collection::vec(path(), 0..2)).prop_map(|(select, over)| Request::Apply { select, over }),
        changes().prop_map(Request::Discard),
        select().prop_map(Request::Show),
        (select(), 0..=86_400_000_u64).prop_map(|(select, grace)| Request::Stop { select, grace }),
        select().prop_map(Request::Pause),
        select().prop_map(Request::Resume),
        (select(), any::<bool>(), terminal()).prop_map(|(select, types, terminal)| Request::Attach(Attach {
            select,
            types,
            terminal
        })),
        follow(|select, follow| Request::Logs { select, follow }),
        follow(|select, follow| Request::Log { select, follow }),
        (select(), command(), proptest::option::of(path()), variables(), streams(), terminal()).prop_map(
            |(select, command, workdir, environment, streams, terminal)| {
                Request::Exec(Box::new(Exec { select, command, workdir, environment, streams, terminal }))
            }
        ),
        (select(), path(), proptest::option::of(any::<bool>())).prop_map(|(select, path, into)| {
            let way = into.map_or(CopyWay::Out, |executable| CopyWay::In { executable });
            Request::Copy(CopyFile { select, path, way })
        }),
        (select(), any::<u16>(), any::<Option<u16>>()).prop_map(|(select, port, at)| Request::Open {
            select,
            port,
            at
        }),
        select().prop_map(Request::Verify),
        select().prop_map(|select| Request::Ledger(LedgerRequest::Export(select))),
        (select(), proptest::option::of(word())).prop_map(|(select, event)| Request::Why { select, event }),
        select().prop_map(Request::Tools),
        (select(), any::<bool>()).prop_map(|(select, all)| Request::Graph { select, all }),
        (select(), proptest::option::of(path())).prop_map(|(select, policy)| Request::Replay { select, policy }),
        (select(), path()).prop_map(|(select, path)| Request::WhyFile { select, path }),
        (select(), path()).prop_map(|(select, file)| Request::Policy(PolicyRequest::Apply { select, file })),
        select().prop_map(|select| Request::Policy(PolicyRequest::Undo(select))),
        select().prop_map(|select| Request::Policy(PolicyRequest::Suggest(select))),
    ]
    .boxed()
}

fn places() -> impl Strategy<Value = Places> {
    (proptest::option::of(word()), path(), any::<bool>(), proptest::option::of(path()))
        .prop_map(|(session, directory, home, workspace)| Places { session, directory, home, workspace })
}

/// About what is kept.
fn of_what_is_kept() -> BoxedStrategy<Request> {
    let verify = (proptest::option::of(select()), any::<Option<String>>(), any::<Option<String>>())
        .prop_map(|(select, checkpoint, key)| LedgerRequest::Verify(LedgerVerify { select, checkpoint, key }));
    let derives = (word(), word(), proptest::option::of(word()), any::<bool>())
        .prop_map(|(url, client, scope, json)| Derives { url, grant: Grant::Client, client, scope, json });
    let set = (word(), word(), proptest::collection::vec(word(), 0..2), ".*", proptest::option::of(derives)).prop_map(
        |(name, to, paths, value, derives)| VaultRequest::Set { name, to, paths, value: value.into(), derives },
    );
    prop_oneof![
        verify.prop_map(Request::Ledger),
        Just(Request::Ledger(LedgerRequest::Checkpoint)),
        Just(Request::Ledger(LedgerRequest::Key)),
        any::<u64>().prop_map(|keep| Request::Ledger(LedgerRequest::Prune { before: None, keep: Some(keep) })),
        any::<u64>().prop_map(|before| Request::Ledger(LedgerRequest::Prune { before: Some(before), keep: None })),
        set.prop_map(Request::Vault),
        Just(Request::Vault(VaultRequest::List)),
        word().prop_map(|name| Request::Vault(VaultRequest::Remove { name })),
        (proptest::collection::vec(word(), 0..3), any::<[bool; 2]>()).prop_map(|(sessions, [force, dry_run])| {
            Request::Remove(Removal { sessions, before: None, force, dry_run })
        }),
        (any::<u64>(), any::<[bool; 2]>()).prop_map(|(before, [force, dry_run])| {
            Request::Remove(Removal { sessions: Vec::new(), before: Some(before), force, dry_run })
        }),
        places().prop_map(Request::Labels),
        (places(), proptest::collection::vec(path(), 0..2), any::<bool>(), proptest::option::of(word())).prop_map(
            |(places, paths, all, reason)| {
                let labels = vec![policy::Label::parse("secret:x").expect("a label")];
                Request::Declassify(Box::new(Declassify { places, paths, all, labels, reason }))
            }
        ),
        path().prop_map(|file| Request::Trust { file }),
    ]
    .boxed()
}

/// About policies, and about none.
fn other() -> BoxedStrategy<Request> {
    let policy =
        prop_oneof![
            path().prop_map(|file| PolicyRequest::Check { file }),
            proptest::option::of(path()).prop_map(|file| PolicyRequest::Show { file }),
            (path(), word(), proptest::option::of(path()))
                .prop_map(|(file, request, program)| PolicyRequest::Explain { file, request, program }),
            (path(), path()).prop_map(|(old, new)| PolicyRequest::Diff { old, new }),
            path().prop_map(|file| PolicyRequest::Test { file }),
            Just(PolicyRequest::Presets),
            (path(), proptest::option::of(word())).prop_map(|(file, name)| PolicyRequest::Import { file, name }),
        ];
    prop_oneof![
        policy.prop_map(Request::Policy),
        run().prop_map(|run| Request::Run(Box::new(run))),
        run().prop_map(|run| Request::Doctor(Box::new(Run { detached: false, ..run }))),
        run().prop_map(child),
        run().prop_map(server),
        Just(Request::Standby),
        Just(Request::Daemon),
        Just(Request::Ls),
        any::<u32>().prop_map(|ended| Request::Watch { ended }),
        Just(Request::Questions),
        (word(), say_()).prop_map(|(question, say)| Request::Answer { question, say }),
        Just(Request::Upgrade),
        Just(Request::Metrics),
        word().prop_map(|code| Request::Explain { code }),
    ]
    .boxed()
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![of_a_session(), of_what_is_kept(), other()]
}

/// As a plane reads it: its head, and what it asks.
fn heard(bytes: &[u8]) -> (Head, Asked) {
    let end = Head::end(bytes).expect("a head");
    let head = Head::read(&bytes[..end]).expect("understood");
    assert_eq!(bytes.len() - end, head.length, "the rest is the body");
    let asked = head.asks(&bytes[end..]).unwrap_or_else(|unread| panic!("{}: {unread}", head.target));
    (head, asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_said_is_read_as_it_was(request in request()) {
        let said = say(&request).expect("said");
        let (_, Asked::Request(read, form)) = heard(&said.bytes()) else { panic!("another thing") };
        prop_assert_eq!(to_value(&request).expect("JSON"), to_value(&read).expect("JSON"));
        // The command understands no other.
        prop_assert!(matches!(form, Form::Whole | Form::Events | Form::Frames));
    }
}

#[test]
fn every_route_is_what_some_request_is_said_by() {
    let mut runner = TestRunner::deterministic();
    let mut left: Vec<&Route> = ROUTES.iter().collect();
    for _ in 0..5000 {
        let request = request().new_tree(&mut runner).expect("one").current();
        let (head, _) = heard(&say(&request).expect("said").bytes());
        let path = head.target.split('?').next().unwrap_or_default();
        let segments = segments(path).expect("a path");
        left.retain(|route| route.method != head.method || route.means(&segments).is_none());
    }
    let left: Vec<Asks> = left.iter().map(|route| route.asks).collect();
    // Programs ask those; the command has the one's answer built in, and tells more for the other.
    assert_eq!(left, [Asks::Version, Asks::Doctor]);
}

#[test]
fn what_is_too_long_is_not_said() {
    let long = Select { session: Some("x".repeat(MAX_HEAD)), ..Select::default() };
    assert!(say(&Request::Show(long)).is_err());
    assert!(say(&Request::Show(Select { session: Some(String::new()), ..Select::default() })).is_err());
    assert!(say(&Request::Show(Select { session: None, directory: "w".into(), paths: Vec::new() })).is_err());
    assert!(say(&Request::Trust { file: "x".repeat(MAX_BODY).into() }).is_err());
}
