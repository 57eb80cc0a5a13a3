//! The policy, as tables of addresses and what happens to them.

use super::*;
use proptest::prelude::*;

/// `public`: always; `private`: only with `allow_private`; `listed`: only with `allow_private` and
/// when a person lists the network; `never`.
const TABLE: &[(&str, &str)] = &[
    ("93.184.216.34", "public"),
    ("1.1.1.1", "public"),
    ("100.63.255.255", "public"),
    ("100.128.0.0", "public"),
    ("172.15.255.255", "public"),
    ("172.32.0.0", "public"),
    ("192.167.255.255", "public"),
    ("223.255.255.255", "public"),
    ("2606:4700:4700::1111", "public"),
    ("2a00:1450:4001:82a::200e", "public"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.20", "private"),
    ("100.64.0.1", "private"),
    ("100.127.255.255", "private"),
    ("127.0.0.1", "private"),
    ("127.255.255.254", "private"),
    ("::1", "private"),
    ("fc00::1", "private"),
    ("fd12:3456:789a::1", "private"),
    ("198.18.0.1", "listed"),
    ("198.19.255.255", "listed"),
    ("192.0.0.8", "listed"),
    ("192.88.99.1", "listed"),
    ("fec0::1", "listed"),
    ("2001:2::1", "listed"),
    ("0.0.0.0", "never"),
    ("0.1.2.3", "never"),
    ("169.254.0.1", "never"),
    ("169.254.169.254", "never"),
    ("169.254.170.2", "never"),
    ("100.100.100.200", "never"),
    ("168.63.129.16", "never"),
    ("192.0.0.192", "never"),
    ("192.0.2.1", "never"),
    ("198.51.100.7", "never"),
    ("203.0.113.7", "never"),
    ("224.0.0.1", "never"),
    ("239.255.255.255", "never"),
    ("240.0.0.1", "never"),
    ("255.255.255.254", "never"),
    ("255.255.255.255", "never"),
    ("::", "never"),
    ("fe80::1", "never"),
    ("febf::1", "never"),
    ("ff02::1", "never"),
    ("fd00:ec2::254", "never"),
    ("fd20:ce::254", "never"),
    ("2001:db8::1", "never"),
    ("3fff::1", "never"),
    ("100::1", "never"),
    ("4000::1", "never"),
    ("5f00::1", "never"),
    // Carriers: mapped, compatible, translated, 6to4, NAT64, Teredo.
    ("::ffff:127.0.0.1", "private"),
    ("::ffff:169.254.169.254", "never"),
    ("::ffff:0.0.0.0", "never"),
    ("::ffff:93.184.216.34", "public"),
    ("::127.0.0.1", "private"),
    ("::10.1.2.3", "private"),
    ("::93.184.216.34", "public"),
    ("::2", "never"),
    ("::ffff:0:10.0.0.1", "private"),
    ("2002:7f00:1::", "private"),
    ("2002:a9fe:a9fe::1", "never"),
    ("2002:5db8:d822::1", "public"),
    ("64:ff9b::127.0.0.1", "private"),
    ("64:ff9b::169.254.169.254", "never"),
    ("64:ff9b::93.184.216.34", "public"),
    ("64:ff9b:1::127.0.0.1", "private"),
    ("64:ff9b:1::169.254.169.254", "never"),
    ("64:ff9b:1::93.184.216.34", "public"),
    ("64:ff9b:1:7f00:0:100::", "private"),
    ("64:ff9b:1:a9fe:a9:fe00::", "never"),
    ("64:ff9b:1:7f00:0:100:5db8:d822", "private"),
    ("64:ff9b:1::", "never"),
    ("2001:0:4136:e378:8000:63bf:80ff:fffe", "private"),
    ("2001:0:4136:e378:8000:63bf:5601:5601", "never"),
    ("2001:0:4136:e378:8000:63bf:a247:27dd", "public"),
];

fn outcome(policy: &AddressPolicy, ip: &str) -> &'static str {
    let ip: IpAddr = ip.parse().expect("the table holds addresses");
    let everything = AddressPolicy {
        private_networks: vec![
            "0.0.0.0/0".parse().expect("a network"),
            "::/0".parse().expect("a network"),
        ],
        ..policy.clone()
    };
    match (
        policy.judge(ip, 443, false).is_ok(),
        policy.judge(ip, 443, true).is_ok(),
        everything.judge(ip, 443, true).is_ok(),
    ) {
        (true, true, true) => "public",
        (false, true, true) => "private",
        (false, false, true) => "listed",
        (false, false, false) => "never",
        (without, with, listed) => panic!("{ip}: not monotone: {without} {with} {listed}"),
    }
}

#[test]
fn every_address_has_its_place() {
    let policy = AddressPolicy::default();
    for (ip, expected) in TABLE {
        assert_eq!(outcome(&policy, ip), *expected, "{ip}");
    }
}

#[test]
fn only_configured_networks_are_opened() {
    let policy = AddressPolicy {
        private_networks: vec!["192.168.7.0/24".parse().expect("a network")],
        ..AddressPolicy::default()
    };
    for (ip, expected) in [
        ("192.168.7.9", "private"),
        ("::ffff:192.168.7.9", "private"),
        ("192.168.8.9", "listed"),
        ("127.0.0.1", "listed"),
        ("::1", "listed"),
        ("169.254.169.254", "never"),
        ("1.1.1.1", "public"),
    ] {
        assert_eq!(outcome(&policy, ip), expected, "{ip}");
    }
}

#[test]
fn our_own_listeners_are_never_called() {
    fn local(ip: IpAddr) -> bool {
        ip.is_loopback() || ip == IpAddr::from([192, 168, 7, 2])
    }
    let check = |listener: &str, ip: &str, port: u16, allowed: bool| {
        let policy = AddressPolicy {
            own_listeners: vec![listener.parse().expect("an address with a port")],
            local,
            ..AddressPolicy::default()
        };
        let judged = policy.judge(ip.parse().expect("an address"), port, true);
        assert_eq!(
            judged.is_ok(),
            allowed,
            "{listener} {ip} {port}: {judged:?}"
        );
    };
    check("127.0.0.1:8780", "127.0.0.1", 8780, false);
    check("127.0.0.1:8780", "::ffff:127.0.0.1", 8780, false);
    check("127.0.0.1:8780", "127.0.0.1", 8781, true);
    check("127.0.0.1:8780", "192.168.7.2", 8780, true);
    check("[::1]:8780", "::1", 8780, false);
    check("0.0.0.0:8780", "127.0.0.1", 8780, false);
    check("0.0.0.0:8780", "127.8.8.8", 8780, false);
    check("0.0.0.0:8780", "192.168.7.2", 8780, false);
    check("0.0.0.0:8780", "64:ff9b::192.168.7.2", 8780, false);
    check("0.0.0.0:8780", "192.168.7.3", 8780, true);
    check("0.0.0.0:8780", "192.168.7.2", 443, true);
    check("[::]:8780", "192.168.7.2", 8780, false);
    check("[::]:8780", "::1", 8780, false);
    check("[::ffff:0.0.0.0]:8780", "127.0.0.1", 8780, false);
    check("93.184.216.34:443", "93.184.216.34", 443, false);
}

#[test]
fn metadata_names_are_never_asked_for() {
    let policy = AddressPolicy::default();
    for (name, allowed) in [
        ("metadata.google.internal", false),
        ("Metadata.Google.Internal.", false),
        ("metadata", false),
        ("instance-data.ec2.internal", false),
        ("example.org", true),
        ("metadata.example.org", true),
    ] {
        assert_eq!(policy.judge_name(name).is_ok(), allowed, "{name}");
    }
}

#[test]
fn the_reason_names_the_address_and_the_way_out() {
    let policy = AddressPolicy::default();
    let said = |ip: &str, allow_private| {
        policy
            .judge(ip.parse().expect("an address"), 80, allow_private)
            .expect_err("refused")
            .to_string()
    };
    expect_test::expect![
        "::ffff:127.0.0.1 (which is 127.0.0.1) is a loopback address: set allow_private to reach it"
    ]
    .assert_eq(&said("::ffff:127.0.0.1", false));
    expect_test::expect!["169.254.169.254 is a cloud metadata service, which is never called"]
        .assert_eq(&said("169.254.169.254", true));
    expect_test::expect!["198.18.0.1 is a special-use address and in none of the private networks that may be reached: add it to --private-networks"]
        .assert_eq(&said("198.18.0.1", true));
}

/// Every way to write an IPv4 address into an IPv6 one.
fn carriers(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let high = u16::from_be_bytes([a, b]);
    let low = u16::from_be_bytes([c, d]);
    let text = |prefix: &str| {
        format!("{prefix}{v4}")
            .parse::<Ipv6Addr>()
            .expect("an address")
    };
    let mut all = vec![
        text("::ffff:"),
        text("::ffff:0:"),
        text("64:ff9b::"),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
    ];
    // `::0.0.0.0` and `::0.0.0.1` are the unspecified and the loopback address instead.
    if u32::from(v4) > 1 {
        all.push(text("::"));
    }
    all
}

proptest! {
    #[test]
    fn a_carried_address_fares_as_the_plain_one(bits: u32, port: u16, allow_private: bool) {
        let policy = AddressPolicy::default();
        let v4 = Ipv4Addr::from(bits);
        let plain = policy.judge(IpAddr::V4(v4), port, allow_private).is_ok();
        for v6 in carriers(v4) {
            prop_assert_eq!(policy.judge(IpAddr::V6(v6), port, allow_private).is_ok(), plain, "{}", v6);
        }
    }

    #[test]
    fn nothing_near_home_is_reached_without_leave(bits: u32, host: u128) {
        let policy = AddressPolicy::default();
        for network in PRIVATE_NETWORKS {
            let network: IpNet = network.parse().expect("a network");
            let ip = match network {
                IpNet::V4(net) => IpAddr::V4(Ipv4Addr::from(
                    u32::from(net.network()) | (bits & u32::from(net.hostmask())),
                )),
                IpNet::V6(net) => IpAddr::V6(Ipv6Addr::from(
                    u128::from(net.network()) | (host & u128::from(net.hostmask())),
                )),
            };
            prop_assert!(policy.judge(ip, 443, false).is_err(), "{}", ip);
        }
    }

    #[test]
    fn leave_never_takes_away(bits: u128, port: u16) {
        let policy = AddressPolicy::default();
        let ip = IpAddr::V6(Ipv6Addr::from(bits));
        prop_assert!(policy.judge(ip, port, false).is_err() || policy.judge(ip, port, true).is_ok());
    }
}
