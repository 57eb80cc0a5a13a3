//! Wrong passwords: each makes the next try of the same name or address wait longer, and none locks
//! anybody out.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Wrong tries that cost no wait.
pub const FREE_TRIES: u32 = 5;
/// Longest wait of an address.
pub const ADDRESS_WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest wait of a name. It is short, as whoever knows the name can bring it about.
pub const NAME_WAIT_MAX: Duration = Duration::from_secs(8);
/// After so long without a try everything is forgotten.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Names, and addresses, that are remembered; the one tried longest ago gives way.
pub const REMEMBERED_MAX: usize = 4_096;
/// Bits of an IPv6 address that tell its owner; the rest is the owner's to choose.
const V6_OWNER_BITS: u32 = 64;

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Duration,
    /// Until when the next one waits.
    until: Duration,
}

#[derive(Default)]
pub struct Throttle(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// By hash, so that a name takes a known room whatever was typed.
    names: HashMap<[u8; 32], Tries>,
    addresses: HashMap<IpAddr, Tries>,
}

fn key_of(name: &str) -> [u8; 32] {
    Sha256::digest(name.as_bytes()).into()
}

fn owner_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let owner = u128::from(address) >> (128 - V6_OWNER_BITS) << (128 - V6_OWNER_BITS);
            IpAddr::V6(Ipv6Addr::from(owner))
        }
    }
}

/// The wait that is left, when there is one.
fn wait<K: Hash + Eq>(map: &HashMap<K, Tries>, key: &K, now: Duration) -> Duration {
    map.get(key)
        .map_or(Duration::ZERO, |tries| tries.until.saturating_sub(now))
}

fn count<K: Hash + Eq + Copy>(
    map: &mut HashMap<K, Tries>,
    key: K,
    now: Duration,
    wait_max: Duration,
) {
    if map.len() >= REMEMBERED_MAX && !map.contains_key(&key) {
        map.retain(|_, tries| now.saturating_sub(tries.last) < FORGOTTEN_AFTER);
        let oldest = map.iter().min_by_key(|(_, tries)| tries.last);
        if let Some(oldest) = oldest.map(|(key, _)| *key)
            && map.len() >= REMEMBERED_MAX
        {
            map.remove(&oldest);
        }
    }
    let fresh = Tries {
        count: 0,
        last: now,
        until: now,
    };
    let tries = map.entry(key).or_insert(fresh);
    if now.saturating_sub(tries.last) >= FORGOTTEN_AFTER {
        *tries = fresh;
    }
    tries.count = tries.count.saturating_add(1);
    tries.last = now;
    // 1 s after the last free try, then twice as long each time.
    if let Some(doublings) = tries.count.checked_sub(FREE_TRIES) {
        let seconds = 1u64.checked_shl(doublings.min(16)).unwrap_or(u64::MAX);
        tries.until = now + Duration::from_secs(seconds).min(wait_max);
    }
}

impl Throttle {
    /// Counts a try before its password is looked at, so that many at once count as many; or says
    /// how long to wait.
    pub fn admit(&self, name: &str, address: IpAddr, now: Duration) -> Result<(), Duration> {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, address) = (key_of(name), owner_of(address));
        let left =
            wait(&remembered.names, &name, now).max(wait(&remembered.addresses, &address, now));
        if !left.is_zero() {
            return Err(left);
        }
        count(&mut remembered.names, name, now, NAME_WAIT_MAX);
        count(&mut remembered.addresses, address, now, ADDRESS_WAIT_MAX);
        Ok(())
    }

    /// The password was right: the name's tries are forgotten, and this one of the address. Earlier
    /// ones of the address stay, or an account of one's own would hide guesses at another.
    pub fn succeeded(&self, name: &str, address: IpAddr, now: Duration) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.names.remove(&key_of(name));
        if let Some(tries) = remembered.addresses.get_mut(&owner_of(address)) {
            tries.count = tries.count.saturating_sub(1);
            tries.until = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_grow_to_their_end_and_are_forgotten() {
        let throttle = Throttle::default();
        let other = |last: u8| IpAddr::from([198, 51, 100, last]);
        for _ in 0..FREE_TRIES {
            assert_eq!(throttle.admit("wren", ADDRESS, at(0)), Ok(()));
        }
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = throttle.admit("wren", ADDRESS, now).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(throttle.admit("wren", ADDRESS, now), Ok(()));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        // The name waits less, from wherever; another name at another address not at all.
        assert_eq!(throttle.admit("wren", other(1), now), Err(NAME_WAIT_MAX));
        assert_eq!(throttle.admit("finch", other(1), now), Ok(()));
        assert_eq!(
            throttle.admit("finch", ADDRESS, now),
            Err(ADDRESS_WAIT_MAX),
            "another name does not help an address"
        );
        now += FORGOTTEN_AFTER;
        for _ in 0..FREE_TRIES {
            assert_eq!(throttle.admit("wren", ADDRESS, now), Ok(()));
        }
    }

    #[test]
    fn a_success_frees_the_name_and_not_the_address() {
        let throttle = Throttle::default();
        for _ in 0..4 {
            assert_eq!(throttle.admit("wren", ADDRESS, at(0)), Ok(()));
        }
        assert_eq!(throttle.admit("own", ADDRESS, at(0)), Ok(()));
        throttle.succeeded("own", ADDRESS, at(0));
        assert_eq!(throttle.admit("wren", ADDRESS, at(0)), Ok(()));
        assert!(throttle.admit("own", ADDRESS, at(0)).is_err());
    }

    #[test]
    fn the_memory_is_bounded_and_a_v6_owner_is_one_address() {
        let throttle = Throttle::default();
        for index in 0..(REMEMBERED_MAX as u128 + 10) {
            let address = IpAddr::V6(Ipv6Addr::from(index << 64));
            assert_eq!(throttle.admit(&index.to_string(), address, at(1)), Ok(()));
        }
        let remembered = throttle.0.lock().unwrap();
        assert_eq!(remembered.names.len(), REMEMBERED_MAX);
        assert_eq!(remembered.addresses.len(), REMEMBERED_MAX);
        assert_eq!(
            owner_of("2001:db8::1".parse().unwrap()),
            owner_of("2001:db8::ffff:1".parse().unwrap())
        );
    }
}
