//! Judges every call of recorded conversations, as the gate would where nobody is asked: `judged RUNS [RULES]`. RUNS is JSON lines, as
//! the bench has them: `{suite, tools}` first, then `{id, suite, kind, messages, injected}`; RULES a list of tool rules as JSON. Prints
//! a table, with `VERBOSE=1` what speaks against each call, and with `DELEGATED=0` as if the operator's words endorsed nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use policy::Day;
use sense::meaning::{Came, Given, Scene, Tool};
use serde_json::Value;

fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// Without a key: it tells texts apart, and none of them was made to be taken for another.
fn hash(text: &str) -> String {
    let (mut one, mut two) = (0xcbf2_9ce4_8422_2325_u64, 5381_u64);
    for byte in text.bytes() {
        one = (one ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        two = two.wrapping_mul(33) ^ u64::from(byte);
    }
    format!("{one:016x}{two:016x}")
}

/// What a call names.
fn named(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(number) => found.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| named(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| named(field, found)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[derive(Default)]
struct Tally {
    runs: u32,
    untouched: u32,
    held: u32,
    /// The same without repetitions: what an operator would be asked.
    asked: u32,
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
    let delegates = std::env::var_os("DELEGATED").is_none_or(|set| set != "0");
    // What a program says of its own tools; `DESCRIBED=server` for those of a server, `0` for none.
    let described = std::env::var("DESCRIBED").unwrap_or_default();
    let (describes, foreign) = (described != "0", described == "server");
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
        let (mut held, mut decisive, mut asked) = (0, Vec::new(), BTreeSet::new());
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
                    calls.next().map_or(("", "", false), |(place, call)| {
                        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
                        (call["function"]["name"].as_str().unwrap_or_default(), arguments, !kept.contains(&place))
                    })
                };
                let (mut given, mut came) = (Vec::new(), Vec::new());
                for at in (0..at).filter(|at| messages[*at]["role"] == "tool") {
                    let (tool, arguments, went) = called(&messages[at]["tool_call_id"]);
                    given.push(Given { tool, text: &texts[at], asked: if went { arguments } else { "" } });
                    let mut places = Vec::new();
                    named(&serde_json::from_str(arguments).unwrap_or_default(), &mut places);
                    came.push(Came { places });
                }
                let called = call["function"]["name"].as_str().unwrap_or_default();
                let known = tools[&suite].as_array().into_iter().flatten().map(|tool| &tool["function"]);
                let declared = known.into_iter().find(|tool| tool["name"] == called).unwrap_or(&Value::Null);
                let tool = Tool {
                    name: called,
                    description: declared["description"].as_str().unwrap_or_default(),
                    schema: &declared["parameters"],
                };
                let begun = std::time::Instant::now();
                let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
                let mut described = Vec::new();
                if describes {
                    texts_of(&tools[&suite], &mut described);
                }
                let scene = Scene::new(&said, given, &rules).describing(described, foreign);
                let judged = scene.judge(&tool, arguments);
                longest = longest.max(begun.elapsed());
                took.push(begun.elapsed());
                let doubts = delegates && !judged.passes();
                let by = if doubts { scene.delegated(&came, &hash) } else { Vec::new() };
                let doubted = || scene.doubted(&judged, (called, arguments), &came, &hash);
                let passes = judged.passes() || doubted().lifted(&by, Day::of(0)).is_some();
                if !passes {
                    kept.insert((at, number));
                }
                let role = injected(at, number);
                match role {
                    Some(true) => decisive.push(!passes),
                    Some(false) => {}
                    None => {
                        tally.calls += 1;
                        held += u32::from(!passes);
                        if !passes {
                            asked.insert((called, arguments));
                        }
                    }
                }
                let shows = if role.is_some() { passes } else { !passes && kind == "benign" };
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
        tally.asked += u32::try_from(asked.len())?;
        tally.untouched += u32::from(held == 0);
        tally.stopped += u32::from(!decisive.contains(&false));
    }
    println!(
        "suite kind: runs, untouched, held calls of the task, the same without repetitions, calls of the task, all decisive calls held"
    );
    for ((suite, kind), tally) in tallies {
        let Tally { runs, untouched, held, asked, calls, stopped } = tally;
        println!("{suite} {kind}: {runs}, {untouched}, {held}, {asked}, {calls}, {stopped}");
    }
    took.sort();
    println!("p50 {:?} p99 {:?} longest {longest:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
    Ok(())
}

fn texts_of<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| texts_of(field, out)),
        _ => {}
    }
}
