//! DNS queries of a cell: any bytes get a bounded answer or none, never an answer to a response.
#![no_main]

use std::net::{Ipv4Addr, Ipv6Addr};

use gate::dns::{Answer, answer};
use gate::names::Synthetic;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let pool = Synthetic { v4: Ipv4Addr::new(198, 18, 0, 9), v6: Ipv6Addr::LOCALHOST };
    for given in [Answer::Addresses(pool), Answer::Denied, Answer::Unable] {
        let mut asked = 0;
        let reply = answer(bytes, &mut |_| {
            asked += 1;
            given
        });
        assert!(asked <= 1, "one query, one name");
        let Some(reply) = reply else { continue };
        assert!(bytes.len() >= 12 && bytes[2] & 0x80 == 0, "an answer to no query");
        assert!(reply.len() <= bytes.len() + 64, "an answer amplifies: {} of {}", reply.len(), bytes.len());
        assert_eq!(reply[..2], bytes[..2], "the answer's id");
        assert!(reply[2] & 0x80 != 0, "an answer that is a query");
    }
});
