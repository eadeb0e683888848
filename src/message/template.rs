//! Templates of subjects and texts, in the language of Jinja as minijinja has it. The defaults are templates as well. A template is
//! tried on samples when the configuration is read. One that fails nevertheless when it is needed is replaced by the default, so
//! that the notification goes out.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use minijinja::{Environment, Error, UndefinedBehavior, Value, context};

use super::{AlertNotice, MessageKind, NotificationContent};

pub const DEFAULT_SUBJECT: &str = r#"Daymark ({{ tenant }}):
{%- if kind == "test" %} a test
{%- elif alerts | length == 1 %} {{ "resolved" if kind == "resolved" else alerts[0].severity }}: {{ alerts[0].rule }}
{%- else %} {{ alerts | length }} alerts {{ "are resolved" if kind == "resolved" else "fire" }}
{%- endif %}"#;

pub const DEFAULT_TEXT: &str = r#"
{%- if kind == "test" %}This message tries the channel; nothing is wrong.{% endif %}
{%- for alert in alerts %}
{{- "" if loop.first else "\n" }}
{{- "resolved" if alert.ended_at else alert.severity }} {{ alert.rule }}
{%- if alert.labels %} [
    {%- for name, value in alert.labels | items %}{{ "" if loop.first else ", " }}{{ name }}={{ value }}{% endfor -%}
]{% endif %}: {{ alert.summary }} (
{%- if alert.ended_at %}from {{ alert.started_at }} to {{ alert.ended_at }}
{%- else %}since {{ alert.started_at }}
{%- endif -%}
{%- if alert.ended_silence %}; told now because a silence has ended: {{ alert.ended_silence }}
{%- endif %})
{%- endfor %}"#;

/// The text of a chat message, which has no subject of its own.
const DEFAULT_CHAT_HEAD: &str = r#"*{{ subject }}*{{ "\n" }}"#;

/// The longest template, in characters.
pub const MAX_TEMPLATE_CHARS: usize = 20_000;
/// The limit of a rendering: minijinja counts instructions, and 64 bytes of data as one. This is some 6 MB.
const FUEL: u64 = 100_000;
/// The longest subject, in characters.
const MAX_SUBJECT_CHARS: usize = 200;
/// The end of a text that was cut.
const CUT: &str = "\n… (cut; `daymark alerts` shows all)";

/// Where a text goes. It decides the default, the escaping and the greatest length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    Mail,
    /// A message in Slack's markup. The characters `&`, `<` and `>` of values are escaped.
    Chat,
    Webhook,
}

/// The templates of a channel; `None`: the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    pub subject: Option<String>,
    pub text: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line of at most 200 characters.
    pub subject: String,
    pub text: String,
}

/// The problem with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .line.map_or_else(String::new, |line| format!("line {line} of the template: ")))]
pub struct TemplateProblem {
    /// `subject` or `text`.
    pub key: &'static str,
    /// The line within the template, counted from 1.
    pub line: Option<usize>,
    pub message: String,
}

impl Medium {
    /// The longest text, in characters. Discord takes 2,000, Slack 40,000 and Mattermost 16,383.
    pub fn max_text_chars(self) -> usize {
        match self {
            Self::Chat => 2_000,
            Self::Webhook => 10_000,
            Self::Mail => 100_000,
        }
    }

    fn default_text(self) -> String {
        match self {
            Self::Chat => format!("{DEFAULT_CHAT_HEAD}{DEFAULT_TEXT}"),
            Self::Mail | Self::Webhook => DEFAULT_TEXT.to_owned(),
        }
    }
}

/// The compiled templates of a channel.
#[derive(Debug, Clone)]
pub struct Renderer {
    medium: Medium,
    subject: Arc<Environment<'static>>,
    text: Arc<Environment<'static>>,
}

/// The name of the one template of an environment.
const NAME: &str = "template";

impl Renderer {
    /// # Errors
    /// Every template that does not compile.
    pub fn new(medium: Medium, templates: &Templates) -> Result<Self, Vec<TemplateProblem>> {
        let source = |given: &Option<String>, default: String| given.clone().unwrap_or(default);
        let subject = compile(source(&templates.subject, DEFAULT_SUBJECT.to_owned()), false);
        let text = compile(source(&templates.text, medium.default_text()), medium == Medium::Chat);
        match (subject, text) {
            (Ok(subject), Ok(text)) => Ok(Self { medium, subject, text }),
            (subject, text) => {
                let of = |key, error: Option<Error>| error.map(|error| problem(key, &error));
                Err([of("subject", subject.err()), of("text", text.err())].into_iter().flatten().collect())
            }
        }
    }

    /// # Errors
    /// The template that fails.
    pub fn render(
        &self,
        kind: MessageKind,
        content: &NotificationContent,
    ) -> Result<Message, TemplateProblem> {
        let subject = self.subject(kind, content)?;
        let text = self.text(kind, content, &subject)?;
        Ok(Message { subject, text })
    }

    pub(super) fn subject(
        &self,
        kind: MessageKind,
        content: &NotificationContent,
    ) -> Result<String, TemplateProblem> {
        let subject = render(&self.subject, &variables(kind, content));
        Ok(one_line(&subject.map_err(|error| problem("subject", &error))?))
    }

    pub(super) fn text(
        &self,
        kind: MessageKind,
        content: &NotificationContent,
        subject: &str,
    ) -> Result<String, TemplateProblem> {
        let text = render(&self.text, &context! { subject, ..variables(kind, content) });
        let text = text.map_err(|error| problem("text", &error))?;
        Ok(shortened(text.trim(), self.medium.max_text_chars()))
    }

    /// Finds a name in the subject's template that is neither a variable nor a global of the language.
    pub(super) fn unknown_subject_variable(&self) -> Option<TemplateProblem> {
        unknown_variable("subject", &self.subject, &VARIABLES)
    }

    /// The same in the text's template, which has the variable `subject` as well.
    pub(super) fn unknown_text_variable(&self) -> Option<TemplateProblem> {
        unknown_variable("text", &self.text, &[&VARIABLES[..], &["subject"]].concat())
    }
}

fn unknown_variable(key: &'static str, environment: &Environment, known: &[&str]) -> Option<TemplateProblem> {
    let names = environment.get_template(NAME).ok()?.undeclared_variables(false);
    let is_known =
        |name: &str| known.contains(&name) || environment.globals().any(|(global, _)| global == name);
    let unknown = names.into_iter().filter(|name| !is_known(name)).min()?;
    let message = format!("there is no variable `{unknown}`; there are {}", known.join(", "));
    Some(TemplateProblem { key, line: None, message })
}

fn compile(source: String, escapes: bool) -> Result<Arc<Environment<'static>>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // The function would print the state of the engine.
    environment.remove_global("debug");
    if escapes {
        environment.set_formatter(|out, _, value| {
            let text = value.to_string();
            let text = if value.is_safe() { text } else { escaped(&text) };
            out.write_str(&text).map_err(Error::from)
        });
    }
    environment.add_template_owned(NAME, source)?;
    Ok(Arc::new(environment))
}

fn render(environment: &Environment, variables: &Value) -> Result<String, Error> {
    environment.get_template(NAME)?.render(variables.clone())
}

/// The variables of both templates; that of the text has the subject as well.
const VARIABLES: [&str; 3] = ["kind", "tenant", "alerts"];

fn variables(kind: MessageKind, content: &NotificationContent) -> Value {
    let alerts: Vec<_> = content.alerts.iter().map(alert_variables).collect();
    context! { kind => kind.name(), tenant => &content.tenant, alerts }
}

fn alert_variables(alert: &AlertNotice) -> Value {
    let AlertNotice { rule, severity, summary, labels, started_at, ended_at, ended_silence, .. } = alert;
    let labels: BTreeMap<_, _> = labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    context! {
        rule, severity, summary, labels, ended_silence,
        started_at => shown(*started_at),
        ended_at => ended_at.map(shown),
    }
}

fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn problem(key: &'static str, error: &Error) -> TemplateProblem {
    let kind = error.kind().to_string();
    let message = match error.detail() {
        Some(detail) if detail == kind => kind,
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    };
    TemplateProblem { key, line: error.line(), message }
}

/// The three characters that Slack's markup gives a meaning.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A subject: line breaks and other control characters become spaces.
fn one_line(text: &str) -> String {
    let words: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_SUBJECT_CHARS) {
        None => line,
        Some(_) => line.chars().take(MAX_SUBJECT_CHARS - 1).chain(['…']).collect(),
    }
}

/// Cuts a text to at most `max` characters, not within an escaped character, and says so at its end.
fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(max - CUT.chars().count()).collect();
    // The longest escaped character is `&amp;`.
    if let Some(at) = kept.rfind('&')
        && kept.len() - at < "&amp;".len()
        && !kept.get(at..).is_some_and(|rest| rest.contains(';'))
    {
        kept.truncate(at);
    }
    kept + CUT
}

#[cfg(test)]
mod tests;
