//! From bytes to the raw shape: what YAML can do beyond plain mappings, lists and scalars is refused.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location as Mark, MergeKeyPolicy};

use super::nothing::Any;
use super::raw::RawPolicy;
use super::{Diagnostic, Location, MAX_BYTES, Source, code, fail};
use crate::print::visible;

const PLAIN: &str = "write plain YAML; `bastide policy show hardened` prints an example";

impl Source {
    /// A policy file out of its bytes.
    ///
    /// # Errors
    /// A located [`Diagnostic`] for what is no text, or too much of it.
    pub fn from_bytes(name: &str, bytes: &[u8], widens: bool) -> Result<Source, Diagnostic> {
        check_size(name, bytes.len())?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Source { name: name.into(), text: text.into(), widens }),
            Err(error) => {
                let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
                let line = before.matches('\n').count() as u64 + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u64 + 1;
                let message = "not UTF-8 text".into();
                let location = Location { file: name.into(), line, column };
                let hint = Some("save the file as UTF-8".into());
                Err(Diagnostic { code: code::NOT_TEXT.into(), message, location, hint })
            }
        }
    }
}

fn check_size(file: &str, bytes: usize) -> Result<(), Diagnostic> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let message = format!("longer than {MAX_BYTES} bytes");
    Err(fail(file, Mark::UNKNOWN, code::TOO_LARGE, message, "use wildcards and networks instead of long lists"))
}

/// A file as plain YAML, at most so many mappings and lists within one another. `needed` says what every such file has.
pub(crate) fn plain<T: DeserializeOwned>(source: &Source, depth: usize, needed: &'static str) -> Result<T, Diagnostic> {
    let file = source.name.as_str();
    check_size(file, source.text.len())?;
    if source.text.starts_with('\u{feff}') {
        let location = Location { file: file.into(), line: 1, column: 1 };
        let hint = Some("save the file as UTF-8 without it".into());
        return Err(Diagnostic { code: code::FEATURE.into(), message: "byte order mark".into(), location, hint });
    }
    let options = serde_saphyr::options! {
        with_snippet: false,
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        budget: serde_saphyr::budget! {
            max_anchors: 0, max_aliases: 0, max_documents: 1, max_depth: depth, max_nodes: 50_000,
        },
    };
    serde_saphyr::from_str_with_options(&source.text, options).map_err(|error| refused(file, &error, needed))
}

/// The same of a file of ours, where nothing stands for nothing said.
pub(super) fn stated<T: DeserializeOwned>(
    source: &Source,
    depth: usize,
    needed: &'static str,
) -> Result<T, Diagnostic> {
    let read = plain(source, depth, needed)?;
    // After it, which tells the shape that is expected.
    match plain::<Any>(source, depth, needed)?.missing() {
        Some(mark) => {
            let message = "a value is missing here".into();
            Err(fail(&source.name, mark, code::SHAPE, message, "write one, or leave the key out"))
        }
        None => Ok(read),
    }
}

/// The raw shape of one file; its version is one that is known.
pub(super) fn parse(source: &Source) -> Result<RawPolicy, Diagnostic> {
    let file = source.name.as_str();
    let raw: RawPolicy = stated(source, 8, "every policy has `bastide: 1` and `name`; every rule has `to`")?;
    if raw.bastide.value != 1 {
        let message = format!("unknown version `{}`", raw.bastide.value);
        return Err(fail(file, raw.bastide.referenced, code::VERSION, message, "write `bastide: 1`"));
    }
    Ok(raw)
}

fn refused(file: &str, error: &Error, needed: &'static str) -> Diagnostic {
    let error = error.without_snippet();
    let mark = error.location().unwrap_or(Mark::UNKNOWN);
    let (code, (message, hint)) = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let hint = format!("keys here: {}", expected.join(", "));
            return fail(file, mark, code::UNKNOWN_KEY, format!("unknown key `{}`", visible(field)), &hint);
        }
        Error::DuplicateMappingKey { key, .. } => {
            let key = visible(key.as_deref().unwrap_or("?"));
            (code::DUPLICATE, (format!("`{key}` stands twice"), "keep one of the two"))
        }
        Error::SerdeMissingField { field, .. } => (code::SHAPE, (format!("`{field}` is missing"), needed)),
        Error::Budget { .. }
        | Error::UnknownAnchor { .. }
        | Error::MultipleDocuments { .. }
        | Error::MergeKeyNotAllowed { .. }
        | Error::TaggedScalarCannotDeserializeIntoString { .. }
        | Error::TaggedStructFieldName { .. }
        | Error::UnsupportedTag { .. } => (code::FEATURE, said(error)),
        Error::Unexpected { .. }
        | Error::Eof { .. }
        | Error::NullIntoString { .. }
        | Error::InvalidScalar { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::UnexpectedSequenceEnd { .. }
        | Error::UnexpectedMappingEnd { .. } => (code::SHAPE, said(error)),
        _ => (code::SYNTAX, said(error)),
    };
    fail(file, mark, code, message, hint)
}

/// What the parser says, with what is to be written instead: of the commonest mistakes in words of the file, else in its own words, which
/// may quote the file.
fn said(error: &Error) -> (String, &'static str) {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or("not understood");
    let known = [
        ("expected sequence", "a list is expected here", "write a list, also of one: `[one]`"),
        ("expected mapping", "keys with values are expected here", "write `key: value`, one beneath the other"),
        ("expected string", "one text is expected here", "write one value, neither a list nor keys with values"),
        ("null into string", "a text is missing here", "write one, in quotes where it is empty, or leave the key out"),
        ("Anchors", "anchors and aliases are not read", "write what is meant out, wherever it is meant"),
        (
            "unknown anchor",
            "a `*` begins an alias here, and those are not read",
            "text that begins with `*` stands in quotes, as in `\"*.example.com\"`",
        ),
    ];
    if matches!(error, Error::MultipleDocuments { .. }) || line.contains("Documents") {
        return (
            "a second document begins in the file".to_owned(),
            "one file is one document: take `---` out, or make two files",
        );
    }
    match known.into_iter().find(|(part, ..)| line.contains(part)) {
        Some((_, message, hint)) => (message.to_owned(), hint),
        None => (visible(line), PLAIN),
    }
}
