//! Walks a body beside its table. It judges and never changes: what must change is handed out as an edit. A value is
//! never skipped because it has an unexpected type; that is a refusal, since the provider may read it otherwise.

use serde_json::{Map, Value};

use super::hosted::acting;
use super::rule::{Field, Kind, Kinds, Rule, Shape, Word};
use super::{Grants, Held, Hosted, Refused, Wire, refused::shown};

/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most values in a body: some bytes each, of at most 32 MiB.
const MAX_VALUES: usize = 1 << 20;
/// Most items of a list, or fields of an object.
const MAX_ITEMS: usize = 1 << 16;

/// One walk over one body.
pub(super) struct Walk<'a> {
    wire: Wire,
    grants: &'a Grants,
    held: &'a dyn Held,
    path: Vec<Step<'a>>,
    values: usize,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Item(usize),
}

type Object = Map<String, Value>;

impl<'a> Walk<'a> {
    pub(super) fn new(wire: Wire, grants: &'a Grants, held: &'a dyn Held) -> Self {
        Walk { wire, grants, held, path: Vec::new(), values: 0 }
    }

    /// Every field of an object, by the list of those that it may have.
    pub(super) fn object(&mut self, object: &'a Object, lists: [&'static [Field]; 2]) -> Result<(), Refused> {
        self.enter(object.len())?;
        for (name, value) in object {
            self.path.push(Step::Name(name));
            match lists.into_iter().flatten().find(|field| self.is_named(field.name, name)) {
                Some(field) => self.field(field, name, value, object)?,
                None => self.unknown(value)?,
            }
            self.path.pop();
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &'static Field,
        name: &str,
        value: &'a Value,
        object: &'a Object,
    ) -> Result<(), Refused> {
        // Gemini reads two spellings of a name: which of two fields it takes is its own secret.
        if name != field.name && object.contains_key(field.name) {
            return Err(self.refuse("it stands twice, in two spellings"));
        }
        match (&field.rule, value) {
            // A field that is null is one that is absent, to every provider.
            (_, Value::Null) => Ok(()),
            (Rule::Beside(siblings), Value::String(id)) => {
                let whole = siblings.iter().any(|name| object.get(*name).is_some_and(is_something));
                if whole { Ok(()) } else { self.held(id) }
            }
            (rule, value) => self.value(rule, value),
        }
    }

    fn value(&mut self, rule: &'static Rule, value: &'a Value) -> Result<(), Refused> {
        self.enter(0)?;
        match (rule, value) {
            (Rule::Free, value) => self.free(value, false, self.path.len()),
            (Rule::Schema, value) => self.free(value, true, self.path.len()),
            (Rule::Any(rules), value) => match rules.iter().find(|rule| rule.takes(value)) {
                Some(rule) => self.value(rule, value),
                None => Err(self.mistyped(value)),
            },
            (Rule::Hosted(hosted), value) => self.hosted(*hosted, value),
            (Rule::Object(fields), Value::Object(object)) => self.object(object, [fields, &[]]),
            (Rule::Kinds(kinds), Value::Object(object)) => self.kinds(kinds, object),
            (Rule::Map(rule), Value::Object(object)) => self.map(rule, object),
            (Rule::List(rule), Value::Array(items)) => self.list(rule, items),
            (Rule::Number, Value::Number(_)) | (Rule::Flag, Value::Bool(_)) => Ok(()),
            (rule, Value::String(text)) => self.text(rule, text),
            (_, value) => Err(self.mistyped(value)),
        }
    }

    fn text(&self, rule: &Rule, text: &str) -> Result<(), Refused> {
        match rule {
            Rule::Text => Ok(()),
            Rule::Word(words) => self.word(words, text),
            Rule::Model => acting(text).map_or(Ok(()), |hosted| self.granted(hosted, text)),
            Rule::Data if text.starts_with("data:") => Ok(()),
            Rule::Bytes if text.starts_with("data:") || text.bytes().all(is_base64) => Ok(()),
            Rule::Data | Rule::Bytes => self.granted(Hosted::RemoteUrls, text),
            Rule::Held | Rule::Beside(_) => self.held(text),
            Rule::SealedOr(stand_ins) if stand_ins.contains(&text) => Ok(()),
            // An empty one carries nothing.
            Rule::Sealed | Rule::SealedOr(_) if text.is_empty() || self.held.encrypted(text) => Ok(()),
            Rule::Sealed | Rule::SealedOr(_) => Err(self
                .refuse("it is sealed, and not one that this door delivered byte for byte")
                .hint("leave it out: the conversation goes on without it".into())),
            _ => Err(self.mistyped(&Value::Null)),
        }
    }

    fn held(&self, id: &str) -> Result<(), Refused> {
        if self.held.response(id) {
            return Ok(());
        }
        Err(self
            .refuse_value(id, "the provider would take what it holds, and this door did not deliver it in this session")
            .hint("send the whole conversation instead".into()))
    }

    fn word(&self, words: &[Word], text: &str) -> Result<(), Refused> {
        match words.iter().find(|word| word.name == text) {
            Some(Word { hosted: Some(hosted), .. }) => self.granted(*hosted, text),
            Some(_) => Ok(()),
            None => Err(self.refuse_value(text, "this value is not on the list of what a provider may be asked")),
        }
    }

    fn kinds(&mut self, kinds: &'static Kinds, object: &'a Object) -> Result<(), Refused> {
        let name = match (object.get(kinds.by), kinds.absent) {
            (None | Some(Value::Null), Some(absent)) => absent,
            (Some(Value::String(name)), _) => name,
            (value, _) => {
                self.path.push(Step::Name(kinds.by));
                return Err(value.map_or_else(|| self.refuse("it is missing"), |value| self.mistyped(value)));
            }
        };
        let Some(kind) = kinds.kinds.iter().find(|kind| kind.name == name) else {
            self.path.push(Step::Name(kinds.by));
            return Err(self.refuse_value(name, "this type is not on the list of what a provider may be asked"));
        };
        self.kind(kinds, kind, object)
    }

    fn kind(&mut self, kinds: &'static Kinds, kind: &'static Kind, object: &'a Object) -> Result<(), Refused> {
        if let Some(needed) = kind.needs.iter().find(|name| object.get(**name).is_none_or(Value::is_null)) {
            self.path.push(Step::Name(needed));
            return Err(self.refuse("it is missing"));
        }
        match kind.shape {
            Shape::Fields(fields) => self.object(object, [fields, kinds.common]),
            Shape::Hosted(hosted) => {
                self.path.push(Step::Name(kinds.by));
                self.granted(hosted, kind.name)?;
                self.path.pop();
                object.values().try_for_each(|value| self.free(value, false, self.path.len()))
            }
        }
    }

    fn map(&mut self, rule: &'static Rule, object: &'a Object) -> Result<(), Refused> {
        self.enter(object.len())?;
        for (name, value) in object {
            self.path.push(Step::Name(name));
            self.value(rule, value)?;
            self.path.pop();
        }
        Ok(())
    }

    fn list(&mut self, rule: &'static Rule, items: &'a [Value]) -> Result<(), Refused> {
        self.enter(items.len())?;
        for (at, item) in items.iter().enumerate() {
            self.path.push(Step::Item(at));
            self.value(rule, item)?;
            self.path.pop();
        }
        Ok(())
    }

    /// What is not read further is bounded still, and a schema refers to nothing outside of itself.
    fn free(&mut self, value: &'a Value, schema: bool, depth: usize) -> Result<(), Refused> {
        if depth > MAX_DEPTH {
            return Err(self.refuse("it is nested too deeply"));
        }
        match value {
            Value::Array(items) => {
                self.enter(items.len())?;
                items.iter().try_for_each(|item| self.free(item, schema, depth + 1))
            }
            Value::Object(object) => {
                self.enter(object.len())?;
                object.iter().try_for_each(|(name, value)| {
                    if schema && is_outside(name, value) {
                        self.granted(Hosted::RemoteUrls, name)?;
                    }
                    self.free(value, schema, depth + 1)
                })
            }
            _ => self.enter(0),
        }
    }

    fn hosted(&mut self, hosted: Hosted, value: &'a Value) -> Result<(), Refused> {
        if is_something(value) && *value != Value::Bool(false) {
            self.granted(hosted, "")?;
        }
        self.free(value, false, self.path.len())
    }

    fn granted(&self, hosted: Hosted, value: &str) -> Result<(), Refused> {
        if self.grants.hosted.contains(&hosted) {
            return Ok(());
        }
        Err(self.refuse_value(value, hosted.why()).grant(hosted))
    }

    fn unknown(&mut self, value: &'a Value) -> Result<(), Refused> {
        let names = self.path.iter().filter_map(|step| match step {
            Step::Name(name) => Some(*name),
            Step::Item(_) => None,
        });
        let field = format!("{}:{}", self.wire.name(), names.collect::<Vec<_>>().join("."));
        if !self.grants.fields.contains(&field) {
            let hint = format!("if it is harmless, the operator lists `{}` under `inference.fields`", shown(&field));
            return Err(self.refuse("this field is not on the list of what a provider may be asked").hint(hint));
        }
        self.free(value, false, self.path.len())
    }

    /// Counts a value and bounds what it holds.
    fn enter(&mut self, items: usize) -> Result<(), Refused> {
        self.values += 1;
        if self.path.len() > MAX_DEPTH {
            return Err(self.refuse("it is nested too deeply"));
        }
        if items > MAX_ITEMS || self.values > MAX_VALUES {
            return Err(self.refuse("it holds too many values"));
        }
        Ok(())
    }

    fn is_named(&self, listed: &str, name: &str) -> bool {
        listed == name || self.wire == Wire::Gemini && is_snake_of(listed, name)
    }

    fn mistyped(&self, value: &Value) -> Refused {
        let why = match value {
            Value::Null => "it is null where something must stand",
            Value::Bool(_) => "it is true or false where something else must stand",
            Value::Number(_) => "it is a number where something else must stand",
            Value::String(_) => "it is text where something else must stand",
            Value::Array(_) => "it is a list where something else must stand",
            Value::Object(_) => "it is an object where something else must stand",
        };
        self.refuse(why)
    }

    fn refuse(&self, why: &'static str) -> Refused {
        self.refuse_value("", why)
    }

    fn refuse_value(&self, value: &str, why: &'static str) -> Refused {
        let mut what = String::new();
        for step in &self.path {
            match step {
                Step::Item(at) => what.push_str(&format!("[{at}]")),
                Step::Name(name) if what.is_empty() => what.push_str(&shown(name)),
                Step::Name(name) => what.push_str(&format!(".{}", shown(name))),
            }
        }
        if !value.is_empty() {
            what.push_str(&format!(" `{}`", shown(value)));
        }
        Refused { what, why, hint: None }
    }
}

/// Whether a value says anything: an empty list or text does not.
fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// Whether a part of a schema refers to another document, which some servers fetch.
fn is_outside(name: &str, value: &Value) -> bool {
    matches!(name, "$ref" | "$dynamicRef" | "$recursiveRef")
        && value.as_str().is_some_and(|text| !text.starts_with('#'))
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\r' | b'\n')
}

/// Whether a name is the other spelling of a listed one: `file_uri` of `fileUri`.
fn is_snake_of(listed: &str, name: &str) -> bool {
    let mut rest = name.bytes();
    let mut next = |byte: u8| rest.next() == Some(byte);
    let same = listed
        .bytes()
        .all(|byte| if byte.is_ascii_uppercase() { next(b'_') && next(byte.to_ascii_lowercase()) } else { next(byte) });
    same && rest.next().is_none()
}
