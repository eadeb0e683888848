//! The channels of a file: `[channels.NAME]`.

use strum::{EnumIter, IntoStaticStr};

use crate::{
    config::settings::layers::Environment,
    identity::Secret,
    message::{Medium, Templates},
};

/// The channel of calls to `delivery.heartbeat_url`, in the list of deliveries.
pub const HEARTBEAT_CHANNEL: &str = "heartbeat";

/// A place that notifications are delivered to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub name: String,
    pub place: String,
    pub kind: ChannelKind,
    /// The texts of its messages. A channel of the kind `alertmanager` has none.
    pub templates: Templates,
}

#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ChannelKind {
    /// A JSON document in the layout of Standard Webhooks, signed where there is a secret.
    Webhook {
        url: GivenSecret,
        secret: Option<GivenSecret>,
    },
    /// A text, as Slack's incoming webhooks and those of Mattermost, Discord (`/slack`) and Rocket.Chat take it.
    Slack {
        url: GivenSecret,
    },
    Email(EmailChannel),
    /// The API of an Alertmanager, version 2; the URL is that of its root.
    Alertmanager {
        url: GivenSecret,
    },
}

impl ChannelKind {
    pub const NAMES: [&'static str; 4] = ["webhook", "slack", "email", "alertmanager"];

    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Where its texts go; `None`: Alertmanager makes its own texts.
    pub fn medium(&self) -> Option<Medium> {
        match self {
            Self::Webhook { .. } => Some(Medium::Webhook),
            Self::Slack { .. } => Some(Medium::Chat),
            Self::Email(_) => Some(Medium::Mail),
            Self::Alertmanager { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailChannel {
    pub host: String,
    pub port: u16,
    pub tls: EmailTls,
    /// The user and the password for the server.
    pub login: Option<(String, GivenSecret)>,
    pub from: String,
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum EmailTls {
    /// From the first byte (port 465).
    Implicit,
    /// By the command STARTTLS, without which nothing is sent (port 587).
    StartTls,
    /// Not at all (port 25).
    None,
}

/// A text that is not shown: written in the file, or in an environment variable that the file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenSecret {
    Text(Secret),
    Variable { name: String, value: Option<Secret> },
}

impl GivenSecret {
    /// # Errors
    /// A message that names the environment variable, when it is not set.
    pub fn reveal(&self) -> Result<&str, String> {
        match self {
            Self::Text(secret) | Self::Variable { value: Some(secret), .. } => Ok(secret.reveal()),
            Self::Variable { name, value: None } => {
                Err(format!("the environment variable {name} is not set"))
            }
        }
    }

    fn look_up(&mut self, environment: &Environment) {
        if let Self::Variable { name, value } = self {
            let found = environment.get(name.as_str()).and_then(|value| value.to_str());
            *value = found.filter(|found| !found.is_empty()).map(Secret::new);
        }
    }
}

impl Channel {
    /// Takes the values of its secrets from the environment.
    pub fn look_up(&mut self, environment: &Environment) {
        for secret in self.secrets_mut() {
            secret.look_up(environment);
        }
    }

    /// The first secret that is missing, as a message.
    pub fn missing_secret(&self) -> Option<String> {
        self.clone().secrets_mut().into_iter().find_map(|secret| secret.reveal().err())
    }

    fn secrets_mut(&mut self) -> Vec<&mut GivenSecret> {
        match &mut self.kind {
            ChannelKind::Webhook { url, secret } => std::iter::once(url).chain(secret).collect(),
            ChannelKind::Slack { url } | ChannelKind::Alertmanager { url } => vec![url],
            ChannelKind::Email(email) => email.login.iter_mut().map(|(_, password)| password).collect(),
        }
    }
}
