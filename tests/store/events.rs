//! The outbox: a commit writes its events in its own transaction.

use daymark::{
    metric::Record,
    store::{DefinitionChange, Event, EventKind, Finish, Origin, RunStatus, Store},
};
use futures_util::future::join_all;
use serde_json::json;

use crate::fixture::{Fixture, day, definitions, finish, new_run, noon, record};

crate::on_both_stores!(
    a_commit_writes_events_for_its_days_and_its_run,
    a_commit_that_changes_nothing_writes_no_event,
    a_refused_commit_writes_no_event,
    events_of_concurrent_commits_have_consecutive_ids
);

const ALL: i64 = 1000;

async fn kinds(store: &dyn Store, after: i64) -> Vec<EventKind> {
    store.events(after, ALL).await.unwrap().iter().map(|event| event.kind).collect()
}

async fn last(store: &dyn Store) -> i64 {
    store.events(0, ALL).await.unwrap().last().map_or(0, |event| event.id)
}

async fn a_commit_writes_events_for_its_days_and_its_run(fixture: Fixture) {
    let run = fixture.ready().await;
    let store = fixture.store.as_ref();
    let defined = store.events(0, ALL).await.unwrap();
    let Event { id, kind, subject, .. } = &defined[0];
    assert_eq!((defined.len(), *id, *kind), (1, 1, EventKind::DefinitionsChanged));
    let categories = ["engagement_rate", "mood", "posts_total", "top_genres"];
    assert_eq!(json!(subject), json!({"categories": categories, "by": "file"}));

    let failures = json!({"failures": [{"metric_category": "mood", "message": "no"}]});
    let partial =
        Finish { status: RunStatus::Partial, error_details: failures.as_object().cloned(), ..finish(run) };
    let records = [record(run, day(1), "1"), record(run, day(2), "2")];
    store.commit(&records, Some(&partial)).await.unwrap();
    let events = store.events(1, ALL).await.unwrap();
    let subjects: Vec<_> = events.iter().map(|event| (event.kind, json!(event.subject))).collect();
    let of_day =
        |date: &str| (EventKind::DayRecorded, json!({"date": date, "collection_id": run, "records": 1}));
    let of_run = json!({
        "run_id": run, "kind": "collect", "from": "2025-01-01", "to": "2025-01-01", "records": 1, "failures": ["mood"]
    });
    assert_eq!(subjects, [of_day("2025-01-01"), of_day("2025-01-02"), (EventKind::RunPartial, of_run)]);
    assert!(fixture.of_tenant("other").events(0, ALL).await.unwrap().is_empty());
    for statement in ["UPDATE events SET subject = '{}'", "DELETE FROM events"] {
        assert!(fixture.sql(statement).await.unwrap_err().contains("refused"), "{statement}");
    }
}

/// On SQLite, every program that can write to the file can write its events.
#[tokio::test]
async fn an_event_is_about_a_record_or_what_its_own_transaction_wrote() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "1")], Some(&finish(run))).await.unwrap();
    let before = last(fixture.store.as_ref()).await;
    for (kind, subject) in [
        ("run_completed", json!({"run_id": run})),
        ("run_failed", json!({"run_id": run})),
        ("run_partial", json!({})),
        ("day_recorded", json!({"date": "2025-01-02", "collection_id": run})),
        ("day_recorded", json!({"date": "2025-01-01", "collection_id": uuid::Uuid::new_v4()})),
        ("definitions_changed", json!({"categories": ["mood"], "by": "file"})),
    ] {
        let forged = format!(
            "INSERT INTO events (tenant_id, kind, subject) VALUES ('default', '{kind}', '{subject}')"
        );
        let refused = fixture.sql(&forged).await.unwrap_err();
        assert!(refused.contains("a row that its own transaction wrote"), "{forged}: {refused}");
    }
    assert_eq!(last(fixture.store.as_ref()).await, before);
}

async fn a_commit_that_changes_nothing_writes_no_event(fixture: Fixture) {
    let run = fixture.ready().await;
    let store = fixture.store.as_ref();
    let records = [record(run, day(1), "1")];
    store.commit(&records, None).await.unwrap();
    let before = last(store).await;
    store.commit(&records, None).await.unwrap();
    store
        .change_definitions(&[DefinitionChange::Add(definitions().remove(0))], Origin::File, noon())
        .await
        .unwrap();
    assert_eq!(kinds(store, before).await, []);
    store.commit(&[], Some(&finish(run))).await.unwrap();
    store.commit(&[], Some(&finish(run))).await.unwrap();
    assert_eq!(
        kinds(store, before).await,
        [EventKind::RunCompleted],
        "the repeated commit writes no second event"
    );
}

async fn a_refused_commit_writes_no_event(fixture: Fixture) {
    let run = fixture.ready().await;
    let before = last(fixture.store.as_ref()).await;
    let unknown = Record { definition_version: 99, ..record(run, day(2), "1") };
    fixture.store.commit(&[record(run, day(1), "1"), unknown], Some(&finish(run))).await.unwrap_err();
    assert_eq!(kinds(fixture.store.as_ref(), before).await, []);
}

async fn events_of_concurrent_commits_have_consecutive_ids(fixture: Fixture) {
    fixture.ready().await;
    let before = last(fixture.store.as_ref()).await;
    let runs: Vec<_> = (1..=8).map(|number| new_run(day(number))).collect();
    let commits = runs.iter().map(|run| async {
        let store = fixture.again();
        store.start_run(run).await.unwrap();
        store.commit(&[record(run.id, run.from, "1")], Some(&finish(run.id))).await.unwrap();
    });
    join_all(commits).await;
    let events = fixture.store.events(before, ALL).await.unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (before + 1..=before + 16).collect::<Vec<_>>());
    // The events of one commit are consecutive: a day, and the end of its run.
    for pair in events.chunks(2) {
        assert_eq!((pair[0].kind, pair[1].kind), (EventKind::DayRecorded, EventKind::RunCompleted));
        assert_eq!(pair[0].subject["collection_id"], pair[1].subject["run_id"]);
    }
}
