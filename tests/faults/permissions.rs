//! A platform role that may read all tables and write none, and one that may not read all tables.

use crate::{
    database::Database,
    installation::{FIRST, Installation, LAST},
};

const DAY: &str = "2024-07-15";

/// Returns an installation that reads its platform as a new role, the platform's database as its owner, and the role's name.
/// The role may SELECT from every table, and its transactions are read-only.
async fn with_reader() -> (Installation, Database, String) {
    let owner = Database::fresh_postgres().await;
    let mut installation = Installation::of_platform(owner.clone()).await;
    let role = format!("reader_{}", uuid::Uuid::new_v4().simple());
    owner
        .execute(&format!(
            "CREATE ROLE {role} LOGIN;
             ALTER ROLE {role} SET default_transaction_read_only = on;
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
    let mut url = url::Url::parse(&owner.url()).unwrap();
    url.set_username(&role).unwrap();
    installation.platform = Database::Postgres(url.to_string());
    (installation, owner, role)
}

#[tokio::test]
async fn select_is_the_only_privilege_needed_on_the_platform() {
    let (installation, _, _) = with_reader().await;
    let init = installation.succeed(&["init"]);
    assert!(init.stdout.starts_with("Wrote daymark.toml."), "{init:?}");
    // It proposes other metrics than those that this installation has applied.
    std::fs::remove_file(installation.directory().join("daymark.toml")).unwrap();
    let check = installation.succeed(&["check"]);
    // Without another one, a day does not wait for the open transactions of other roles, which check names.
    assert!(check.stdout.contains("GRANT pg_read_all_stats TO"), "{check:?}");
    assert!(check.stdout.contains("Ready for the next collection, with 1 warning."), "{check:?}");
    installation.succeed(&["plan", "--date", DAY]);
    installation.succeed(&["collect", "--date", DAY]);
    installation.succeed(&["backfill", "--from", FIRST, "--to", LAST]);
    installation.ledger().await.assert_complete(FIRST, LAST);
}

#[tokio::test]
async fn a_table_without_permission_is_named_and_fails_its_own_metrics_only() {
    let (installation, owner, role) = with_reader().await;
    owner.execute(&format!("REVOKE SELECT ON posts FROM {role}")).await;

    let check = installation.run(&["check"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    for part in ["posts", "may not read", "GRANT SELECT ON \"public\".\"posts\" TO"] {
        assert!(check.stdout.contains(part), "{part} is not in {check:?}");
    }
    assert!(
        !check.stdout.contains("run `daymark apply`"),
        "it would switch off what cannot be read: {check:?}"
    );

    let collect = installation.run(&["collect", "--date", DAY]);
    assert_eq!(collect.code, Some(3), "{collect:?}");
    assert!(collect.stdout.contains("posts_total: permission denied for table posts (42501)"), "{collect:?}");
    let ledger = installation.ledger().await;
    assert_eq!(ledger.last_run().status, "partial");
    assert_eq!(ledger.metrics_of(DAY), ["comments_created", "comments_total", "users_total"]);

    owner.execute(&format!("GRANT SELECT ON posts TO {role}")).await;
    installation.succeed(&["check"]);
    installation.succeed(&["collect", "--date", DAY, "--retry"]);
    installation.ledger().await.assert_complete(DAY, DAY);
}
