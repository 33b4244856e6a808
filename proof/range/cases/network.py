"""The network: past the door by every protocol, and through the door to where it must not lead."""

import socket
import struct
import subprocess
import time

from case import case

# What an attacker's name may lead to, by address; each is refused unless that very address is named, and those that
# are closed are refused always, even where a network that holds them is named.
NAMES = {
    "loopback": "127.0.0.1", "whole-loopback": "127.9.9.9", "nowhere": "0.0.0.0", "private-10": "10.77.0.1",
    "private-172": "172.16.7.7", "private-192": "192.168.77.7", "carrier": "100.64.7.7", "metadata": "169.254.169.254",
    "documentation": "203.0.113.7", "benchmark": "198.18.7.7", "relay": "192.88.99.7", "reserved": "240.0.0.7",
    "loopback-v6": "::1", "private-v6": "fd00:77::7", "metadata-v6": "fd00:ec2::254", "site-v6": "fec0::7",
    "documentation-v6": "2001:db8::7", "translated": "64:ff9b::7f00:1", "local-translated": "64:ff9b:1::7f00:1",
    "tunnelled": "2002:7f00:1::1", "teredo": "2001::7", "discard": "100::7",
}
CLOSED = {"loopback": "126.0.0.0/7", "whole-loopback": "126.0.0.0/7", "nowhere": "0.0.0.0/1",
          "benchmark": "198.0.0.0/8", "loopback-v6": "[::/0]", "translated": "[::/0]",
          "local-translated": "[::/0]", "tunnelled": "[::/0]"}


def tell(address, nonce: str, family=socket.AF_INET) -> str:
    """Says the nonce over TCP, and waits until it was heard."""
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(3)
        one.connect(address)
        one.sendall(f"GET /{nonce} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return one.recv(1000)


# Past the door

@case("network-namespace", host="tcp-listener")
def loopback(host):
    """Connects to the host's loopback."""
    return tell(("127.0.0.1", host.port), host.nonce)


@case("network-namespace", host="tcp-listener")
def loopback_v6(host):
    """The same by IPv6."""
    return tell(("::1", host.port), host.nonce, socket.AF_INET6)


@case("network-namespace", host="tcp-listener")
def mapped_loopback(host):
    """The same by an IPv4 address in an IPv6 one."""
    return tell(("::ffff:127.0.0.1", host.port), host.nonce, socket.AF_INET6)


@case("network-namespace", host="tcp-listener")
def unspecified(host):
    """Connects to 0.0.0.0, which means this host."""
    return tell(("0.0.0.0", host.port), host.nonce)


@case("network-namespace", host="tcp-listener", adversary="A")
def neighbours_in_the_lan(host):
    """Connects to an address of the local network."""
    return tell((host.lan, host.port), host.nonce)


@case("network-namespace", host="tcp-listener")
def neighbours_in_the_lan_v6(host):
    """The same by IPv6."""
    return tell((host.lan6, host.port), host.nonce, socket.AF_INET6)


@case("network-namespace", host="made-host", adversary="A")
def metadata_service(host):
    """Asks the cloud's metadata service for the machine's credentials."""
    return tell(("169.254.169.254", host.port), host.nonce)


@case("network-namespace", host="tcp-listener", adversary="A")
def without_the_proxy(host):
    """Uses curl as an agent would, told to use no proxy; a proxy by environment alone would be passed by."""
    return subprocess.run(["curl", "-s", "-m", "3", "--noproxy", "*", f"http://{host.lan}:{host.port}/{host.nonce}"],
                          stdin=subprocess.DEVNULL, capture_output=True).stdout


@case("network-namespace", host="udp-listener")
def datagrams(host):
    """Sends a datagram to the local network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(host.nonce.encode(), (host.lan, host.port))
        time.sleep(0.05)


@case("network-namespace", host="udp-listener")
def datagrams_v6(host):
    """The same by IPv6."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.sendto(host.nonce.encode(), (host.lan6, host.port))
        time.sleep(0.05)


@case("network-namespace", host="udp-listener")
def broadcast(host):
    """Sends a datagram to everybody."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        one.sendto(host.nonce.encode(), ("127.255.255.255", host.port))
        time.sleep(0.05)


@case("network-namespace", user="network-namespace", host="resolver-listener")
def foreign_resolver(host):
    """Asks a resolver of its own: a tunnel made of names."""
    label = host.nonce.encode()
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + bytes([len(label)]) + label + b"\x03com\x00\x00\x10\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(query, (host.lan, 53))
        time.sleep(0.05)


@case("network-namespace", host="dot-listener")
def resolver_over_tls(host):
    """Reaches for a resolver over TLS on its port 853."""
    return tell((host.lan, 853), host.nonce)


@case("network-namespace seccomp", host="tcp-listener")
def multipath(host):
    """Connects by MPTCP, which Landlock's rules for TCP do not see."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as one:
        one.settimeout(2)
        one.connect((host.lan, host.port))
        one.sendall(host.nonce.encode())
        time.sleep(0.05)


@case("network-namespace seccomp", host="tcp-listener")
def fast_open(host):
    """Connects within sendto, without the connect(2) that is watched."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 2, 0))
        one.sendto(host.nonce.encode(), 0x20000000, (host.lan, host.port))
        time.sleep(0.05)


@case("network-namespace", host="tcp-listener")
def bound_to_a_device(host):
    """Binds its socket to a device, past every route."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        one.connect((host.lan, host.port))
        one.sendall(host.nonce.encode())
        time.sleep(0.05)


@case("user-namespace network-namespace seccomp capabilities", user=None, host="udp-listener")
def raw_packets(host):
    """Builds its packets itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as one:
        payload = host.nonce.encode()
        udp = struct.pack("!HHHH", 4000, host.port, 8 + len(payload), 0) + payload
        here = socket.inet_aton(host.lan)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + here + here
        one.sendto(head + udp, (host.lan, 0))
        time.sleep(0.05)


@case("user-namespace network-namespace seccomp capabilities", user=None, host="raw-listener")
def unknown_protocol(host):
    """Speaks a transport that no fence names."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as one:
        one.sendto(host.nonce.encode(), (host.lan, 0))
        time.sleep(0.05)


@case("user-namespace network-namespace seccomp capabilities", user=None, host="neighbour-traffic")
def sniff(host):
    """Reads what others send on the host's network."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as one:
        one.settimeout(0.3)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            packet = one.recv(65536)
            if host.nonce.encode() in packet:
                return packet[packet.index(host.nonce.encode()):]


@case("user-namespace network-namespace capabilities", user=None, host="host-route")
def change_the_hosts_routes(host):
    """Adds an address to the host by netlink."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
        address = socket.inet_aton(host.address)
        body = struct.pack("BBBBI", socket.AF_INET, 32, 0, 0, 1) + struct.pack("HH4sHH4s", 8, 2, address, 8, 1, address)
        one.send(struct.pack("IHHII", 16 + len(body), 20, 0x605, 1, 0) + body)
        error = struct.unpack("i", one.recv(4096)[16:20])[0]
        if error:
            raise OSError(-error, "refused")


@case("network-namespace seccomp", host="open-port")
def list_the_hosts_sockets(host):
    """Lists the host's listening sockets by sock_diag."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4) as one:
        request = struct.pack("BBBBI", socket.AF_INET, 6, 0, 0, 1 << 10) + bytes(48)
        one.send(struct.pack("IHHII", 16 + len(request), 20, 0x301, 1, 0) + request)
        one.settimeout(1)
        seen = b""
        try:
            while True:
                part = one.recv(65536)
                seen += part
                if struct.unpack("H", part[4:6])[0] == 3:
                    break
        except TimeoutError:
            pass
    ports, at = set(), 0
    while at + 24 <= len(seen):
        length, kind = struct.unpack("IH", seen[at:at + 6])
        if kind == 20:
            ports.add(struct.unpack("!H", seen[at + 20:at + 22])[0])
        at += max(16, (length + 3) & ~3)
    return f"ports {sorted(ports)}"


@case("network-namespace", host="open-port")
def connections_of_the_host(host):
    """Reads in /proc where the host listens."""
    with open("/proc/self/net/tcp") as file:
        lines = [line.split() for line in file.readlines()[1:]]
    ports = [int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A"]
    return f"ports {sorted(ports)}"


@case("network-namespace", host="host-port")
def take_a_port_of_the_host(host):
    """Listens on a port of the host's, where somebody expects a service of his own."""
    with socket.create_server(("127.0.0.1", host.port)) as server:
        server.settimeout(0.3)
        one, _ = server.accept()
        one.send(host.nonce.encode())
        time.sleep(0.05)


@case("network-namespace seccomp", host="udplite-listener")
def udp_lite(host):
    """Sends by UDP-Lite, which a fence of tcp and udp lets through."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136) as one:
        one.sendto(host.nonce.encode(), (host.lan, host.litePort))
        time.sleep(0.05)


@case("network-namespace seccomp", host="sctp-listener")
def sctp(host):
    """Connects by SCTP."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132) as one:
        one.settimeout(2)
        one.connect((host.lan, host.sctpPort))
        one.send(host.nonce.encode())
        time.sleep(0.05)


@case("network-namespace seccomp", host="vsock-listener")
def hypervisor(host):
    """Connects by vsock, which leads to the hypervisor."""
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        one.connect((1, host.vsockPort))
        one.send(host.nonce.encode())
        time.sleep(0.05)


@case("seccomp", host="cipher-interface")
def kernel_ciphers(host):
    """Opens a socket of the kernel's cipher interface, which has been a way to root."""
    socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET).close()
    return "opened"


# Through the door

def through_the_proxy(target: str, nonce: str) -> str:
    """CONNECT by the explicit proxy, then a word to whoever answers."""
    with socket.create_connection(("proxy.bastide", 3128), 3) as one:
        one.settimeout(3)
        one.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        answer = one.recv(4096)
        if b" 200 " not in answer.split(b"\r\n")[0]:
            raise ConnectionRefusedError(111, answer.split(b"\r\n")[0].decode("latin-1"))
        one.sendall(f"GET /{nonce} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return one.recv(1000)


@case(host="tcp-listener", word="--allow host.bastide:{port}", adversary="A")
def hosts_loopback_by_name(host):
    """Asks the door for a port of the host's loopback by its name."""
    return tell(("host.bastide", host.port), host.nonce)


@case(host="tcp-listener", word="--allow host.bastide:{port}", adversary="A")
def hosts_loopback_by_proxy(host):
    """The same by the proxy."""
    return through_the_proxy(f"host.bastide:{host.port}", host.nonce)


@case(host="tcp-listener", args="--allow host.bastide:1", word="--allow host.bastide:1 --allow host.bastide:{port}")
def another_port_of_the_host(host):
    """The same where another port was named."""
    return tell(("host.bastide", host.port), host.nonce)


@case(host="tcp-listener", word="--allow HOST.Bastide.:{port}")
def disguised_name(host):
    """The same in capitals and with a dot at its end."""
    return through_the_proxy(f"HOST.bastide.:{host.port}", host.nonce)


@case(host="made-host", word="--allow 10.77.0.1:{port}", adversary="A")
def address_by_proxy(host):
    """Asks the proxy for an address of the local network."""
    return through_the_proxy(f"10.77.0.1:{host.port}", host.nonce)


@case(host="made-host", word="--allow [::ffff:10.77.0.1]:{port}")
def mapped_by_proxy(host):
    """The same as an IPv4 address in an IPv6 one."""
    return through_the_proxy(f"[::ffff:10.77.0.1]:{host.port}", host.nonce)


@case(host="made-host", word="--allow 10.77.0.1:{port}", adversary="A")
def address_directly(host):
    """Connects to an address of the local network."""
    return tell(("10.77.0.1", host.port), host.nonce)


@case(host="made-host", word="--allow [fd00:77::7]:{port}", adversary="A")
def address_directly_v6(host):
    """The same by IPv6."""
    return tell(("fd00:77::7", host.port), host.nonce, socket.AF_INET6)


@case(host="made-host", word="--allow 10.77.0.1:{port}")
def forwarded(host):
    """Lets the proxy fetch from the local network, without CONNECT."""
    with socket.create_connection(("proxy.bastide", 3128), 3) as one:
        one.settimeout(3)
        target = f"10.77.0.1:{host.port}"
        one.sendall(f"GET http://{target}/{host.nonce} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return one.recv(4096)


@case(host="made-host", args="--allow 10.77.0.0/16:{port}", word="--allow 10.77.0.1:{port}")
def another_address_of_a_network(host):
    """Reaches the host's own address, where only a network that holds it was named."""
    return tell(("10.77.0.1", host.port), host.nonce)


@case(host="made-host", args="--allow 198.0.0.0/8:{port}",
      control="--allow 198.0.0.0/8:{port} --allow 10.77.0.1:{port}")
def synthetic_by_proxy(host):
    """Asks the proxy for an address of the pool that stands for names inside, which on the host is somebody's own."""
    return through_the_proxy(f"{'10.77.0.1' if host.control else '198.18.7.7'}:{host.port}", host.nonce)


@case(host="tcp-listener", args="--policy {policies}/denying.yaml --allow host.bastide:{port}",
      word="--allow host.bastide:{port}")
def denied_by_its_suffix(host):
    """Reaches the host's loopback where a policy denies `*.bastide`."""
    return through_the_proxy(f"host.bastide:{host.port}", host.nonce)


@case(host="made-host unusable-proxy", args="--allow 10.77.0.1:{port}", control="--allow 10.77.0.1:{port}", alone=True,
      silence="E-PLANE-051")
def past_the_companys_proxy(host):
    """Connects directly where the host must go out through a proxy that the gate cannot speak to."""
    return tell(("10.77.0.1", host.port), host.nonce)


def leads_to(label: str, address: str) -> None:
    version6 = ":" in address
    name = f"x{socket.inet_pton(socket.AF_INET6, address).hex()}" if version6 else address.replace(".", "-")
    name += ".evil.test"
    shown = f"[{address}]" if version6 else address
    named = f"--allow {name}:{{port}}"

    if version6:
        other, there = "xfd000077000000000000000000000007.evil.test", "[fd00:77::7]"
    else:
        other, there = "10-77-0-1.evil.test", "10.77.0.1"

    def attempt(host):
        return tell((other if host.control else name, host.port), host.nonce)
    attempt.__doc__ = f"Uses an allowed name of the attacker's that leads to {address}."
    attempt.__module__ = __name__
    if label in CLOSED:
        wide = f"--allow {CLOSED[label]}:{{port}}"
        case(host="made-host", args=f"{named} {wide}", name=f"name-to-{label}",
             control=f"--allow {other}:{{port}} --allow {there}:{{port}} {wide}")(attempt)
        return
    # Both ways of meaning it: the name stays allowed, and the address is named as well.
    case(host="made-host", args=named, word=f"{named} --allow {shown}:{{port}}", name=f"name-to-{label}")(attempt)


for _label, _address in NAMES.items():
    leads_to(_label, _address)
