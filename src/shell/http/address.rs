//! Who a request comes from, and which host it was meant for.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

use super::Peer;

/// Headers by which a proxy says for whom it speaks. Any of them means "not on loopback".
const FORWARDING_HEADERS: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
];

/// The client's address: the peer's, or what a trusted proxy says, read from the right so that
/// nothing a client wrote itself is believed.
pub fn client(peer: &Peer, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.address.ip().to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&address) {
        return address;
    }
    let hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect::<Vec<_>>();
    for hop in hops.into_iter().rev() {
        let Ok(hop) = hop.parse::<IpAddr>() else {
            break;
        };
        address = hop.to_canonical();
        if !is_trusted(&address) {
            break;
        }
    }
    address
}

/// The host a request names, without its port.
pub fn host<'a>(headers: &'a HeaderMap, uri: &'a axum::http::Uri) -> Option<&'a str> {
    let named = headers
        .get("host")
        .and_then(|value| value.to_str().ok())
        .or_else(|| uri.host())?;
    Some(without_port(named))
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(host, |(address, _)| address);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a host may be asked for: an address literal, `localhost`, or a name that is ours.
pub fn is_known_host(host: &str, ours: &[String]) -> bool {
    let host = host.trim_end_matches('.');
    host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || ours.iter().any(|own| own.eq_ignore_ascii_case(host))
}

/// Listener, peer and host are all of this machine, and no proxy speaks.
pub fn is_on_loopback(peer: &Peer, headers: &HeaderMap, uri: &axum::http::Uri) -> bool {
    let loopback_host = host(headers, uri).is_some_and(|host| {
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    });
    peer.listener_is_loopback
        && peer.address.ip().to_canonical().is_loopback()
        && loopback_host
        && !FORWARDING_HEADERS
            .iter()
            .any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, axum::http::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn hosts_are_read_without_their_port() {
        for (host, expected) in [
            ("bridge.example:8780", "bridge.example"),
            ("127.0.0.1:8780", "127.0.0.1"),
            ("[::1]:8780", "::1"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }

    #[test]
    fn only_known_hosts_are_answered() {
        let ours = ["bridge.example.org".to_owned()];
        for (host, known) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("10.0.0.3", true),
            ("LOCALHOST", true),
            ("Bridge.Example.org", true),
            ("bridge.example.org.", true),
            ("rebind.attacker.example", false),
            ("", false),
        ] {
            assert_eq!(is_known_host(host, &ours), known, "{host}");
        }
    }

    #[test]
    fn a_forwarding_header_is_believed_only_from_a_trusted_proxy() {
        let peer = |ip: &str| Peer {
            address: format!("{ip}:1000").parse().unwrap(),
            listener_is_loopback: true,
        };
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (from, forwarded, expected) in [
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("203.0.113.1", "127.0.0.1", "203.0.113.1"),
            ("10.0.0.1", "garbage", "10.0.0.1"),
        ] {
            let headers = headers(&[("x-forwarded-for", forwarded)]);
            assert_eq!(
                client(&peer(from), &headers, &trusted),
                expected.parse::<IpAddr>().unwrap(),
                "{forwarded}"
            );
        }
    }

    #[test]
    fn a_proxy_is_never_loopback() {
        let peer = Peer {
            address: "127.0.0.1:9".parse().unwrap(),
            listener_is_loopback: true,
        };
        let uri = axum::http::Uri::from_static("/");
        assert!(is_on_loopback(
            &peer,
            &headers(&[("host", "localhost:8780")]),
            &uri
        ));
        assert!(is_on_loopback(
            &peer,
            &headers(&[("host", "[::1]:8780")]),
            &uri
        ));
        assert!(!is_on_loopback(
            &peer,
            &headers(&[("host", "bridge.example")]),
            &uri
        ));
        assert!(!is_on_loopback(
            &peer,
            &headers(&[("host", "localhost"), ("x-real-ip", "127.0.0.1")]),
            &uri
        ));
        let wildcard = Peer {
            listener_is_loopback: false,
            ..peer
        };
        assert!(!is_on_loopback(
            &wildcard,
            &headers(&[("host", "localhost")]),
            &uri
        ));
    }
}
