//! Texts that may name a label: annotations, reasons, and the messages of runs, jobs and alerts.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    metric::{replace_in_json, replace_in_text, texts_beside_labels, texts_of},
    store::{
        LeftPlaces,
        row::{Columns, undecodable},
        sought_label::SoughtLabel,
        sql_store::{SqlRedactions, SqlSession},
        statement::{Argument, Statement},
    },
};

/// How many texts are read at a time.
const PAGE: i64 = 1000;

/// A column of texts.
pub(super) struct TextPlace {
    pub table: &'static str,
    pub column: &'static str,
    /// What identifies a text in its table, as SQL.
    key: &'static str,
    is_json: bool,
    /// Further assignments of the UPDATE, in which `$4` is the author of the redaction and `$5` its time.
    further: &'static str,
}

impl TextPlace {
    const fn text(table: &'static str, column: &'static str, key: &'static str) -> Self {
        Self { table, column, key, is_json: false, further: "" }
    }

    const fn json(table: &'static str, column: &'static str, key: &'static str) -> Self {
        Self { is_json: true, ..Self::text(table, column, key) }
    }

    pub fn name(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    /// The text with the placeholder in the place of the label; `None` where it does not name it.
    fn without_label(&self, text: &str, sought: &SoughtLabel<'_>) -> Result<Option<String>, sqlx::Error> {
        if !self.is_json {
            return Ok(replace_in_text(text, sought.label, &sought.placeholder));
        }
        let mut json: Value = serde_json::from_str(text).map_err(|error| undecodable("text", error))?;
        Ok(replace_in_json(&mut json, sought.label, &sought.placeholder).then(|| json.to_string()))
    }
}

const ID: &str = "CAST(id AS TEXT)";

/// The reasons of revisions: one for each batch.
pub(super) const REASONS: TextPlace = TextPlace::text("metric_revisions", "reason", "CAST(batch_id AS TEXT)");

/// The other columns, which a role that owns the tables may change; where they belong to a row that is immutable otherwise, the triggers
/// let a redaction through.
pub(super) const TEXTS: [TextPlace; 11] = [
    TextPlace { further: ", changed_by = $4, changed_at = $5", ..TextPlace::text("annotations", "text", ID) },
    TextPlace::text("metric_collection_log", "error_message", ID),
    TextPlace::json("metric_collection_log", "error_details", ID),
    TextPlace::json("jobs", "spec", ID),
    TextPlace::json("jobs", "result", ID),
    TextPlace::text("schedule_pauses", "reason", ID),
    TextPlace::text("alert_silences", "reason", ID),
    TextPlace::text("alert_states", "summary", "rule"),
    TextPlace::json("alert_states", "labels", "rule"),
    TextPlace::json("notifications", "content", ID),
    TextPlace::text(
        "delivery_attempts",
        "answer",
        "CAST(notification_id AS TEXT) || ' ' || CAST(number AS TEXT)",
    ),
];

/// What names a label and is not replaced: the table, what identifies the row in a message, the column, and what is to be done.
const LEFT: [(&str, &str, &str, &str); 3] = [
    (
        "redactions",
        "'the reason of the redaction with the placeholder ' || placeholder",
        "reason",
        "the log of redactions is never changed",
    ),
    (
        "metric_definition_versions",
        "'version ' || CAST(version AS TEXT) || ' of the definition of `' || metric_category || '`'",
        "spec",
        "change the definition; its earlier versions stay",
    ),
    (
        METADATA_OF_REVISIONS,
        "'the metadata of revision ' || CAST(revision AS TEXT) || ' of `' || metric_category || '` of ' || CAST(metric_date AS TEXT)",
        "metadata",
        "it is no label there, but a text that a correction of an early release could add",
    ),
];
const METADATA_OF_REVISIONS: &str = "metric_revisions";

/// How many of the places of a sort are named.
const MAX_NAMED: usize = 3;

/// A text that names the label, with what it is to be.
pub(super) struct RedactedText {
    pub key: String,
    pub text: String,
}

/// The texts of a column that name the label.
pub(super) async fn texts_naming<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    sought: &SoughtLabel<'_>,
    place: &TextPlace,
) -> Result<Vec<RedactedText>, sqlx::Error> {
    let mut found = Vec::new();
    let mut reader = PagedTexts::new(place.table, place.key, place.column);
    while let Some(page) = reader.next(store, session).await? {
        for (key, text) in page {
            if let Some(text) = place.without_label(&text, sought)? {
                found.push(RedactedText { key, text });
            }
        }
    }
    Ok(found)
}

/// Reads a text again, because it may have been changed since it was found, and returns it with the text that replaces it; `None` if it no
/// longer names the label. The row is locked until the transaction ends.
pub(super) async fn text_now<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    sought: &SoughtLabel<'_>,
    place: &TextPlace,
    key: &str,
) -> Result<Option<RedactedText>, sqlx::Error> {
    let TextPlace { table, column, key: of_row, .. } = place;
    let select = format!(
        "SELECT CAST({column} AS TEXT) AS text FROM {table} WHERE tenant_id = $1 AND {of_row} = $2 AND {column} IS NOT NULL{}",
        S::OWN.for_update
    );
    let rows = session.fetch(&store.statement(select).bind(key)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let text = place.without_label(row.text("text")?, sought)?;
    Ok(text.map(|text| RedactedText { key: key.to_owned(), text }))
}

/// The statement that writes a text in its place.
pub(super) fn update<'a, S: SqlRedactions>(
    store: &'a S,
    place: &TextPlace,
    redacted: &'a RedactedText,
    (author, made_at): (&'a str, Timestamp),
) -> Statement<'a> {
    let TextPlace { table, column, key, further, is_json } = place;
    let statement = store
        .statement(format!("UPDATE {table} SET {column} = $3{further} WHERE tenant_id = $1 AND {key} = $2"))
        .bind(&redacted.key);
    let statement = match serde_json::from_str(&redacted.text) {
        Ok(json) if *is_json => statement.bind(Argument::Json(Some(json))),
        _ => statement.bind(&redacted.text),
    };
    if further.is_empty() { statement } else { statement.bind(author).bind(made_at) }
}

/// What names the label and is not replaced, in the words of a message: the first few of each sort, and their number.
pub(super) async fn left_as_they_are<S: SqlRedactions>(
    store: &S,
    session: &mut S::Session,
    sought: &SoughtLabel<'_>,
) -> Result<Vec<LeftPlaces>, sqlx::Error> {
    let mut left = Vec::new();
    for (table, key, column, advice) in LEFT {
        let mut places = LeftPlaces { count: 0, first: Vec::new(), advice };
        let mut reader = PagedTexts::new(table, key, column);
        while let Some(page) = reader.next(store, session).await? {
            for (name, text) in page {
                if is_named(sought.label, table, text) {
                    places.count += 1;
                    places.first.extend(Some(name).filter(|_| places.first.len() < MAX_NAMED));
                }
            }
        }
        left.extend(Some(places).filter(|places| places.count > 0));
    }
    Ok(left)
}

fn is_named(label: &str, table: &str, text: String) -> bool {
    let json = match serde_json::from_str(&text) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => json,
        _ => Value::String(text),
    };
    let mut texts = Vec::new();
    match &json {
        Value::Object(metadata) if table == METADATA_OF_REVISIONS => texts = texts_beside_labels(metadata),
        json => texts_of(json, &mut texts),
    }
    texts.into_iter().any(|text| replace_in_text(text, label, "").is_some())
}

/// Reads the texts of a column page by page, so that they need little memory. The server is not told what is looked for, because it may
/// log the parameters of statements.
struct PagedTexts {
    sql: String,
    /// How many were read; `None` after the last page.
    read: Option<i64>,
}

impl PagedTexts {
    fn new(table: &str, key: &str, column: &str) -> Self {
        let sql = format!(
            "SELECT DISTINCT {key} AS place, CAST({column} AS TEXT) AS text FROM {table}
             WHERE tenant_id = $1 AND {column} IS NOT NULL ORDER BY 1, 2 LIMIT $2 OFFSET $3"
        );
        Self { sql, read: Some(0) }
    }

    async fn next<S: SqlRedactions>(
        &mut self,
        store: &S,
        session: &mut S::Session,
    ) -> Result<Option<Vec<(String, String)>>, sqlx::Error> {
        let Some(read) = self.read else { return Ok(None) };
        let rows = session.fetch(&store.statement(self.sql.clone()).bind(PAGE).bind(read)).await?;
        let count = i64::try_from(rows.len()).unwrap_or(PAGE);
        self.read = (count == PAGE).then_some(read + count);
        let pairs = rows.iter().map(|row| Ok((row.get("place")?, row.get("text")?)));
        pairs.collect::<Result<_, sqlx::Error>>().map(Some)
    }
}
