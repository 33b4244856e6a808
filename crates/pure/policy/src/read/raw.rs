//! The shape of a policy file, each value with its place.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

use super::risk::RawRisk;
use super::secrets::RawSecrets;

pub(super) type Text = Spanned<String>;

/// What stands there has a value: nothing is not taken for nothing said.
pub(super) fn stated<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub(super) bastide: Spanned<u32>,
    pub(super) name: Text,
    #[serde(default)]
    pub(super) extends: Vec<Text>,
    #[serde(default)]
    pub(super) files: RawFiles,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) network: RawNetwork,
    #[serde(default)]
    pub(super) tests: Vec<Spanned<RawExample>>,
    #[serde(default)]
    pub(super) inference: RawInference,
    #[serde(default)]
    pub(super) data: Vec<RawData>,
    #[serde(default)]
    pub(super) flows: Vec<RawFlow>,
    #[serde(default)]
    pub(super) record: RawRecord,
    #[serde(default)]
    pub(super) tools: Vec<RawTool>,
    pub(super) grounding: Option<Text>,
    #[serde(default)]
    pub(super) endorse: Vec<RawEndorsement>,
    pub(super) intent: Option<Text>,
    #[serde(default)]
    pub(super) foreign: RawForeign,
    #[serde(default, deserialize_with = "stated")]
    pub(super) agents: Option<Spanned<RawAgents>>,
    #[serde(default)]
    pub(super) servers: Vec<Spanned<RawServer>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) risk: Option<Spanned<RawRisk>>,
    #[serde(default)]
    pub(super) secrets: Vec<RawSecrets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawForeign {
    pub(super) links: Option<Text>,
    pub(super) images: Option<Text>,
    pub(super) instructions: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawFiles {
    pub(super) workspace: Option<Text>,
    pub(super) read: Vec<Text>,
    pub(super) write: Vec<Text>,
    pub(super) hide: Vec<Text>,
    pub(super) guard: Vec<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub(super) memory: Option<Text>,
    pub(super) pids: Option<Text>,
    pub(super) cpu: Option<Text>,
    pub(super) time: Option<Text>,
    pub(super) disk: Option<Text>,
    pub(super) required: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExample {
    pub(super) connect: Option<Text>,
    pub(super) request: Option<Text>,
    pub(super) read: Option<Text>,
    pub(super) write: Option<Text>,
    pub(super) to: Option<Text>,
    pub(super) tool: Option<Text>,
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, Text>,
    pub(super) program: Option<Text>,
    pub(super) expect: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawNetwork {
    pub(super) default: Option<Text>,
    pub(super) allow: Vec<RawRule>,
    pub(super) deny: Vec<RawRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) to: Text,
    #[serde(default, deserialize_with = "stated")]
    pub(super) programs: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) addresses: Option<Vec<Text>>,
    pub(super) protocol: Option<Text>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) methods: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) paths: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) query: Option<BTreeMap<String, Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) headers: Option<BTreeMap<String, Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) tools: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) arguments: Option<BTreeMap<String, Vec<Text>>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) resources: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) prompts: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) grant: Option<Vec<Text>>,
    pub(super) body: Option<Text>,
    pub(super) rate: Option<Text>,
    pub(super) budget: Option<Text>,
    pub(super) answers: Option<Spanned<RawAnswers>>,
    pub(super) tls: Option<Text>,
    pub(super) credential: Option<Spanned<RawCredential>>,
}

/// A server of MCP in a cell of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    pub(super) name: Text,
    pub(super) command: Vec<Text>,
    #[serde(default)]
    pub(super) read: Vec<Text>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) network: RawNetwork,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<RawSaid>>,
    #[serde(default)]
    pub(super) deny: Vec<Spanned<RawSaid>>,
}

/// What may be said to one, or may not: a rule without its destination.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSaid {
    #[serde(default, deserialize_with = "stated")]
    pub(super) programs: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) tools: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) arguments: Option<BTreeMap<String, Vec<Text>>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) resources: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) prompts: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) grant: Option<Vec<Text>>,
    pub(super) body: Option<Text>,
    pub(super) rate: Option<Text>,
    pub(super) budget: Option<Text>,
}

/// What answers may be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAnswers {
    pub(super) size: Option<Text>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) types: Option<Vec<Text>>,
}

/// A secret's name, alone or with its position.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawCredential {
    Name(String),
    At(RawPosition),
}

impl RawCredential {
    /// Whether it says no position.
    pub(super) fn is_bare(&self) -> bool {
        match self {
            RawCredential::Name(_) => true,
            RawCredential::At(RawPosition { header, prefix, basic, field, segment, .. }) => {
                [header, prefix, basic, field, segment].into_iter().all(Option::is_none)
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPosition {
    pub(super) name: String,
    pub(super) header: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) basic: Option<String>,
    pub(super) field: Option<String>,
    pub(super) segment: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawInference {
    pub(super) providers: BTreeMap<String, Spanned<RawProvider>>,
    pub(super) routes: Vec<RawRoute>,
    pub(super) grant: Vec<Text>,
    pub(super) fields: Vec<Text>,
    pub(super) prices: Vec<RawPricing>,
    pub(super) budget: RawBudget,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProvider {
    pub(super) wire: Option<Text>,
    pub(super) url: Option<Text>,
    pub(super) login: Option<Text>,
    pub(super) credential: Option<Spanned<RawCredential>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    pub(super) models: Vec<Text>,
    pub(super) provider: Text,
    pub(super) model: Option<Text>,
    #[serde(default)]
    pub(super) fallback: Vec<Spanned<RawFallback>>,
}

/// A provider's name, alone or with the model that it is asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawFallback {
    Name(String),
    Model(RawServed),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServed {
    pub(super) provider: String,
    pub(super) model: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBudget {
    pub(super) tokens: Option<Text>,
    pub(super) requests: Option<Text>,
    pub(super) money: Option<Text>,
}

/// Prices of a million tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPricing {
    pub(super) models: Vec<Text>,
    pub(super) provider: Option<Text>,
    pub(super) input: Text,
    pub(super) output: Text,
    pub(super) cached: Option<Text>,
    pub(super) written: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawData {
    pub(super) label: Text,
    pub(super) files: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFlow {
    pub(super) deny: Text,
    pub(super) to: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTool {
    #[serde(rename = "match")]
    pub(super) matches: Text,
    pub(super) effect: Option<Text>,
    #[serde(default)]
    pub(super) roles: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) ground: BTreeMap<String, Vec<Text>>,
    #[serde(default)]
    pub(super) returns: BTreeMap<String, Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEndorsement {
    pub(super) source: RawOrigin,
    pub(super) effects: Vec<Text>,
    pub(super) targets: Option<Vec<Text>>,
    pub(super) until: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOrigin {
    pub(super) file: Option<Text>,
    pub(super) tool: Option<Text>,
    pub(super) host: Option<Text>,
    pub(super) sha256: Option<Text>,
    pub(super) author: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRecord {
    pub(super) bodies: Option<Text>,
}

/// What sub-agents may come to.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAgents {
    pub(super) depth: Option<Text>,
    pub(super) children: Option<Text>,
    pub(super) total: Option<Text>,
    pub(super) rate: Option<Text>,
    pub(super) tokens: Option<Text>,
    pub(super) requests: Option<Text>,
    pub(super) money: Option<Text>,
    pub(super) time: Option<Text>,
    pub(super) memory: Option<Text>,
    pub(super) pids: Option<Text>,
}
