//! The certificate authorities that are trusted when Daymark connects to a server over HTTPS.

use ureq::tls::{Certificate, RootCerts};

/// The certificate authorities that are trusted: those of `SSL_CERT_FILE` and `SSL_CERT_DIR` if they are set, otherwise
/// those of the operating system. A machine without any, such as a minimal container, uses Mozilla's list.
///
/// # Errors
/// When those that are named, or all of the system's, cannot be read.
pub fn trusted_roots() -> Result<RootCerts, String> {
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

/// Whether the environment names certificate authorities, in which case no others are trusted.
fn names_authorities() -> bool {
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some())
}
