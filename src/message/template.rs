//! Templates of subjects and texts, in the language of Jinja as minijinja has it. The defaults are templates as well. A template is
//! tried on samples when the configuration is read. One that fails nevertheless when it is needed is replaced by the default, so
//! that the notification goes out.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use minijinja::{Environment, Error, UndefinedBehavior, Value, context};

use super::{AlertNotice, MessageKind, NotificationContent, samples::samples};

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
/// How much a rendering may do: minijinja counts instructions, and 64 bytes of data as one. This is some 6 MB.
const FUEL: u64 = 100_000;
/// The longest subject, in characters.
const MAX_SUBJECT_CHARS: usize = 200;
/// What ends a text that was cut.
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

/// What is wrong with a template.
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

    fn subject(&self, kind: MessageKind, content: &NotificationContent) -> Result<String, TemplateProblem> {
        let subject = render(&self.subject, &variables(kind, content));
        Ok(one_line(&subject.map_err(|error| problem("subject", &error))?))
    }

    fn text(
        &self,
        kind: MessageKind,
        content: &NotificationContent,
        subject: &str,
    ) -> Result<String, TemplateProblem> {
        let text = render(&self.text, &context! { subject, ..variables(kind, content) });
        let text = text.map_err(|error| problem("text", &error))?;
        Ok(shortened(text.trim(), self.medium.max_text_chars()))
    }
}

/// Finds what is wrong with the templates of a channel, by compiling them and rendering all samples.
pub fn check_templates(medium: Medium, templates: &Templates) -> Vec<TemplateProblem> {
    let too_long = |key, template: &Option<String>| {
        let is_long = template.as_ref().is_some_and(|text| text.chars().count() > MAX_TEMPLATE_CHARS);
        let message = format!("it is longer than {MAX_TEMPLATE_CHARS} characters");
        is_long.then_some(TemplateProblem { key, line: None, message })
    };
    let long: Vec<_> = [too_long("subject", &templates.subject), too_long("text", &templates.text)]
        .into_iter()
        .flatten()
        .collect();
    if !long.is_empty() {
        return long;
    }
    // Each is tried beside the default of the other, so that the mistakes of both are found.
    let subject = Templates { subject: templates.subject.clone(), text: None };
    let text = Templates { subject: None, text: templates.text.clone() };
    [check_subject(medium, &subject), check_text(medium, &text)].into_iter().flatten().collect()
}

fn check_subject(medium: Medium, templates: &Templates) -> Option<TemplateProblem> {
    let renderer = match Renderer::new(medium, templates) {
        Ok(renderer) => renderer,
        Err(problems) => return problems.into_iter().next(),
    };
    unknown_variable("subject", &renderer.subject, &VARIABLES)
        .or_else(|| first_problem("subject", |kind, content| renderer.subject(kind, content)))
}

fn check_text(medium: Medium, templates: &Templates) -> Option<TemplateProblem> {
    let renderer = match Renderer::new(medium, templates) {
        Ok(renderer) => renderer,
        Err(problems) => return problems.into_iter().next(),
    };
    unknown_variable("text", &renderer.text, &[&VARIABLES[..], &["subject"]].concat())
        .or_else(|| first_problem("text", |kind, content| renderer.text(kind, content, "the subject")))
}

/// Finds a name that is none of `known` and none that the language itself has.
fn unknown_variable(key: &'static str, environment: &Environment, known: &[&str]) -> Option<TemplateProblem> {
    let names = environment.get_template(NAME).ok()?.undeclared_variables(false);
    let is_known =
        |name: &str| known.contains(&name) || environment.globals().any(|(global, _)| global == name);
    let unknown = names.into_iter().filter(|name| !is_known(name)).min()?;
    let message = format!("there is no variable `{unknown}`; there are {}", known.join(", "));
    Some(TemplateProblem { key, line: None, message })
}

/// The first problem with the samples: those after it would mostly report the same.
fn first_problem(
    key: &'static str,
    render: impl Fn(MessageKind, &NotificationContent) -> Result<String, TemplateProblem>,
) -> Option<TemplateProblem> {
    samples().into_iter().find_map(|(kind, content)| match render(kind, &content) {
        Err(problem) => Some(problem),
        Ok(text) if text.is_empty() => {
            let message = format!("it makes an empty {key} of a notification of the kind {}", kind.name());
            Some(TemplateProblem { key, line: None, message })
        }
        Ok(_) => None,
    })
}

fn compile(source: String, escapes: bool) -> Result<Arc<Environment<'static>>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // It would show the state of the engine.
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
mod tests {
    use super::*;
    use crate::message::samples::alert;

    fn content(alerts: Vec<AlertNotice>) -> NotificationContent {
        NotificationContent { tenant: "default".to_owned(), alerts }
    }

    fn rendered(medium: Medium, templates: &Templates, alerts: Vec<AlertNotice>) -> Message {
        let kind = match alerts.first() {
            None => MessageKind::Test,
            Some(alert) if alert.ended_at.is_some() => MessageKind::Resolved,
            Some(_) => MessageKind::Firing,
        };
        Renderer::new(medium, templates).unwrap().render(kind, &content(alerts)).unwrap()
    }

    fn by_default(alerts: Vec<AlertNotice>) -> Message {
        rendered(Medium::Mail, &Templates::default(), alerts)
    }

    #[test]
    fn the_defaults_name_rule_severity_and_time() {
        let message = by_default(vec![alert()]);
        assert_eq!(message.subject, "Daymark (default): critical: collection_failing");
        assert_eq!(
            message.text,
            "critical collection_failing [team=data]: 3 runs failed in a row: <no & answer> (since 2025-02-01 00:20 UTC)"
        );
        let ended = AlertNotice { ended_at: Some("2025-02-01T06:00:00Z".parse().unwrap()), ..alert() };
        let message = by_default(vec![ended.clone()]);
        assert_eq!(message.subject, "Daymark (default): resolved: collection_failing");
        assert!(
            message.text.starts_with("resolved collection_failing [team=data]: 3 runs"),
            "{}",
            message.text
        );
        assert!(
            message.text.ends_with("(from 2025-02-01 00:20 UTC to 2025-02-01 06:00 UTC)"),
            "{}",
            message.text
        );
        let two = [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into();
        let message = by_default(vec![ended, AlertNotice { labels: two, ..alert() }]);
        assert_eq!(message.subject, "Daymark (default): 2 alerts are resolved");
        assert_eq!(message.text.lines().count(), 2);
        assert!(message.text.contains("collection_failing [a=1, b=2]: 3 runs"), "{}", message.text);
        let silenced = AlertNotice { ended_silence: Some("moving".to_owned()), labels: [].into(), ..alert() };
        let message = by_default(vec![silenced]);
        assert!(message.text.starts_with("critical collection_failing: 3 runs"), "{}", message.text);
        assert!(
            message.text.ends_with("UTC; told now because a silence has ended: moving)"),
            "{}",
            message.text
        );
        let message = by_default(Vec::new());
        assert_eq!(message.subject, "Daymark (default): a test");
        assert_eq!(message.text, "This message tries the channel; nothing is wrong.");
    }

    #[test]
    fn a_chat_has_its_values_escaped_and_its_markup_not() {
        let message = rendered(Medium::Chat, &Templates::default(), vec![alert()]);
        assert!(message.text.starts_with("*Daymark (default): critical: collection_failing*\ncritical "));
        assert!(message.text.contains("&lt;no &amp; answer&gt;"), "{}", message.text);
        let text = Some("<https://x.example|{{ alerts[0].summary }}>".to_owned());
        let message = rendered(Medium::Chat, &Templates { subject: None, text }, vec![alert()]);
        assert_eq!(message.text, "<https://x.example|3 runs failed in a row: &lt;no &amp; answer&gt;>");
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let long = AlertNotice { summary: "&".repeat(4096), ..alert() };
        for offset in 0..6 {
            let long = AlertNotice { rule: "r".repeat(1 + offset), ..long.clone() };
            let text = rendered(Medium::Chat, &Templates::default(), vec![long]).text;
            let cut = text.strip_suffix(CUT).unwrap();
            assert!(text.chars().count() <= 2000 && text.chars().count() > 1990, "{}", text.chars().count());
            assert!(cut.ends_with("&amp;"), "{cut}");
        }
        let subject = Some("{{ alerts[0].summary }}\r\nBcc: all@app.example".to_owned());
        let templates = Templates { subject, text: None };
        let long = AlertNotice { summary: "x\ny ".repeat(1000), ..alert() };
        let subject = rendered(Medium::Mail, &templates, vec![long]).subject;
        assert_eq!(subject.chars().count(), 200);
        assert!(!subject.contains(['\r', '\n']), "{subject}");
    }

    fn problems(text: &str) -> Vec<String> {
        let templates = Templates { subject: None, text: Some(text.to_owned()) };
        check_templates(Medium::Mail, &templates).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_wrong_with_a_template_is_found_before_it_is_needed() {
        for medium in [Medium::Mail, Medium::Chat, Medium::Webhook] {
            assert_eq!(check_templates(medium, &Templates::default()), []);
        }
        assert_eq!(
            problems("{{ summary }}"),
            ["there is no variable `summary`; there are kind, tenant, alerts, subject"]
        );
        let found = problems("one\n{{ alerts[7].rule }}");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("line 2 of the template: undefined value"), "{found:?}");
        for (text, part) in [
            ("{% if %}", "syntax error"),
            ("{{ kind", "syntax error"),
            ("{{ kind | shout }}", "shout"),
            ("{{ alerts[0].rool }}", "undefined value"),
            ("{% include 'etc/passwd' %}", "include"),
            ("{{ debug() }}", "debug"),
            ("{% for n in range(100000) %}{% for m in range(100000) %}x{% endfor %}{% endfor %}", "fuel"),
            ("{{ 'x' * 90000000 }}", "fuel"),
            ("{{ 'x' | indent(90000000) }}", "fuel"),
            (
                "{% for alert in alerts %}{{ alert.rule }}{% endfor %}",
                "empty text of a notification of the kind test",
            ),
        ] {
            let found = problems(text);
            assert!(found.len() == 1 && found[0].contains(part), "{text}: {found:?}");
        }
        let long = problems(&"x".repeat(MAX_TEMPLATE_CHARS + 1));
        assert_eq!(long, ["it is longer than 20000 characters"]);
        for (subject, text) in
            [("{{", "{%"), ("{{ subject }}", "{{ kind | shout }}"), ("{{ x }}", "{{"), ("{%", "{{ x }}")]
        {
            let both = Templates { subject: Some(subject.to_owned()), text: Some(text.to_owned()) };
            let keys: Vec<_> =
                check_templates(Medium::Mail, &both).iter().map(|problem| problem.key).collect();
            assert_eq!(keys, ["subject", "text"], "all problems are found at once");
        }
    }
}
