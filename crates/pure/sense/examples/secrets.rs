//! Looks for secrets by a rules file of gitleaks: `secrets RULES.toml`, lines of JSON `{"text": …}` in, for each the rules that
//! found something. With no lines it only tells what reading and compiling takes. See `proof/secrets`.

use std::io::{BufRead, Write};
use std::time::Instant;

use policy::read::Source;
use sense::detect::{Secrets, outgoing};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("a rules file is needed")?;
    let text = std::fs::read_to_string(&path)?;
    let own = format!("bastide: 1\nname: secrets\nsecrets: [{{rules: {path:?}}}]\n");
    let own = Source { name: "own.yaml".into(), text: own, widens: true };
    let begun = Instant::now();
    let found = policy::read::read(&own, None, &mut |name| {
        Some(Source { name: name.into(), text: text.clone(), widens: true })
    });
    let policy = found.map_err(|error| format!("{error}; hint: {}", error.hint.as_deref().unwrap_or("none")))?;
    let set = policy.secrets.first().ok_or("no rules")?;
    let read = begun.elapsed();
    let begun = Instant::now();
    let secrets = Secrets::with(&policy.secrets);
    eprintln!("{} rules; read and tried in {read:?}, made ready in {:?}", set.rules.len(), begun.elapsed());
    set.left.iter().for_each(|line| eprintln!("not applied: {line}"));
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut took, mut bytes) = (std::time::Duration::ZERO, 0);
    for line in std::io::stdin().lock().lines() {
        let value: serde_json::Value = serde_json::from_str(&line?)?;
        let text = value["text"].as_str().unwrap_or_default();
        let begun = Instant::now();
        let found = outgoing(text, &secrets);
        took += begun.elapsed();
        bytes += text.len();
        let rules: Vec<&str> = found.iter().filter_map(|one| one.why.split('`').nth(1)).collect();
        writeln!(out, "{}", serde_json::json!({ "rules": rules }))?;
    }
    if bytes > 0 {
        #[allow(clippy::cast_precision_loss)]
        let each = took.as_secs_f64() * 1e6 / (bytes as f64 / 1024.0);
        eprintln!("{bytes} bytes in {took:?}: {each:.1} µs a KiB");
    }
    Ok(())
}
