//! Metrics that are computed from others when they are read: moving sums and means, and formulas.

use daymark::{
    metric::{
        CalendarPeriod, Decimal, Derivation, DerivedMetric, MetricKey, MetricType, MovingFunction,
        Provenance, Window,
    },
    query::{Export, ExportFormat, LatestQuery, Series, SeriesQuery, definitions, latest},
};
use jiff::{
    ToSpan,
    civil::{Date, Weekday, date},
};
use serde_json::{Value, json};

use crate::archive::{Archive, SETTINGS, asked, january, shown};

crate::on_both_stores!(
    a_formula_is_computed_from_the_values_of_each_day,
    a_formula_over_formulas_is_rounded_once,
    a_formula_of_a_week_is_computed_from_the_weeks_of_its_inputs,
    a_day_without_an_input_is_a_gap_with_the_cause_of_the_input,
    a_moving_value_needs_every_day_of_its_window,
    moving_values_are_those_of_a_naive_sum,
    what_cannot_be_computed_is_refused_with_the_reason,
    a_derived_metric_is_in_every_answer_that_lists_metrics,
    the_seams_of_inputs_are_those_of_a_derived_series,
);

fn derived(category: &str, derivation: Derivation) -> DerivedMetric {
    DerivedMetric {
        key: MetricKey { metric_type: MetricType::Aggregate, category: category.to_owned() },
        display_name: category.to_uppercase(),
        description: String::new(),
        unit: "posts".to_owned(),
        format_pattern: "0,0.00".to_owned(),
        time_zone: "UTC".to_owned(),
        derivation,
        is_optional: false,
    }
}

fn formula(category: &str, text: &str) -> DerivedMetric {
    derived(category, Derivation::Formula(text.parse().unwrap()))
}

fn moving(category: &str, of: &str, window: Window, function: MovingFunction) -> DerivedMetric {
    derived(category, Derivation::Moving { of: of.to_owned(), window, function })
}

/// Records `posts_created` and `posts_total` on these days of January.
async fn posts(archive: &Archive, days: &[(i8, &str, &str)]) {
    for (day, created, total) in days {
        archive
            .record(&[
                (january(*day), "posts_created", created, Value::Null),
                (january(*day), "posts_total", total, Value::Null),
            ])
            .await;
    }
}

async fn a_formula_is_computed_from_the_values_of_each_day(archive: Archive) {
    let archive = archive.deriving(vec![formula("share", "posts_created / posts_total * 100")]);
    posts(&archive, &[(1, "1", "3"), (2, "0.10", "5"), (3, "4", "0"), (4, "0", "7")]).await;
    let series = archive.one("share", "day", january(1), january(5)).await;
    assert_eq!(
        shown(&series),
        [
            "2025-01-01 33.333333333333 1/1!",
            "2025-01-02 2 1/1!",
            "2025-01-03 - 1/1!",
            "2025-01-04 0 1/1!",
            "2025-01-05 - 0/1"
        ]
    );
    assert!(series.points[2].no_data, "a division by zero has no value, and is no gap");
    assert_eq!(
        (series.display_name.as_str(), series.unit.as_str(), series.roll_up.name()),
        ("SHARE", "posts", "formula")
    );
    let inputs = series.points[0].metadata.as_ref().unwrap().object();
    assert_eq!(inputs["inputs"], json!({"posts_created": 1, "posts_total": 3}));
}

async fn a_formula_over_formulas_is_rounded_once(archive: Archive) {
    let archive = archive.deriving(vec![
        formula("hours", "posts_created / 3600"),
        formula("hours_each", "hours / posts_total"),
        formula("hours_7_shares", "hours_each * posts_total * 3600"),
        moving("hours_2", "hours", Window::Days(2), MovingFunction::Average),
        formula("hours_2_whole", "hours_2 * 7200"),
        formula("third", "posts_total / 3"),
        moving("third_2", "third", Window::Days(2), MovingFunction::Average),
        formula("third_2_whole", "third_2 * 3"),
    ]);
    posts(&archive, &[(6, "37351.5", "26"), (7, "1", "1")]).await;
    let of = async |name: &str, interval: &str, day: i8| {
        let series = archive.one(name, interval, january(day), january(day)).await;
        series.points[0].value.as_ref().unwrap().to_string()
    };
    // With hours that were rounded to 10.375416666667, it would end with 180.
    assert_eq!(of("hours_each", "day", 6).await, "0.399054487179");
    assert_eq!(of("hours_each", "month", 6).await, "0.399054487179");
    assert_eq!(of("hours_7_shares", "day", 6).await, "37351.5");
    assert_eq!(of("hours_2_whole", "day", 7).await, "37352.5");
    assert_eq!(of("third_2_whole", "day", 7).await, "13.5");
    assert_eq!(
        of("third_2_whole", "week", 7).await,
        "13.5",
        "the last value of a week is not rounded either"
    );
}

async fn a_formula_of_a_week_is_computed_from_the_weeks_of_its_inputs(archive: Archive) {
    let archive = archive
        .deriving(vec![formula("share", "posts_created / posts_total"), formula("double", "share * 2")]);
    posts(&archive, &[(6, "1", "10"), (7, "2", "20"), (8, "3", "30")]).await;
    // The week's sum over its last value: 6 / 30, not the mean of the days.
    for (category, value) in [("share", "0.2"), ("double", "0.4")] {
        let week = archive.one(category, "week", january(6), january(10)).await;
        assert_eq!(shown(&week), [format!("2025-01-06 {value} 3/5")], "{category}");
    }
    archive.record(&[(january(9), "posts_created", "5", Value::Null)]).await;
    let week = archive.one("share", "week", january(6), january(10)).await;
    assert_eq!(week.points[0].value, None);
    assert_eq!(week.points[0].refused.as_deref(), Some("its inputs are not recorded on the same days"));
    assert_eq!(week.points[0].days_recorded, 3);
}

async fn a_day_without_an_input_is_a_gap_with_the_cause_of_the_input(archive: Archive) {
    let archive = archive.deriving(vec![
        formula("share", "posts_created / posts_total"),
        moving("smooth", "posts_created", Window::Days(2), MovingFunction::Average),
    ]);
    posts(&archive, &[(1, "1", "1"), (2, "2", "2"), (5, "5", "5")]).await;
    archive.record(&[(january(3), "posts_created", "3", Value::Null)]).await;
    let gaps = |series: &Series| -> Vec<_> {
        let gap = |gap: &daymark::query::SeriesGap| {
            let fill = gap.fill.as_ref().map(|fill| fill.metric_category.clone());
            (
                gap.from.day(),
                gap.to.day(),
                gap.days,
                gap.explanation.split(':').next().unwrap().to_owned(),
                fill,
            )
        };
        series.gaps.iter().map(gap).collect()
    };
    let input = |name: &str| (format!("its input `{name}`"), Some(name.to_owned()));
    let (created, total) = (input("posts_created"), input("posts_total"));
    let share = archive.one("share", "day", january(1), january(5)).await;
    // The input that is named first lacks the fourth, the other one the third.
    assert_eq!(
        gaps(&share),
        [(3, 3, 1, total.0.clone(), total.1.clone()), (4, 4, 1, created.0.clone(), created.1.clone())]
    );
    assert_eq!(share.recorded.iter().map(|run| run.days).collect::<Vec<_>>(), [2, 1]);
    let smooth = archive.one("smooth", "day", january(2), january(5)).await;
    assert_eq!(gaps(&smooth), [(4, 5, 2, created.0, created.1)]);
    assert_eq!(smooth.recorded[0].days, 2);
}

async fn a_moving_value_needs_every_day_of_its_window(archive: Archive) {
    let archive = archive.deriving(vec![
        moving("sum", "posts_created", Window::Days(3), MovingFunction::Sum),
        moving("mean", "posts_total", Window::Days(3), MovingFunction::Average),
        moving("mood_3", "mood", Window::Days(3), MovingFunction::Average),
    ]);
    for day in [1, 2, 3, 4, 6, 7, 8, 9, 10] {
        let number = day.to_string();
        posts(&archive, &[(day, &number, &number)]).await;
        // A mean of no rows on the second.
        let (mood, size) = if day == 2 { ("0", 0) } else { ("4", 1) };
        archive.record(&[(january(day), "mood", mood, json!({"sample_size": size}))]).await;
    }
    let of = async |category: &str, interval: &str| {
        shown(&archive.one(category, interval, january(1), january(10)).await)
    };
    assert_eq!(
        of("sum", "day").await,
        [
            "2025-01-01 - 0/1",
            "2025-01-02 - 0/1",
            "2025-01-03 6 1/1!",
            "2025-01-04 9 1/1!",
            "2025-01-05 - 0/1",
            "2025-01-06 - 0/1",
            "2025-01-07 - 0/1",
            "2025-01-08 21 1/1!",
            "2025-01-09 24 1/1!",
            "2025-01-10 27 1/1!"
        ]
    );
    assert_eq!(of("mean", "week").await, ["2025-01-01 3 2/5", "2025-01-06 9 3/5"], "the last value");
    assert_eq!(of("mood_3", "day").await[2], "2025-01-03 4 1/1!", "a day of no rows is no day");
}

async fn moving_values_are_those_of_a_naive_sum(archive: Archive) {
    let archive = archive.in_zone("Pacific/Apia", "2012-03-01T00:00:00Z");
    let first = date(2011, 12, 1);
    // Some days lack a record; 2011-12-30 never happened there.
    let value =
        |index: i64| (![35, 36].contains(&index)).then(|| format!("{}.{}", index * 104_729 % 97, index % 10));
    for index in 0..60 {
        let day = first.saturating_add(index.days());
        if let Some(value) = value(index).filter(|_| day != date(2011, 12, 30)) {
            archive.record(&[(day, "posts_created", &value, Value::Null)]).await;
        }
    }
    let to_date = [CalendarPeriod::Week, CalendarPeriod::WeekFromSaturday, CalendarPeriod::Month];
    for window in [2, 3, 7, 30].map(Window::Days).into_iter().chain(to_date.map(Window::ToDate)) {
        let metrics = [("sum", MovingFunction::Sum), ("mean", MovingFunction::Average)];
        let derived = metrics.map(|(name, function)| moving(name, "posts_created", window, function));
        let catalogue = archive.catalogue().await.with_derived(&derived.to_vec().into());
        let question = asked(&["sum", "mean"], &["day"], first, date(2012, 1, 29));
        let question = daymark::query::SeriesQuery::parse(
            &question,
            &catalogue,
            &SETTINGS,
            archive.context.last_finished(),
        );
        let answer = daymark::query::series(&archive.context, &catalogue, &question.unwrap()).await.unwrap();
        for index in 0..60_i64 {
            let day = first.saturating_add(index.days());
            let first_of = |day: Date| match window {
                Window::Days(days) => day.saturating_sub((i64::from(days) - 1).days()),
                Window::ToDate(CalendarPeriod::Month) => date(day.year(), day.month(), 1),
                Window::ToDate(week) => {
                    let start =
                        if week == CalendarPeriod::Week { Weekday::Monday } else { Weekday::Saturday };
                    (0..7)
                        .map(|back| day.saturating_sub(back.days()))
                        .find(|day| day.weekday() == start)
                        .unwrap()
                }
            };
            let inside = (index - i64::from(first_of(day).until(day).unwrap().get_days())..=index)
                .filter(|index| first.saturating_add(index.days()) != date(2011, 12, 30));
            let values: Option<Vec<Decimal>> = inside
                .map(|index| value(index).filter(|_| index >= 0).map(|value| value.parse().unwrap()))
                .collect();
            let sum =
                values.as_ref().map(|values| values.iter().fold(Decimal::zero(), |sum, value| &sum + value));
            let count = values.map_or(0, |values| i64::try_from(values.len()).unwrap());
            let mean = sum.as_ref().and_then(|sum| sum.checked_div(&count.into()));
            for (series, expected) in answer.series.iter().zip([&mean, &sum]) {
                let point = series.points.iter().find(|point| point.from == day);
                let seen = point.and_then(|point| point.value.clone());
                let expected = expected.clone().filter(|_| day != date(2011, 12, 30));
                assert_eq!(seen, expected, "{} of {} on {day}", series.metric_category, window.described());
            }
        }
    }
}

async fn what_cannot_be_computed_is_refused_with_the_reason(archive: Archive) {
    let archive = archive.deriving(vec![
        moving("sum_of_stock", "posts_total", Window::Days(7), MovingFunction::Sum),
        formula("of_unknown", "posts_created + visits"),
        formula("per_author", "posts_created / authors"),
    ]);
    posts(&archive, &[(6, "1", "10")]).await;
    archive.record(&[(january(6), "authors", "1", Value::Null)]).await;
    let refused = async |category: &str, interval: &str| {
        let series = archive.one(category, interval, january(6), january(7)).await;
        let of_point = series.points[0].refused.clone();
        assert_eq!(series.points[0].value, None);
        series.refused.or(of_point).unwrap()
    };
    assert!(refused("sum_of_stock", "day").await.contains("stocks, whose last value counts"));
    assert!(refused("of_unknown", "day").await.contains("`visits`, and no metric has that name"));
    let by_week = refused("per_author", "week").await;
    assert!(by_week.starts_with("its input `authors`: distinct counts do not add up"), "{by_week}");
    let by_day = archive.one("per_author", "day", january(6), january(6)).await;
    assert_eq!(shown(&by_day), ["2025-01-06 1 1/1!"]);
}

async fn a_derived_metric_is_in_every_answer_that_lists_metrics(archive: Archive) {
    let archive = archive.deriving(vec![
        formula("per_post", "posts_created / posts_total"),
        // A metric of the store keeps its name.
        formula("mood", "posts_created + 1"),
    ]);
    posts(&archive, &[(8, "1", "4"), (9, "2", "4"), (10, "3", "4")]).await;
    let catalogue = archive.catalogue().await;
    let listed = definitions(&catalogue).definitions;
    let entry = listed.iter().find(|entry| entry.metric_category == "per_post").unwrap();
    assert_eq!((entry.version, entry.created_at, entry.is_active), (0, None, true));
    assert_eq!(entry.derived_from, ["posts_created", "posts_total"]);
    assert_eq!(listed.iter().filter(|entry| entry.metric_category == "mood").count(), 1);
    let all = LatestQuery::parse(&[], &[], &catalogue).unwrap();
    let newest = latest(&archive.context, &catalogue, &all).await.unwrap();
    let value = newest.metrics.iter().find(|value| value.metric_category == "per_post").unwrap();
    assert_eq!(value.metric_date, Some(january(10)));
    assert_eq!(value.value.as_ref().unwrap().to_string(), "0.75");
    assert_eq!(value.change_from_day_before.as_ref().unwrap().absolute.to_string(), "0.25");
    let every = archive.ask(&asked(&[], &["day"], january(8), january(10))).await.unwrap();
    assert!(every.series.iter().any(|series| series.metric_category == "per_post"));
    let question = asked(&["per_post"], &["day", "week"], january(8), january(10));
    let query = SeriesQuery::parse_export(&question, &archive.context, &catalogue, &SETTINGS).await.unwrap();
    let (context, catalogue) = (archive.context.clone(), std::sync::Arc::new(catalogue));
    let mut export = Export::series(context, catalogue, query, ExportFormat::Csv).await.unwrap();
    let mut csv = Vec::new();
    while let Some(bytes) = export.next().await.unwrap() {
        csv.extend_from_slice(&bytes);
    }
    let csv = String::from_utf8(csv).unwrap();
    assert!(csv.contains("2025-01-09,2025-01-09,day,aggregate,per_post,0.5,recorded"), "{csv}");
    assert!(csv.contains("2025-01-08,2025-01-10,week,aggregate,per_post,1.5,recorded"), "{csv}");
}

async fn the_seams_of_inputs_are_those_of_a_derived_series(archive: Archive) {
    let archive = archive.deriving(vec![formula("twice", "posts_created * 2")]);
    let mut changed = crate::archive::definition(
        "posts_created",
        "count",
        json!({"measure": "created", "source": "posts"}),
    );
    changed.unit = "notes".to_owned();
    let change = daymark::store::DefinitionChange::Revise(changed);
    let now = crate::archive::instant("2025-01-03T00:00:00Z");
    let store = &archive.context.tenant.store;
    store.change_definitions(&[change], daymark::store::Origin::File, now).await.unwrap();
    archive.record_as(1, Provenance::Reconstructed, &[(january(1), "posts_created", "1", Value::Null)]).await;
    archive.record_as(2, Provenance::Observed, &[(january(2), "posts_created", "2", Value::Null)]).await;
    let series = archive.one("twice", "day", january(1), january(2)).await;
    let seams: Vec<_> =
        series.version_changes.iter().map(|change| (change.date.day(), change.to_version)).collect();
    assert_eq!(seams, [(2, 2)]);
    let runs: Vec<_> = series.recorded.iter().map(|run| (run.provenance, run.definition_version)).collect();
    assert_eq!(runs, [("reconstructed", 0), ("observed", 0)]);
}
