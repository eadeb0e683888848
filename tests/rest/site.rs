//! The router of a server over a [`World`], which tests call directly or over a socket. The header `apikey` names the role.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::HeaderMap,
    middleware::{Next, from_fn},
    response::Response,
};
use daymark::{
    access::{Access, Principal, RateLimit, Role, Scope, Scopes},
    collect::{self, BackfillRequest, CancellationToken},
    config::{AccessSettings, HttpSettings, QuerySettings},
    http::{Parts, Server, Service, Shared, rest, router},
    identity::Secret,
};
use jiff::civil::Weekday;
use serde_json::Value;
use tower::ServiceExt;

use crate::{
    documented,
    world::{Heard, SOURCES, World},
};

/// The secret that tokens are signed with.
pub const JWT_SECRET: &str = "a secret of thirty-two characters";

/// Where the page comes from that reads the server in a browser.
const PAGE_ORIGIN: &str = "http://app.example.com";

pub struct Site {
    pub world: World,
    router: Router,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of an error; empty for a success.
    pub fn code(&self) -> String {
        match self.status < 400 || self.text.is_empty() {
            true => String::new(),
            false => self.json()["code"].as_str().unwrap().to_owned(),
        }
    }
}

impl Site {
    pub async fn postgres() -> Self {
        Self::around(World::postgres().await)
    }

    pub async fn sqlite() -> Self {
        Self::around(World::sqlite().await)
    }

    pub fn around(world: World) -> Self {
        // This router has only the routes of `/rest/v1`, so the service's own authentication is not used.
        Self::of_service(Self::service(&world, false, SOURCES), world)
    }

    fn of_service(service: Shared, world: World) -> Self {
        let router = Router::new().nest("/rest/v1", rest::router()).with_state(service);
        Self { world, router: router.layer(from_fn(authenticate)) }
    }

    /// The same site with another daymark.toml.
    pub fn with_file(self, file: &str) -> Self {
        Self::of_service(Self::service(&self.world, false, file), self.world)
    }

    fn service(world: &World, public_read: bool, file: &str) -> Shared {
        let query = QuerySettings { week_start: Weekday::Monday, max_points: 365 };
        let http = HttpSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            cache: false,
            cors_origins: vec![PAGE_ORIGIN.to_owned()],
            trusted_proxies: Vec::new(),
            request_timeout: Duration::from_secs(30),
            max_concurrent_requests: 100,
            max_concurrent_exports: 4,
            management_listen: None,
            max_connections: 4096,
            stall_timeout: Duration::from_secs(60),
            shutdown: Duration::from_secs(1),
        };
        let access = AccessSettings {
            public_read,
            jwt_secret: Some(Secret::new(JWT_SECRET)),
            jwks: None,
            jwt_audience: "authenticated".to_owned(),
            jwt_issuer: None,
            admin_column: None,
            rate_limit_per_minute: 10_000,
            session_secret: None,
        };
        let limit = RateLimit::new(access.rate_limit_per_minute);
        let context = world.context.clone();
        let (store, platform) = (Arc::clone(&context.tenant.store), Arc::clone(&context.tenant.platform));
        let access = Access::new(access, store, platform, Arc::clone(&context.installation.clock));
        let (jobs, readiness) = (context.clone(), Arc::clone(&context.tenant.store));
        let config = world.config(file);
        Arc::new(Service::new(Parts {
            context,
            jobs,
            readiness,
            config,
            query,
            http,
            access,
            rate_limit: limit,
            guards_platform_role: false,
        }))
    }

    /// Records all days.
    pub async fn recorded(self) -> Self {
        let cancel = CancellationToken::new();
        let request = BackfillRequest::default();
        collect::backfill(&self.world.context, &request, &Heard::default(), &cancel).await.unwrap();
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("apikey", "service")], "").await
    }

    pub async fn get_with(&self, path: &str, header: (&str, &str)) -> Answer {
        self.ask("GET", path, &[("apikey", "service"), header], "").await
    }

    pub async fn call(&self, function: &str, arguments: &str) -> Answer {
        self.ask("POST", &format!("rpc/{function}"), &[("apikey", "service")], arguments).await
    }

    /// Sends a request. `path` is relative to `/rest/v1/`.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/rest/v1/{}", escaped(path)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, text };
        documented::expect(method, path, &answer);
        answer
    }

    /// Starts a complete server with its own authentication, which runs as long as the runtime, and returns its address.
    pub async fn serve(&self, public_read: bool) -> SocketAddr {
        let service = Self::service(&self.world, public_read, SOURCES);
        let bound = Server::bind(service.http.listen).await.unwrap();
        let address = bound.address();
        tokio::spawn(bound.serve(router(Arc::clone(&service)), service, CancellationToken::new()));
        address
    }
}

/// Encodes quotes, which a URI must not contain.
pub fn escaped(path: &str) -> String {
    path.replace('"', "%22")
}

/// Replaces the server's own authentication: the API key is the name of a role.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let key = request.headers().get("apikey").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let (role, scopes) = match key.as_deref() {
        Some("service") => (Role::Service, &[Scope::Read, Scope::Log, Scope::Collect, Scope::Define][..]),
        Some("reader") => (Role::Reader, &[Scope::Read][..]),
        Some("anonymous") => (Role::Anonymous, &[Scope::Read][..]),
        Some("unprivileged") => (Role::Anonymous, &[][..]),
        _ => return next.run(request).await,
    };
    let subject = Arc::from("key:test");
    request.extensions_mut().insert(Principal { subject, role, scopes: Scopes::of(scopes) });
    next.run(request).await
}
