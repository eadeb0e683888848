//! `daymark serve`.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use tracing::Level;

use super::{App, Exit, Page, logging::announce, open_files, signals};
use crate::{
    access::{Access, Mode, RateLimit},
    collect,
    config::HttpSettings,
    http,
};

/// Runs until it is told to stop.
pub async fn run(app: &App) -> anyhow::Result<(Page, Exit)> {
    let settings = &app.config.settings;
    let context = app.impatient_context();
    // Whatever is wrong with the store is said now rather than to the first client; each looks once whether it is migrated.
    app.context.tenant.store.ping().await?;
    context.tenant.store.ping().await?;
    let listen = settings.http.listen;
    let bound = http::Bound::at(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with `--http-listen`"))?;
    let address = bound.address();
    let access = Access::start(
        settings.access.clone(),
        address,
        &settings.store_url,
        Arc::clone(&context.tenant.store),
        Arc::clone(&context.tenant.platform),
        Arc::clone(&context.installation.clock),
    )
    .await?;
    if access.mode() == Mode::Open {
        announce(
            Level::WARN,
            "open: whoever reaches this address may read everything, start runs and change definitions; `daymark keys create` closes it",
        );
    }
    // This server's own, if it was killed: nobody else would say so before the next run.
    if let Err(error) = collect::close_orphaned_runs(&app.context, None).await {
        tracing::warn!(%error, "runs whose process died cannot be closed");
    }
    let connections = open_files::connections(settings.http.max_connections);
    let limit = RateLimit::new(settings.access.rate_limit_per_minute);
    let service = http::Service::new(
        context,
        app.context.clone(),
        app.config.clone(),
        settings.query.clone(),
        HttpSettings { max_connections: connections, ..settings.http.clone() },
        access,
        limit,
    );
    let service = Arc::new(service);
    let listening = format_args!("listening on http://{address}; the API's page is http://{address}/docs");
    announce(Level::INFO, listening);
    let stop = signals::cancellation(|line| announce(Level::INFO, line));
    bound.serve(http::router(Arc::clone(&service)), service, stop).await;
    let mut page = Page::new(json!({"address": address}));
    page.line("Stopped.");
    Ok((page, Exit::Done))
}
