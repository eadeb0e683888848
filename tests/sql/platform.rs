//! A community platform with every kind of column that the preset and further definitions read, in one database with the
//! store.

use std::process::{Command, Stdio};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

pub struct Database {
    pub url: String,
    directory: tempfile::TempDir,
}

/// How a command ended.
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// 400 days up to now. `n` is the number of a row; the digits of a hash of it decide everything else.
const TABLES: &str = "
CREATE TABLE profiles (id uuid PRIMARY KEY, created_at timestamptz NOT NULL, deleted_at timestamptz, is_admin boolean NOT NULL DEFAULT false);
INSERT INTO profiles
SELECT md5('profile' || n)::uuid, now() - (hashint4(n)::bigint + 2147483648) % 34560000 * interval '1 second',
       CASE WHEN n % 9 = 0 THEN now() - n * interval '3 hours' END, n = 1
FROM generate_series(1, 200) AS n;
CREATE TABLE posts (id bigint PRIMARY KEY, author_id uuid, created_at timestamptz, deleted_at timestamptz, genre text, words integer,
                    score numeric(12, 4), stars double precision);
INSERT INTO posts
SELECT n, md5('profile' || n % 200 + 1)::uuid, created, CASE WHEN n % 7 = 0 THEN created + n % 50 * interval '17 hours' END,
       (ARRAY['rock', 'jazz', 'ambient', E'it''s', NULL, 'Zouk', 'zouk', 'ärger', '音楽', '', 'a', 'B', 'b'])[n % 13 + 1],
       n % 997, (n % 100003 - 50000) / 77.0, sin(n)
FROM (SELECT n, now() - (hashint4(n + 1000)::bigint + 2147483648) % 34560000 * interval '1 second' AS created
      FROM generate_series(1, 6000) AS n) AS row;
CREATE INDEX ON posts (created_at);
CREATE TABLE comments (id bigint PRIMARY KEY, author_id uuid, created_at timestamp);
INSERT INTO comments
SELECT n, md5('profile' || n % 150 + 1)::uuid,
       (now() AT TIME ZONE 'UTC') - (hashint4(n + 2000)::bigint + 2147483648) % 34560000 * interval '1 second'
FROM generate_series(1, 4000) AS n;
CREATE TABLE tracks (id bigint PRIMARY KEY, user_id uuid, created_at timestamptz, genre text, duration integer);
INSERT INTO tracks
SELECT n, md5('profile' || n % 180 + 1)::uuid, now() - (hashint4(n + 3000)::bigint + 2147483648) % 34560000 * interval '1 second',
       (ARRAY['electronic', 'hip-hop', 'ambient', 'rock', 'jazz', 'folk', 'dub', 'house', 'soul', 'punk', 'ska', 'pop'])[n % 12 + 1], n % 600
FROM generate_series(1, 1500) AS n;
CREATE TABLE likes (id bigint PRIMARY KEY, user_id uuid, created_at timestamptz);
INSERT INTO likes
SELECT n, md5('profile' || n % 90 + 1)::uuid, now() - (hashint4(n + 4000)::bigint + 2147483648) % 34560000 * interval '1 second'
FROM generate_series(1, 3000) AS n;
CREATE INDEX ON likes (created_at);
CREATE TABLE follows (follower_id uuid, followed_id uuid, created_at timestamptz);
INSERT INTO follows
SELECT md5('profile' || n % 60 + 1)::uuid, md5('profile' || n % 70 + 1)::uuid,
       now() - (hashint4(n + 5000)::bigint + 2147483648) % 34560000 * interval '1 second'
FROM generate_series(1, 800) AS n;
-- Times of every other kind.
CREATE TABLE visits (seen_on date, member text, seen_ms bigint, seen_s integer, local_time timestamp);
INSERT INTO visits
SELECT seen::date, 'm' || n % 40, extract(epoch FROM seen)::bigint * 1000 + 999, extract(epoch FROM seen)::int,
       seen AT TIME ZONE 'America/Santiago'
FROM (SELECT n, now() - (hashint4(n + 6000)::bigint + 2147483648) % 34560000 * interval '1 second' AS seen
      FROM generate_series(1, 3000) AS n) AS row;
CREATE INDEX ON visits (local_time);
";

/// Metrics of every measure, beside those of the preset.
pub const METRICS: &str = r#"
[sources.visit_days]
table = "visits"
time_column = "seen_on"
actor_column = "member"

[sources.visit_millis]
table = "visits"
time_column = "seen_ms"
time_format = "unix_millis"
actor_column = "member"

[sources.visit_seconds]
table = "visits"
time_column = "seen_s"
time_format = "unix_seconds"

[sources.local_visits]
table = "visits"
time_column = "local_time"
time_zone = "America/Santiago"
actor_column = "member"

# The text has the placeholders of the files that the functions are made of.
[metrics.posts_beside_placeholders]
measure = "sql"
query = "SELECT count(*) AS value FROM posts WHERE created_at < {day_end} AND '@schema@ @platform_path@' = '@' || 'schema@ @' || 'platform_path@'"
returns = "value"
adds_up = "last"

[metrics.visits_by_date]
measure = "created"
source = "visit_days"

[metrics.visits_by_millis]
measure = "existing"
source = "visit_millis"

[metrics.visits_by_seconds]
measure = "created"
source = "visit_seconds"

[metrics.visits_by_local_time]
measure = "existing"
source = "local_visits"

[metrics.visitors_of_a_week]
measure = "distinct_actors"
sources = ["local_visits", "visit_days"]
window_days = 7

[metrics.visitors_of_a_month]
measure = "distinct_actors"
sources = ["local_visits", "visit_days"]
window_days = 30

[metrics.visitors_of_the_week_to_date]
measure = "distinct_actors"
sources = ["local_visits", "visit_days"]
window = "week"

[metrics.visitors_of_the_month_to_date]
measure = "distinct_actors"
sources = ["local_visits", "visit_days"]
window = "month"

[metrics.genres_of_the_month_to_date]
measure = "distinct"
source = "posts"
column = "genre"
window = "month"

[metrics.next_day_retention]
measure = "retention"
sources = ["local_visits", "visit_days"]
after_days = 1

[metrics.same_day_retention]
measure = "retention"
source = "visit_millis"
after_days = 0

[metrics.week_4_retention]
measure = "retention"
sources = ["local_visits", "visit_millis"]
after_days = 28
window_days = 7

[metrics.likes_of_new_authors]
measure = "retention"
source = "likes"
after_days = 30
window_days = 31
cohort = { source = "posts", filter = { genre = "rock" } }

[metrics.new_visitors]
measure = "growth"
state = "new"
sources = ["local_visits", "visit_days"]
window_days = 28

[metrics.retained_visitors]
measure = "growth"
state = "retained"
sources = ["local_visits", "visit_days"]
window_days = 7

[metrics.resurrected_visitors]
measure = "growth"
state = "resurrected"
sources = ["local_visits", "visit_days"]
window_days = 7

[metrics.churned_visitors]
measure = "growth"
state = "churned"
source = "visit_millis"

[metrics.score]
measure = "average"
source = "posts"
column = "score"
expected = { min = -10, max = 20 }

[metrics.stars]
measure = "average"
source = "posts"
column = "stars"

[metrics.score_sum]
measure = "sum"
source = "posts"
column = "score"

[metrics.words_total]
measure = "sum"
source = "posts"
column = "words"
of = "existing"

[metrics.stars_sum]
measure = "sum"
source = "posts"
column = "stars"
filter = { genre = "rock" }

[metrics.least_score]
measure = "minimum"
source = "posts"
column = "score"

[metrics.best_stars]
measure = "maximum"
source = "posts"
column = "stars"
filter = { genre = "rock" }

[metrics.median_score]
measure = "median"
source = "posts"
column = "score"

[metrics.slow_words]
measure = "quantile"
quantile = 0.95
source = "posts"
column = "words"
window_days = 7

[metrics.stars_third]
measure = "quantile"
quantile = 0.333333
source = "posts"
column = "stars"
filter = { genre = "rock" }

[metrics.score_by_genre]
measure = "breakdown"
source = "posts"
column = "genre"
sum = "score"
of = "existing"
top = 3

[metrics.score_by_genre_of_day]
measure = "breakdown"
source = "posts"
column = "genre"
sum = "score"
top = 2

[metrics.mean_score_by_genre]
measure = "breakdown"
source = "posts"
column = "genre"
average = "score"
top = 3

[metrics.mean_words_by_genre]
measure = "breakdown"
source = "posts"
column = "genre"
average = "words"
of = "existing"
top = 3

[metrics.authors_by_genre]
measure = "breakdown"
source = "posts"
column = "genre"
distinct = "author_id"

[sources.posts_of_authors]
query = "SELECT p.created_at, p.score, lower(p.genre) AS genre, a.is_admin FROM posts p JOIN profiles a ON a.id = p.author_id"
time_column = "created_at"

[metrics.score_of_authors]
measure = "sum"
source = "posts_of_authors"
column = "score"
filter = { is_admin = false }

[metrics.genres_of_the_week]
measure = "distinct"
source = "posts"
column = "genre"
window_days = 7

[metrics.genres_of_all]
measure = "breakdown"
source = "posts"
column = "genre"
of = "existing"
top = 3

[metrics.comments_per_post]
type = "average"
measure = "ratio"
numerator = { measure = "created", source = "comments" }
denominator = { measure = "created", source = "posts" }

[metrics.net_score]
type = "aggregate"
measure = "sql"
query = "SELECT coalesce(sum(score), 0) AS value FROM posts WHERE created_at >= {day_start} AND created_at < {day_end}"
returns = "value"
adds_up = "sum"

# 31 decimal places, the last of them 5: rounded to 30, half to even.
[metrics.fine_score]
type = "aggregate"
measure = "sql"
query = "SELECT (coalesce(sum(score), 0) + 0.5) * 1e-30 AS value FROM posts WHERE created_at >= {day_start} AND created_at < {day_end}"
returns = "value"
adds_up = "sum"

[metrics.mean_words]
measure = "sql"
query = "SELECT coalesce(avg(words), 0) AS value, count(words) AS sample_size, stddev(words) AS std_deviation FROM posts WHERE created_at >= {day_start} AND created_at < {day_end}"
returns = "average"

[metrics.jazz_share]
measure = "sql"
query = "SELECT count(*) FILTER (WHERE genre = 'jazz') AS numerator, count(*) AS denominator FROM posts WHERE created_at < {day_end}"
returns = "ratio"

[metrics.points_by_genre]
measure = "sql"
query = "SELECT genre AS label, sum(score) AS value FROM posts WHERE created_at::date = {day} GROUP BY genre"
returns = "labels"
signed = true
adds_up = "sum"
top = 2
"#;

impl Database {
    /// The platform in a new database of the tests' server, and the store beside it, with the definitions applied for the tenants
    /// `default` and `functions`.
    pub async fn new(settings: &str, metrics: &str) -> Self {
        Self::at(crate::support::fresh_database().await, settings, metrics).await
    }

    pub async fn at(url: String, settings: &str, metrics: &str) -> Self {
        Self::with_tables(url, TABLES, &format!("{settings}\n{metrics}")).await
    }

    /// Another platform.
    pub async fn with_tables(url: String, tables: &str, config: &str) -> Self {
        let database = Self { url, directory: tempfile::tempdir().unwrap() };
        database.execute(tables).await;
        database.write_config(config);
        for tenant in ["default", "functions"] {
            for command in ["migrate", "apply"] {
                database.run(tenant, &[command]).done();
            }
        }
        database
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.directory.path().join("daymark.toml"), text).unwrap();
    }

    pub fn run(&self, tenant: &str, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daymark"));
        command.args(arguments).env_clear().current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("DAYMARK_PLATFORM_URL", &self.url).env("DAYMARK_STORE_URL", &self.url);
        command.env("DAYMARK_TENANT", tenant);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub async fn execute(&self, sql: &str) {
        self.connect()
            .await
            .execute(AssertSqlSafe(sql))
            .await
            .unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The rows of a query as JSON.
    pub async fn query(&self, sql: &str) -> Value {
        try_query(&mut self.connect().await, sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    /// The message, the SQLSTATE and the hint of a statement that fails.
    pub async fn error(&self, sql: &str) -> String {
        error_of(&mut self.connect().await, sql).await
    }
}

pub async fn try_query(session: &mut PgConnection, sql: &str) -> Result<Value, sqlx::Error> {
    let sql = format!("WITH answer AS ({sql}) SELECT coalesce(json_agg(answer), '[]') FROM answer");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(session).await
}

pub async fn error_of(session: &mut PgConnection, sql: &str) -> String {
    let error = try_query(session, sql).await.unwrap_err();
    let error = error.into_database_error().unwrap();
    let error = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
    format!("{} {} {}", error.code(), error.message(), error.hint().unwrap_or_default())
}
