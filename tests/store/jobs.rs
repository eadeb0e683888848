//! Jobs: their states only move forwards.

use daymark::store::{JobEnd, JobFilter, JobKind, JobStatus, NewJob, Trigger};
use jiff::ToSpan;
use serde_json::json;
use uuid::Uuid;

use crate::fixture::{Fixture, noon};

crate::on_both_stores!(
    a_job_moves_from_queued_to_finished,
    a_job_never_moves_backwards,
    jobs_are_read_newest_first
);

fn job(at_second: i64) -> NewJob {
    NewJob {
        id: Uuid::new_v4(),
        kind: JobKind::Backfill,
        spec: json!({"from": "2025-01-01", "metrics": ["posts_total"]}).as_object().unwrap().clone(),
        trigger: Trigger::Api,
        actor: "key:1".to_owned(),
        created_at: noon() + at_second.seconds(),
        host: "here".to_owned(),
        process_id: 7,
    }
}

fn end(id: Uuid, status: JobStatus) -> JobEnd {
    let result = json!({"recorded": 3, "failures": []}).as_object().cloned();
    JobEnd { id, status, finished_at: noon() + 9.seconds(), run_id: Some(Uuid::new_v4()), result }
}

async fn a_job_moves_from_queued_to_finished(fixture: Fixture) {
    fixture.ready().await;
    let (store, new) = (&fixture.store, job(0));
    store.add_job(&new).await.unwrap();
    store.add_job(&new).await.unwrap();
    let queued = store.job(new.id).await.unwrap().unwrap();
    assert_eq!((queued.kind, &queued.spec, queued.trigger), (new.kind, &new.spec, new.trigger));
    assert_eq!(
        (&queued.actor, queued.created_at, queued.status),
        (&new.actor, new.created_at, JobStatus::Queued)
    );
    assert_eq!(
        (queued.started_at, queued.finished_at, queued.run_id, queued.result),
        (None, None, None, None)
    );

    assert!(store.start_job(new.id, noon() + 1.second()).await.unwrap());
    assert!(store.start_job(new.id, noon() + 1.second()).await.unwrap(), "the call may be repeated");
    assert!(!store.start_job(new.id, noon() + 2.seconds()).await.unwrap());
    let end = end(new.id, JobStatus::Partial);
    assert!(store.finish_job(&end).await.unwrap());
    assert!(store.finish_job(&end).await.unwrap(), "the call may be repeated");
    let finished = fixture.again().job(new.id).await.unwrap().unwrap();
    assert_eq!((finished.status, finished.started_at), (JobStatus::Partial, Some(noon() + 1.second())));
    assert_eq!((finished.finished_at, finished.run_id), (Some(end.finished_at), end.run_id));
    assert_eq!(finished.result, end.result);
    assert_eq!(fixture.of_tenant("other").job(new.id).await.unwrap(), None);
}

async fn a_job_never_moves_backwards(fixture: Fixture) {
    fixture.ready().await;
    let (store, new) = (&fixture.store, job(0));
    store.add_job(&new).await.unwrap();
    assert!(
        store.finish_job(&end(new.id, JobStatus::Interrupted)).await.unwrap(),
        "a queued job can be interrupted"
    );
    assert!(!store.start_job(new.id, noon()).await.unwrap());
    let later = JobEnd { finished_at: noon() + 1.hour(), ..end(new.id, JobStatus::Completed) };
    assert!(!store.finish_job(&later).await.unwrap());
    for statement in [
        "UPDATE jobs SET status = 'queued', finished_at = NULL",
        "UPDATE jobs SET status = 'completed'",
        "UPDATE jobs SET actor = 'user:other'",
        "DELETE FROM jobs",
    ] {
        let refused = fixture.sql(statement).await.unwrap_err();
        assert!(refused.contains("refused"), "{statement}: {refused}");
    }
}

async fn jobs_are_read_newest_first(fixture: Fixture) {
    fixture.ready().await;
    let jobs: Vec<_> = (0..4).map(job).collect();
    for job in &jobs {
        fixture.store.add_job(job).await.unwrap();
    }
    fixture.store.start_job(jobs[1].id, noon()).await.unwrap();
    let ids = async |filter: JobFilter| -> Vec<_> {
        fixture.store.jobs(&filter).await.unwrap().into_iter().map(|job| job.id).collect()
    };
    let newest = ids(JobFilter { limit: Some(2), ..JobFilter::default() }).await;
    assert_eq!(newest, [jobs[3].id, jobs[2].id]);
    let running = JobFilter { status: Some(JobStatus::Running), ..JobFilter::default() };
    assert_eq!(ids(running).await, [jobs[1].id]);
}
