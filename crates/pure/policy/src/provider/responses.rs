//! OpenAI's responses: what a request may hold. It is made once and its answer streamed; what the provider would keep
//! for later, or run, does not pass, and nothing is stored.

use super::rule::{Field, Forced, Kind, Kinds, Rule, Word, asks, field, hosted, kind, needing, word};
use super::{Endpoint, Hosted, Kind as Purpose, Wire};

const fn endpoint(path: &'static str, kind: Purpose, forced: &'static [Forced]) -> Endpoint {
    Endpoint { wire: Wire::Responses, method: "POST", path, kind, body: BODY, forced }
}

pub(super) const ENDPOINTS: &[Endpoint] = &[
    endpoint("/v1/responses", Purpose::Inference, FORCED),
    endpoint("/v1/responses/input_tokens", Purpose::Count, &[]),
    // A long conversation is made short, and handed back.
    endpoint("/v1/responses/compact", Purpose::Inference, &[]),
    // The same by a subscription.
    endpoint("/backend-api/codex/responses", Purpose::Inference, FORCED),
    endpoint("/backend-api/codex/responses/compact", Purpose::Inference, &[]),
    Endpoint {
        wire: Wire::Responses,
        method: "GET",
        path: "/backend-api/codex/models",
        kind: Purpose::Models,
        body: &[],
        forced: &[],
    },
];

// The provider stores what does not say otherwise.
const FORCED: &[Forced] = &[Forced { pointer: "/store", value: false, always: true, unless: Hosted::Store }];

const BODY: &[Field] = &[
    field("model", Rule::Model),
    field("input", Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&ITEMS))])),
    field("instructions", Rule::Text),
    field("tools", Rule::List(&Rule::Kinds(&TOOLS))),
    field("tool_choice", Rule::Any(&[Rule::Text, Rule::Kinds(&CHOICES)])),
    field("parallel_tool_calls", Rule::Flag),
    field("max_tool_calls", Rule::Number),
    field("max_output_tokens", Rule::Number),
    field("metadata", Rule::Map(&Rule::Text)),
    field("client_metadata", Rule::Map(&Rule::Text)),
    field("include", Rule::List(&Rule::Word(INCLUDE))),
    field("prompt_cache_key", Rule::Text),
    field("prompt_cache_retention", Rule::Text),
    field("prompt_cache_options", Rule::Map(&Rule::Text)),
    field("reasoning", Rule::Object(REASONING)),
    field("safety_identifier", Rule::Text),
    field("service_tier", Rule::Text),
    field("store", Rule::Flag),
    field("stream", Rule::Flag),
    field("stream_options", Rule::Map(&Rule::Any(&[Rule::Flag, Rule::Text]))),
    field("temperature", Rule::Number),
    field("text", Rule::Object(&[field("format", Rule::Kinds(&FORMATS)), field("verbosity", Rule::Text)])),
    field("top_logprobs", Rule::Number),
    field("top_p", Rule::Number),
    field("truncation", Rule::Text),
    field("user", Rule::Text),
    field("context_management", Rule::List(&Rule::Kinds(&COMPACTION))),
    field("previous_response_id", Rule::Held),
    field("background", Rule::Hosted(Hosted::Background)),
    field("conversation", Rule::Hosted(Hosted::Conversations)),
    field("prompt", Rule::Hosted(Hosted::StoredPrompts)),
];

const INCLUDE: &[Word] = &[
    word("reasoning.encrypted_content"),
    word("message.output_text.logprobs"),
    word("message.input_image.image_url"),
    word("computer_call_output.output.image_url"),
    asks("web_search_call.results", Hosted::WebSearch),
    asks("web_search_call.action.sources", Hosted::WebSearch),
    asks("file_search_call.results", Hosted::FileSearch),
    asks("code_interpreter_call.outputs", Hosted::CodeExecution),
];
const REASONING: &[Field] = &[
    field("effort", Rule::Text),
    field("summary", Rule::Text),
    field("generate_summary", Rule::Text),
    field("context", Rule::Text),
];
const TYPE: &[Field] = &[field("type", Rule::Text)];
const SCHEMA: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("schema", Rule::Schema),
    field("strict", Rule::Flag),
];
const FORMATS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[kind("text", &[]), kind("json_object", &[]), kind("json_schema", SCHEMA)],
    common: TYPE,
};
const COMPACTION: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[kind("compaction", &[field("compact_threshold", Rule::Number)])],
    common: TYPE,
};

const FUNCTION: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("parameters", Rule::Schema),
    field("output_schema", Rule::Schema),
    field("strict", Rule::Flag),
    field("defer_loading", Rule::Flag),
];
const CUSTOM: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("format", Rule::Free),
    field("defer_loading", Rule::Flag),
];
const SPACE: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("tools", Rule::List(&Rule::Kinds(&SPACE_TOOLS))),
];
/// A shell is the client's own only where this says so.
const ENVIRONMENTS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("local", &[field("skills", Rule::List(&Rule::Map(&Rule::Text)))]),
        hosted("container_auto", Hosted::CodeExecution),
        hosted("container_reference", Hosted::CodeExecution),
    ],
    common: TYPE,
};
const SHELL: Kind = needing("shell", &["environment"], &[field("environment", Rule::Kinds(&ENVIRONMENTS))]);
const SCREEN: &[Field] =
    &[field("display_height", Rule::Number), field("display_width", Rule::Number), field("environment", Rule::Text)];

const TOOLS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("function", FUNCTION),
        kind("custom", CUSTOM),
        kind("namespace", SPACE),
        // The client runs these.
        kind("local_shell", &[]),
        SHELL,
        kind("apply_patch", &[]),
        kind("computer", &[]),
        kind("computer_use_preview", SCREEN),
        // Among the tools of this request, and nowhere else.
        kind(
            "tool_search",
            &[field("execution", Rule::Text), field("description", Rule::Text), field("parameters", Rule::Schema)],
        ),
        hosted("web_search", Hosted::WebSearch),
        hosted("web_search_2025_08_26", Hosted::WebSearch),
        hosted("web_search_preview", Hosted::WebSearch),
        hosted("web_search_preview_2025_03_11", Hosted::WebSearch),
        hosted("x_search", Hosted::WebSearch),
        hosted("code_interpreter", Hosted::CodeExecution),
        hosted("mcp", Hosted::Mcp),
        hosted("file_search", Hosted::FileSearch),
        hosted("image_generation", Hosted::ImageGeneration),
    ],
    common: TYPE,
};
const SPACE_TOOLS: Kinds =
    Kinds { by: "type", absent: None, kinds: &[kind("function", FUNCTION), kind("custom", CUSTOM)], common: TYPE };
const NAMED: &[Field] = &[field("name", Rule::Text), field("namespace", Rule::Text)];
const CHOICES: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("function", NAMED),
        kind("custom", NAMED),
        kind("namespace", NAMED),
        kind("local_shell", &[]),
        kind("shell", &[]),
        kind("apply_patch", &[]),
        kind("computer", &[]),
        kind("computer_use", &[]),
        kind("computer_use_preview", &[]),
        kind("tool_search", &[]),
        kind("allowed_tools", &[field("mode", Rule::Text), field("tools", Rule::List(&Rule::Kinds(&CHOSEN)))]),
        hosted("web_search", Hosted::WebSearch),
        hosted("web_search_2025_08_26", Hosted::WebSearch),
        hosted("web_search_preview", Hosted::WebSearch),
        hosted("web_search_preview_2025_03_11", Hosted::WebSearch),
        hosted("code_interpreter", Hosted::CodeExecution),
        hosted("mcp", Hosted::Mcp),
        hosted("file_search", Hosted::FileSearch),
        hosted("image_generation", Hosted::ImageGeneration),
    ],
    common: TYPE,
};
/// Those that a request allows among its tools, which are judged where they are defined.
const CHOSEN: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("function", NAMED),
        kind("custom", NAMED),
        kind("namespace", NAMED),
        kind("local_shell", &[]),
        kind("shell", &[]),
        kind("apply_patch", &[]),
        kind("computer", &[]),
        hosted("web_search", Hosted::WebSearch),
        hosted("web_search_preview", Hosted::WebSearch),
        hosted("code_interpreter", Hosted::CodeExecution),
        hosted("mcp", Hosted::Mcp),
        hosted("file_search", Hosted::FileSearch),
        hosted("image_generation", Hosted::ImageGeneration),
    ],
    common: TYPE,
};

const ROLES: Rule = Rule::Word(&[word("user"), word("assistant"), word("system"), word("developer")]);
const CONTENT: Rule = Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&PARTS))]);
const MESSAGE: &[Field] = &[field("role", ROLES), field("content", CONTENT), field("phase", Rule::Text)];
const CALL: &[Field] = &[
    field("call_id", Rule::Text),
    field("name", Rule::Text),
    field("namespace", Rule::Text),
    field("arguments", Rule::Any(&[Rule::Text, Rule::Free])),
    field("input", Rule::Text),
    field("execution", Rule::Text),
];
const RESULT: &[Field] = &[field("call_id", Rule::Text), field("name", Rule::Text), field("output", CONTENT)];
const SUMMARY: &[Field] = &[field("type", Rule::Text), field("text", Rule::Text)];
const THOUGHT: &[Field] = &[
    // The provider takes its own by the id, whatever a program says they were.
    field("id", Rule::Beside(&["encrypted_content"])),
    field("summary", Rule::List(&Rule::Object(SUMMARY))),
    field("content", Rule::List(&Rule::Object(SUMMARY))),
    field("encrypted_content", Rule::Sealed),
];
const SHORT: &[Field] = &[
    field("id", Rule::Beside(&["encrypted_content"])),
    field("encrypted_content", Rule::Sealed),
    field("summary", Rule::Text),
];
const SCREENSHOT: &[Field] = &[
    field("type", Rule::Text),
    field("image_url", Rule::Data),
    field("file_id", Rule::Hosted(Hosted::Files)),
    field("detail", Rule::Text),
];
const SHELL_CALL: &[Field] = &[
    field("call_id", Rule::Text),
    field("action", Rule::Free),
    field("environment", Rule::Kinds(&ENVIRONMENTS)),
    field("max_output_length", Rule::Number),
];

/// What an item needs is what it says: without, it is a reference to what the provider holds by its id.
const ITEMS: Kinds = Kinds {
    by: "type",
    absent: Some("message"),
    kinds: &[
        needing("message", &["role", "content"], MESSAGE),
        needing(
            "agent_message",
            &["content"],
            &[field("content", CONTENT), field("author", Rule::Text), field("recipient", Rule::Text)],
        ),
        needing("function_call", &["call_id", "name", "arguments"], CALL),
        needing("function_call_output", &["call_id", "output"], RESULT),
        needing("custom_tool_call", &["call_id", "name", "input"], CALL),
        needing("custom_tool_call_output", &["call_id", "output"], RESULT),
        // Among tools of the request: whoever runs it, there need be no id to answer by.
        needing("tool_search_call", &["arguments"], CALL),
        needing("tool_search_output", &["tools"], TOOLS_FOUND),
        needing("additional_tools", &["tools"], TOOLS_FOUND),
        // One of the client's own may have been known by its item alone.
        needing("local_shell_call", &["action"], SHELL_CALL),
        needing("local_shell_call_output", &["output"], RESULT),
        needing("shell_call", &["call_id", "action"], SHELL_CALL),
        needing(
            "shell_call_output",
            &["call_id", "output"],
            &[
                field("call_id", Rule::Text),
                field("output", Rule::Any(&[Rule::Text, Rule::List(&Rule::Free)])),
                field("max_output_length", Rule::Number),
            ],
        ),
        needing(
            "apply_patch_call",
            &["call_id", "operation"],
            &[field("call_id", Rule::Text), field("operation", Rule::Map(&Rule::Text))],
        ),
        needing("apply_patch_call_output", &["call_id"], &[field("call_id", Rule::Text), field("output", Rule::Text)]),
        needing(
            "computer_call",
            &["call_id"],
            &[
                field("id", Rule::Beside(&["action", "actions"])),
                field("call_id", Rule::Text),
                field("action", Rule::Free),
                field("actions", Rule::List(&Rule::Free)),
                field("pending_safety_checks", Rule::List(&Rule::Free)),
            ],
        ),
        needing(
            "computer_call_output",
            &["call_id", "output"],
            &[
                field("call_id", Rule::Text),
                field("output", Rule::Object(SCREENSHOT)),
                field("acknowledged_safety_checks", Rule::List(&Rule::Free)),
            ],
        ),
        kind("reasoning", THOUGHT),
        kind("compaction", SHORT),
        kind("compaction_summary", SHORT),
        kind("context_compaction", SHORT),
        kind("compaction_trigger", &[]),
        kind("item_reference", &[field("id", Rule::Held)]),
        hosted("web_search_call", Hosted::WebSearch),
        hosted("file_search_call", Hosted::FileSearch),
        hosted("code_interpreter_call", Hosted::CodeExecution),
        hosted("image_generation_call", Hosted::ImageGeneration),
        hosted("mcp_call", Hosted::Mcp),
        hosted("mcp_list_tools", Hosted::Mcp),
        hosted("mcp_approval_request", Hosted::Mcp),
        hosted("mcp_approval_response", Hosted::Mcp),
    ],
    common: &[
        field("type", Rule::Text),
        field("id", Rule::Text),
        field("status", Rule::Text),
        // What codex tells its vendor of a message: its turn, when it was made, by which part.
        field("internal_chat_message_metadata_passthrough", Rule::Map(&Rule::Free)),
    ],
};
/// Tools that enter within the conversation are judged as those at its start.
const TOOLS_FOUND: &[Field] = &[
    field("call_id", Rule::Text),
    field("role", ROLES),
    field("execution", Rule::Text),
    field("tools", Rule::List(&Rule::Kinds(&TOOLS))),
];

const FILE: &[Field] = &[
    field("filename", Rule::Text),
    field("file_data", Rule::Bytes),
    field("detail", Rule::Text),
    field("file_id", Rule::Hosted(Hosted::Files)),
    field("file_url", Rule::Hosted(Hosted::RemoteUrls)),
];
const IMAGE: &[Field] =
    &[field("image_url", Rule::Data), field("detail", Rule::Text), field("file_id", Rule::Hosted(Hosted::Files))];
const WRITTEN: &[Field] = &[
    field("text", Rule::Text),
    field("annotations", Rule::List(&Rule::Free)),
    field("logprobs", Rule::List(&Rule::Free)),
];
const SOUND: &[Field] = &[field("data", Rule::Bytes), field("format", Rule::Text)];
const PARTS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("input_text", &[field("text", Rule::Text)]),
        kind("output_text", WRITTEN),
        kind("text", &[field("text", Rule::Text)]),
        kind("summary_text", &[field("text", Rule::Text)]),
        kind("reasoning_text", &[field("text", Rule::Text)]),
        kind("refusal", &[field("refusal", Rule::Text)]),
        kind("input_image", IMAGE),
        kind("input_file", FILE),
        kind("input_audio", &[field("input_audio", Rule::Object(SOUND))]),
        kind("encrypted_content", &[field("encrypted_content", Rule::Sealed)]),
    ],
    common: &[field("type", Rule::Text), field("prompt_cache_breakpoint", Rule::Free)],
};
