//! Trains the model of `sense::detect` from lines of JSON `{"text": …, "order": true}`, and writes its file.
//!
//! `cargo run --release -p bastide-sense --example train -- SAMPLES OUT [PREFERS] [SHIFT]`

use std::io::{BufRead, BufReader};

use sense::detect::train::train;

#[allow(clippy::cast_possible_truncation)]
fn weight(sample: &serde_json::Value) -> f32 {
    sample["weight"].as_f64().unwrap_or(1.0) as f32
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [samples, out, rest @ ..] = &arguments[..] else { return Err("two files are needed".into()) };
    let prefers: f32 = rest.first().map_or(Ok(1.0), |text| text.parse())?;
    let shift: f32 = rest.get(1).map_or(Ok(0.0), |text| text.parse())?;
    let mut all = Vec::new();
    for line in BufReader::new(std::fs::File::open(samples)?).lines() {
        let value: serde_json::Value = serde_json::from_str(&line?)?;
        all.push((
            value["text"].as_str().unwrap_or_default().to_owned(),
            value["order"].as_bool() == Some(true),
            weight(&value),
        ));
    }
    let mut bytes = train(&all, prefers);
    // Where the line is drawn: 0 is one in a hundred benign texts of those that were kept back.
    let bias = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) + shift;
    bytes[..4].copy_from_slice(&bias.to_le_bytes());
    std::fs::write(out, bytes)?;
    Ok(())
}
