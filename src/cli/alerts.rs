//! `daymark alerts`.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::{App, Exit, Page, duration};
use crate::{
    alerts,
    config::{self, Channel},
    delivery::{self, MessagePreview},
    pluralize::pluralize,
    query::{self, AlertEntry, DeliveriesQuery, DeliveryEntry, SilenceEntry},
};

#[derive(Args)]
pub struct AlertsArguments {
    #[command(subcommand)]
    command: Option<AlertsCommand>,
}

#[derive(Subcommand)]
enum AlertsCommand {
    /// Show the rules with their states, and the silences that hold (the default)
    List,
    /// Send no notification that a rule, or any rule, fires until an end
    Silence {
        /// The rule's name [default: all rules]
        rule: Option<String>,
        /// The reason, which readers of the alerts see
        #[arg(long)]
        reason: String,
        /// Days, weeks or hours from now, after which it ends: 2h, 3d
        #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
        duration: SignedDuration,
    },
    /// End a silence
    Unsilence {
        /// The silence's id, which `daymark alerts` shows
        #[arg(value_parser = silence_id)]
        id: Uuid,
    },
    /// Send a test message to a channel of daymark.toml, or show what its templates make of alerts
    Test {
        /// The channel's name; with --preview by default all of them
        #[arg(required_unless_present = "preview")]
        channel: Option<String>,
        /// Show the messages of sample alerts that fire and that are resolved, and send nothing
        #[arg(long)]
        preview: bool,
    },
    /// List the notifications of the last 90 days, each with its attempts and their answers
    Deliveries {
        /// Only those to this channel
        #[arg(long)]
        channel: Option<String>,
        /// How many, from 1 to 200
        #[arg(long, value_name = "NUMBER", default_value = "50")]
        limit: String,
    },
}

pub async fn run(app: &App, arguments: AlertsArguments) -> anyhow::Result<(Page, Exit)> {
    match arguments.command {
        None | Some(AlertsCommand::List) => Ok((list(app).await?, Exit::Done)),
        Some(AlertsCommand::Silence { rule, reason, duration }) => {
            Ok((silence(app, rule.as_deref(), &reason, duration).await?, Exit::Done))
        }
        Some(AlertsCommand::Unsilence { id }) => unsilence(app, id).await,
        Some(AlertsCommand::Test { channel, preview: true }) => preview(app, channel.as_deref()),
        Some(AlertsCommand::Test { channel, preview: false }) => {
            test(app, &channel.unwrap_or_default()).await
        }
        Some(AlertsCommand::Deliveries { channel, limit }) => {
            let question = DeliveriesQuery::parse(channel, Some(&limit))?;
            Ok((deliveries(app, &question).await?, Exit::Done))
        }
    }
}

fn silence_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "give the id of a silence, as `daymark alerts` shows it".to_owned())
}

async fn list(app: &App) -> anyhow::Result<Page> {
    let declared = &app.config.declarations;
    let channels: Vec<_> = declared.channels.iter().map(|channel| channel.name.clone()).collect();
    let response = query::alerts(&app.context, &declared.alerts, &channels).await?;
    let mut page = Page::new(serde_json::to_value(&response)?);
    let display = |at: Timestamp| app.context.tenant.calendar.display(at);
    page.columns = vec!["rule", "severity", "state", "since", "summary"];
    page.rows = response.alerts.iter().map(|alert| alert_cells(alert, display)).collect();
    page.table();
    page.blank();
    for silence in &response.silences {
        page.line(silence_line(silence, display));
    }
    if channels.is_empty() {
        page.line("No channel is declared, so no notification is sent; docs/alerts.md describes how to declare one.");
    }
    if response.pending_notifications > 0 {
        page.line(format!(
            "Still to be delivered: {}.",
            pluralize(response.pending_notifications, "notification")
        ));
    }
    Ok(page)
}

fn alert_cells(alert: &AlertEntry, display: impl Fn(Timestamp) -> String) -> Vec<String> {
    let silenced = if alert.is_silenced { ", silenced" } else { "" };
    vec![
        alert.rule.clone(),
        alert.severity.to_owned(),
        format!("{}{silenced}", alert.status.replace('_', " ")),
        alert.since.map(display).unwrap_or_default(),
        alert
            .summary
            .clone()
            .unwrap_or_else(|| "not evaluated yet: `daymark serve` evaluates the rules".to_owned()),
    ]
}

fn silence_line(silence: &SilenceEntry, display: impl Fn(Timestamp) -> String) -> String {
    let rule = silence.rule.as_deref().unwrap_or("all rules");
    format!(
        "Silenced: {rule}, until {}: {} (by {}, {})",
        display(silence.ends_at),
        silence.reason,
        silence.created_by,
        silence.id
    )
}

async fn silence(
    app: &App,
    rule: Option<&str>,
    reason: &str,
    duration: SignedDuration,
) -> anyhow::Result<Page> {
    let until = app.context.now().checked_add(duration)?;
    let rules = &app.config.declarations.alerts;
    let silence = SilenceEntry::from(alerts::silence(&app.context, rules, rule, reason, until).await?);
    let mut page = Page::new(json!({ "silence": silence }));
    page.line(silence_line(&silence, |at| app.context.tenant.calendar.display(at)));
    Ok(page)
}

async fn unsilence(app: &App, id: Uuid) -> anyhow::Result<(Page, Exit)> {
    let has_ended = alerts::unsilence(&app.context, id).await?;
    let mut page = Page::new(json!({ "has_ended": has_ended }));
    page.line(match has_ended {
        true => "The silence has ended.",
        false => "No silence with this id holds; `daymark alerts` lists those that do.",
    });
    Ok((page, if has_ended { Exit::Done } else { Exit::Failed }))
}

async fn test(app: &App, name: &str) -> anyhow::Result<(Page, Exit)> {
    let channels = &app.config.declarations.channels;
    let mut page = Page::default();
    let Some(channel) = channels.iter().find(|channel| channel.name == name) else {
        page.line(undeclared(name, channels));
        page.json = json!({ "is_delivered": false, "answer": undeclared(name, channels) });
        return Ok((page, Exit::Usage));
    };
    let settings = app.config.settings.delivery.clone();
    let sent = delivery::test_channel(&app.context, channels.clone(), settings, name).await?;
    page.json = json!({ "id": sent.id, "is_delivered": sent.is_delivered, "answer": sent.answer });
    let kind = channel.kind.name();
    page.line(match sent.is_delivered {
        true => format!("Delivered to {name} ({kind}): {}", sent.answer),
        false => format!("Not delivered to {name} ({kind}): {}", sent.answer),
    });
    Ok((page, if sent.is_delivered { Exit::Done } else { Exit::Failed }))
}

fn preview(app: &App, name: Option<&str>) -> anyhow::Result<(Page, Exit)> {
    let channels = &app.config.declarations.channels;
    let mut page = Page::new(json!([]));
    page.columns = vec!["channel", "kind", "alerts", "subject", "text"];
    if let Some(name) = name.filter(|name| channels.iter().all(|channel| channel.name != *name)) {
        page.line(undeclared(name, channels));
        return Ok((page, Exit::Usage));
    }
    let mut entries = Vec::new();
    for channel in channels.iter().filter(|channel| name.is_none_or(|name| channel.name == name)) {
        let messages = delivery::preview(channel).map_err(anyhow::Error::msg)?;
        if messages.is_empty() {
            page.line(format!("{}: {} makes its own texts.", channel.name, channel.kind.name()));
            page.blank();
        }
        for MessagePreview { kind, alerts, subject, text } in messages {
            let (name, kind) = (&channel.name, kind.name());
            page.line(format!("{name}: {kind}, {}", pluralize(alerts, "alert")));
            page.line(format!("  Subject: {subject}"));
            text.lines().for_each(|line| page.line(format!("  {line}").trim_end()));
            page.blank();
            page.rows.push(vec![
                name.clone(),
                kind.to_owned(),
                alerts.to_string(),
                subject.clone(),
                text.clone(),
            ]);
            entries.push(
                json!({"channel": name, "kind": kind, "alerts": alerts, "subject": subject, "text": text}),
            );
        }
    }
    if channels.is_empty() {
        page.line("No channel is declared; docs/alerts.md says how to.");
    }
    page.json = entries.into();
    Ok((page, Exit::Done))
}

fn undeclared(name: &str, channels: &[Channel]) -> String {
    let hint = config::suggestion(name, channels.iter().map(|channel| channel.name.as_str()));
    let hint = hint.unwrap_or_else(|| "declare it under [channels.…] of daymark.toml".to_owned());
    format!("There is no channel {}; {hint}", config::shown(name))
}

async fn deliveries(app: &App, question: &DeliveriesQuery) -> anyhow::Result<Page> {
    let response = query::deliveries(&app.context, question).await?;
    let mut page = Page::new(serde_json::to_value(&response)?);
    page.columns = vec!["created_at", "channel", "kind", "status", "attempts", "last_answer", "id"];
    let display = |at: Timestamp| app.context.tenant.calendar.display(at);
    page.rows = response.deliveries.iter().map(|delivery| cells(delivery, display)).collect();
    if page.rows.is_empty() {
        page.line("There are no notifications of the last 90 days.");
        return Ok(page);
    }
    page.table();
    let pending = response.deliveries.iter().filter(|delivery| delivery.next_attempt_at.is_some()).count();
    if pending > 0 {
        page.blank();
        page.line(format!("Still to be delivered: {}.", pluralize(pending, "notification")));
    }
    Ok(page)
}

fn cells(delivery: &DeliveryEntry, display: impl Fn(Timestamp) -> String) -> Vec<String> {
    let answer =
        delivery.attempts.last().map(|attempt| attempt.answer.replace('\n', " ")).unwrap_or_default();
    vec![
        display(delivery.created_at),
        delivery.channel.clone(),
        delivery.kind.to_owned(),
        delivery.status.replace('_', " "),
        delivery.attempts.len().to_string(),
        answer,
        delivery.id.to_string(),
    ]
}
