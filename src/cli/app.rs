//! Builds the store, the platform and the collection context of a command from the configuration.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Clock,
    collect::{Context, Initiator, Installation, Tenant, run_limit},
    config::{self, Config, ConfigProblems, Resolved},
    database::RetryPolicy,
    platform::{self, Platform, PlatformOptions},
    store::{self, Store, StoreOptions, Trigger},
};

/// A statement's time limit is longer than that of its request by this much, so that the request times out first and
/// answers itself.
const STATEMENT_MARGIN: Duration = Duration::from_secs(1);
/// How long a statement may take that alerts are evaluated or delivered by. Its answer is waited for five seconds longer.
const ALERTING_LIMIT: Duration = Duration::from_secs(25);

#[derive(Clone)]
pub struct App {
    pub config: Config,
    pub context: Context,
}

impl App {
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        let settings = &config.settings;
        let installation = Installation {
            clock,
            retry: settings.retry,
            chunk_days: settings.backfill_chunk_days,
            run_limit: settings.collect.deadline.map(run_limit),
            freshness_wait: settings.collect.freshness_wait,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            process_id: std::process::id(),
        };
        let tenant = Tenant {
            name: settings.tenant.clone(),
            calendar: settings.calendar.clone(),
            settle: settings.settle,
            cron: settings.schedule.cron.clone(),
            observed_within: settings.collect.observed_within,
            store: open_store(&config, settings.retry, None),
            platform: open_platform(&config),
            first_row: Arc::default(),
            derived: config.derived(),
        };
        let context = Context::new(
            installation,
            tenant,
            Initiator::new(Trigger::Cli, &format!("cli:{}", system_user())),
        );
        Self { config, context }
    }

    /// Returns a context for HTTP requests: its store does not retry, and its statements end shortly after the
    /// request's time limit.
    pub fn request_context(&self) -> Context {
        let limit = self.config.settings.http.request_timeout + STATEMENT_MARGIN;
        let retry = self.no_retries();
        let Context { installation, tenant, initiator } = &self.context;
        let store = open_store(&self.config, retry, Some(limit));
        Context {
            installation: Arc::new(Installation { retry, ..(**installation).clone() }),
            tenant: Arc::new(Tenant { store, ..(**tenant).clone() }),
            initiator: Arc::clone(initiator),
        }
    }

    /// Returns a context for alerts and their delivery: a connection that falls silent holds them up for half a minute at most, and not
    /// for as long as a large commit may take.
    pub fn alerting_context(&self) -> Context {
        let Context { installation, tenant, initiator } = &self.context;
        let store = open_store(&self.config, installation.retry, Some(ALERTING_LIMIT));
        Context {
            installation: Arc::clone(installation),
            tenant: Arc::new(Tenant { store, ..(**tenant).clone() }),
            initiator: Arc::clone(initiator),
        }
    }

    /// Opens the store with separate sessions, which only `/readyz` uses.
    pub fn readiness_store(&self) -> Arc<dyn Store> {
        open_store(&self.config, self.no_retries(), Some(STATEMENT_MARGIN))
    }

    fn no_retries(&self) -> RetryPolicy {
        RetryPolicy { retries: 0, ..self.config.settings.retry }
    }

    /// Resolves the configured metrics against the platform's tables.
    ///
    /// # Errors
    /// All problems with the metrics at once, or a failure of the platform.
    pub async fn resolve(&self) -> anyhow::Result<Resolved> {
        let resolved = crate::definitions::resolve(&self.context, &self.config).await?;
        if resolved.has_errors() {
            let errors = resolved.findings.into_iter().filter(config::Finding::is_error).collect();
            return Err(ConfigProblems(errors).into());
        }
        Ok(resolved)
    }
}

/// The user that runs this command: the name that shells and cron set in the environment, or `uid=1000` where there is none,
/// as under systemd and in containers.
fn system_user() -> String {
    let set = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    let name = set.into_iter().find(|name| !name.is_empty());
    name.or_else(|| user_id().map(|id| format!("uid={id}"))).unwrap_or_else(|| "unknown".to_owned())
}

/// The numeric id of the user, who owns the entry of this process in `/proc`.
#[cfg(target_os = "linux")]
fn user_id() -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

#[cfg(not(target_os = "linux"))]
fn user_id() -> Option<u32> {
    None
}

fn open_store(config: &Config, retry: RetryPolicy, statement_timeout: Option<Duration>) -> Arc<dyn Store> {
    let settings = &config.settings;
    let options = StoreOptions {
        tenant: settings.tenant.clone(),
        schema: settings.store_schema.clone(),
        retry,
        statement_timeout,
    };
    store::open(&settings.store_url, options)
}

fn open_platform(config: &Config) -> Arc<dyn Platform> {
    let settings = &config.settings;
    let Some(url) = &settings.platform.url else { return Arc::new(platform::UnconfiguredPlatform) };
    let options = PlatformOptions {
        calendar: settings.calendar.clone(),
        statement_timeout: settings.platform.statement_timeout,
        lock_timeout: settings.platform.lock_timeout,
        assume_fresh: settings.platform.assume_fresh.clone(),
        retry: settings.retry,
    };
    platform::open(url, options)
}
