//! Restatements that are killed with SIGKILL at random moments.

use std::{
    os::unix::process::ExitStatusExt,
    process::Stdio,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::installation::{FIRST, Installation, LAST, days};

crate::on_both!(a_killed_restatement_is_completed_by_the_next_one);

/// How many restatements are killed, on each store.
const KILLS: usize = 15;
/// How often one for the same days is killed at most before it may finish.
const ATTEMPTS: usize = 5;
/// The seed of the random moments.
const SEED: u64 = 20_241_129;

const RESTATE: [&str; 5] = ["restate", "posts_created", "--reason", "another source", "--yes"];

/// Each round changes the definition of `posts_created` from the posts, of which each day has two, to the accounts, of which each day has
/// one, or back; so each round adds one revision to every day.
async fn a_killed_restatement_is_completed_by_the_next_one(mut installation: Installation) {
    installation.set("DAYMARK_BACKFILL_CHUNK_DAYS", 7);
    installation.succeed(&["backfill", "--from", FIRST, "--to", LAST]);
    let records = installation.ledger().await.records;
    let mut chance = Rng::with_seed(SEED);
    redefine(&installation, "users");
    let started = Instant::now();
    installation.succeed(&RESTATE);
    let whole = started.elapsed();
    let (mut round, mut landed, mut halfway) = (1, 0, 0);
    assert_revisions(&installation, round).await;
    while landed < KILLS {
        round += 1;
        redefine(&installation, if round % 2 == 0 { "posts" } else { "users" });
        let mut before = revisions(&installation).await;
        for _ in 0..ATTEMPTS {
            let killed = killed_after(&installation, whole.mul_f64(chance.f64()));
            let after = revisions(&installation).await;
            assert!(after.starts_with_all(&before), "a kill changed or lost a revision");
            let written = after.0.len() - before.0.len();
            halfway += usize::from(killed && written > 0 && after.of_round(round) < days(FIRST, LAST).len());
            landed += usize::from(killed);
            before = after;
            if !killed {
                break;
            }
        }
        installation.succeed(&RESTATE);
        assert_revisions(&installation, round).await;
    }
    println!(
        "seed {SEED}, {whole:?} a run: {landed} killed in {round} rounds, {halfway} between two commits"
    );
    assert!(halfway > 0, "no kill fell between two commits");
    assert_eq!(installation.ledger().await.records, records, "a record was changed");
}

fn redefine(installation: &Installation, source: &str) {
    let file = installation.directory().join("daymark.toml");
    std::fs::write(file, format!("[metrics.posts_created]\nmeasure = \"created\"\nsource = \"{source}\"\n"))
        .unwrap();
    installation.succeed(&["apply"]);
}

/// Day, number, value and batch of each revision, in the order of days and numbers.
#[derive(PartialEq)]
struct Revisions(Vec<[String; 4]>);

impl Revisions {
    /// Whether those of `earlier` are among these, as they were.
    fn starts_with_all(&self, earlier: &Self) -> bool {
        earlier.0.iter().all(|revision| self.0.contains(revision))
    }

    fn of_round(&self, round: usize) -> usize {
        self.0.iter().filter(|[_, number, ..]| *number == round.to_string()).count()
    }
}

async fn revisions(installation: &Installation) -> Revisions {
    let schema = if installation.store.is_postgres() { "daymark." } else { "" };
    let select = format!(
        "SELECT CAST(metric_date AS text), CAST(revision AS text), CAST(value AS text), CAST(batch_id AS text)
         FROM {schema}metric_revisions AS kept ORDER BY kept.metric_date, kept.revision"
    );
    let rows = installation.store.reader().await.rows(&select).await;
    Revisions(rows.into_iter().map(|row: [_; 4]| row.map(Option::unwrap)).collect())
}

/// Every day has one revision of each round, with the value of that round's definition.
async fn assert_revisions(installation: &Installation, rounds: usize) {
    let found = revisions(installation).await;
    let mut expected = Vec::new();
    for date in days(FIRST, LAST) {
        for round in 1..=rounds {
            expected.push((date.clone(), round.to_string(), if round % 2 == 0 { "2" } else { "1" }));
        }
    }
    let found: Vec<_> = found
        .0
        .iter()
        .map(|[date, number, value, _]| (date.clone(), number.clone(), value.as_str()))
        .collect();
    assert_eq!(found, expected);
}

/// Starts a restatement, kills it after `delay`, and returns whether it had not ended by itself before.
fn killed_after(installation: &Installation, delay: Duration) -> bool {
    let mut command = installation.command(&RESTATE);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.signal().is_some() || status.success(), "{status}");
    status.signal().is_some()
}
