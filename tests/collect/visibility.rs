//! Rows that row level security hides from the platform's role are never missing from a record, and `check` warns of
//! privileges that Daymark does not need.

use daymark::{
    collect::{CancellationToken, collect_day},
    config::{Finding, Severity},
    definitions::{CheckScope, check},
    metric::Definition,
    store::RunStatus,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{
    support::fresh_database,
    world::{World, definition},
};

const PLATFORM: CheckScope = CheckScope { store: false, definitions: false, platform: true, resolved: true };
/// The place of the warning that the clock of a test differs from the server's.
const CLOCK: &str = "clock";

/// A count of the rows of `table`, which may have a schema.
fn existing(category: &str, table: &str) -> Definition {
    let mut definition =
        definition("timestamptz", category, json!({"measure": "existing", "source": "posts"}));
    let source = definition.sources.get_mut("posts").unwrap();
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    (source.schema, source.table) = (Some(schema.to_owned()), name.to_owned());
    definition
}

/// Tables with a policy that hides every second row, views over them, and a table of the same name in another schema that
/// has no policy. Returns the world of a role without BYPASSRLS.
async fn with_policies() -> World {
    let administrator = fresh_database().await;
    let (reader, other) =
        ["reader", "other"].map(|name| format!("{name}_{}", uuid::Uuid::new_v4().simple())).into();
    let setup = format!(
        "CREATE TABLE posts (author_id integer NOT NULL, created_at timestamptz NOT NULL, is_hidden boolean);
         INSERT INTO posts SELECT 1, '2025-01-10 12:00+00', n % 2 = 0 FROM generate_series(1, 6) AS n;
         ALTER TABLE posts ENABLE ROW LEVEL SECURITY; CREATE POLICY seen ON posts USING (NOT is_hidden);
         CREATE SCHEMA archive; CREATE TABLE archive.posts AS SELECT * FROM posts;
         CREATE VIEW of_owner AS SELECT * FROM posts;
         CREATE VIEW of_reader WITH (security_invoker) AS SELECT * FROM posts;
         CREATE VIEW of_other AS SELECT * FROM posts;
         CREATE ROLE {other}; CREATE ROLE {reader} LOGIN; GRANT CREATE ON SCHEMA public TO {other};
         GRANT SELECT ON posts TO {other}; ALTER VIEW of_other OWNER TO {other};
         GRANT USAGE ON SCHEMA archive TO {reader};
         GRANT SELECT ON posts, archive.posts, of_owner, of_reader, of_other TO {reader}"
    );
    PgConnection::connect(&administrator).await.unwrap().execute(AssertSqlSafe(setup)).await.unwrap();
    let mut url = url::Url::parse(&administrator).unwrap();
    url.set_username(&reader).unwrap();
    let world = World::on_existing_server(url.to_string()).await;
    let query = "SELECT count(*) AS value FROM posts WHERE created_at < {day_end}";
    let shape = json!({"measure": "sql", "query": query, "shape": "value", "adds_up": "last"});
    world
        .apply(&[
            existing("posts_archived", "archive.posts"),
            existing("posts_of_other", "of_other"),
            existing("posts_of_owner", "of_owner"),
            existing("posts_of_reader", "of_reader"),
            existing("posts_of_table", "posts"),
            definition("timestamptz", "posts_queried", shape),
        ])
        .await;
    world
}

const HIDDEN: [&str; 4] = ["posts_of_other", "posts_of_reader", "posts_of_table", "posts_queried"];

#[tokio::test]
async fn metrics_of_which_a_policy_hides_rows_fail_and_the_others_are_recorded() {
    let world = with_policies().await;
    let report = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let mut failed: Vec<_> = report.failed.iter().map(|failure| failure.category.as_str()).collect();
    failed.sort_unstable();
    assert_eq!((report.status, failed), (RunStatus::Partial, HIDDEN.to_vec()), "{report:?}");
    for failure in &report.failed {
        assert_eq!(failure.sqlstate.as_deref(), Some("42501"), "{failure:?}");
        assert!(failure.hint.as_ref().unwrap().contains("BYPASSRLS"), "{failure:?}");
    }
    let recorded: Vec<_> = report
        .recorded
        .iter()
        .map(|metric| (metric.key.category.as_str(), metric.value.to_string()))
        .collect();
    let whole = || "6".to_owned();
    assert_eq!(recorded, [("posts_archived", whole()), ("posts_of_owner", whole())]);
}

/// The class does not depend on the language of the server's messages, and a missing privilege has another hint.
#[tokio::test]
async fn a_missing_privilege_is_not_taken_for_hidden_rows() {
    let world = World::sqlite_store_of_postgres().await;
    world.execute("CREATE SCHEMA closed; CREATE TABLE closed.posts (LIKE posts)").await;
    let reader = format!("reader_{}", uuid::Uuid::new_v4().simple());
    world.execute(&format!("CREATE ROLE {reader} LOGIN; GRANT USAGE ON SCHEMA closed TO {reader}")).await;
    let mut url = url::Url::parse(&world.platform_url).unwrap();
    url.set_username(&reader).unwrap();
    let world = World::on_existing_server(url.to_string()).await;
    world.apply(&[existing("posts_closed", "closed.posts")]).await;
    let report = collect_day(&world.context, None, &[], &CancellationToken::new()).await.unwrap();
    let [failure] = &report.failed[..] else { panic!("{report:?}") };
    assert_eq!(failure.sqlstate.as_deref(), Some("42501"));
    assert!(failure.hint.as_ref().unwrap().contains("grant the role SELECT"), "{failure:?}");
}

#[tokio::test]
async fn check_names_each_metric_of_which_a_policy_hides_rows() {
    let world = with_policies().await;
    let wanted: Vec<_> = world.context.tenant.store.definitions().await.unwrap();
    let wanted: Vec<_> =
        wanted.into_iter().filter(|stored| stored.is_active).map(|stored| stored.definition).collect();
    let report = check(&world.context, &wanted, PLATFORM).await;
    let found = report.findings.iter().filter(|finding| finding.place != CLOCK);
    let mut found: Vec<_> = found.map(|finding| (finding.severity, finding.place.clone())).collect();
    found.retain(|(severity, _)| *severity == Severity::Error);
    found.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(found, HIDDEN.map(|name| (Severity::Error, format!("metric {name}"))), "{report:?}");
}

#[tokio::test]
async fn check_warns_of_a_role_that_may_do_more_than_read() {
    let administrator = World::on_existing_server(fresh_database().await).await;
    let report = check(&administrator.context, &[], PLATFORM).await;
    assert!(report.findings.iter().any(|finding| finding.message.contains("(superuser)")), "{report:?}");

    let reader = format!("reader_{}", uuid::Uuid::new_v4().simple());
    let role = format!("CREATE ROLE {reader} LOGIN IN ROLE pg_read_all_data, pg_signal_backend");
    administrator.execute(&role).await;
    let mut url = url::Url::parse(&administrator.platform_url).unwrap();
    url.set_username(&reader).unwrap();
    let world = World::on_existing_server(url.to_string()).await;
    let report = check(&world.context, &[], PLATFORM).await;
    assert!(
        report.findings.iter().any(|finding| finding.message.contains("(pg_signal_backend)")),
        "{report:?}"
    );
    let hidden = |findings: &[Finding]| -> Vec<_> {
        let of_it =
            findings.iter().filter(|finding| finding.message.contains("cannot see the open transactions"));
        of_it.filter_map(|finding| finding.hint.clone()).collect()
    };
    let grant = format!("GRANT pg_read_all_stats TO {reader}");
    assert_eq!(hidden(&report.findings), [format!("let an administrator run `{grant}`")]);
    administrator.execute(&grant).await;
    assert_eq!(hidden(&check(&world.context, &[], PLATFORM).await.findings), [""; 0]);
}
