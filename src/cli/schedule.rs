//! `daymark schedule`.

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{App, Exit, Page, duration};
use crate::{
    collect::{self, Context},
    query::{self, LeaderEntry, PauseEntry, ScheduleResponse},
};

#[derive(Args)]
pub struct ScheduleArguments {
    #[command(subcommand)]
    command: Option<ScheduleCommand>,
}

#[derive(Subcommand)]
enum ScheduleCommand {
    /// Show the next run, which instance collects, and whether collecting is paused (the default)
    Show,
    /// Stop collecting on schedule; the server and manually started runs continue
    Pause {
        /// The reason, which readers of the schedule see
        #[arg(long)]
        reason: String,
        /// Days, weeks or hours from now, after which it ends by itself: 2h, 3d [default: until it is resumed]
        #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
        duration: Option<SignedDuration>,
    },
    /// Collect on schedule again, and fill missed days
    Resume,
}

pub async fn run(app: &App, arguments: &ScheduleArguments) -> anyhow::Result<(Page, Exit)> {
    let page = match &arguments.command {
        None | Some(ScheduleCommand::Show) => show(app).await?,
        Some(ScheduleCommand::Pause { reason, duration }) => pause(app, reason, *duration).await?,
        Some(ScheduleCommand::Resume) => resume(app).await?,
    };
    Ok((page, Exit::Done))
}

async fn show(app: &App) -> anyhow::Result<Page> {
    let response = query::schedule(&app.context).await?;
    let mut page = Page::new(serde_json::to_value(&response)?);
    let lines = schedule_lines(&app.context, &response);
    page.columns = vec!["what", "value"];
    page.rows = lines.iter().map(|(what, value)| vec![(*what).to_owned(), value.clone()]).collect();
    for (what, value) in lines {
        page.line(format!("{what:<15} {value}"));
    }
    Ok(page)
}

/// Pairs of a title and a text.
pub(super) fn schedule_lines(context: &Context, response: &ScheduleResponse) -> Vec<(&'static str, String)> {
    let display = |at: Timestamp| context.tenant.calendar.display(at);
    let next = match (&response.next_run, &response.pause) {
        (_, Some(pause)) => paused(pause, display),
        (Some(next), None) => format!("{} at {}", next.date, display(next.at)),
        (None, None) => "none: the cron expression has no further time".to_owned(),
    };
    let leader = match &response.leader {
        None => "none yet: `daymark serve` collects on schedule".to_owned(),
        Some(leader) => led(leader, display),
    };
    let cron = response.cron.as_deref().unwrap_or("each day, as soon as it has settled");
    vec![("Runs", cron.to_owned()), ("Next run", next), ("Leader", leader)]
}

fn paused(pause: &PauseEntry, display: impl Fn(Timestamp) -> String) -> String {
    let until =
        pause.until.map_or_else(|| "until it is resumed".to_owned(), |at| format!("until {}", display(at)));
    format!("paused {until}: {} (since {} by {})", pause.reason, display(pause.paused_at), pause.paused_by)
}

fn led(leader: &LeaderEntry, display: impl Fn(Timestamp) -> String) -> String {
    let who = format!("process {} on {}", leader.process_id, leader.host);
    if leader.is_silent {
        format!("{who} holds the lock and hangs: seen last {}; restart it", display(leader.seen_at))
    } else if leader.is_alive {
        format!("{who}, since {}", display(leader.since))
    } else {
        format!("none now; the last one was {who}, seen last {}", display(leader.seen_at))
    }
}

async fn pause(app: &App, reason: &str, duration: Option<SignedDuration>) -> anyhow::Result<Page> {
    let until = duration.map(|duration| app.context.now().checked_add(duration)).transpose()?;
    let pause = PauseEntry::from(collect::pause(&app.context, reason, until).await?);
    let mut page = Page::new(json!({ "pause": pause }));
    let until = match pause.until {
        None => "until `daymark schedule resume`".to_owned(),
        Some(until) => format!("until {}", app.context.tenant.calendar.display(until)),
    };
    page.line(format!("Nothing is collected on schedule {until}: {}", pause.reason));
    Ok(page)
}

async fn resume(app: &App) -> anyhow::Result<Page> {
    let was_paused = collect::resume(&app.context).await?;
    let mut page = Page::new(json!({ "was_paused": was_paused }));
    page.line(match was_paused {
        true => "Collecting on schedule again.".to_owned(),
        false => "The schedule was not paused.".to_owned(),
    });
    Ok(page)
}
