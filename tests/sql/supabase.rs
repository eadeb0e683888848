//! A server that is set up as Supabase sets up its own: the roles of its API, `auth.uid()`, default privileges that grant everything to
//! these roles, and an owner who is no superuser.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{platform::Database, server::PrivateServer};

const ROLES: &str = "
    CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN; CREATE ROLE service_role NOLOGIN BYPASSRLS;
    CREATE ROLE authenticator LOGIN NOINHERIT; GRANT anon, authenticated, service_role TO authenticator;
    CREATE ROLE owner LOGIN; CREATE ROLE stranger LOGIN;
    CREATE DATABASE app OWNER owner;";

const SCHEMAS: &str = "
    ALTER SCHEMA public OWNER TO owner;
    GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
    CREATE SCHEMA auth; GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role, owner;
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
        SELECT coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
    ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT ALL ON TABLES TO anon, authenticated, service_role;
    ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;";

pub struct Project {
    pub database: Database,
    server: PrivateServer,
}

/// The user whose row in `profiles` has `is_admin`, and one whose row has not.
pub const ADMIN: &str = "md5('profile1')::uuid";
pub const USER: &str = "md5('profile2')::uuid";

impl Project {
    /// With the definitions of the preset applied. Yesterday can be recorded at any time of the day.
    pub async fn new(settings: &str) -> Self {
        let server = PrivateServer::new();
        let mut administrator = PgConnection::connect(&server.url()).await.unwrap();
        for statement in ROLES.split_inclusive(';') {
            administrator.execute(statement).await.unwrap();
        }
        let mut administrator = PgConnection::connect(&url_of(&server, "postgres")).await.unwrap();
        administrator.execute(SCHEMAS).await.unwrap();
        let database =
            Database::at(url_of(&server, "owner"), &format!("settle_minutes = 0\n{settings}"), "").await;
        Self { database, server }
    }

    /// A session of the role in the database.
    pub async fn session_of(&self, role: &str) -> PgConnection {
        PgConnection::connect(&url_of(&self.server, role)).await.unwrap()
    }

    pub fn url_of(&self, role: &str) -> String {
        url_of(&self.server, role)
    }

    /// A session in which a request runs as PostgREST runs it: of the authenticator, as the role, with the claims of the user.
    pub async fn request_as(&self, role: &str, user: Option<&str>) -> PgConnection {
        let mut session = self.session_of("authenticator").await;
        let claims = match user {
            Some(user) => format!("jsonb_build_object('role', '{role}', 'sub', {user})"),
            None => format!("jsonb_build_object('role', '{role}')"),
        };
        let sql = format!("SELECT set_config('request.jwt.claims', {claims}::text, FALSE); SET ROLE {role}");
        session.execute(AssertSqlSafe(sql)).await.unwrap();
        session
    }
}

fn url_of(server: &PrivateServer, role: &str) -> String {
    let url = server.url().replace("postgres@", &format!("{role}@"));
    format!("{}app", url.strip_suffix("postgres").unwrap())
}
