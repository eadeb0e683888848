//! The schema after all migrations as snapshots for review, and rules for indexes, functions and privileges.

use daymark::store::{DefinitionChange, Origin};
use sqlx::Row;

use crate::fixture::{Fixture, day, decimal, finish, new_run, record};

/// The file with which [`daymark::store::Upkeep::integrity`] compares a store.
const EXPECTED_OBJECTS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/postgres/expected_objects.txt");

#[tokio::test]
async fn the_expected_objects_are_those_of_the_migrations() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    let mut session = fixture.postgres_session().await;
    let tables: Vec<String> = sqlx::query_scalar("SELECT own_tables::TEXT FROM own_tables()")
        .fetch_all(&mut session)
        .await
        .unwrap()
        .into_iter()
        .filter(|table| table != "_sqlx_migrations")
        .collect();
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(include_str!("../../src/store/postgres/select_objects.sql"))
            .bind(tables)
            .fetch_all(&mut session)
            .await
            .unwrap();
    let lines: Vec<_> = rows
        .iter()
        .map(|(_, table, object, definition)| format!("{table}\t{object}\t{definition}\n"))
        .collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(EXPECTED_OBJECTS, lines.concat()).unwrap();
    }
    let expected = std::fs::read_to_string(EXPECTED_OBJECTS).unwrap();
    let differing: Vec<_> = lines.iter().filter(|line| !expected.contains(*line)).collect();
    assert!(
        lines.concat() == expected,
        "src/store/postgres/expected_objects.txt differs from the migrations in {differing:#?}; write it anew with
        `UPDATE_DOCS=1 scripts/with-postgres cargo test --test store the_expected_objects`"
    );
}

#[tokio::test]
async fn postgres_privileges() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    let lines: Vec<String> = sqlx::query_scalar(
        "SELECT relname || ': ' || CASE grantee WHEN 0 THEN 'public' WHEN relowner THEN 'owner' ELSE grantee::REGROLE::TEXT END
            || ' may ' || string_agg(privilege_type, ', ' ORDER BY privilege_type)
         FROM pg_class, aclexplode(relacl)
         WHERE relnamespace = 'daymark'::REGNAMESPACE AND relkind IN ('r', 'p') AND relname <> '_sqlx_migrations'
           AND privilege_type <> 'MAINTAIN' -- VACUUM and the like, from PostgreSQL 17 on
         GROUP BY relname, relowner, grantee
         ORDER BY 1",
    )
    .fetch_all(&mut fixture.postgres_session().await)
    .await
    .unwrap();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn sqlite_schema() {
    let fixture = Fixture::sqlite();
    fixture.store.migrate().await.unwrap();
    let statements: Vec<String> = sqlx::query_scalar(
        "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type <> 'table', type, name",
    )
    .fetch_all(&mut fixture.sqlite_connection().await)
    .await
    .unwrap();
    insta::assert_snapshot!(statements.join("\n"));
}

/// An index whose columns are a prefix of another one's costs time at every insert and is never needed.
fn assert_no_index_is_a_prefix_of_another(indexes: &[(String, String, Vec<String>)]) {
    assert!(indexes.len() > 6, "{indexes:?}");
    for (table, name, columns) in indexes {
        for (_, other, longer) in indexes.iter().filter(|(of, other, _)| of == table && other != name) {
            assert!(!longer.starts_with(columns), "{name} on {table} is a prefix of {other}");
        }
    }
}

#[tokio::test]
async fn no_postgres_index_is_a_prefix_of_another() {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    let indexes = sqlx::query_as(
        "SELECT indrelid::regclass::text, indexrelid::regclass::text,
                (SELECT array_agg(pg_get_indexdef(indexrelid, position, TRUE) ORDER BY position)
                 FROM generate_series(1, indnatts) AS position)
         FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE relnamespace = 'daymark'::regnamespace",
    )
    .fetch_all(&mut fixture.postgres_session().await)
    .await
    .unwrap();
    assert_no_index_is_a_prefix_of_another(&indexes);
}

#[tokio::test]
async fn no_sqlite_index_is_a_prefix_of_another() {
    let fixture = Fixture::sqlite();
    fixture.store.migrate().await.unwrap();
    let rows = sqlx::query(
        "SELECT tables.name AS of, indexes.name AS index_name, group_concat(columns.name ORDER BY columns.seqno) AS columns
         FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS indexes, pragma_index_info(indexes.name) AS columns
         WHERE tables.type = 'table'
         GROUP BY 1, 2",
    )
    .fetch_all(&mut fixture.sqlite_connection().await)
    .await
    .unwrap();
    let indexes: Vec<_> = rows
        .iter()
        .map(|row| {
            let columns: String = row.get("columns");
            (row.get("of"), row.get("index_name"), columns.split(',').map(str::to_owned).collect())
        })
        .collect();
    assert_no_index_is_a_prefix_of_another(&indexes);
}

#[tokio::test]
async fn all_objects_are_within_the_configured_postgres_schema() {
    let fixture = Fixture::in_schema(r#"Day "mark"'s; $1"#).await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    assert_eq!(fixture.store.records(day(1), day(1), None).await.unwrap().len(), 1);
    assert!(fixture.store.try_lock(&daymark::store::LockName::Backfill).await.unwrap().is_some());

    let elsewhere: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema|Day )')
         UNION ALL
         SELECT proname::text FROM pg_proc
         WHERE pronamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pg_|information_schema|Day )')",
    )
    .fetch_all(&mut fixture.postgres_session().await)
    .await
    .unwrap();
    assert_eq!(elsewhere, [""; 0]);
}

#[tokio::test]
async fn postgres_functions_are_executable_by_the_owner_only() {
    let fixture = Fixture::postgres().await;
    fixture.store.migrate().await.unwrap();
    let callable: Vec<String> = sqlx::query_scalar(
        "SELECT proname::text FROM pg_proc
         WHERE pronamespace = 'daymark'::regnamespace AND prorettype <> 'trigger'::regtype
           AND (proacl IS NULL OR EXISTS (SELECT 1 FROM aclexplode(proacl) WHERE grantee <> proowner))
         ORDER BY proname",
    )
    .fetch_all(&mut fixture.postgres_session().await)
    .await
    .unwrap();
    // Triggers call these for every role: the first three with the rights of that role, the last reads its own transaction only.
    assert_eq!(callable, ["day_has_ended", "has_real_clock", "holds_lock_of", "is_redaction"]);
}

/// A role that records and does not own the tables needs these grants only.
#[tokio::test]
async fn a_role_with_the_documented_grants_can_record() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let role = format!("recorder_{}", uuid::Uuid::new_v4().simple());
    let grants = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA daymark TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA daymark TO {role};
         GRANT INSERT ON daily_metrics, metric_collection_log, jobs, events TO {role};
         GRANT UPDATE ON metric_collection_log, jobs TO {role};
         GRANT EXECUTE ON FUNCTION ensure_partition TO {role}"
    );
    fixture.sql(&grants).await.unwrap();
    let recorder = Fixture::as_role(&fixture, &role).store;
    let run = new_run(day(1));
    recorder.start_run(&run).await.unwrap();
    let january: Vec<_> = (1..=31).map(|number| record(run.id, day(number), "5")).collect();
    let written = recorder.commit(&january, Some(&finish(run.id))).await.unwrap();
    assert_eq!(written.len(), 31);
    assert_eq!(recorder.records(day(1), day(1), None).await.unwrap()[0].value, decimal("5"));
    assert!(recorder.try_lock(&daymark::store::LockName::Backfill).await.unwrap().is_some());

    // With two more grants the role can make definitions through the API.
    let mut revised = crate::fixture::definitions().remove(0);
    revised.unit = "others".to_owned();
    let changes = [DefinitionChange::Revise(revised)];
    let change = async || recorder.change_definitions(&changes, Origin::File, crate::fixture::noon()).await;
    assert!(change().await.unwrap_err().is_denied());
    let grants = format!(
        "GRANT INSERT, UPDATE ON daymark.metric_definitions TO {role};
         GRANT INSERT ON daymark.metric_definition_versions TO {role}"
    );
    fixture.sql(&grants).await.unwrap();
    change().await.unwrap();
}

/// The statements of a commit search existing records by their key instead of scanning them.
#[tokio::test]
async fn sqlite_commits_look_records_up_by_their_key() {
    let fixture = Fixture::sqlite();
    fixture.store.migrate().await.unwrap();
    let records = ["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; 2].join(", ");
    let insert = include_str!("../../src/store/sqlite/insert_records.sql");
    let statements = [
        insert.replace("/* rows */", &format!("VALUES {records}")),
        include_str!("../../src/store/sqlite/select_written.sql").to_owned(),
    ];
    for statement in statements {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let mut connection = fixture.sqlite_connection().await;
        let rows = sqlx::query(explain).bind("default").bind("[]").fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let is_given = |step: &String| step == "SCAN 2-ROW VALUES CLAUSE" || step.starts_with("SCAN given");
        let outer = plan.iter().position(is_given);
        let inner = plan.iter().position(|step| {
            step.starts_with("SEARCH kept USING")
                && ["tenant_id", "metric_category", "metric_type", "metric_date"]
                    .iter()
                    .all(|column| step.contains(&format!("{column}=?")))
        });
        assert!(outer.is_some() && outer < inner, "{plan:?}");
    }
}

const YEAR_OF_SIX_METRICS: &str = "
    SELECT ensure_partition(2025);
    ALTER TABLE daily_metrics_2025 DISABLE TRIGGER ALL;
    INSERT INTO daily_metrics_2025 (tenant_id, metric_date, metric_type, metric_category, value, provenance,
                                    definition_version, collection_id, collection_timestamp)
    SELECT 'default', DATE '2025-01-01' + day, 'count', 'metric_' || metric, day, 'observed', 1, gen_random_uuid(), now()
    FROM generate_series(0, 364) AS day, generate_series(1, 6) AS metric";

/// A partition has no statistics during a first backfill, which reads the records of each metric again.
#[tokio::test]
async fn postgres_reads_a_metric_by_its_key_from_a_partition_without_statistics() {
    let fixture = Fixture::postgres().await;
    fixture.ready().await;
    let mut session = fixture.postgres_session().await;
    sqlx::raw_sql(YEAR_OF_SIX_METRICS).execute(&mut session).await.unwrap();
    let explain = "EXPLAIN SELECT value FROM daily_metrics
        WHERE tenant_id = 'default' AND metric_category = 'metric_1' AND metric_type = 'count'
          AND metric_date BETWEEN '2025-01-01' AND '2025-12-31'";
    let rows = sqlx::raw_sql(explain).fetch_all(&mut session).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|step| step.contains("daily_metrics_2025_pkey")), "{plan:#?}");
}

/// A function that is missing in one of the lists would be refused as foreign by the next migration, or stay executable for the roles of an
/// API.
#[test]
fn every_function_of_the_migrations_is_in_the_lists_of_daymarks_own() {
    let postgres = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/postgres");
    let read = |file: &str| std::fs::read_to_string(postgres.join(file)).unwrap();
    let strangers = read("select_strangers.sql");
    let mut migrations: Vec<_> =
        std::fs::read_dir(postgres.join("migrations")).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    let newest_list = migrations.iter().rev().find_map(|file| {
        let sql = std::fs::read_to_string(file).unwrap();
        sql.split_once("FUNCTION own_functions()").map(|(_, list)| list.to_owned())
    });
    let newest_list = newest_list.unwrap();
    let objects = read("expected_objects.txt");
    let functions: Vec<_> = objects
        .lines()
        .filter_map(|line| line.strip_prefix("\tfunction ")?.split_once('('))
        .map(|(name, _)| format!("'{name}'"))
        .collect();
    assert!(functions.len() > 30, "{functions:?}");
    for name in functions {
        assert!(strangers.contains(&name) && newest_list.contains(&name), "{name} is missing in a list");
    }
}
