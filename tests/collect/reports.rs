//! The reports of `gaps`, `status` and `check`.

use std::sync::Arc;

use daymark::{
    clock::{Clock, SystemClock},
    collect::{
        BackfillRequest, CancellationToken, CollectError, Context, Gap, GapReport, backfill, collect_day,
        gaps, status,
    },
    config::{Finding, Severity},
    definitions::{CheckScope, check},
    metric::{Definition, Provenance},
    store::{LockName, NewRun, RunKind, RunStatus},
};
use jiff::{SignedDuration, Timestamp, civil::date};
use uuid::Uuid;

use crate::{
    on,
    world::{Heard, LAST_FINISHED, NOON, World, definitions, instant, january, range, right_now},
};

on! { [sqlite, postgres]
    a_gap_has_a_cause_and_a_command_that_fills_it,
    a_running_run_is_distinguished_from_an_orphaned_one,
    gaps_begin_with_the_first_row_of_the_platform,
    a_source_that_cannot_be_read_may_have_the_first_row,
    days_that_cannot_be_reconstructed_are_gaps_of_their_own_cause,
    days_before_a_definition_are_gaps_of_their_own_cause,
    days_whose_rows_the_platform_has_deleted_are_gaps_of_their_own_cause,
    the_records_that_are_searched_for_unreadable_ones_are_bounded,
    a_store_without_runs_has_a_status,
    the_status_names_the_next_day_and_whether_it_is_due,
    the_status_counts_the_records_that_gaps_lists,
    a_record_of_a_skipped_date_fills_no_gap,
    a_sound_installation_has_no_findings,
    a_clock_that_is_ahead_is_reported_and_refused,
    a_clock_that_is_behind_the_stores_is_reported_and_refused,
    check_reports_all_mistakes_at_once,
    check_reports_a_store_without_tables_and_an_unreachable_platform,
}

fn shown(report: &GapReport) -> Vec<String> {
    let of = |gap: &Gap| {
        format!("{} {}..{} {}", gap.key.category, gap.first.day(), gap.last.day(), gap.cause.name())
    };
    report.gaps.iter().map(of).collect()
}

async fn a_gap_has_a_cause_and_a_command_that_fills_it(world: World) {
    let collect = async |day| {
        collect_day(&world.context, Some(january(day)), &[], &CancellationToken::new()).await.unwrap()
    };
    world.set_clock("2025-01-01T12:00:00Z");
    world.apply(&definitions(world.time_format())).await;
    world.set_clock("2025-01-11T12:00:00Z");
    collect(1).await;
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    collect(5).await;
    world.execute("ALTER TABLE hidden RENAME TO comments").await;
    let only = |name: &str| BackfillRequest { only: vec![name.to_owned()], ..range(1, 10) };
    for name in ["authors", "posts_total", "posts_created"] {
        backfill(&world.context, &only(name), &Heard::default(), &CancellationToken::new()).await.unwrap();
    }
    let report = gaps(&world.context, None, None).await.unwrap();
    let found = shown(&report);
    assert_eq!((report.from, report.to, report.missing), (january(1), LAST_FINISHED, 9));
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[1], "comments_created 5..5 failed");
    assert!(report.gaps[1].cause.to_string().contains("comments"));
    assert_eq!(
        report.fill_with,
        ["daymark backfill --from 2025-01-02 --to 2025-01-10 --metric comments_created"]
    );
    assert_eq!(
        report.retry_with,
        ["daymark backfill --from 2025-01-05 --to 2025-01-05 --metric comments_created"]
    );
    backfill(&world.context, &range(2, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let filled = gaps(&world.context, None, None).await.unwrap();
    assert_eq!((filled.missing, filled.fill_with.len()), (0, 0));
}

fn a_run_elsewhere(day: i8, started_at: &str) -> NewRun {
    NewRun {
        id: Uuid::new_v4(),
        kind: RunKind::Collect,
        from: january(day),
        to: january(day),
        started_at: instant(started_at),
        trigger: daymark::store::Trigger::Cli,
        actor: "cli:test".to_owned(),
        host: "elsewhere".to_owned(),
        process_id: 4711,
    }
}

async fn a_running_run_is_distinguished_from_an_orphaned_one(world: World) {
    let other = world.another_process();
    other.tenant.store.start_run(&a_run_elsewhere(9, "2025-01-11T12:00:00Z")).await.unwrap();
    assert!(status(&world.context).await.unwrap().last_run_is_orphaned);
    let _lock = other.tenant.store.try_lock(&LockName::Day(LAST_FINISHED)).await.unwrap().unwrap();
    other.tenant.store.start_run(&a_run_elsewhere(10, "2025-01-11T12:00:01Z")).await.unwrap();
    assert!(!status(&world.context).await.unwrap().last_run_is_orphaned);
    let report = gaps(&world.context, Some(january(9)), None).await.unwrap();
    let causes: Vec<_> = report.gaps.iter().map(|gap| gap.cause.to_string()).collect();
    assert_eq!(
        causes[..2],
        [
            "failed: its process (4711 on elsewhere) ended, or lost its lock, before the run finished",
            "running now: collect, process 4711 on elsewhere",
        ]
    );
}

async fn days_that_cannot_be_reconstructed_are_gaps_of_their_own_cause(world: World) {
    let mut wanted = definitions(world.time_format());
    wanted.push(right_now(world.time_format()));
    world.apply(&wanted).await;
    backfill(&world.context, &range(8, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let report = gaps(&world.context, Some(january(8)), None).await.unwrap();
    assert_eq!(shown(&report), ["right_now 8..9 not_reconstructible", "right_now 10..10 defined_later"]);
    assert_eq!(report.fill_with, ["daymark collect --metric right_now"]);
}

async fn gaps_begin_with_the_first_row_of_the_platform(world: World) {
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let report = gaps(&world.context, None, None).await.unwrap();
    assert_eq!((report.from, report.missing), (january(1), 36));
    assert_eq!(report.fill_with, ["daymark backfill --from 2025-01-01 --to 2025-01-09"]);
    let earlier = gaps(&world.context, Some(date(2024, 1, 1)), None).await.unwrap();
    assert_eq!((earlier.from, earlier.missing), (january(1), 36), "days before the first row are not gaps");
    // An implausible first row does not make decades of gaps, but the report names it.
    world.execute("INSERT INTO comments VALUES (3, '1970-01-01 00:00:00', NULL)").await;
    let report = gaps(&world.context, None, None).await.unwrap();
    assert_eq!((report.from, report.first_row.unwrap().date), (LAST_FINISHED, date(1970, 1, 1)));
    let away = gaps(&world.without_platform(), None, None).await.unwrap();
    assert_eq!(
        (away.from, away.first_row),
        (LAST_FINISHED, None),
        "without the platform, gaps begin with the record"
    );
}

/// The rows of the other source do not say when the platform began.
async fn a_source_that_cannot_be_read_may_have_the_first_row(world: World) {
    world.execute("DELETE FROM comments WHERE created_at < '2025-01-05'").await;
    world.execute("ALTER TABLE posts RENAME TO hidden").await;
    let report = gaps(&world.context, Some(january(1)), None).await.unwrap();
    assert_eq!((report.from, report.first_row), (january(1), None));
    let day = collect_day(&world.context, Some(january(3)), &[], &CancellationToken::new()).await.unwrap();
    assert!(!day.failed.is_empty(), "the metrics of the source fail, and the day is not refused");
    let refused = backfill(&world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await;
    let refused = refused.unwrap_err().to_string();
    for part in ["begin on 2025-01-05", "whether those of `posts` begin earlier cannot be read"] {
        assert!(refused.contains(part), "{refused}");
    }
    let report =
        backfill(&world.context, &range(5, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    assert!(!report.failed.is_empty());
    world.execute("ALTER TABLE hidden RENAME TO posts").await;
    let report = gaps(&world.context, None, None).await.unwrap();
    assert_eq!((report.from, report.first_row.unwrap().date), (january(1), january(1)));
}

async fn days_before_a_definition_are_gaps_of_their_own_cause(world: World) {
    world.set_clock("2025-01-13T12:00:00Z");
    let report = gaps(&world.context, Some(january(9)), None).await.unwrap();
    assert_eq!(shown(&report)[..2], ["authors 9..10 defined_later", "authors 11..12 never_collected"]);
    assert_eq!(report.fill_with, ["daymark backfill --from 2025-01-09 --to 2025-01-12"]);
}

async fn days_whose_rows_the_platform_has_deleted_are_gaps_of_their_own_cause(world: World) {
    backfill(&world.context, &range(1, 3), &Heard::default(), &CancellationToken::new()).await.unwrap();
    for table in ["posts", "comments"] {
        world.execute(&format!("DELETE FROM {table} WHERE created_at < '2025-01-07'")).await;
    }
    let report = gaps(&world.context, None, None).await.unwrap();
    assert_eq!(shown(&report)[..2], ["authors 4..6 before_first_row", "authors 7..10 defined_later"]);
    assert_eq!(report.gaps[0].days, 3);
    assert!(
        report.gaps[0].cause.to_string().contains("first row is of 2025-01-07"),
        "{}",
        report.gaps[0].cause
    );
    assert_eq!(report.fill_with, ["daymark backfill --from 2025-01-07 --to 2025-01-10"]);
    assert_eq!(status(&world.context).await.unwrap().missing, report.missing);
    backfill(&world.context, &range(7, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let report = gaps(&world.context, None, None).await.unwrap();
    assert_eq!((report.missing, report.fill_with.len(), report.retry_with.len()), (12, 0, 0));
    let away = gaps(&world.without_platform(), None, None).await.unwrap();
    assert_eq!(
        shown(&away)[0],
        "authors 4..6 defined_later",
        "without the platform, its first row is unknown"
    );
}

/// A million values are 33,333 days of 30 metrics.
async fn the_records_that_are_searched_for_unreadable_ones_are_bounded(world: World) {
    let metric = |number: i32| Definition {
        category: format!("posts_{number:02}"),
        ..definitions(world.time_format()).remove(0)
    };
    world.apply(&(0..30).map(metric).collect::<Vec<_>>()).await;
    let of = async |from| gaps(&world.without_platform(), Some(from), None).await.unwrap();
    assert_eq!(of(date(2000, 1, 1)).await.records_read_from, None);
    let report = of(date(1900, 1, 1)).await;
    let first = LAST_FINISHED.saturating_sub(jiff::ToSpan::days(33_332));
    assert_eq!((report.gaps.len(), report.records_read_from), (30, Some(first)));
}

async fn a_store_without_runs_has_a_status(world: World) {
    let report = status(&world.context).await.unwrap();
    assert!(report.last_run.is_none() && report.last_completed.is_none() && report.recorded.is_none());
    assert_eq!((report.active_metrics, report.records, report.last_finished_recorded), (4, 0, 0));
    assert_eq!((report.next.date, report.next.is_due), (LAST_FINISHED, true));
}

async fn the_status_names_the_next_day_and_whether_it_is_due(world: World) {
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let report = status(&world.context).await.unwrap();
    assert_eq!(report.last_run.unwrap().status, RunStatus::Completed);
    assert_eq!(
        (report.recorded, report.records, report.missing),
        (Some((LAST_FINISHED, LAST_FINISHED)), 4, 36)
    );
    assert_eq!(report.missing_since, january(1), "the platform's first row is of that day");
    assert_eq!(gaps(&world.context, None, None).await.unwrap().missing, 36);
    let away = status(&world.without_platform()).await.unwrap();
    assert_eq!(
        (away.missing, away.missing_since),
        (0, LAST_FINISHED),
        "without the platform, gaps begin with the record"
    );
    assert_eq!((report.next.date, report.next.is_due), (january(11), false));
    assert_eq!(report.next.ready_at, instant("2025-01-12T00:15:00Z"));
    world.set_clock("2025-01-12T00:15:00Z");
    let report = status(&world.context).await.unwrap();
    assert_eq!((report.next.date, report.next.is_due, report.missing), (january(11), true, 40));
}

/// `status` counts the missing records, and `gaps` lists them.
async fn the_status_counts_the_records_that_gaps_lists(world: World) {
    backfill(&world.context, &range(2, 3), &Heard::default(), &CancellationToken::new()).await.unwrap();
    let mut wanted = definitions(world.time_format());
    // The records of this metric stay, but no further ones are due.
    wanted.retain(|definition| definition.category != "authors");
    wanted.push(right_now(world.time_format()));
    world.apply(&wanted).await;
    backfill(&world.context, &range(6, 6), &Heard::default(), &CancellationToken::new()).await.unwrap();
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    for now in [NOON, "2025-01-14T12:00:00Z", "2025-01-07T12:00:00Z", "2025-01-02T12:00:00Z"] {
        world.set_clock(now);
        let gaps = gaps(&world.context, None, None).await.unwrap();
        let status = status(&world.context).await.unwrap();
        assert_eq!((status.missing, status.missing_since), (gaps.missing, gaps.from), "{now}");
        assert_eq!((status.recorded, status.records), (Some((january(2), LAST_FINISHED)), 15), "{now}");
        let on_time = usize::from(now == NOON) * 4;
        assert_eq!(status.last_finished_recorded, on_time + usize::from(now.contains("01-07")) * 3, "{now}");
    }
    world.set_clock(NOON);
    let provenances = status(&world.context).await.unwrap().by_provenance;
    assert_eq!(provenances, [(Provenance::Observed, 4), (Provenance::Reconstructed, 11)]);
}

/// Apia skipped 30 December 2011. The record of that date was made while the time zone was UTC.
async fn a_record_of_a_skipped_date_fills_no_gap(mut world: World) {
    world.set_clock("2012-01-02T12:00:00Z");
    let days = BackfillRequest {
        from: Some(date(2011, 12, 29)),
        to: Some(date(2012, 1, 1)),
        before_first_row: true,
        ..range(1, 1)
    };
    backfill(&world.context, &days, &Heard::default(), &CancellationToken::new()).await.unwrap();
    assert_eq!(status(&world.context).await.unwrap().missing, 0);
    world.in_zone("Pacific/Apia");
    let mut wanted = definitions(world.time_format());
    wanted.iter_mut().for_each(|definition| definition.time_zone = "Pacific/Apia".to_owned());
    world.apply(&wanted).await;
    world.set_clock("2012-01-03T12:00:00Z");
    let report = status(&world.context).await.unwrap();
    assert_eq!((report.last_finished, report.records), (date(2012, 1, 3), 16));
    assert_eq!(gaps(&world.context, None, None).await.unwrap().missing, 8, "two days of four metrics");
    assert_eq!(report.missing, 8);
}

/// The findings of `check`, without those about the clock, which stands still in the past, and about the superuser's role.
async fn findings(context: &Context, wanted: &[Definition]) -> Vec<Finding> {
    let mut findings = check(context, wanted, CheckScope::ALL).await.findings;
    findings.retain(|finding| finding.place != "clock" && !finding.message.contains("(superuser)"));
    findings
}

async fn a_clock_that_is_ahead_is_reported_and_refused(world: World) {
    let clock = async || {
        let findings = check(&world.context, &[], CheckScope::ALL).await.findings;
        let (simulated, others): (Vec<_>, Vec<_>) = findings
            .into_iter()
            .filter(|finding| finding.place == "clock")
            .partition(|finding| finding.message.contains("the store has a simulated clock"));
        assert_eq!(simulated.len(), 1);
        others
    };
    let behind = clock().await;
    assert!(behind[0].message.contains("behind that of the store's server"), "{behind:?}");
    assert_eq!(behind.len(), 1 + usize::from(world.is_postgres_platform()));
    world.set_clock("2990-01-01T00:00:00Z");
    let ahead = clock().await;
    assert!(ahead[0].is_error() && ahead[0].message.contains("ahead of"), "{ahead:?}");
    let refused = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(refused, CollectError::ClocksDiffer { .. }), "{refused}");
    let refused =
        backfill(&world.context, &BackfillRequest::default(), &Heard::default(), &CancellationToken::new())
            .await;
    assert!(refused.is_err());
    assert!(world.runs().await.is_empty() && world.records().await.is_empty());
    // The newest record was made while the clock was ahead.
    world.set_clock(NOON);
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    world.set_clock("2025-01-05T12:00:00Z");
    let newest = clock().await;
    assert!(newest.iter().any(|finding| finding.message.contains("the newest record is of 2025-01-10")));
}

async fn a_sound_installation_has_no_findings(world: World) {
    assert_eq!(findings(&world.context, &definitions(world.time_format())).await, []);
    assert_eq!(findings(&world.context, &[]).await, []);
    assert!(world.runs().await.is_empty());
}

async fn check_reports_all_mistakes_at_once(world: World) {
    let mut wanted = definitions(world.time_format());
    wanted[0].sources.get_mut("posts").unwrap().table = "articles".to_owned();
    wanted[2].sources.get_mut("comments").unwrap().time_column = "posted_at".to_owned();
    let findings = findings(&world.context, &wanted).await;
    let places: Vec<_> = findings.iter().map(|finding| (finding.severity, finding.place.as_str())).collect();
    assert_eq!(
        places,
        [
            (Severity::Warning, "store"),
            (Severity::Error, "metric posts_total"),
            (Severity::Error, "metric comments_created"),
        ]
    );
    assert!(findings.iter().all(|finding| finding.hint.is_some()));
}

async fn check_reports_a_store_without_tables_and_an_unreachable_platform(world: World) {
    let context = world.with_empty_store().await;
    let found = findings(&context, &definitions(world.time_format())).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].place.as_str(), found[0].hint.as_deref()), ("store", Some("run `daymark migrate`")));
    let context = world.without_platform();
    let found = findings(&context, &[]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].place, "platform");
}

/// The machine's clock, ten minutes behind.
struct Late;

impl Clock for Late {
    fn now(&self) -> Timestamp {
        SystemClock.now() - SignedDuration::from_mins(10)
    }
}

async fn a_clock_that_is_behind_the_stores_is_reported_and_refused(mut world: World) {
    Arc::make_mut(&mut world.context.installation).clock = Arc::new(Late);
    let findings = check(&world.context, &[], CheckScope::ALL).await.findings;
    let is_reported = |finding: &&Finding| {
        finding.is_error() && finding.message.contains("behind that of the store's server")
    };
    assert!(findings.iter().any(|finding| is_reported(&finding)), "{findings:?}");
    let never = CancellationToken::new();
    let refused = collect_day(&world.context, None, &[], &never).await.unwrap_err();
    assert!(matches!(refused, CollectError::ClocksDiffer { .. }), "{refused}");
    let refused =
        backfill(&world.context, &BackfillRequest::default(), &Heard::default(), &never).await.unwrap_err();
    assert!(matches!(refused, CollectError::ClocksDiffer { .. }), "{refused}");
    assert!(world.records().await.is_empty());
}

/// The platform's server has another clock for this session: a function of that name is found before the server's own.
#[tokio::test]
async fn a_clock_that_differs_from_the_platforms_is_refused() {
    let mut world = World::sqlite_store_of_postgres().await;
    world
        .execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$",
        )
        .await;
    Arc::make_mut(&mut world.context.installation).clock = Arc::new(SystemClock);
    for shift in ["- interval '10 minutes'", "+ interval '10 minutes'"] {
        world
            .execute(&format!(
                "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                 AS $$ SELECT pg_catalog.clock_timestamp() {shift} $$"
            ))
            .await;
        let refused = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap_err();
        assert!(refused.to_string().contains("that of the platform's server"), "{refused}");
        assert!(world.records().await.is_empty());
    }
    world.execute("DROP FUNCTION public.clock_timestamp()").await;
    collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
}
