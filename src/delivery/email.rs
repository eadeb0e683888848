//! E-mail, over one connection for all messages of a batch.

use std::net::{IpAddr, ToSocketAddrs};

use lettre::{
    Message, SmtpTransport, Transport,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        PoolConfig,
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};

use super::{content::NotificationContent, guard, http_client::Sent};
use crate::{
    config::{DeliverySettings, EmailChannel, EmailTls},
    store::Notification,
};

/// A connection to a mail server, opened with the first message. Its calls block the thread.
pub struct MailConnection {
    channel: EmailChannel,
    transport: SmtpTransport,
}

impl MailConnection {
    /// Resolves the server's name, so that the address which was checked is the one that is connected to.
    ///
    /// # Errors
    /// Why the server cannot be used, as a message.
    pub fn new(channel: &EmailChannel, settings: &DeliverySettings) -> Result<Self, String> {
        let address = address(channel, settings.allow_private)?;
        let parameters = || TlsParameters::new(channel.host.clone()).map_err(|error| error.to_string());
        let tls = match channel.tls {
            EmailTls::Implicit => Tls::Wrapper(parameters()?),
            EmailTls::StartTls => Tls::Required(parameters()?),
            EmailTls::None => Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(address.to_string())
            .port(channel.port)
            .tls(tls)
            .timeout(Some(settings.timeout))
            .pool_config(PoolConfig::new().max_size(1));
        if let Some((user, password)) = &channel.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.reveal()?.to_owned()));
        }
        Ok(Self { channel: channel.clone(), transport: builder.build() })
    }

    pub fn send(&self, notification: &Notification) -> Sent {
        let message = match message(&self.channel, notification) {
            Ok(message) => message,
            Err(error) => return Sent::failed(error),
        };
        match self.transport.send(&message) {
            Ok(response) => {
                let lines: Vec<_> = response.message().collect();
                Sent {
                    is_delivered: response.is_positive(),
                    answer: format!("{} {}", response.code(), lines.join(" ")),
                }
            }
            Err(error) => Sent::failed(error.to_string()),
        }
    }
}

fn address(channel: &EmailChannel, allow_private: bool) -> Result<IpAddr, String> {
    let found = (channel.host.as_str(), channel.port).to_socket_addrs().map_err(|error| error.to_string())?;
    let found: Vec<_> = found.collect();
    let allowed = if allow_private { found } else { guard::allowed_of(&found) };
    allowed.first().map(|address| address.ip()).ok_or_else(|| guard::REFUSED.to_owned())
}

/// The Message-ID is made of the notification's id, so that a message that comes twice can be recognised.
fn message(channel: &EmailChannel, notification: &Notification) -> Result<Message, String> {
    let content = NotificationContent::from_object(&notification.content);
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| error.to_string());
    let from = mailbox(&channel.from)?;
    let domain = from.email.domain().to_owned();
    let mut builder = Message::builder()
        .from(from)
        .subject(content.title(notification.kind))
        .message_id(Some(format!("<{}@{domain}>", notification.id)))
        .header(ContentType::TEXT_PLAIN);
    for to in &channel.to {
        builder = builder.to(mailbox(to)?);
    }
    builder.body(content.body(notification.kind)).map_err(|error| error.to_string())
}
