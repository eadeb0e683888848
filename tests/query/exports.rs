//! Exports, read back by other means than they were made with.

use std::sync::Arc;

use bigdecimal::{BigDecimal, num_bigint::BigInt};
use daymark::{
    metric::Provenance,
    query::{Asked, Export, ExportFormat, ExportQuestion, QueryError},
    store::{DefinitionChange, Origin},
};
use jiff::civil::date;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};
use serde_json::{Value, json};

use crate::archive::{Archive, SETTINGS, asked, instant, january};

crate::on_both_stores!(
    all_formats_say_the_same,
    many_days_come_in_pieces,
    what_cannot_be_rolled_up_is_refused,
    intervals_come_one_after_the_other,
    a_definition_may_change_meanwhile,
);

async fn export(
    archive: &Archive,
    asked: &Asked,
    format: ExportFormat,
) -> Result<(Vec<u8>, usize), QueryError> {
    let catalogue = Arc::new(archive.catalogue().await);
    let question = ExportQuestion::parse(asked, &archive.context, &catalogue, &SETTINGS).await?;
    let mut export = Export::start(archive.context.clone(), catalogue, question, format).await?;
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
        Field::Date(days) => date(1970, 1, 1).saturating_add(jiff::Span::new().days(*days)).to_string(),
        Field::Decimal(decimal) => {
            let digits = BigInt::from_signed_bytes_be(decimal.data());
            BigDecimal::new(digits, decimal.scale().into()).normalized().to_plain_string()
        }
        other => panic!("{other:?}"),
    };
    row.get_column_iter().map(text).collect()
}

async fn all_formats_say_the_same(archive: Archive) {
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
    // 38 digits before the point and 12 after it.
    let schema = reader.metadata().file_metadata().schema_descr();
    assert_eq!((schema.column(5).type_precision(), schema.column(5).type_scale()), (76, 12));
}

async fn many_days_come_in_pieces(archive: Archive) {
    archive
        .record(&[
            (date(1990, 5, 5), "posts_created", "7", Value::Null),
            (january(10), "posts_created", "8", Value::Null),
        ])
        .await;
    // By default from the first recorded day to the last finished one: 12 670 days.
    let everything = Asked { categories: vec!["posts_created".to_owned()], ..Asked::default() };
    let mut sizes = Vec::new();
    for format in ExportFormat::ALL {
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
    // A page ends where a bucket ends.
    let years = Asked { intervals: vec!["year".to_owned()], ..everything };
    let (bytes, _) = export(&archive, &years, ExportFormat::Csv).await.unwrap();
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 36);
    assert_eq!((&rows[0][0], &rows[0][5], &rows[0][10]), ("1990-05-05", "7", "241"));
    assert_eq!((&rows[1][0], &rows[1][1], &rows[1][6]), ("1991-01-01", "1991-12-31", "defined_later"));
    assert_eq!((&rows[35][5], &rows[35][9]), ("8", "1"));
}

async fn what_cannot_be_rolled_up_is_refused(archive: Archive) {
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

async fn intervals_come_one_after_the_other(archive: Archive) {
    archive
        .record(&[(january(1), "authors", "1", Value::Null), (january(9), "posts_created", "2", Value::Null)])
        .await;
    // Weeks that begin in the old year, and a metric that has days only.
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

async fn a_definition_may_change_meanwhile(archive: Archive) {
    archive.record(&[(january(1), "posts_created", "1", Value::Null)]).await;
    let weeks = asked(&["posts_created"], &["week"], january(1), january(10));
    for format in ExportFormat::ALL {
        let catalogue = Arc::new(archive.catalogue().await);
        let question = ExportQuestion::parse(&weeks, &archive.context, &catalogue, &SETTINGS).await.unwrap();
        // Each time a version that `catalogue` does not know.
        let known = catalogue.metrics().iter().find(|metric| metric.key.category == "posts_created").unwrap();
        let mut revised = known.definition().clone();
        revised.description.push_str(", revised");
        revised.display_name.push('!');
        let change = DefinitionChange::Revise(revised);
        archive
            .context
            .store
            .change_definitions(&[change], Origin::File, instant("2025-01-11T00:00:00Z"))
            .await
            .unwrap();
        let (version, day) = (known.stored.version + 1, i8::try_from(known.stored.version).unwrap() + 1);
        let value = [(january(day), "posts_created", "1", Value::Null)];
        archive.record_as(version, Provenance::Observed, &value).await;
        let mut export = Export::start(archive.context.clone(), catalogue, question, format).await.unwrap();
        while export.next().await.unwrap().is_some() {}
        assert_eq!(export.rows(), 2, "{format:?}");
    }
}
