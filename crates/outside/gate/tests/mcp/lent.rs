//! Secrets that go with messages, and text that may not leave in them.

use policy::mcp::Mcp;
use policy::{Credential, Flow, LabelPattern, Position, Target};
use serde_json::json;
use wire::{Labelled, Lent};

use super::{refused, scene_with};

const VALUE: &str = "s3cret-value-of-the-vault";

#[test]
fn a_secret_goes_with_messages_and_does_not_come_back() {
    let scene = scene_with(Mcp::default(), None, |leased, policy, _| {
        policy.network.allow[0].credential = Some(Credential { name: "key".into(), position: Position::bearer() });
        let to = Target::parse("mcp.example").unwrap();
        leased.credentials =
            vec![Lent { name: "key".into(), value: VALUE.into(), to, paths: Vec::new(), expires: None }];
    });
    for case in ["leak-json", "leak"] {
        let back = scene.ask(case, 1, "tools/call", &json!({"name": "read_file"}));
        let (head, _) = scene.server.got().pop().unwrap();
        assert!(head.contains(&format!("authorization: Bearer {VALUE}")), "{head}");
        let masked = "*".repeat(VALUE.len());
        assert_eq!(back[0]["result"]["content"][0]["text"], format!("authorization: Bearer {masked}"), "{case}");
    }
    let back =
        scene.ask("json", 1, "tools/call", &json!({"name": "read_file", "arguments": {"k": "bastide-credential-key"}}));
    assert!(refused(&back).contains("placeholder") && !scene.cell.record().contains(VALUE), "{back:?}");
}

#[test]
fn labelled_text_does_not_leave_in_arguments() {
    let scene = scene_with(Mcp::default(), None, |leased, policy, _| {
        policy.flows = vec![Flow { deny: LabelPattern::parse("secret:*").unwrap(), to: None }];
        let label = policy::Label::parse("secret:env").unwrap();
        leased.labelled =
            vec![Labelled { label, source: "`TOKEN` in .env".into(), text: "hunter2-hunter2".into(), exact: true }];
    });
    let back = scene.ask(
        "json",
        1,
        "tools/call",
        &json!({"name": "read_file", "arguments": {"note": "aHVudGVyMi1odW50ZXIy"}}),
    );
    assert!(refused(&back).contains("it carries `secret:env`") && scene.server.got().is_empty(), "{back:?}");
    let told = scene.told();
    let last = told.last().unwrap();
    assert_eq!(
        (&last["kind"], &last["verdict"], &last["name"]),
        (&json!("mcp"), &json!("refused"), &json!("read_file"))
    );
    assert!(last["rule"].as_str().unwrap().starts_with("flows: "), "{last}");
}
