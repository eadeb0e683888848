//! `daymark check`: the configuration, both databases and every metric, all findings at once.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{
    App, Exit, Page,
    backup_findings::{backup_findings, lost_store, shown},
};
use crate::{
    alerts, backup,
    clock::{Clock, SystemClock},
    collect::{CollectError, advice},
    config::{BUILT_IN, Channel, Config, Finding, LoadedConfig, Preset, Severity, UnfinishedDay},
    database::FaultClass,
    definitions::{CheckReport, CheckScope, check_cron, check_functions, source_warnings},
    delivery,
    metric::Definition,
    pluralize::pluralize,
};

pub async fn run(loaded: LoadedConfig) -> anyhow::Result<(Page, Exit)> {
    let scope = CheckScope {
        store: loaded.names_store,
        definitions: loaded.names_definitions,
        platform: loaded.names_platform,
        resolved: true,
    };
    let directory = loaded.config.as_ref().and_then(|config| config.settings.backup_directory.clone());
    let found = directory.as_deref().map(backup::find);
    let (mut findings, metrics) = match loaded.config {
        Some(config) => find(config, loaded.problems, scope).await,
        None => (loaded.problems, 0),
    };
    if let (Some(directory), Some(found)) = (&directory, &found) {
        findings.extend(backup_findings(directory, found, SystemClock.now()));
    }
    let newest = found.and_then(|found| found.ok()?.newest);
    findings.extend(lost_store(newest.as_ref(), &findings));
    let last_backup = newest.map(|backup| backup.manifest.created_at);
    let is_ready = !findings.iter().any(Finding::is_error);
    Ok((page(&findings, metrics, last_backup), if is_ready { Exit::Done } else { Exit::Failed }))
}

fn page(findings: &[Finding], metrics: usize, last_backup: Option<Timestamp>) -> Page {
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let listed: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "severity": name(finding.severity), "place": finding.place, "message": finding.message, "hint": finding.hint,
            })
        })
        .collect();
    let mut page = Page::new(
        json!({"ok": errors == 0, "metrics": metrics, "findings": listed, "last_backup": last_backup}),
    );
    page.columns = vec!["severity", "place", "message", "hint"];
    for finding in findings {
        page.lines(format!("{}: {finding}", name(finding.severity)));
        let hint = finding.hint.clone().unwrap_or_default();
        page.rows.push(vec![
            name(finding.severity).to_owned(),
            finding.place.clone(),
            finding.message.clone(),
            hint,
        ]);
    }
    if let Some(at) = last_backup {
        page.line(format!("The last backup is of {}.", shown(at)));
    }
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    match (errors, warnings) {
        (0, 0) => {
            page.line(format!("All is well: {} ready for the next collection.", pluralize(metrics, "metric")))
        }
        (0, warnings) => {
            page.line(format!("Ready for the next collection, with {}.", pluralize(warnings, "warning")))
        }
        (errors, _) => {
            page.line(format!("{} to fix before the next collection.", pluralize(errors, "error")))
        }
    }
    page
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// Returns the findings and the number of metrics that were checked. A database whose settings are wrong is not
/// checked.
async fn find(config: Config, mut findings: Vec<Finding>, mut scope: CheckScope) -> (Vec<Finding>, usize) {
    // A check says what it found, and does not try again.
    let mut config = config;
    config.settings.retry.retries = 0;
    let app = App::new(config, Arc::new(SystemClock));
    findings.extend(app.config.derived_warnings());
    let (definitions, unresolved) = match scope.platform {
        true => resolve(&app, &mut scope, &mut findings).await,
        false => (Vec::new(), None),
    };
    let is_platform_away = unresolved.is_some() && !scope.platform;
    let resolved = scope.platform && unresolved.is_none();
    let CheckReport { findings: checked, made_through_api } =
        crate::definitions::check(&app.context, &definitions, scope).await;
    let metrics = definitions.len() + made_through_api;
    // If there are errors, the missing metrics have been reported already.
    if metrics == 0 && resolved && !findings.iter().any(Finding::is_error) {
        findings.push(no_metric(&app));
    }
    // The check reports an unreachable platform too, with a hint, so that finding replaces this one.
    let is_reported = checked.iter().any(|finding| finding.place == "platform");
    findings.extend(unresolved.filter(|_| !is_reported));
    let is_store_well =
        scope.store && !checked.iter().any(|finding| finding.place == "store" && finding.is_error());
    findings.extend(checked);
    if is_store_well {
        findings.extend(hidden_derived(&app).await);
        findings.extend(alert_findings(&app).await);
        findings.extend(backup_problem(&app).await);
        let takes_last_finished = app.config.settings.unfinished_day == UnfinishedDay::LastFinished;
        if !is_platform_away {
            findings.extend(check_functions(&app.context, takes_last_finished).await);
        }
        findings.extend(check_cron(&app.context).await);
    }
    (findings, metrics)
}

/// Resolves the definitions. If they cannot be resolved, the finding that says why is returned too; if the platform cannot be
/// reached, the scope is then without it, because each attempt may take until its time limit.
async fn resolve(
    app: &App,
    scope: &mut CheckScope,
    findings: &mut Vec<Finding>,
) -> (Vec<Definition>, Option<Finding>) {
    match crate::definitions::resolve(&app.context, &app.config).await {
        Ok(resolved) => {
            scope.resolved = !resolved.has_errors() && !resolved.lacks_a_privilege();
            findings.extend(resolved.findings);
            // If the platform fails here, the check of the metrics reports it.
            let warnings = source_warnings(&app.context, &app.config, &resolved.definitions).await;
            findings.extend(warnings.unwrap_or_default());
            (resolved.definitions, None)
        }
        Err(error) => {
            scope.platform = error.fault().is_none_or(|fault| fault.class != FaultClass::Unreachable);
            let finding = match &error {
                CollectError::Platform { location, fault } => {
                    Finding::error("platform", format!("{location}: {fault}")).hint(advice(fault))
                }
                error => Finding::error("platform", error.to_string()),
            };
            (Vec::new(), Some(finding))
        }
    }
}

fn no_metric(app: &App) -> Finding {
    let message = match app.config.settings.preset {
        Preset::None => "no metric is configured, and there is no preset",
        _ => "no metric is configured, and the preset recognises none of the platform's tables",
    };
    let hint =
        "declare sources and metrics in daymark.toml; `daymark init` writes a first version of the file";
    Finding::error("configuration", message).hint(hint)
}

/// Derived metrics that are not shown, because a metric of the store has their name.
async fn hidden_derived(app: &App) -> Vec<Finding> {
    // A store that fails here was reported by the other checks.
    let stored = app.context.tenant.store.definitions().await.unwrap_or_default();
    let derived = app.config.derived();
    let derived = derived.iter().filter(|metric| !metric.is_optional);
    let is_hidden = |name: &str| stored.iter().any(|metric| metric.definition.category == name);
    let hidden = derived.map(|metric| &metric.key.category).filter(|name| is_hidden(name));
    let finding = |name: &String| {
        let message = "the store has a metric of this name, whose records are shown instead";
        Finding::error(format!("[derived.{name}]"), message).hint("give the derived metric another name")
    };
    hidden.map(finding).collect()
}

/// Finds what would make `daymark backup` fail, where backups are configured.
async fn backup_problem(app: &App) -> Option<Finding> {
    app.config.settings.backup_directory.as_ref()?;
    let problem = app.context.tenant.store.copy_problem().await?;
    Some(Finding::warning("backup", problem))
}

/// Channels, and the heartbeat, that are known not to receive anything.
fn undeliverable(app: &App) -> Vec<Finding> {
    let settings = &app.config.settings.delivery;
    let of_channel = |channel: &Channel| {
        let problem = delivery::channel_problem(channel, settings.allow_private)?;
        Some(Finding::warning(channel.place.clone(), format!("nothing can be delivered: {problem}")))
    };
    let heartbeat = settings.heartbeat_url.as_ref().filter(|url| delivery::leads_inside(url.reveal()));
    let refused = heartbeat.filter(|_| !settings.allow_private).map(|_| {
        let message = "the heartbeat is refused: its address is loopback, link-local or private";
        Finding::warning("delivery.heartbeat_url", message).hint("set `delivery.allow_private = true`")
    });
    app.config.declarations.channels.iter().filter_map(of_channel).chain(refused).collect()
}

/// Finds channels that cannot be used, and rules that fired often in the past or cannot be evaluated.
async fn alert_findings(app: &App) -> Vec<Finding> {
    let declared = &app.config.declarations;
    let missing = |channel: &Channel| {
        let hint = "set it in the environment of `daymark serve`";
        Some(Finding::warning(channel.place.clone(), channel.missing_secret()?).hint(hint))
    };
    let mut findings: Vec<_> = declared.channels.iter().filter_map(missing).collect();
    findings.extend(undeliverable(app));
    if !app.config.settings.delivery.is_enabled && !declared.channels.is_empty() {
        let message =
            "alerting.enabled is false: a server with these settings evaluates no rule and delivers nothing";
        let hint = "set it to true on at least one instance";
        findings.push(Finding::warning("alerting.enabled", message).hint(hint));
    }
    // A store that fails here was reported by the other checks.
    for tried in alerts::backtest(&app.context, &declared.alerts).await.unwrap_or_default() {
        if let Some(problem) = tried.problem {
            findings.push(Finding::error(tried.place, problem.message).hint(problem.hint));
        } else if let Some(last) = tried.fires_on.last().filter(|_| tried.place != BUILT_IN) {
            let days = pluralize(tried.fires_on.len(), "day");
            let message =
                format!("{} would have fired on {days} of the last 90, {last} the last of them", tried.rule);
            findings.push(Finding::warning(tried.place, message));
        }
    }
    findings
}
