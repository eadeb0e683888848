//! Requests to receivers: with a time limit for the whole of it, without redirects, without proxies, and to public addresses
//! only unless the settings say otherwise.

use std::{io::Read, time::Duration};

use ureq::{
    Agent,
    tls::{Certificate, TlsConfig},
    unversioned::transport::DefaultConnector,
};

use super::guard::GuardedResolver;
use crate::{authorities::trusted_roots, config::DeliverySettings};

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
pub struct HttpClient {
    agent: Agent,
    /// The time limit of a request.
    limit: Duration,
    /// Why no receiver can be trusted over HTTPS, if the certificate authorities cannot be read.
    without_authorities: Option<String>,
}

impl HttpClient {
    pub fn new(settings: &DeliverySettings) -> Self {
        let (roots, without_authorities) = match trusted_roots() {
            Ok(roots) => (roots, None),
            Err(reason) => (std::iter::empty::<Certificate<'static>>().into(), Some(reason)),
        };
        let config = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("daymark/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        let resolver =
            GuardedResolver { allow_private: settings.allow_private, ..GuardedResolver::default() };
        let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
        Self { agent, limit: settings.timeout, without_authorities }
    }

    pub fn get(&self, url: &str) -> Sent {
        self.untrusted(url).unwrap_or_else(|| self.sent(self.agent.get(url).call()))
    }

    pub fn post_json(&self, url: &str, headers: &[(&str, String)], body: &str) -> Sent {
        if let Some(untrusted) = self.untrusted(url) {
            return untrusted;
        }
        let mut request = self.agent.post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.sent(request.send(body))
    }

    fn untrusted(&self, url: &str) -> Option<Sent> {
        let reason = self.without_authorities.as_ref().filter(|_| url.starts_with("https:"))?;
        Some(Sent::failed(reason.clone()))
    }

    fn sent(&self, outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Sent {
        let mut response = match outcome {
            Err(error) => return Sent::failed(self.described(&error)),
            Ok(response) => response,
        };
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

    /// The message of an error, without the names that the library gives to its kinds of errors.
    fn described(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => format!("no answer within {} s", self.limit.as_secs()),
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        }
    }
}
