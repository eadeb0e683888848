//! Sends the notifications of one batch to one channel.

use jiff::Timestamp;

use super::{
    alertmanager, chat,
    email::MailConnection,
    http_client::{HttpClient, Sent},
    webhook,
};
use crate::{
    config::{Channel, ChannelKind, DeliverySettings, HEARTBEAT_CHANNEL},
    identity::Secret,
    store::Notification,
};

/// The channels and the settings of this process.
#[derive(Clone)]
pub struct Senders {
    client: HttpClient,
    channels: Vec<Channel>,
    pub settings: DeliverySettings,
}

impl Senders {
    pub fn new(channels: Vec<Channel>, settings: DeliverySettings) -> Self {
        Self { client: HttpClient::new(&settings), channels, settings }
    }

    /// A sender for a batch to the channel of that name.
    ///
    /// # Errors
    /// Why nothing can be sent there, as a message.
    pub fn open(&self, channel: &str) -> Result<Sender, String> {
        if channel == HEARTBEAT_CHANNEL {
            let url = self.settings.heartbeat_url.clone();
            let url = url.ok_or_else(|| "delivery.heartbeat_url is not set any more".to_owned())?;
            return Ok(Sender::Heartbeat { client: self.client.clone(), url });
        }
        let found = self.channels.iter().find(|declared| declared.name == channel);
        let channel = found.ok_or_else(|| "no channel of this name is declared".to_owned())?;
        Ok(match &channel.kind {
            ChannelKind::Email(email) => Sender::Mail(MailConnection::new(email, &self.settings)?),
            kind => Sender::Http { client: self.client.clone(), kind: kind.clone() },
        })
    }
}

/// What a batch is sent through. Its calls block the thread.
pub enum Sender {
    Http { client: HttpClient, kind: ChannelKind },
    Mail(MailConnection),
    Heartbeat { client: HttpClient, url: Secret },
}

impl Sender {
    /// `now` is the time of the attempt.
    pub fn send(&self, notification: &Notification, now: Timestamp) -> Sent {
        let sent = match self {
            Self::Mail(connection) => Ok(connection.send(notification)),
            Self::Heartbeat { client, url } => Ok(client.get(url.reveal())),
            Self::Http { client, kind } => send_http(client, kind, notification, now),
        };
        sent.unwrap_or_else(Sent::failed)
    }
}

fn send_http(
    client: &HttpClient,
    kind: &ChannelKind,
    notification: &Notification,
    now: Timestamp,
) -> Result<Sent, String> {
    Ok(match kind {
        ChannelKind::Webhook { url, secret } => {
            let secret = secret.as_ref().map(|secret| secret.reveal()).transpose()?;
            webhook::send(client, url.reveal()?, secret, notification, now)
        }
        ChannelKind::Slack { url } => chat::send(client, url.reveal()?, notification),
        ChannelKind::Alertmanager { url } => alertmanager::send(client, url.reveal()?, notification),
        ChannelKind::Email(_) => return Err("mail is not sent over HTTP".to_owned()),
    })
}
