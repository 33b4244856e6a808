//! What whoever is inside asks for: the first byte chooses the verb. What was understood says itself again in a form that is
//! understood, is within its bounds, and names nothing that is not its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::GateReport;
use wire::petition::{MAX_LINE, MAX_WAIT, MAX_WORDS, Petition, Petitioned, Unread, Verb};

fuzz_target!(|data: &[u8]| {
    let Some((first, with)) = data.split_first() else { return };
    let verb = Verb::ALL[usize::from(*first) % Verb::ALL.len()];
    let Ok(with) = gate::mcp::read(with) else { return };
    let petition = match Petition::read(verb, with) {
        Ok(petition) => petition,
        Err(Unread::TooLong) => panic!("nothing here is too long"),
        Err(Unread::Form { why, .. }) => {
            return assert!(why.chars().count() <= 301 && !why.chars().any(char::is_control), "{why:?}");
        }
    };
    assert_eq!(petition.verb(), verb);
    match &petition {
        Petition::Spawn(spawn) => {
            for grant in spawn.files.iter() {
                let path = grant.path.as_str();
                assert!(path == "." || path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path:?}");
            }
            assert!(spawn.files.len() <= 64 && spawn.network.len() <= 64 && spawn.tools.len() <= 64);
        }
        Petition::Wait(wait) => assert!(wait.seconds.get() <= MAX_WAIT),
        Petition::Ask(ask) => assert!(ask.seconds.get() <= MAX_WAIT && ask.why.as_str().len() <= MAX_LINE && ask.to.port > 0),
        Petition::Send(send) => assert!((1..=MAX_WORDS).contains(&send.words.as_str().len())),
        Petition::Report(report) => assert!((1..=MAX_WORDS).contains(&report.words.as_str().len())),
        Petition::Whoami | Petition::Result(_) | Petition::Cancel(_) => {}
    }
    let event = "g1".parse().expect("an event");
    let report = GateReport::Petition(Box::new(Petitioned { number: 1, event, labels: Vec::new(), petition }));
    let again: GateReport = wire::decode(&wire::encode(&report).expect("it fits")).expect("understood");
    assert_eq!(report, again);
});
