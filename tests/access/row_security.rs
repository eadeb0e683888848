//! Privileges and row level security in PostgreSQL itself: every role, every table and every verb, with Supabase's objects and
//! without. Each test has a server of its own, because roles belong to a whole server.

use std::{collections::BTreeMap, fmt::Write};

use daymark::{
    access::Role,
    database::{DatabaseUrl, RetryPolicy},
    identity::{ApiKey, KeyHash},
    store::{Store, StoreOptions, open},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::server::PrivateServer;

/// The objects of Supabase that the migrations look for.
const SUPABASE: &str = "
    CREATE SCHEMA auth;
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
        $$ SELECT nullif(current_setting('request.jwt.claim.sub', TRUE), '')::uuid $$;
    GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
    CREATE TABLE public.profiles (id uuid PRIMARY KEY, is_admin boolean NOT NULL);
    INSERT INTO public.profiles VALUES ('7c9e6679-7425-40de-944b-e07fc1f90ae7', TRUE),
                                       ('0f8fad5b-d9cb-469f-a165-70867728950e', FALSE);
    ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON public.profiles USING (id = auth.uid());
    GRANT SELECT ON public.profiles TO anon, authenticated";

const API_ROLES: &str = "CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE service_role;";

/// A role that owns the store, one without grants, one that records and one that also corrects, with [`GRANTS`]; and a default privilege that gives every role
/// all privileges on new tables.
const ROLES: &str = "
    CREATE ROLE store_owner LOGIN; CREATE ROLE plain LOGIN; CREATE ROLE recorder LOGIN; CREATE ROLE corrector LOGIN;
    CREATE SCHEMA daymark AUTHORIZATION store_owner;
    ALTER DEFAULT PRIVILEGES FOR ROLE store_owner GRANT ALL ON TABLES TO PUBLIC;";

/// Supabase's default privileges on functions.
const GIVEN_FUNCTIONS: &str = "ALTER DEFAULT PRIVILEGES FOR ROLE store_owner GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;";

const GRANTS: &str = "
    GRANT USAGE ON SCHEMA daymark TO recorder;
    GRANT SELECT ON ALL TABLES IN SCHEMA daymark TO recorder;
    GRANT INSERT ON daymark.daily_metrics, daymark.metric_collection_log, daymark.jobs, daymark.events TO recorder;
    GRANT UPDATE ON daymark.metric_collection_log, daymark.jobs TO recorder;
    GRANT UPDATE (last_used_at) ON daymark.api_keys TO recorder;
    GRANT EXECUTE ON FUNCTION daymark.ensure_partition TO recorder;
    GRANT recorder TO corrector;
    GRANT INSERT ON daymark.metric_revisions TO corrector;";

const ROWS: &str = r#"
    INSERT INTO daymark.metric_definition_versions VALUES ('default', 'count', 'posts', 1,
                '{"metric_type": "count", "category": "posts", "display_name": "Posts", "measure": "created"}');
    INSERT INTO daymark.metric_definitions (tenant_id, metric_type, metric_category, display_name, version)
        VALUES ('default', 'count', 'posts', 'Posts', 1);
    INSERT INTO daymark.metric_collection_log
        (id, tenant_id, kind, collection_date, collection_end_date, started_at, status, trigger, actor, host, process_id)
        VALUES ('00000000-0000-0000-0000-000000000001', 'default', 'collect', '2025-01-01', '2025-01-31', now(), 'running', 'cli', 'cli:test', '', 1);
    SELECT daymark.ensure_partition(2025);
    INSERT INTO daymark.daily_metrics (tenant_id, metric_date, metric_type, metric_category, value, provenance,
                                       definition_version, collection_id, collection_timestamp)
        SELECT 'default', '2025-01-01'::DATE + day, 'count', 'posts', 1, 'reconstructed', 1,
               '00000000-0000-0000-0000-000000000001', now()
        FROM generate_series(0, 30) AS day;
    INSERT INTO daymark.metric_revisions (tenant_id, batch_id, metric_date, metric_type, metric_category, kind, basis, reason, author)
        VALUES ('default', '00000000-0000-0000-0000-000000000003', '2025-01-01', 'count', 'posts', 'withdrawal', 'manual', 'test', 'cli:test');
    INSERT INTO daymark.redactions (tenant_id, id, placeholder, label_hash, reason, author, places)
        VALUES ('default', '00000000-0000-0000-0000-000000000004', 'redacted-0123456789abcdef', sha256('x'), 'test', 'cli:test', '{}');
    INSERT INTO daymark.jobs (id, tenant_id, kind, spec, trigger, actor, status, created_at, host, process_id)
        VALUES ('00000000-0000-0000-0000-000000000002', 'default', 'collect', '{}', 'cli', 'cli:test', 'queued', now(), '', 1);
    INSERT INTO daymark.events (tenant_id, kind, subject) VALUES ('default', 'day_recorded', '{"date": "2025-01-01", "collection_id": "00000000-0000-0000-0000-000000000001"}');"#;

const TABLES: [&str; 11] = [
    "daily_metrics",
    "daily_metrics_2025",
    "metric_revisions",
    "redactions",
    "metric_definitions",
    "metric_definition_versions",
    "metric_collection_log",
    "jobs",
    "events",
    "store_settings",
    "api_keys",
];

struct Database {
    url: String,
    _server: PrivateServer,
}

impl Database {
    async fn new(before: &str) -> Self {
        let server = PrivateServer::new();
        let database = Self { url: server.url(), _server: server };
        database.run(before).await;
        database.store("store_owner").migrate().await.unwrap();
        database
    }

    /// Inserts a row into each table.
    async fn filled(self) -> Self {
        let owner = self.store("store_owner");
        self.run(GRANTS).await;
        self.run(&format!("SET ROLE store_owner; {ROWS}")).await;
        let key = ApiKey {
            id: uuid::Uuid::new_v4(),
            name: "key".to_owned(),
            role: Role::Reader,
            scopes: Role::Reader.scopes(),
            hash: KeyHash([1; 32]),
            created_at: "2025-01-01T00:00:00Z".parse().unwrap(),
            created_by: "cli:anna".to_owned(),
            expires_at: None,
            revoked_at: None,
            revoked_by: None,
            last_used_at: None,
        };
        assert!(owner.add_api_key(&key).await.unwrap());
        self
    }

    async fn run(&self, sql: &str) {
        let mut session = PgConnection::connect(&self.url).await.unwrap();
        session.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    fn store(&self, role: &str) -> std::sync::Arc<dyn Store> {
        let url = self.url.replace("postgres@", &format!("{role}@"));
        let retry = RetryPolicy { retries: 0, initial_delay: std::time::Duration::ZERO };
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: "daymark".to_owned(),
            retry,
            statement_timeout: None,
        };
        open(&url.parse::<DatabaseUrl>().unwrap(), options)
    }

    /// The outcome of a statement as a role: the number of rows it counts, `yes`, `-` without the privilege, or `trigger`. The
    /// transaction is rolled back.
    async fn try_as(&self, role: &str, user: &str, statement: &str) -> String {
        let mut session = PgConnection::connect(&self.url).await.unwrap();
        let mut transaction = session.begin().await.unwrap();
        let become_role =
            format!("SELECT set_config('request.jwt.claim.sub', '{user}', TRUE); SET LOCAL ROLE {role}");
        sqlx::raw_sql(AssertSqlSafe(become_role)).execute(&mut *transaction).await.unwrap();
        let counted = statement.starts_with("SELECT");
        let outcome = sqlx::query(AssertSqlSafe(statement.to_owned())).fetch_all(&mut *transaction).await;
        match outcome {
            Ok(rows) if counted => rows[0].get::<i64, _>(0).to_string(),
            Ok(_) => "yes".to_owned(),
            Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
                Some("42501") => "-".to_owned(),
                Some("23001") => "trigger".to_owned(),
                // A constraint refused the row, so the privilege was there.
                Some(code) if code.starts_with("23") => "yes".to_owned(),
                code => panic!("{role}: {statement}: {code:?} {error}"),
            },
            Err(error) => panic!("{error}"),
        }
    }

    /// One line for each role and table, with the outcomes of SELECT, INSERT (of rows and of defaults), UPDATE, DELETE and
    /// TRUNCATE.
    async fn matrix(&self, roles: &[(&str, &str)]) -> String {
        let mut lines = String::new();
        for (role, user) in roles {
            let name = if user.is_empty() { (*role).to_owned() } else { format!("{role} {}", &user[..8]) };
            for table in TABLES {
                let mut cells = Vec::new();
                let change = match table {
                    "store_settings" => "simulated_clock = TRUE",
                    _ => "tenant_id = 'other'",
                };
                for statement in [
                    format!("SELECT count(*) FROM daymark.{table}"),
                    format!("INSERT INTO daymark.{table} SELECT * FROM daymark.{table}"),
                    // A role without SELECT can only insert values.
                    format!("INSERT INTO daymark.{table} DEFAULT VALUES"),
                    format!("UPDATE daymark.{table} SET {change}"),
                    format!("DELETE FROM daymark.{table}"),
                    format!("TRUNCATE daymark.{table} CASCADE"),
                ] {
                    cells.push(self.try_as(role, user, &statement).await);
                }
                writeln!(lines, "{name:<24} {table:<27} {}", cells.join(" ")).unwrap();
            }
        }
        lines
    }
}

const ADMIN: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const MEMBER: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

#[tokio::test]
async fn privileges_of_every_role_with_supabase() {
    let database = Database::new(&format!("{API_ROLES} {SUPABASE}; {ROLES}")).await.filled().await;
    database.run("CREATE ROLE member LOGIN IN ROLE authenticated").await;
    let roles = [
        ("anon", ""),
        ("authenticated", ""),
        ("authenticated", MEMBER),
        ("authenticated", ADMIN),
        // Supabase itself makes no such user id.
        ("authenticated", "nonsense"),
        ("member", MEMBER),
        ("service_role", ""),
        ("plain", ""),
        ("recorder", ""),
        ("corrector", ""),
        ("store_owner", ""),
    ];
    insta::assert_snapshot!(database.matrix(&roles).await);
}

#[tokio::test]
async fn privileges_without_supabase_and_with_roles_that_are_created_later() {
    let database = Database::new(ROLES).await.filled().await;
    insta::assert_snapshot!(
        "without_roles",
        database.matrix(&[("plain", ""), ("recorder", ""), ("corrector", ""), ("store_owner", "")]).await
    );

    database.run(API_ROLES).await;
    let closed = database.matrix(&[("anon", ""), ("authenticated", ""), ("service_role", "")]).await;
    assert!(closed.lines().all(|line| line.ends_with(" - - - - - -")), "{closed}");
    // The function may be called twice.
    for _ in 0..2 {
        database.run("SET ROLE store_owner; SELECT daymark.grant_api_roles()").await;
    }
    insta::assert_snapshot!(
        "roles_made_later",
        database.matrix(&[("anon", ""), ("authenticated", ADMIN), ("service_role", "")]).await
    );

    // A role that may create tables and functions cannot make itself an admin with them.
    database
        .run(&format!(
            "GRANT CREATE ON SCHEMA public TO PUBLIC; {}",
            SUPABASE.replace("CREATE SCHEMA auth", "CREATE SCHEMA auth AUTHORIZATION authenticated")
        ))
        .await;
    assert_eq!(
        database.try_as("authenticated", ADMIN, "SELECT count(*) FROM daymark.metric_collection_log").await,
        "-"
    );
}

/// This holds although the default privileges of the owner give the roles EXECUTE on all functions.
#[tokio::test]
async fn roles_of_an_api_may_only_call_caller_is_admin() {
    let database = Database::new(&format!("{API_ROLES} {SUPABASE}; {ROLES} {GIVEN_FUNCTIONS}")).await;
    let mut session = PgConnection::connect(&database.url).await.unwrap();
    // The functions that PUBLIC may call are those of triggers.
    let more_than_others: Vec<(String, String)> = sqlx::query_as(
        "SELECT rolname::text, proname::text FROM pg_proc, pg_roles
         WHERE pronamespace = 'daymark'::regnamespace AND rolname IN ('anon', 'authenticated', 'service_role')
           AND has_function_privilege(pg_roles.oid, pg_proc.oid, 'EXECUTE')
           AND NOT has_function_privilege('plain', pg_proc.oid, 'EXECUTE')",
    )
    .fetch_all(&mut session)
    .await
    .unwrap();
    assert_eq!(more_than_others, [("authenticated".to_owned(), "caller_is_admin".to_owned())]);
}

/// The policies that the migrations make for the roles of an API are none that `daymark check` complains of.
#[tokio::test]
async fn policies_of_the_api_roles_are_no_finding_and_others_are() {
    let database = Database::new(&format!("{API_ROLES} {SUPABASE}; {ROLES}")).await.filled().await;
    assert_eq!(database.store("recorder").integrity().await.unwrap(), []);
    database
        .run(
            "SET ROLE store_owner; DROP POLICY authenticated_reads ON daymark.metric_collection_log;
             CREATE POLICY authenticated_reads ON daymark.metric_collection_log FOR SELECT TO authenticated USING (TRUE);
             CREATE POLICY anon_reads ON daymark.api_keys FOR SELECT TO anon USING (TRUE)",
        )
        .await;
    let found: Vec<_> = database.store("store_owner").integrity().await.unwrap();
    let found: Vec<_> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        found,
        [
            "the policy anon_reads on api_keys is not of Daymark's migrations: permissive for r to anon using true",
            "the policy authenticated_reads on metric_collection_log is not of Daymark's migrations: permissive for r to authenticated using true",
        ]
    );
}

/// The store works for its owner and for a role that only records. Neither has BYPASSRLS.
#[tokio::test]
async fn owner_and_recorder_read_all_rows() {
    let database = Database::new(&format!("{API_ROLES} {ROLES}")).await.filled().await;
    for role in ["store_owner", "recorder"] {
        let store = database.store(role);
        assert_eq!(store.runs(&Default::default()).await.unwrap().len(), 1, "{role}");
        assert_eq!(
            store.recorded_span().await.unwrap().map(|(first, _)| first.to_string()).as_deref(),
            Some("2025-01-01")
        );
        let keys = store.api_keys().await.unwrap();
        let at = "2025-06-01T00:00:00Z".parse().unwrap();
        store.touch_api_keys(&[(keys[0].id, at)]).await.unwrap();
        assert_eq!(store.api_key(keys[0].id).await.unwrap().unwrap().last_used_at, Some(at), "{role}");
    }
    let (recorder, at) = (database.store("recorder"), "2025-06-01T00:00:00Z".parse().unwrap());
    let refused = recorder.revoke_api_key(uuid::Uuid::new_v4(), at, "test").await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
}

/// A new partition has row level security as well, also if another role than the owner creates it.
#[tokio::test]
async fn every_table_has_row_level_security() {
    let database = Database::new(&format!("{API_ROLES} {ROLES}")).await.filled().await;
    database.run("SET ROLE recorder; SELECT daymark.ensure_partition(2021)").await;
    let mut session = PgConnection::connect(&database.url).await.unwrap();
    let rows = sqlx::query(
        "SELECT relname::text, relrowsecurity, relforcerowsecurity FROM pg_class
         WHERE relnamespace = 'daymark'::regnamespace AND relkind IN ('r', 'p') AND relname <> '_sqlx_migrations'",
    )
    .fetch_all(&mut session)
    .await
    .unwrap();
    let tables: BTreeMap<String, (bool, bool)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    assert_eq!(tables.len(), 22, "{tables:?}");
    assert!(tables.contains_key("daily_metrics_2021"));
    assert!(tables.values().all(|flags| *flags == (true, false)), "{tables:?}");
}
