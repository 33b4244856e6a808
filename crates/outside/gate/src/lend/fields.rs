//! A field at the top of a body, set where its `Content-Type` says that it has fields, and it has.

use crate::encode::percent;
use crate::look::value;

/// The body with the field, in the place of all that a server may take for it; none where it is of no such kind.
pub(super) fn set(head: &[u8], body: &[u8], name: &str, secret: &str) -> Option<Vec<u8>> {
    kind(head).and_then(|within| within(body, name, secret))
}

/// The body with a field set, where it has fields.
type Sets = fn(&[u8], &str, &str) -> Option<Vec<u8>>;

/// How a field is set in a body that is said to be of this kind. A server would keep another as it is, and show it to whoever
/// asks.
fn kind(head: &[u8]) -> Option<Sets> {
    // Several are told as one, which is of no kind.
    let said = value(head, "content-type")?;
    let (essence, parameters) = said.split_once(';').unwrap_or((&said, ""));
    let utf8 = matches!(parameters.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    let plain = value(head, "content-encoding").is_none_or(|coding| coding == "identity");
    match essence.trim() {
        _ if !utf8 || !plain => None,
        "application/x-www-form-urlencoded" => Some(in_form),
        "application/json" => Some(in_object),
        _ => None,
    }
}

fn in_object(body: &[u8], name: &str, value: &str) -> Option<Vec<u8>> {
    if !record::conversation::is_bounded(body) {
        return None;
    }
    let mut read: serde_json::Value = serde_json::from_slice(body).ok()?;
    let fields = read.as_object_mut()?;
    fields.retain(|other, _| !is_key(other, name));
    fields.insert(name.to_owned(), value.into());
    serde_json::to_vec(&read).ok()
}

fn in_form(body: &[u8], name: &str, value: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.bytes().all(|byte| matches!(byte, b'!'..=b'~')))?;
    // Some servers take `;` for `&`.
    let others = |pair: &str| {
        let other = |part: &&str| !policy::names_field(part.split('=').next().unwrap_or_default(), name);
        pair.split(';').filter(other).collect::<Vec<_>>().join(";")
    };
    let mut pairs: Vec<String> = text
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { Some(others(pair)) } else { None })
        .collect::<Option<_>>()?;
    pairs.retain(|pair| !pair.is_empty());
    pairs.push(format!("{}={}", percent(name.as_bytes()), percent(value.as_bytes())));
    Some(pairs.join("&").into_bytes())
}

/// Whether some server takes one name in JSON for another: some compare them in any case of letters, as Unicode has that.
fn is_key(one: &str, two: &str) -> bool {
    fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
        name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
    }
    folded(one).eq(folded(two))
}
