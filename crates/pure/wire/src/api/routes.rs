//! Every route, as data.

use super::Form;
use super::target::Segment;

/// A method and a path, in which `{…}` stands for one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Below the version, with a slash in front.
    pub path: &'static str,
    pub(super) asks: Asks,
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    Version,
    Ls,
    Show,
    Events,
    Verify,
    Why,
    WhyEvent,
    Diff,
    Apply,
    Discard,
    PolicyApply,
    PolicyUndo,
    Explain,
    Stop,
    Pause,
    Resume,
    Questions,
    Answer,
    Checkpoint,
    Key,
    Metrics,
    Begin,
    Output,
    Remove,
    Export,
    Suggest,
    WhyFile,
    Tools,
    Graph,
    Replay,
    Collect,
    Policy,
    Presets,
    Labels,
    Declassify,
    Trust,
    Vault,
    VaultSet,
    VaultRemove,
    Doctor,
    Prove,
    Prune,
    Upgrade,
    DoctorAs,
    DiffOf,
    Run,
    Attach,
    Exec,
    Copy,
    Open,
    Watch,
    Standby,
    Daemon,
    Child,
    Server,
}

/// Every route.
pub const ROUTES: [Route; 55] = [
    Route { method: "GET", path: "/version", asks: Asks::Version },
    Route { method: "GET", path: "/codes/{code}", asks: Asks::Explain },
    Route { method: "GET", path: "/sessions", asks: Asks::Ls },
    Route { method: "POST", path: "/sessions", asks: Asks::Begin },
    Route { method: "POST", path: "/run", asks: Asks::Run },
    Route { method: "GET", path: "/sessions/{session}", asks: Asks::Show },
    Route { method: "GET", path: "/sessions/{session}/output", asks: Asks::Output },
    Route { method: "POST", path: "/sessions/{session}/attach", asks: Asks::Attach },
    Route { method: "POST", path: "/sessions/{session}/exec", asks: Asks::Exec },
    Route { method: "POST", path: "/sessions/{session}/file", asks: Asks::Copy },
    Route { method: "POST", path: "/sessions/{session}/port", asks: Asks::Open },
    Route { method: "GET", path: "/sessions/{session}/events", asks: Asks::Events },
    Route { method: "GET", path: "/sessions/{session}/export", asks: Asks::Export },
    Route { method: "GET", path: "/sessions/{session}/verification", asks: Asks::Verify },
    Route { method: "GET", path: "/sessions/{session}/why", asks: Asks::Why },
    Route { method: "GET", path: "/sessions/{session}/why/{event}", asks: Asks::WhyEvent },
    Route { method: "POST", path: "/sessions/{session}/why-file", asks: Asks::WhyFile },
    Route { method: "GET", path: "/sessions/{session}/tools", asks: Asks::Tools },
    Route { method: "GET", path: "/sessions/{session}/graph", asks: Asks::Graph },
    Route { method: "POST", path: "/sessions/{session}/replay", asks: Asks::Replay },
    Route { method: "GET", path: "/sessions/{session}/changes", asks: Asks::Diff },
    Route { method: "POST", path: "/sessions/{session}/changes/diff", asks: Asks::DiffOf },
    Route { method: "POST", path: "/sessions/{session}/changes/apply", asks: Asks::Apply },
    Route { method: "POST", path: "/sessions/{session}/changes/discard", asks: Asks::Discard },
    Route { method: "POST", path: "/sessions/{session}/policy", asks: Asks::PolicyApply },
    Route { method: "POST", path: "/sessions/{session}/policy/undo", asks: Asks::PolicyUndo },
    Route { method: "GET", path: "/sessions/{session}/policy/suggestion", asks: Asks::Suggest },
    Route { method: "POST", path: "/sessions/{session}/pause", asks: Asks::Pause },
    Route { method: "POST", path: "/sessions/{session}/resume", asks: Asks::Resume },
    Route { method: "POST", path: "/sessions/{session}/stop", asks: Asks::Stop },
    Route { method: "GET", path: "/watch", asks: Asks::Watch },
    Route { method: "GET", path: "/questions", asks: Asks::Questions },
    Route { method: "POST", path: "/questions/{question}/answer", asks: Asks::Answer },
    Route { method: "POST", path: "/sessions/{session}/remove", asks: Asks::Remove },
    Route { method: "POST", path: "/gc", asks: Asks::Collect },
    Route { method: "POST", path: "/policy", asks: Asks::Policy },
    Route { method: "GET", path: "/policy/presets", asks: Asks::Presets },
    Route { method: "POST", path: "/labels", asks: Asks::Labels },
    Route { method: "POST", path: "/labels/declassify", asks: Asks::Declassify },
    Route { method: "POST", path: "/trust", asks: Asks::Trust },
    Route { method: "GET", path: "/vault", asks: Asks::Vault },
    Route { method: "POST", path: "/vault/{name}", asks: Asks::VaultSet },
    Route { method: "POST", path: "/vault/{name}/remove", asks: Asks::VaultRemove },
    Route { method: "GET", path: "/doctor", asks: Asks::Doctor },
    Route { method: "POST", path: "/doctor", asks: Asks::DoctorAs },
    Route { method: "GET", path: "/upgrade", asks: Asks::Upgrade },
    Route { method: "GET", path: "/ledger/checkpoint", asks: Asks::Checkpoint },
    Route { method: "GET", path: "/ledger/key", asks: Asks::Key },
    Route { method: "POST", path: "/ledger/verification", asks: Asks::Prove },
    Route { method: "POST", path: "/ledger/prune", asks: Asks::Prune },
    Route { method: "GET", path: "/metrics", asks: Asks::Metrics },
    Route { method: "POST", path: "/daemon", asks: Asks::Daemon },
    Route { method: "POST", path: "/standby", asks: Asks::Standby },
    Route { method: "POST", path: "/children", asks: Asks::Child },
    Route { method: "POST", path: "/servers", asks: Asks::Server },
];

impl Route {
    /// What stands in the places that are free, when the path is this one's.
    pub(super) fn means<'s>(&self, segments: &'s [Segment<'_>]) -> Option<Vec<&'s Segment<'s>>> {
        let pattern = self.path[1..].split('/');
        (pattern.clone().count() == segments.len()).then_some(())?;
        let mut words = Vec::new();
        for (own, segment) in pattern.zip(segments) {
            if own.starts_with('{') {
                words.push(segment);
            } else if own != segment.spelled {
                return None;
            }
        }
        Some(words)
    }

    /// Whether it is asked of a session, which the path names.
    pub(super) fn is_of_a_session(&self) -> bool {
        self.path.contains("{session}")
    }

    /// How it is answered, where who asks wants nothing else.
    #[must_use]
    pub const fn form(&self) -> Form {
        match self.asks {
            Asks::Events | Asks::Export => Form::Lines,
            Asks::Output => Form::Bytes,
            Asks::Watch => Form::Events,
            Asks::Run | Asks::Attach | Asks::Exec | Asks::Copy | Asks::Open => Form::Frames,
            Asks::Standby | Asks::Daemon | Asks::Child | Asks::Server => Form::Frames,
            _ => Form::Whole,
        }
    }
}

impl Asks {
    /// Its route.
    pub(super) fn route(self) -> Option<&'static Route> {
        ROUTES.iter().find(|route| route.asks == self)
    }
}
