//! `Store::integrity` names each object that differs from the migrations, by its definition and not only by its name.

use crate::fixture::{Fixture, day, finish, new_run, record};

crate::on_both_stores!(nothing_differs_after_the_migrations);

async fn ready() -> Fixture {
    let fixture = Fixture::postgres().await;
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    fixture
}

async fn findings(fixture: &Fixture) -> Vec<String> {
    fixture.store.integrity().await.unwrap().into_iter().map(|finding| finding.message).collect()
}

async fn nothing_differs_after_the_migrations(fixture: Fixture) {
    let run = fixture.ready().await;
    fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
    assert_eq!(findings(&fixture).await, [""; 0]);
}

#[tokio::test]
async fn nothing_differs_in_a_schema_of_another_name() {
    for schema in ["s", r#"Day "mark"'s; $1"#] {
        let fixture = Fixture::in_schema(schema).await;
        let run = fixture.ready().await;
        fixture.store.commit(&[record(run, day(1), "5")], Some(&finish(run))).await.unwrap();
        assert_eq!(findings(&fixture).await, [""; 0]);
    }
}

/// A role that records runs `daymark check`, too.
#[tokio::test]
async fn a_role_that_does_not_own_the_tables_finds_the_same() {
    let fixture = ready().await;
    let role = format!("service_{}", uuid::Uuid::new_v4().simple());
    let grants = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA daymark TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA daymark TO {role}"
    );
    fixture.sql(&grants).await.unwrap();
    let other = Fixture::as_role(&fixture, &role);
    assert_eq!(findings(&other).await, [""; 0]);
    fixture.sql("ALTER TABLE events DISABLE TRIGGER number").await.unwrap();
    assert_eq!(findings(&other).await.len(), 1);
}

/// `make_date` knows no year 0.
#[tokio::test]
async fn a_partition_with_the_name_of_the_year_0_is_a_finding_and_no_error() {
    let fixture = ready().await;
    let attach = "CREATE TABLE daily_metrics_0000 PARTITION OF daily_metrics FOR VALUES FROM ('1800-01-01') TO ('1801-01-01')";
    fixture.sql(attach).await.unwrap();
    let found = findings(&fixture).await;
    assert!(found.iter().any(|finding| finding.contains("daily_metrics_0000")), "{found:#?}");
}

/// What an owner or a superuser could do so that records can be changed, or refused, or be different from what was inserted.
const WEAKENING: &str = "
    -- Triggers
    ALTER TABLE daily_metrics DISABLE TRIGGER refuse_update_or_delete;
    SELECT ensure_partition(2022);
    DROP TRIGGER refuse_truncate ON daily_metrics_2022;
    ALTER TABLE metric_collection_log ENABLE TRIGGER refuse_update;
    DROP TRIGGER refuse_update ON jobs;
    CREATE TRIGGER refuse_update BEFORE UPDATE ON jobs FOR EACH ROW WHEN (FALSE) EXECUTE FUNCTION refuse_unless_forwards();
    ALTER TABLE jobs ENABLE ALWAYS TRIGGER refuse_update;
    CREATE FUNCTION halve() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.value := NEW.value / 2; RETURN NEW; END';
    CREATE TRIGGER halve BEFORE INSERT ON daily_metrics_2022 FOR EACH ROW EXECUTE FUNCTION halve();
    -- Functions
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
        AS 'BEGIN RETURN coalesce(NEW, OLD); END';
    ALTER FUNCTION refuse_forged_records() SET search_path TO public;
    ALTER FUNCTION ensure_partition SECURITY INVOKER;
    ALTER FUNCTION number_event RESET ALL;
    ALTER FUNCTION has_real_clock OWNER TO pg_monitor;
    CREATE FUNCTION never(a DATE, b TIMESTAMPTZ) RETURNS boolean LANGUAGE sql AS 'SELECT FALSE';
    CREATE OPERATOR > (LEFTARG = DATE, RIGHTARG = TIMESTAMPTZ, FUNCTION = never);
    -- Constraints, columns and unique indexes
    ALTER TABLE events DROP CONSTRAINT kind_is_known, ADD CONSTRAINT kind_is_known CHECK (kind <> '');
    ALTER TABLE events DROP CONSTRAINT subject_is_an_object;
    ALTER TABLE api_keys DROP CONSTRAINT readers_only_read;
    ALTER TABLE api_keys ADD CONSTRAINT readers_only_read CHECK (role <> 'reader' OR scopes <@ ARRAY['read']) NOT VALID;
    ALTER TABLE metric_definitions DISABLE TRIGGER ALL;
    ALTER TABLE metric_definitions ENABLE TRIGGER notify_change;
    ALTER TABLE metric_definitions ENABLE ALWAYS TRIGGER refuse_delete;
    ALTER TABLE metric_definitions ENABLE ALWAYS TRIGGER refuse_truncate;
    ALTER TABLE jobs ALTER spec DROP NOT NULL;
    CREATE UNIQUE INDEX one_a_day ON metric_collection_log (tenant_id, collection_date);
    CREATE INDEX for_speed ON jobs (status);
    -- Rules, policies and row level security
    CREATE RULE nothing AS ON INSERT TO events DO INSTEAD NOTHING;
    CREATE POLICY all_of_it ON api_keys TO PUBLIC USING (TRUE);
    DROP POLICY granted ON jobs;
    CREATE POLICY granted ON jobs USING (TRUE);
    ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY;
    -- Tables
    SELECT ensure_partition(2023);
    ALTER TABLE daily_metrics DETACH PARTITION daily_metrics_2025;
    ALTER TABLE daily_metrics_2023 SET UNLOGGED;
    CREATE TABLE public.others PARTITION OF daily_metrics DEFAULT;
    DROP TABLE schedule_pauses;
    -- Privileges
    GRANT DELETE ON daily_metrics TO pg_monitor;
    GRANT UPDATE (value) ON daily_metrics_2022 TO pg_monitor;
    GRANT SELECT ON api_keys TO PUBLIC;
";

#[tokio::test]
async fn each_weakened_object_is_named() {
    let fixture = ready().await;
    fixture.sql(WEAKENING).await.unwrap();
    insta::assert_snapshot!(findings(&fixture).await.join("\n"));
}

/// What is not an object of the schema: a role that was granted anything has more than its grants.
#[tokio::test]
async fn a_role_that_can_get_around_its_grants_is_named_with_the_statement_that_ends_it() {
    let fixture = ready().await;
    let id = uuid::Uuid::new_v4().simple();
    let (role, group) = (format!("service_{id}"), format!("group_{id}"));
    let grants = format!("CREATE ROLE {role}; CREATE ROLE {group}; GRANT SELECT ON daily_metrics TO {role}");
    fixture.sql(&grants).await.unwrap();
    let owner: String = sqlx::query_scalar("SELECT quote_ident(current_user)")
        .fetch_one(&mut fixture.postgres_session().await)
        .await
        .unwrap();
    assert_eq!(findings(&fixture).await, [""; 0]);
    let powers = [
        (format!("GRANT {owner} TO {role}"), "has the privileges of"),
        (format!("GRANT CREATE ON SCHEMA daymark TO {role}"), "may create objects in the schema daymark"),
        (format!("ALTER SCHEMA daymark OWNER TO {role}"), "owns the schema daymark"),
        (format!("ALTER ROLE {role} SET session_replication_role = replica"), "foreign keys are not checked"),
        (
            "GRANT SELECT ON api_keys TO PUBLIC".to_owned(),
            "every role (PUBLIC) has the privilege SELECT on api_keys",
        ),
        (format!("GRANT TRUNCATE ON daily_metrics TO {role}"), "has the privilege TRUNCATE on daily_metrics"),
    ];
    for (statement, expected) in powers {
        fixture.sql(&statement).await.unwrap();
        let found = fixture.store.integrity().await.unwrap();
        assert!(found.len() == 1 && found[0].message.contains(expected), "{statement}: {found:?}");
        fixture.sql(found[0].remedy.as_deref().unwrap()).await.unwrap();
        assert_eq!(findings(&fixture).await, [""; 0], "after the remedy of {statement}");
    }
    // The statement for this could take the only superuser of a server.
    fixture.sql(&format!("ALTER ROLE {role} SUPERUSER")).await.unwrap();
    let found = fixture.store.integrity().await.unwrap();
    assert!(found.len() == 1 && found[0].message.contains("is a superuser"), "{found:?}");
    assert_eq!(found[0].remedy, None);
    fixture.sql(&format!("ALTER ROLE {role} NOSUPERUSER")).await.unwrap();
    // No single statement ends a membership through another role.
    fixture.sql(&format!("GRANT {owner} TO {group}; GRANT {group} TO {role}")).await.unwrap();
    let found = fixture.store.integrity().await.unwrap();
    assert!(found.len() == 1 && found[0].remedy.is_none(), "{found:?}");
    fixture.sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}, {group}")).await.unwrap();
}

#[tokio::test]
async fn a_detached_partition_is_named_with_the_statements_that_attach_it() {
    let fixture = ready().await;
    fixture.sql("ALTER TABLE daily_metrics DETACH PARTITION daily_metrics_2025").await.unwrap();
    let found = fixture.store.integrity().await.unwrap();
    assert!(found.len() == 1 && found[0].message.contains("is detached from daily_metrics"), "{found:?}");
    // Another process does not know yet which partitions there are.
    let other = fixture.again();
    let run = new_run(day(2));
    other.start_run(&run).await.unwrap();
    let refused = other.commit(&[record(run.id, day(2), "6")], None).await.unwrap_err().to_string();
    let remedy = found[0].remedy.clone().unwrap();
    assert!(refused.contains(&remedy), "{refused}");
    fixture.sql(&remedy).await.unwrap();
    assert_eq!(findings(&fixture).await, [""; 0]);
    other.commit(&[record(run.id, day(2), "6")], Some(&finish(run.id))).await.unwrap();
}

/// A weakened function leaves no trace in the names of a schema.
#[tokio::test]
async fn a_replaced_trigger_function_is_named_until_it_is_restored() {
    let fixture = ready().await;
    let path = "SET search_path TO daymark, pg_temp;";
    let weak = "CREATE OR REPLACE FUNCTION refuse_forged_job() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT
        AS $$ BEGIN RETURN NEW; END $$";
    fixture.sql(&format!("{path} {weak}")).await.unwrap();
    let found = findings(&fixture).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("the function refuse_forged_job() was changed"), "{found:?}");
    let migration = include_str!("../../src/store/postgres/migrations/0002_immutability.sql");
    let begin = migration.find("CREATE FUNCTION refuse_forged_job").unwrap();
    let original = migration[begin..].split_inclusive("$$;").next().unwrap();
    fixture.sql(&format!("{path} {}", original.replacen("CREATE", "CREATE OR REPLACE", 1))).await.unwrap();
    assert_eq!(findings(&fixture).await, [""; 0]);
}

/// The header of a page in the middle of the file is overwritten, as a failing disk may do.
#[tokio::test]
async fn a_damaged_sqlite_file_is_named() {
    use std::{fs::OpenOptions, os::unix::fs::FileExt};
    let fixture = Fixture::sqlite();
    let run = fixture.ready().await;
    let records: Vec<_> = (1..=28).map(|of| record(run, day(of), "5")).collect();
    fixture.store.commit(&records, Some(&finish(run))).await.unwrap();
    fixture.sql("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    let daymark::database::DatabaseUrl::Sqlite(path) = &fixture.url else { panic!("not SQLite") };
    let mut connection = fixture.sqlite_connection().await;
    let page = "SELECT rootpage FROM sqlite_schema WHERE name = 'daily_metrics'";
    let page: i64 = sqlx::query_scalar(page).fetch_one(&mut connection).await.unwrap();
    let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut connection).await.unwrap();
    drop(connection);
    let at = u64::try_from((page - 1) * size).unwrap();
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(&[0xFF; 8], at).unwrap();
    let told = match fixture.again().integrity().await {
        Ok(found) => format!("{found:?}"),
        Err(error) => error.to_string(),
    };
    assert!(told.contains("damaged") || told.contains("malformed"), "{told}");
}

#[tokio::test]
async fn sqlite_names_changed_missing_and_foreign_objects_and_file_modes() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::sqlite();
    fixture.ready().await;
    let weakening = "
        DROP TRIGGER daily_metrics_refuse_update;
        DROP TRIGGER jobs_refuse_delete;
        CREATE TRIGGER jobs_refuse_delete BEFORE DELETE ON jobs WHEN 0 BEGIN SELECT 1; END;
        CREATE TRIGGER forget BEFORE INSERT ON daily_metrics BEGIN SELECT RAISE(IGNORE); END;
        CREATE UNIQUE INDEX one_a_day ON metric_collection_log (tenant_id, collection_date);
        CREATE INDEX for_speed ON jobs (status);
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, '1900-01-01', '1800-01-01') WHERE name = 'daily_metrics'";
    fixture.sql(weakening).await.unwrap();
    let daymark::database::DatabaseUrl::Sqlite(path) = &fixture.url else { panic!("not SQLite") };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut found = findings(&fixture).await;
    assert!(found.pop().unwrap().starts_with("every user can write to the directory "));
    assert!(found.pop().unwrap().ends_with(" can be read or written by other users"));
    assert_eq!(
        found,
        [
            "the table daily_metrics was changed",
            "the trigger daily_metrics_refuse_update is missing",
            "the trigger jobs_refuse_delete was changed",
            "the trigger forget is not of Daymark's migrations",
            "the index one_a_day is not of Daymark's migrations",
        ]
    );
}
