//! Several instances of the built program on one store, of which the leader is killed again and again.

use std::time::{Duration, Instant};

use daymark::store::{RunFilter, RunStatus};
use jiff::Timestamp;

use crate::{on, process::Process, raw::DEADLINE, world::World};

on! { [sqlite, postgres]
    one_of_two_instances_takes_over,
    one_of_four_instances_takes_over,
}

/// How many leaders are killed among two and among four instances, on each store; `make soak` kills 1,000 in all.
const KILLS: usize = 4;
const LONG_KILLS: usize = 250;
/// The time within which another instance leads.
const TAKEOVER: Duration = Duration::from_secs(2);
/// The same on a machine that is busy with other things, which `make soak` allows of one takeover in twenty. The short form, with
/// few takeovers beside other tests, allows it of each second one.
const SLOW_TAKEOVER: Duration = Duration::from_secs(5);
/// Between two looks at who leads.
const PAUSE: Duration = Duration::from_millis(20);

fn start(world: &World) -> Process {
    let settings = [
        ("DAYMARK_SCHEDULE_ENABLED", "true"),
        ("DAYMARK_BACKFILL_CHUNK_DAYS", "10"),
        // A server with a store on PostgreSQL does not start without authentication.
        ("DAYMARK_ACCESS_JWT_SECRET", "a secret of at least thirty-two characters"),
    ];
    Process::start(&world.store_url, &world.platform_url, &settings)
}

/// The process that leads, if one of `instances` does.
async fn leader(world: &World, instances: &[Process]) -> Option<usize> {
    let state = world.context.tenant.store.schedule_state().await.unwrap();
    let leader = state.leader.filter(|_| state.is_led)?;
    instances.iter().position(|instance| instance.id == leader.process_id)
}

/// Waits until one of `instances` leads.
async fn next_leader(world: &World, instances: &[Process]) -> usize {
    let started = Instant::now();
    loop {
        if let Some(leader) = leader(world, instances).await {
            return leader;
        }
        assert!(started.elapsed() < DEADLINE, "none of the instances takes the lead");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The definitions are of January 2025, so that the leader has days to catch up with until yesterday.
async fn leaders_are_killed(world: World, count: usize) {
    let mut instances: Vec<_> = (0..count).map(|_| start(&world)).collect();
    let is_long = std::env::var("DAYMARK_SOAK").is_ok_and(|soak| soak == "long");
    let kills = if is_long { LONG_KILLS } else { KILLS };
    let mut takeovers = Vec::with_capacity(kills);
    for _ in 0..kills {
        let leader = next_leader(&world, &instances).await;
        // Kills the leader with SIGKILL; the new instance starts after the others could take the lead.
        instances.swap_remove(leader).kill();
        let killed = Instant::now();
        next_leader(&world, &instances).await;
        takeovers.push(killed.elapsed());
        instances.push(start(&world));
    }
    takeovers.sort_unstable();
    let [median, most, slowest] = [kills / 2, kills * 95 / 100, kills - 1].map(|place| takeovers[place]);
    println!(
        "{kills} leaders of {count} instances killed: the median takeover took {median:?}, 95 % of them {most:?} at most, the slowest \
         {slowest:?}"
    );
    assert!(if is_long { most } else { median } < TAKEOVER, "{takeovers:?}");
    assert!(!is_long || slowest < SLOW_TAKEOVER, "{takeovers:?}");
    complete(&world).await;
    drop(instances);
    let left = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
    assert!(world.context.tenant.store.runs(&left).await.unwrap().is_empty(), "every run is closed");
}

/// Waits until every day from the definitions on is recorded.
async fn complete(world: &World) {
    let started = Instant::now();
    let (first, calendar) = (jiff::civil::date(2025, 1, 11), &world.context.tenant.calendar);
    let last = calendar.last_finished(now(), world.context.tenant.settle);
    let days = calendar.days(first, last).len();
    loop {
        let recorded = world.context.tenant.store.recorded(first, last).await.unwrap();
        let running = RunFilter { status: Some(RunStatus::Running), ..RunFilter::default() };
        let is_idle = world.context.tenant.store.runs(&running).await.unwrap().is_empty();
        if is_idle && recorded.len() == 4 && recorded.values().all(|recorded| recorded.len() == days) {
            return;
        }
        assert!(started.elapsed() < 3 * DEADLINE, "the days are not filled");
        tokio::time::sleep(PAUSE).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the instances go by the machine's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

async fn one_of_two_instances_takes_over(world: World) {
    leaders_are_killed(world, 2).await;
}

async fn one_of_four_instances_takes_over(world: World) {
    leaders_are_killed(world, 4).await;
}
