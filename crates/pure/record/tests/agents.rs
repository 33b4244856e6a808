//! Requests as real agents send them: claude-code 2.1.330, codex 0.169.0 and pi 0.73.1, recorded over three requests with a
//! scripted model, long words replaced by short ones.

use crate::told::{answer, lines, request};
use record::conversation::{History, Speaker, Standing, Wire};

const ASKED: &str = "user text Run the two commands that you were told to run, and then say that you are done.";
const TOLD: &str = "what the agent is told to be";

struct Agent {
    name: &'static str,
    wire: Wire,
    path: &'static str,
    /// What the first request holds.
    first: Vec<String>,
    /// What the model answered to it.
    answered: Vec<&'static str>,
    /// What the second request adds to that.
    results: Vec<&'static str>,
    tools: Vec<(&'static str, &'static str)>,
    max_output: Option<u64>,
}

fn agents() -> [Agent; 3] {
    let system = format!("system text {TOLD}");
    let adds = "user text what the agent adds to the words of the user".to_owned();
    let claude = Agent {
        name: "claude",
        wire: Wire::Messages,
        path: "/v1/messages?beta=true",
        first: vec![
            "system text a header of the agent's own".into(),
            "system text who the agent is".into(),
            system.clone(),
            adds.clone(),
            ASKED.into(),
            system.clone(),
        ],
        answered: vec![
            "assistant thinking Two commands are needed.",
            "assistant attachment signature -",
            "assistant text I run both. \n\n",
            r#"assistant call toolu_1_0 Bash {"command": "cat seed.txt", "description": "prove that Bash runs"}"#,
            r#"assistant call toolu_1_1 Bash {"command": "printf 'one\\ttwo\\n'", "description": "prove that Bash runs"}"#,
        ],
        results: vec![r#"tool result toolu_1_0 alpha "beta""#, "tool result toolu_1_1 one\ttwo"],
        tools: vec![("Bash", "function"), ("DeferredToolPlaceholder", "function")],
        max_output: Some(128_000),
    };
    let codex = Agent {
        name: "codex",
        wire: Wire::Responses,
        path: "/v1/responses",
        first: vec![system.clone(), system.clone(), system.clone(), adds, ASKED.into()],
        answered: vec![
            "assistant thinking Two commands are needed.",
            "assistant attachment encrypted_content -",
            "assistant text I run both. \n\n",
            r#"assistant call call_1_0 exec_command {"cmd": "cat seed.txt"}"#,
            r#"assistant call call_1_1 exec_command {"cmd": "printf 'one\\ttwo\\n'"}"#,
        ],
        results: vec!["tool result call_1_0 Output:\nalpha \"beta\"\n", "tool result call_1_1 Output:\none\ttwo\n"],
        tools: vec![
            ("exec_command", "function"),
            ("multi_agent_v1.close_agent", "function"),
            ("multi_agent_v1.resume_agent", "function"),
            ("web_search", "web_search"),
        ],
        max_output: None,
    };
    let pi = Agent {
        name: "pi",
        wire: Wire::Chat,
        path: "/v1/chat/completions",
        first: vec![system, ASKED.into()],
        answered: vec![
            "assistant thinking Two commands are needed.",
            "assistant text I run both. \n\n",
            r#"assistant call call_1_0 bash {"command": "cat seed.txt"}"#,
            r#"assistant call call_1_1 bash {"command": "printf 'one\\ttwo\\n'"}"#,
        ],
        results: vec!["tool result call_1_0 alpha \"beta\"\n", "tool result call_1_1 one\ttwo\n"],
        tools: vec![("read", "function"), ("bash", "function")],
        max_output: Some(4000),
    };
    [claude, codex, pi]
}

#[test]
fn a_recorded_request_is_read() {
    for agent in agents() {
        let name = agent.name;
        let read = request(agent.wire, agent.path, &format!("{name}/request-1.json"));
        assert_eq!(lines(&read.blocks), agent.first, "{name}");
        let tools: Vec<_> = read.tools.iter().map(|tool| (tool.name.as_str(), tool.kind.as_str())).collect();
        assert_eq!(tools, agent.tools, "{name}");
        assert_eq!((read.streams, read.max_output), (true, agent.max_output), "{name}");
        assert!(read.model.is_some(), "{name}");
    }
}

#[test]
fn the_answer_is_read() {
    for agent in agents() {
        let name = agent.name;
        let delivered = answer(agent.wire, &format!("{name}/answer-1.sse"));
        assert_eq!(lines(&delivered.blocks), agent.answered, "{name}");
        assert!(delivered.whole && delivered.error.is_none() && delivered.stop.is_some(), "{name}");
        let usage = delivered.usage;
        assert_eq!((usage.input, usage.output, usage.cached), (Some(19), Some(42), Some(5)), "{name}");
    }
}

/// Each request repeats all that was said; only the tools' results are new in it, and all the model's words are its own.
#[test]
fn what_was_delivered_comes_back() {
    for agent in agents() {
        let name = agent.name;
        let mut history = History::new();
        let first = request(agent.wire, agent.path, &format!("{name}/request-1.json"));
        assert!(history.sort(&first).iter().all(|(_, standing)| *standing == Standing::New), "{name}");
        for turn in 2..=3 {
            history.delivered(&answer(agent.wire, &format!("{name}/answer-{}.sse", turn - 1)).blocks);
            let next = request(agent.wire, agent.path, &format!("{name}/request-{turn}.json"));
            let sorted = history.sort(&next);
            for (block, standing) in &sorted {
                let delivered = block.speaker == Speaker::Assistant;
                assert_eq!(*standing == Standing::Delivered, delivered, "{name} {turn} {block:?}");
            }
            let new =
                sorted.iter().filter(|(_, standing)| standing.is_new()).map(|(block, _)| crate::told::line(block));
            let mut new: Vec<_> = new.collect();
            new.sort();
            if turn == 2 {
                assert_eq!(new, agent.results, "{name}");
            } else {
                assert_eq!(new.len(), 1, "{name} {new:?}");
            }
        }
    }
}

#[test]
fn what_nobody_delivered_is_unmatched() {
    for agent in agents() {
        let mut history = History::new();
        history.sort(&request(agent.wire, agent.path, &format!("{}/request-1.json", agent.name)));
        let next = request(agent.wire, agent.path, &format!("{}/request-2.json", agent.name));
        let unmatched = history.sort(&next).iter().filter(|(_, standing)| *standing == Standing::Unmatched).count();
        assert_eq!(unmatched, agent.answered.len(), "{}", agent.name);
        assert!(!history.sort(&next).iter().any(|(_, standing)| standing.is_new()), "{}", agent.name);
    }
}
