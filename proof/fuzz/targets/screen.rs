//! What a program printed becomes a screen: whatever it was, it is bounded, and who is drawn it sees the same screen.
#![no_main]

#[path = "../../../crates/outside/plane/src/verbs/inside/screen.rs"]
mod screen;

use libfuzzer_sys::fuzz_target;
use screen::Screen;
use wire::command::Terminal;

fuzz_target!(|data: &[u8]| {
    let [rows, columns, every, bytes @ ..] = data else { return };
    let size = |rows: &u8, columns: &u8| Terminal { rows: u16::from(*rows) % 64, columns: u16::from(*columns) % 160 };
    let mut shown = Screen::new(size(rows, columns));
    for piece in bytes.chunks(usize::from(*every) + 1) {
        shown.push(piece);
        if let [first, second, ..] = piece
            && first % 7 == 0
        {
            shown.resize(size(first, second));
        }
        assert!(shown.draw().len() < 1 << 20);
    }
});
