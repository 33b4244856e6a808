//! Who asks for what, and how the record tells it.

use policy::{Egress, Host};
use record::{Cause, Kind, Verdict};

use crate::sightings::Seen;

/// Who asks for what.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The destination.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// The program, when it is known.
    pub who: Option<Seen>,
}

impl Asked {
    pub(crate) fn egress(&self) -> Egress<'_> {
        Egress { host: &self.host, port: self.port, program: self.who.as_ref().map(|seen| &*seen.chain) }
    }

    pub(crate) fn exec(&self) -> Option<Cause> {
        self.who.as_ref().and_then(|seen| seen.exec)
    }

    /// Bytes that are as long as the program wants.
    pub(crate) fn weight(&self) -> usize {
        self.who.as_ref().map_or(0, |seen| seen.chain.iter().map(String::len).sum())
    }

    pub(crate) fn event(&self, verdict: Verdict) -> Kind {
        Kind::Connect {
            pid: self.who.as_ref().map(|seen| seen.pid),
            program: self.who.as_ref().map(|seen| seen.chain.to_vec()).unwrap_or_default(),
            host: self.host.to_string(),
            address: None,
            port: self.port,
            verdict,
            rule: None,
            reason: None,
            suggestion: None,
        }
    }
}
