//! Simulates a platform day by day: more happens on weekdays than at weekends and more every month, and rows are deleted, some of them
//! on the day of their creation. The same scenario, seed and first day give the same rows.

use std::path::Path;

use fastrand::Rng;
use jiff::civil::{Date, Weekday};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::{DayLedger, Departure, RowCounts, Scenario, platform, simulated_day::SimulatedDay};

/// Logs every deleted row; SQLite fires these triggers for cascades too. They are temporary, so they belong to the
/// connection and not to the platform's schema.
fn log_of_deletions(scenario: &Scenario) -> String {
    let mut sql =
        "CREATE TEMP TABLE deletion (table_name TEXT NOT NULL, created_at TEXT NOT NULL);\n".to_owned();
    for (table, _) in scenario.tables {
        sql += &format!(
            "CREATE TEMP TRIGGER {table}_gone AFTER DELETE ON main.{table} \
             BEGIN INSERT INTO deletion VALUES ('{table}', OLD.created_at); END;\n"
        );
    }
    sql
}

pub struct Simulation {
    connection: SqliteConnection,
    random: Rng,
    scenario: &'static Scenario,
    first_day: Date,
}

impl Simulation {
    /// Creates the platform's database at `path`, without rows.
    ///
    /// # Errors
    /// When the file cannot be created or already contains a platform.
    pub async fn create(
        path: &Path,
        scenario: &'static Scenario,
        seed: u64,
        first_day: Date,
    ) -> Result<Self, sqlx::Error> {
        let mut connection = platform::create(path, scenario.schema).await?;
        sqlx::raw_sql(AssertSqlSafe(log_of_deletions(scenario))).execute(&mut connection).await?;
        Ok(Self { connection, random: Rng::with_seed(seed), scenario, first_day })
    }

    /// Writes the rows of one day in one transaction, and returns their true numbers. Days must be simulated in order. The day
    /// has `activity` times as many rows as it would usually have.
    ///
    /// # Errors
    /// When the database fails; nothing of the day is written then.
    pub async fn simulate_day(&mut self, day: Date, activity: f64) -> Result<DayLedger, sqlx::Error> {
        let activity_level = activity * activity_level(self.first_day, day, &mut self.random);
        let mut transaction = self.connection.begin().await?;
        sqlx::query("DELETE FROM temp.deletion").execute(&mut *transaction).await?;
        let simulated =
            SimulatedDay { connection: &mut transaction, random: &mut self.random, day, activity_level };
        let created = self.scenario.live(simulated).await?;
        let (deleted, deleted_same_day) = deletions(&mut transaction, day).await?;
        transaction.commit().await?;
        Ok(DayLedger { day, created, deleted, deleted_same_day })
    }

    /// Deletes the account with the most rows and, by cascade, everything that refers to it; `None` without rows.
    ///
    /// # Errors
    /// When the database fails; nothing is deleted then.
    pub async fn delete_prolific_account(&mut self) -> Result<Option<Departure>, sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        sqlx::query("DELETE FROM temp.deletion").execute(&mut *transaction).await?;
        let name: Option<String> =
            sqlx::query_scalar(self.scenario.departure).fetch_optional(&mut *transaction).await?;
        let (deleted, _) = deletions(&mut transaction, self.first_day).await?;
        transaction.commit().await?;
        Ok(name.map(|name| Departure { name, deleted }))
    }
}

/// Returns the factor by which a day's numbers of rows differ from those of an average day. It grows with the
/// platform's age (1 at 200 days), is lower at weekends, and has 10 % of noise.
fn activity_level(first_day: Date, day: Date, random: &mut Rng) -> f64 {
    let age = f64::from((day - first_day).get_days().max(0));
    let growth = 0.3 + 1.4 * age / 400.0;
    let weekly = match day.weekday() {
        Weekday::Saturday => 0.70,
        Weekday::Sunday => 0.80,
        _ => 1.10,
    };
    growth * weekly * (0.9 + 0.2 * random.f64())
}

async fn deletions(
    connection: &mut SqliteConnection,
    day: Date,
) -> Result<(RowCounts, RowCounts), sqlx::Error> {
    let rows =
        sqlx::query("SELECT table_name, count(*), sum(date(created_at) = ?) FROM temp.deletion GROUP BY 1")
            .bind(day.to_string())
            .fetch_all(connection)
            .await?;
    let (mut deleted, mut same_day) = (RowCounts::default(), RowCounts::default());
    for row in rows {
        let table: String = row.try_get(0)?;
        deleted.add(&table, row.try_get::<i64, _>(1)?.unsigned_abs());
        same_day.add(&table, row.try_get::<i64, _>(2)?.unsigned_abs());
    }
    Ok((deleted, same_day))
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};

    use super::*;
    use crate::{
        config::Preset,
        demo::{COMMUNITY, SAAS, SHOP},
    };

    const FIRST_DAY: Date = date(2025, 1, 6);

    fn tables(scenario: &'static Scenario) -> impl Iterator<Item = &'static str> {
        scenario.tables.iter().map(|(table, _)| *table)
    }

    /// Returns a platform after `days` simulated days, with their ledgers.
    async fn simulated(
        scenario: &'static Scenario,
        seed: u64,
        days: i32,
    ) -> (tempfile::TempDir, Simulation, Vec<DayLedger>) {
        let directory = tempfile::tempdir().unwrap();
        let mut simulation =
            Simulation::create(&directory.path().join("platform.db"), scenario, seed, FIRST_DAY)
                .await
                .unwrap();
        let mut ledgers = Vec::new();
        for age in 0..days {
            ledgers.push(simulation.simulate_day(FIRST_DAY + age.days(), 1.0).await.unwrap());
        }
        (directory, simulation, ledgers)
    }

    async fn number(simulation: &mut Simulation, sql: String) -> u64 {
        let number: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut simulation.connection).await.unwrap();
        number.unsigned_abs()
    }

    async fn existing(simulation: &mut Simulation) -> RowCounts {
        let mut rows = RowCounts::default();
        for table in tables(simulation.scenario) {
            rows.add(table, number(simulation, format!("SELECT count(*) FROM {table}")).await);
        }
        rows
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_rows() {
        for scenario in [&COMMUNITY, &SHOP, &SAAS] {
            let (_a, _, ledgers) = simulated(scenario, 7, 20).await;
            let (_b, _, again) = simulated(scenario, 7, 20).await;
            let (_c, _, other) = simulated(scenario, 8, 20).await;
            assert_eq!(ledgers, again);
            assert_ne!(ledgers, other);
        }
    }

    #[tokio::test]
    async fn ledgers_agree_with_the_tables() {
        for scenario in [&COMMUNITY, &SHOP, &SAAS] {
            let (_directory, mut simulation, _) = simulated(scenario, 1, 60).await;
            let before = existing(&mut simulation).await;
            let day = FIRST_DAY + 60.days();
            let ledger = simulation.simulate_day(day, 1.0).await.unwrap();
            let after = existing(&mut simulation).await;
            for table in tables(simulation.scenario) {
                assert_eq!(
                    before.of(table) + ledger.created.of(table) - ledger.deleted.of(table),
                    after.of(table)
                );
                let left = format!("SELECT count(*) FROM {table} WHERE date(created_at) = '{day}'");
                let left = number(&mut simulation, left).await;
                assert_eq!(ledger.created.of(table) - ledger.deleted_same_day.of(table), left, "{table}");
                assert!(ledger.created.of(table) > 0, "{table}");
            }
            let orphans = "SELECT count(*) FROM pragma_foreign_key_check()".to_owned();
            assert_eq!(number(&mut simulation, orphans).await, 0);
        }
    }

    #[tokio::test]
    async fn activity_grows_drops_at_weekends_and_includes_deletions() {
        for scenario in [&COMMUNITY, &SHOP, &SAAS] {
            let (_directory, _, ledgers) = simulated(scenario, 2, 15 * 7).await;
            let busiest = scenario.tables[1].0;
            let posts =
                |ledgers: &[DayLedger]| ledgers.iter().map(|ledger| ledger.created.of(busiest)).sum::<u64>();
            assert!(posts(&ledgers[77..]) > posts(&ledgers[7..35]) * 5 / 4);
            for week in ledgers[7..].chunks(7) {
                // The days of a week, from Monday to Sunday.
                assert!(posts(&week[..5]) / 5 > posts(&week[5..]) / 2, "{week:?}");
            }
            let sum = |rows: fn(&DayLedger) -> RowCounts| {
                ledgers.iter().fold(RowCounts::default(), |mut sum, ledger| {
                    sum += rows(ledger);
                    sum
                })
            };
            let (deleted, same_day) =
                (sum(|ledger| ledger.deleted.clone()), sum(|ledger| ledger.deleted_same_day.clone()));
            for table in ["posts", "comments", "tracks", "likes"]
                .into_iter()
                .filter(|_| scenario.preset == Preset::Community)
            {
                assert!(same_day.of(table) > 0, "{table}");
                assert!(deleted.of(table) > same_day.of(table), "{table}");
            }
            assert!(deleted.of(scenario.tables[0].0) > 0);
            assert!(same_day.total() > 0, "{}", scenario.story.subject);
        }
    }

    #[tokio::test]
    async fn deleting_an_account_deletes_all_its_rows() {
        for scenario in [&COMMUNITY, &SHOP, &SAAS] {
            let (_directory, mut simulation, _) = simulated(scenario, 3, 60).await;
            let before = existing(&mut simulation).await;
            let departure = simulation.delete_prolific_account().await.unwrap().unwrap();
            let after = existing(&mut simulation).await;
            for table in tables(simulation.scenario) {
                assert_eq!(before.of(table) - departure.deleted.of(table), after.of(table), "{table}");
            }
            assert_eq!(departure.deleted.of(scenario.tables[0].0), 1);
            assert!(departure.deleted.of(scenario.tables[1].0) > 5, "{departure:?}");
        }
    }

    #[tokio::test]
    async fn an_empty_platform_has_no_account_to_delete_and_an_existing_one_is_not_overwritten() {
        for scenario in [&COMMUNITY, &SHOP, &SAAS] {
            let (directory, mut simulation, _) = simulated(scenario, 4, 0).await;
            assert_eq!(simulation.delete_prolific_account().await.unwrap(), None);
            let again =
                Simulation::create(&directory.path().join("platform.db"), scenario, 4, FIRST_DAY).await;
            assert!(again.err().unwrap().to_string().contains("already exists"));
        }
    }
}
