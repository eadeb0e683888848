//! Three servers on one PostgreSQL server, of which one is killed, or whose database is stopped or does not answer, again and again:
//! no day is missed or doubled, every alert is notified once, and sessions and memory are as before.

use std::time::{Duration, Instant};

use crate::{
    cluster::Cluster,
    scale::{is_long, time_under_faults},
};

/// How much more memory an instance may have after the faults than before: a quarter, and what the allocator keeps.
const ALLOWED_BYTES: u64 = 24 << 20;
/// How many sessions more there may be: the pool of each instance has five sessions at most for its runs and five for requests.
const ALLOWED_SESSIONS: i64 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// An instance is killed and another one is started.
    Kill,
    /// The database crashes and is started again.
    Stop,
    /// The database accepts connections and never answers.
    Hang,
}

/// How often each fault was injected.
#[derive(Debug, Default)]
struct Injected {
    kills: usize,
    stops: usize,
    hangs: usize,
}

impl Injected {
    async fn inject(&mut self, fault: Fault, cluster: &mut Cluster) {
        // The moments of the faults, and how long they last, are the point of this test.
        pass(1500).await;
        println!("{fault:?}");
        match fault {
            Fault::Kill => {
                cluster.kill_one().await;
                self.kills += 1;
            }
            Fault::Stop => {
                cluster.server.stop();
                pass(length_ms()).await;
                cluster.start_database();
                self.stops += 1;
            }
            Fault::Hang => {
                cluster.proxy.silence();
                pass(length_ms()).await;
                cluster.proxy.serve_again();
                self.hangs += 1;
            }
        }
    }

    /// A metric is defined, and an alert fires and ends, with a fault before each. The kinds of faults follow each other.
    async fn round(&mut self, kinds: &[Fault], cluster: &mut Cluster) {
        let mut next = {
            let mut kinds = kinds.iter().copied().cycle().skip(fastrand::usize(0..kinds.len()));
            move || kinds.next().unwrap()
        };
        cluster.add_metric().await;
        self.inject(next(), cluster).await;
        cluster.pause().await;
        self.inject(next(), cluster).await;
        cluster.wait_until_fired().await;
        cluster.resume().await;
        self.inject(next(), cluster).await;
        cluster.wait_until_resolved().await;
    }
}

/// Waits for a random time, up to a number of milliseconds.
async fn pass(at_most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..at_most_ms))).await;
}

/// How long a fault lasts at most. Locks and connections of servers are given up after 5 to 10 s.
fn length_ms() -> u64 {
    if is_long() { 15_000 } else { 2_000 }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_day_and_no_alert_is_lost_under_faults() {
    let (time, started) = (time_under_faults(), Instant::now());
    let mut cluster = Cluster::start().await;
    let mut injected = Injected::default();
    cluster.settle().await;
    let sessions = cluster.sessions().await;
    while injected.kills == 0 || started.elapsed() < time / 2 {
        injected.round(&[Fault::Kill, Fault::Stop, Fault::Hang], &mut cluster).await;
    }
    // From here on every instance lives until the end, so that its memory can be compared.
    cluster.settle().await;
    let memory = cluster.memory();
    while started.elapsed() < time {
        injected.round(&[Fault::Stop, Fault::Hang], &mut cluster).await;
    }
    cluster.settle().await;
    let records = cluster.assert_records_are_right().await;
    let notifications = cluster.assert_notifications_are_right().await;
    let (sessions_after, memory_after) = (cluster.sessions().await, cluster.memory());
    println!(
        "{:?} under {injected:?}: {records} records, {notifications} notifications, each once; sessions {sessions} before and \
         {sessions_after} after; resident bytes of the instances {memory:?} before and {memory_after:?} after",
        started.elapsed()
    );
    assert!(
        sessions_after <= sessions + ALLOWED_SESSIONS,
        "{sessions} sessions before, {sessions_after} after"
    );
    for (before, after) in memory.iter().zip(&memory_after) {
        assert!(*after <= before + before / 4 + ALLOWED_BYTES, "{before} bytes before, {after} after");
    }
}
