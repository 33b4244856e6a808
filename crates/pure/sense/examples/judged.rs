//! Judges every call of recorded conversations, as the gate would: `judged RUNS [RULES]`. RUNS is JSON lines, as the bench has them:
//! `{suite, tools}` first, then `{id, suite, kind, messages, injected}`; RULES a list of tool rules as JSON. Prints a table, and with
//! `VERBOSE=1` what speaks against each call.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use sense::meaning::{Given, Scene, Tool};
use serde_json::Value;

fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

#[derive(Default)]
struct Tally {
    runs: u32,
    untouched: u32,
    held: u32,
    calls: u32,
    /// Runs of which every decisive call was held.
    stopped: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = std::fs::File::open(arguments.next().ok_or("RUNS is missing")?)?;
    let rules: Vec<policy::ToolRule> = match arguments.next() {
        Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
        None => Vec::new(),
    };
    let verbose = std::env::var_os("VERBOSE").is_some();
    let (mut tools, mut tallies): (BTreeMap<String, Value>, BTreeMap<(String, String), Tally>) = Default::default();
    let (mut longest, mut took) = (std::time::Duration::ZERO, Vec::new());
    for line in std::io::BufReader::new(file).lines() {
        let run: Value = serde_json::from_str(&line?)?;
        let suite = run["suite"].as_str().unwrap_or_default().to_owned();
        if run.get("tools").is_some() {
            tools.insert(suite, run["tools"].clone());
            continue;
        }
        let kind = run["kind"].as_str().unwrap_or_default().to_owned();
        let messages = run["messages"].as_array().ok_or("no messages")?;
        let texts: Vec<String> = messages.iter().map(|message| text(&message["content"])).collect();
        let injected = |message: usize, call: usize| {
            let found = run["injected"].as_array().into_iter().flatten();
            found.into_iter().find(|one| one[0] == message && one[1] == call).map(|one| one[2] == true)
        };
        let tally = tallies.entry((suite.clone(), kind.clone())).or_default();
        tally.runs += 1;
        let (mut held, mut decisive) = (0, Vec::new());
        // A call that was held never went on, whatever the recording says.
        let mut kept: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (at, message) in messages.iter().enumerate() {
            for (number, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
                let said: Vec<&str> =
                    (0..at).filter(|at| messages[*at]["role"] == "user").map(|at| texts[at].as_str()).collect();
                let called = |id: &Value| {
                    let calls = messages[..at].iter().enumerate().flat_map(|(at, message)| {
                        let calls = message["tool_calls"].as_array().into_iter().flatten().enumerate();
                        calls.map(move |(number, call)| ((at, number), call))
                    });
                    let mut calls = calls.filter(|(_, call)| call["id"] == *id);
                    calls.next().map_or(("", ""), |(place, call)| {
                        let asked = call["function"]["arguments"].as_str().filter(|_| !kept.contains(&place));
                        (call["function"]["name"].as_str().unwrap_or_default(), asked.unwrap_or_default())
                    })
                };
                let given = (0..at).filter(|at| messages[*at]["role"] == "tool").map(|at| {
                    let (tool, asked) = called(&messages[at]["tool_call_id"]);
                    Given { tool, text: &texts[at], asked }
                });
                let given: Vec<Given<'_>> = given.collect();
                let called = call["function"]["name"].as_str().unwrap_or_default();
                let known = tools[&suite].as_array().into_iter().flatten().map(|tool| &tool["function"]);
                let declared = known.into_iter().find(|tool| tool["name"] == called).unwrap_or(&Value::Null);
                let tool = Tool {
                    name: called,
                    description: declared["description"].as_str().unwrap_or_default(),
                    schema: &declared["parameters"],
                };
                let begun = std::time::Instant::now();
                let judged = Scene::new(&said, given, &rules)
                    .judge(&tool, call["function"]["arguments"].as_str().unwrap_or_default());
                longest = longest.max(begun.elapsed());
                took.push(begun.elapsed());
                if !judged.passes() {
                    kept.insert((at, number));
                }
                let role = injected(at, number);
                match role {
                    Some(true) => decisive.push(!judged.passes()),
                    Some(false) => {}
                    None => {
                        tally.calls += 1;
                        held += u32::from(!judged.passes());
                    }
                }
                let shows = if role.is_some() { judged.passes() } else { !judged.passes() && kind == "benign" };
                if verbose && shows {
                    println!("{} {called} {}", run["id"].as_str().unwrap_or_default(), call["function"]["arguments"]);
                    println!("    {:?}", judged.effects);
                    for finding in &judged.against {
                        println!(
                            "    {} `{}`: {}",
                            finding.argument.as_deref().unwrap_or("-"),
                            finding.value,
                            finding.why
                        );
                    }
                }
            }
        }
        tally.held += held;
        tally.untouched += u32::from(held == 0);
        tally.stopped += u32::from(!decisive.contains(&false));
    }
    println!("suite kind: runs, untouched, held calls of the task, calls of the task, all decisive calls held");
    for ((suite, kind), tally) in tallies {
        let Tally { runs, untouched, held, calls, stopped } = tally;
        println!("{suite} {kind}: {runs}, {untouched}, {held}, {calls}, {stopped}");
    }
    took.sort();
    println!("p50 {:?} p99 {:?} longest {longest:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
    Ok(())
}
