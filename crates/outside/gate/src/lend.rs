//! Secrets of the vault that go with requests. The program never has one: it is put into the head or the body here, at the
//! one position that the rule names, and taken out of what comes back.

mod fields;

use std::ops::Range;
use std::rc::Rc;

use policy::{Host, HostPattern, Login, PLACEHOLDER, Permit, Position, Target};
use wire::Lent;

use crate::asked::{Asked, Asks};
use crate::encode::{base64, from_base64url, percent};
use crate::head::{Edit, edit};

/// Headers that carry a credential of some server. Beside a lent one they are somebody else's.
pub(crate) const FOREIGN: [&str; 17] = [
    "authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-token",
    "x-access-token",
    "x-auth-key",
    "private-token",
    "job-token",
    "deploy-token",
    "x-goog-api-key",
    "x-amz-security-token",
    "x-shopify-access-token",
    "x-vault-token",
    "x-figma-token",
    "dd-api-key",
];
/// Fields of a query that do.
const FOREIGN_FIELDS: [&str; 12] = [
    "access_token",
    "api_key",
    "apikey",
    "api-key",
    "key",
    "token",
    "private_token",
    "job_token",
    "auth",
    "auth_token",
    "oauth_token",
    "x-amz-security-token",
];
/// Hosts that many share: what a program brings along there may be anybody's, so it is left out where nothing is lent.
const SHARED: [&str; 24] = [
    "github.com",
    "api.github.com",
    "uploads.github.com",
    "gist.github.com",
    "gitlab.com",
    "bitbucket.org",
    "api.bitbucket.org",
    "registry.npmjs.org",
    "upload.pypi.org",
    "crates.io",
    "huggingface.co",
    "slack.com",
    "api.telegram.org",
    "discord.com",
    "api.notion.com",
    "api.dropboxapi.com",
    "content.dropboxapi.com",
    "www.googleapis.com",
    "storage.googleapis.com",
    "graph.microsoft.com",
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "s3.amazonaws.com",
];

/// What the plane lent for this session.
#[derive(Debug, Clone, Default)]
pub struct Lending(Vec<Rc<Lent>>);

/// A secret for one request.
#[derive(Debug, Clone)]
pub struct Loan {
    lent: Rc<Lent>,
    position: Position,
}

/// Why a request does not get what its rule lends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LendError {
    /// The plane lent none of this name.
    #[error("the credential of its rule was not lent to this session")]
    Absent,
    /// The vault binds it to another destination, or to other paths.
    #[error("the credential of its rule is bound to another destination or path in the vault")]
    Bound,
    /// It would go over the network in clear.
    #[error("a credential goes out within TLS only, or to `host.bastide`")]
    Clear,
    /// A placeholder stands where nothing is put.
    #[error("the placeholder of a credential stands where its rule puts none")]
    Placeholder,
    /// Its query brings a credential of its own, or the very field where the rule's goes.
    #[error("its query brings a credential of its own, where the rule lends one")]
    Foreign,
    /// The segment where the secret goes is not there.
    #[error("the path does not begin with the segment where its rule puts the credential, in plain letters")]
    Segment,
    /// The field where the secret goes is not to be made.
    #[error(
        "the body is no form and no JSON object that its `Content-Type` says it is, so the credential of its rule goes nowhere"
    )]
    Body,
}

impl Lending {
    /// Takes what came with the lease.
    #[must_use]
    pub fn new(lent: Vec<Lent>) -> Lending {
        Lending(lent.into_iter().map(Rc::new).collect())
    }

    /// Whether anything was lent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What goes with a request that was just allowed.
    ///
    /// # Errors
    /// [`LendError`] where a rule lends a secret that may not go there.
    pub fn lend(&self, permit: &Permit<'_>, asked: &Asked) -> Result<Option<Loan>, LendError> {
        let Some(asks) = asked.asks.as_deref() else { return Ok(None) };
        let Some(credential) = permit.credential() else { return Ok(None) };
        let lent = self.0.iter().find(|lent| lent.name == credential.name).ok_or(LendError::Absent)?;
        let host = match &asked.host {
            Host::Name(name) => HostPattern::Exact(name.clone()),
            Host::Address(address) => HostPattern::Address(*address),
        };
        if !lent.to.opens(&Target { host, port: Some(asked.port) }) || !asks.request.lies_in(&lent.paths) {
            return Err(LendError::Bound);
        }
        let own = matches!(&asked.host, Host::Name(name) if name.is_host_bastide());
        if !asks.secure && !own {
            return Err(LendError::Clear);
        }
        let own = if let Position::Field { name } = &credential.position { Some(name.as_str()) } else { None };
        if FOREIGN_FIELDS.into_iter().chain(own).any(|field| asks.request.has_field(field)) {
            return Err(LendError::Foreign);
        }
        Ok(Some(Loan { lent: Rc::clone(lent), position: credential.position.clone() }))
    }
}

/// Refuses a placeholder in what a program says, once the lent secret stands in its place. None is ever filled in.
///
/// # Errors
/// [`LendError::Placeholder`].
pub fn no_placeholder(asks: &Asks, loan: Option<&Loan>, head: &[u8], body: &[u8]) -> Result<(), LendError> {
    let stands = has_placeholder;
    // The first segment gave way, where the secret stands in it; the head was looked at without it.
    let given = usize::from(loan.is_some_and(|loan| matches!(loan.position, Position::Segment { .. })));
    // Percent-encoded it would be the same to the server.
    if stands(head) || stands(body) || asks.request.texts().skip(given).any(stands) {
        return Err(LendError::Placeholder);
    }
    Ok(())
}

/// Whether a placeholder stands somewhere in it.
pub(crate) fn has_placeholder(text: &[u8]) -> bool {
    find(text, PLACEHOLDER.as_bytes())
}

/// Leaves out what a program brings along to a host that many share, where nothing is lent.
#[must_use]
pub fn without_foreign(host: &Host, head: Vec<u8>) -> Vec<u8> {
    let shared = matches!(host, Host::Name(name) if SHARED.contains(&name.as_str()));
    if shared { edit(&head, &Edit { without: &FOREIGN, ..Edit::default() }) } else { head }
}

impl Loan {
    /// The name that the vault has for it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.lent.name
    }

    /// The head and the body with the secret in them.
    ///
    /// # Errors
    /// [`LendError::Body`], [`LendError::Segment`].
    pub fn put(&self, head: &[u8], body: &mut Vec<u8>) -> Result<Vec<u8>, LendError> {
        let value = &self.lent.value;
        let (name, value) = match &self.position {
            Position::Header { name, prefix } => (name.as_str(), format!("{prefix}{value}")),
            Position::Basic { user } => {
                ("authorization", format!("Basic {}", base64(format!("{user}:{value}").as_bytes())))
            }
            Position::Field { name } => {
                *body = fields::set(head, body, name, value).ok_or(LendError::Body)?;
                return Ok(edit(head, &Edit { without: &FOREIGN, length: Some(body.len()), ..self.plain() }));
            }
            Position::Segment { prefix } => {
                let said = segment(head, prefix).ok_or(LendError::Segment)?;
                let head = [&head[..said.start], in_path(value).as_bytes(), &head[said.end..]].concat();
                return Ok(edit(&head, &Edit { without: &FOREIGN, ..self.plain() }));
            }
        };
        let without: Vec<&str> = FOREIGN.iter().copied().chain([name]).collect();
        Ok(edit(head, &Edit { without: &without, with: Some((name, &value)), ..self.plain() }))
    }

    /// The head with the account that a login's token is for, where its servers want that named and the token says it.
    #[must_use]
    pub fn with_account(&self, head: &[u8], login: Login) -> Vec<u8> {
        let named = login.account().and_then(|(header, place)| Some((header, claim(&self.lent.value, place)?)));
        match &named {
            Some((header, account)) => {
                edit(head, &Edit { without: &[header], with: Some((header, account)), ..Edit::default() })
            }
            None => head.to_vec(),
        }
    }

    /// The head without what the secret takes the place of.
    #[must_use]
    pub fn without(&self, head: &[u8]) -> Vec<u8> {
        let own = match &self.position {
            Position::Header { name, .. } => name.as_str(),
            Position::Segment { prefix } => {
                let said = segment(head, prefix).unwrap_or_default();
                return [&head[..said.start], &head[said.end..]].concat();
            }
            Position::Basic { .. } | Position::Field { .. } => "authorization",
        };
        edit(head, &Edit { without: &[own], ..Edit::default() })
    }

    /// What comes back must be readable, so that a secret that comes back with it is seen.
    fn plain(&self) -> Edit<'static> {
        Edit { readable: true, ..Edit::default() }
    }

    /// What a server may be expected to give back of it, letter by letter in whatever spelling.
    #[must_use]
    pub fn spellings(&self) -> Vec<String> {
        let value = &self.lent.value;
        let mut all = vec![value.clone()];
        all.extend(SEPARATORS.into_iter().flat_map(|between| in_hex(value, between)));
        all.extend(within_base64(value));
        if value.is_ascii() {
            // UTF-16, in either order of bytes.
            all.push(value.chars().map(String::from).collect::<Vec<_>>().join("\0"));
        }
        if let Position::Basic { user } = &self.position {
            // What stands in the header may be given back with the header as a whole.
            let pair = base64(format!("{user}:{value}").as_bytes());
            all.extend(in_hex(&pair, ""));
            all.extend(within_base64(&pair));
            all.push(pair);
        }
        all.sort();
        all.dedup();
        all
    }
}

/// What stands between two bytes that are written in hexadecimal digits.
const SEPARATORS: [&str; 5] = ["", " ", ":", "-", "\\x"];

/// A text in hexadecimal digits of either case.
fn in_hex(text: &str, between: &str) -> [String; 2] {
    let digits = |case: fn(u8) -> String| text.bytes().map(case).collect::<Vec<_>>().join(between);
    [digits(|byte| format!("{byte:02x}")), digits(|byte| format!("{byte:02X}"))]
}

/// What a token (JWT) says of itself in one place, where that is a plain word.
fn claim(token: &str, place: &str) -> Option<String> {
    let said = from_base64url(token.split('.').nth(1)?)?;
    let said: serde_json::Value = serde_json::from_slice(&said).ok()?;
    let word = said.pointer(place)?.as_str()?;
    let plain = word.len() <= 128 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    plain.then(|| word.to_owned())
}

/// Where a program's own text stands behind the prefix in the first segment of a path: plain letters, which no two servers
/// read in two ways.
fn segment(head: &[u8], prefix: &str) -> Option<Range<usize>> {
    let slash = head.iter().position(|byte| *byte == b' ')? + 1;
    let path = head[slash..].strip_prefix(b"/")?;
    let end = path.iter().position(|byte| matches!(byte, b'/' | b'?' | b' '))?;
    let said = path[..end].strip_prefix(prefix.as_bytes())?;
    let plain = said.iter().all(|byte| byte.is_ascii_alphanumeric() || b":._-".contains(byte));
    let start = slash + 1 + prefix.len();
    plain.then(|| start..start + said.len())
}

/// A secret as it stands in a segment: nothing of it ends the segment.
fn in_path(value: &str) -> String {
    value.split(':').map(|part| percent(part.as_bytes())).collect::<Vec<_>>().join(":")
}

/// What stands in base64 of any text that holds the value, in both alphabets: its digits at each of three places, without
/// those that depend on what stands beside it.
fn within_base64(value: &str) -> Vec<String> {
    let digits = |before: usize| {
        let whole = base64(format!("{}{value}", &"xx"[..before]).as_bytes());
        let (from, sure) = ((before * 8).div_ceil(6), (before + value.len()) * 8 / 6);
        whole[from..sure].to_owned()
    };
    let url_safe = |text: &String| text.replace('+', "-").replace('/', "_");
    let usual: Vec<String> = (0..3).map(digits).collect();
    usual.iter().map(url_safe).chain(usual.iter().cloned()).collect()
}

fn find(text: &[u8], wanted: &[u8]) -> bool {
    // The first letter is looked for by the library's own search.
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|byte| *byte == wanted[0]) {
        if text[from + at..].starts_with(wanted) {
            return true;
        }
        from += at + 1;
    }
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn loan(position: Position) -> Loan {
        let lent = Lent {
            name: "github".into(),
            value: "s3cret/+value".into(),
            to: Target::parse("api.github.com:443").unwrap(),
            paths: Vec::new(),
            expires: None,
        };
        Loan { lent: Rc::new(lent), position }
    }

    const HEAD: &[u8] = b"POST /x HTTP/1.1\r\nHost: a\r\nAuthorization: mine\r\nX-Api-Key: mine\r\nAccept-Encoding: gzip\r\nContent-Length: 2\r\n\r\n";

    #[test]
    fn it_goes_to_one_position_and_others_are_left_out() {
        let head = loan(Position::bearer()).put(HEAD, &mut Vec::new()).unwrap();
        assert_eq!(
            String::from_utf8(head).unwrap(),
            "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nAccept-Encoding: identity\r\nauthorization: Bearer s3cret/+value\r\n\r\n"
        );
        let head = loan(Position::Basic { user: "me".into() }).put(HEAD, &mut Vec::new()).unwrap();
        assert!(String::from_utf8(head).unwrap().contains("authorization: Basic bWU6czNjcmV0Lyt2YWx1ZQ==\r\n"));
    }

    #[test]
    fn a_segment_takes_it_in_the_place_of_what_a_program_writes() {
        let at = loan(Position::Segment { prefix: "bot".into() });
        let asks = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\nCookie: mine\r\n\r\n").into_bytes();
        for (target, expected) in [
            ("/bot/x?a=/bot1/y", Some("/bots3cret%2F%2Bvalue/x?a=/bot1/y")),
            ("/bot1:A-b_c.d/x/bot2", Some("/bots3cret%2F%2Bvalue/x/bot2")),
            ("/botbastide-credential-github?x", Some("/bots3cret%2F%2Bvalue?x")),
            ("/bot1", Some("/bots3cret%2F%2Bvalue")),
            ("/x/bot1/y", None),
            ("/Bot1/y", None),
            ("/bo/t1", None),
            ("/%62ot1/y", None),
            ("/bot1%2Fx/y", None),
            ("/bot1;x/y", None),
            ("/bot1%3Ax/y", None),
            ("/", None),
        ] {
            let head = at.put(&asks(target), &mut Vec::new());
            let first = head.map(|head| String::from_utf8(head).unwrap());
            let expected =
                expected.map(|target| format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity\r\n\r\n"));
            assert_eq!(first, expected.ok_or(LendError::Segment), "{target}");
        }
        let bare = String::from_utf8(at.without(&asks("/botbastide-credential-github/x"))).unwrap();
        assert!(bare.starts_with("GET /bot/x HTTP/1.1\r\nHost: a\r\n"), "{bare}");
        assert_eq!(in_path("1:A b/..?#%"), "1:A%20b%2F..%3F%23%25");
    }

    #[test]
    fn it_is_known_in_base64_of_whatever_holds_it() {
        let spellings = loan(Position::bearer()).spellings();
        for text in ["s3cret/+value", "Bearer s3cret/+value", "a s3cret/+value b", "{\"k\":\"s3cret/+value\"}"] {
            let written = base64(text.as_bytes());
            assert!(spellings.iter().any(|one| written.contains(one)), "{written}");
        }
        let hex = "7333637265742f2b76616c7565";
        assert!(spellings.iter().any(|one| one == hex));
        let wide = "s3cret/+value".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        let wide = String::from_utf8(wide).unwrap();
        for text in ["73 33 63 72 65 74 2F 2B 76 61 6C 75 65", "73:33:63:72:65:74:2f:2b:76:61:6c:75:65", &wide] {
            assert!(spellings.iter().any(|one| text.contains(one)), "{text}");
        }
    }

    #[test]
    fn it_is_known_in_what_repeats_the_header_that_it_went_in() {
        let spellings = loan(Position::Basic { user: "me".into() }).spellings();
        let pair = base64(b"me:s3cret/+value");
        let hex: String = pair.bytes().map(|byte| format!("{byte:02X}")).collect();
        for text in [&pair, &hex, &base64(format!("Authorization: Basic {pair}\r\n").as_bytes())] {
            assert!(spellings.iter().any(|one| text.contains(one)), "{text}");
        }
    }

    #[test]
    fn a_field_is_set_in_forms_and_objects_and_nowhere_else() {
        let at = loan(Position::Field { name: "token".into() });
        for (body, expected) in [
            (&b"{\"a\":1,\"token\":\"mine\"}"[..], "{\"a\":1,\"token\":\"s3cret/+value\"}"),
            (b"a=1&token=mine&TOKEN=x", "a=1&token=s3cret%2F%2Bvalue"),
            // However some server spells the name.
            (b"%74oken=mine&+token=mine&token%20=mine&a=1", "a=1&token=s3cret%2F%2Bvalue"),
            (b"token[]=mine&token%5B0%5D=mine&token%00=mine&tokens=1", "tokens=1&token=s3cret%2F%2Bvalue"),
            (b"a=1;token=mine;b=2", "a=1;b=2&token=s3cret%2F%2Bvalue"),
            (
                "{\"Token\":\"mine\",\"TO\u{212a}EN\":\"mine\",\"to\\u006ben\":\"mine\",\"tokens\":1}".as_bytes(),
                "{\"token\":\"s3cret/+value\",\"tokens\":1}",
            ),
            (b"", "token=s3cret%2F%2Bvalue"),
        ] {
            let kind = if expected.starts_with('{') { JSON } else { FORM };
            let mut body = body.to_vec();
            let head = at.put(&said(&[("content-type", kind)]), &mut body).unwrap();
            assert_eq!(String::from_utf8(body.clone()).unwrap(), expected);
            assert!(String::from_utf8(head).unwrap().contains(&format!("Content-Length: {}\r\n", body.len())));
        }
        for body in [&b"[1]"[..], b"{bad", b"two words", b"\xff=1"] {
            for kind in [FORM, JSON] {
                let put = at.put(&said(&[("Content-Type", kind)]), &mut body.to_vec());
                assert_eq!(put, Err(LendError::Body), "{}", body.escape_ascii());
            }
        }
    }

    /// What a server keeps as it came would give the secret back.
    #[test]
    fn a_field_is_set_in_nothing_that_is_said_to_be_something_else() {
        let at = loan(Position::Field { name: "token".into() });
        let put = |headers: &[(&str, &str)], body: &[u8]| at.put(&said(headers), &mut body.to_vec()).is_ok();
        for (kind, taken) in [
            (FORM, true),
            ("Application/X-WWW-Form-Urlencoded ; charset=UTF-8", true),
            ("application/x-www-form-urlencoded; charset=utf-16", false),
            (JSON, false),
            ("text/plain", false),
            ("application/octet-stream", false),
            ("multipart/form-data; boundary=a", false),
            ("application/x-www-form-urlencoded, text/plain", false),
            ("", false),
        ] {
            assert_eq!(put(&[("Content-Type", kind)], b"note=hello"), taken, "{kind}");
        }
        for kind in ["application/json", "application/json;charset=\"utf-8\""] {
            assert!(put(&[("Content-Type", kind)], b"{\"note\":1}"), "{kind}");
        }
        for kind in [FORM, "application/x-ndjson", "application/json; charset=utf-16", "application/json, text/plain"] {
            assert!(!put(&[("Content-Type", kind)], b"{\"note\":1}"), "{kind}");
        }
        assert!(
            !put(&[], b"note=hello") && !put(&[("Content-Type", FORM), ("content-type", "text/plain")], b"note=hello")
        );
        assert!(!put(&[("Content-Type", FORM), ("Content-Encoding", "gzip")], b"note=hello"));
        assert!(put(&[("Content-Type", FORM), ("Content-Encoding", "identity")], b"note=hello"));
    }

    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";

    fn said(headers: &[(&str, &str)]) -> Vec<u8> {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("POST /x HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: 2\r\n\r\n").into_bytes()
    }
}
