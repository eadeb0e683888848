//! Jobs in the store: while they run, after they have ended, and after their process was killed.

use std::time::{Duration, Instant};

use daymark::{
    jobs::{JobRunner, Task},
    store::{JobStatus, LockName, Trigger},
};
use uuid::Uuid;

use crate::{
    on,
    world::{LAST_FINISHED, World, job_of_an_ended_process},
};

on! { [sqlite, postgres]
    a_job_can_be_read_after_its_process_has_ended,
    the_job_and_its_run_name_their_initiator,
    a_job_of_an_ended_process_is_interrupted,
    a_job_whose_lock_is_held_stays_running,
    a_failed_job_keeps_its_error,
    the_end_of_a_job_is_written_when_the_store_takes_it_again,
}

const DEADLINE: Duration = Duration::from_secs(60);

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

async fn a_job_of_an_ended_process_is_interrupted(world: World) {
    let old = job_of_an_ended_process(&world, "2025-01-11T11:50:00Z").await;
    let jobs = jobs(&world);
    jobs.close_orphaned().await.unwrap();
    let closed = jobs.get(old).await.unwrap().unwrap();
    assert_eq!(closed.job.status, JobStatus::Interrupted);
    let error = closed.result.unwrap().error.unwrap();
    assert_eq!(error, "its process (4711 on elsewhere) ended before the job finished");
    // A job that was made less than 10 seconds ago may not have taken its lock yet.
    let young = job_of_an_ended_process(&world, "2025-01-11T11:59:55Z").await;
    assert_eq!(jobs.get(young).await.unwrap().unwrap().job.status, JobStatus::Running);
    world.set_clock("2025-01-11T12:01:00Z");
    assert_eq!(jobs.get(young).await.unwrap().unwrap().job.status, JobStatus::Interrupted);
}

async fn a_job_whose_lock_is_held_stays_running(world: World) {
    let other = world.another_process();
    let lock = other.tenant.store.try_lock(&LockName::Day(LAST_FINISHED)).await.unwrap().unwrap();
    let job = job_of_an_ended_process(&world, "2025-01-11T11:50:00Z").await;
    let jobs = jobs(&world);
    jobs.close_orphaned().await.unwrap();
    assert_eq!(jobs.get(job).await.unwrap().unwrap().job.status, JobStatus::Running);
    drop(lock);
}

async fn the_end_of_a_job_is_written_when_the_store_takes_it_again(world: World) {
    let (refuse, take) = match world.store_url.starts_with("postgres") {
        true => (
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no space' USING ERRCODE = '54000'; END $$;
             CREATE TRIGGER refuse BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.finished_at IS NOT NULL) EXECUTE FUNCTION refuse()",
            "DROP FUNCTION refuse CASCADE",
        ),
        false => (
            "CREATE TRIGGER refuse BEFORE UPDATE ON jobs WHEN NEW.finished_at IS NOT NULL BEGIN SELECT RAISE(ABORT, 'no space'); END",
            "DROP TRIGGER refuse",
        ),
    };
    world.execute_on_store(refuse).await;
    let jobs = jobs(&world);
    let job = jobs.start(collect(), Trigger::Api, "key:1").await.unwrap();
    assert_eq!(job.finished().await.status, JobStatus::Completed);
    let stored = async || world.context.tenant.store.job(job.id()).await.unwrap().unwrap();
    assert_eq!(stored().await.status, JobStatus::Running);
    assert_eq!(
        jobs.get(job.id()).await.unwrap().unwrap().job.status,
        JobStatus::Completed,
        "this process knows it"
    );
    world.execute_on_store(take).await;
    let started = Instant::now();
    while stored().await.status != JobStatus::Completed {
        assert!(started.elapsed() < DEADLINE, "the end is not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    jobs.stop().await;
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
