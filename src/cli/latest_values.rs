//! The page of `daymark query --latest`.

use super::Page;
use crate::{
    metric::Decimal,
    query::{Change, LatestResponse},
};

pub fn page(answer: &LatestResponse) -> anyhow::Result<Page> {
    let mut page = Page::new(serde_json::to_value(answer)?);
    page.columns = vec![
        "metric_type",
        "metric_category",
        "metric_date",
        "value",
        "change_from_day_before",
        "change_from_week_before",
        "change_from_month_before",
    ];
    let mut shown = Vec::new();
    for metric in &answer.metrics {
        let changes = [
            &metric.change_from_day_before,
            &metric.change_from_week_before,
            &metric.change_from_month_before,
        ];
        let date = metric.metric_date.map(|date| date.to_string());
        let value = text(metric.value.as_ref());
        let shown_value = if metric.no_data { "no data".to_owned() } else { value.clone() };
        let mut row = vec![
            metric.metric_type.to_string(),
            metric.metric_category.clone(),
            date.clone().unwrap_or_default(),
            value.clone(),
        ];
        row.extend(changes.map(|change| text(change.as_ref().map(|change| &change.absolute))));
        page.rows.push(row);
        let date = date.unwrap_or_else(|| "never recorded".to_owned());
        let mut row = vec![metric.metric_category.clone(), shown_value, date];
        row.extend(changes.map(|change| change.as_ref().map_or_else(String::new, shown_change)));
        shown.push(row);
    }
    page.table_of(&["metric", "value", "day", "a day before", "a week before", "a month before"], shown);
    Ok(page)
}

/// Formats a change as `+12 (+3.5 %)`.
fn shown_change(change: &Change) -> String {
    let signed = |text: String| if text.starts_with('-') { text } else { format!("+{text}") };
    let absolute = signed(change.absolute.to_string());
    let percent = change.percent.as_ref().map(|percent| signed(percent.inner().round(1).to_plain_string()));
    percent.map_or_else(|| absolute.clone(), |percent| format!("{absolute} ({percent} %)"))
}

fn text(value: Option<&Decimal>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
