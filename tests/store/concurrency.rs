//! Several processes at the same time. In these tests they are several stores that share only the database.

use std::{collections::BTreeSet, sync::Arc};

use daymark::{
    metric::{MetricKey, Record},
    store::{LockName, NewRun, RunKind, RunStatus, SeriesQuestion, Store, StoreError, ValuesAsked},
};
use futures_util::future::join_all;
use jiff::{
    ToSpan,
    civil::{Date, date},
};

use crate::fixture::{Fixture, day, decimal, finish, new_run, record};

crate::on_both_stores!(
    eight_processes_migrate_at_once,
    eight_processes_define_at_once,
    the_first_write_wins,
    commits_that_overlap_do_not_fail,
    partitions_are_created_by_concurrent_commits,
    a_lock_excludes_others_until_it_is_released,
    a_run_is_alive_while_its_lock_is_held,
    a_closed_run_cannot_be_finished,
    a_commit_may_be_repeated,
    a_commit_skips_records_that_exist,
);

async fn eight_processes_migrate_at_once(fixture: Fixture) {
    let stores: Vec<_> = (0..8).map(|_| fixture.again()).collect();
    let applied = join_all(stores.iter().map(|store| store.migrate())).await;
    let mut counts: Vec<_> = applied.into_iter().map(|names| names.unwrap().len()).collect();
    counts.sort_unstable();
    assert_eq!(counts[..7], [0; 7], "one of them applied all migrations");
    assert!(counts[7] > 0);
    assert!(fixture.store.definitions().await.unwrap().is_empty());
}

async fn eight_processes_define_at_once(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    let stores: Vec<_> = (0..8).map(|_| fixture.again()).collect();
    let changes: Vec<_> =
        crate::fixture::definitions().into_iter().map(daymark::store::DefinitionChange::Add).collect();
    let results = join_all(stores.iter().map(|store| {
        store.change_definitions(&changes, daymark::store::Origin::File, crate::fixture::noon())
    }));
    for result in results.await {
        result.unwrap();
    }
    let stored = fixture.store.definitions().await.unwrap();
    assert_eq!(stored.len(), changes.len());
    assert!(stored.iter().all(|stored| stored.version == 1));
}

async fn the_first_write_wins(fixture: Fixture) {
    fixture.ready().await;
    let stores = [fixture.again(), fixture.again()];
    let runs = [new_run(day(1)), new_run(day(1))];
    for run in &runs {
        fixture.store.start_run(run).await.unwrap();
    }
    let records = runs.each_ref().map(|run| -> Vec<_> {
        (1..=31)
            .map(|number| record(run.id, day(number), if run.id == runs[0].id { "1" } else { "2" }))
            .collect()
    });
    let ends = runs.each_ref().map(|run| finish(run.id));
    let (one, other) = tokio::join!(
        stores[0].commit(&records[0], Some(&ends[0])),
        stores[1].commit(&records[1], Some(&ends[1])),
    );
    let written = [one.unwrap(), other.unwrap()];
    assert_eq!(written[0].len() + written[1].len(), 31);
    for kept in fixture.store.records(day(1), day(31), None).await.unwrap() {
        let winner = usize::from(kept.value == decimal("2"));
        assert_eq!(kept.collection_id, runs[winner].id);
        assert!(written[winner].contains(&(kept.metric_date, kept.key)));
    }
}

/// The records are offered in opposite orders, which would deadlock if they were written in these orders.
async fn commits_that_overlap_do_not_fail(fixture: Fixture) {
    let run = fixture.ready().await;
    let stores: Vec<_> = (0..6).map(|_| fixture.again()).collect();
    let forth: Vec<_> = (1..=31).map(|number| record(run, day(number), "1")).collect();
    let back: Vec<_> = forth.iter().rev().cloned().collect();
    let commits = stores
        .iter()
        .zip([&forth, &back].into_iter().cycle())
        .map(|(store, records)| store.commit(records, None));
    for written in join_all(commits).await {
        assert_eq!(written.unwrap().len(), 31, "all records belong to the same run");
    }
    assert_eq!(fixture.store.records(day(1), day(31), None).await.unwrap().len(), 31);
}

async fn partitions_are_created_by_concurrent_commits(fixture: Fixture) {
    let run = fixture.ready().await;
    let stores: Vec<_> = (0..6).map(|_| fixture.again()).collect();
    let dates: Vec<Date> = (1990..2025).map(|year| date(year, 12, 31)).chain([date(1900, 1, 1)]).collect();
    let records: Vec<_> = dates.iter().map(|date| record(run, *date, "1")).collect();
    let written = join_all(stores.iter().map(|store| store.commit(&records, None))).await;
    for keys in written {
        assert_eq!(keys.unwrap().len(), records.len());
    }
    assert_eq!(fixture.store.recorded_span().await.unwrap(), Some((date(1900, 1, 1), date(2024, 12, 31))));
}

async fn a_lock_excludes_others_until_it_is_released(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    let (one, other, foreign) = (fixture.again(), fixture.again(), fixture.of_tenant("other"));
    let name = LockName::Day(day(1));
    for _ in 0..3 {
        let lock = one.try_lock(&name).await.unwrap().expect("the lock is free");
        assert!(other.try_lock(&name).await.unwrap().is_none(), "another process is excluded");
        assert!(one.try_lock(&name).await.unwrap().is_none(), "the same process is excluded");
        assert!(other.try_lock(&LockName::Day(day(2))).await.unwrap().is_some());
        assert!(other.try_lock(&LockName::Backfill).await.unwrap().is_some());
        assert!(foreign.try_lock(&name).await.unwrap().is_some(), "tenants have locks of their own");
        drop(lock);
        assert!(other.try_lock(&name).await.unwrap().is_some(), "it was released");
    }
    let winners = join_all((0..8).map(|_| one.try_lock(&name))).await;
    assert_eq!(winners.into_iter().filter(|winner| winner.as_ref().unwrap().is_some()).count(), 1);
}

/// A server may end sessions that are idle for longer than `idle_session_timeout`. The session of a lock is idle for hours.
#[tokio::test]
async fn a_lock_survives_the_idle_session_timeout() {
    let fixture = Fixture::postgres().await;
    fixture.store.migrate().await.unwrap();
    let mut observer = fixture.postgres_session().await;
    let setup = "SET idle_session_timeout TO 0;
        DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET idle_session_timeout = 100', current_database()); END $$";
    sqlx::raw_sql(setup).execute(&mut observer).await.unwrap();
    let _lock = fixture.again().try_lock(&LockName::Backfill).await.unwrap().expect("the lock is free");
    let mut idle = fixture.postgres_session().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut idle).await.unwrap();
    let mut is_there = true;
    while is_there {
        let look =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)").bind(pid);
        is_there = look.fetch_one(&mut observer).await.unwrap();
    }
    assert!(fixture.again().try_lock(&LockName::Backfill).await.unwrap().is_none());
}

/// This holds in a schema with an unusual name, and for runs of the lock's own tenant only. Reading whether a lock is held
/// neither takes it nor creates anything.
async fn a_run_is_alive_while_its_lock_is_held(fixture: Fixture) {
    let fixture =
        if fixture.is_postgres() { Fixture::in_schema(r#"Day "mark"'s; $1"#).await } else { fixture };
    fixture.ready().await;
    let (one, foreign) = (fixture.again(), fixture.of_tenant("other"));
    let backfill = NewRun { kind: RunKind::Backfill, to: day(9), ..new_run(day(2)) };
    for store in [&one, &foreign] {
        store.start_run(&backfill).await.unwrap();
    }
    let alive = async |store: &Arc<dyn Store>| {
        let question =
            SeriesQuestion { from: day(1), to: day(31), metrics: Vec::new(), values: ValuesAsked::default() };
        let runs = store.series(&question).await.unwrap().runs;
        assert!(runs.iter().all(|logged| logged.is_alive != logged.is_orphaned()));
        let alive = runs.iter().filter(|logged| logged.is_alive);
        alive.map(|logged| logged.run.kind.name()).collect::<Vec<_>>()
    };
    assert_eq!((alive(&one).await, alive(&foreign).await), (vec![], vec![]));
    let lock = one.try_lock(&LockName::Backfill).await.unwrap().unwrap();
    assert_eq!((alive(&one).await, alive(&foreign).await), (vec!["backfill"], vec![]));
    let foreign_lock = foreign.try_lock(&LockName::Backfill).await.unwrap().unwrap();
    let day_lock = one.try_lock(&LockName::Day(day(1))).await.unwrap().unwrap();
    let of_one = alive(&one).await;
    assert!(of_one.len() == 2 && of_one.contains(&"collect"), "{of_one:?}");
    assert_eq!(alive(&foreign).await, ["backfill"]);
    drop((lock, foreign_lock, day_lock));
    // PostgreSQL releases the lock a little later, when it notices the end of the session.
    while !alive(&one).await.is_empty() || !alive(&foreign).await.is_empty() {}
    one.commit(&[], Some(&finish(backfill.id))).await.unwrap();
    assert_eq!(alive(&one).await, [""; 0]);
}

/// The lock file of a process that was killed stays, but is not locked.
#[tokio::test]
async fn a_leftover_lock_file_keeps_no_run_alive() {
    let fixture = Fixture::sqlite();
    fixture.ready().await;
    let daymark::database::DatabaseUrl::Sqlite(path) = &fixture.url else { panic!("not SQLite") };
    let locks = path.parent().unwrap().join("store.db-locks");
    std::fs::write(locks.join("default.day-2025-01-01"), "").unwrap();
    let question =
        SeriesQuestion { from: day(1), to: day(1), metrics: Vec::new(), values: ValuesAsked::default() };
    assert!(fixture.store.series(&question).await.unwrap().runs[0].is_orphaned());
}

async fn a_closed_run_cannot_be_finished(fixture: Fixture) {
    let run = fixture.ready().await;
    let mut closed = finish(run);
    closed.status = RunStatus::Failed;
    closed.error_message = Some("its process died".to_owned());
    fixture.again().commit(&[], Some(&closed)).await.unwrap();

    let error = fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap_err();
    assert!(matches!(error, StoreError::RunFinished(id) if id == run), "{error}");
    assert_eq!(fixture.store.recorded_span().await.unwrap(), None, "nothing was written");
    assert_eq!(fixture.store.run(run).await.unwrap().unwrap().status, RunStatus::Failed);
}

/// A process dies while PostgreSQL answers its commit, and another one ends its run.
#[tokio::test]
async fn the_end_of_a_run_counts_the_records_of_a_commit_that_is_under_way() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    let mut session = fixture.postgres_session().await;
    let insert = format!(
        "SELECT ensure_partition(2025);
         BEGIN;
         INSERT INTO daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, provenance, definition_version,
                                    collection_id, collection_timestamp)
         VALUES ('default', '2025-01-01', 'count', 'posts_total', 5, 'observed', 1, '{run}', '{}')",
        crate::fixture::noon()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut session).await.unwrap();
    let store = fixture.again();
    // Within its transaction, the other session would see the same activity for ever.
    let mut observer = fixture.postgres_session().await;
    let ending = tokio::spawn(async move { store.commit(&[], Some(&finish(run))).await });
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut observer).await.unwrap() == 0 {
        assert!(!ending.is_finished(), "the end of the run does not wait for its records");
    }
    sqlx::raw_sql("COMMIT").execute(&mut session).await.unwrap();
    ending.await.unwrap().unwrap();
    assert_eq!(fixture.store.run(run).await.unwrap().unwrap().metrics_collected, 1);
}

/// A commit is repeated when the connection breaks after the commit and before its answer.
async fn a_commit_may_be_repeated(fixture: Fixture) {
    let run = fixture.ready().await;
    let records = [record(run, day(1), "5"), record(run, day(2), "6")];
    let end = finish(run);
    let mut answers: Vec<Vec<(Date, MetricKey)>> = Vec::new();
    for _ in 0..2 {
        let mut answer = fixture.store.commit(&records, Some(&end)).await.unwrap();
        answer.sort();
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].len(), 2);
    assert_eq!(fixture.store.records(day(1), day(31), None).await.unwrap().len(), 2);

    // A record that is offered twice in one commit is written once.
    let later = new_run(day(3));
    fixture.store.start_run(&later).await.unwrap();
    let twice = [record(later.id, day(3), "7"), record(later.id, day(3), "8")];
    assert_eq!(fixture.store.commit(&twice, None).await.unwrap().len(), 1);
    assert!(fixture.store.commit(&[], None).await.unwrap().is_empty());
}

/// The number of records is larger than one statement writes, and not a multiple of that.
async fn a_commit_skips_records_that_exist(fixture: Fixture) {
    let run = fixture.ready().await;
    let dates: Vec<_> = date(2024, 9, 1).series(1.day()).take(120).collect();
    let records: Vec<_> = dates.iter().zip(1..).map(|(date, n)| record(run, *date, &n.to_string())).collect();
    let there = [record(run, dates[10], "0.1"), record(run, dates[119], "0.2")];
    fixture.store.commit(&there, Some(&finish(run))).await.unwrap();

    let later = new_run(dates[0]);
    fixture.store.start_run(&later).await.unwrap();
    let offered: Vec<_> =
        records.iter().cloned().map(|record| Record { collection_id: later.id, ..record }).collect();
    let written = fixture.store.commit(&offered, None).await.unwrap();
    let expected: Vec<_> = offered.iter().map(|record| (record.metric_date, record.key.clone())).collect();
    let is_new = |(date, _): &&(Date, MetricKey)| *date != dates[10] && *date != dates[119];
    assert_eq!(
        BTreeSet::from_iter(&written),
        expected.iter().filter(is_new).collect::<BTreeSet<_>>(),
        "the first write wins"
    );

    let kept = fixture.store.records(dates[0], dates[119], None).await.unwrap();
    let mut wanted = offered;
    (wanted[10], wanted[119]) = (there[0].clone(), there[1].clone());
    assert_eq!(kept, wanted);
}

#[tokio::test]
async fn postgres_locks_end_with_their_session_and_calls_reconnect() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    let lock = fixture.store.try_lock(&LockName::Backfill).await.unwrap();
    assert!(lock.is_some());
    let terminate = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(fixture.sql(terminate).await.unwrap() >= 2);
    assert_eq!(fixture.store.commit(&[record(run, day(1), "5")], None).await.unwrap().len(), 1);
    assert!(fixture.again().try_lock(&LockName::Backfill).await.unwrap().is_some());
}

/// Two processes that name the same file by different paths exclude each other.
#[tokio::test]
async fn all_paths_to_a_sqlite_file_share_its_locks() {
    let fixture = Fixture::sqlite();
    fixture.ready().await;
    let daymark::database::DatabaseUrl::Sqlite(path) = &fixture.url else { panic!("not SQLite") };
    let directory = path.parent().unwrap();
    std::os::unix::fs::symlink(path, directory.join("link.db")).unwrap();
    std::fs::create_dir(directory.join("inner")).unwrap();
    let lock = fixture.store.try_lock(&LockName::Day(day(1))).await.unwrap();
    assert!(lock.is_some());
    for other in ["link.db", "inner/../store.db"] {
        let store = crate::fixture::sqlite_store(&directory.join(other));
        assert!(store.try_lock(&LockName::Day(day(1))).await.unwrap().is_none(), "{other}");
        assert!(store.try_lock(&LockName::Day(day(2))).await.unwrap().is_some(), "{other}");
    }
}
