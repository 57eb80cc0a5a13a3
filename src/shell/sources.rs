//! Providers as intake sees them: opened, with their rate and what was last heard of them.
//!
//! What is here lives in memory only. Requests that are not verified must not grow the log, and what
//! was refused is of interest while someone is setting a sender up.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ledger::Ledger;
use super::vault::{Opened, Vault, VaultError};
use crate::domain::spec::{EntityKind, PROVIDER_RATE_DEFAULT, ProviderSpec, Rate};
use crate::providers::{self, Prepared, Provider, Unreadable};

/// Requests that were not verified, per address: so many in a burst, refilled at one every
/// [`UNVERIFIED_REFILL`].
pub const UNVERIFIED_BURST: u32 = 60;
/// See [`UNVERIFIED_BURST`].
pub const UNVERIFIED_REFILL: Duration = Duration::from_secs(1);
/// Addresses remembered for that; the one that was quiet longest is forgotten first.
pub const ADDRESSES_MAX: usize = 10_000;

/// What was last heard of a provider, in memory since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    pub verified: u64,
    pub refused: u64,
    pub unreadable: u64,
    pub duplicates: u64,
    pub rate_limited: u64,
    /// Microseconds since 1970.
    pub last_verified_at: Option<i64>,
    pub last_refused_at: Option<i64>,
    pub last_refused_why: Option<String>,
    pub last_refused_from: Option<IpAddr>,
}

/// A provider ready to take requests.
pub struct Source {
    pub id: u32,
    pub revision: u64,
    pub spec: ProviderSpec,
    pub kind: &'static dyn Provider,
    pub opened: Arc<Opened>,
    /// What the kind made of the configuration; an error makes every request unreadable.
    pub prepared: Result<Prepared, Unreadable>,
    live: Arc<Live>,
}

/// Lives as long as the provider, whatever its revision.
#[derive(Default)]
struct Live {
    heard: Mutex<Heard>,
    bucket: Mutex<Bucket>,
}

/// A token bucket. Time enters as an argument.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    /// Tokens used, in parts of one refill; 0 when full.
    used: f64,
    at: Duration,
}

impl Bucket {
    /// Takes one token, or says how long until there is one.
    pub fn take(&mut self, rate: Rate, now: Duration) -> Result<(), Duration> {
        let per_second = f64::from(rate.count.max(1)) / f64::from(rate.per_seconds.max(1));
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.used = (self.used - passed * per_second).max(0.0);
        self.at = now;
        if self.used + 1.0 <= f64::from(rate.count.max(1)) {
            self.used += 1.0;
            return Ok(());
        }
        let missing = self.used + 1.0 - f64::from(rate.count.max(1));
        Err(Duration::from_secs_f64(missing / per_second))
    }

    /// Whether a token could be taken, without taking it.
    fn would_take(mut self, rate: Rate, now: Duration) -> Result<(), Duration> {
        self.take(rate, now)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    pub fn heard(&self) -> Heard {
        lock(&self.live.heard).clone()
    }

    pub fn note(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut lock(&self.live.heard));
    }

    /// Takes one of the verified requests the provider may send, or says when it may again.
    pub fn admit(&self, now: Duration) -> Result<(), Duration> {
        let rate = match self.spec.rate {
            None => PROVIDER_RATE_DEFAULT,
            Some(Some(rate)) => rate,
            Some(None) => return Ok(()),
        };
        lock(&self.live.bucket).take(rate, now)
    }
}

/// Why a request finds no source.
#[derive(Debug, thiserror::Error)]
pub enum NoSource {
    #[error("unknown")]
    Unknown,
    #[error("disabled")]
    Disabled,
    #[error(transparent)]
    Secrets(#[from] VaultError),
}

struct OpenSource {
    source: Arc<Source>,
    /// Revision of the whole configuration in which this was last seen to be how the provider is
    /// configured. While that is the current one, nobody has to ask the state, which waits for
    /// what is being applied to it.
    current_at: u64,
}

impl OpenSource {
    fn enabled(&self) -> Result<Arc<Source>, NoSource> {
        if self.source.spec.enabled {
            Ok(Arc::clone(&self.source))
        } else {
            Err(NoSource::Disabled)
        }
    }
}

pub struct Sources {
    ledger: Ledger,
    vault: Arc<Vault>,
    /// By name; at most one entry a provider.
    open: Mutex<HashMap<String, OpenSource>>,
    addresses: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Sources {
    pub fn new(ledger: Ledger, vault: Arc<Vault>) -> Self {
        Sources {
            ledger,
            vault,
            open: Mutex::default(),
            addresses: Mutex::default(),
        }
    }

    /// The provider of a path, as it is configured now.
    pub fn find(&self, name: &str) -> Result<Arc<Source>, NoSource> {
        let current = self.ledger.configuration_revision();
        if let Some(open) = lock(&self.open).get(name)
            && open.current_at == current
        {
            return open.enabled();
        }
        let (id, revision, spec, marks) = {
            let state = self.ledger.state();
            let provider = state
                .configuration
                .provider(name)
                .ok_or(NoSource::Unknown)?;
            if let Some(open) = lock(&self.open).get_mut(name)
                && open.source.id == provider.id
                && open.source.revision == provider.revision
            {
                open.current_at = state.configuration.revision;
                return open.enabled();
            }
            (
                provider.id,
                provider.revision,
                provider.spec.clone(),
                provider.secrets.clone(),
            )
        };
        let kind = providers::kind(&spec.kind).ok_or(NoSource::Unknown)?;
        let opened = self
            .vault
            .open(EntityKind::Provider, id, revision, &marks)?;
        let prepared = kind
            .webhook()
            .map_or_else(|| Ok(Prepared::default()), |webhook| webhook.prepare(&spec));
        // The state first, as above: two who took the locks in different orders would wait for each
        // other as soon as a commit waits for the state.
        let state = self.ledger.state();
        let mut open = lock(&self.open);
        let live = open
            .get(name)
            .filter(|open| open.source.id == id)
            .map(|open| Arc::clone(&open.source.live));
        let live = live.unwrap_or_default();
        let source = Arc::new(Source {
            id,
            revision,
            spec,
            kind,
            opened,
            prepared,
            live,
        });
        open.retain(|name, open| {
            state
                .configuration
                .provider(name)
                .is_some_and(|p| p.id == open.source.id)
        });
        let opened = OpenSource {
            source,
            // It may have changed while the secrets were opened: then the next one looks again.
            current_at: 0,
        };
        let found = opened.enabled();
        open.insert(name.to_owned(), opened);
        found
    }

    /// What was heard of a provider since the start.
    pub fn heard(&self, name: &str) -> Heard {
        lock(&self.open)
            .get(name)
            .map(|open| open.source.heard())
            .unwrap_or_default()
    }

    /// Whether an address has been refused too often lately; says how long until it may ask again.
    pub fn address_may_ask(&self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        lock(&self.addresses)
            .get(&household(address))
            .map_or(Ok(()), |bucket| bucket.would_take(unverified_rate(), now))
    }

    /// Notes that a request of this address was not verified.
    pub fn address_refused(&self, address: IpAddr, now: Duration) {
        let address = household(address);
        let mut addresses = lock(&self.addresses);
        if addresses.len() >= ADDRESSES_MAX && !addresses.contains_key(&address) {
            let quiet = addresses
                .iter()
                .min_by_key(|(_, bucket)| bucket.at)
                .map(|(address, _)| *address);
            quiet.and_then(|address| addresses.remove(&address));
        }
        // Beyond its burst it is refused before it is looked at, so a full bucket needs no answer.
        let _full = addresses
            .entry(address)
            .or_default()
            .take(unverified_rate(), now);
    }
}

/// The address under which a client is known here: one client has a whole IPv6 network of 64 bits.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(std::net::Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
    }
}

fn unverified_rate() -> Rate {
    let refill = u32::try_from(UNVERIFIED_REFILL.as_secs()).unwrap_or(1);
    Rate {
        count: UNVERIFIED_BURST,
        per_seconds: UNVERIFIED_BURST * refill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let rate = Rate {
            count: 3,
            per_seconds: 60,
        };
        let mut bucket = Bucket::default();
        let at = Duration::from_secs;
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, at(100)), Ok(()));
        }
        let wait = bucket.take(rate, at(100)).unwrap_err();
        assert_eq!(wait.as_secs_f64().round() as u64, 20);
        assert!(bucket.take(rate, at(119)).is_err());
        assert_eq!(bucket.take(rate, at(121)), Ok(()));
        assert!(bucket.take(rate, at(121)).is_err());
    }

    #[test]
    fn one_household_has_one_bucket() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            let known_as = |text| household(address(text));
            assert_eq!(known_as(one) == known_as(other), same, "{one} {other}");
        }
    }
}
