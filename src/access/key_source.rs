//! Reads the text of a key set from a URL or a file, within 5 seconds and 256 KiB.

use std::{fs::File, io::Read, time::Duration};

use ureq::tls::TlsConfig;

use crate::{authorities::trusted_roots, config::KeySetLocation};

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: u64 = 256 * 1024;

/// Reads the key set. This blocks the thread, so that callers use `spawn_blocking`.
///
/// # Errors
/// The reason why the text cannot be read. It does not contain the location.
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
                // This also applies to redirects. The settings accept plain http:// for loopback addresses only.
                .https_only(is_secure)
                .max_redirects(if is_secure { 3 } else { 0 })
                .tls_config(TlsConfig::builder().root_certs(trusted_roots()?).build())
                .build();
            let request = config.new_agent().get(url.as_str()).header("accept", "application/json");
            let mut response = request.call().map_err(|error| error.to_string())?;
            let body = response.body_mut().with_config().limit(MAX_BYTES);
            body.read_to_vec().map_err(|error| error.to_string())
        }
    }
}
