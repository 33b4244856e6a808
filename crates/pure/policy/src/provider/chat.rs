//! OpenAI's chat completions: what a request may hold, with the fields by which agents speak to the many providers
//! that take this form. What one of them does for an agent is refused for all.

use super::rule::{Field, Forced, Kinds, Rule, TEXT_OR_TEXTS, asks, field, hosted, kind, word};
use super::{Endpoint, Hosted, Kind as Purpose, Wire};

const fn endpoint(path: &'static str) -> Endpoint {
    Endpoint { wire: Wire::Chat, method: "POST", path, kind: Purpose::Inference, body: BODY, forced: FORCED }
}

pub(super) const ENDPOINTS: &[Endpoint] = &[endpoint("/v1/chat/completions")];

// Only where it was said: some providers of this form know no such field.
const FORCED: &[Forced] = &[Forced { pointer: "/store", value: false, always: false, unless: Hosted::Store }];

const BODY: &[Field] = &[
    field("model", Rule::Model),
    field("messages", Rule::List(&Rule::Kinds(&MESSAGES))),
    field("tools", Rule::List(&Rule::Kinds(&TOOLS))),
    field("tool_choice", Rule::Any(&[Rule::Text, Rule::Kinds(&CHOICES)])),
    field("functions", Rule::List(&Rule::Object(FUNCTION))),
    field("function_call", Rule::Any(&[Rule::Text, Rule::Object(&[field("name", Rule::Text)])])),
    field("parallel_tool_calls", Rule::Flag),
    field("frequency_penalty", Rule::Number),
    field("presence_penalty", Rule::Number),
    field("repetition_penalty", Rule::Number),
    field("logit_bias", Rule::Map(&Rule::Number)),
    field("logprobs", Rule::Flag),
    field("top_logprobs", Rule::Number),
    field("max_tokens", Rule::Number),
    field("max_completion_tokens", Rule::Number),
    field("metadata", Rule::Map(&Rule::Text)),
    field("n", Rule::Number),
    field("modalities", Rule::List(&Rule::Word(&[word("text"), asks("audio", Hosted::Audio)]))),
    field("prediction", Rule::Kinds(&PREDICTIONS)),
    field("prompt_cache_key", Rule::Text),
    field("prompt_cache_retention", Rule::Text),
    field("reasoning_effort", Rule::Text),
    field("response_format", Rule::Kinds(&FORMATS)),
    field("safety_identifier", Rule::Text),
    field("seed", Rule::Number),
    field("service_tier", Rule::Text),
    field("stop", TEXT_OR_TEXTS),
    field("store", Rule::Flag),
    field("stream", Rule::Flag),
    field("stream_options", Rule::Map(&Rule::Flag)),
    field("temperature", Rule::Number),
    field("top_p", Rule::Number),
    field("top_k", Rule::Number),
    field("min_p", Rule::Number),
    field("user", Rule::Text),
    field("verbosity", Rule::Text),
    // How agents ask providers other than OpenAI to think.
    field("thinking", Rule::Object(THINKING)),
    field("enable_thinking", Rule::Flag),
    field("thinking_budget", Rule::Number),
    field("reasoning", Rule::Object(REASONING)),
    field("include_reasoning", Rule::Flag),
    field("chat_template_kwargs", Rule::Map(&Rule::Any(&[Rule::Flag, Rule::Number, Rule::Text]))),
    field("tool_stream", Rule::Flag),
    field("usage", Rule::Object(&[field("include", Rule::Flag)])),
    field("audio", Rule::Hosted(Hosted::Audio)),
    // OpenAI; Alibaba; xAI; OpenRouter.
    field("web_search_options", Rule::Hosted(Hosted::WebSearch)),
    field("enable_search", Rule::Hosted(Hosted::WebSearch)),
    field("search_options", Rule::Hosted(Hosted::WebSearch)),
    field("search_parameters", Rule::Hosted(Hosted::WebSearch)),
    field("plugins", Rule::Hosted(Hosted::WebSearch)),
    // OpenRouter and Vercel: other models and providers than the policy routes to.
    field("models", Rule::Hosted(Hosted::OtherModels)),
    field("route", Rule::Hosted(Hosted::OtherModels)),
    field("provider", Rule::Hosted(Hosted::OtherModels)),
    field("providerOptions", Rule::Hosted(Hosted::OtherModels)),
    field("fallbacks", Rule::Hosted(Hosted::OtherModels)),
    // OpenRouter's stored prompts; xAI's answers for later; Mistral's conversations.
    field("preset", Rule::Hosted(Hosted::StoredPrompts)),
    field("deferred", Rule::Hosted(Hosted::Background)),
    field("conversation_id", Rule::Hosted(Hosted::Conversations)),
];

const THINKING: &[Field] =
    &[field("type", Rule::Text), field("budget_tokens", Rule::Number), field("clear_thinking", Rule::Flag)];
const REASONING: &[Field] = &[
    field("effort", Rule::Text),
    field("max_tokens", Rule::Number),
    field("exclude", Rule::Flag),
    field("enabled", Rule::Flag),
];
const CACHE: Rule = Rule::Object(&[field("type", Rule::Text), field("ttl", Rule::Text)]);
const FUNCTION: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("parameters", Rule::Schema),
    field("strict", Rule::Flag),
];
const SCHEMA: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("schema", Rule::Schema),
    field("strict", Rule::Flag),
];
const FORMATS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("text", &[]),
        kind("json_object", &[]),
        kind("json_schema", &[field("json_schema", Rule::Object(SCHEMA))]),
    ],
    common: &[field("type", Rule::Text)],
};
const PREDICTIONS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[kind("content", &[field("content", Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&TEXT_PARTS))]))])],
    common: &[field("type", Rule::Text)],
};

const CUSTOM: &[Field] = &[field("name", Rule::Text), field("description", Rule::Text), field("format", Rule::Free)];
const TOOLS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("function", &[field("function", Rule::Object(FUNCTION))]),
        kind("custom", &[field("custom", Rule::Object(CUSTOM))]),
        // Zhipu, Mistral and others; Moonshot's `$web_search`.
        hosted("web_search", Hosted::WebSearch),
        hosted("web_search_preview", Hosted::WebSearch),
        hosted("web_search_premium", Hosted::WebSearch),
        hosted("browser_search", Hosted::WebSearch),
        hosted("builtin_function", Hosted::WebSearch),
        hosted("code_interpreter", Hosted::CodeExecution),
        hosted("file_search", Hosted::FileSearch),
        hosted("retrieval", Hosted::FileSearch),
        hosted("document_library", Hosted::FileSearch),
        hosted("image_generation", Hosted::ImageGeneration),
        hosted("mcp", Hosted::Mcp),
    ],
    common: &[field("type", Rule::Text), field("cache_control", CACHE)],
};
const NAMED: Rule = Rule::Object(&[field("name", Rule::Text)]);
const CHOICES: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("function", &[field("function", NAMED)]),
        kind("custom", &[field("custom", NAMED)]),
        kind("allowed_tools", &[field("allowed_tools", Rule::Object(ALLOWED))]),
    ],
    common: &[field("type", Rule::Text)],
};
const ALLOWED: &[Field] = &[field("mode", Rule::Text), field("tools", Rule::List(&Rule::Kinds(&CHOSEN)))];
const CHOSEN: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[kind("function", &[field("function", NAMED)]), kind("custom", &[field("custom", NAMED)])],
    common: &[field("type", Rule::Text)],
};

const CONTENT: Rule = Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&PARTS))]);
const MESSAGES: Kinds = Kinds {
    by: "role",
    absent: None,
    kinds: &[
        kind("system", &[]),
        kind("developer", &[]),
        kind("user", &[]),
        kind("tool", &[field("tool_call_id", Rule::Text)]),
        kind("function", &[]),
        kind("assistant", ASSISTANT),
    ],
    common: &[
        field("role", Rule::Text),
        field("name", Rule::Text),
        field("content", CONTENT),
        field("cache_control", CACHE),
    ],
};
const ASSISTANT: &[Field] = &[
    field("tool_calls", Rule::List(&Rule::Kinds(&CALLS))),
    field("function_call", Rule::Object(&[field("name", Rule::Text), field("arguments", Rule::Text)])),
    field("refusal", Rule::Text),
    field("annotations", Rule::List(&Rule::Free)),
    field("prefix", Rule::Flag),
    // What a model thought, as those beside OpenAI hand it out.
    field("reasoning", Rule::Text),
    field("reasoning_content", Rule::Text),
    field("reasoning_text", Rule::Text),
    field("reasoning_opaque", Rule::Sealed),
    field("reasoning_details", Rule::List(&Rule::Kinds(&DETAILS))),
    // An answer in sound that the provider keeps.
    field("audio", Rule::Hosted(Hosted::Audio)),
];
const CALL: &[Field] = &[field("name", Rule::Text), field("arguments", Rule::Text)];
const CUSTOM_CALL: &[Field] = &[field("name", Rule::Text), field("input", Rule::Text)];
const CALLS: Kinds = Kinds {
    by: "type",
    absent: Some("function"),
    kinds: &[
        kind("function", &[field("function", Rule::Object(CALL))]),
        kind("custom", &[field("custom", Rule::Object(CUSTOM_CALL))]),
    ],
    common: &[field("type", Rule::Text), field("id", Rule::Text), field("index", Rule::Number)],
};
const DETAILS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("reasoning.text", &[field("text", Rule::Text), field("signature", Rule::Sealed)]),
        kind("reasoning.summary", &[field("summary", Rule::Text)]),
        kind("reasoning.encrypted", &[field("data", Rule::Sealed)]),
    ],
    common: &[
        field("type", Rule::Text),
        field("id", Rule::Text),
        field("format", Rule::Text),
        field("index", Rule::Number),
    ],
};

const TEXT_PARTS: Kinds =
    Kinds { by: "type", absent: None, kinds: &[kind("text", &[field("text", Rule::Text)])], common: PART };
const PART: &[Field] = &[field("type", Rule::Text), field("cache_control", CACHE)];
const IMAGE: &[Field] = &[field("url", Rule::Data), field("detail", Rule::Text)];
const ADDRESS: Rule = Rule::Any(&[Rule::Data, Rule::Object(IMAGE)]);
const SOUND: &[Field] = &[field("data", Rule::Bytes), field("format", Rule::Text)];
const FILE: &[Field] = &[
    field("file_data", Rule::Bytes),
    field("filename", Rule::Text),
    field("file_id", Rule::Hosted(Hosted::Files)),
    field("file_url", Rule::Hosted(Hosted::RemoteUrls)),
];
const PARTS: Kinds = Kinds {
    by: "type",
    absent: None,
    kinds: &[
        kind("text", &[field("text", Rule::Text)]),
        kind("refusal", &[field("refusal", Rule::Text)]),
        kind("image_url", &[field("image_url", ADDRESS)]),
        kind("video_url", &[field("video_url", ADDRESS)]),
        kind("audio_url", &[field("audio_url", ADDRESS)]),
        kind("input_audio", &[field("input_audio", Rule::Object(SOUND))]),
        kind("file", &[field("file", Rule::Object(FILE))]),
        kind(
            "thinking",
            &[
                field("thinking", Rule::Any(&[Rule::Text, Rule::List(&Rule::Kinds(&TEXT_PARTS))])),
                field("signature", Rule::Sealed),
            ],
        ),
        // Mistral's.
        hosted("document_url", Hosted::RemoteUrls),
        hosted("reference", Hosted::Files),
    ],
    common: PART,
};
