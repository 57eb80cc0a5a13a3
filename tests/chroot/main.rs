//! The file that is shipped, alone in a folder that is the whole world to it: does it serve, look
//! names up, and trust whom it should?
//!
//! Run by `.ci/chroot` with: the program `chroot`, the folder (nothing in it but the file), and the
//! host of the package registry, if there is one, for a greeting with a certificate of the real world.

#![expect(
    clippy::disallowed_methods,
    reason = "the proof is the outside world: it asks the program, and the registry beside it"
)]

#[path = "../net/authority.rs"]
mod authority;
mod names;
mod program;
#[path = "../net/request.rs"]
mod request;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use authority::Authority;
use notify_bridge::shell::client::Roots;
use program::{Program, SECRET};
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsConnector;

/// The name server's address: of this machine, and nobody else's.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 153);
/// How long something that must happen is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(chroot), Some(folder)) = (arguments.next(), arguments.next()) else {
        println!("run this with `.ci/chroot`");
        return;
    };
    let program = Program {
        chroot: chroot.into(),
        folder: folder.into(),
    };
    let said = program.expect(&["--version"], 0);
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
    proved("it says which version it is");

    let authority = Authority::new("a household");
    let plain = receiver().await;
    let sealed = authority.serve("sealed.test").await;
    let host = arguments.next().filter(|host| !host.is_empty());
    let outside = host.as_deref().map(look_up).unwrap_or_default();
    prepare(&program.folder, &authority, plain.0.port(), sealed.0.port());
    let mut known: BTreeMap<String, Vec<Ipv4Addr>> = ["plain.test", "sealed.test", "bridge.test"]
        .map(|name| (name.to_owned(), vec![Ipv4Addr::LOCALHOST]))
        .into();
    if let Some(host) = &host {
        known.insert(host.clone(), outside.clone());
    }
    names::serve(SocketAddr::from((NAME_SERVER, 53)), known)
        .await
        .unwrap_or_else(|error| panic!("no name server can listen on {NAME_SERVER}: {error}"));

    let (mut plain, mut sealed) = (plain, sealed);
    notices(&program, &mut plain.1, &mut sealed).await;
    match &host {
        Some(host) => bundled_roots(&program, host, &outside).await,
        None => skipped(
            "a greeting with a public certificate",
            "no registry is configured",
        ),
    }
}

fn proved(what: &str) {
    println!("proved: {what}");
}

fn skipped(what: &str, why: &str) {
    println!("SKIPPED: {what}: {why}");
}

/// What the folder has beside the file: where names are looked up, a configuration, a CA.
fn prepare(folder: &Path, authority: &Authority, plain: u16, sealed: u16) {
    let configuration = format!(
        r#"
[settings]
timezone = "Pacific/Auckland"

[[provider]]
name = "door"
kind = "webhook"
secret = "{SECRET}"
verify = {{ hmac_sha256 = "X-Sign" }}
[provider.map]
title = "body.title"

[[target]]
name = "plain"
kind = "webhook"
url = "http://plain.test:{plain}/"
allow_private = true

[[target]]
name = "sealed"
kind = "webhook"
url = "https://sealed.test:{sealed}/"
allow_private = true

[[tracker]]
name = "all"
provider = "door"
links = [ {{ target = "plain" }}, {{ target = "sealed" }} ]
"#
    );
    std::fs::create_dir_all(folder.join("etc")).expect("a folder");
    for (file, text) in [
        ("etc/resolv.conf", format!("nameserver {NAME_SERVER}\n")),
        ("bridge.toml", configuration),
        ("ca.pem", authority.pem()),
    ] {
        std::fs::write(folder.join(file), text).expect("a file is written");
    }
}

/// A webhook target without TLS that says what it was told.
async fn receiver() -> (SocketAddr, UnboundedReceiver<String>) {
    let (tell, told) = unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = request::request(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            // The program asks again when its answer was lost.
            let _lost = stream.write_all(answer).await;
            let _over = tell.send(request);
        }
    });
    (address, told)
}

async fn told(from: &mut UnboundedReceiver<String>, title: &str) {
    let wait = async {
        while let Some(request) = from.recv().await {
            if request.contains(title) {
                return;
            }
        }
        panic!("the target is gone");
    };
    let arrived = tokio::time::timeout(PATIENCE, wait).await;
    arrived.unwrap_or_else(|_| panic!("{title:?} never arrived"));
}

async fn notices(
    program: &Program,
    plain: &mut UnboundedReceiver<String>,
    sealed: &mut (SocketAddr, UnboundedReceiver<String>),
) {
    let token = program.expect(
        &[
            "token", "create", "me", "--scope", "admin", "--data", "/data",
        ],
        0,
    );
    std::fs::write(program.folder.join("token"), token).expect("a file is written");
    let serving = program.serve(&[]);
    let (health, _) = serving.get("/api/health").await;
    assert_eq!(health, 200);
    let here = format!("http://127.0.0.1:{}", serving.port);
    program.expect(&["healthcheck", "--url", &here], 0);
    proved("it serves, and its own health check agrees");

    let by_name = format!("http://bridge.test:{}", serving.port);
    program.expect(&["healthcheck", "--url", &by_name], 0);
    proved("the command line looks a name up");

    assert_eq!(serving.send("before there was a CA").await, 202);
    told(plain, "before there was a CA").await;
    proved("a signed webhook is delivered to a target by its name");

    let tested = program.expect(
        &["test", "sealed", "--url", &here, "--token-file", "/token"],
        1,
    );
    assert!(
        tested.contains("of an issuer that is not known here"),
        "{tested}"
    );
    let https = format!("https://sealed.test:{}", sealed.0.port());
    let asked = program.expect(&["healthcheck", "--url", &https], 1);
    assert!(
        asked.contains("of an issuer that is not known here"),
        "{asked}"
    );
    proved(
        "a certificate that no bundled root vouches for is refused, and that is the reason given",
    );
    serving.stop();

    let serving = program.serve(&["--ca-file", "/ca.pem"]);
    assert_eq!(serving.send("with a CA of one's own").await, 202);
    told(&mut sealed.1, "with a CA of one's own").await;
    told(plain, "with a CA of one's own").await;
    let asked = program.expect(&["healthcheck", "--url", &https, "--ca-file", "/ca.pem"], 1);
    assert!(asked.contains("it answered 200"), "{asked}");
    proved("with --ca-file a notice is delivered over TLS, and the command line asks over TLS");
    serving.stop();
}

/// Greets a host of the real world from the chroot, unless this machine shows another certificate in
/// its place: then no bundled root can vouch for it, here as there.
async fn bundled_roots(program: &Program, host: &str, addresses: &[Ipv4Addr]) {
    const WHAT: &str = "a greeting with a public certificate";
    let Some(address) = addresses.first() else {
        skipped(WHAT, "the registry's name has no address here");
        return;
    };
    let tls = Roots::default().tls().expect("settings of TLS");
    let connector = TlsConnector::from(std::sync::Arc::new(tls));
    let name = ServerName::try_from(host.to_owned()).expect("a host");
    let greeting = async {
        let stream = TcpStream::connect((*address, 443)).await?;
        connector.connect(name, stream).await.map(drop)
    };
    match tokio::time::timeout(PATIENCE, greeting).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let why = format!("outside of the chroot the same roots refuse it as well: {error}");
            skipped(WHAT, &why);
            return;
        }
        Err(_) => {
            skipped(WHAT, "the registry does not answer");
            return;
        }
    }
    let url = format!("https://{host}");
    let asked = program.expect(&["healthcheck", "--url", &url], 1);
    assert!(asked.contains("it answered"), "{asked}");
    proved("a public certificate is vouched for by a bundled root");
}

/// A host's addresses as this machine knows them.
fn look_up(host: &str) -> Vec<Ipv4Addr> {
    let found = (host, 443).to_socket_addrs();
    found
        .into_iter()
        .flatten()
        .filter_map(|address| match address {
            SocketAddr::V4(address) => Some(*address.ip()),
            SocketAddr::V6(_) => None,
        })
        .take(4)
        .collect()
}
