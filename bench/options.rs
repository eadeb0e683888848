//! The options of a run, from arguments and environment variables.

use anyhow::{Context as _, bail};

/// The scale at which a whole run takes less than fifteen minutes on two cores.
const DEFAULT_SCALE: f64 = 0.5;

pub struct Options {
    /// The share of the platform's full size; at 1, PostgreSQL has 10,000,000 comments and SQLite 2,000,000.
    pub scale: f64,
    pub json: bool,
    pub postgres: bool,
    pub sqlite: bool,
    /// The URL of a PostgreSQL platform that was generated before. Without it one is generated.
    pub platform: Option<String>,
}

impl Options {
    pub fn read() -> anyhow::Result<Self> {
        let scale = std::env::var("BENCH_SCALE").ok().filter(|text| !text.is_empty());
        let scale: f64 = match scale {
            Some(text) => text.parse().with_context(|| format!("BENCH_SCALE is `{text}`, not a number"))?,
            None => DEFAULT_SCALE,
        };
        if !(0.001..=10.0).contains(&scale) {
            bail!("BENCH_SCALE is {scale}: give a number from 0.001 to 10");
        }
        let platform = std::env::var("BENCH_PLATFORM").ok().filter(|url| !url.is_empty());
        let mut options = Self { scale, json: false, postgres: true, sqlite: true, platform };
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--json" => options.json = true,
                "--only-postgres" => options.sqlite = false,
                "--only-sqlite" => options.postgres = false,
                // Cargo passes this argument itself.
                "--bench" => {}
                other => bail!("`{other}` is none of --json, --only-postgres and --only-sqlite"),
            }
        }
        Ok(options)
    }
}
