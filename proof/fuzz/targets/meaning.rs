//! Calls, judged in any conversation: the parts of the bytes are what the operator said, what tools gave, and what is called. More
//! that a document says lets no call through that was withheld.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sense::meaning::{Given, Scene, Tool};

const TOOLS: [&str; 6] = ["send_money", "get_page", "Bash", "delete_item", "write_file", "mcp__x__share"];

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(4, '\u{1}');
    let mut part = || parts.next().unwrap_or_default();
    let (said, listed, document, called) = (part(), part(), part(), part());
    let schema = serde_json::from_str(called).unwrap_or_default();
    let arguments = serde_json::json!({"to": document, "id": listed, "amount": 10, "body": called, "url": said}).to_string();
    let passes = |more: bool| -> Vec<bool> {
        let mut given = vec![Given { tool: "list_items", text: listed, asked: called }, Given { tool: "read_file", text: document, asked: said }];
        if more {
            given.push(Given { tool: "get_webpage", text: called, asked: "" });
        }
        let scene = Scene::new(&[said], given, &[]);
        let judge = |arguments: &str| TOOLS.map(|name| scene.judge(&Tool { name, description: called, schema: &schema }, arguments).passes());
        [judge(called), judge(&arguments)].concat()
    };
    for (before, after) in passes(false).into_iter().zip(passes(true)) {
        assert!(before || !after, "a document let a call through");
    }
});
