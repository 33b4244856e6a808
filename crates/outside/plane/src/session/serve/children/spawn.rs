//! A sub-agent from what is asked for to its plane: drafted, recorded, held by the gate, begun; in this order.

use std::collections::BTreeSet;
use std::time::Instant;

use policy::{Amounts, Good, Label, Money};
use record::{Cause, EventId, Kind, Known};
use wire::GateOrder;
use wire::command::{ChildRun, Run, Stream, View};
use wire::petition::{Answer, Cut, Denial, Reason, Spawn};

use super::super::{Course, Session};
use super::cancelled;
use crate::session::children::split::{self, Split};
use crate::session::children::{Asks, Drafted, Heard, Kid, Stage, clock, draft};
use crate::waiting::Knocked;

impl Session<'_> {
    /// Reserves what a child may use up; it begins when the gate says that so much is no longer this session's.
    pub(super) fn spawn(
        &mut self,
        course: &mut Course,
        asked: (u64, EventId),
        wish: &Spawn,
        read: &[Label],
    ) -> Option<Answer> {
        match self.reserve(course, asked, wish, read) {
            Ok(()) => None,
            Err(denial) => Some(Answer::Denied(denial)),
        }
    }

    pub(super) fn reserve(
        &mut self,
        course: &mut Course,
        (number, petition): (u64, EventId),
        wish: &Spawn,
        read: &[Label],
    ) -> Result<(), Denial> {
        let not_now = |why: &str| Denial::new(Reason::NotNow, why, "do it yourself, or ask again later");
        if course.ended || course.kill_at.is_some() {
            return Err(not_now("the session is about to end"));
        }
        if course.pause.is_some() {
            return Err(not_now("the session is paused"));
        }
        if self.gate.is_none() || self.sockets.is_empty() {
            return Err(not_now("the session has no gate"));
        }
        let time = course.deadline.map(|until| until.saturating_duration_since(Instant::now()).as_secs());
        let asks = Asks {
            parent: &self.door.policy,
            accounts: &self.children.accounts,
            house: &self.children.house,
            at: clock(),
            time,
        };
        let mut drafted = draft(asks, wish)?;
        self.split(&mut drafted)?;
        let labels = self.labels(read);
        let child = self.children.accounts.next();
        let cut = drafted.cut.iter().map(|cut| format!("{}: {} ({})", cut.what, cut.why, cut.by)).collect();
        let task = wish.task.as_str().to_owned();
        let event =
            Kind::ChildReserved { child, task: task.clone(), budget: drafted.budget, below: drafted.below, cut };
        let cause = Cause { id: petition, known: Known::Observed };
        let Ok(event) = self.note_of_child(Some(cause), event) else {
            self.unrecorded(course, &std::io::Error::other("a sub-agent could not be recorded"));
            return Err(not_now("the record cannot be written"));
        };
        // It looks at us while our gate is asked.
        let knocked = Knocked::at(self.store);
        let house = &self.children.house;
        let run = Run {
            command: drafted.command,
            environment: drafted.variables,
            directory: house.workspace.clone(),
            workspace: Some(house.workspace.clone()),
            accept_risks: house.accepted.clone(),
            patience: house.patience,
            answers: house.answers.clone(),
            fresh_home: true,
            streams: [Stream::Pipe; 3],
            surroundings: house.surroundings.clone(),
            ..Run::default()
        };
        // Its arguments are what its parent says to it, as its task is.
        let mut heard = Heard::of(self.door.heard.all().cloned().collect());
        if let Some(said) = drafted.said {
            heard.begin_with(&said, &labels, "the command of its parent");
        }
        let run = ChildRun {
            run,
            parent: self.id.clone(),
            child,
            event,
            task,
            context: wish.context.as_ref().map(|context| context.as_str().to_owned()),
            policies: policy::Conjunction::new(drafted.policies),
            values: labels.iter().filter(|label| self.children.house.values.contains(label)).cloned().collect(),
            lacking: self.door.lacking.clone(),
            labels,
            labelled: self.door.labelled.clone(),
            heard: heard.all().cloned().collect(),
            drops: self.door.drops.clone(),
            secrets: self.door.secrets.clone(),
            intent: self.door.intent.clone(),
            view: View {
                lower: house.lower.clone(),
                upper: house.upper.clone(),
                granted: drafted.granted,
                left_out: drafted.left_out,
                most: self.chores.left(),
            },
            within: house.within.shown.clone(),
        };
        self.bind_what_is_left();
        let made = (Box::new(run), knocked);
        self.children.kids.insert(child, Kid::new(made, (drafted.budget, drafted.below), drafted.cut, number));
        self.tell_what_is_held();
        Ok(())
    }

    /// What the session may have, and what of that is its children's.
    pub(super) fn whole_and_gone(&self) -> (Amounts, Amounts) {
        let whole = self.door.policy.policies().map(Amounts::of).reduce(Amounts::and).unwrap_or_default();
        let gone = |good| Some(self.children.accounts.gone(good));
        (whole, Amounts { memory: gone(Good::Memory), pids: gone(Good::Pids), ..Amounts::default() })
    }

    /// Whether memory and processes can be split as drafted; what this host does not bind is said.
    pub(super) fn split(&self, drafted: &mut Drafted) -> Result<(), Denial> {
        let (whole, gone) = self.whole_and_gone();
        let more = |good| Some(gone.get(good)?.saturating_add(drafted.budget.get(good).unwrap_or(0)));
        let after = Amounts { memory: more(Good::Memory), pids: more(Good::Pids), ..Amounts::default() };
        let Split { unbound, held } = split::fits(&self.children.house.groups, &whole, &after);
        if let Some(held) = held {
            let why = format!("the session itself holds {held} bytes of memory, and less would be left to it");
            return Err(Denial::new(Reason::TooMuch, why, "ask for less `memory`"));
        }
        let said = unbound.into_iter().map(|good| Cut {
            what: format!("the split of {}", good.name()),
            why: "this host does not bind it: sub-agent and parent are both told a bound that it does not enforce"
                .into(),
            by: "the host".into(),
        });
        drafted.cut.extend(said);
        Ok(())
    }

    /// Binds the session's own control group to what is not its children's.
    pub(super) fn bind_what_is_left(&self) {
        let (whole, gone) = self.whole_and_gone();
        split::bind(&self.children.house.groups, &whole, &gone);
    }

    /// Writes an event of the children's accounts, and counts it.
    pub(super) fn note_of_child(&mut self, cause: Option<Cause>, kind: Kind) -> std::io::Result<EventId> {
        let seq = self.ledger.write_after(cause, kind.clone())?;
        let event = record::Event { seq: seq.seq, at: clock(), cause: Vec::new(), kind };
        self.children.accounts.take(&event);
        Ok(seq)
    }

    /// The join of what whoever asks may have read: what its gate knows that it read, what stands labelled in its workspace,
    /// since a program reads there without asking, and what its own parent had.
    pub(super) fn labels(&self, read: &[Label]) -> Vec<Label> {
        let there = self.door.labelled.iter().map(|one| &one.label);
        let there = there.chain(self.door.heard.all().flat_map(|words| &words.labels));
        let all: BTreeSet<&Label> =
            read.iter().chain(there).chain(&self.children.house.labels).chain(&self.door.carried).collect();
        all.into_iter().cloned().collect()
    }

    /// Tells the gate how much is its children's: it lets so much less out itself.
    pub(super) fn tell_what_is_held(&mut self) {
        let reserved = self.held();
        self.door.reserved = reserved;
        let order = GateOrder::Reserve { reserved };
        let frame = wire::encode(&order);
        if let (Some(gate), Ok(frame)) = (&mut self.gate, frame) {
            gate.tell_all(&frame);
        }
    }

    /// What is gone to children, of what a gate counts.
    pub(super) fn held(&self) -> Amounts {
        let gone = |good| Some(self.children.accounts.gone(good));
        let currency = self.children.accounts.iter().find_map(|(_, child)| child.reserved.money);
        Amounts {
            tokens: gone(Good::Tokens),
            requests: gone(Good::Requests),
            money: currency.map(|money| Money { micros: self.children.accounts.gone(Good::Money), ..money }),
            ..Amounts::default()
        }
    }

    /// The gate says whether what it was told is no longer its own was still there.
    pub(in crate::session::serve) fn heard_held(&mut self, course: &mut Course, held: Amounts, fits: bool) {
        // What was told since is answered since.
        if held != self.held() {
            return;
        }
        let reserving: Vec<u32> =
            self.children.kids.iter().filter(|(_, kid)| kid.stage == Stage::Reserving).map(|(n, _)| *n).collect();
        if fits {
            reserving.into_iter().for_each(|child| self.begin_child(course, child));
        } else if let Some(last) = reserving.last() {
            // Without it the gate is asked again, for those before it.
            let why = "so much is not left of what the session itself may use up";
            self.not_begun(course, *last, Denial::new(Reason::TooMuch, why, "ask for less, or do it yourself"));
        }
    }

    /// Children that wait for the word of a gate that is gone do not begin.
    pub(in crate::session::serve) fn leave_who_reserved(&mut self, course: &mut Course) {
        let reserving = self.children.kids.iter().filter(|(_, kid)| kid.stage == Stage::Reserving);
        for child in reserving.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.not_begun(course, child, Denial::new(Reason::NotNow, "the gate was lost", "ask again"));
        }
    }

    pub(super) fn begin_child(&mut self, course: &mut Course, child: u32) {
        let Some(kid) = self.children.kids.get_mut(&child) else { return };
        if kid.is_dismissed() {
            return self.not_begun(course, child, cancelled());
        }
        if let Err(error) = kid.begin() {
            // Why is the operator's to read.
            course.warn(format!("sub-agent {child} could not be started: {error}"));
            let why = "it could not be started; the operator can tell why";
            self.not_begun(course, child, Denial::new(Reason::NotNow, why, "ask again later"));
        }
    }

    /// A child that does not begin: what was reserved for it comes back, and who asked is told why.
    pub(super) fn not_begun(&mut self, course: &mut Course, child: u32, denial: Denial) {
        let why = denial.why.clone();
        if let Some(kid) = self.children.kids.get_mut(&child)
            && let Some(number) = kid.asked.take()
        {
            self.answer_petition(number, Answer::Denied(denial));
        }
        self.over(course, child, (125, &why), (Amounts::default(), 0));
    }
}
