//! What a channel would say, without sending it.

use crate::{
    config::Channel,
    message::{MessageKind, Renderer, samples},
};

/// What the templates of a channel make of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessagePreview {
    pub kind: MessageKind,
    /// How many alerts the sample has.
    pub alerts: usize,
    pub subject: String,
    pub text: String,
}

/// The messages of samples of each kind: one alert and two, that fire and that are resolved, and a test. Empty for a channel whose
/// receiver makes its own texts.
///
/// # Errors
/// The template that fails, as a message. The configuration refuses templates that fail on these samples.
pub fn preview(channel: &Channel) -> Result<Vec<MessagePreview>, String> {
    let Some(medium) = channel.kind.medium() else { return Ok(Vec::new()) };
    let renderer = Renderer::new(medium, &channel.templates)
        .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))?;
    let rendered = samples().into_iter().map(|(kind, content)| {
        let message = renderer.render(kind, &content).map_err(|problem| problem.to_string())?;
        Ok(MessagePreview {
            kind,
            alerts: content.alerts.len(),
            subject: message.subject,
            text: message.text,
        })
    });
    rendered.collect()
}
