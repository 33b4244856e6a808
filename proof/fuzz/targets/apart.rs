//! Bodies taken apart: nothing of any bytes is known by itself; what was asked about and is known leaves less, and never more.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut asked = Vec::new();
    let left = sense::without(bytes, &mut |part| {
        asked.push(part.to_vec());
        false
    });
    assert!(left.is_none(), "something is known that nobody knows");
    // Each by itself, so that what holds it is taken apart around it.
    for known in asked.iter().take(4) {
        let left = sense::without(bytes, &mut |part| part == known).expect("it is asked about again");
        let room = bytes.len() + asked.iter().map(Vec::len).sum::<usize>();
        assert!(left.iter().map(Vec::len).sum::<usize>() <= room, "more is left than there was");
    }
});
