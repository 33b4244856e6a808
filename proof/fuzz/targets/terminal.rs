//! The agent's output on the operator's terminal: whatever is written, and however it is cut into pieces, nothing that
//! makes the terminal answer passes, what is held back is bounded, and filtering clean text twice changes nothing.
#![no_main]

use face::terminal::filter::Filter;
use libfuzzer_sys::fuzz_target;

fn whole(bytes: &[u8], piece: usize) -> Vec<u8> {
    let (mut filter, mut out) = (Filter::new(), Vec::new());
    for part in bytes.chunks(piece) {
        filter.push(part, &mut out);
        assert!(filter.held() <= 64 * 1024, "held back without bound");
    }
    filter.finish(&mut out);
    out
}

fuzz_target!(|bytes: &[u8]| {
    let once = whole(bytes, usize::MAX);
    assert_eq!(once, whole(bytes, 1), "pieces change the outcome");
    // A character that the end cuts off loses bytes that an 8-bit terminal takes for controls: one pass more each.
    if std::str::from_utf8(&once).is_ok() {
        assert_eq!(once, whole(&once, usize::MAX), "filtering is not idempotent");
    }
    assert!(once.len() <= bytes.len() + 16, "output grows");
    let text = String::from_utf8_lossy(&once);
    for asking in [
        "\x1b]52;",
        "\x1b[c",
        "\x1b[6n",
        "\x1b[5n",
        "\x1bZ",
        "\x1b[>c",
        "\x1bP+q",
        "\x1b[x",
        "\x1b[i",
        "\x1b[?2048h",
        "\x1b]7;",
        "\x1b]9;6",
        "\x1b]50;",
        "\x1b]777;",
    ] {
        assert!(!text.contains(asking), "{asking:?} passed");
    }
});
