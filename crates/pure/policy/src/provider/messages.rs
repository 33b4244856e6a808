//! Anthropic's messages: what a request may hold. Tools that the client runs pass; those that Anthropic runs, and what
//! it holds or fetches, do not.

use super::rule::{FREE_LIST, Field, Kind, Kinds, Rule, TEXT_OR_TEXTS, TEXTS, Word, asks, field, hosted, kind, word};
use super::{Endpoint, Hosted, Kind as Purpose, Wire};

const fn endpoint(method: &'static str, path: &'static str, kind: Purpose, body: &'static [Field]) -> Endpoint {
    Endpoint { wire: Wire::Messages, method, path, kind, body, forced: &[] }
}

pub(super) const ENDPOINTS: &[Endpoint] = &[
    endpoint("POST", "/v1/messages", Purpose::Inference, BODY),
    endpoint("POST", "/v1/messages/count_tokens", Purpose::Count, BODY),
    // What claude asks before it starts.
    endpoint("HEAD", "/api/hello", Purpose::Probe, &[]),
    endpoint("GET", "/api/hello", Purpose::Probe, &[]),
    endpoint("HEAD", "/", Purpose::Probe, &[]),
    endpoint("HEAD", "/v1/messages", Purpose::Probe, &[]),
    // OpenAI and those like it list their models here as well.
    endpoint("GET", "/v1/models", Purpose::Models, &[]),
    endpoint("GET", "/v1/models/{model}", Purpose::Models, &[]),
];

const BODY: &[Field] = &[
    field("model", Rule::Model),
    field("messages", Rule::List(&MESSAGE)),
    field("system", SYSTEM),
    field("max_tokens", Rule::Number),
    field("metadata", Rule::Object(&[field("user_id", Rule::Text)])),
    field("stop_sequences", TEXTS),
    field("stream", Rule::Flag),
    field("temperature", Rule::Number),
    field("top_k", Rule::Number),
    field("top_p", Rule::Number),
    field("thinking", Rule::Object(THINKING)),
    field("tools", Rule::List(&Rule::Kinds(&TOOLS))),
    field("tool_choice", Rule::Object(TOOL_CHOICE)),
    field("service_tier", Rule::Text),
    field("speed", Rule::Text),
    field("inference_geo", Rule::Text),
    field("cache_control", CACHE),
    field("output_config", OUTPUT),
    field("output_format", FORMAT),
    field("context_management", Rule::Object(&[field("edits", Rule::List(&Rule::Kinds(&EDITS)))])),
    field("context_hint", Rule::Object(&[field("enabled", Rule::Flag), field("target_tokens_saved", Rule::Number)])),
    field("diagnostics", Rule::Object(&[field("previous_message_id", Rule::Text)])),
    field("container", Rule::Hosted(Hosted::CodeExecution)),
    field("mcp_servers", Rule::Hosted(Hosted::Mcp)),
    field("fallbacks", Rule::Hosted(Hosted::OtherModels)),
    field("thread", Rule::Hosted(Hosted::Conversations)),
];

const CACHE: Rule = Rule::Object(&[field("type", Rule::Text), field("ttl", Rule::Text), field("scope", Rule::Text)]);
const FORMAT: Rule = Rule::Object(&[field("type", Rule::Text), field("schema", Rule::Schema)]);
const BUDGET: &[Field] = &[field("type", Rule::Text), field("total", Rule::Number), field("remaining", Rule::Number)];
const OUTPUT: Rule =
    Rule::Object(&[field("effort", Rule::Text), field("format", FORMAT), field("task_budget", Rule::Object(BUDGET))]);
const THINKING: &[Field] =
    &[field("type", Rule::Text), field("budget_tokens", Rule::Number), field("display", Rule::Text)];
const TOOL_CHOICE: &[Field] =
    &[field("type", Rule::Text), field("name", Rule::Text), field("disable_parallel_tool_use", Rule::Flag)];

const EDITS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind(
            "clear_tool_uses_20250919",
            &[
                field("clear_at_least", Rule::Free),
                field("clear_tool_inputs", Rule::Any(&[Rule::Flag, TEXTS])),
                field("exclude_tools", TEXTS),
                field("keep", Rule::Free),
                field("trigger", Rule::Free),
            ],
        ),
        kind("clear_thinking_20251015", &[field("keep", Rule::Any(&[Rule::Text, Rule::Free]))]),
        kind(
            "compact_20260112",
            &[
                field("instructions", Rule::Text),
                field("pause_after_compaction", Rule::Flag),
                field("trigger", Rule::Free),
            ],
        ),
    ],
    common: &[field("type", Rule::Text)],
};

/// Who may call a tool: the model, or code that the provider runs.
const CALLERS: &[Word] = &[
    word("direct"),
    asks("code_execution_20250825", Hosted::CodeExecution),
    asks("code_execution_20260120", Hosted::CodeExecution),
];
const CALLER: Rule = Rule::Object(&[field("type", Rule::Word(CALLERS)), field("tool_id", Rule::Text)]);

const COMPUTER: &[Field] = &[
    field("display_height_px", Rule::Number),
    field("display_width_px", Rule::Number),
    field("display_number", Rule::Number),
    field("enable_zoom", Rule::Flag),
];
const CUSTOM: &[Field] = &[
    field("description", Rule::Text),
    field("input_schema", Rule::Schema),
    field("eager_input_streaming", Rule::Flag),
];

const TOOLS: Kinds = Kinds {
    by: "type",
    absent: Some("custom"),
    kinds: &[
        kind("custom", CUSTOM),
        // The client runs these.
        kind("bash_20241022", &[]),
        kind("bash_20250124", &[]),
        kind("text_editor_20241022", &[]),
        kind("text_editor_20250124", &[]),
        kind("text_editor_20250429", &[]),
        kind("text_editor_20250728", &[field("max_characters", Rule::Number)]),
        kind("computer_20241022", COMPUTER),
        kind("computer_20250124", COMPUTER),
        kind("computer_20251124", COMPUTER),
        kind("memory_20250818", &[]),
        // The provider searches among the tools of this request, and nowhere else.
        kind("tool_search_tool_regex", &[]),
        kind("tool_search_tool_regex_20251119", &[]),
        kind("tool_search_tool_bm25", &[]),
        kind("tool_search_tool_bm25_20251119", &[]),
        hosted("web_search_20250305", Hosted::WebSearch),
        hosted("web_search_20260209", Hosted::WebSearch),
        hosted("web_fetch_20250910", Hosted::WebFetch),
        hosted("web_fetch_20260209", Hosted::WebFetch),
        hosted("web_fetch_20260309", Hosted::WebFetch),
        hosted("code_execution_20250522", Hosted::CodeExecution),
        hosted("code_execution_20250825", Hosted::CodeExecution),
        hosted("code_execution_20260120", Hosted::CodeExecution),
        hosted("mcp_toolset", Hosted::Mcp),
        hosted("advisor_20260301", Hosted::OtherModels),
    ],
    common: &[
        field("type", Rule::Text),
        field("name", Rule::Text),
        field("cache_control", CACHE),
        field("defer_loading", Rule::Flag),
        field("strict", Rule::Flag),
        field("input_examples", FREE_LIST),
        field("allowed_callers", Rule::List(&Rule::Word(CALLERS))),
    ],
};

const MESSAGE: Rule = Rule::Object(&[
    field("role", Rule::Word(&[word("user"), word("assistant"), word("system")])),
    field("content", Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&BLOCKS))])),
    field("output_config", OUTPUT),
    field("clear_at", Rule::Free),
]);
const SYSTEM: Rule = Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&SYSTEM_BLOCKS))]);
const SYSTEM_BLOCKS: Kinds = Kinds { by: "type", absent: None, kinds: &[TEXT], common: BLOCK };

const BLOCK: &[Field] = &[field("type", Rule::Text), field("cache_control", CACHE)];
const CITATIONS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("char_location", LOCATION),
        kind("page_location", LOCATION),
        kind("content_block_location", LOCATION),
        kind("search_result_location", LOCATION),
        hosted("web_search_result_location", Hosted::WebSearch),
    ],
    common: &[field("type", Rule::Text), field("cited_text", Rule::Text), field("title", Rule::Text)],
};
const LOCATION: &[Field] = &[
    field("document_index", Rule::Number),
    field("document_title", Rule::Text),
    field("file_id", Rule::Text),
    field("source", Rule::Text),
    field("search_result_index", Rule::Number),
    field("start_char_index", Rule::Number),
    field("end_char_index", Rule::Number),
    field("start_page_number", Rule::Number),
    field("end_page_number", Rule::Number),
    field("start_block_index", Rule::Number),
    field("end_block_index", Rule::Number),
];

const TEXT: Kind = kind("text", &[field("text", Rule::Text), field("citations", Rule::List(&Rule::Kinds(&CITATIONS)))]);
const IMAGE: Kind = kind("image", &[field("source", Rule::Kinds(&IMAGES))]);
const DOCUMENT: Kind = kind(
    "document",
    &[
        field("source", Rule::Kinds(&SOURCES)),
        field("title", Rule::Text),
        field("context", Rule::Text),
        field("citations", Rule::Object(&[field("enabled", Rule::Flag)])),
    ],
);
const SEARCH_RESULT: Kind = kind(
    "search_result",
    &[
        field("source", Rule::Text),
        field("title", Rule::Text),
        field("content", Rule::List(&Rule::Kinds(&SYSTEM_BLOCKS))),
        field("citations", Rule::Object(&[field("enabled", Rule::Flag)])),
    ],
);
const REFERENCE: Kind = kind("tool_reference", &[field("tool_name", Rule::Text)]);

const INLINE: Kind = kind("base64", &[field("media_type", Rule::Text), field("data", Rule::Bytes)]);
const URL: Kind = hosted("url", Hosted::RemoteUrls);
const HELD_FILE: Kind = hosted("file", Hosted::Files);
/// Where an image comes from.
const IMAGES: Kinds =
    Kinds { by: "type", absent: None, kinds: &[INLINE, URL, HELD_FILE], common: &[field("type", Rule::Text)] };
/// Where a document comes from.
const SOURCES: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        INLINE,
        kind("text", &[field("media_type", Rule::Text), field("data", Rule::Text)]),
        kind("content", &[field("content", Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&PARTS))]))]),
        URL,
        HELD_FILE,
    ],
    common: &[field("type", Rule::Text)],
};
/// What a document of parts holds.
const PARTS: Kinds = Kinds { by: "type", absent: None, kinds: &[TEXT, IMAGE], common: BLOCK };
/// What a tool of the client's answers.
const RESULTS: Kinds =
    Kinds { by: "type", absent: None, kinds: &[TEXT, IMAGE, DOCUMENT, SEARCH_RESULT, REFERENCE], common: BLOCK };

/// A tool that enters or leaves within the conversation.
const CHANGES: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("tool_reference", &[field("name", Rule::Text), field("tool_name", Rule::Text)]),
        kind("tool_definition", &[field("definition", Rule::Kinds(&TOOLS))]),
    ],
    common: &[field("type", Rule::Text)],
};
const CHANGE: &[Field] = &[field("tool", Rule::Kinds(&CHANGES))];

/// Calls that the provider made itself, told apart by the name of the tool.
const SERVER_CALLS: &[Word] = &[
    word("tool_search_tool_regex"),
    word("tool_search_tool_bm25"),
    asks("web_search", Hosted::WebSearch),
    asks("web_fetch", Hosted::WebFetch),
    asks("code_execution", Hosted::CodeExecution),
    asks("bash_code_execution", Hosted::CodeExecution),
    asks("text_editor_code_execution", Hosted::CodeExecution),
    asks("advisor", Hosted::OtherModels),
];

const BLOCKS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        TEXT,
        IMAGE,
        DOCUMENT,
        SEARCH_RESULT,
        REFERENCE,
        kind("thinking", &[field("thinking", Rule::Text), field("signature", Rule::Sealed)]),
        kind("redacted_thinking", &[field("data", Rule::Sealed)]),
        kind("compaction", &[field("content", TEXT_OR_TEXTS), field("encrypted_content", Rule::Sealed)]),
        kind(
            "tool_use",
            &[field("id", Rule::Text), field("name", Rule::Text), field("input", Rule::Free), field("caller", CALLER)],
        ),
        kind(
            "tool_result",
            &[
                field("tool_use_id", Rule::Text),
                field("is_error", Rule::Flag),
                field("content", Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&RESULTS))])),
            ],
        ),
        kind("tool_addition", CHANGE),
        kind("tool_removal", CHANGE),
        // An open call is one that the provider goes on with.
        kind(
            "server_tool_use",
            &[
                field("id", Rule::Text),
                field("name", Rule::Word(SERVER_CALLS)),
                field("input", Rule::Free),
                field("caller", CALLER),
            ],
        ),
        kind("tool_search_tool_result", &[field("tool_use_id", Rule::Text), field("content", Rule::Free)]),
        hosted("web_search_tool_result", Hosted::WebSearch),
        hosted("web_fetch_tool_result", Hosted::WebFetch),
        hosted("code_execution_tool_result", Hosted::CodeExecution),
        hosted("bash_code_execution_tool_result", Hosted::CodeExecution),
        hosted("text_editor_code_execution_tool_result", Hosted::CodeExecution),
        hosted("advisor_tool_result", Hosted::OtherModels),
        hosted("mcp_tool_use", Hosted::Mcp),
        hosted("mcp_tool_result", Hosted::Mcp),
        hosted("container_upload", Hosted::Files),
    ],
    common: BLOCK,
};
