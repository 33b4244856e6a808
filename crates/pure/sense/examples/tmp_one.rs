use sense::*;
use std::time::*;
fn main() {
    let mut c = Corpus::new();
    c.add(Label(0), include_bytes!("../tests/wrap/memo.txt")).unwrap();
    c.add_secret(Label(1), b"sk-Vt93kQzr7LmXw2pB8").unwrap();
    let b = std::fs::read(std::env::args().nth(1).unwrap()).unwrap();
    let b = (0..std::env::args().nth(3).map_or(0, |n| n.parse::<u32>().unwrap())).fold(b, |b, _| quote(&b));
    let t = Instant::now();
    let n = std::env::args().nth(2).map_or(1, |n| n.parse().unwrap());
    let mut s = c.scan(&b, &Bounds::USUAL);
    for _ in 1..n {
        s = c.scan(&b, &Bounds::USUAL);
    }
    println!("{s:?} {:?}", t.elapsed() / n);
}
fn quote(b: &[u8]) -> Vec<u8> {
    let mut o = b"{\"role\":\"user\",\"content\":\"".to_vec();
    for &c in b {
        match c {
            b'"' | b'\\' => o.extend([b'\\', c]),
            b'\n' => o.extend(b"\\n"),
            b'\t' => o.extend(b"\\t"),
            b'\r' => o.extend(b"\\r"),
            0..32 => o.extend(format!("\\u{:04x}", c).bytes()),
            _ => o.push(c),
        }
    }
    o.extend(b"\"}");
    o
}
