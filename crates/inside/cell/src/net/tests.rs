//! The network of a cell on the real kernel, in a namespace of the test's own thread.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

const DOOR: plan::Door = plan::Door { tcp_port: 61001, dns_port: 61053 };

/// Runs the body on a thread with its own network namespace (and user namespace when not root).
fn in_namespace(body: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        // SAFETY: unshare changes only this thread's namespaces (no CLONE_NEWUSER, which needs one thread).
        let made = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        assert_eq!(made, 0, "needs CAP_SYS_ADMIN: {}", std::io::Error::last_os_error());
        route::capture_everything(true).expect("loopback answers for every address");
        fence::raise(&DOOR, true).expect("capture and fence");
        body();
    })
    .join()
    .expect("the namespace's thread");
}

/// What the listener sees of one connection that `connect` makes: its first byte.
fn first_byte(listener: std::os::fd::OwnedFd, connect: impl FnOnce() -> TcpStream) -> u8 {
    let listener = TcpListener::from(listener);
    listener.set_nonblocking(false).expect("blocking");
    let mut client = connect();
    client.write_all(b"x").expect("writes");
    let (mut served, _) = listener.accept().expect("captured");
    let mut byte = [0];
    served.read_exact(&mut byte).expect("reads");
    byte[0]
}

/// What comes of a datagram that is not let through. The kernel may drop one of its own words when it is busy; so it is
/// said again.
fn refused(client: &UdpSocket) -> std::io::Error {
    client.set_read_timeout(Some(std::time::Duration::from_millis(500))).expect("bounded");
    let said = || client.send(b"x").and_then(|_| client.recv(&mut [0])).expect_err("refused");
    let errors = (0..20).map(|_| said());
    errors.into_iter().find(|error| error.kind() != std::io::ErrorKind::WouldBlock).expect("a word of the kernel")
}

#[test]
fn any_address_of_both_families_ends_at_the_door() {
    in_namespace(|| {
        let mut sockets = sockets::open(&DOOR, true).expect("sockets").into_iter();
        let (v4, v6) = (sockets.next().expect("v4"), sockets.next().expect("v6"));
        let connect = |to: &'static str| move || TcpStream::connect(to).expect("connects");
        assert_eq!(first_byte(v4, connect("203.0.113.9:443")), b'x');
        assert_eq!(first_byte(v6, connect("[2001:db8::1]:8443")), b'x');
    });
}

#[test]
fn loopback_stays_the_cells_own() {
    in_namespace(|| {
        let _door = sockets::open(&DOOR, true).expect("sockets");
        let own = TcpListener::bind("127.0.0.1:8080").expect("binds");
        assert_eq!(first_byte(own.into(), || TcpStream::connect("127.0.0.1:8080").expect("connects")), b'x');
        let absent = TcpStream::connect("127.0.0.1:8081").expect_err("nobody listens");
        assert_eq!(absent.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn udp_that_is_not_dns_is_refused_and_dns_is_captured() {
    in_namespace(|| {
        let mut sockets = sockets::open(&DOOR, true).expect("sockets").into_iter().skip(2);
        let dns = UdpSocket::from(sockets.next().expect("DNS over UDP"));
        dns.set_nonblocking(false).expect("blocking");
        let dns6 = UdpSocket::from(sockets.next().expect("the same of v6"));
        dns6.set_nonblocking(false).expect("blocking");
        let mut byte = [0];
        for (dns, any, asked) in [(dns, "0.0.0.0:0", "198.51.100.1:53"), (dns6, "[::]:0", "[2001:db8::53]:53")] {
            let client = UdpSocket::bind(any).expect("binds");
            let soon = Some(std::time::Duration::from_secs(10));
            dns.set_read_timeout(soon).expect("bounded");
            client.set_read_timeout(soon).expect("bounded");
            client.send_to(b"q", asked).expect("sends");
            let (_, from) = dns.recv_from(&mut byte).expect("captured");
            dns.send_to(b"a", from).expect("answers");
            let (_, by) = client.recv_from(&mut byte).expect("the answer comes back");
            assert_eq!((by.to_string().as_str(), &byte), (asked, b"a"), "from whom was asked");
        }

        for (any, to) in [("0.0.0.0:0", "198.51.100.1:4433"), ("[::]:0", "[2001:db8::1]:443")] {
            let other = UdpSocket::bind(any).expect("binds");
            other.connect(to).expect("connects");
            let refused = refused(&other);
            assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED), "{to}: {refused}");
        }
    });
}

/// A gate that is gone for good must not be waited for.
#[test]
fn a_question_that_nobody_answers_is_refused_at_once() {
    in_namespace(|| {
        for (any, asked) in [("0.0.0.0:0", "198.51.100.1:53"), ("[::]:0", "[2001:db8::53]:53")] {
            let client = UdpSocket::bind(any).expect("binds");
            client.connect(asked).expect("connects");
            let refused = refused(&client);
            assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED), "{asked}: {refused}");
        }
    });
}

/// What a socket of the cell's own is bound to does not stand before the door.
#[test]
fn nobody_listens_in_the_doors_place() {
    in_namespace(|| {
        let door = sockets::open(&DOOR, true).expect("sockets").remove(0);
        let own = TcpListener::bind("203.0.113.9:443").expect("every address is local");
        assert_eq!(first_byte(door, || TcpStream::connect("203.0.113.9:443").expect("connects")), b'x');
        own.set_nonblocking(true).expect("waits for nothing");
        assert_eq!(own.accept().expect_err("nothing came").kind(), std::io::ErrorKind::WouldBlock);
    });
}

/// A connection says at both ends where it was going.
#[test]
fn a_connection_keeps_its_addresses() {
    in_namespace(|| {
        let door = TcpListener::from(sockets::open(&DOOR, true).expect("sockets").remove(0));
        door.set_nonblocking(false).expect("blocking");
        let client = TcpStream::connect("203.0.113.9:443").expect("connects");
        let (served, peer) = door.accept().expect("captured");
        assert_eq!(served.local_addr().expect("its end"), "203.0.113.9:443".parse().expect("an address"));
        assert_eq!(peer, client.local_addr().expect("its end"));
        drop(door);
        let error = TcpStream::connect_timeout(
            &"203.0.113.9:443".parse().expect("an address"),
            std::time::Duration::from_millis(200),
        );
        assert!(error.is_err(), "without a door nothing begins");
    });
}

/// Only the last object of the batch is acknowledged; an error of an earlier one must be heard all the same.
#[test]
fn an_object_that_the_kernel_refuses_is_heard() {
    in_namespace(|| assert_eq!(fence::raise(&DOOR, true), Err(rustix::io::Errno::EXIST)));
}
