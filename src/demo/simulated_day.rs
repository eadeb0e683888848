//! One day of the simulated platform: the rows that members create and delete on it.

use fastrand::Rng;
use jiff::civil::Date;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, SqliteConnection, types::Json};

use super::{
    RowCounts,
    random::{round, skewed_index},
    texts,
};

/// The number of members who sign up on the first day in addition to the usual number.
const FOUNDERS: usize = 30;
/// The age in days up to which a post receives comments and likes.
const CURRENT_DAYS: i64 = 10;

/// New rows per day, at an activity level of 1.
mod creation_rate {
    pub const PROFILES: f64 = 4.6;
    pub const POSTS: f64 = 30.0;
    pub const TRACKS: f64 = 6.0;
    pub const COMMENTS: f64 = 100.0;
    pub const LIKES: f64 = 75.0;
    pub const FOLLOWS: f64 = 18.0;
}

/// The number of deletions as shares of the day's new rows, for rows of the same day and for older ones.
mod deletion_rate {
    pub const SAME_DAY: f64 = 0.02;
    pub const LATER: f64 = 0.02;
    pub const ACCOUNTS: f64 = 0.03;
}

/// A post that is recent enough to receive comments and likes.
struct CurrentPost {
    id: i64,
    /// The second of the day at which it was written; 0 for older posts.
    from_second: u32,
}

/// Simulates one day. Each statement inserts many rows from a JSON array, because one statement per row would take most
/// of the time.
///
/// Only members who signed up on an earlier day create rows.
pub struct SimulatedDay<'a> {
    connection: &'a mut SqliteConnection,
    random: &'a mut Rng,
    day: Date,
    activity_level: f64,
    /// The ids of a fifth of the members, who create four fifths of the rows.
    eager: Vec<i64>,
    casual: Vec<i64>,
}

impl<'a> SimulatedDay<'a> {
    pub async fn begin(
        connection: &'a mut SqliteConnection,
        random: &'a mut Rng,
        day: Date,
        activity_level: f64,
    ) -> Result<Self, sqlx::Error> {
        let members: Json<Vec<i64>> =
            sqlx::query_scalar("SELECT json_group_array(id ORDER BY id) FROM profiles")
                .fetch_one(&mut *connection)
                .await?;
        let (eager, casual) = members.0.into_iter().partition(|id| id % 5 == 0);
        Ok(Self { connection, random, day, activity_level, eager, casual })
    }

    /// Creates the day's rows.
    pub async fn create(&mut self) -> Result<RowCounts, sqlx::Error> {
        let profiles = self.sign_up().await?;
        if self.eager.is_empty() || self.casual.is_empty() {
            return Ok(RowCounts { profiles, ..RowCounts::default() });
        }
        let posts = self.write_posts().await?;
        let tracks = self.upload_tracks().await?;
        let current = self.current_posts().await?;
        let comments = self.write_comments(&current).await?;
        let likes = self.like(&current).await?;
        let follows = self.follow().await?;
        Ok(RowCounts { profiles, posts, comments, tracks, likes, follows })
    }

    /// Deletes rows at the end of the day, in proportion to those `created` on it.
    pub async fn delete(&mut self, created: RowCounts) -> Result<(), sqlx::Error> {
        for (table, created) in
            [("comments", created.comments), ("tracks", created.tracks), ("posts", created.posts)]
        {
            self.delete_same_day(table, created as f64 * deletion_rate::SAME_DAY).await?;
            self.delete_older(table, created as f64 * deletion_rate::LATER).await?;
        }
        self.delete_recent_pairs("likes", created.likes as f64 * deletion_rate::LATER).await?;
        self.delete_recent_pairs("follows", created.follows as f64 * deletion_rate::LATER).await?;
        self.delete_accounts(created.profiles as f64 * deletion_rate::ACCOUNTS).await
    }

    async fn sign_up(&mut self) -> Result<u64, sqlx::Error> {
        let taken: i64 =
            sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'profiles'")
                .fetch_one(&mut *self.connection)
                .await?;
        let founding = if taken == 0 { FOUNDERS } else { 0 };
        let rows = (0..self.number(creation_rate::PROFILES) + founding)
            .zip(taken + 1..)
            .map(|(_, number)| json!([texts::username(self.random, number), self.moment()]))
            .collect();
        self.insert(
            "INSERT INTO profiles (username, created_at) SELECT value->>0, value->>1 FROM json_each(?)",
            rows,
        )
        .await
    }

    async fn write_posts(&mut self) -> Result<u64, sqlx::Error> {
        let rows = (0..self.number(creation_rate::POSTS))
            .map(|_| {
                let (author, title) = (self.member(), texts::title(self.random));
                let topic = texts::topic(&title);
                json!([author, title, texts::remark(self.random), topic, self.moment()])
            })
            .collect();
        self.insert(
            "INSERT INTO posts (author_id, title, content, topic, created_at)
             SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?)",
            rows,
        )
        .await
    }

    async fn upload_tracks(&mut self) -> Result<u64, sqlx::Error> {
        let rows = (0..self.number(creation_rate::TRACKS))
            .map(|_| {
                let seconds = 90 + self.random.u32(..180) + self.random.u32(..180);
                json!([
                    self.member(),
                    texts::title(self.random),
                    texts::genre(self.random),
                    seconds,
                    self.moment()
                ])
            })
            .collect();
        self.insert(
            "INSERT INTO tracks (author_id, title, genre, duration_seconds, created_at)
             SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?)",
            rows,
        )
        .await
    }

    /// Returns the posts that receive comments and likes today, the newest first.
    async fn current_posts(&mut self) -> Result<Vec<CurrentPost>, sqlx::Error> {
        let posts: Json<Vec<(i64, u32)>> = sqlx::query_scalar(
            "SELECT json_group_array(
                 json_array(id, max(0, unixepoch(created_at) - unixepoch(?1))) ORDER BY created_at DESC, id)
             FROM posts WHERE created_at >= date(?1, ?2)",
        )
        .bind(self.day.to_string())
        .bind(format!("-{CURRENT_DAYS} days"))
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(posts.0.into_iter().map(|(id, from_second)| CurrentPost { id, from_second }).collect())
    }

    async fn write_comments(&mut self, current: &[CurrentPost]) -> Result<u64, sqlx::Error> {
        if current.is_empty() {
            return Ok(0);
        }
        let rows = (0..self.number(creation_rate::COMMENTS))
            .map(|_| {
                let post = &current[skewed_index(self.random, current.len())];
                let written = self.moment_from(post.from_second);
                json!([post.id, self.member(), texts::remark(self.random), written])
            })
            .collect();
        self.insert(
            "INSERT INTO comments (post_id, author_id, body, created_at)
             SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?)",
            rows,
        )
        .await
    }

    /// Creates likes. A second like of a post by the same member is ignored, so there may be fewer rows than drawn.
    async fn like(&mut self, current: &[CurrentPost]) -> Result<u64, sqlx::Error> {
        if current.is_empty() {
            return Ok(0);
        }
        let rows = (0..self.number(creation_rate::LIKES))
            .map(|_| {
                let post = &current[skewed_index(self.random, current.len())];
                json!([self.member(), post.id, self.moment_from(post.from_second)])
            })
            .collect();
        self.insert(
            "INSERT OR IGNORE INTO likes (user_id, post_id, created_at)
             SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
            rows,
        )
        .await
    }

    async fn follow(&mut self) -> Result<u64, sqlx::Error> {
        let rows = (0..self.number(creation_rate::FOLLOWS))
            .map(|_| json!([self.member(), self.member(), self.moment()]))
            .collect();
        self.insert(
            "INSERT OR IGNORE INTO follows (follower_id, followee_id, created_at)
             SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE value->>0 <> value->>1",
            rows,
        )
        .await
    }

    async fn insert(&mut self, sql: &'static str, rows: Vec<Value>) -> Result<u64, sqlx::Error> {
        let rows = Value::Array(rows).to_string();
        Ok(sqlx::query(sql).bind(rows).execute(&mut *self.connection).await?.rows_affected())
    }

    /// Deletes about `mean` of the rows that were created today.
    async fn delete_same_day(&mut self, table: &str, mean: f64) -> Result<(), sqlx::Error> {
        let todays = format!("SELECT json_group_array(id ORDER BY id) FROM {table} WHERE created_at >= ?");
        let Json(mut todays): Json<Vec<i64>> = sqlx::query_scalar(AssertSqlSafe(todays))
            .bind(self.day.to_string())
            .fetch_one(&mut *self.connection)
            .await?;
        self.random.shuffle(&mut todays);
        todays.truncate(round(self.random, mean));
        self.delete_ids(table, &todays).await
    }

    /// Deletes about `mean` rows of any age, or fewer, because some of the drawn ids were deleted before.
    async fn delete_older(&mut self, table: &str, mean: f64) -> Result<(), sqlx::Error> {
        let newest: Option<i64> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT max(id) FROM {table}")))
            .fetch_one(&mut *self.connection)
            .await?;
        let Some(newest) = newest else { return Ok(()) };
        let ids: Vec<i64> = (0..round(self.random, mean)).map(|_| self.random.i64(1..=newest)).collect();
        self.delete_ids(table, &ids).await
    }

    async fn delete_ids(&mut self, table: &str, ids: &[i64]) -> Result<(), sqlx::Error> {
        let sql = format!("DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))");
        sqlx::query(AssertSqlSafe(sql)).bind(json!(ids).to_string()).execute(&mut *self.connection).await?;
        Ok(())
    }

    /// Deletes about `mean` likes or follows, each time the first row after a random time within the last 30 days.
    async fn delete_recent_pairs(&mut self, table: &str, mean: f64) -> Result<(), sqlx::Error> {
        let key = if table == "likes" { "user_id, post_id" } else { "follower_id, followee_id" };
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN
             (SELECT {key} FROM {table} WHERE created_at >= datetime(?, ?) ORDER BY created_at, {key} LIMIT 1)"
        );
        for _ in 0..round(self.random, mean) {
            let ago = format!("-{} minutes", self.random.u32(..30 * 24 * 60));
            sqlx::query(AssertSqlSafe(sql.as_str()))
                .bind(format!("{} 23:59:59", self.day))
                .bind(ago)
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(())
    }

    /// Deletes about `mean` accounts of casual members, with everything that refers to them.
    async fn delete_accounts(&mut self, mean: f64) -> Result<(), sqlx::Error> {
        let leaving = round(self.random, mean).min(self.casual.len());
        self.random.shuffle(&mut self.casual);
        let leaving = self.casual.split_off(self.casual.len() - leaving);
        self.delete_ids("profiles", &leaving).await
    }

    fn member(&mut self) -> i64 {
        if self.random.f64() < 0.8 {
            self.eager[skewed_index(self.random, self.eager.len())]
        } else {
            self.casual[self.random.usize(..self.casual.len())]
        }
    }

    /// Returns the number of new rows of a table today, for `rate` rows on a day of activity level 1.
    fn number(&mut self, rate: f64) -> usize {
        round(self.random, rate * self.activity_level)
    }

    /// Returns a random time of the day, more often in the afternoon (UTC) than at night.
    fn moment(&mut self) -> String {
        let second = (self.random.u32(..86_400) + self.random.u32(..86_400)) / 2 + 7_200;
        self.at(second % 86_400)
    }

    /// Returns a random time of the day from `second` on; earlier times are more frequent.
    fn moment_from(&mut self, second: u32) -> String {
        let left = 86_400 - second.min(86_399);
        let later = skewed_index(self.random, left as usize) as u32;
        self.at(86_400 - left + later)
    }

    fn at(&self, second: u32) -> String {
        format!("{} {:02}:{:02}:{:02}", self.day, second / 3600, second / 60 % 60, second % 60)
    }
}
