//! A server over a [`World`], and a client for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use daymark::{
    access::{Access, KeyRequest, RateLimit, Role, create_key},
    collect::{CancellationToken, Context},
    config::{AccessSettings, Config, HttpSettings, QuerySettings},
    http::{Parts, Server, Service, Shared, router},
};
use jiff::civil::Weekday;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::world::{SOURCES, World};

pub struct Site {
    pub world: World,
    pub service: Shared,
    pub address: SocketAddr,
    /// The API key of a reader.
    pub reader: String,
    /// The API key of an admin.
    pub admin: String,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

/// The settings of a server.
pub struct Settings {
    pub http: HttpSettings,
    pub query: QuerySettings,
    pub access: AccessSettings,
    /// The text of daymark.toml.
    pub file: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: HttpSettings {
                listen: ([127, 0, 0, 1], 0).into(),
                cache: true,
                cors_origins: Vec::new(),
                trusted_proxies: Vec::new(),
                request_timeout: Duration::from_secs(30),
                max_concurrent_requests: 64,
                max_concurrent_exports: 4,
                management_listen: None,
                max_connections: 4096,
                stall_timeout: Duration::from_secs(60),
                shutdown: Duration::from_secs(10),
            },
            query: QuerySettings { week_start: Weekday::Monday, max_points: 365 },
            access: AccessSettings {
                public_read: false,
                jwt_secret: None,
                jwks: None,
                jwt_audience: "authenticated".to_owned(),
                jwt_issuer: None,
                admin_column: None,
                rate_limit_per_minute: 1_000_000,
                session_secret: None,
            },
            file: SOURCES.to_owned(),
        }
    }
}

/// The answer to a request.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The type of the problem, after checking that the body is a problem document.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        problem["type"].as_str().unwrap().trim_start_matches("urn:daymark:problem:").to_owned()
    }
}

impl Site {
    pub async fn sqlite() -> Self {
        Self::start(World::sqlite().await, Settings::default()).await
    }

    pub async fn postgres() -> Self {
        Self::start(World::postgres().await, Settings::default()).await
    }

    pub async fn start(world: World, settings: Settings) -> Self {
        let jobs = world.context.clone();
        Self::start_with(world, jobs, settings).await
    }

    /// Starts a server that uses `jobs` for its runs.
    pub async fn start_with(world: World, jobs: Context, settings: Settings) -> Self {
        let context = world.context.clone();
        Self::start_between(world, context, jobs, settings).await
    }

    /// Starts a server that uses `context` for queries and for runs.
    pub async fn start_with_context(world: World, context: Context, settings: Settings) -> Self {
        Self::start_between(world, context.clone(), context, settings).await
    }

    async fn start_between(world: World, context: Context, jobs: Context, settings: Settings) -> Self {
        let reader = new_key(&context, "reader", Role::Reader).await;
        let admin = new_key(&context, "admin", Role::Admin).await;
        let server_at = Server::bind(settings.http.listen).await.unwrap();
        let address = server_at.address();
        let config = world.config(&settings.file);
        let service = Arc::new(service(context.clone(), jobs, config, settings));
        let stop = CancellationToken::new();
        let server =
            tokio::spawn(server_at.serve(router(Arc::clone(&service)), Arc::clone(&service), stop.clone()));
        Self { world, service, address, reader, admin, stop, server }
    }

    /// Serves other routes with the same service, at another address.
    pub async fn with_routes(self, routes: axum::Router) -> Self {
        let server_at = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = server_at.address();
        let stop = CancellationToken::new();
        let server = tokio::spawn(server_at.serve(routes, Arc::clone(&self.service), stop.clone()));
        Self { address, stop, server, ..self }
    }

    /// Asks the server to stop, as SIGTERM does.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns when the server has stopped.
    pub async fn stopped(self) -> World {
        self.server.await.unwrap();
        self.world
    }

    /// Sends a GET as the reader.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[("authorization", &format!("Bearer {}", self.reader))], None).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let bearer = format!("Bearer {}", self.reader);
        self.send("GET", path, &[&[("authorization", bearer.as_str())], headers].concat(), None).await
    }

    pub async fn get_as_admin(&self, path: &str) -> Reply {
        self.send("GET", path, &[("authorization", &format!("Bearer {}", self.admin))], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {}", self.admin);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send("POST", path, &headers, Some(body.to_string())).await
    }

    /// Sends a PUT as the admin.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.put_text(path, body.to_string()).await
    }

    pub async fn put_text(&self, path: &str, body: String) -> Reply {
        let bearer = format!("Bearer {}", self.admin);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send("PUT", path, &headers, Some(body)).await
    }

    /// Sends a DELETE as the admin.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[("authorization", &format!("Bearer {}", self.admin))], None).await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Reply {
        request(self.address, method, path, headers, body).await
    }
}

pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<String>,
) -> Reply {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.unwrap_or_default()).unwrap();
    tokio::task::spawn_blocking(move || send(request)).await.unwrap()
}

fn send(request: ureq::http::Request<String>) -> Reply {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .build()
        .new_agent();
    let mut response = agent.run(request).unwrap();
    let body = response.body_mut().with_config().limit(100 << 20).read_to_vec().unwrap();
    Reply { status: response.status().as_u16(), headers: response.headers().clone(), body }
}

/// Makes a key and returns its text.
pub async fn new_key(context: &Context, name: &str, role: Role) -> String {
    let request = KeyRequest {
        name: name.to_owned(),
        role,
        scopes: None,
        expires_at: None,
        created_by: "test".to_owned(),
    };
    let key =
        create_key(context.tenant.store.as_ref(), context.installation.clock.now(), request).await.unwrap();
    key.text.reveal().to_owned()
}

pub fn service(context: Context, jobs: Context, config: Config, settings: Settings) -> Service {
    let limit = RateLimit::new(settings.access.rate_limit_per_minute);
    let (store, platform) = (Arc::clone(&context.tenant.store), Arc::clone(&context.tenant.platform));
    let access =
        Access::new(settings.access.clone(), store, platform, Arc::clone(&context.installation.clock));
    let readiness = Arc::clone(&context.tenant.store);
    let Settings { query, http, .. } = settings;
    Service::new(Parts {
        context,
        jobs,
        readiness,
        config,
        query,
        http,
        access,
        rate_limit: limit,
        guards_platform_role: false,
    })
}
