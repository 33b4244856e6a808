//! Starting the agent: the last steps between fork and exec, each giving something up.

use crate::confine::{self, Domain};
use crate::launch::failed;
use crate::seccomp;
use plan::{Failure, Layer, Plan, Stream};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::CString;

/// Everything that would allocate is made before the fork.
struct Prepared {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: CString,
    domain: Option<Domain>,
    filter: Option<Vec<libc::sock_filter>>,
    terminal: Option<usize>,
    keep_capabilities: bool,
    keep_privileges: bool,
    keep_descriptors: bool,
    limits: Vec<(u32, u64)>,
}

/// Starts the agent; the plan, which holds its environment, ends here.
pub(super) fn start(plan: Plan, stdio: [OwnedFd; 3]) -> Result<Pid, Failure> {
    let prepared = prepare(plan)?;
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| failed("make a pipe", errno))?;
    // SAFETY: pid 1 has one thread; the child may use everything it copied.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let (step, errno) = become_agent(prepared, &stdio);
        let code = errno.raw_os_error().to_le_bytes();
        let _ = rustix::io::write(&write, &[step as u8, code[0], code[1], code[2], code[3]]);
        // SAFETY: ends the child without pid 1's exit handlers.
        unsafe { libc::_exit(125) }
    }
    let child = Pid::from_raw(child).ok_or_else(|| failed("fork", Errno::AGAIN))?;
    drop((stdio, write));
    let mut answer = [0; 5];
    match rustix::io::read(&read, &mut answer) {
        Ok(0) => Ok(child),
        _ => Err(refused(answer)),
    }
}

/// The step at which the child failed.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Step {
    Stdio,
    Descriptors,
    Limits,
    Directory,
    Capabilities,
    Privileges,
    Landlock,
    Seccomp,
    Execute,
}

fn refused(answer: [u8; 5]) -> Failure {
    let errno = i32::from_le_bytes([answer[1], answer[2], answer[3], answer[4]]);
    let errno = Errno::from_raw_os_error(if errno == 0 { libc::EIO } else { errno });
    let named = |layer: Layer| Failure { layer: Some(layer), ..failed("confine the agent", errno) };
    match answer[0] {
        step if step == Step::Stdio as u8 => named(Layer::RelayedStdio),
        step if step == Step::Descriptors as u8 => named(Layer::SealedDescriptors),
        step if step == Step::Limits as u8 => failed("lower the resource limits", errno),
        step if step == Step::Directory as u8 => failed("enter the working directory", errno),
        step if step == Step::Capabilities as u8 => named(Layer::Capabilities),
        step if step == Step::Privileges as u8 => named(Layer::NoNewPrivileges),
        step if step == Step::Landlock as u8 => named(Layer::Landlock),
        step if step == Step::Seccomp as u8 => named(Layer::Seccomp),
        _ => {
            let exit = if errno == Errno::NOENT { 127 } else { 126 };
            Failure { exit, ..failed("execute the command", errno) }
        }
    }
}

fn prepare(plan: Plan) -> Result<Prepared, Failure> {
    let off = |layer| plan.without.contains(layer);
    let domain = (!off(Layer::Landlock)).then(|| Domain::build(&plan.landlock)).transpose().map_err(|error| {
        Failure { layer: Some(Layer::Landlock), ..failed(&format!("build the Landlock rules: {error}"), Errno::NOSYS) }
    })?;
    let filter = (!off(Layer::Seccomp)).then(|| seccomp::compile(&seccomp::AGENT)).transpose().map_err(|_| {
        Failure { layer: Some(Layer::Seccomp), ..failed("compile the system call filter", Errno::INVAL) }
    })?;
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| failed("read the command: a NUL byte", Errno::INVAL));
    let texts = |list: Vec<Vec<u8>>| list.into_iter().map(text).collect::<Result<Vec<_>, _>>();
    Ok(Prepared {
        domain,
        filter,
        terminal: plan.stdio.streams.iter().position(|stream| *stream == Stream::Terminal),
        keep_capabilities: off(Layer::Capabilities),
        keep_privileges: off(Layer::NoNewPrivileges) && off(Layer::Landlock) && off(Layer::Seccomp),
        keep_descriptors: off(Layer::SealedDescriptors),
        limits: plan.limits.rlimits,
        program: text(plan.command.program.into_bytes())?,
        directory: text(plan.command.directory.into_bytes())?,
        arguments: texts(plan.command.arguments)?,
        environment: texts(plan.command.environment)?,
    })
}

/// In the child: returns only when a step failed.
fn become_agent(prepared: Prepared, stdio: &[OwnedFd; 3]) -> (Step, Errno) {
    match confine(prepared, stdio) {
        Ok(never) => match never {},
        Err(failed) => failed,
    }
}

fn confine(prepared: Prepared, stdio: &[OwnedFd; 3]) -> Result<std::convert::Infallible, (Step, Errno)> {
    let at = |step: Step| move |errno: Errno| (step, errno);
    take_stdio(stdio, prepared.terminal).map_err(at(Step::Stdio))?;
    rustix::process::chdir(prepared.directory.as_c_str()).map_err(at(Step::Directory))?;
    for (resource, value) in &prepared.limits {
        let limit = libc::rlimit { rlim_cur: *value, rlim_max: *value };
        // SAFETY: the structure lives for the call; an unknown resource is refused by the kernel.
        if unsafe { libc::setrlimit(*resource, &raw const limit) } != 0 {
            return Err((Step::Limits, last_error()));
        }
    }
    if !prepared.keep_descriptors {
        confine::seal_descriptors(3).map_err(at(Step::Descriptors))?;
    }
    if !prepared.keep_capabilities {
        confine::drop_capabilities(0).map_err(at(Step::Capabilities))?;
    }
    if !prepared.keep_privileges {
        confine::no_new_privileges().map_err(at(Step::Privileges))?;
    }
    if let Some(domain) = prepared.domain {
        domain.enter().map_err(|_| (Step::Landlock, last_error()))?;
    }
    if let Some(filter) = &prepared.filter {
        seccomp::install(filter).map_err(|error| (Step::Seccomp, Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    }
    execute(&prepared.program, &prepared.arguments, &prepared.environment)
}

/// Leads its own session and process group, with the pty as its controlling terminal if there is one.
fn take_stdio(stdio: &[OwnedFd; 3], terminal: Option<usize>) -> rustix::io::Result<()> {
    rustix::process::setsid()?;
    rustix::stdio::dup2_stdin(&stdio[0])?;
    rustix::stdio::dup2_stdout(&stdio[1])?;
    rustix::stdio::dup2_stderr(&stdio[2])?;
    match terminal {
        Some(index) => rustix::process::ioctl_tiocsctty(&stdio[index]),
        None => Ok(()),
    }
}

fn execute(
    program: &CString,
    arguments: &[CString],
    environment: &[CString],
) -> Result<std::convert::Infallible, (Step, Errno)> {
    let pointers =
        |list: &[CString]| list.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both lists end in a null pointer and point to C strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Err((Step::Execute, last_error()))
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
