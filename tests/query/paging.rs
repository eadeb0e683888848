//! Pages of series and of runs.

use daymark::{
    query::{RunsQuery, RunsRequest, SeriesRequest, runs},
    store::{RunKind, RunStatus},
};
use jiff::{SignedDuration, civil::date};
use serde_json::{Value, json};

use crate::archive::{Archive, asked, instant, january};

crate::on_both_stores!(
    paging_returns_every_series_once_while_days_are_recorded,
    a_page_of_long_ranges_has_few_metrics,
    a_cursor_is_refused_for_another_query,
    paging_returns_every_run_once_while_runs_are_recorded,
    a_cursor_of_runs_is_refused_for_another_query,
);

async fn paging_returns_every_series_once_while_days_are_recorded(archive: Archive) {
    let intervals = ["day", "week", "month"];
    let whole = archive.ask(&asked(&[], &intervals, january(1), january(10))).await.unwrap();
    assert_eq!((whole.series.len(), whole.next_cursor.as_deref()), (10 * 3, None));
    // The request does not name the last day. All pages have the last day of the first page.
    let mut page = SeriesRequest {
        to: None,
        limit: Some("5".to_owned()),
        ..asked(&[], &intervals, january(1), january(10))
    };
    let mut archive = archive;
    let (mut seen, mut day) = (Vec::new(), 1);
    loop {
        let answer = archive.ask(&page).await.unwrap();
        assert_eq!(answer.to, january(10));
        assert!(answer.series.len() <= 5);
        seen.extend(answer.series.into_iter().map(|series| (series.metric_category, series.interval)));
        archive
            .record(&[
                (january(day), "authors", "1", Value::Null),
                (january(day), "right_now", "1", Value::Null),
            ])
            .await;
        archive = archive.in_zone("UTC", "2025-01-13T12:00:00Z");
        day += 1;
        match answer.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    let all: Vec<_> =
        whole.series.into_iter().map(|series| (series.metric_category, series.interval)).collect();
    assert_eq!(seen, all);
    page.to = Some("2025-01-09".to_owned());
    let error = archive.ask(&page).await.unwrap_err().to_string();
    assert_eq!(error, "cursor: it belongs to a query with another `to`");
}

async fn a_cursor_is_refused_for_another_query(archive: Archive) {
    let names = ["mood", "posts_total", "rate"];
    let first = SeriesRequest {
        types: vec!["count".to_owned(), "average".to_owned(), "percentage".to_owned()],
        limit: Some("1".to_owned()),
        ..asked(&names, &["week", "day"], january(1), january(10))
    };
    let next = SeriesRequest { cursor: archive.ask(&first).await.unwrap().next_cursor, ..first };
    // The order of names and the limit do not make it another query.
    let mut same = SeriesRequest { limit: None, ..next.clone() };
    for list in [&mut same.categories, &mut same.types, &mut same.intervals] {
        list.reverse();
    }
    assert_eq!(archive.ask(&same).await.unwrap().series.len(), 3 * 2 - 1);
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for other in [
        SeriesRequest { categories: owned(&["mood", "posts_total"]), ..next.clone() },
        SeriesRequest { categories: Vec::new(), ..next.clone() },
        SeriesRequest { types: owned(&["count"]), ..next.clone() },
        SeriesRequest { intervals: owned(&["day"]), ..next.clone() },
        SeriesRequest { week_start: Some("sunday".to_owned()), ..next.clone() },
        SeriesRequest { metadata: true, ..next.clone() },
    ] {
        let error = archive.ask(&other).await.unwrap_err().to_string();
        assert!(error.starts_with("cursor: it belongs to another query"), "{error} {other:?}");
    }
}

async fn a_page_of_long_ranges_has_few_metrics(archive: Archive) {
    archive.record(&[(date(2000, 2, 29), "mood", "1", json!({"sample_size": 1}))]).await;
    let mut page = asked(&[], &["quarter", "year"], date(1960, 1, 1), january(10));
    let mut seen = Vec::new();
    loop {
        let answer = archive.ask(&page).await.unwrap();
        // 65 years are 23,752 days, so at most four metrics stay within 100,000 days of metrics.
        assert!(answer.series.len() <= 4 * 2, "{}", answer.series.len());
        seen.extend(answer.series);
        match answer.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!(seen.len(), 10 * 2);
    let mood = seen.iter().find(|series| series.metric_category == "mood").unwrap();
    let gaps: Vec<_> = mood.gaps.iter().map(|gap| (gap.from, gap.to, gap.days, gap.cause)).collect();
    assert_eq!(
        gaps,
        [
            (date(1960, 1, 1), date(2000, 2, 28), 14_669, "defined_later"),
            (date(2000, 3, 1), date(2024, 11, 30), 9_041, "defined_later"),
            (date(2024, 12, 1), january(10), 41, "never_collected"),
        ]
    );
    // One metric is always answered, however many days it has.
    let one = asked(&["mood"], &["year"], date(1900, 1, 1), january(10));
    assert_eq!(archive.ask(&one).await.unwrap().series[0].points.len(), 126);
}

async fn paging_returns_every_run_once_while_runs_are_recorded(archive: Archive) {
    let start = async |minute: i64, day: i8| {
        let at = instant("2025-01-11T11:00:00Z") + SignedDuration::from_mins(minute);
        archive.start_run_at(at, RunKind::Collect, january(day), january(day)).await
    };
    // Several runs begin in the same minute, and pages end among them.
    for (minute, day) in [(0, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 6), (3, 7)] {
        start(minute, day).await;
    }
    let page = async |asked: &RunsRequest| {
        let answer = runs(&archive.context, &RunsQuery::parse(asked).unwrap()).await.unwrap();
        (answer.runs.iter().map(|run| run.id).collect::<Vec<_>>(), answer.next_cursor)
    };
    let (all, nothing_more) = page(&RunsRequest::default()).await;
    assert_eq!((all.len(), nothing_more), (7, None));
    let mut asked = RunsRequest { limit: Some("2".to_owned()), ..RunsRequest::default() };
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let (ids, next) = page(&asked).await;
        assert!(ids.len() <= 2, "{ids:?}");
        seen.extend(ids);
        pages += 1;
        // Another run begins, and one that was seen ends.
        start(3 + pages, 8).await;
        archive.finish_run(seen[0], RunStatus::Completed, Value::Null).await;
        match next {
            Some(cursor) => asked.cursor = Some(cursor),
            None => break,
        }
    }
    assert_eq!((seen, pages), (all, 4));
}

async fn a_cursor_of_runs_is_refused_for_another_query(archive: Archive) {
    for day in 1..=3 {
        archive.start_run(RunKind::Collect, january(day), january(day)).await;
    }
    let first = RunsRequest { limit: Some("2".to_owned()), ..RunsRequest::default() };
    let answer = runs(&archive.context, &RunsQuery::parse(&first).unwrap()).await.unwrap();
    let asked = RunsRequest { cursor: Some(answer.next_cursor.unwrap()), ..first };
    let (from, to) = (Some("2025-01-01".to_owned()), Some("2025-01-05".to_owned()));
    for other in [
        RunsRequest { status: Some("running".to_owned()), ..asked.clone() },
        RunsRequest { kind: Some("collect".to_owned()), ..asked.clone() },
        RunsRequest { from, to, ..asked.clone() },
    ] {
        let error = RunsQuery::parse(&other).unwrap_err().to_string();
        assert!(error.starts_with("cursor: it belongs to another query"), "{error} {other:?}");
    }
    let wrong = RunsRequest {
        status: Some("complete".to_owned()),
        from: Some("2025-01-01".to_owned()),
        ..RunsRequest::default()
    };
    let error = RunsQuery::parse(&wrong).unwrap_err().to_string();
    assert!(
        error.contains("give both `from` and `to`") && error.contains("did you mean `completed`?"),
        "{error}"
    );
}
