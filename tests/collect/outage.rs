//! A platform whose server stops and starts again.

use std::{sync::Arc, time::Duration};

use daymark::{
    collect::{BackfillRequest, CancellationToken, backfill, collect_day},
    database::RetryPolicy,
    store::RunStatus,
};

use crate::{
    server::PrivateServer,
    world::{Heard, World},
};

/// Retries for much longer than a server takes to start.
const PATIENT: RetryPolicy = RetryPolicy { retries: 20, initial_delay: Duration::from_millis(50) };

#[tokio::test(flavor = "multi_thread")]
async fn runs_retry_until_the_platforms_server_is_back() {
    let server = PrivateServer::new();
    let world = World::on_server(server.url()).await;
    server.stop();
    let gone = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap_err();
    assert!(
        gone.to_string().ends_with("check that it is running, and the host and the port in its URL"),
        "{gone}"
    );
    assert_eq!(world.runs().await[0].status, RunStatus::Failed);

    let mut context = world.context.clone();
    Arc::make_mut(&mut context.installation).retry = PATIENT;
    let start = tokio::task::spawn_blocking(move || {
        server.start();
        server
    });
    let never = CancellationToken::new();
    let (report, server) = tokio::join!(collect_day(&context, None, &[], &never), start);
    assert_eq!(report.unwrap().recorded.len(), 4);

    let server = server.unwrap();
    server.stop();
    let start = tokio::task::spawn_blocking(move || {
        server.start();
        server
    });
    let (request, heard) = (BackfillRequest::default(), Heard::default());
    let (report, _server) = tokio::join!(backfill(&context, &request, &heard, &never), start);
    assert_eq!((report.unwrap().status, world.records().await.len()), (Some(RunStatus::Completed), 40));
}
