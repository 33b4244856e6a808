//! Every request of the command, and which route asks the same: the command and the API speak one language, of which nothing
//! is left out without a reason.

use super::Asks;
use crate::command::{LedgerRequest, PolicyRequest, Request, VaultRequest};

/// How a request is asked over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Route(Asks),
    /// It is not, and why.
    None(&'static str),
}

/// It carries a program's bytes or descriptors, which HTTP answers have no room for.
const CARRIES: Way = Way::None("it carries bytes both ways, or a descriptor: the command does that");
/// Who asks stays, and with him what he asked for.
const STAYS: Way = Way::None("it lasts as long as who asked for it");

/// One process of ours says it to another.
const OURS: Way = Way::None("the plane of a session asks it, for a program inside");

/// Which way. Without a wildcard: whoever adds a request says how a program asks it.
pub(super) const fn way(request: &Request) -> Way {
    Way::Route(match request {
        Request::Run(run) if !run.detached => return CARRIES,
        Request::Attach(_) | Request::Exec(_) | Request::Copy(_) | Request::Open { .. } => return CARRIES,
        Request::Standby | Request::Daemon | Request::Watch { .. } => return STAYS,
        Request::Child(_) | Request::Server(_) => return OURS,
        Request::Run(_) => Asks::Begin,
        Request::Doctor(_) => Asks::Doctor,
        Request::Diff(_) => Asks::Diff,
        Request::Apply(_) => Asks::Apply,
        Request::Discard(_) => Asks::Discard,
        Request::Ls => Asks::Ls,
        Request::Show(_) => Asks::Show,
        Request::Stop { .. } => Asks::Stop,
        Request::Pause(_) => Asks::Pause,
        Request::Resume(_) => Asks::Resume,
        Request::Questions => Asks::Questions,
        Request::Answer { .. } => Asks::Answer,
        Request::Logs { .. } => Asks::Output,
        Request::Remove(removal) => {
            if removal.before.is_some() {
                Asks::Collect
            } else {
                Asks::Remove
            }
        }
        Request::Upgrade => Asks::Upgrade,
        Request::Log { .. } => Asks::Events,
        Request::Verify(_) => Asks::Verify,
        Request::Ledger(ledger) => match ledger {
            LedgerRequest::Checkpoint => Asks::Checkpoint,
            LedgerRequest::Key => Asks::Key,
            LedgerRequest::Verify(_) => Asks::Prove,
            LedgerRequest::Prune { .. } => Asks::Prune,
            LedgerRequest::Export(_) => Asks::Export,
        },
        Request::Metrics => Asks::Metrics,
        Request::Why { event: None, .. } => Asks::Why,
        Request::Why { .. } => Asks::WhyEvent,
        Request::WhyFile { .. } => Asks::WhyFile,
        Request::Tools(_) => Asks::Tools,
        Request::Replay { .. } => Asks::Replay,
        Request::Graph { .. } => Asks::Graph,
        Request::Policy(policy) => match policy {
            PolicyRequest::Check { .. }
            | PolicyRequest::Show { .. }
            | PolicyRequest::Explain { .. }
            | PolicyRequest::Diff { .. }
            | PolicyRequest::Test { .. }
            | PolicyRequest::Import { .. } => Asks::Policy,
            PolicyRequest::Presets => Asks::Presets,
            PolicyRequest::Suggest(_) => Asks::Suggest,
            PolicyRequest::Apply { .. } => Asks::PolicyApply,
            PolicyRequest::Undo(_) => Asks::PolicyUndo,
        },
        Request::Trust { .. } => Asks::Trust,
        Request::Vault(vault) => match vault {
            VaultRequest::Set { .. } => Asks::VaultSet,
            VaultRequest::List => Asks::Vault,
            VaultRequest::Remove { .. } => Asks::VaultRemove,
        },
        Request::Explain { .. } => Asks::Explain,
    })
}
