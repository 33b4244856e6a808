//! The tables of docs/reference/policy.md, row by row.

use policy::{Conjunction, Decision, Egress, Host, Policy, Rule, Target, decide, special};

const REFERENCE: &str = include_str!("../../../../docs/reference/policy.md");

fn allows(rule: &str, host: &str, port: u16) -> bool {
    let mut policy = Policy::default();
    policy.network.allow.push(Rule::to(Target::parse(rule).expect("a target")));
    let whole = Conjunction::new(vec![policy]);
    let host = Host::parse(host).expect("a host");
    matches!(decide(&whole, &Egress { host: &host, port, program: None, request: None }), Decision::Allow(_))
}

#[test]
fn what_matches() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("example.com", &["example.com", "EXAMPLE.com", "example.com."], &["a.example.com", "example.com.evil.net"]),
        ("Example.COM.", &["example.com"], &["com"]),
        ("*.example.com", &["a.example.com", "a.b.example.com", "A.Example.com."], &["example.com", "aexample.com"]),
        ("*.com", &["a.com", "a.b.com"], &["com", "a.net"]),
        ("+.example.com", &["a.example.com", "A.Example.com."], &["a.b.example.com", "example.com"]),
        ("eu-+.example.com", &["eu-1.example.com"], &["us-1.example.com", "eu-1.a.example.com"]),
        ("api.+.example.com", &["api.eu.example.com"], &["api.example.com", "api.eu.x.example.com"]),
        ("+.bastide", &["proxy.bastide"], &["host.bastide"]),
        ("xn--mnchen-3ya.de", &["XN--mnchen-3ya.de"], &["xn--munchen.de"]),
        ("1.2.3.4", &["1.2.3.4", "::ffff:1.2.3.4", "[::ffff:102:304]"], &["1.2.3.5", "a.com"]),
        ("::ffff:1.2.3.4", &["1.2.3.4"], &["::1.2.3.4"]),
        ("2001:db8::1", &["[2001:DB8:0:0::1]"], &["2001:db8::2"]),
        ("10.0.0.0/8", &["10.255.0.1", "::ffff:10.0.0.1"], &["11.0.0.1", "a.com"]),
        ("0.0.0.0/0", &["1.1.1.1"], &["2606:4700::1", "a.com"]),
        ("[fd00::/8]", &["fd12::1"], &["fc00::1", "10.0.0.1"]),
        ("*.bastide", &["proxy.bastide", "a.host.bastide"], &["host.bastide"]),
        ("_dmarc.a.com", &["_dmarc.a.com"], &["a.com"]),
    ];
    for (rule, taken, others) in table {
        for host in *taken {
            assert!(allows(rule, host, 443), "{rule} takes {host}");
        }
        for host in *others {
            assert!(!allows(rule, host, 443), "{rule} does not take {host}");
        }
    }
}

#[test]
fn ports() {
    assert!(allows("a.com", "a.com", 1) && allows("a.com", "a.com", 65535));
    assert!(allows("a.com:443", "a.com", 443) && !allows("a.com:443", "a.com", 80));
    assert!(allows("[fd00::/8]:443", "fd00::1", 443) && !allows("[fd00::/8]:443", "fd00::1", 80));
    assert!(allows("host.bastide:8080", "HOST.bastide.", 8080) && !allows("host.bastide:8080", "host.bastide", 80));
    assert!(Target::parse("host.bastide").is_err());
}

/// Every refused spelling that the reference names is refused, as a rule and, unless it says otherwise, as a destination.
#[test]
fn what_is_refused() {
    let section =
        REFERENCE.split("| written | taken as |").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("there");
    let rows = section.lines().filter(|line| line.contains("refused"));
    let spellings: Vec<(&str, &str)> = rows
        .flat_map(|line| {
            line.split('|').nth(1).unwrap_or("").split('`').skip(1).step_by(2).map(move |text| (line, text))
        })
        .collect();
    assert!(spellings.len() > 20, "{spellings:?}");
    for (row, text) in spellings {
        assert!(Target::written(text).is_err(), "{text}");
        if row.contains("in a rule") {
            continue;
        }
        let (whole, port) = (Host::parse(text).is_err(), Host::parse_with_port(text).is_err());
        assert!(whole && port, "{text}");
    }
    for text in [format!("{}.com", "a".repeat(64)), "a.".repeat(127) + "com"] {
        assert!(Target::parse(&text).is_err());
    }
}

/// Each address and network of the reference's table is special, by the name of its row.
#[test]
fn special_ranges() {
    let section =
        REFERENCE.split("## Special ranges").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("there");
    let mut count = 0;
    for line in section.lines().filter(|line| line.starts_with("| ") && !line.contains("addresses")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for text in cells[2].split([',', ';']).map(|text| text.split(" (").next().unwrap_or("").trim()) {
            let (address, prefix) = text.split_once('/').unwrap_or((text, "128"));
            let mut address: std::net::IpAddr = address.parse().unwrap_or_else(|_| panic!("{text}"));
            if let (std::net::IpAddr::V6(v6), true) = (address, cells[1].contains("v4") || cells[1].contains("nat64")) {
                // An embedded public address, so that the range itself shows.
                address = std::net::Ipv6Addr::from_bits(v6.to_bits() | 0x0808_0808).into();
            }
            if text == "2002::/16" {
                address = "2002:808:808::1".parse().expect("an address");
            }
            if text == "2001::/32" {
                address = "2001::f7f7:f7f7".parse().expect("an address");
            }
            if text == "2001::/23" {
                address = "2001:10::1".parse().expect("an address");
            }
            let found = special(address).unwrap_or_else(|| panic!("{text} is not special"));
            assert!(cells[1].split(", ").any(|name| name == found.range.name()), "{text}: {:?}", found.range);
            let prefix: u8 = prefix.parse().expect("a prefix");
            assert!(found.prefix == prefix || (prefix == 128 && found.prefix == 32), "{text}: {}", found.prefix);
            count += 1;
        }
    }
    assert_eq!(count, 42, "each range of the code stands in the reference");
}
