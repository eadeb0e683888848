//! The slow requests of one principal do not block those of others.

use futures_util::future::join_all;
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    raw::until,
    site::{Settings, Site, request},
    support::fresh_database,
    world::World,
};

/// A lock makes the reads slow. At most two of them use sessions of the store at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn slow_reads_of_tables_do_not_block_other_requests() {
    let store_url = fresh_database().await;
    let directory = tempfile::tempdir().unwrap();
    let platform_url = format!("sqlite:{}", directory.path().join("platform.db").display());
    let site =
        Site::start(World::at(directory, store_url.clone(), platform_url).await, Settings::default()).await;
    let (address, reader) = (site.address, site.reader.clone());
    assert_eq!(site.get("/rest/v1/daily_metrics?limit=1").await.status, 200);
    let mut holder = PgConnection::connect(&store_url).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE daymark.daily_metrics").await.unwrap();
    let mut watching = PgConnection::connect(&store_url).await.unwrap();
    let mut waiting = async || {
        let waiting = "SELECT count(*) FROM pg_locks
                       WHERE NOT granted AND relation = 'daymark.daily_metrics'::regclass";
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watching).await.unwrap()
    };
    let slow = join_all((0..6).map(|number| {
        let reader = reader.clone();
        tokio::spawn(async move {
            let path = format!("/rest/v1/daily_metrics?limit={}", number + 10);
            request(address, "GET", &path, &[("apikey", &reader)], None).await.status
        })
    }));
    let slow = tokio::spawn(slow);
    until("two reads are running", async || waiting().await == 2).await;
    for _ in 0..10 {
        assert_eq!(site.send("GET", "/readyz", &[], None).await.status, 200);
        assert_eq!(site.get_as_admin("/rest/v1/metric_collection_log").await.status, 200);
    }
    assert_eq!(waiting().await, 2);
    holder.execute("ROLLBACK").await.unwrap();
    let statuses: Vec<_> = slow.await.unwrap().into_iter().map(|status| status.unwrap()).collect();
    assert_eq!(statuses, [200; 6]);
}
