//! Every string of an event, named one by one: a new field does not compile until it is redacted here.

use super::{Bounds, Redactor};
use crate::event::{Kind, Wall};

impl Redactor {
    /// The event's content as it may be written.
    pub fn kind(&self, mut kind: Kind, bounds: Bounds) -> Kind {
        match &mut kind {
            Kind::SessionStart { session, command, workspace, mode, policy, accepted_risks } => {
                self.all([session, workspace, mode, policy], bounds);
                self.list(command, bounds);
                self.list(accepted_risks, bounds);
            }
            Kind::Walls { layers } | Kind::Limits { limits: layers } => {
                layers.truncate(bounds.items);
                for Wall { name, holds: _, detail } in layers {
                    self.all([name, detail], bounds);
                }
            }
            Kind::Exec { pid: _, parent: _, by, claimed, arguments } => {
                self.all([by, claimed], bounds);
                self.list(arguments, bounds);
            }
            Kind::Resolve { name, verdict: _, reason } => self.all([name].into_iter().chain(reason), bounds),
            Kind::Connect { pid: _, program, host, address, port: _, verdict: _, rule, reason, suggestion } => {
                self.list(program, bounds);
                self.all([host].into_iter().chain(address).chain(rule).chain(reason).chain(suggestion), bounds);
            }
            Kind::FileRefused { pid: _, program, access, path, untold: _ } => {
                self.all(program.iter_mut().chain(path), bounds);
                self.list(access, bounds);
            }
            Kind::WorkspaceChange { path, change } => self.all([path, change], bounds),
            Kind::Merge { paths, state } => {
                self.list(paths, bounds);
                self.all([state], bounds);
            }
            Kind::Ended { exit: _, reason } => self.all([reason], bounds),
            Kind::Close { connect: _, sent: _, received: _, address, note } => {
                self.all(address.iter_mut().chain(note), bounds);
            }
            Kind::GateStarted { incarnation: _ } | Kind::GateLost | Kind::Unknown => {}
        }
        kind
    }

    fn all<'s>(&self, strings: impl IntoIterator<Item = &'s mut String>, bounds: Bounds) {
        for string in strings {
            *string = self.text(string, bounds.text);
        }
    }

    fn list(&self, list: &mut Vec<String>, bounds: Bounds) {
        let more = list.len().saturating_sub(bounds.items);
        list.truncate(bounds.items);
        self.all(list.iter_mut(), bounds);
        if more > 0 {
            list.push(format!("…[{more} more]"));
        }
    }
}
