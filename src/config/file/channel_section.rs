//! Reads a `[channels.…]` section.

use url::Url;

use crate::{
    config::{
        alerting::{Channel, ChannelKind, EmailChannel, EmailTls, GivenSecret, HEARTBEAT_CHANNEL},
        file::document::Section,
        suggest::{named_variants, shown, suggestion},
    },
    identity::Secret,
    message::{Medium, Templates, check_templates},
};

/// The prefix of environment variables that Daymark reads.
const PREFIX: &str = "DAYMARK_";

pub fn read_channel(name: &str, section: Section) -> Option<Channel> {
    if name == HEARTBEAT_CHANNEL {
        section.section_problem("a channel cannot have this name: the heartbeat's deliveries have it", None);
    }
    let place = section.place();
    let kind = match section.text("kind") {
        None if section.has("kind") => None,
        None => {
            let kinds = ChannelKind::NAMES.map(shown).join(", ");
            section.section_problem("`kind` is missing", Some(format!("add `kind = \"…\"`: one of {kinds}")));
            None
        }
        Some(kind) => match kind.value.as_str() {
            "webhook" => {
                let secret = secret(&section, "secret_env");
                url(&section).map(|url| ChannelKind::Webhook { url, secret })
            }
            "slack" => url(&section).map(|url| ChannelKind::Slack { url }),
            "alertmanager" => url(&section).map(|url| ChannelKind::Alertmanager { url }),
            "email" => email(&section).map(ChannelKind::Email),
            other => {
                let hint = suggestion(other, ChannelKind::NAMES);
                section.problem("kind", format!("`kind` cannot be {}", shown(other)), hint);
                return None;
            }
        },
    };
    let templates = templates(&section, kind.as_ref());
    section.finish();
    Some(Channel { name: name.to_owned(), place, kind: kind?, templates })
}

/// The templates of a channel. They are rendered with samples, so that a mistake is found before an alert fires.
fn templates(section: &Section, kind: Option<&ChannelKind>) -> Templates {
    let text = |key| section.text(key).map(|text| text.value);
    let medium = match kind {
        Some(ChannelKind::Slack { .. }) => Medium::Chat,
        Some(ChannelKind::Webhook { .. }) => Medium::Webhook,
        // Alertmanager has templates of its own.
        Some(ChannelKind::Alertmanager { .. }) => return Templates::default(),
        // The templates are checked even if the rest of the channel is wrong.
        Some(ChannelKind::Email(_)) | None => Medium::Mail,
    };
    let templates = Templates { subject: text("subject"), text: text("text") };
    for problem in check_templates(medium, &templates) {
        let hint = "docs/alerts.md lists what a template can use";
        section.problem(
            problem.key,
            format!("`{}` is no template that can be used: {problem}", problem.key),
            Some(hint.to_owned()),
        );
    }
    templates
}

/// The value of `url`, or of the environment variable that `url_env` names.
fn url(section: &Section) -> Option<GivenSecret> {
    let (text, variable) = (section.text("url"), secret(section, "url_env"));
    match (text, variable) {
        (None, None) if !section.has("url") && !section.has("url_env") => {
            let hint = "add `url = \"https://…\"`, or `url_env` with the name of an environment variable that holds it";
            section.section_problem("`url` is missing", Some(hint.to_owned()));
            None
        }
        (Some(_), Some(_)) => {
            section.problem("url_env", "`url` and `url_env` cannot both be given", None);
            None
        }
        (Some(text), None) => match check_url(&text.value) {
            Ok(()) => Some(GivenSecret::Text(Secret::new(text.value))),
            Err(message) => {
                section.problem("url", format!("`url` cannot be used: {message}"), None);
                None
            }
        },
        (None, variable) => variable,
    }
}

/// # Errors
/// The problem with a URL, without the URL itself, which may be a secret.
fn check_url(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(()),
        "http" | "https" => Err("it names no host".to_owned()),
        other => Err(format!("its scheme is {}; use https:// or http://", shown(other))),
    }
}

fn secret(section: &Section, key: &'static str) -> Option<GivenSecret> {
    let name = section.text(key)?;
    let is_variable = |name: &str| {
        name.strip_prefix(PREFIX).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
    };
    if !is_variable(&name.value) {
        // The text may be the secret itself.
        let message =
            format!("`{key}` must be the name of an environment variable that begins with {PREFIX}");
        let hint = format!("the secret itself belongs into the environment: `{key} = \"{PREFIX}…\"`");
        section.problem(key, message, Some(hint));
        return None;
    }
    Some(GivenSecret::Variable { name: name.value, value: None })
}

fn email(section: &Section) -> Option<EmailChannel> {
    // All keys are read before a missing one ends the function, so that all problems are found.
    let host = required(section, "host", "the mail server");
    let tls = section.choice("tls", &named_variants()).map_or(EmailTls::StartTls, |tls| tls.value);
    let default_port = match tls {
        EmailTls::Implicit => 465,
        EmailTls::StartTls => 587,
        EmailTls::None => 25,
    };
    let port = section.integer("port", 1..=65_535).map_or(default_port, |port| port.value);
    let (user, password) = (section.text("user"), secret(section, "password_env"));
    if user.is_some() != (section.has("password_env")) {
        section.section_problem("`user` and `password_env` belong together: one of them is missing", None);
    }
    if tls == EmailTls::None && user.is_some() {
        refuse_plain_password(section, host.as_deref());
    }
    let from =
        required(section, "from", "the sender's address").and_then(|from| mailbox(section, "from", from));
    let to = section.texts("to");
    if to.is_none() && !section.has("to") {
        section.section_problem(
            "`to` is missing",
            Some("add `to = [\"…\"]`: the addresses of the receivers".to_owned()),
        );
    }
    let to: Vec<_> = to?.value.into_iter().filter_map(|to| mailbox(section, "to", to)).collect();
    Some(EmailChannel {
        host: host?,
        port: u16::try_from(port).ok()?,
        tls,
        login: user.map(|user| user.value).zip(password),
        from: from?,
        to,
    })
}

fn refuse_plain_password(section: &Section, host: Option<&str>) {
    if let Some(host) = host.filter(|host| !is_loopback(host)) {
        let message = format!(
            "`tls = \"none\"` would send the password to {} in plain text: logging in needs an encrypted connection",
            shown(host)
        );
        let hint = "use `tls = \"starttls\"` or `tls = \"implicit\"`, or leave out `user` and `password_env`";
        section.problem("tls", message, Some(hint.to_owned()));
    }
}

/// Whether a mail server is on this machine, as its name says.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn required(section: &Section, key: &'static str, what: &str) -> Option<String> {
    if !section.has(key) {
        section.section_problem(format!("`{key}` is missing"), Some(format!("add `{key} = \"…\"`: {what}")));
    }
    section.text(key).map(|text| text.value)
}

fn mailbox(section: &Section, key: &'static str, text: String) -> Option<String> {
    match text.parse::<lettre::message::Mailbox>() {
        Ok(_) => Some(text),
        Err(error) => {
            let message = format!("{} in `{key}` is not an e-mail address: {error}", shown(&text));
            section.problem(key, message, None);
            None
        }
    }
}
