//! `daymark judge`: judges recorded values by the history of their metric.

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::{App, Exit, Page, date};
use crate::{
    collect::{self, JudgeReport, JudgeRequest},
    pluralize::pluralize,
};

/// How many records are judged before the next ones are looked for.
const STEP: i64 = 20_000;

#[derive(Args)]
pub struct JudgeArguments {
    /// Judge values that are judged already, too
    #[arg(long)]
    again: bool,
    /// The first day to judge again [default: the first recorded one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse, requires = "again")]
    from: Option<Date>,
    /// The last day to judge again [default: the last recorded one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse, requires = "again")]
    to: Option<Date>,
    /// Judge only this metric again (may be given several times)
    #[arg(long = "metric", value_name = "CATEGORY", requires = "again")]
    metrics: Vec<String>,
}

pub async fn run(app: &App, arguments: &JudgeArguments) -> anyhow::Result<(Page, Exit)> {
    let JudgeArguments { again, from, to, metrics } = arguments;
    let report = if *again {
        let request = JudgeRequest { from: *from, to: *to, only: metrics.clone() };
        collect::judge_again(&app.context, &request).await?
    } else {
        judge_all(app).await?
    };
    Ok((page(report), Exit::Done))
}

/// Judges everything that is not judged yet.
async fn judge_all(app: &App) -> anyhow::Result<JudgeReport> {
    let mut all = JudgeReport::default();
    loop {
        let (report, found) = collect::judge_unjudged(&app.context, STEP).await?;
        all.judged += report.judged;
        all.anomalies += report.anomalies;
        // A record that cannot be read is found again and cannot be judged.
        if found < usize::try_from(STEP).unwrap_or(usize::MAX) || report.judged == 0 {
            return Ok(all);
        }
    }
}

fn page(report: JudgeReport) -> Page {
    let JudgeReport { judged, anomalies } = report;
    let mut page = Page::new(json!({"judged": judged, "anomalies": anomalies}));
    page.columns = vec!["judged", "anomalies"];
    page.rows.push(vec![judged.to_string(), anomalies.to_string()]);
    page.line(match judged {
        0 => "Every recorded value is judged.".to_owned(),
        _ => format!(
            "Judged {}: {}.",
            pluralize(judged, "recorded value"),
            match anomalies {
                1 => "1 is an anomaly".to_owned(),
                number => format!("{number} are anomalies"),
            }
        ),
    });
    page
}
