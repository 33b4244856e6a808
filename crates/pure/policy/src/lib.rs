//! What is allowed: canonical names, matching, deciding, explaining, suggesting.
//!
//! Only [`decide`] makes a [`Permit`], and only a permit can be pinned to addresses. Nothing here does I/O
//! or resolves a name: the caller brings the addresses, and [`Permit::pin`] judges them.

pub mod agents;
mod answers;
mod bodies;
mod cidr;
mod credential;
mod decide;
mod diff;
mod endorse;
mod example;
mod explain;
mod files;
mod flows;
mod foreign;
mod host;
mod http;
#[cfg(feature = "read")]
pub mod import;
mod index;
mod inference;
pub mod mcp;
mod model;
mod money;
mod observed;
mod path;
mod pattern;
mod print;
mod program;
pub mod provider;
#[cfg(feature = "read")]
pub mod read;
mod resolve;
mod risk;
pub mod secrets;
mod server;
mod shape;
mod special;
mod suggest;
mod tools;
mod whoami;
mod written;

pub use agents::{Agents, Amounts, Good};
pub use answers::{AnswerHead, Answers, MediaError, MediaPattern, Unfit};
pub use bodies::Bodies;
pub use cidr::Cidr;
pub use credential::{Credential, PLACEHOLDER, Position, is_credential_name};
pub use decide::{Conjunction, Decision, Egress, Permit, Pinned, Reason, Refusal, RuleId, decide};
pub use diff::{Change, diff};
pub use endorse::{Day, Doubt, Doubted, Endorsed, Endorsement, Origin, Source};
pub use example::{Example, ExamplePath, Reading, TestOutcome, Writing, run_tests};
pub use explain::{Explanation, MemberExplanation, Outcome, explain};
pub use files::{Access, FileAnswer, MADE, Place, SCRATCH, Stead, file};
pub use flows::{Data, FilePattern, Flow, FlowError, Label, LabelPattern, SYSTEM_PROMPT, Sink};
pub use foreign::{Foreign, Repeated};
pub use host::{DnsName, HOST_BASTIDE, Host, HostError};
pub use http::{AskedError, Method, PathPattern, Request, RequestError, ValuePattern, field, header, names_field};
pub use inference::{Fallback, INFERENCE_BASTIDE, Inference, Login, Provider, Route, Served, Vendor};
pub use model::{
    Bounds, Default, Files, Limit, Limits, MOST_TIME, Network, Policy, Protocol, Rate, Rule, Tls, WorkspaceMode,
};
pub use money::{Currency, Money, NoMoney, NoTariff, Price, Pricing, Tariff, Used};
pub use observed::{Observed, suggest_policy};
pub use path::{CanonicalPath, PathError};
pub use pattern::{HostPattern, Target};
pub use program::ProgramPattern;
pub use resolve::may_resolve;
pub use risk::{Level, MOST_KNOWN, MOST_RISK, Narrowed, Risk, left_under_risk};
pub use secrets::SecretRules;
pub use server::{MAX_SERVERS, SERVER_PATH, SERVER_PORT, SERVERS, Server};
pub use shape::NameShape;
pub use special::{Special, SpecialRange, special};
pub use suggest::{Suggestion, suggest, suggest_address};
pub use tools::{Effect, Grounding, Intent, REQUESTS, Role, SPAWN, ToolRule};
pub use whoami::{Given, Whoami, whoami};
pub use written::{About, CallLine, Say, Written, written, written_call};
