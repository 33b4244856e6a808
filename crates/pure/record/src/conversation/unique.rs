//! JSON in which no name stands twice: which one a reader takes cannot be told.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::bounded::is_bounded;
use super::shape::Malformed;

/// Deepest nesting.
const DEPTH: usize = 100;

/// Reads one JSON text, of which every reader has the same.
///
/// # Errors
/// What is wrong with it, without any of it.
pub fn unique(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
    if !is_bounded(bytes) {
        return Err("it holds more values than are read at once".to_owned());
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = One(DEPTH).deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// Whether a text is JSON, and two readers may have two things of it: a name stands in it twice.
#[must_use]
pub fn is_ambiguous(text: &str) -> bool {
    is_bounded(text.as_bytes()) && serde_json::from_str::<Value>(text).is_ok() && unique(text.as_bytes()).is_err()
}

/// Reads one text of an answer.
pub(super) fn json(text: &str) -> Result<Value, Malformed> {
    match unique(text.as_bytes()) {
        Ok(value) => Ok(value),
        Err(_) if !is_bounded(text.as_bytes()) => Err(Malformed::TooLarge),
        Err(_) if is_ambiguous(text) => Err(Malformed::Ambiguous),
        Err(_) => Err(Malformed::NotJson),
    }
}

#[derive(Clone, Copy)]
struct One(usize);

impl<'de> DeserializeSeed<'de> for One {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        if self.0 == 0 {
            return Err(D::Error::custom("it is nested too deep"));
        }
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(One(self.0 - 1))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(One(self.0 - 1))?;
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands in it twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_readers_may_have_two_things_of_it() {
        for (text, two) in [
            (r#"{"to":"a","to":"b"}"#, true),
            (r#"[{"x":{"t\u006f":"a","to":"b"}}]"#, true),
            (r#"{"to":"a","TO":"b"}"#, false),
            (r#"{"to":"a","to":"b""#, false),
            ("", false),
        ] {
            assert_eq!(is_ambiguous(text), two, "{text}");
        }
        assert_eq!(json(r#"{"a":1,"a":2}"#), Err(Malformed::Ambiguous));
        assert_eq!(json("{"), Err(Malformed::NotJson));
    }

    #[test]
    fn no_name_stands_twice() {
        let text = br#"{"a": [1, -2, 2.5, null, true, "x"], "b": {"a": {}}}"#;
        assert_eq!(unique(text), Ok(serde_json::from_slice(text).unwrap_or_default()));
        for bad in [&b"{\"a\":1,\"a\":2}"[..], b"[{\"x\":{\"\\u0061\":1,\"a\":2}}]", b"{} {}", b"\xff", b"", b"{"] {
            assert!(unique(bad).is_err(), "{}", bad.escape_ascii());
        }
        assert!(unique(&[vec![b'['; 200], vec![b']'; 200]].concat()).is_err());
    }
}
