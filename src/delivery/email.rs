//! E-mail, over one connection for all messages of a batch.

use std::{net::IpAddr, time::Duration};

use lettre::{
    Message as Mail,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        extension::ClientId,
        response::Response,
    },
};

use super::{
    guard,
    http_client::{ReceiverVerdict, Sent},
    messages::Messages,
};
use crate::{
    config::{DeliverySettings, EmailChannel, EmailTls},
    store::Notification,
};

/// The codes of SMTP that are about one message: a mailbox, a size or a content that is not accepted.
const REFUSALS: [u16; 4] = [550, 552, 553, 554];
/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 4;
/// How long a server may take to answer QUIT.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to a mail server, opened with the first message.
pub struct MailConnection {
    channel: EmailChannel,
    messages: Messages,
    /// How long a message may take, including the look-up of the name, the connection, and a server that answers byte by byte.
    timeout: Duration,
    allow_private: bool,
    session: Option<AsyncSmtpConnection>,
}

/// Why a message was not sent.
enum MailError {
    Smtp(lettre::transport::smtp::Error),
    Other(String),
}

impl MailConnection {
    pub fn new(channel: &EmailChannel, messages: Messages, settings: &DeliverySettings) -> Self {
        Self {
            channel: channel.clone(),
            messages,
            timeout: settings.timeout,
            allow_private: settings.allow_private,
            session: None,
        }
    }

    pub async fn send(&mut self, notification: &Notification) -> Sent {
        let mail = match self.mail(notification) {
            Ok(mail) => mail,
            Err(error) => return Sent::failed(error),
        };
        let limit = self.timeout;
        match tokio::time::timeout(limit, self.try_send(&mail)).await {
            Ok(Ok(response)) => {
                let lines: Vec<_> = response.message().collect();
                Sent {
                    verdict: if response.is_positive() {
                        ReceiverVerdict::Delivered
                    } else {
                        ReceiverVerdict::Failed
                    },
                    answer: format!("{} {}", response.code(), lines.join(" ")),
                }
            }
            Ok(Err(error)) => error.sent(),
            Err(_) => {
                self.session = None;
                Sent::failed(format!("timeout: the message was not accepted within {} s", limit.as_secs()))
            }
        }
    }

    pub async fn close(mut self) {
        if let Some(session) = &mut self.session {
            let _ = tokio::time::timeout(QUIT_TIMEOUT, session.quit()).await;
        }
    }

    async fn try_send(&mut self, mail: &Mail) -> Result<Response, MailError> {
        // The session is taken out of its field, so that one that fails is not used again.
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        let response = session.send(mail.envelope(), &mail.formatted()).await.map_err(MailError::Smtp)?;
        self.session = Some(session);
        Ok(response)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, MailError> {
        let mut session = self.open().await?;
        if self.channel.tls == EmailTls::StartTls {
            session.starttls(self.tls()?, &ClientId::default()).await.map_err(MailError::Smtp)?;
        }
        if let Some((user, password)) = &self.channel.login {
            let password = password.reveal().map_err(MailError::Other)?;
            let credentials = Credentials::new(user.clone(), password.to_owned());
            session.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(MailError::Smtp)?;
        }
        Ok(session)
    }

    /// Connects to the first address that answers. The server's name is resolved here, so that the addresses which were checked are
    /// those that are connected to.
    async fn open(&self) -> Result<AsyncSmtpConnection, MailError> {
        let addresses = self.addresses().await?;
        // The whole of a message has the time limit already, so that a single address needs none of its own.
        let limit = match u32::try_from(addresses.len()) {
            Ok(several) if several > 1 => self.timeout / several,
            _ => Duration::MAX,
        };
        let mut failure = MailError::Other(guard::REFUSED.to_owned());
        for address in addresses {
            let encryption = match self.channel.tls {
                EmailTls::Implicit => Some(self.tls()?),
                EmailTls::StartTls | EmailTls::None => None,
            };
            let (place, name) = ((address, self.channel.port), ClientId::default());
            let opening =
                AsyncSmtpConnection::connect_tokio1(place, Some(self.timeout), &name, encryption, None);
            match tokio::time::timeout(limit, opening).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => failure = MailError::Smtp(error),
                Err(_) => failure = MailError::Other(format!("{address} has not answered in time")),
            }
        }
        Err(failure)
    }

    fn tls(&self) -> Result<TlsParameters, MailError> {
        TlsParameters::new(self.channel.host.clone()).map_err(MailError::Smtp)
    }

    async fn addresses(&self) -> Result<Vec<IpAddr>, MailError> {
        let failed = |error: std::io::Error| MailError::Other(error.to_string());
        let found = tokio::net::lookup_host((self.channel.host.as_str(), self.channel.port)).await;
        let found: Vec<_> = found.map_err(failed)?.collect();
        let allowed = if self.allow_private { found } else { guard::allowed_of(&found) };
        Ok(allowed.iter().take(MAX_ADDRESSES).map(std::net::SocketAddr::ip).collect())
    }

    /// The Message-ID is made of the notification's id, so that a message that comes twice can be recognised.
    fn mail(&self, notification: &Notification) -> Result<Mail, String> {
        let message = self.messages.render(notification)?;
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|error| error.to_string());
        let from = mailbox(&self.channel.from)?;
        let domain = from.email.domain().to_owned();
        let mut builder = Mail::builder()
            .from(from)
            .subject(message.subject)
            .message_id(Some(format!("<{}@{domain}>", notification.id)))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.channel.to {
            builder = builder.to(mailbox(to)?);
        }
        builder.body(message.text).map_err(|error| error.to_string())
    }
}

impl MailError {
    fn sent(self) -> Sent {
        match self {
            Self::Other(message) => Sent::failed(message),
            Self::Smtp(error) => {
                let code = error.status().map(u16::from);
                let is_refused = code.is_some_and(|code| REFUSALS.contains(&code));
                let verdict = if is_refused { ReceiverVerdict::Refused } else { ReceiverVerdict::Failed };
                Sent { verdict, answer: error.to_string() }
            }
        }
    }
}
