//! Admins that the platform names in a column of its own (`access.admin_column`).

use std::{sync::Arc, time::Duration};

use daymark::{
    access::{Access, Role},
    database::{DatabaseUrl, RetryPolicy},
    metric::Calendar,
    platform::{self, Platform, PlatformOptions},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, sqlite::SqliteConnectOptions};

use crate::{
    support::fresh_database,
    world::{World, show, token},
};

const ADMIN: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const MEMBER: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn platform(url: &DatabaseUrl) -> Arc<dyn Platform> {
    let options = PlatformOptions {
        calendar: Calendar::new("UTC").unwrap(),
        statement_timeout: Duration::from_secs(5),
        lock_timeout: Duration::from_secs(1),
        retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
        assume_fresh: Vec::new(),
    };
    platform::open(url, options)
}

/// Runs SQL in the database, and creates the file of a SQLite database.
async fn run(url: &DatabaseUrl, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match url {
        DatabaseUrl::Postgres { options, .. } => {
            PgConnection::connect_with(options).await.unwrap().execute(sql).await.map(drop).unwrap();
        }
        DatabaseUrl::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
            options.connect().await.unwrap().execute(sql).await.map(drop).unwrap();
        }
    }
}

async fn databases(world: &World) -> [(DatabaseUrl, &'static [&'static str]); 2] {
    let sqlite = DatabaseUrl::Sqlite(world.directory.path().join("platform.db"));
    let postgres = fresh_database().await.parse().unwrap();
    [(postgres, &["uuid", "text", "varchar(40)"]), (sqlite, &["text"])]
}

async fn role(world: &World, subject: &str) -> Role {
    show(&world.access(), &token(json!({ "sub": subject }))).await.unwrap().role
}

#[tokio::test]
async fn users_marked_in_the_admin_column_are_admins() {
    let world = World::new().await.with(|settings| {
        settings.admin_column = Some(("profiles".to_owned(), "is_admin".to_owned()));
    });
    for (url, id_types) in databases(&world).await {
        for id_type in id_types {
            run(
                &url,
                &format!(
                    "DROP TABLE IF EXISTS profiles;
                     CREATE TABLE profiles (id {id_type} PRIMARY KEY, is_admin boolean);
                     INSERT INTO profiles VALUES ('{ADMIN}', true), ('{MEMBER}', false)"
                ),
            )
            .await;
            let world = World { platform: platform(&url), ..world_like(&world).await };
            assert_eq!(role(&world, ADMIN).await, Role::Admin, "{id_type}");
            for other in
                [MEMBER, "unknown", "' OR true --", "0", &format!("{{{ADMIN}}}"), &ADMIN.replace('-', "")]
            {
                assert_eq!(role(&world, other).await, Role::Reader, "{other}");
            }
        }
        run(
            &url,
            "DROP TABLE profiles; CREATE TABLE profiles (id integer PRIMARY KEY, is_admin boolean);
             INSERT INTO profiles VALUES (7, true), (8, NULL)",
        )
        .await;
        let world = World { platform: platform(&url), ..world_like(&world).await };
        assert_eq!(role(&world, "7").await, Role::Admin);
        for other in ["8", "07", "+7", " 7", "7.0", "7.5", "99999999999999999999", ADMIN] {
            assert_eq!(role(&world, other).await, Role::Reader, "{other}");
        }
    }
}

/// A platform on PostgreSQL with [`ADMIN`] in it. Reading its catalogue takes 2.5 s, which is longer than a request waits.
async fn slow_to_inspect() -> Arc<dyn Platform> {
    let text = fresh_database().await;
    let url = text.parse().unwrap();
    let name = text.rsplit('/').next().unwrap();
    run(
        &url,
        &format!(
            "CREATE TABLE profiles (id uuid PRIMARY KEY, is_admin boolean);
             INSERT INTO profiles VALUES ('{ADMIN}', true);
             CREATE SCHEMA slow;
             CREATE VIEW slow.pg_namespace AS
                 WITH pause AS MATERIALIZED (SELECT pg_sleep(2.5)) SELECT n.* FROM pg_catalog.pg_namespace AS n, pause;
             ALTER DATABASE {name} SET search_path = slow, pg_catalog, public"
        ),
    )
    .await;
    platform(&url)
}

#[tokio::test]
async fn the_platform_is_inspected_before_the_first_request() {
    let world = World::new().await.with(|settings| {
        settings.admin_column = Some(("profiles".to_owned(), "is_admin".to_owned()));
    });
    let (store, clock) = (Arc::clone(&world.store), Arc::clone(&world.clock) as _);
    let (settings, listen) = (world.settings.clone(), ([127, 0, 0, 1], 0).into());
    let platform = slow_to_inspect().await;
    let access = Access::start(settings, listen, &world.store_url(), store, platform, clock).await.unwrap();
    assert_eq!(show(&access, &token(json!({ "sub": ADMIN }))).await.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn an_inspection_outlives_the_request_that_started_it() {
    let world = World::new().await.with(|settings| {
        settings.admin_column = Some(("profiles".to_owned(), "is_admin".to_owned()));
    });
    let world = World { platform: slow_to_inspect().await, ..world };
    let (access, token) = (world.access(), token(json!({ "sub": ADMIN })));
    assert_eq!(show(&access, &token).await.unwrap().role, Role::Reader, "the inspection has not ended yet");
    let is_seen = async {
        while show(&access, &token).await.unwrap().role != Role::Admin {
            world.advance(10);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_seen).await.unwrap();
}

/// Another world with the same settings.
async fn world_like(world: &World) -> World {
    World { settings: world.settings.clone(), ..World::new().await }
}

#[tokio::test]
async fn an_unusable_platform_makes_readers_of_all_users() {
    let world = World::new().await.with(|settings| {
        settings.admin_column = Some(("profiles".to_owned(), "is_admin".to_owned()));
    });
    assert_eq!(role(&world, ADMIN).await, Role::Reader, "no platform is configured");
    let url = DatabaseUrl::Sqlite(world.directory.path().join("none.db"));
    let gone = World { platform: platform(&url), ..world_like(&world).await };
    assert_eq!(role(&gone, ADMIN).await, Role::Reader, "there is no file");
    for (url, _) in databases(&world).await {
        let world = World { platform: platform(&url), ..world_like(&world).await };
        run(&url, "CREATE TABLE members (id text)").await;
        assert_eq!(role(&world, ADMIN).await, Role::Reader, "there is no table");
        run(&url, "CREATE TABLE profiles (id text, is_admin_too boolean)").await;
        assert_eq!(role(&world, ADMIN).await, Role::Reader, "there is no column");
    }
}

#[tokio::test]
async fn a_former_admin_stays_one_for_a_minute_at_most() {
    let world = World::new().await.with(|settings| {
        settings.admin_column = Some(("profiles".to_owned(), "is_admin".to_owned()));
    });
    let url = DatabaseUrl::Sqlite(world.directory.path().join("platform.db"));
    run(
        &url,
        &format!("CREATE TABLE profiles (id text, is_admin); INSERT INTO profiles VALUES ('{ADMIN}', 1)"),
    )
    .await;
    let world = World { platform: platform(&url), ..world };
    let (access, token) = (world.access(), token(json!({ "sub": ADMIN })));
    assert_eq!(show(&access, &token).await.unwrap().role, Role::Admin);
    run(&url, "UPDATE profiles SET is_admin = 0").await;
    world.advance(59);
    assert_eq!(show(&access, &token).await.unwrap().role, Role::Admin, "the role is cached");
    world.advance(1);
    assert_eq!(show(&access, &token).await.unwrap().role, Role::Reader);
}
