//! Bounds in bytes of pages, exports and roll-ups over records with very large metadata.

use std::collections::BTreeMap;

use daymark::query::{
    Export, ExportFormat, LatestQuery, RunsQuery, RunsRequest, SeriesQuery, SeriesRequest, latest, runs,
};
use daymark::store::{RunKind, RunStatus};
use jiff::{
    ToSpan,
    civil::{Date, date},
};
use serde_json::{Value, json};

use crate::archive::{Archive, SETTINGS, asked, definition, january, shown};

crate::on_both_stores!(
    a_page_ends_by_size_within_a_series_and_the_next_one_continues,
    a_roll_up_of_many_labels_keeps_the_largest_and_exact_sums,
    a_roll_up_with_too_many_labels_is_refused_without_the_others,
    metadata_of_the_latest_values_is_bounded_in_bytes,
    pieces_of_an_export_are_bounded_in_bytes,
    a_page_of_runs_is_bounded_in_bytes,
    values_of_no_rows_are_no_data_in_every_answer,
);

const LABELS: usize = 1000;

/// The metadata of a breakdown with 1,000 labels that contain `prefix`.
fn many_labels(prefix: &str) -> Value {
    let label = |index: usize| {
        (format!("https://cdn.example.com/some/label/{prefix}/number/{index}"), json!(LABELS - index))
    };
    let breakdown: serde_json::Map<_, _> = (0..LABELS).map(label).collect();
    json!({"breakdown": breakdown, "other": {"labels": 0, "value": 0}, "total": 500_500, "unlabelled": 0})
}

/// Records two breakdowns for `days` days that end with 10 January 2025, and returns the first day.
async fn with_many_labels(archive: &Archive, days: i32, prefix: impl Fn(i32) -> String) -> Date {
    let breakdown = json!({"measure": "breakdown", "rows": {"source": "posts"}, "column": "url", "phase": "created", "top": LABELS});
    let names = ["urls_a", "urls_b"];
    let definitions = names.map(|name| definition(name, "aggregate", breakdown.clone()));
    archive.define(definitions.to_vec(), "2020-01-01T00:00:00Z").await;
    let first = january(10).saturating_sub((days - 1).days());
    for offset in 0..days {
        let (day, labels) = (first.saturating_add(offset.days()), many_labels(&prefix(offset)));
        archive.record(&names.map(|name| (day, name, "1000", labels.clone()))).await;
    }
    first
}

async fn a_page_ends_by_size_within_a_series_and_the_next_one_continues(archive: Archive) {
    let first = with_many_labels(&archive, 130, |_| "same".to_owned()).await;
    let mut page = SeriesRequest {
        metadata: true,
        ..asked(&["urls_a", "urls_b"], &["day", "week"], first, january(10))
    };
    let mut whole: Option<daymark::query::SeriesResponse> = None;
    let (mut pages, mut cut) = (0, 0);
    loop {
        let mut response = archive.ask(&page).await.unwrap();
        let size = serde_json::to_vec(&response).unwrap().len();
        assert!(size < 6 * 1024 * 1024, "{size} bytes");
        assert!(response.series.iter().all(|series| !series.points.is_empty()));
        cut += response.series.iter().filter(|series| series.part.is_some()).count();
        page.cursor = response.next_cursor.take();
        match &mut whole {
            None => whole = Some(response),
            Some(whole) => whole.join(response),
        }
        pages += 1;
        if page.cursor.is_none() {
            break;
        }
    }
    // The answer has 130 days and 19 weeks of two metrics, with about 120 kB of metadata for each day.
    assert!(pages >= 4 && cut >= 4, "{pages} pages, {cut} parts");
    let whole = whole.unwrap();
    let of = |series: &daymark::query::Series| {
        (
            series.metric_category.clone(),
            series.interval.name(),
            series.points.len(),
            series.recorded.len(),
            series.part,
        )
    };
    let expected = ["urls_a", "urls_b"]
        .map(|name| [(name.to_owned(), "day", 130, 1, None), (name.to_owned(), "week", 19, 1, None)]);
    assert_eq!(whole.series.iter().map(of).collect::<Vec<_>>(), expected.concat());
    let dates: Vec<_> = whole.series[0].points.iter().map(|point| point.from).collect();
    assert!(dates.is_sorted() && dates[0] == first && dates[129] == january(10));
    let weeks = shown(&whole.series[1]);
    assert!(weeks[1..18].iter().all(|week| week.ends_with(" 1000 7/7!")), "{weeks:?}");
}

async fn a_roll_up_of_many_labels_keeps_the_largest_and_exact_sums(archive: Archive) {
    // Each day has labels of its own.
    let first = with_many_labels(&archive, 40, |day| day.to_string()).await;
    let series = archive.one("urls_a", "year", date(2024, 12, 1).max(first), date(2024, 12, 31)).await;
    let metadata = series.points[0].metadata.as_ref().unwrap().object();
    let days = series.points[0].days_recorded;
    assert_eq!(series.points[0].value.as_ref().unwrap().to_string(), (days * LABELS).to_string());
    // The 1,000 largest labels are named, and "other" has the exact sum of the rest.
    let sums: BTreeMap<_, _> = metadata["breakdown"].as_object().unwrap().iter().collect();
    let named: i64 = sums.values().map(|value| value.as_i64().unwrap()).sum();
    assert_eq!((sums.len(), &metadata["other"]["labels"]), (LABELS, &json!((days - 1) * LABELS)));
    assert_eq!(named + metadata["other"]["value"].as_i64().unwrap(), metadata["total"].as_i64().unwrap());
    assert_eq!(metadata["incomplete"], json!(false));
}

async fn a_roll_up_with_too_many_labels_is_refused_without_the_others(archive: Archive) {
    let first = with_many_labels(&archive, 130, |day| day.to_string()).await;
    let quarters = archive.one("urls_a", "quarter", first, january(10)).await;
    assert!(quarters.points.iter().all(|point| point.value.is_some()));
    // The 120 days of 2024 have 120,000 labels.
    let years = archive.one("urls_a", "year", first, january(10)).await;
    let refused: Vec<_> =
        years.points.iter().map(|point| point.refused.as_deref().unwrap_or_default()).collect();
    assert!(
        refused[0].contains("different labels") && refused[0].contains("ask for shorter intervals"),
        "{refused:?}"
    );
    assert_eq!(refused[1], "");
}

async fn metadata_of_the_latest_values_is_bounded_in_bytes(archive: Archive) {
    with_many_labels(&archive, 1, |_| "long".repeat(30)).await;
    let catalogue = archive.catalogue().await;
    let query = LatestQuery::parse(&["urls_a".to_owned()], &[], &catalogue).unwrap();
    let response = latest(&archive.context, &catalogue, &query).await.unwrap();
    let metadata = response.metrics[0].metadata.as_ref().unwrap().object();
    assert_eq!(
        (metadata["top_items"].as_array().unwrap().len(), response.metrics[0].metadata_left_out),
        (LABELS, false)
    );
    // 8 MiB have room for the labels of some 16 such metrics.
    let breakdown = json!({"measure": "breakdown", "rows": {"source": "posts"}, "column": "url", "phase": "created", "top": LABELS});
    let names: Vec<_> = (0..40).map(|index| format!("more_{index}")).collect();
    archive
        .define(
            names.iter().map(|name| definition(name, "aggregate", breakdown.clone())).collect(),
            "2020-01-01T00:00:00Z",
        )
        .await;
    let labels = many_labels(&"long".repeat(30));
    let records: Vec<_> =
        names.iter().map(|name| (january(10), name.as_str(), "1000", labels.clone())).collect();
    archive.record(&records).await;
    let catalogue = archive.catalogue().await;
    let query = LatestQuery::parse(&names, &[], &catalogue).unwrap();
    let response = latest(&archive.context, &catalogue, &query).await.unwrap();
    let size = serde_json::to_vec(&response).unwrap().len();
    assert!(size < 9 * 1024 * 1024, "{size} bytes");
    let left_out = response.metrics.iter().filter(|metric| metric.metadata_left_out).count();
    assert!((1..40).contains(&left_out), "{left_out}");
    assert!(response.metrics.iter().all(|metric| metric.value.is_some()));
}

async fn pieces_of_an_export_are_bounded_in_bytes(archive: Archive) {
    let first = with_many_labels(&archive, 60, |_| "same".to_owned()).await;
    let catalogue = std::sync::Arc::new(archive.catalogue().await);
    for interval in ["day", "month"] {
        let request = asked(&["urls_a", "urls_b"], &[interval], first, january(10));
        let query =
            SeriesQuery::parse_export(&request, &archive.context, &catalogue, &SETTINGS).await.unwrap();
        let mut export =
            Export::series(archive.context.clone(), catalogue.clone(), query, ExportFormat::Ndjson)
                .await
                .unwrap();
        let mut largest = 0;
        while let Some(piece) = export.next().await.unwrap() {
            largest = largest.max(piece.len());
        }
        assert_eq!(export.rows(), if interval == "day" { 120 } else { 6 });
        assert!(largest < 5 * 1024 * 1024, "{largest} bytes by {interval}");
    }
}

async fn a_page_of_runs_is_bounded_in_bytes(archive: Archive) {
    let failures: Vec<_> = (0..1000)
        .map(|metric| json!({"metric_category": metric.to_string(), "message": "x".repeat(200)}))
        .collect();
    for _ in 0..60 {
        let run = archive.start_run(RunKind::Collect, january(5), january(5)).await;
        archive.finish_run(run, RunStatus::Failed, json!({"failures": failures})).await;
    }
    let mut request = RunsRequest { limit: Some("200".to_owned()), ..RunsRequest::default() };
    let (mut seen, mut pages) = (0, 0);
    loop {
        let page = runs(&archive.context, &RunsQuery::parse(&request).unwrap()).await.unwrap();
        (seen, pages) = (seen + page.runs.len(), pages + 1);
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!((seen, pages), (60, 2), "a page ends with about 8 MiB of errors");
}

async fn values_of_no_rows_are_no_data_in_every_answer(archive: Archive) {
    archive
        .record(&[
            (january(3), "mood", "2", json!({"sample_size": 2})),
            (january(9), "mood", "4", json!({"sample_size": 2})),
            (january(10), "mood", "0", json!({"sample_size": 0})),
            (january(9), "rate", "0", json!({"numerator": 0, "denominator": 0})),
            (january(10), "rate", "50", json!({"numerator": 1, "denominator": 2})),
        ])
        .await;
    let catalogue = archive.catalogue().await;
    let names = ["mood", "rate"].map(str::to_owned);
    let query = LatestQuery::parse(&names, &[], &catalogue).unwrap();
    let response = latest(&archive.context, &catalogue, &query).await.unwrap();
    let [mood, rate] = &response.metrics[..] else { panic!("{response:?}") };
    assert_eq!((&mood.value, mood.no_data, mood.metric_date), (&None, true, Some(january(10))));
    assert_eq!(
        (&mood.change_from_day_before, &mood.change_from_week_before),
        (&None, &None),
        "no change is computed towards no data"
    );
    assert_eq!(
        (rate.no_data, &rate.change_from_day_before),
        (false, &None),
        "no change is computed from no data"
    );
    let catalogue = std::sync::Arc::new(catalogue);
    let request = asked(&["mood", "rate"], &[], january(9), january(10));
    let query = SeriesQuery::parse_export(&request, &archive.context, &catalogue, &SETTINGS).await.unwrap();
    let mut export =
        Export::series(archive.context.clone(), catalogue, query, ExportFormat::Csv).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = export.next().await.unwrap() {
        bytes.extend(piece);
    }
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let rows: Vec<_> = reader
        .records()
        .map(Result::unwrap)
        .map(|row| [row[4].to_owned(), row[5].to_owned(), row[6].to_owned()].join(" "))
        .collect();
    assert_eq!(rows, ["mood 4 recorded", "rate  no_data", "mood  no_data", "rate 50 recorded"]);
}
