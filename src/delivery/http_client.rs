//! Requests to receivers: with a time limit for the whole of it, without redirects, without proxies, and to public addresses
//! only unless the settings say otherwise.

use std::io::Read;

use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
    unversioned::transport::DefaultConnector,
};

use super::guard::GuardedResolver;
use crate::config::DeliverySettings;

/// How much of an answer is kept, in bytes.
const MAX_ANSWER_BYTES: u64 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverVerdict {
    Delivered,
    /// The receiver answered, and refused this one notification.
    Refused,
    /// The receiver cannot be reached, or refuses all notifications.
    Failed,
}

/// The statuses that are about the content of a request.
const REFUSALS: [u16; 4] = [400, 413, 415, 422];

/// The outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub verdict: ReceiverVerdict,
    /// The receiver's answer, or the reason why there was none.
    pub answer: String,
}

impl Sent {
    pub fn failed(answer: impl Into<String>) -> Self {
        Self { verdict: ReceiverVerdict::Failed, answer: answer.into() }
    }

    pub fn is_delivered(&self) -> bool {
        self.verdict == ReceiverVerdict::Delivered
    }
}

/// A client that may be shared. Its calls block the thread, so that callers use `spawn_blocking`.
#[derive(Debug, Clone)]
pub struct HttpClient(Agent);

impl HttpClient {
    pub fn new(settings: &DeliverySettings) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("daymark/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots()).build())
            .build();
        let resolver =
            GuardedResolver { allow_private: settings.allow_private, ..GuardedResolver::default() };
        Self(Agent::with_parts(config, DefaultConnector::default(), resolver))
    }

    pub fn get(&self, url: &str) -> Sent {
        sent(self.0.get(url).call())
    }

    pub fn post_json(&self, url: &str, headers: &[(&str, String)], body: &str) -> Sent {
        let mut request = self.0.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        sent(request.send(body))
    }
}

fn sent(outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Sent {
    match outcome {
        Err(error) => Sent::failed(error.to_string()),
        Ok(mut response) => {
            let status = response.status();
            let mut body = Vec::new();
            // An error of reading does not matter: the status says whether the notification was taken.
            let _ = response.body_mut().as_reader().take(MAX_ANSWER_BYTES).read_to_end(&mut body);
            let body = String::from_utf8_lossy(&body);
            let separator = if body.trim().is_empty() { "" } else { ": " };
            Sent {
                verdict: match status.as_u16() {
                    _ if status.is_success() => ReceiverVerdict::Delivered,
                    status if REFUSALS.contains(&status) => ReceiverVerdict::Refused,
                    _ => ReceiverVerdict::Failed,
                },
                answer: format!("HTTP {}{separator}{}", status.as_u16(), body.trim()),
            }
        }
    }
}

/// The certificate authorities of the system, or Mozilla's where it has none.
fn roots() -> RootCerts {
    let native = rustls_native_certs::load_native_certs().certs;
    match native.is_empty() {
        true => RootCerts::WebPki,
        false => native.iter().map(|der| Certificate::from_der(der).to_owned()).into(),
    }
}
