//! `daymark serve`.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{
    App, Exit, Page, signals,
    supervise::{RESTART_PAUSE, restart_after_panics},
};
use crate::{
    access::{Access, Mode, RateLimit},
    alerts::Evaluator,
    collect::{self, CancellationToken},
    delivery::{AlertLock, Deliverer},
    http,
    scheduler::Scheduler,
    telemetry::log::ANNOUNCEMENT,
};

/// Writes the address of the server to the log.
pub fn log_address(address: SocketAddr) {
    tracing::info!(
        target: ANNOUNCEMENT,
        "listening on http://{address}; the API's page is http://{address}/docs"
    );
}

/// Runs the server until Ctrl-C or SIGTERM, and calls `announce` with its address once clients can connect.
pub async fn run(app: &App, announce: impl FnOnce(SocketAddr)) -> anyhow::Result<(Page, Exit)> {
    let settings = &app.config.settings;
    let server = bind(settings.http.listen, "--http-listen").await?;
    let address = server.address();
    let management = match settings.http.management_listen {
        Some(listen) => Some(bind(listen, "--http-management-listen").await?),
        None => None,
    };
    let service = service(app, address).await?;
    tokio::spawn(warn_of_privileges(Arc::clone(&service)));
    warn_if_open(&service).await;
    let stop = signals::cancellation(|line| tracing::info!(target: ANNOUNCEMENT, "{line}"));
    let management = management.map(|management| {
        let address = management.address();
        tracing::info!(target: ANNOUNCEMENT, "health and metrics are at http://{address}");
        tokio::spawn(management.serve_management(Arc::clone(&service), stop.clone()))
    });
    close_orphans(app, &service).await;
    announce(address);
    let scheduler =
        settings.schedule.enabled.then(|| follow("the scheduler", app, &service, &stop, follow_schedule));
    let alerting = settings
        .delivery
        .is_enabled
        .then(|| follow("the task of alerts", app, &service, &stop, follow_alerts));
    server.serve(http::router(Arc::clone(&service)), service, stop).await;
    for task in [scheduler, alerting].into_iter().flatten() {
        // It ends when the server stops, and releases its lock then.
        let _ = task.await;
    }
    if let Some(management) = management {
        management.abort();
    }
    let mut page = Page::new(json!({"address": address}));
    page.line("Stopped.");
    Ok((page, Exit::Done))
}

async fn warn_if_open(service: &http::Shared) {
    if service.access.mode().await.is_ok_and(|mode| mode == Mode::Open) {
        tracing::warn!(
            target: ANNOUNCEMENT,
            "authentication is off: every program on this machine may read everything, start runs and change definitions; `daymark keys \
             create` turns it on"
        );
    }
}

/// Builds the service of the server at `address`.
async fn service(app: &App, address: SocketAddr) -> anyhow::Result<http::Shared> {
    let settings = &app.config.settings;
    let (context, readiness) = (app.request_context(), app.readiness_store());
    // An unusable store is reported now rather than to the first client. Each handle checks once whether the store is
    // migrated.
    for store in [&app.context.tenant.store, &context.tenant.store, &readiness] {
        store.ping().await?;
    }
    let access = Access::start(
        settings.access.clone(),
        address,
        &settings.store_url,
        Arc::clone(&context.tenant.store),
        Arc::clone(&context.tenant.platform),
        Arc::clone(&context.installation.clock),
    )
    .await?;
    Ok(Arc::new(http::Service::new(http::Parts {
        context,
        jobs: app.context.clone(),
        readiness,
        config: app.config.clone(),
        query: settings.query.clone(),
        http: settings.http.clone(),
        rate_limit: RateLimit::new(settings.access.rate_limit_per_minute),
        guards_platform_role: true,
        access,
    })))
}

/// Closes the runs and the jobs of an earlier server that was killed; otherwise the next run would close the runs.
async fn close_orphans(app: &App, service: &http::Service) {
    if let Err(error) = collect::close_orphaned_runs(&app.context, None).await {
        tracing::warn!(%error, "runs whose process ended unexpectedly cannot be closed");
    }
    if let Err(error) = service.jobs.close_orphaned().await {
        tracing::warn!(%error, "jobs whose process ended unexpectedly cannot be closed");
    }
}

/// Runs `task`, which ends when `stop` is cancelled, beside the server.
fn follow<F>(
    what: &'static str,
    app: &App,
    service: &http::Shared,
    stop: &CancellationToken,
    task: impl Fn(&App, &http::Shared, CancellationToken) -> F + Send + Sync + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (app, service, stop) = (app.clone(), Arc::clone(service), stop.clone());
    let start = move |stop: &CancellationToken| task(&app, &service, stop.clone());
    tokio::spawn(async move { restart_after_panics(what, RESTART_PAUSE, &stop, || start(&stop)).await })
}

/// Collects on schedule until `stop`, while this instance leads.
fn follow_schedule(
    app: &App,
    service: &http::Shared,
    stop: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (jobs, watch) = (Arc::clone(&service.jobs), service.cache.watch());
    let scheduler = Scheduler::new(&service.patient, jobs, service.counters.clone(), watch)
        .sampling_drift(app.config.settings.drift_sample_days);
    async move { scheduler.run(&stop).await }
}

/// Evaluates alerts and delivers notifications until `stop`, while this instance holds the lock of alerts.
fn follow_alerts(
    app: &App,
    service: &http::Shared,
    stop: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let context = app.alerting_context();
    let lock = AlertLock::new(&context, service.counters.clone());
    let declared = &app.config.declarations;
    let deliverer = Deliverer::new(&context, declared.channels.clone(), app.config.settings.delivery.clone());
    let evaluator = Evaluator::new(
        &context,
        &app.config,
        service.counters.clone(),
        service.cache.watch(),
        deliverer.wake(),
    );
    async move {
        let watch = lock.watch();
        tokio::join!(lock.run(&stop), evaluator.run(watch.clone(), &stop), deliverer.run(watch, &stop));
    }
}

async fn bind(listen: SocketAddr, flag: &str) -> anyhow::Result<http::Server> {
    http::Server::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with `{flag}`"))
}

/// Warns if the platform's role may do more than read. A failure of the platform is not reported here, but by the first
/// run that needs it.
async fn warn_of_privileges(service: http::Shared) {
    if let Ok(privileges) = service.context.tenant.platform.privileges().await
        && !privileges.is_empty()
    {
        tracing::warn!(
            privileges = privileges.join(", "),
            "the platform's role may do more than read, so that the API refuses definitions with a `sql` query; use \
             a role that has no privilege but SELECT (docs/quickstart-postgresql.md)"
        );
    }
}
