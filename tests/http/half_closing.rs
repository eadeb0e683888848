//! Clients that close their sending half after their request.

use std::sync::Arc;

use axum::{Router, routing::get};
use tokio::sync::Semaphore;

use crate::{
    raw::{RawClient, until},
    site::Site,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_closes_its_sending_half_gets_its_answer() {
    let (entered, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = {
        let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
        async move || {
            entered.add_permits(1);
            leave.acquire().await.unwrap().forget();
            // This is more than the buffers between server and client hold.
            "x".repeat(8 << 20)
        }
    };
    let site = Site::sqlite().await;
    let routes =
        daymark::http::with_middleware(Router::new().route("/slow", get(slow)), site.service.clone());
    let site = site.with_routes(routes).await;
    let mut client = RawClient::connect(site.address).await;
    client.get("/slow", &site.reader).await;
    client.close_sending().await;
    entered.acquire().await.unwrap().forget();
    leave.add_permits(1);
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{}", &answer[..answer.len().min(200)]);
    assert!(answer.len() > 8 << 20, "{} bytes", answer.len());
}

/// The server cannot tell a half-closed client from one that has disconnected.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_request_is_cancelled_within_two_seconds() {
    let entered = Arc::new(Semaphore::new(0));
    let never = {
        let entered = Arc::clone(&entered);
        async move || {
            entered.add_permits(1);
            std::future::pending::<()>().await;
        }
    };
    let site = Site::sqlite().await;
    let routes =
        daymark::http::with_middleware(Router::new().route("/never", get(never)), site.service.clone());
    let site = site.with_routes(routes).await;
    let permits = site.service.permits.available_permits();
    let mut client = RawClient::connect(site.address).await;
    client.get("/never", &site.reader).await;
    entered.acquire().await.unwrap().forget();
    let closed = std::time::Instant::now();
    client.close_sending().await;
    until("the request is cancelled", async || site.service.permits.available_permits() == permits).await;
    assert!(closed.elapsed() < std::time::Duration::from_secs(2), "{:?}", closed.elapsed());
}
