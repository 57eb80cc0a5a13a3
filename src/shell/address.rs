//! The address policy: where an outgoing connection may go.
//!
//! **Invariant:** this is the only judge. [`crate::shell::client`] connects to nothing that
//! [`AddressPolicy::judge`] did not allow, and judges literal and resolved addresses alike.
//!
//! **Invariant:** pure. What it must know of this machine (is that address one of ours?) comes in
//! as a function.
//!
//! An address is judged by where its packets end. An IPv6 address that carries an IPv4 address
//! (mapped, compatible, translated, 6to4, NAT64, Teredo) is judged as that IPv4 address, because
//! a gateway or the kernel itself would send it there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Names under which clouds hand credentials to anyone on the machine.
const METADATA_HOSTS: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Addresses of such services. The first three families are reached by name or by literal; Azure's
/// and Oracle's look public and are not.
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
];

/// The networks that `allow_private` opens when nothing else is configured.
pub const PRIVATE_NETWORKS: &[&str] = &[
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
];

/// Where connections may go.
#[derive(Debug, Clone)]
pub struct AddressPolicy {
    /// What `allow_private` opens; by default [`PRIVATE_NETWORKS`]. It can only narrow or add
    /// special-use networks: what is never allowed stays so.
    pub private_networks: Vec<IpNet>,
    /// Where this program itself listens. A call to itself would feed it its own messages.
    pub own_listeners: Vec<SocketAddr>,
    /// Whether an address belongs to this machine. Asked only for a port on which we listen on
    /// every address.
    pub local: fn(IpAddr) -> bool,
}

impl Default for AddressPolicy {
    fn default() -> Self {
        AddressPolicy {
            private_networks: PRIVATE_NETWORKS
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect(),
            own_listeners: Vec::new(),
            local: |ip| ip.is_loopback(),
        }
    }
}

/// Why an address is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    pub reason: String,
}

impl Refused {
    fn new(reason: impl Into<String>) -> Self {
        Refused {
            reason: reason.into(),
        }
    }
}

/// What kind of place an address is, whatever the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Public,
    /// Reached with `allow_private` when it lies in a configured network.
    Private(&'static str),
    Never(&'static str),
}

impl AddressPolicy {
    /// Whether a connection to `ip` and `port` may be made.
    pub fn judge(&self, ip: IpAddr, port: u16, allow_private: bool) -> Result<(), Refused> {
        let inner = destinations(ip)
            .ok_or_else(|| Refused::new(format!("{ip} carries no address that can be judged")))?;
        for address in inner {
            self.judge_one(address, ip, port, allow_private)?;
        }
        Ok(())
    }

    /// Whether a name may be asked for at all. Its addresses are judged besides.
    pub fn judge_name(&self, name: &str) -> Result<(), Refused> {
        let plain = name.trim_end_matches('.').to_ascii_lowercase();
        if METADATA_HOSTS.contains(&plain.as_str()) {
            return Err(Refused::new(format!(
                "{plain} is a cloud metadata service, which is never called"
            )));
        }
        Ok(())
    }

    fn judge_one(
        &self,
        address: IpAddr,
        written: IpAddr,
        port: u16,
        allow_private: bool,
    ) -> Result<(), Refused> {
        let shown = if address == written {
            address.to_string()
        } else {
            format!("{written} (which is {address})")
        };
        match place(address) {
            Place::Never(what) => {
                return Err(Refused::new(format!(
                    "{shown} is {what}, which is never called"
                )));
            }
            Place::Private(what) if !allow_private => {
                return Err(Refused::new(format!(
                    "{shown} is {what}: set allow_private to reach it"
                )));
            }
            Place::Private(what) => {
                if !self
                    .private_networks
                    .iter()
                    .any(|network| network.contains(&address))
                {
                    return Err(Refused::new(format!(
                        "{shown} is {what} and in none of the private networks that may be reached: add it to --private-networks"
                    )));
                }
            }
            Place::Public => {}
        }
        if self.is_own_listener(address, port) || self.is_own_listener(written, port) {
            return Err(Refused::new(format!(
                "{shown} port {port} is this program itself"
            )));
        }
        Ok(())
    }

    /// True when `ip` and `port` reach a listener of ours.
    fn is_own_listener(&self, ip: IpAddr, port: u16) -> bool {
        self.own_listeners.iter().any(|listener| {
            listener.port() == port
                && (listener.ip().to_canonical() == ip
                    || (listener.ip().to_canonical().is_unspecified() && (self.local)(ip)))
        })
    }
}

/// The addresses at which packets for `ip` can end: itself, or what it carries. `None` when it has
/// the shape of a carrier but carries nothing.
fn destinations(ip: IpAddr) -> Option<Vec<IpAddr>> {
    match ip {
        IpAddr::V4(_) => Some(vec![ip]),
        IpAddr::V6(v6) => {
            let carried = carried(v6);
            match carried {
                Carried::Nothing => Some(vec![ip]),
                Carried::One(v4) => Some(vec![IpAddr::V4(v4)]),
                Carried::Any(list) if list.is_empty() => None,
                Carried::Any(list) => Some(list.into_iter().map(IpAddr::V4).collect()),
            }
        }
    }
}

enum Carried {
    Nothing,
    One(Ipv4Addr),
    /// The layout is not known from the address alone, so all of these must be allowed.
    Any(Vec<Ipv4Addr>),
}

fn carried(v6: Ipv6Addr) -> Carried {
    let segments = v6.segments();
    let octets = v6.octets();
    let four =
        |at: [usize; 4]| Ipv4Addr::new(octets[at[0]], octets[at[1]], octets[at[2]], octets[at[3]]);
    let last = four([12, 13, 14, 15]);
    match segments {
        // Unspecified and loopback are IPv6 addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Carried::Nothing,
        // IPv4-compatible, IPv4-mapped, IPv4-translated.
        [0, 0, 0, 0, 0, 0, _, _]
        | [0, 0, 0, 0, 0, 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _] => Carried::One(last),
        [0x2002, ..] => Carried::One(four([2, 3, 4, 5])),
        [0x0064, 0xff9b, 0, 0, 0, 0, _, _] => Carried::One(last),
        // A translator on this prefix may use any of the layouts of RFC 6052, and ignores the bits
        // behind the address. 0/8 says that a layout is not the one in use.
        [0x0064, 0xff9b, 1, ..] => Carried::Any(
            [
                [6, 7, 9, 10],
                [7, 9, 10, 11],
                [9, 10, 11, 12],
                [12, 13, 14, 15],
            ]
            .map(four)
            .into_iter()
            .filter(|v4| v4.octets()[0] != 0)
            .collect(),
        ),
        // Teredo: the client's address, its bits inverted.
        [0x2001, 0, ..] => Carried::One(Ipv4Addr::from(!u32::from(last))),
        [..] => Carried::Nothing,
    }
}

fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(v4) => place_v4(v4),
        IpAddr::V6(v6) => place_v6(v6),
    }
}

fn place_v4(v4: Ipv4Addr) -> Place {
    if METADATA_V4.contains(&v4) {
        return Place::Never("a cloud metadata service");
    }
    match v4.octets() {
        [0, ..] => Place::Never("an address of \"this network\""),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Private("a private address"),
        [100, 64..=127, ..] => Place::Private("an address behind a carrier's translation"),
        [127, ..] => Place::Private("a loopback address"),
        [169, 254, ..] => Place::Never("a link-local address"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Place::Never("an address kept for documentation")
        }
        // No one's network by default, but some tunnels use these locally, so a person may list them.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => {
            Place::Private("a special-use address")
        }
        [224..=239, ..] => Place::Never("a multicast address"),
        [255, 255, 255, 255] => Place::Never("the broadcast address"),
        [240..=255, ..] => Place::Never("a reserved address"),
        [..] => Place::Public,
    }
}

fn place_v6(v6: Ipv6Addr) -> Place {
    if METADATA_V6.contains(&v6) {
        return Place::Never("a cloud metadata service");
    }
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Place::Never("the unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Private("a loopback address"),
        [0xfc00..=0xfdff, ..] => Place::Private("a private address"),
        [0xfe80..=0xfebf, ..] => Place::Never("a link-local address"),
        [0xfec0..=0xfeff, ..] => Place::Private("a site-local address"),
        [0xff00..=0xffff, ..] => Place::Never("a multicast address"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => {
            Place::Never("an address kept for documentation")
        }
        [0x2001, 0..=0x01ff, ..] => Place::Private("a special-use address"),
        [0x2000..=0x3fff, ..] => Place::Public,
        [..] => Place::Never("outside of the public IPv6 space"),
    }
}

#[cfg(test)]
mod tests;
