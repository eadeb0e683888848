//! `daymark annotations`.

use clap::{Args, Subcommand};
use jiff::{Timestamp, civil::Date};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{App, Exit, Page, date};
use crate::{
    annotations,
    pluralize::pluralize,
    store::{Annotation, AnnotationText},
};

#[derive(Args)]
pub struct AnnotationsArguments {
    #[command(subcommand)]
    command: Option<AnnotationsCommand>,
}

#[derive(Subcommand)]
enum AnnotationsCommand {
    /// List the annotations, of all days or of a range (the default)
    List(ListArguments),
    /// Annotate a day or some days: a release, an incident, a campaign
    Add(AddArguments),
    /// Remove an annotation
    Remove {
        /// The annotation's id, which `daymark annotations` shows
        #[arg(value_parser = annotation_id)]
        id: Uuid,
    },
}

#[derive(Args, Default)]
struct ListArguments {
    /// The first day [default: all days]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    from: Option<Date>,
    /// The last day [default: all days]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
}

#[derive(Args)]
struct AddArguments {
    /// The first day
    #[arg(value_name = "YYYY-MM-DD", value_parser = date::parse)]
    day: Date,
    /// What happened; 1,000 characters at most
    text: String,
    /// The last day [default: the first one]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    to: Option<Date>,
    /// The metric that it is about [default: all metrics]
    #[arg(long, value_name = "CATEGORY")]
    metric: Option<String>,
}

fn annotation_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "give the id of an annotation, as `daymark annotations` shows it".to_owned())
}

pub async fn run(app: &App, arguments: AnnotationsArguments) -> anyhow::Result<(Page, Exit)> {
    match arguments.command {
        None => Ok((list(app, &ListArguments::default()).await?, Exit::Done)),
        Some(AnnotationsCommand::List(arguments)) => Ok((list(app, &arguments).await?, Exit::Done)),
        Some(AnnotationsCommand::Add(arguments)) => Ok((add(app, arguments).await?, Exit::Done)),
        Some(AnnotationsCommand::Remove { id }) => remove(app, id).await,
    }
}

async fn list(app: &App, arguments: &ListArguments) -> anyhow::Result<Page> {
    let listed = annotations::annotations(&app.context, arguments.from, arguments.to).await?;
    let documents: Vec<_> = listed.annotations.iter().map(annotation_json).collect();
    let mut page = Page::new(json!({ "annotations": documents, "truncated": listed.truncated }));
    page.columns = COLUMNS.to_vec();
    page.rows = listed.annotations.iter().map(cells).collect();
    if listed.annotations.is_empty() {
        page.line("There are no annotations of these days; `daymark annotations add` makes one.");
        return Ok(page);
    }
    let rows = listed.annotations.iter().map(|annotation| {
        let metric = annotation.content.category.as_deref().unwrap_or("all metrics");
        let text = annotation.content.text.clone();
        vec![days(&annotation.content), metric.to_owned(), text, annotation.id.to_string()]
    });
    page.table_of(&["days", "metric", "text", "id"], rows.collect());
    page.line(format!("{}.", pluralize(listed.annotations.len(), "annotation")));
    if listed.truncated {
        page.line("Older ones are left out; --from and --to list those of other days.");
    }
    Ok(page)
}

async fn add(app: &App, arguments: AddArguments) -> anyhow::Result<Page> {
    let AddArguments { day, text, to, metric } = arguments;
    let content = AnnotationText { first_day: day, last_day: to.unwrap_or(day), category: metric, text };
    let added = annotations::annotate(&app.context, content).await?;
    let mut page = Page::new(annotation_json(&added));
    page.columns = COLUMNS.to_vec();
    page.rows = vec![cells(&added)];
    page.line(format!("Annotated {} ({}).", days(&added.content), added.id));
    Ok(page)
}

async fn remove(app: &App, id: Uuid) -> anyhow::Result<(Page, Exit)> {
    let is_removed = app.context.tenant.store.delete_annotation(id).await?;
    let mut page = Page::new(json!({ "is_removed": is_removed }));
    page.line(match is_removed {
        true => "The annotation is removed.",
        false => "There is no annotation with this id; `daymark annotations` lists all annotations.",
    });
    Ok((page, if is_removed { Exit::Done } else { Exit::Failed }))
}

fn days(AnnotationText { first_day, last_day, .. }: &AnnotationText) -> String {
    match first_day == last_day {
        true => first_day.to_string(),
        false => format!("{first_day} to {last_day}"),
    }
}

/// The members of an annotation, as the API calls them.
const COLUMNS: [&str; 9] =
    ["id", "from", "to", "metric_category", "text", "created_at", "created_by", "changed_at", "changed_by"];

fn cells(annotation: &Annotation) -> Vec<String> {
    let instant = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let AnnotationText { first_day, last_day, category, text } = annotation.content.clone();
    vec![
        annotation.id.to_string(),
        first_day.to_string(),
        last_day.to_string(),
        category.unwrap_or_default(),
        text,
        annotation.created_at.to_string(),
        annotation.created_by.clone(),
        instant(annotation.changed_at),
        annotation.changed_by.clone().unwrap_or_default(),
    ]
}

fn annotation_json(annotation: &Annotation) -> Value {
    let AnnotationText { first_day, last_day, category, text } = &annotation.content;
    json!({
        "id": annotation.id, "from": first_day, "to": last_day, "metric_category": category, "text": text,
        "created_at": annotation.created_at, "created_by": annotation.created_by,
        "changed_at": annotation.changed_at, "changed_by": annotation.changed_by,
    })
}
