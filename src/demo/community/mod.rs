//! A community of people who make music: members sign up, write, upload, like and follow, and delete what they wrote.

mod texts;

use serde_json::json;
use sqlx::{AssertSqlSafe, types::Json};

use super::{
    RowCounts,
    random::{round, skewed_index},
    scenario::{ChangedDefinition, Scenario, Story},
    simulated_day::SimulatedDay,
};
use crate::config::Preset;

pub const COMMUNITY: Scenario = Scenario {
    preset: Preset::Community,
    schema: include_str!("platform.sql"),
    tables: &[
        ("profiles", "profile"),
        ("posts", "post"),
        ("comments", "comment"),
        ("likes", "like"),
        ("tracks", "track"),
        ("follows", "follow"),
    ],
    departure: "DELETE FROM profiles
        WHERE id = (SELECT author_id FROM posts GROUP BY author_id ORDER BY count(*) DESC, author_id LIMIT 1)
        RETURNING username",
    story: Story {
        subject: "A community",
        chart: ("posts_created", "Posts a week, as recorded"),
        histories: ["posts_total", "comments_total"],
        departed: "Then @{name} left, and the account was deleted",
        viral: "A post went around the world",
        outage: "Incident: signing in did not work",
    },
    definition: ChangedDefinition {
        category: "jazz_tracks",
        before: r#"{"measure": "existing", "source": "tracks", "filter": {"genre": "jazz"}, "display_name": "Jazz tracks",
            "description": "Tracks of jazz", "dashboard": {"group": "Music"}}"#,
        after: r#"{"measure": "existing", "source": "tracks", "filter": {"genre": ["jazz", "funk"]}, "display_name": "Jazz tracks",
            "description": "Tracks of jazz and funk", "dashboard": {"group": "Music"}}"#,
        reason: "Funk counts as jazz from now on",
    },
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

/// Simulates one day, and returns the rows that were created on it. Only members who signed up on an earlier day create rows.
pub async fn live(day: SimulatedDay<'_>) -> Result<RowCounts, sqlx::Error> {
    let mut day = CommunityDay::begin(day).await?;
    let created = day.create().await?;
    day.delete(&created).await?;
    Ok(created)
}

struct CommunityDay<'a> {
    day: SimulatedDay<'a>,
    /// The ids of a fifth of the members, who create four fifths of the rows.
    eager: Vec<i64>,
    casual: Vec<i64>,
}

impl<'a> CommunityDay<'a> {
    async fn begin(mut day: SimulatedDay<'a>) -> Result<Self, sqlx::Error> {
        let members = day.ids("profiles", "TRUE").await?;
        let (eager, casual) = members.into_iter().partition(|id| id % 5 == 0);
        Ok(Self { day, eager, casual })
    }

    /// Creates the day's rows.
    async fn create(&mut self) -> Result<RowCounts, sqlx::Error> {
        let profiles = self.sign_up().await?;
        if self.eager.is_empty() || self.casual.is_empty() {
            return Ok(RowCounts::of_tables([("profiles", profiles)]));
        }
        let posts = self.write_posts().await?;
        let tracks = self.upload_tracks().await?;
        let current = self.current_posts().await?;
        let comments = self.write_comments(&current).await?;
        let likes = self.like(&current).await?;
        let follows = self.follow().await?;
        Ok(RowCounts::of_tables([
            ("profiles", profiles),
            ("posts", posts),
            ("comments", comments),
            ("tracks", tracks),
            ("likes", likes),
            ("follows", follows),
        ]))
    }

    /// Deletes rows at the end of the day, in proportion to those `created` on it.
    async fn delete(&mut self, created: &RowCounts) -> Result<(), sqlx::Error> {
        for table in ["comments", "tracks", "posts"] {
            let created = created.of(table) as f64;
            self.day.delete_same_day(table, created * deletion_rate::SAME_DAY).await?;
            self.day.delete_older(table, created * deletion_rate::LATER).await?;
        }
        for table in ["likes", "follows"] {
            self.delete_recent_pairs(table, created.of(table) as f64 * deletion_rate::LATER).await?;
        }
        self.delete_accounts(created.of("profiles") as f64 * deletion_rate::ACCOUNTS).await
    }

    async fn sign_up(&mut self) -> Result<u64, sqlx::Error> {
        let taken = self.day.last_id("profiles").await?;
        let founding = if taken == 0 { FOUNDERS } else { 0 };
        let rows = (0..self.day.number(creation_rate::PROFILES) + founding)
            .zip(taken + 1..)
            .map(|(_, number)| json!([texts::username(self.day.random, number), self.day.moment()]))
            .collect();
        self.day
            .insert(
                "INSERT INTO profiles (username, created_at) SELECT value->>0, value->>1 FROM json_each(?)",
                rows,
            )
            .await
    }

    async fn write_posts(&mut self) -> Result<u64, sqlx::Error> {
        let rows = (0..self.day.number(creation_rate::POSTS))
            .map(|_| {
                let (author, title) = (self.member(), texts::title(self.day.random));
                let topic = texts::topic(&title);
                json!([author, title, texts::remark(self.day.random), topic, self.day.moment()])
            })
            .collect();
        self.day
            .insert(
                "INSERT INTO posts (author_id, title, content, topic, created_at)
             SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?)",
                rows,
            )
            .await
    }

    async fn upload_tracks(&mut self) -> Result<u64, sqlx::Error> {
        let rows = (0..self.day.number(creation_rate::TRACKS))
            .map(|_| {
                let seconds = 90 + self.day.random.u32(..180) + self.day.random.u32(..180);
                json!([
                    self.member(),
                    texts::title(self.day.random),
                    texts::genre(self.day.random),
                    seconds,
                    self.day.moment()
                ])
            })
            .collect();
        self.day
            .insert(
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
        .bind(self.day.day.to_string())
        .bind(format!("-{CURRENT_DAYS} days"))
        .fetch_one(&mut *self.day.connection)
        .await?;
        Ok(posts.0.into_iter().map(|(id, from_second)| CurrentPost { id, from_second }).collect())
    }

    async fn write_comments(&mut self, current: &[CurrentPost]) -> Result<u64, sqlx::Error> {
        if current.is_empty() {
            return Ok(0);
        }
        let rows = (0..self.day.number(creation_rate::COMMENTS))
            .map(|_| {
                let post = &current[skewed_index(self.day.random, current.len())];
                let written = self.day.moment_from(post.from_second);
                json!([post.id, self.member(), texts::remark(self.day.random), written])
            })
            .collect();
        self.day
            .insert(
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
        let rows = (0..self.day.number(creation_rate::LIKES))
            .map(|_| {
                let post = &current[skewed_index(self.day.random, current.len())];
                json!([self.member(), post.id, self.day.moment_from(post.from_second)])
            })
            .collect();
        self.day
            .insert(
                "INSERT OR IGNORE INTO likes (user_id, post_id, created_at)
             SELECT value->>0, value->>1, value->>2 FROM json_each(?)",
                rows,
            )
            .await
    }

    async fn follow(&mut self) -> Result<u64, sqlx::Error> {
        let rows = (0..self.day.number(creation_rate::FOLLOWS))
            .map(|_| json!([self.member(), self.member(), self.day.moment()]))
            .collect();
        self.day
            .insert(
                "INSERT OR IGNORE INTO follows (follower_id, followee_id, created_at)
             SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE value->>0 <> value->>1",
                rows,
            )
            .await
    }

    /// Deletes about `mean` likes or follows, each time the first row after a random time within the last 30 days.
    async fn delete_recent_pairs(&mut self, table: &str, mean: f64) -> Result<(), sqlx::Error> {
        let key = if table == "likes" { "user_id, post_id" } else { "follower_id, followee_id" };
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN
             (SELECT {key} FROM {table} WHERE created_at >= datetime(?, ?) ORDER BY created_at, {key} LIMIT 1)"
        );
        for _ in 0..round(self.day.random, mean) {
            let ago = format!("-{} minutes", self.day.random.u32(..30 * 24 * 60));
            sqlx::query(AssertSqlSafe(sql.as_str()))
                .bind(format!("{} 23:59:59", self.day.day))
                .bind(ago)
                .execute(&mut *self.day.connection)
                .await?;
        }
        Ok(())
    }

    /// Deletes about `mean` accounts of casual members, with everything that refers to them.
    async fn delete_accounts(&mut self, mean: f64) -> Result<(), sqlx::Error> {
        let leaving = round(self.day.random, mean).min(self.casual.len());
        self.day.random.shuffle(&mut self.casual);
        let leaving = self.casual.split_off(self.casual.len() - leaving);
        self.day.delete_ids("profiles", &leaving).await
    }

    fn member(&mut self) -> i64 {
        if self.day.random.f64() < 0.8 {
            self.eager[skewed_index(self.day.random, self.eager.len())]
        } else {
            self.casual[self.day.random.usize(..self.casual.len())]
        }
    }
}
