//! One day of a simulated platform: what its application writes and deletes, whatever the platform is.

use fastrand::Rng;
use jiff::civil::Date;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, SqliteConnection, types::Json};

use super::random::{round, skewed_index};

/// A day, on which each statement inserts many rows from a JSON array, because one statement per row would take most of the time.
pub struct SimulatedDay<'a> {
    pub connection: &'a mut SqliteConnection,
    pub random: &'a mut Rng,
    pub day: Date,
    pub activity_level: f64,
}

impl SimulatedDay<'_> {
    /// Inserts the rows with a statement that reads them with `json_each(?)`.
    pub async fn insert(&mut self, sql: &'static str, rows: Vec<Value>) -> Result<u64, sqlx::Error> {
        let rows = Value::Array(rows).to_string();
        Ok(sqlx::query(sql).bind(rows).execute(&mut *self.connection).await?.rows_affected())
    }

    /// Deletes about `mean` of the rows that were created today.
    pub async fn delete_same_day(&mut self, table: &str, mean: f64) -> Result<(), sqlx::Error> {
        let todays = self.ids(table, "created_at >= ?1").await?;
        let todays = self.some_of(todays, mean);
        self.delete_ids(table, &todays).await
    }

    /// Deletes about `mean` rows of any age, or fewer, because some of the drawn ids were deleted before.
    pub async fn delete_older(&mut self, table: &str, mean: f64) -> Result<(), sqlx::Error> {
        let newest: Option<i64> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT max(id) FROM {table}")))
            .fetch_one(&mut *self.connection)
            .await?;
        let Some(newest) = newest else { return Ok(()) };
        let ids: Vec<i64> = (0..round(self.random, mean)).map(|_| self.random.i64(1..=newest)).collect();
        self.delete_ids(table, &ids).await
    }

    pub async fn delete_ids(&mut self, table: &str, ids: &[i64]) -> Result<(), sqlx::Error> {
        let sql = format!("DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))");
        sqlx::query(AssertSqlSafe(sql)).bind(json!(ids).to_string()).execute(&mut *self.connection).await?;
        Ok(())
    }

    /// The ids of the rows that meet the condition, in which `?1` is the day.
    pub async fn ids(&mut self, table: &str, condition: &str) -> Result<Vec<i64>, sqlx::Error> {
        let sql = format!(
            "SELECT json_group_array(id ORDER BY id) FROM {table} WHERE ?1 IS NOT NULL AND ({condition})"
        );
        let select = sqlx::query_scalar(AssertSqlSafe(sql)).bind(self.day.to_string());
        let Json(ids): Json<Vec<i64>> = select.fetch_one(&mut *self.connection).await?;
        Ok(ids)
    }

    /// The last id that the table gave, also to a row that is deleted; 0 for none.
    pub async fn last_id(&mut self, table: &str) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?")
            .bind(table)
            .fetch_one(&mut *self.connection)
            .await
    }

    /// About `mean` of the ids, at random.
    pub fn some_of(&mut self, mut ids: Vec<i64>, mean: f64) -> Vec<i64> {
        self.random.shuffle(&mut ids);
        ids.truncate(round(self.random, mean));
        ids
    }

    /// Returns the number of new rows of a table today, for `rate` rows on a day of activity level 1.
    pub fn number(&mut self, rate: f64) -> usize {
        round(self.random, rate * self.activity_level)
    }

    /// Returns a random time of the day, more often in the afternoon (UTC) than at night.
    pub fn moment(&mut self) -> String {
        let second = (self.random.u32(..86_400) + self.random.u32(..86_400)) / 2 + 7_200;
        self.at(second % 86_400)
    }

    /// Returns a random time of the day from `second` on; earlier times are more frequent.
    pub fn moment_from(&mut self, second: u32) -> String {
        let left = 86_400 - second.min(86_399);
        let later = skewed_index(self.random, left as usize) as u32;
        self.at(86_400 - left + later)
    }

    fn at(&self, second: u32) -> String {
        format!("{} {:02}:{:02}:{:02}", self.day, second / 3600, second / 60 % 60, second % 60)
    }
}
