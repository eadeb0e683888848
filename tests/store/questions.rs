//! The reads of queries from a store: series, latest values, the summary, versions of definitions, and pages of the
//! log.

use daymark::{
    metric::{MetricKey, MetricType, Provenance},
    store::{
        AskedMetric, DefinitionChange, Finish, NewRun, Origin, RecordedDay, RunFilter, RunKind, RunStatus,
        SeriesQuestion, StoreSummary, ValuesAsked,
    },
};
use jiff::{ToSpan, civil::date};
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{
    Fixture, day, decimal, definitions, exact_metadata, finish, key, new_run, noon, record,
};

crate::on_both_stores!(
    a_series_has_the_recorded_days_with_exact_values,
    a_series_includes_the_incomplete_runs_of_its_days,
    the_summary_has_the_last_runs_and_the_counts_of_records,
    latest_values_have_dates_and_earlier_values_to_compare_with,
    all_versions_of_a_definition_are_listed,
    pages_of_the_log_show_every_run_once,
);

fn posts() -> MetricKey {
    key(MetricType::Count, "posts_total")
}

fn mood() -> MetricKey {
    key(MetricType::Average, "mood")
}

async fn a_series_has_the_recorded_days_with_exact_values(fixture: Fixture) {
    let run = fixture.ready().await;
    let store = &fixture.store;
    let mut records = Vec::new();
    for number in [3, 1, 2, 7] {
        let mut posts = record(run, day(number), &format!("9007199254740993.{number}"));
        posts.provenance = if number < 3 { Provenance::Reconstructed } else { Provenance::Observed };
        let mut mood = record(run, day(number), &format!("-0.{number}"));
        mood.key = self::mood();
        mood.metadata = exact_metadata();
        mood.metadata.insert("day".to_owned(), json!(number));
        records.extend([posts, mood]);
    }
    // Another year is another partition.
    records.push(record(run, date(2024, 12, 31), "12345678901234567890123456789012345678"));
    store.commit(&records, Some(&finish(run))).await.unwrap();

    let asked = |key: MetricKey, metadata| AskedMetric { key, metadata, judgement: false };
    let nothing = key(MetricType::Aggregate, "top_genres");
    let metrics = vec![asked(posts(), false), asked(nothing, true), asked(mood(), true)];
    let question =
        SeriesQuestion { from: date(2024, 12, 30), to: day(3), metrics, values: ValuesAsked::default() };
    let rows = store.series(&question).await.unwrap();
    assert!(rows.runs.is_empty(), "a completed run explains no gap");
    let shown = |days: &[RecordedDay]| -> Vec<String> {
        let show = |day: &RecordedDay| format!("{} {} {}", day.date, day.value, day.provenance.name());
        days.iter().map(show).collect()
    };
    assert_eq!(
        shown(&rows.series[0].recorded),
        [
            "2024-12-31 12345678901234567890123456789012345678 observed",
            "2025-01-01 9007199254740993.1 reconstructed",
            "2025-01-02 9007199254740993.2 reconstructed",
            "2025-01-03 9007199254740993.3 observed",
        ]
    );
    assert!(rows.series[0].recorded.iter().all(|day| day.metadata.is_none() && day.definition_version == 1));
    assert!(rows.series[1].recorded.is_empty());
    assert_eq!(rows.series[2].recorded.len(), 3);
    for day in &rows.series[2].recorded {
        let metadata = day.metadata.as_ref().unwrap();
        assert_eq!(metadata["day"], json!(day.date.day()));
        assert_eq!(metadata["std_deviation"].to_string(), "0.12345678901234567890123");
        assert_eq!(metadata["top_items"][0]["label"], "Jazz — “über”\n'");
    }
    let none = store.series(&SeriesQuestion { metrics: Vec::new(), ..question }).await.unwrap();
    assert!(none.series.is_empty());
    let other = fixture.of_tenant("other");
    let question = SeriesQuestion {
        from: day(1),
        to: day(9),
        metrics: vec![asked(posts(), false)],
        values: ValuesAsked::default(),
    };
    assert!(other.series(&question).await.unwrap().series[0].recorded.is_empty());
}

async fn a_series_includes_the_incomplete_runs_of_its_days(fixture: Fixture) {
    let first = fixture.ready().await;
    let store = &fixture.store;
    let details = json!({"sqlstate": null, "failures": [{"metric_category": "mood — “x”", "n": 0.10}]});
    let failed = Finish {
        status: RunStatus::Partial,
        error_message: Some("mood: \"no\"\nway".to_owned()),
        error_details: details.as_object().cloned(),
        ..finish(first)
    };
    store.commit(&[], Some(&failed)).await.unwrap();
    let mut second = NewRun { to: day(5), kind: RunKind::Backfill, ..new_run(day(4)) };
    second.started_at = noon() + 1.minute();
    store.start_run(&second).await.unwrap();
    let completed = new_run(day(1));
    store.start_run(&completed).await.unwrap();
    store.commit(&[], Some(&finish(completed.id))).await.unwrap();

    let runs = async |from, to| {
        let question = SeriesQuestion {
            from: day(from),
            to: day(to),
            metrics: Vec::new(),
            values: ValuesAsked::default(),
        };
        let runs = store.series(&question).await.unwrap().runs;
        runs.into_iter().map(|logged| logged.run).collect::<Vec<_>>()
    };
    let ids = |runs: &[daymark::store::Run]| runs.iter().map(|run| run.id).collect::<Vec<Uuid>>();
    let both = runs(1, 9).await;
    assert_eq!(ids(&both), [second.id, first], "newest first");
    // The runs are the same as those that the log returns.
    for run in &both {
        let logged = store.run(run.id).await.unwrap().unwrap();
        assert_eq!(format!("{run:?}"), format!("{logged:?}"));
    }
    assert_eq!(ids(&runs(2, 4).await), [second.id]);
    assert!(runs(2, 3).await.is_empty() && runs(6, 9).await.is_empty());
}

async fn the_summary_has_the_last_runs_and_the_counts_of_records(fixture: Fixture) {
    let first = fixture.ready().await;
    let store = &fixture.store;
    let summary = async |date, never: &[jiff::civil::Date]| store.summary(date, never).await.unwrap();
    let ids = |summary: &StoreSummary| {
        let last = summary.last_run.as_ref().map(|logged| logged.run.id);
        (last, summary.last_completed.as_ref().map(|run| run.id))
    };
    assert_eq!(ids(&summary(day(9), &[]).await), (Some(first), None));
    let mut records: Vec<_> = [1, 2, 5].map(|number| record(first, day(number), "5")).into();
    records[1].provenance = Provenance::Reconstructed;
    records[2].provenance = Provenance::Reconstructed;
    records.push(record(first, date(2024, 12, 31), "1"));
    let mut other = record(first, day(9), "-0.5");
    other.key = mood();
    records.push(other);
    store.commit(&records, Some(&finish(first))).await.unwrap();
    assert_eq!(ids(&summary(day(9), &[]).await), (Some(first), Some(first)));

    let counts = async |date, never: &[jiff::civil::Date]| {
        let mut counts = summary(date, never).await.counts;
        counts.sort_by(|one, other| one.key.category.cmp(&other.key.category));
        counts.iter().map(|count| (count.until_day, count.of_day)).collect::<Vec<_>>()
    };
    assert_eq!(counts(day(5), &[]).await, [(0, 0), (4, 1)]);
    assert_eq!(counts(day(4), &[day(2), day(3), day(5)]).await, [(0, 0), (2, 0)]);
    assert_eq!(counts(day(31), &[day(9)]).await, [(0, 0), (4, 0)]);
    let of_posts = summary(day(1), &[]).await.counts.into_iter().find(|count| count.key == posts()).unwrap();
    assert_eq!((of_posts.first, of_posts.last, of_posts.records()), (date(2024, 12, 31), day(5), 4));
    assert_eq!(of_posts.of_provenance.map(|(_, records)| records), [2, 2, 0]);

    // If two runs started at the same instant, the one with the smaller id counts as the newest. A run that started later is the
    // newest with any id.
    let [mut at_once, mut later] = [new_run(day(3)), new_run(day(4))];
    at_once.id = Uuid::nil();
    at_once.started_at = store.run(first).await.unwrap().unwrap().started_at;
    store.start_run(&at_once).await.unwrap();
    assert_eq!(ids(&summary(day(9), &[]).await), (Some(at_once.id), Some(first)));
    later.id = Uuid::max();
    later.started_at = at_once.started_at + 1.second();
    store.start_run(&later).await.unwrap();
    let orphaned = summary(day(9), &[]).await.last_run.unwrap();
    assert!(orphaned.run.id == later.id && orphaned.is_orphaned());
    let lock = store.try_lock(&orphaned.run.lock()).await.unwrap().unwrap();
    assert!(!summary(day(9), &[]).await.last_run.unwrap().is_orphaned());
    drop(lock);
    // The run is the same as the one that the log returns.
    assert_eq!(format!("{:?}", orphaned.run), format!("{:?}", store.run(later.id).await.unwrap().unwrap()));
}

async fn latest_values_have_dates_and_earlier_values_to_compare_with(fixture: Fixture) {
    let run = fixture.ready().await;
    let store = &fixture.store;
    let all = [mood(), posts(), key(MetricType::Aggregate, "top_genres")];
    assert!(store.latest(&all, ValuesAsked::default()).await.unwrap().is_empty());
    let mut mood = record(run, day(8), "-0.5");
    mood.key = self::mood();
    mood.metadata = exact_metadata();
    let mut records = vec![mood.clone()];
    for (date, value) in [
        (date(2024, 2, 28), "28"),
        (date(2024, 2, 29), "29"),
        (date(2024, 3, 1), "1"),
        (date(2024, 3, 2), "2"),
        (date(2024, 3, 24), "24"),
        (date(2024, 3, 31), "31.5"),
    ] {
        records.push(record(run, date, value));
    }
    store.commit(&records, None).await.unwrap();
    let latest = store.latest(&all, ValuesAsked::default()).await.unwrap();
    assert_eq!(latest.len(), 2);
    assert_eq!(latest[0].record, mood);
    assert_eq!(
        (&latest[0].day_before, &latest[0].week_before, &latest[0].month_before),
        (&None, &None, &None)
    );
    assert_eq!(
        (latest[1].record.metric_date, &latest[1].record.value),
        (date(2024, 3, 31), &decimal("31.5"))
    );
    // The day before is not recorded. A month before 31 March 2024 is 29 February.
    assert_eq!(latest[1].day_before, None);
    assert_eq!(
        (latest[1].week_before.clone(), latest[1].month_before.clone()),
        (Some(decimal("24")), Some(decimal("29")))
    );
    // The month before is that of the calendar, for days at the end and in the middle of months.
    for (newest, month_before) in [
        (date(2024, 4, 30), date(2024, 3, 30)),
        (date(2024, 5, 31), date(2024, 4, 30)),
        (date(2025, 1, 15), date(2024, 12, 15)),
    ] {
        let records = [record(run, newest, "5"), record(run, month_before, "5")];
        store.commit(&records, None).await.unwrap();
        let latest = store.latest(&[posts()], ValuesAsked::default()).await.unwrap().remove(0);
        assert_eq!((latest.record.metric_date, latest.month_before), (newest, Some(decimal("5"))));
    }
    assert!(fixture.of_tenant("other").latest(&all, ValuesAsked::default()).await.unwrap().is_empty());
}

async fn all_versions_of_a_definition_are_listed(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let mut revised = definitions().remove(1);
    revised.description = "Something else".to_owned();
    store
        .change_definitions(&[DefinitionChange::Revise(revised.clone())], Origin::File, noon())
        .await
        .unwrap();
    let versions = store.definition_versions().await.unwrap();
    let shown: Vec<_> =
        versions.iter().map(|version| (version.key.category.as_str(), version.version)).collect();
    let expected = [("engagement_rate", 1), ("mood", 1), ("mood", 2), ("posts_total", 1), ("top_genres", 1)];
    assert_eq!(shown, expected);
    assert_eq!((&versions[1].definition, &versions[2].definition), (&definitions()[1], &revised));
    assert!(fixture.of_tenant("other").definition_versions().await.unwrap().is_empty());
}

async fn pages_of_the_log_show_every_run_once(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    fixture.store.simulate_clock().await.unwrap();
    let store = &fixture.store;
    for number in 0..7 {
        // Three runs start in the same instant.
        let mut run = new_run(day(1));
        run.started_at = noon() + i64::from(number / 3).seconds();
        run.kind = if number % 2 == 0 { RunKind::Collect } else { RunKind::Backfill };
        store.start_run(&run).await.unwrap();
    }
    let all: Vec<_> = store.runs(&RunFilter::default()).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.runs(&RunFilter { limit: Some(2), after, ..RunFilter::default() }).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.started_at, last.id));
        seen.extend(page.into_iter().map(|run| run.id));
        // A run that starts between two pages is newer than the pages that follow.
        let mut newer = new_run(day(1));
        newer.started_at = noon() + 1.hour();
        store.start_run(&newer).await.unwrap();
    }
    assert_eq!(seen, all.iter().map(|run| run.id).collect::<Vec<_>>());
    let backfills = RunFilter { kind: Some(RunKind::Backfill), ..RunFilter::default() };
    assert_eq!(store.runs(&backfills).await.unwrap().len(), 3);
}
