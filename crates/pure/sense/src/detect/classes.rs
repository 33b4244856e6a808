//! Words that mean much the same to whoever gives orders, in classes: so that an order in other words is still one.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::model::hash;

/// Each class, its words apart by spaces.
const CLASSES: &[&str] = &[
    // Who is spoken to.
    "ai assistant assistants agent agents model models llm llms chatbot chatbots bot bots copilot claude gpt chatgpt gemini \
     automated machine reader readers mailbot",
    // What goes out.
    "send sends sending forward forwards forwarding mail email mails post posts posting upload uploads uploading share shares \
     sharing submit transmit deliver copy paste exfiltrate relay push report leak",
    // What nobody else is to have.
    "password passwords credential credentials key keys token tokens secret secrets otp pin passcode code codes ssn iban env \
     cookie cookies contacts inbox memory history conversation context confidential private personal",
    // What is taken back.
    "ignore ignores ignoring disregard disregards forget forgets discard discarded override overrides overriding bypass skip \
     abandon cancel cancelled supersede stop drop void obsolete",
    // What came before.
    "previous prior earlier above preceding former original initial existing current old before past",
    // What is to be done.
    "instruction instructions directions directive directives guidelines orders order command commands rule rules prompt \
     prompts task tasks goal goals objective objectives request policy constraints restrictions guardrails",
    // That it is to be done.
    "must should need needs required require requires shall obliged mandatory necessary important urgent immediately crucial \
     critical essential have has",
    // When.
    "first then next after afterwards once when whenever now instead finally proceeding continuing answering responding \
     summarising summarizing",
    // Who is not to know.
    "mention mentions mentioning inform informing notify notifying alert alerting disclose reveal revealing confirm \
     confirmation silently quietly ask asking",
    "not don dont never without no nor",
    "user users operator owner human customer admin administrator developer developers",
    // What is done to a machine.
    "run runs execute executes call calls invoke invokes use open visit fetch download install click navigate browse curl wget \
     bash sh shell tool tools function functions",
    // What is done to things.
    "delete deletes remove removes erase wipe reset change changes update modify set disable enable grant invite add create \
     book reserve schedule buy cancel approve merge write append insert replace",
    "transfer transfers pay payment payments wire money account balance usd eur bitcoin btc gift bank transaction",
    // What is said.
    "say says tell tells reply replies respond responds answer answers output outputs print prints repeat repeats recommend \
     rate return include encode translate echo write",
    "system sys inst im_start developer assistant user admin",
    // What is made of the one who reads.
    "you your yours yourself pretend act role persona become mode unrestricted unfiltered restrictions jailbreak roleplay",
    "http https www com example org net link url endpoint address website page site",
    "everything all verbatim entire full whole complete contents content exactly",
    // Who only speaks of it.
    "attack attacks attacker attackers injection injections jailbreaks phishing malicious vulnerability detect detection \
     filter defence defense researchers paper study test tests tested payload security threat mitigation detector",
    "please kindly thanks regards hi hello dear",
];

static WORDS: LazyLock<HashMap<u64, u8>> = LazyLock::new(|| {
    let class = |(class, words): (usize, &&'static str)| {
        let class = u8::try_from(class + 1).unwrap_or(u8::MAX);
        words.split_whitespace().map(move |word| (hash(word.as_bytes()), class))
    };
    let mut words = HashMap::new();
    // A word that is in two is of the first.
    CLASSES.iter().enumerate().flat_map(class).for_each(|(word, class)| {
        words.entry(word).or_insert(class);
    });
    words
});

/// The class of a word, by its hash; 0 where it is of none.
pub(super) fn class(word: u64) -> u8 {
    WORDS.get(&word).copied().unwrap_or(0)
}
