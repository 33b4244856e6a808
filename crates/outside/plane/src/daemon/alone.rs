//! The daemon that begins by itself: a run that found none starts it and does not wait. It ends by itself too: when nothing
//! was begun here for a while and nobody is being answered, when its programs or its state are replaced or gone, and when
//! a daemon that the operator started wants its place. Nothing depends on it, whenever it goes.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use wire::command::Problem;

use super::{Post, lock, ready, serve};
use crate::problem::NOT_RUN;
use crate::store::Store;
use crate::verbs::Place;
use crate::{channel, peer, waiting};

/// How long nothing may be begun.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// What the lock's file says of one.
const BY_ITSELF: &str = "by itself";
/// How long one has to leave its place.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the lock may be somebody's who has not said who it is, or who has just ended.
const SETTLED: Duration = Duration::from_secs(1);

/// Serves until there is no reason left to. The exit code.
#[must_use]
pub fn serve_alone() -> u8 {
    // It must not end with the terminal of whoever's run was the first.
    let _ = rustix::process::setsid();
    match begin() {
        Some(()) => 0,
        None => NOT_RUN,
    }
}

/// None where one serves already, or it cannot.
fn begin() -> Option<()> {
    let place = Place::of_environment().ok()?;
    let mut held = lock(&place).ok()?;
    held.write_all(BY_ITSELF.as_bytes()).ok()?;
    let post = Post::take(place.store.root().join(wire::api::NAME)).ok()?;
    let (ours, theirs) = channel::pair().ok()?;
    let programs = waiting::stamps().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let ready = ready::Ready::ask();
        let idle = async {
            while is_wanted(&place.store, &post) && waiting::stamps().is_ok_and(|now| now == programs) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            _ = serve::serve(&post, ours.as_fd()) => {}
            () = idle => {}
        }
        drop((ready, theirs));
    });
    Some(())
}

/// Whether something was begun lately, or somebody is being answered.
fn is_wanted(store: &Store, post: &Post) -> bool {
    if !post.stands() {
        return false;
    }
    // A session's directory is made in this one.
    let begun = fs::metadata(store.sessions()).and_then(|meta| meta.modified());
    let lately = begun.is_ok_and(|begun| SystemTime::now().duration_since(begun).is_ok_and(|since| since < IDLE));
    // One child is who keeps a cell ready.
    lately || children() > 1
}

fn children() -> usize {
    let own = std::process::id();
    let text = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    text.split_whitespace().count()
}

/// The lock, for a daemon that the operator started: one that began by itself leaves its place for it.
///
/// # Errors
/// When one serves already that does not leave, or it cannot be taken.
pub(super) fn take(place: &Place) -> Result<File, Problem> {
    let root = place.store.root();
    let began = Instant::now();
    let held = loop {
        let problem = match lock(place) {
            Ok(held) => break held,
            Err(problem) => problem,
        };
        // Asked anew each time: it may not have said yet what it is, nor listened.
        let patience = if ask_to_leave(root) { PATIENCE } else { SETTLED };
        if began.elapsed() > patience {
            return Err(problem);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // Its cell that was kept ready goes with it.
    if let Ok(stamps) = waiting::stamps() {
        let ready = wire::waiting::socket(root, &stamps);
        while began.elapsed() < PATIENCE && Post::is_taken(&ready) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(held)
}

/// Who listens for the API is asked, and nobody else: by a number that stays its own meanwhile. True where one that began by
/// itself has the place.
fn ask_to_leave(root: &Path) -> bool {
    // Connected before it is read: one that the operator started listens only after it says so.
    let stream = UnixStream::connect(root.join(wire::api::NAME));
    if fs::read_to_string(root.join(super::LOCK)).ok().as_deref() != Some(BY_ITSELF) {
        return false;
    }
    if let Some(daemon) = stream.ok().and_then(|stream| peer::operator(&stream).ok()) {
        let _ = daemon.ask_to_end();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_lock_has_a_moment_to_say_who_it_is_and_one_that_serves_stays() {
        let top = tempfile::tempdir().expect("a directory");
        let store = Store::open(top.path().to_str(), None).expect("a state");
        let place = Place { store, home: top.path().into() };
        let mut held = lock(&place).expect("nobody has it");
        // One that began by itself: it has the lock, and says so and listens only afterwards; nobody asks it to leave here.
        let leaves = std::thread::spawn(move || {
            std::thread::sleep(SETTLED / 4);
            held.write_all(BY_ITSELF.as_bytes()).expect("says so");
            std::thread::sleep(SETTLED / 4);
        });
        let held = take(&place).expect("the other left");
        leaves.join().expect("left");
        held.set_len(0).expect("the operator's");
        assert!(take(&place).is_err(), "one that the operator started was put out");
    }
}
