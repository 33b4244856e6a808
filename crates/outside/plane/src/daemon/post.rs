//! A place that clients know, and the socket that listens there.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Clients that may wait to be taken.
const BACKLOG: i32 = 64;

/// Dropped, the place is free.
#[derive(Debug)]
pub(crate) struct Post {
    path: PathBuf,
    inode: u64,
    listener: OwnedFd,
}

impl Post {
    /// Listens beside the place first, so that whoever connects there is heard.
    ///
    /// # Errors
    /// The kernel's error.
    pub(crate) fn take(path: PathBuf) -> io::Result<Post> {
        let beside = path.with_extension(std::process::id().to_string());
        let listening = listen(&beside).and_then(|listener| {
            let inode = fs::symlink_metadata(&beside)?.ino();
            fs::rename(&beside, &path)?;
            Ok((listener, inode))
        });
        if listening.is_err() {
            let _ = fs::remove_file(&beside);
        }
        let (listener, inode) = listening?;
        Ok(Post { path, inode, listener })
    }

    /// Whether the place is still this one's: nobody took it over, and it was not removed.
    pub(crate) fn stands(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode)
    }

    /// Whether somebody listens at a place.
    pub(crate) fn is_taken(path: &Path) -> bool {
        let connect = || {
            let ours = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
            rustix::net::connect(&ours, &SocketAddrUnix::new(path)?)
        };
        connect().is_ok()
    }
}

impl AsFd for Post {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Post {
    /// Whoever took the place over meanwhile keeps it.
    fn drop(&mut self) {
        if self.stands() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn listen(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // The file gets the mode of the socket.
    rustix::fs::fchmod(&listener, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&listener, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}
