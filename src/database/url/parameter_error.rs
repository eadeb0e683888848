//! Why a parameter of a connection is refused.

/// The messages never quote a value, because it may be a secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParameterError {
    #[error("there is no parameter `{name}`{}", .suggestion.map_or(String::new(), |name| format!("; did you mean `{name}`?")))]
    Unknown { name: String, suggestion: Option<&'static str> },
    #[error(
        "there is an unknown parameter after the password: is an `&` in the password not written as `%26`?"
    )]
    UnknownAfterPassword,
    #[error("`{name}` is not supported: {reason}")]
    Refused { name: &'static str, reason: &'static str },
    #[error(
        "several hosts are not supported: name one, or a host name that always resolves to the right server"
    )]
    SeveralHosts,
    #[error("`{name}` can only be {}", .values.join(" or "))]
    Value { name: &'static str, values: &'static [&'static str] },
    #[error("`port` is not a number from 1 to 65535")]
    Port,
    #[error(
        "the environment variable {name} cannot be used, unset it{}: {problem}",
        if problem.is_of_value() { " or give the parameter in the URL" } else { "" }
    )]
    Variable { name: &'static str, problem: Box<ParameterError> },
    #[error("the environment variable {name} is set but empty: unset it")]
    EmptyVariable { name: &'static str },
    #[error("the driver refuses the parameters: {0}")]
    Driver(String),
}

impl ParameterError {
    /// Whether another value of the same parameter would be accepted.
    fn is_of_value(&self) -> bool {
        matches!(self, Self::SeveralHosts | Self::Value { .. } | Self::Port)
    }
}
