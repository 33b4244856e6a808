//! Servers with which there is no TLS.

use std::sync::Arc;

use super::servers::misbehaving;
use super::*;
use crate::fake::script::Step::Drip;
use crate::fake::script::blurting;
use crate::fake::server::{provider, shows};

/// Servers whose handshake is not one to go on with: their names, where they are, and why not.
fn handshakes(servers: &Ca) -> Vec<(&'static str, u16, &'static str)> {
    let names = ["tls.example", "lent.example", "chat.example"];
    let mut expired = params(&names);
    (expired.not_before, expired.not_after) = (rcgen::date_time_ymd(2019, 1, 1), rcgen::date_time_ymd(2020, 1, 1));
    let mut early = params(&names);
    (early.not_before, early.not_after) = (rcgen::date_time_ymd(2090, 1, 1), rcgen::date_time_ymd(2091, 1, 1));
    let own = rcgen::KeyPair::generate().unwrap();
    let own = shows(&params(&names).self_signed(&own).unwrap(), &own);
    let shown = |config| stage(Some(config), misbehaving);
    let partial = |pause: u64| vec![Say(vec![22, 3, 3, 0, 200]), Drip(vec![0; 100], pause), Hang];
    vec![
        ("expired", shown(certified(servers, expired)), "expired"),
        ("early", shown(certified(servers, early)), "not valid yet"),
        ("self-signed", shown(own), "UnknownIssuer"),
        ("stranger", shown(certified(&authority("strangers"), params(&names))), "UnknownIssuer"),
        ("wrong-name", shown(certified(servers, params(&["other.example"]))), "not valid for name"),
        ("wants-one", shown(wants_certificate(servers, &names)), "CertificateRequired"),
        ("alert", blurting(vec![Say(vec![21, 3, 3, 0, 2, 2, 40]), Hang]), "HandshakeFailure"),
        ("no-tls", blurting(vec![Say(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), Hang]), "no TLS with"),
        ("mute", blurting(vec![Hang]), "does not answer"),
        ("dripping", blurting(partial(100)), "does not answer"),
        ("hello-reset", blurting(vec![Reset]), "no TLS with"),
        ("hello-leaves", blurting(vec![Leave]), "no TLS with"),
    ]
}

/// A server that asks programs for a certificate, which it says only when all else was said.
fn wants_certificate(servers: &Ca, names: &[&str]) -> Arc<rustls::ServerConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(servers.der().clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params(names).signed_by(&key, servers).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_client_cert_verifier(verifier.build().unwrap());
    Arc::new(config.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap())
}

#[test]
fn a_handshake_that_is_none_is_told_and_nothing_is_said() {
    for (watches, ways) in [(false, &[Way::Tls][..]), (true, &READ)] {
        let mut servers = Vec::new();
        let scene = scene_with(misbehaving, watches, |ca, _, policy| {
            servers = handshakes(ca);
            for (name, port, _) in &servers {
                policy.network.allow.push(to(&OUTSIDE.to_string(), *port));
                let credential = watches.then(|| Credential { name: "key".into(), position: Position::bearer() });
                let host = if watches { "lent.example" } else { "tls.example" };
                policy.network.allow.push(Rule { credential, ..http(host, *port) });
                let mut models = models(*port);
                models.providers.truncate(1);
                models.providers[0].name = (*name).into();
                models.routes.truncate(1);
                models.routes[0].models = vec![ValuePattern::parse(&format!("gpt-case-{name}")).unwrap()];
                models.routes[0].provider = (*name).into();
                if watches {
                    policy.network.allow.extend(models.rules());
                    policy.inference.providers.extend(models.providers);
                    policy.inference.routes.splice(0..0, models.routes);
                }
            }
        });
        let before = scene.gate.descriptors();
        let mut wrong = String::new();
        for way in ways {
            for (name, port, why) in &servers {
                let mut to = scene.to(*way);
                let mut said = String::from_utf8(scene.request(*way, name, false)).unwrap();
                if *way != Way::Model {
                    to.address.set_port(*port);
                    said = said.replace(&format!(":{}", scene.tls), &format!(":{port}"));
                }
                let came = scene.cell.inside(move || to.ask(said.as_bytes()));
                let got = gets(&scene, name, &came);
                let told = *way != Way::Model || scene.reasons(&format!("case-{name}")).matches(why).count() > 1;
                if !fits(&got, Told(why)) || !told {
                    writeln!(wrong, "{way:?} {name}: {got:?}\n    not {why:?}").unwrap();
                }
            }
        }
        none(&wrong);
        scene.is_as_before(before, ways);
    }
}
