//! The private server that other tests stop and start survives a crash.

#[path = "support/server.rs"]
mod server;

use server::PrivateServer;
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn committed_rows_and_the_url_survive_a_crash() {
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
