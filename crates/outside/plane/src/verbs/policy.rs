//! `policy check`, `show`, `explain`, `diff`, `test`, `presets`, `suggest` and `import`: nothing that these read is put in
//! force. What does that, `apply` and `undo`, is [`generation`].

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use policy::read::{Argument, PRESETS, Preset};
use policy::{
    Conjunction, Egress, Host, HostError, Observed, Outcome, Policy, Request, Target, diff, explain, run_tests,
    suggest_policy,
};
use record::{Kind, Verdict};
use serde_json::json;
use wire::command::{Checked, PolicyRequest, Problem, Reply, Select};

use super::{Place, file, generation, import, why};
use crate::channel::Client;
use crate::policy_file::{look_at_policy, read_policy};
use crate::problem::{NO, problem, quoted, shell, state};
use crate::store::{self, Events};

/// The port when a request names none.
const HTTPS: u16 = 443;
/// Bytes of requests that a suggestion is made of: it goes out in one frame.
const MOST_BYTES: usize = 1 << 20;

/// Answers one question about a policy.
pub(super) fn answer(place: &Place, client: &mut Client, request: PolicyRequest) -> Result<Reply, Problem> {
    let mut look = |path: &Path| {
        let policy = look_at_policy(Some(path), place.home()).map_err(no)?;
        // Whether `run` would take it is another question than whether it is understood.
        if let Err(problem) = read_policy(Some(path), place.home(), &place.store) {
            client.reply(&Reply::Notice { text: format!("`run` would refuse it: {}", problem.cause) });
        }
        import::mention(client, path);
        Ok(policy)
    };
    let checked = match request {
        PolicyRequest::Check { file } => check(&look(&file)?, &file),
        PolicyRequest::Show { file } => show(&match file {
            Some(file) => look(&file)?,
            None => look_at_policy(None, place.home()).map_err(no)?,
        }),
        PolicyRequest::Explain { file, request, program } => {
            decided(place, look(&file)?, &request, program.as_deref())?
        }
        PolicyRequest::Diff { old, new } => compare(&look(&old)?, &look(&new)?),
        PolicyRequest::Test { file } => tested(place, &look(&file)?, &file)?,
        PolicyRequest::Presets => presets(),
        PolicyRequest::Suggest(select) => suggested(place, &select)?,
        PolicyRequest::Import { file, name } => import::import(client, &file, name.as_deref()).map_err(no)?,
        PolicyRequest::Apply { select, file } => generation::apply(place, &select, &file).map_err(no)?,
        PolicyRequest::Undo(select) => generation::undo(place, &select).map_err(no)?,
    };
    Ok(Reply::Policy(checked))
}

/// A policy that is wrong is an answer here: nothing was to be run.
fn no(problem: Problem) -> Problem {
    Problem { exit: NO, ..problem }
}

fn check(policy: &Policy, file: &Path) -> Checked {
    let network = &policy.network;
    let mut text = format!(
        "{}: understood: policy `{}`, {} allow and {} deny rules, default {}\n",
        quoted(&file.to_string_lossy()),
        quoted(&policy.name),
        network.allow.len(),
        network.deny.len(),
        network.default.name()
    );
    for set in &policy.secrets {
        let files: Vec<String> = set.files.iter().map(|file| quoted(file)).collect();
        text += &format!("secrets: {} rules of {}\n", set.rules.len(), files.join(", "));
        set.left.iter().for_each(|line| text += &format!("  not applied: {}\n", quoted(line)));
    }
    Checked { yes: true, text, data: json!({ "name": policy.name, "policy": policy }) }
}

fn show(policy: &Policy) -> Checked {
    Checked { yes: true, text: policy.to_yaml(), data: json!(policy) }
}

/// Every preset, how it is written, and what each argument may be.
fn presets() -> Checked {
    let mut text = String::new();
    for preset in PRESETS {
        text += &format!("{}\n    {}\n", preset.usage(), preset.about);
        for argument in preset.arguments {
            text += &format!("    {}: {}\n", argument.name.to_ascii_uppercase(), argument.form);
        }
    }
    text +=
        "`bastide policy show github:acme/widget` prints one; `extends: [hardened, \"github:acme/widget\"]` uses it\n";
    let argument =
        |argument: &Argument| json!({ "name": argument.name, "form": argument.form, "example": argument.example });
    let said = |preset: &Preset| {
        let arguments: Vec<_> = preset.arguments.iter().map(argument).collect();
        json!({ "name": preset.name, "usage": preset.usage(), "about": preset.about, "arguments": arguments })
    };
    Checked { yes: true, text, data: PRESETS.iter().map(said).collect() }
}

/// What is decided on a path, on `HOST[:PORT]`, or on a request.
fn decided(place: &Place, policy: Policy, request: &str, program: Option<&Path>) -> Result<Checked, Problem> {
    if request.starts_with('/') {
        let path = file::canonical(Path::new(request))?;
        let (workspace, mode) = (workspace(place), policy.files.workspace);
        let found = file::answer(&[policy], &workspace, place.home(), mode, &path)
            .ok_or_else(|| problem("E-PLANE-067", "the working directory or HOME is no plain path", "set HOME", NO))?;
        let by = found.rule.as_ref().map(|rule| format!(" by `{rule}`")).unwrap_or_default();
        let option = found.option.as_ref().map(|option| format!("; changed by `{option}`")).unwrap_or_default();
        let yes = !matches!(found.access.as_str(), "absent" | "hidden" | "private" | "passage" | "made" | "scratch");
        let text = format!("{}: {}{by}{option}\n", found.path, found.access);
        return Ok(Checked { yes, text, data: json!(found) });
    }
    let (host, port, asked) = destination(request)?;
    let port = port.unwrap_or(HTTPS);
    let chain = program.map(|program| vec![program.to_string_lossy().into_owned()]);
    let conjunction = Conjunction::new(vec![policy]);
    let egress = Egress { host: &host, port, program: chain.as_deref(), request: asked.as_ref() };
    let explained = explain(&conjunction, &egress);
    let what = asked.as_ref().map(|asked| format!("{asked} at ")).unwrap_or_default();
    let mut text = format!("{what}{host}:{port}: {}\n", explained.outcome.name());
    for member in &explained.members {
        text += &format!("  policy `{}`: {}\n", quoted(&member.policy), quoted(&member.text));
    }
    let smallest = policy::suggest(&conjunction, &egress).map(|found| found.rule.to_string());
    if let Some(rule) = &smallest {
        text += &format!("  the smallest rule that allows it: {rule}\n");
    }
    let data = json!({ "host": host, "port": port, "request": asked.map(|asked| asked.to_string()), "explanation": explained, "suggestion": smallest });
    Ok(Checked { yes: explained.outcome == Outcome::Allow, text, data })
}

/// `HOST[:PORT]`, or `METHOD HOST[:PORT]/PATH`.
fn destination(request: &str) -> Result<(Host, Option<u16>, Option<Request>), Problem> {
    let told = |error: &dyn std::fmt::Display| {
        let cause = format!("`{}` is neither HOST:PORT nor an absolute path: {error}", quoted(request));
        problem("E-PLANE-069", cause, "write it as in `api.example.com:443`, or `GET api.example.com:443/v1/me`", NO)
    };
    let (host, port, asked) = if request.contains(' ') {
        let (host, port, asked) = Request::parse_at(request).map_err(|error| told(&error))?;
        (host, port, Some(asked))
    } else {
        let (host, port) = Host::parse_with_port(request).map_err(|error| told(&error))?;
        (host, port, None)
    };
    // Inside, such a name is the cell's own, and no rule about it would be read.
    if let Err(error @ HostError::Localhost) = Target::written(&host.to_string()) {
        let cause = format!("`{}` is asked about in vain: {error}", quoted(request));
        return Err(problem("E-PLANE-069", cause, "ask as in `host.bastide:8080`", NO));
    }
    Ok((host, port, asked))
}

/// No session is asked about, so the workspace is where this was started.
fn workspace(place: &Place) -> std::path::PathBuf {
    let nowhere = || place.home().join("workspace");
    match std::env::current_dir() {
        Ok(directory) if directory != Path::new("/") && directory != place.home() => directory,
        _ => nowhere(),
    }
}

/// Yes when the new policy allows nothing that the old one does not.
fn compare(old: &Policy, new: &Policy) -> Checked {
    let changes = diff(old, new);
    let wider = changes.iter().filter(|change| change.widens).count();
    let mut text: String = changes.iter().map(|change| format!("{}\n", quoted(&change.to_string()))).collect();
    text += &match (changes.len(), wider) {
        (0, _) => "no difference\n".to_owned(),
        (_, 0) => "nothing becomes possible that was not\n".to_owned(),
        (_, some) => format!("{some} of {} differences make more possible\n", changes.len()),
    };
    Checked { yes: wider == 0, text, data: json!(changes) }
}

/// Yes when there are examples and all of them came out as written.
fn tested(place: &Place, policy: &Policy, file: &Path) -> Result<Checked, Problem> {
    let (workspace, home) = (file::canonical(&workspace(place))?, file::canonical(place.home())?);
    let inside = policy::Place { workspace: &workspace, home: &home, mode: policy.files.workspace };
    let outcomes = run_tests(policy, &inside);
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    let mut text = String::new();
    for outcome in &outcomes {
        let word = if outcome.passed { "ok    " } else { "FAILED" };
        let found = if outcome.passed { String::new() } else { format!(": {}: {}", outcome.found, outcome.text) };
        text += &format!("{word} {}{}\n", quoted(&outcome.example), quoted(&found));
    }
    text += &match outcomes.len() {
        0 => format!("{} holds no examples: write some under `tests:`\n", quoted(&file.to_string_lossy())),
        all => format!("{} of {all} examples came out as written\n", all - failed),
    };
    Ok(Checked { yes: failed == 0 && !outcomes.is_empty(), text, data: json!(outcomes) })
}

/// The smallest policy of a whole run.
fn suggested(place: &Place, select: &Select) -> Result<Checked, Problem> {
    let session = store::select(&place.store, select)?;
    let (mut requests, mut seen, mut left, mut room) = (Vec::new(), HashSet::new(), 0_u64, MOST_BYTES);
    let mut unresolved = BTreeSet::new();
    let read = Events::of(&session).each(|entry| {
        if let Kind::Resolve { name, verdict: Verdict::Refused, .. } = &entry.event.kind {
            match room.checked_sub(name.len() + 64) {
                Some(rest) if unresolved.insert(name.clone()) => room = rest,
                Some(_) => {}
                None => left += 1,
            }
            return;
        }
        let Some(request) = observed(entry.event.kind) else { return };
        let asked = request.request.as_ref().map(ToString::to_string);
        let program = request.program.first();
        let known = format!("{}:{} {program:?} {asked:?} {:?}", request.host, request.port, request.outcome);
        if seen.contains(&known) {
            return;
        }
        match room.checked_sub(known.len() + 64) {
            Some(rest) => room = rest,
            None => return left += 1,
        }
        seen.insert(known);
        requests.push(request);
    });
    read.map_err(|error| state("read", &session.path, &error))?;
    let name = session.record.name.as_deref().unwrap_or(&session.record.id);
    let mut text = suggest_policy(name, &requests);
    if let Some(policy) = session.policy()?.policies().last() {
        // What a run read leaves no trace, so files, limits and variables stay those that it had.
        text = text.replacen("\nnetwork:\n", &format!("\n{}network:\n", kept(policy, place.home())), 1);
    }
    let asked: HashSet<String> = requests.iter().map(|request| request.host.to_string()).collect();
    unresolved.retain(|name| !asked.contains(name));
    for name in unresolved {
        text += &format!("# left out, its name was refused before a port was asked for: {}\n", quoted(&name));
    }
    if left > 0 {
        text += &format!("# {left} more requests of this run are left out\n");
    }
    text += &format!(
        "# save it, then `bastide policy check FILE` and `bastide run --policy FILE -- {}`\n",
        command(&session)
    );
    let data = json!({ "session": session.record.id, "requests": requests.len(), "policy": text });
    Ok(Checked { yes: true, text, data })
}

/// All of a policy but its network: as a blueprint, where it is one's.
fn kept(policy: &Policy, home: &Path) -> String {
    let same = |name: &&&str| {
        look_at_policy(Some(Path::new(name)), home).is_ok_and(|blueprint| {
            let unnamed = blueprint.network.allow.is_empty() && blueprint.network.deny.is_empty();
            let rest = (&blueprint.files, &blueprint.limits, &blueprint.environment);
            unnamed && rest == (&policy.files, &policy.limits, &policy.environment)
        })
    };
    if let Some(name) = ["hardened", "strict"].iter().find(same) {
        return format!("extends: [{name}]\n");
    }
    let yaml = policy.to_yaml();
    let files = yaml.find("\nfiles:").map_or(0, |at| at + 1);
    yaml[files..].split("\nnetwork:").next().map(|kept| format!("{kept}\n")).unwrap_or_default()
}

fn command(session: &store::SessionDirectory) -> String {
    session.record.command.iter().take(1).map(|word| shell(word)).collect()
}

fn observed(kind: Kind) -> Option<Observed> {
    let (asked, said) = (why::request(&kind), why::message(&kind));
    let (host, port, program, verdict, request) = match kind {
        Kind::Connect { host, port, program, verdict, .. } => (host, port, program, verdict, None),
        // One that is odd is refused whatever a rule says.
        Kind::Request { host, port, program, verdict, .. } => (host, port, program, verdict, Some(asked?)),
        // What a server would do is nothing that the run asked for.
        Kind::Mcp { host, port, program, verdict, server: false, .. } => (host, port, program, verdict, Some(said?)),
        _ => return None,
    };
    let outcome = match verdict {
        Verdict::Allowed => Outcome::Allow,
        Verdict::Asked => Outcome::Ask,
        Verdict::Refused => Outcome::Deny,
    };
    Some(Observed { host: Host::parse(&host).ok()?, port, program, request, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::{Example, Rule, Target};

    /// Both were called narrower, though nothing is less possible.
    #[test]
    fn what_changes_nothing_is_called_neither_wider_nor_narrower() {
        let rule = |to: &str| Rule::to(Target::parse(to).expect("a target"));
        let mut old = Policy::default();
        old.network.allow = vec![rule("*.a.example"), rule("x.a.example:443")];
        let mut new = old.clone();
        new.network.allow.pop();
        let host = Host::parse("x.a.example").expect("a host");
        new.tests.push(Example::Connect { host, port: 443, program: None, expect: Outcome::Allow });
        let found = compare(&old, &new);
        let lines: Vec<&str> = found.text.lines().collect();
        assert!(found.yes && lines.len() == 3, "{}", found.text);
        assert!(lines[..2].iter().all(|line| line.ends_with("(changes nothing that is possible)")), "{}", found.text);
    }
}
