//! Settings of the process, one struct per topic. The command line fills them.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::client::Roots;

/// What the listener is told.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    pub public_url: Option<String>,
    /// Names beside the public one under which the program may be asked for.
    pub hosts: Vec<String>,
    /// Proxies whose forwarded headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Largest body of a webhook, where the provider does not say otherwise, in bytes.
    pub body_max: Option<u32>,
    /// Whom the demo logs in on loopback, without a password. Never set by `serve`.
    pub auto_login: Option<String>,
}

impl HttpOptions {
    pub fn public_host(&self) -> Option<String> {
        self.public_url.as_deref().and_then(host_of)
    }
}

/// The host of an address.
pub fn host_of(address: &str) -> Option<String> {
    url::Url::parse(address).ok()?.host_str().map(str::to_owned)
}

/// How the program runs.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub http: HttpOptions,
    /// Where the key is, when not in the data folder.
    pub secret_key_file: Option<PathBuf>,
    /// Networks that targets with `allow_private` may reach; `None`: all private ones.
    pub private_networks: Option<Vec<IpNet>>,
    /// Whom outgoing calls trust.
    pub roots: Roots,
    /// Bytes of redb's page cache.
    pub cache_bytes: usize,
}
