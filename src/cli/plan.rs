//! `daymark plan`: the SQL of a collection or a backfill.

use clap::Args;
use jiff::civil::Date;
use serde_json::json;

use super::{App, Exit, Page, date, output::say};
use crate::{
    collect::{CollectError, unknown_metric},
    metric::Definition,
    store::StoreError,
};

#[derive(Args)]
pub struct PlanArguments {
    /// The day that a collection would record [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse, conflicts_with_all = ["from", "to"])]
    date: Option<Date>,
    /// The first day of a backfill
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last day of a backfill [default: the last finished one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse, requires = "from")]
    to: Option<Date>,
    /// Only this metric (may be given several times)
    #[arg(long = "metric", value_name = "CATEGORY")]
    metrics: Vec<String>,
}

pub async fn run(app: &App, arguments: &PlanArguments) -> anyhow::Result<(Page, Exit)> {
    let context = &app.context;
    let last = arguments.to.or(arguments.date).unwrap_or_else(|| context.last_finished());
    let first = arguments.from.unwrap_or(last);
    context.require_recorded_era(first)?;
    if first > last {
        return Err(CollectError::EmptyRange { from: first, to: last }.into());
    }
    let mut definitions = app.resolve().await?.definitions;
    definitions.extend(made_through_api(app, &definitions).await);
    let definitions = selected(app, definitions, &arguments.metrics)?;
    let days = context.tenant.calendar.days(first, last);
    let statements = crate::definitions::plan(context, &definitions, &days).await?;

    let listed: Vec<_> = statements
        .iter()
        .map(|statement| json!({"sources": statement.sources, "purpose": statement.purpose, "sql": statement.sql}))
        .collect();
    let mut page = Page::new(json!({"from": first, "to": last, "statements": listed}));
    page.columns = vec!["purpose", "sql"];
    for statement in statements {
        page.lines(format!("-- {}\n{};\n\n", statement.purpose, statement.sql));
        page.rows.push(vec![statement.purpose, statement.sql]);
    }
    Ok((page, Exit::Done))
}

/// The definitions that `metrics` names; without names, all of them.
fn selected(
    app: &App,
    definitions: Vec<Definition>,
    metrics: &[String],
) -> Result<Vec<Definition>, CollectError> {
    if metrics.is_empty() {
        return Ok(definitions);
    }
    if let Some(name) = metrics.iter().find(|name| !definitions.iter().any(|one| one.category == **name)) {
        let known = definitions.iter().map(|definition| definition.category.as_str());
        let otherwise = "`daymark apply --dry-run` lists the metrics of daymark.toml";
        return Err(unknown_metric(&app.context, name, known, otherwise));
    }
    Ok(definitions.into_iter().filter(|definition| metrics.contains(&definition.category)).collect())
}

/// Returns the active metrics that were created through the API. A store that is not migrated yet has none, which is
/// not an error.
async fn made_through_api(app: &App, definitions: &[Definition]) -> Vec<Definition> {
    match crate::definitions::made_through_api(app.context.tenant.store.as_ref(), definitions).await {
        Ok(made) => made,
        Err(CollectError::Store(StoreError::NotMigrated { .. })) => Vec::new(),
        Err(error) => {
            say(format_args!("note: metrics that were created through the API are not shown: {error}"));
            Vec::new()
        }
    }
}
