//! Google's Gemini: what a request may hold. A field has two spellings there, `fileUri` and `file_uri`; the lists hold
//! the first, and both are judged by it.

use super::rule::{FREE_LIST, Field, Rule, TEXTS, asks, field, word};
use super::{Endpoint, Hosted, Kind as Purpose, Wire};

const fn endpoint(method: &'static str, path: &'static str, kind: Purpose, body: &'static [Field]) -> Endpoint {
    Endpoint { wire: Wire::Gemini, method, path, kind, body, forced: &[] }
}

pub(super) const ENDPOINTS: &[Endpoint] = &[
    endpoint("POST", "/v1beta/models/{model}:generateContent", Purpose::Inference, BODY),
    endpoint("POST", "/v1beta/models/{model}:streamGenerateContent", Purpose::Inference, BODY),
    endpoint("POST", "/v1beta/models/{model}:countTokens", Purpose::Count, COUNT),
    endpoint("POST", "/v1beta/models/{model}:embedContent", Purpose::Embedding, EMBED),
    // Many at once, and answered at once.
    endpoint("POST", "/v1beta/models/{model}:batchEmbedContents", Purpose::Embedding, EMBEDS),
    endpoint("POST", "/v1/models/{model}:generateContent", Purpose::Inference, BODY),
    endpoint("POST", "/v1/models/{model}:streamGenerateContent", Purpose::Inference, BODY),
    endpoint("POST", "/v1/models/{model}:countTokens", Purpose::Count, COUNT),
    endpoint("POST", "/v1/models/{model}:embedContent", Purpose::Embedding, EMBED),
    endpoint("GET", "/v1beta/models", Purpose::Models, &[]),
    endpoint("GET", "/v1beta/models/{model}", Purpose::Models, &[]),
];

const BODY: &[Field] = &[
    field("model", Rule::Model),
    field("contents", CONTENTS),
    field("systemInstruction", Rule::Object(CONTENT)),
    field("generationConfig", Rule::Object(GENERATION)),
    field("safetySettings", Rule::List(&Rule::Map(&Rule::Text))),
    field("tools", Rule::Any(&[Rule::List(&Rule::Object(TOOL)), Rule::Object(TOOL)])),
    field("toolConfig", Rule::Object(TOOL_CONFIG)),
    field("labels", Rule::Map(&Rule::Text)),
    field("serviceTier", Rule::Text),
    field("store", Rule::Hosted(Hosted::Store)),
    field("cachedContent", Rule::Hosted(Hosted::Files)),
];
const COUNT: &[Field] =
    &[field("model", Rule::Model), field("contents", CONTENTS), field("generateContentRequest", Rule::Object(BODY))];
const EMBED: &[Field] = &[
    field("model", Rule::Model),
    field("content", Rule::Object(CONTENT)),
    field("taskType", Rule::Text),
    field("title", Rule::Text),
    field("outputDimensionality", Rule::Number),
    field("autoTruncate", Rule::Flag),
];
const EMBEDS: &[Field] = &[field("requests", Rule::List(&Rule::Object(EMBED)))];

const GENERATION: &[Field] = &[
    field("temperature", Rule::Number),
    field("topP", Rule::Number),
    field("topK", Rule::Number),
    field("candidateCount", Rule::Number),
    field("maxOutputTokens", Rule::Number),
    field("stopSequences", TEXTS),
    field("responseMimeType", Rule::Text),
    field("responseSchema", Rule::Schema),
    field("responseJsonSchema", Rule::Schema),
    field("responseModalities", Rule::List(&Rule::Word(MODALITIES))),
    field("responseLogprobs", Rule::Flag),
    field("logprobs", Rule::Number),
    field("presencePenalty", Rule::Number),
    field("frequencyPenalty", Rule::Number),
    field("seed", Rule::Number),
    field("mediaResolution", Rule::Text),
    field("thinkingConfig", Rule::Object(THINKING)),
    field("imageConfig", Rule::Map(&Rule::Any(&[Rule::Text, Rule::Number]))),
    field("enableEnhancedCivicAnswers", Rule::Flag),
    field("audioTimestamp", Rule::Flag),
    field("speechConfig", Rule::Hosted(Hosted::Audio)),
    field("modelSelectionConfig", Rule::Hosted(Hosted::OtherModels)),
    field("routingConfig", Rule::Hosted(Hosted::OtherModels)),
];
const MODALITIES: &[super::rule::Word] = &[
    word("TEXT"),
    word("IMAGE"),
    word("MODALITY_UNSPECIFIED"),
    asks("AUDIO", Hosted::Audio),
    asks("VIDEO", Hosted::Audio),
];
const THINKING: &[Field] =
    &[field("includeThoughts", Rule::Flag), field("thinkingBudget", Rule::Number), field("thinkingLevel", Rule::Text)];

const TOOL: &[Field] = &[
    field("functionDeclarations", Rule::Any(&[Rule::List(&Rule::Object(FUNCTION)), Rule::Object(FUNCTION)])),
    // The client moves the mouse.
    field("computerUse", Rule::Object(COMPUTER)),
    field("googleSearch", Rule::Hosted(Hosted::WebSearch)),
    field("googleSearchRetrieval", Rule::Hosted(Hosted::WebSearch)),
    field("enterpriseWebSearch", Rule::Hosted(Hosted::WebSearch)),
    field("parallelAiSearch", Rule::Hosted(Hosted::WebSearch)),
    field("googleMaps", Rule::Hosted(Hosted::WebSearch)),
    field("urlContext", Rule::Hosted(Hosted::WebFetch)),
    field("codeExecution", Rule::Hosted(Hosted::CodeExecution)),
    field("mcpServers", Rule::Hosted(Hosted::Mcp)),
    field("retrieval", Rule::Hosted(Hosted::FileSearch)),
    field("fileSearch", Rule::Hosted(Hosted::FileSearch)),
];
const COMPUTER: &[Field] = &[field("environment", Rule::Text), field("excludedPredefinedFunctions", TEXTS)];
const FUNCTION: &[Field] = &[
    field("name", Rule::Text),
    field("description", Rule::Text),
    field("parameters", Rule::Schema),
    field("parametersJsonSchema", Rule::Schema),
    field("response", Rule::Schema),
    field("responseJsonSchema", Rule::Schema),
    field("behavior", Rule::Text),
];
const CALLING: &[Field] = &[
    field("mode", Rule::Text),
    field("allowedFunctionNames", TEXTS),
    field("streamFunctionCallArguments", Rule::Flag),
];
const TOOL_CONFIG: &[Field] = &[
    field("functionCallingConfig", Rule::Object(CALLING)),
    field("includeServerSideToolInvocations", Rule::Flag),
    field("retrievalConfig", Rule::Hosted(Hosted::WebSearch)),
];

const CONTENTS: Rule = Rule::Any(&[Rule::List(&Rule::Object(CONTENT)), Rule::Object(CONTENT)]);
const CONTENT: &[Field] =
    &[field("role", Rule::Text), field("parts", Rule::Any(&[Rule::List(&Rule::Object(PART)), Rule::Object(PART)]))];
/// What clients send where the model that answered was another, which sealed nothing.
const NO_SIGNATURE: &[&str] = &["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];
const PART: &[Field] = &[
    field("text", Rule::Text),
    field("thought", Rule::Flag),
    field("thoughtSignature", Rule::SealedOr(NO_SIGNATURE)),
    field("inlineData", BLOB),
    field("functionCall", Rule::Object(CALL)),
    field("functionResponse", Rule::Object(ANSWER)),
    field("videoMetadata", Rule::Free),
    field("mediaResolution", Rule::Free),
    field("partMetadata", Rule::Free),
    field("fileData", Rule::Hosted(Hosted::RemoteUrls)),
    field("executableCode", Rule::Hosted(Hosted::CodeExecution)),
    field("codeExecutionResult", Rule::Hosted(Hosted::CodeExecution)),
    // Calls of tools that the provider ran.
    field("toolCall", Rule::Hosted(Hosted::WebSearch)),
    field("toolResponse", Rule::Hosted(Hosted::WebSearch)),
];
const BLOB: Rule =
    Rule::Object(&[field("mimeType", Rule::Text), field("data", Rule::Bytes), field("displayName", Rule::Text)]);
const CALL: &[Field] = &[
    field("id", Rule::Text),
    field("name", Rule::Text),
    field("args", Rule::Free),
    field("partialArgs", FREE_LIST),
    field("willContinue", Rule::Flag),
];
const ANSWER: &[Field] = &[
    field("id", Rule::Text),
    field("name", Rule::Text),
    field("response", Rule::Free),
    field("parts", Rule::List(&Rule::Object(ANSWER_PART))),
    field("willContinue", Rule::Flag),
    field("scheduling", Rule::Text),
];
const ANSWER_PART: &[Field] = &[field("inlineData", BLOB), field("fileData", Rule::Hosted(Hosted::RemoteUrls))];
