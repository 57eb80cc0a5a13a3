//! What people read, and what is checked before anything is sent. The network is in `tests/net/`.

use super::*;
use crate::shell::clock::ManualClock;

struct NoLookup;

impl Lookup for NoLookup {
    fn lookup<'a>(&'a self, name: &'a str) -> Looking<'a> {
        Box::pin(async move { Err(LookupFailed(format!("{name} is not asked for here"))) })
    }
}

fn client() -> Client {
    Client::new(
        AddressPolicy::default(),
        Arc::new(NoLookup),
        &Roots::default(),
        Arc::new(ManualClock::new(0)),
    )
    .expect("a client")
}

fn call(url: &str, headers: &[(&str, &str)]) -> Call {
    Call {
        method: "POST",
        url: url.into(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        body: b"{}".to_vec(),
    }
}

#[test]
fn what_may_not_be_sent_is_refused_before() {
    let client = client();
    let check = |url: &str, headers: &[(&str, &str)], expected: &str| {
        let said = client
            .prepare(&call(url, headers), false)
            .err()
            .unwrap_or_default();
        assert!(said.contains(expected), "{url}: {said}");
    };
    check("ftp://example.org/", &[], "must begin with http");
    check("file:///etc/passwd", &[], "must begin with http");
    check("nonsense", &[], "not valid");
    check("http://", &[], "not valid");
    check("http://me:pw@example.org/", &[], "user name or password");
    check("http://me@example.org/", &[], "user name or password");
    check("http://2130706433/", &[], "127.0.0.1 is a loopback");
    check("http://0x7f.1/", &[], "127.0.0.1 is a loopback");
    check("http://0177.0.0.1/", &[], "127.0.0.1 is a loopback");
    check("http://127.1/", &[], "127.0.0.1 is a loopback");
    check("http://127.0.0.1./", &[], "127.0.0.1 is a loopback");
    check("http://%31%32%37.0.0.1/", &[], "127.0.0.1 is a loopback");
    check("http://１２７.0.0.1/", &[], "127.0.0.1 is a loopback");
    check("http://[::ffff:127.0.0.1]/", &[], "127.0.0.1");
    check("http://[::ffff:7f00:1]/", &[], "127.0.0.1");
    check("http://[::1]:8080/", &[], "::1 is a loopback");
    check("http://[64:ff9b::a00:1]/", &[], "10.0.0.1");
    check("http://169.254.169.254/latest", &[], "never called");
    check("http://metadata.google.internal/", &[], "never called");
    check("http://0/", &[], "never called");
    check("https://example.org/", &[("Host", "other")], "header host");
    check(
        "https://example.org/",
        &[("Transfer-Encoding", "chunked")],
        "header transfer-encoding",
    );
    check("https://example.org/", &[("a b", "c")], "not valid");
    check(
        "https://example.org/",
        &[("x-a", "b\r\nx-c: d")],
        "characters it may not",
    );
    assert!(
        client
            .prepare(&call("https://example.org/#part", &[("x-a", "b")]), false)
            .is_ok()
    );
    assert!(
        client
            .prepare(&call("http://192.168.1.9:8080/", &[]), true)
            .is_ok()
    );
}

#[test]
fn an_excerpt_is_short_and_harmless() {
    let answered = |body: &[u8]| Reply::Answered {
        status: 400,
        headers: Vec::new(),
        body: body.to_vec(),
    };
    let check = |reply: Reply, expected: &str| assert_eq!(excerpt(&reply), expected);
    check(answered(b""), "status 400");
    check(answered(b" no such chat\n"), "status 400: no such chat");
    check(
        answered("a\x1b[31m\u{202e}b\nc\u{0}\u{ff}".as_bytes()),
        "status 400: a [31mb\nc ÿ",
    );
    check(answered(b"\xff\xfe"), "status 400: \u{fffd}\u{fffd}");
    check(Reply::NotSent { why: "w".into() }, "not sent: w");
    check(Reply::NoAnswer { why: "w".into() }, "no answer: w");
    let long = excerpt(&answered(&"é".repeat(40_000).into_bytes()));
    assert!(long.len() <= ANSWER_TEXT_BYTES_MAX && long.ends_with('…'));
}

#[test]
fn a_wildcard_listener_is_every_address_of_this_machine() {
    let policy = AddressPolicy {
        own_listeners: vec![([0, 0, 0, 0], 8780).into()],
        local: is_this_machine,
        ..AddressPolicy::default()
    };
    let reached = |ip: [u8; 4]| policy.judge(IpAddr::from(ip), 8780, true).is_ok();
    assert!(!reached([127, 0, 0, 1]));
    // The broadcast address of its network is no machine's own.
    assert!(reached([10, 255, 255, 255]));
}
