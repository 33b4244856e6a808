//! Work on the bytes of one request that takes long and needs nothing else of the session: a second thread does it, so that the
//! gate hears its plane and serves everybody else meanwhile. What changes the session stays with the gate's own thread, which
//! takes the result as if it had done the work at once.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::{Semaphore, oneshot};

use crate::confine::{ConfineError, Prepared, confine_thread};

/// Fewer bytes are looked at where they are: even such as were made to take long are done with in a moment.
const LONG: usize = 16 << 10;
/// Bytes of the thread's stack: what is nested is undone within itself.
const STACK: usize = 4 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// The second thread; by default there is none, and all is done at once.
#[derive(Debug, Default)]
pub struct Aside(Option<Worker>);

#[derive(Debug)]
struct Worker {
    jobs: mpsc::Sender<Job>,
    /// One job at a time, with the bytes that it holds: others wait with those who want them done, and end with them.
    turn: Arc<Semaphore>,
}

/// A second thread that begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    worker: Worker,
    confined: mpsc::Receiver<Result<(), ConfineError>>,
}

/// The thread is gone, and what it held with it.
#[derive(Debug, thiserror::Error)]
#[error("what looks into it is gone")]
pub(crate) struct Lost;

impl Aside {
    /// Begins the thread, which confines itself before it does anything.
    ///
    /// # Errors
    /// When there can be none.
    pub(crate) fn begin(walls: &Arc<Prepared>) -> io::Result<Beginning> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (tell, confined) = mpsc::channel();
        let walls = Arc::clone(walls);
        thread::Builder::new().stack_size(STACK).spawn(move || {
            let built = confine_thread(&walls);
            let stands = built.is_ok();
            if tell.send(built).is_ok() && stands {
                todo.into_iter().for_each(|job| job());
            }
        })?;
        Ok(Beginning { worker: Worker { jobs, turn: Arc::new(Semaphore::new(1)) }, confined })
    }

    /// Whether so many bytes are worked on aside.
    pub(crate) const fn takes(&self, bytes: usize) -> bool {
        self.0.is_some() && bytes >= LONG
    }

    /// Lets everybody else have a turn, the plane first, before so many bytes are worked on here.
    pub(crate) async fn breathe(&self, bytes: usize) {
        if bytes >= LONG {
            tokio::task::yield_now().await;
        }
    }

    /// Does some work on so many bytes, in its turn.
    ///
    /// # Errors
    /// [`Lost`]: nothing is known of what it was to find out.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let Some(worker) = self.0.as_ref().filter(|_| self.takes(bytes)) else { return Ok(work()) };
        let turn = Arc::clone(&worker.turn).acquire_owned().await.map_err(|_| Lost)?;
        let (give, given) = oneshot::channel();
        let job = move || {
            let done = work();
            // Before whoever waits goes on.
            drop(turn);
            let _ = give.send(done);
        };
        worker.jobs.send(Box::new(job)).map_err(|_| Lost)?;
        given.await.map_err(|_| Lost)
    }
}

impl Beginning {
    /// The thread, once it is confined.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn confined(self) -> Result<Aside, ConfineError> {
        let built = self.confined.recv().unwrap_or(Err(ConfineError::NoThread));
        built.map(|()| Aside(Some(self.worker)))
    }
}
