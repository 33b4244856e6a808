//! Headers: each of each list, each beta, and what the agents send.

use std::collections::BTreeSet;

use super::super::header::{BETAS, CLIENTS, FRAMING, HOSTED_BETAS, OVERRIDES, STRIPPED};
use super::super::{Grants, Hosted, Verdict, Wire, header};

fn verdict(name: &str, value: &str) -> Verdict {
    header(Wire::Messages, name, value, &Grants::default())
}

fn with(hosted: Hosted, value: &str) -> Verdict {
    header(
        Wire::Messages,
        "anthropic-beta",
        value,
        &Grants { hosted: BTreeSet::from([hosted]), fields: BTreeSet::new() },
    )
}

#[test]
fn every_beta_is_kept_or_left_out_as_its_list_says() {
    for beta in BETAS {
        for value in [format!("{beta}-2026-01-31"), format!("{beta}-20250219")] {
            assert_eq!(verdict("Anthropic-Beta", &value), Verdict::Keep, "{value}");
        }
    }
    for (beta, hosted) in HOSTED_BETAS {
        let value = format!("{beta}-2025-04-14");
        assert_eq!(verdict("anthropic-beta", &value), Verdict::Strip, "{value}");
        assert_eq!(with(*hosted, &value), Verdict::Keep, "{value}");
        let beside = format!("claude-code-20250219, {value},interleaved-thinking-2025-05-14");
        let rest = "claude-code-20250219,interleaved-thinking-2025-05-14".to_owned();
        assert_eq!(verdict("anthropic-beta", &beside), Verdict::Set(rest), "{value}");
    }
}

#[test]
fn an_unknown_beta_is_left_out_until_it_is_listed() {
    for value in ["something-new-2027-01-01", "Web-Search-2025-03-05", "", ",", "code execution-2025-05-22"] {
        assert_eq!(verdict("anthropic-beta", value), Verdict::Strip, "{value}");
    }
    let fields = BTreeSet::from(["anthropic-beta:something-new-2027-01-01".to_owned()]);
    let grants = Grants { hosted: BTreeSet::new(), fields };
    let judged = |value| header(Wire::Messages, "anthropic-beta", value, &grants);
    assert_eq!(judged("something-new-2027-01-01"), Verdict::Keep);
    assert_eq!(judged("something-new-2027-01-02"), Verdict::Strip);
}

#[test]
fn accounts_other_methods_and_other_protocols_do_not_pass() {
    for name in STRIPPED {
        assert_eq!(verdict(&name.to_uppercase(), "x"), Verdict::Strip, "{name}");
    }
    for name in OVERRIDES {
        let Verdict::Refuse(refused) = verdict(&name.to_uppercase(), "DELETE") else { panic!("{name}") };
        assert_eq!(refused.what, format!("header `{name}`"));
    }
    for value in ["assistants=v2", "realtime=v1", "responses_websockets=2026-02-06", ""] {
        for wire in Wire::ALL {
            assert_eq!(header(wire, "OpenAI-Beta", value, &Grants::default()), Verdict::Strip, "{value}");
        }
    }
    let codex = header(Wire::Responses, "openai-beta", "responses=experimental", &Grants::default());
    assert_eq!(codex, Verdict::Keep);
    for (name, value) in [("anthropic-version", "2023-06-01"), ("x-stainless-os", "Linux"), ("accept", "*/*")] {
        assert_eq!(verdict(name, value), Verdict::Keep, "{name}");
    }
}

#[test]
fn claude_sends_nothing_that_is_left_out() {
    let value = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,\
                 per-turn-control-2026-07-01,mid-conversation-tool-changes-2026-07-01,\
                 thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,effort-2025-11-24";
    assert_eq!(verdict("anthropic-beta", value), Verdict::Keep);
}

#[test]
fn only_what_is_listed_goes_on() {
    let listed = FRAMING.iter().chain(CLIENTS.iter().flat_map(|(_, names)| names.iter()));
    for name in listed {
        assert!(!STRIPPED.contains(name) && !OVERRIDES.contains(name), "{name}");
        for spelled in [(*name).to_owned(), name.to_uppercase(), name.replace('-', "_")] {
            assert_eq!(verdict(&spelled, "x"), Verdict::Keep, "{spelled}");
        }
        for near in [format!("{name}-2"), format!("not-{name}"), format!("{name} ")] {
            assert_eq!(verdict(&near, "x"), Verdict::Strip, "{near}");
        }
    }
    // Each has a gateway ask another provider, or in another account, or with a prompt that it holds.
    for name in [
        "Helicone-Target-Url",
        "X-Portkey-Custom-Host",
        "X-Portkey-Config",
        "cf-aig-authorization",
        "X-OpenRouter-Preset",
        "x-litellm-tags",
        "X-Forwarded-Host",
        "x-openai-target-url",
        "azureml-model-deployment",
        "x-goog-fieldmask",
        "x-codex-beta-features",
        "origin",
        "x-a",
    ] {
        for wire in Wire::ALL {
            assert_eq!(header(wire, name, "x", &Grants::default()), Verdict::Strip, "{name}");
        }
    }
}

#[test]
fn an_operator_lists_a_header_by_its_name() {
    let fields = ["header:x-team", "header:chatgpt-account-id", "header:x-original-url"];
    let grants = Grants { hosted: BTreeSet::new(), fields: fields.map(str::to_owned).into() };
    let judged = |name| header(Wire::Chat, name, "x", &grants);
    assert_eq!((judged("X-Team"), judged("X-Team-2")), (Verdict::Keep, Verdict::Strip));
    // What is known to do harm stays where it is.
    assert_eq!(judged("ChatGPT-Account-Id"), Verdict::Strip);
    assert!(matches!(judged("X-Original-Url"), Verdict::Refuse(_)));
}

#[test]
fn a_body_is_read_as_the_json_that_was_judged() {
    for value in ["application/json", "Application/JSON; charset=UTF-8", "application/json;"] {
        assert_eq!(verdict("content-type", value), Verdict::Keep, "{value}");
    }
    for value in ["text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x", "", "text/json"]
    {
        assert_eq!(verdict("Content-Type", value), Verdict::Set("application/json".into()), "{value}");
    }
}
