//! Invalid queries, limits of ranges, and queries about the latest days.

use daymark::{
    config::QuerySettings,
    query::{
        ActivityQuery, Catalogue, LatestQuery, SeriesQuery, SeriesRequest, activity, definitions, latest,
        status,
    },
};
use serde_json::Value;

use crate::archive::{Archive, SETTINGS, asked, january, shown};

crate::on_both_stores!(
    every_wrong_parameter_is_named_at_once,
    intervals_accept_adverbs_such_as_daily,
    ranges_are_limited_in_points_and_to_a_year_ahead,
    activity_has_exactly_the_requested_number_of_days,
    the_latest_value_has_its_date_and_changes,
    a_store_without_runs_has_the_state_never_ran,
);

async fn every_wrong_parameter_is_named_at_once(archive: Archive) {
    let list = |name: &str| vec![name.to_owned()];
    let wrong = SeriesRequest {
        judgement: false,
        values: daymark::store::ValuesAsked::default(),
        from: Some("2025-1-5".to_owned()),
        to: Some("2025-02-30".to_owned()),
        categories: list("posts_totl"),
        types: list("counts"),
        intervals: list("dayly"),
        week_start: Some("Monday".to_owned()),
        limit: Some("0".to_owned()),
        cursor: Some("x".to_owned()),
        metadata: false,
    };
    let error = archive.ask(&wrong).await.unwrap_err().to_string();
    let expected = [
        "cursor: it is not a cursor; send `next_cursor` of the previous page unchanged",
        "to: that month has the days 01 to 28",
        "from: write a day as YYYY-MM-DD, as in 2025-01-31",
        "interval: no interval is called `dayly`; possible here: `day`, `week`, `month`, `quarter`, `year`",
        "week_start: no day of the week is called `Monday`; did you mean `monday`?",
        "category: no metric is called `posts_totl`; did you mean `posts_total`?",
        "type: no type of metric is called `counts`; did you mean `count`?",
        "limit: must be from 1 to 200 series a page, not `0`",
    ];
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
    for text in ["2025-01-05T00:00", " 2025-01-05", "2025-01-05 ", "20250105", "today", ""] {
        let asked = SeriesRequest { from: Some(text.to_owned()), ..SeriesRequest::default() };
        assert!(archive.ask(&asked).await.is_err(), "{text}");
    }
    let nothing = SeriesRequest {
        types: list(""),
        week_start: Some(String::new()),
        ..asked(&[""], &[""], january(1), january(2))
    };
    assert_eq!(
        archive.ask(&nothing).await.unwrap_err().to_string().lines().collect::<Vec<_>>(),
        [
            "interval: a name in `interval` is empty; leave it out, or name the interval",
            "week_start: a name in `week_start` is empty; leave it out, or name the day of the week",
            "category: a name in `category` is empty; leave it out, or name the metric",
            "type: a name in `type` is empty; leave it out, or name the type of metric",
        ]
    );
    let empty = archive.ask(&asked(&[], &[], january(5), january(4))).await.unwrap_err().to_string();
    assert_eq!(empty, "from: the range is empty: 2025-01-05 is after 2025-01-04");
    let both =
        SeriesRequest { types: list("average"), ..asked(&["posts_total"], &[], january(1), january(2)) };
    assert_eq!(
        archive.ask(&both).await.unwrap_err().to_string(),
        "type: no metric has both this category and this type"
    );
    // Without any definition the error says so, whether a metric is named or not.
    let nothing_defined = Catalogue::new(Vec::new(), &[]);
    for categories in [vec![], list("posts_total")] {
        let ask = |types: &[String]| LatestQuery::parse(&categories, types, &nothing_defined).unwrap_err();
        assert_eq!(ask(&[]).to_string(), "no metric is defined in the store; run `daymark apply`");
        let expected = "type: no type of metric is called `counts`; did you mean `count`?";
        assert_eq!(ask(&list("counts")).to_string(), expected);
    }
}

async fn ranges_are_limited_in_points_and_to_a_year_ahead(archive: Archive) {
    let from = |text: &str| SeriesRequest {
        from: Some(text.to_owned()),
        to: Some("2025-01-10".to_owned()),
        ..SeriesRequest::default()
    };
    assert_eq!(archive.ask(&from("2024-01-12")).await.unwrap().series[0].points.len(), 365);
    let error = archive.ask(&from("2024-01-11")).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "interval: 2024-01-11 to 2025-01-10 by day is more than 365 points, the limit (`query.max_points`); request the interval week, or fewer days"
    );
    // A request without `from` gets a range that fits, also where few points are allowed.
    let catalogue = archive.catalogue().await;
    let few = QuerySettings { max_points: 10, ..SETTINGS };
    let query = SeriesQuery::parse(&SeriesRequest::default(), &catalogue, &few, january(10)).unwrap();
    assert_eq!((query.from, query.to), (january(1), january(10)));
    let by_month = SeriesRequest { intervals: vec!["month".to_owned()], ..from("1900-01-01") };
    let error = archive.ask(&by_month).await.unwrap_err().to_string();
    assert!(
        error.contains("by month is more than 365 points") && error.contains("the interval year"),
        "{error}"
    );
    let far = SeriesRequest {
        to: Some("9999-12-31".to_owned()),
        from: Some("9999-12-01".to_owned()),
        ..SeriesRequest::default()
    };
    assert!(archive.ask(&far).await.unwrap_err().to_string().contains("more than a year ahead"));
}

async fn activity_has_exactly_the_requested_number_of_days(archive: Archive) {
    archive.record(&[(january(9), "posts_created", "4", Value::Null)]).await;
    let catalogue = archive.catalogue().await;
    let ask = |days: &str| {
        let categories = ["posts_created".to_owned()];
        ActivityQuery::parse(Some(days), &categories, &[], &catalogue, &SETTINGS)
    };
    for days in [1, 3, 30, 365] {
        let query = ask(&days.to_string()).unwrap();
        let answer = activity(&archive.context, &catalogue, &SETTINGS, &query).await.unwrap();
        assert_eq!((answer.series[0].points.len(), answer.to), (days, january(10)));
    }
    let many = QuerySettings { max_points: 20_000, ..SETTINGS };
    let error = ActivityQuery::parse(Some("20000"), &[], &[], &catalogue, &many).unwrap_err().to_string();
    assert_eq!(
        error,
        "days: 20000 days of 10 metrics are more than 100000 points, the limit of an answer; request \
         at most 10000 days, or fewer metrics"
    );
    let answer = activity(&archive.context, &catalogue, &SETTINGS, &ask("3").unwrap()).await.unwrap();
    assert_eq!(shown(&answer.series[0]), ["2025-01-08 - 0/1", "2025-01-09 4 1/1!", "2025-01-10 - 0/1"]);
    for wrong in ["0", "-1", "+3", "3.0", "x"] {
        let error = ask(wrong).unwrap_err().to_string();
        assert_eq!(error, format!("days: must be from 1 to 365 days (`query.max_points`), not `{wrong}`"));
    }
    for (many, fitting) in [("366", "week"), ("2500", "week"), ("5000", "month"), ("100000", "year")] {
        let error = ask(many).unwrap_err().to_string();
        let expected =
            format!("not `{many}`; for more days, request a series of a date range by `{fitting}`");
        assert!(
            error.starts_with("days: must be from 1 to 365 days") && error.ends_with(&expected),
            "{error}"
        );
    }
    assert!(ask("1000000").unwrap_err().to_string().ends_with("not `1000000`"));
}

async fn the_latest_value_has_its_date_and_changes(archive: Archive) {
    archive
        .record(&[
            (january(2), "posts_total", "50", Value::Null),
            (january(9), "posts_total", "40", Value::Null),
        ])
        .await;
    let catalogue = archive.catalogue().await;
    let names = ["posts_total".to_owned(), "mood".to_owned()];
    let query = LatestQuery::parse(&names, &[], &catalogue).unwrap();
    let answer = latest(&archive.context, &catalogue, &query).await.unwrap();
    let [mood, posts] = &answer.metrics[..] else { panic!("{answer:?}") };
    assert_eq!((&mood.value, mood.metric_date), (&None, None));
    assert_eq!(posts.metric_date, Some(january(9)));
    let week = posts.change_from_week_before.as_ref().unwrap();
    assert_eq!(
        (week.absolute.to_string(), week.percent.as_ref().unwrap().to_string()),
        ("-10".to_owned(), "-20".to_owned())
    );
    assert!(posts.change_from_day_before.is_none() && posts.change_from_month_before.is_none());
}

async fn a_store_without_runs_has_the_state_never_ran(archive: Archive) {
    let catalogue = archive.catalogue().await;
    let answer = status(&archive.context, &catalogue).await.unwrap();
    assert_eq!((answer.state, answer.last_run, answer.recorded), ("never_ran", None, None));
    let known = definitions(&catalogue);
    let roll_ups: Vec<_> = known
        .definitions
        .iter()
        .map(|entry| format!("{} {}", entry.metric_category, serde_json::to_value(entry.roll_up).unwrap()))
        .collect();
    assert_eq!(
        roll_ups,
        [
            "authors \"never\"",
            "churned \"never\"",
            "genres \"merge\"",
            "genres_total \"last\"",
            "mood \"average\"",
            "posts_created \"sum\"",
            "posts_total \"last\"",
            "rate \"percentage\"",
            "retained \"percentage\"",
            "right_now \"last\"",
        ]
    );
}

async fn intervals_accept_adverbs_such_as_daily(archive: Archive) {
    let named = async |interval: &str| {
        let asked = asked(&["posts_total"], &[interval], january(1), january(10));
        archive.ask(&asked).await.unwrap().series[0].interval.name()
    };
    for (other, name) in [
        ("daily", "day"),
        ("weekly", "week"),
        ("monthly", "month"),
        ("quarterly", "quarter"),
        ("yearly", "year"),
    ] {
        assert_eq!(named(other).await, name);
    }
}
