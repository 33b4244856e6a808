//! Servers of MCP of a running session: asked for by its gate, begun, heard and ended. Recorded before each is begun.

use std::time::{Duration, Instant};

use policy::read::{Source, blueprint, read};
use policy::{Policy, Server};
use record::Kind;
use wire::GateOrder;
use wire::command::{ChildWord, Reply, Run, ServerRun, Stream};

use super::{Course, Session};
use crate::session::servers::MOST_ENDS;

/// How long they may take to end with their session.
const PARTING: Duration = Duration::from_secs(10);
/// The blueprint on whose ground they stand.
const GROUND: &str = "strict";

impl Session<'_> {
    /// Something is said to a server: it is begun behind this line, or the gate is told why not.
    pub(super) fn serve_by(&mut self, course: &mut Course, server: &str, line: u32) {
        if let Err(why) = self.begin_server(course, server, line) {
            drop(self.servers.line(line));
            self.sever(line, why);
        }
    }

    /// Begins one; the error is for whoever is inside.
    fn begin_server(&mut self, course: &mut Course, name: &str, line: u32) -> Result<(), String> {
        if course.ended || course.kill_at.is_some() {
            return Err("the session is about to end".into());
        }
        if course.pause.is_some() {
            return Err("the session is paused".into());
        }
        let server = self.door.policy.server(name).cloned();
        let server = server.ok_or("there is no such server: every policy would have to name the same")?;
        if self.servers.ends(name) >= MOST_ENDS {
            return Err(format!("it ended {MOST_ENDS} times in this session, and is not begun again"));
        }
        let policy = self.policy_of(&server)?;
        let end = self.servers.line(line).ok_or("something was behind this line before")?;
        let event = Kind::ServerBegins { server: server.name.clone(), command: server.command.clone() };
        let event = match self.ledger.write(event) {
            Ok(event) => event,
            Err(error) => {
                self.unrecorded(course, &error);
                return Err("the record cannot be written".into());
            }
        };
        let house = &self.children.house;
        let run = Run {
            command: server.command.iter().map(|word| word.as_bytes().to_vec()).collect(),
            directory: house.workspace.clone(),
            workspace: Some(house.workspace.clone()),
            // That a layer is missing holds for all of the line. That a credential came in was for one cell.
            accept_risks: house
                .accepted
                .iter()
                .filter(|risk| !risk.starts_with("credential-inside"))
                .cloned()
                .collect(),
            fresh_home: true,
            streams: [Stream::Pipe; 3],
            surroundings: house.surroundings.clone(),
            ..Run::default()
        };
        let run = ServerRun {
            run,
            parent: self.id.clone(),
            server: server.name.clone(),
            event,
            policy,
            labelled: self.door.labelled.clone(),
            heard: self.door.heard.all().cloned().collect(),
            drops: self.door.drops.clone(),
            secrets: self.door.secrets.clone(),
        };
        self.servers.begin(run, (line, end)).map_err(|error| {
            let reason = format!("it could not be started: {error}");
            let kind =
                Kind::ServerEnded { server: server.name, session: None, exit: None, reason: reason.replace('`', "'") };
            self.record(course, kind);
            reason
        })
    }

    /// The policy of its cell.
    fn policy_of(&self, server: &Server) -> Result<Policy, String> {
        let ground = blueprint(GROUND).and_then(|source: Source| read(&source, None, &mut blueprint).ok());
        Ok(server.policy(ground.ok_or("the ground of its policy cannot be read")?, &self.door.policy))
    }

    /// Tells the gate that nothing is behind a line.
    fn sever(&mut self, line: u32, why: String) {
        if let (Some(gate), Ok(frame)) = (&mut self.gate, wire::encode(&GateOrder::Severed { line, why })) {
            gate.tell_all(&frame);
        }
    }

    /// Hears what their planes say.
    // Apart from the loop, in most sessions of which it does nothing.
    #[inline(never)]
    pub(super) fn hear_servers(&mut self, course: &mut Course) {
        for (number, heard) in self.servers.hear() {
            match heard {
                Some(replies) => replies.into_iter().for_each(|reply| self.hear_server(course, number, reply)),
                None => self.server_over(course, number, (None, "its plane was lost, and the server with it", None)),
            }
        }
    }

    fn hear_server(&mut self, course: &mut Course, number: u32, reply: Reply) {
        let Some(served) = self.servers.get_mut(number) else { return };
        match reply {
            Reply::Child(ChildWord::Ready) => served.plane.ready(course.pause.is_some()),
            Reply::Child(ChildWord::Paused { below }) => served.plane.is_paused(below),
            Reply::Child(ChildWord::Unpaused { why }) => {
                served.plane.dismiss();
                let server = &served.server;
                course.warn(format!("server `{server}` could not be paused, and was ended: {why}"));
            }
            Reply::Started { session } => {
                served.session = Some(session.clone());
                let server = served.server.clone();
                self.record(course, Kind::ServerBegan { server, session });
            }
            Reply::Ended(outcome) => {
                self.server_over(course, number, (Some(outcome.exit), &outcome.reason, None));
            }
            Reply::Refused(problem) => {
                // What it says of the host is the operator's to read.
                let told = format!("nothing was run ({}); the operator can tell why", problem.code);
                let reason = format!("nothing was run: {problem}");
                self.server_over(course, number, (None, &reason, Some(told)));
            }
            _ => {}
        }
    }

    /// One is gone: it is recorded, and the gate told; `told` is what it says to whoever is inside.
    pub(super) fn server_over(
        &mut self,
        course: &mut Course,
        number: u32,
        (exit, reason, told): (Option<u8>, &str, Option<String>),
    ) {
        let in_order = exit.is_some() || told.is_some();
        let Some(served) = self.servers.release(number, in_order) else { return };
        let (server, session) = (served.server, served.session);
        self.record(course, Kind::ServerEnded { server, session, exit: exit.map(Into::into), reason: reason.into() });
        if let Some(line) = served.line {
            self.sever(line, told.unwrap_or_else(|| reason.to_owned()));
        }
    }

    /// The session is over, and with it all of them: waits for what each says last, so that the record has it.
    pub(super) fn end_servers(&mut self, course: &mut Course) {
        use rustix::event::{Timespec, poll};
        self.servers.leave_lines();
        let until = Instant::now() + PARTING;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let mut wanted: Vec<_> = self.servers.wanted().collect();
            if wanted.is_empty() {
                return;
            }
            let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            let _ = poll(&mut wanted, Some(&left));
            drop(wanted);
            self.hear_servers(course);
        }
        for number in self.servers.numbers() {
            self.server_over(course, number, (None, "it did not end with its session, and was killed", None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ground_of_a_server_can_be_read_and_reaches_nothing() {
        let source = blueprint(GROUND).expect("shipped");
        let ground = read(&source, None, &mut blueprint).expect("good");
        assert!(ground.network.allow.is_empty() && ground.files.write.is_empty() && !ground.files.read.is_empty());
        assert_eq!(ground.network.default, policy::Default::Deny);
    }
}
