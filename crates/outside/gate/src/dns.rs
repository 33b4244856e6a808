//! Answers to the cell's DNS queries. No query of a cell leaves the host: a name that may resolve gets a
//! synthetic address, and what it stands for is looked up when a connection was allowed.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use policy::DnsName;

use crate::names::Synthetic;

/// Longest query that is read. A query holds one name and perhaps an OPT record; no honest one is longer.
pub const MAX_QUERY: usize = 1232;

/// Seconds that an answer may be kept. Short, so that a program started after a policy changed asks again.
const TTL: u32 = 60;
const HEADER: usize = 12;

/// What becomes of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It has these addresses.
    Addresses(Synthetic),
    /// No such name, as far as the cell can tell.
    Denied,
    /// The session has looked up as many names as it may, or the record cannot be written.
    Unable,
}

/// Answers one query; nothing when no answer is due. `resolve` is asked once at most, for A and AAAA only.
pub fn answer(query: &[u8], resolve: &mut dyn FnMut(&DnsName) -> Answer) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    // An answer to a response would let two servers talk to each other for ever.
    if header[2] & 0x80 != 0 {
        return None;
    }
    let id = u16::from_be_bytes([header[0], header[1]]);
    let message = if query.len() > MAX_QUERY { None } else { Message::from_vec(query).ok() };
    let response = match message {
        Some(message) => respond(&message, resolve),
        None => Message::error_msg(id, OpCode::Query, ResponseCode::FormErr),
    };
    response.to_vec().ok()
}

fn respond(query: &Message, resolve: &mut dyn FnMut(&DnsName) -> Answer) -> Message {
    let asked = &query.metadata;
    if asked.op_code != OpCode::Query {
        return Message::error_msg(asked.id, asked.op_code, ResponseCode::NotImp);
    }
    let [question] = query.queries.as_slice() else {
        return Message::error_msg(asked.id, asked.op_code, ResponseCode::FormErr);
    };
    let mut response = Message::new(asked.id, MessageType::Response, OpCode::Query);
    response.metadata.recursion_desired = asked.recursion_desired;
    response.metadata.recursion_available = true;
    response.add_query(question.clone());
    response.metadata.response_code = fill(&mut response, question, resolve);
    response
}

/// Adds the answers that are due and gives the response's code.
fn fill(response: &mut Message, question: &Query, resolve: &mut dyn FnMut(&DnsName) -> Answer) -> ResponseCode {
    if question.query_class != DNSClass::IN {
        return ResponseCode::Refused;
    }
    match question.query_type {
        RecordType::A | RecordType::AAAA => {}
        // Empty, not refused: programs ask these beside A and AAAA and must go on with those. What they
        // would carry (address hints, other ports) goes round the decision.
        RecordType::HTTPS | RecordType::SVCB => return ResponseCode::NoError,
        _ => return ResponseCode::Refused,
    }
    let Some(name) = canonical(&question.name) else { return ResponseCode::NXDomain };
    match resolve(&name) {
        Answer::Addresses(given) => {
            response.add_answer(Record::from_rdata(question.name.clone(), TTL, data(question.query_type, given)));
            ResponseCode::NoError
        }
        Answer::Denied => ResponseCode::NXDomain,
        Answer::Unable => ResponseCode::ServFail,
    }
}

fn data(kind: RecordType, given: Synthetic) -> RData {
    match kind {
        RecordType::AAAA => RData::AAAA(given.v6.into()),
        _ => RData::A(given.v4.into()),
    }
}

/// The name as policies know it. Labels are joined as they are: an escaped dot inside one must not part it.
fn canonical(name: &Name) -> Option<DnsName> {
    let labels: Vec<&str> = name.iter().map(std::str::from_utf8).collect::<Result<_, _>>().ok()?;
    if labels.iter().any(|label| label.contains('.')) {
        return None;
    }
    DnsName::parse(&labels.join(".")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn given() -> Synthetic {
        Synthetic { v4: "198.18.1.0".parse().unwrap(), v6: "fd62:6173:7469:6465::100".parse().unwrap() }
    }

    fn query(name: Name, kind: RecordType) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(name, kind));
        message.to_vec().unwrap()
    }

    fn ask(name: &str, kind: RecordType, verdict: Answer) -> Message {
        let bytes = answer(&query(Name::from_ascii(name).unwrap(), kind), &mut |_| verdict).unwrap();
        Message::from_vec(&bytes).unwrap()
    }

    #[test]
    fn an_allowed_name_gets_its_synthetic_addresses() {
        let response = ask("Good.Example.", RecordType::A, Answer::Addresses(given()));
        assert_eq!((response.metadata.id, response.metadata.response_code), (7, ResponseCode::NoError));
        assert_eq!(response.answers[0].data, RData::A(given().v4.into()));
        let response = ask("good.example.", RecordType::AAAA, Answer::Addresses(given()));
        assert_eq!(response.answers[0].data, RData::AAAA(given().v6.into()));
    }

    #[test]
    fn a_denied_name_does_not_exist_and_a_full_pool_fails() {
        assert_eq!(ask("bad.example.", RecordType::A, Answer::Denied).metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(ask("bad.example.", RecordType::A, Answer::Unable).metadata.response_code, ResponseCode::ServFail);
    }

    #[test]
    fn service_bindings_are_empty_and_other_kinds_refused_without_asking() {
        for (kind, code) in [
            (RecordType::HTTPS, ResponseCode::NoError),
            (RecordType::SVCB, ResponseCode::NoError),
            (RecordType::TXT, ResponseCode::Refused),
            (RecordType::ANY, ResponseCode::Refused),
        ] {
            let bytes = query(Name::from_ascii("good.example.").unwrap(), kind);
            let response = answer(&bytes, &mut |_| unreachable!("{kind} was resolved")).unwrap();
            let response = Message::from_vec(&response).unwrap();
            assert_eq!((response.metadata.response_code, response.answers.len()), (code, 0), "{kind}");
        }
    }

    #[test]
    fn a_dot_inside_a_label_never_resolves() {
        let name = Name::from_labels([&b"evil.good"[..], b"example"]).unwrap();
        let response = answer(&query(name, RecordType::A), &mut |_| unreachable!()).unwrap();
        assert_eq!(Message::from_vec(&response).unwrap().metadata.response_code, ResponseCode::NXDomain);
    }

    #[test]
    fn malformed_queries_get_an_error_or_nothing() {
        let whole = query(Name::from_ascii("good.example.").unwrap(), RecordType::A);
        for end in 0..whole.len() {
            let response = answer(&whole[..end], &mut |_| Answer::Denied);
            assert_eq!(response.is_some(), end >= HEADER, "{end}");
        }
        let long = [whole.clone(), vec![0; MAX_QUERY]].concat();
        let response = Message::from_vec(&answer(&long, &mut |_| unreachable!()).unwrap()).unwrap();
        assert_eq!(response.metadata.response_code, ResponseCode::FormErr);
        let mut reply = whole;
        reply[2] |= 0x80;
        assert_eq!(answer(&reply, &mut |_| unreachable!()), None);
    }
}
