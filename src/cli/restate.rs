//! `daymark restate`: reads recorded days again under the newest definition of their metric, and corrects those that differ.

use clap::Args;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::{
    App, Exit, Page,
    correct::confirm,
    date,
    output::{Format, say},
    progress, signals,
};
use crate::{
    corrections::{RestateError, RestateReading, RestateRequest, RestatedDay, Restatement, checked_reason},
    metric::Decimal,
    pluralize::pluralize,
};

/// How many of the largest differences the summary shows.
const MAX_SHOWN: usize = 10;

#[derive(Args)]
pub struct RestateArguments {
    /// The metric
    #[arg(value_name = "METRIC")]
    metric: String,
    /// The first day [default: the first recorded one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last day [default: the last recorded one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
    /// Why, for everyone who reads the values
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run", default_value = "")]
    reason: String,
    /// Also restate days of which the platform has lost rows since they were recorded
    #[arg(long)]
    accept_loss: bool,
    /// Show what would change, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write without asking
    #[arg(long)]
    yes: bool,
}

pub async fn run(app: &App, arguments: &RestateArguments, format: Format) -> anyhow::Result<(Page, Exit)> {
    if !arguments.dry_run {
        // It is checked before the platform is read, which may take minutes.
        checked_reason(&arguments.reason).map_err(RestateError::from)?;
    }
    let cancel = signals::cancellation(|line| say(line));
    let request = RestateRequest {
        category: arguments.metric.clone(),
        from: arguments.from,
        to: arguments.to,
        accept_loss: arguments.accept_loss,
    };
    let progress = progress::shown(format);
    let reading = RestateReading::read(&app.context, &request, progress.as_ref(), &cancel).await?;
    drop(progress);
    if arguments.dry_run || !arguments.yes {
        let restatement = reading.compare(&app.context, &cancel).await?;
        let changes = restatement.changes.len();
        if arguments.dry_run || changes == 0 {
            return Ok((page(&restatement, None), Exit::Done));
        }
        if !confirm(false, restatement.largest().into_iter().map(line), changes)? {
            let mut page = page(&restatement, None);
            page.line("Nothing was written.");
            return Ok((page, Exit::Done));
        }
    }
    let progress = progress::shown(format);
    let written = reading.write(&app.context, &arguments.reason, progress.as_ref(), &cancel).await?;
    drop(progress);
    let exit = if written.is_complete { Exit::Done } else { Exit::Interrupted };
    let count = written.changes.len();
    Ok((page(&written, (count > 0 || !written.is_complete).then_some(count)), exit))
}

fn line(day: &RestatedDay) -> String {
    if day.difference().is_zero() {
        return format!("{}: {} as before, of other labels or another sample", day.date, day.after);
    }
    format!("{}: {} → {} ({})", day.date, day.before, day.after, signed(&day.difference()))
}

fn signed(difference: &Decimal) -> String {
    if *difference > Decimal::zero() { format!("+{difference}") } else { difference.to_string() }
}

/// `written` is `None` where nothing was to be written.
fn page(restatement: &Restatement, written: Option<usize>) -> Page {
    let mut page = Page::new(json(restatement, written));
    page.columns = vec!["metric_date", "metric_category", "recorded_value", "before", "after", "difference"];
    page.rows = restatement.changes.iter().map(|day| row(restatement, day)).collect();
    for day in restatement.largest().into_iter().take(MAX_SHOWN) {
        page.line(line(day));
    }
    if restatement.changes.len() > MAX_SHOWN {
        page.line(format!(
            "and {} with smaller differences",
            pluralize(restatement.changes.len() - MAX_SHOWN, "day")
        ));
    }
    conclude(&mut page, restatement, written);
    page
}

fn row(restatement: &Restatement, day: &RestatedDay) -> Vec<String> {
    vec![
        day.date.to_string(),
        restatement.key.category.clone(),
        day.recorded.to_string(),
        day.before.to_string(),
        day.after.to_string(),
        day.difference().to_string(),
    ]
}

fn json(restatement: &Restatement, written: Option<usize>) -> Value {
    let change = |day: &RestatedDay| {
        json!({
            "metric_date": day.date, "recorded_value": day.recorded, "before": day.before, "after": day.after,
            "difference": day.difference(), "rows_lost": day.is_lossy,
        })
    };
    json!({
        "metric_category": restatement.key.category, "metric_type": restatement.key.metric_type,
        "definition_version": restatement.version, "from": restatement.from, "to": restatement.to,
        "changes": restatement.changes.iter().map(change).collect::<Vec<_>>(),
        "unchanged": restatement.unchanged, "corrected_by_hand": restatement.by_hand, "no_value": restatement.no_value,
        "rows_lost": restatement.lossy, "cannot_know": restatement.caveats, "written": written,
    })
}

fn conclude(page: &mut Page, restatement: &Restatement, written: Option<usize>) {
    let Restatement { key, version, from, to, .. } = restatement;
    let counts = [
        (restatement.unchanged, "agree with the platform and get no revision"),
        (restatement.by_hand, "were corrected by hand or withdrawn, and are left as they are"),
        (restatement.no_value, "have no valid value by the present rows, and are left as they are"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        page.line(format!("{}: {what}.", pluralize(count, "day")));
    }
    if let (Some(first), Some(last)) = (restatement.lossy.first(), restatement.lossy.last()) {
        page.line(format!(
            "{} from {first} to {last}: left as they are, because the platform has lost rows of them since they were recorded, and \
             a value read again would be one without these rows; --accept-loss restates them too.",
            pluralize(restatement.lossy.len(), "day")
        ));
    }
    let changes = restatement.changes.len();
    page.line(match written {
        None if changes == 0 => format!("{}, {from} to {to}: nothing is to be restated.", key.category),
        None => format!(
            "{}, {from} to {to}: {} would be restated under version {version} of the definition.",
            key.category,
            pluralize(changes, "day")
        ),
        Some(written) if !restatement.is_complete => format!(
            "{}: interrupted after {} had been restated; the same command continues from there.",
            key.category,
            pluralize(written, "day")
        ),
        Some(written) => format!(
            "{}: restated {} under version {version} of the definition. The records stay; `daymark corrections` lists what was \
             corrected.",
            key.category,
            pluralize(written, "day")
        ),
    });
    if changes > 0 && !restatement.caveats.is_empty() {
        page.blank();
        page.line("What a reconstruction of past days cannot know:");
        for caveat in &restatement.caveats {
            page.line(format!("  {caveat}"));
        }
    }
}
