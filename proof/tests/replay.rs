//! Whole sessions asked what they were made of: the tools that a model was told of, what led to what, and every decision made
//! again, by the policies that were in force and by others.

use crate::whole::loopback::answering;
use crate::whole::{Operator, Ran};
use serde_json::Value;

/// Asks a model, carries out the call that it answers, and tells it what came of that.
const AGENT: &str = r#"
import http.client, json, subprocess, sys
def tool(name, description, schema):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
TOOLS = [tool("Bash", "Runs a command.", {"type": "object", "properties": {"command": {"type": "string"}}}),
         tool("frobnicate", "", {"type": "object", "properties": {"zap": {"type": "string"}}})]
def tell(messages):
    asked = http.client.HTTPConnection("inference.bastide", 80, timeout=20)
    body = json.dumps({"model": "m", "messages": messages, "tools": TOOLS})
    asked.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    return json.loads(asked.getresponse().read())["choices"][0]["message"]
messages = [{"role": "user", "content": sys.argv[1]}]
said = tell(messages)
call = said["tool_calls"][0]
done = subprocess.run(["sh", "-c", json.loads(call["function"]["arguments"])["command"]], capture_output=True, text=True)
messages += [said, {"role": "tool", "tool_call_id": call["id"], "content": "code " + done.stdout}]
tell(messages)
"#;

/// A model that calls a tool at first, which reads two pages of another server, and then says that it is done; or, where
/// nothing is posted, a server of such pages.
fn server(pages: u16) -> u16 {
    answering(move |asked| {
        let command =
            format!("for at in a b; do curl -s -o /dev/null -w %{{http_code}} http://host.bastide:{pages}/$at; done");
        let call = serde_json::json!({"id": "c1", "type": "function",
            "function": {"name": "Bash", "arguments": serde_json::json!({"command": command}).to_string()}});
        let message = match asked.contains("\"role\": \"tool\"") || asked.contains("\"role\":\"tool\"") {
            true => serde_json::json!({"role": "assistant", "content": "done"}),
            false => serde_json::json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        };
        let body = serde_json::json!({"id": "x", "model": "m", "choices": [{"index": 0, "message": message,
            "finish_reason": "stop"}]});
        if asked.starts_with("POST") { body.to_string() } else { "ok".into() }
    })
}

/// The pages, and the model.
fn servers() -> [u16; 2] {
    let pages = server(0);
    [pages, server(pages)]
}

fn policy(operator: &Operator, name: &str, [pages, model]: [u16; 2], paths: &str) -> String {
    let text = format!(
        "bastide: 1\nname: {name}\nextends: [hardened]\nnetwork:\n  default: deny\n  allow:\n    - {{to: \"host.bastide:{pages}\", methods: \
         [GET], paths: [{paths}]}}\ninference:\n  providers: {{m: {{wire: openai, url: \"http://host.bastide:{model}\"}}}}\n  \
         routes: [{{models: [\"*\"], provider: m}}]\n"
    );
    operator.write(&format!("home/{name}.yaml"), &text).to_string_lossy().into_owned()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn differences(answer: &Value) -> Vec<(String, String)> {
    let of =
        |one: &Value| (one["before"].as_str().unwrap_or("").to_owned(), one["after"].as_str().unwrap_or("").to_owned());
    answer["differences"].as_array().expect("a list").iter().map(of).collect()
}

#[test]
fn a_session_is_a_test_of_a_policy_and_tells_what_led_to_what() {
    for operator in Operator::each() {
        let ports = servers();
        let mine = policy(&operator, "mine", ports, "/a");
        operator.write("work/agent.py", AGENT);
        let ran = operator.bastide(&["run", "--policy", &mine, "--", "python3", "agent.py", "fetch what is at a"]);
        assert_eq!(ran.exit, 0, "{ran:?}");

        // What was in force decides as it did.
        let again = operator.bastide(&["replay", "--json"]);
        let answer = json(&again);
        let log = operator.bastide(&["log"]).stdout;
        assert_eq!((again.exit, differences(&answer).len()), (0, 0), "{again:?}\n{log}");
        assert!(answer["decided"].as_u64().expect("a count") >= 8, "{answer}");

        // Another one, only where it says so: `b` becomes possible, nothing else changes.
        let wider = policy(&operator, "wider", ports, "/a, /b");
        let other = operator.bastide(&["replay", "--json", "--policy", &wider]);
        let answer = json(&other);
        assert_eq!(other.exit, 5, "{other:?}");
        assert_eq!(differences(&answer), [("refused".to_owned(), "allowed".to_owned())], "{answer}");
        assert!(answer["differences"][0]["what"].as_str().is_some_and(|what| what.contains("GET /b")), "{answer}");
        let told = operator.bastide(&["replay", "--policy", &wider]);
        assert!(told.stdout.contains("refused -> allowed") && told.exit == 5, "{told:?}");
        let none = operator.bastide(&["replay", "--json", "--policy", "strict"]);
        let verdicts = differences(&json(&none));
        assert!(
            verdicts.len() >= 4 && verdicts.iter().all(|(before, after)| before == "allowed" && after != before),
            "{none:?}"
        );

        // The tools that the model was told of.
        let tools = json(&operator.bastide(&["tools", "--json"]));
        let tool = |name: &str| {
            let mut all = tools["tools"].as_array().expect("a list").iter();
            all.find(|tool| tool["name"] == name).cloned().unwrap_or_else(|| panic!("{tools}"))
        };
        assert_eq!(tool("Bash")["concluded"][0]["effects"][0], "execute");
        assert_eq!(tool("Bash")["concluded"][0]["arguments"][0]["role"], "content");
        assert_eq!((tool("Bash")["calls"].as_u64(), tool("Bash")["ways"].as_u64()), (Some(1), Some(1)));
        assert!(tool("frobnicate")["unknown"].to_string().contains("what it does"), "{tools}");

        // What led to what: from the operator's words over the model's call to what curl asked.
        let graph = json(&operator.bastide(&["graph", "--json"]));
        let node = |what: &str, class: &str| {
            let mut all = graph["graph"]["nodes"].as_array().expect("a list").iter();
            let found = all
                .find(|node| node["class"] == class && node["what"].as_str().is_some_and(|text| text.contains(what)));
            found.map_or_else(|| panic!("{what}: {graph}"), |node| node["node"].as_str().expect("a name").to_owned())
        };
        let leads = |from: &str, to: &str| {
            let edges = graph["graph"]["edges"].as_array().expect("a list");
            let (mut seen, mut todo) = (vec![from.to_owned()], vec![from.to_owned()]);
            while let Some(at) = todo.pop() {
                for edge in edges.iter().filter(|edge| edge["from"] == at.as_str()) {
                    let next = edge["to"].as_str().expect("a name").to_owned();
                    if !seen.contains(&next) {
                        seen.push(next.clone());
                        todo.push(next);
                    }
                }
            }
            seen.contains(&to.to_owned())
        };
        let (words, refused) = (node("fetch what is at a", "intent"), node("GET /b", "request"));
        let call = node("call of `Bash`", "tool-call");
        assert!(leads(&words, &call) && leads(&call, &refused), "{graph}");
        assert!(!leads(&refused, &call));
        let text = operator.bastide(&["graph"]);
        assert!(text.stdout.lines().all(|line| line.chars().count() <= 80), "{}", text.stdout);
        assert!(text.stdout.contains("call of `Bash`") && text.stdout.contains("GET /b"), "{}", text.stdout);
        let dot = operator.bastide(&["graph", "--dot"]).stdout;
        assert!(dot.starts_with("digraph bastide {\n") && dot.ends_with("}\n") && dot.contains(" -> "), "{dot}");
    }
}

#[test]
fn a_policy_that_came_while_a_session_ran_is_asked_about_what_it_decided() {
    for operator in Operator::each() {
        let ports @ [pages, _] = servers();
        let (mine, wider) = (policy(&operator, "mine", ports, "/a"), policy(&operator, "wider", ports, "/a, /b"));
        let script = format!(
            "ask() {{ curl -s -o /dev/null -w '%{{http_code}}\\n' http://host.bastide:{pages}/b; }}; ask; touch asked; \
             while [ $(ask) != 200 ]; do sleep 0.2; done; ask"
        );
        let arguments =
            ["run", "--timeout", "120s", "--name", "fix", "--policy", &mine, "-d", "--", "sh", "-c", &script];
        let begun = operator.bastide(&arguments);
        assert_eq!(begun.exit, 0, "{begun:?}");
        let seen = || operator.bastide(&["logs", "fix"]).stdout.contains("403");
        assert!(crate::whole::until(seen), "{:?}", operator.bastide(&["logs", "fix"]));
        let applied = operator.bastide(&["policy", "apply", "fix", &wider]);
        assert_eq!(applied.exit, 0, "{applied:?}");
        let ended = || operator.bastide(&["show", "fix", "--json"]).stdout.contains("\"state\": \"ended\"");
        assert!(crate::whole::until(ended), "{:?}", operator.bastide(&["show", "fix", "--json"]));
        let again = operator.bastide(&["replay", "fix", "--json"]);
        let log = operator.bastide(&["log", "fix"]).stdout;
        assert_eq!((again.exit, differences(&json(&again)).len()), (0, 0), "{again:?}\n{log}");
        assert!(log.contains("the gate decides by policy revision 2"), "{log}");
        // By the first one alone what came after it is refused.
        let first = operator.bastide(&["replay", "fix", "--json", "--policy", &mine]);
        let verdicts = differences(&json(&first));
        assert!(first.exit == 5 && verdicts.contains(&("allowed".into(), "refused".into())), "{first:?}");
        assert!(!verdicts.contains(&("refused".into(), "allowed".into())), "{first:?}");
    }
}
