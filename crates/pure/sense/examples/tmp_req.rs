use sense::*;
fn main() {
    let mut c = Corpus::new();
    c.add(Label(0), include_bytes!("../tests/wrap/memo.txt")).unwrap();
    c.add_secret(Label(1), b"sk-Vt93kQzr7LmXw2pB8").unwrap();
    let texts = std::fs::read_to_string("/work/main/docs/STATUS.md").unwrap();
    let body = |n: usize| {
        format!(
            r#"{{"model":"m-1","messages":[{{"role":"user","content":{:?}}}]}}"#,
            texts.chars().skip(n * 1900).take(1900).collect::<String>()
        )
    };
    let mut w = Window::new(4 << 10);
    for n in 0..5 {
        let f = w.scan(&c, &[b"/v1/log/batch", body(n).as_bytes()], &Bounds::USUAL).1;
        w.keep(f);
    }
    let b = body(5);
    let parts: Vec<&[u8]> = vec![
        b"/v1/log/batch",
        b"source=agent&level=3",
        b"api.example.com",
        b"application/json",
        b"python-requests/2.32.3",
        b"*/*",
        b"gzip, deflate",
        b"keep-alive",
        b"2048",
        b.as_bytes(),
    ];
    let n = std::env::args().nth(1).map_or(1, |n| n.parse().unwrap());
    let t = std::time::Instant::now();
    for _ in 0..n {
        std::hint::black_box(c.scan_parts(&parts, &Bounds::USUAL));
    }
    let a = t.elapsed() / n;
    let t = std::time::Instant::now();
    for _ in 0..n {
        std::hint::black_box(w.scan(&c, &parts, &Bounds::USUAL));
    }
    println!("{a:?} {:?}", t.elapsed() / n);
}
