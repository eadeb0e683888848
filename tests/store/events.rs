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
    events_of_concurrent_commits_have_consecutive_ids,
    events_older_than_90_days_are_deleted_by_later_commits,
    only_old_events_can_be_deleted
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

/// Makes the events up to this id 91 days older, for which the trigger that keeps their time is off.
async fn age_events(fixture: &Fixture, until: i64) {
    let statements = match fixture.is_postgres() {
        true => format!(
            "ALTER TABLE events DISABLE TRIGGER refuse_update;
             UPDATE events SET created_at = created_at - INTERVAL '91 days' WHERE id <= {until};
             ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_update"
        ),
        false => format!(
            "DROP TRIGGER events_refuse_update;
             UPDATE events SET created_at = strftime('%Y-%m-%dT%H:%M:%f000Z', created_at, '-91 days') WHERE id <= {until};
             CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events BEGIN
                SELECT RAISE(ABORT, 'UPDATE on events is refused: events are kept');
             END"
        ),
    };
    fixture.sql(&statements).await.unwrap();
}

async fn record_day(store: &dyn Store, number: i8) {
    let run = new_run(day(number));
    store.start_run(&run).await.unwrap();
    store.commit(&[record(run.id, day(number), "1")], Some(&finish(run.id))).await.unwrap();
}

async fn ids(store: &dyn Store) -> Vec<i64> {
    store.events(0, ALL).await.unwrap().iter().map(|event| event.id).collect()
}

async fn events_older_than_90_days_are_deleted_by_later_commits(fixture: Fixture) {
    fixture.ready().await;
    let (store, other) = (fixture.store.as_ref(), fixture.of_tenant("other"));
    let add: Vec<_> = definitions().into_iter().map(DefinitionChange::Add).collect();
    other.change_definitions(&add, Origin::File, noon()).await.unwrap();
    record_day(store, 1).await;
    record_day(store, 2).await;
    assert_eq!(ids(store).await, [1, 2, 3, 4, 5]);
    age_events(&fixture, 3).await;
    record_day(store, 3).await;
    assert_eq!(ids(store).await, [4, 5, 6, 7]);
    assert_eq!(ids(other.as_ref()).await, [1], "a commit deletes those of its own tenant");
    // Ids continue after the newest one, although all of them were old.
    age_events(&fixture, 7).await;
    record_day(store, 4).await;
    assert_eq!(ids(store).await, [8, 9]);
}

async fn only_old_events_can_be_deleted(fixture: Fixture) {
    fixture.ready().await;
    record_day(fixture.store.as_ref(), 1).await;
    age_events(&fixture, 2).await;
    for (id, is_deleted) in [(1, true), (2, true), (3, false)] {
        let deleted = fixture.sql(&format!("DELETE FROM events WHERE id = {id}")).await;
        assert_eq!(deleted.is_ok(), is_deleted, "{id}: {deleted:?}");
    }
    age_events(&fixture, 3).await;
    let refused = fixture.sql("DELETE FROM events").await.unwrap_err();
    assert!(refused.contains("events are kept for 90 days, and the newest one for longer"), "{refused}");
}

/// The recording role has no privilege to delete events.
#[tokio::test]
async fn a_role_that_only_records_deletes_old_events_too() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let role = format!("service_{}", uuid::Uuid::new_v4().simple());
    let grants = format!(
        "CREATE ROLE {role};
         GRANT USAGE ON SCHEMA daymark TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA daymark TO {role};
         GRANT INSERT ON daily_metrics, metric_collection_log, events TO {role};
         GRANT UPDATE ON metric_collection_log TO {role};
         GRANT EXECUTE ON FUNCTION ensure_partition TO {role}"
    );
    fixture.sql(&grants).await.unwrap();
    age_events(&fixture, 1).await;
    record_day(Fixture::as_role(&fixture, &role).store.as_ref(), 1).await;
    assert_eq!(ids(fixture.store.as_ref()).await, [2, 3]);
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
