//! What is said to a session at its second socket, in pieces of any size: it is heard the same however it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::DeserializeOwned;
use wire::Decoder;
use wire::streams::{Call, Say};

fn heard<T: DeserializeOwned + std::fmt::Debug>(pieces: impl Iterator<Item = Vec<u8>>) -> (Vec<String>, bool) {
    let (mut decoder, mut all) = (Decoder::<T>::new(), Vec::new());
    for piece in pieces {
        match decoder.push(&piece) {
            Ok(some) => all.extend(some.iter().map(|one| format!("{one:?}"))),
            // What stands before it in the same piece is let go with the connection.
            Err(_) => return (Vec::new(), false),
        }
    }
    (all, true)
}

fuzz_target!(|data: &[u8]| {
    let size = data.first().map_or(1, |byte| usize::from(*byte) % 7 + 1);
    let pieces = || data.chunks(size).map(<[u8]>::to_vec);
    assert_eq!(heard::<Call>(pieces()), heard::<Call>(std::iter::once(data.to_vec())));
    assert_eq!(heard::<Say>(pieces()), heard::<Say>(std::iter::once(data.to_vec())));
});
