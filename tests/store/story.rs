//! A store from an empty database to recorded history, and its definitions, tenants and runs.

use std::collections::BTreeSet;

use daymark::{
    metric::{Definition, MetricType, Provenance},
    store::{DefinitionChange, Finish, NewRun, Origin, RecordCount, RunFilter, RunStatus, StoreError},
};
use jiff::ToSpan;
use serde_json::json;

use crate::fixture::{
    Fixture, day, decimal, definitions, exact_metadata, finish, key, new_run, noon, record,
};

crate::on_both_stores!(
    a_store_from_an_empty_database_to_recorded_history,
    a_changed_definition_becomes_a_new_version,
    a_definition_belongs_to_the_file_or_to_the_api,
    tenants_cannot_read_or_refer_to_each_others_rows,
    runs_are_filtered_by_status_days_and_limit
);

async fn a_store_from_an_empty_database_to_recorded_history(fixture: Fixture) {
    let store = &fixture.store;

    // An empty database is refused with the pending migrations. Reading does not migrate it.
    let pending = store.pending_migrations().await.unwrap();
    assert_eq!(pending[0], "0001_tables");
    let error = store.recorded_span().await.unwrap_err();
    assert!(matches!(&error, StoreError::NotMigrated { pending: named, .. } if *named == pending), "{error}");
    assert!(error.to_string().contains("run `daymark migrate`"), "{error}");

    // Migrating applies them once.
    assert_eq!(store.migrate().await.unwrap(), pending);
    store.simulate_clock().await.unwrap();
    assert!(store.pending_migrations().await.unwrap().is_empty());
    assert!(store.migrate().await.unwrap().is_empty());
    assert_eq!(store.recorded_span().await.unwrap(), None);

    // Metrics are defined.
    let adds: Vec<_> = definitions().into_iter().map(DefinitionChange::Add).collect();
    store.change_definitions(&adds, Origin::File, noon()).await.unwrap();

    // A run is in the log as running …
    let first = new_run(day(1));
    store.start_run(&first).await.unwrap();
    let logged = store.run(first.id).await.unwrap().unwrap();
    assert_eq!((logged.status, logged.completed_at), (RunStatus::Running, None));
    assert_eq!((logged.started_at, logged.host.as_str()), (first.started_at, "somewhere"));

    // … and is completed in the commit of its records, which are read back as they were written.
    let mut mood = record(first.id, day(1), "-12345678901234567890123456789012345678.000000000001");
    mood.key = key(MetricType::Average, "mood");
    mood.metadata = exact_metadata();
    let posts = record(first.id, day(1), "9007199254740993");
    let written = store.commit(&[posts.clone(), mood.clone()], Some(&finish(first.id))).await.unwrap();
    assert_eq!(written.len(), 2);
    assert_eq!(store.records(day(1), day(1), None).await.unwrap(), [mood.clone(), posts.clone()]);
    let logged = store.run(first.id).await.unwrap().unwrap();
    assert_eq!((logged.status, logged.metrics_collected), (RunStatus::Completed, 2));

    // One of the two records of a later run exists already. The first write wins.
    let second = NewRun { to: day(2), ..new_run(day(1)) };
    store.start_run(&second).await.unwrap();
    let mut next_day = record(second.id, day(2), "7");
    next_day.provenance = Provenance::Reconstructed;
    let other_posts = record(second.id, day(1), "1");
    let written = store.commit(&[other_posts, next_day.clone()], Some(&finish(second.id))).await.unwrap();
    assert_eq!(written, [(day(2), key(MetricType::Count, "posts_total"))]);
    assert_eq!(
        store.run(second.id).await.unwrap().unwrap().metrics_collected,
        1,
        "one of two records was written"
    );
    assert_eq!(store.records(day(1), day(2), None).await.unwrap(), [mood.clone(), posts, next_day]);

    // Records can be read in several ways.
    let only_mood = store.records(day(1), day(2), Some(&["mood".to_owned()])).await.unwrap();
    assert_eq!(only_mood, [mood]);
    assert!(store.records(day(1), day(2), Some(&[])).await.unwrap().is_empty());
    assert_eq!(store.recorded_span().await.unwrap(), Some((day(1), day(2))));
    let recorded = store.recorded(day(1), day(31)).await.unwrap();
    assert_eq!(recorded[&key(MetricType::Count, "posts_total")], BTreeSet::from([day(1), day(2)]));
    assert_eq!(recorded[&key(MetricType::Average, "mood")], BTreeSet::from([day(1)]));
    assert!(store.recorded(day(3), day(31)).await.unwrap().is_empty());
    let mut counts = store.summary(day(1), &[]).await.unwrap().counts;
    counts.sort_by_key(|count| (count.key.category.clone(), count.first));
    let counted = |metric, last, [observed, reconstructed]: [usize; 2]| RecordCount {
        key: metric,
        first: day(1),
        last,
        of_provenance: [
            (Provenance::Observed, observed),
            (Provenance::Reconstructed, reconstructed),
            (Provenance::Corrected, 0),
        ],
        until_day: 1,
        of_day: 1,
    };
    let (mood, posts) = (key(MetricType::Average, "mood"), key(MetricType::Count, "posts_total"));
    assert_eq!(counts, [counted(mood, day(1), [1, 0]), counted(posts, day(2), [1, 1])]);
    assert_eq!(counts.iter().map(RecordCount::records).collect::<Vec<_>>(), [1, 2]);
    let of_second = store.summary(day(2), &[]).await.unwrap().counts;
    assert_eq!(of_second.iter().map(|count| (count.until_day, count.of_day)).max(), Some((2, 1)));
    assert_eq!(of_second.iter().map(|count| count.until_day).sum::<usize>(), 3);
    assert_eq!(of_second.iter().map(|count| count.of_day).sum::<usize>(), 1);
}

async fn a_changed_definition_becomes_a_new_version(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let mut expected = definitions();
    expected.sort_by(|a, b| a.category.cmp(&b.category));
    let stored = store.definitions().await.unwrap();
    assert_eq!(stored.iter().map(|stored| stored.definition.clone()).collect::<Vec<_>>(), expected);
    assert!(stored.iter().all(|stored| stored.version == 1 && stored.is_active));
    assert!(stored.iter().all(|stored| stored.created_at == noon()));

    // A changed definition is a new version. Repeating the change, as after a lost answer, adds no further version.
    let mut revised = stored[1].definition.clone();
    revised.expected = None;
    let later = noon() + 24.hours();
    for _ in 0..2 {
        store
            .change_definitions(&[DefinitionChange::Revise(revised.clone())], Origin::File, later)
            .await
            .unwrap();
    }
    let mood = store.definitions().await.unwrap().remove(1);
    assert_eq!((mood.version, mood.created_at, &mood.definition), (2, noon(), &revised));

    // A metric that changes its type is a new metric. The old one becomes inactive, so that a name has one active metric.
    let mut retyped = revised.clone();
    retyped.metric_type = MetricType::Percentage;
    let changes = [DefinitionChange::Add(retyped), DefinitionChange::Deactivate(revised.key())];
    store.change_definitions(&changes, Origin::File, later).await.unwrap();
    let moods: Vec<_> = store
        .definitions()
        .await
        .unwrap()
        .into_iter()
        .filter(|stored| stored.definition.category == "mood")
        .map(|stored| (stored.definition.metric_type, stored.version, stored.is_active))
        .collect();
    assert_eq!(moods, [(MetricType::Average, 2, false), (MetricType::Percentage, 1, true)]);

    // Either all changes are made or none.
    let unknown = key(MetricType::Count, "nonsense");
    let changes = [
        DefinitionChange::Deactivate(key(MetricType::Percentage, "mood")),
        DefinitionChange::Activate(unknown),
    ];
    let error = store.change_definitions(&changes, Origin::File, later).await.unwrap_err().to_string();
    assert!(error.contains("there is no count named `nonsense`"), "{error}");
    assert!(store.definitions().await.unwrap()[2].is_active);
}

async fn tenants_cannot_read_or_refer_to_each_others_rows(fixture: Fixture) {
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    let other = fixture.of_tenant("other");

    assert!(other.definitions().await.unwrap().is_empty());
    assert!(other.records(day(1), day(31), None).await.unwrap().is_empty());
    assert!(other.recorded(day(1), day(31)).await.unwrap().is_empty());
    assert!(other.runs(&RunFilter::default()).await.unwrap().is_empty());
    assert!(other.run(run).await.unwrap().is_none());
    assert_eq!(other.recorded_span().await.unwrap(), None);
    let summary = other.summary(day(31), &[]).await.unwrap();
    assert!(summary.counts.is_empty() && summary.last_run.is_none() && summary.last_completed.is_none());

    // A record cannot refer to a definition or a run of another tenant.
    let own_run = new_run(day(1));
    other.start_run(&own_run).await.unwrap();
    other.commit(&[record(own_run.id, day(1), "5")], None).await.unwrap_err();
    let adds: Vec<_> = definitions().into_iter().map(DefinitionChange::Add).collect();
    other.change_definitions(&adds, Origin::File, noon()).await.unwrap();
    other.commit(&[record(run, day(1), "5")], None).await.unwrap_err();

    // Each tenant has a record of its own for the same metric and day.
    assert_eq!(other.commit(&[record(own_run.id, day(1), "6")], None).await.unwrap().len(), 1);
    assert_eq!(fixture.store.records(day(1), day(1), None).await.unwrap()[0].value, decimal("5"));
}

async fn runs_are_filtered_by_status_days_and_limit(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    fixture.store.simulate_clock().await.unwrap();
    let store = &fixture.store;
    let mut ids = Vec::new();
    for number in 1..=4 {
        let mut run = new_run(day(number));
        run.to = day(number + 2);
        run.started_at = noon() + i64::from(number).minutes();
        store.start_run(&run).await.unwrap();
        ids.push(run.id);
    }
    let details = json!({"sqlstate": "57014", "failures": [{"metric_category": "mood", "timed_out": true}]});
    let failed = Finish {
        status: RunStatus::Failed,
        completed_at: noon() + 5.minutes(),
        error_message: Some("mood: canceling statement due to statement timeout".to_owned()),
        error_details: details.as_object().cloned(),
        ..finish(ids[3])
    };
    store.commit(&[], Some(&failed)).await.unwrap();

    let found = async |filter| -> Vec<_> {
        store.runs(&filter).await.unwrap().into_iter().map(|run| run.id).collect()
    };
    assert_eq!(found(RunFilter::default()).await, [ids[3], ids[2], ids[1], ids[0]], "newest first");
    assert_eq!(found(RunFilter { limit: Some(2), ..RunFilter::default() }).await, [ids[3], ids[2]]);
    let running = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
    assert_eq!(found(running).await, [ids[2], ids[1], ids[0]]);
    let overlapping = |from, to| RunFilter { days: Some((from, to)), ..RunFilter::default() };
    assert_eq!(found(overlapping(day(3), day(3))).await, [ids[2], ids[1], ids[0]]);
    assert_eq!(found(overlapping(day(5), day(9))).await, [ids[3], ids[2]]);
    assert!(found(overlapping(day(7), day(9))).await.is_empty());

    let run = store.run(ids[3]).await.unwrap().unwrap();
    assert_eq!((run.status, run.completed_at), (RunStatus::Failed, Some(failed.completed_at)));
    assert_eq!((run.error_message, run.error_details), (failed.error_message, failed.error_details));
}

async fn a_definition_belongs_to_the_file_or_to_the_api(fixture: Fixture) {
    fixture.ready().await;
    let store = &fixture.store;
    let of_file = store.definitions().await.unwrap().remove(1).definition;
    let further = Definition { category: "further".to_owned(), ..of_file.clone() };
    let change = async |change, by| store.change_definitions(&[change], by, noon()).await;
    let now = async |category: &str| {
        let stored = store.definitions().await.unwrap();
        let found = stored.into_iter().find(|stored| stored.definition.category == category).unwrap();
        (found.origin, found.version, found.is_active)
    };

    // The API cannot change an active definition of the file in any way.
    for refused in [
        DefinitionChange::Add(Definition { unit: "others".to_owned(), ..of_file.clone() }),
        DefinitionChange::Add(Definition { metric_type: MetricType::Percentage, ..of_file.clone() }),
        DefinitionChange::Activate(of_file.key()),
        DefinitionChange::Deactivate(of_file.key()),
    ] {
        let error = change(refused, Origin::Api).await.unwrap_err();
        assert!(matches!(error, StoreError::OfFile { category } if category == of_file.category));
    }
    assert_eq!(now(&of_file.category).await, (Origin::File, 1, true));

    let made = change(DefinitionChange::Add(further.clone()), Origin::Api).await.unwrap();
    assert_eq!(made.after.len(), made.before.len() + 1);
    assert_eq!(now("further").await, (Origin::Api, 1, true));
    let zone = DefinitionChange::MoveZone(further.key(), "Europe/Berlin".to_owned());
    for _ in 0..2 {
        change(zone.clone(), Origin::File).await.unwrap();
        assert_eq!(now("further").await, (Origin::Api, 2, true), "it still belongs to the API");
    }
    // The definition changed after the file decided to adopt it. The definition of the file applies.
    change(DefinitionChange::Adopt(further.clone()), Origin::File).await.unwrap();
    assert_eq!(now("further").await, (Origin::File, 3, true));
    change(DefinitionChange::Deactivate(further.key()), Origin::File).await.unwrap();
    assert_eq!(now("further").await, (Origin::File, 3, false));
    change(DefinitionChange::Add(further.clone()), Origin::Api).await.unwrap();
    assert_eq!(
        now("further").await,
        (Origin::Api, 3, true),
        "a metric that the file no longer has can be made through the API"
    );

    // A metric of another type takes the name, which deactivates the first one.
    let retyped = Definition { metric_type: MetricType::Percentage, ..further.clone() };
    change(DefinitionChange::Add(retyped), Origin::Api).await.unwrap();
    let active: Vec<_> = store.definitions().await.unwrap();
    let active = active.iter().filter(|stored| stored.definition.category == "further" && stored.is_active);
    assert_eq!(
        active.map(|stored| stored.definition.metric_type).collect::<Vec<_>>(),
        [MetricType::Percentage]
    );
    let unknown =
        fixture.sql("UPDATE metric_definitions SET origin = 'unknown'").await.unwrap_err().to_string();
    assert!(unknown.contains("origin_is_known"), "{unknown}");
}
