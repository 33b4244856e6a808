//! What waits because it comes too fast: the record must not fill the disk, and nothing of it is left out for that.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::Passage;
use crate::asked::Asked;
use crate::flood::Flood;

/// How long a connection waits that comes too fast, before it is looked at again.
const REST: Duration = Duration::from_millis(20);

impl Passage {
    /// Waits for as long as this comes too fast.
    pub(super) async fn paced(&self, pace: &RefCell<Flood>, asked: &Asked) {
        self.listened().await;
        while !pace.borrow_mut().admit(Instant::now(), asked.weight()) {
            tokio::time::sleep(REST).await;
        }
    }

    /// Waits until more of what is said may be recorded.
    pub(crate) async fn listened(&self) {
        while self.ledger.borrow_mut().is_ahead() {
            tokio::time::sleep(REST).await;
        }
    }

    /// Waits for as long as refusals come too fast that are recorded each time.
    pub(crate) async fn stopped(&self, asked: &Asked) {
        self.paced(&self.stopped_pace, asked).await;
    }
}
