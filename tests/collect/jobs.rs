//! Jobs in the store: while they run, after they have ended, and after their process was killed.

use daymark::{
    jobs::{JobRunner, Task},
    store::{JobStatus, LockName, NewJob, RunKind, Trigger},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    on,
    world::{LAST_FINISHED, World, instant},
};

on! { [sqlite, postgres]
    a_job_can_be_read_after_its_process_has_ended,
    the_job_and_its_run_name_their_initiator,
    a_job_of_an_ended_process_is_interrupted,
    a_job_whose_lock_is_held_stays_running,
    a_failed_job_keeps_its_error,
}

fn jobs(world: &World) -> JobRunner {
    JobRunner::new(world.context.clone(), || {})
}

fn collect() -> Task {
    Task::Collect { date: LAST_FINISHED, metrics: Vec::new() }
}

async fn a_job_can_be_read_after_its_process_has_ended(world: World) {
    let first = jobs(&world);
    let job = first.start(collect(), Trigger::Api, "key:1").await.unwrap();
    let outcome = job.finished().await;
    assert_eq!((outcome.status, outcome.recorded), (JobStatus::Completed, 4));
    first.stop().await;
    let known = jobs(&world).get(job.id()).await.unwrap().unwrap();
    assert_eq!((known.job.status, known.job.run_id), (JobStatus::Completed, outcome.run));
    assert_eq!((known.days_total, known.days_done, known.result.unwrap().recorded), (1, 1, 4));
    assert!(jobs(&world).get(Uuid::new_v4()).await.unwrap().is_none());
}

async fn the_job_and_its_run_name_their_initiator(world: World) {
    let jobs = jobs(&world);
    let job = jobs.start(collect(), Trigger::Api, "user:anna").await.unwrap();
    job.finished().await;
    let stored = world.context.tenant.store.job(job.id()).await.unwrap().unwrap();
    assert_eq!((stored.trigger, stored.actor.as_str()), (Trigger::Api, "user:anna"));
    let run = world.runs().await.remove(0);
    assert_eq!((run.trigger, run.actor.as_str()), (Trigger::Api, "user:anna"));
}

async fn queued_elsewhere(world: &World, created_at: &str) -> Uuid {
    let id = Uuid::new_v4();
    let spec = json!({"date": LAST_FINISHED, "metrics": []});
    let job = NewJob {
        id,
        kind: RunKind::Collect,
        spec: spec.as_object().unwrap().clone(),
        trigger: Trigger::Schedule,
        actor: "system".to_owned(),
        created_at: instant(created_at),
        host: "elsewhere".to_owned(),
        process_id: 4711,
    };
    world.context.tenant.store.add_job(&job).await.unwrap();
    world.context.tenant.store.start_job(id, instant(created_at)).await.unwrap();
    id
}

async fn a_job_of_an_ended_process_is_interrupted(world: World) {
    let old = queued_elsewhere(&world, "2025-01-11T11:50:00Z").await;
    let jobs = jobs(&world);
    jobs.close_orphaned().await.unwrap();
    let closed = jobs.get(old).await.unwrap().unwrap();
    assert_eq!(closed.job.status, JobStatus::Interrupted);
    let error = closed.result.unwrap().error.unwrap();
    assert_eq!(error, "its process (4711 on elsewhere) ended before the job finished");
    // A job that was made less than 10 seconds ago may not have taken its lock yet.
    let young = queued_elsewhere(&world, "2025-01-11T11:59:55Z").await;
    assert_eq!(jobs.get(young).await.unwrap().unwrap().job.status, JobStatus::Running);
    world.set_clock("2025-01-11T12:01:00Z");
    assert_eq!(jobs.get(young).await.unwrap().unwrap().job.status, JobStatus::Interrupted);
}

async fn a_job_whose_lock_is_held_stays_running(world: World) {
    let other = world.another_process();
    let lock = other.tenant.store.try_lock(&LockName::Day(LAST_FINISHED)).await.unwrap().unwrap();
    let job = queued_elsewhere(&world, "2025-01-11T11:50:00Z").await;
    let jobs = jobs(&world);
    jobs.close_orphaned().await.unwrap();
    assert_eq!(jobs.get(job).await.unwrap().unwrap().job.status, JobStatus::Running);
    drop(lock);
}

async fn a_failed_job_keeps_its_error(world: World) {
    world.execute("ALTER TABLE comments RENAME TO hidden").await;
    let jobs = jobs(&world);
    let job = jobs.start(collect(), Trigger::Api, "key:1").await.unwrap();
    job.finished().await;
    let partial = jobs.get(job.id()).await.unwrap().unwrap();
    assert_eq!(partial.job.status, JobStatus::Partial);
    assert_eq!(partial.result.unwrap().failures[0].metric_category, "comments_created");
    let unfinished = Task::Collect { date: jiff::civil::date(2025, 1, 11), metrics: Vec::new() };
    let job = jobs.start(unfinished, Trigger::Api, "key:1").await.unwrap();
    assert!(job.finished().await.error.is_some());
    let failed = jobs.get(job.id()).await.unwrap().unwrap();
    assert!(failed.result.unwrap().error.unwrap().contains("is not finished"));
}
