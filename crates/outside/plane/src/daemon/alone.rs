//! The daemon that begins by itself: a run that found none starts it and does not wait. It ends by itself too: when nothing
//! was begun here for a while and nobody is being answered, when its programs or its state are replaced or gone, and when
//! a daemon that the operator started wants its place. Nothing depends on it, whenever it goes.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

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

/// Has one that began by itself leave its place: for a daemon that the operator started. True when it is gone.
pub(super) fn gives_way(place: &Place) -> bool {
    let root = place.store.root();
    if fs::read_to_string(root.join(super::LOCK)).ok().as_deref() != Some(BY_ITSELF) || !ask_to_leave(root) {
        return false;
    }
    // Its cell that was kept ready goes with it.
    let ready = waiting::stamps().map(|stamps| wire::waiting::socket(root, &stamps));
    let until = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < until {
        if lock(place).is_ok() && !ready.as_ref().is_ok_and(|path| Post::is_taken(path)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Who listens for the API is asked, and nobody else: by a number that stays its own meanwhile.
fn ask_to_leave(root: &Path) -> bool {
    let Ok(stream) = std::os::unix::net::UnixStream::connect(root.join(wire::api::NAME)) else { return true };
    peer::operator(&stream).is_ok_and(|daemon| daemon.ask_to_end())
}
