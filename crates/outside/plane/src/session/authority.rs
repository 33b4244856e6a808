//! The certificate authority of one cell, made where its policy decides requests. What the cell trusts by it is in the
//! cell; the key lives in the memory of this plane and of the session's gate, and nowhere else.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose};
use time::{Duration, OffsetDateTime};
use wire::command::Problem;

use crate::problem::{NOT_RUN, problem};

/// How long it holds before and after it was made: clocks differ, and sessions are long.
const BEFORE: Duration = Duration::days(2);
const AFTER: Duration = Duration::days(365);

/// An authority that signs for one session.
pub(super) struct Authority {
    /// The common name of its certificate.
    pub(super) name: String,
    /// The certificate, as PEM.
    pub(super) certificate: String,
    /// Its private key: PKCS #8 as PEM.
    pub(super) key: String,
}

impl std::fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Authority({})", self.name)
    }
}

impl Authority {
    /// Makes one for a session.
    ///
    /// # Errors
    /// When there is no randomness.
    pub(super) fn make(session: &str) -> Result<Authority, Problem> {
        let unmade = |error: rcgen::Error| {
            let cause = format!("the cell's certificate authority cannot be made: {error}");
            problem("E-PLANE-057", cause, "run it again; without rules about requests none is needed", NOT_RUN)
        };
        let key = KeyPair::generate().map_err(unmade)?;
        let name = format!("bastide cell {session}");
        let mut params = CertificateParams::default();
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - BEFORE, now + AFTER);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(unmade)?.pem();
        Ok(Authority { name, certificate, key: key.serialize_pem() })
    }
}
