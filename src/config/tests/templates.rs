//! The file that `daymark init` writes.

use super::*;
use crate::{
    config::{StarterOptions, starter_file},
    platform::Statistics,
};

/// Returns the file, after checking that it is read without problems and defines the metrics that it lists.
fn written(schema: &Schema, detected: &DetectedFormats, url: Option<&str>) -> (String, Resolved) {
    let url = url.map(|url| url.parse().unwrap());
    let options = StarterOptions::default();
    let text = starter_file(schema, detected, &Statistics::default(), url.as_ref(), &options).text;
    let resolved = resolved(&text, schema, detected);
    assert!(!resolved.has_errors(), "{}\n{text}", shown_findings(&resolved));
    (text, resolved)
}

#[test]
fn a_community_on_postgres() {
    let (text, resolved) =
        written(&community(), &DetectedFormats::new(), Some("postgres://app@localhost/app"));
    insta::assert_snapshot!(text);
    assert_eq!(resolved.definitions.len(), 18);
}

#[test]
fn an_unknown_kind_of_shop_on_sqlite() {
    let schema = schema(&[
        ("Invoice", "InvoiceId INTEGER, CustomerId INTEGER, InvoiceDate DATETIME, Total REAL"),
        ("Order Details", "id INTEGER, created_at TEXT"),
        ("events", "id INTEGER, ts INTEGER"),
        ("Genre", "GenreId INTEGER, Name TEXT"),
        ("café \"x\"\n[y]", "created_at TEXT"),
        ("таблица", "created_at TEXT"),
        ("2fa", "created_at TEXT"),
    ]);
    let detected = told(&[
        ("Invoice", "InvoiceDate", TimeFormat::IsoUtc),
        ("Order Details", "created_at", TimeFormat::Iso),
        ("events", "ts", TimeFormat::Iso),
        ("café \"x\"\n[y]", "created_at", TimeFormat::Iso),
        ("таблица", "created_at", TimeFormat::IsoUtc),
        ("2fa", "created_at", TimeFormat::IsoUtc),
    ]);
    let (text, resolved) = written(&schema, &detected, Some("sqlite:shop.db"));
    insta::assert_snapshot!(text);
    assert_eq!(resolved.definitions.len(), 13);
}

#[test]
fn no_password_reaches_the_file() {
    for url in ["postgres://app:s3cret@localhost/app", "postgres://localhost/app?user=a&password=s3cret"] {
        let (text, _) = written(&community(), &DetectedFormats::new(), Some(url));
        assert!(!text.contains("s3cret") && text.contains("DAYMARK_PLATFORM_URL"), "{text}");
    }
}

#[test]
fn as_many_metrics_as_fit_a_screen_are_recorded_and_further_ones_are_commented() {
    let names: Vec<_> = (10..40).map(|n| format!("public.things_{n}")).collect();
    let tables: Vec<_> =
        names.iter().map(|name| (name.as_str(), "id integer, created_at timestamptz")).collect();
    let schema = schema(&tables);
    let (text, resolved) = written(&schema, &DetectedFormats::new(), None);
    assert_eq!(resolved.definitions.len(), 24);
    assert!(text.contains("# [sources.things_39]") && !text.contains("\n[sources.things_39]"));
    let uncommented = text.replace("# [", "[").replace("# table", "table").replace("# time_c", "time_c");
    let uncommented = uncommented.replace("# measure", "measure").replace("# source", "source");
    let uncommented = uncommented.replace("[platform]", "").replace("# [store]", "");
    assert_eq!(super::resolved(&uncommented, &schema, &DetectedFormats::new()).definitions.len(), 60);
}

#[test]
fn an_empty_platform_gets_a_file_too() {
    let (text, resolved) = written(&schema(&[]), &DetectedFormats::new(), None);
    assert!(text.contains("preset = \"none\""));
    assert_eq!(resolved.definitions, []);
}

#[test]
fn tables_that_cannot_be_read_come_with_the_grant() {
    let mut schema = community();
    for table in &mut schema.tables {
        table.readable = table.name != "likes";
    }
    let (text, resolved) = written(&schema, &DetectedFormats::new(), None);
    assert!(text.contains("GRANT SELECT ON \"public\".\"likes\""), "{text}");
    assert!(!categories(&resolved).contains(&"likes_total"));
}
