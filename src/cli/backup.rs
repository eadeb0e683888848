//! `daymark backup` and `daymark restore`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{App, Exit, Page, backup_findings::shown, output::thousands};
use crate::{
    backup::{self, Manifest, Restored},
    pluralize::pluralize,
};

#[derive(Args)]
pub struct BackupArguments {
    /// Where the backup is put, in a directory of its own [default: `backup.directory`]
    #[arg(long, value_name = "DIRECTORY")]
    into: Option<PathBuf>,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// The directory of the backup: that of its manifest.json
    #[arg(value_name = "BACKUP")]
    path: PathBuf,
}

pub async fn back_up(app: &App, arguments: &BackupArguments) -> anyhow::Result<(Page, Exit)> {
    let directory = arguments.into.as_ref().or(app.config.settings.backup_directory.as_ref()).context(
        "no directory for backups is configured: set `backup.directory`, or name one with `--into DIRECTORY`",
    )?;
    let store = app.context.tenant.store.as_ref();
    let made = backup::back_up(store, directory, app.context.now()).await?;
    let mut page = page(&made.manifest, json!({"backup": made.path}));
    page.rows = vec![vec![made.path.display().to_string()]];
    page.line(format!("{}: {}. The copy was read back.", made.path.display(), described(&made.manifest)));
    Ok((page, Exit::Done))
}

pub async fn restore(app: &App, arguments: &RestoreArguments) -> anyhow::Result<(Page, Exit)> {
    let store = app.context.tenant.store.as_ref();
    let Restored { manifest, migrated } = backup::restore(store, &arguments.path).await?;
    let mut page = page(&manifest, json!({"store": store.location(), "migrated": migrated}));
    page.rows = vec![vec![store.location()]];
    if !migrated.is_empty() {
        page.line(format!("The backup is of an earlier release; migrated: {}.", migrated.join(", ")));
    }
    page.line(format!("{}: {}, as in the backup.", store.location(), described(&manifest)));
    let keys = store.active_keys_of_all_tenants(app.context.now()).await?;
    page.json["active_keys"] =
        keys.iter().map(|(tenant, name)| json!({"tenant": tenant, "name": name})).collect();
    for line in what_is_valid_again(&manifest, &keys) {
        page.line(line);
    }
    Ok((page, Exit::Done))
}

/// A restored store does not know what was revoked after its backup.
fn what_is_valid_again(manifest: &Manifest, keys: &[(String, String)]) -> Vec<String> {
    let since = shown(manifest.created_at);
    let sessions = format!(
        "Sessions of browsers that were ended since {since} (\"Sign out everywhere\") can be used again: change \
         `access.session_secret`; without one, restart the servers."
    );
    let named: Vec<_> = keys.iter().map(|(tenant, name)| format!("`{name}` (tenant {tenant})")).collect();
    let keys = (!keys.is_empty()).then(|| {
        format!(
            "{} in the restored store: {}. A key that was revoked since {since} is valid again: revoke it again \
             (`daymark keys revoke NAME`) before you start the servers.",
            match keys.len() {
                1 => "1 API key is valid".to_owned(),
                several => format!("{several} API keys are valid"),
            },
            named.join(", ")
        )
    });
    keys.into_iter().chain([sessions]).collect()
}

fn page(manifest: &Manifest, mut json: serde_json::Value) -> Page {
    json["manifest"] = json!(manifest);
    let mut page = Page::new(json);
    page.columns = vec!["place"];
    page
}

fn described(manifest: &Manifest) -> String {
    let contents = &manifest.contents;
    format!(
        "{} records of {} and {} {}, {} bytes",
        thousands(contents.records()),
        pluralize(contents.metrics.len(), "metric"),
        thousands(contents.runs),
        if contents.runs == 1 { "run" } else { "runs" },
        thousands(manifest.bytes)
    )
}
