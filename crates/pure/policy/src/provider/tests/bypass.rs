//! Ways in which a provider could act for the agent past the door, in every spelling, each by hand.

use serde_json::json;

use super::super::{Hosted, endpoint};
use super::{CHAT, EMBEDDINGS, GEMINI, MESSAGES, OLLAMA, RESPONSES, asked, hosted, passes, refused};

#[test]
fn no_provider_searches_the_web() {
    let search = Hosted::WebSearch;
    for tool in ["web_search_20250305", "web_search_20260209"] {
        let body = json!({"tools": [{"name": "Bash", "input_schema": {}}, {"type": tool, "name": "web_search"}]});
        hosted(MESSAGES, &body, search, &format!("tools[1].type `{tool}`"));
    }
    for tool in ["web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"] {
        let what = format!("tools[0].type `{tool}`");
        hosted(RESPONSES, &json!({"tools": [{"type": tool, "external_web_access": true}]}), search, &what);
        let what = format!("tool_choice.type `{tool}`");
        hosted(RESPONSES, &json!({"tool_choice": {"type": tool}}), search, &what);
    }
    for (name, value) in [
        ("web_search_options", json!({})),
        ("enable_search", json!(true)),
        ("search_parameters", json!({"mode": "on"})),
        ("plugins", json!([{"id": "web"}])),
    ] {
        hosted(CHAT, &json!({name: value}), search, name);
    }
    hosted(CHAT, &json!({"tools": [{"type": "web_search", "web_search": {}}]}), search, "tools[0].type `web_search`");
    let moonshot = json!({"tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}]});
    hosted(CHAT, &moonshot, search, "tools[0].type `builtin_function`");
    for name in ["googleSearch", "google_search", "googleSearchRetrieval", "google_search_retrieval", "googleMaps"] {
        hosted(GEMINI, &json!({"tools": [{name: {}}]}), search, &format!("tools[0].{name}"));
        hosted(GEMINI, &json!({"tools": {name: {}}}), search, &format!("tools.{name}"));
    }
    hosted(OLLAMA, &json!({"tools": [{"type": "web_search"}]}), search, "tools[0].type `web_search`");
    for tool in ["web_search_20990101", "Web_Search", "web-search", "web_search ", "websearch", "google_search"] {
        refused(MESSAGES, &json!({"tools": [{"type": tool}]}), &format!("tools[0].type `{}`", tool.replace(' ', "?")));
        refused(CHAT, &json!({"tools": [{"type": tool}]}), &format!("tools[0].type `{}`", tool.replace(' ', "?")));
        refused(RESPONSES, &json!({"tools": [{"type": tool}]}), &format!("tools[0].type `{}`", tool.replace(' ', "?")));
    }
}

#[test]
fn no_model_searches_the_web_by_itself() {
    for model in [
        "gpt-4o-search-preview",
        "GPT-5-search-api",
        "o3-deep-research",
        "sonar-pro",
        "x/y:online",
        "x:online:nitro",
        "X:Nitro:Online",
        "pplx-70b-online",
    ] {
        hosted(CHAT, &json!({"model": model}), Hosted::WebSearch, &format!("model `{model}`"));
    }
    for model in ["@preset/x", "openai/gpt-4@preset/x"] {
        hosted(CHAT, &json!({"model": model}), Hosted::StoredPrompts, &format!("model `{model}`"));
    }
    hosted(OLLAMA, &json!({"model": "gpt-oss:120b-cloud"}), Hosted::OtherModels, "model `gpt-oss:120b-cloud`");
    for model in ["gpt-5.1-codex", "claude-opus-4-5", "anthropic/claude-sonnet-4.5", "qwen3-coder:30b", "research-1"] {
        passes(CHAT, &json!({"model": model}));
    }
}

#[test]
fn no_provider_fetches_runs_code_or_calls_other_servers() {
    for tool in ["web_fetch_20250910", "web_fetch_20260209", "web_fetch_20260309"] {
        hosted(MESSAGES, &json!({"tools": [{"type": tool}]}), Hosted::WebFetch, &format!("tools[0].type `{tool}`"));
    }
    let code = Hosted::CodeExecution;
    for tool in ["code_execution_20250522", "code_execution_20250825", "code_execution_20260120"] {
        hosted(MESSAGES, &json!({"tools": [{"type": tool}]}), code, &format!("tools[0].type `{tool}`"));
    }
    let callers = json!({"tools": [{"name": "a", "allowed_callers": ["direct", "code_execution_20250825"]}]});
    hosted(MESSAGES, &callers, code, "tools[0].allowed_callers[1] `code_execution_20250825`");
    hosted(MESSAGES, &json!({"container": "container_1"}), code, "container");
    hosted(MESSAGES, &json!({"container": {"skills": [{"skill_id": "pdf"}]}}), code, "container");
    hosted(
        RESPONSES,
        &json!({"tools": [{"type": "code_interpreter", "container": "c"}]}),
        code,
        "tools[0].type `code_interpreter`",
    );
    for place in ["container_auto", "container_reference"] {
        let body = json!({"tools": [{"type": "shell", "environment": {"type": place}}]});
        hosted(RESPONSES, &body, code, &format!("tools[0].environment.type `{place}`"));
    }
    refused(RESPONSES, &json!({"tools": [{"type": "shell"}]}), "tools[0].environment");
    passes(RESPONSES, &json!({"tools": [{"type": "shell", "environment": {"type": "local"}}]}));
    for (name, granted) in [
        ("codeExecution", code),
        ("code_execution", code),
        ("urlContext", Hosted::WebFetch),
        ("url_context", Hosted::WebFetch),
        ("mcpServers", Hosted::Mcp),
        ("fileSearch", Hosted::FileSearch),
        ("file_search", Hosted::FileSearch),
    ] {
        hosted(
            GEMINI,
            &json!({"tools": [{"functionDeclarations": []}, {name: {}}]}),
            granted,
            &format!("tools[1].{name}"),
        );
    }
    let servers = json!({"mcp_servers": [{"type": "url", "url": "https://a.example", "name": "a"}]});
    hosted(MESSAGES, &servers, Hosted::Mcp, "mcp_servers");
    hosted(
        MESSAGES,
        &json!({"tools": [{"type": "mcp_toolset", "mcp_server_name": "a"}]}),
        Hosted::Mcp,
        "tools[0].type `mcp_toolset`",
    );
    let server = json!({"tools": [{"type": "mcp", "server_url": "https://a.example", "require_approval": "never"}]});
    hosted(RESPONSES, &server, Hosted::Mcp, "tools[0].type `mcp`");
    hosted(
        RESPONSES,
        &json!({"tools": [{"type": "mcp", "connector_id": "connector_gmail"}]}),
        Hosted::Mcp,
        "tools[0].type `mcp`",
    );
}

#[test]
fn no_tool_hides_in_another() {
    let search = json!({"type": "web_search_20250305", "name": "web_search"});
    let change = json!({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": search}});
    let body = json!({"messages": [{"role": "system", "content": [change]}]});
    let what = "messages[0].content[0].tool.definition.type `web_search_20250305`";
    hosted(MESSAGES, &body, Hosted::WebSearch, what);
    for item in ["additional_tools", "tool_search_output"] {
        let body = json!({"input": [{"type": item, "tools": [{"type": "mcp", "server_url": "https://a.example"}]}]});
        hosted(RESPONSES, &body, Hosted::Mcp, "input[0].tools[0].type `mcp`");
    }
    let space = json!({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}]});
    refused(RESPONSES, &space, "tools[0].tools[0].type `web_search`");
    let choice = json!({"tool_choice": {"type": "allowed_tools", "tools": [{"type": "mcp", "server_label": "a"}]}});
    hosted(RESPONSES, &choice, Hosted::Mcp, "tool_choice.tools[0].type `mcp`");
    hosted(
        RESPONSES,
        &json!({"include": ["web_search_call.results"]}),
        Hosted::WebSearch,
        "include[0] `web_search_call.results`",
    );
    let count = json!({"generateContentRequest": {"tools": [{"google_search": {}}]}});
    hosted(
        "/v1beta/models/gemini-2.5-pro:countTokens",
        &count,
        Hosted::WebSearch,
        "generateContentRequest.tools[0].google_search",
    );
}

#[test]
fn no_provider_fetches_an_address() {
    let url = "https://tracker.example/a.png?q=secret";
    let remote = Hosted::RemoteUrls;
    let image = json!({"type": "image", "source": {"type": "url", "url": url}});
    let document = json!({"type": "document", "source": {"type": "url", "url": url}});
    for (block, at) in [(&image, "image"), (&document, "document")] {
        let body = json!({"messages": [{"role": "user", "content": [block]}]});
        hosted(MESSAGES, &body, remote, "messages[0].content[0].source.type `url`");
        let result = json!({"type": "tool_result", "tool_use_id": at, "content": [block]});
        let body = json!({"messages": [{"role": "user", "content": [result]}]});
        hosted(MESSAGES, &body, remote, "messages[0].content[0].content[0].source.type `url`");
    }
    let parts = json!({"type": "document", "source": {"type": "content", "content": [image]}});
    let body = json!({"messages": [{"role": "user", "content": [parts]}]});
    hosted(MESSAGES, &body, remote, "messages[0].content[0].source.content[0].source.type `url`");
    let faked = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": url}});
    let body = json!({"messages": [{"role": "user", "content": [faked]}]});
    hosted(MESSAGES, &body, remote, &format!("messages[0].content[0].source.data `{url}`"));
    for role in ["user", "tool"] {
        let body = json!({"messages": [{"role": role, "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
        hosted(CHAT, &body, remote, &format!("messages[0].content[0].image_url.url `{url}`"));
        let body = json!({"messages": [{"role": role, "content": [{"type": "image_url", "image_url": url}]}]});
        hosted(CHAT, &body, remote, &format!("messages[0].content[0].image_url `{url}`"));
    }
    let file = json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": url}}]}]});
    hosted(CHAT, &file, remote, &format!("messages[0].content[0].file.file_data `{url}`"));
    let part = json!({"type": "input_image", "image_url": url});
    let body = json!({"input": [{"role": "user", "content": [part]}]});
    hosted(RESPONSES, &body, remote, &format!("input[0].content[0].image_url `{url}`"));
    for item in ["function_call_output", "custom_tool_call_output"] {
        let body = json!({"input": [{"type": item, "call_id": "c", "output": [part]}]});
        hosted(RESPONSES, &body, remote, &format!("input[0].output[0].image_url `{url}`"));
    }
    let shot = json!({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": url}});
    hosted(RESPONSES, &json!({"input": [shot]}), remote, &format!("input[0].output.image_url `{url}`"));
    let file = json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": url}]}]});
    hosted(RESPONSES, &file, remote, "input[0].content[0].file_url");
    for (data, uri) in [("fileData", "fileUri"), ("file_data", "file_uri")] {
        let body = json!({"contents": [{"parts": [{data: {uri: url}}]}]});
        hosted(GEMINI, &body, remote, &format!("contents[0].parts[0].{data}"));
    }
    let nested = json!({"functionResponse": {"name": "f", "response": {}, "parts": [{"fileData": {"fileUri": url}}]}});
    hosted(
        GEMINI,
        &json!({"contents": {"parts": nested}}),
        remote,
        "contents.parts.functionResponse.parts[0].fileData",
    );
    let system = json!({"system_instruction": {"parts": [{"file_data": {"file_uri": url}}]}});
    hosted(GEMINI, &system, remote, "system_instruction.parts[0].file_data");
    let body = json!({"messages": [{"role": "user", "content": "", "images": [url]}]});
    hosted(OLLAMA, &body, remote, &format!("messages[0].images[0] `{url}`"));
}

#[test]
fn no_schema_reaches_outside_itself() {
    let inside =
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/$defs/a", "properties": {"$ref": {}}});
    let outside = json!({"properties": {"a": {"anyOf": [{"$ref": "https://a.example/s.json"}]}}});
    for (schema, allowed) in [(inside, true), (outside, false)] {
        for (path, body) in [
            (MESSAGES, json!({"tools": [{"name": "a", "input_schema": schema}]})),
            (CHAT, json!({"tools": [{"type": "function", "function": {"parameters": schema}}]})),
            (RESPONSES, json!({"text": {"format": {"type": "json_schema", "schema": schema}}})),
            (GEMINI, json!({"generationConfig": {"responseJsonSchema": schema}})),
            (OLLAMA, json!({"format": schema})),
        ] {
            assert_eq!(asked(path, &body).is_ok(), allowed, "{path} {body}");
        }
    }
}

#[test]
fn text_is_text_that_can_be_read() {
    for input in [json!([[1, 2]]), json!([1, 2])] {
        let refused = asked(EMBEDDINGS, &json!({"input": input})).expect_err("tokens");
        assert_eq!(refused.why, Hosted::Tokens.why());
    }
    hosted("/api/generate", &json!({"context": [1, 2]}), Hosted::Tokens, "context");
    hosted(CHAT, &json!({"modalities": ["text", "audio"]}), Hosted::Audio, "modalities[1] `audio`");
    let sound = json!({"generation_config": {"response_modalities": ["AUDIO"]}});
    hosted(GEMINI, &sound, Hosted::Audio, "generation_config.response_modalities[0] `AUDIO`");
}

#[test]
fn endpoints_beside_the_list_are_refused_by_what_they_are() {
    for (method, path, part) in [
        ("POST", "/v1/messages/batches", "answered later"),
        ("POST", "/v1/batches", "answered later"),
        ("POST", "/v1beta/models/gemini-2.5-pro:batchGenerateContent", "answered later"),
        ("POST", "/v1/files", "hold files"),
        ("GET", "/v1/files/file_1/content", "hold files"),
        ("POST", "/v1/uploads", "hold files"),
        ("POST", "/upload/v1beta/files", "hold files"),
        ("POST", "/v1/assistants", "an agent of its own"),
        ("POST", "/v1/agents", "an agent of its own"),
        ("POST", "/v1/threads/t/runs", "held by the provider"),
        ("POST", "/v1/conversations", "held by the provider"),
        ("POST", "/v1/fine_tuning/jobs", "trained"),
        ("POST", "/v1/containers", "run code"),
        ("POST", "/v1/skills", "run code"),
        ("POST", "/v1/vector_stores", "search in files"),
        ("GET", "/v1/responses/resp_1", "an answer that the provider holds"),
        ("DELETE", "/v1/responses/resp_1", "an answer that the provider holds"),
        ("POST", "/v1/responses/resp_1/cancel", "an answer that the provider holds"),
        ("GET", "/v1/chat/completions/c", "an answer that the provider holds"),
        ("GET", "/v1/chat/completions", "this method"),
        ("GET", "/v1/responses", "this method"),
        ("DELETE", "/v1/models/ft:x", "not on the list"),
        ("POST", "/v1beta/cachedContents", "content that it holds"),
        ("POST", "/v1/realtime/sessions", "held by the provider"),
        ("GET", "/v1/organizations/me", "the account"),
        ("POST", "/api/web_search", "search the web"),
        ("POST", "/api/web_fetch", "fetch pages"),
        ("POST", "/api/pull", "models are not"),
        ("DELETE", "/api/delete", "models are not"),
        ("POST", "/v1beta/models/..:generateContent", "not on the list"),
        ("POST", "/v1beta/models/a/b:generateContent", "not on the list"),
        ("POST", "/v1beta/models/a%2fb:generateContent", "not on the list"),
        ("POST", "/v1beta/models/:generateContent", "not on the list"),
        ("POST", "/v1beta/tunedModels/a:generateContent", "trained"),
        ("POST", "/v1/completions", "not on the list"),
        ("POST", "/anything", "not on the list"),
    ] {
        let refused = endpoint(method, path).expect_err(path).to_string();
        assert!(refused.contains(part), "{path}: {refused}");
    }
}
