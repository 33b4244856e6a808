//! What a broker gate is asked: one token of one endpoint. It serves no cell.

use std::net::{IpAddr, SocketAddr};

use policy::Target;
use serde::{Deserialize, Serialize};

use crate::Proxy;
use crate::command::SecretText;

/// One exchange at a token endpoint (RFC 6749), as one frame on descriptor 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Version of this message: [`crate::VERSION`].
    pub version: u32,
    /// The endpoint's host and port.
    pub to: Target,
    /// Within TLS; without it only `host.bastide` is spoken to.
    pub tls: bool,
    /// Its path.
    pub path: String,
    /// The fields of the request, in order.
    pub fields: Vec<(String, SecretText)>,
    /// As a JSON object instead of a form.
    pub json: bool,
    /// The certificates by which the endpoint is checked, as PEM.
    pub roots: String,
    /// The resolvers to ask for names.
    pub nameservers: Vec<SocketAddr>,
    /// Names of the host's own `/etc/hosts`.
    pub hosts: Vec<(String, IpAddr)>,
    /// The proxy that connections go through, where the host has no other way out.
    pub upstream_proxy: Option<Proxy>,
}

/// What came of it, once.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer", deny_unknown_fields)]
pub enum TokenAnswer {
    /// A token.
    Token {
        /// It.
        access: SecretText,
        /// What takes the place of the secret that it was derived from, where that is used up.
        refresh: Option<SecretText>,
        /// Seconds for which it holds, where the endpoint says so.
        expires: Option<u64>,
    },
    /// None.
    Failed {
        /// Why, in words without a value.
        why: String,
    },
}
