//! The shape of a file of the other language, each value with its place. Keys that are not here are refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_saphyr::Spanned;

pub(super) type Text = Spanned<String>;
/// What is listed whole and not looked into.
type Whole = Option<Spanned<IgnoredAny>>;

/// What stands there has a value: nothing is not taken for nothing said.
fn stated<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default, deserialize_with = "stated")]
    pub(super) version: Option<Spanned<u32>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) preset: Option<Spanned<RawPreset>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) filesystem_policy: Option<Spanned<RawFiles>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) landlock: Option<Spanned<RawLandlock>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) process: Option<RawProcess>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) network_policies: Option<BTreeMap<String, Spanned<RawEntry>>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) network_middlewares: Option<BTreeMap<String, Spanned<RawMiddleware>>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) inference: Whole,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPreset {
    pub(super) name: Text,
    #[serde(rename = "description")]
    pub(super) _description: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFiles {
    #[serde(default, deserialize_with = "stated")]
    pub(super) include_workdir: Option<Spanned<bool>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) read_only: Option<Vec<Text>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) read_write: Option<Vec<Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLandlock {
    pub(super) compatibility: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProcess {
    pub(super) run_as_user: Option<Text>,
    pub(super) run_as_group: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEntry {
    #[serde(rename = "name")]
    pub(super) _name: Option<String>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) endpoints: Option<Vec<Spanned<RawEndpoint>>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) binaries: Option<Vec<RawBinary>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBinary {
    pub(super) path: Text,
    /// It decides nothing there either.
    #[serde(rename = "harness", default)]
    pub(super) _harness: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEndpoint {
    pub(super) host: Option<Text>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) port: Option<Spanned<u16>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) ports: Option<Vec<Spanned<u16>>>,
    pub(super) path: Option<Text>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) allowed_ips: Option<Vec<Text>>,
    pub(super) protocol: Option<Text>,
    pub(super) tls: Option<Text>,
    pub(super) enforcement: Option<Text>,
    pub(super) access: Option<Text>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) rules: Option<Vec<Spanned<RawRule>>>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) deny_rules: Option<Vec<Spanned<RawMatcher>>>,
    pub(super) allow_encoded_slash: Option<Spanned<bool>>,
    pub(super) credential_binding: Whole,
    pub(super) request_body_credential_rewrite: Option<Spanned<bool>>,
    pub(super) websocket_credential_rewrite: Option<Spanned<bool>>,
    pub(super) allow_uninspected_credentials: Option<Spanned<bool>>,
    pub(super) credential_signing: Option<Text>,
    pub(super) signing_service: Option<Text>,
    pub(super) signing_region: Option<Text>,
    pub(super) persisted_queries: Option<Text>,
    pub(super) graphql_persisted_queries: Whole,
    pub(super) graphql_max_body_bytes: Whole,
    pub(super) mcp: Whole,
    pub(super) json_rpc: Whole,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) allow: RawMatcher,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMatcher {
    pub(super) method: Option<Text>,
    pub(super) path: Option<Text>,
    #[serde(default, deserialize_with = "stated")]
    pub(super) query: Option<BTreeMap<String, RawValue>>,
    pub(super) command: Whole,
    pub(super) operation_type: Whole,
    pub(super) operation_name: Whole,
    pub(super) fields: Whole,
    pub(super) tool: Whole,
    pub(super) params: Whole,
}

impl RawMatcher {
    /// What is about the content of a request, with its key.
    pub(super) fn about_content(&self) -> Option<&'static str> {
        let all = [
            ("command", &self.command),
            ("operation_type", &self.operation_type),
            ("operation_name", &self.operation_name),
            ("fields", &self.fields),
            ("tool", &self.tool),
            ("params", &self.params),
        ];
        all.into_iter().find(|(_, value)| value.is_some()).map(|(key, _)| key)
    }
}

/// One pattern, or any of several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RawValue {
    One(String),
    Any(RawAny),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAny {
    pub(super) any: Vec<String>,
}

impl RawValue {
    pub(super) fn patterns(&self) -> &[String] {
        match self {
            RawValue::One(pattern) => std::slice::from_ref(pattern),
            RawValue::Any(RawAny { any }) => any,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMiddleware {
    #[serde(rename = "name")]
    pub(super) _name: Option<String>,
    pub(super) middleware: Text,
    pub(super) endpoints: RawSelected,
    #[serde(rename = "order")]
    pub(super) _order: Option<i64>,
    #[serde(rename = "config")]
    pub(super) _config: Option<IgnoredAny>,
    #[serde(rename = "on_error")]
    pub(super) _on_error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSelected {
    pub(super) include: Vec<Text>,
    #[serde(rename = "exclude", default)]
    pub(super) _exclude: Vec<Text>,
}
