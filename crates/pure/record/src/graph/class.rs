//! What kind of thing an event is, to who asks what led to what.

use serde::{Deserialize, Serialize};

use crate::event::Kind;

/// The kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // Each is its own word.
pub enum Class {
    Session,
    Intent,
    ToolCall,
    ToolResult,
    Words,
    Instructions,
    Tool,
    Model,
    Program,
    Name,
    Connection,
    Request,
    Mcp,
    Petition,
    SubAgent,
    Server,
    Question,
    Answer,
    Evidence,
    Policy,
    Order,
    Labels,
    File,
    Change,
    End,
}

impl Class {
    /// That of an event; none of one that is neither a what nor a why: a measurement, the end of something.
    #[must_use]
    pub fn of(kind: &Kind) -> Option<Class> {
        Some(match kind {
            Kind::SessionStart { .. } => Class::Session,
            Kind::Said { standing, .. } if standing == "attested" => Class::Intent,
            Kind::Said { form, .. } if form == "tool-call" => Class::ToolCall,
            Kind::Said { form, speaker, .. } if form == "tool-result" || speaker == "tool" => Class::ToolResult,
            Kind::Said { speaker, .. } if matches!(speaker.as_str(), "system" | "server") => Class::Instructions,
            Kind::Said { .. } => Class::Words,
            Kind::Tool { .. } => Class::Tool,
            Kind::Model { .. } => Class::Model,
            Kind::Exec { .. } => Class::Program,
            Kind::Resolve { .. } => Class::Name,
            Kind::Connect { .. } => Class::Connection,
            Kind::Request { .. } => Class::Request,
            Kind::Mcp { .. } => Class::Mcp,
            Kind::Petition { .. } | Kind::PetitionAnswered { .. } => Class::Petition,
            Kind::ChildReserved { .. } | Kind::ChildBegan { .. } | Kind::ChildEnded { .. } => Class::SubAgent,
            Kind::ServerBegins { .. } | Kind::ServerBegan { .. } | Kind::ServerEnded { .. } => Class::Server,
            Kind::Question { .. } => Class::Question,
            Kind::Ruled { .. } => Class::Answer,
            Kind::Evidence { .. } | Kind::Risk { .. } => Class::Evidence,
            Kind::Policy { .. } | Kind::PolicyNotTaken { .. } => Class::Policy,
            Kind::Ordered { .. } => Class::Order,
            Kind::Carried { .. } | Kind::Left { .. } | Kind::Declassified { .. } => Class::Labels,
            Kind::FileRefused { .. } => Class::File,
            Kind::WorkspaceChange { .. } | Kind::Merge { .. } => Class::Change,
            Kind::Ended { .. } => Class::End,
            Kind::Walls { .. }
            | Kind::Limits { .. }
            | Kind::Answered { .. }
            | Kind::Close { .. }
            | Kind::GateStarted { .. }
            | Kind::GateLost
            | Kind::DecidesBy { .. }
            // These say of their session what its parent's record says.
            | Kind::ChildOf { .. }
            | Kind::ServerOf { .. }
            | Kind::Unknown => return None,
        })
    }

    /// The name as written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Class::Session => "session",
            Class::Intent => "intent",
            Class::ToolCall => "tool-call",
            Class::ToolResult => "tool-result",
            Class::Words => "words",
            Class::Instructions => "instructions",
            Class::Tool => "tool",
            Class::Model => "model",
            Class::Program => "program",
            Class::Name => "name",
            Class::Connection => "connection",
            Class::Request => "request",
            Class::Mcp => "mcp",
            Class::Petition => "petition",
            Class::SubAgent => "sub-agent",
            Class::Server => "server",
            Class::Question => "question",
            Class::Answer => "answer",
            Class::Evidence => "evidence",
            Class::Policy => "policy",
            Class::Order => "order",
            Class::Labels => "labels",
            Class::File => "file",
            Class::Change => "change",
            Class::End => "end",
        }
    }
}
