//! The database refuses hostile rows to every role, by its own clock and its own constraints. After each test every reader still
//! answers.

use daymark::store::{
    JobFilter, LockName, NewRevision, RevisionBatch, RevisionFilter, RunFilter, SeriesQuestion, Store,
    ValuesAsked,
};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use uuid::Uuid;

use crate::{
    fixture::{Fixture, day, definitions, new_run, record},
    revisions::{correction, write},
};

crate::on_both_stores!(
    forged_records_are_refused,
    forged_revisions_are_refused,
    forged_runs_are_refused,
    forged_times_of_jobs_pauses_and_the_leader_are_refused,
    rows_that_readers_could_not_read_are_refused,
    values_of_too_many_digits_are_refused,
    an_unreadable_record_hides_no_earlier_one_from_latest,
    running_entries_are_read_in_pages,
    a_store_that_has_run_refuses_a_simulated_clock,
    now_is_the_time_of_the_databases_clock,
    the_revisions_of_a_batch_have_one_time,
    a_revision_is_never_before_an_earlier_one,
);

/// A store with a real clock, with definitions and a running run over the last 30 days that have ended.
pub async fn real(fixture: &Fixture) -> (Uuid, Date) {
    let store = &fixture.store;
    store.migrate().await.unwrap();
    let changes: Vec<_> = definitions().into_iter().map(daymark::store::DefinitionChange::Add).collect();
    let now = store.now().await.unwrap();
    store.change_definitions(&changes, daymark::store::Origin::File, now).await.unwrap();
    // A day that ended two days ago in UTC has ended in every time zone.
    let ended = now.to_zoned(TimeZone::UTC).date().checked_sub(2.days()).unwrap();
    let kind = daymark::store::RunKind::Backfill;
    let from = ended.checked_sub(30.days()).unwrap();
    let run = daymark::store::NewRun { kind, from, to: ended, started_at: now, ..new_run(ended) };
    store.start_run(&run).await.unwrap();
    if fixture.is_postgres() {
        let ensure = format!("SELECT ensure_partition({}), ensure_partition({})", from.year(), ended.year());
        fixture.sql(&ensure).await.unwrap();
    }
    (run.id, ended)
}

pub fn text(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

pub fn insert(run: Uuid, date: &str, provenance: &str, read_at: &str) -> String {
    let id = Uuid::new_v4();
    format!(
        "INSERT INTO daily_metrics (id, tenant_id, metric_date, metric_type, metric_category, value, provenance,
                                    definition_version, collection_id, collection_timestamp)
         VALUES ('{id}', 'default', '{date}', 'count', 'posts_total', '5', '{provenance}', 1, '{run}', '{read_at}')"
    )
}

async fn forged_records_are_refused(fixture: Fixture) {
    let (run, ended) = real(&fixture).await;
    let now = fixture.store.now().await.unwrap();
    let today = now.to_zoned(TimeZone::UTC).date();
    let (tomorrow, next_week) = (text(now + 24.hours()), text(now + 200.hours()));
    let read_at = text(now);
    let created_at = |time: &str| {
        let insert = insert(run, &ended.to_string(), "observed", &read_at);
        let insert = insert.replace("collection_timestamp)", "collection_timestamp, created_at)");
        insert.replace(&format!("'{read_at}')"), &format!("'{read_at}', '{time}')"))
    };
    for forged in [
        insert(run, &today.tomorrow().unwrap().to_string(), "observed", &tomorrow),
        insert(run, &today.checked_add(5.days()).unwrap().to_string(), "reconstructed", &next_week),
        insert(run, &ended.to_string(), "observed", &tomorrow),
        insert(run, &ended.to_string(), "observed", &text(now - 300.hours())),
        insert(run, &ended.checked_sub(20.days()).unwrap().to_string(), "observed", &read_at),
        insert(run, &ended.checked_sub(40.days()).unwrap().to_string(), "reconstructed", &read_at),
        insert(run, &ended.to_string(), "corrected", &read_at),
        insert(Uuid::new_v4(), &ended.to_string(), "observed", &read_at),
        insert(run, "infinity", "observed", &read_at),
        insert(run, &ended.to_string(), "observed", "infinity"),
        created_at(&text(now - 24.hours())),
        created_at(&tomorrow),
        created_at("infinity"),
    ] {
        assert!(fixture.sql(&forged).await.is_err(), "{forged} was accepted");
        if fixture.is_postgres() {
            let table = format!("daily_metrics_{}", ended.year());
            assert!(
                fixture.sql(&forged.replace("daily_metrics", &table)).await.is_err(),
                "{table}: {forged}"
            );
        }
    }
    assert_eq!(fixture.store.recorded_span().await.unwrap(), None);
    let early = ended.checked_sub(20.days()).unwrap();
    assert_eq!(fixture.sql(&insert(run, &ended.to_string(), "observed", &read_at)).await, Ok(1));
    assert_eq!(fixture.sql(&insert(run, &early.to_string(), "reconstructed", &read_at)).await, Ok(1));
    assert_all_readers_answer(fixture.store.as_ref()).await;
}

/// The zones in which a day ends last, first and in between, and one that the server does not know, whose day ends at the earliest.
const ZONES: [&str; 4] = ["Etc/GMT+12", "UTC", "Pacific/Kiritimati", "Mars/Olympus_Mons"];

/// A record of the running day would be the first one, and keep the true value out.
#[tokio::test]
async fn a_record_and_a_run_of_a_day_that_has_not_ended_in_its_zone_are_refused() {
    for name in ZONES {
        let fixture = Fixture::postgres().await;
        fixture.store.migrate().await.unwrap();
        let in_zone = |definition| daymark::metric::Definition { time_zone: name.to_owned(), ..definition };
        let changes: Vec<_> =
            definitions().into_iter().map(in_zone).map(daymark::store::DefinitionChange::Add).collect();
        let now = fixture.store.now().await.unwrap();
        fixture.store.change_definitions(&changes, daymark::store::Origin::File, now).await.unwrap();
        let zone = TimeZone::get(name).unwrap_or(TimeZone::fixed(jiff::tz::offset(14)));
        // The database allows clocks to differ by 5 minutes.
        let running = (now + 5.minutes()).to_zoned(zone.clone()).date();
        let (ended, from) = (running.yesterday().unwrap(), running.checked_sub(5.days()).unwrap());
        let kind = daymark::store::RunKind::Backfill;
        let run = daymark::store::NewRun { kind, from, to: running, started_at: now, ..new_run(running) };
        let refused = fixture.store.start_run(&run).await.unwrap_err().to_string();
        assert!(refused.contains("has not ended"), "{name}: {refused}");
        let of_ended = daymark::store::NewRun { id: Uuid::new_v4(), to: ended, ..run.clone() };
        fixture.store.start_run(&of_ended).await.unwrap();
        // The check of records is tried with a run that the check of runs would refuse.
        let enabled = "ALTER TABLE metric_collection_log ENABLE ALWAYS TRIGGER refuse_forged";
        fixture.sql("ALTER TABLE metric_collection_log DISABLE TRIGGER refuse_forged").await.unwrap();
        fixture.store.start_run(&run).await.unwrap();
        fixture.sql(enabled).await.unwrap();
        for year in [from, running].map(|date| date.year()) {
            fixture.sql(&format!("SELECT ensure_partition({year})")).await.unwrap();
        }
        let of = |date: Date, read_at| insert(run.id, &date.to_string(), "observed", &text(read_at));
        fixture.sql(&of(running, now)).await.expect_err(name);
        let midnight = zone.to_ambiguous_timestamp(running.at(0, 0, 0, 0)).compatible().unwrap();
        fixture.sql(&of(ended, midnight - 10.minutes())).await.expect_err("read before the day had ended");
        assert_eq!(fixture.sql(&of(ended, now)).await, Ok(1), "{name}");
        assert_eq!(fixture.sql(&of(from, now)).await.map_err(|_| ()), Ok(1), "{name}");
    }
}

/// Rows that a role with the privilege to correct writes past Daymark: the database decides their number, time and meaning.
async fn forged_revisions_are_refused(fixture: Fixture) {
    let (run, ended) = real(&fixture).await;
    let now = text(fixture.store.now().await.unwrap());
    assert_eq!(fixture.sql(&insert(run, &ended.to_string(), "observed", &now)).await, Ok(1));
    let forged = |number: i32, date: &str, kind: &str, value: &str, at: &str| {
        format!(
            "INSERT INTO metric_revisions (tenant_id, batch_id, metric_date, metric_type, metric_category, revision, kind, value,
                                           metadata, basis, reason, author, created_at)
             VALUES ('default', '{}', '{date}', 'count', 'posts_total', {number}, '{kind}', {value}, 'manual', 'why', 'cli:anna', '{at}')",
            Uuid::new_v4()
        )
    };
    let day = ended.to_string();
    for (date, kind, value) in [
        (&*day, "value", "NULL, NULL"),
        (&*day, "value", "'4', NULL"),
        (&*day, "value", "'NaN', '{}'"),
        (&*day, "value", "'-4', '{}'"),
        (&*day, "value", "'4', '[]'"),
        (&*day, "withdrawal", "'4', '{}'"),
        (&*day, "reversal", "NULL, NULL"),
        (&*day, "guess", "'4', '{}'"),
        (&ended.yesterday().unwrap().to_string(), "value", "'4', '{}'"),
    ] {
        let statement = forged(1, date, kind, value, &now);
        fixture.sql(&statement).await.expect_err(&statement);
    }
    let others = [
        forged(7, &day, "value", "'4', '{}'", &now),
        forged(1, &day, "value", "'4', '{}'", "2025-01-09T00:00:00.000000Z"),
    ];
    for (place, statement) in others.iter().enumerate() {
        let outcome = fixture.sql(statement).await;
        let filter = daymark::store::RevisionFilter { limit: 9, ..Default::default() };
        let written = fixture.store.revisions(&filter).await.unwrap();
        if fixture.is_postgres() && place == 1 {
            // A trigger sets the time.
            assert_eq!((outcome, written[0].revision), (Ok(1), 1));
            assert!(text(written[0].created_at) >= now);
            let forged = forged(2, &day, "value", "'4', '{}'", &now)
                .replace("author, created_at)", "author, created_at, inserted_by)")
                .replace(&format!("'{now}')"), &format!("'{now}', 'pg_monitor')"));
            assert_eq!(fixture.sql(&forged).await, Ok(1));
            let own = "SELECT 1 FROM metric_revisions WHERE revision = 2 AND inserted_by = current_user";
            assert_eq!(fixture.sql(own).await, Ok(1), "the role is that of the session");
        } else {
            assert!(outcome.unwrap_err().contains("is refused"), "{statement}");
            assert_eq!(written, []);
        }
    }
    assert_all_readers_answer(fixture.store.as_ref()).await;
}

/// With the database's own clock: no instant lies between the corrections of a call, which are all written or none.
async fn the_revisions_of_a_batch_have_one_time(fixture: Fixture) {
    let (run, ended) = real(&fixture).await;
    let store = fixture.store.as_ref();
    let read_at = text(store.now().await.unwrap());
    let days: Vec<_> = (0..30).map(|back| ended.checked_sub(back.days()).unwrap()).collect();
    for date in &days {
        assert_eq!(fixture.sql(&insert(run, &date.to_string(), "reconstructed", &read_at)).await, Ok(1));
    }
    let mut known = Vec::new();
    for _ in 0..2 {
        let revisions = days.iter().map(|date| NewRevision { date: *date, ..correction(1, "7") }).collect();
        let written = write(store, revisions).await.unwrap();
        let at = written[0].created_at;
        assert!(written.iter().all(|revision| revision.created_at == at), "{written:?}");
        known.push((at, written.len()));
    }
    assert!(known[0].0 < known[1].0);
    for (place, (at, _)) in known.iter().enumerate() {
        let filter = RevisionFilter { as_of: Some(*at), limit: 100, ..RevisionFilter::default() };
        assert_eq!(store.revisions(&filter).await.unwrap().len(), (place + 1) * days.len());
    }
}

/// The clock of the machine was set back by an hour.
async fn a_revision_is_never_before_an_earlier_one(fixture: Fixture) {
    let (run, ended) = real(&fixture).await;
    let store = fixture.store.as_ref();
    let read_at = text(store.now().await.unwrap());
    let days = [ended, ended.yesterday().unwrap()];
    for date in days {
        assert_eq!(fixture.sql(&insert(run, &date.to_string(), "reconstructed", &read_at)).await, Ok(1));
    }
    let settings = match fixture.is_postgres() {
        true => "ALTER TABLE store_settings DISABLE TRIGGER ALL",
        false => "DROP TRIGGER store_settings_refuse_update",
    };
    fixture.sql(settings).await.unwrap();
    fixture.sql("UPDATE store_settings SET simulated_clock = TRUE").await.unwrap();
    let ahead = RevisionBatch {
        id: Uuid::new_v4(),
        reason: "why".to_owned(),
        author: "cli:anna".to_owned(),
        made_at: store.now().await.unwrap() + 1.hour(),
        revisions: vec![NewRevision { date: days[0], ..correction(1, "7") }],
    };
    let first = store.write_revisions(&ahead).await.unwrap();
    fixture.sql("UPDATE store_settings SET simulated_clock = FALSE").await.unwrap();
    for date in days {
        let later = write(store, vec![NewRevision { date, ..correction(1, "8") }]).await.unwrap();
        assert_eq!(later[0].created_at, first[0].created_at, "{date}");
    }
}

async fn forged_runs_are_refused(fixture: Fixture) {
    let (run, ended) = real(&fixture).await;
    let now = fixture.store.now().await.unwrap();
    let insert_run = |date: &str, status: &str, started_at: &str, completed_at: &str, count: i32| {
        format!(
            "INSERT INTO metric_collection_log (id, tenant_id, kind, collection_date, collection_end_date, started_at,
                                                completed_at, status, metrics_collected, trigger, actor, host, process_id)
             VALUES ('{}', 'default', 'collect', '{date}', '{date}', '{started_at}', {completed_at}, '{status}', {count},
                     'cli', 'cli:test', 'here', 1)",
            Uuid::new_v4()
        )
    };
    let (ended, read_at) = (ended.to_string(), text(now));
    let done = format!("'{read_at}'");
    for forged in [
        insert_run(&ended, "completed", &read_at, &done, 5),
        insert_run(&ended, "failed", &read_at, &done, 0),
        insert_run(&ended, "running", &read_at, "NULL", 5),
        insert_run(&ended, "running", &text(now + 24.hours()), "NULL", 0),
        insert_run(&ended, "running", &text(now - 300.hours()), "NULL", 0),
        insert_run(
            &now.to_zoned(TimeZone::UTC).date().tomorrow().unwrap().to_string(),
            "running",
            &read_at,
            "NULL",
            0,
        ),
        insert_run("infinity", "running", &read_at, "NULL", 0),
        insert_run(&ended, "running", "infinity", "NULL", 0),
        format!(
            "UPDATE metric_collection_log SET status = 'completed', completed_at = '{}' WHERE id = '{run}'",
            text(now + 24.hours())
        ),
    ] {
        assert!(fixture.sql(&forged).await.is_err(), "{forged} was accepted");
    }
    // A run that has ended accepts no further record.
    fixture
        .store
        .commit(&[], Some(&daymark::store::Finish { completed_at: now, ..crate::fixture::finish(run) }))
        .await
        .unwrap();
    assert!(fixture.sql(&insert(run, &ended, "observed", &read_at)).await.is_err());
    assert_all_readers_answer(fixture.store.as_ref()).await;
}

async fn forged_times_of_jobs_pauses_and_the_leader_are_refused(fixture: Fixture) {
    real(&fixture).await;
    let now = fixture.store.now().await.unwrap();
    let job = |created_at: Timestamp| {
        format!(
            "INSERT INTO jobs (id, tenant_id, kind, spec, trigger, actor, status, created_at, host, process_id)
             VALUES ('{}', 'default', 'collect', '{{}}', 'cli', 'a', 'queued', '{}', 'h', 1)",
            Uuid::new_v4(),
            text(created_at)
        )
    };
    let pause = |paused_at: Timestamp| {
        format!(
            "INSERT INTO schedule_pauses (id, tenant_id, paused_at, paused_by, reason)
             VALUES ('{}', 'default', '{}', 'a', 'r')",
            Uuid::new_v4(),
            text(paused_at)
        )
    };
    let leader = |since: Timestamp, seen_at: Timestamp| {
        format!(
            "INSERT INTO leaders (tenant_id, host, process_id, since, seen_at) VALUES ('default', 'h', 1, '{}', '{}')
             ON CONFLICT (tenant_id) DO UPDATE SET since = excluded.since, seen_at = excluded.seen_at",
            text(since),
            text(seen_at)
        )
    };
    let (later, earlier) = (now + 1.hours(), now - 2.hours());
    let (start, end) = (
        "UPDATE jobs SET status = 'running', started_at",
        "UPDATE schedule_pauses SET resumed_by = 'a', resumed_at",
    );
    for accepted in [job(now), pause(now), leader(earlier, now), leader(earlier, now + 1.seconds())] {
        assert_eq!(fixture.sql(&accepted).await, Ok(1), "{accepted}");
    }
    for forged in [
        job(later),
        job(earlier),
        pause(later),
        pause(earlier),
        leader(later, now),
        leader(earlier, later),
        leader(earlier, earlier),
        format!("{start} = '{}'", text(later)),
        format!("{end} = '{}'", text(later)),
        format!("{end} = '{}'", text(earlier)),
    ] {
        assert!(fixture.sql(&forged).await.is_err(), "{forged} was accepted");
    }
    for accepted in [format!("{start} = '{}'", text(now)), format!("{end} = '{}'", text(now))] {
        assert_eq!(fixture.sql(&accepted).await, Ok(1), "{accepted}");
    }
    let recount = |at: Timestamp| {
        format!(
            "INSERT INTO drift_samples (tenant_id, metric_date, metric_type, metric_category, recorded, recounted, recounted_at)
             VALUES ('default', '2025-01-01', 'count', 'posts_total', '1', '0', '{}')",
            text(at)
        )
    };
    assert!(fixture.sql(&recount(later)).await.is_err(), "the newest recount for ever");
    assert_eq!(fixture.sql(&recount(earlier)).await, Ok(1));
    let newer = format!("UPDATE drift_samples SET recounted_at = '{}'", text(later));
    assert!(fixture.sql(&newer).await.is_err(), "{newer} was accepted");
    assert_all_readers_answer(fixture.store.as_ref()).await;
}

async fn rows_that_readers_could_not_read_are_refused(fixture: Fixture) {
    real(&fixture).await;
    let version = |spec: &str, version: i64, at: &str| {
        format!(
            "INSERT INTO metric_definition_versions (tenant_id, metric_type, metric_category, version, spec, created_at)
             VALUES ('default', 'count', 'posts_total', {version}, '{spec}', '{at}')"
        )
    };
    let now = text(fixture.store.now().await.unwrap());
    let other = r#"{"metric_type": "count", "category": "other", "display_name": "", "measure": "created"}"#;
    let own =
        r#"{"metric_type": "count", "category": "posts_total", "display_name": "", "measure": "created"}"#;
    let long = "x".repeat(70_000);
    for hostile in [
        version("{}", 2, &now),
        version(other, 2, &now),
        version(own, 3, &now),
        version(own, 2_147_483_647, &now),
        version(own, 2, "infinity"),
        "UPDATE metric_definitions SET display_name = ''".to_owned(),
        format!("UPDATE metric_definitions SET description = '{long}'"),
        "UPDATE metric_definitions SET updated_at = 'infinity'".to_owned(),
        "DELETE FROM metric_definitions".to_owned(),
        "DELETE FROM store_settings".to_owned(),
        "INSERT INTO events (tenant_id, id, kind, subject) VALUES ('default', 99, 'guess', '{}')".to_owned(),
        "INSERT INTO events (tenant_id, id, kind, subject) VALUES ('default', 99, 'run_failed', '[]')".to_owned(),
        format!("INSERT INTO jobs (id, tenant_id, kind, spec, trigger, actor, status, created_at, finished_at, host, process_id)
                 VALUES ('{}', 'default', 'collect', '{{}}', 'cli', 'a', 'completed', '{now}', '{now}', 'h', 1)", Uuid::new_v4()),
        format!("INSERT INTO jobs (id, tenant_id, kind, spec, trigger, actor, status, created_at, host, process_id)
                 VALUES ('{}', 'default', 'collect', '{{}}', 'cli', '', 'queued', '{now}', 'h', 1)", Uuid::new_v4()),
        format!("INSERT INTO jobs (id, tenant_id, kind, spec, trigger, actor, status, created_at, host, process_id)
                 VALUES ('{}', 'default', 'collect', '{{}}', 'cli', 'a', 'queued', 'infinity', 'h', 1)", Uuid::new_v4()),
        format!("INSERT INTO jobs (id, tenant_id, kind, spec, trigger, actor, status, created_at, host, process_id)
                 VALUES ('{}', 'default', 'collect', '{{}}', 'cli', 'a', 'queued', '{now}', 'h', -1)", Uuid::new_v4()),
    ] {
        assert!(fixture.sql(&hostile).await.is_err(), "{hostile} was accepted");
    }
    assert_all_readers_answer(fixture.store.as_ref()).await;
}

async fn values_of_too_many_digits_are_refused(fixture: Fixture) {
    let (run, ended) = real(&fixture).await;
    let read_at = text(fixture.store.now().await.unwrap());
    let of = |value: &str| {
        insert(run, &ended.to_string(), "observed", &read_at).replace("'5'", &format!("'{value}'"))
    };
    let (whole, places) = ("9".repeat(38), "1".repeat(30));
    for value in [&format!("9{whole}"), &format!("0.{places}1"), &"9".repeat(1000), "NaN", "Infinity"] {
        assert!(fixture.sql(&of(value)).await.is_err(), "{value} was accepted");
    }
    assert_eq!(fixture.sql(&of(&format!("{whole}.{places}"))).await, Ok(1));
    let latest = fixture.store.latest(&[definitions()[0].key()], ValuesAsked::default()).await.unwrap();
    assert_eq!(latest[0].record.value.to_string(), format!("{whole}.{places}"));
}

/// A role that records can insert any number of them.
async fn running_entries_are_read_in_pages(fixture: Fixture) {
    let (_, ended) = real(&fixture).await;
    let columns = "(id, tenant_id, kind, collection_date, collection_end_date, started_at, status, trigger, actor, host, process_id)";
    let started_at = text(fixture.store.now().await.unwrap());
    let (id, numbers) = match fixture.is_postgres() {
        true => ("md5(n::TEXT)::UUID", "generate_series(1, 10000) AS numbers (n)"),
        false => (
            "printf('00000000-0000-0000-0000-%012x', n)",
            "(WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 10000) SELECT n FROM counted)",
        ),
    };
    let insert = format!(
        "INSERT INTO metric_collection_log {columns}
         SELECT {id}, 'default', 'collect', '{ended}', '{ended}', '{started_at}', 'running', 'cli', 'cli:test', 'here', 1
         FROM {numbers}"
    );
    fixture.sql(&insert).await.unwrap();
    let (mut ids, mut page) = (std::collections::HashSet::new(), Some(RunFilter::running()));
    while let Some(filter) = page {
        let runs = fixture.store.runs(&filter).await.unwrap();
        assert!(runs.len() <= 500, "{}", runs.len());
        page = RunFilter::running_after(&runs);
        ids.extend(runs.into_iter().map(|run| run.id));
    }
    assert_eq!(ids.len(), 10_001, "the running run of the fixture is among them");
    let incomplete = fixture.store.incomplete_runs(ended, ended).await.unwrap();
    assert!(incomplete.len() < 10 && incomplete.iter().all(daymark::store::LoggedRun::is_orphaned));
}

/// An owner can switch off what refuses such rows.
async fn an_unreadable_record_hides_no_earlier_one_from_latest(fixture: Fixture) {
    let run = fixture.ready().await;
    let records: Vec<_> = (1..=9).map(|number| record(run, day(number), "5")).collect();
    fixture.store.commit(&records, None).await.unwrap();
    let weaken = match fixture.is_postgres() {
        true => {
            "ALTER TABLE daily_metrics DROP CONSTRAINT value_is_finite; ALTER TABLE daily_metrics DISABLE TRIGGER USER;
             ALTER TABLE daily_metrics_2025 DISABLE TRIGGER USER; GRANT UPDATE ON daily_metrics TO CURRENT_USER"
        }
        false => "DROP TRIGGER daily_metrics_refuse_update; PRAGMA ignore_check_constraints = ON",
    };
    let damage = "UPDATE daily_metrics SET value = 'NaN' WHERE metric_date >= '2025-01-08' OR metric_date = '2025-01-06'";
    fixture.sql(&format!("{weaken}; {damage}")).await.unwrap();
    let latest = fixture.store.latest(&[definitions()[0].key()], ValuesAsked::default()).await.unwrap();
    // An earlier value that cannot be read is none.
    assert_eq!((latest[0].record.metric_date, &latest[0].day_before), (day(7), &None));
    assert_eq!(latest[0].record.value, crate::fixture::decimal("5"));
}

#[tokio::test]
async fn deeply_nested_json_is_refused() {
    let fixture = Fixture::postgres().await;
    let (run, ended) = real(&fixture).await;
    let now = text(fixture.store.now().await.unwrap());
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let record = |depth| {
        let insert = insert(run, &ended.to_string(), "observed", &now);
        let insert = insert.replace("collection_timestamp)", "collection_timestamp, metadata)");
        insert.replace(&format!("'{now}')"), &format!("'{now}', '{}')", nested(depth)))
    };
    let version = |depth| {
        let spec = r#"{"metric_type": "count", "category": "posts_total", "display_name": "", "measure": "created", "deep": 1}"#;
        let spec = spec.replace(": 1}", &format!(": {}}}", nested(depth)));
        format!(
            "INSERT INTO metric_definition_versions (tenant_id, metric_type, metric_category, version, spec)
             VALUES ('default', 'count', 'posts_total', 2, '{spec}')"
        )
    };
    let job = |depth| {
        format!(
            "INSERT INTO jobs (id, tenant_id, kind, spec, trigger, actor, status, created_at, host, process_id)
             VALUES ('{}', 'default', 'collect', '{}', 'cli', 'a', 'queued', '{now}', 'h', 1)",
            Uuid::new_v4(),
            nested(depth)
        )
    };
    for depth in [64, 127, 3000] {
        for hostile in [record(depth), version(depth), job(depth)] {
            let refused = fixture.sql(&hostile).await.unwrap_err();
            assert!(refused.contains("check constraint"), "{depth}: {refused}");
        }
    }
    for allowed in [record(63), version(62), job(63)] {
        assert_eq!(fixture.sql(&allowed).await, Ok(1), "{allowed}");
    }
    let read = fixture.store.records(ended, ended, None).await.unwrap();
    assert_eq!(serde_json::to_string(&read[0].metadata).unwrap(), nested(63));
    assert_all_readers_answer(fixture.store.as_ref()).await;
}

async fn a_store_that_has_run_refuses_a_simulated_clock(fixture: Fixture) {
    real(&fixture).await;
    assert!(fixture.store.simulate_clock().await.is_err(), "the store has a run by the real clock");
}

async fn now_is_the_time_of_the_databases_clock(fixture: Fixture) {
    fixture.store.migrate().await.unwrap();
    let (first, second) = (fixture.store.now().await.unwrap(), fixture.store.now().await.unwrap());
    assert!(first <= second && (second - first).get_seconds() < 60);
}

/// Calls every reading method of the store.
async fn assert_all_readers_answer(store: &dyn Store) {
    let (from, to) = (jiff::civil::date(1900, 1, 1), jiff::civil::date(2100, 1, 1));
    let keys: Vec<_> = definitions().iter().map(|definition| definition.key()).collect();
    store.definitions().await.unwrap();
    store.definition_versions().await.unwrap();
    store.recorded(from, to).await.unwrap();
    store.recorded_span().await.unwrap();
    store.records(from, to, None).await.unwrap();
    store.latest(&keys, ValuesAsked::default()).await.unwrap();
    store.summary(to, &[]).await.unwrap();
    store.runs(&RunFilter::default()).await.unwrap();
    store.incomplete_runs(from, to).await.unwrap();
    let metrics = keys
        .into_iter()
        .map(|key| daymark::store::AskedMetric { key, metadata: true, judgement: true })
        .collect();
    store.series(&SeriesQuestion { from, to, metrics, values: ValuesAsked::default() }).await.unwrap();
    store.api_keys().await.unwrap();
    store.jobs(&JobFilter::default()).await.unwrap();
    store.events(0, 1000).await.unwrap();
    store.anomalies(from, to, 1000).await.unwrap();
    store.drift_samples(Timestamp::UNIX_EPOCH, 1000).await.unwrap();
    assert_eq!(store.integrity().await.unwrap(), []);
}

#[tokio::test]
async fn another_role_can_only_close_an_orphaned_run() {
    let fixture = Fixture::postgres().await;
    let (run, ended) = real(&fixture).await;
    let role = format!("service_{}", Uuid::new_v4().simple());
    let grants = format!(
        "CREATE ROLE {role};
         GRANT USAGE ON SCHEMA daymark TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA daymark TO {role};
         GRANT INSERT ON daily_metrics, metric_collection_log, jobs, events TO {role};
         GRANT UPDATE ON metric_collection_log, jobs TO {role};
         GRANT EXECUTE ON FUNCTION ensure_partition TO {role}"
    );
    fixture.sql(&grants).await.unwrap();
    let now = text(fixture.store.now().await.unwrap());
    for hostile in [
        insert(run, &ended.to_string(), "observed", &now),
        "UPDATE metric_collection_log SET status = 'completed', completed_at = now()".to_owned(),
        "UPDATE metric_collection_log SET status = 'failed', completed_at = now()".to_owned(),
        "UPDATE metric_collection_log SET actor = 'other'".to_owned(),
        "UPDATE store_settings SET simulated_clock = TRUE".to_owned(),
        "SELECT ensure_partition(2999)".to_owned(),
        "SELECT ensure_partition(1899)".to_owned(),
        "INSERT INTO api_keys SELECT * FROM api_keys".to_owned(),
        "DELETE FROM events".to_owned(),
    ] {
        assert!(fixture.sql(&format!("SET ROLE {role}; {hostile}")).await.is_err(), "{hostile} was accepted");
    }
    // A role that holds the lock of an orphaned run may close it as failed.
    let other = Fixture::as_role(&fixture, &role).store;
    let _lock = other.try_lock(&LockName::Backfill).await.unwrap().unwrap();
    let close = "UPDATE metric_collection_log SET status = 'failed', completed_at = now()";
    assert_eq!(fixture.sql(&format!("SET ROLE {role}; {close}")).await.map(|_| ()), Ok(()));
    assert_all_readers_answer(other.as_ref()).await;
}

#[tokio::test]
async fn sqlite_refuses_to_replace_a_key_by_its_name() {
    let fixture = Fixture::sqlite();
    real(&fixture).await;
    let key = |id: Uuid| {
        format!(
            "INSERT OR REPLACE INTO api_keys (id, tenant_id, name, role, scopes, hash, created_at, created_by)
             VALUES ('{id}', 'default', 'key', 'reader', 'read', zeroblob(32), '2025-01-01T00:00:00.000000Z', 'cli:anna')"
        )
    };
    assert_eq!(fixture.sql(&key(Uuid::from_u128(1))).await, Ok(1));
    assert!(fixture.sql(&key(Uuid::from_u128(2))).await.unwrap_err().contains("refused"));
    assert_eq!(fixture.store.api_keys().await.unwrap().len(), 1);
}

const APPLICATION: &str = "
    CREATE TABLE posts (id BIGINT PRIMARY KEY);
    CREATE FUNCTION greet() RETURNS TEXT LANGUAGE sql AS 'SELECT ''hello''';
    GRANT SELECT, INSERT ON posts TO anon_of_app;";

/// The tables and functions of a schema, with their privileges.
async fn privileges(fixture: &Fixture, schema: &str) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT relname || ' ' || coalesce(relacl::TEXT, '') FROM pg_class
         WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p')
         UNION ALL SELECT proname || ' ' || coalesce(proacl::TEXT, '') FROM pg_proc WHERE pronamespace = $1::regnamespace
         ORDER BY 1",
    )
    .bind(schema)
    .fetch_all(&mut fixture.postgres_session().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_schema_with_foreign_objects_is_refused_and_left_unchanged() {
    let fixture = Fixture::in_schema("public").await;
    let role = format!("anon_{}", Uuid::new_v4().simple());
    fixture.sql(&format!("CREATE ROLE {role}; {}", APPLICATION.replace("anon_of_app", &role))).await.unwrap();
    let before = privileges(&fixture, "public").await;
    let error = fixture.store.migrate().await.unwrap_err().to_string();
    for expected in ["the relation posts", "the function greet", "nothing was changed", "store.schema"] {
        assert!(error.contains(expected), "{expected} is not in: {error}");
    }
    assert_eq!(privileges(&fixture, "public").await, before);
}

#[tokio::test]
async fn granting_the_api_roles_changes_no_privilege_on_foreign_tables() {
    let fixture = Fixture::in_schema("public").await;
    fixture.store.migrate().await.unwrap();
    let role = format!("anon_{}", Uuid::new_v4().simple());
    fixture.sql(&format!("CREATE ROLE {role}; {}", APPLICATION.replace("anon_of_app", &role))).await.unwrap();
    let posts = async || -> Vec<String> {
        privileges(&fixture, "public").await.into_iter().filter(|line| line.starts_with("posts")).collect()
    };
    let before = posts().await;
    // The owner calls this after the API's roles were created. It works on a server with or without them.
    fixture.sql("SELECT grant_api_roles()").await.unwrap();
    assert_eq!(posts().await, before);
    // No migration is pending, so the foreign objects do not matter.
    assert!(fixture.store.migrate().await.unwrap().is_empty());
    let partly = "DELETE FROM _sqlx_migrations WHERE version = 5";
    fixture.sql(partly).await.unwrap();
    assert!(fixture.again().migrate().await.unwrap_err().to_string().contains("the relation posts"));
}
