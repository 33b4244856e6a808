//! What a tool does, as far as its policy, its name and its description tell. What tells nothing counts as a change.

use std::collections::BTreeSet;

use policy::{Effect, ToolRule};

use super::words::{is_form_of, parts, words};

/// What verbs say of who is called by them, or asks for them. The first that matches counts.
pub(super) const VERBS: &[(Effect, &[&str])] = &[
    (
        Effect::Read,
        &[
            "get",
            "list",
            "read",
            "search",
            "find",
            "fetch",
            "view",
            "show",
            "check",
            "query",
            "lookup",
            "look",
            "describe",
            "count",
            "browse",
            "inspect",
            "glob",
            "grep",
            "cat",
            "ls",
            "calculate",
            "compute",
            "summarize",
            "summarise",
            "retrieve",
            "return",
            "visit",
            "open",
            "scan",
            "compare",
            "analyze",
            "analyse",
            "recall",
            "explain",
            "recommend",
            "tell",
            "is",
            "has",
        ],
    ),
    (
        Effect::Spend,
        &[
            "pay",
            "buy",
            "purchase",
            "order",
            "book",
            "reserve",
            "transfer",
            "checkout",
            "subscribe",
            "donate",
            "refund",
            "charge",
            "withdraw",
            "deposit",
            "tip",
            "rent",
            "hire",
            "wire",
            "bid",
            "top",
        ],
    ),
    (
        Effect::Delete,
        &[
            "delete",
            "remove",
            "cancel",
            "drop",
            "destroy",
            "erase",
            "clear",
            "purge",
            "trash",
            "unsubscribe",
            "revoke",
            "kick",
            "ban",
            "wipe",
            "uninstall",
            "rm",
            "discard",
            "terminate",
            "kill",
        ],
    ),
    (Effect::Publish, &["post", "publish", "tweet", "comment", "release", "deploy", "push", "announce", "broadcast"]),
    (
        Effect::Send,
        &[
            "send", "reply", "forward", "email", "mail", "message", "notify", "invite", "share", "dm", "text", "call",
            "submit", "input", "respond", "answer", "contact", "inform", "upload", "ask", "greet", "thank", "fill",
        ],
    ),
    (
        Effect::Execute,
        &[
            "execute", "exec", "run", "bash", "shell", "sh", "command", "eval", "terminal", "python", "script",
            "build", "test", "compile",
        ],
    ),
    (Effect::Spawn, &["spawn", "agent", "subagent", "delegate", "launch", "task"]),
    (
        Effect::Write,
        &[
            "write",
            "create",
            "add",
            "update",
            "edit",
            "set",
            "append",
            "save",
            "modify",
            "change",
            "rename",
            "move",
            "copy",
            "put",
            "insert",
            "patch",
            "apply",
            "schedule",
            "reschedule",
            "adjust",
            "mark",
            "tag",
            "label",
            "assign",
            "merge",
            "commit",
            "configure",
            "enable",
            "disable",
            "register",
            "accept",
            "make",
            "download",
            "store",
            "replace",
            "correct",
            "fix",
            "implement",
            "refactor",
            "prepare",
            "draft",
            "remind",
            "plan",
            "organize",
            "organise",
            "setup",
            "verify",
            "confirm",
            "sign",
            "star",
            "follow",
            "join",
            "upgrade",
            "install",
            "archive",
            "plot",
            "generate",
            "complete",
            "finish",
            "reset",
            "renew",
            "extend",
        ],
    ),
];

/// What is about money, whatever is done with it.
pub(super) const MONEY: &[&str] = &[
    "money",
    "payment",
    "transaction",
    "bill",
    "invoice",
    "rent",
    "salary",
    "standing",
    "fee",
    "subscription",
    "purchase",
    "reservation",
    "booking",
    "order",
    "wallet",
    "funds",
    "ticket",
];

/// What a policy, or the heuristic, concludes of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// All that it does.
    pub effects: BTreeSet<Effect>,
    /// Why that is concluded.
    pub why: String,
    /// A policy says so, and nothing else counts.
    pub by_policy: bool,
}

/// What a tool says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the model is told of it.
    pub description: &'a str,
    /// The JSON schema of its arguments; `null` where there is none.
    pub schema: &'a serde_json::Value,
}

/// What a tool does. Of rules that match, all count.
#[must_use]
pub fn effects(tool: &Tool<'_>, rules: &[ToolRule]) -> Effects {
    let said: BTreeSet<Effect> =
        rules.iter().filter(|rule| rule.is_about(tool.name)).filter_map(|rule| rule.effect).collect();
    if !said.is_empty() {
        return Effects { effects: said, why: "the policy says so".into(), by_policy: true };
    }
    let (effect, why) = concluded(tool);
    Effects { effects: BTreeSet::from([effect]), why, by_policy: false }
}

/// What name and description tell, and how.
fn concluded(tool: &Tool<'_>) -> (Effect, String) {
    let parts = parts(tool.name);
    let named = match parts.split_first() {
        // A server's name says nothing of one tool.
        Some((first, rest)) if first == "mcp" && rest.len() > 1 => &rest[1..],
        _ => &parts[..],
    };
    let described: Vec<String> = words(tool.description).into_iter().take(4).map(|word| word.text).collect();
    let first = described.first().and_then(|word| of(word));
    let by_name = named.iter().find_map(|word| of(word).map(|effect| (effect, word)));
    match (by_name, first) {
        (Some((effect, word)), first) => {
            let money = named.iter().find(|word| MONEY.iter().any(|noun| is_form_of(word, noun)));
            let (effect, why) = match money {
                Some(noun) if !matches!(effect, Effect::Read | Effect::Delete | Effect::Spend) => {
                    (Effect::Spend, format!("its name says `{word}` and `{noun}`"))
                }
                _ => (effect, format!("its name says `{word}`")),
            };
            match first {
                // A harmless name does not hide what its description tells.
                Some(told) if effect == Effect::Read && told != Effect::Read => {
                    (told, format!("{why}, but its description begins with `{}`", described[0]))
                }
                _ => (effect, why),
            }
        }
        (None, Some(told)) => (told, format!("its description begins with `{}`", described[0])),
        (None, None) => (Effect::Write, "nothing tells what it does, so it may change something".into()),
    }
}

/// What a verb says; nothing where it is none.
pub(super) fn of(word: &str) -> Option<Effect> {
    VERBS.iter().find(|(_, verbs)| verbs.iter().any(|verb| is_form_of(word, verb))).map(|(effect, _)| *effect)
}

#[cfg(test)]
mod tests {
    use policy::mcp::TextPattern;
    use serde_json::Value;

    use super::*;

    fn concluded(name: &str, description: &str, rules: &[ToolRule]) -> Vec<&'static str> {
        let tool = Tool { name, description, schema: &Value::Null };
        effects(&tool, rules).effects.into_iter().map(Effect::name).collect()
    }

    #[test]
    fn names_tell_what_tools_do() {
        for (name, effect) in [
            ("send_money", "spend"),
            ("schedule_transaction", "spend"),
            ("get_scheduled_transactions", "read"),
            ("send_email", "send"),
            ("mcp__run_server__list_files", "read"),
            ("reserve_hotel", "spend"),
            ("cancel_calendar_event", "delete"),
            ("post_webpage", "publish"),
            ("Bash", "execute"),
            ("exec_command", "execute"),
            ("WebFetch", "read"),
            ("apply_patch", "write"),
            ("Task", "spawn"),
            ("frobnicate", "write"),
            ("", "write"),
        ] {
            assert_eq!(concluded(name, "", &[]), [effect], "{name}");
        }
    }

    #[test]
    fn a_description_raises_and_never_lowers() {
        assert_eq!(concluded("frobnicate", "Sends it to all.", &[]), ["send"]);
        assert_eq!(concluded("get_rid_of", "Deletes what is there.", &[]), ["delete"]);
        assert_eq!(concluded("delete_all", "Returns nothing, and is harmless.", &[]), ["delete"]);
    }

    #[test]
    fn a_policy_says_it_itself_and_all_its_rules_count() {
        let rule = |pattern: &str, effect| ToolRule {
            matches: TextPattern::parse(pattern).expect("a pattern"),
            effect,
            roles: Default::default(),
            ground: Default::default(),
            returns: Default::default(),
        };
        let rules = [rule("get_*", Some(Effect::Send)), rule("**", Some(Effect::Delete)), rule("get_x", None)];
        assert_eq!(concluded("get_x", "", &rules), ["send", "delete"]);
        let turned: Vec<ToolRule> = rules.iter().rev().cloned().collect();
        assert_eq!(concluded("get_x", "", &turned), ["send", "delete"]);
        assert_eq!(concluded("other_thing", "", &rules[2..]), ["write"]);
    }
}
