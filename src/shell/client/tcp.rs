//! Connections of lines over TCP, to judged addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{CONNECT_SECONDS_MAX, Client, JudgedResolver, is_of_unknown_issuer};

/// A connection, encrypted or not.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Client {
    /// Connects to a host, at the first of its judged addresses that answers.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        allow_private: bool,
    ) -> Result<Box<dyn Duplex>, String> {
        let place = format!("{host}:{port}");
        let connecting = async {
            let addresses = self.addresses(host, port, allow_private).await?;
            let mut why = format!("{place} has no address");
            for address in addresses {
                match connect_to(address).await {
                    Ok(stream) => {
                        // What is small is to be sent at once; where that is not to be had it is slower.
                        let _slower = stream.set_nodelay(true);
                        return Ok(Box::new(stream) as Box<dyn Duplex>);
                    }
                    Err(error) => why = format!("no connection to {place}: {error}"),
                }
            }
            Err(why)
        };
        tokio::select! {
            biased;
            connected = connecting => connected,
            () = self.clock.sleep(Duration::from_secs(CONNECT_SECONDS_MAX)) => {
                Err(format!("no connection to {place} within {CONNECT_SECONDS_MAX} s"))
            }
        }
    }

    /// Encrypts a connection; the certificate has to be that of the host.
    pub async fn encrypt(
        &self,
        stream: Box<dyn Duplex>,
        host: &str,
    ) -> Result<Box<dyn Duplex>, String> {
        let tls = self.roots.tls().map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} is no name that a certificate could be for"))?;
        let greeting = TlsConnector::from(Arc::new(tls)).connect(name, stream);
        let greeted = tokio::select! {
            biased;
            greeted = greeting => greeted,
            () = self.clock.sleep(Duration::from_secs(CONNECT_SECONDS_MAX)) => {
                return Err(format!("no TLS with {host} within {CONNECT_SECONDS_MAX} s"));
            }
        };
        match greeted {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) if is_of_unknown_issuer(&error) => Err(format!(
                "the certificate of {host} is of an issuer that is not known here; if the CA is your own, start the program with --ca-file"
            )),
            Err(error) => Err(format!("no TLS with {host}: {error}")),
        }
    }

    async fn addresses(
        &self,
        host: &str,
        port: u16,
        allow_private: bool,
    ) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
            return policy
                .judge(ip, port, allow_private)
                .map(|()| vec![SocketAddr::new(ip, port)])
                .map_err(|why| format!("the address policy refuses this connection: {why}"));
        }
        JudgedResolver::new(Arc::clone(&self.lookup), self.policy.clone(), allow_private)
            .addresses(host, port)
            .await
            .map_err(|why| why.to_string())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "its addresses were judged by the one caller"
)]
async fn connect_to(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(address).await
}
