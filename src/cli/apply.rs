//! `daymark apply`.

use clap::Args;
use serde_json::{Value, json};

use super::{App, Exit, Page};
use crate::{
    collect::EarlierMeaning,
    config::{Resolved, Severity},
    definitions::{AppliedChange, ApplyReport, ZoneChange},
    pluralize::pluralize,
    store::DefinitionChange,
};

#[derive(Args)]
pub struct ApplyArguments {
    /// Only show the difference
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(app: &App, arguments: &ApplyArguments) -> anyhow::Result<(Page, Exit)> {
    let resolved = app.resolve().await?;
    let report = crate::definitions::apply(&app.context, &resolved.definitions, arguments.dry_run).await?;
    Ok((page(&report, &resolved, arguments.dry_run), Exit::Done))
}

fn page(report: &ApplyReport, resolved: &Resolved, dry_run: bool) -> Page {
    let changes: Vec<_> = report.changes.iter().map(change_json).collect();
    let left_out: Vec<_> = resolved
        .left_out
        .iter()
        .map(|left| json!({"metric_category": left.category, "reason": left.reason}))
        .collect();
    let zone_change = report.zone_change.as_ref().map(|change| json!({"old": change.old, "new": change.new}));
    let mut page = Page::new(json!({
        "dry_run": dry_run, "changes": changes, "unchanged": report.unchanged,
        "made_through_api": report.made_through_api, "zone_change": zone_change, "left_out": left_out,
        "earlier_meanings": earlier_meanings_json(&report.earlier_meanings),
    }));
    page.columns = vec!["change", "metric_category", "field", "old", "new"];
    for change in &report.changes {
        write_change(&mut page, change);
    }
    add_notes(&mut page, report, resolved);
    let done = match (report.changes.len(), dry_run) {
        (0, _) => "Nothing to change".to_owned(),
        (count, true) => format!("{} to apply", pluralize(count, "change")),
        (count, false) => format!("{} applied", pluralize(count, "change")),
    };
    let others = match report.made_through_api {
        0 => String::new(),
        others => format!("; made through the API: {others}, left as they are"),
    };
    page.line(format!("{done}; {} unchanged{others}.", pluralize(report.unchanged, "metric")));
    page
}

/// The metrics that are left out, the warnings, and what the changes mean for earlier records.
fn add_notes(page: &mut Page, report: &ApplyReport, resolved: &Resolved) {
    for left in &resolved.left_out {
        page.line(format!("  left out  {}: {}", left.category, left.reason));
    }
    for warning in resolved.findings.iter().filter(|finding| finding.severity == Severity::Warning) {
        page.lines(format!("warning: {warning}"));
    }
    if let Some(ZoneChange { old, new }) = &report.zone_change {
        page.line(format!(
            "note: existing records keep days of {old}; days recorded from now on, by `collect` and by \
             `backfill`, are days of {new}. At the change, some hours belong to two days or to none."
        ));
    }
    for earlier in &report.earlier_meanings {
        page.line(format!("note: {earlier}."));
    }
}

pub fn earlier_meanings_json(earlier: &[EarlierMeaning]) -> Vec<Value> {
    let of = |earlier: &EarlierMeaning| json!({"metric_category": earlier.category, "first": earlier.first, "last": earlier.last, "days": earlier.days, "can_be_restated": earlier.can_be_restated});
    earlier.iter().map(of).collect()
}

/// Returns the sign and the word for the kind of change, and the metric's category.
fn described(change: &DefinitionChange) -> (&'static str, &'static str, &str) {
    match change {
        DefinitionChange::Add(definition) => ("+", "add", &definition.category),
        DefinitionChange::Revise(definition) => ("~", "revise", &definition.category),
        DefinitionChange::Activate(key) => ("+", "activate", &key.category),
        DefinitionChange::Adopt(definition) => ("=", "adopt", &definition.category),
        DefinitionChange::MoveZone(key, _) => ("~", "revise", &key.category),
        DefinitionChange::Deactivate(key) => ("-", "deactivate", &key.category),
    }
}

fn write_change(page: &mut Page, change: &AppliedChange) {
    let (sign, word, category) = described(&change.change);
    let about = match &change.change {
        DefinitionChange::Add(definition) => {
            format!("  ({}, {})", definition.metric_type, definition.measure.name())
        }
        DefinitionChange::MoveZone(..) => "  (made through the API)".to_owned(),
        _ if change.made_through_api => "  (made through the API until now)".to_owned(),
        _ => String::new(),
    };
    page.line(format!("{sign} {word:<10}  {category}{about}"));
    if change.fields.is_empty() {
        page.rows.push(vec![
            word.to_owned(),
            category.to_owned(),
            String::new(),
            String::new(),
            String::new(),
        ]);
    }
    for field in &change.fields {
        page.line(format!("      {}: {} → {}", field.field, field.old, field.new));
        let cells = [
            word.to_owned(),
            category.to_owned(),
            field.field.clone(),
            field.old.to_string(),
            field.new.to_string(),
        ];
        page.rows.push(cells.to_vec());
    }
}

fn change_json(change: &AppliedChange) -> Value {
    let (_, word, category) = described(&change.change);
    let fields: Vec<_> = change
        .fields
        .iter()
        .map(|field| json!({"field": field.field, "old": field.old, "new": field.new}))
        .collect();
    json!({
        "change": word, "metric_category": category, "made_through_api": change.made_through_api, "fields": fields,
    })
}
