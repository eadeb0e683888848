//! `check` warns of rows that a collection would not see, and of privileges that it does not need.

use daymark::{
    config::Severity,
    definitions::{CheckScope, check},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    support::fresh_database,
    world::{World, definition},
};

const PLATFORM: CheckScope = CheckScope { store: false, definitions: false, platform: true };
/// The place of the warning that the clock of a test differs from the server's.
const CLOCK: &str = "clock";

#[tokio::test]
async fn check_warns_of_row_security_behind_views_and_queries() {
    let administrator = fresh_database().await;
    let (reader, owner) =
        ["reader", "owner"].map(|name| format!("{name}_{}", uuid::Uuid::new_v4().simple())).into();
    let setup = format!(
        "CREATE TABLE posts (author_id integer NOT NULL, created_at timestamptz NOT NULL, is_hidden boolean);
         ALTER TABLE posts ENABLE ROW LEVEL SECURITY; CREATE POLICY seen ON posts USING (NOT is_hidden);
         CREATE TABLE open (LIKE posts);
         CREATE ROLE {owner}; CREATE ROLE {reader} LOGIN; GRANT CREATE ON SCHEMA public TO {owner};
         GRANT SELECT ON posts, open TO {owner}, {reader};
         CREATE VIEW owned AS SELECT * FROM posts; ALTER VIEW owned OWNER TO {owner}; GRANT SELECT ON owned TO {reader}"
    );
    PgConnection::connect(&administrator).await.unwrap().execute(AssertSqlSafe(setup)).await.unwrap();
    let mut url = url::Url::parse(&administrator).unwrap();
    url.set_username(&reader).unwrap();
    let world = World::on_existing_server(url.to_string()).await;

    let existing = |category: &str, table: &str| {
        let mut definition =
            definition("timestamptz", category, json!({"measure": "existing", "source": "posts"}));
        definition.sources.get_mut("posts").unwrap().table = table.to_owned();
        definition
    };
    let query = "SELECT count(*) AS value FROM posts WHERE created_at < {day_end}";
    let shape = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
    let wanted = [
        existing("posts_owned", "owned"),
        existing("posts_open", "open"),
        definition("timestamptz", "posts_sql", shape),
    ];
    let report = check(&world.context, &wanted, PLATFORM).await;
    let warned = report.findings.iter().filter(|finding| finding.place != CLOCK);
    let mut warned: Vec<_> = warned.map(|finding| (finding.severity, finding.place.as_str())).collect();
    warned.sort_by_key(|(_, place)| *place);
    assert_eq!(
        warned,
        [(Severity::Warning, "metric posts_owned"), (Severity::Warning, "metric posts_sql")],
        "{report:?}"
    );
    let of_metrics = report.findings.iter().filter(|finding| finding.place != CLOCK);
    assert!(
        of_metrics.map(|finding| &finding.message).all(|text| text.contains("table \"posts\"")),
        "{report:?}"
    );
}

#[tokio::test]
async fn check_warns_of_a_role_that_may_do_more_than_read() {
    let world = World::on_existing_server(fresh_database().await).await;
    let report = check(&world.context, &[], PLATFORM).await;
    assert!(report.findings.iter().any(|finding| finding.message.contains("(superuser)")), "{report:?}");

    let reader = format!("reader_{}", uuid::Uuid::new_v4().simple());
    world.execute(&format!("CREATE ROLE {reader} LOGIN IN ROLE pg_read_all_data, pg_signal_backend")).await;
    let mut url = url::Url::parse(&world.platform_url).unwrap();
    url.set_username(&reader).unwrap();
    let world = World::on_existing_server(url.to_string()).await;
    let report = check(&world.context, &[], PLATFORM).await;
    assert!(
        report.findings.iter().any(|finding| finding.message.contains("(pg_signal_backend)")),
        "{report:?}"
    );
}
