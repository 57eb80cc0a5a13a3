//! A certificate authority of a test, and servers that show its certificates.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::TlsAcceptor;

use super::request::request;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Its certificate, as an operator keeps it in a file.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server for this name or address that greets with TLS, answers every request with 200 and
    /// what it was told, and says so here as well.
    pub async fn serve(&self, name: &str) -> (SocketAddr, UnboundedReceiver<String>) {
        let acceptor = self.acceptor(name);
        let (tell, told) = unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, tell) = (acceptor.clone(), tell.clone());
                tokio::spawn(async move {
                    // Who does not trust us hangs up while greeting.
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let told = request(&mut stream).await;
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        told.len()
                    );
                    let _ = stream.write_all(head.as_bytes()).await;
                    let _ = stream.write_all(told.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    // The test may be over.
                    let _ = tell.send(told);
                });
            }
        });
        (address, told)
    }

    /// Greets with a certificate for this name or address.
    pub fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new([name.to_owned()])
            .expect("a name")
            .signed_by(&key, &self.0)
            .expect("a certificate");
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions of TLS")
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
                )
                .expect("a certificate of this key");
        TlsAcceptor::from(Arc::new(config))
    }
}
