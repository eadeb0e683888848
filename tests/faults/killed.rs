//! Runs that are killed with SIGKILL at random moments.

use std::{
    collections::BTreeSet,
    os::unix::process::ExitStatusExt,
    process::Stdio,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::installation::{FIRST, Installation, LAST, days};

crate::on_both!(a_killed_backfill_is_completed_by_the_next_one, a_killed_collection_leaves_no_partial_day);

/// How many runs of each kind are killed, on each store.
const KILLS: usize = 30;
/// How often a run for the same days is killed at most before it may finish.
const ATTEMPTS: usize = 6;
/// The seed of the random moments. It is printed, so that a failure can be repeated.
const SEED: u64 = 20_240_701;

const BACKFILL: [&str; 5] = ["backfill", "--from", FIRST, "--to", LAST];

/// In which state the killed runs were.
#[derive(Default)]
struct Kills {
    /// Processes that were killed before they had ended.
    landed: usize,
    /// Of these, those that left an entry in the log.
    logged: usize,
    /// Of these, those that had committed something.
    halfway: usize,
    /// The log entries that they left as running.
    orphaned: BTreeSet<String>,
}

impl Kills {
    fn report(&self, whole: Duration) {
        let Self { landed, logged, halfway, orphaned: _ } = self;
        println!(
            "seed {SEED}, {whole:?} a run: {landed} killed, {logged} within their run, {halfway} between two commits"
        );
    }
}

/// Each round is for another tenant, which has no records yet.
async fn a_killed_backfill_is_completed_by_the_next_one(mut installation: Installation) {
    installation.set("DAYMARK_BACKFILL_CHUNK_DAYS", 7);
    let (mut chance, mut kills) = (Rng::with_seed(SEED), Kills::default());
    let whole = duration_of(&installation, &BACKFILL);
    installation.ledger().await.assert_complete(FIRST, LAST);
    let mut round = 0;
    while kills.landed < KILLS {
        round += 1;
        installation.tenant = format!("round_{round}");
        installation.succeed(&["apply"]);
        attempt(&installation, &BACKFILL, whole, &mut chance, &mut kills).await;
        installation.ledger().await.assert_complete(FIRST, LAST);
    }
    kills.report(whole);
    assert!(kills.halfway > 0, "no kill fell between two commits");
}

/// Each round is for another day.
async fn a_killed_collection_leaves_no_partial_day(installation: Installation) {
    let (mut chance, mut kills) = (Rng::with_seed(SEED), Kills::default());
    let dates = days(FIRST, LAST);
    let collect = |date| ["collect", "--date", date];
    let whole = duration_of(&installation, &collect(&dates[0]));
    let mut round = 0;
    while kills.landed < KILLS {
        round += 1;
        attempt(&installation, &collect(&dates[round]), whole, &mut chance, &mut kills).await;
        installation.ledger().await.assert_complete(&dates[0], &dates[round]);
    }
    kills.report(whole);
    assert!(kills.logged > 0, "no kill fell within a run");
    assert_eq!(kills.halfway, 0, "a day's records and the end of its run are one transaction");
}

fn duration_of(installation: &Installation, arguments: &[&str]) -> Duration {
    let started = Instant::now();
    installation.succeed(arguments);
    started.elapsed()
}

/// Starts the run repeatedly, kills it at a random moment within the duration of a whole run, and lets the last one finish.
async fn attempt(
    installation: &Installation,
    arguments: &[&str],
    whole: Duration,
    chance: &mut Rng,
    kills: &mut Kills,
) {
    let mut before = installation.ledger().await;
    for _ in 0..ATTEMPTS {
        let killed = killed_after(installation, arguments, whole.mul_f64(chance.f64()));
        let after = installation.ledger().await;
        after.assert_sound_after(&before);
        let running = after.with_status("running");
        assert!(running.len() <= 1, "a run started and left an earlier orphaned run unclosed: {running:?}");
        kills.landed += usize::from(killed);
        if let Some(left) = running.first().filter(|run| !kills.orphaned.contains(&run.id)) {
            assert!(killed, "a run that was not killed did not log its end: {left:?}");
            kills.logged += 1;
            kills.halfway += usize::from(after.written_by(left) > 0);
            kills.orphaned.insert(left.id.clone());
        }
        before = after;
        if !killed {
            break;
        }
    }
    installation.succeed(arguments);
    let after = installation.ledger().await;
    after.assert_sound_after(&before);
    // A server may still execute what a process sent before it was killed. The log then shows such a run as complete,
    // whether it was seen as running before or not.
    let died = after.runs.iter().filter(|run| run.message.contains("ended, or lost its lock")).count();
    assert!(died <= kills.landed, "{died} runs died of {} kills", kills.landed);
    for run in &after.runs {
        let died = run.message.contains("ended, or lost its lock");
        assert_eq!(run.status, if died { "failed" } else { "completed" }, "{run:?}");
        assert_eq!(run.metrics_collected, after.written_by(run), "{run:?}");
    }
}

/// Starts a run, kills it after `delay`, and returns whether it had not ended by itself before.
fn killed_after(installation: &Installation, arguments: &[&str], delay: Duration) -> bool {
    let mut command = installation.command(arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.signal().is_some() || status.success(), "{status}");
    status.signal().is_some()
}
