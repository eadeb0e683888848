//! Finds the reasons why every delivery to a channel would fail, before anything is sent.

use std::net::IpAddr;

use url::{Host, Url};

use super::{
    guard::{REFUSED, is_inside},
    signature::sign,
};
use crate::config::{Channel, ChannelKind, GivenSecret};

/// The reason why every delivery to `channel` would fail, as far as its declaration shows it: an internal address that is not
/// allowed, or a secret that cannot be used. Names other than `localhost` are not resolved.
pub fn channel_problem(channel: &Channel, allow_private: bool) -> Option<String> {
    let revealed = |secret: &GivenSecret| secret.reveal().ok().map(ToOwned::to_owned);
    let (url, secret) = match &channel.kind {
        ChannelKind::Webhook { url, secret } => (revealed(url)?, secret.as_ref().and_then(revealed)),
        ChannelKind::Slack { url } | ChannelKind::Alertmanager { url } => (revealed(url)?, None),
        ChannelKind::Email(email) => {
            return (!allow_private && is_inside_host(&email.host)).then(|| REFUSED.to_owned());
        }
    };
    if !allow_private && leads_inside(&url) {
        return Some(REFUSED.to_owned());
    }
    secret.and_then(|secret| sign(&secret, "", 0, "").err())
}

/// Whether the host of `url` is an internal address, or `localhost`.
pub fn leads_inside(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    match url.host() {
        Some(Host::Domain(name)) => is_inside_host(name),
        Some(Host::Ipv4(address)) => is_inside(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_inside(IpAddr::V6(address)),
        None => false,
    }
}

fn is_inside_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_addresses_are_recognised_from_their_text() {
        for url in ["http://localhost:9/x", "http://127.0.0.1/", "https://10.1.2.3", "http://[::1]:80/"] {
            assert!(leads_inside(url), "{url}");
        }
        for url in ["https://hooks.example.org/x", "https://8.8.8.8/", "no url"] {
            assert!(!leads_inside(url), "{url}");
        }
    }
}
