//! What a MiB of bytes costs that were made to take long: `cargo bench -p bastide-sense --bench hostile`.

#[path = "../tests/hostile/mod.rs"]
mod hostile;

use std::hint::black_box;
use std::time::Instant;

use sense::{Bounds, Corpus, Label};

fn main() {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let memo = include_str!("../tests/wrap/memo.txt");
    let turned = |by: usize| memo.split(' ').cycle().skip(by).step_by(by + 1).take(400).collect::<Vec<_>>().join(" ");
    let labelled: String = (0..90).map(turned).collect();
    let mut corpus = Corpus::new();
    corpus.add(Label(0), labelled.as_bytes()).expect("it fits");
    corpus.add(Label(1), "abcdefghijklmnopq".repeat(1000).as_bytes()).expect("it fits");
    corpus.make_public(&labelled.as_bytes()[..20_000]).expect("it fits");
    for secret in [&b"kkkkkkkkkkkkkkkkkkkk"[..], b"sk-Vt93kQzr7LmXw2pB8", b"00000000"] {
        corpus.add_secret(Label(2), secret).expect("it fits");
    }
    println!("{:<32} {:>9} {:>7} {:>6} beyond", "kind", "bytes", "ms", "found");
    let mut most = 0.0;
    for (name, bytes) in hostile::kinds(&labelled) {
        if only.as_deref().is_none_or(|only| name.contains(only)) {
            let begin = Instant::now();
            let scan = corpus.scan(black_box(&bytes), &Bounds::USUAL);
            let took = begin.elapsed().as_secs_f64() * 1e3;
            most = f64::max(most, took);
            println!("{name:<32} {:>9} {took:>7.0} {:>6} {:?}", bytes.len(), scan.found.len(), scan.beyond);
        }
    }
    println!("the slowest took {most:.0} ms");
}
