//! Answers that anybody would get: to a request that says nothing of who asks, from a server on the public internet that the
//! operator gave nothing to do. What those say of labelled texts is public in the session, and the record tells so.

use policy::{Host, HostPattern, Protocol, Rule};
use record::{Cause, EventId, Kind, Known};
use sense::Piece;

use crate::asked::{Asked, Asks};
use crate::flows::{Heard, Hears, zone};
use crate::head::Body;
use crate::passage::{End, Passage};

/// Headers by which no server tells who asks.
const PLAIN: [&str; 17] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "dnt",
    "host",
    "pragma",
    "priority",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "te",
    "upgrade-insecure-requests",
    "user-agent",
];

/// Longest target of such a request.
const TARGET: usize = 512;
/// Letters and digits of a path that may be a key.
const KEY: usize = 8;
/// Texts of which one answer may make something public.
const TEXTS: usize = 16;

impl Passage {
    /// Hears the answer to a request that anybody could have made.
    pub(crate) fn hears_for_anybody(&self, asked: &Asked, lends: bool, on: Option<&End>) -> Option<(Hears, Heard)> {
        let asks = asked.asks.as_deref()?;
        let named = matches!(&asked.host, Host::Name(_));
        let anybody = named && !lends && says_nothing_of_who_asks(asks) && !self.is_given_to_do(&asked.host);
        // The last of them asks the kernel.
        (anybody && on?.is_public(asked.port)).then(|| self.flows.hears())?
    }

    /// Whether any rule has more to do with a host, or with another of its zone, than to reach it: what is said there on the
    /// operator's behalf may be what comes back.
    fn is_given_to_do(&self, host: &Host) -> bool {
        let (now, to, name) = (self.now(), HostPattern::from(host), host.to_string());
        let same = |other: String| zone(&other) == zone(&name);
        let does = |rule: &Rule| rule.inference || rule.protocol == Protocol::Mcp || rule.credential.is_some();
        let more = |rule: &Rule| does(rule) && (rule.to.host.covers(&to) || same(rule.to.host.to_string()));
        now.policy.policies().any(|policy| {
            policy.network.allow.iter().any(&more)
                || policy.inference.providers.iter().any(|one| same(one.host.to_string()))
        })
    }

    /// Makes public what of labelled texts such an answer says, once that is recorded. A secret in it stays one.
    pub(crate) async fn make_public(&self, asked: &Asked, heard: Heard, request: Option<EventId>) {
        let (body, Some(request)) = (heard.body(), request) else { return };
        let Some(reads) = self.flows.reads(&asked.host.to_string()) else { return };
        let Ok(Some(said)) = self.aside.run(body.len(), move || reads(&body)).await else { return };
        let Some(said) = self.flows.guarded(said) else { return };
        let source = format!("the answer of {}:{} to {request}", asked.host, asked.port);
        let record = |what: String, how: String, quoted: String| {
            let kind = Kind::Evidence { what, source: source.clone(), how, quoted };
            self.ledger.borrow_mut().write_after([Cause { id: request, known: Known::Observed }], kind).is_ok()
        };
        for secret in &said.secrets {
            let (label, name) = self.flows.shown(secret.label, secret.source);
            record(format!("anybody may have {label}"), format!("a secret of {name}"), String::new());
        }
        let mut sources: Vec<_> = said.pieces.iter().map(|piece| piece.source).collect();
        sources.sort_unstable();
        sources.dedup();
        for source in sources.into_iter().take(TEXTS) {
            let pieces: Vec<&Piece> = said.pieces.iter().filter(|piece| piece.source == source).collect();
            let [first, ..] = pieces[..] else { continue };
            let (label, name) = self.flows.shown(first.label, source);
            let letters: usize = pieces.iter().map(|piece| piece.letters()).sum();
            let how = format!("{letters} letters of {name}");
            if record(format!("makes public {label}"), how, self.flows.quoted(first)) {
                pieces.into_iter().for_each(|piece| self.flows.publish(piece));
            }
        }
    }
}

/// Whether it is to read, and tells nothing by which a server could tell who asks: no header that could, no query, and nothing in
/// its path that looks like a key.
fn says_nothing_of_who_asks(asks: &Asks) -> bool {
    let request = &asks.request;
    request.method().as_str() == "GET"
        && asks.body == Body::Length(0)
        && !request.is_websocket()
        && !asks.routed
        && request.headers().all(|(name, _)| PLAIN.contains(&name))
        && is_plain(&asks.target)
}

/// Whether a target is a path in words.
fn is_plain(target: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/-_.~@+,".contains(letter);
    let key = |part: &str| looks_like_a_key(&part.replace(['-', '_'], ""));
    target.len() <= TARGET && target.chars().all(plain) && !target.split(['/', '.', '~', '@', '+', ',']).any(key)
}

/// Whether letters and digits change as in no word: capitals, small letters and figures, one in three beside another kind; or a
/// long number.
fn looks_like_a_key(part: &str) -> bool {
    let kind = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    let changes = part.as_bytes().windows(2).filter(|two| kind(two[0]) != kind(two[1])).count();
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    part.len() >= KEY && changes * 3 >= part.len() || digits >= 2 * KEY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_words_are_plain_and_keys_are_not() {
        for plain in [
            "/",
            "/rust-lang/rust/master/README.md",
            "/react/-/react-18.2.0.js",
            "/@types/node/README.md",
            "/2024/05/17/how-we-build-it.html",
            "/wiki/Software_Release_Life_Cycle",
        ] {
            assert!(is_plain(plain), "{plain}");
        }
        for key in [
            "/search?q=heron",
            "/a%20b",
            "/bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe",
            "/file/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/view",
            "/octocat/2a6851cde24cdaf4b85b2c5d3ae7b2f1/raw",
            "/v/550e8400-e29b-41d4-a716-446655440000",
            "/s/4fkd83jq0s2ml1a/plan.txt",
            "/1234567890123456",
        ] {
            assert!(!is_plain(key), "{key}");
        }
        assert!(!is_plain(&format!("/{}", "word/".repeat(200))));
    }
}
