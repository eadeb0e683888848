//! Why a credential is refused.

/// Reasons repeat nothing of the credential.
#[derive(Debug, Clone)]
pub enum VerifyError {
    /// It may be a guess, and is counted as one.
    Wrong(&'static str),
    /// It was genuine once, or is meant for another server: no guess.
    Stale(&'static str),
    /// It could not be verified. The reason is for the log.
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
