//! Sends the notifications of one batch to one channel.

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{
    alertmanager, chat,
    email::MailConnection,
    http_client::{HttpClient, Sent},
    messages::Messages,
    webhook,
};
use crate::{
    config::{Channel, ChannelKind, DeliverySettings, HEARTBEAT_CHANNEL},
    identity::Secret,
    message::Medium,
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
    pub async fn open(&self, channel: &str) -> Result<Sender, String> {
        if channel == HEARTBEAT_CHANNEL {
            let url = self.settings.heartbeat_url.clone();
            let url = url.ok_or_else(|| "delivery.heartbeat_url is not set any more".to_owned())?;
            return Ok(Sender::Heartbeat { client: self.client.clone(), url });
        }
        let found = self.channels.iter().find(|declared| declared.name == channel);
        let channel = found.ok_or_else(|| "no channel of this name is declared".to_owned())?;
        let messages = |medium| Messages::new(medium, &channel.templates);
        Ok(match &channel.kind {
            ChannelKind::Email(email) => {
                let connection = MailConnection::new(email, messages(Medium::Mail)?, &self.settings);
                Sender::Mail(Box::new(Mutex::new(connection)))
            }
            kind => {
                let messages = messages(kind.medium().unwrap_or(Medium::Webhook))?;
                Sender::Http(Box::new(HttpChannel {
                    client: self.client.clone(),
                    kind: kind.clone(),
                    messages,
                }))
            }
        })
    }
}

/// The connection through which a batch is sent.
pub enum Sender {
    Http(Box<HttpChannel>),
    Mail(Box<Mutex<MailConnection>>),
    Heartbeat { client: HttpClient, url: Secret },
}

#[derive(Clone)]
pub struct HttpChannel {
    client: HttpClient,
    kind: ChannelKind,
    messages: Messages,
}

impl Sender {
    /// `now` is the time of the attempt.
    pub async fn send(&self, notification: &Notification, now: Timestamp) -> Sent {
        match self {
            Self::Mail(connection) => connection.lock().await.send(notification).await,
            Self::Heartbeat { client, url } => {
                let (client, url) = (client.clone(), url.clone());
                blocking(move || client.get(url.reveal())).await
            }
            Self::Http(channel) => {
                let (channel, notification) = (channel.clone(), notification.clone());
                blocking(move || channel.send(&notification, now).unwrap_or_else(Sent::failed)).await
            }
        }
    }

    /// Closes the connection, where the receiver's protocol has a way to say so.
    pub async fn close(self) {
        if let Self::Mail(connection) = self {
            connection.into_inner().close().await;
        }
    }
}

impl HttpChannel {
    /// Blocks the thread.
    fn send(&self, notification: &Notification, now: Timestamp) -> Result<Sent, String> {
        let Self { client, kind, messages } = self;
        Ok(match kind {
            ChannelKind::Webhook { url, secret } => {
                let secret = secret.as_ref().map(|secret| secret.reveal()).transpose()?;
                let message = messages.render(notification)?;
                webhook::send(client, url.reveal()?, secret, (notification, &message), now)
            }
            ChannelKind::Slack { url } => {
                chat::send(client, url.reveal()?, notification, &messages.render(notification)?)
            }
            ChannelKind::Alertmanager { url } => alertmanager::send(client, url.reveal()?, notification),
            ChannelKind::Email(_) => return Err("mail is not sent over HTTP".to_owned()),
        })
    }
}

async fn blocking(send: impl FnOnce() -> Sent + Send + 'static) -> Sent {
    tokio::task::spawn_blocking(send).await.unwrap_or_else(|error| Sent::failed(error.to_string()))
}
