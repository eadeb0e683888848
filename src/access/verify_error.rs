//! The reasons for refusing a credential.

/// Why a credential is refused. No reason quotes the credential.
#[derive(Debug, Clone)]
pub enum VerifyError {
    /// The credential is wrong; it may be a guess, and counts as a failed attempt.
    Wrong(&'static str),
    /// The credential was genuine once, or is meant for another server. It does not count as a failed attempt.
    Stale(&'static str),
    /// The credential could not be verified at the moment. The reason is for the log only.
    Unavailable(String),
}

impl VerifyError {
    pub fn wrong(reason: &'static str) -> Self {
        Self::Wrong(reason)
    }

    pub fn stale(reason: &'static str) -> Self {
        Self::Stale(reason)
    }
}
