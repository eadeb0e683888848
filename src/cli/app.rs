//! From the configuration to the things that commands work with.

use std::sync::Arc;

use crate::{
    clock::Clock,
    collect::{CollectError, Context},
    config::{self, Config, ConfigProblems, DetectedFormats, Resolved},
    database::Fault,
    platform::{self, Platform, PlatformOptions, Schema},
    store::{self, Store, StoreOptions},
};

pub struct App {
    pub config: Config,
    pub context: Context,
}

impl App {
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Self {
        let context = Context {
            clock,
            calendar: config.settings.calendar.clone(),
            settle: config.settings.settle,
            store: open_store(&config),
            platform: open_platform(&config),
            retry: config.settings.retry,
            chunk_days: config.settings.backfill_chunk_days,
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            process_id: std::process::id(),
        };
        Self { config, context }
    }

    /// The platform's tables.
    pub async fn schema(&self) -> anyhow::Result<Schema> {
        self.context.platform.inspect().await.map_err(|fault| self.platform_error(fault))
    }

    /// What the platform's data say of columns whose type does not say how they store a time.
    pub async fn detect(&self, columns: &[(String, String)]) -> anyhow::Result<DetectedFormats> {
        self.context.platform.detect_time_formats(columns).await.map_err(|fault| self.platform_error(fault))
    }

    fn platform_error(&self, fault: Fault) -> anyhow::Error {
        CollectError::Platform { location: self.context.platform.location(), fault }.into()
    }

    /// What the configuration comes to on the platform, with all that is wrong with it.
    pub async fn resolve_as_is(&self) -> anyhow::Result<Resolved> {
        let schema = self.schema().await?;
        let detected = self.detect(&self.config.columns_to_detect(&schema)).await?;
        Ok(self.config.resolve(&schema, &detected))
    }

    /// The metrics that the configuration comes to on the platform.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub async fn resolve(&self) -> anyhow::Result<Resolved> {
        let resolved = self.resolve_as_is().await?;
        if resolved.has_errors() {
            let errors = resolved.findings.into_iter().filter(config::Finding::is_error).collect();
            return Err(ConfigProblems(errors).into());
        }
        Ok(resolved)
    }
}

fn open_store(config: &Config) -> Arc<dyn Store> {
    let settings = &config.settings;
    let options = StoreOptions {
        tenant: settings.tenant.clone(),
        schema: settings.store_schema.clone(),
        retry: settings.retry,
    };
    store::open(&settings.store_url, options)
}

fn open_platform(config: &Config) -> Arc<dyn Platform> {
    let settings = &config.settings;
    let Some(url) = &settings.platform_url else { return platform::absent() };
    let options = PlatformOptions {
        calendar: settings.calendar.clone(),
        statement_timeout: settings.platform_statement_timeout,
        lock_timeout: settings.platform_lock_timeout,
        retry: settings.retry,
    };
    platform::open(url, options)
}
