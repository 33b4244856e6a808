//! What a provider holds for the agent, and what comes back sealed: only what this gate delivered goes out again.

use serde_json::{Value, json};

use super::super::{Edit, Hosted};
use super::{CHAT, GEMINI, MESSAGES, RESPONSES, asked, granted, hosted, passes, refused};

fn said(content: Value) -> Value {
    json!({"messages": [{"role": "assistant", "content": [content]}]})
}

#[test]
fn only_an_answer_that_was_delivered_is_gone_on_with() {
    passes(RESPONSES, &json!({"previous_response_id": "resp_delivered"}));
    passes(RESPONSES, &json!({"previous_response_id": null}));
    for id in ["resp_other", "resp_delivered ", "RESP_DELIVERED", ""] {
        assert!(asked(RESPONSES, &json!({"previous_response_id": id})).is_err(), "{id}");
    }
    refused(RESPONSES, &json!({"previous_response_id": {"id": "resp_delivered"}}), "previous_response_id");
    passes(RESPONSES, &json!({"input": [{"type": "item_reference", "id": "resp_delivered"}]}));
    refused(RESPONSES, &json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0].id `msg_1`");
    // Without a type and a role an item is a reference too.
    refused(RESPONSES, &json!({"input": [{"id": "msg_1"}]}), "input[0].role");
    refused(RESPONSES, &json!({"input": [{"type": null, "id": "msg_1"}]}), "input[0].role");
    refused(RESPONSES, &json!({"input": [{"role": "user", "id": "msg_1"}]}), "input[0].content");
    refused(RESPONSES, &json!({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}), "input[0].id `rs_1`");
    passes(RESPONSES, &json!({"input": [{"type": "reasoning", "id": "rs_1", "encrypted_content": "c2VhbGVk"}]}));
    // Words that stand beside the id of thoughts are not what the provider takes.
    let thought = json!([{"type": "reasoning_text", "text": "x"}]);
    let beside = |id: &str| json!({"input": [{"type": "reasoning", "id": id, "summary": [], "content": thought}]});
    refused(RESPONSES, &beside("rs_victim"), "input[0].id `rs_victim`");
    passes(RESPONSES, &beside("resp_delivered"));
}

#[test]
fn no_item_is_an_id_alone() {
    for (kind, missing) in [
        ("agent_message", "content"),
        ("function_call", "call_id"),
        ("function_call_output", "call_id"),
        ("custom_tool_call", "call_id"),
        ("custom_tool_call_output", "call_id"),
        ("tool_search_call", "arguments"),
        ("tool_search_output", "tools"),
        ("additional_tools", "tools"),
        ("local_shell_call", "action"),
        ("local_shell_call_output", "output"),
        ("shell_call", "call_id"),
        ("shell_call_output", "call_id"),
        ("apply_patch_call", "call_id"),
        ("apply_patch_call_output", "call_id"),
        ("computer_call", "call_id"),
        ("computer_call_output", "call_id"),
    ] {
        let item = json!({"input": [{"type": kind, "id": "item_victim"}]});
        refused(RESPONSES, &item, &format!("input[0].{missing}"));
    }
    let computer =
        |action: Value| json!({"input": [{"type": "computer_call", "id": "cu_1", "call_id": "c", "action": action}]});
    refused(RESPONSES, &computer(Value::Null), "input[0].id `cu_1`");
    passes(RESPONSES, &computer(json!({"type": "click"})));
}

#[test]
fn only_a_sealed_item_that_was_delivered_goes_out_again() {
    for (item, open) in [("c2VhbGVk", true), ("c2VhbGVK", false), ("c2VhbGVk=", false), (" c2VhbGVk", false)] {
        for (path, body) in [
            (MESSAGES, said(json!({"type": "thinking", "thinking": "", "signature": item}))),
            (MESSAGES, said(json!({"type": "redacted_thinking", "data": item}))),
            (MESSAGES, said(json!({"type": "compaction", "content": "", "encrypted_content": item}))),
            (RESPONSES, json!({"input": [{"type": "reasoning", "summary": [], "encrypted_content": item}]})),
            (RESPONSES, json!({"input": [{"type": "compaction", "encrypted_content": item}]})),
            (GEMINI, json!({"contents": [{"parts": [{"text": "", "thoughtSignature": item}]}]})),
            (GEMINI, json!({"contents": [{"parts": [{"text": "", "thought_signature": item}]}]})),
            (
                CHAT,
                json!({"messages": [{"role": "assistant", "reasoning_details": [{"type": "reasoning.encrypted", "data": item}]}]}),
            ),
        ] {
            assert_eq!(asked(path, &body).is_ok(), open, "{path} {body}");
        }
    }
    passes(GEMINI, &json!({"contents": [{"parts": [{"thoughtSignature": "skip_thought_signature_validator"}]}]}));
}

#[test]
fn nothing_is_held_by_the_provider() {
    hosted(RESPONSES, &json!({"background": true}), Hosted::Background, "background");
    hosted(RESPONSES, &json!({"background": "true"}), Hosted::Background, "background");
    passes(RESPONSES, &json!({"background": false}));
    hosted(RESPONSES, &json!({"conversation": "conv_1"}), Hosted::Conversations, "conversation");
    hosted(RESPONSES, &json!({"conversation": {"id": "conv_1"}}), Hosted::Conversations, "conversation");
    hosted(RESPONSES, &json!({"prompt": {"id": "pmpt_1"}}), Hosted::StoredPrompts, "prompt");
    hosted(MESSAGES, &json!({"thread": {"id": "t"}}), Hosted::Conversations, "thread");
    hosted(MESSAGES, &json!({"fallbacks": [{"model": "b"}]}), Hosted::OtherModels, "fallbacks");
    hosted(CHAT, &json!({"models": ["a", "b"]}), Hosted::OtherModels, "models");
    hosted(GEMINI, &json!({"cachedContent": "cachedContents/1"}), Hosted::Files, "cachedContent");
    hosted(GEMINI, &json!({"cached_content": "cachedContents/1"}), Hosted::Files, "cached_content");
    hosted(
        RESPONSES,
        &json!({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}),
        Hosted::FileSearch,
        "tools[0].type `file_search`",
    );
}

#[test]
fn no_file_of_the_providers_is_named() {
    let files = Hosted::Files;
    let user = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    let at = "messages[0].content[0]";
    for block in ["image", "document"] {
        let part = json!({"type": block, "source": {"type": "file", "file_id": "file_1"}});
        hosted(MESSAGES, &user(part), files, &format!("{at}.source.type `file`"));
    }
    let upload = json!({"type": "container_upload", "file_id": "file_1"});
    hosted(MESSAGES, &user(upload), files, &format!("{at}.type `container_upload`"));
    hosted(CHAT, &user(json!({"type": "file", "file": {"file_id": "file_1"}})), files, &format!("{at}.file.file_id"));
    for part in ["input_file", "input_image"] {
        let item = json!({"role": "user", "content": [{"type": part, "file_id": "file_1"}]});
        hosted(RESPONSES, &json!({"input": [item]}), files, "input[0].content[0].file_id");
    }
    let shot = json!({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "file_id": "file_1"}});
    hosted(RESPONSES, &json!({"input": [shot]}), files, "input[0].output.file_id");
}

#[test]
fn an_open_call_of_the_provider_is_not_gone_on_with() {
    let call = |name: &str| said(json!({"type": "server_tool_use", "id": "s", "name": name, "input": {}}));
    hosted(MESSAGES, &call("web_search"), Hosted::WebSearch, "messages[0].content[0].name `web_search`");
    hosted(MESSAGES, &call("web_fetch"), Hosted::WebFetch, "messages[0].content[0].name `web_fetch`");
    hosted(
        MESSAGES,
        &call("bash_code_execution"),
        Hosted::CodeExecution,
        "messages[0].content[0].name `bash_code_execution`",
    );
    passes(MESSAGES, &call("tool_search_tool_regex"));
    refused(MESSAGES, &call("something_new"), "messages[0].content[0].name `something_new`");
    for (item, granted) in [
        ("web_search_call", Hosted::WebSearch),
        ("code_interpreter_call", Hosted::CodeExecution),
        ("image_generation_call", Hosted::ImageGeneration),
        ("mcp_approval_response", Hosted::Mcp),
    ] {
        hosted(RESPONSES, &json!({"input": [{"type": item, "id": "i"}]}), granted, &format!("input[0].type `{item}`"));
    }
}

#[test]
fn nothing_is_stored() {
    let set = vec![Edit::Set { pointer: "/store", value: json!(false) }];
    for (path, body, edits) in [
        (RESPONSES, json!({}), set.clone()),
        (RESPONSES, json!({"store": true}), set.clone()),
        (RESPONSES, json!({"store": null}), set.clone()),
        (RESPONSES, json!({"store": false}), vec![]),
        ("/v1/responses/input_tokens", json!({}), vec![]),
        (CHAT, json!({"store": true}), set.clone()),
        (CHAT, json!({"store": null}), set.clone()),
        (CHAT, json!({"store": false}), vec![]),
        // Some providers of this form know no such field, and OpenAI stores nothing unasked.
        (CHAT, json!({}), vec![]),
        (MESSAGES, json!({}), vec![]),
    ] {
        assert_eq!(asked(path, &body), Ok(edits), "{path} {body}");
        assert_eq!(granted(path, &body, Hosted::Store), Ok(vec![]), "{path} {body}");
    }
    refused(RESPONSES, &json!({"store": "false"}), "store");
    refused(CHAT, &json!({"store": 0}), "store");
}
