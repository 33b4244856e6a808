//! What the operator is asked about, stream by stream: held before its body is read, and judged like any other afterwards.

use policy::{Conjunction, Default, Flow, Label, LabelPattern, Policy};
use wire::question::{Ruling, Wanted};
use wire::{Labelled, Lease};

use super::{Scene, echo};
use crate::fake::held::{once, rule};
use crate::fake::http2::say;
use crate::fake::server::Server;

const SECRET: &str = "s3cret-value-of-a-file-that-is-labelled-0123456789-abcdefghijklmnop";

fn asking(leased: &mut Lease) {
    let mut policies: Vec<Policy> = leased.policy.policies().cloned().collect();
    policies[0].network.default = Default::Ask;
    policies[0].flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: None }];
    leased.policy = Conjunction::new(policies);
    let label = Label::parse("secret:file").unwrap();
    leased.labelled = vec![Labelled { label, source: ".env".into(), text: SECRET.into(), exact: true }];
}

fn scene() -> (Scene, Server) {
    Scene::serving(true, echo, asking)
}

#[test]
fn streams_wait_each_for_itself_and_others_go_on() {
    let (scene, server) = scene();
    let to = scene.to();
    let asked = [("DELETE", "/a/x"), ("GET", "/a/y"), ("PUT", "/a/z"), ("DELETE", "/a/deep/x")];
    let asked = asked.map(|(method, path)| to.ask(method, path).body(b"hello".to_vec()).unwrap()).to_vec();
    let (answers, questions) = std::thread::scope(|threads| {
        let said = threads.spawn(|| say(&scene.cell, &to, asked));
        let by = |wanted: &Wanted| match wanted.does().as_deref() {
            Some("DELETE /a/x") => once(wanted),
            _ => Ruling::Refused { why: "the operator denied it".into(), denied: true },
        };
        let questions = rule(&scene.gate, 2, by);
        (said.join().unwrap(), questions)
    });
    // What a rule denies is no question.
    let mut asked: Vec<_> = questions.iter().map(|wanted| wanted.does().unwrap()).collect();
    asked.sort();
    assert_eq!(asked, ["DELETE /a/x", "PUT /a/z"]);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 200, 403, 403], "{answers:?}");
    assert!(
        answers[0].text().ends_with("hello") && answers[2].text().contains("the operator denied it"),
        "{answers:?}"
    );
    assert_eq!(server.got().len(), 2);
}

/// An answer is no way round a flow rule: what is labelled stays in, whatever the operator let through.
#[test]
fn what_was_let_through_is_looked_at_like_any_other() {
    let (scene, server) = scene();
    let to = scene.to();
    let asked =
        ["no secret", SECRET].map(|body| to.ask("PUT", "/a/x").body(body.as_bytes().to_vec()).unwrap()).to_vec();
    let answers = std::thread::scope(|threads| {
        let said = threads.spawn(|| say(&scene.cell, &to, asked));
        rule(&scene.gate, 2, once);
        said.join().unwrap()
    });
    let statuses: Vec<u16> = answers.into_iter().map(|answer| answer.unwrap().status).collect();
    assert_eq!(statuses, [200, 403]);
    let got = server.got();
    assert!(got.len() == 1 && got[0].1 == "no secret", "{got:?}");
    assert!(scene.cell.wait_for("\"evidence\"").contains("secret:file"));
}
