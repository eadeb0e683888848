//! People living on the simulated platform, a day at a time: they sign up, write, upload, like and follow, weekdays
//! more than weekends and every month more than the last; and they delete, sometimes within minutes. The same seed
//! lives the same life.

use std::path::Path;

use fastrand::Rng;
use jiff::civil::{Date, Weekday};
use sqlx::{Connection, Row, SqliteConnection};

use super::{DayLedger, Departure, Rows, day_of_life::DayOfLife, platform};

/// Every row that goes, however it goes, is noted here; SQLite fires these for cascades too. They belong to the
/// connection: the platform's schema has no part in them.
const NOTE_DELETIONS: &str = "
    CREATE TEMP TABLE deletion (table_name TEXT NOT NULL, created_at TEXT NOT NULL);
    CREATE TEMP TRIGGER profiles_gone AFTER DELETE ON main.profiles BEGIN INSERT INTO deletion VALUES ('profiles', OLD.created_at); END;
    CREATE TEMP TRIGGER posts_gone AFTER DELETE ON main.posts BEGIN INSERT INTO deletion VALUES ('posts', OLD.created_at); END;
    CREATE TEMP TRIGGER comments_gone AFTER DELETE ON main.comments BEGIN INSERT INTO deletion VALUES ('comments', OLD.created_at); END;
    CREATE TEMP TRIGGER tracks_gone AFTER DELETE ON main.tracks BEGIN INSERT INTO deletion VALUES ('tracks', OLD.created_at); END;
    CREATE TEMP TRIGGER likes_gone AFTER DELETE ON main.likes BEGIN INSERT INTO deletion VALUES ('likes', OLD.created_at); END;
    CREATE TEMP TRIGGER follows_gone AFTER DELETE ON main.follows BEGIN INSERT INTO deletion VALUES ('follows', OLD.created_at); END;
";

pub struct Simulation {
    connection: SqliteConnection,
    random: Rng,
    first_day: Date,
}

impl Simulation {
    /// Makes the platform's database at `path`, still empty.
    ///
    /// # Errors
    /// When the file cannot be made or is a platform already.
    pub async fn create(path: &Path, seed: u64, first_day: Date) -> Result<Self, sqlx::Error> {
        let mut connection = platform::create(path).await?;
        sqlx::raw_sql(NOTE_DELETIONS).execute(&mut connection).await?;
        Ok(Self { connection, random: Rng::with_seed(seed), first_day })
    }

    /// Writes one day's life in one transaction, and returns what truly happened. Days are lived in order.
    ///
    /// # Errors
    /// When the database refuses; nothing of the day is then written.
    pub async fn live_through(&mut self, day: Date) -> Result<DayLedger, sqlx::Error> {
        let vigour = vigour(self.first_day, day, &mut self.random);
        let mut transaction = self.connection.begin().await?;
        sqlx::query("DELETE FROM temp.deletion").execute(&mut *transaction).await?;
        let mut life = DayOfLife::begin(&mut transaction, &mut self.random, day, vigour).await?;
        let created = life.create().await?;
        life.delete(created).await?;
        let (deleted, deleted_same_day) = deletions(&mut transaction, day).await?;
        transaction.commit().await?;
        Ok(DayLedger { day, created, deleted, deleted_same_day })
    }

    /// Deletes the account that has posted most, and with it everything that hangs on it; `None` while nobody has
    /// posted.
    ///
    /// # Errors
    /// When the database refuses; nothing is then deleted.
    pub async fn delete_prolific_account(&mut self) -> Result<Option<Departure>, sqlx::Error> {
        let mut transaction = self.connection.begin().await?;
        sqlx::query("DELETE FROM temp.deletion").execute(&mut *transaction).await?;
        let username: Option<String> = sqlx::query_scalar(
            "DELETE FROM profiles
             WHERE id = (SELECT author_id FROM posts GROUP BY author_id ORDER BY count(*) DESC, author_id LIMIT 1)
             RETURNING username",
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let (deleted, _) = deletions(&mut transaction, self.first_day).await?;
        transaction.commit().await?;
        Ok(username.map(|username| Departure { username, deleted }))
    }
}

/// How lively a day is: 1 halfway through the first 400 days, growing, less at weekends, never twice the same.
fn vigour(first_day: Date, day: Date, random: &mut Rng) -> f64 {
    let age = f64::from((day - first_day).get_days().max(0));
    let growth = 0.3 + 1.4 * age / 400.0;
    let weekly = match day.weekday() {
        Weekday::Saturday => 0.70,
        Weekday::Sunday => 0.80,
        _ => 1.10,
    };
    growth * weekly * (0.9 + 0.2 * random.f64())
}

async fn deletions(connection: &mut SqliteConnection, day: Date) -> Result<(Rows, Rows), sqlx::Error> {
    let rows =
        sqlx::query("SELECT table_name, count(*), sum(date(created_at) = ?) FROM temp.deletion GROUP BY 1")
            .bind(day.to_string())
            .fetch_all(connection)
            .await?;
    let (mut deleted, mut same_day) = (Rows::default(), Rows::default());
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

    const FIRST_DAY: Date = date(2025, 1, 6);

    /// A platform that lived through `days` days, with their ledgers.
    async fn lived(seed: u64, days: i32) -> (tempfile::TempDir, Simulation, Vec<DayLedger>) {
        let directory = tempfile::tempdir().unwrap();
        let mut simulation =
            Simulation::create(&directory.path().join("platform.db"), seed, FIRST_DAY).await.unwrap();
        let mut ledgers = Vec::new();
        for age in 0..days {
            ledgers.push(simulation.live_through(FIRST_DAY + age.days()).await.unwrap());
        }
        (directory, simulation, ledgers)
    }

    async fn number(simulation: &mut Simulation, sql: String) -> u64 {
        let number: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut simulation.connection).await.unwrap();
        number.unsigned_abs()
    }

    async fn existing(simulation: &mut Simulation) -> Rows {
        let mut rows = Rows::default();
        for table in Rows::TABLES {
            rows.add(table, number(simulation, format!("SELECT count(*) FROM {table}")).await);
        }
        rows
    }

    #[tokio::test]
    async fn the_same_seed_lives_the_same_life() {
        let (_a, _, ledgers) = lived(7, 20).await;
        let (_b, _, again) = lived(7, 20).await;
        let (_c, _, other) = lived(8, 20).await;
        assert_eq!(ledgers, again);
        assert_ne!(ledgers, other);
    }

    #[tokio::test]
    async fn the_ledgers_are_what_the_tables_hold() {
        let (_directory, mut simulation, _) = lived(1, 60).await;
        let before = existing(&mut simulation).await;
        let day = FIRST_DAY + 60.days();
        let ledger = simulation.live_through(day).await.unwrap();
        let after = existing(&mut simulation).await;
        for table in Rows::TABLES {
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

    #[tokio::test]
    async fn life_grows_rests_at_weekends_and_regrets() {
        let (_directory, _, ledgers) = lived(2, 15 * 7).await;
        let posts = |ledgers: &[DayLedger]| ledgers.iter().map(|ledger| ledger.created.posts).sum::<u64>();
        assert!(posts(&ledgers[77..]) > posts(&ledgers[7..35]) * 5 / 4);
        for week in ledgers[7..].chunks(7) {
            // From Monday to Sunday.
            assert!(posts(&week[..5]) / 5 > posts(&week[5..]) / 2, "{week:?}");
        }
        let sum = |rows: fn(&DayLedger) -> Rows| {
            ledgers.iter().fold(Rows::default(), |mut sum, ledger| {
                sum += rows(ledger);
                sum
            })
        };
        let (deleted, same_day) = (sum(|ledger| ledger.deleted), sum(|ledger| ledger.deleted_same_day));
        for table in ["posts", "comments", "tracks", "likes"] {
            assert!(same_day.of(table) > 0, "{table}");
            assert!(deleted.of(table) > same_day.of(table), "{table}");
        }
        assert!(deleted.profiles > 0);
    }

    #[tokio::test]
    async fn a_prolific_account_takes_everything_along() {
        let (_directory, mut simulation, _) = lived(3, 60).await;
        let before = existing(&mut simulation).await;
        let departure = simulation.delete_prolific_account().await.unwrap().unwrap();
        let after = existing(&mut simulation).await;
        for table in Rows::TABLES {
            assert_eq!(before.of(table) - departure.deleted.of(table), after.of(table), "{table}");
        }
        assert_eq!(departure.deleted.profiles, 1);
        assert!(departure.deleted.posts > 20 && departure.deleted.comments > 20, "{departure:?}");
        let gone = format!("SELECT count(*) FROM profiles WHERE username = '{}'", departure.username);
        assert_eq!(number(&mut simulation, gone).await, 0);
    }

    #[tokio::test]
    async fn nobody_can_leave_an_empty_platform_and_no_platform_is_made_twice() {
        let (directory, mut simulation, _) = lived(4, 0).await;
        assert_eq!(simulation.delete_prolific_account().await.unwrap(), None);
        let again = Simulation::create(&directory.path().join("platform.db"), 4, FIRST_DAY).await;
        assert!(again.err().unwrap().to_string().contains("already exists"));
    }
}
