//! Reading the text of a key set, from a URL or a file.

use std::{fs::File, io::Read, time::Duration};

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::config::KeySetLocation;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: u64 = 256 * 1024;

/// Blocks the thread: to be called by `spawn_blocking`.
///
/// # Errors
/// Why it cannot be read, in words that repeat nothing of the location.
pub fn read(location: &KeySetLocation) -> Result<Vec<u8>, String> {
    match location {
        KeySetLocation::File(path) => {
            let mut text = Vec::new();
            let file = File::open(path).map_err(|error| error.to_string())?;
            file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
            match text.len() as u64 > MAX_BYTES {
                true => Err("it is longer than 256 KiB".to_owned()),
                false => Ok(text),
            }
        }
        KeySetLocation::Url(url) => {
            let is_secure = url.scheme() == "https";
            let config = ureq::Agent::config_builder()
                .timeout_global(Some(TIMEOUT))
                // Also of redirections. The settings take plain http:// for loopback addresses only.
                .https_only(is_secure)
                .max_redirects(if is_secure { 3 } else { 0 })
                .tls_config(TlsConfig::builder().root_certs(roots()?).build())
                .build();
            let request = config.new_agent().get(url.as_str()).header("accept", "application/json");
            let mut response = request.call().map_err(|error| error.to_string())?;
            let body = response.body_mut().with_config().limit(MAX_BYTES);
            body.read_to_vec().map_err(|error| error.to_string())
        }
    }
}

/// The certificate authorities that this machine trusts, as for connections to PostgreSQL: those of `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` where they are set. A machine that has none, as a small container, trusts Mozilla's.
fn roots() -> Result<RootCerts, String> {
    let native = rustls_native_certs::load_native_certs();
    match (native.certs.as_slice(), native.errors.first()) {
        ([], Some(error)) => Err(format!("no certificate authority can be read: {error}")),
        ([], None) if names_authorities() => {
            Err("SSL_CERT_FILE or SSL_CERT_DIR has no certificate authority".to_owned())
        }
        ([], None) => Ok(RootCerts::WebPki),
        (certs, _) => Ok(certs.iter().map(|der| Certificate::from_der(der).to_owned()).into()),
    }
}

/// Whether the environment names authorities: then no others are trusted.
fn names_authorities() -> bool {
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some())
}
