//! Names label for label: `+` stands for any text within one label, so `+.example.com` means the names one label below
//! and no others.

use serde::{Deserialize, Serialize};

use crate::http::wild;
use crate::{DnsName, HostError};

/// A name in which `+` stands for any text within a label; its last label has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NameShape(String);

impl NameShape {
    /// A shape such as `+.example.com` or `api-+.example.com`, in lower case and without trailing dot.
    ///
    /// # Errors
    /// [`HostError`] for what is no name when each `+` is a letter, and where `+` stands in the last label or nowhere.
    pub fn parse(text: &str) -> Result<NameShape, HostError> {
        let name = DnsName::parse(&text.replace('+', "a"))?;
        let shape = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let last = shape.rsplit('.').next().unwrap_or_default();
        let plus = shape.contains('+') && !last.contains('+') && !shape.contains("++");
        if plus && name.as_str().len() == shape.len() { Ok(NameShape(shape)) } else { Err(HostError::Plus) }
    }

    /// The shape.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means this name. Allocates nothing.
    #[must_use]
    pub fn takes(&self, name: &DnsName) -> bool {
        let (mut own, mut others) = (self.0.split('.'), name.as_str().split('.'));
        loop {
            match (own.next(), others.next()) {
                (None, None) => return true,
                (Some(label), Some(other)) if means(label, other) => {}
                _ => return false,
            }
        }
    }

    /// What stands behind the last label with a `+`: every name that it means lies below that.
    pub(crate) fn anchor(&self) -> &str {
        let plus = self.0.rfind('+').unwrap_or(0);
        self.0[plus..].split_once('.').map_or(&self.0, |(_, rest)| rest)
    }

    /// Whether every name of the other shape is one of this; not seen where it takes more than a look.
    pub(crate) fn covers(&self, other: &NameShape) -> bool {
        let (own, others): (Vec<&str>, Vec<&str>) = (self.0.split('.').collect(), other.0.split('.').collect());
        let covers =
            |(own, other): (&&str, &&str)| *own == "+" || own == other || !other.contains('+') && means(own, other);
        own.len() == others.len() && own.iter().zip(&others).all(covers)
    }
}

/// Whether one label means another.
fn means(label: &str, other: &str) -> bool {
    wild(label.as_bytes(), other.as_bytes(), |byte| *byte == b'+', |one, two| one == two)
}

impl TryFrom<String> for NameShape {
    type Error = HostError;
    fn try_from(text: String) -> Result<Self, HostError> {
        NameShape::parse(&text)
    }
}

impl From<NameShape> for String {
    fn from(shape: NameShape) -> String {
        shape.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_stays_within_its_label() {
        for (shape, name, takes) in [
            ("+.a.com", "x.a.com", true),
            ("+.A.com.", "X.a.COM", true),
            ("+.a.com", "a.com", false),
            ("+.a.com", "x.y.a.com", false),
            ("+.a.com", "xa.com", false),
            ("api-+.a.com", "api-x.a.com", true),
            ("api+.a.com", "api.a.com", true),
            ("api-+.a.com", "xapi-x.a.com", false),
            ("+-api.a.com", "eu-api.a.com", true),
            ("a.+.com", "a.b.com", true),
            ("a.+.com", "a.b.c.com", false),
            ("+.+.com", "a.b.com", true),
        ] {
            let (shape, name) = (NameShape::parse(shape).expect(shape), DnsName::parse(name).expect(name));
            assert_eq!(shape.takes(&name), takes, "{} {}", shape.0, name.as_str());
            assert!(!takes || name.parents().any(|parent| parent == shape.anchor()), "{}", shape.0);
        }
        for text in ["a.com", "+", "a.+", "a.b+", "++.com", "+.1", "-+.com", "+..com", "+.*.com", ""] {
            assert!(NameShape::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wider_shape_covers_a_narrower_one() {
        let covers = |wide: &str, narrow: &str| {
            NameShape::parse(wide).expect(wide).covers(&NameShape::parse(narrow).expect(narrow))
        };
        assert!(covers("+.a.com", "x+.a.com") && covers("+.+.com", "+.a.com") && covers("a.+.com", "a.+.com"));
        assert!(!covers("x+.a.com", "+.a.com") && !covers("+.a.com", "+.b.a.com"));
    }
}
