//! Exports, read back with other libraries than those that wrote them, where there are any.

use std::{collections::BTreeSet, sync::Arc};

use bigdecimal::{BigDecimal, num_bigint::BigInt};
use daymark::{
    metric::{ExpectedRange, Provenance},
    query::{
        ActivityQuery, CsvOptions, Export, ExportFormat, LatestQuery, QueryError, RunsQuery, RunsRequest,
        SeriesQuery, SeriesRequest,
    },
    store::{DefinitionChange, Origin, RunKind, RunStatus},
};
use jiff::civil::date;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};
use serde_json::{Value, json};
use strum::IntoEnumIterator;

use crate::archive::{Archive, SETTINGS, asked, instant, january};

crate::on_both_stores!(
    all_formats_have_the_same_rows,
    an_export_of_many_days_is_written_in_pieces,
    metrics_that_cannot_be_rolled_up_are_refused,
    refused_rows_have_the_coverage_of_their_days,
    intervals_of_an_export_follow_one_after_the_other,
    an_export_survives_a_change_of_a_definition,
    the_latest_values_are_exported_with_their_changes,
    activity_is_exported_with_exactly_the_requested_days,
    definitions_are_exported,
    the_log_is_exported_across_pages,
    csv_is_safe_in_spreadsheets,
);

async fn export(
    archive: &Archive,
    asked: &SeriesRequest,
    format: ExportFormat,
) -> Result<(Vec<u8>, usize), QueryError> {
    let catalogue = Arc::new(archive.catalogue().await);
    let query = SeriesQuery::parse_export(asked, &archive.context, &catalogue, &SETTINGS).await?;
    taken(Export::series(archive.context.clone(), catalogue, query, format).await?).await
}

/// The bytes of an export, and the number of its pieces.
async fn taken(mut export: Export) -> Result<(Vec<u8>, usize), QueryError> {
    let (mut bytes, mut pieces) = (Vec::new(), 0);
    while let Some(piece) = export.next().await? {
        bytes.extend(piece);
        pieces += 1;
    }
    Ok((bytes, pieces))
}

fn of_json(row: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    row.as_object().unwrap().values().map(text).collect()
}

fn of_parquet(row: &Row) -> Vec<String> {
    let text = |(_, field): (&String, &Field)| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Int(number) => number.to_string(),
        Field::Long(number) => number.to_string(),
        Field::Bool(boolean) => boolean.to_string(),
        Field::TimestampMicros(micros) => jiff::Timestamp::from_microsecond(*micros).unwrap().to_string(),
        Field::Date(days) => date(1970, 1, 1).saturating_add(jiff::Span::new().days(*days)).to_string(),
        Field::Decimal(decimal) => {
            let digits = BigInt::from_signed_bytes_be(decimal.data());
            BigDecimal::new(digits, decimal.scale().into()).normalized().to_plain_string()
        }
        other => panic!("{other:?}"),
    };
    row.get_column_iter().map(text).collect()
}

async fn all_formats_have_the_same_rows(archive: Archive) {
    let long = "12345678901234567890123456789012345678.000000000001";
    archive.record(&[
        (january(8), "posts_created", "0", Value::Null),
        (january(9), "posts_created", long, Value::Null),
        (january(8), "mood", "-0.5", json!({"sample_size": 3})),
        (january(9), "genres", "1", json!({"breakdown": {"=cmd|\"x\", y\r\n": 1}, "other": {"labels": 0, "value": 0}, "total": 1, "unlabelled": 0})),
    ]).await;
    let days = asked(&["posts_created", "mood", "genres"], &[], january(8), january(11));
    let (csv, _) = export(&archive, &days, ExportFormat::Csv).await.unwrap();
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let rows: Vec<Vec<String>> =
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    let short: Vec<_> =
        rows.iter().map(|row| format!("{} {} {} {}", row[0], row[4], row[5], row[6])).collect();
    assert_eq!(
        short,
        [
            "2025-01-08 genres  never_collected".to_owned(),
            "2025-01-08 mood -0.5 recorded".to_owned(),
            "2025-01-08 posts_created 0 recorded".to_owned(),
            "2025-01-09 genres 1 recorded".to_owned(),
            "2025-01-09 mood  never_collected".to_owned(),
            format!("2025-01-09 posts_created {long} recorded"),
            "2025-01-10 genres  never_collected".to_owned(),
            "2025-01-10 mood  never_collected".to_owned(),
            "2025-01-10 posts_created  never_collected".to_owned(),
            "2025-01-11 genres  not_yet_due".to_owned(),
            "2025-01-11 mood  not_yet_due".to_owned(),
            "2025-01-11 posts_created  not_yet_due".to_owned(),
        ]
    );
    assert!(!csv.windows(2).any(|two| two == b",="), "no field looks like a formula");
    let (lines, _) = export(&archive, &days, ExportFormat::Ndjson).await.unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let lines: Vec<_> = lines.lines().map(|line| of_json(&serde_json::from_str(line).unwrap())).collect();
    assert_eq!(lines, rows);
    let (array, _) = export(&archive, &days, ExportFormat::Json).await.unwrap();
    let array: Vec<Value> = serde_json::from_slice(&array).unwrap();
    assert_eq!(array.iter().map(of_json).collect::<Vec<_>>(), rows);
    let (parquet, _) = export(&archive, &days, ExportFormat::Parquet).await.unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(parquet)).unwrap();
    let read: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| of_parquet(&row.unwrap())).collect();
    assert_eq!(read, rows);
    // The value has 38 digits before the point and 12 after it.
    let schema = reader.metadata().file_metadata().schema_descr();
    assert_eq!((schema.column(5).type_precision(), schema.column(5).type_scale()), (76, 12));
}

async fn an_export_of_many_days_is_written_in_pieces(archive: Archive) {
    archive
        .record(&[
            (date(1990, 5, 5), "posts_created", "7", Value::Null),
            (january(10), "posts_created", "8", Value::Null),
        ])
        .await;
    // By default an export has the 12,670 days from the first recorded day to the last finished one.
    let everything =
        SeriesRequest { categories: vec!["posts_created".to_owned()], ..SeriesRequest::default() };
    let mut sizes = Vec::new();
    for format in ExportFormat::iter() {
        let (bytes, pieces) = export(&archive, &everything, format).await.unwrap();
        let rows = match format {
            ExportFormat::Csv => csv::Reader::from_reader(&bytes[..]).records().count(),
            ExportFormat::Ndjson => bytes.iter().filter(|byte| **byte == b'\n').count(),
            ExportFormat::Json => serde_json::from_slice::<Vec<Value>>(&bytes).unwrap().len(),
            ExportFormat::Parquet => {
                let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
                assert_eq!(reader.num_row_groups(), 2);
                reader.get_row_iter(None).unwrap().count()
            }
        };
        sizes.push((rows, pieces));
    }
    assert_eq!(sizes, [(12_670, 3); 4]);
    // A page ends at the end of a bucket.
    let years = SeriesRequest { intervals: vec!["year".to_owned()], ..everything };
    let (bytes, _) = export(&archive, &years, ExportFormat::Csv).await.unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 36);
    assert_eq!((&rows[0][0], &rows[0][5], &rows[0][10]), ("1990-05-05", "7", "241"));
    assert_eq!((&rows[1][0], &rows[1][1], &rows[1][6]), ("1991-01-01", "1991-12-31", "defined_later"));
    assert_eq!((&rows[35][5], &rows[35][9]), ("8", "1"));
}

async fn metrics_that_cannot_be_rolled_up_are_refused(archive: Archive) {
    archive
        .record(&[(january(1), "authors", "1", Value::Null), (january(1), "posts_created", "2", Value::Null)])
        .await;
    let months = |names: &[&str]| asked(names, &["month"], january(1), january(10));
    let error = export(&archive, &months(&["authors"]), ExportFormat::Csv).await.unwrap_err();
    assert!(matches!(error, QueryError::Refused(_)), "{error}");
    let (lines, _) =
        export(&archive, &months(&["authors", "posts_created"]), ExportFormat::Ndjson).await.unwrap();
    let rows: Vec<Value> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let states: Vec<_> =
        rows.iter().map(|row| (row["value"].clone(), row["state"].as_str().unwrap())).collect();
    assert_eq!(states, [(Value::Null, "refused"), (json!(2), "recorded")]);
}

async fn refused_rows_have_the_coverage_of_their_days(archive: Archive) {
    let days = [4, 5, 6].map(|day| (january(day), "authors", "1", Value::Null));
    archive.record(&days).await;
    let weeks = asked(&["authors", "posts_created"], &["week"], january(4), january(20));
    let (csv, _) = export(&archive, &weeks, ExportFormat::Csv).await.unwrap();
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let rows: Vec<_> = reader.records().map(Result::unwrap).filter(|row| &row[4] == "authors").collect();
    let coverage: Vec<_> = rows.iter().map(|row| [&row[0], &row[5], &row[6], &row[9], &row[10]]).collect();
    assert_eq!(
        coverage,
        [
            ["2025-01-04", "", "refused", "2", "2"],
            ["2025-01-06", "", "refused", "1", "5"],
            ["2025-01-13", "", "not_yet_due", "0", "0"],
            ["2025-01-20", "", "not_yet_due", "0", "0"],
        ]
    );
}

async fn intervals_of_an_export_follow_one_after_the_other(archive: Archive) {
    archive
        .record(&[(january(1), "authors", "1", Value::Null), (january(9), "posts_created", "2", Value::Null)])
        .await;
    // The first week begins in the year before, and `authors` cannot be rolled up.
    let of = |intervals: &[&str]| asked(&["authors", "posts_created"], intervals, january(1), january(10));
    let mut one_by_one = Vec::new();
    for interval in ["day", "week", "year"] {
        let (lines, _) = match export(&archive, &of(&[interval]), ExportFormat::Ndjson).await {
            Ok(written) => written,
            Err(error) => panic!("{interval}: {error}"),
        };
        one_by_one.extend(lines);
    }
    let (all, _) = export(&archive, &of(&["day", "week", "year"]), ExportFormat::Ndjson).await.unwrap();
    assert_eq!(String::from_utf8(all), String::from_utf8(one_by_one));
    let (parquet, _) = export(&archive, &of(&["day", "week", "year"]), ExportFormat::Parquet).await.unwrap();
    let reader = SerializedFileReader::new(bytes::Bytes::from(parquet)).unwrap();
    assert_eq!(reader.get_row_iter(None).unwrap().count(), 2 * (10 + 2 + 1));
    let authors = asked(&["authors"], &["day", "month"], january(1), january(10));
    let (lines, _) = export(&archive, &authors, ExportFormat::Ndjson).await.unwrap();
    let refused = String::from_utf8(lines).unwrap();
    assert_eq!(refused.lines().filter(|line| line.contains(r#""state":"refused""#)).count(), 1, "{refused}");
}

async fn an_export_survives_a_change_of_a_definition(archive: Archive) {
    archive.record(&[(january(1), "posts_created", "1", Value::Null)]).await;
    let weeks = asked(&["posts_created"], &["week"], january(1), january(10));
    for format in ExportFormat::iter() {
        let catalogue = Arc::new(archive.catalogue().await);
        let query = SeriesQuery::parse_export(&weeks, &archive.context, &catalogue, &SETTINGS).await.unwrap();
        // The new version is not in `catalogue`, which was loaded before.
        let known = catalogue.metrics().iter().find(|metric| metric.key.category == "posts_created").unwrap();
        let mut revised = known.definition().clone();
        revised.description.push_str(", revised");
        revised.display_name.push('!');
        let change = DefinitionChange::Revise(revised);
        archive
            .context
            .tenant
            .store
            .change_definitions(&[change], Origin::File, instant("2025-01-11T00:00:00Z"))
            .await
            .unwrap();
        let (version, day) = (known.stored.version + 1, i8::try_from(known.stored.version).unwrap() + 1);
        let value = [(january(day), "posts_created", "1", Value::Null)];
        archive.record_as(version, Provenance::Observed, &value).await;
        let mut export = Export::series(archive.context.clone(), catalogue, query, format).await.unwrap();
        while export.next().await.unwrap().is_some() {}
        assert_eq!(export.rows(), 2, "{format:?}");
    }
}

type Table = (Vec<String>, Vec<Vec<String>>);

/// Exports in each format, asserts that names and rows are the same, and returns them.
async fn in_all_formats(export: impl AsyncFn(ExportFormat) -> Result<Export, QueryError>) -> Table {
    let bytes = async |format| taken(export(format).await.unwrap()).await.unwrap().0;
    let csv = bytes(ExportFormat::Csv).await;
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let names: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<Vec<_>> =
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    let array: Vec<Value> = serde_json::from_slice(&bytes(ExportFormat::Json).await).unwrap();
    assert_eq!(array.iter().map(of_json).collect::<Vec<_>>(), rows);
    let keys = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert!(array.iter().all(|row| keys(row) == names));
    let lines = String::from_utf8(bytes(ExportFormat::Ndjson).await).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, array);
    let parquet = bytes::Bytes::from(bytes(ExportFormat::Parquet).await);
    let reader = SerializedFileReader::new(parquet).unwrap();
    let columns = reader.metadata().file_metadata().schema_descr().columns().to_vec();
    assert_eq!(columns.iter().map(|column| column.name()).collect::<Vec<_>>(), names);
    let read: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| of_parquet(&row.unwrap())).collect();
    assert_eq!(read, rows);
    (names, rows)
}

/// The cells of some columns.
fn of_columns((names, rows): &Table, wanted: &[&str]) -> Vec<String> {
    let places: Vec<_> =
        wanted.iter().map(|wanted| names.iter().position(|name| name == wanted).unwrap()).collect();
    let shown =
        |row: &Vec<String>| places.iter().map(|place| row[*place].as_str()).collect::<Vec<_>>().join(" ");
    rows.iter().map(shown).collect()
}

async fn the_latest_values_are_exported_with_their_changes(archive: Archive) {
    let long = "12345678901234567890123456789012345678.5";
    archive
        .record(&[
            (january(3), "mood", "0", json!({"sample_size": 1})),
            (january(9), "mood", "0.75", json!({"sample_size": 4})),
            (january(10), "mood", "0.5", json!({"sample_size": 3})),
            (january(10), "posts_created", long, Value::Null),
        ])
        .await;
    let catalogue = archive.catalogue().await;
    let names = ["mood", "posts_created", "genres"].map(str::to_owned);
    let query = LatestQuery::parse(&names, &[], &catalogue).unwrap();
    let table =
        in_all_formats(async |format| Export::latest(&archive.context, &catalogue, &query, format).await)
            .await;
    let value = ["metric_category", "metric_date", "value", "last_finished", "provenance"];
    assert_eq!(
        of_columns(&table, &value),
        [
            "genres   2025-01-10 ".to_owned(),
            "mood 2025-01-10 0.5 2025-01-10 observed".to_owned(),
            format!("posts_created 2025-01-10 {long} 2025-01-10 observed"),
        ]
    );
    let changes = [
        "value_day_before",
        "change_from_day_before",
        "percent_from_day_before",
        "value_week_before",
        "change_from_week_before",
        "percent_from_week_before",
        "value_month_before",
    ];
    // A change from 0 has no percentage.
    assert_eq!(of_columns(&table, &changes)[1], "0.75 -0.25 -33.333333333333 0 0.5  ");
    assert_eq!(of_columns(&table, &["metadata"])[1], r#"{"sample_size":3}"#);
}

async fn activity_is_exported_with_exactly_the_requested_days(archive: Archive) {
    archive.record(&[(january(9), "posts_created", "0", Value::Null)]).await;
    let catalogue = Arc::new(archive.catalogue().await);
    let names = ["posts_created".to_owned()];
    let query = ActivityQuery::parse(Some("3"), &names, &[], &catalogue, &SETTINGS).unwrap();
    let query = query.series(&archive.context, &SETTINGS);
    let table = in_all_formats(async |format| {
        Export::series(archive.context.clone(), Arc::clone(&catalogue), query.clone(), format).await
    })
    .await;
    assert_eq!(
        of_columns(&table, &["metric_date", "value", "state"]),
        ["2025-01-08  never_collected", "2025-01-09 0 recorded", "2025-01-10  never_collected"]
    );
}

async fn definitions_are_exported(archive: Archive) {
    let catalogue = archive.catalogue().await;
    let mut bounded = catalogue
        .metrics()
        .iter()
        .find(|metric| metric.key.category == "posts_created")
        .unwrap()
        .definition()
        .clone();
    bounded.display_name = "Posts, \"new\"".to_owned();
    bounded.expected = Some(ExpectedRange { min: Some("-0.5".parse().unwrap()), max: None });
    let change = [DefinitionChange::Revise(bounded)];
    let now = instant("2025-01-11T00:00:00Z");
    archive.context.tenant.store.change_definitions(&change, Origin::File, now).await.unwrap();
    let catalogue = archive.catalogue().await;
    let table = in_all_formats(async |format| Export::definitions(&catalogue, format).await).await;
    let columns = [
        "metric_category",
        "display_name",
        "version",
        "roll_up",
        "expected_min",
        "expected_max",
        "is_active",
    ];
    let shown = of_columns(&table, &columns);
    assert_eq!(shown.len(), catalogue.metrics().len());
    assert!(shown.contains(&"posts_created Posts, \"new\" 2 sum -0.5  true".to_owned()), "{shown:?}");
}

async fn the_log_is_exported_across_pages(archive: Archive) {
    // All runs started at the same instant, so only their ids say where a page ended.
    for _ in 0..101 {
        archive.start_run(RunKind::Collect, january(5), january(5)).await;
    }
    let failed = archive.start_run(RunKind::Backfill, january(1), january(9)).await;
    archive.finish_run(failed, RunStatus::Partial, json!({"metrics": [{"category": "mood"}]})).await;
    let query = RunsQuery::parse(&RunsRequest::default()).unwrap();
    let export = async |format| Export::runs(archive.context.clone(), query.clone(), format).await;
    let table = in_all_formats(export).await;
    assert_eq!(of_columns(&table, &["id"]).into_iter().collect::<BTreeSet<_>>().len(), 102);
    let columns = [
        "kind",
        "collection_date",
        "completed_at",
        "status",
        "error_message",
        "error_details",
        "trigger",
        "actor",
    ];
    let shown = of_columns(&table, &columns);
    let entry = r#"backfill 2025-01-01 2025-01-11T11:59:00Z partial out of luck {"metrics":[{"category":"mood"}]} cli cli:test"#;
    assert_eq!(shown.iter().filter(|row| *row == entry).count(), 1);
    assert_eq!(shown.iter().filter(|row| *row == "collect 2025-01-05  running   cli cli:test").count(), 101);
    let (_, pieces) = taken(export(ExportFormat::Csv).await.unwrap()).await.unwrap();
    assert_eq!(pieces, 3, "the export has two pages and an end");
    let none = RunsRequest { status: Some("completed".to_owned()), ..RunsRequest::default() };
    let query = RunsQuery::parse(&none).unwrap();
    let (names, rows) =
        in_all_formats(async |format| Export::runs(archive.context.clone(), query.clone(), format).await)
            .await;
    assert_eq!((names.len(), rows.len()), (14, 0), "a file without a row has its columns");
}

async fn csv_is_safe_in_spreadsheets(archive: Archive) {
    let catalogue = archive.catalogue().await;
    let metric = catalogue.metrics().iter().find(|metric| metric.key.category == "posts_created").unwrap();
    let mut hostile = metric.definition().clone();
    hostile.display_name = "=HYPERLINK(\"https://example.com\")".to_owned();
    hostile.description = "-1+1".to_owned();
    let now = instant("2025-01-11T00:00:00Z");
    archive
        .context
        .tenant
        .store
        .change_definitions(&[DefinitionChange::Revise(hostile.clone())], Origin::File, now)
        .await
        .unwrap();
    let labels: serde_json::Map<_, _> =
        (0..1000).map(|number| (format!("{number:04} {}", "ä".repeat(40)), json!(1))).collect();
    archive
        .record(&[
            (january(10), "mood", "-0.5", json!({"sample_size": 1})),
            (january(10), "genres", "1000", json!({"breakdown": labels})),
        ])
        .await;
    let catalogue = archive.catalogue().await;
    let rows = async |options: CsvOptions| {
        let export = Export::definitions(&catalogue, ExportFormat::Csv).await.unwrap().with_csv(options);
        taken(export).await.unwrap().0
    };
    let of_metric = |bytes: &[u8]| {
        let mut reader = csv::Reader::from_reader(bytes);
        reader.records().map(Result::unwrap).find(|row| &row[1] == "posts_created").unwrap()
    };
    let plain = rows(CsvOptions::default()).await;
    assert!(plain.starts_with(b"metric_type,"));
    let row = of_metric(&plain);
    assert_eq!(
        (&row[2], &row[3]),
        (&*format!("'{}", hostile.display_name), &*format!("'{}", hostile.description))
    );
    let query = LatestQuery::parse(&["mood".to_owned(), "genres".to_owned()], &[], &catalogue).unwrap();
    let latest = async |options: CsvOptions| {
        let export = Export::latest(&archive.context, &catalogue, &query, ExportFormat::Csv).await.unwrap();
        String::from_utf8(taken(export.with_csv(options)).await.unwrap().0).unwrap()
    };
    let metadata_of_genres = |csv: &str| {
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let column = reader.headers().unwrap().iter().position(|name| name == "metadata").unwrap();
        let row = reader.records().map(Result::unwrap).find(|row| &row[2] == "genres").unwrap();
        row[column].to_owned()
    };
    let whole = latest(CsvOptions::default()).await;
    assert!(whole.contains(",-0.5,"), "a negative number is not escaped as a formula");
    let metadata: Value = serde_json::from_str(&metadata_of_genres(&whole)).unwrap();
    assert_eq!(metadata["breakdown"], Value::Object(labels));
    let cut = latest(CsvOptions { bom: true, cut_cells: true }).await;
    assert!(cut.starts_with("\u{feff}metric_date,"));
    let metadata = metadata_of_genres(&cut);
    assert_eq!((metadata.chars().count(), metadata.chars().last()), (32_767, Some('…')));
    let json = Export::definitions(&catalogue, ExportFormat::Ndjson)
        .await
        .unwrap()
        .with_csv(CsvOptions { bom: true, cut_cells: true });
    let json = String::from_utf8(taken(json).await.unwrap().0).unwrap();
    assert!(
        json.starts_with('{') && json.contains(r#""display_name":"=HYPERLINK"#),
        "the options of CSV do not affect other formats"
    );
}
