//! Requests to the daemon: whatever is said, it is one request or none, and its words are plain.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::api::{Asked, read};
use wire::command::{PolicyRequest, Request, Select};

fn plain(select: &Select) {
    let session = select.session.as_deref().unwrap_or_default();
    assert!(!session.is_empty() && !session.starts_with('.') && !session.contains('/'), "{session:?}");
    assert!(select.paths.iter().all(|path| path.is_absolute()));
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (method, target) = (text(), text());
    let request = match read(&method, &target, parts.next().unwrap_or_default()) {
        Err(unread) => return assert!((400..500).contains(&unread.status())),
        Ok(Asked::Version) => return,
        Ok(Asked::Once(request) | Asked::Events { request, .. } | Asked::Stream { request, .. }) => request,
    };
    match *request {
        Request::Show(select) | Request::Verify(select) | Request::Diff(select) | Request::Log { select, .. } => plain(&select),
        Request::Why { select, .. } => plain(&select),
        Request::Apply(select) | Request::Discard(select) | Request::Policy(PolicyRequest::Undo(select)) => {
            assert_eq!(method, "POST");
            plain(&select);
        }
        Request::Policy(PolicyRequest::Apply { select, .. }) => {
            assert_eq!(method, "POST");
            plain(&select);
        }
        Request::Stop { select, .. } | Request::Pause(select) | Request::Resume(select) => {
            assert_eq!(method, "POST");
            plain(&select);
        }
        Request::Logs { select, .. } | Request::WhyFile { select, .. } => plain(&select),
        Request::Run(run) => assert!(run.detached && method == "POST"),
        // They carry bytes both ways or a descriptor, or are a process of ours speaking to another.
        other @ (Request::Attach(_)
        | Request::Exec(_)
        | Request::Copy(_)
        | Request::Open { .. }
        | Request::Standby
        | Request::Daemon
        | Request::Watch { .. }
        | Request::Child(_)
        | Request::Server(_)) => panic!("no request of the API: {other:?}"),
        _ => {}
    }
});
