//! A key behind which nothing stands. YAML reads that as null, and null as left out: a bound whose value was forgotten
//! would then bound nothing.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location as Mark, Spanned};

/// Whatever stands somewhere, as far as it matters here.
pub(super) enum Any {
    Nothing,
    Something,
    Within(Vec<Spanned<Any>>),
}

impl Any {
    /// The first place where nothing stands.
    pub(super) fn missing(&self) -> Option<Mark> {
        let Any::Within(parts) = self else { return None };
        parts.iter().find_map(|part| match &part.value {
            Any::Nothing => Some(part.referenced),
            within => within.missing(),
        })
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Any, D::Error> {
        deserializer.deserialize_any(Looking)
    }
}

struct Looking;

/// Every scalar but null is something, whatever it is read as.
macro_rules! something {
    ($($visit:ident: $of:ty),+) => {
        $(fn $visit<E>(self, _: $of) -> Result<Any, E> {
            Ok(Any::Something)
        })+
    };
}

impl<'de> Visitor<'de> for Looking {
    type Value = Any;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    something! {
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64,
        visit_str: &str, visit_bytes: &[u8]
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Nothing)
    }

    fn visit_none<E>(self) -> Result<Any, E> {
        Ok(Any::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Any, D::Error> {
        Any::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Any, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element()? {
            parts.push(part);
        }
        Ok(Any::Within(parts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut parts = Vec::new();
        while let Some((String { .. }, part)) = map.next_entry()? {
            parts.push(part);
        }
        Ok(Any::Within(parts))
    }
}
