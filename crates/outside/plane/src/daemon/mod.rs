//! The daemon: one for each user and state directory, in front of the processes that hold sessions.
//!
//! It is a switchboard. Whoever connects to its socket in the state directory gets a plane of his own, which speaks the HTTP
//! API (`wire::api`) with him as with the command; the daemon reads none of it (`serve.rs`). It keeps a cell ready for the
//! next run. Whatever a session needs to go on,
//! to end, or to stay as narrow as it is lies in the session's own process and directory: a daemon that is killed costs no
//! session anything, and the next one finds them all. It reads no secret: a run is taken by the process that will hold it.
//! The operator starts it (`bastide daemon`), or the first run does (`alone.rs`).

mod alone;
mod post;
mod ready;
mod serve;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use wire::command::{Problem, Reply};

use crate::channel::Client;
use crate::problem::{NO, NOT_RUN, problem, quoted, state};
use crate::store;
use crate::verbs::Place;

pub use alone::serve_alone;
pub(crate) use post::Post;
pub use serve::ANSWER;

/// The file whose lock says that a daemon serves this state.
const LOCK: &str = "daemon.lock";

/// Serves until this client leaves.
///
/// # Errors
/// When one serves already, or none can.
pub fn keep(client: &mut Client) -> Result<Reply, Problem> {
    let place = Place::of_environment()?;
    let root = place.store.root();
    let held = alone::take(&place)?;
    // No longer one that began by itself.
    held.set_len(0).map_err(|error| state("write", &root.join(LOCK), &error))?;
    for text in store::repair(&place.store) {
        client.reply(&Reply::Notice { text });
    }
    let path = root.join(wire::api::NAME);
    // The lock is ours: who listens there is a daemon's remains.
    let post = Post::take(path.clone()).map_err(|error| state("listen at", &path, &error))?;
    let address = quoted(&path.to_string_lossy());
    client.reply(&Reply::Notice { text: format!("serving the API at `{address}`, until this command ends") });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| cannot(&error))?;
    let served = tokio::task::LocalSet::new().block_on(&runtime, async {
        // Kept ready as long as it can be; runs depend on it in nothing.
        let ready = ready::Ready::ask();
        let served = serve::serve(&post, client.as_fd()).await;
        drop(ready);
        served
    });
    served.map(|()| Reply::Text { text: String::new() }).map_err(|error| cannot(&error))
}

fn cannot(error: &io::Error) -> Problem {
    problem("E-PLANE-098", format!("the daemon cannot serve: {error}"), "begin it again", NOT_RUN)
}

/// The lock of the state's daemon; the kernel lets go of it however that ends.
fn lock(place: &Place) -> Result<File, Problem> {
    let path = place.store.root().join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(|error| state("open", &path, &error))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => {
            let cause = "a daemon serves this state already";
            Err(problem("E-PLANE-097", cause, "one is enough: `bastide ls` shows what runs", NO))
        }
        Err(error) => Err(state("lock", &path, &error.into())),
    }
}
