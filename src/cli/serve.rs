//! `daymark serve`.

use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;

use super::{App, Exit, Page, output::say, signals};
use crate::http;

/// Runs until it is told to stop.
pub async fn run(app: &App) -> anyhow::Result<(Page, Exit)> {
    let settings = &app.config.settings;
    // Whatever is wrong with the store is said now rather than to the first client.
    app.context.store.ping().await?;
    let listen = settings.http.listen;
    let bound = http::Bound::at(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with `--http-listen`"))?;
    let service =
        Arc::new(http::Service::new(app.context.clone(), settings.query.clone(), settings.http.clone()));
    let address = bound.address();
    say(format_args!("listening on http://{address}"));
    bound.serve(http::router(Arc::clone(&service)), service, signals::cancellation()).await;
    let mut page = Page::new(json!({"address": address}));
    page.line("Stopped.");
    Ok((page, Exit::Done))
}
