//! `daymark migrate`.

use clap::Args;
use serde_json::json;

use super::{App, Exit, Page};
use crate::pluralize::pluralize;

#[derive(Args)]
pub struct MigrateArguments {
    /// Only list the migrations that would be applied
    #[arg(long)]
    dry_run: bool,
    /// Only print the statements of all migrations, for example to restore a dropped object
    #[arg(long, conflicts_with = "dry_run")]
    show: bool,
}

pub async fn run(app: &App, arguments: &MigrateArguments) -> anyhow::Result<(Page, Exit)> {
    let store = &app.context.tenant.store;
    if arguments.show {
        let script = store.migration_script();
        let mut page = Page::new(json!({"sql": script}));
        page.columns = vec!["sql"];
        page.lines(script.trim_end());
        page.rows = vec![vec![script]];
        return Ok((page, Exit::Done));
    }
    let names = if arguments.dry_run { store.pending_migrations().await? } else { store.migrate().await? };
    let mut page =
        Page::new(json!({"store": store.location(), "dry_run": arguments.dry_run, "migrations": names}));
    page.columns = vec!["migration"];
    page.rows = names.iter().map(|name| vec![name.clone()]).collect();
    let (done, count) =
        (if arguments.dry_run { "to apply to" } else { "applied to" }, pluralize(names.len(), "migration"));
    match names.as_slice() {
        [] => page.line(format!("{} is up to date.", store.location())),
        _ => page.line(format!("{count} {done} {}: {}.", store.location(), names.join(", "))),
    }
    Ok((page, Exit::Done))
}
