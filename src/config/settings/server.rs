//! The settings of queries, of the HTTP server and of access to it, as typed values.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use jiff::civil::Weekday;

use crate::{
    config::{
        settings::layers::{GivenValue, SettingLayers},
        suggest::shown,
    },
    identity::Secret,
};

/// The least length of the secret in bytes: an HMAC key must be at least as long as the hash (RFC 7518, section 3.2).
const MIN_SECRET_LENGTH: usize = 32;

/// The names of weekdays in settings and requests.
pub const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

/// The settings of queries.
#[derive(Debug, Clone)]
pub struct QuerySettings {
    /// The first day of a week.
    pub week_start: Weekday,
    /// The most points of a series in a response.
    pub max_points: usize,
}

#[derive(Debug, Clone)]
pub struct HttpSettings {
    pub listen: SocketAddr,
    /// The address that serves only the health and metrics endpoints.
    pub management_listen: Option<SocketAddr>,
    pub cache: bool,
    /// The origins that may call the API from a browser; `*` stands for every origin.
    pub cors_origins: Vec<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub request_timeout: Duration,
    pub max_concurrent_requests: usize,
    pub max_concurrent_exports: usize,
    /// The most open connections, busy or idle.
    pub max_connections: usize,
    /// How long a client may stop reading its response before its connection is closed.
    pub stall_timeout: Duration,
    /// How long requests in flight may continue after the server was asked to stop.
    pub shutdown: Duration,
}

#[derive(Debug, Clone)]
pub struct AccessSettings {
    pub public_read: bool,
    pub jwt_secret: Option<Secret>,
    pub jwks: Option<KeySetLocation>,
    pub jwt_audience: String,
    pub jwt_issuer: Option<String>,
    /// The table and the column of the platform that marks admins.
    pub admin_column: Option<(String, String)>,
    /// Requests per minute and user.
    pub rate_limit_per_minute: u32,
    /// The secret with which the sessions of browsers are sealed.
    pub session_secret: Option<Secret>,
}

/// The location of a JSON Web Key Set.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySetLocation {
    Url(url::Url),
    File(PathBuf),
}

/// Shows a URL without user, password and query, which may be secrets.
impl fmt::Display for KeySetLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Url(url) => write!(formatter, "{}{}", url.origin().ascii_serialization(), url.path()),
        }
    }
}

impl fmt::Debug for KeySetLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl QuerySettings {
    pub(super) fn read(given: &mut SettingLayers) -> Option<Self> {
        let week_start = given.choice("query.week_start", &WEEKDAYS);
        let max_points = given.integer("query.max_points");
        Some(Self { week_start: week_start?, max_points: usize::try_from(max_points?).ok()? })
    }
}

impl HttpSettings {
    pub(super) fn read(given: &mut SettingLayers) -> Option<Self> {
        let listen = given.parsed("http.listen", |value| address("http.listen", value));
        let management_listen =
            given.optional("http.management_listen", |value| address("http.management_listen", value));
        let cache = given.boolean("http.cache");
        let cors_origins = given.list("http.cors_origins", origin);
        let trusted_proxies = given.list("http.trusted_proxies", network);
        let request_timeout = given.integer("http.request_timeout_seconds");
        let max_concurrent_requests = given.integer("http.max_concurrent_requests");
        let max_concurrent_exports = given.integer("http.max_concurrent_exports");
        let max_connections = given.integer("http.max_connections");
        let stall_timeout = given.integer("http.stall_timeout_seconds");
        let shutdown = given.integer("http.shutdown_seconds");
        Some(Self {
            listen: listen?,
            management_listen: management_listen?,
            cache: cache?,
            cors_origins: cors_origins?,
            trusted_proxies: trusted_proxies?,
            request_timeout: Duration::from_secs(request_timeout?),
            max_concurrent_requests: usize::try_from(max_concurrent_requests?).ok()?,
            max_concurrent_exports: usize::try_from(max_concurrent_exports?).ok()?,
            max_connections: usize::try_from(max_connections?).ok()?,
            stall_timeout: Duration::from_secs(stall_timeout?),
            shutdown: Duration::from_secs(shutdown?),
        })
    }
}

impl AccessSettings {
    pub(super) fn read(given: &mut SettingLayers) -> Option<Self> {
        let public_read = given.boolean("access.public_read");
        let jwt_secret = given.optional("access.jwt_secret", |given| secret("access.jwt_secret", given));
        let session_secret =
            given.optional("access.session_secret", |given| secret("access.session_secret", given));
        let jwks = given.optional("access.jwks", key_set);
        let jwt_audience = given.parsed("access.jwt_audience", |given| Ok(given.text.clone()));
        let jwt_issuer = given.optional("access.jwt_issuer", |given| Ok(given.text.clone()));
        let admin_column = given.optional("access.admin_column", |GivenValue { text, .. }| {
            text.split_once('.')
                .filter(|(table, column)| !table.is_empty() && !column.is_empty())
                .map(|(table, column)| (table.to_owned(), column.to_owned()))
                .ok_or_else(|| {
                    format!(
                        "access.admin_column must be a table and a column, as in `profiles.is_admin`, not {}",
                        shown(text)
                    )
                })
        });
        let rate_limit = given.integer("access.rate_limit_per_minute");
        Some(Self {
            public_read: public_read?,
            jwt_secret: jwt_secret?,
            jwks: jwks?,
            jwt_audience: jwt_audience?,
            jwt_issuer: jwt_issuer?,
            admin_column: admin_column?,
            rate_limit_per_minute: u32::try_from(rate_limit?).ok()?,
            session_secret: session_secret?,
        })
    }
}

fn secret(key: &str, given: &GivenValue) -> Result<Secret, String> {
    match given.text.len() {
        0..MIN_SECRET_LENGTH => Err(format!("{key} must have at least {MIN_SECRET_LENGTH} characters")),
        _ => Ok(Secret::new(given.text.as_str())),
    }
}

fn address(key: &str, given: &GivenValue) -> Result<SocketAddr, String> {
    given.text.parse().map_err(|_| {
        format!("{key} must be an address and a port, as in `127.0.0.1:8640`, not {}", shown(&given.text))
    })
}

fn key_set(given: &GivenValue) -> Result<KeySetLocation, String> {
    let text = given.text.as_str();
    if let Ok(url) = url::Url::parse(text)
        && url.has_host()
    {
        let is_loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        return match url.scheme() {
            "https" => Ok(KeySetLocation::Url(url)),
            "http" if is_loopback => Ok(KeySetLocation::Url(url)),
            scheme => Err(format!(
                "access.jwks must be an https:// URL or a file, because keys cannot be trusted over {scheme}:"
            )),
        };
    }
    let file = PathBuf::from(text);
    Ok(KeySetLocation::File(given.directory.as_ref().map_or(file.clone(), |directory| directory.join(&file))))
}

fn origin(text: &str) -> Result<String, String> {
    let is_origin = url::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    match text == "*" || is_origin {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "http.cors_origins contains {}: an origin is a scheme, a host and optionally a port, as in `https://app.example.com`",
            shown(text)
        )),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        format!(
            "http.trusted_proxies contains {}: give addresses or networks, as in `10.0.0.0/8`",
            shown(text)
        )
    })
}
