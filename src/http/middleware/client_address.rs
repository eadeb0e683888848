//! The address of the client: that of the connection, or, where that is a trusted proxy's, the one that the proxy names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The client's address: that of the connection, or, if that is a trusted proxy's, the last one in `X-Forwarded-For`
/// that is not.
pub fn client_address(request: &Parts, trusted: &[IpNet]) -> IpAddr {
    let peer = request.extensions.get::<Peer>().map(|Peer(address)| address.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    forwarded_for(peer, &request.headers, trusted)
}

fn forwarded_for(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<_> = values.flat_map(|value| value.split(',')).collect();
    let mut client = peer;
    for hop in hops.iter().rev() {
        // Entries before one that is not an address were not written by a trusted proxy, so the search ends here.
        let Some(address) = hop_address(hop) else { break };
        client = address.to_canonical();
        if !is_trusted(&client) {
            break;
        }
    }
    client
}

/// The address of a hop, as proxies write it: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:4711`; with or without quotes.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim().trim_matches('"');
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || {
        let v4 = hop.parse::<SocketAddrV4>().map(|address| IpAddr::V4(*address.ip())).ok();
        v4.or_else(|| hop.parse::<SocketAddrV6>().map(|address| IpAddr::V6(*address.ip())).ok())
    };
    hop.parse().ok().or_else(bracketed).or_else(with_port)
}

/// Whether an open server may answer: a page of another site can make a browser send requests to this machine, also
/// under a name of its own that leads here (DNS rebinding), but it cannot forge these headers.
pub fn is_local_request(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    let is_local = |host: &str| {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    };
    // A proxy may not have checked where the request came from.
    let is_forwarded =
        ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| headers.contains_key(*name));
    let host_is_local = !is_forwarded && text(header::HOST).is_none_or(is_local);
    let origin_is_local = text(header::ORIGIN)
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| is_local(host)));
    host_is_local && origin_is_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, forwarded: &str) -> String {
        let headers: HeaderMap = [(FORWARDED_FOR, forwarded.parse().unwrap())].into_iter().collect();
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        forwarded_for(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client_of("192.0.2.1", "198.51.100.7"), "192.0.2.1", "any client can write that header");
        assert_eq!(client_of("10.0.0.1", "198.51.100.7"), "198.51.100.7");
        assert_eq!(client_of("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
        assert_eq!(client_of("10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
        assert_eq!(client_of("10.0.0.1", "203.0.113.9, nonsense"), "10.0.0.1");
        assert_eq!(client_of("10.0.0.1", "2001:db8::1"), "2001:db8::1");
    }

    #[test]
    fn a_hop_may_have_a_port_brackets_and_quotes() {
        for (hop, address) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
            ("[::ffff:198.51.100.7]:4711", "198.51.100.7"),
            ("198.51.100.7:4711, 10.0.0.2:80, [fd00::1]:443", "198.51.100.7"),
        ] {
            assert_eq!(client_of("10.0.0.1", hop), address, "{hop}");
        }
        for nonsense in
            ["198.51.100.7:", "198.51.100.7:99999", "[2001:db8::1", "[198.51.100.7]", "unknown", ""]
        {
            assert_eq!(client_of("10.0.0.1", nonsense), "10.0.0.1", "{nonsense}");
        }
    }

    #[test]
    fn an_open_server_answers_this_machine_only() {
        let allowed = |name: HeaderName, value: &'static str| {
            is_local_request(&[(name, HeaderValue::from_static(value))].into_iter().collect())
        };
        for local in ["localhost", "LOCALHOST:8640", "127.0.0.1:8640", "[::1]:8640", "[::1]", "127.0.0.2"] {
            assert!(allowed(header::HOST, local), "{local}");
        }
        for remote in ["evil.example", "localhost.evil.example", "192.0.2.1:8640", ""] {
            assert!(!allowed(header::HOST, remote), "{remote}");
        }
        assert!(allowed(header::ORIGIN, "http://localhost:5173"));
        for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example"] {
            assert!(!allowed(header::ORIGIN, origin), "{origin}");
        }
        assert!(!allowed(FORWARDED_FOR, "192.0.2.1"), "a proxy stands before the server");
        assert!(is_local_request(&HeaderMap::new()), "programs may leave the headers out");
    }
}
