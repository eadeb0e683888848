//! Roll-ups: how the values of days become the value of a longer interval, for each kind of metric.

use daymark::{
    metric::Provenance,
    query::{PointProvenance, QueryError, SeriesRequest, VersionChange},
};
use jiff::civil::date;
use serde_json::{Value, json};

use crate::archive::{Archive, asked, definition, january, shown};

crate::on_both_stores!(
    each_kind_of_metric_is_rolled_up_by_its_rule,
    roll_ups_of_distinct_counts_are_refused_without_the_others,
    retention_is_weighted_by_cohorts_and_growth_is_not_rolled_up,
    measures_of_a_column_are_rolled_up_or_refused_with_their_reason,
    a_bucket_with_two_kinds_of_one_metric_is_refused,
    decimals_are_returned_with_every_digit,
    means_of_longer_intervals_are_computed_from_sums,
    an_average_of_no_rows_has_no_value,
    labels_of_a_sql_metric_are_rolled_up_as_declared,
    labels_with_zero_or_negative_values_are_kept,
    a_series_names_where_another_definition_version_begins,
    skipped_days_are_not_due,
);

async fn each_kind_of_metric_is_rolled_up_by_its_rule(archive: Archive) {
    let days = [1, 2, 3, 5, 6, 7, 8, 9, 10];
    for day in days {
        let number = day.to_string();
        let genres = json!({
            "breakdown": {"jazz": day, "rock": 1}, "top_items": [], "other": {"labels": i32::from(day == 2), "value": i32::from(day == 2)},
            "total": day + 1 + i8::from(day == 2), "unlabelled": 0,
        });
        archive
            .record(&[
                (january(day), "posts_total", &number, Value::Null),
                (january(day), "posts_created", &format!("{day}.10"), Value::Null),
                (january(day), "mood", &number, json!({"sample_size": day})),
                (january(day), "rate", "50", json!({"numerator": day, "denominator": 2 * day})),
                (january(day), "genres", "2", genres.clone()),
                (january(day), "genres_total", "2", genres),
            ])
            .await;
    }
    let weeks = async |category: &str| shown(&archive.one(category, "week", january(1), january(12)).await);
    // The week of 30 December begins before the range, and the next one has not ended.
    assert_eq!(weeks("posts_total").await, ["2025-01-01 5 4/5", "2025-01-06 10 5/5"]);
    assert_eq!(weeks("posts_created").await, ["2025-01-01 11.4 4/5", "2025-01-06 40.5 5/5"]);
    // The means are (1 + 4 + 9 + 25) / (1 + 2 + 3 + 5) and (36 + 49 + 64 + 81 + 100) / 40.
    assert_eq!(weeks("mood").await, ["2025-01-01 3.545454545455 4/5", "2025-01-06 8.25 5/5"]);
    assert_eq!(weeks("rate").await, ["2025-01-01 50 4/5", "2025-01-06 50 5/5"]);
    let stock = archive.one("posts_total", "month", january(1), january(31)).await;
    assert_eq!(shown(&stock), ["2025-01-01 10 9/10"]);
    assert_eq!(stock.points[0].value_date, Some(january(10)));
    let rate = archive.one("rate", "quarter", january(1), date(2025, 3, 31)).await;
    assert_eq!(rate.points[0].metadata.as_ref().unwrap().object()["denominator"], 102);
    let genres = archive.one("genres", "week", january(1), january(12)).await;
    let first = genres.points[0].metadata.as_ref().unwrap().object();
    assert_eq!(first["breakdown"], json!({"jazz": 11, "rock": 4}));
    assert_eq!(
        (&first["other"]["value"], &first["incomplete"], genres.points[0].lower_bound),
        (&json!(1), &json!(true), true)
    );
    assert!(!genres.points[1].lower_bound);
    // A breakdown of existing rows takes the last day.
    let existing = archive.one("genres_total", "year", january(1), january(12)).await;
    assert_eq!(
        existing.points[0].metadata.as_ref().unwrap().object()["breakdown"],
        json!({"jazz": 10, "rock": 1})
    );
    // A week is complete if all its days are in the range and recorded.
    archive
        .record(&[
            (date(2024, 12, 30), "posts_created", "1", Value::Null),
            (date(2024, 12, 31), "posts_created", "1", Value::Null),
            (january(4), "posts_created", "1", Value::Null),
        ])
        .await;
    let week = archive.one("posts_created", "week", date(2024, 12, 30), january(5)).await;
    assert_eq!(shown(&week), ["2024-12-30 14.4 7/7!"]);
}

async fn roll_ups_of_distinct_counts_are_refused_without_the_others(archive: Archive) {
    archive
        .record(&[(january(1), "authors", "3", Value::Null), (january(1), "posts_created", "4", Value::Null)])
        .await;
    let answer = archive
        .ask(&asked(&["authors", "posts_created"], &["week", "day"], january(1), january(1)))
        .await
        .unwrap();
    let refused: Vec<_> = answer
        .series
        .iter()
        .map(|series| (series.interval.name(), series.refused.is_some(), series.points.len()))
        .collect();
    assert_eq!(refused, [("day", false, 1), ("week", true, 1), ("day", false, 1), ("week", false, 1)]);
    let weeks = &answer.series[1];
    assert!(weeks.refused.as_ref().unwrap().contains("distinct counts do not add up"));
    // The refused series still names its recorded days.
    assert_eq!((shown(weeks), weeks.recorded.len()), (vec!["2025-01-01 - 1/1".to_owned()], 1));
    let error =
        archive.ask(&asked(&["authors"], &["week", "month"], january(1), january(1))).await.unwrap_err();
    assert!(matches!(&error, QueryError::Refused(refusals) if refusals.len() == 2), "{error}");
}

async fn retention_is_weighted_by_cohorts_and_growth_is_not_rolled_up(archive: Archive) {
    let cohorts = [(1, 10, 5), (2, 0, 0), (3, 30, 3)];
    for (day, cohort, retained) in cohorts {
        let share = if cohort == 0 { 0 } else { 100 * retained / cohort };
        archive
            .record(&[
                (
                    january(day),
                    "retained",
                    &share.to_string(),
                    json!({"numerator": retained, "denominator": cohort}),
                ),
                (january(day), "churned", "3", Value::Null),
            ])
            .await;
    }
    let weeks = archive.one("retained", "week", january(1), january(5)).await;
    assert_eq!(shown(&weeks), ["2025-01-01 20 3/5"]);
    let days = archive.one("retained", "day", january(1), january(3)).await;
    assert_eq!(
        shown(&days),
        ["2025-01-01 50 1/1!", "2025-01-02 - 1/1!", "2025-01-03 10 1/1!"],
        "an empty cohort has no value"
    );
    let refused = archive.ask(&asked(&["churned"], &["week"], january(1), january(5))).await.unwrap_err();
    let QueryError::Refused(refusals) = &refused else { panic!("{refused}") };
    assert!(format!("{refusals:?}").contains("the actors of several windows do not add up"), "{refusals:?}");
}

async fn measures_of_a_column_are_rolled_up_or_refused_with_their_reason(archive: Archive) {
    let rows = json!({"source": "posts"});
    let of_column = |measure: &str| json!({"measure": measure, "rows": rows, "column": "words"});
    let median =
        json!({"measure": "quantile", "rows": rows, "column": "words", "quantile": 0.5, "window_days": 1});
    let breakdown = |aggregate: Value| json!({"measure": "breakdown", "rows": rows, "column": "genre", "phase": "created", "top": 1, "fold": aggregate});
    let definitions = vec![
        definition("shortest", "average", of_column("minimum")),
        definition("longest", "average", of_column("maximum")),
        definition("median_words", "average", median),
        definition("authors_by_genre", "aggregate", breakdown(json!({"distinct": "author_id"}))),
        definition("words_by_genre", "aggregate", breakdown(json!({"average": "words"}))),
    ];
    archive.define(definitions, "2024-12-01T00:00:00Z").await;
    // Of jazz 1 and 3 values with the sums 10 and 50; of rock a value each day, which the second day does not name.
    for (day, size, sum, others) in [(6, 1, 10, 0), (7, 3, 50, 1)] {
        let sampled = json!({"sample_size": size});
        let (mut sums, mut sizes) = (json!({"jazz": sum}), json!({"jazz": size}));
        if others == 0 {
            sums["rock"] = json!(7);
            sizes["rock"] = json!(1);
        }
        let means = json!({
            "breakdown": {}, "sums": sums, "sample_sizes": sizes,
            "other": {"labels": others, "value": 7 * others, "sum": 7 * others, "sample_size": others},
            "total": 0, "sum": sum + 7, "sample_size": size + 1, "unlabelled": 0,
        });
        let counts = json!({
            "breakdown": {"jazz": 2}, "other": {"labels": 0, "value": 0}, "total": 2, "unlabelled": 0,
        });
        let extreme = (20 - day).to_string();
        archive
            .record(&[
                (january(day), "shortest", &extreme, sampled.clone()),
                (january(day), "longest", &extreme, sampled.clone()),
                (january(day), "median_words", "5", sampled),
                (january(day), "authors_by_genre", "1", counts),
                (january(day), "words_by_genre", "2", means),
            ])
            .await;
    }
    let week = async |name: &str| archive.one(name, "week", january(6), january(7)).await.points.remove(0);
    assert_eq!(week("shortest").await.value.unwrap().to_string(), "13");
    assert_eq!(week("longest").await.value.unwrap().to_string(), "14");
    let words = week("words_by_genre").await;
    let metadata = words.metadata.as_ref().unwrap().object();
    assert_eq!(metadata["breakdown"], json!({"jazz": 15, "rock": 7}));
    // The label that the second day does not name may be the one that the first day names.
    assert_eq!(metadata["other"], json!({"labels": 0, "value": 7, "sum": 7, "sample_size": 1}));
    assert_eq!((&metadata["incomplete"], words.lower_bound), (&json!(true), true));
    for (name, reason) in [
        ("median_words", "cannot be made of the quantiles of the days"),
        ("authors_by_genre", "distinct counts by label do not add up"),
    ] {
        let refused = archive.ask(&asked(&[name], &["week"], january(6), january(7))).await.unwrap_err();
        let QueryError::Refused(refusals) = &refused else { panic!("{refused}") };
        assert!(format!("{refusals:?}").contains(reason), "{refusals:?}");
    }
}

async fn a_bucket_with_two_kinds_of_one_metric_is_refused(archive: Archive) {
    let flow = definition("posts_total", "count", json!({"measure": "created", "source": "posts"}));
    archive.define(vec![flow], "2025-01-02T00:00:00Z").await;
    archive
        .record_as(
            1,
            Provenance::Reconstructed,
            &[
                (date(2024, 12, 30), "posts_total", "100", Value::Null),
                (january(1), "posts_total", "101", Value::Null),
            ],
        )
        .await;
    archive.record_as(2, Provenance::Observed, &[(january(2), "posts_total", "7", Value::Null)]).await;
    let months = archive.one("posts_total", "month", date(2024, 12, 1), january(31)).await;
    assert_eq!(shown(&months), ["2024-12-01 100 1/31", "2025-01-01 - 2/10"]);
    let reason = months.points[1].refused.as_ref().unwrap();
    assert!(reason.contains("version 1 makes stocks, whose last value counts, version 2 flows"), "{reason}");
    assert_eq!(months.points[1].provenance, Some(PointProvenance::Mixed));
    let days = archive.one("posts_total", "day", january(1), january(2)).await;
    assert_eq!(shown(&days), ["2025-01-01 101 1/1!", "2025-01-02 7 1/1!"]);
}

async fn decimals_are_returned_with_every_digit(archive: Archive) {
    let long = "12345678901234567890123456789012345678.000000000001";
    archive
        .record(&[
            (january(1), "posts_created", long, Value::Null),
            (january(2), "posts_created", "0.1", Value::Null),
            (january(3), "posts_created", "0.2", Value::Null),
        ])
        .await;
    let days = archive.one("posts_created", "day", january(1), january(3)).await;
    assert!(serde_json::to_string(&days).unwrap().contains(&format!("\"value\":{long},")));
    let week = archive.one("posts_created", "week", january(1), january(3)).await;
    assert_eq!(
        week.points[0].value.as_ref().unwrap().to_string(),
        "12345678901234567890123456789012345678.300000000001"
    );
}

async fn skipped_days_are_not_due(archive: Archive) {
    // Apia skipped 30 December 2011. In Berlin 31 March 2013 had 23 hours.
    let apia = archive.in_zone("Pacific/Apia", "2012-01-10T00:00:00Z");
    let records: Vec<_> =
        [26, 27, 28, 29, 31].map(|day| (date(2011, 12, day), "posts_created", "1", Value::Null)).to_vec();
    apia.record(&records).await;
    apia.record(&[(date(2012, 1, 1), "posts_created", "1", Value::Null)]).await;
    let week = apia.one("posts_created", "week", date(2011, 12, 26), date(2012, 1, 1)).await;
    assert_eq!((shown(&week), week.gaps.len()), (vec!["2011-12-26 6 6/6!".to_owned()], 0));
    let days = apia.one("posts_created", "day", date(2011, 12, 29), date(2011, 12, 31)).await;
    assert_eq!(shown(&days), ["2011-12-29 1 1/1!", "2011-12-31 1 1/1!"]);
    let berlin = apia.in_zone("Europe/Berlin", "2013-04-02T00:00:00Z");
    let days = berlin.one("posts_created", "week", date(2013, 3, 25), date(2013, 3, 31)).await;
    assert_eq!(shown(&days), ["2013-03-25 - 0/7"]);
}

async fn means_of_longer_intervals_are_computed_from_sums(archive: Archive) {
    // The means 1 / 3 and 1 / 7 are rounded. A mean of the rounded ones would not be exactly 2 / 10.
    let with_sum = |size: i64, sum: i64| json!({"sample_size": size, "sum": sum});
    archive
        .record(&[
            (january(6), "mood", "0.333333333333", with_sum(3, 1)),
            (january(7), "mood", "0.142857142857", with_sum(7, 1)),
        ])
        .await;
    let week = archive.one("mood", "week", january(6), january(12)).await;
    assert_eq!(week.points[0].value.as_ref().unwrap().to_string(), "0.2");
    assert_eq!(week.points[0].metadata.as_ref().unwrap().object()["sum"], 2);
    // A record without a sum contributes its rounded mean.
    archive.record(&[(january(8), "mood", "0.142857142857", json!({"sample_size": 7}))]).await;
    let week = archive.one("mood", "week", january(6), january(12)).await;
    assert_eq!(week.points[0].value.as_ref().unwrap().to_string(), "0.176470588235");
    assert!(!week.points[0].metadata.as_ref().unwrap().object().contains_key("sum"));
}

async fn an_average_of_no_rows_has_no_value(archive: Archive) {
    archive
        .record(&[
            (january(6), "mood", "0", json!({"sample_size": 0})),
            (january(7), "mood", "0", json!({"sample_size": 2, "sum": 0})),
            (january(6), "rate", "0", json!({"numerator": 0, "denominator": 0})),
            (january(7), "rate", "0", json!({"numerator": 0, "denominator": 4})),
        ])
        .await;
    for metric in ["mood", "rate"] {
        for metadata in [false, true] {
            let asked = SeriesRequest { metadata, ..asked(&[metric], &["day"], january(6), january(7)) };
            let days = archive.ask(&asked).await.unwrap().series.remove(0);
            assert_eq!(shown(&days), ["2025-01-06 - 1/1!", "2025-01-07 0 1/1!"], "{metric} {metadata}");
            assert_eq!((days.points[0].no_data, days.points[1].no_data), (true, false));
            assert_eq!(days.gaps.len(), 0, "a day without data is recorded and not a gap");
            let json = serde_json::to_value(&days.points).unwrap();
            assert_eq!((&json[0]["value"], &json[0]["no_data"]), (&Value::Null, &json!(true)));
            assert_eq!((&json[1]["value"], json[1].get("no_data")), (&json!(0), None));
        }
        let week = archive.one(metric, "week", january(6), january(6)).await;
        assert_eq!((shown(&week), week.points[0].no_data), (vec!["2025-01-06 - 1/1".to_owned()], true));
        let week = archive.one(metric, "week", january(6), january(7)).await;
        assert_eq!(shown(&week), ["2025-01-06 0 2/2"]);
    }
}

async fn labels_of_a_sql_metric_are_rolled_up_as_declared(archive: Archive) {
    let labels = |adds_up: &str| json!({"measure": "sql", "query": "SELECT 1", "shape": {"labels": {"top": 9}}, "adds_up": adds_up});
    let names = ["labels_sum", "labels_last", "labels_never"];
    let definitions =
        names.map(|name| definition(name, "aggregate", labels(name.trim_start_matches("labels_"))));
    archive.define(definitions.to_vec(), "2024-12-01T00:00:00Z").await;
    for (day, count) in [(6, 1), (7, 5)] {
        let metadata = json!({
            "breakdown": {"rock": count}, "other": {"labels": 0, "value": 0}, "total": count, "unlabelled": 0,
        });
        let record = |name| (january(day), name, "1", metadata.clone());
        archive.record(&names.map(record)).await;
    }
    let rock = async |name: &str| {
        let week = archive.one(name, "week", january(6), january(7)).await;
        week.points[0].metadata.as_ref().unwrap().object()["breakdown"]["rock"].clone()
    };
    assert_eq!((rock("labels_sum").await, rock("labels_last").await), (json!(6), json!(5)));
    let never = asked(&["labels_never"], &["week"], january(6), january(7));
    let error = archive.ask(&never).await.unwrap_err().to_string();
    assert!(error.contains("adds_up = \"never\"") && !error.contains("distinct"), "{error}");
}

async fn labels_with_zero_or_negative_values_are_kept(archive: Archive) {
    for day in [6, 7] {
        let labels = json!({
            "breakdown": {"up": 3, "even": 0, "down": -2}, "other": {"labels": 0, "value": 0}, "total": 1, "unlabelled": 0,
        });
        archive.record(&[(january(day), "genres", "3", labels)]).await;
    }
    let week = archive.one("genres", "week", january(6), january(7)).await;
    let metadata = week.points[0].metadata.as_ref().unwrap().object();
    assert_eq!(metadata["breakdown"], json!({"up": 6, "even": 0, "down": -4}));
    let first = json!([{"key": "up", "value": 6}, {"key": "even", "value": 0}, {"key": "down", "value": -4}]);
    assert_eq!(
        (&metadata["top_items"], week.points[0].value.as_ref().unwrap().to_string()),
        (&first, "3".to_owned())
    );
}

async fn a_series_names_where_another_definition_version_begins(archive: Archive) {
    let days = |from: i8, to: i8| -> Vec<_> {
        (from..=to).map(|day| (january(day), "posts_created", "1", Value::Null)).collect()
    };
    let other = definition("posts_created", "count", json!({"measure": "created", "source": "comments"}));
    archive.define(vec![other], "2025-01-05T00:00:00Z").await;
    archive.record_as(1, Provenance::Observed, &days(1, 4)).await;
    archive.record_as(2, Provenance::Observed, &days(6, 8)).await;
    for interval in ["day", "week"] {
        let series = archive.one("posts_created", interval, january(1), january(10)).await;
        let change = VersionChange { date: january(6), from_version: 1, to_version: 2 };
        assert_eq!(series.version_changes, [change]);
    }
    let before = archive.one("posts_created", "day", january(1), january(5)).await;
    assert!(serde_json::to_value(&before).unwrap().get("version_changes").is_none());
}
