//! What an argument is to its call, or a field to its result: by the policy, by its name, by its schema.

use policy::{Role, ToolRule};
use serde_json::Value;

use super::words::parts;

/// What the last part of a name says that is known; plurals are known, too.
const NAMES: &[(Role, &[&str])] = &[
    (
        Role::Selector,
        &[
            "query",
            "q",
            "filter",
            "pattern",
            "date",
            "day",
            "time",
            "timestamp",
            "start",
            "end",
            "until",
            "since",
            "limit",
            "n",
            "page",
            "offset",
            "sort",
            "permission",
            "recurring",
            "type",
            "kind",
            "format",
            "language",
            "timezone",
            "status",
            "priority",
            "timeout",
            "duration",
            "mode",
            "read",
            "month",
            "year",
            "week",
            "hour",
            "modified",
            "created",
            "updated",
            "verified",
            "otp",
            "captcha",
        ],
    ),
    (
        Role::Target,
        &[
            "recipient",
            "to",
            "cc",
            "bcc",
            "address",
            "email",
            "mail",
            "participant",
            "attendee",
            "invitee",
            "member",
            "url",
            "uri",
            "link",
            "endpoint",
            "host",
            "hostname",
            "domain",
            "channel",
            "iban",
            "account",
            "payee",
            "beneficiary",
            "phone",
            "webhook",
            "user",
            "username",
            "receiver",
            "contact",
            "assignee",
            "reviewer",
            "server",
            "remote",
            "destination",
            "room",
            "chat",
            "handle",
            "site",
            "sender",
            "owner",
            "author",
            "from",
        ],
    ),
    (Role::Amount, &["amount", "price", "total", "sum", "cost", "quantity", "fee", "budget", "tip", "size", "rating"]),
    (
        Role::Content,
        &[
            "body",
            "content",
            "text",
            "message",
            "subject",
            "title",
            "description",
            "comment",
            "note",
            "caption",
            "summary",
            "html",
            "markdown",
            "code",
            "command",
            "cmd",
            "script",
            "input",
            "prompt",
            "value",
            "data",
            "payload",
            "reason",
            "street",
            "city",
            "location",
            "patch",
            "string",
            "review",
            "bio",
            "snippet",
            "about",
            "instruction",
            "answer",
            "feedback",
            "plan",
            "todo",
        ],
    ),
    (
        Role::Reference,
        &[
            "id",
            "uuid",
            "key",
            "file",
            "filename",
            "path",
            "name",
            "attachment",
            "document",
            "event",
            "branch",
            "ref",
            "repo",
            "repository",
            "record",
            "resource",
            "directory",
            "dir",
            "folder",
            "table",
            "database",
            "source",
            "password",
            "secret",
            "token",
            "pin",
            "item",
            "product",
            "order",
            "ticket",
            "issue",
        ],
    ),
];
/// Names of two parts that mean something else than their last.
const PAIRS: &[(Role, &str)] = &[
    (Role::Content, "first name"),
    (Role::Content, "last name"),
    (Role::Content, "full name"),
    (Role::Content, "display name"),
    (Role::Selector, "order by"),
    (Role::Selector, "sort by"),
];

/// What an argument is, and why that is concluded.
#[must_use]
pub fn role(tool: &str, argument: &str, schema: &Value, rules: &[ToolRule]) -> (Role, String) {
    let said = rules.iter().filter(|rule| rule.is_about(tool)).filter_map(|rule| rule.roles.get(argument));
    // The least that must be grounded comes last in order: of rules that disagree the strictest counts.
    if let Some(role) = said.min() {
        return (*role, "the policy says so".into());
    }
    if let Some((role, word)) = named(argument) {
        return (role, format!("its name says `{word}`"));
    }
    let field = &schema["properties"][argument];
    let format = field["format"].as_str().unwrap_or_default();
    if matches!(format, "email" | "uri" | "url" | "hostname" | "ipv4" | "ipv6") {
        return (Role::Target, format!("its schema says `{format}`"));
    }
    if field["enum"].is_array() || field["type"] == "boolean" {
        return (Role::Selector, "its schema leaves few values".into());
    }
    if field["type"] == "integer" || field["type"] == "number" {
        return (Role::Amount, "its schema says a number".into());
    }
    (Role::Reference, "nothing tells what it is, so it may choose something".into())
}

/// What a name says, and by which part.
pub(super) fn named(name: &str) -> Option<(Role, String)> {
    let parts = parts(name);
    if let [.., one, two] = parts.as_slice() {
        let pair = format!("{one} {two}");
        if let Some((role, _)) = PAIRS.iter().find(|(_, known)| *known == pair) {
            return Some((*role, pair));
        }
    }
    parts.iter().rev().find_map(|part| Some((of(part)?, part.clone())))
}

fn of(part: &str) -> Option<Role> {
    let single = part.strip_suffix("es").filter(|_| part.ends_with("sses")).or(part.strip_suffix('s'));
    let is = |name: &&str| *name == part || single == Some(name);
    NAMES.iter().find(|(_, names)| names.iter().any(&is)).map(|(role, _)| *role)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_tell_what_arguments_are() {
        for (name, expected) in [
            ("recipient", Role::Target),
            ("user_email", Role::Target),
            ("addresses", Role::Target),
            ("file_id", Role::Reference),
            ("hotel_names", Role::Reference),
            ("first_name", Role::Content),
            ("new_end_time", Role::Selector),
            ("amount", Role::Amount),
            ("body", Role::Content),
            ("new_string", Role::Content),
            ("frob", Role::Reference),
        ] {
            assert_eq!(role("t", name, &Value::Null, &[]).0, expected, "{name}");
        }
    }

    #[test]
    fn a_schema_tells_where_a_name_does_not() {
        let schema = json!({"properties": {
            "frob": {"type": "string", "format": "email"}, "blip": {"type": "boolean"}, "zap": {"type": "number"},
        }});
        assert_eq!(role("t", "frob", &schema, &[]).0, Role::Target);
        assert_eq!(role("t", "blip", &schema, &[]).0, Role::Selector);
        assert_eq!(role("t", "zap", &schema, &[]).0, Role::Amount);
    }
}
