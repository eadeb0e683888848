//! A restore that is killed. On PostgreSQL, a copy whose tables another role owned gives the restoring role more privileges than the
//! migrations left to the owner, until they are taken away: no other session may see that state, and no kill may leave it.

use std::fs;

use crate::{
    database::Database,
    installation::{Installation, LAST, wait_until_any},
};

/// How many restores are killed, each as soon as another session sees the schema.
const KILLS: usize = 5;

#[tokio::test]
async fn a_killed_restore_leaves_no_store_or_one_that_refuses_changes() {
    let installation = Installation::postgres().await;
    installation.succeed(&["collect", "--date", LAST]);
    installation.succeed(&["backup", "--into", "backups"]);
    let backups = fs::read_dir(installation.directory().join("backups")).unwrap();
    let paths: Vec<_> = backups.map(|entry| entry.unwrap().path()).collect();
    let [path] = paths.as_slice() else { panic!("one backup: {paths:?}") };
    for _ in 0..KILLS {
        let target = Database::fresh_postgres().await;
        let role = format!("restorer_{}", uuid::Uuid::new_v4().simple());
        let mut session = target.session().await;
        let grant = format!("EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database());");
        session.execute(&format!("CREATE ROLE {role} LOGIN; DO $$ BEGIN {grant} END $$")).await;
        let mut url: url::Url = target.url().parse().unwrap();
        url.set_username(&role).unwrap();
        let mut command = installation.command(&["restore", path.to_str().unwrap()]);
        let mut restore = command.env("DAYMARK_STORE_URL", url.as_str()).spawn().unwrap();
        wait_until_any(&mut session, "SELECT count(*) FROM pg_namespace WHERE nspname = 'daymark'").await;
        restore.kill().unwrap();
        restore.wait().unwrap();
        let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'daymark'::regnamespace AND relname = 'daily_metrics'";
        assert_eq!(session.count(tables).await, 1, "its transaction has made all of it");
        for privilege in ["UPDATE", "DELETE", "TRUNCATE"] {
            let has = format!(
                "SELECT has_table_privilege('{role}', 'daymark.daily_metrics', '{privilege}')::integer"
            );
            assert_eq!(session.count(&has).await, 0, "{privilege}");
        }
    }
}
