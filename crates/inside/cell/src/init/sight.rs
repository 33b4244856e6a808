//! What a held call means: which program reaches out, and what a process is about to execute. All of it is the
//! agent's words or the kernel's facts about them, read under bounds; nothing here decides.

use super::held::{Call, Ids, Process, Processes, Program, read_memory};
use plan::Sighting;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{Mode, OFlags};
use rustix::net::{ipproto, sockopt};

/// Programs in a chain.
const LONGEST_CHAIN: usize = 16;
/// Bytes of all names in a chain.
const CHAIN_BYTES: usize = 6 * 1024;
/// Arguments told of one execution.
const ARGUMENTS: usize = 32;
/// Bytes told of one argument.
const ARGUMENT_BYTES: usize = 256;
/// Bytes of all arguments, as sent.
const ARGUMENTS_BYTES: usize = 4 * 1024;
/// Bytes told of a path.
const PATH_BYTES: usize = 1024;

/// The sighting of a connect; none where no TCP socket is meant. Without the socket's cookie nothing can be
/// joined, so what cannot be read is none as well: the program is then unknown.
pub(super) fn connect(call: &Call, known: &mut Processes, processes: BorrowedFd<'_>, agent: u32) -> Option<Sighting> {
    let (caller, ids) = known.of(call.thread).ok()?;
    // The descriptor is an int to the kernel too.
    let socket = caller.process.descriptor(call.arguments[0] as i32).ok()?;
    // By one question: only streams of the internet's two families speak it.
    if sockopt::socket_protocol(&socket).ok()? != Some(ipproto::TCP) {
        return None;
    }
    let cookie = sockopt::socket_cookie(&socket).ok()?;
    drop(socket);
    let told = ids.is_some();
    let ids = or_by_status(ids, call.thread, processes);
    // A kernel that does not tell ids by descriptor cannot say either that the process is still the same.
    let program = match told {
        true => program(&mut caller.program, ids.process, processes),
        false => executable(ids.process, processes),
    };
    let chain = chain(program, ids, processes, (agent, &mut known.agent));
    Some(Sighting::Connect { cookie, pid: ids.process, chain })
}

/// The executables from a process's own up to pid 1's, which is left out and whose child the agent is. One that cannot be told
/// within the bounds is an empty name, which no rule names: a name that was cut could be another's.
fn chain(own: String, ids: Ids, processes: BorrowedFd<'_>, (agent, agents): (u32, &mut Program)) -> Vec<String> {
    let mut chain = Vec::with_capacity(4);
    let mut room = CHAIN_BYTES;
    let mut at = ids;
    let mut own = Some(own);
    while at.process > 1 && chain.len() < LONGEST_CHAIN {
        let name = match own.take() {
            Some(own) => own,
            None if at.process == agent => program(agents, agent, processes),
            None => executable(at.process, processes),
        };
        let name = if name.len() <= room { name } else { String::new() };
        room -= name.len();
        chain.push(name);
        if at.parent <= 1 {
            break;
        }
        if at.parent == agent {
            at = Ids { process: agent, parent: 1 };
            continue;
        }
        at = match Process::of(at.parent) {
            Ok(process) => self::ids(&process, at.parent, processes),
            Err(_) => break,
        };
    }
    chain
}

/// What a process executes, by its link.
fn program(of: &mut Program, process: u32, processes: BorrowedFd<'_>) -> String {
    of.link(process, processes).map_or_else(String::new, |found| link("", found))
}

/// The sighting of an execution.
pub(super) fn execute(call: &Call, processes: BorrowedFd<'_>, by: Option<&str>) -> Sighting {
    let at = call.number != libc::SYS_execve as i32;
    let (path, list) = if at { (call.arguments[1], call.arguments[2]) } else { (call.arguments[0], call.arguments[1]) };
    let mut claimed = text(call.thread, path, PATH_BYTES);
    if at && claimed.is_empty() {
        // fexecve: the program is a descriptor.
        claimed = link(&format!("{}/fd/{}", call.thread, call.arguments[0] as i32), processes);
    }
    let ids = match Process::of(call.thread) {
        Ok(process) => ids(&process, call.thread, processes),
        Err(_) => Ids { process: call.thread, parent: 0 },
    };
    let by = by.map_or_else(|| executable(ids.process, processes), Into::into);
    Sighting::Execute { pid: ids.process, parent: ids.parent, by, claimed, arguments: arguments(call.thread, list) }
}

fn arguments(thread: u32, list: u64) -> Vec<String> {
    let mut pointers = [0_u8; ARGUMENTS * 8];
    let got = read_memory(thread, list, &mut pointers);
    let (words, _) = pointers[..got].as_chunks::<8>();
    let mut room = ARGUMENTS_BYTES;
    let mut arguments = Vec::new();
    for pointer in words.iter().map(|word| u64::from_ne_bytes(*word)).take_while(|pointer| *pointer != 0) {
        let argument = text(thread, pointer, ARGUMENT_BYTES);
        if argument.len() > room {
            break;
        }
        room -= argument.len();
        arguments.push(argument);
    }
    arguments
}

/// A C string of a process, cut to `longest` bytes.
fn text(thread: u32, address: u64, longest: usize) -> String {
    let mut bytes = [0_u8; PATH_BYTES];
    let bytes = &mut bytes[..longest];
    let got = read_memory(thread, address, bytes);
    let end = bytes[..got].iter().position(|byte| *byte == 0).unwrap_or(got);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn executable(process: u32, processes: BorrowedFd<'_>) -> String {
    let mut name = [0; 20];
    link(path_of(process, "/exe", &mut name), processes)
}

/// `PID` and a suffix as text, without the allocator.
fn path_of<'a>(process: u32, suffix: &str, space: &'a mut [u8; 20]) -> &'a str {
    use std::io::Write;
    let mut rest = &mut space[..];
    let _ = write!(rest, "{process}{suffix}");
    let left = rest.len();
    std::str::from_utf8(&space[..20 - left]).unwrap_or_default()
}

/// What a link says, empty where that is nothing, or longer than is told.
fn link(path: &str, beneath: BorrowedFd<'_>) -> String {
    let mut space = [std::mem::MaybeUninit::uninit(); PATH_BYTES];
    match rustix::fs::readlinkat_raw(beneath, path, &mut space) {
        Ok((said, _)) if said.len() < PATH_BYTES => String::from_utf8_lossy(said).into_owned(),
        _ => String::new(),
    }
}

/// A process's ids, from /proc where the kernel does not tell them by descriptor.
fn ids(process: &Process, thread: u32, processes: BorrowedFd<'_>) -> Ids {
    or_by_status(process.ids(), thread, processes)
}

fn or_by_status(told: Option<Ids>, thread: u32, processes: BorrowedFd<'_>) -> Ids {
    told.or_else(|| ids_by_status(thread, processes)).unwrap_or(Ids { process: thread, parent: 0 })
}

fn ids_by_status(thread: u32, processes: BorrowedFd<'_>) -> Option<Ids> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(processes, format!("{thread}/status"), flags, Mode::empty()).ok()?;
    let mut bytes = [0; 512];
    let got = rustix::io::read(file.as_fd(), &mut bytes).ok()?;
    let text = std::str::from_utf8(bytes.get(..got)?).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(Ids { process: field("Tgid:")?, parent: field("PPid:")? })
}
