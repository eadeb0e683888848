//! The metrics that the benchmark collects, declared in a `daymark.toml` and resolved for the platform.

use std::{fmt::Write as _, path::Path};

use anyhow::ensure;
use daymark::{
    config::{self, Environment, GivenFlags},
    metric::Definition,
    platform::Platform,
};

/// The categories that the SQL by hand counts.
pub const CORE: [&str; 5] =
    ["users_total", "posts_total", "comments_total", "posts_created", "comments_created"];

const GENRES: [&str; 8] = ["electronic", "hip-hop", "ambient", "rock", "jazz", "house", "techno", "pop"];
const LANGUAGES: [&str; 6] = ["en", "es", "pt", "de", "fr", "ja"];

const POSTS: &str = "preset = \"none\"\n[sources.posts]\ntable = \"posts\"\ntime_column = \"created_at\"\n\
     actor_column = \"author_id\"\n";

pub async fn preset(platform: &dyn Platform) -> anyhow::Result<Vec<Definition>> {
    resolve(platform, "").await
}

pub async fn core(platform: &dyn Platform) -> anyhow::Result<Vec<Definition>> {
    let mut definitions = preset(platform).await?;
    definitions.retain(|definition| CORE.contains(&definition.category.as_str()));
    ensure!(definitions.len() == CORE.len(), "the preset does not fit the platform");
    Ok(definitions)
}

/// Every fortieth of the two hundred metrics, in the order of their names.
pub async fn five(platform: &dyn Platform) -> anyhow::Result<Vec<Definition>> {
    Ok(two_hundred(platform).await?.into_iter().step_by(40).collect())
}

/// Two hundred metrics of posts: rows created, rows existing and the average duration, of all posts and filtered by genre, by
/// language, by whether they are audio, and by two of these at a time.
pub async fn two_hundred(platform: &dyn Platform) -> anyhow::Result<Vec<Definition>> {
    let genres = GENRES.map(|genre| ("genre", format!("'{genre}'")));
    let languages = LANGUAGES.map(|language| ("language", format!("'{language}'")));
    let audio = [true, false].map(|value| ("is_audio", value.to_string()));
    let mut metrics = Metrics::new();
    let dance = ("genre", "['house', 'techno']");
    for filter in [vec![], vec![dance], vec![("is_audio", "true")]] {
        metrics.counts(&filter);
        metrics.average(&filter);
    }
    metrics.counts(&[("is_audio", "false")]);
    metrics.average(&[("language", "'en'")]);
    for (column, value) in genres.iter().chain(&languages) {
        metrics.counts(&[(column, value)]);
        for (is_audio, audio) in &audio {
            metrics.counts(&[(column, value), (is_audio, audio)]);
        }
    }
    for (genre, of_genre) in &genres {
        metrics.average(&[(genre, of_genre)]);
        for (language, of_language) in &languages {
            metrics.counts(&[(genre, of_genre), (language, of_language)]);
        }
    }
    metrics.resolve(platform, 200).await
}

/// The distinct actors of three sources in windows of 1, 7 and 30 days.
pub async fn active(platform: &dyn Platform) -> anyhow::Result<Vec<Definition>> {
    let mut text = "preset = \"none\"\n".to_owned();
    for (table, actor) in [("posts", "author_id"), ("comments", "author_id"), ("profiles", "id")] {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "[sources.{table}]\ntable = \"{table}\"\ntime_column = \"created_at\"\nactor_column = \"{actor}\""
        );
    }
    for window in [1, 7, 30] {
        let _ = writeln!(
            text,
            "[metrics.active_{window}]\nmeasure = \"distinct_actors\"\nwindow_days = {window}\n\
             sources = [\"posts\", \"comments\", \"profiles\"]"
        );
    }
    resolve(platform, &text).await
}

/// Metrics of posts, in TOML.
pub async fn of_posts(platform: &dyn Platform, metrics: &str) -> anyhow::Result<Vec<Definition>> {
    resolve(platform, &format!("{POSTS}{metrics}")).await
}

/// The text of a `daymark.toml` to which metrics are added one by one.
struct Metrics {
    text: String,
    count: usize,
}

impl Metrics {
    fn new() -> Self {
        Self { text: POSTS.to_owned(), count: 0 }
    }

    fn counts(&mut self, filter: &[(&str, &str)]) {
        self.add("created", filter);
        self.add("existing", filter);
    }

    fn average(&mut self, filter: &[(&str, &str)]) {
        self.add("average\"\ncolumn = \"duration_seconds", filter);
    }

    /// Adds one metric; the values of `filter` are written in TOML's syntax.
    fn add(&mut self, measure: &str, filter: &[(&str, &str)]) {
        self.count += 1;
        let filter: Vec<_> = filter.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        // Writing to a String does not fail.
        let _ = writeln!(
            self.text,
            "[metrics.posts_{}]\nmeasure = \"{measure}\"\nsource = \"posts\"\nfilter = {{ {} }}",
            self.count,
            filter.join(", ")
        );
    }

    async fn resolve(self, platform: &dyn Platform, wanted: usize) -> anyhow::Result<Vec<Definition>> {
        let definitions = resolve(platform, &self.text).await?;
        ensure!(definitions.len() == wanted, "{} metrics instead of {wanted}", definitions.len());
        Ok(definitions)
    }
}

async fn resolve(platform: &dyn Platform, toml: &str) -> anyhow::Result<Vec<Definition>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("daymark.toml");
    std::fs::write(&file, toml)?;
    let config = config::load(Some(Path::new(&file)), &GivenFlags::new(), &Environment::new())?;
    let schema = platform.inspect_with(&config.source_queries()).await?;
    let detected = platform.detect_time_formats(&config.columns_to_detect(&schema)).await?;
    let resolved = config.resolve(&schema, &detected);
    ensure!(!resolved.has_errors(), "{:?}", resolved.findings);
    Ok(resolved.definitions)
}
