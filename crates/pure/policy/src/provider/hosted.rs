//! What a provider can do for an agent besides answering: each has a name by which a policy grants it, and a reason
//! why it is refused otherwise. It never says how a request asks for it; the tables of the wires do.

use std::fmt;

/// Something that a provider would do for the agent, past the door, or hold for it out of the door's sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // `why` says of each what it is.
pub enum Hosted {
    WebSearch,
    WebFetch,
    CodeExecution,
    Mcp,
    FileSearch,
    ImageGeneration,
    OtherModels,
    RemoteUrls,
    Files,
    Background,
    StoredPrompts,
    Conversations,
    Store,
    Audio,
    Tokens,
}

impl Hosted {
    /// Every one, in the order of the reference.
    pub const ALL: [Hosted; 15] = [
        Hosted::WebSearch,
        Hosted::WebFetch,
        Hosted::CodeExecution,
        Hosted::Mcp,
        Hosted::FileSearch,
        Hosted::ImageGeneration,
        Hosted::OtherModels,
        Hosted::RemoteUrls,
        Hosted::Files,
        Hosted::Background,
        Hosted::StoredPrompts,
        Hosted::Conversations,
        Hosted::Store,
        Hosted::Audio,
        Hosted::Tokens,
    ];

    /// The name by which a policy grants it, for example `web_search`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Hosted::WebSearch => "web_search",
            Hosted::WebFetch => "web_fetch",
            Hosted::CodeExecution => "code_execution",
            Hosted::Mcp => "mcp",
            Hosted::FileSearch => "file_search",
            Hosted::ImageGeneration => "image_generation",
            Hosted::OtherModels => "other_models",
            Hosted::RemoteUrls => "remote_urls",
            Hosted::Files => "files",
            Hosted::Background => "background",
            Hosted::StoredPrompts => "stored_prompts",
            Hosted::Conversations => "conversations",
            Hosted::Store => "store",
            Hosted::Audio => "audio",
            Hosted::Tokens => "tokens",
        }
    }

    /// Why it is refused unless it is granted; readable by an agent.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Hosted::WebSearch => "the provider would search the web for the agent, past the door",
            Hosted::WebFetch => "the provider would fetch pages for the agent, past the door",
            Hosted::CodeExecution => "the provider would run code for the agent, outside of the cell",
            Hosted::Mcp => "the provider would call the tools of other servers for the agent, past the door",
            Hosted::FileSearch => "the provider would search in files that it holds, which the door has not seen",
            Hosted::ImageGeneration => {
                "the provider would make images with a tool of its own, which the door cannot judge"
            }
            Hosted::OtherModels => "the provider would ask another model, past the routes of the policy",
            Hosted::RemoteUrls => "the provider would fetch an address for the agent, past the door",
            Hosted::Files => "the provider would take content that it holds, which the door has not seen",
            Hosted::Background => "the answer would be made later and kept by the provider, out of the door's sight",
            Hosted::StoredPrompts => "the prompt would be one that the provider holds, which the door has not seen",
            Hosted::Conversations => "the conversation would be held by the provider, out of the door's sight",
            Hosted::Store => "the provider would keep the conversation",
            Hosted::Audio => "the answer would be sound, which the door cannot read",
            Hosted::Tokens => "text as numbers of tokens cannot be read at the door",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Hosted> {
        Hosted::ALL.into_iter().find(|hosted| hosted.name() == name)
    }
}

impl fmt::Display for Hosted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Where in the name of a model a mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Start(&'static str),
    End(&'static str),
    Within(&'static str),
}

/// Models that act by themselves, whatever the request says; a name is compared in lower case.
pub(super) const ACTING_MODELS: &[(Mark, Hosted)] = &[
    // OpenAI's models that search before each answer, and those that research for minutes.
    (Mark::Within("-search-preview"), Hosted::WebSearch),
    (Mark::Within("-search-api"), Hosted::WebSearch),
    (Mark::Within("deep-research"), Hosted::WebSearch),
    // Perplexity searches always.
    (Mark::Start("sonar"), Hosted::WebSearch),
    (Mark::Within("/sonar"), Hosted::WebSearch),
    // Groq's systems of a model with search and code.
    (Mark::Start("compound"), Hosted::WebSearch),
    (Mark::Within("/compound"), Hosted::WebSearch),
    (Mark::End("-online"), Hosted::WebSearch),
    // OpenRouter's suffix that adds a search, beside others; its prompts that it holds; and its choice of any model.
    (Mark::Within(":online"), Hosted::WebSearch),
    (Mark::Within("@preset/"), Hosted::StoredPrompts),
    (Mark::Start("openrouter/auto"), Hosted::OtherModels),
    // Ollama passes these on to its own service.
    (Mark::End(":cloud"), Hosted::OtherModels),
    (Mark::End("-cloud"), Hosted::OtherModels),
];

/// What a model of this name does by itself.
pub(super) fn acting(model: &str) -> Option<Hosted> {
    let model = model.to_ascii_lowercase();
    let marked = |mark: &Mark| match *mark {
        Mark::Start(text) => model.starts_with(text),
        Mark::End(text) => model.ends_with(text),
        Mark::Within(text) => model.contains(text),
    };
    ACTING_MODELS.iter().find(|(mark, _)| marked(mark)).map(|&(_, hosted)| hosted)
}
