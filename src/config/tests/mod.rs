//! Tests of the configuration as a whole, and the platforms that they use.

mod alerting;
mod combinations;
mod derived;
mod files;
mod recognition;
mod resolution;
mod settings;
mod templates;

use std::path::Path;

use super::{
    DetectedFormats, Preset, ResolveRequest, Resolved,
    file::{ReadFile, read_text},
    resolve,
};
use crate::{
    metric::TimeFormat,
    platform::{Column, ColumnType, DetectedFormat, Schema, Table, TableKind},
};

/// A table from `"id uuid, created_at timestamptz null"` (`now` in place of `null`: that is its default); `public.` and others before the name are the schema.
fn table(name: &str, columns: &str) -> Table {
    let (schema, name) = name.split_once('.').unwrap_or(("", name));
    Table {
        schema: schema.to_owned(),
        name: name.to_owned(),
        visible: matches!(schema, "" | "public"),
        readable: true,
        row_security: false,
        kind: TableKind::Current,
        of_extension: false,
        columns: columns.split(", ").map(column).collect(),
    }
}

fn column(text: &str) -> Column {
    let mut words = text.split(' ');
    let (name, type_name, mark) = (words.next().unwrap(), words.next().unwrap(), words.next());
    Column {
        name: name.to_owned(),
        column_type: match type_name {
            "timestamptz" => ColumnType::Timestamptz,
            "timestamp" => ColumnType::Timestamp,
            "date" => ColumnType::Date,
            "integer" | "INTEGER" => ColumnType::Integer,
            "numeric" | "REAL" => ColumnType::Number,
            "boolean" => ColumnType::Boolean,
            "text" | "TEXT" => ColumnType::Text,
            "uuid" => ColumnType::Uuid,
            _ => ColumnType::Other,
        },
        type_name: type_name.to_owned(),
        nullable: mark == Some("null"),
        defaults_to_now: mark == Some("now"),
        indexed: false,
        distinct_estimate: None,
    }
}

fn schema(tables: &[(&str, &str)]) -> Schema {
    Schema {
        tables: tables.iter().map(|(name, columns)| table(name, columns)).collect(),
        ..Schema::default()
    }
}

/// A community on PostgreSQL, with Supabase's own schemas.
fn community() -> Schema {
    schema(&[
        ("auth.users", "id uuid, created_at timestamptz null, email text"),
        ("storage.objects", "id uuid, created_at timestamptz, owner uuid"),
        ("public.profiles", "id uuid, username text, created_at timestamptz, deleted_at timestamptz null"),
        (
            "public.posts",
            "id uuid, author_id uuid, title text, status text, score integer, hidden boolean, note text null, created_at \
             timestamptz, deleted_at timestamptz null, tenant_id text, mood mood",
        ),
        ("public.comments", "id uuid, post_id uuid, user_id uuid, body text, created_at timestamptz"),
        (
            "public.tracks",
            "id uuid, profile_id uuid, genre text null, duration_seconds integer, created_at timestamptz",
        ),
        ("public.likes", "user_id uuid, post_id uuid, created_at timestamptz"),
        ("public.follows", "follower_id uuid, followed_id uuid, created_at timestamptz"),
        ("public.schema_migrations", "version text, created_at timestamptz"),
    ])
}

fn detected(format: Option<TimeFormat>, has_null: bool) -> DetectedFormat {
    DetectedFormat { format, has_null, ..DetectedFormat::default() }
}

fn told(formats: &[(&str, &str, TimeFormat)]) -> DetectedFormats {
    formats
        .iter()
        .map(|(table, column, format)| {
            (((*table).to_owned(), (*column).to_owned()), detected(Some(*format), false))
        })
        .collect()
}

fn without_values(table: &str, column: &str) -> DetectedFormats {
    DetectedFormats::from([((table.to_owned(), column.to_owned()), detected(None, false))])
}

fn read(text: &str) -> ReadFile {
    read_text("daymark.toml", Path::new(""), text)
}

/// Resolves `text` on a platform. The text must be valid.
fn resolved(text: &str, schema: &Schema, detected: &DetectedFormats) -> Resolved {
    let file = read(text);
    assert_eq!(file.problems, [], "{text}");
    resolved_file(&file, schema, detected)
}

fn resolved_file(file: &ReadFile, schema: &Schema, detected: &DetectedFormats) -> Resolved {
    let preset = match file.settings.get("preset").map(|preset| preset.text.as_str()) {
        Some("none") => Preset::None,
        _ => Preset::Community,
    };
    resolve(ResolveRequest {
        declarations: &file.declarations,
        preset,
        tenant: "acme",
        time_zone: "Europe/Berlin",
        week_start: jiff::civil::Weekday::Monday,
        schema,
        detected,
    })
}

fn shown_findings(resolved: &Resolved) -> String {
    let line = |finding: &super::Finding| format!("{:?} {finding}", finding.severity);
    resolved.findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn categories(resolved: &Resolved) -> Vec<&str> {
    resolved.definitions.iter().map(|definition| definition.category.as_str()).collect()
}
