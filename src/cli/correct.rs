//! `daymark correct`: puts recorded values right. The records stay: revisions are written beside them.

use std::io::{self, BufRead, IsTerminal};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use strum::IntoEnumIterator;

use super::{App, Exit, Page, corrections_file, date, output::say, word_parser::WordParser};
use crate::{
    corrections::{
        self, CorrectionPlan, CorrectionRequest, PlannedCorrection, RequestedChange, RequestedCorrection,
    },
    metric::{Decimal, MetricType},
    pluralize::pluralize,
};

/// How many differences the question before writing shows.
const MAX_ASKED: usize = 20;

#[derive(Args)]
#[command(group = ArgGroup::new("change").args(["value", "withdraw", "take_back", "file"]).required(true))]
pub struct CorrectArguments {
    /// The metric
    #[arg(value_name = "METRIC", required_unless_present = "file", conflicts_with = "file")]
    metric: Option<String>,
    /// The recorded day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse, required_unless_present = "file", conflicts_with = "file")]
    date: Option<Date>,
    /// The type of the metric, where metrics of several types have or had its name [default: that of the active one]
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "file", value_parser = WordParser::new(MetricType::iter().map(MetricType::name)))]
    metric_type: Option<String>,
    /// The right value
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    value: Option<Decimal>,
    /// The sample size, the numerator and denominator, or the labels of the value, as JSON
    #[arg(long, value_name = "JSON", requires = "value", value_parser = object)]
    metadata: Option<MetadataObject>,
    /// Say that the value of the day cannot be known: it is shown as a gap
    #[arg(long)]
    withdraw: bool,
    /// Take back this revision of the day
    #[arg(long, value_name = "REVISION")]
    take_back: Option<i32>,
    /// Correct the days of a CSV file with the columns metric_category, metric_date and value (`withdrawn`: withdraw it); `-` reads
    /// standard input
    #[arg(long, value_name = "CSV")]
    file: Option<String>,
    /// Why, for everyone who reads the value
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Show the differences, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write without asking
    #[arg(long)]
    yes: bool,
}

type MetadataObject = Map<String, Value>;

fn object(text: &str) -> Result<MetadataObject, String> {
    serde_json::from_str(text).map_err(|error| format!("must be a JSON object: {error}"))
}

pub async fn run(app: &App, arguments: CorrectArguments) -> anyhow::Result<(Page, Exit)> {
    let (dry_run, yes) = (arguments.dry_run, arguments.yes);
    let is_from_stdin = arguments.file.as_deref() == Some("-");
    let plan = corrections::plan(&app.context, request(arguments)?).await?;
    if dry_run || plan.changes.is_empty() {
        return Ok((page(&plan, &[]), Exit::Done));
    }
    if !yes && !confirmed(&plan, is_from_stdin)? {
        let mut page = page(&plan, &[]);
        page.line("Nothing was written.");
        return Ok((page, Exit::Done));
    }
    let shown = plan.clone();
    let written = corrections::write(&app.context, plan).await?;
    corrections::judge_again(&app.context, &written).await;
    let numbers: Vec<_> =
        written.iter().map(|revision| (revision.date, &revision.key, revision.revision)).collect();
    let number = |planned: &PlannedCorrection| {
        let of_day = numbers.iter().find(|(date, key, _)| *date == planned.date && **key == planned.key);
        of_day.map(|(.., number)| *number)
    };
    let numbers: Vec<_> = shown.changes.iter().map(number).collect();
    Ok((page(&shown, &numbers), Exit::Done))
}

fn request(arguments: CorrectArguments) -> anyhow::Result<CorrectionRequest> {
    let CorrectArguments { metric, metric_type, date, value, metadata, take_back, file, reason, .. } =
        arguments;
    if let Some(file) = file {
        return Ok(CorrectionRequest { reason, corrections: corrections_file::read(&file)? });
    }
    let change = match (value, take_back) {
        (Some(value), _) => RequestedChange::Value { value, metadata },
        (None, Some(revision)) => RequestedChange::TakeBack { revision },
        (None, None) => RequestedChange::Withdraw,
    };
    let (category, date) = metric.zip(date).context("name the metric and the day")?;
    let correction = RequestedCorrection {
        category,
        metric_type: metric_type.and_then(|name| name.parse().ok()),
        date,
        change,
        after_revision: None,
    };
    Ok(CorrectionRequest { reason, corrections: vec![correction] })
}

/// Shows the differences and asks.
fn confirmed(plan: &CorrectionPlan, is_from_stdin: bool) -> anyhow::Result<bool> {
    let lines = plan.changes.iter().map(line);
    confirm(is_from_stdin, lines, plan.changes.len())
}

/// Shows the lines of up to 20 of the `count` days, and asks whether to write their corrections. Without a terminal that can be
/// asked, the question is refused.
pub(super) fn confirm(
    is_from_stdin: bool,
    lines: impl Iterator<Item = String>,
    count: usize,
) -> anyhow::Result<bool> {
    if is_from_stdin || !io::stdin().is_terminal() {
        anyhow::bail!(
            "there is no terminal to ask: add --yes to write the corrections, or --dry-run to see them"
        );
    }
    for line in lines.take(MAX_ASKED) {
        say(format_args!("  {line}"));
    }
    if count > MAX_ASKED {
        say(format_args!("  and {} more", pluralize(count - MAX_ASKED, "day")));
    }
    say(format_args!("Correct {}? The records stay. [y/N]", pluralize(count, "day")));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn line(planned: &PlannedCorrection) -> String {
    let PlannedCorrection { key, date, before, after, recorded, .. } = planned;
    format!(
        "{} of {date}: {} → {} (recorded {recorded})",
        key.category,
        shown(before.as_ref()),
        shown(after.as_ref())
    )
}

fn shown(value: Option<&Decimal>) -> String {
    value.map_or_else(|| "no value".to_owned(), ToString::to_string)
}

const COLUMNS: [&str; 8] = [
    "metric_date",
    "metric_type",
    "metric_category",
    "recorded_value",
    "before",
    "after",
    "difference",
    "revision",
];

/// `numbers` are those of the revisions that were written, in the order of the changes.
fn page(plan: &CorrectionPlan, numbers: &[Option<i32>]) -> Page {
    let numbered = || {
        let number = |place: usize| numbers.get(place).copied().flatten();
        plan.changes.iter().enumerate().map(move |(place, planned)| (planned, number(place)))
    };
    let mut page = Page::new(json!({
        "written": !numbers.is_empty(),
        "reason": plan.reason,
        "unchanged": plan.unchanged,
        "changes": numbered().map(change_json).collect::<Vec<_>>(),
    }));
    page.columns = COLUMNS.to_vec();
    page.rows = numbered().map(change_row).collect();
    for planned in &plan.changes {
        page.line(line(planned));
    }
    if plan.unchanged > 0 {
        page.line(format!(
            "{} {} that value already.",
            pluralize(plan.unchanged, "day"),
            if plan.unchanged == 1 { "has" } else { "have" }
        ));
    }
    match (plan.changes.len(), numbers.is_empty()) {
        (0, _) => page.line("Nothing is to be corrected."),
        (count, true) => page.line(format!("{} would be corrected.", pluralize(count, "day"))),
        (count, false) => page.line(format!(
            "Corrected {}. The records stay; `daymark corrections` lists what was corrected.",
            pluralize(count, "day")
        )),
    }
    page
}

fn difference(planned: &PlannedCorrection) -> Option<Decimal> {
    Some(planned.after.as_ref()? - planned.before.as_ref()?)
}

fn change_json((planned, revision): (&PlannedCorrection, Option<i32>)) -> Value {
    json!({
        "metric_date": planned.date, "metric_type": planned.key.metric_type, "metric_category": planned.key.category,
        "recorded_value": planned.recorded, "before": planned.before, "after": planned.after,
        "difference": difference(planned), "kind": planned.effect.name(), "revision": revision,
    })
}

/// The cells of [`COLUMNS`].
fn change_row((planned, revision): (&PlannedCorrection, Option<i32>)) -> Vec<String> {
    let text = |value: Option<&Decimal>| value.map(ToString::to_string).unwrap_or_default();
    vec![
        planned.date.to_string(),
        planned.key.metric_type.name().to_owned(),
        planned.key.category.clone(),
        planned.recorded.to_string(),
        text(planned.before.as_ref()),
        text(planned.after.as_ref()),
        text(difference(planned).as_ref()),
        revision.map(|revision| revision.to_string()).unwrap_or_default(),
    ]
}
