//! OpenAI's embeddings: text in, vectors out. Text as numbers of tokens does not pass, since nothing at the door can
//! read it.

use super::rule::{Field, Rule, field};
use super::{Endpoint, Hosted, Kind as Purpose, Wire};

pub(super) const ENDPOINTS: &[Endpoint] = &[Endpoint {
    wire: Wire::Embeddings,
    method: "POST",
    path: "/v1/embeddings",
    kind: Purpose::Embedding,
    body: BODY,
    forced: &[],
}];

const BODY: &[Field] = &[
    field("model", Rule::Model),
    field("input", Rule::Any(&[Rule::Text, Rule::List(&Rule::Any(&[Rule::Text, Rule::Hosted(Hosted::Tokens)]))])),
    field("dimensions", Rule::Number),
    field("encoding_format", Rule::Text),
    field("user", Rule::Text),
];
