//! Bodies as real agents send them, with the texts cut short.

use serde_json::json;

use super::super::{Hosted, Kind, endpoint};
use super::{CHAT, GEMINI, MESSAGES, OLLAMA, RESPONSES, asked, hosted, passes};

#[test]
fn claude_runs() {
    let schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"});
    let cached = json!({"type": "ephemeral", "ttl": "1h", "scope": "global"});
    let body = json!({
        "model": "claude-opus-4-5", "max_tokens": 32000, "stream": true,
        "metadata": {"user_id": "{\"device_id\":\"0\"}"},
        "system": [{"type": "text", "text": "You are", "cache_control": cached}],
        "thinking": {"type": "enabled", "budget_tokens": 31999, "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "tools": [
            {"name": "Bash", "description": "runs", "input_schema": schema},
            {"name": "Later", "description": "", "input_schema": schema, "defer_loading": true},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello", "cache_control": cached}]},
            {"role": "system", "content": [{"type": "text", "text": "env"}], "output_config": {"effort": "medium"}},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "", "signature": "c2VhbGVk"},
                {"type": "text", "text": "I look"},
                {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}, "caller": {"type": "direct"}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": false, "content": [
                {"type": "text", "text": "a"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "tool_reference", "tool_name": "Later"},
            ]}]},
            {"role": "system", "content": [
                {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Later"}},
                {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Bash"}},
            ]},
        ],
    });
    assert_eq!(asked(MESSAGES, &body), Ok(vec![]));
    passes("/v1/messages/count_tokens", &body);
    let probe = endpoint("HEAD", "/api/hello").expect("a probe");
    assert_eq!(probe.kind, Kind::Probe);
}

#[test]
fn codex_runs() {
    let function = json!({"type": "function", "name": "wait", "description": "", "strict": false, "parameters": {}});
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: x"});
    let body = json!({
        "model": "gpt-5.1-codex", "stream": true, "store": false, "instructions": "You are",
        "tool_choice": "auto", "parallel_tool_calls": false,
        "reasoning": {"effort": "low", "summary": "auto", "context": "all_turns"},
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "0", "text": {"verbosity": "low"},
        "client_metadata": {"session_id": "0", "turn_id": "1"},
        "tools": [
            function,
            {"type": "custom", "name": "apply_patch", "description": "", "format": grammar},
            {"type": "local_shell"},
            {"type": "namespace", "name": "multi_agent", "description": "", "tools": [function]},
        ],
        "input": [
            {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [
                {"type": "namespace", "name": "functions", "description": "", "tools": [function]},
            ]},
            {"type": "message", "id": "msg_1", "role": "developer", "content": [{"type": "input_text", "text": "a"}]},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "hello"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"},
            ]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "content": null,
             "encrypted_content": "c2VhbGVk"},
            {"type": "message", "role": "assistant", "phase": "commentary", "content": [
                {"type": "output_text", "text": "b"}]},
            {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "call_1"},
            {"type": "function_call_output", "call_id": "call_1", "output": "c"},
            {"type": "custom_tool_call", "status": "completed", "call_id": "2", "name": "apply_patch", "input": "***"},
            {"type": "custom_tool_call_output", "call_id": "2", "output": "ok"},
            {"type": "local_shell_call", "call_id": "3", "status": "completed", "action": {"type": "exec", "command": ["ls"]}},
            {"type": "compaction", "encrypted_content": "c2VhbGVk"},
        ],
    });
    assert_eq!(asked(RESPONSES, &body), Ok(vec![]));
    passes("/v1/responses/compact", &body);
    passes("/backend-api/codex/responses", &body);
    let mut searching = body;
    searching["tools"][2] = json!({"type": "web_search", "external_web_access": true});
    hosted(RESPONSES, &searching, Hosted::WebSearch, "tools[2].type `web_search`");
}

#[test]
fn pi_and_opencode_run() {
    let body = json!({
        "model": "m", "stream": true, "stream_options": {"include_usage": true}, "store": false,
        "max_completion_tokens": 8000, "reasoning_effort": "medium", "temperature": 0.5, "top_p": 1,
        "prompt_cache_key": "0", "prompt_cache_retention": "24h", "tool_choice": "auto",
        "chat_template_kwargs": {"enable_thinking": true, "preserve_thinking": true},
        "tools": [{"type": "function", "function": {"name": "read", "description": "", "parameters": {}, "strict": false},
                   "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "developer", "content": "You are"},
            {"role": "user", "content": [
                {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ]},
            {"role": "assistant", "content": null, "reasoning_content": "", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "name": "read", "content": "a"},
        ],
    });
    assert_eq!(asked(CHAT, &body), Ok(vec![]));
}

#[test]
fn gemini_cli_runs() {
    let body = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [
                {"text": "", "thought": true},
                {"functionCall": {"id": "1", "name": "read_file", "args": {"path": "a"}}, "thoughtSignature": "c2VhbGVk"},
            ]},
            {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "read_file", "response": {"output": "b"}}}]},
        ],
        "systemInstruction": {"role": "user", "parts": [{"text": "You are"}]},
        "tools": [{"functionDeclarations": [{"name": "read_file", "description": "", "parametersJsonSchema": {}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {"temperature": 0, "topP": 1, "topK": 64,
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 8192}},
    });
    assert_eq!(asked(GEMINI, &body), Ok(vec![]));
    passes("/v1beta/models/gemini-2.5-flash:streamGenerateContent", &body);
    passes("/v1beta/models/gemini-2.5-flash:countTokens", &json!({"contents": [{"parts": [{"text": "a"}]}]}));
    let request = json!({"model": "models/text-embedding-004", "content": {"parts": [{"text": "a"}]}});
    passes("/v1beta/models/text-embedding-004:embedContent", &request);
    passes("/v1beta/models/text-embedding-004:batchEmbedContents", &json!({"requests": [request]}));
}

#[test]
fn clients_of_ollama_run() {
    let body = json!({
        "model": "qwen3:8b", "stream": true, "think": "high", "keep_alive": "5m", "format": "json",
        "options": {"num_ctx": 32768, "temperature": 0.1, "stop": ["x"], "use_mmap": true},
        "tools": [{"type": "function", "function": {"name": "f", "description": "", "parameters": {}}}],
        "messages": [
            {"role": "user", "content": "hello", "images": ["iVBORw0KGgo="]},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "tool_name": "f", "content": "b"},
        ],
    });
    assert_eq!(asked(OLLAMA, &body), Ok(vec![]));
    passes("/api/embed", &json!({"model": "m", "input": ["a", "b"]}));
    passes("/api/show", &json!({"model": "m"}));
    passes("/v1/embeddings", &json!({"model": "m", "input": ["a"], "encoding_format": "float"}));
}
