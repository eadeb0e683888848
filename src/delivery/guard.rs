//! The addresses that may be connected to. If a channel could lead to an internal address, Daymark could be used as a port scanner.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::LazyLock,
};

use ipnet::{Ipv4Net, Ipv6Net};
use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// The networks that are no part of the public Internet (RFC 6890 and its successors), multicast included.
const INSIDE_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// The networks of IPv6 whose addresses contain no address of IPv4.
const INSIDE_V6: [&str; 8] =
    ["::1/128", "::/128", "100::/64", "2001:db8::/32", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"];

fn networks<T: std::str::FromStr>(texts: &[&str]) -> Vec<T> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Whether `address` is loopback, link-local, private or otherwise not public. An address of IPv6 that leads to one of IPv4
/// (mapped, compatible, 6to4, NAT64) counts as that one.
pub fn is_inside(address: IpAddr) -> bool {
    static V4: LazyLock<Vec<Ipv4Net>> = LazyLock::new(|| networks(&INSIDE_V4));
    static V6: LazyLock<Vec<Ipv6Net>> = LazyLock::new(|| networks(&INSIDE_V6));
    match address {
        IpAddr::V4(address) => V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            V6.iter().any(|network| network.contains(&address))
                || within(address).is_some_and(|address| is_inside(IpAddr::V4(address)))
        }
    }
}

fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0 | 0xffff) | (0x64, 0xff9b, _, _, _, _) => of(g, h),
        (0x2002, ..) => of(b, c),
        _ => None,
    }
}

/// The message about a name whose addresses are all internal.
pub const REFUSED: &str = "its address is loopback, link-local or private: such receivers are refused unless \
                           `delivery.allow_private = true`";

/// Resolves names like the default of `ureq`, and leaves out internal addresses. Connections are made to the returned addresses,
/// so that a second resolution of the name cannot lead elsewhere.
#[derive(Debug, Default)]
pub struct GuardedResolver {
    pub allow_private: bool,
    pub system: SystemResolver,
}

/// The resolver of the operating system.
#[derive(Default)]
pub struct SystemResolver(DefaultResolver);

impl std::fmt::Debug for SystemResolver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SystemResolver")
    }
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.system.0.resolve(uri, config, timeout)?;
        if self.allow_private {
            return Ok(found);
        }
        let mut allowed = self.empty();
        for address in allowed_of(&found) {
            allowed.push(address);
        }
        match allowed.is_empty() {
            true => Err(Error::Io(std::io::Error::other(REFUSED))),
            false => Ok(allowed),
        }
    }
}

/// The addresses that are public.
pub fn allowed_of(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    addresses.iter().copied().filter(|address| !is_inside(address.ip())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_and_public_addresses_are_distinguished() {
        assert_eq!(networks::<Ipv4Net>(&INSIDE_V4).len(), INSIDE_V4.len());
        assert_eq!(networks::<Ipv6Net>(&INSIDE_V6).len(), INSIDE_V6.len());
        for inside in [
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
        ] {
            assert!(is_inside(inside.parse().unwrap()), "{inside}");
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "172.15.255.255",
            "100.128.0.1",
            "192.167.1.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(!is_inside(public.parse().unwrap()), "{public}");
        }
        let addresses = ["127.0.0.1:80", "8.8.8.8:80"].map(|text| text.parse().unwrap());
        assert_eq!(allowed_of(&addresses), addresses[1..]);
    }
}
