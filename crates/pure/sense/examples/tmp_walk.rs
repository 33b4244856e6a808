use sense::*;
use std::{fs, path::*, time::*};
fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(read) = fs::read_dir(dir) else { return };
    for e in read.flatten() {
        let p = e.path();
        let Ok(t) = e.file_type() else { continue };
        if t.is_dir() {
            walk(&p, out)
        } else if t.is_file() {
            out.push(p)
        }
    }
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
fn main() {
    let mut c = Corpus::new();
    let memo = include_bytes!("../tests/wrap/memo.txt");
    c.add(Label(0), memo).unwrap();
    c.add_secret(Label(1), b"sk-Vt93kQzr7LmXw2pB8").unwrap();
    let mut files = vec![];
    for d in std::env::args().skip(1) {
        walk(Path::new(&d), &mut files);
    }
    let mut all = 0.0;
    let (mut n, mut found, mut beyond, mut opaque, mut total, mut slow) = (0, 0, 0, 0, 0, vec![]);
    for p in &files {
        let Ok(b) = fs::read(p) else { continue };
        if b.len() > 4 << 20 {
            continue;
        }
        for depth in 0..4 {
            let mut b = b.clone();
            if depth == 3 && std::str::from_utf8(&b).is_err() {
                continue;
            }
            for _ in 0..depth {
                b = quote(&b);
            }
            let t = Instant::now();
            let s = c.scan(&b, &Bounds::USUAL);
            let mut ns = t.elapsed().as_nanos() as f64;
            if ns / b.len() as f64 > 300. {
                for _ in 0..2 {
                    let t = Instant::now();
                    c.scan(&b, &Bounds::USUAL);
                    ns = ns.min(t.elapsed().as_nanos() as f64);
                }
            }
            all += ns;
            n += 1;
            total += b.len();
            if !s.found.is_empty() {
                found += 1;
                println!("FOUND {p:?} {:?}", s.found)
            }
            if let Some(x) = s.beyond {
                beyond += 1;
                println!("BEYOND {depth} {x:?} {} {p:?}", b.len())
            }
            if let Some(x) = &s.opaque {
                if depth == 0 {
                    opaque += 1;
                    if std::str::from_utf8(&b).is_ok() {
                        println!("OPAQUE {x:?} {} {p:?}", b.len())
                    }
                }
            }
            slow.push((ns / b.len().max(1000) as f64, b.len(), depth, p.clone()));
        }
    }
    slow.sort_by(|a, b| b.0.total_cmp(&a.0));
    for s in slow.iter().take(15) {
        println!("SLOW {s:?}")
    }
    println!("{n} scans {total} bytes, found {found} beyond {beyond} opaque {opaque} ns/B {}", all / total as f64);
}
