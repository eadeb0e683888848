//! `daymark gaps --as-of`: the gaps as they were known at an instant, from the answer to a question about series as of then.

use std::sync::Arc;

use jiff::civil::Date;
use serde_json::{Value, json};

use super::{App, Page};
use crate::{
    metric::MetricKey,
    pluralize::pluralize,
    query::{self, Catalogue, MAX_LIMIT, SeriesGap, SeriesQuery, SeriesRequest, View, ViewRequest},
};

/// The gaps of all active metrics from `from`, by default the first recorded day, to `to`, by default the last day that was finished at
/// that instant. No command that fills them is named: they may be filled since.
pub(super) async fn page(
    app: &App,
    from: Option<Date>,
    to: Option<Date>,
    as_of: &str,
) -> anyhow::Result<Page> {
    let catalogue = Arc::new(Catalogue::load(app.context.tenant.store.as_ref()).await?.with_all_versions());
    let request = ViewRequest { values: None, as_of: Some(as_of) };
    let View { context, catalogue, values } = View::new(&app.context, &catalogue, request).await?;
    let to = to.unwrap_or_else(|| context.last_finished());
    let first = context.tenant.store.recorded_span().await?.map_or(to, |(first, _)| first.min(to));
    let from = from.unwrap_or(first);
    let mut request = SeriesRequest {
        from: Some(from.to_string()),
        to: Some(to.to_string()),
        limit: Some(MAX_LIMIT.to_string()),
        values,
        ..SeriesRequest::default()
    };
    let (mut known, settings) = (Vec::new(), &app.config.settings.query);
    loop {
        let query = SeriesQuery::parse_unlimited(&request, &catalogue, settings, context.last_finished())?;
        let answer = query::series(&context, &catalogue, &query).await?;
        for series in answer.series {
            let key = MetricKey { metric_type: series.metric_type, category: series.metric_category };
            series.gaps.into_iter().for_each(|gap| add(&mut known, &key, gap));
        }
        request.cursor = answer.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    let missing = known.iter().map(|(_, gap)| gap.days).sum();
    let gaps: Vec<_> = known.iter().map(entry).collect();
    let mut page =
        Page::new(json!({"as_of": values.as_of, "from": from, "to": to, "missing": missing, "gaps": gaps}));
    page.columns = vec!["metric_category", "first", "last", "days", "cause"];
    page.rows = known.iter().map(row).collect();
    if !known.is_empty() {
        page.table();
        page.blank();
    }
    let was = match missing {
        0 => "nothing was missing".to_owned(),
        missing => format!("{} missing", pluralize(missing, "value")),
    };
    page.line(format!("{from} to {to}, as known at {as_of}: {was}."));
    Ok(page)
}

/// Adds a gap, which continues the last one where a page of the answer ended within it.
fn add(known: &mut Vec<(MetricKey, SeriesGap)>, key: &MetricKey, gap: SeriesGap) {
    match known.last_mut() {
        Some((of, last))
            if of == key && last.cause == gap.cause && last.to.tomorrow().ok() == Some(gap.from) =>
        {
            last.to = gap.to;
            last.days += gap.days;
        }
        _ => known.push((key.clone(), gap)),
    }
}

fn entry((key, gap): &(MetricKey, SeriesGap)) -> Value {
    json!({
        "metric_type": key.metric_type, "metric_category": key.category,
        "first": gap.from, "last": gap.to, "days": gap.days, "cause": gap.cause, "explanation": gap.explanation,
    })
}

fn row((key, gap): &(MetricKey, SeriesGap)) -> Vec<String> {
    let days = [gap.from.to_string(), gap.to.to_string(), gap.days.to_string()].to_vec();
    [vec![key.category.clone()], days, vec![gap.explanation.clone()]].concat()
}
