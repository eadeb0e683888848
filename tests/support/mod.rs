//! Helpers that several test suites share.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// The URL of a new, empty PostgreSQL database.
pub async fn fresh_database() -> String {
    let server = std::env::var("DAYMARK_TEST_POSTGRES").expect(
        "DAYMARK_TEST_POSTGRES is not set: run `make test`, which starts a PostgreSQL server for the tests",
    );
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut session = PgConnection::connect(&server).await.expect("the test server is not reachable");
    session.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.expect("CREATE DATABASE");
    let mut url = url::Url::parse(&server).expect("DAYMARK_TEST_POSTGRES is not a URL");
    url.set_path(&name);
    url.to_string()
}
