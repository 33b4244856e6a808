//! The DNS sockets of the door: every resolver address that a program asks leads here.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use policy::DnsName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::dns::{Answer, MAX_QUERY, answer};
use crate::door::Door;

/// Connections to the resolver at once.
const CONNECTIONS: usize = 16;
/// How long one may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a socket rests after a failure that is the kernel's.
const REST: Duration = Duration::from_millis(50);

/// Connections to the resolver at once, over both listeners.
#[must_use]
pub const fn most() -> u64 {
    2 * CONNECTIONS as u64
}

/// Answers datagrams for ever.
pub async fn datagrams<O>(door: Rc<Door<O>>, socket: UdpSocket) {
    // One byte more than the longest: what is longer shows.
    let mut query = [0; MAX_QUERY + 1];
    loop {
        match socket.recv_from(&mut query).await {
            Ok((length, from)) => {
                if let Some(bytes) = answer(&query[..length], &mut |name| door.resolve(name)) {
                    // As on every network, an answer that finds no room is lost.
                    let _ = socket.try_send_to(&bytes, from);
                }
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// Answers connections for ever.
pub async fn connections<O: 'static>(door: Rc<Door<O>>, listener: TcpListener) {
    let slots = std::sync::Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(slot) = std::sync::Arc::clone(&slots).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let door = Rc::clone(&door);
        tokio::task::spawn_local(async move {
            let _ = connection(&door, stream).await;
            drop(slot);
        });
    }
}

async fn connection<O>(door: &Door<O>, mut stream: TcpStream) -> io::Result<()> {
    let mut query = [0; MAX_QUERY];
    loop {
        let length = usize::from(timeout(PATIENCE, stream.read_u16()).await??);
        let Some(query) = query.get_mut(..length) else { return Ok(()) };
        timeout(PATIENCE, stream.read_exact(query)).await??;
        let Some(bytes) = answer(query, &mut |name| door.resolve(name)) else { return Ok(()) };
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        timeout(PATIENCE, stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat())).await??;
    }
}

impl<O> Door<O> {
    /// What becomes of a name.
    pub fn resolve(&self, name: &DnsName) -> Answer {
        // What a program was started by comes before what it asks for.
        if let Some(programs) = &self.programs {
            programs.hear(&self.passage.ledger);
        }
        self.passage.resolves(name)
    }
}
