//! The host's resolvers and names, which a gate reads nowhere: where they change while a session runs, it is told of the new ones.
//! A host comes to another network, and a session that began in the first one found no name any more.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wire::GateOrder;

use super::Session;
use crate::session::host;

/// What says so.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// The files as they were seen last.
#[derive(Debug)]
pub(super) struct Names([Option<Seen>; 2]);

/// Device, inode, length and change time of a file, wherever a link leads.
type Seen = (u64, u64, u64, i64, i64);

impl Names {
    pub(super) fn begin() -> Names {
        Names(FILES.map(|file| seen(Path::new(file))))
    }

    /// Whether one is another than when this was asked last.
    fn changed(&mut self, now: [Option<Seen>; 2]) -> bool {
        std::mem::replace(&mut self.0, now) != now
    }
}

fn seen(file: &Path) -> Option<Seen> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.dev(), meta.ino(), meta.len(), meta.ctime(), meta.ctime_nsec()))
}

impl Session<'_> {
    /// Tells the gate where something changed. Whoever is asked now is asked on where a file names nobody, as one does that is
    /// just being written.
    pub(super) fn watch_names(&mut self, names: &mut Names) {
        if !names.changed(FILES.map(|file| seen(Path::new(file)))) {
            return;
        }
        let nameservers = host::nameservers();
        if nameservers.is_empty() {
            return;
        }
        let frame = wire::encode(&GateOrder::Names { nameservers, hosts: host::hosts() });
        if let (Some(gate), Ok(frame)) = (&mut self.gate, frame) {
            gate.tell_all(&frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_or_put_in_the_place_of_another_is_another() {
        let room = tempfile::tempdir().expect("a directory");
        let [file, new] = ["resolv.conf", "new"].map(|name| room.path().join(name));
        let mut names = Names([None, None]);
        let mut changed = || names.changed([seen(&file), None]);
        assert!(!changed());
        std::fs::write(&file, "nameserver 192.0.2.1\n").expect("written");
        assert!(changed() && !changed());
        std::fs::write(&new, "nameserver 192.0.2.2\n").expect("written");
        std::fs::rename(&new, &file).expect("renamed");
        assert!(changed() && !changed());
        std::fs::remove_file(&file).expect("removed");
        assert!(changed() && !changed());
    }
}
