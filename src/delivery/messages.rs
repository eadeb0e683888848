//! The subject and the text of a notification for one channel.

use crate::{
    message::{Medium, Message, MessageKind, NotificationContent, Renderer, Templates},
    store::{Notification, NotificationKind},
};

/// The templates of a channel, and the defaults for when they fail.
#[derive(Debug, Clone)]
pub struct Messages {
    own: Renderer,
    default: Renderer,
}

impl Messages {
    /// # Errors
    /// The first template that does not compile, as a message. The configuration refuses such templates.
    pub fn new(medium: Medium, templates: &Templates) -> Result<Self, String> {
        let compiled = |templates: &Templates| {
            Renderer::new(medium, templates)
                .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))
        };
        Ok(Self { own: compiled(templates)?, default: compiled(&Templates::default())? })
    }

    /// If the channel's own template fails for this notification, the default template is used, with a note about the failure.
    ///
    /// # Errors
    /// When the default fails, too, as a message.
    pub fn render(&self, notification: &Notification) -> Result<Message, String> {
        let content = NotificationContent::from_object(&notification.content);
        let kind = kind(notification.kind);
        let problem = match self.own.render(kind, &content) {
            Ok(message) => return Ok(message),
            Err(problem) => problem,
        };
        let (channel, id, key) = (&notification.channel, notification.id, problem.key);
        tracing::warn!(channel, %id, key, %problem, "a template failed; the default is used");
        let mut message = self.default.render(kind, &content).map_err(|error| error.to_string())?;
        message.text += &format!("\n(The channel's own template `{key}` failed: {problem})");
        Ok(message)
    }
}

pub fn kind(kind: NotificationKind) -> MessageKind {
    match kind {
        NotificationKind::Firing => MessageKind::Firing,
        NotificationKind::Resolved => MessageKind::Resolved,
        // A heartbeat has no message.
        NotificationKind::Test | NotificationKind::Heartbeat => MessageKind::Test,
    }
}
