//! Labels of what sessions left behind.

use std::path::PathBuf;

use policy::Label;
use serde::{Deserialize, Serialize};

/// Which places are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    /// Those of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Where the operator is: its newest session is meant where one is needed and none named.
    pub directory: PathBuf,
    /// Private homes alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub home: bool,
    /// Those of this workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<PathBuf>,
}

/// What the operator takes labels from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declassify {
    /// One place: a home, or a workspace.
    pub places: Places,
    /// Which paths there; of a home counted from it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathBuf>,
    /// All of it, where no path is named: one of both is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Which labels; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Why, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Places, and what they carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsAnswer {
    /// Each.
    pub places: Vec<PlaceInfo>,
    /// What was taken away just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<TakenInfo>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceInfo {
    /// What it is, in words.
    pub place: String,
    /// Where it lies.
    pub path: String,
    /// It is a private home.
    pub home: bool,
    /// What carries which label.
    pub marks: Vec<MarkInfo>,
    /// Marks that are not told of here.
    pub left: u64,
    /// Sessions that may be writing there: what they may have read comes to it.
    pub open: Vec<String>,
    /// What was taken away, the oldest first.
    pub releases: Vec<ReleaseInfo>,
}

/// A label of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkInfo {
    /// Counted from the place; none for all of it.
    pub path: Option<String>,
    /// The label.
    pub label: String,
    /// Of secrets alone.
    pub value: bool,
    /// The session that left it first.
    pub session: String,
    /// When that began, in microseconds since the Unix epoch.
    pub since: u64,
    /// The last one that did.
    pub last: String,
    /// Why, in words.
    pub why: String,
}

/// What was taken away once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInfo {
    /// When, in microseconds since the Unix epoch.
    pub at: u64,
    /// Who.
    pub who: String,
    /// Which paths; none for all of it.
    pub paths: Vec<String>,
    /// Which labels.
    pub labels: Vec<String>,
    /// Files whose content carries them no more.
    pub contents: u64,
    /// Why.
    pub reason: Option<String>,
}

/// What was taken away just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenInfo {
    /// Which labels.
    pub labels: Vec<String>,
    /// Files whose content carries them no more.
    pub contents: u64,
    /// Sessions whose record says so.
    pub recorded: Vec<String>,
}
