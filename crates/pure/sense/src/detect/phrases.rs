//! Turns of phrase that data has no use for and orders to a model do. One alone is weak: those who write about such attacks
//! quote them. They are looked for in the folded view of a text.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// One of them: what it is, and its expression.
const PHRASES: &[(&str, &str)] = &[
    (
        "it takes back what was said before",
        r"\b(?:ignore|disregard|forget|override|bypass|discard|abandon)\b(?: \w+){0,4} (?:previous|prior|earlier|above|preceding|original|existing|initial|former|current|system)(?: \w+){0,2} (?:instructions?|prompts?|rules|guidelines|directives?|context|commands?|tasks?|messages?|orders)",
    ),
    (
        "it speaks as the system",
        r"(?:<\|?/?(?:im_start|system|sys|inst|start_header_id)|\[/?(?:inst|system)\]|<<sys>>|(?:^|[.!?\]>:#\-] )(?:system|assistant|developer)(?: \w+)?: )",
    ),
    (
        "it speaks to a model",
        r"\b(?:dear|attention|hey|hello|to|note (?:to|for)|instructions? (?:to|for)|message (?:to|for)|notice (?:to|for))(?: \w+){0,2} (?:ai|llm|llms|chatbot|assistants?|language models?|agents?|gpt|claude|gemini|copilot)\b",
    ),
    (
        "it wants what the model was told",
        r"\b(?:reveal|print|output|repeat|show|send|forward|post|paste|include|append|copy|leak|upload|dump|share|return)\b(?: \w+){0,6} (?:system prompt|system message|initial prompt|hidden instructions|your instructions|your prompt|conversation history|chat history|conversation so far|current context|context window|api keys?|credentials|environment variables|access tokens?)",
    ),
    (
        "it wants something done first",
        r"\b(?:before (?:you )?(?:continue|continuing|proceed|proceeding|answer|answering|respond|responding|reply|replying|can (?:solve|complete|finish|help|answer)|complete|completing|doing anything|summari[sz]ing)|prior to (?:answering|responding|continuing|completing))\b",
    ),
    (
        "it wants the user not to know",
        r"\b(?:do not|don't|never|without)(?: \w+){0,2} (?:mention|mentioning|tell|telling|inform|informing|notify|notifying|alert|alerting|disclose|disclosing|reveal|revealing)(?: \w+){0,4} (?:user|anyone|operator|this|it|human|owner)\b",
    ),
    (
        "it wants a tool called",
        r"\b(?:call|invoke|use|execute|run|trigger)(?: \w+){0,3} (?:tool|function|plugin|mcp|api)\b(?: \w+){0,6} (?:with|to|and|using|on)\b",
    ),
    (
        "it makes another of the model",
        r"\b(?:you are (?:now|no longer)|from now on,? you|act as (?:if you|an? (?:unrestricted|unfiltered))|pretend (?:to be|you are)|your (?:new|real|true|actual|only) (?:task|goal|role|objective|instructions?|purpose|job)|new (?:instructions?|task|directive|objective)s?:|developer mode|jailbr)",
    ),
];

static SET: LazyLock<Option<RegexSet>> = LazyLock::new(|| RegexSet::new(PHRASES.iter().map(|(_, text)| text)).ok());
static EACH: LazyLock<Vec<Option<Regex>>> =
    LazyLock::new(|| PHRASES.iter().map(|(_, text)| Regex::new(text).ok()).collect());

/// A turn of phrase that stands in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) what: &'static str,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The first of each kind that stands in a folded text.
pub(super) fn find(folded: &str) -> Vec<Phrase> {
    let Some(set) = SET.as_ref() else { return Vec::new() };
    let kinds = set.matches(folded);
    let first = |kind: usize| {
        let found = EACH.get(kind)?.as_ref()?.find(folded)?;
        Some(Phrase { what: PHRASES[kind].0, from: found.start(), to: found.end() })
    };
    kinds.into_iter().filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_is_one() {
        assert!(SET.is_some() && EACH.iter().all(Option::is_some));
    }
}
