//! `daymark keys`.

use clap::{Args, Subcommand, ValueEnum};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde_json::{Value, json};

use super::{App, Exit, Page, date, duration, output::say};
use crate::{
    access::{self, ApiKey, CreatedKey, KeyRequest, Role, Scope, Scopes},
    pluralize::pluralize,
};

#[derive(Args)]
pub struct KeysArguments {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Create a key and show it, once
    Create(CreateArguments),
    /// List all keys with their role, scopes, expiry and last use
    List,
    /// Revoke a key permanently
    Revoke {
        /// The key's id or its name
        #[arg(value_name = "ID|NAME")]
        key: String,
    },
}

#[derive(Args)]
struct CreateArguments {
    /// A name for the purpose of the key; two keys in use cannot have the same name
    #[arg(long)]
    name: String,
    /// The role of the key's holder
    #[arg(long, value_enum)]
    role: KeyRole,
    /// One of the role's scopes; may be repeated [default: all of them]
    #[arg(long, value_enum)]
    scope: Vec<KeyScope>,
    /// Days, weeks or hours from now: 90d, 12w, 36h [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, conflicts_with = "expires")]
    expires_in: Option<SignedDuration>,
    /// The first day on which the key is no longer valid
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date::parse)]
    expires: Option<Date>,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyRole {
    /// Reads records and definitions
    Reader,
    /// A person who may do everything
    Admin,
    /// A program that may do everything
    Service,
}

#[derive(Clone, Copy, ValueEnum)]
enum KeyScope {
    /// Read records and definitions
    Read,
    /// Read the collection log
    Log,
    /// Start collections and backfills
    Collect,
    /// Change definitions
    Define,
    /// Correct recorded values (role admin only)
    Correct,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Reader => Self::Reader,
            KeyRole::Admin => Self::Admin,
            KeyRole::Service => Self::Service,
        }
    }
}

impl From<KeyScope> for Scope {
    fn from(scope: KeyScope) -> Self {
        match scope {
            KeyScope::Read => Self::Read,
            KeyScope::Log => Self::Log,
            KeyScope::Collect => Self::Collect,
            KeyScope::Define => Self::Define,
            KeyScope::Correct => Self::Correct,
        }
    }
}

pub async fn run(app: &App, arguments: KeysArguments) -> anyhow::Result<(Page, Exit)> {
    let page = match arguments.command {
        KeysCommand::Create(arguments) => create(app, arguments).await?,
        KeysCommand::List => list(app).await?,
        KeysCommand::Revoke { key } => revoke(app, &key).await?,
    };
    Ok((page, Exit::Done))
}

async fn create(app: &App, arguments: CreateArguments) -> anyhow::Result<Page> {
    let context = &app.context;
    let now = context.now();
    let expires_at = match (arguments.expires_in, arguments.expires) {
        (Some(lifetime), _) => Some(now.checked_add(lifetime)?),
        (None, Some(date)) => Some(start_of(app, date)?),
        (None, None) => None,
    };
    let scopes: Vec<Scope> = arguments.scope.into_iter().map(Scope::from).collect();
    let scopes = (!scopes.is_empty()).then(|| Scopes::of(&scopes));
    let request = KeyRequest {
        name: arguments.name,
        role: arguments.role.into(),
        scopes,
        expires_at,
        created_by: context.initiator.actor.clone(),
    };
    let CreatedKey { key, text } = access::create_key(context.tenant.store.as_ref(), now, request).await?;

    let mut document = key_json(&key, now);
    document["key"] = json!(text.reveal());
    let mut page = Page::new(document);
    page.columns = ["key"].into_iter().chain(COLUMNS).collect();
    page.rows = vec![[vec![text.reveal().to_owned()], cells(&key, now)].concat()];
    // The key alone is on stdout, so that a script can take it.
    page.line(text.reveal());
    say(format_args!(
        "This is the key `{}`, {}. It is not stored and cannot be shown again.",
        key.name,
        described(app, &key)
    ));
    say("A server that runs without authentication requires a key from now on.");
    Ok(page)
}

async fn list(app: &App) -> anyhow::Result<Page> {
    let now = app.context.now();
    let keys = app.context.tenant.store.api_keys().await?;
    let documents: Vec<_> = keys.iter().map(|key| key_json(key, now)).collect();
    let mut page = Page::new(json!({ "keys": documents }));
    page.columns = COLUMNS.to_vec();
    page.rows = keys.iter().map(|key| cells(key, now)).collect();
    if keys.is_empty() {
        page.line("There are no API keys; `daymark keys create` makes one.");
        return Ok(page);
    }
    let shown = |at: Option<Timestamp>, none: &str| {
        at.map_or(none.to_owned(), |at| app.context.tenant.calendar.display(at))
    };
    let rows = keys.iter().map(|key| {
        vec![
            key.name.clone(),
            key.role.name().to_owned(),
            key.scopes.names().join(" "),
            key.state(now).to_owned(),
            shown(key.expires_at, "never"),
            shown(key.last_used_at, "never"),
            key.id.to_string(),
        ]
    });
    page.table_of(&["name", "role", "scopes", "state", "expires", "last_used", "id"], rows.collect());
    let active = keys.iter().filter(|key| key.is_active(now)).count();
    page.line(format!("{}, {active} active.", pluralize(keys.len(), "key")));
    Ok(page)
}

async fn revoke(app: &App, id_or_name: &str) -> anyhow::Result<Page> {
    let now = app.context.now();
    let key =
        access::revoke_key(app.context.tenant.store.as_ref(), now, id_or_name, &app.context.initiator.actor)
            .await?;
    let mut page = Page::new(key_json(&key, now));
    page.columns = COLUMNS.to_vec();
    page.rows = vec![cells(&key, now)];
    page.line(format!(
        "The key `{}` ({}) is revoked. A running server may accept it for up to 10 seconds more.",
        key.name, key.id
    ));
    Ok(page)
}

/// The first instant of the day in the reporting time zone.
fn start_of(app: &App, date: Date) -> anyhow::Result<Timestamp> {
    let bounds = app.context.tenant.calendar.bounds(date);
    let bounds = bounds.ok_or_else(|| {
        anyhow::anyhow!(
            "the time zone {} skipped the date {date}; choose another day",
            app.context.tenant.calendar.name()
        )
    })?;
    Ok(bounds.start)
}

fn described(app: &App, key: &ApiKey) -> String {
    let until = match key.expires_at {
        Some(at) => format!("until {}", app.context.tenant.calendar.display(at)),
        None => "until it is revoked".to_owned(),
    };
    format!("role {}, scopes {}, valid {until}", key.role.name(), key.scopes.names().join(" "))
}

const COLUMNS: [&str; 11] = [
    "id",
    "name",
    "role",
    "scopes",
    "state",
    "created_at",
    "created_by",
    "expires_at",
    "revoked_at",
    "revoked_by",
    "last_used_at",
];

fn cells(key: &ApiKey, now: Timestamp) -> Vec<String> {
    let instant = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    vec![
        key.id.to_string(),
        key.name.clone(),
        key.role.name().to_owned(),
        key.scopes.names().join(" "),
        key.state(now).to_owned(),
        key.created_at.to_string(),
        key.created_by.clone(),
        instant(key.expires_at),
        instant(key.revoked_at),
        key.revoked_by.clone().unwrap_or_default(),
        instant(key.last_used_at),
    ]
}

fn key_json(key: &ApiKey, now: Timestamp) -> Value {
    json!({
        "id": key.id, "name": key.name, "role": key.role.name(), "scopes": key.scopes.names(), "state": key.state(now),
        "created_at": key.created_at, "created_by": key.created_by, "expires_at": key.expires_at, "revoked_at": key.revoked_at,
        "revoked_by": key.revoked_by,
        "last_used_at": key.last_used_at,
    })
}
