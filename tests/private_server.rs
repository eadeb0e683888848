//! The server that other tests stop in the middle must itself come back whole.

#[path = "support/server.rs"]
mod server;

use server::PrivateServer;
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn what_was_committed_is_there_after_a_crash_and_the_url_stays() {
    let server = PrivateServer::new();
    let url = server.url();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
        .execute(&mut connection)
        .await
        .unwrap();

    server.stop();
    sqlx::query("SELECT 1").execute(&mut connection).await.unwrap_err();
    PgConnection::connect(&url).await.unwrap_err();

    server.start();
    assert_eq!(server.url(), url);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let kept: i32 = sqlx::query_scalar("SELECT n FROM kept").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 7);

    drop(server);
    PgConnection::connect(&url).await.unwrap_err();
}
