//! `ls` and `show`.

use super::table::{minute, table, time};
use crate::errors::wrap;
use crate::words;
use policy::Amounts;
use record::Wall;
use wire::command::{Built, ChildInfo, Counted, DiskInfo, Removed, SessionInfo, SessionState, UpgradeAnswer};

/// One line for each session.
pub(super) fn list(sessions: &[SessionInfo]) -> String {
    if sessions.is_empty() {
        return "no sessions; `bastide run -- CMD` begins one\n".to_owned();
    }
    let mut head = ["SESSION", "NAME", "STATE", "STARTED", "EXIT", "COMMAND"].map(String::from).to_vec();
    // A column that most operators never need.
    let asked = sessions.iter().any(|session| !asks(session).is_empty());
    if asked {
        head.insert(3, "ASKS".to_owned());
    }
    let risky = sessions.iter().any(|session| !risk(session).is_empty());
    if risky {
        head.insert(3, "RISK".to_owned());
    }
    // Where sub-agents take room that is counted as their parent's.
    let heavy = sessions.iter().any(|session| session.disk.is_some_and(|disk| disk.below > 0));
    if heavy {
        head.insert(3, "DISK".to_owned());
    }
    let rows = tree(sessions).into_iter().map(|(session, depth)| {
        let mut row = vec![
            format!("{}{}", "  ".repeat(depth), words::line(&session.id, 24)),
            session.name.as_deref().map_or_else(|| "-".to_owned(), |name| words::line(name, 16)),
            state(session).to_owned(),
            minute(session.started),
            session.exit.map_or_else(|| "-".to_owned(), |exit| exit.to_string()),
            words::line(&session.command.join(" "), 60),
        ];
        if asked {
            row.insert(3, asks(session));
        }
        if risky {
            row.insert(3, risk(session));
        }
        if heavy {
            row.insert(3, session.disk.map_or_else(String::new, |disk| bytes(disk.own.saturating_add(disk.below))));
        }
        row
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// Each session with those below it, and how deep it is. Those whose parent is not listed stand for themselves.
fn tree(sessions: &[SessionInfo]) -> Vec<(&SessionInfo, usize)> {
    let listed = |id: &str| sessions.iter().any(|session| session.id == id);
    let of =
        |session: &SessionInfo| session.parent.as_ref().map(|parent| parent.session.clone()).filter(|id| listed(id));
    let mut open: Vec<(&SessionInfo, usize)> =
        sessions.iter().rev().filter(|session| of(session).is_none()).map(|session| (session, 0)).collect();
    let mut told = Vec::new();
    while let Some((session, depth)) = open.pop() {
        told.push((session, depth));
        // The first that was asked for stands first.
        let mut below: Vec<_> = sessions.iter().filter(|one| of(one).as_ref() == Some(&session.id)).collect();
        below.sort_by_key(|one| std::cmp::Reverse(one.parent.as_ref().map(|parent| parent.child)));
        open.extend(below.into_iter().map(|one| (one, depth + 1)));
    }
    told
}

/// All that is known of one.
pub(super) fn one(session: &SessionInfo) -> String {
    let mut rows = Vec::new();
    let mut row = |label: &str, value: String| rows.push(vec![label.to_owned(), value]);
    row("session", words::line(&session.id, 64));
    if let Some(name) = &session.name {
        row("name", words::line(name, 64));
    }
    row("state", stands(session));
    row("started", time(session.started));
    if let Some(ended) = session.ended {
        row("ended", time(ended));
    }
    if let Some(exit) = session.exit {
        row("exit", exit.to_string());
    }
    if let Some(asks) = session.live.as_ref().map(|live| live.asks).filter(|asks| *asks > 0) {
        let shows = if asks == 1 {
            "waits for an answer; `bastide approve` shows it"
        } else {
            "wait for an answer; `bastide approve` shows them"
        };
        row("asks", format!("{asks} {shows}"));
    }
    if let Some(parent) = &session.parent {
        let what = match &parent.server {
            Some(server) => format!("server `{}`", words::line(server, 40)),
            None => format!("sub-agent {}", parent.child),
        };
        row("parent", format!("{what} of {}", words::line(&parent.session, 40)));
    }
    row("command", words::line(&session.command.join(" "), 64));
    // A server has none.
    if !session.workspace.as_os_str().is_empty() {
        row("workspace", words::quoted(session.workspace.as_os_str().as_encoded_bytes(), 64));
    }
    row("mode", words::line(&session.mode, 64));
    let revision = session.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
    row("policy", words::line(&session.policy, 64) + &revision);
    if let Some(live) = session.live.as_ref().filter(|live| live.risk > 0 || live.narrowed) {
        let narrowed = match live.narrowed {
            true if live.inherited => {
                "; the policy is narrowed with its parent's: `bastide policy undo` of that takes it back"
            }
            true => "; the policy is narrowed: `bastide policy undo` takes that back",
            false => "",
        };
        row("risk", format!("{} of 100{narrowed}", live.risk));
    }
    if let Some(bodies) = session.bodies {
        row("bodies", format!("{} in the record", bodies.name()));
    }
    if let Some(pending) = session.pending {
        row("pending", pending_line(pending));
    }
    if let Some(disk) = session.disk {
        row("disk", disk_line(disk));
    }
    if let Some(models) = &session.models {
        row("models", words::line(&models.to_string(), 64));
    }
    if let Some(built) = &session.built {
        row("built", built_line(built));
    }
    for risk in &session.accepted_risks {
        row("risk accepted", words::line(risk, 60));
    }
    let mut text = table(&rows);
    text.push_str(&children(session.children.as_deref().unwrap_or_default()));
    text.push_str(&walls("layers", session.layers.as_deref().unwrap_or_default(), "does not hold"));
    text.push_str(&walls("limits", session.limits.as_deref().unwrap_or_default(), "in part"));
    text.push_str(&counts("allowed", session.allowed.as_deref().unwrap_or_default()));
    text.push_str(&counts("refused", session.refused.as_deref().unwrap_or_default()));
    // Last, so that it cannot pass for what is said above.
    if let Some(words) = &session.reported {
        text.push_str(&format!("\nreported, in the agent's own words\n  \"{}\"\n", words::line(words, 300)));
    }
    text
}

/// A table of sub-agents; nothing where there are none.
fn children(children: &[ChildInfo]) -> String {
    if children.is_empty() {
        return String::new();
    }
    let rows = children.iter().map(|one| {
        let of = match (&one.used, &one.session) {
            (Some(used), _) if *used == Amounts::default() => format!("ended; was given {}", one.budget),
            (Some(used), _) => format!("ended; used up {used} of {}", one.budget),
            (None, Some(_)) => format!("may use up {}", one.budget),
            (None, None) => format!("begins; may use up {}", one.budget),
        };
        let session = one.session.as_deref().map_or_else(|| "-".to_owned(), |session| words::line(session, 24));
        vec![format!("  {}", one.child), session, words::line(&of, 100)]
    });
    format!("\nsub-agents\n{}", table(&rows.collect::<Vec<_>>()))
}

/// How high the risk is, and whether the policy is narrowed for it; empty where there is none.
fn risk(session: &SessionInfo) -> String {
    match &session.live {
        Some(live) if live.inherited => format!("{} narrowed above", live.risk),
        Some(live) if live.narrowed => format!("{} narrowed", live.risk),
        Some(live) if live.risk > 0 => live.risk.to_string(),
        _ => String::new(),
    }
}

/// Questions that wait, and how many were asked in the last hour.
fn asks(session: &SessionInfo) -> String {
    match &session.live {
        Some(live) if live.asks > 0 => format!("{} wait, {}/h", live.asks, live.asks_hour),
        Some(live) if live.asks_hour > 0 => format!("{}/h", live.asks_hour),
        _ => String::new(),
    }
}

fn built_line(built: &Built) -> String {
    let Built { build, control, streams, plan, lease } = built;
    let control = if control.0 == control.1 { control.1.to_string() } else { format!("{}-{}", control.0, control.1) };
    format!("{}: control {control}, streams {streams}, cell {plan}, gate {lease}", words::line(build, 24))
}

/// What was removed, or would be, and what stays.
pub(super) fn removed(answer: &Removed) -> String {
    let done = if answer.dry_run { "would be removed" } else { "removed" };
    let mut text = String::new();
    for id in &answer.sessions {
        text.push_str(&format!("{done}: session {}\n", words::line(id, 64)));
    }
    for home in &answer.homes {
        text.push_str(&format!("{done}: home {}\n", words::quoted(home.as_bytes(), 64)));
    }
    for (what, why) in &answer.left {
        text.push_str(&wrap(&format!("stays: {}: {}", words::line(what, 64), words::line(why, 300))));
    }
    if text.is_empty() { "nothing to remove\n".to_owned() } else { text }
}

/// Which sessions would not go on in every way.
pub(super) fn upgrade(answer: &UpgradeAnswer) -> String {
    let mut text = format!("on disk: {}\n", built_line(&answer.ours));
    for session in &answer.sessions {
        let name = session.name.as_ref().map(|name| format!(" ({})", words::line(name, 64))).unwrap_or_default();
        let id = words::line(&session.session, 64);
        let built = session.built.as_ref().map_or_else(|| "not known".to_owned(), built_line);
        text.push_str(&format!("session {id}{name}: {built}\n"));
        for stop in &session.stops {
            text.push_str(&wrap(&format!("  stops: {}", words::line(stop, 300))));
        }
    }
    let stopped = answer.sessions.iter().filter(|session| !session.stops.is_empty()).count();
    text.push_str(&match stopped {
        0 => format!("{} sessions run, and all go on in every way\n", answer.sessions.len()),
        some => format!("{some} of {} sessions would not go on in every way\n", answer.sessions.len()),
    });
    text
}

fn disk_line(DiskInfo { own, below }: DiskInfo) -> String {
    let whole = bytes(own.saturating_add(below));
    if below == 0 { whole } else { format!("{whole}, {} of it what its sub-agents see and changed", bytes(below)) }
}

/// In the unit of which there is at least one, as `du -h` says it.
fn bytes(count: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| count >> shift > 0);
    unit.map_or_else(
        || format!("{count} bytes"),
        |(name, shift)| {
            let tenths = (u128::from(count) * 10) >> shift;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

fn pending_line(pending: u64) -> String {
    match pending {
        0 => "nothing".to_owned(),
        1 => "1 path; `bastide diff`, then apply or discard".to_owned(),
        more => format!("{more} paths; `bastide diff`, then apply or discard"),
    }
}

/// In one word.
pub(crate) fn state(session: &SessionInfo) -> &'static str {
    let live = session.live.as_ref();
    match session.state {
        SessionState::Running if live.is_some_and(|live| live.ending) => "ending",
        SessionState::Running if live.is_some_and(|live| live.paused.is_some()) => "paused",
        SessionState::Running => "running",
        SessionState::Ended => "ended",
        SessionState::Lost => "lost",
    }
}

/// The same, with what its process says.
fn stands(session: &SessionInfo) -> String {
    let Some(live) = &session.live else { return state(session).to_owned() };
    let by = live.paused.map(|means| format!(" {means}")).unwrap_or_default();
    format!("{}{by}, held by process {}", state(session), live.pid)
}

/// A table of layers or limits, with a heading; nothing where there are none.
pub(super) fn walls(label: &str, walls: &[Wall], otherwise: &str) -> String {
    if walls.is_empty() {
        return String::new();
    }
    let rows = walls.iter().map(|wall| {
        let holds = if wall.holds { "holds" } else { otherwise };
        vec![format!("  {}", words::line(&wall.name, 24)), holds.to_owned(), words::line(&wall.detail, 80)]
    });
    format!("\n{label}\n{}", table(&rows.collect::<Vec<_>>()))
}

fn counts(label: &str, counts: &[Counted]) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let rows = counts.iter().map(|one| vec![format!("  {}x", one.times), words::quoted(one.what.as_bytes(), 66)]);
    format!("\n{label}\n{}", table(&rows.collect::<Vec<_>>()))
}
