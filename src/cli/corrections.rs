//! `daymark corrections`: the corrections of recorded values, with their reasons and authors.

use std::sync::Arc;

use clap::Args;
use jiff::civil::Date;

use super::{App, Exit, Page, date, series_arguments::by_flags, word_parser::WordParser};
use crate::{
    query::{
        self, Catalogue, CorrectionEntry, CorrectionsQuery, CorrectionsRequest, MAX_LIMIT, View, ViewRequest,
    },
    store::RevisionBasis,
};

#[derive(Args)]
pub struct CorrectionsArguments {
    /// The first corrected day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last corrected day
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
    /// Only this metric (may be given several times)
    #[arg(long = "metric", value_name = "CATEGORY")]
    metrics: Vec<String>,
    /// Leave out corrections that were replaced or taken back
    #[arg(long)]
    in_force: bool,
    /// Only the corrections of this basis
    #[arg(long, value_name = "BASIS", value_parser = WordParser::new(RevisionBasis::NAMES))]
    basis: Option<String>,
    /// Show the corrections that had been made by this instant (2025-01-31T12:00:00Z) or by the end of this day (2025-01-31)
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

pub async fn run(app: &App, arguments: CorrectionsArguments) -> anyhow::Result<(Page, Exit)> {
    let found = all(app, arguments).await.map_err(by_flags)?;
    let mut page = Page::new(serde_json::to_value(&found)?);
    page.columns = vec![
        "metric_date",
        "metric_type",
        "metric_category",
        "revision",
        "kind",
        "value",
        "takes_back",
        "is_in_force",
        "recorded_value",
        "basis",
        "definition_version",
        "reason",
        "author",
        "created_at",
        "batch_id",
    ];
    page.rows = found.iter().map(row).collect();
    if found.is_empty() {
        page.line("No value was corrected.");
    } else {
        let shown =
            ["metric", "day", "revision", "recorded", "corrected", "in force", "reason", "author", "made at"];
        page.table_of(&shown, found.iter().map(shown_row).collect());
    }
    Ok((page, Exit::Done))
}

async fn all(app: &App, arguments: CorrectionsArguments) -> anyhow::Result<Vec<CorrectionEntry>> {
    let CorrectionsArguments { from, to, metrics, in_force, basis, as_of } = arguments;
    let catalogue = Arc::new(Catalogue::load(app.context.tenant.store.as_ref()).await?);
    let request = ViewRequest { values: None, as_of: as_of.as_deref() };
    let as_of = View::new(&app.context, &catalogue, request).await?.values.as_of;
    let mut request = CorrectionsRequest {
        from: from.map(|date| date.to_string()),
        to: to.map(|date| date.to_string()),
        categories: metrics,
        state: in_force.then(|| "in_force".to_owned()),
        basis,
        limit: Some(MAX_LIMIT.to_string()),
        ..CorrectionsRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let answer =
            query::corrections(&app.context, &CorrectionsQuery::parse(&request, &catalogue, as_of)?).await?;
        found.extend(answer.corrections);
        request.cursor = answer.next_cursor;
        if request.cursor.is_none() {
            return Ok(found);
        }
    }
}

fn text(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn row(entry: &CorrectionEntry) -> Vec<String> {
    vec![
        entry.metric_date.to_string(),
        entry.metric_type.name().to_owned(),
        entry.metric_category.clone(),
        entry.revision.to_string(),
        entry.kind.to_owned(),
        text(entry.value.as_ref()),
        text(entry.takes_back.as_ref()),
        entry.is_in_force.to_string(),
        entry.recorded_value.to_string(),
        entry.basis.to_owned(),
        text(entry.definition_version.as_ref()),
        entry.reason.clone(),
        entry.author.clone(),
        entry.created_at.to_string(),
        entry.batch_id.to_string(),
    ]
}

fn shown_row(entry: &CorrectionEntry) -> Vec<String> {
    let corrected = match (&entry.value, entry.takes_back) {
        (Some(value), _) => value.to_string(),
        (None, Some(revision)) => format!("takes back {revision}"),
        (None, None) => "withdrawn".to_owned(),
    };
    vec![
        entry.metric_category.clone(),
        entry.metric_date.to_string(),
        entry.revision.to_string(),
        entry.recorded_value.to_string(),
        corrected,
        if entry.is_in_force { "yes" } else { "" }.to_owned(),
        entry.reason.clone(),
        entry.author.clone(),
        entry.created_at.to_string(),
    ]
}
