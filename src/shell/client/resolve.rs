//! Names to judged addresses.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::shell::address::AddressPolicy;

/// Most addresses of a name that are tried; the rest is not looked at.
pub const ADDRESSES_MAX: usize = 16;

/// Longest wait for one name server, in milliseconds, so that a second one is asked before the
/// connection gives up.
pub const NAME_SERVER_MILLIS_MAX: u64 = 1_500;

tokio::task_local! {
    /// The port that the call under way connects to. A resolver is asked with the name alone, and
    /// whether an address is a listener of ours depends on the port.
    pub(super) static PORT: u16;
}

/// A look-up under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, LookupFailed>> + Send + 'a>>;

/// Where the addresses of a name come from. They are judged afterwards.
pub trait Lookup: Send + Sync {
    fn lookup<'a>(&'a self, name: &'a str) -> Looking<'a>;
}

/// A name without addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookupFailed(pub String);

/// Why there is no address to connect to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("{name} does not resolve: {why}")]
    Failed { name: String, why: String },
    #[error("the address policy refuses {name}: {why}")]
    Refused { name: String, why: String },
    #[error("{name} was asked for outside of a call")]
    NoCall { name: String },
}

/// Gives a connection the addresses of a name that the policy allows, and no others.
#[derive(Clone)]
pub struct JudgedResolver {
    lookup: Arc<dyn Lookup>,
    policy: Arc<RwLock<AddressPolicy>>,
    allow_private: bool,
}

impl JudgedResolver {
    pub fn new(
        lookup: Arc<dyn Lookup>,
        policy: Arc<RwLock<AddressPolicy>>,
        allow_private: bool,
    ) -> Self {
        JudgedResolver {
            lookup,
            policy,
            allow_private,
        }
    }

    /// Looks a name up and judges every address. A refused one is left out; when none is left, the
    /// reasons say why.
    pub async fn addresses(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Unresolved> {
        let refused = |why: String| Unresolved::Refused {
            name: name.to_owned(),
            why,
        };
        self.policy
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .judge_name(name)
            .map_err(|reason| refused(reason.to_string()))?;
        let found = self
            .lookup
            .lookup(name)
            .await
            .map_err(|error| Unresolved::Failed {
                name: name.to_owned(),
                why: error.to_string(),
            })?;
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        let mut allowed = Vec::new();
        let mut reasons = Vec::new();
        for ip in found.into_iter().take(ADDRESSES_MAX) {
            match policy.judge(ip, port, self.allow_private) {
                Ok(()) => allowed.push(SocketAddr::new(ip, port)),
                Err(reason) => reasons.push(reason.to_string()),
            }
        }
        if !allowed.is_empty() {
            Ok(allowed)
        } else if reasons.is_empty() {
            Err(Unresolved::Failed {
                name: name.to_owned(),
                why: "it has no address".into(),
            })
        } else {
            Err(refused(reasons.join("; ")))
        }
    }
}

impl Resolve for JudgedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        // Read here, while the call is polled: the look-up may be finished by another task.
        let port = PORT.try_with(|port| *port);
        let resolver = self.clone();
        Box::pin(async move {
            let name = name.as_str();
            // Without the port nothing can be judged, so nothing is allowed.
            let port = port.map_err(|_| Unresolved::NoCall {
                name: name.to_owned(),
            })?;
            let addresses = resolver.addresses(name, port).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The files that say how this machine resolves names, and when they last changed.
const SYSTEM_FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

type Stamp = [Option<SystemTime>; 2];

/// Name servers and hosts file of this machine. They are read again when they change, because a
/// program that runs for months sees its network change.
#[derive(Default)]
pub struct SystemLookup {
    current: Mutex<Option<(Stamp, TokioResolver)>>,
}

impl std::fmt::Debug for SystemLookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemLookup").finish_non_exhaustive()
    }
}

impl SystemLookup {
    fn resolver(&self) -> Result<TokioResolver, LookupFailed> {
        let stamp = SYSTEM_FILES.map(|file| {
            Path::new(file)
                .metadata()
                .and_then(|metadata| metadata.modified())
                .ok()
        });
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, resolver)) = current.as_ref()
            && *known == stamp
        {
            return Ok(resolver.clone());
        }
        let resolver = system_resolver()
            .map_err(|error| LookupFailed(format!("no resolver could be set up: {error}")))?;
        *current = Some((stamp, resolver.clone()));
        Ok(resolver)
    }
}

impl Lookup for SystemLookup {
    fn lookup<'a>(&'a self, name: &'a str) -> Looking<'a> {
        Box::pin(async move {
            let resolver = self.resolver()?;
            match resolver.lookup_ip(name).await {
                Ok(found) => Ok(found.iter().collect()),
                Err(error) => Err(LookupFailed(error.to_string())),
            }
        })
    }
}

/// Names as this machine knows them, judged by nobody: for the calls of the person at the command
/// line, who chose the address. The C library is not asked: linked into the program it would need
/// files of the very system it was built on.
#[derive(Clone, Default)]
pub struct SystemResolver(Arc<SystemLookup>);

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = Arc::clone(&self.0);
        Box::pin(async move {
            let found = lookup
                .lookup(name.as_str())
                .await
                .map_err(|error| Unresolved::Failed {
                    name: name.as_str().to_owned(),
                    why: error.to_string(),
                })?;
            // The port is that of the address asked for; 0 lets it stand.
            let addresses: Vec<SocketAddr> = found
                .into_iter()
                .take(ADDRESSES_MAX)
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn system_resolver() -> Result<TokioResolver, NetError> {
    let mut builder = match TokioResolver::builder_tokio() {
        Ok(builder) => builder,
        Err(error) => {
            // As the C library does without a configuration: ask this machine. A public server would
            // be told the names of a household's services.
            tracing::warn!(
                error = %error,
                "no name servers are configured, so the one on 127.0.0.1 is asked"
            );
            let server = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
            TokioResolver::builder_with_config(
                ResolverConfig::from_parts(None, Vec::new(), vec![server]),
                TokioRuntimeProvider::default(),
            )
        }
    };
    let options = builder.options_mut();
    options.timeout = options
        .timeout
        .min(Duration::from_millis(NAME_SERVER_MILLIS_MAX));
    builder.build()
}
