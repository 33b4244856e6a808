//! From what was asked for to what is given: the child's policies, its budget, its files and its command, and each thing
//! that was cut, why and by which policy. Nothing is begun here.

use std::path::{Path, PathBuf};

use policy::agents::{Wish, ceiling, narrow};
use policy::{Agents, Amounts, Conjunction, Files, Good, Money, Policy, WorkspaceMode};
use record::Full;
use wire::petition::{Access, Budget, Cut, Denial, Reason, Run, Spawn};

use super::House;
use super::agent::Agent;
use crate::problem::quoted;

/// What a petition asks in, at this moment.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) struct Asks<'a> {
    /// Every policy of the parent's.
    pub(in crate::session) parent: &'a Conjunction,
    pub(in crate::session) accounts: &'a record::Children,
    pub(in crate::session) house: &'a House,
    /// By [`super::clock`].
    pub(in crate::session) at: u64,
    /// Seconds that the parent has left.
    pub(in crate::session) time: Option<u64>,
}

/// A child as it is to begin.
#[derive(Debug)]
pub(in crate::session) struct Drafted {
    /// The ceiling, the parent's, and what was asked for.
    pub(in crate::session) policies: Vec<Policy>,
    pub(in crate::session) budget: Amounts,
    /// How many it may begin below itself.
    pub(in crate::session) below: u32,
    pub(in crate::session) cut: Vec<Cut>,
    pub(in crate::session) granted: Vec<(PathBuf, Access)>,
    /// Hidden from the parent, or guarded.
    pub(in crate::session) left_out: Vec<PathBuf>,
    pub(in crate::session) command: Vec<Vec<u8>>,
    /// What of it are the parent's own words: of an agent by its name, nothing.
    pub(in crate::session) said: Option<String>,
    /// Variables that its program needs, beside the operator's and the policy's.
    pub(in crate::session) variables: Vec<(String, String)>,
}

/// Drafts the child that a petition asks for.
///
/// # Errors
/// In words for who asked: no child begins.
pub(in crate::session) fn draft(asks: Asks<'_>, wish: &Spawn) -> Result<Drafted, Denial> {
    let Some(own) = asks.parent.policies().last() else { return Err(childless("")) };
    let Some(agents) = asks.parent.agents() else {
        return Err(childless(asks.parent.childless().map_or("", |policy| &policy.name)));
    };
    asks.accounts.room(&agents, asks.at).map_err(|full| too_much(&full))?;
    let (command, agent) = command(&wish.run)?;
    let said = said(&wish.run);
    let above = ceiling(own);
    let mut cut = Vec::new();
    let budget = budget(asks, &agents, &wish.budget, &above.name, &mut cut)?;
    let (granted, left_out) = files(asks.house, own, wish, &mut cut);
    let names: Vec<&str> = wish.credentials.iter().map(wire::petition::Name::as_str).collect();
    let asked =
        Wish { network: &wish.network, tools: &wish.tools, models: &wish.inference.models, credentials: &names };
    let narrowed = narrow(asks.parent, &asked);
    cut.extend(narrowed.left.into_iter().map(|left| Cut { what: left.what, why: left.why, by: left.by }));
    let variables = agent.into_iter().flat_map(|agent| agent.variables(!narrowed.inference.routes.is_empty()));
    // What the operator says of one holds.
    let variables = variables.filter(|(name, _)| !own.environment.contains_key(*name));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let writes = granted.iter().any(|(_, access)| *access == Access::Write);
    let below = agents.below(budget, asks.accounts.share_below(&agents));
    let mut policy = Policy {
        name: format!("sub-agent {}", asks.accounts.next()),
        files: Files {
            workspace: if writes { WorkspaceMode::Review } else { WorkspaceMode::ReadOnly },
            write: Vec::new(),
            ..own.files.clone()
        },
        environment: own.environment.clone(),
        limits: own.limits.clone(),
        network: narrowed.network,
        inference: narrowed.inference,
        data: own.data.clone(),
        flows: own.flows.clone(),
        tools: own.tools.clone(),
        grounding: own.grounding,
        // What its parent's operator endorses is looked at by the policies that say it.
        endorse: Vec::new(),
        // Its task is its parent's words, which are nobody's intent.
        intent: policy::Intent::Attested,
        foreign: own.foreign,
        bodies: own.bodies,
        risk: own.risk,
        // Its parent's own stand beside it.
        secrets: Vec::new(),
        narrowed: None,
        agents: below,
        // What of them it may say anything to is a matter of rules.
        servers: own.servers.clone(),
        tests: Vec::new(),
    };
    budget.bound(&mut policy);
    // The ceiling stands first, once for the whole line.
    let first = (!asks.house.is_child).then_some(above);
    let policies = first.into_iter().chain(asks.parent.policies().cloned()).chain([policy]).collect();
    let below = below.map_or(0, |below| below.total);
    Ok(Drafted { policies, budget, below, cut, granted, left_out, command, said, variables })
}

/// What it may use up. What is not asked for is a share; what is more than is left, is cut.
fn budget(asks: Asks<'_>, agents: &Agents, wish: &Budget, by: &str, cut: &mut Vec<Cut>) -> Result<Amounts, Denial> {
    if wish.egress.is_some() {
        let why = "bytes that leave are bounded by rules, and not apart from them";
        cut.push(Cut { what: "egress".into(), why: why.into(), by: by.into() });
    }
    let own = asks.parent.policies().map(Amounts::of).reduce(Amounts::and).unwrap_or_default();
    let priced = asks.parent.policies().find_map(|policy| policy.inference.prices.first());
    let currency = own.money.or(agents.most.money).map(|money| money.currency).or_else(|| priced.map(|p| p.currency));
    if let (Some(money), Some(currency)) = (wish.money, currency)
        && money.currency != currency
    {
        let why = format!("money is counted in {currency}, and {money} are asked for");
        return Err(Denial::new(Reason::Unfit, why, "ask in the currency of the policy"));
    }
    let mut budget = Amounts::default();
    let share = u64::from(agents.children).max(1);
    for good in Good::ALL {
        let wanted = match good {
            Good::Tokens => wish.tokens,
            Good::Requests => None,
            Good::Money => wish.money.map(|money| money.micros),
            Good::Time => wish.time,
            Good::Memory => wish.memory,
            Good::Pids => wish.pids.map(u64::from),
        };
        let most = asks.accounts.left(&agents.most, good);
        let have = if good == Good::Time { asks.time } else { own.get(good) };
        // What the parent has is shared by itself and as many children as it may have.
        let whole = most.into_iter().chain(have).min();
        let equal = agents.most.get(good).map(|all| all / share).into_iter().chain(match good {
            Good::Time => have,
            _ => have.map(|have| have / (share + 1)),
        });
        let Some(value) = wanted.or(equal.min().map(|equal| equal.max(1))) else { continue };
        let given = whole.map_or(value, |whole| value.min(whole));
        if given == 0 {
            let why = format!("nothing is left for sub-agents: {}", good.name());
            return Err(Denial::new(Reason::TooMuch, why, "do it yourself, or wait until a sub-agent ends"));
        }
        budget = match (good, currency) {
            (Good::Money, None) => continue,
            (Good::Money, Some(currency)) => Amounts { money: Some(Money { micros: given, currency }), ..budget },
            _ => budget.with(good, Some(given)),
        };
        if wanted.is_some_and(|wanted| wanted > given) {
            let shown = |value: Option<u64>| {
                let one = Amounts { money: budget.money, ..Amounts::default() }.with(good, value);
                one.shown(good).unwrap_or_default()
            };
            let why = format!("{} are left", shown(Some(given)));
            cut.push(Cut { what: format!("{} {}", good.name(), shown(wanted)), why, by: by.into() });
        }
    }
    Ok(budget)
}

/// What it sees of the workspace, and what of that is left out.
fn files(house: &House, own: &Policy, wish: &Spawn, cut: &mut Vec<Cut>) -> (Vec<(PathBuf, Access)>, Vec<PathBuf>) {
    let hidden = super::below(&house.workspace, house.within.hidden.iter().cloned());
    let guarded: Vec<PathBuf> = own.files.guard.iter().map(PathBuf::from).collect();
    let mut granted: Vec<(PathBuf, Access)> = Vec::new();
    for grant in wish.files.iter() {
        let text = grant.path.as_str();
        let path = if text == "." { PathBuf::new() } else { PathBuf::from(text) };
        let mut left = |what: &str, why: &str| {
            cut.push(Cut { what: format!("{what} {}", quoted(text)), why: why.into(), by: own.name.clone() });
        };
        let beneath = |all: &[PathBuf]| all.iter().any(|out| path.starts_with(out));
        if beneath(&hidden) || beneath(&guarded) {
            left("file", "it is hidden or guarded");
            continue;
        }
        let may_write = own.files.workspace != WorkspaceMode::ReadOnly && changeable(house, &path);
        let access = if grant.access == Access::Write && !may_write {
            left("change of", "it is only to be read");
            Access::Read
        } else {
            grant.access
        };
        match granted.iter_mut().find(|(other, _)| *other == path) {
            Some((_, other)) => *other = (*other).max(access),
            None => granted.push((path, access)),
        }
    }
    (granted, hidden.into_iter().chain(guarded).collect())
}

/// Whether the parent may change a path itself, and all that is below it.
fn changeable(house: &House, path: &Path) -> bool {
    let Some(granted) = &house.granted else { return true };
    let above = granted.iter().filter(|(one, _)| path.starts_with(one)).max_by_key(|(one, _)| one.components().count());
    let below = granted.iter().filter(|(one, _)| one.starts_with(path));
    above.is_some_and(|(_, write)| *write) && below.into_iter().all(|(_, write)| *write)
}

fn command(run: &Run) -> Result<(Vec<Vec<u8>>, Option<&'static Agent>), Denial> {
    Ok(match run {
        Run::Command(command) => (command.iter().map(|word| word.as_str().into()).collect(), None),
        Run::Agent(name) => {
            let agent = Agent::named(name)?;
            (agent.command.iter().map(|word| (*word).into()).collect(), Some(agent))
        }
    })
}

/// The words of a command, where they are as long as words are told apart by.
fn said(run: &Run) -> Option<String> {
    let Run::Command(command) = run else { return None };
    let words: Vec<&str> = command.iter().map(wire::petition::Text::as_str).collect();
    Some(words.join(" ")).filter(|said| said.len() >= sense::LEAST)
}

fn childless(policy: &str) -> Denial {
    let hint = match policy {
        "" => "do it yourself".to_owned(),
        name => format!("do it yourself; the operator grants them under `agents:` of `{}`", quoted(name)),
    };
    Denial::new(Reason::NotGranted, "this session's policy grants no children", hint)
}

/// Says why there is no room.
pub(in crate::session) fn too_much(full: &Full) -> Denial {
    Denial::new(Reason::TooMuch, full.to_string(), "wait until one ends, ask for less, or do it yourself")
}
