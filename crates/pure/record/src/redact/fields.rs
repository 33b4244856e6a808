//! Every string of an event, named one by one: a new field does not compile until it is redacted here.

use std::borrow::Borrow;

use super::{Bounds, Redactor};
use crate::event::{Argument, Cost, Kind, Wall};

impl Redactor {
    /// The event's content as it may be written. Made from the original each time: what was cut once is counted wrong
    /// when it is cut again.
    pub fn kind(&self, kind: impl Borrow<Kind>, bounds: Bounds) -> Kind {
        self.cut(kind.borrow(), bounds)
    }

    fn cut(&self, kind: &Kind, bounds: Bounds) -> Kind {
        let text = |text: &String| self.text(text, bounds.text);
        let maybe = |text: &Option<String>| text.as_deref().map(|text| self.text(text, bounds.text));
        let body = |text: &String| self.body(text, bounds.body);
        let name = |text: &String| self.name(text, bounds.text);
        let maybe_name = |text: &Option<String>| text.as_deref().map(|text| self.name(text, bounds.text));
        let list = |list: &Vec<String>| self.list(list, bounds);
        let walls = |walls: &[Wall]| walls.iter().take(bounds.items).map(|wall| self.wall(wall, bounds)).collect();
        match kind {
            Kind::SessionStart { session, command, workspace, mode, policy, accepted_risks } => Kind::SessionStart {
                session: text(session),
                command: list(command),
                workspace: text(workspace),
                mode: text(mode),
                policy: text(policy),
                accepted_risks: list(accepted_risks),
            },
            Kind::Walls { layers } => Kind::Walls { layers: walls(layers) },
            Kind::Limits { limits } => Kind::Limits { limits: walls(limits) },
            &Kind::Exec { pid, parent, ref by, ref claimed, ref arguments } => {
                Kind::Exec { pid, parent, by: text(by), claimed: text(claimed), arguments: list(arguments) }
            }
            &Kind::Resolve { ref name, verdict, ref reason, times } => {
                Kind::Resolve { name: text(name), verdict, reason: maybe(reason), times }
            }
            Kind::Connect { pid, program, host, address, port, verdict, rule, reason, suggestion, times } => {
                Kind::Connect {
                    times: *times,
                    pid: *pid,
                    program: list(program),
                    host: text(host),
                    address: maybe(address),
                    port: *port,
                    verdict: *verdict,
                    rule: maybe(rule),
                    reason: maybe(reason),
                    suggestion: maybe(suggestion),
                }
            }
            Kind::Request {
                pid,
                program,
                host,
                port,
                method,
                target,
                websocket,
                does,
                verdict,
                rule,
                reason,
                suggestion,
            } => Kind::Request {
                pid: *pid,
                program: list(program),
                host: text(host),
                port: *port,
                method: text(method),
                target: text(target),
                websocket: *websocket,
                does: maybe(does),
                verdict: *verdict,
                rule: maybe(rule),
                reason: maybe(reason),
                suggestion: maybe(suggestion),
            },
            Kind::Mcp {
                pid,
                program,
                host,
                port,
                target,
                method,
                name,
                words,
                server,
                verdict,
                rule,
                reason,
                suggestion,
            } => Kind::Mcp {
                pid: *pid,
                program: list(program),
                host: text(host),
                port: *port,
                target: text(target),
                method: text(method),
                name: maybe(name),
                words: body(words),
                server: *server,
                verdict: *verdict,
                rule: maybe(rule),
                reason: maybe(reason),
                suggestion: maybe(suggestion),
            },
            Kind::Petition { pid, program, verb, words, labels, verdict, rule, reason } => Kind::Petition {
                pid: *pid,
                program: list(program),
                verb: text(verb),
                words: body(words),
                labels: list(labels),
                verdict: *verdict,
                rule: maybe(rule),
                reason: maybe(reason),
            },
            &Kind::PetitionAnswered { petition, verdict, ref reason } => {
                Kind::PetitionAnswered { petition, verdict, reason: text(reason) }
            }
            Kind::Said { speaker, form, tool, words, digest, standing } => Kind::Said {
                speaker: text(speaker),
                form: name(form),
                tool: maybe_name(tool),
                words: body(words),
                digest: text(digest),
                standing: text(standing),
            },
            Kind::Tool { name: called, server, form, description, arguments, hints, digest } => {
                let argument = |of: &Argument| Argument { name: name(&of.name), says: text(&of.says) };
                Kind::Tool {
                    name: name(called),
                    server: maybe(server),
                    form: name(form),
                    description: body(description),
                    arguments: arguments.iter().take(bounds.items).map(argument).collect(),
                    hints: list(hints),
                    digest: text(digest),
                }
            }
            Kind::Model { pid, program, host, asked, model, provider, verdict, rule, reason } => Kind::Model {
                pid: *pid,
                program: list(program),
                host: text(host),
                asked: text(asked),
                model: name(model),
                provider: maybe(provider),
                verdict: *verdict,
                rule: maybe(rule),
                reason: maybe(reason),
            },
            Kind::Answered { model, input, output, stop, whole, error, complaint, cost } => Kind::Answered {
                model: *model,
                input: *input,
                output: *output,
                stop: maybe_name(stop),
                whole: *whole,
                error: maybe(error),
                complaint: complaint.as_ref().map(body),
                cost: cost.as_ref().map(|cost| Cost { currency: text(&cost.currency), ..cost.clone() }),
            },
            Kind::Evidence { what, source, how, quoted } => {
                Kind::Evidence { what: text(what), source: text(source), how: text(how), quoted: body(quoted) }
            }
            &Kind::Risk { name: ref named, ref why, ref source, from, to, ref quoted, weight, score } => Kind::Risk {
                name: name(named),
                why: text(why),
                source: text(source),
                from,
                to,
                quoted: body(quoted),
                weight,
                score,
            },
            &Kind::Close { connect, sent, received, ref address, ref note } => {
                Kind::Close { connect, sent, received, address: maybe(address), note: maybe(note) }
            }
            &Kind::FileRefused { pid, ref program, ref access, ref path, untold } => {
                Kind::FileRefused { pid, program: maybe(program), access: list(access), path: maybe(path), untold }
            }
            Kind::WorkspaceChange { path, change } => Kind::WorkspaceChange { path: text(path), change: text(change) },
            Kind::Merge { paths, state } => Kind::Merge { paths: list(paths), state: text(state) },
            &Kind::Ended { exit, ref reason } => Kind::Ended { exit, reason: text(reason) },
            &Kind::GateStarted { incarnation } => Kind::GateStarted { incarnation },
            Kind::GateLost => Kind::GateLost,
            &Kind::Policy { revision, ref name, ref changes, undoes } => {
                Kind::Policy { revision, name: text(name), changes: list(changes), undoes }
            }
            &Kind::DecidesBy { revision } => Kind::DecidesBy { revision },
            &Kind::PolicyNotTaken { revision, ref reason } => Kind::PolicyNotTaken { revision, reason: text(reason) },
            Kind::Ordered { order, who } => Kind::Ordered { order: text(order), who: text(who) },
            &Kind::ChildOf { ref session, child, event, ref task, ref labels } => {
                Kind::ChildOf { session: text(session), child, event, task: body(task), labels: list(labels) }
            }
            Kind::Carried { labels, values, from } => {
                Kind::Carried { labels: list(labels), values: list(values), from: list(from) }
            }
            Kind::Left { place, paths, labels, values } => {
                Kind::Left { place: text(place), paths: list(paths), labels: list(labels), values: list(values) }
            }
            Kind::Declassified { place, paths, labels, contents, who, reason } => Kind::Declassified {
                place: text(place),
                paths: list(paths),
                labels: list(labels),
                contents: *contents,
                who: text(who),
                reason: maybe(reason),
            },
            &Kind::ChildReserved { child, ref task, budget, below, ref cut } => {
                Kind::ChildReserved { child, task: body(task), budget, below, cut: list(cut) }
            }
            Kind::ServerOf { session, server, event } => {
                Kind::ServerOf { session: text(session), server: text(server), event: *event }
            }
            Kind::ServerBegins { server, command } => {
                Kind::ServerBegins { server: text(server), command: list(command) }
            }
            Kind::ServerBegan { server, session } => Kind::ServerBegan { server: text(server), session: text(session) },
            &Kind::ServerEnded { ref server, ref session, exit, ref reason } => {
                Kind::ServerEnded { server: text(server), session: maybe(session), exit, reason: text(reason) }
            }
            &Kind::ChildBegan { child, ref session } => Kind::ChildBegan { child, session: text(session) },
            &Kind::ChildEnded { child, ref session, exit, ref reason, used, below } => {
                Kind::ChildEnded { child, session: maybe(session), exit, reason: text(reason), used, below }
            }
            Kind::Question { question, pid, program, host, port, does, rule, revision, reasons } => Kind::Question {
                question: text(question),
                pid: *pid,
                program: list(program),
                host: text(host),
                port: *port,
                does: maybe(does),
                rule: text(rule),
                revision: *revision,
                reasons: list(reasons),
            },
            Kind::Ruled { question, answer, who, rule, seconds, waiting } => Kind::Ruled {
                question: text(question),
                answer: text(answer),
                who: text(who),
                rule: maybe(rule),
                seconds: *seconds,
                waiting: *waiting,
            },
            Kind::Unknown => Kind::Unknown,
        }
    }

    fn wall(&self, Wall { name, holds, detail }: &Wall, bounds: Bounds) -> Wall {
        Wall { name: self.text(name, bounds.text), holds: *holds, detail: self.text(detail, bounds.text) }
    }

    fn list(&self, list: &[String], bounds: Bounds) -> Vec<String> {
        let kept = list.iter().take(bounds.items).map(|text| self.text(text, bounds.text));
        let more = list.len().saturating_sub(bounds.items);
        kept.chain((more > 0).then(|| format!("…[{more} more]"))).collect()
    }
}
