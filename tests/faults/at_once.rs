//! Two processes that record the same days at the same time.

use crate::{
    database::Database,
    installation::{FIRST, Installation, LAST, METRICS, days, end, wait_until_blocked},
};

#[tokio::test]
async fn a_second_process_names_the_one_that_holds_the_lock_on_sqlite() {
    let platform = Database::fresh_postgres().await;
    a_second_process_names_the_one_that_holds_the_lock(Installation::of_platform(platform).await).await;
}

#[tokio::test]
async fn a_second_process_names_the_one_that_holds_the_lock_on_postgres() {
    a_second_process_names_the_one_that_holds_the_lock(Installation::postgres().await).await;
}

/// A lock on the platform holds up the first process. The backfill has `--before-first-row`, so it has written its log entry by
/// then. A collection of an old day first looks for the platform's first row, and is held up there, before it has a log entry: then
/// the holder of the lock is named.
async fn a_second_process_names_the_one_that_holds_the_lock(installation: Installation) {
    let kinds = [
        (["collect", "--date", FIRST].as_slice(), "collecting 2024-07-01"),
        (["backfill", "--from", FIRST, "--to", LAST, "--before-first-row"].as_slice(), "a backfill"),
    ];
    for (arguments, what) in kinds {
        let mut application = installation.platform.session().await;
        application.execute("BEGIN; LOCK TABLE posts IN ACCESS EXCLUSIVE MODE").await;
        let first = installation.spawn(arguments);
        wait_until_blocked(&mut installation.platform.session().await).await;
        let (holder, process) =
            (format!("error: {what} is already being done by "), format!("process {} ", first.id()));

        let second = installation.run(arguments);
        assert_eq!(second.code, Some(4), "{second:?}");
        assert!(second.stderr.starts_with(&holder), "{second:?} does not say {holder}");
        assert!(second.stderr.contains(&process), "{second:?} does not name {process}");
        assert!(second.stderr.trim_end().ends_with("; try again when it has finished"), "{second:?}");

        application.execute("ROLLBACK").await;
        let first = end(first);
        assert_eq!(first.code, Some(0), "{first:?}");
    }
    let ledger = installation.ledger().await;
    ledger.assert_complete(FIRST, LAST);
    assert_eq!(ledger.with_status("completed").len(), 2, "the second process writes no log entry");
}

/// The number of days for which two processes race.
const RACES: usize = 8;

crate::on_both!(exactly_one_of_two_processes_records_the_day);

/// Both processes start at the same time. The later one finds the lock held, or everything recorded already.
async fn exactly_one_of_two_processes_records_the_day(installation: Installation) {
    for date in &days(FIRST, LAST)[..RACES] {
        let arguments = ["collect", "--date", date];
        let ended = [installation.spawn(&arguments), installation.spawn(&arguments)].map(end);
        let recorded = format!("{date}: {} metrics reconstructed, in ", METRICS.len());
        let winners = ended.iter().filter(|ended| ended.stdout.contains(&recorded)).count();
        assert_eq!(winners, 1, "{ended:?}");
        for other in ended.iter().filter(|ended| !ended.stdout.contains(&recorded)) {
            let already_recorded = other.code == Some(0) && other.stdout.contains("already recorded");
            let busy = other.code == Some(4) && other.stderr.contains("is already being done by process");
            assert!(already_recorded || busy, "{ended:?}");
        }
        let ledger = installation.ledger().await;
        ledger.assert_complete(FIRST, date);
        let wrote = ledger.runs.iter().filter(|run| run.from == *date && ledger.written_by(run) > 0);
        assert_eq!(wrote.count(), 1, "{:?}", ledger.runs);
    }
}
