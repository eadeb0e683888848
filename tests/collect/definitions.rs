//! Definitions of the configuration in the store: `apply`, versions and the time zone.

use daymark::{
    collect::{CancellationToken, CollectError, EarlierMeaning, backfill, collect_day, gaps, status},
    config::Severity,
    definitions::{CheckScope, ZoneChange, apply, check, define, resolve, switch_off},
    metric::Definition,
    store::Origin,
};
use serde_json::json;

use crate::{
    on,
    world::{Heard, SOURCES, World, definition, definitions, january, message, range},
};

on! { [sqlite, postgres]
    a_dry_run_shows_the_change_and_makes_none,
    a_record_names_the_version_of_its_definition,
    a_deactivated_metric_keeps_its_records,
    a_wrong_definition_is_refused,
    nothing_is_recorded_while_the_time_zone_is_not_applied,
    a_change_of_the_time_zone_makes_new_versions,
    days_recorded_with_an_earlier_definition_are_reported,
    apply_moves_metrics_of_the_api_to_the_new_time_zone,
    check_includes_metrics_of_the_api,
    a_time_format_is_kept_while_it_can_read_the_values,
}

async fn a_dry_run_shows_the_change_and_makes_none(world: World) {
    let mut wanted = definitions(world.time_format());
    wanted[0].unit = "posts".to_owned();
    let shown = apply(&world.context, &wanted, true).await.unwrap();
    assert_eq!((shown.changes.len(), shown.unchanged), (1, 3));
    assert_eq!(shown.changes[0].fields[0].field, "unit");
    assert_eq!(apply(&world.context, &wanted, false).await.unwrap(), shown);
    let again = apply(&world.context, &wanted, false).await.unwrap();
    assert_eq!((again.changes.len(), again.unchanged), (0, 4));
}

async fn a_record_names_the_version_of_its_definition(world: World) {
    let collect = async |day| {
        collect_day(&world.context, Some(january(day)), &[], &CancellationToken::new()).await.unwrap()
    };
    collect(8).await;
    let mut wanted = definitions(world.time_format());
    wanted[1].sources.get_mut("posts").unwrap().time_zone = "Europe/Berlin".to_owned();
    world.apply(&wanted).await;
    collect(9).await;
    let versions: Vec<_> = world
        .records()
        .await
        .into_iter()
        .filter(|record| record.key.category == "posts_created")
        .map(|record| (record.metric_date, record.definition_version))
        .collect();
    assert_eq!(versions, [(january(8), 1), (january(9), 2)]);
}

async fn a_deactivated_metric_keeps_its_records(world: World) {
    let collect = async |day| {
        collect_day(&world.context, Some(january(day)), &[], &CancellationToken::new()).await.unwrap()
    };
    collect(8).await;
    world.apply(&definitions(world.time_format())[1..]).await;
    assert_eq!(collect(9).await.recorded.len(), 3);
    assert_eq!(world.values("posts_total").await, [(january(8), "36".to_owned())]);
    world.apply(&definitions(world.time_format())).await;
    assert_eq!(collect(9).await.recorded.len(), 1);
}

/// A column without values gets the time format that reads most texts. Later rows make a new version of the definition only if
/// that format cannot read them.
async fn a_time_format_is_kept_while_it_can_read_the_values(world: World) {
    if world.is_postgres_platform() {
        return;
    }
    world.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, created_at)").await;
    let config = world.config(
        "preset = \"none\"\n[sources.notes]\ntable = \"notes\"\ntime_column = \"created_at\"\n\
         [metrics.notes_created]\nmeasure = \"created\"\nsource = \"notes\"\n\
         [metrics.notes_total]\nmeasure = \"existing\"\nsource = \"notes\"\n",
    );
    let changes = async || {
        let resolved = resolve(&world.context, &config).await.unwrap();
        apply(&world.context, &resolved.definitions, false).await.unwrap().changes.len()
    };
    assert!(changes().await >= 2);
    world.execute("INSERT INTO notes (created_at) VALUES ('2025-01-05 10:00:00')").await;
    assert_eq!(changes().await, 0);
    world.execute("UPDATE notes SET created_at = 1736070000").await;
    assert_eq!(changes().await, 2);
    world.execute("UPDATE notes SET created_at = '2025-01-05T10:00:00Z'").await;
    assert_eq!(changes().await, 2);
}

async fn a_wrong_definition_is_refused(world: World) {
    let store = world.context.tenant.store.as_ref();
    let mut twice = definitions(world.time_format());
    twice.push(twice[0].clone());
    let refused = apply(&world.context, &twice, false).await.unwrap_err();
    assert!(matches!(refused, CollectError::DuplicateDefinition(name) if name == "posts_total"));
    let window = json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 0});
    let wrong = definition(world.time_format(), "no_window", window);
    assert_eq!(
        message(apply(&world.context, &[wrong], false).await.unwrap_err()),
        "metric `no_window`: `window_days` must be from 1 to 366, not 0"
    );
    assert_eq!(store.definitions().await.unwrap().len(), 4);
}

async fn nothing_is_recorded_while_the_time_zone_is_not_applied(mut world: World) {
    world.in_zone("Europe/Berlin");
    let never = CancellationToken::new();
    let refused = collect_day(&world.context, None, &[], &never).await.unwrap_err();
    let refusal = "the store's definitions record days of the time zone UTC, and `time_zone` is Europe/Berlin: run \
                   `daymark apply` to continue with days of Europe/Berlin, or set `time_zone = \"UTC\"` again";
    assert_eq!(message(refused), refusal);
    for dry_run in [false, true] {
        let request = daymark::collect::BackfillRequest { dry_run, ..range(8, 10) };
        let refused = backfill(&world.context, &request, &Heard::default(), &never).await.unwrap_err();
        assert_eq!(message(refused), refusal);
    }
    assert!(world.runs().await.is_empty() && world.records().await.is_empty());
    assert_eq!(gaps(&world.context, None, None).await.unwrap().missing, 40);
    assert_eq!(status(&world.context).await.unwrap().active_metrics, 4);
    let findings = check(&world.context, &[], CheckScope::ALL).await.findings;
    // Warnings are left out: `check` warns of the clock, which stands still in the past, and of a superuser's role.
    let found = findings.iter().filter(|finding| finding.is_error());
    let found: Vec<_> = found.map(|finding| (finding.severity, &*finding.message)).collect();
    assert_eq!(found, [(Severity::Error, refusal)]);

    world.in_zone("utc");
    assert_eq!(collect_day(&world.context, None, &[], &never).await.unwrap().recorded.len(), 4);
}

async fn a_change_of_the_time_zone_makes_new_versions(mut world: World) {
    let never = CancellationToken::new();
    collect_day(&world.context, Some(january(9)), &[], &never).await.unwrap();
    world.in_zone("Europe/Berlin");
    let in_berlin = |definition| Definition { time_zone: "Europe/Berlin".to_owned(), ..definition };
    let wanted: Vec<_> = definitions(world.time_format()).into_iter().map(in_berlin).collect();
    let report = apply(&world.context, &wanted, false).await.unwrap();
    let change = ZoneChange { old: "UTC".to_owned(), new: "Europe/Berlin".to_owned() };
    assert_eq!((report.changes.len(), report.zone_change), (4, Some(change)));
    for change in &report.changes {
        let fields: Vec<_> =
            change.fields.iter().map(|field| (&*field.field, &field.old, &field.new)).collect();
        assert_eq!(fields, [("time_zone", &json!("UTC"), &json!("Europe/Berlin"))]);
    }

    // The comment of the ninth at 23:59:59 UTC belongs to the tenth in Berlin.
    let filled = backfill(&world.context, &range(8, 10), &Heard::default(), &never).await.unwrap();
    assert_eq!(filled.discrepancies, []);
    let comments: Vec<_> = world
        .records()
        .await
        .into_iter()
        .filter(|record| record.key.category == "comments_created")
        .map(|record| (record.metric_date, record.value.to_string(), record.definition_version))
        .collect();
    let one = || "1".to_owned();
    assert_eq!(comments, [(january(8), one(), 2), (january(9), one(), 1), (january(10), one(), 2)]);
}

async fn days_recorded_with_an_earlier_definition_are_reported(world: World) {
    let never = CancellationToken::new();
    backfill(&world.context, &range(1, 4), &Heard::default(), &never).await.unwrap();
    let mut wanted = definitions(world.time_format());
    wanted[1].unit = "posts".to_owned();
    let shown = apply(&world.context, &wanted, false).await.unwrap();
    assert_eq!(shown.earlier_meanings, [], "another unit does not change the values");
    let source = wanted[1].sources.get_mut("posts").unwrap();
    source.filter = serde_json::from_value(json!([{"column": "genre", "test": {"equals": "jazz"}}])).unwrap();
    let of_earlier = EarlierMeaning {
        category: "posts_created".to_owned(),
        first: january(1),
        last: january(4),
        days: 4,
        can_be_restated: true,
    };
    for dry_run in [true, false] {
        let report = apply(&world.context, &wanted, dry_run).await.unwrap();
        assert_eq!(report.earlier_meanings, std::slice::from_ref(&of_earlier));
    }
    let report = backfill(&world.context, &range(3, 6), &Heard::default(), &never).await.unwrap();
    assert_eq!(report.earlier_meanings, [EarlierMeaning { first: january(3), days: 2, ..of_earlier }]);
}

/// All metrics of a tenant are recorded in days of one time zone.
async fn apply_moves_metrics_of_the_api_to_the_new_time_zone(mut world: World) {
    let config = world.config(SOURCES);
    let body = json!({"measure": "created", "source": "posts"});
    define(&world.context, &config, "further", body.as_object().unwrap()).await.unwrap();
    define(&world.context, &config, "off", body.as_object().unwrap()).await.unwrap();
    switch_off(&world.context, &config, "off").await.unwrap();
    world.in_zone("Europe/Berlin");
    let in_berlin = |definition| Definition { time_zone: "Europe/Berlin".to_owned(), ..definition };
    let wanted: Vec<_> = definitions(world.time_format()).into_iter().map(in_berlin).collect();
    let report = apply(&world.context, &wanted, false).await.unwrap();
    assert_eq!((report.changes.len(), report.unchanged, report.made_through_api), (5, 0, 0));
    let moved = report.changes.iter().find(|change| change.change.category() == "further").unwrap();
    assert!(moved.made_through_api);
    assert_eq!((moved.fields.len(), moved.fields[0].field.as_str()), (1, "time_zone"));
    let day = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    assert_eq!(day.recorded.len(), 5);
    let stored = world.context.tenant.store.definitions().await.unwrap();
    let further = stored.iter().find(|stored| stored.definition.category == "further").unwrap();
    assert_eq!((further.version, further.origin, further.is_active), (2, Origin::Api, true));
    assert_eq!(apply(&world.context, &wanted, false).await.unwrap().changes, []);
}

async fn check_includes_metrics_of_the_api(world: World) {
    let body = json!({"measure": "created", "source": "comments"});
    define(&world.context, &world.config(SOURCES), "further", body.as_object().unwrap()).await.unwrap();
    let mut wanted = definitions(world.time_format());
    // The source `comments` of the file will be the table of this source.
    let posts = wanted[0].sources["posts"].clone();
    let report = check(&world.context, &wanted[..2], CheckScope::ALL).await;
    assert_eq!(report.made_through_api, 1);
    let differing: Vec<_> = report.findings.iter().map(|finding| finding.place.as_str()).collect();
    let differing: Vec<_> =
        differing.into_iter().filter(|place| !matches!(*place, "clock" | "platform")).collect();
    assert_eq!(differing, ["store"], "the store has metrics that the file no longer declares");
    wanted[2].sources.insert("comments".to_owned(), posts);
    let report = check(&world.context, &wanted, CheckScope::ALL).await;
    let of_further = report.findings.iter().find(|finding| finding.place.contains("further")).unwrap();
    assert_eq!(of_further.severity, Severity::Warning);
    assert!(of_further.message.contains("`comments`"), "{of_further}");

    world.execute("ALTER TABLE comments RENAME TO remarks").await;
    let report = check(&world.context, &wanted[..2], CheckScope::ALL).await;
    let broken = report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let places: Vec<_> = broken.map(|finding| finding.place.as_str()).collect();
    let expected =
        ["metric comments_created as defined in the store", "metric further, created through the API"];
    assert_eq!(places, expected);
}
