//! What a child was asked for with, within what its parent has: rules of the parent's own, for fewer destinations. Nothing
//! here has to be right for a child to be no wider than its parent, since each policy of the parent's decides beside it;
//! what is said of what was left out does.

use crate::mcp::TextPattern;
use crate::{
    Conjunction, Credential, Default as Fallback, HostPattern, Inference, Network, Policy, Protocol, Route, Rule,
    Target, ValuePattern,
};

/// What a child is to reach and to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'w> {
    /// Destinations.
    pub network: &'w [Target],
    /// Tools of servers of MCP, and of providers.
    pub tools: &'w [TextPattern],
    /// Models, by name.
    pub models: &'w [ValuePattern],
    /// Secrets, by name.
    pub credentials: &'w [&'w str],
}

/// Something that was asked for and is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What, as it was asked for.
    pub what: String,
    /// Why not.
    pub why: String,
    /// The policy that does not give it.
    pub by: String,
}

/// What of a wish is given.
#[derive(Debug, Clone, Default)]
pub struct Narrowed {
    /// Rules.
    pub network: Network,
    /// Models, without any budget.
    pub inference: Inference,
    /// What is not given.
    pub left: Vec<Left>,
}

/// Narrows a wish to what every policy of the parent may give.
#[must_use]
pub fn narrow(parent: &Conjunction, wish: &Wish<'_>) -> Narrowed {
    let Some(own) = parent.policies().last() else { return Narrowed::default() };
    let mut narrowed = Narrowed::default();
    narrowed.network.deny.clone_from(&own.network.deny);
    for target in wish.network {
        match rules(parent, own, target, wish) {
            Ok((rules, less)) => {
                narrowed.left.extend(less);
                add(&mut narrowed.network.allow, rules);
            }
            Err(left) => narrowed.left.push(left),
        }
    }
    models(parent, own, wish, &mut narrowed);
    credentials(parent, wish, &mut narrowed);
    tools(wish, &mut narrowed);
    narrowed
}

fn add<T: PartialEq>(to: &mut Vec<T>, all: Vec<T>) {
    for one in all {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}

/// The destinations that both mean; none where there is none, or it takes more than a look.
fn meet(one: &Target, two: &Target) -> Option<Target> {
    let port = match (one.port, two.port) {
        (Some(one), Some(two)) if one != two => return None,
        (one, two) => one.or(two),
    };
    let host = if one.host.covers(&two.host) {
        &two.host
    } else if two.host.covers(&one.host) {
        &one.host
    } else {
        return None;
    };
    // The host's loopback is meant by its own name alone, and with the port.
    let loopback = matches!(host, HostPattern::Exact(name) if name.is_host_bastide());
    let named = one.host == two.host && one.port.is_some() && two.port.is_some();
    (!loopback || named).then(|| Target { host: host.clone(), port })
}

/// Whether two destinations may have some in common that [`meet`] does not find.
fn is_unseen(one: &Target, two: &Target) -> bool {
    let many = |host: &HostPattern| matches!(host, HostPattern::Below(_) | HostPattern::Shaped(_));
    let shaped = |host: &HostPattern| matches!(host, HostPattern::Shaped(_));
    let ports = one.port.is_none() || two.port.is_none() || one.port == two.port;
    let names = many(&one.host) && many(&two.host) && (shaped(&one.host) || shaped(&two.host));
    ports && names && meet(one, two).is_none()
}

/// The parent's own rules for one destination, and what of it no policy or not every one gives.
fn rules(parent: &Conjunction, own: &Policy, target: &Target, wish: &Wish<'_>) -> Result<(Vec<Rule>, Vec<Left>), Left> {
    let left =
        |why: &str, by: &Policy| Left { what: format!("network {target}"), why: why.into(), by: by.name.clone() };
    let mut rules: Vec<Rule> = Vec::new();
    for rule in own.network.allow.iter().filter(|rule| !rule.inference) {
        if let Some(to) = meet(target, &rule.to) {
            rules.push(child_rule(rule, to, wish));
        }
    }
    if own.network.default == Fallback::Ask {
        rules.push(Rule::to(target.clone()));
    }
    if rules.is_empty() {
        return Err(left("no rule of its parent's allows it", own));
    }
    for policy in parent.policies() {
        let denied = |rule: &&Rule| !rule.is_about_requests() && rule.to.covers(target);
        if let Some(rule) = policy.network.deny.iter().find(denied) {
            return Err(left(&format!("denied by the rule {rule}"), policy));
        }
        let meets = |rule: &&Rule| rules.iter().any(|mine| meet(&mine.to, &rule.to).is_some());
        let mut allows = policy.network.allow.iter().filter(|rule| !rule.inference).filter(meets).peekable();
        if allows.peek().is_none() && policy.network.default == Fallback::Deny {
            return Err(left("no rule of it allows that", policy));
        }
        // A session's own count begins anew in a child: what has one would be had twice.
        if let Some(rule) = allows.find(|rule| rule.bounds.rate.is_some() || rule.bounds.budget.is_some()) {
            let why = format!("what the rule {rule} lets through in one session is not split between two");
            return Err(left(&why, policy));
        }
    }
    let less = parent.policies().filter(|policy| policy.network.default == Fallback::Deny).filter_map(|policy| {
        let whole = |rule: &Rule| rule.to.covers(target);
        let allow = &policy.network.allow;
        let some: Vec<String> = allow.iter().filter_map(|rule| Some(meet(target, &rule.to)?.to_string())).collect();
        (!allow.iter().any(whole)).then(|| left(&format!("only {} of it", some.join(", ")), policy))
    });
    let mut less: Vec<Left> = less.collect();
    let unseen = |rule: &&Rule| !rule.inference && is_unseen(&rule.to, target);
    less.extend(
        own.network.allow.iter().filter(unseen).map(|rule| left(&format!("what of it is also of {}", rule.to), own)),
    );
    Ok((rules, less))
}

/// A rule of the parent's for a destination of the child's, with its secret only where that was asked for.
fn child_rule(rule: &Rule, to: Target, wish: &Wish<'_>) -> Rule {
    let mut rule = Rule { to, ..rule.clone() };
    rule.credential = rule.credential.filter(|credential| wish.credentials.contains(&credential.name.as_str()));
    if rule.protocol == Protocol::Mcp {
        rule.mcp.tools = Some(match &rule.mcp.tools {
            // About resources and prompts alone: of no tool.
            None if rule.mcp.resources.is_some() || rule.mcp.prompts.is_some() => Vec::new(),
            None => wish.tools.to_vec(),
            Some(own) => both(own, wish.tools),
        });
    }
    rule
}

/// Texts that two lists mean, as far as a look tells.
fn both(own: &[TextPattern], wish: &[TextPattern]) -> Vec<TextPattern> {
    let mut all = Vec::new();
    for (own, wish) in own.iter().flat_map(|own| wish.iter().map(move |wish| (own, wish))) {
        let narrower = if own.covers(wish) {
            Some(wish)
        } else if wish.covers(own) {
            Some(own)
        } else {
            None
        };
        add(&mut all, narrower.cloned().into_iter().collect());
    }
    all
}

/// Routes of the parent's for fewer models.
fn models(parent: &Conjunction, own: &Policy, wish: &Wish<'_>, narrowed: &mut Narrowed) {
    for wanted in wish.models {
        let left = |why: &str, by: &Policy| Left {
            what: format!("model {}", wanted.as_str()),
            why: why.into(),
            by: by.name.clone(),
        };
        let routes: Vec<Route> = own.inference.routes.iter().filter_map(|route| routed(route, wanted)).collect();
        if routes.is_empty() {
            narrowed.left.push(left("it has no route for that", own));
            continue;
        }
        let lacks = |policy: &&Policy| !policy.inference.routes.iter().any(|route| routed(route, wanted).is_some());
        if let Some(policy) = parent.policies().find(lacks) {
            narrowed.left.push(left("it has no route for that", policy));
            continue;
        }
        add(&mut narrowed.inference.routes, routes);
    }
    let inference = &mut narrowed.inference;
    if inference.routes.is_empty() {
        return;
    }
    // In the parent's order: the first that takes a model is its route.
    let place = |route: &Route| {
        let same = |other: &Route| other.provider == route.provider && other.model == route.model;
        own.inference.routes.iter().position(same)
    };
    inference.routes.sort_by_key(|route| place(route));
    let named: Vec<&str> = inference.routes.iter().flat_map(Route::providers).collect();
    let providers = own.inference.providers.iter().filter(|one| named.contains(&one.name.as_str()));
    inference.providers = providers.cloned().collect();
    let granted = |name: &&String| wish.tools.iter().any(|tool| tool.takes(name, false));
    inference.grant = own.inference.grant.iter().filter(granted).cloned().collect();
    inference.fields.clone_from(&own.inference.fields);
    inference.prices.clone_from(&own.inference.prices);
    let opened = |rule: &&Rule| {
        let mut rules = inference.rules();
        rules.extend(inference.translated());
        rule.inference && rules.iter().any(|own| own.to == rule.to)
    };
    let rules = own.network.allow.iter().filter(opened).cloned().collect();
    add(&mut narrowed.network.allow, rules);
}

/// A route for the models that it and a wish mean; none where there is none, or it takes more than a look.
fn routed(route: &Route, wanted: &ValuePattern) -> Option<Route> {
    let mut models = Vec::new();
    for own in &route.models {
        if own.covers(wanted) {
            models = vec![wanted.clone()];
            break;
        }
        if wanted.covers(own) {
            models.push(own.clone());
        }
    }
    (!models.is_empty()).then(|| Route { models, ..route.clone() })
}

/// Tells which secrets go nowhere.
fn credentials(parent: &Conjunction, wish: &Wish<'_>, narrowed: &mut Narrowed) {
    for name in wish.credentials {
        let lent: Vec<(&Rule, &Credential)> = narrowed
            .network
            .allow
            .iter()
            .filter_map(|rule| Some((rule, rule.credential.as_ref()?)))
            .filter(|(_, credential)| credential.name == *name)
            .collect();
        let left =
            |why: &str, by: &Policy| Left { what: format!("credential {name}"), why: why.into(), by: by.name.clone() };
        let lends = |policy: &Policy| {
            let same = |other: &Rule, credential: &Credential| other.credential.as_ref() == Some(credential);
            lent.iter().any(|(rule, credential)| {
                policy.network.allow.iter().any(|other| meet(&rule.to, &other.to).is_some() && same(other, credential))
            })
        };
        let refusing = match lent.is_empty() {
            true => parent.policies().last(),
            false => parent.policies().find(|policy| !lends(policy)),
        };
        let why = "no rule of it lends that to what the child may reach";
        let refused = refusing.map(|policy| left(why, policy));
        narrowed.left.extend(refused);
    }
}

/// Tells which tools no rule is about.
fn tools(wish: &Wish<'_>, narrowed: &mut Narrowed) {
    let rules = narrowed.network.allow.iter().filter_map(|rule| rule.mcp.tools.as_ref()).flatten();
    let given: Vec<&TextPattern> = rules.collect();
    let granted = |tool: &TextPattern| narrowed.inference.grant.iter().any(|name| tool.takes(name, false));
    let missing = |tool: &&TextPattern| !granted(tool) && !given.iter().any(|own| tool.covers(own) || *own == *tool);
    let left = wish.tools.iter().filter(missing).map(|tool| Left {
        what: format!("tool {}", tool.as_str()),
        why: "no server that the child may reach has it allowed".into(),
        by: "what was asked".into(),
    });
    let left: Vec<Left> = left.collect();
    narrowed.left.extend(left);
}
