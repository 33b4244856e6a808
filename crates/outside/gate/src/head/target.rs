//! The target of a request: where it goes.

use std::borrow::Cow;

use policy::Host;

use super::HeadError;

/// Host and port of an authority; the port may be missing only where there is a default.
pub(super) fn authority(text: &str, default: Option<u16>) -> Result<(Host, u16), HeadError> {
    if text.contains('@') {
        return Err(HeadError::UserInformation);
    }
    if text.contains('#') {
        return Err(HeadError::Fragment);
    }
    if text.contains('%') {
        return Err(if text.starts_with('[') { HeadError::Zone } else { HeadError::Host });
    }
    let (host, port) = split(text)?;
    let port = match port {
        Some(digits) => number(digits)?,
        None => default.ok_or(HeadError::Port)?,
    };
    // An IPv6 address without brackets cannot be told from a port.
    if !host.starts_with('[') && host.contains(':') {
        return Err(HeadError::Host);
    }
    Ok((Host::parse(host).map_err(|_| HeadError::Host)?, port))
}

/// Authority and origin form of an absolute `http` target.
pub(super) fn absolute(target: &str) -> Result<(&str, Cow<'_, str>), HeadError> {
    if target.contains('#') {
        return Err(HeadError::Fragment);
    }
    let Some((scheme, rest)) = target.split_once("://") else { return Err(HeadError::Target) };
    if !scheme.eq_ignore_ascii_case("http") {
        let plain = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        return Err(if plain { HeadError::Scheme } else { HeadError::Target });
    }
    let end = rest.find(['/', '?', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return Err(HeadError::Host);
    }
    Ok((
        authority,
        match path.as_bytes().first() {
            None => Cow::Borrowed("/"),
            Some(b'/') => Cow::Borrowed(path),
            Some(b'?') => Cow::Owned(format!("/{path}")),
            // Some readers take a backslash for a slash, others for a part of the host.
            Some(_) => return Err(HeadError::Host),
        },
    ))
}

fn split(text: &str) -> Result<(&str, Option<&str>), HeadError> {
    if text.starts_with('[') {
        let end = text.find(']').ok_or(HeadError::Host)? + 1;
        let (host, rest) = text.split_at(end);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(HeadError::Host),
        };
    }
    Ok(text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))))
}

fn number(digits: &str) -> Result<u16, HeadError> {
    let plain = !digits.starts_with('0') && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().map_err(|_| HeadError::Port) } else { Err(HeadError::Port) }
}
