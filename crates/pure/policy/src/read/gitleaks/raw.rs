//! The shape of a rules file of gitleaks, version 8. Keys that are not known are kept, to be told.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value};

pub(super) type Text = Spanned<String>;
type Rest = BTreeMap<String, Value>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawFile {
    pub(super) extend: Option<Spanned<RawExtend>>,
    pub(super) rules: Vec<Spanned<RawRule>>,
    pub(super) allowlist: Option<RawAllow>,
    pub(super) allowlists: Vec<RawAllow>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawExtend {
    #[serde(rename = "disabledRules", alias = "disabledrules")]
    pub(super) disabled: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRule {
    pub(super) id: Option<Text>,
    pub(super) regex: Option<Text>,
    pub(super) path: Option<Text>,
    pub(super) entropy: Option<Spanned<Value>>,
    #[serde(rename = "secretGroup", alias = "secretgroup")]
    pub(super) group: Option<Spanned<i64>>,
    pub(super) keywords: Option<Vec<String>>,
    pub(super) allowlist: Option<RawAllow>,
    pub(super) allowlists: Vec<RawAllow>,
    #[serde(rename = "skipReport", alias = "skipreport")]
    pub(super) part: bool,
    pub(super) required: Vec<Value>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAllow {
    pub(super) condition: Option<Text>,
    #[serde(rename = "regexTarget", alias = "regextarget")]
    pub(super) target: Option<Text>,
    pub(super) regexes: Vec<Text>,
    pub(super) stopwords: Vec<String>,
    pub(super) paths: Vec<String>,
    pub(super) commits: Vec<String>,
    #[serde(rename = "targetRules", alias = "targetrules")]
    pub(super) rules: Vec<String>,
    #[serde(flatten)]
    pub(super) rest: Rest,
}
