//! Every cause of a gap, and the command that fills it.

use daymark::{
    query::{Series, SeriesGap},
    store::{LockName, RunKind, RunStatus},
};
use serde_json::{Value, json};

use crate::archive::{Archive, definition, january};

crate::on_both_stores!(
    every_gap_has_its_cause,
    reading_a_series_does_not_affect_locks,
    a_recorded_zero_is_not_a_gap
);

fn shown(series: &Series) -> Vec<String> {
    let gap = |gap: &SeriesGap| {
        let fill = gap.fill.as_ref().map_or("-", |fill| fill.command.as_str());
        format!("{}..{} {} {fill}", gap.from.day(), gap.to.day(), gap.cause)
    };
    series.gaps.iter().map(gap).collect()
}

async fn every_gap_has_its_cause(archive: Archive) {
    archive.record(&[(january(3), "mood", "1", json!({"sample_size": 1}))]).await;
    let collect = async |day, status, details| {
        let run = archive.start_run(RunKind::Collect, january(day), january(day)).await;
        archive.finish_run(run, status, details).await;
    };
    let failure = |timed_out: bool| json!({"failures": [{"metric_category": "mood", "message": "no such column", "timed_out": timed_out}]});
    collect(4, RunStatus::Partial, failure(false)).await;
    collect(5, RunStatus::Partial, failure(true)).await;
    collect(6, RunStatus::Failed, Value::Null).await;
    // A running run holds its lock; an orphaned one does not.
    archive.start_run(RunKind::Collect, january(7), january(7)).await;
    let _lock = archive.context.tenant.store.try_lock(&LockName::Day(january(8))).await.unwrap().unwrap();
    archive.start_run(RunKind::Collect, january(8), january(8)).await;
    let mood = archive.one("mood", "day", january(2), january(12)).await;
    assert_eq!(
        shown(&mood),
        [
            "2..2 never_collected daymark backfill --from 2025-01-02 --to 2025-01-02 --metric mood",
            "4..4 failed daymark backfill --from 2025-01-04 --to 2025-01-04 --metric mood",
            "5..5 timed_out daymark backfill --from 2025-01-05 --to 2025-01-05 --metric mood",
            "6..6 failed daymark backfill --from 2025-01-06 --to 2025-01-06 --metric mood",
            "7..7 failed daymark backfill --from 2025-01-07 --to 2025-01-07 --metric mood",
            "8..8 running -",
            "9..10 never_collected daymark backfill --from 2025-01-09 --to 2025-01-10 --metric mood",
            "11..12 not_yet_due -",
        ]
    );
    assert_eq!(
        mood.gaps[1].explanation, "the run failed; the collection log has the reason",
        "the explanation does not repeat the message of the log"
    );
    let last = mood.gaps.last().unwrap();
    assert_eq!(last.ready_at.unwrap().to_string(), "2025-01-12T00:15:00Z");
    assert!(last.explanation.contains("2025-01-12 00:15 UTC"), "{}", last.explanation);
    let recorded: Vec<_> = mood.recorded.iter().map(|run| (run.from, run.to, run.provenance)).collect();
    assert_eq!(recorded, [(january(3), january(3), "observed")], "each day is either recorded or in a gap");
    assert_eq!(mood.recorded[0].definition_version, 1);
    // The gaps are the same in every interval.
    assert_eq!(archive.one("mood", "month", january(2), january(12)).await.gaps, mood.gaps);
    // If a metric cannot be reconstructed, only its last finished day can still be recorded.
    let now = archive.one("right_now", "day", january(9), january(10)).await;
    assert_eq!(
        shown(&now),
        ["9..9 not_reconstructible -", "10..10 never_collected daymark collect --metric right_now"]
    );
    let later = definition("late", "count", json!({"measure": "created", "source": "posts"}));
    archive.define(vec![later], "2025-01-10T06:00:00Z").await;
    assert_eq!(
        shown(&archive.one("late", "day", january(9), january(10)).await),
        [
            "9..9 defined_later daymark backfill --from 2025-01-09 --to 2025-01-09 --metric late",
            "10..10 never_collected daymark collect --metric late",
        ]
    );
}

async fn reading_a_series_does_not_affect_locks(archive: Archive) {
    let store = &archive.context.tenant.store;
    let cause = async || archive.one("mood", "day", january(7), january(7)).await.gaps[0].cause;
    let (name, run) =
        (LockName::Backfill, archive.start_run(RunKind::Backfill, january(7), january(8)).await);
    for _ in 0..2 {
        let lock = store.try_lock(&name).await.unwrap().expect("the lock is free again");
        assert_eq!((cause().await, cause().await), ("running", "running"));
        let other = LockName::Day(january(7));
        assert!(store.try_lock(&other).await.unwrap().is_some(), "other locks are free");
        drop(lock);
        // PostgreSQL releases the lock a little later, when it notices the end of the session.
        while cause().await == "running" {}
        assert_eq!(cause().await, "failed");
    }
    archive.finish_run(run, RunStatus::Completed, Value::Null).await;
    assert_eq!(cause().await, "never_collected");
}

async fn a_recorded_zero_is_not_a_gap(archive: Archive) {
    archive.record(&[(january(9), "posts_created", "0", Value::Null)]).await;
    let series = archive.one("posts_created", "day", january(9), january(10)).await;
    let json = serde_json::to_value(&series).unwrap();
    assert_eq!((&json["points"][0]["value"], &json["points"][1]["value"]), (&json!(0), &Value::Null));
    assert_eq!(series.gaps.len(), 1);
}
