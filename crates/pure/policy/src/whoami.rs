//! What whoever is inside may do, told to him: of every policy of a conjunction, since all of them must allow. Paths of the
//! host, and what his providers are, are none of his business.

use std::fmt::Write;

use serde::Serialize;

use crate::{Conjunction, Default, Policy, WorkspaceMode};

/// Most rules that are told one by one, of one kind and policy.
const MOST: usize = 200;

/// What may be done under all of some policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Whoami {
    /// The same in words.
    pub words: String,
    /// Every policy: what is to be done, each of them has to allow.
    pub policies: Vec<Given>,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Its name.
    pub policy: String,
    /// What becomes of changes in the workspace: `read-only`, `review` or `live`.
    pub workspace: &'static str,
    /// What becomes of a destination that no rule names: `deny` or `ask`.
    pub default: &'static str,
    /// Rules that allow.
    pub allow: Vec<String>,
    /// Rules that deny, whatever is allowed.
    pub deny: Vec<String>,
    /// Names of secrets that go with what rules allow: nobody inside ever has one.
    pub credentials: Vec<String>,
    /// Models that may be asked.
    pub models: Vec<String>,
    /// Which labelled data may not go where.
    pub flows: Vec<String>,
    /// What may be used up.
    pub bounds: Vec<String>,
    /// What sub-agents may come to; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<String>,
}

/// What whoever is inside may do.
#[must_use]
pub fn whoami(policies: &Conjunction) -> Whoami {
    let policies: Vec<Given> = policies.policies().map(Given::of).collect();
    let mut words = String::from("You are inside a cell of bastide. ");
    words += match policies.len() {
        1 => "This is what its policy gives you; all else is refused.\n",
        _ => "These policies hold all at once: what you do, each of them has to allow; all else is refused.\n",
    };
    policies.iter().for_each(|given| given.tell(&mut words));
    words += "A refusal says why, and the smallest rule that would allow it. Policies change from outside only.\n";
    Whoami { words, policies }
}

impl Given {
    fn of(policy: &Policy) -> Given {
        let own = policy.network.allow.iter().filter(|rule| !rule.inference);
        let mut credentials: Vec<String> =
            own.clone().filter_map(|rule| rule.credential.as_ref().map(|credential| credential.name.clone())).collect();
        credentials.sort();
        credentials.dedup();
        let models = policy.inference.routes.iter().flat_map(|route| &route.models);
        Given {
            policy: policy.name.clone(),
            workspace: policy.files.workspace.name(),
            default: policy.network.default.name(),
            allow: some(own.map(ToString::to_string)),
            deny: some(policy.network.deny.iter().map(ToString::to_string)),
            credentials,
            models: some(models.map(|model| String::from(model.clone()))),
            flows: some(policy.flows.iter().map(ToString::to_string)),
            bounds: bounds(policy),
            agents: policy.agents.map(|agents| agents.to_string()),
        }
    }

    fn tell(&self, words: &mut String) {
        let Given { policy, workspace, allow, deny, credentials, models, flows, bounds, .. } = self;
        let _ = writeln!(words, "Policy `{policy}`:");
        let files = match *workspace {
            mode if mode == WorkspaceMode::ReadOnly.name() => {
                "you may read the workspace; nothing that you write there stays"
            }
            mode if mode == WorkspaceMode::Live.name() => {
                "what you change in the workspace comes out by itself, but for guarded files"
            }
            _ => "what you change in the workspace comes out when the operator takes it",
        };
        let _ = writeln!(words, "- files: {files}.");
        let others = match self.default {
            ask if ask == Default::Ask.name() => "for any other destination the operator is asked",
            _ => "no other destination exists for you",
        };
        match allow.is_empty() {
            true => drop(writeln!(words, "- network: no rule allows anything; {others}.")),
            false => drop(writeln!(words, "- network: allowed is {}; {others}.", allow.join(", "))),
        }
        if !deny.is_empty() {
            let _ = writeln!(words, "- network: never {}.", deny.join(", "));
        }
        if !models.is_empty() {
            let _ = writeln!(words, "- models: {}; any key will do.", models.join(", "));
        }
        if !credentials.is_empty() {
            let names = credentials.join(", ");
            let _ =
                writeln!(words, "- credentials: {names}; each is put into your requests outside, where its rule says.");
        }
        if !flows.is_empty() {
            let _ = writeln!(words, "- data: {}.", flows.join(", "));
        }
        match &self.agents {
            Some(agents) => drop(writeln!(words, "- sub-agents: you may `spawn` some, within {agents}.")),
            None => drop(writeln!(words, "- sub-agents: none.")),
        }
        if !bounds.is_empty() {
            let _ = writeln!(words, "- bounds: {}.", bounds.join(", "));
        }
    }
}

/// As many as are told, and how many more there are.
fn some(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all = all.fuse();
    let mut told: Vec<String> = all.by_ref().take(MOST).collect();
    match all.count() {
        0 => {}
        more => told.push(format!("…{more} more")),
    }
    told
}

fn bounds(policy: &Policy) -> Vec<String> {
    let mut told = Vec::new();
    let (limits, inference) = (&policy.limits, &policy.inference);
    for (what, number, unit) in [
        ("memory", limits.memory, "bytes"),
        ("pids", limits.pids, "processes"),
        ("cpu", limits.cpu, "thousandths of a processor"),
        ("time", limits.time, "seconds"),
        ("disk", limits.disk, "bytes"),
        ("tokens", inference.tokens, "of models"),
        ("requests", inference.requests, "to models"),
    ] {
        told.extend(number.map(|number| format!("{what} {number} {unit}")));
    }
    told.extend(inference.money.map(|money| format!("money {money} for models")));
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CanonicalPath, Credential, Position, Rule, Target};

    fn policy(name: &str) -> Policy {
        let mut policy = Policy { name: name.into(), ..Policy::default() };
        let mut rule = Rule::to(Target::parse("api.github.com:443").expect("a target"));
        rule.credential = Some(Credential { name: "github".into(), position: Position::bearer() });
        policy.network.allow = vec![rule];
        policy.network.deny = vec![Rule::to(Target::parse("*.evil.example").expect("a target"))];
        policy.limits.memory = Some(1 << 30);
        policy.environment.insert("TOKEN".into(), "let-in-by-name".into());
        policy.files.hide = vec![CanonicalPath::parse("/home/operator/.ssh").expect("a path")];
        policy
    }

    #[test]
    fn every_policy_is_told_and_nothing_of_the_host() {
        let told = whoami(&Conjunction::new(vec![policy("ceiling"), policy("mine")]));
        assert_eq!(told.policies.len(), 2);
        assert_eq!(told.policies[1].credentials, ["github"]);
        let text = serde_json::to_string(&told).expect("JSON");
        for part in
            ["ceiling", "mine", "api.github.com:443", "*.evil.example", "memory 1073741824 bytes", "all at once"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("operator/.ssh") && !text.contains("let-in-by-name"), "{text}");
    }

    #[test]
    fn many_rules_are_counted() {
        let mut many = policy("many");
        many.network.allow =
            (0..MOST + 5).map(|n| Rule::to(Target::parse(&format!("h{n}.example")).expect("a target"))).collect();
        let told = whoami(&Conjunction::new(vec![many]));
        assert_eq!(told.policies[0].allow.len(), MOST + 1);
        assert_eq!(told.policies[0].allow.last().map(String::as_str), Some("…5 more"));
    }
}
