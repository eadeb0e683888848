//! `daymark check`: the configuration, both databases and every metric, all findings at once.

use serde_json::json;

use super::{App, Exit, Page, output::counted};
use crate::{
    collect,
    config::{Finding, Severity},
};

pub async fn run(app: &App) -> anyhow::Result<(Page, Exit)> {
    let (findings, metrics) = find(app).await;
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let listed: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "severity": name(finding.severity), "place": finding.place, "message": finding.message, "hint": finding.hint,
            })
        })
        .collect();
    let mut page = Page::new(json!({"ok": errors == 0, "metrics": metrics, "findings": listed}));
    page.columns = vec!["severity", "place", "message", "hint"];
    for finding in &findings {
        page.line(format!("{}: {finding}", name(finding.severity)));
        let hint = finding.hint.clone().unwrap_or_default();
        page.rows.push(vec![
            name(finding.severity).to_owned(),
            finding.place.clone(),
            finding.message.clone(),
            hint,
        ]);
    }
    match (errors, findings.len()) {
        (0, 0) => {
            page.line(format!("All is well: {} ready for the next collection.", counted(metrics, "metric")))
        }
        (0, warnings) => {
            page.line(format!("Ready for the next collection, with {}.", counted(warnings, "warning")))
        }
        (errors, _) => page.line(format!("{} to mend before the next collection.", counted(errors, "error"))),
    }
    Ok((page, if errors == 0 { Exit::Done } else { Exit::Failed }))
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The findings, and how many metrics were looked at.
async fn find(app: &App) -> (Vec<Finding>, usize) {
    let resolved = match app.resolve_as_is().await {
        Ok(resolved) => resolved,
        // What is wrong with the platform is found below too, and described better.
        Err(_) => return (collect::check(&app.context, &[]).await, 0),
    };
    let mut findings = resolved.findings.clone();
    if resolved.definitions.is_empty() {
        let message = "no metric is configured, and the preset found nothing that it knows";
        let hint = "declare sources and metrics in daymark.toml; `daymark init` makes a start";
        findings.push(Finding::error("configuration", message).hint(hint));
    }
    findings.extend(collect::check(&app.context, &resolved.definitions).await);
    (findings, resolved.definitions.len())
}
