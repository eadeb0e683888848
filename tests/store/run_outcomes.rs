//! What became of recent runs, the newest one, and when the newest record was read.

use daymark::store::{Finish, NewRun, RunKind, RunStatus};
use jiff::{Timestamp, ToSpan};
use uuid::Uuid;

use crate::fixture::{Fixture, day, finish, new_run, noon, record};

crate::on_both_stores!(
    outcomes_are_the_newest_runs_of_a_window,
    the_last_run_is_alive_while_its_lock_is_held,
    the_last_cut_is_that_of_the_newest_record
);

fn run_at(minute: i64, kind: RunKind) -> NewRun {
    NewRun { kind, started_at: noon() + minute.minutes(), ..new_run(day(2)) }
}

async fn outcomes_are_the_newest_runs_of_a_window(fixture: Fixture) {
    let first = fixture.ready().await;
    let store = &fixture.store;
    let backfill = run_at(1, RunKind::Backfill);
    store.start_run(&backfill).await.unwrap();
    let failed = Finish {
        status: RunStatus::Failed,
        completed_at: noon() + 90.seconds(),
        error_message: Some("no".to_owned()),
        ..finish(backfill.id)
    };
    store.commit(&[], Some(&failed)).await.unwrap();
    store.commit(&[record(first, day(1), "1")], Some(&finish(first))).await.unwrap();
    let running = run_at(2, RunKind::Collect);
    store.start_run(&running).await.unwrap();

    let outcomes = async |since: Timestamp, limit| fixture.again().run_outcomes(since, limit).await.unwrap();
    let all = outcomes(noon(), 10).await;
    let shown: Vec<_> = all.iter().map(|run| (run.kind, run.status, run.metrics_collected)).collect();
    assert_eq!(
        shown,
        [
            (RunKind::Collect, RunStatus::Running, 0),
            (RunKind::Backfill, RunStatus::Failed, 0),
            (RunKind::Collect, RunStatus::Completed, 1),
        ]
    );
    assert_eq!((all[0].started_at, all[0].completed_at), (running.started_at, None));
    assert_eq!(all[1].completed_at, Some(noon() + 90.seconds()));
    assert_eq!(outcomes(noon() + 1.minute(), 10).await, all[..2]);
    assert_eq!(outcomes(noon(), 1).await, all[..1]);
    assert_eq!(fixture.of_tenant("other").run_outcomes(noon(), 10).await.unwrap(), []);
}

async fn the_last_run_is_alive_while_its_lock_is_held(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    assert!(fixture.store.last_run().await.unwrap().is_none());
    fixture.ready().await;
    let newest = run_at(5, RunKind::Collect);
    let lock = daymark::store::LockName::Day(newest.from);
    let held = fixture.store.try_lock(&lock).await.unwrap().unwrap();
    fixture.store.start_run(&newest).await.unwrap();
    let found = fixture.again().last_run().await.unwrap().unwrap();
    assert_eq!((found.run.id, found.is_alive, found.is_orphaned()), (newest.id, true, false));
    drop(held);
    // PostgreSQL notices the end of a session a moment later, which taking the lock waits for.
    drop(fixture.again().try_lock(&lock).await.unwrap().unwrap());
    assert!(fixture.again().last_run().await.unwrap().unwrap().is_orphaned());
}

async fn the_last_cut_is_that_of_the_newest_record(fixture: Fixture) {
    let run = fixture.ready().await;
    assert_eq!(fixture.store.last_cut().await.unwrap(), None);
    fixture.store.commit(&[record(run, day(1), "1")], Some(&finish(run))).await.unwrap();
    let later = NewRun { id: Uuid::new_v4(), ..run_at(60, RunKind::Collect) };
    fixture.store.start_run(&later).await.unwrap();
    let newest = daymark::metric::Record {
        collection_timestamp: noon() + 61.minutes(),
        ..record(later.id, day(2), "2")
    };
    fixture.store.commit(&[newest], None).await.unwrap();
    assert_eq!(fixture.again().last_cut().await.unwrap(), Some(noon() + 61.minutes()));
    assert_eq!(fixture.of_tenant("other").last_cut().await.unwrap(), None);
}
