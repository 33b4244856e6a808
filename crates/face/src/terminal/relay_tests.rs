use super::*;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::rc::Rc;

fn pipe() -> (Rc<OwnedFd>, Rc<OwnedFd>) {
    let (read, write) = rustix::pipe::pipe().expect("pipe");
    (Rc::new(read), Rc::new(write))
}

fn file(fd: Rc<OwnedFd>) -> std::fs::File {
    std::fs::File::from(Rc::into_inner(fd).expect("the only holder"))
}

#[test]
fn bytes_pass_a_pipe_unfiltered_to_the_end() {
    let (inner_read, inner_write) = pipe();
    let (outer_read, outer_write) = pipe();
    let sent: Vec<u8> = (0..300_000_u32).flat_map(|n| [b'\x1b', b'[', b'c', n as u8]).collect();
    let expected = sent.clone();
    let mut inner = file(inner_write);
    let writer = std::thread::spawn(move || inner.write_all(&sent));
    let mut outer = file(outer_read);
    let reader = std::thread::spawn(move || {
        let mut found = Vec::new();
        outer.read_to_end(&mut found).map(|_| found)
    });
    let mut signals = Signals::watch(&[]).expect("signals");
    Relay::new(vec![Flow::output(inner_read, outer_write)]).drain(&mut signals).expect("relay");
    writer.join().expect("writer").expect("written");
    assert_eq!(reader.join().expect("reader").expect("read"), expected);
}

#[test]
fn a_reader_that_left_ends_the_flow() {
    let (inner_read, inner_write) = pipe();
    let (outer_read, outer_write) = pipe();
    drop(outer_read);
    rustix::io::write(&inner_write, b"x").expect("write");
    let mut signals = Signals::watch(&[]).expect("signals");
    Relay::new(vec![Flow::output(inner_read, outer_write)]).drain(&mut signals).expect("relay");
    assert_eq!(rustix::io::write(&inner_write, b"x"), Err(Errno::PIPE));
}

#[test]
fn the_end_of_input_closes_the_inner_end() {
    let (outer_read, outer_write) = pipe();
    let (inner_read, inner_write) = pipe();
    let (control, _held) = pipe();
    rustix::io::write(&outer_write, b"all").expect("write");
    drop(outer_write);
    let mut signals = Signals::watch(&[]).expect("signals");
    let mut relay = Relay::new(vec![Flow::input(outer_read, inner_write)]);
    while !relay.flows.is_empty() {
        assert_eq!(relay.turn(&mut signals, control.as_fd(), None).expect("turn"), Some(Vec::new()));
    }
    let mut found = String::new();
    file(inner_read).read_to_string(&mut found).expect("read");
    assert_eq!(found, "all");
}

#[test]
fn a_silent_cell_does_not_hold_up_the_end() {
    let (inner_read, inner_write) = pipe();
    let (outer_read, outer_write) = pipe();
    rustix::io::write(&inner_write, b"last words").expect("write");
    let mut signals = Signals::watch(&[]).expect("signals");
    let mut relay = Relay::new(vec![Flow::output(inner_read, outer_write)]);
    relay.drain(&mut signals).expect("drain");
    drop((relay, inner_write));
    let mut found = String::new();
    file(outer_read).read_to_string(&mut found).expect("read");
    assert_eq!(found, "last words");
}
