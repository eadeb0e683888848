//! `daymark redact`: replaces a label by a placeholder wherever the store has it. This is the one command that changes records.

use std::io::{self, BufRead, IsTerminal};

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::{App, Exit, Page, output::say};
use crate::{
    corrections,
    metric::{CUT_MARK, MAX_LABEL, recorded_label},
    pluralize::pluralize,
    store::{LabelFindings, LeftPlaces, RedactedPlaces, Redaction},
};

#[derive(Args)]
#[command(group = ArgGroup::new("what").args(["label", "list"]).required(true))]
pub struct RedactArguments {
    /// The label; `-` reads it from standard input, so that it does not stay in the history of the shell
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    label: Option<String>,
    /// Why, without the label: it stays in the log of redactions
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["dry_run", "list"], conflicts_with = "list")]
    reason: Option<String>,
    /// Show where the label was found, and change nothing
    #[arg(long, conflicts_with = "list")]
    dry_run: bool,
    /// Redact without asking
    #[arg(long, conflicts_with = "list")]
    yes: bool,
    /// List the redactions that were made, with their reasons and authors
    #[arg(long)]
    list: bool,
}

pub async fn run(app: &App, arguments: &RedactArguments) -> anyhow::Result<(Page, Exit)> {
    let Some(given) = &arguments.label else {
        return Ok((list(&app.context.tenant.store.redactions().await?), Exit::Done));
    };
    let is_from_stdin = given == "-";
    let given = if is_from_stdin { first_line()? } else { given.clone() };
    let reason = arguments.reason.as_deref().unwrap_or_default();
    let label = recorded_label(&given);
    for label in [given.as_str(), &label] {
        if !arguments.dry_run {
            corrections::checked_reason_without(reason, label)?;
        }
    }
    let found = corrections::find_label(&app.context, &label).await?;
    let mut notes = notes(app, &label, &found).await;
    if label != given {
        notes.push(format!(
            "A label of more than {MAX_LABEL} characters is recorded as its first characters and `{CUT_MARK}`, and this recorded label is \
             redacted: labels with the same beginning share it, and texts that contain the whole label are not found."
        ));
    }
    if arguments.dry_run || found.places.is_empty() && found.placeholder.is_none() {
        return Ok((page(&found, &notes, None), Exit::Done));
    }
    if !found.places.is_empty() && !arguments.yes && !confirmed(&found, &notes, is_from_stdin)? {
        let mut page = page(&found, &notes, None);
        page.line("Nothing was changed.");
        return Ok((page, Exit::Done));
    }
    let made = corrections::redact(&app.context, &label, reason).await?;
    // This also runs if nothing named the label, because the process that redacted it may have been killed before this step.
    let rest = corrections::rewrite(&app.context).await?;
    let notes: Vec<_> = notes.into_iter().chain(rest.filter(|_| made.is_some())).collect();
    Ok((page(&found, &notes, Some(made.as_ref())), Exit::Done))
}

fn first_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// What the owner must know: where the label is that Daymark does not change.
async fn notes(app: &App, label: &str, found: &LabelFindings) -> Vec<String> {
    let mut notes: Vec<_> = found.left.iter().map(left_note).collect();
    if found.places.metrics.is_empty() {
        return notes;
    }
    match corrections::still_on_platform(&app.context, label, &found.places.metrics).await {
        Ok(metrics) => notes.extend(metrics.iter().map(|(key, date)| {
            format!(
                "The platform still has the label: it was read for `{}` of {date}. Days that are recorded from now on get the placeholder; \
                 delete the label on the platform too.",
                key.category
            )
        })),
        Err(error) => notes.push(format!(
            "Whether the platform still has the label could not be read ({error}). Days that are recorded from now on get the placeholder."
        )),
    }
    notes
}

fn left_note(LeftPlaces { count, first, advice }: &LeftPlaces) -> String {
    let named = first.join(", ");
    let others = match count - first.len() {
        0 => String::new(),
        others => format!(" and {others} more of this sort"),
    };
    let left = if *count == 1 { "which is left as it is" } else { "which are left as they are" };
    format!("The label is also named by {named}{others}, {left}: {advice}.")
}

fn confirmed(found: &LabelFindings, notes: &[String], is_from_stdin: bool) -> anyhow::Result<bool> {
    if is_from_stdin || !io::stdin().is_terminal() {
        anyhow::bail!(
            "there is no terminal to ask: add --yes to redact the label, or --dry-run to see where it is"
        );
    }
    for line in place_lines(&found.places).iter().chain(notes) {
        say(format_args!("  {line}"));
    }
    say(format_args!("Replace the label in all of them? It cannot be brought back. [y/N]"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn place_lines(places: &RedactedPlaces) -> Vec<String> {
    let metrics = places.metrics.iter().map(|metric| {
        let revisions = match metric.revisions {
            0 => String::new(),
            count => format!(" and {}", pluralize(count, "revision")),
        };
        format!(
            "{}: {}{revisions}, from {} to {}",
            metric.metric_category,
            pluralize(metric.records, "record"),
            metric.from,
            metric.to
        )
    });
    let texts =
        places.texts.iter().map(|texts| format!("{}: {}", texts.place, pluralize(texts.texts, "text")));
    metrics.chain(texts).collect()
}

/// `made` is `None` where nothing was to be changed, and `Some(None)` where nothing was left to change.
fn page(found: &LabelFindings, notes: &[String], made: Option<Option<&Redaction>>) -> Page {
    let redaction = made.flatten();
    let placeholder = redaction.map(|made| &made.placeholder).or(found.placeholder.as_ref());
    let mut page = Page::new(json!({
        "redacted": redaction.is_some(), "placeholder": placeholder, "places": found.places, "notes": notes,
    }));
    page.columns = vec!["place", "records", "revisions", "texts", "from", "to"];
    page.rows = rows(&found.places);
    for line in place_lines(&found.places).iter().chain(notes) {
        page.line(line);
    }
    match (made, redaction, placeholder) {
        (_, Some(made), _) => page.line(format!(
            "Replaced by {}. Backups and exports that were made before still have the label.",
            made.placeholder
        )),
        (Some(None), _, Some(placeholder)) => page.line(format!(
            "The label was redacted before, as {placeholder}, and nothing has it any more. The files of the store were rewritten."
        )),
        (_, _, Some(placeholder)) if found.places.is_empty() => {
            page.line(format!("The label was redacted before, as {placeholder}, and nothing has it any more."));
        }
        _ if found.places.is_empty() => page.line("Nothing in the store has this label."),
        _ => page.line("These would be changed."),
    }
    page
}

fn rows(places: &RedactedPlaces) -> Vec<Vec<String>> {
    let metrics = places.metrics.iter().map(|metric| {
        vec![
            metric.metric_category.clone(),
            metric.records.to_string(),
            metric.revisions.to_string(),
            String::new(),
            metric.from.to_string(),
            metric.to.to_string(),
        ]
    });
    let texts = places.texts.iter().map(|texts| {
        let none = String::new;
        vec![texts.place.clone(), none(), none(), texts.texts.to_string(), none(), none()]
    });
    metrics.chain(texts).collect()
}

fn list(redactions: &[Redaction]) -> Page {
    let json = redactions.iter().map(|made| {
        json!({
            "placeholder": made.placeholder, "created_at": made.created_at, "author": made.author, "reason": made.reason,
            "places": made.places,
        })
    });
    let mut page = Page::new(Value::Array(json.collect()));
    page.columns = vec!["placeholder", "created_at", "author", "reason"];
    let row = |made: &Redaction| {
        vec![made.placeholder.clone(), made.created_at.to_string(), made.author.clone(), made.reason.clone()]
    };
    page.rows = redactions.iter().map(row).collect();
    match redactions.is_empty() {
        true => page.line("No label was redacted."),
        false => page.table(),
    }
    page
}
